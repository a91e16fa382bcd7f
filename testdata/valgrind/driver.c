/* driver CERT KEY drives the C side without Go, for valgrind: both ends of connections over the memory
 * transport, on TLS 1.2 and 1.3, through everything that allocates. It exits 1 when an expectation fails
 * and when the C side holds memory at the end. scripts/tools valgrind builds and runs it. */
#include "libssl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failed;

#define EXPECT(x) \
    do { \
        if (!(x)) { \
            fprintf(stderr, "driver.c:%d: %s (version %#x)\n", __LINE__, #x, version); \
            failed = 1; \
        } \
    } while (0)

static int version;
static SSL_CTX *client_ctx, *server_ctx;
static gossl_ssl *client, *server;
static SSL_SESSION *newest;

/* drain takes the events; the newest session that the client got is kept. */
static void drain(gossl_ssl *g)
{
    gossl_event *e;
    while ((e = gossl_next_event(g)) != NULL) {
        if (g == client && e->kind == GOSSL_EV_NEW_SESSION) {
            SSL_SESSION_free(newest);
            newest = e->session;
            e->session = NULL;
        }
        gossl_event_free(e);
    }
}

/* ferry gives what one end wrote to the other, at most most bytes of it. */
static void ferry(gossl_ssl *from, gossl_ssl *to, size_t most)
{
    size_t n = from->out.end - from->out.start;
    drain(from);
    if (n > 0 && to != NULL)
        EXPECT(gossl_feed(to, from->out.p + from->out.start, n < most ? n : most));
    from->out.start = from->out.end = 0;
}

static gossl_ssl *traced(gossl_made m)
{
    EXPECT(m.ssl != NULL && m.errs == NULL);
    if (m.ssl == NULL)
        exit(1);
    m.ssl->trace = 1;
    return m.ssl;
}

static void make(void)
{
    gossl_verify anybody = {SSL_VERIFY_PEER, 1, NULL}, nobody = {SSL_VERIFY_NONE, 0, NULL};
    client = traced(gossl_client_new(client_ctx, "localhost", 9, 0, anybody));
    server = traced(gossl_server_new(server_ctx, nobody, NULL));
    server->hello_state = GOSSL_HELLO_ASK;
}

static void end_both(void)
{
    gossl_ssl_free(client);
    gossl_ssl_free(server);
    client = server = NULL;
}

static int handshake(int rounds)
{
    int c = 0, s = 0;
    while (rounds-- > 0 && !(c == 1 && s == 1)) {
        c = gossl_handshake(client);
        ferry(client, server, (size_t)-1);
        s = gossl_handshake(server);
        if (server->hello_state == GOSSL_HELLO_WAITING) {
            EXPECT(server->hello.name_len == 9 && memcmp(server->hello.name, "localhost", 9) == 0);
            server->hello_state = GOSSL_HELLO_ANSWERED;
            s = gossl_handshake(server);
        }
        ferry(server, client, (size_t)-1);
    }
    return c == 1 && s == 1;
}

static void connect_both(void)
{
    make();
    EXPECT(handshake(10));
}

static void exchange(void)
{
    static unsigned char big[50000], back[60000];
    unsigned char few[16];
    size_t got = 0;
    EXPECT(gossl_write(server, (const unsigned char *)"hello", 5) == 1);
    ferry(server, client, (size_t)-1);
    EXPECT(gossl_peek(client, few, sizeof few) == 1 && client->n == 5);
    EXPECT(gossl_read(client, few, sizeof few) == 1 && client->n == 5 && memcmp(few, "hello", 5) == 0);
    EXPECT(gossl_read(client, few, sizeof few) != 1);
    memset(big, 7, sizeof big);
    EXPECT(gossl_write(client, big, sizeof big) == 1);
    ferry(client, server, (size_t)-1);
    while (got < sizeof big && gossl_read_batch(server, back, sizeof back, 1 << 20, 32) == 1 && server->n > 0)
        got += server->n;
    EXPECT(got == sizeof big);
    if (version == TLS1_3_VERSION) {
        EXPECT(gossl_key_update(client, 1) == 1);
        EXPECT(gossl_write(client, big, 10) == 1);
        ferry(client, server, (size_t)-1);
        EXPECT(gossl_read(server, back, sizeof back) == 1 && server->n == 10);
        ferry(server, client, (size_t)-1);
    }
}

static void clean(void)
{
    unsigned char p[16];
    EXPECT(gossl_shutdown(client) == 0);
    ferry(client, server, (size_t)-1);
    EXPECT(gossl_read(server, p, sizeof p) != 1 && gossl_get_shutdown(server) == 2);
    EXPECT(gossl_shutdown(server) == 1);
    ferry(server, client, (size_t)-1);
    EXPECT(gossl_read(client, p, sizeof p) != 1 && gossl_get_shutdown(client) == 3);
}

/* sessions cross as DER; every shorter one is an error, and one byte changed is an error or a session. */
static void sessions(void)
{
    unsigned char *der, *changed;
    gossl_errors *errs;
    size_t n, i;
    SSL_SESSION *s;
    EXPECT(newest != NULL);
    if (newest == NULL)
        return;
    n = gossl_session_der(newest, &der);
    EXPECT(n > 0);
    for (i = 0; i <= n; i += i + 40 < n ? 7 : 1) {
        s = gossl_session_parse(der, i, &errs);
        EXPECT((s != NULL) == (i == n));
        gossl_release(errs);
        SSL_SESSION_free(s);
        if (i == n || (changed = malloc(n)) == NULL)
            continue;
        memcpy(changed, der, n);
        changed[i] ^= 0x41;
        s = gossl_session_parse(changed, n, &errs);
        if (s != NULL)
            gossl_session_names(s, "localhost", 9, 0);
        gossl_release(errs);
        SSL_SESSION_free(s);
        free(changed);
    }
    s = gossl_session_parse(der, n, &errs);
    gossl_openssl_free(der);
    make();
    EXPECT(gossl_set_session(client, s) == 1);
    SSL_SESSION_free(s);
    EXPECT(handshake(10) && SSL_session_reused(client->ssl) == 1);
    exchange();
    clean();
    end_both();
}

/* Every way in which a connection breaks, and a Free at every point of a handshake. */
static void broken(void)
{
    unsigned char p[100], out[32];
    gossl_errors *errs = NULL;
    gossl_ssl *dup;
    int i, same;
    for (i = 0; i < 4; i++) {
        make();
        handshake(i);
        end_both();
    }
    make();
    dup = gossl_ssl_dup(client, &same, &errs);
    EXPECT(dup != NULL || same);
    if (dup != NULL)
        gossl_ssl_free(dup);
    end_both();

    connect_both(); /* cut inside a record */
    EXPECT(gossl_write(client, (const unsigned char *)"hello", 5) == 1);
    ferry(client, server, 13);
    server->in_eof = 1;
    EXPECT(gossl_read(server, p, sizeof p) != 1);
    EXPECT(gossl_read(server, p, sizeof p) != 1);
    end_both();

    connect_both(); /* a record that nobody sealed */
    memset(p, 0, sizeof p);
    p[0] = 23, p[1] = 3, p[2] = 3, p[4] = 64;
    EXPECT(gossl_feed(client, p, 69));
    EXPECT(gossl_read(client, out, sizeof out) != 1 && client->errs != NULL && client->alert_out >= 0);
    ferry(client, server, (size_t)-1);
    EXPECT(gossl_read(server, out, sizeof out) != 1 && server->alert_in == client->alert_out);
    end_both();

    make(); /* what is no TLS */
    EXPECT(gossl_feed(server, (const unsigned char *)"GET / HTTP/1.1\r\n\r\n", 18));
    EXPECT(gossl_handshake(server) != 1 && server->errs != NULL);
    end_both();

    connect_both(); /* a transport that takes a little at a time */
    client->out_bounded = 1;
    client->out_limit = 10;
    EXPECT(gossl_write(client, (const unsigned char *)"hello", 5) != 1);
    client->out_bounded = 0;
    EXPECT(gossl_write(client, (const unsigned char *)"hello", 5) == 1);
    EXPECT(gossl_export_keying_material(client, out, sizeof out, "label", 5, NULL, 0, 0, &errs) == 1);
    gossl_ssl_up_ref(client);
    EXPECT(gossl_ssl_drop_ref(client) == 1);
    gossl_set_shutdown(client, 1);
    EXPECT(gossl_clear(client) == 1);
    end_both();
}

static void all(gossl_cert *cert, int v)
{
    gossl_errors *errs = NULL;
    gossl_ticket_key keys[2];
    gossl_tickets *tickets = gossl_tickets_new();
    version = v;
    memset(keys, 1, sizeof keys);
    keys[0].from = 0, keys[0].until = (int64_t)1 << 40;
    keys[1] = keys[0], keys[1].name[0] = 9;
    client_ctx = gossl_ctx_new(NULL, &errs);
    server_ctx = gossl_ctx_new(NULL, &errs);
    EXPECT(client_ctx != NULL && server_ctx != NULL && tickets != NULL);
    gossl_ctx_setup(client_ctx, GOSSL_CTX_NEW_SESSION | GOSSL_CTX_REMOVED_SESSION | GOSSL_CTX_KEYLOG);
    gossl_ctx_setup(server_ctx, GOSSL_CTX_NEW_SESSION | GOSSL_CTX_REMOVED_SESSION | GOSSL_CTX_HELLO | GOSSL_CTX_LOOKUP | GOSSL_CTX_TELL_LOOKUP);
    gossl_ctx_set_cache_mode(client_ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
    EXPECT(gossl_ctx_set_versions(client_ctx, v, v, &errs) && gossl_ctx_set_versions(server_ctx, v, v, &errs));
    EXPECT(gossl_ctx_set_sid_context(server_ctx, (const unsigned char *)"driver", 6, &errs));
    EXPECT(gossl_ctx_set_alpn(client_ctx, (const unsigned char *)"\2h2", 3, &errs) && gossl_ctx_set_alpn(server_ctx, (const unsigned char *)"\2h2", 3, &errs));
    EXPECT(gossl_ctx_use_cert(server_ctx, cert, &errs));
    EXPECT(gossl_tickets_set(tickets, keys, 2) && gossl_ctx_set_tickets(server_ctx, tickets, &errs));

    connect_both();
    exchange();
    clean();
    end_both();
    sessions();
    broken();

    SSL_SESSION_free(newest);
    newest = NULL;
    for (gossl_event *e = gossl_ctx_end(client_ctx), *next; e != NULL; e = next)
        next = e->next, gossl_event_free(e);
    for (gossl_event *e = gossl_ctx_end(server_ctx), *next; e != NULL; e = next)
        next = e->next, gossl_event_free(e);
    gossl_tickets_free(tickets);
}

static unsigned char *slurp(const char *name, size_t *n)
{
    static unsigned char buf[2][10000];
    static int which;
    FILE *f = fopen(name, "rb");
    if (f == NULL) {
        perror(name);
        exit(1);
    }
    which = !which;
    *n = fread(buf[which], 1, sizeof buf[which], f);
    fclose(f);
    return buf[which];
}

int main(int argc, char **argv)
{
    gossl_errors *errs = NULL;
    gossl_cert *cert;
    size_t cert_len, key_len;
    unsigned char *cert_pem, *key_pem;
    if (argc != 3)
        return 2;
    cert_pem = slurp(argv[1], &cert_len);
    key_pem = slurp(argv[2], &key_len);
    EXPECT(gossl_cert_pem(cert_pem, cert_len, key_pem, key_len / 2, NULL, &errs) == NULL && errs != NULL);
    gossl_release(errs);
    errs = NULL;
    if ((cert = gossl_cert_pem(cert_pem, cert_len, key_pem, key_len, NULL, &errs)) == NULL) {
        fprintf(stderr, "driver: the certificate does not load\n");
        return 1;
    }
    all(cert, TLS1_2_VERSION);
    all(cert, TLS1_3_VERSION);
    gossl_cert_free(cert);
    if (gossl_live_allocs() != 0) {
        fprintf(stderr, "driver: %ld allocations are left\n", gossl_live_allocs());
        failed = 1;
    }
    if (gossl_live_sessions() != 0) {
        fprintf(stderr, "driver: %ld sessions are left\n", gossl_live_sessions());
        failed = 1;
    }
    return failed;
}
