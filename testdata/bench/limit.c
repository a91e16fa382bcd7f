/*
 * limit: what libssl itself can do. One thread, both ends in one process, memory BIOs; ciphertext is
 * copied from the one to the other, as a network would.
 *
 *   limit WORK MILLISECONDS CERT.pem KEY.pem CA.pem     prints operations a second of CPU
 *   limit version                                       prints OpenSSL_version
 *
 * WORK: full12 full13 resumed12 resumed13 (handshakes, and the close of both ends)
 *       write16k13 write64k13 echo12813 (data on an open connection; 12 for TLS 1.2)
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

static SSL_CTX *server_ctx, *client_ctx;
static SSL_SESSION *session; /* the newest that the client was given */
static unsigned char wire[1 << 17], text[1 << 16], got[1 << 16];

static void die(const char *what)
{
    fprintf(stderr, "limit: %s\n", what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

static void need(int ok, const char *what)
{
    if (!ok)
        die(what);
}

/* now is the processor's time of this process: other programs do not count. */
static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static int new_session(SSL *ssl, SSL_SESSION *s)
{
    (void)ssl;
    SSL_SESSION_free(session);
    session = s;
    return 1;
}

static void contexts(int version, const char *cert, const char *key, const char *ca)
{
    SSL_CTX *both[2];
    int i;
    server_ctx = SSL_CTX_new(TLS_server_method());
    client_ctx = SSL_CTX_new(TLS_client_method());
    need(server_ctx != NULL && client_ctx != NULL, "SSL_CTX_new");
    both[0] = server_ctx;
    both[1] = client_ctx;
    for (i = 0; i < 2; i++) {
        need(SSL_CTX_set_min_proto_version(both[i], version) && SSL_CTX_set_max_proto_version(both[i], version),
             "version");
        need(SSL_CTX_set_cipher_list(both[i], "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256")
                 && SSL_CTX_set_ciphersuites(both[i], "TLS_AES_128_GCM_SHA256"),
             "suites");
        need(SSL_CTX_set1_groups_list(both[i], "X25519:P-256"), "groups");
        SSL_CTX_set_mode(both[i], SSL_MODE_RELEASE_BUFFERS);
    }
    need(SSL_CTX_use_certificate_chain_file(server_ctx, cert) == 1, cert);
    need(SSL_CTX_use_PrivateKey_file(server_ctx, key, SSL_FILETYPE_PEM) == 1, key);
    need(SSL_CTX_set_session_id_context(server_ctx, (const unsigned char *)"limit", 5) == 1, "session id context");
    SSL_CTX_set_session_cache_mode(server_ctx, SSL_SESS_CACHE_OFF);
    need(SSL_CTX_load_verify_locations(client_ctx, ca, NULL) == 1, ca);
    SSL_CTX_set_verify(client_ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_session_cache_mode(client_ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(client_ctx, new_session);
}

static SSL *end(SSL_CTX *ctx, int server)
{
    SSL *ssl = SSL_new(ctx);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    need(ssl != NULL && in != NULL && out != NULL, "SSL_new");
    SSL_set_bio(ssl, in, out);
    if (server) {
        SSL_set_accept_state(ssl);
    } else {
        SSL_set_connect_state(ssl);
        need(SSL_set1_host(ssl, "localhost") == 1 && SSL_set_tlsext_host_name(ssl, "localhost") == 1, "name");
    }
    return ssl;
}

/* move carries what one end has written to the other. */
static void move(SSL *from, SSL *to)
{
    int n;
    while ((n = BIO_read(SSL_get_wbio(from), wire, sizeof wire)) > 0)
        need(BIO_write(SSL_get_rbio(to), wire, n) == n, "BIO_write");
}

static int step(SSL *ssl, int (*f)(SSL *))
{
    int r, e;
    ERR_clear_error();
    r = f(ssl);
    if (r == 1)
        return 1;
    e = SSL_get_error(ssl, r);
    need(r == 0 || e == SSL_ERROR_WANT_READ, "handshake or close");
    return 0;
}

static void handshake(SSL *c, SSL *s)
{
    int c_done = 0, s_done = 0;
    while (!c_done || !s_done) {
        if (!c_done)
            c_done = step(c, SSL_do_handshake);
        move(c, s);
        if (!s_done)
            s_done = step(s, SSL_do_handshake);
        move(s, c);
    }
}

static void send_read(SSL *from, SSL *to, size_t n)
{
    size_t k, sum = 0;
    ERR_clear_error();
    need(SSL_write_ex(from, text, n, &k) == 1 && k == n, "SSL_write");
    move(from, to);
    while (sum < n) {
        ERR_clear_error();
        need(SSL_read_ex(to, got, sizeof got, &k) == 1, "SSL_read");
        sum += k;
    }
}

static void finish(SSL *c, SSL *s)
{
    size_t k;
    step(c, SSL_shutdown);
    move(c, s);
    need(SSL_read_ex(s, got, sizeof got, &k) == 0 && SSL_get_error(s, 0) == SSL_ERROR_ZERO_RETURN, "close_notify");
    step(s, SSL_shutdown);
    move(s, c);
    step(c, SSL_shutdown);
    SSL_free(c);
    SSL_free(s);
}

static void connection(int resume)
{
    SSL *c = end(client_ctx, 0), *s = end(server_ctx, 1);
    size_t k;
    if (resume)
        need(session != NULL && SSL_set_session(c, session) == 1, "session");
    handshake(c, s);
    need(!resume || SSL_session_reused(c), "not resumed");
    ERR_clear_error();
    need(SSL_read_ex(c, got, sizeof got, &k) == 0, "data"); /* the tickets of TLS 1.3 */
    finish(c, s);
}

int main(int argc, char **argv)
{
    SSL *c = NULL, *s = NULL;
    double began, until;
    long n = 0;
    int resume, data = 0, version;
    size_t size = 0;
    const char *work;
    if (argc == 2 && strcmp(argv[1], "version") == 0) {
        puts(OpenSSL_version(OPENSSL_VERSION));
        return 0;
    }
    if (argc != 6) {
        fprintf(stderr, "usage: limit WORK MILLISECONDS CERT KEY CA | limit version\n");
        return 2;
    }
    work = argv[1];
    version = strstr(work, "12") == work + strlen(work) - 2 ? TLS1_2_VERSION : TLS1_3_VERSION;
    resume = strncmp(work, "resumed", 7) == 0;
    if (strncmp(work, "write16k", 8) == 0)
        data = 1, size = 16 << 10;
    else if (strncmp(work, "write64k", 8) == 0)
        data = 1, size = 64 << 10;
    else if (strncmp(work, "echo128", 7) == 0)
        data = 2, size = 128;
    else if (strncmp(work, "full", 4) != 0 && !resume)
        die("no such work");
    contexts(version, argv[3], argv[4], argv[5]);
    connection(0);
    if (data) {
        c = end(client_ctx, 0);
        s = end(server_ctx, 1);
        handshake(c, s);
        send_read(s, c, 1);
    }
    began = now();
    until = began + atof(argv[2]) / 1e3;
    do {
        if (!data) {
            connection(resume);
        } else {
            send_read(c, s, size);
            if (data == 2)
                send_read(s, c, size);
        }
        n++;
    } while (now() < until);
    printf("%.3f\n", n / (now() - began));
    if (data)
        finish(c, s);
    SSL_SESSION_free(session);
    SSL_CTX_free(client_ctx);
    SSL_CTX_free(server_ctx);
    return 0;
}
