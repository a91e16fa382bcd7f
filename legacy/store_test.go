package openssl

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Each with its key usage, so that it may sign revocation lists.
func caPEM(t *testing.T) (*x509.Certificate, []byte) {
	t.Helper()
	key := stdKeys()["P-256"]
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCRLSign,
		NotAfter: time.Now().Add(time.Hour), SubjectKeyId: []byte("id")}
	der := must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))
	return must(x509.ParseCertificate(der)), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func TestCertificateStore(t *testing.T) {
	s := must(NewCertificateStore())
	_, ca := caPEM(t)
	_, other := caPEM(t)
	must(0, s.LoadCertificatesFromPEM(append(append([]byte("text\n"), ca...), other...)))
	must(0, s.LoadCertificatesFromPEM(ca)) // again is no error
	must(0, s.LoadCertificatesFromPEM(nil))
	must(0, s.LoadCertificatesFromPEM([]byte("no PEM")))
	must(0, s.AddCertificate(must(LoadCertificateFromPEM(ca))))
	wantError(t, s.LoadCertificatesFromPEM(append(ca, pkcs8PEM(stdKeys()["RSA"])...)))
	wantArgumentError(t, s.AddCertificate(nil), "nil")
	wantArgumentError(t, s.AddCertificate(&Certificate{}), "not made")
	wantArgumentError(t, (&CertificateStore{}).LoadCertificatesFromPEM(ca), "not made")
	must(0, s.SetFlags(CRLCheck|CRLCheckAll))
	if pendingErrors() {
		t.Error("errors are left behind")
	}
}

func TestLoadCRLFile(t *testing.T) {
	ca, _ := caPEM(t)
	crl := must(x509.CreateRevocationList(rand.Reader, &x509.RevocationList{Number: big.NewInt(1), NextUpdate: time.Now().Add(time.Hour)}, ca, stdKeys()["P-256"]))
	dir := t.TempDir()
	good, bad := filepath.Join(dir, "crl.pem"), filepath.Join(dir, "bad.pem")
	must(0, os.WriteFile(good, pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: crl}), 0o600))
	must(0, os.WriteFile(bad, []byte("no PEM"), 0o600))

	lookup := func() *CertificateStoreLookup {
		return must(must(NewCertificateStore()).AddLookup(X509LookupFile()))
	}()
	collect() // the lookup keeps its store
	must(0, lookup.LoadCRLFile(good))
	for _, file := range []string{bad, filepath.Join(dir, "missing.pem"), ""} {
		wantError(t, lookup.LoadCRLFile(file))
	}
	wantArgumentError(t, lookup.LoadCRLFile(good+"\x00"), "zero byte")
	wantArgumentError(t, (&CertificateStoreLookup{}).LoadCRLFile(good), "AddLookup")
	s := must(NewCertificateStore())
	must(s.AddLookup(X509LookupHashDir()))
	_, err := s.AddLookup(nil)
	wantArgumentError(t, err, "nil")
}

func TestVerifyCertErrorString(t *testing.T) {
	for code, want := range map[VerifyResult]string{Ok: "ok", CertHasExpired: "certificate has expired"} {
		if got := VerifyCertErrorString(code); got != want {
			t.Errorf("%d is %q; want %q", code, got, want)
		}
	}
	if got := VerifyCertErrorString(-12345); got == "" {
		t.Error("an unknown code has no text")
	}
}

func TestGetDefaultCertificateDirectory(t *testing.T) {
	dir, err := GetDefaultCertificateDirectory()
	if err != nil || !filepath.IsAbs(dir) {
		t.Errorf("%q, %v", dir, err)
	}
}
