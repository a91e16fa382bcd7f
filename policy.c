#include "libssl.h"

#include <openssl/conf.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

/* What openssl.cnf asks of every SSL_CTX. libcrypto reads the file itself, as it does by default. */

char *gossl_conf_file(void) { return CONF_get1_default_config_file(); }

const char *gossl_modules_dir(void)
{
#if GOSSL_3
    return OPENSSL_info(OPENSSL_INFO_MODULES_DIR);
#else
    return NULL;
#endif
}

typedef struct {
    char *p;
    size_t n, cap;
} text;

/* Appends s with its NUL. */
static int add(text *t, const char *s)
{
    size_t n = strlen(s) + 1;
    if (t->n + n > t->cap) {
        size_t cap = 2 * (t->n + n);
        char *p = gossl_alloc(cap);
        if (p == NULL)
            return 0;
        if (t->n > 0)
            memcpy(p, t->p, t->n);
        gossl_release(t->p);
        t->p = p;
        t->cap = cap;
    }
    memcpy(t->p + t->n, s, n);
    t->n += n;
    return 1;
}

/* The system_default section: openssl_conf names the section that names the section that names it. */
static STACK_OF(CONF_VALUE) *system_default(CONF *conf)
{
    const char *name = NCONF_get_string(conf, NULL, "openssl_conf");
    if (name != NULL)
        name = NCONF_get_string(conf, name, "ssl_conf");
    if (name != NULL)
        name = NCONF_get_string(conf, name, "system_default");
    return name == NULL ? NULL : NCONF_get_section(conf, name);
}

/* Asks a libssl that has the file's policy already whether it takes the lines, as ssl_ctx_system_config does. */
static int try_commands(STACK_OF(CONF_VALUE) *lines, text *t)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_method());
    SSL_CONF_CTX *c = SSL_CONF_CTX_new();
    int i, ok = ctx != NULL && c != NULL;
    if (ok) {
        SSL_CONF_CTX_set_flags(c, SSL_CONF_FLAG_FILE | SSL_CONF_FLAG_CLIENT | SSL_CONF_FLAG_SERVER);
        SSL_CONF_CTX_set_ssl_ctx(c, ctx);
    }
    for (i = 0; ok && i < sk_CONF_VALUE_num(lines); i++) {
        CONF_VALUE *v = sk_CONF_VALUE_value(lines, i);
        const char *dot = strchr(v->name, '.');
        char ret[16];
        snprintf(ret, sizeof ret, "%d", SSL_CONF_cmd(c, dot == NULL ? v->name : dot + 1, v->value));
        ok = add(t, v->name) && add(t, v->value) && add(t, ret);
    }
    SSL_CONF_CTX_free(c);
    SSL_CTX_free(ctx);
    return ok;
}

/* Name, value and SSL_CONF_cmd's answer of each line, a NUL behind each; the caller gives *out to
 * gossl_release. 1 for a file that is not there too. */
int gossl_conf_commands(const char *file, char **out, size_t *n, gossl_errors **errs)
{
    CONF *conf;
    text t = {NULL, 0, 0};
    long line = 0;
    int ok;

    *out = NULL;
    *n = 0;
    *errs = NULL;
    OPENSSL_init_ssl(0, NULL); /* loads openssl.cnf, before its errors could be taken for ours */
    ERR_clear_error();
    conf = NCONF_new(NULL);
    ok = conf != NULL && NCONF_load(conf, file, &line) > 0;
    if (!ok && conf != NULL && ERR_GET_LIB(ERR_peek_last_error()) == ERR_LIB_CONF
        && ERR_GET_REASON(ERR_peek_last_error()) == CONF_R_NO_SUCH_FILE)
        ok = 1;
    else if (ok) {
        STACK_OF(CONF_VALUE) *lines = system_default(conf);
        ERR_clear_error();
        ok = lines == NULL || try_commands(lines, &t);
    }
    if (!ok)
        *errs = gossl_take_errors();
    NCONF_free(conf);
    ERR_clear_error();
    *out = t.p;
    *n = t.n;
    return ok;
}
