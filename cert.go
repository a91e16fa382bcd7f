//go:build cgo

package openssl

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
)

// LoadX509KeyPair reads a certificate chain, leaf first, and its private key from PEM files. Errors
// are the file's, or ErrBadCertificate.
func LoadX509KeyPair(certFile, keyFile string) (*Certificate, error) {
	cert, err := os.ReadFile(certFile)
	if err != nil {
		return nil, callerError("certificate", err)
	}
	key, err := os.ReadFile(keyFile)
	if err != nil {
		return nil, callerError("certificate", err)
	}
	return X509KeyPair(cert, key)
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
// crypto.Signer, and serves as SignerCertificate says.
func CertificateFromTLS(c tls.Certificate) (*Certificate, error) {
	key, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if signer, ok := c.PrivateKey.(crypto.Signer); err != nil && ok {
		return SignerCertificate(c.Certificate, signer)
	}
	if err != nil {
		return nil, callerError("certificate", fmt.Errorf("%w: %w", ErrBadCertificate, err))
	}
	return X509KeyPairDER(c.Certificate, key)
}

// Chain returns the certificates in DER, leaf first; shared, not to be changed.
func (c *Certificate) Chain() [][]byte { return c.chain }
