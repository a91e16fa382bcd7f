/* The C side: memory transport, one-call operations, event queue. It does no
 * I/O and never calls Go. A gossl_ssl belongs to one goroutine at a time: the
 * Go side holds its mutex around every call and every look at a field. */
#ifndef GOSSL_LIBSSL_H
#define GOSSL_LIBSSL_H

#include "compat.h"
#include <stddef.h>
#include <stdint.h>

/* One entry of the error queue. Copied: provider strings may go with their provider. */
typedef struct {
    unsigned long code;
    int lib, reason;
    char lib_text[48], reason_text[96], data[160];
} gossl_error;

typedef struct {
    int n;
    gossl_error e[16];
} gossl_errors;

/* Bytes p[start:end] are queued; p[end:cap] is free. */
typedef struct {
    unsigned char *p;
    size_t cap, start, end;
} gossl_buf;

enum {
    GOSSL_EV_NEW_SESSION = 1, /* session, one reference */
    GOSSL_EV_REMOVED_SESSION, /* session, one reference */
    GOSSL_EV_KEYLOG,          /* data: one line */
    GOSSL_EV_MESSAGE,         /* data: as the message callback saw it, cut to GOSSL_TRACE_MAX */
    GOSSL_EV_LOOKUP           /* data: the session id */
};

#define GOSSL_TRACE_MAX 64

typedef struct gossl_event {
    struct gossl_event *next;
    int kind, sent, version, content_type;
    SSL_SESSION *session;
    size_t total, len; /* of the message, of data */
    unsigned char data[];
} gossl_event;

typedef struct {
    gossl_event *head, **tail;
    int n;
} gossl_events;

/* What a ClientHello says, for the suspended handshake. */
typedef struct {
    unsigned char *name, *alpn, *id, *suites, *psks;
    size_t name_len, alpn_len, id_len, suites_len, psks_len; /* psks: the identities as sent; id: TLS 1.2 session id, or the first 1.3 PSK identity */
    int compress;                    /* the client takes compressed certificates */
    int tls13;                       /* TLS 1.3 will be negotiated, as far as versions decide */
} gossl_hello;

enum { /* bits of gossl_ssl.seen */
    GOSSL_SEEN_CERTIFICATE = 1,  /* the peer's Certificate, or a ServerHelloDone without one */
    GOSSL_SEEN_FINISHED = 2,     /* the peer's Finished */
    GOSSL_SEEN_CLOSE_NOTIFY = 4, /* received */
    GOSSL_SENT_CLOSE_NOTIFY = 8, /* sealed into the out-queue */
    GOSSL_SEEN_HRR = 16,         /* a second ClientHello was sent or received */
    GOSSL_SEEN_SERVER_HELLO = 32 /* sent or received, a HelloRetryRequest too */
};

/* KeyUpdates without data between them: each costs a reply, and libssl knows no limit. */
enum { GOSSL_MAX_KEY_UPDATES = 32 };

enum { GOSSL_HELLO_OFF, GOSSL_HELLO_ASK, GOSSL_HELLO_WAITING, GOSSL_HELLO_ANSWERED, GOSSL_HELLO_REFUSED };

/* A signature that Go is to make. */
enum { GOSSL_SIGN_NONE, GOSSL_SIGN_ASK, GOSSL_SIGN_ANSWERED, GOSSL_SIGN_REFUSED };

typedef struct {
    int state, pss, worker;
    uint64_t key;
    char md[32]; /* empty: the message itself is signed */
    unsigned char *tbs, *sig;
    size_t tbs_len, sig_len;
} gossl_sign;

/* An external PSK: n bytes of identity, then the key. */
typedef struct {
    size_t n, key_len;
    int sha384;
    unsigned char p[];
} gossl_psk;

typedef struct {
    SSL *ssl;
    gossl_buf in, out;
    int in_eof, in_hold;
    int out_bounded, out_sys; /* what does not fit into out_limit: 0 to be retried, else the errno of a failed write */
    size_t out_limit;
    struct {
        int on, ret, sys, retry, eof; /* how an empty in-queue answers in another way than in_eof says */
    } in_answer;
    uint64_t out_total;        /* bytes ever appended to out */
    uint64_t close_notify_end; /* out_total behind our close_notify */

    /* The answer of the last operation. */
    int ret, err, sys, mask;
    int in_init; /* in a handshake, or within a message that follows it */
    int int_ret, int_err; /* of SSL_read, not SSL_read_ex; SSL_get_error for SSL_shutdown's 0 too */
    size_t n, pending;
    gossl_errors *errs; /* taken by the Go side */

    /* What the message callback saw. */
    int seen, alert_in, alert_out; /* fatal alerts, -1 none */
    unsigned key_updates;          /* received since the last application data */
    unsigned key_updates_asked;    /* by us: so many may come above GOSSL_MAX_KEY_UPDATES and do not count */
    int hellos;

    struct {
        int version, resumed;
    } agreed; /* as the last handshake call left it */

    int refs;         /* to ssl, beside the first */
    int keep_session; /* SSL_free is not to make the session bad */
    int trace, events_on;
    gossl_events events;

    int hello_state, hello_alert, name_answer;
    gossl_hello hello;
    SSL_SESSION *found; /* what get_session_cb hands out; one reference */
    gossl_psk *psk;     /* NULL: none is offered, or the server knows none */
    gossl_sign *sign;   /* NULL unless a certificate's key is Go's */
} gossl_ssl;

enum { /* flags of gossl_ctx_setup */
    GOSSL_CTX_NEW_SESSION = 1,
    GOSSL_CTX_REMOVED_SESSION = 2,
    GOSSL_CTX_KEYLOG = 4,
    GOSSL_CTX_HELLO = 8,
    GOSSL_CTX_LOOKUP = 16,
    GOSSL_CTX_TELL_LOOKUP = 32,
    GOSSL_CTX_STAPLE = 64,
    GOSSL_CTX_CLIENT_CERTS = 128
};

/* How a certificate's names are compared. */
#define GOSSL_HOST_FLAGS (X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS)

typedef struct {
    X509 *leaf;
    STACK_OF(X509) *chain;
    EVP_PKEY *key;
} gossl_cert;

/* Memory of ours, counted. */
void *gossl_alloc(size_t n);
void gossl_release(void *p);
long gossl_live_allocs(void);

gossl_errors *gossl_take_errors(void);

/* The memory transport (transport.c) */
int gossl_grow(gossl_buf *b, size_t room, int held);
int gossl_attach(SSL *ssl, gossl_ssl *g);
gossl_ssl *gossl_of(const SSL *ssl);

/* Events and the suspended handshake (events.c) */
void gossl_events_init(gossl_events *ev);
void gossl_running(gossl_events *ev); /* the operation of this thread, NULL none */
void gossl_message_cb(int sent, int version, int type, const void *p, size_t n, SSL *ssl, void *arg);

/* SSL (libssl.c) */
gossl_ssl *gossl_ssl_new(SSL_CTX *ctx, gossl_errors **errs);
gossl_ssl *gossl_ssl_dup(gossl_ssl *g, int *same, gossl_errors **errs);
void gossl_ssl_up_ref(gossl_ssl *g);
int gossl_ssl_drop_ref(gossl_ssl *g);
void gossl_ssl_end(gossl_ssl *g);
void gossl_ssl_free(gossl_ssl *g);
void gossl_set_state(gossl_ssl *g, int server);
int gossl_handshake(gossl_ssl *g);
int gossl_handshake_calling(gossl_ssl *g);
int gossl_read(gossl_ssl *g, unsigned char *p, size_t n);
int gossl_peek(gossl_ssl *g, unsigned char *p, size_t n);
int gossl_read_batch(gossl_ssl *g, unsigned char *p, size_t n, size_t max_out, unsigned max_key_updates);
int gossl_write(gossl_ssl *g, const unsigned char *p, size_t n);
int gossl_shutdown(gossl_ssl *g);
int gossl_clear(gossl_ssl *g);
int gossl_key_update(gossl_ssl *g, int request);
int gossl_renegotiate(gossl_ssl *g);
int gossl_ask_client(gossl_ssl *g);
void gossl_set_shutdown(gossl_ssl *g, int mode);
int gossl_get_shutdown(gossl_ssl *g);
int gossl_set_session(gossl_ssl *g, SSL_SESSION *s);
int gossl_alert_in_clear(gossl_ssl *g, int alert);
int gossl_feed(gossl_ssl *g, const unsigned char *p, size_t n);
void gossl_buf_free(gossl_buf *b);
void gossl_rewind(gossl_ssl *g);
gossl_event *gossl_next_event(gossl_ssl *g);
void gossl_event_free(gossl_event *e);
void gossl_hello_free(gossl_hello *h);
int gossl_unsent(int fd);
int gossl_group(gossl_ssl *g);

/* Conn's per-connection settings (libssl.c) */
typedef struct {
    int mode, accept_any;
    X509_STORE *store; /* NULL: the SSL_CTX's */
} gossl_verify;
typedef struct {
    gossl_ssl *ssl;     /* NULL when */
    const char *failed; /* this function did, */
    gossl_errors *errs; /* and why */
} gossl_made;
gossl_made gossl_client_new(SSL_CTX *ctx, const char *name, size_t len, int is_ip, gossl_verify v);
gossl_made gossl_server_new(SSL_CTX *ctx, gossl_verify v, STACK_OF(X509_NAME) *names);
int gossl_proof(gossl_ssl *g); /* -1 without a peer's certificate, else SSL_get_verify_result */
int gossl_set_sni(gossl_ssl *g, const char *name, gossl_errors **errs);
int gossl_use_cert(gossl_ssl *g, gossl_cert *c, gossl_errors **errs);
int gossl_export_keying_material(gossl_ssl *g, unsigned char *out, size_t n, const char *label, size_t label_len,
                                 const unsigned char *context, size_t context_len, int use_context, gossl_errors **errs);

/* SSL_CTX, certificates, stores, sessions (context.c) */
SSL_CTX *gossl_ctx_new(const char *properties, gossl_errors **errs); /* NULL: the library's */
void gossl_ctx_free(SSL_CTX *c);
void gossl_ctx_setup(SSL_CTX *c, int flags);
int gossl_ctx_set_alpn(SSL_CTX *c, const unsigned char *wire, size_t n, gossl_errors **errs);
int gossl_ctx_set_strings(SSL_CTX *c, const char *ciphers, const char *suites, const char *groups, gossl_errors **errs);
int gossl_ctx_set_versions(SSL_CTX *c, int min, int max, gossl_errors **errs);
int gossl_ctx_set_sid_context(SSL_CTX *c, const unsigned char *p, size_t n, gossl_errors **errs);
int gossl_ctx_use_cert(SSL_CTX *c, gossl_cert *k, gossl_errors **errs);
void gossl_ctx_accept_any_peer(SSL_CTX *c);
/* These answer with the events that they caused, a list that the caller frees. */
gossl_event *gossl_ctx_end(SSL_CTX *c);
gossl_event *gossl_ctx_flush(SSL_CTX *c, long long now);
gossl_event *gossl_ctx_remove_session(SSL_CTX *c, SSL_SESSION *s, int *ok);
gossl_event *gossl_ctx_add_session(SSL_CTX *c, SSL_SESSION *s, int *ok);

gossl_cert *gossl_cert_pem(const unsigned char *cert, size_t cert_len, const unsigned char *key, size_t key_len,
                           const char *pass, gossl_errors **errs);
gossl_cert *gossl_cert_der(const unsigned char *certs, const size_t *lens, size_t n, const unsigned char *key, size_t key_len,
                           gossl_errors **errs);
gossl_cert *gossl_cert_with(const unsigned char *certs, const size_t *lens, size_t n, EVP_PKEY *key, gossl_errors **errs);
void gossl_cert_free(gossl_cert *c);

gossl_cert *gossl_cert_uri(const char *cert, const char *key, gossl_errors **errs);

/* Providers (provider.c) */
SSL_CTX *gossl_ctx_with(const char *properties);
int gossl_load_provider(const char *name, gossl_errors **errs);
char *gossl_providers(void); /* names, a space behind each; the caller gives it to gossl_release */
int gossl_fips(void);

/* openssl.cnf (policy.c) */
char *gossl_conf_file(void); /* the caller gives it to gossl_openssl_free */
int gossl_conf_commands(const char *file, char **out, size_t *n, gossl_errors **errs);
const char *gossl_modules_dir(void);

/* What some versions have (modern.c) */
int gossl_has_group(const char *name);
int gossl_can_rpk(void);
int gossl_rpk(gossl_ssl *g, int show, int want);
size_t gossl_peer_rpk(gossl_ssl *g, unsigned char **out); /* which the caller gives to gossl_openssl_free */
int gossl_has_compression(int alg);
int gossl_ctx_compress(SSL_CTX *c, int *algs, size_t n, int has_certs);
size_t gossl_compress(gossl_ssl *g, gossl_cert *k, int alg, unsigned char **out, size_t *plain);
int gossl_use_compressed(gossl_ssl *g, int alg, const unsigned char *p, size_t n, size_t plain);
int gossl_staple_attach(X509 *x);
int gossl_staple_parses(const unsigned char *der, size_t n);
int gossl_staple_set(X509 *x, const unsigned char *der, size_t n);
int gossl_staple_cb(SSL *ssl, void *arg);
void gossl_staple_first(SSL *ssl);
void gossl_psk_ask(gossl_ssl *g);
int gossl_psk_set(gossl_ssl *g, const unsigned char *id, size_t n, const unsigned char *key, size_t key_len, int sha384);
int gossl_psk_used(gossl_ssl *g);
void gossl_psk_unmark(SSL_SESSION *s);
void gossl_psk_free(gossl_psk *p);
size_t gossl_staple_got(gossl_ssl *g, const unsigned char **out);

/* Encrypted ClientHello (ech.c); all but the first where that says 1 */
typedef struct ossl_echstore_st gossl_ech;
int gossl_can_ech(void);
gossl_ech *gossl_ech_list(const unsigned char *list, size_t n, gossl_errors **errs);
gossl_ech *gossl_ech_keys(const unsigned char *pems, const size_t *lens, const int *retry, size_t n, gossl_errors **errs);
void gossl_ech_free(gossl_ech *es);
int gossl_ech_use(gossl_ssl *g, gossl_ech *es);
int gossl_ech_accepted(gossl_ssl *g);
size_t gossl_ech_retry(gossl_ssl *g, unsigned char **out);

/* Keys in Go (signer.c) */
int gossl_can_sign(void);
int gossl_sign_allowed(gossl_cert *k, const char *properties);
gossl_cert *gossl_cert_signer(const unsigned char *certs, const size_t *lens, size_t n, const unsigned char *spki, size_t spki_len,
                              uint64_t id, gossl_errors **errs);
int gossl_sign_enable(gossl_ssl *g, int worker);
void gossl_sign_answer(gossl_ssl *g, const unsigned char *sig, size_t n);
void gossl_signing(gossl_ssl *g); /* the handshake of this thread, NULL none */
void gossl_sign_end(gossl_ssl *g);

X509_STORE *gossl_store_new(gossl_errors **errs);
long gossl_store_add_pem(X509_STORE *st, const unsigned char *pem, size_t n, gossl_errors **errs);
int gossl_store_add_der(X509_STORE *st, const unsigned char *der, size_t n, gossl_errors **errs);
STACK_OF(X509_NAME) *gossl_ca_names(const unsigned char *pem, size_t n);

size_t gossl_session_der(SSL_SESSION *s, unsigned char **out);
SSL_SESSION *gossl_session_parse(const unsigned char *der, size_t n, gossl_errors **errs);
int gossl_session_names(SSL_SESSION *s, const char *name, size_t len, int is_ip);
int gossl_session_over(SSL_SESSION *s); /* the time of the peer's certificate that it remembers */
typedef struct {
    int resumable, has_ticket, protocol;
    unsigned long hint;         /* seconds */
    long long created, timeout; /* seconds since 1970, seconds */
} gossl_session_state;
gossl_session_state gossl_session_now(SSL_SESSION *s);
int gossl_session_same_id(SSL_SESSION *a, SSL_SESSION *b);
void gossl_session_context(SSL_SESSION *s, gossl_ssl *g); /* gives g the session id context of s */
long gossl_live_sessions(void);

/* Keys of stateless tickets (tickets.c) */
typedef struct {
    unsigned char name[16], aes[32], mac[32];
    int64_t from, until; /* seconds since 1970: encrypts from, is accepted until */
} gossl_ticket_key;

enum { GOSSL_TICKETS_ISSUED, GOSSL_TICKETS_ACCEPTED, GOSSL_TICKETS_OLD, GOSSL_TICKETS_UNKNOWN, GOSSL_TICKET_COUNTERS };

typedef struct gossl_tickets gossl_tickets;
gossl_tickets *gossl_tickets_new(void);
void gossl_tickets_free(gossl_tickets *t); /* one reference; each SSL_CTX holds one */
int gossl_tickets_set(gossl_tickets *t, const gossl_ticket_key *keys, size_t n);
uint64_t gossl_tickets_counter(gossl_tickets *t, int which);
int gossl_ctx_set_tickets(SSL_CTX *c, gossl_tickets *t, gossl_errors **errs);

/* Macros and calls whose signature moved. */
static inline uint64_t gossl_ctx_set_options(SSL_CTX *c, uint64_t o) { return (uint64_t)SSL_CTX_set_options(c, o); }
static inline uint64_t gossl_ctx_clear_options(SSL_CTX *c, uint64_t o) { return (uint64_t)SSL_CTX_clear_options(c, o); }
static inline uint64_t gossl_ctx_get_options(SSL_CTX *c) { return (uint64_t)SSL_CTX_get_options(c); }
static inline uint64_t gossl_set_options(gossl_ssl *g, uint64_t o) { return (uint64_t)SSL_set_options(g->ssl, o); }
static inline long gossl_ctx_set_mode(SSL_CTX *c, long m) { return SSL_CTX_set_mode(c, m); }
static inline long gossl_ctx_clear_mode(SSL_CTX *c, long m) { return SSL_CTX_clear_mode(c, m); }
static inline long gossl_ctx_get_mode(SSL_CTX *c) { return SSL_CTX_get_mode(c); }
static inline long gossl_set_mode(gossl_ssl *g, long m) { return SSL_set_mode(g->ssl, m); }
static inline long gossl_clear_mode(gossl_ssl *g, long m) { return SSL_clear_mode(g->ssl, m); }
static inline long gossl_ctx_set_cache_mode(SSL_CTX *c, long m) { return SSL_CTX_set_session_cache_mode(c, m); }
static inline long gossl_ctx_get_cache_mode(SSL_CTX *c) { return SSL_CTX_get_session_cache_mode(c); }
static inline long gossl_ctx_set_cache_size(SSL_CTX *c, long n) { return SSL_CTX_sess_set_cache_size(c, n); }
static inline long gossl_ctx_get_cache_size(SSL_CTX *c) { return SSL_CTX_sess_get_cache_size(c); }
static inline long gossl_ctx_counter(SSL_CTX *c, int which) { return SSL_CTX_ctrl(c, which, 0, NULL); }
static inline int gossl_ctx_min(SSL_CTX *c) { return (int)SSL_CTX_get_min_proto_version(c); }
static inline int gossl_ctx_max(SSL_CTX *c) { return (int)SSL_CTX_get_max_proto_version(c); }
static inline int gossl_ctx_cipher_num(SSL_CTX *c) { STACK_OF(SSL_CIPHER) *s = SSL_CTX_get_ciphers(c); return s == NULL ? 0 : sk_SSL_CIPHER_num(s); }
static inline const SSL_CIPHER *gossl_ctx_cipher_at(SSL_CTX *c, int i) { return sk_SSL_CIPHER_value(SSL_CTX_get_ciphers(c), i); }
static inline X509 *gossl_peer_cert(gossl_ssl *g) { return gossl_peer_certificate(g->ssl); }
static inline int gossl_x509_num(STACK_OF(X509) *s) { return s == NULL ? 0 : sk_X509_num(s); }
static inline X509 *gossl_x509_at(STACK_OF(X509) *s, int i) { return sk_X509_value(s, i); }
static inline long long gossl_session_created(SSL_SESSION *s) { return gossl_session_time(s); }
static inline void gossl_session_set_created(SSL_SESSION *s, long long t) { gossl_session_set_time(s, t); }
static inline void gossl_offer_later_auth(gossl_ssl *g) { SSL_set_post_handshake_auth(g->ssl, 1); }
static inline unsigned char *gossl_psk_identity(gossl_psk *k) { return k->p; }
static inline int gossl_binds(gossl_ssl *g) { return SSL_version(g->ssl) >= TLS1_3_VERSION || SSL_get_extms_support(g->ssl) == 1; }
static inline int gossl_in_init(gossl_ssl *g) { return SSL_in_init(g->ssl); }
static inline void gossl_free_ca_names(STACK_OF(X509_NAME) *n) { sk_X509_NAME_pop_free(n, X509_NAME_free); }
static inline size_t gossl_i2d_x509(X509 *x, unsigned char **out) { int n = i2d_X509(x, out); return n < 0 ? 0 : (size_t)n; }
static inline unsigned char *gossl_event_data(gossl_event *e) { return e->data; }
static inline void gossl_openssl_free(void *p) { OPENSSL_free(p); }

#endif
