#include "libssl.h"

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/pem.h>
#include <openssl/store.h>
#include <openssl/ui.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

/* ---- SSL_CTX ---- */

typedef struct {
    size_t n;
    unsigned char wire[];
} alpn_list;

static int alpn_index = -1;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void alpn_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int index, long argl, void *argp)
{
    (void)parent;
    (void)ad;
    (void)index;
    (void)argl;
    (void)argp;
    gossl_release(ptr);
}

/* libssl's own count of its sessions, by every SSL_SESSION's ex_data. */
static long live_sessions;

static void session_new(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int index, long argl, void *argp)
{
    (void)parent;
    (void)ptr;
    (void)ad;
    (void)index;
    (void)argl;
    (void)argp;
    __atomic_add_fetch(&live_sessions, 1, __ATOMIC_RELAXED);
}

static void session_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int index, long argl, void *argp)
{
    (void)parent;
    (void)ptr;
    (void)ad;
    (void)index;
    (void)argl;
    (void)argp;
    __atomic_sub_fetch(&live_sessions, 1, __ATOMIC_RELAXED);
}

long gossl_live_sessions(void) { return __atomic_load_n(&live_sessions, __ATOMIC_RELAXED); }

static void init_once(void)
{
    alpn_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, alpn_free);
    SSL_SESSION_get_ex_new_index(0, NULL, session_new, NULL, session_free);
}

SSL_CTX *gossl_ctx_new(const char *properties, gossl_errors **errs)
{
    SSL_CTX *c;
    ERR_clear_error();
    pthread_once(&once, init_once);
    c = properties == NULL ? SSL_CTX_new(TLS_method()) : gossl_ctx_with(properties);
    *errs = c == NULL ? gossl_take_errors() : NULL;
    return c;
}

void gossl_ctx_free(SSL_CTX *c)
{
    ERR_clear_error();
    SSL_CTX_free(c);
    ERR_clear_error();
}

static int has_proto(const unsigned char *wire, size_t n, const char *proto, size_t len)
{
    size_t i;
    for (i = 0; i < n; i += 1u + wire[i])
        if (wire[i] == len && memcmp(wire + i + 1, proto, len) == 0)
            return 1;
    return 0;
}

/* RFC 7301, 3.2: no protocol in common is a fatal no_application_protocol. As crypto/tls, a client
 * that knows HTTP/1.1 alone is let in by a server that names h2 but not http/1.1. */
static int alpn_cb(SSL *ssl, const unsigned char **out, unsigned char *outlen, const unsigned char *in,
                   unsigned int inlen, void *arg)
{
    alpn_list *own = arg;
    (void)ssl;
    if (SSL_select_next_proto((unsigned char **)out, outlen, own->wire, (unsigned)own->n, in, inlen)
        == OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_OK;
    if (has_proto(own->wire, own->n, "h2", 2) && has_proto(in, inlen, "http/1.1", 8) && inlen == 9)
        return SSL_TLSEXT_ERR_NOACK;
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

int gossl_ctx_set_alpn(SSL_CTX *c, const unsigned char *wire, size_t n, gossl_errors **errs)
{
    alpn_list *l = gossl_alloc(sizeof *l + n);
    ERR_clear_error();
    *errs = NULL;
    if (l == NULL)
        return 0;
    l->n = n;
    memcpy(l->wire, wire, n);
    if (!SSL_CTX_set_ex_data(c, alpn_index, l)) {
        gossl_release(l);
        *errs = gossl_take_errors();
        return 0;
    }
    if (SSL_CTX_set_alpn_protos(c, wire, (unsigned)n) != 0) { /* 0 is success */
        *errs = gossl_take_errors();
        return 0;
    }
    SSL_CTX_set_alpn_select_cb(c, alpn_cb, l);
    return 1;
}

int gossl_ctx_set_strings(SSL_CTX *c, const char *ciphers, const char *suites, const char *groups, gossl_errors **errs)
{
    int ok;
    ERR_clear_error();
    ok = (ciphers == NULL || SSL_CTX_set_cipher_list(c, ciphers))
         && (suites == NULL || SSL_CTX_set_ciphersuites(c, suites))
         && (groups == NULL || SSL_CTX_set1_groups_list(c, groups));
    *errs = ok ? NULL : gossl_take_errors();
    return ok;
}

int gossl_ctx_set_versions(SSL_CTX *c, int min, int max, gossl_errors **errs)
{
    int ok;
    ERR_clear_error();
    ok = SSL_CTX_set_min_proto_version(c, min) && SSL_CTX_set_max_proto_version(c, max);
    *errs = ok ? NULL : gossl_take_errors();
    return ok;
}

int gossl_ctx_set_sid_context(SSL_CTX *c, const unsigned char *p, size_t n, gossl_errors **errs)
{
    int ok;
    ERR_clear_error();
    ok = SSL_CTX_set_session_id_context(c, p, (unsigned)n);
    *errs = ok ? NULL : gossl_take_errors();
    return ok;
}

int gossl_ctx_use_cert(SSL_CTX *c, gossl_cert *k, gossl_errors **errs)
{
    int ok;
    ERR_clear_error();
    ok = SSL_CTX_use_cert_and_key(c, k->leaf, k->key, k->chain, 1);
    *errs = ok ? NULL : gossl_take_errors();
    return ok;
}

/* ---- certificates and keys ---- */

/* The key's owner is not asked on the terminal: without a passphrase an encrypted key fails. */
static int passphrase_cb(char *buf, int size, int rwflag, void *arg)
{
    const char *pass = arg;
    size_t n;
    (void)rwflag;
    if (pass == NULL || (n = strlen(pass)) > (size_t)size)
        return -1;
    memcpy(buf, pass, n);
    return (int)n;
}

/* Caches the extensions now: on unpatched libraries their first concurrent use is a use after free. */
static void cache_extensions(X509 *x) { (void)X509_check_purpose(x, -1, 0); }

void gossl_cert_free(gossl_cert *c)
{
    if (c == NULL)
        return;
    X509_free(c->leaf);
    sk_X509_pop_free(c->chain, X509_free);
    EVP_PKEY_free(c->key);
    gossl_release(c);
}

static gossl_cert *cert_new(void)
{
    gossl_cert *c = gossl_alloc(sizeof *c);
    if (c == NULL)
        return NULL;
    memset(c, 0, sizeof *c);
    if ((c->chain = sk_X509_new_null()) == NULL) {
        gossl_release(c);
        return NULL;
    }
    return c;
}

static int cert_add(gossl_cert *c, X509 *x)
{
    cache_extensions(x);
    if (c->leaf == NULL) {
        c->leaf = x;
        return 1;
    }
    if (sk_X509_push(c->chain, x))
        return 1;
    X509_free(x);
    return 0;
}

/* PEM_read_bio ends a file's certificates with NO_START_LINE; any other entry is an error. */
static int at_pem_end(void)
{
    unsigned long e = ERR_peek_last_error();
    if (e == 0 || (ERR_GET_LIB(e) == ERR_LIB_PEM && ERR_GET_REASON(e) == PEM_R_NO_START_LINE)) {
        ERR_clear_error();
        return 1;
    }
    return 0;
}

static gossl_cert *cert_check(gossl_cert *c, gossl_errors **errs)
{
    if (c->leaf != NULL && c->key != NULL && X509_check_private_key(c->leaf, c->key) == 1 && gossl_staple_attach(c->leaf)) {
        ERR_clear_error();
        return c;
    }
    *errs = gossl_take_errors();
    gossl_cert_free(c);
    return NULL;
}

gossl_cert *gossl_cert_pem(const unsigned char *cert, size_t cert_len, const unsigned char *key, size_t key_len,
                           const char *pass, gossl_errors **errs)
{
    gossl_cert *c;
    BIO *b = NULL;
    X509 *x;
    int ok = 1;

    ERR_clear_error();
    *errs = NULL;
    if ((c = cert_new()) == NULL)
        return NULL;
    if ((b = BIO_new_mem_buf(cert, (int)cert_len)) == NULL)
        ok = 0;
    while (ok && (x = PEM_read_bio_X509_AUX(b, NULL, passphrase_cb, NULL)) != NULL)
        ok = cert_add(c, x);
    BIO_free(b);
    if (ok && c->leaf != NULL && at_pem_end() && (b = BIO_new_mem_buf(key, (int)key_len)) != NULL) {
        c->key = PEM_read_bio_PrivateKey(b, NULL, passphrase_cb, (void *)pass);
        BIO_free(b);
    }
    return cert_check(c, errs);
}

/* Takes key over, NULL too. */
gossl_cert *gossl_cert_with(const unsigned char *certs, const size_t *lens, size_t n, EVP_PKEY *key, gossl_errors **errs)
{
    gossl_cert *c;
    const unsigned char *p = certs;
    size_t i;

    *errs = NULL;
    if ((c = cert_new()) == NULL) {
        EVP_PKEY_free(key);
        return NULL;
    }
    c->key = key;
    for (i = 0; i < n; i++) {
        const unsigned char *at = p;
        X509 *x = d2i_X509(NULL, &at, (long)lens[i]);
        if (x == NULL || at != p + lens[i] || !cert_add(c, x)) {
            if (x != NULL && at != p + lens[i])
                X509_free(x);
            *errs = gossl_take_errors();
            gossl_cert_free(c);
            return NULL;
        }
        p += lens[i];
    }
    return cert_check(c, errs);
}

gossl_cert *gossl_cert_der(const unsigned char *certs, const size_t *lens, size_t n, const unsigned char *key, size_t key_len,
                           gossl_errors **errs)
{
    const unsigned char *q = key;
    EVP_PKEY *k;

    ERR_clear_error();
    k = d2i_AutoPrivateKey(NULL, &q, (long)key_len);
    if (k != NULL && q != (const unsigned char *)key + key_len) {
        EVP_PKEY_free(k);
        k = NULL;
    }
    return gossl_cert_with(certs, lens, n, k, errs);
}

/* Takes certificates and a key out of a store, as far as they are wanted. */
static int cert_store(gossl_cert *c, const char *uri, int certs, int key)
{
    OSSL_STORE_CTX *st = OSSL_STORE_open(uri, UI_null(), NULL, NULL, NULL);
    int ok = st != NULL;
    while (ok && !OSSL_STORE_eof(st)) {
        OSSL_STORE_INFO *info = OSSL_STORE_load(st);
        if (info == NULL && OSSL_STORE_error(st))
            break; /* what was not read is missed below */
        if (info == NULL)
            continue;
        if (certs && OSSL_STORE_INFO_get_type(info) == OSSL_STORE_INFO_CERT)
            ok = cert_add(c, OSSL_STORE_INFO_get1_CERT(info));
        else if (key && c->key == NULL && OSSL_STORE_INFO_get_type(info) == OSSL_STORE_INFO_PKEY)
            c->key = OSSL_STORE_INFO_get1_PKEY(info);
        OSSL_STORE_INFO_free(info);
    }
    OSSL_STORE_close(st);
    return ok;
}

gossl_cert *gossl_cert_uri(const char *cert, const char *key, gossl_errors **errs)
{
    gossl_cert *c;
    int one = strcmp(cert, key) == 0;
    ERR_clear_error();
    *errs = NULL;
    if ((c = cert_new()) == NULL)
        return NULL;
    if (!cert_store(c, cert, 1, one) || (!one && !cert_store(c, key, 0, 1))) {
        *errs = gossl_take_errors();
        gossl_cert_free(c);
        return NULL;
    }
    return cert_check(c, errs);
}

/* ---- trust ---- */

X509_STORE *gossl_store_new(gossl_errors **errs)
{
    X509_STORE *st;
    ERR_clear_error();
    st = X509_STORE_new();
    *errs = st == NULL ? gossl_take_errors() : NULL;
    return st;
}

/* The number of certificates added, -1 on an error. */
long gossl_store_add_pem(X509_STORE *st, const unsigned char *pem, size_t n, gossl_errors **errs)
{
    BIO *b;
    X509 *x;
    long added = 0;

    ERR_clear_error();
    *errs = NULL;
    if ((b = BIO_new_mem_buf(pem, (int)n)) == NULL) {
        *errs = gossl_take_errors();
        return -1;
    }
    while ((x = PEM_read_bio_X509_AUX(b, NULL, passphrase_cb, NULL)) != NULL) {
        int ok;
        cache_extensions(x);
        ERR_clear_error();
        ok = X509_STORE_add_cert(st, x);
        X509_free(x);
        if (!ok)
            break;
        added++;
    }
    BIO_free(b);
    if (!at_pem_end()) {
        *errs = gossl_take_errors();
        return -1;
    }
    return added;
}

int gossl_store_add_der(X509_STORE *st, const unsigned char *der, size_t n, gossl_errors **errs)
{
    const unsigned char *p = der;
    X509 *x;
    int ok;
    ERR_clear_error();
    *errs = NULL;
    x = d2i_X509(NULL, &p, (long)n);
    ok = x != NULL && p == (const unsigned char *)der + n;
    if (ok) {
        cache_extensions(x);
        ok = X509_STORE_add_cert(st, x);
    }
    X509_free(x);
    if (!ok)
        *errs = gossl_take_errors();
    return ok;
}

/* The names that a server's CertificateRequest lists. */
STACK_OF(X509_NAME) *gossl_ca_names(const unsigned char *pem, size_t n)
{
    STACK_OF(X509_NAME) *names = sk_X509_NAME_new_null();
    BIO *b = BIO_new_mem_buf(pem, (int)n);
    X509 *x;
    while (names != NULL && b != NULL && (x = PEM_read_bio_X509_AUX(b, NULL, passphrase_cb, NULL)) != NULL) {
        X509_NAME *name = X509_NAME_dup(X509_get_subject_name(x));
        if (name != NULL && !sk_X509_NAME_push(names, name))
            X509_NAME_free(name);
        X509_free(x);
    }
    BIO_free(b);
    ERR_clear_error();
    return names;
}

/* ---- sessions ---- */

/* The caller frees *out with gossl_openssl_free. */
size_t gossl_session_der(SSL_SESSION *s, unsigned char **out)
{
    int n;
    *out = NULL;
    ERR_clear_error();
    n = i2d_SSL_SESSION(s, out);
    ERR_clear_error();
    return n > 0 ? (size_t)n : 0;
}

SSL_SESSION *gossl_session_parse(const unsigned char *der, size_t n, gossl_errors **errs)
{
    const unsigned char *p = der;
    SSL_SESSION *s;
    ERR_clear_error();
    *errs = NULL;
    s = d2i_SSL_SESSION(NULL, &p, (long)n);
    if (s != NULL && p != (const unsigned char *)der + n) {
        SSL_SESSION_free(s);
        s = NULL;
    }
    if (s == NULL)
        *errs = gossl_take_errors();
    return s;
}

/* A resumption shows no certificate: what the session remembers must be what a handshake would
 * have demanded: a certificate in its time and for this name. */
int gossl_session_names(SSL_SESSION *s, const char *name, size_t len, int is_ip)
{
    X509 *x = SSL_SESSION_get0_peer(s);
    char host[256] = "";
    int ok;
    if (x == NULL || len >= sizeof host || ASN1_TIME_cmp_time_t(X509_get0_notAfter(x), time(NULL)) <= 0)
        return 0;
    if (len > 0)
        memcpy(host, name, len);
    ERR_clear_error();
    ok = is_ip ? X509_check_ip_asc(x, host, GOSSL_HOST_FLAGS) : X509_check_host(x, host, 0, GOSSL_HOST_FLAGS, NULL);
    ERR_clear_error();
    return ok == 1;
}

int gossl_session_over(SSL_SESSION *s)
{
    X509 *x = SSL_SESSION_get0_peer(s);
    return x != NULL && ASN1_TIME_cmp_time_t(X509_get0_notAfter(x), time(NULL)) <= 0;
}

gossl_session_state gossl_session_now(SSL_SESSION *s)
{
    gossl_session_state now;
    now.resumable = SSL_SESSION_is_resumable(s);
    now.has_ticket = SSL_SESSION_has_ticket(s);
    now.protocol = SSL_SESSION_get_protocol_version(s);
    now.hint = SSL_SESSION_get_ticket_lifetime_hint(s);
    now.created = gossl_session_time(s);
    now.timeout = SSL_SESSION_get_timeout(s);
    return now;
}

int gossl_session_same_id(SSL_SESSION *a, SSL_SESSION *b)
{
    unsigned int n, m;
    const unsigned char *p = SSL_SESSION_get_id(a, &n), *q = SSL_SESSION_get_id(b, &m);
    return n == m && memcmp(p, q, n) == 0;
}

void gossl_session_context(SSL_SESSION *s, gossl_ssl *g)
{
    unsigned int n;
    const unsigned char *p = SSL_SESSION_get0_id_context(s, &n);
    SSL_set_session_id_context(g->ssl, p, n);
}
