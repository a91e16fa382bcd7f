//go:build cgo

package openssl

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// LoadX509KeyPair reads a certificate chain, leaf first, and its private key from PEM files. Errors
// are the file's, or ErrBadCertificate with the files' names.
func LoadX509KeyPair(certFile, keyFile string) (*Certificate, error) {
	cert, err := os.ReadFile(certFile)
	if err != nil {
		return nil, callerError("certificate", err)
	}
	key, err := os.ReadFile(keyFile)
	if err != nil {
		return nil, callerError("certificate", err)
	}
	pair, err := X509KeyPair(cert, key)
	if e := (*Error)(nil); errors.As(err, &e) {
		e.Err = fmt.Errorf("%s, %s: %w", certFile, keyFile, e.Err)
	}
	return pair, err
}

// X509KeyPair reads a certificate chain, leaf first, and its private key from PEM. An encrypted key
// is ErrBadCertificate; nobody is asked for a passphrase.
//
// OpenSSL: PEM_read_bio_PrivateKey(3).
func X509KeyPair(cert, key []byte) (*Certificate, error) { return X509KeyPairPassphrase(cert, key, "") }

// X509KeyPairPassphrase is X509KeyPair for an encrypted key.
//
// OpenSSL: PEM_read_bio_PrivateKey(3).
func X509KeyPairPassphrase(cert, key []byte, passphrase string) (*Certificate, error) {
	if len(cert) == 0 || len(key) == 0 {
		return nil, callerError("certificate", ErrBadCertificate)
	}
	return parseCertificatePEM(cert, key, passphrase)
}

// X509KeyPairDER reads a certificate chain, leaf first, and its private key (PKCS #8, PKCS #1 or
// SEC 1) from DER.
//
// OpenSSL: d2i_X509(3).
func X509KeyPairDER(chain [][]byte, key []byte) (*Certificate, error) {
	if len(chain) == 0 || len(key) == 0 {
		return nil, callerError("certificate", ErrBadCertificate)
	}
	return parseCertificateDER(chain, key)
}

// CertificateFromTLS takes a crypto/tls certificate. A private key that is not in memory must be a
// crypto.Signer, and serves as SignerCertificate says. Its OCSPStaple is taken over as by SetOCSPStaple.
// What is no chain with its key is ErrBadCertificate, a bad staple ErrConfig, and a signer that the loaded
// library cannot use errors.ErrUnsupported.
func CertificateFromTLS(c tls.Certificate) (*Certificate, error) {
	k, err := certificateFromTLS(c)
	if err != nil || len(c.OCSPStaple) == 0 {
		return k, err
	}
	if err := k.SetOCSPStaple(c.OCSPStaple); err != nil {
		return nil, err
	}
	return k, nil
}

func certificateFromTLS(c tls.Certificate) (*Certificate, error) {
	var key []byte
	err := guard("crypto/x509", func() (err error) { key, err = x509.MarshalPKCS8PrivateKey(c.PrivateKey); return err })
	if signer, ok := c.PrivateKey.(crypto.Signer); err != nil && ok {
		return SignerCertificate(c.Certificate, signer)
	}
	if err != nil {
		return nil, callerError("certificate", fmt.Errorf("%w: %w", ErrBadCertificate, err))
	}
	return X509KeyPairDER(c.Certificate, key)
}

// Chain returns the certificates in DER, leaf first; shared, not to be changed. nil has none.
func (c *Certificate) Chain() [][]byte {
	if c == nil {
		return nil
	}
	return c.chain
}

// maxStaple bounds an OCSP response; real ones have one or two kilobytes.
const maxStaple = 15 << 10

// SetOCSPStaple sets the OCSP response, in DER, that a server staples to the certificate when a client asks
// (RFC 6066, section 8; RFC 8446, section 4.4.2.1): in handshakes from now on, on every Ctx that has the
// certificate, so that a server renews it as it gets older. Empty takes it away. Whom it
// is about is not looked at. More than 15 KiB, which libssl's clients refuse, or what is no OCSP response is
// ErrConfig. Any number of goroutines may call it.
//
// OpenSSL: SSL_set_tlsext_status_ocsp_resp(3).
func (c *Certificate) SetOCSPStaple(der []byte) error {
	const op = "OCSP staple"
	if c == nil || c.p == nil {
		return callerError(op, ErrBadCertificate)
	}
	if len(der) > maxStaple || len(der) > 0 && !isStaple(der) {
		return callerError(op, fmt.Errorf("%w: no OCSP response in DER, or too long a one, of %d bytes", ErrConfig, len(der)))
	}
	if !c.setStaple(der) {
		return &Error{Op: op, Origin: FromLibrary, Err: errNoMemory}
	}
	return nil
}
