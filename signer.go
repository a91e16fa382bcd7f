//go:build cgo

package openssl

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
)

// signer is a private key that stays in Go. C knows it by its id.
type signer struct {
	key    crypto.Signer
	public crypto.PublicKey
	id     uint64
}

var (
	signers    sync.Map // id: *signer
	lastSigner atomic.Uint64
)

// ErrSigner: a crypto.Signer did not sign; the error that wraps it tells the signer's own.
var ErrSigner = errors.New("the crypto.Signer did not sign")

// SignerCertificate is a certificate chain, leaf first, whose private key signs in Go, wherever that key is:
// RSA (PKCS #1 v1.5 and PSS), ECDSA and Ed25519, for servers and for clients with a certificate, in TLS 1.2
// and 1.3. The handshake of a Conn is suspended while Sign runs, in a goroutine, without libssl's locks and
// without a thread that waits; a context that ends, or Close, does not wait for Sign either. Any number of
// goroutines may call Sign.
//
// From OpenSSL 3.0 on; on 1.1.1, and where the system has no context switch for libcrypto, the error is
// errors.ErrUnsupported. Cipher suites with RSA key exchange cannot be served: nothing is decrypted. The raw
// layer cannot use such a certificate. Config.Properties that no signature in Go has, such as "fips=yes", are
// ErrConfig beside it, and so are they where openssl.cnf makes them the default; Properties "-fips" take that back.
//
// OpenSSL: ASYNC_start_job(3).
func SignerCertificate(chain [][]byte, key crypto.Signer) (*Certificate, error) {
	const op = "certificate"
	if len(chain) == 0 || key == nil {
		return nil, callerError(op, ErrBadCertificate)
	}
	var public crypto.PublicKey
	if err := guard("crypto.Signer", func() error { public = key.Public(); return nil }); err != nil {
		return nil, callerError(op, fmt.Errorf("%w: %w", ErrBadCertificate, err))
	}
	switch public.(type) {
	case *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey:
	default:
		return nil, callerError(op, fmt.Errorf("%w: a key of type %T", ErrBadCertificate, public))
	}
	if !canSign() {
		return nil, featureSigner.missing(op)
	}
	spki, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil, callerError(op, fmt.Errorf("%w: %w", ErrBadCertificate, err))
	}
	s := &signer{key: key, public: public, id: lastSigner.Add(1)}
	c, err := signerCertificate(chain, spki, s.id)
	if err != nil {
		return nil, err
	}
	c.signer = s
	signers.Store(s.id, s)
	runtime.AddCleanup(c, func(id uint64) { signers.Delete(id) }, s.id)
	return c, nil
}

// checkSigner refuses a signer whose signatures the Ctx's properties rule out: libssl would not find them in
// the handshake, and tell the peer alone.
func (c *Ctx) checkSigner(k *Certificate) error {
	if k.signer == nil {
		return nil
	}
	properties := c.cfg.Properties
	// The signer's own library context does not have the defaults of openssl.cnf.
	if fipsEnabled() && !namesProperty(properties, "fips") {
		properties = strings.TrimSuffix("fips=yes,"+properties, ",")
	}
	if properties == "" || k.maySignUnder(properties) {
		return nil
	}
	return configError("Properties %q rule out a crypto.Signer, which signs outside of libcrypto's providers", properties)
}

// namesProperty reports whether a query names a property, which is then not the default's (property(7)).
func namesProperty(query, name string) bool {
	for clause := range strings.SplitSeq(query, ",") {
		clause, _, _ = strings.Cut(strings.TrimLeft(clause, " -?"), "=")
		if strings.EqualFold(strings.TrimRight(clause, " !"), name) {
			return true
		}
	}
	return false
}

// signRequest is what libssl wants signed.
type signRequest struct {
	id      uint64
	digest  string // OpenSSL's name; empty: the message itself is signed
	pss     bool
	message []byte
}

// digests by the names that libssl's versions give them.
var digests = map[string]crypto.Hash{
	"SHA1": crypto.SHA1, "SHA224": crypto.SHA224, "SHA256": crypto.SHA256, "SHA384": crypto.SHA384, "SHA512": crypto.SHA512,
	"SHA2-224": crypto.SHA224, "SHA2-256": crypto.SHA256, "SHA2-384": crypto.SHA384, "SHA2-512": crypto.SHA512,
}

func (r signRequest) sign() (sig []byte, err error) {
	found, ok := signers.Load(r.id)
	if !ok {
		return nil, errors.New("the key is gone")
	}
	s := found.(*signer)
	if _, ok := s.public.(ed25519.PublicKey); ok {
		return s.key.Sign(rand.Reader, r.message, crypto.Hash(0))
	}
	hash, ok := digests[strings.ToUpper(r.digest)]
	if !ok || !hash.Available() {
		return nil, fmt.Errorf("digest %q", r.digest)
	}
	h := hash.New()
	h.Write(r.message)
	var opts crypto.SignerOpts = hash
	if r.pss {
		opts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash}
	}
	return s.key.Sign(rand.Reader, h.Sum(nil), opts)
}

// answerSign serves the handshake that is suspended for a signature. The signer may be slow, or never
// come back: the end of the context or of the Conn does not wait for it, and a later call asks it again.
func (c *conn) answerSign(ctx context.Context) error {
	request, ok := c.h.signRequest()
	if !ok { // ASYNC jobs of somebody else's making
		return c.handshakeFailed(c.h.opError("handshake"))
	}
	type answer struct {
		sig []byte
		err error
	}
	var got answer
	err := c.unlocked(func() error {
		done := make(chan answer, 1)
		go func() {
			a := answer{err: errGoexit}
			defer func() { done <- a }()
			a.err = guard("crypto.Signer", func() (err error) { a.sig, err = request.sign(); return err })
		}()
		select {
		case got = <-done:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-c.closing:
			return net.ErrClosed
		}
	})
	switch {
	case c.ops.closed():
		return callerError("handshake", net.ErrClosed)
	case err != nil:
		return callerError("handshake", err)
	case got.err != nil:
		c.signErr, got.sig = got.err, nil
	case len(got.sig) == 0:
		c.signErr = errors.New("an empty signature")
	}
	c.h.answerSign(got.sig)
	return nil
}

// signFailed names the signer where the handshake failed for its sake.
func (c *conn) signFailed(e *Error) *Error {
	if c.signErr != nil {
		e.Origin, e.Err = FromCaller, fmt.Errorf("%w: %w", ErrSigner, notEOF(c.signErr))
	}
	return e
}
