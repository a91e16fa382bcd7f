/* What differs between the headers of OpenSSL 1.1.1 and 4.0 for the libcrypto calls of
 * this module, in one place. The names of 3.0 are used; 1.1.1 gets them from here.
 * A file that must call what 3.0 deprecated without a substitute (ENGINE) defines
 * LEGACY_DEPRECATED; everywhere else the headers hide deprecated calls, so that one
 * does not compile. */
#ifndef LEGACY_COMPAT_H
#define LEGACY_COMPAT_H

#include <openssl/opensslv.h>

#if defined(LIBRESSL_VERSION_NUMBER)
#error "github.com/golibssl/openssl/legacy needs OpenSSL 1.1.1 or later; these headers are LibreSSL's"
#elif !defined(OPENSSL_VERSION_NUMBER) || OPENSSL_VERSION_NUMBER < 0x10101000L
#error "github.com/golibssl/openssl/legacy needs OpenSSL 1.1.1 or later"
#endif

#define LEGACY_3 (OPENSSL_VERSION_NUMBER >= 0x30000000L)
#define LEGACY_4 (OPENSSL_VERSION_NUMBER >= 0x40000000L)

#if LEGACY_3 && !defined(LEGACY_DEPRECATED) && !defined(OPENSSL_API_COMPAT)
#define OPENSSL_API_COMPAT 0x30000000L
#define OPENSSL_NO_DEPRECATED
#endif

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#if defined(OPENSSL_IS_BORINGSSL)
#error "github.com/golibssl/openssl/legacy needs OpenSSL 1.1.1 or later; these headers are BoringSSL's"
#endif

#if LEGACY_3
#include <openssl/core_names.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#else
#include <openssl/hmac.h>
#endif

#if !LEGACY_3
#define EVP_MD_get_size EVP_MD_size
#define EVP_CIPHER_get_nid EVP_CIPHER_nid
#define EVP_CIPHER_get_block_size EVP_CIPHER_block_size
#define EVP_CIPHER_get_key_length EVP_CIPHER_key_length
#define EVP_CIPHER_get_iv_length EVP_CIPHER_iv_length
#define EVP_PKEY_get_id EVP_PKEY_id
#define EVP_PKEY_get_base_id EVP_PKEY_base_id
#define EVP_PKEY_get_size EVP_PKEY_size
#define EVP_PKEY_eq EVP_PKEY_cmp
#endif

/* legacy_next_error takes the oldest entry off the thread's queue. */
static inline unsigned long legacy_next_error(const char **data, int *flags)
{
#if LEGACY_3
	return ERR_get_error_all(NULL, NULL, NULL, data, flags);
#else
	return ERR_get_error_line_data(NULL, NULL, data, flags);
#endif
}

/* 3.0 says "unsupported" where a provider that has the algorithm is not loaded. */
static inline int legacy_is_unsupported(unsigned long code)
{
#if LEGACY_3
	return ERR_GET_REASON(code) == ERR_R_UNSUPPORTED;
#else
	(void)code;
	return 0;
#endif
}

/* HMAC: EVP_MAC from 3.0 on, HMAC_CTX before. */
#if LEGACY_3
typedef EVP_MAC_CTX legacy_hmac;
#else
typedef HMAC_CTX legacy_hmac;
#endif

const char *legacy_engine_id(ENGINE *engine);

static inline void legacy_hmac_free(legacy_hmac *mac)
{
#if LEGACY_3
	EVP_MAC_CTX_free(mac);
#else
	HMAC_CTX_free(mac);
#endif
}

static inline legacy_hmac *legacy_hmac_make(const EVP_MD *md, ENGINE *engine, const void *key, size_t n)
{
#if LEGACY_3
	OSSL_PARAM params[3], *p = params;
	EVP_MAC *hmac = EVP_MAC_fetch(NULL, OSSL_MAC_NAME_HMAC, NULL);
	EVP_MAC_CTX *mac = hmac == NULL ? NULL : EVP_MAC_CTX_new(hmac);

	EVP_MAC_free(hmac);
	*p++ = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)EVP_MD_get0_name(md), 0);
#if !LEGACY_4
	if (engine != NULL)
		*p++ = OSSL_PARAM_construct_utf8_string(OSSL_ALG_PARAM_ENGINE, (char *)legacy_engine_id(engine), 0);
#else
	(void)engine;
#endif
	*p = OSSL_PARAM_construct_end();
	if (mac != NULL && EVP_MAC_init(mac, key, n, params) == 1)
		return mac;
#else
	HMAC_CTX *mac = HMAC_CTX_new();

	if (mac != NULL && HMAC_Init_ex(mac, key, (int)n, md, engine) == 1)
		return mac;
#endif
	legacy_hmac_free(mac);
	return NULL;
}

/* legacy_hmac_restart begins again with the same key. */
static inline int legacy_hmac_restart(legacy_hmac *mac)
{
#if LEGACY_3
	return EVP_MAC_init(mac, NULL, 0, NULL) == 1;
#else
	return HMAC_Init_ex(mac, NULL, 0, NULL, NULL) == 1;
#endif
}

static inline int legacy_hmac_add(legacy_hmac *mac, const void *data, size_t n)
{
#if LEGACY_3
	return EVP_MAC_update(mac, data, n) == 1;
#else
	return HMAC_Update(mac, data, n) == 1;
#endif
}

static inline int legacy_hmac_finish(legacy_hmac *mac, unsigned char *out, size_t size)
{
#if LEGACY_3
	return EVP_MAC_final(mac, out, &size, size) == 1;
#else
	unsigned int n = (unsigned int)size;
	return HMAC_Final(mac, out, &n) == 1;
#endif
}

static inline int legacy_rsa_exponent(EVP_PKEY_CTX *ctx, BIGNUM *e)
{
#if LEGACY_3
	return EVP_PKEY_CTX_set1_rsa_keygen_pubexp(ctx, e) == 1;
#else
	/* Here the context takes e, so it gets a copy. */
	BIGNUM *copy = BN_dup(e);

	if (copy != NULL && EVP_PKEY_CTX_set_rsa_keygen_pubexp(ctx, copy) == 1)
		return 1;
	BN_free(copy);
	return 0;
#endif
}

#endif
