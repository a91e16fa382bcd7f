#include "libssl.h"

#include <string.h>

/* ---- events ---- */

/* The queue of the operation that runs on this thread: remove_session_cb is
 * given no SSL and runs inside SSL_free too. */
static __thread gossl_events *current;

void gossl_running(gossl_events *ev) { current = ev; }

void gossl_events_init(gossl_events *ev)
{
    ev->head = NULL;
    ev->tail = &ev->head;
    ev->n = 0;
}

static gossl_event *event_add(gossl_events *q, int kind, const void *data, size_t total, size_t len)
{
    gossl_event *e = gossl_alloc(sizeof *e + len);
    if (e == NULL)
        return NULL;
    memset(e, 0, sizeof *e);
    e->kind = kind;
    e->total = total;
    e->len = len;
    if (len > 0)
        memcpy(e->data, data, len);
    *q->tail = e;
    q->tail = &e->next;
    q->n++;
    return e;
}

static gossl_event *event_take(gossl_events *q)
{
    gossl_event *e = q->head;
    if (e != NULL) {
        if ((q->head = e->next) == NULL)
            q->tail = &q->head;
        q->n--;
    }
    return e;
}

gossl_event *gossl_next_event(gossl_ssl *g) { return event_take(&g->events); }

void gossl_event_free(gossl_event *e)
{
    if (e == NULL)
        return;
    SSL_SESSION_free(e->session);
    gossl_release(e);
}

static int new_session_cb(SSL *ssl, SSL_SESSION *s)
{
    gossl_ssl *g = gossl_of(ssl);
    gossl_event *e;
    if (g == NULL || (e = event_add(&g->events, GOSSL_EV_NEW_SESSION, NULL, 0, 0)) == NULL)
        return 0;
    gossl_psk_unmark(s);
    e->session = s; /* the reference that libssl took for us */
    return 1;
}

static void remove_session_cb(SSL_CTX *c, SSL_SESSION *s)
{
    gossl_event *e;
    (void)c;
    if (current == NULL || (e = event_add(current, GOSSL_EV_REMOVED_SESSION, NULL, 0, 0)) == NULL)
        return;
    SSL_SESSION_up_ref(s);
    e->session = s;
}

gossl_event *gossl_ctx_flush(SSL_CTX *c, long long now)
{
    gossl_events ev;
    gossl_events_init(&ev);
    ERR_clear_error();
    current = &ev;
    gossl_flush_sessions(c, now);
    current = NULL;
    return ev.head;
}

gossl_event *gossl_ctx_remove_session(SSL_CTX *c, SSL_SESSION *s, int *ok)
{
    gossl_events ev;
    gossl_events_init(&ev);
    ERR_clear_error();
    current = &ev;
    *ok = SSL_CTX_remove_session(c, s);
    current = NULL;
    return ev.head;
}

gossl_event *gossl_ctx_add_session(SSL_CTX *c, SSL_SESSION *s, int *ok)
{
    gossl_events ev;
    gossl_events_init(&ev);
    ERR_clear_error();
    current = &ev;
    *ok = SSL_CTX_add_session(c, s);
    current = NULL;
    return ev.head;
}

/* SSL_CTX_free: the last reference removes what the cache still holds. */
gossl_event *gossl_ctx_end(SSL_CTX *c)
{
    gossl_events ev;
    gossl_events_init(&ev);
    current = &ev;
    gossl_ctx_free(c);
    current = NULL;
    return ev.head;
}

static void keylog_cb(const SSL *ssl, const char *line)
{
    gossl_ssl *g = gossl_of(ssl);
    if (g != NULL)
        event_add(&g->events, GOSSL_EV_KEYLOG, line, strlen(line), strlen(line));
}

void gossl_message_cb(int sent, int version, int type, const void *p, size_t n, SSL *ssl, void *arg)
{
    gossl_ssl *g = arg;
    const unsigned char *b = p;
    (void)ssl;
    if (type == SSL3_RT_ALERT && n >= 2) {
        /* RFC 8446, 6: in TLS 1.3 the level says nothing; every alert but two is an error. Before the
         * ServerHello the version is the highest that a client hopes for. Up to TLS 1.2 a close_notify
         * of the fatal level is fatal to libssl. */
        int tls13 = version == TLS1_3_VERSION && (g->seen & GOSSL_SEEN_SERVER_HELLO);
        if (b[1] == SSL_AD_CLOSE_NOTIFY && (sent || tls13 || b[0] == SSL3_AL_WARNING)) {
            g->seen |= sent ? GOSSL_SENT_CLOSE_NOTIFY : GOSSL_SEEN_CLOSE_NOTIFY;
            if (sent)
                g->close_notify_end = g->out_total;
        } else if (tls13 ? b[1] != SSL_AD_USER_CANCELLED : b[0] == SSL3_AL_FATAL) {
            if (sent)
                g->alert_out = b[1];
            else
                g->alert_in = b[1];
        }
    } else if (type == SSL3_RT_HANDSHAKE && n >= 1) {
        if (b[0] == SSL3_MT_CLIENT_HELLO && ++g->hellos == 2)
            g->seen |= GOSSL_SEEN_HRR;
        if (b[0] == SSL3_MT_SERVER_HELLO)
            g->seen |= GOSSL_SEEN_SERVER_HELLO;
        if (!sent && (b[0] == SSL3_MT_CERTIFICATE || b[0] == GOSSL_MT_COMPRESSED_CERTIFICATE || b[0] == SSL3_MT_SERVER_DONE))
            g->seen |= GOSSL_SEEN_CERTIFICATE;
        else if (!sent && b[0] == SSL3_MT_FINISHED)
            g->seen |= GOSSL_SEEN_FINISHED;
        else if (sent && b[0] == SSL3_MT_KEY_UPDATE)
            g->key_updates_asked += n > 4 && b[4] == SSL_KEY_UPDATE_REQUESTED;
        else if (b[0] == SSL3_MT_KEY_UPDATE && g->key_updates == GOSSL_MAX_KEY_UPDATES && g->key_updates_asked > 0)
            g->key_updates_asked--;
        else if (b[0] == SSL3_MT_KEY_UPDATE)
            g->key_updates++;
    }
    if (g->trace) {
        gossl_event *e = event_add(&g->events, GOSSL_EV_MESSAGE, p, n, n < GOSSL_TRACE_MAX ? n : GOSSL_TRACE_MAX);
        if (e != NULL) {
            e->sent = sent;
            e->version = version;
            e->content_type = type;
        }
    }
}

/* ---- the suspended handshake ---- */

void gossl_hello_free(gossl_hello *h)
{
    gossl_release(h->name);
    gossl_release(h->alpn);
    gossl_release(h->id);
    gossl_release(h->suites);
    gossl_release(h->psks);
    memset(h, 0, sizeof *h);
}

static unsigned char *copy(const unsigned char *p, size_t n)
{
    unsigned char *q = n > 0 ? gossl_alloc(n) : NULL;
    if (q != NULL)
        memcpy(q, p, n);
    return q;
}

static size_t u16(const unsigned char *p) { return (size_t)p[0] << 8 | p[1]; }

static int offers_tls13(SSL *ssl)
{
    const unsigned char *p;
    size_t n, i;
    int max = (int)SSL_get_max_proto_version(ssl);
    if (max != 0 && max < TLS1_3_VERSION)
        return 0;
    if (SSL_get_options(ssl) & SSL_OP_NO_TLSv1_3)
        return 0;
    if (!SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_supported_versions, &p, &n) || n < 1 || p[0] != n - 1)
        return 0;
    for (i = 1; i + 1 < n; i += 2)
        if (u16(p + i) == TLS1_3_VERSION)
            return 1;
    return 0;
}

/* Fills h; 0 where an extension does not parse (libssl refuses it later with its own alert). */
static void read_hello(SSL *ssl, gossl_hello *h)
{
    const unsigned char *p;
    size_t n;
    /* RFC 6066, 3: list length, type host_name, name length, name. */
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &p, &n) && n > 5 && u16(p) == n - 2
        && p[2] == TLSEXT_NAMETYPE_host_name && u16(p + 3) == n - 5) {
        h->name = copy(p + 5, n - 5);
        h->name_len = h->name == NULL ? 0 : n - 5;
    }
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &p, &n) && n > 2
        && u16(p) == n - 2) {
        h->alpn = copy(p + 2, n - 2);
        h->alpn_len = h->alpn == NULL ? 0 : n - 2;
    }
    n = SSL_client_hello_get0_ciphers(ssl, &p);
    h->suites = copy(p, n);
    h->suites_len = h->suites == NULL ? 0 : n;
    h->compress = SSL_client_hello_get0_ext(ssl, GOSSL_EXT_COMPRESS, &p, &n);
    h->tls13 = offers_tls13(ssl);
    if (h->tls13) {
        /* RFC 8446, 4.2.11: identities length, identity length, identity. The legacy session id of a
         * TLS 1.3 hello is random and never looked up. */
        if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_psk, &p, &n) && n > 4 && u16(p) + 2 <= n
            && u16(p + 2) + 4 <= n) {
            h->id = copy(p + 4, u16(p + 2));
            h->id_len = h->id == NULL ? 0 : u16(p + 2);
            h->psks = copy(p + 2, u16(p));
            h->psks_len = h->psks == NULL ? 0 : u16(p);
        }
    } else if ((n = SSL_client_hello_get0_session_id(ssl, &p)) > 0) {
        h->id = copy(p, n);
        h->id_len = h->id == NULL ? 0 : n;
    }
}

static int same(const unsigned char *a, size_t an, const unsigned char *b, size_t bn)
{
    return an == bn && (an == 0 || memcmp(a, b, an) == 0);
}

/* RFC 8446, 4.2.11: of each identity its length, itself and four bytes of age. */
static int offered(const gossl_hello *h, const unsigned char *id, size_t n)
{
    const unsigned char *p = h->psks;
    size_t left = h->psks_len, len;
    for (; left >= 6 && (len = u16(p)) <= left - 6; p += len + 6, left -= len + 6)
        if (same(p + 2, len, id, n))
            return 1;
    return 0;
}

static int hello_cb(SSL *ssl, int *alert, void *arg)
{
    gossl_ssl *g = gossl_of(ssl);
    gossl_hello h;
    int ok;
    (void)arg;
    if (g == NULL)
        return SSL_CLIENT_HELLO_SUCCESS;
    switch (g->hello_state) {
    case GOSSL_HELLO_ASK:
        gossl_hello_free(&g->hello);
        read_hello(ssl, &g->hello);
        g->hello_state = GOSSL_HELLO_WAITING;
        return SSL_CLIENT_HELLO_RETRY;
    case GOSSL_HELLO_WAITING:
        return SSL_CLIENT_HELLO_RETRY;
    case GOSSL_HELLO_REFUSED:
        *alert = g->hello_alert;
        return SSL_CLIENT_HELLO_ERROR;
    case GOSSL_HELLO_ANSWERED:
        /* After a HelloRetryRequest the answers of the first hello stand; a second hello that asks
         * for something else must not get them (RFC 8446, 4.1.2). It may leave out pre-shared keys of
         * another digest than the server has chosen: then another is the first. */
        memset(&h, 0, sizeof h);
        read_hello(ssl, &h);
        ok = same(h.name, h.name_len, g->hello.name, g->hello.name_len)
             && (h.id_len == 0 || same(h.id, h.id_len, g->hello.id, g->hello.id_len)
                 || offered(&g->hello, h.id, h.id_len));
        gossl_hello_free(&h);
        if (!ok) {
            *alert = SSL_AD_ILLEGAL_PARAMETER;
            return SSL_CLIENT_HELLO_ERROR;
        }
    }
    gossl_staple_first(ssl);
    return SSL_CLIENT_HELLO_SUCCESS;
}

static SSL_SESSION *get_session_cb(SSL *ssl, const unsigned char *id, int n, int *copy_ref)
{
    gossl_ssl *g = gossl_of(ssl);
    unsigned int have = 0;
    const unsigned char *own;
    *copy_ref = 1; /* libssl takes a reference of its own */
    if (g == NULL || g->found == NULL)
        return NULL;
    own = SSL_SESSION_get_id(g->found, &have);
    return same(own, have, id, (size_t)n) ? g->found : NULL;
}

static SSL_SESSION *tell_get_session_cb(SSL *ssl, const unsigned char *id, int n, int *copy_ref)
{
    gossl_ssl *g = gossl_of(ssl);
    if (g != NULL)
        event_add(&g->events, GOSSL_EV_LOOKUP, id, (size_t)n, (size_t)n);
    return get_session_cb(ssl, id, n, copy_ref);
}

/* A certificate that ran out since the handshake does not vouch for a resumption: the ticket counts as one
 * of an unknown key. */
static SSL_TICKET_RETURN opened_ticket_cb(SSL *ssl, SSL_SESSION *s, const unsigned char *name, size_t n,
                                          SSL_TICKET_STATUS status, void *arg)
{
    (void)ssl;
    (void)name;
    (void)n;
    (void)arg;
    if ((status == SSL_TICKET_SUCCESS || status == SSL_TICKET_SUCCESS_RENEW) && !gossl_session_over(s))
        return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
    return SSL_TICKET_RETURN_IGNORE_RENEW;
}

/* A client asks too, and has answered nothing. */
static int servername_cb(SSL *ssl, int *alert, void *arg)
{
    gossl_ssl *g = gossl_of(ssl);
    (void)alert;
    (void)arg;
    return g == NULL ? SSL_TLSEXT_ERR_OK : g->name_answer;
}

void gossl_ctx_setup(SSL_CTX *c, int flags)
{
    if (flags & GOSSL_CTX_NEW_SESSION)
        SSL_CTX_sess_set_new_cb(c, new_session_cb);
    if (flags & GOSSL_CTX_REMOVED_SESSION)
        SSL_CTX_sess_set_remove_cb(c, remove_session_cb);
    if (flags & GOSSL_CTX_KEYLOG)
        SSL_CTX_set_keylog_callback(c, keylog_cb);
    if (flags & GOSSL_CTX_HELLO) {
        SSL_CTX_set_client_hello_cb(c, hello_cb, NULL);
        SSL_CTX_set_tlsext_servername_callback(c, servername_cb);
    }
    if (flags & GOSSL_CTX_LOOKUP)
        SSL_CTX_sess_set_get_cb(c, get_session_cb);
    if (flags & GOSSL_CTX_TELL_LOOKUP)
        SSL_CTX_sess_set_get_cb(c, tell_get_session_cb);
    if (flags & GOSSL_CTX_STAPLE) {
        SSL_CTX_set_tlsext_status_cb(c, gossl_staple_cb);
        SSL_CTX_set_tlsext_status_type(c, TLSEXT_STATUSTYPE_ocsp); /* what clients ask for */
    }
    if (flags & GOSSL_CTX_CLIENT_CERTS)
        SSL_CTX_set_session_ticket_cb(c, NULL, opened_ticket_cb, NULL);
}
