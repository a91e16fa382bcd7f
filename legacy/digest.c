#include "legacy.h"

const EVP_MD *legacy_md(int which)
{
	switch (which) {
	case LEGACY_MD_NULL: return EVP_md_null();
#ifndef OPENSSL_NO_MD5
	case LEGACY_MD_MD5: return EVP_md5();
#endif
#ifndef OPENSSL_NO_MD4
	case LEGACY_MD_MD4: return EVP_md4();
#endif
	case LEGACY_MD_SHA1: return EVP_sha1();
#ifndef OPENSSL_NO_MDC2
	case LEGACY_MD_MDC2: return EVP_mdc2();
#endif
#ifndef OPENSSL_NO_RMD160
	case LEGACY_MD_RIPEMD160: return EVP_ripemd160();
#endif
	case LEGACY_MD_SHA224: return EVP_sha224();
	case LEGACY_MD_SHA256: return EVP_sha256();
	case LEGACY_MD_SHA384: return EVP_sha384();
	case LEGACY_MD_SHA512: return EVP_sha512();
	}
	return NULL;
}

const EVP_MD *legacy_md_by_name(const char *name)
{
	const EVP_MD *md;

	legacy_begin();
	md = EVP_get_digestbyname(name);
	legacy_begin();
	return md;
}

int legacy_md_size(const EVP_MD *md)
{
	return EVP_MD_get_size(md);
}

const char *legacy_short_name(int nid)
{
	const char *name;

	legacy_begin();
	name = OBJ_nid2sn(nid);
	legacy_begin();
	return name;
}

legacy_queue *legacy_digest(const EVP_MD *md, const void *data, size_t n, unsigned char *out)
{
	legacy_begin();
	return legacy_end_clean(EVP_Digest(n == 0 ? "" : data, n, out, NULL, md, NULL) == 1);
}

legacy_queue *legacy_digest_new(EVP_MD_CTX **out, const EVP_MD *md, ENGINE *engine)
{
	EVP_MD_CTX *ctx;

	legacy_begin();
	ctx = EVP_MD_CTX_new();
	if (ctx != NULL && EVP_DigestInit_ex(ctx, md, engine) != 1) {
		EVP_MD_CTX_free(ctx);
		ctx = NULL;
	}
	*out = ctx;
	return legacy_end(ctx != NULL);
}

legacy_queue *legacy_digest_reset(EVP_MD_CTX *ctx)
{
	legacy_begin();
	return legacy_end_clean(EVP_DigestInit_ex(ctx, NULL, NULL) == 1);
}

legacy_queue *legacy_digest_write(EVP_MD_CTX *ctx, const void *data, size_t n)
{
	legacy_begin();
	return legacy_end_clean(EVP_DigestUpdate(ctx, data, n) == 1);
}

legacy_queue *legacy_digest_sum(EVP_MD_CTX *ctx, unsigned char *out)
{
	legacy_begin();
	return legacy_end_clean(EVP_DigestFinal_ex(ctx, out, NULL) == 1 && EVP_DigestInit_ex(ctx, NULL, NULL) == 1);
}

void legacy_digest_free(EVP_MD_CTX *ctx)
{
	EVP_MD_CTX_free(ctx);
}

legacy_queue *legacy_hmac_new(legacy_hmac **out, const EVP_MD *md, ENGINE *engine, const void *key, size_t n)
{
	legacy_begin();
	/* A NULL key means "the one before" to both interfaces. */
	*out = legacy_hmac_make(md, engine, n == 0 ? "" : key, n);
	return legacy_end(*out != NULL);
}

legacy_queue *legacy_hmac_reset(legacy_hmac *mac)
{
	legacy_begin();
	return legacy_end_clean(legacy_hmac_restart(mac));
}

legacy_queue *legacy_hmac_write(legacy_hmac *mac, const void *data, size_t n)
{
	legacy_begin();
	return legacy_end_clean(legacy_hmac_add(mac, data, n));
}

legacy_queue *legacy_hmac_sum(legacy_hmac *mac, unsigned char *out, size_t size)
{
	legacy_begin();
	return legacy_end_clean(legacy_hmac_finish(mac, out, size) && legacy_hmac_restart(mac));
}

void legacy_hmac_drop(legacy_hmac *mac)
{
	legacy_hmac_free(mac);
}
