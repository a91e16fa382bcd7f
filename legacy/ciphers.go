//go:build cgo

package openssl

import (
	"fmt"
	"runtime"
)

// GCM_TAG_MAXLEN is the length in bytes of a GCM tag.
const GCM_TAG_MAXLEN = 16

// Cipher is a symmetric cipher. It needs no freeing and may be used by any number of goroutines.
type Cipher struct {
	c     cipherPtr
	sizes cipherSizes
}

type cipherSizes struct {
	nid            NID
	block, key, iv int
}

func newCipher(c cipherPtr) *Cipher { return &Cipher{c: c, sizes: sizesOf(c)} }

// Nid returns the cipher's NID.
//
// OpenSSL: EVP_CIPHER_get_nid(3).
func (c *Cipher) Nid() NID { return c.sizes.nid }

// ShortName returns OpenSSL's short name of the cipher, such as AES-256-CBC.
//
// OpenSSL: OBJ_nid2sn(3).
func (c *Cipher) ShortName() (string, error) { return Nid2ShortName(c.Nid()) }

// BlockSize returns the block size in bytes; 1 for a stream cipher or mode.
//
// OpenSSL: EVP_CIPHER_get_block_size(3).
func (c *Cipher) BlockSize() int { return c.sizes.block }

// KeySize returns the key length in bytes.
//
// OpenSSL: EVP_CIPHER_get_key_length(3).
func (c *Cipher) KeySize() int { return c.sizes.key }

// IVSize returns the length of the initialisation vector in bytes; 0 where there is none.
//
// OpenSSL: EVP_CIPHER_get_iv_length(3).
func (c *Cipher) IVSize() int { return c.sizes.iv }

// Nid2ShortName returns OpenSSL's short name of the object.
//
// OpenSSL: OBJ_nid2sn(3).
func Nid2ShortName(nid NID) (string, error) {
	name, ok := shortName(nid)
	if !ok {
		return "", badArgument("nid to short name", "NID %d not found", nid)
	}
	return name, nil
}

// GetCipherByName returns the cipher that OpenSSL knows under this name, such as "aes-256-cbc". From 3.0 on a cipher of
// the legacy provider is found here, and making a context of it is an *UnsupportedError without that provider.
//
// OpenSSL: EVP_get_cipherbyname(3).
func GetCipherByName(name string) (*Cipher, error) {
	if hasZero(name) {
		return nil, badArgument("get cipher", "Cipher %q not found", name)
	}
	c := cipherByName(name)
	if c == nil {
		return nil, badArgument("get cipher", "Cipher %v not found", name)
	}
	return newCipher(c), nil
}

// GetCipherByNid returns the cipher with this NID.
//
// OpenSSL: EVP_get_cipherbynid(3).
func GetCipherByNid(nid NID) (*Cipher, error) {
	name, err := Nid2ShortName(nid)
	if err != nil {
		return nil, err
	}
	return GetCipherByName(name)
}

// CipherCtx is an encryption or decryption under way. Its methods must not run at the same time.
type CipherCtx interface {
	// Cipher returns the cipher in use.
	Cipher() *Cipher
	// BlockSize returns the block size in bytes.
	BlockSize() int
	// KeySize returns the key length in bytes.
	KeySize() int
	// IVSize returns the length of the initialisation vector in bytes.
	IVSize() int
}

// EncryptionCipherCtx encrypts one message.
type EncryptionCipherCtx interface {
	CipherCtx

	// EncryptUpdate takes a piece of the plaintext and returns the ciphertext that is ready. It may be
	// called any number of times.
	EncryptUpdate(input []byte) ([]byte, error)

	// EncryptFinal ends the message and returns the rest of the ciphertext, padding included.
	EncryptFinal() ([]byte, error)
}

// DecryptionCipherCtx decrypts one message.
type DecryptionCipherCtx interface {
	CipherCtx

	// DecryptUpdate takes a piece of the ciphertext and returns the plaintext that is ready. It may be
	// called any number of times.
	DecryptUpdate(input []byte) ([]byte, error)

	// DecryptFinal ends the message and returns the rest of the plaintext. On an error in an authenticated mode
	// everything that DecryptUpdate returned is to be thrown away.
	DecryptFinal() ([]byte, error)
}

// cipherCtx is what the contexts share.
type cipherCtx struct {
	h      *handle
	cipher *Cipher
	iv     int
	keyed  bool
}

func (ctx *cipherCtx) take(h *handle, from cipherCtx) {
	*ctx = from
	ctx.h = h
}

// ctxOf is *T for the contexts.
type ctxOf[T any] interface {
	*T
	take(*handle, cipherCtx)
}

func newCipherCtx[T any, C ctxOf[T]](from *blocks[T], encrypt bool, c *Cipher, e *Engine, key, iv []byte, ivLen int) (*T, error) {
	const op = "failed to initialize cipher context"
	if c == nil || c.c == nil {
		return nil, badArgument(op, "null cipher not allowed")
	}
	if err := e.check(op); err != nil {
		return nil, err
	}
	if key != nil && len(key) != c.sizes.key {
		return nil, badArgument(op, "bad key size (%d bytes instead of %d)", len(key), c.sizes.key)
	}
	if ivLen == 0 && iv != nil && len(iv) != c.sizes.iv {
		return nil, badArgument(op, "bad IV size (%d bytes instead of %d)", len(iv), c.sizes.iv)
	}
	ctx, q := cipherNew(c.c, e, encrypt, key, iv, ivLen)
	if q != nil {
		return nil, failedWith(c.algorithm(), op, q)
	}
	t, h := from.next()
	h.store(ctx)
	size := c.sizes.iv
	if ivLen > 0 {
		size = ivLen
	}
	C(t).take(h, cipherCtx{cipher: c, iv: size, keyed: key != nil || c.sizes.key == 0})
	return t, nil
}

func (c *Cipher) algorithm() string {
	name, err := c.ShortName()
	if err != nil {
		return fmt.Sprintf("cipher %d", c.Nid())
	}
	return name
}

func freeCiphers(handles *[blockSize]handle) {
	for i := range handles {
		handles[i].free(cipherFree)
	}
}

func (ctx *cipherCtx) Cipher() *Cipher { return ctx.cipher }
func (ctx *cipherCtx) BlockSize() int  { return ctx.cipher.sizes.block }
func (ctx *cipherCtx) KeySize() int    { return ctx.cipher.sizes.key }
func (ctx *cipherCtx) IVSize() int     { return ctx.iv }

// SetPadding turns the padding of block modes, which is on, on or off.
//
// OpenSSL: EVP_CIPHER_CTX_set_padding(3).
func (ctx *cipherCtx) SetPadding(pad bool) {
	cipherPadding(ctx.h.load(), pad)
	runtime.KeepAlive(ctx)
}

func (ctx *cipherCtx) update(op string, input []byte) ([]byte, error) {
	if len(input) == 0 {
		return nil, nil
	}
	if !ctx.keyed {
		return nil, badArgument(op, "the context was made without a key")
	}
	out := make([]byte, len(input)+ctx.BlockSize())
	n, q := cipherUpdate(ctx.h.load(), input, out)
	runtime.KeepAlive(ctx)
	if q != nil {
		return nil, failed(op, q)
	}
	return out[:n], nil
}

func (ctx *cipherCtx) final(op string) ([]byte, error) {
	if !ctx.keyed {
		return nil, badArgument(op, "the context was made without a key")
	}
	out := make([]byte, ctx.BlockSize())
	n, q := cipherFinal(ctx.h.load(), out)
	runtime.KeepAlive(ctx)
	if q != nil {
		return nil, failed(op, q)
	}
	return out[:n], nil
}

type encryptionCipherCtx struct{ cipherCtx }

func (ctx *encryptionCipherCtx) EncryptUpdate(input []byte) ([]byte, error) {
	return ctx.update("failed to encrypt", input)
}

func (ctx *encryptionCipherCtx) EncryptFinal() ([]byte, error) { return ctx.final("encryption failed") }

type decryptionCipherCtx struct{ cipherCtx }

func (ctx *decryptionCipherCtx) DecryptUpdate(input []byte) ([]byte, error) {
	return ctx.update("failed to decrypt", input)
}

func (ctx *decryptionCipherCtx) DecryptFinal() ([]byte, error) { return ctx.final("decryption failed") }

var (
	encryptionBlocks = blocks[encryptionCipherCtx]{cleanup: freeCiphers}
	decryptionBlocks = blocks[decryptionCipherCtx]{cleanup: freeCiphers}
)

// NewEncryptionCipherCtx begins to encrypt one message. The key must have the cipher's length and so must the
// initialisation vector, which is nil where the mode has none. e is nil, or an engine that implements the cipher.
//
// OpenSSL: EVP_CipherInit_ex(3).
func NewEncryptionCipherCtx(c *Cipher, e *Engine, key, iv []byte) (EncryptionCipherCtx, error) {
	ctx, err := newCipherCtx(&encryptionBlocks, true, c, e, key, iv, 0)
	if err != nil {
		return nil, err
	}
	return ctx, nil
}

// NewDecryptionCipherCtx begins to decrypt one message; see NewEncryptionCipherCtx.
//
// OpenSSL: EVP_CipherInit_ex(3).
func NewDecryptionCipherCtx(c *Cipher, e *Engine, key, iv []byte) (DecryptionCipherCtx, error) {
	ctx, err := newCipherCtx(&decryptionBlocks, false, c, e, key, iv, 0)
	if err != nil {
		return nil, err
	}
	return ctx, nil
}
