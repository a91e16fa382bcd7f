//go:build cgo

package openssl

import "runtime"

// AuthenticatedEncryptionCipherCtx encrypts and authenticates one message.
type AuthenticatedEncryptionCipherCtx interface {
	EncryptionCipherCtx

	// ExtraData adds data that is authenticated and not encrypted. It comes before the first EncryptUpdate.
	ExtraData([]byte) error

	// GetTag returns the tag, GCM_TAG_MAXLEN bytes, after EncryptFinal.
	GetTag() ([]byte, error)
}

// AuthenticatedDecryptionCipherCtx decrypts one message and checks that it is the one that was encrypted.
type AuthenticatedDecryptionCipherCtx interface {
	DecryptionCipherCtx

	// ExtraData adds the data that was given to the encryption's ExtraData. It comes before the first DecryptUpdate.
	ExtraData([]byte) error

	// SetTag sets the tag that DecryptFinal compares. It may be 1 to GCM_TAG_MAXLEN bytes long: the shorter, the easier to
	// guess, so a program that accepts one from its peer checks the length first.
	SetTag([]byte) error
}

type authEncryptionCipherCtx struct{ encryptionCipherCtx }

type authDecryptionCipherCtx struct{ decryptionCipherCtx }

var (
	authEncryptionBlocks = blocks[authEncryptionCipherCtx]{cleanup: freeCiphers}
	authDecryptionBlocks = blocks[authDecryptionCipherCtx]{cleanup: freeCiphers}
)

// gcmCiphers holds AES-GCM for the key lengths 128, 192 and 256.
var gcmCiphers = [3]*Cipher{newCipher(gcmCipher(128)), newCipher(gcmCipher(192)), newCipher(gcmCipher(256))}

func getGCMCipher(bits int) (*Cipher, error) {
	if bits != 128 && bits != 192 && bits != 256 {
		return nil, badArgument("GCM cipher", "unknown block size %d", bits)
	}
	return gcmCiphers[bits/64-2], nil
}

// gcmIV is the initialisation vector with its length; an empty one is none, and the first EncryptUpdate fails.
func gcmIV(iv []byte) ([]byte, int, error) {
	if len(iv) > maxInt {
		return nil, 0, badArgument("could not set IV len", "it has %d bytes; OpenSSL takes %d", len(iv), maxInt)
	}
	if len(iv) == 0 {
		return nil, 0, nil
	}
	return iv, len(iv), nil
}

// NewGCMEncryptionCipherCtx begins to encrypt one message with AES-GCM. blocksize is the key's length in bits: 128, 192
// or 256. The initialisation vector may have any length but must never be used twice with one key.
//
// OpenSSL: EVP_aes_256_gcm(3), EVP_CipherInit_ex(3).
func NewGCMEncryptionCipherCtx(blocksize int, e *Engine, key, iv []byte) (AuthenticatedEncryptionCipherCtx, error) {
	c, err := getGCMCipher(blocksize)
	if err != nil {
		return nil, err
	}
	iv, n, err := gcmIV(iv)
	if err != nil {
		return nil, err
	}
	ctx, err := newCipherCtx(&authEncryptionBlocks, true, c, e, key, iv, n)
	if err != nil {
		return nil, err
	}
	return ctx, nil
}

// NewGCMDecryptionCipherCtx begins to decrypt one message; see NewGCMEncryptionCipherCtx.
//
// OpenSSL: EVP_aes_256_gcm(3), EVP_CipherInit_ex(3).
func NewGCMDecryptionCipherCtx(blocksize int, e *Engine, key, iv []byte) (AuthenticatedDecryptionCipherCtx, error) {
	c, err := getGCMCipher(blocksize)
	if err != nil {
		return nil, err
	}
	iv, n, err := gcmIV(iv)
	if err != nil {
		return nil, err
	}
	ctx, err := newCipherCtx(&authDecryptionBlocks, false, c, e, key, iv, n)
	if err != nil {
		return nil, err
	}
	return ctx, nil
}

func (ctx *cipherCtx) extraData(aad []byte) error {
	const op = "failed to add additional authenticated data"
	if len(aad) == 0 {
		return nil
	}
	if !ctx.keyed {
		return badArgument(op, "the context was made without a key")
	}
	q := cipherAAD(ctx.h.load(), aad)
	runtime.KeepAlive(ctx)
	return failed(op, q)
}

func (ctx *authEncryptionCipherCtx) ExtraData(aad []byte) error { return ctx.extraData(aad) }

func (ctx *authDecryptionCipherCtx) ExtraData(aad []byte) error { return ctx.extraData(aad) }

func (ctx *authEncryptionCipherCtx) GetTag() ([]byte, error) {
	tag := make([]byte, GCM_TAG_MAXLEN)
	q := cipherGetTag(ctx.h.load(), tag)
	runtime.KeepAlive(ctx)
	if q != nil {
		return nil, failed("failed to get the tag", q)
	}
	return tag, nil
}

func (ctx *authDecryptionCipherCtx) SetTag(tag []byte) error {
	const op = "failed to set the tag"
	if len(tag) == 0 || len(tag) > GCM_TAG_MAXLEN {
		return badArgument(op, "it has %d bytes; it must have 1 to %d", len(tag), GCM_TAG_MAXLEN)
	}
	q := cipherSetTag(ctx.h.load(), tag)
	runtime.KeepAlive(ctx)
	return failed(op, q)
}
