/*
 * limit: what libssl itself can do. One thread, both ends in one process, memory BIOs; ciphertext is
 * copied from the one to the other, as a network would. With tcp before the WORK, over loopback.
 *
 *   limit WORK MILLISECONDS CERT.pem KEY.pem CA.pem     prints operations a second of CPU
 *   limit tcpWORK MILLISECONDS CERT.pem KEY.pem CA.pem  prints operations a second
 *   limit version                                       prints OpenSSL_version
 *
 * WORK: full12 full13 resumed12 resumed13 (handshakes, and the close of both ends; over TCP by two threads a
 *       core, each with both ends of its connections)
 *       write16k13 write64k13 echo12813 (data on an open connection; 12 for TLS 1.2; over TCP only echo128, an
 *       end a thread)
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

static SSL_CTX *server_ctx, *client_ctx;
static __thread SSL_SESSION *session; /* the newest that the client was given */
static __thread unsigned char wire[1 << 17], text[1 << 16], got[1 << 16];

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

/* end is an SSL over memory, or over the socket fd. */
static SSL *end(SSL_CTX *ctx, int server, int fd)
{
    SSL *ssl = SSL_new(ctx);
    need(ssl != NULL, "SSL_new");
    if (fd < 0) {
        BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
        need(in != NULL && out != NULL, "BIO_new");
        SSL_set_bio(ssl, in, out);
    } else {
        need(SSL_set_fd(ssl, fd), "SSL_set_fd");
    }
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
    if (SSL_get_fd(from) >= 0)
        return; /* the kernel does */
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

/* connection is one over memory, or over the two sockets. */
static void connection(int resume, const int *fds)
{
    SSL *c = end(client_ctx, 0, fds == NULL ? -1 : fds[0]), *s = end(server_ctx, 1, fds == NULL ? -1 : fds[1]);
    size_t k;
    if (resume)
        need(session != NULL && SSL_set_session(c, session) == 1, "session");
    handshake(c, s);
    need(!resume || SSL_session_reused(c), "not resumed");
    ERR_clear_error();
    need(SSL_read_ex(c, got, sizeof got, &k) == 0, "data"); /* the tickets of TLS 1.3 */
    finish(c, s);
}

/* ---- over TCP ---- */

static double wall(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void listen_on_loopback(int *l, struct sockaddr_in *a)
{
    socklen_t len = sizeof *a;
    memset(a, 0, sizeof *a);
    a->sin_family = AF_INET;
    a->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    *l = socket(AF_INET, SOCK_STREAM, 0);
    need(*l >= 0 && bind(*l, (struct sockaddr *)a, len) == 0 && listen(*l, 16) == 0
             && getsockname(*l, (struct sockaddr *)a, &len) == 0,
         "listen");
}

/* tcp_pair: like Go's, without Nagle's delay. */
static void tcp_pair(int l, struct sockaddr_in *a, int *fds, int flags)
{
    int i, on = 1;
    fds[0] = socket(AF_INET, SOCK_STREAM, 0);
    need(fds[0] >= 0 && connect(fds[0], (struct sockaddr *)a, sizeof *a) == 0, "connect");
    fds[1] = accept(l, NULL, NULL);
    need(fds[1] >= 0, "accept");
    for (i = 0; i < 2; i++)
        need(setsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0 && fcntl(fds[i], F_SETFL, flags) == 0,
             "socket");
}

static void close_pair(const int *fds)
{
    close(fds[0]);
    close(fds[1]);
}

static double until;
static int resuming;

/* worker takes turns between the two ends of one connection after the other: on loopback what one has
 * written is there when the other reads, so nothing waits. */
static void *worker(void *count)
{
    struct sockaddr_in a;
    int l, fds[2], first = 1;
    listen_on_loopback(&l, &a);
    while (first || wall() < until) {
        tcp_pair(l, &a, fds, O_NONBLOCK);
        connection(resuming && !first, fds);
        close_pair(fds);
        if (!first)
            ++*(long *)count;
        first = 0;
    }
    close(l);
    SSL_SESSION_free(session);
    return NULL;
}

static double tcp_connections(double seconds)
{
    enum { most = 64 };
    pthread_t threads[most];
    long counts[most] = {0}, sum = 0;
    int i, n = 2 * (int)sysconf(_SC_NPROCESSORS_ONLN);
    if (n > most)
        n = most;
    until = wall() + seconds;
    for (i = 0; i < n; i++)
        need(pthread_create(&threads[i], NULL, worker, &counts[i]) == 0, "pthread_create");
    for (i = 0; i < n; i++) {
        pthread_join(threads[i], NULL);
        sum += counts[i];
    }
    return sum / seconds;
}

static void read_full(SSL *ssl, size_t n)
{
    size_t k, sum = 0;
    while (sum < n) {
        ERR_clear_error();
        need(SSL_read_ex(ssl, got, n - sum, &k) == 1, "SSL_read");
        sum += k;
    }
}

static void *echoes(void *ssl)
{
    size_t k;
    do {
        ERR_clear_error();
        if (SSL_read_ex(ssl, got, sizeof got, &k) != 1)
            return NULL; /* close_notify */
    } while (SSL_write_ex(ssl, got, k, &k) == 1);
    return NULL;
}

static double tcp_echo(double seconds, size_t size)
{
    struct sockaddr_in a;
    int l, fds[2];
    pthread_t peer;
    SSL *c, *s;
    size_t k;
    long n = 0;
    double began;
    listen_on_loopback(&l, &a);
    tcp_pair(l, &a, fds, O_NONBLOCK);
    c = end(client_ctx, 0, fds[0]);
    s = end(server_ctx, 1, fds[1]);
    handshake(c, s);
    need(fcntl(fds[0], F_SETFL, 0) == 0 && fcntl(fds[1], F_SETFL, 0) == 0, "fcntl");
    need(pthread_create(&peer, NULL, echoes, s) == 0, "pthread_create");
    for (began = wall(); wall() - began < seconds; n++) {
        ERR_clear_error();
        need(SSL_write_ex(c, text, size, &k) == 1, "SSL_write");
        read_full(c, size);
    }
    seconds = wall() - began;
    step(c, SSL_shutdown);
    pthread_join(peer, NULL);
    SSL_free(c);
    SSL_free(s);
    close_pair(fds);
    close(l);
    return n / seconds;
}

/* ---- in memory ---- */

static double connections(double seconds, int resume)
{
    double began = now();
    long n = 0;
    do {
        connection(resume, NULL);
        n++;
    } while (now() - began < seconds);
    return n / (now() - began);
}

static double data(double seconds, size_t size, int echo)
{
    SSL *c = end(client_ctx, 0, -1), *s = end(server_ctx, 1, -1);
    double began, rate;
    long n = 0;
    handshake(c, s);
    send_read(s, c, 1);
    began = now();
    do {
        send_read(c, s, size);
        if (echo)
            send_read(s, c, size);
        n++;
    } while (now() - began < seconds);
    rate = n / (now() - began);
    finish(c, s);
    return rate;
}

static int is(const char *work, const char *name)
{
    return strncmp(work, name, strlen(name)) == 0;
}

int main(int argc, char **argv)
{
    const char *work;
    double seconds, rate = 0;
    int tcp, version;
    if (argc == 2 && strcmp(argv[1], "version") == 0) {
        puts(OpenSSL_version(OPENSSL_VERSION));
        return 0;
    }
    if (argc != 6) {
        fprintf(stderr, "usage: limit WORK MILLISECONDS CERT KEY CA | limit version\n");
        return 2;
    }
    work = argv[1];
    seconds = atof(argv[2]) / 1e3;
    version = strcmp(work + strlen(work) - 2, "12") == 0 ? TLS1_2_VERSION : TLS1_3_VERSION;
    tcp = is(work, "tcp");
    if (tcp)
        work += strlen("tcp");
    resuming = is(work, "resumed");
    contexts(version, argv[3], argv[4], argv[5]);
    connection(0, NULL); /* warms up, and leaves a session */
    if (resuming || is(work, "full"))
        rate = tcp ? tcp_connections(seconds) : connections(seconds, resuming);
    else if (is(work, "echo128"))
        rate = tcp ? tcp_echo(seconds, 128) : data(seconds, 128, 1);
    else if (!tcp && is(work, "write16k"))
        rate = data(seconds, 16 << 10, 0);
    else if (!tcp && is(work, "write64k"))
        rate = data(seconds, 64 << 10, 0);
    else
        die("no such work");
    printf("%.3f\n", rate);
    SSL_SESSION_free(session);
    SSL_CTX_free(client_ctx);
    SSL_CTX_free(server_ctx);
    return 0;
}
