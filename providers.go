//go:build cgo

package openssl

import (
	"errors"
	"slices"
	"strings"
	"sync"
)

// OSSL_STORE's library number and its reasons for a scheme that nothing serves: up to 3.0, and later
// (ERR_R_UNSUPPORTED).
const (
	errLibStore              = 44
	reasonUnregisteredScheme = 105
	reasonUnsupported        = 2<<18 | 268
)

// LoadCertificateURI reads a certificate chain, leaf first, and its private key from OSSL_STORE URIs:
// "file:" on every version, and what a loaded provider serves, such as "pkcs11:" of pkcs11-provider, whose
// keys never leave their token: it signs in C, in the thread of the handshake. An empty keyURI is certURI.
// Nobody is asked for a passphrase or a PIN; a pkcs11 URI may hold one (pin-value, RFC 7512). A scheme that
// nothing serves is errors.ErrUnsupported, anything else ErrBadCertificate.
//
// OpenSSL: OSSL_STORE_open(3).
func LoadCertificateURI(certURI, keyURI string) (*Certificate, error) {
	const op = "certificate"
	if keyURI == "" {
		keyURI = certURI
	}
	if certURI == "" || strings.Contains(certURI+keyURI, "\x00") {
		return nil, callerError(op, ErrBadCertificate)
	}
	c, err := certificateURI(certURI, keyURI)
	var e *Error
	isFile := func(uri string) bool { return strings.HasPrefix(uri, "file:") }
	if errors.As(err, &e) && (e.HasReason(errLibStore, reasonUnregisteredScheme) || e.HasReason(errLibStore, reasonUnsupported)) && !(isFile(certURI) && isFile(keyURI)) {
		e.Err = &UnsupportedError{"the URI's scheme", "a loaded provider that serves it (OpenSSL 3.0)"}
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

// loadURIs puts the certificate of the Config's URIs behind the others.
func (c *Ctx) loadURIs() error {
	cfg := &c.cfg
	if cfg.Properties != "" && !atLeast3() {
		return featureProperties.missing("config")
	}
	if strings.Contains(cfg.Properties, "\x00") {
		return configError("Properties %q", cfg.Properties)
	}
	certURI, keyURI := cfg.CertificateURI, cfg.KeyURI
	if certURI == "" {
		certURI = keyURI
	}
	if certURI == "" {
		return nil
	}
	k, err := LoadCertificateURI(certURI, keyURI)
	if err != nil {
		return err
	}
	cfg.Certificates = append(slices.Clip(cfg.Certificates), k)
	return nil
}

var providers struct {
	mu     sync.Mutex
	loaded []string
}

// LoadProvider loads a provider, such as "fips", "base" or "pkcs11", beside those that are loaded, for as
// long as the process lives; a second call for it does nothing. OpenSSL 1.1.1 is errors.ErrUnsupported.
//
// OpenSSL: OSSL_PROVIDER_try_load(3).
func LoadProvider(name string) error {
	const op = "provider"
	if !atLeast3() {
		return featureProviders.missing(op)
	}
	if name == "" || strings.ContainsAny(name, "/\x00") {
		return configError("provider %q", name)
	}
	providers.mu.Lock()
	defer providers.mu.Unlock()
	if slices.Contains(providers.loaded, name) {
		return nil
	}
	if err := loadProvider(name); err != nil {
		return err
	}
	providers.loaded = append(providers.loaded, name)
	return nil
}

// Providers are the names of the providers that are active, none on OpenSSL 1.1.1.
//
// OpenSSL: OSSL_PROVIDER_do_all(3).
func Providers() []string { return strings.Fields(providerNames()) }

// FIPSEnabled reports whether openssl.cnf, or the process, asks for FIPS by default and the module is active.
// A Ctx with Properties "fips=yes" is the one's own choice and not seen here.
//
// OpenSSL: EVP_default_properties_is_fips_enabled(3).
func FIPSEnabled() bool { return fipsEnabled() }
