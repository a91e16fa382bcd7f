/* The C side of this module: each operation is one function. It clears the thread's error
 * queue, makes the calls, and returns NULL for success or the whole queue for failure.
 * The queue is empty again when it returns, either way. */
#ifndef LEGACY_H
#define LEGACY_H

#include <stddef.h>
#include "compat.h"

/* libcrypto keeps at most 16 entries a thread (ERR_NUM_ERRORS). */
#define LEGACY_ENTRIES 16

typedef struct {
	unsigned long code;
	int lib, reason;
	char library[64], text[128], data[256];
} legacy_entry;

typedef struct {
	int n;
	int unsupported; /* an entry says that no provider has the algorithm */
	legacy_entry e[LEGACY_ENTRIES];
} legacy_queue;

/* Bytes for Go to copy; legacy_bytes_free wipes them. */
typedef struct {
	unsigned char *p;
	size_t n;
} legacy_bytes;

void legacy_begin(void);
legacy_queue *legacy_end(int ok);
legacy_queue *legacy_end_clean(int ok); /* for calls whose success never leaves an entry; saves a look */
void legacy_queue_free(legacy_queue *q);
void legacy_bytes_free(legacy_bytes b);
int legacy_bytes_copy(legacy_bytes *out, const void *p, size_t n);
int legacy_pending(void);

/* digest.c */
enum {
	LEGACY_MD_NULL, LEGACY_MD_MD5, LEGACY_MD_MD4, LEGACY_MD_SHA, LEGACY_MD_SHA1, LEGACY_MD_DSS, LEGACY_MD_DSS1,
	LEGACY_MD_MDC2, LEGACY_MD_RIPEMD160, LEGACY_MD_SHA224, LEGACY_MD_SHA256, LEGACY_MD_SHA384, LEGACY_MD_SHA512
};
const EVP_MD *legacy_md(int which);
const EVP_MD *legacy_md_by_name(const char *name);
int legacy_md_size(const EVP_MD *md);
const char *legacy_short_name(int nid);
legacy_queue *legacy_digest(const EVP_MD *md, const void *data, size_t n, unsigned char *out);
legacy_queue *legacy_digest_new(EVP_MD_CTX **out, const EVP_MD *md, ENGINE *engine);
legacy_queue *legacy_digest_reset(EVP_MD_CTX *ctx);
legacy_queue *legacy_digest_write(EVP_MD_CTX *ctx, const void *data, size_t n);
legacy_queue *legacy_digest_sum(EVP_MD_CTX *ctx, unsigned char *out);
void legacy_digest_free(EVP_MD_CTX *ctx);
legacy_queue *legacy_hmac_new(legacy_hmac **out, const EVP_MD *md, ENGINE *engine, const void *key, size_t n);
legacy_queue *legacy_hmac_reset(legacy_hmac *mac);
legacy_queue *legacy_hmac_write(legacy_hmac *mac, const void *data, size_t n);
legacy_queue *legacy_hmac_sum(legacy_hmac *mac, unsigned char *out, size_t size);
void legacy_hmac_drop(legacy_hmac *mac);

/* cipher.c */
typedef struct {
	int nid, block, key, iv;
} legacy_sizes;

const EVP_CIPHER *legacy_cipher_by_name(const char *name);
const EVP_CIPHER *legacy_gcm(int bits);
void legacy_cipher_sizes(const EVP_CIPHER *cipher, legacy_sizes *out);
legacy_queue *legacy_cipher_new(EVP_CIPHER_CTX **out, const EVP_CIPHER *cipher, ENGINE *engine, int encrypt,
	const unsigned char *key, const unsigned char *iv, int ivlen);
legacy_queue *legacy_cipher_update(EVP_CIPHER_CTX *ctx, const unsigned char *in, size_t n, unsigned char *out, size_t *outlen);
legacy_queue *legacy_cipher_aad(EVP_CIPHER_CTX *ctx, const unsigned char *in, size_t n);
legacy_queue *legacy_cipher_final(EVP_CIPHER_CTX *ctx, unsigned char *out, int *outlen);
legacy_queue *legacy_cipher_get_tag(EVP_CIPHER_CTX *ctx, unsigned char *tag, int n);
legacy_queue *legacy_cipher_set_tag(EVP_CIPHER_CTX *ctx, const unsigned char *tag, int n);
void legacy_cipher_padding(EVP_CIPHER_CTX *ctx, int on);
void legacy_cipher_free(EVP_CIPHER_CTX *ctx);

/* provider.c */
legacy_queue *legacy_engine_new(ENGINE **out, const char *id, int *found);
legacy_queue *legacy_engine_key(EVP_PKEY **out, ENGINE *engine, const char *id);
void legacy_engine_free(ENGINE *engine);
int legacy_have_engines(void);
legacy_queue *legacy_fips_set(int on);
int legacy_fips_get(void);
int legacy_fips_defined(void);

/* key.c */
enum { LEGACY_PRIVATE_PEM, LEGACY_PRIVATE_DER, LEGACY_PUBLIC_PEM, LEGACY_PUBLIC_DER };
typedef struct {
	const char *text; /* NULL: there is none */
	size_t n;
	int asked, too_long;
} legacy_password;
int legacy_password_cb(char *buf, int size, int rwflag, void *u);

legacy_queue *legacy_key_load(EVP_PKEY **out, int kind, const void *data, int n, const char *pass, size_t passlen,
	int *asked, int *too_long);
legacy_queue *legacy_key_marshal(legacy_bytes *out, int kind, const EVP_PKEY *key);
legacy_queue *legacy_key_rsa(EVP_PKEY **out, int bits, unsigned long exponent);
legacy_queue *legacy_key_ec(EVP_PKEY **out, int curve);
legacy_queue *legacy_key_raw(EVP_PKEY **out, int type);
legacy_queue *legacy_key_sign(const EVP_PKEY *key, const EVP_MD *md, const void *data, size_t n, unsigned char *sig,
	size_t *siglen);
legacy_queue *legacy_key_verify(const EVP_PKEY *key, const EVP_MD *md, const void *data, size_t n,
	const unsigned char *sig, size_t siglen);
legacy_queue *legacy_key_derive(legacy_bytes *out, EVP_PKEY *key, EVP_PKEY *peer);
legacy_queue *legacy_dh_load(EVP_PKEY **out, const void *pem, int n);
int legacy_key_id(const EVP_PKEY *key);
int legacy_key_base_id(const EVP_PKEY *key);
int legacy_key_size(const EVP_PKEY *key);
int legacy_key_equal(const EVP_PKEY *a, const EVP_PKEY *b);
void legacy_key_free(EVP_PKEY *key);

/* x509.c */

/* A name: one of its own, or the subject or issuer of a certificate as it is at the moment. */
typedef struct {
	X509_NAME *own;
	X509 *cert;
	int issuer;
} legacy_name;

legacy_queue *legacy_name_new(X509_NAME **out);
legacy_queue *legacy_name_add(legacy_name name, const char *field, int utf8, const unsigned char *value, int n);
legacy_queue *legacy_name_get(legacy_name name, int nid, legacy_bytes *out, int *found);
legacy_queue *legacy_name_print(legacy_name name, legacy_bytes *out);
void legacy_name_free(X509_NAME *name);

legacy_queue *legacy_cert_new(X509 **out);
legacy_queue *legacy_cert_load(X509 **out, const void *pem, int n);
legacy_queue *legacy_cert_marshal(const X509 *cert, legacy_bytes *out);
legacy_queue *legacy_cert_set_name(X509 *cert, int issuer, legacy_name name);
legacy_queue *legacy_cert_set_serial(X509 *cert, const unsigned char *serial, int n);
legacy_queue *legacy_cert_set_time(X509 *cert, int after, int days, long seconds);
legacy_queue *legacy_cert_set_key(X509 *cert, EVP_PKEY *key);
legacy_queue *legacy_cert_set_version(X509 *cert, long version);
legacy_queue *legacy_cert_sign(X509 *cert, EVP_PKEY *key, const EVP_MD *md);
legacy_queue *legacy_cert_add_ext(X509 *cert, X509 *issuer, int nid, const char *value);
legacy_queue *legacy_cert_add_raw_ext(X509 *cert, int nid, const unsigned char *value, int n);
legacy_queue *legacy_cert_get_ext(const X509 *cert, int nid, legacy_bytes *out, int *found);
legacy_queue *legacy_cert_key(X509 *cert, EVP_PKEY **out);
legacy_queue *legacy_cert_serial(const X509 *cert, legacy_bytes *out);
legacy_queue *legacy_cert_digest(const X509 *cert, const EVP_MD *md, unsigned char *out);
long legacy_cert_version(const X509 *cert);
void legacy_cert_free(X509 *cert);

legacy_queue *legacy_store_new(X509_STORE **out);
legacy_queue *legacy_store_add(X509_STORE *store, X509 *cert);
legacy_queue *legacy_store_flags(X509_STORE *store, unsigned long flags);
legacy_queue *legacy_store_lookup(X509_STORE *store, X509_LOOKUP_METHOD *method, X509_LOOKUP **out);
legacy_queue *legacy_lookup_crl(X509_LOOKUP *lookup, const char *file, int *n);
void legacy_store_free(X509_STORE *store);

legacy_queue *legacy_object_create(int *nid, const char *oid, const char *sn, const char *ln);
const char *legacy_verify_text(long code);

#endif
