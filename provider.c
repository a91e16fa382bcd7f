#include "libssl.h"

#include <string.h>

/* Providers came with OpenSSL 3.0; the Go side does not ask for them on 1.1.1. */

#if GOSSL_3
#include <openssl/provider.h>

/* libcrypto takes a query that it cannot parse for none, and says so in its error queue, the first time
 * alone: a library context of its own has not heard it yet. */
static int parses(const char *properties)
{
    OSSL_LIB_CTX *fresh = OSSL_LIB_CTX_new();
    int ok = fresh != NULL && EVP_set_default_properties(fresh, properties) == 1;
    OSSL_LIB_CTX_free(fresh);
    return ok;
}

SSL_CTX *gossl_ctx_with(const char *properties)
{
    EVP_MD *md;
    if (!parses(properties))
        return NULL;
    md = EVP_MD_fetch(NULL, "SHA256", properties);
    EVP_MD_free(md);
    if (md == NULL || ERR_peek_error() != 0)
        return NULL;
    return SSL_CTX_new_ex(NULL, properties, TLS_method());
}

/* Without dropping the default provider, which loading another would. It stays loaded. */
int gossl_load_provider(const char *name, gossl_errors **errs)
{
    int ok;
    ERR_clear_error();
    ok = OSSL_PROVIDER_try_load(NULL, name, 1) != NULL;
    *errs = ok ? NULL : gossl_take_errors();
    ERR_clear_error();
    return ok;
}

typedef struct {
    char *p;
    size_t n;
    int failed;
} name_list;

static int add_name(OSSL_PROVIDER *prov, void *arg)
{
    name_list *l = arg;
    const char *name = OSSL_PROVIDER_get0_name(prov);
    size_t n = strlen(name);
    char *p = gossl_alloc(l->n + n + 2);
    if (p == NULL)
        return 0;
    if (l->n > 0)
        memcpy(p, l->p, l->n);
    memcpy(p + l->n, name, n);
    p[l->n + n] = ' ';
    p[l->n + n + 1] = 0;
    gossl_release(l->p);
    l->p = p;
    l->n += n + 1;
    return 1;
}

char *gossl_providers(void)
{
    name_list l = {NULL, 0, 0};
    ERR_clear_error();
    /* A fetch loads what openssl.cnf names, or the default provider. */
    EVP_MD_free(EVP_MD_fetch(NULL, "SHA256", NULL));
    OSSL_PROVIDER_do_all(NULL, add_name, &l);
    ERR_clear_error();
    return l.p;
}

int gossl_fips(void)
{
    return EVP_default_properties_is_fips_enabled(NULL) && OSSL_PROVIDER_available(NULL, "fips");
}

#else

SSL_CTX *gossl_ctx_with(const char *properties)
{
    (void)properties;
    return NULL;
}

int gossl_load_provider(const char *name, gossl_errors **errs)
{
    (void)name;
    *errs = NULL;
    return 0;
}

char *gossl_providers(void) { return NULL; }

/* FIPS_mode of distributions that patched 1.1.1 for it; 0 elsewhere. */
int gossl_fips(void) { return FIPS_mode() != 0; }

#endif
