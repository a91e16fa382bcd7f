#include "legacy.h"

#include <string.h>

/* libcrypto's own callback asks on the terminal; this one never does. */
int legacy_password_cb(char *buf, int size, int rwflag, void *u)
{
	legacy_password *pass = u;

	(void)rwflag;
	pass->asked = 1;
	if (pass->text == NULL)
		return -1;
	if (pass->n > (size_t)size) {
		pass->too_long = 1;
		return -1;
	}
	if (pass->n > 0)
		memcpy(buf, pass->text, pass->n);
	return (int)pass->n;
}

legacy_queue *legacy_key_load(EVP_PKEY **out, int kind, const void *data, int n, const char *pass, size_t passlen,
	int *asked, int *too_long)
{
	legacy_password password = { pass, passlen, 0, 0 };
	EVP_PKEY *key = NULL;
	BIO *bio;

	legacy_begin();
	bio = BIO_new_mem_buf(data, n);
	if (bio != NULL) {
		switch (kind) {
		case LEGACY_PRIVATE_PEM: key = PEM_read_bio_PrivateKey(bio, NULL, legacy_password_cb, &password); break;
		case LEGACY_PRIVATE_DER: key = d2i_PrivateKey_bio(bio, NULL); break;
		case LEGACY_PUBLIC_PEM: key = PEM_read_bio_PUBKEY(bio, NULL, legacy_password_cb, &password); break;
		case LEGACY_PUBLIC_DER: key = d2i_PUBKEY_bio(bio, NULL); break;
		}
	}
	BIO_free(bio);
	*asked = password.asked;
	*too_long = password.too_long;
	*out = key;
	return legacy_end(key != NULL);
}

/* The types that have a form of their own besides PKCS#8. From 1.1.1h on the traditional writer
 * refuses the others instead of writing PKCS#8. */
static int traditional(const EVP_PKEY *key)
{
	switch (EVP_PKEY_get_base_id(key)) {
	case EVP_PKEY_RSA:
	case EVP_PKEY_DSA:
	case EVP_PKEY_EC:
		return 1;
	}
	return 0;
}

legacy_queue *legacy_key_marshal(legacy_bytes *out, int kind, const EVP_PKEY *ckey)
{
	EVP_PKEY *key = (EVP_PKEY *)ckey; /* 1.1.1 writes through pointers to non-const */
	BIO *bio;
	char *p = NULL;
	long n;
	int ok = 0;

	legacy_begin();
	bio = BIO_new(BIO_s_mem());
	if (bio != NULL) {
		switch (kind) {
		case LEGACY_PRIVATE_PEM:
			if (traditional(key))
				ok = PEM_write_bio_PrivateKey_traditional(bio, key, NULL, NULL, 0, NULL, NULL);
			else
				ok = PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
			break;
		case LEGACY_PRIVATE_DER: ok = i2d_PrivateKey_bio(bio, key); break;
		case LEGACY_PUBLIC_PEM: ok = PEM_write_bio_PUBKEY(bio, key); break;
		case LEGACY_PUBLIC_DER: ok = i2d_PUBKEY_bio(bio, key); break;
		}
	}
	if (ok == 1) {
		n = BIO_get_mem_data(bio, &p);
		ok = n > 0 && legacy_bytes_copy(out, p, (size_t)n);
	} else {
		ok = 0;
	}
	BIO_free(bio);
	return legacy_end(ok);
}

legacy_queue *legacy_key_rsa(EVP_PKEY **out, int bits, unsigned long exponent)
{
	EVP_PKEY_CTX *ctx;
	BIGNUM *e;
	EVP_PKEY *key = NULL;
	int ok;

	legacy_begin();
	ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_RSA, NULL);
	e = BN_new();
	ok = ctx != NULL && e != NULL && BN_set_word(e, exponent) == 1 && EVP_PKEY_keygen_init(ctx) == 1 &&
		EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, bits) == 1 && legacy_rsa_exponent(ctx, e) &&
		EVP_PKEY_keygen(ctx, &key) == 1;
	BN_free(e);
	EVP_PKEY_CTX_free(ctx);
	*out = ok ? key : NULL;
	return legacy_end(ok);
}

legacy_queue *legacy_key_ec(EVP_PKEY **out, int curve)
{
	EVP_PKEY_CTX *ctx;
	EVP_PKEY *key = NULL;
	int ok;

	legacy_begin();
	ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, NULL);
	ok = ctx != NULL && EVP_PKEY_keygen_init(ctx) == 1 && EVP_PKEY_CTX_set_ec_paramgen_curve_nid(ctx, curve) == 1 &&
		EVP_PKEY_keygen(ctx, &key) == 1;
	EVP_PKEY_CTX_free(ctx);
	*out = ok ? key : NULL;
	return legacy_end(ok);
}

/* For the types without parameters: Ed25519 and its relatives. */
legacy_queue *legacy_key_raw(EVP_PKEY **out, int type)
{
	EVP_PKEY_CTX *ctx;
	EVP_PKEY *key = NULL;
	int ok;

	legacy_begin();
	ctx = EVP_PKEY_CTX_new_id(type, NULL);
	ok = ctx != NULL && EVP_PKEY_keygen_init(ctx) == 1 && EVP_PKEY_keygen(ctx, &key) == 1;
	EVP_PKEY_CTX_free(ctx);
	*out = ok ? key : NULL;
	return legacy_end(ok);
}

legacy_queue *legacy_key_sign(const EVP_PKEY *key, const EVP_MD *md, const void *data, size_t n, unsigned char *sig,
	size_t *siglen)
{
	EVP_MD_CTX *ctx;
	int ok;

	legacy_begin();
	ctx = EVP_MD_CTX_new();
	ok = ctx != NULL && EVP_DigestSignInit(ctx, NULL, md, NULL, (EVP_PKEY *)key) == 1 &&
		EVP_DigestSign(ctx, sig, siglen, n == 0 ? (const void *)"" : data, n) == 1;
	EVP_MD_CTX_free(ctx);
	return legacy_end(ok);
}

legacy_queue *legacy_key_verify(const EVP_PKEY *key, const EVP_MD *md, const void *data, size_t n,
	const unsigned char *sig, size_t siglen)
{
	EVP_MD_CTX *ctx;
	int ok;

	legacy_begin();
	ctx = EVP_MD_CTX_new();
	ok = ctx != NULL && EVP_DigestVerifyInit(ctx, NULL, md, NULL, (EVP_PKEY *)key) == 1 &&
		EVP_DigestVerify(ctx, sig, siglen, n == 0 ? (const void *)"" : data, n) == 1;
	EVP_MD_CTX_free(ctx);
	return legacy_end(ok);
}

legacy_queue *legacy_key_derive(legacy_bytes *out, EVP_PKEY *key, EVP_PKEY *peer)
{
	EVP_PKEY_CTX *ctx;
	size_t n = 0;
	int ok;

	legacy_begin();
	out->p = NULL;
	out->n = 0;
	ctx = EVP_PKEY_CTX_new(key, NULL);
	ok = ctx != NULL && EVP_PKEY_derive_init(ctx) == 1 && EVP_PKEY_derive_set_peer(ctx, peer) == 1 &&
		EVP_PKEY_derive(ctx, NULL, &n) == 1 && (out->p = OPENSSL_zalloc(n == 0 ? 1 : n)) != NULL;
	if (ok) {
		out->n = n;
		ok = EVP_PKEY_derive(ctx, out->p, &n) == 1 && n <= out->n;
		if (ok) {
			out->n = n;
		} else {
			legacy_bytes_free(*out);
			out->p = NULL;
		}
	}
	EVP_PKEY_CTX_free(ctx);
	return legacy_end(ok);
}

/* Blocks of other parameters before the Diffie-Hellman ones are passed over. */
legacy_queue *legacy_dh_load(EVP_PKEY **out, const void *pem, int n)
{
	EVP_PKEY *key = NULL;
	BIO *bio;

	legacy_begin();
	bio = BIO_new_mem_buf(pem, n);
	while (bio != NULL && (key = PEM_read_bio_Parameters(bio, NULL)) != NULL) {
		int id = EVP_PKEY_get_base_id(key);

		if (id == EVP_PKEY_DH || id == EVP_PKEY_DHX)
			break;
		EVP_PKEY_free(key);
		key = NULL;
	}
	BIO_free(bio);
	*out = key;
	return legacy_end(key != NULL);
}

int legacy_key_id(const EVP_PKEY *key)
{
	return EVP_PKEY_get_id(key);
}

int legacy_key_base_id(const EVP_PKEY *key)
{
	return EVP_PKEY_get_base_id(key);
}

int legacy_key_size(const EVP_PKEY *key)
{
	return EVP_PKEY_get_size((EVP_PKEY *)key);
}

int legacy_key_equal(const EVP_PKEY *a, const EVP_PKEY *b)
{
	int equal;

	legacy_begin();
	equal = EVP_PKEY_eq(a, b) == 1;
	legacy_begin();
	return equal;
}

void legacy_key_free(EVP_PKEY *key)
{
	EVP_PKEY_free(key);
}
