//go:build cgo

package openssl

import (
	"fmt"
	"runtime"
)

// EVP_MD names a digest.
type EVP_MD int

// The digests. SHA-0 (EVP_SHA) and the DSS aliases were removed in OpenSSL 1.1.0; MD4, MDC2 and, on some versions,
// RIPEMD-160 need the legacy provider from 3.0 on. Using one that is not there is an *UnsupportedError.
const (
	EVP_NULL      EVP_MD = 0
	EVP_MD5       EVP_MD = 1
	EVP_MD4       EVP_MD = 2
	EVP_SHA       EVP_MD = 3
	EVP_SHA1      EVP_MD = 4
	EVP_DSS       EVP_MD = 5
	EVP_DSS1      EVP_MD = 6
	EVP_MDC2      EVP_MD = 7
	EVP_RIPEMD160 EVP_MD = 8
	EVP_SHA224    EVP_MD = 9
	EVP_SHA256    EVP_MD = 10
	EVP_SHA384    EVP_MD = 11
	EVP_SHA512    EVP_MD = 12
)

var mdNames = [...]string{"the null digest", "MD5", "MD4", "SHA-0", "SHA-1", "DSS", "DSS1", "MDC2", "RIPEMD-160",
	"SHA-224", "SHA-256", "SHA-384", "SHA-512"}

func (md EVP_MD) name() string {
	if md < 0 || int(md) >= len(mdNames) {
		return fmt.Sprintf("EVP_MD(%d)", int(md))
	}
	return mdNames[md]
}

// find returns the digest, which is static.
func (md EVP_MD) find(op string) (mdPtr, error) {
	switch md {
	case EVP_SHA, EVP_DSS, EVP_DSS1:
		return nil, &UnsupportedError{What: md.name(), Since: "1.1.0", Why: "it was removed"}
	}
	if md < 0 || int(md) >= len(mdNames) {
		return nil, badArgument(op, "%s is not a digest", md.name())
	}
	p := mdByNumber(md)
	if p == nil {
		return nil, &UnsupportedError{What: md.name(), Since: "1.1.0",
			Why: "the OpenSSL that is installed was built without it"}
	}
	return p, nil
}

// Digest is a message digest. It needs no freeing and may be used by any number of goroutines.
type Digest struct {
	md mdPtr
}

func (d *Digest) ptr() mdPtr {
	if d == nil {
		return nil
	}
	return d.md
}

// GetDigestByName returns the digest that OpenSSL knows under this name, such as "sha256" or "RSA-SHA256".
//
// OpenSSL: EVP_get_digestbyname(3).
func GetDigestByName(name string) (*Digest, error) {
	if hasZero(name) {
		return nil, badArgument("get digest", "Digest %q not found", name)
	}
	md := mdByName(name)
	if md == nil {
		return nil, badArgument("get digest", "Digest %v not found", name)
	}
	return &Digest{md: md}, nil
}

// GetDigestByNid returns the digest with this NID.
//
// OpenSSL: EVP_get_digestbynid(3).
func GetDigestByNid(nid NID) (*Digest, error) {
	name, err := Nid2ShortName(nid)
	if err != nil {
		return nil, err
	}
	return GetDigestByName(name)
}

// hash is what the hashes share. Methods of one hash must not run at the same time.
type hash struct {
	h *handle
}

func (s *hash) take(h *handle) { s.h = h }

// hashOf is *T for the hashes.
type hashOf[T any] interface {
	*T
	take(*handle)
}

func newHash[T any, H hashOf[T]](from *blocks[T], which EVP_MD, engine *Engine) (*T, error) {
	op := "cannot make a hash"
	if err := engine.check(op); err != nil {
		return nil, err
	}
	md, err := which.find(op)
	if err != nil {
		return nil, err
	}
	ctx, q := digestNew(md, engine)
	if q != nil {
		return nil, failedWith(which.name(), op, q)
	}
	t, h := from.next()
	h.store(ctx)
	H(t).take(h)
	return t, nil
}

func freeHashes(handles *[blockSize]handle) {
	for i := range handles {
		handles[i].free(digestFree)
	}
}

// Close frees the hash; after it only Close may be called again.
//
// OpenSSL: EVP_MD_CTX_free(3).
func (s *hash) Close() { s.h.free(digestFree) }

// Reset begins again.
//
// OpenSSL: EVP_DigestInit_ex(3).
func (s *hash) Reset() error {
	defer runtime.KeepAlive(s)
	ctx := s.h.load()
	if ctx == nil {
		return badArgument("cannot init digest ctx", closedReason)
	}
	return failed("cannot init digest ctx", digestReset(ctx))
}

// Write adds p; n is len(p) unless there is an error.
//
// OpenSSL: EVP_DigestUpdate(3).
func (s *hash) Write(p []byte) (n int, err error) {
	defer runtime.KeepAlive(s)
	ctx := s.h.load()
	if ctx == nil {
		return 0, badArgument("cannot update digest", closedReason)
	}
	if len(p) == 0 {
		return 0, nil
	}
	if q := digestWrite(ctx, p); q != nil {
		return 0, failed("cannot update digest", q)
	}
	return len(p), nil
}

func (s *hash) sum(out []byte) error {
	defer runtime.KeepAlive(s)
	ctx := s.h.load()
	if ctx == nil {
		return badArgument("cannot finalize ctx", closedReason)
	}
	return failed("cannot finalize ctx", digestSum(ctx, out))
}

func sumOnce(which EVP_MD, data, out []byte) error {
	md, err := which.find("cannot digest")
	if err != nil {
		return err
	}
	return failedWith(which.name(), "cannot digest", digestOnce(md, data, out))
}

// MD4Hash is a running MD4 digest. Methods of one hash must not run at the same time.
type MD4Hash struct{ hash }

var md4Blocks = blocks[MD4Hash]{cleanup: freeHashes}

// NewMD4Hash returns an empty hash. From OpenSSL 3.0 on MD4 needs the legacy
// provider: without it the error is an *UnsupportedError.
//
// OpenSSL: EVP_DigestInit_ex(3).
func NewMD4Hash() (*MD4Hash, error) { return NewMD4HashWithEngine(nil) }

// NewMD4HashWithEngine is NewMD4Hash with the engine's implementation. Engines are gone since OpenSSL 4.0.
//
// OpenSSL: EVP_DigestInit_ex(3).
func NewMD4HashWithEngine(e *Engine) (*MD4Hash, error) { return newHash(&md4Blocks, EVP_MD4, e) }

// Sum returns the digest of what was written and begins again.
//
// OpenSSL: EVP_DigestFinal_ex(3).
func (s *MD4Hash) Sum() (result [16]byte, err error) {
	err = s.sum(result[:])
	return result, err
}

// MD4 returns the MD4 digest of data. From OpenSSL 3.0 on it needs the legacy provider.
//
// OpenSSL: EVP_Digest(3).
func MD4(data []byte) (result [16]byte, err error) {
	err = sumOnce(EVP_MD4, data, result[:])
	return result, err
}

// MD5Hash is a running MD5 digest. Methods of one hash must not run at the same time.
type MD5Hash struct{ hash }

var md5Blocks = blocks[MD5Hash]{cleanup: freeHashes}

// NewMD5Hash returns an empty hash.
//
// OpenSSL: EVP_DigestInit_ex(3).
func NewMD5Hash() (*MD5Hash, error) { return NewMD5HashWithEngine(nil) }

// NewMD5HashWithEngine is NewMD5Hash with the engine's implementation. Engines are gone since OpenSSL 4.0.
//
// OpenSSL: EVP_DigestInit_ex(3).
func NewMD5HashWithEngine(e *Engine) (*MD5Hash, error) { return newHash(&md5Blocks, EVP_MD5, e) }

// Sum returns the digest of what was written and begins again.
//
// OpenSSL: EVP_DigestFinal_ex(3).
func (s *MD5Hash) Sum() (result [16]byte, err error) {
	err = s.sum(result[:])
	return result, err
}

// MD5 returns the MD5 digest of data.
//
// OpenSSL: EVP_Digest(3).
func MD5(data []byte) (result [16]byte, err error) {
	err = sumOnce(EVP_MD5, data, result[:])
	return result, err
}

// SHA1Hash is a running SHA-1 digest. Methods of one hash must not run at the same time.
type SHA1Hash struct{ hash }

var sha1Blocks = blocks[SHA1Hash]{cleanup: freeHashes}

// NewSHA1Hash returns an empty hash.
//
// OpenSSL: EVP_DigestInit_ex(3).
func NewSHA1Hash() (*SHA1Hash, error) { return NewSHA1HashWithEngine(nil) }

// NewSHA1HashWithEngine is NewSHA1Hash with the engine's implementation. Engines are gone since OpenSSL 4.0.
//
// OpenSSL: EVP_DigestInit_ex(3).
func NewSHA1HashWithEngine(e *Engine) (*SHA1Hash, error) { return newHash(&sha1Blocks, EVP_SHA1, e) }

// Sum returns the digest of what was written and begins again.
//
// OpenSSL: EVP_DigestFinal_ex(3).
func (s *SHA1Hash) Sum() (result [20]byte, err error) {
	err = s.sum(result[:])
	return result, err
}

// SHA1 returns the SHA-1 digest of data.
//
// OpenSSL: EVP_Digest(3).
func SHA1(data []byte) (result [20]byte, err error) {
	err = sumOnce(EVP_SHA1, data, result[:])
	return result, err
}

// SHA256Hash is a running SHA-256 digest. Methods of one hash must not run at the same time.
type SHA256Hash struct{ hash }

var sha256Blocks = blocks[SHA256Hash]{cleanup: freeHashes}

// NewSHA256Hash returns an empty hash.
//
// OpenSSL: EVP_DigestInit_ex(3).
func NewSHA256Hash() (*SHA256Hash, error) { return NewSHA256HashWithEngine(nil) }

// NewSHA256HashWithEngine is NewSHA256Hash with the engine's implementation. Engines are gone since OpenSSL 4.0.
//
// OpenSSL: EVP_DigestInit_ex(3).
func NewSHA256HashWithEngine(e *Engine) (*SHA256Hash, error) {
	return newHash(&sha256Blocks, EVP_SHA256, e)
}

// Sum returns the digest of what was written and begins again.
//
// OpenSSL: EVP_DigestFinal_ex(3).
func (s *SHA256Hash) Sum() (result [32]byte, err error) {
	err = s.sum(result[:])
	return result, err
}

// SHA256 returns the SHA-256 digest of data.
//
// OpenSSL: EVP_Digest(3).
func SHA256(data []byte) (result [32]byte, err error) {
	err = sumOnce(EVP_SHA256, data, result[:])
	return result, err
}
