/* The C side of connections: settings of SSL_CTX and SSL, which the root module makes and
 * runs, and the callbacks of libssl that ask Go. */
#ifndef LEGACY_SSL_H
#define LEGACY_SSL_H

#include "legacy.h"
#include <openssl/ssl.h>

/* What a version's headers lack. */
#ifndef SSL_OP_NO_SSLv2
#define SSL_OP_NO_SSLv2 0
#endif
#ifndef SSL_OP_NO_SSLv3
#define SSL_OP_NO_SSLv3 0x02000000U
#endif
#ifndef SSL3_VERSION
#define SSL3_VERSION 0x0300
#endif
#ifndef DTLS1_VERSION
#define DTLS1_VERSION 0xFEFF
#endif

/* A key of session tickets, as Go hands it to legacy_ticket. */
typedef struct {
	const EVP_CIPHER *cipher;
	const EVP_MD *md;
	ENGINE *cipher_engine, *md_engine;
	unsigned char name[16], key[EVP_MAX_KEY_LENGTH], mac[256];
	size_t mac_len;
} legacy_ticket_key;

/* SSL_CTX */
legacy_queue *legacy_ctx_cert(SSL_CTX *c, X509 *cert);
legacy_queue *legacy_ctx_chain(SSL_CTX *c, X509 *cert);
legacy_queue *legacy_ctx_no_chain(SSL_CTX *c);
legacy_queue *legacy_ctx_key(SSL_CTX *c, EVP_PKEY *key);
legacy_queue *legacy_ctx_check_key(SSL_CTX *c);
X509_STORE *legacy_ctx_store(SSL_CTX *c);
legacy_queue *legacy_ctx_locations(SSL_CTX *c, const char *file, const char *dir);
legacy_queue *legacy_ctx_default_paths(SSL_CTX *c);
legacy_queue *legacy_ctx_client_cas(SSL_CTX *c, X509 **certs, int n);
legacy_queue *legacy_ctx_bound(SSL_CTX *c, int max, int version);
legacy_queue *legacy_ctx_dh(SSL_CTX *c, EVP_PKEY *params);
legacy_queue *legacy_ctx_curve(SSL_CTX *c, int nid);
legacy_queue *legacy_ctx_ciphers(SSL_CTX *c, const char *list);
legacy_queue *legacy_ctx_alpn(SSL_CTX *c, const unsigned char *wire, unsigned n);
legacy_queue *legacy_ctx_sid(SSL_CTX *c, const unsigned char *id, unsigned n);
legacy_queue *legacy_ctx_tickets(SSL_CTX *c, int on);

/* SSL */
typedef struct {
	long verify_result;
	int reused, done;
	const char *cipher, *name;
	SSL_SESSION *session; /* one reference */
} legacy_ssl_state;

legacy_queue *legacy_ssl_set_up(SSL *ssl, int mode, int call, const unsigned char *sid, unsigned n);
void legacy_ssl_verify(SSL *ssl, int mode, int call);
void legacy_ssl_state_of(SSL *ssl, int with_session, legacy_ssl_state *out);
X509 *legacy_ssl_peer(SSL *ssl);
int legacy_ssl_chain(SSL *ssl, X509 ***out);
void legacy_free_array(X509 **certs);
legacy_queue *legacy_ssl_set_session(SSL *ssl, const unsigned char *der, size_t n, int *verified);
legacy_queue *legacy_session_der(SSL_SESSION *s, legacy_bytes *out);
int legacy_ssl_call(SSL *ssl, uintptr_t handle);

static inline uint64_t legacy_ssl_get_options(SSL *s) { return (uint64_t)SSL_get_options(s); }
static inline uint64_t legacy_ssl_set_options(SSL *s, uint64_t o) { return (uint64_t)SSL_set_options(s, o); }
static inline uint64_t legacy_ssl_clear_options(SSL *s, uint64_t o) { return (uint64_t)SSL_clear_options(s, o); }

/* X509_STORE_CTX */
X509 *legacy_current_cert(X509_STORE_CTX *store);

/* hostname checks */
legacy_queue *legacy_check(int *answer, X509 *cert, int kind, const void *what, size_t n, unsigned flags);
enum { LEGACY_CHECK_HOST, LEGACY_CHECK_EMAIL, LEGACY_CHECK_IP };

#endif
