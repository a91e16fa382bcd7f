#include "libssl.h"

#include <dlfcn.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <string.h>

/* Encrypted ClientHello (RFC 9849), from 4.0 on. A program that was built on older headers is linked with a
 * library of another name: whatever dlsym finds beside it must not be given its SSL. */
#if OPENSSL_VERSION_NUMBER >= 0x40000000L && !defined(OPENSSL_NO_ECH)
static void *own(void *f) { return f; }
#define FUNCTION(name) own((void *)name)
#else
#define FUNCTION(name) (OpenSSL_version_num() >= 0x40000000UL ? dlsym(RTLD_DEFAULT, #name) : NULL)
#endif

/* What the headers may lack. */
enum { ECH_SUCCESS = 1, ECH_BAD_NAME = -102 }; /* SSL_ECH_STATUS_ */
#define ECH_TRIALDECRYPT ((uint64_t)1 << 38) /* SSL_OP_ECH_TRIALDECRYPT */

typedef gossl_ech *(*store_new)(void *libctx, const char *propq);
typedef void (*store_free)(gossl_ech *);
typedef int (*store_read_list)(gossl_ech *, BIO *);
typedef int (*store_read_pem)(gossl_ech *, BIO *, int for_retry);
typedef int (*store_count)(gossl_ech *, int *);
typedef int (*store_use)(SSL *, gossl_ech *);
typedef int (*ech_status)(SSL *, char **inner, char **outer);
typedef int (*ech_retry)(SSL *, unsigned char **, size_t *);

int gossl_can_ech(void)
{
    return FUNCTION(OSSL_ECHSTORE_new) != NULL && FUNCTION(OSSL_ECHSTORE_free) != NULL
           && FUNCTION(OSSL_ECHSTORE_read_echconfiglist) != NULL && FUNCTION(OSSL_ECHSTORE_read_pem) != NULL
           && FUNCTION(OSSL_ECHSTORE_num_entries) != NULL && FUNCTION(OSSL_ECHSTORE_num_keys) != NULL
           && FUNCTION(SSL_set1_echstore) != NULL && FUNCTION(SSL_ech_get1_status) != NULL
           && FUNCTION(SSL_ech_get1_retry_config) != NULL;
}

void gossl_ech_free(gossl_ech *es)
{
    if (es != NULL)
        ((store_free)FUNCTION(OSSL_ECHSTORE_free))(es);
}

static gossl_ech *give_up(gossl_ech *es, BIO *b, gossl_errors **errs)
{
    *errs = gossl_take_errors();
    BIO_free(b);
    gossl_ech_free(es);
    return NULL;
}

/* A client's, of an ECHConfigList. RFC 9849, 4: a config that is not understood is passed over; libssl would
 * refuse the list. */
gossl_ech *gossl_ech_list(const unsigned char *list, size_t n, gossl_errors **errs)
{
    gossl_ech *es;
    unsigned char *one = gossl_alloc(n);
    size_t at, len = 0;
    int have = 0;
    BIO *b;
    ERR_clear_error();
    *errs = NULL;
    es = ((store_new)FUNCTION(OSSL_ECHSTORE_new))(NULL, NULL);
    for (at = 2; es != NULL && one != NULL && at < n; at += len) {
        if (n - at < 4 || (len = 4 + ((size_t)list[at + 2] << 8 | list[at + 3])) > n - at)
            break;
        one[0] = (unsigned char)(len >> 8);
        one[1] = (unsigned char)len;
        memcpy(one + 2, list + at, len);
        if ((b = BIO_new_mem_buf(one, (int)len + 2)) != NULL)
            ((store_read_list)FUNCTION(OSSL_ECHSTORE_read_echconfiglist))(es, b);
        BIO_free(b);
    }
    gossl_release(one);
    if (es == NULL || at != n || ((store_count)FUNCTION(OSSL_ECHSTORE_num_entries))(es, &have) != 1 || have < 1)
        return give_up(es, NULL, errs);
    ERR_clear_error();
    return es;
}

/* A server's, of n PEM texts, each a private key and the list of one ECHConfig. */
gossl_ech *gossl_ech_keys(const unsigned char *pems, const size_t *lens, const int *retry, size_t n, gossl_errors **errs)
{
    gossl_ech *es;
    BIO *b = NULL;
    size_t i;
    int have = 0;
    ERR_clear_error();
    *errs = NULL;
    if ((es = ((store_new)FUNCTION(OSSL_ECHSTORE_new))(NULL, NULL)) == NULL)
        return give_up(es, b, errs);
    for (i = 0; i < n; pems += lens[i++]) {
        if ((b = BIO_new_mem_buf(pems, (int)lens[i])) == NULL
            || ((store_read_pem)FUNCTION(OSSL_ECHSTORE_read_pem))(es, b, retry[i]) != 1
            || ((store_count)FUNCTION(OSSL_ECHSTORE_num_keys))(es, &have) != 1 || have != (int)i + 1)
            return give_up(es, b, errs);
        BIO_free(b);
    }
    ERR_clear_error();
    return es;
}

/* libssl copies es. */
int gossl_ech_use(gossl_ssl *g, gossl_ech *es)
{
    int ok;
    ERR_clear_error();
    if (SSL_is_server(g->ssl))
        gossl_set_options(g, ECH_TRIALDECRYPT); /* config ids are not unique (RFC 9849, 10.4) */
    else if (!SSL_set_min_proto_version(g->ssl, TLS1_3_VERSION))
        return 0;
    else /* libssl verifies the public name of who rejects, though our own may go unverified */
        X509_VERIFY_PARAM_set_hostflags(SSL_get0_param(g->ssl), GOSSL_HOST_FLAGS);
    ok = ((store_use)FUNCTION(SSL_set1_echstore))(g->ssl, es) == 1;
    ERR_clear_error();
    return ok;
}

int gossl_ech_accepted(gossl_ssl *g)
{
    char *inner = NULL, *outer = NULL;
    int status;
    ERR_clear_error();
    status = ((ech_status)FUNCTION(SSL_ech_get1_status))(g->ssl, &inner, &outer);
    OPENSSL_free(inner);
    OPENSSL_free(outer);
    ERR_clear_error();
    return status == ECH_SUCCESS || status == ECH_BAD_NAME;
}

/* The caller gives *out to gossl_openssl_free. */
size_t gossl_ech_retry(gossl_ssl *g, unsigned char **out)
{
    size_t n = 0;
    *out = NULL;
    ERR_clear_error();
    if (((ech_retry)FUNCTION(SSL_ech_get1_retry_config))(g->ssl, out, &n) != 1)
        n = 0;
    ERR_clear_error();
    return n;
}
