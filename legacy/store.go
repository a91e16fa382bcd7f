//go:build cgo

package openssl

import "runtime"

// CertificateStore is a set of trusted certificates. It may be used by any number of goroutines.
type CertificateStore struct {
	store storePtr
}

func (s *CertificateStore) ptr() storePtr {
	p := s.store
	stress()
	return p
}

func (s *CertificateStore) check(op string) error {
	if s == nil || s.store == nil {
		return badArgument(op, "the store is nil or was not made by NewCertificateStore")
	}
	return nil
}

// NewCertificateStore returns an empty store.
//
// OpenSSL: X509_STORE_new(3).
func NewCertificateStore() (*CertificateStore, error) {
	p, q := storeNew()
	if q != nil {
		return nil, failed("failed to allocate X509_STORE", q)
	}
	return newStore(p), nil
}

// newStore takes over p.
func newStore(p storePtr) *CertificateStore {
	s := &CertificateStore{store: p}
	runtime.AddCleanup(s, storeFree, p)
	return s
}

// LoadCertificatesFromPEM adds every certificate in data, until the first block that is not one. Data without any PEM block adds
// nothing and is no error.
//
// OpenSSL: PEM_read_bio_X509(3), X509_STORE_add_cert(3).
func (s *CertificateStore) LoadCertificatesFromPEM(data []byte) error {
	for _, block := range SplitPEM(data) {
		cert, err := LoadCertificateFromPEM(block)
		if err != nil {
			return err
		}
		if err := s.AddCertificate(cert); err != nil {
			return err
		}
	}
	return nil
}

// AddCertificate makes cert a trusted certificate.
//
// OpenSSL: X509_STORE_add_cert(3).
func (s *CertificateStore) AddCertificate(cert *Certificate) error {
	const op = "failed to add the certificate to the store"
	if err := s.check(op); err != nil {
		return err
	}
	if err := cert.check(op); err != nil {
		return err
	}
	return failed(op, storeAdd(s, cert))
}

// VerifyCertErrorString returns the outcome in words.
//
// OpenSSL: X509_verify_cert_error_string(3).
func VerifyCertErrorString(result VerifyResult) string { return verifyText(result) }

// SetFlags adds flags to those that verifications with this store use.
//
// OpenSSL: X509_STORE_set_flags(3).
func (s *CertificateStore) SetFlags(flags X509VerificationFlag) error {
	const op = "failed to set the store's flags"
	if err := s.check(op); err != nil {
		return err
	}
	return failed(op, storeFlags(s, flags))
}

// CertificateStoreLookup is a place besides the store itself where it looks for certificates and revocation lists.
type CertificateStoreLookup struct {
	lookup lookupPtr
	store  *CertificateStore // owns lookup
}

func (l *CertificateStoreLookup) ptr() lookupPtr {
	p := l.lookup
	stress()
	return p
}

// AddLookup adds a place to look in; see X509LookupFile and X509LookupHashDir.
//
// OpenSSL: X509_STORE_add_lookup(3).
func (s *CertificateStore) AddLookup(method X509LookupMethod) (*CertificateStoreLookup, error) {
	const op = "failed to add a lookup to the store"
	if err := s.check(op); err != nil {
		return nil, err
	}
	if method == nil {
		return nil, badArgument(op, "the method is nil")
	}
	p, q := storeLookup(s, method)
	if q != nil {
		return nil, failed(op, q)
	}
	return &CertificateStoreLookup{lookup: p, store: s}, nil
}

// LoadCRLFile adds the certificate revocation lists in a PEM file to the store. The lookup must have been made of
// X509LookupFile.
//
// OpenSSL: X509_load_crl_file(3).
func (l *CertificateStoreLookup) LoadCRLFile(crl_file string) error {
	const op = "failed to load the revocation lists"
	if l == nil || l.lookup == nil {
		return badArgument(op, "the lookup is nil or was not made by AddLookup")
	}
	if hasZero(crl_file) {
		return badArgument(op, "the file's name has a zero byte")
	}
	return failed(op, lookupCRL(l, crl_file))
}

// GetDefaultCertificateDirectory returns the folder in which this OpenSSL looks for trusted certificates by default.
//
// OpenSSL: X509_get_default_cert_dir(3).
func GetDefaultCertificateDirectory() (string, error) {
	dir := defaultCertDir()
	if dir == "" {
		return "", badArgument("default certificate directory", "this OpenSSL has none")
	}
	return dir, nil
}
