#define _GNU_SOURCE /* RTLD_DEFAULT */
#include "libssl.h"

#include <dlfcn.h>
#include <openssl/crypto.h>
#include <openssl/ocsp.h>
#include <pthread.h>
#include <string.h>

/* What not every version has. What the headers of a program's build lack is looked up when it runs. */

int gossl_has_group(const char *name)
{
    SSL_CTX *c;
    int ok;
    ERR_clear_error();
    c = SSL_CTX_new(TLS_method());
    ok = c != NULL && SSL_CTX_set1_groups_list(c, name) == 1;
    SSL_CTX_free(c);
    ERR_clear_error();
    return ok;
}

/* A function of libssl that came with a version later than 1.1.1, NULL where the loaded one lacks it. Of a
 * static library only the headers' own version can be met. */
#if OPENSSL_VERSION_NUMBER >= 0x30200000L
static void *own(void *f) { return f; }
#define FUNCTION(name) own((void *)name)
#else
#define FUNCTION(name) dlsym(RTLD_DEFAULT, #name)
#endif

/* ---- raw public keys (RFC 7250), from 3.2 on ---- */

typedef int (*set_cert_type)(SSL *, const unsigned char *, size_t);
typedef EVP_PKEY *(*get_rpk)(const SSL *);

int gossl_can_rpk(void)
{
    return FUNCTION(SSL_set1_client_cert_type) != NULL && FUNCTION(SSL_set1_server_cert_type) != NULL
           && FUNCTION(SSL_get0_peer_rpk) != NULL;
}

/* show: our key goes alone where the peer takes it. want: the peer's must; Go compares it. */
int gossl_rpk(gossl_ssl *g, int show, int want)
{
    static const unsigned char either[] = {2, 0}, raw[] = {2}; /* RawPublicKey, X509 */
    int server = SSL_is_server(g->ssl), ok = 1;
    set_cert_type ours = (set_cert_type)(server ? FUNCTION(SSL_set1_server_cert_type) : FUNCTION(SSL_set1_client_cert_type));
    set_cert_type theirs = (set_cert_type)(server ? FUNCTION(SSL_set1_client_cert_type) : FUNCTION(SSL_set1_server_cert_type));
    if (!gossl_can_rpk())
        return 0;
    ERR_clear_error();
    if (show)
        ok = ours(g->ssl, either, sizeof either) == 1;
    if (want)
        ok = ok && theirs(g->ssl, raw, sizeof raw) == 1;
    ERR_clear_error();
    return ok;
}

size_t gossl_peer_rpk(gossl_ssl *g, unsigned char **out)
{
    get_rpk get = (get_rpk)FUNCTION(SSL_get0_peer_rpk);
    EVP_PKEY *key = get == NULL ? NULL : get(g->ssl);
    int n;
    *out = NULL;
    if (key == NULL)
        return 0;
    ERR_clear_error();
    n = i2d_PUBKEY(key, out);
    ERR_clear_error();
    return n > 0 ? (size_t)n : 0;
}

/* ---- certificate compression (RFC 8879), from 3.2 on ---- */

typedef int (*set_compression)(SSL_CTX *, int *, size_t);
typedef int (*compress_certs)(SSL_CTX *, int);

int gossl_has_compression(int alg)
{
    set_compression set = (set_compression)FUNCTION(SSL_CTX_set1_cert_comp_preference);
    SSL_CTX *c;
    int ok;
    if (set == NULL || (c = SSL_CTX_new(TLS_method())) == NULL)
        return 0;
    ERR_clear_error();
    ok = set(c, &alg, 1) == 1;
    SSL_CTX_free(c);
    ERR_clear_error();
    return ok;
}

/* libssl's server compresses nothing during a handshake: it must be done before. */
int gossl_ctx_compress(SSL_CTX *c, int *algs, size_t n, int has_certs)
{
    set_compression set = (set_compression)FUNCTION(SSL_CTX_set1_cert_comp_preference);
    compress_certs compress = (compress_certs)FUNCTION(SSL_CTX_compress_certs);
    size_t i;
    int ok;
    if (set == NULL || compress == NULL)
        return 0;
    ERR_clear_error();
    ok = set(c, algs, n) == 1;
    for (i = 0; ok && has_certs && i < n; i++)
        ok = compress(c, algs[i]) == 1;
    ERR_clear_error();
    return ok;
}

typedef size_t (*get_compressed)(SSL *, int alg, unsigned char **, size_t *plain);
typedef int (*use_compressed)(SSL *, int alg, unsigned char *, size_t, size_t plain);

/* k as it goes compressed on connections as g: an SSL that begins no handshake compresses it. 0 where that
 * fails or saves nothing. The caller gives *out to gossl_openssl_free. */
size_t gossl_compress(gossl_ssl *g, gossl_cert *k, int alg, unsigned char **out, size_t *plain)
{
    get_compressed get = (get_compressed)FUNCTION(SSL_get1_compressed_cert);
    SSL *ssl = get == NULL ? NULL : SSL_new(SSL_get_SSL_CTX(g->ssl));
    size_t n = 0;
    *out = NULL;
    *plain = 0;
    if (ssl == NULL)
        return 0;
    ERR_clear_error();
    SSL_set_accept_state(ssl);
    if (SSL_use_cert_and_key(ssl, k->leaf, k->key, k->chain, 1) == 1)
        n = get(ssl, alg, out, plain);
    SSL_free(ssl);
    ERR_clear_error();
    return n < *plain ? n : 0;
}

/* Behind gossl_use_cert: of the certificate that it set. libssl copies p. */
int gossl_use_compressed(gossl_ssl *g, int alg, const unsigned char *p, size_t n, size_t plain)
{
    use_compressed use = (use_compressed)FUNCTION(SSL_set1_compressed_cert);
    int ok;
    ERR_clear_error();
    ok = use != NULL && use(g->ssl, alg, (unsigned char *)p, n, plain) == 1;
    ERR_clear_error();
    return ok;
}

/* ---- OCSP stapling (RFC 6066, 8; RFC 8446, 4.4.2.1) ---- */

/* Hangs on the X509, which each SSL_CTX and SSL shares; may be replaced while handshakes run. */
typedef struct {
    pthread_mutex_t mu;
    unsigned char *p;
    size_t n;
} staple;

static int staple_index = -1;
static pthread_once_t staple_once = PTHREAD_ONCE_INIT;

static void staple_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int index, long argl, void *argp)
{
    staple *s = ptr;
    (void)parent;
    (void)ad;
    (void)index;
    (void)argl;
    (void)argp;
    if (s == NULL)
        return;
    pthread_mutex_destroy(&s->mu);
    gossl_release(s->p);
    gossl_release(s);
}

static void staple_init(void) { staple_index = X509_get_ex_new_index(0, NULL, NULL, NULL, staple_free); }

int gossl_staple_attach(X509 *x)
{
    staple *s;
    pthread_once(&staple_once, staple_init);
    if (X509_get_ex_data(x, staple_index) != NULL)
        return 1;
    if (staple_index < 0 || (s = gossl_alloc(sizeof *s)) == NULL)
        return 0;
    memset(s, 0, sizeof *s);
    pthread_mutex_init(&s->mu, NULL);
    if (X509_set_ex_data(x, staple_index, s))
        return 1;
    gossl_release(s);
    return 0;
}

/* OpenSSL 4.0 fails a handshake over what does not parse. */
int gossl_staple_parses(const unsigned char *der, size_t n)
{
    const unsigned char *p = der;
    OCSP_RESPONSE *r;
    int ok;
    ERR_clear_error();
    r = d2i_OCSP_RESPONSE(NULL, &p, (long)n);
    ok = r != NULL && p == der + n;
    OCSP_RESPONSE_free(r);
    ERR_clear_error();
    return ok;
}

int gossl_staple_set(X509 *x, const unsigned char *der, size_t n)
{
    staple *s = X509_get_ex_data(x, staple_index);
    unsigned char *p = NULL, *old;
    if (s == NULL || (n > 0 && (p = gossl_alloc(n)) == NULL))
        return 0;
    if (n > 0)
        memcpy(p, der, n);
    pthread_mutex_lock(&s->mu);
    old = s->p;
    s->p = p;
    s->n = n;
    pthread_mutex_unlock(&s->mu);
    gossl_release(old);
    return 1;
}

/* A server is asked for its answer; a client, which judges nothing here, whether it likes what came. */
int gossl_staple_cb(SSL *ssl, void *arg)
{
    X509 *x;
    staple *s;
    unsigned char *p = NULL;
    size_t n = 0;
    (void)arg;
    if (!SSL_is_server(ssl))
        return 1;
    if ((x = SSL_get_certificate(ssl)) == NULL || (s = X509_get_ex_data(x, staple_index)) == NULL)
        return SSL_TLSEXT_ERR_NOACK;
    pthread_mutex_lock(&s->mu);
    if (s->n > 0 && (p = OPENSSL_memdup(s->p, s->n)) != NULL)
        n = s->n;
    pthread_mutex_unlock(&s->mu);
    if (p == NULL)
        return SSL_TLSEXT_ERR_NOACK;
    SSL_set_tlsext_status_ocsp_resp(ssl, p, (long)n); /* which owns it now */
    return SSL_TLSEXT_ERR_OK;
}

static int stapled(X509 *x)
{
    staple *s = x == NULL ? NULL : X509_get_ex_data(x, staple_index);
    int have = 0;
    if (s != NULL) {
        pthread_mutex_lock(&s->mu);
        have = s->n > 0;
        pthread_mutex_unlock(&s->mu);
    }
    return have;
}

/* What was compressed before the handshake has no staple: to a client who asks for one it goes as it is. For
 * the ClientHello's callback. */
void gossl_staple_first(SSL *ssl)
{
    const unsigned char *p;
    size_t n;
    long which;
    if (!SSL_client_hello_get0_ext(ssl, GOSSL_EXT_COMPRESS, &p, &n)
        || !SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_status_request, &p, &n))
        return;
    for (which = SSL_CERT_SET_FIRST; SSL_set_current_cert(ssl, which) == 1; which = SSL_CERT_SET_NEXT)
        if (stapled(SSL_get_certificate(ssl))) {
            SSL_set_options(ssl, GOSSL_OP_NO_TX_COMPRESSION);
            return;
        }
}

size_t gossl_staple_got(gossl_ssl *g, const unsigned char **out)
{
    unsigned char *p = NULL;
    long n = SSL_get_tlsext_status_ocsp_resp(g->ssl, &p);
    *out = p;
    return p != NULL && n > 0 ? (size_t)n : 0;
}

/* ---- external PSK (RFC 8446, 4.2.11), with (EC)DHE only: libssl offers and takes nothing else by default ---- */

static int psk_index = -1; /* a mark on the sessions that stand for an external PSK */
static pthread_once_t psk_once = PTHREAD_ONCE_INIT;

static void psk_init(void) { psk_index = SSL_SESSION_get_ex_new_index(0, NULL, NULL, NULL, NULL); }

static SSL_SESSION *psk_session(SSL *ssl, const gossl_psk *k)
{
    static const unsigned char suites[2][2] = {{0x13, 0x01}, {0x13, 0x02}};
    const SSL_CIPHER *c = SSL_CIPHER_find(ssl, suites[k->sha384]);
    SSL_SESSION *s = c == NULL ? NULL : SSL_SESSION_new();
    if (s == NULL)
        return NULL;
    if (SSL_SESSION_set1_master_key(s, k->p + k->n, k->key_len) && SSL_SESSION_set_cipher(s, c)
        && SSL_SESSION_set_protocol_version(s, TLS1_3_VERSION) && SSL_SESSION_set_ex_data(s, psk_index, &psk_index))
        return s;
    SSL_SESSION_free(s);
    return NULL;
}

/* The client's. md is the handshake's digest behind a HelloRetryRequest, else NULL. */
static int psk_use_cb(SSL *ssl, const EVP_MD *md, const unsigned char **id, size_t *n, SSL_SESSION **out)
{
    gossl_ssl *g = gossl_of(ssl);
    const gossl_psk *k = g == NULL ? NULL : g->psk;
    *out = NULL;
    if (k == NULL || (md != NULL && EVP_MD_size(md) != (k->sha384 ? 48 : 32)))
        return 1;
    if ((*out = psk_session(ssl, k)) == NULL)
        return 1;
    *id = k->p;
    *n = k->n;
    return 1;
}

/* The server's. */
static int psk_find_cb(SSL *ssl, const unsigned char *id, size_t n, SSL_SESSION **out)
{
    gossl_ssl *g = gossl_of(ssl);
    const gossl_psk *k = g == NULL ? NULL : g->psk;
    *out = NULL;
    if (k != NULL && k->n == n && memcmp(k->p, id, n) == 0)
        *out = psk_session(ssl, k);
    return 1;
}

/* A server that knows no PSK yet, but may learn one at the ClientHello. */
void gossl_psk_ask(gossl_ssl *g)
{
    pthread_once(&psk_once, psk_init);
    SSL_set_psk_find_session_callback(g->ssl, psk_find_cb);
}

/* A PSK serves with the suites of its digest alone: those first, of what is allowed. */
static int prefer_digest(SSL *ssl, int sha384)
{
    STACK_OF(SSL_CIPHER) *all = SSL_get_ciphers(ssl);
    char list[512] = "";
    int i, second;
    for (second = 0; second < 2; second++) {
        for (i = 0; i < sk_SSL_CIPHER_num(all); i++) {
            const SSL_CIPHER *c = sk_SSL_CIPHER_value(all, i);
            unsigned id = SSL_CIPHER_get_protocol_id(c);
            if (id >> 8 != 0x13 || ((id == 0x1302) == sha384) == second)
                continue;
            if (strlen(list) + strlen(SSL_CIPHER_get_name(c)) + 2 > sizeof list)
                return 0;
            if (list[0] != 0)
                strcat(list, ":");
            strcat(list, SSL_CIPHER_get_name(c));
        }
    }
    return SSL_set_ciphersuites(ssl, list);
}

int gossl_psk_set(gossl_ssl *g, const unsigned char *id, size_t n, const unsigned char *key, size_t key_len, int sha384)
{
    gossl_psk *k = gossl_alloc(sizeof *k + n + key_len);
    pthread_once(&psk_once, psk_init);
    if (k == NULL || psk_index < 0) {
        gossl_release(k);
        return 0;
    }
    k->n = n;
    k->key_len = key_len;
    k->sha384 = sha384;
    memcpy(k->p, id, n);
    memcpy(k->p + n, key, key_len);
    gossl_psk_free(g->psk);
    g->psk = k;
    ERR_clear_error();
    if (SSL_is_server(g->ssl)) {
        SSL_set_options(g->ssl, SSL_OP_CIPHER_SERVER_PREFERENCE);
        SSL_set_num_tickets(g->ssl, 0); /* a ticket would outlive what the owner of the keys says */
    } else {
        SSL_set_session_id_context(g->ssl, id, 0); /* what a session made by SSL_SESSION_new has */
        SSL_set_psk_use_session_callback(g->ssl, psk_use_cb);
    }
    n = (size_t)prefer_digest(g->ssl, sha384);
    ERR_clear_error();
    return (int)n;
}

int gossl_psk_used(gossl_ssl *g)
{
    SSL_SESSION *s = SSL_get_session(g->ssl);
    return g->psk != NULL && s != NULL && SSL_session_reused(g->ssl) && SSL_SESSION_get_ex_data(s, psk_index) != NULL;
}

/* A ticket that comes on such a connection is a session as others. */
void gossl_psk_unmark(SSL_SESSION *s)
{
    if (psk_index >= 0)
        SSL_SESSION_set_ex_data(s, psk_index, NULL);
}

void gossl_psk_free(gossl_psk *k)
{
    if (k != NULL)
        OPENSSL_cleanse(k->p, k->n + k->key_len);
    gossl_release(k);
}
