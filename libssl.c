#include "libssl.h"

#include <errno.h>
#include <limits.h>
#include <openssl/bio.h>
#include <string.h>
#ifdef __linux__
#include <sys/ioctl.h>
#include <linux/sockios.h>
#endif

/* ---- life ---- */

/* Takes ssl over, NULL too. */
static gossl_ssl *wrap(SSL *ssl, gossl_errors **errs)
{
    gossl_ssl *g = NULL;

    if (ssl == NULL || (g = gossl_alloc(sizeof *g)) == NULL)
        goto fail;
    memset(g, 0, sizeof *g);
    gossl_events_init(&g->events);
    g->alert_in = g->alert_out = -1;
    g->ssl = ssl;
    if (!gossl_attach(ssl, g))
        goto fail;
    SSL_set_msg_callback(ssl, gossl_message_cb);
    SSL_set_msg_callback_arg(ssl, g);
    return g;
fail:
    *errs = gossl_take_errors();
    SSL_free(ssl);
    gossl_release(g);
    return NULL;
}

gossl_ssl *gossl_ssl_new(SSL_CTX *ctx, gossl_errors **errs)
{
    ERR_clear_error();
    *errs = NULL;
    return wrap(SSL_new(ctx), errs);
}

/* NULL with *same when SSL_dup gave another reference to the same SSL: that one belongs to g. */
gossl_ssl *gossl_ssl_dup(gossl_ssl *g, int *same, gossl_errors **errs)
{
    BIO *bio = SSL_get_rbio(g->ssl);
    int fresh = SSL_in_before(g->ssl);
    SSL *d;

    ERR_clear_error();
    *errs = NULL;
    /* SSL_dup copies a fresh SSL and asks its BIO for a copy too; each SSL has a transport of its own. */
    if (fresh) {
        BIO_up_ref(bio);
        SSL_set_bio(g->ssl, NULL, NULL);
    }
    d = SSL_dup(g->ssl);
    if (fresh)
        SSL_set_bio(g->ssl, bio, bio);
    if ((*same = d == g->ssl) != 0) {
        g->refs++;
        return NULL;
    }
    return wrap(d, errs);
}

void gossl_ssl_up_ref(gossl_ssl *g)
{
    SSL_up_ref(g->ssl);
    g->refs++;
}

/* SSL_free of a reference that is not the last; 0 when there is none. */
int gossl_ssl_drop_ref(gossl_ssl *g)
{
    if (g->refs == 0)
        return 0;
    g->refs--;
    SSL_free(g->ssl);
    return 1;
}

/* SSL_free; the events it causes can still be taken. */
void gossl_ssl_end(gossl_ssl *g)
{
    gossl_running(&g->events);
    ERR_clear_error();
    while (gossl_ssl_drop_ref(g))
        ;
    if (g->keep_session)
        SSL_set_shutdown(g->ssl, SSL_SENT_SHUTDOWN);
    SSL_free(g->ssl);
    ERR_clear_error();
    gossl_running(NULL);
    g->ssl = NULL;
}

void gossl_ssl_free(gossl_ssl *g)
{
    gossl_event *e;
    if (g->ssl != NULL)
        gossl_ssl_end(g);
    while ((e = gossl_next_event(g)) != NULL)
        gossl_event_free(e);
    gossl_buf_free(&g->in);
    gossl_buf_free(&g->out);
    gossl_hello_free(&g->hello);
    gossl_release(g->errs);
    SSL_SESSION_free(g->found);
    gossl_psk_free(g->psk);
    gossl_release(g);
}

void gossl_set_state(gossl_ssl *g, int server)
{
    if (server)
        SSL_set_accept_state(g->ssl);
    else
        SSL_set_connect_state(g->ssl);
}

/* ---- operations: clear, call, ask, copy the queue; in one call from Go ---- */

static void begin(gossl_ssl *g)
{
    if (g->errs != NULL) {
        gossl_release(g->errs);
        g->errs = NULL;
    }
    gossl_running(&g->events);
    ERR_clear_error();
    errno = 0;
}

/* ask: whether SSL_get_error means anything for this ret (it does not for SSL_shutdown's 0). */
static int end(gossl_ssl *g, int ret, int ask)
{
    g->sys = errno;
    g->ret = g->int_ret = ret;
    g->err = g->int_err = ask ? SSL_get_error(g->ssl, ret) : SSL_ERROR_NONE;
    if (ask)
        g->errs = gossl_take_errors();
    g->mask = SSL_get_shutdown(g->ssl);
    g->in_init = SSL_in_init(g->ssl);
    g->pending = (size_t)SSL_pending(g->ssl);
    gossl_running(NULL);
    return ret;
}

/* The int forms tell -1 from 0, which the _ex forms both call 0; but they also say 0 of an empty p. */
static int int_form(size_t n) { return n > 0 && n <= INT_MAX; }

static int end_int(gossl_ssl *g, int r)
{
    g->n = r > 0 ? (size_t)r : 0;
    end(g, r, r <= 0);
    return g->ret = r > 0;
}

int gossl_handshake(gossl_ssl *g)
{
    int r;
    begin(g);
    if (g->sign != NULL)
        gossl_signing(g);
    r = SSL_do_handshake(g->ssl);
    if (g->sign != NULL)
        gossl_signing(NULL);
    g->agreed.version = SSL_version(g->ssl);
    g->agreed.resumed = SSL_session_reused(g->ssl);
    return end(g, r, r != 1);
}

/* The same under another name: cgo is told of gossl_handshake that it calls no Go. */
int gossl_handshake_calling(gossl_ssl *g) { return gossl_handshake(g); }

int gossl_read(gossl_ssl *g, unsigned char *p, size_t n)
{
    int r;
    begin(g);
    g->n = 0;
    r = int_form(n) ? SSL_read(g->ssl, p, (int)n) : SSL_read_ex(g->ssl, p, n, &g->n);
    if (r > 0)
        g->key_updates = 0;
    return int_form(n) ? end_int(g, r) : end(g, r, r != 1);
}

int gossl_peek(gossl_ssl *g, unsigned char *p, size_t n)
{
    int r;
    begin(g);
    g->n = 0;
    r = int_form(n) ? SSL_peek(g->ssl, p, (int)n) : SSL_peek_ex(g->ssl, p, n, &g->n);
    return int_form(n) ? end_int(g, r) : end(g, r, r != 1);
}

/* Opens as many records as fit into p. n bytes of data may come together with an answer other than
 * NONE: the answer then belongs to the next Read. Stops with WANT_READ and bytes left in the
 * in-queue when replies fill the out-queue or KeyUpdates come without data.
 * Needs SSL_MODE_AUTO_RETRY off, or libssl would open records without these bounds. */
int gossl_read_batch(gossl_ssl *g, unsigned char *p, size_t n, size_t max_out, unsigned max_key_updates)
{
    size_t total = 0;
    int r;
    begin(g);
    for (;;) {
        size_t got = 0;
        r = SSL_read_ex(g->ssl, (char *)p + total, n - total, &got);
        if (r == 1) {
            g->key_updates = 0;
            total += got;
            if (total == n || (g->in.start == g->in.end && SSL_pending(g->ssl) == 0))
                break;
        } else if (SSL_get_error(g->ssl, r) != SSL_ERROR_WANT_READ || g->in.start == g->in.end
                   || g->key_updates > max_key_updates) {
            break;
        }
        if (g->out.end - g->out.start > max_out)
            break;
    }
    g->n = total;
    return end(g, r, r != 1);
}

int gossl_write(gossl_ssl *g, const unsigned char *p, size_t n)
{
    int r;
    begin(g);
    g->n = 0;
    r = int_form(n) ? SSL_write(g->ssl, p, (int)n) : SSL_write_ex(g->ssl, p, n, &g->n);
    return int_form(n) ? end_int(g, r) : end(g, r, r != 1);
}

int gossl_shutdown(gossl_ssl *g)
{
    int r;
    begin(g);
    r = SSL_shutdown(g->ssl);
    end(g, r, r < 0);
    if (r == 0)
        g->int_err = SSL_get_error(g->ssl, r);
    return r;
}

int gossl_clear(gossl_ssl *g)
{
    int r;
    begin(g);
    r = SSL_clear(g->ssl);
    g->seen = g->hellos = 0;
    g->alert_in = g->alert_out = -1;
    g->key_updates = g->key_updates_asked = 0;
    if (g->hello_state != GOSSL_HELLO_OFF)
        g->hello_state = GOSSL_HELLO_ASK;
    return end(g, r, r != 1);
}

int gossl_key_update(gossl_ssl *g, int request)
{
    int r;
    begin(g);
    r = SSL_key_update(g->ssl, request ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED);
    if (r == 1)
        r = SSL_do_handshake(g->ssl);
    return end(g, r, r != 1);
}

int gossl_renegotiate(gossl_ssl *g)
{
    int r;
    begin(g);
    r = SSL_renegotiate(g->ssl);
    return end(g, r, r != 1);
}

/* Forgets what was seen of the client's flight in the handshake: it comes again. */
int gossl_ask_client(gossl_ssl *g)
{
    int r;
    begin(g);
    r = SSL_verify_client_post_handshake(g->ssl);
    if (r == 1) {
        g->seen &= ~(GOSSL_SEEN_CERTIFICATE | GOSSL_SEEN_FINISHED);
        r = SSL_do_handshake(g->ssl);
    }
    return end(g, r, r != 1);
}

int gossl_set_session(gossl_ssl *g, SSL_SESSION *s)
{
    int r;
    begin(g);
    r = SSL_set_session(g->ssl, s);
    return end(g, r, r != 1);
}

void gossl_set_shutdown(gossl_ssl *g, int mode) { SSL_set_shutdown(g->ssl, mode); }
int gossl_get_shutdown(gossl_ssl *g) { return SSL_get_shutdown(g->ssl); }

/* A fatal alert behind the out-queue, in the clear. 0 without memory: then none is sent. */
int gossl_alert_in_clear(gossl_ssl *g, int alert)
{
    int version = SSL_version(g->ssl);
    unsigned char record[7] = {SSL3_RT_ALERT, 3, 3, 0, 2, SSL3_AL_FATAL, (unsigned char)alert};
    if (version < TLS1_2_VERSION)
        record[2] = (unsigned char)version;
    if (!gossl_grow(&g->out, sizeof record, 0))
        return 0;
    memcpy(g->out.p + g->out.end, record, sizeof record);
    g->out.end += sizeof record;
    g->out_total += sizeof record;
    g->alert_out = alert;
    return 1;
}

int gossl_feed(gossl_ssl *g, const unsigned char *p, size_t n)
{
    if (g->in.start == g->in.end && !g->in_hold)
        g->in.start = g->in.end = 0;
    if (!gossl_grow(&g->in, n, g->in_hold))
        return 0;
    if (n > 0)
        memcpy(g->in.p + g->in.end, p, n);
    g->in.end += n;
    return 1;
}

/* The held bytes are read again, by another SSL. */
void gossl_rewind(gossl_ssl *g) { g->in.start = 0; }

/* Bytes that the kernel holds unsent or unacknowledged; -1 where it does not say. */
int gossl_unsent(int fd)
{
#ifdef __linux__
    int n = 0;
    if (ioctl(fd, SIOCOUTQ, &n) == 0)
        return n;
#else
    (void)fd;
#endif
    return -1;
}

/* The group's number in TLS (RFC 8446, 4.2.7), 0 where libssl does not tell: it answers with a NID, or
 * with the number and a bit above it. */
int gossl_group(gossl_ssl *g)
{
    int nid = gossl_negotiated_group(g->ssl);
    switch (nid) {
    case NID_secp224r1: return 21;
    case NID_X9_62_prime256v1: return 23;
    case NID_secp384r1: return 24;
    case NID_secp521r1: return 25;
    case NID_brainpoolP256r1: return 26;
    case NID_brainpoolP384r1: return 27;
    case NID_brainpoolP512r1: return 28;
    case NID_X25519: return 29;
    case NID_X448: return 30;
    case NID_ffdhe2048: return 256;
    case NID_ffdhe3072: return 257;
    case NID_ffdhe4096: return 258;
    case NID_ffdhe6144: return 259;
    case NID_ffdhe8192: return 260;
    }
    return nid & TLSEXT_nid_unknown ? nid & 0xffff : 0;
}

/* ---- a connection's settings ---- */

static int accept_any_cb(int ok, X509_STORE_CTX *sc)
{
    (void)ok;
    (void)sc;
    return 1;
}

void gossl_ctx_accept_any_peer(SSL_CTX *c) { SSL_CTX_set_verify(c, SSL_VERIFY_PEER, accept_any_cb); }

static void set_verify(SSL *ssl, gossl_verify v)
{
    SSL_set_verify(ssl, v.mode, v.accept_any ? accept_any_cb : NULL);
    if (v.store != NULL)
        SSL_set1_verify_cert_store(ssl, v.store);
}

static int set_verify_name(SSL *ssl, const char *name, int is_ip)
{
    X509_VERIFY_PARAM *p = SSL_get0_param(ssl);
    X509_VERIFY_PARAM_set_hostflags(p, GOSSL_HOST_FLAGS);
    return is_ip ? X509_VERIFY_PARAM_set1_ip_asc(p, name) : X509_VERIFY_PARAM_set1_host(p, name, 0);
}

/* A client that verifies name, when it verifies. name has no NUL behind it. */
gossl_made gossl_client_new(SSL_CTX *ctx, const char *name, size_t len, int is_ip, gossl_verify v)
{
    gossl_made m = {NULL, "SSL_new", NULL};
    char host[256] = "";

    if (len >= sizeof host || (m.ssl = gossl_ssl_new(ctx, &m.errs)) == NULL)
        return m;
    if (len > 0)
        memcpy(host, name, len);
    SSL_set_connect_state(m.ssl->ssl);
    set_verify(m.ssl->ssl, v);
    m.failed = "SSL_set_tlsext_host_name";
    if (len > 0 && !is_ip && !SSL_set_tlsext_host_name(m.ssl->ssl, host))
        goto fail;
    m.failed = "X509_VERIFY_PARAM_set1_host";
    if (v.mode != SSL_VERIFY_NONE && !set_verify_name(m.ssl->ssl, host, is_ip))
        goto fail;
    return m;
fail:
    m.errs = gossl_take_errors();
    gossl_ssl_free(m.ssl);
    m.ssl = NULL;
    return m;
}

gossl_made gossl_server_new(SSL_CTX *ctx, gossl_verify v, STACK_OF(X509_NAME) *names)
{
    gossl_made m = {NULL, "SSL_new", NULL};

    if ((m.ssl = gossl_ssl_new(ctx, &m.errs)) == NULL)
        return m;
    SSL_set_accept_state(m.ssl->ssl);
    set_verify(m.ssl->ssl, v);
    if (names != NULL)
        SSL_set_client_CA_list(m.ssl->ssl, SSL_dup_CA_list(names)); /* which it owns */
    return m;
}

int gossl_proof(gossl_ssl *g)
{
    X509 *x = gossl_peer_cert(g);
    X509_free(x);
    return x == NULL ? -1 : (int)SSL_get_verify_result(g->ssl);
}

int gossl_set_sni(gossl_ssl *g, const char *name, gossl_errors **errs)
{
    int ok;
    ERR_clear_error();
    ok = (int)SSL_set_tlsext_host_name(g->ssl, name);
    *errs = ok ? NULL : gossl_take_errors();
    return ok;
}

int gossl_use_cert(gossl_ssl *g, gossl_cert *c, gossl_errors **errs)
{
    int ok;
    ERR_clear_error();
    SSL_certs_clear(g->ssl); /* or libssl could pick one of the Ctx's of another key type */
    ok = SSL_use_cert_and_key(g->ssl, c->leaf, c->key, c->chain, 1);
    *errs = ok ? NULL : gossl_take_errors();
    return ok;
}

int gossl_export_keying_material(gossl_ssl *g, unsigned char *out, size_t n, const char *label, size_t label_len,
                                 const unsigned char *context, size_t context_len, int use_context, gossl_errors **errs)
{
    int ok;
    ERR_clear_error();
    ok = SSL_export_keying_material(g->ssl, out, n, label, label_len, context, context_len, use_context);
    *errs = ok == 1 ? NULL : gossl_take_errors();
    return ok == 1;
}
