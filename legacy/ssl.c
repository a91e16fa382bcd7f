#include "ssl.h"

#include <openssl/rand.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "_cgo_export.h"

/* ---- SSL_CTX ---- */

/* Caches the extensions now: on unpatched libraries their first concurrent use is a use after free. */
static X509 *cached(X509 *cert)
{
	(void)X509_check_purpose(cert, -1, 0);
	ERR_clear_error();
	return cert;
}

legacy_queue *legacy_ctx_cert(SSL_CTX *c, X509 *cert)
{
	legacy_begin();
	return legacy_end(SSL_CTX_use_certificate(c, cached(cert)) == 1);
}

/* libssl takes the reference over, so it gets one of its own. */
legacy_queue *legacy_ctx_chain(SSL_CTX *c, X509 *cert)
{
	int ok;

	legacy_begin();
	X509_up_ref(cached(cert));
	ok = (int)SSL_CTX_add_extra_chain_cert(c, cert) == 1;
	if (!ok)
		X509_free(cert);
	return legacy_end(ok);
}

legacy_queue *legacy_ctx_no_chain(SSL_CTX *c)
{
	legacy_begin();
	return legacy_end((int)SSL_CTX_clear_extra_chain_certs(c) == 1);
}

legacy_queue *legacy_ctx_key(SSL_CTX *c, EVP_PKEY *key)
{
	legacy_begin();
	return legacy_end(SSL_CTX_use_PrivateKey(c, key) == 1);
}

legacy_queue *legacy_ctx_check_key(SSL_CTX *c)
{
	legacy_begin();
	return legacy_end(SSL_CTX_check_private_key(c) == 1);
}

X509_STORE *legacy_ctx_store(SSL_CTX *c)
{
	X509_STORE *store = SSL_CTX_get_cert_store(c);

	X509_STORE_up_ref(store);
	return store;
}

legacy_queue *legacy_ctx_locations(SSL_CTX *c, const char *file, const char *dir)
{
	legacy_begin();
	return legacy_end(SSL_CTX_load_verify_locations(c, file, dir) == 1);
}

legacy_queue *legacy_ctx_default_paths(SSL_CTX *c)
{
	legacy_begin();
	return legacy_end(SSL_CTX_set_default_verify_paths(c) == 1);
}

legacy_queue *legacy_ctx_client_cas(SSL_CTX *c, X509 **certs, int n)
{
	STACK_OF(X509_NAME) *names;
	int i, ok;

	legacy_begin();
	names = sk_X509_NAME_new_null();
	ok = names != NULL;
	for (i = 0; ok && i < n; i++) {
		X509_NAME *name = X509_NAME_dup((X509_NAME *)X509_get_subject_name(certs[i]));

		ok = name != NULL && sk_X509_NAME_push(names, name) > 0;
		if (!ok)
			X509_NAME_free(name);
	}
	if (ok)
		SSL_CTX_set_client_CA_list(c, names); /* takes names */
	else
		sk_X509_NAME_pop_free(names, X509_NAME_free);
	return legacy_end(ok);
}

legacy_queue *legacy_ctx_bound(SSL_CTX *c, int max, int version)
{
	legacy_begin();
	return legacy_end((int)(max ? SSL_CTX_set_max_proto_version(c, version) : SSL_CTX_set_min_proto_version(c, version)) == 1);
}

legacy_queue *legacy_ctx_dh(SSL_CTX *c, EVP_PKEY *params)
{
	int ok;

	legacy_begin();
#if LEGACY_3
	ok = EVP_PKEY_up_ref(params) == 1;
	if (ok && SSL_CTX_set0_tmp_dh_pkey(c, params) != 1) {
		EVP_PKEY_free(params);
		ok = 0;
	}
#else
	ok = (int)SSL_CTX_set_tmp_dh(c, EVP_PKEY_get0_DH(params)) == 1;
#endif
	return legacy_end(ok);
}

legacy_queue *legacy_ctx_curve(SSL_CTX *c, int nid)
{
	legacy_begin();
	return legacy_end((int)SSL_CTX_set1_groups(c, &nid, 1) == 1);
}

legacy_queue *legacy_ctx_ciphers(SSL_CTX *c, const char *list)
{
	legacy_begin();
	return legacy_end(SSL_CTX_set_cipher_list(c, list) == 1);
}

legacy_queue *legacy_ctx_alpn(SSL_CTX *c, const unsigned char *wire, unsigned n)
{
	legacy_begin();
	return legacy_end(SSL_CTX_set_alpn_protos(c, wire, n) == 0); /* 0 is success */
}

legacy_queue *legacy_ctx_sid(SSL_CTX *c, const unsigned char *id, unsigned n)
{
	legacy_begin();
	return legacy_end(SSL_CTX_set_session_id_context(c, id, n) == 1);
}

/* ---- callbacks that ask Go ---- */

static int call_index = -1;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void init_once(void)
{
	call_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
}

/* The handle of the Go side for the handshake call that begins, 0 when it has ended: no callback finds an old one. */
int legacy_ssl_call(SSL *ssl, uintptr_t handle)
{
	pthread_once(&once, init_once);
	return SSL_set_ex_data(ssl, call_index, (void *)handle);
}

static uintptr_t call_of(const SSL *ssl)
{
	return ssl == NULL || call_index < 0 ? 0 : (uintptr_t)SSL_get_ex_data(ssl, call_index);
}

static int verify_cb(int ok, X509_STORE_CTX *store)
{
	uintptr_t call = call_of(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));

	return call != 0 && legacyVerify(call, ok, store) == 1;
}

static int random_bytes(unsigned char *p, int n) { return RAND_bytes(p, n) == 1; }

/* Without a ticket a TLS 1.3 NewSessionTicket cannot be written: one that nobody can open is. */
static int throwaway(legacy_ticket_key *k)
{
	k->cipher = EVP_aes_256_cbc();
	k->md = EVP_sha256();
	k->cipher_engine = k->md_engine = NULL;
	k->mac_len = 32;
	return random_bytes(k->name, sizeof k->name) && random_bytes(k->key, sizeof k->key) && random_bytes(k->mac, 32);
}

#if LEGACY_3
typedef EVP_MAC_CTX mac_ctx;

static int mac_init(mac_ctx *mac, legacy_ticket_key *k)
{
	OSSL_PARAM params[4], *p = params;

	*p++ = OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, k->mac, k->mac_len);
	*p++ = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)EVP_MD_get0_name(k->md), 0);
#if !LEGACY_4
	if (k->md_engine != NULL)
		*p++ = OSSL_PARAM_construct_utf8_string(OSSL_ALG_PARAM_ENGINE, (char *)legacy_engine_id(k->md_engine), 0);
#endif
	*p = OSSL_PARAM_construct_end();
	return EVP_MAC_CTX_set_params(mac, params) == 1;
}
#else
typedef HMAC_CTX mac_ctx;

static int mac_init(mac_ctx *mac, legacy_ticket_key *k)
{
	return HMAC_Init_ex(mac, k->mac, (int)k->mac_len, k->md, k->md_engine) == 1;
}
#endif

static int ticket_cb(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, mac_ctx *mac, int enc)
{
	uintptr_t call = call_of(ssl);
	legacy_ticket_key k;
	int ok, answer;

	if (call == 0)
		return -1;
	memset(&k, 0, sizeof k);
	memcpy(k.name, name, sizeof k.name);
	answer = legacyTicket(call, enc, &k);
	if (answer == 0 && enc && SSL_version(ssl) >= TLS1_3_VERSION)
		answer = throwaway(&k) ? 1 : -1;
	if (answer > 0) {
		if (enc) {
			memcpy(name, k.name, sizeof k.name);
			/* RFC 5077, section 4: the IV is new for each ticket, and written into it. */
			ok = random_bytes(iv, EVP_CIPHER_get_iv_length(k.cipher)) &&
				EVP_EncryptInit_ex(cipher, k.cipher, k.cipher_engine, k.key, iv) == 1;
		} else {
			ok = EVP_DecryptInit_ex(cipher, k.cipher, k.cipher_engine, k.key, iv) == 1;
		}
		if (!ok || !mac_init(mac, &k))
			answer = -1;
		/* 2 asks for a new ticket. In TLS 1.3 a ticket is used once, so there is always need of one. */
		else if (!enc && SSL_version(ssl) >= TLS1_3_VERSION)
			answer = 2;
	}
	OPENSSL_cleanse(&k, sizeof k);
	return answer;
}

legacy_queue *legacy_ctx_tickets(SSL_CTX *c, int on)
{
	int (*cb)(SSL *, unsigned char *, unsigned char *, EVP_CIPHER_CTX *, mac_ctx *, int) = on ? ticket_cb : NULL;

	legacy_begin();
#if LEGACY_3
	return legacy_end((int)SSL_CTX_set_tlsext_ticket_key_evp_cb(c, cb) == 1);
#else
	return legacy_end((int)SSL_CTX_set_tlsext_ticket_key_cb(c, cb) == 1);
#endif
}

X509 *legacy_current_cert(X509_STORE_CTX *store)
{
	X509 *cert = X509_STORE_CTX_get_current_cert(store);

	if (cert != NULL)
		X509_up_ref(cert);
	return cert;
}

/* ---- SSL ---- */

/* With no callback given libssl keeps the one there is. */
void legacy_ssl_verify(SSL *ssl, int mode, int call) { SSL_set_verify(ssl, mode, call ? verify_cb : NULL); }

/* mode -1 leaves the SSL_CTX's. Without any session id context, resuming is a fatal error where client certificates are asked for. */
legacy_queue *legacy_ssl_set_up(SSL *ssl, int mode, int call, const unsigned char *sid, unsigned n)
{
	int ok = 1;

	legacy_begin();
	legacy_ssl_verify(ssl, mode < 0 ? SSL_get_verify_mode(ssl) : mode, call);
	if (n > 0)
		ok = SSL_set_session_id_context(ssl, sid, n) == 1;
	return legacy_end(ok);
}

void legacy_ssl_state_of(SSL *ssl, int with_session, legacy_ssl_state *out)
{
	const SSL_CIPHER *cipher = SSL_get_current_cipher(ssl);

	out->verify_result = SSL_get_verify_result(ssl);
	out->reused = SSL_session_reused(ssl);
	out->done = SSL_is_init_finished(ssl);
	out->cipher = cipher == NULL ? NULL : SSL_CIPHER_get_name(cipher);
	out->name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	out->session = with_session ? SSL_get1_session(ssl) : NULL;
}

X509 *legacy_ssl_peer(SSL *ssl)
{
#if LEGACY_3
	return SSL_get1_peer_certificate(ssl);
#else
	return SSL_get_peer_certificate(ssl);
#endif
}

/* The number of certificates in *out, each with a reference; -1 where the peer sent none. */
int legacy_ssl_chain(SSL *ssl, X509 ***out)
{
	STACK_OF(X509) *chain = SSL_get_peer_cert_chain(ssl);
	int i, n = chain == NULL ? -1 : sk_X509_num(chain);

	*out = NULL;
	if (n <= 0)
		return n;
	if ((*out = malloc((size_t)n * sizeof **out)) == NULL)
		return -1;
	for (i = 0; i < n; i++) {
		(*out)[i] = sk_X509_value(chain, i);
		X509_up_ref((*out)[i]);
	}
	return n;
}

void legacy_free_array(X509 **certs) { free(certs); }

legacy_queue *legacy_ssl_set_session(SSL *ssl, const unsigned char *der, size_t n, int *verified)
{
	const unsigned char *p = der, *sid;
	unsigned sid_len = 0;
	SSL_SESSION *s;
	int ok;

	legacy_begin();
	s = d2i_SSL_SESSION(NULL, &p, (long)n);
	ok = s != NULL && SSL_set_session(ssl, s) == 1;
	*verified = ok && SSL_get_verify_result(ssl) == X509_V_OK;
	if (ok && !*verified && (SSL_get_verify_mode(ssl) & SSL_VERIFY_PEER) != 0) {
		/* A resumption verifies nothing: such a session would bring a peer in that nobody has accepted. */
		ok = SSL_set_session(ssl, NULL) == 1;
	} else if (ok) {
		/* Up to TLS 1.2 libssl's client too ends a resumption whose session has another context. */
		sid = SSL_SESSION_get0_id_context(s, &sid_len);
		ok = SSL_set_session_id_context(ssl, sid, sid_len) == 1;
	}
	SSL_SESSION_free(s);
	return legacy_end(ok);
}

legacy_queue *legacy_session_der(SSL_SESSION *s, legacy_bytes *out)
{
	unsigned char *der = NULL;
	int n, ok;

	legacy_begin();
	n = i2d_SSL_SESSION(s, &der);
	ok = n > 0 && legacy_bytes_copy(out, der, (size_t)n);
	OPENSSL_clear_free(der, n > 0 ? (size_t)n : 0);
	return legacy_end(ok);
}

/* ---- names ---- */

legacy_queue *legacy_check(int *answer, X509 *cert, int kind, const void *what, size_t n, unsigned flags)
{
	legacy_begin();
	switch (kind) {
	case LEGACY_CHECK_HOST:
		*answer = X509_check_host(cert, what, n, flags, NULL);
		break;
	case LEGACY_CHECK_EMAIL:
		*answer = X509_check_email(cert, what, n, flags);
		break;
	default:
		*answer = X509_check_ip(cert, what, n, flags);
	}
	return legacy_end(*answer >= 0);
}
