#include "legacy.h"

/* EVP counts in int: longer input goes in pieces. */
#define PIECE ((size_t)1 << 30)

const EVP_CIPHER *legacy_cipher_by_name(const char *name)
{
	const EVP_CIPHER *cipher;

	legacy_begin();
	cipher = EVP_get_cipherbyname(name);
	legacy_begin();
	return cipher;
}

const EVP_CIPHER *legacy_gcm(int bits)
{
	switch (bits) {
	case 128: return EVP_aes_128_gcm();
	case 192: return EVP_aes_192_gcm();
	case 256: return EVP_aes_256_gcm();
	}
	return NULL;
}

void legacy_cipher_sizes(const EVP_CIPHER *cipher, legacy_sizes *out)
{
	out->nid = EVP_CIPHER_get_nid(cipher);
	out->block = EVP_CIPHER_get_block_size(cipher);
	out->key = EVP_CIPHER_get_key_length(cipher);
	out->iv = EVP_CIPHER_get_iv_length(cipher);
}

/* ivlen is 0 where the cipher's own length holds. */
legacy_queue *legacy_cipher_new(EVP_CIPHER_CTX **out, const EVP_CIPHER *cipher, ENGINE *engine, int encrypt,
	const unsigned char *key, const unsigned char *iv, int ivlen)
{
	EVP_CIPHER_CTX *ctx;
	int ok;

	legacy_begin();
	ctx = EVP_CIPHER_CTX_new();
	ok = ctx != NULL && EVP_CipherInit_ex(ctx, cipher, engine, NULL, NULL, encrypt) == 1;
	if (ok && ivlen > 0)
		ok = EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, ivlen, NULL) == 1;
	if (ok && (key != NULL || iv != NULL))
		ok = EVP_CipherInit_ex(ctx, NULL, NULL, key, iv, encrypt) == 1;
	if (!ok) {
		EVP_CIPHER_CTX_free(ctx);
		ctx = NULL;
	}
	*out = ctx;
	return legacy_end(ok);
}

legacy_queue *legacy_cipher_update(EVP_CIPHER_CTX *ctx, const unsigned char *in, size_t n, unsigned char *out, size_t *outlen)
{
	size_t written = 0;
	int ok = 1;

	legacy_begin();
	while (ok && n > 0) {
		size_t piece = n < PIECE ? n : PIECE;
		int len = 0;

		ok = EVP_CipherUpdate(ctx, out + written, &len, in, (int)piece) == 1;
		if (ok)
			written += (size_t)len;
		in += piece;
		n -= piece;
	}
	*outlen = ok ? written : 0;
	return legacy_end_clean(ok);
}

legacy_queue *legacy_cipher_aad(EVP_CIPHER_CTX *ctx, const unsigned char *in, size_t n)
{
	int ok = 1, len = 0;

	legacy_begin();
	while (ok && n > 0) {
		size_t piece = n < PIECE ? n : PIECE;

		ok = EVP_CipherUpdate(ctx, NULL, &len, in, (int)piece) == 1;
		in += piece;
		n -= piece;
	}
	return legacy_end_clean(ok);
}

legacy_queue *legacy_cipher_final(EVP_CIPHER_CTX *ctx, unsigned char *out, int *outlen)
{
	int ok;

	legacy_begin();
	ok = EVP_CipherFinal_ex(ctx, out, outlen) == 1;
	if (!ok)
		*outlen = 0;
	return legacy_end_clean(ok);
}

legacy_queue *legacy_cipher_get_tag(EVP_CIPHER_CTX *ctx, unsigned char *tag, int n)
{
	legacy_begin();
	return legacy_end(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, n, tag) == 1);
}

legacy_queue *legacy_cipher_set_tag(EVP_CIPHER_CTX *ctx, const unsigned char *tag, int n)
{
	legacy_begin();
	return legacy_end(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, n, (void *)tag) == 1);
}

void legacy_cipher_padding(EVP_CIPHER_CTX *ctx, int on)
{
	legacy_begin();
	EVP_CIPHER_CTX_set_padding(ctx, on);
	legacy_begin();
}

void legacy_cipher_free(EVP_CIPHER_CTX *ctx)
{
	EVP_CIPHER_CTX_free(ctx);
}
