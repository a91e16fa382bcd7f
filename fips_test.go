package openssl_test

import (
	"crypto"
	"crypto/tls"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/testcert"
)

// fipsModuleEnv names what openssl fipsinstall wrote; scripts/providers sets it.
const fipsModuleEnv = "OPENSSL_GO_TEST_FIPSMODULE"

// fipsCnf writes an openssl.cnf for the FIPS module: its default, or there to be loaded beside the default
// provider.
func fipsCnf(t *testing.T, isDefault bool) string {
	t.Helper()
	installed := os.Getenv(fipsModuleEnv)
	if installed == "" {
		t.Skip("no FIPS module was installed here: scripts/providers runs this with Debian's")
	}
	module, err := os.ReadFile(installed)
	if err != nil {
		t.Fatal(err)
	}
	cnf := "openssl_conf = init\n[init]\nproviders = provs\nalg_section = algs\n[provs]\nfips = fips_sect\nbase = base_sect\n" +
		"[base_sect]\nactivate = 1\n[algs]\ndefault_properties = fips=yes\n" + string(module)
	if !isDefault {
		cnf = "openssl_conf = init\n[init]\nproviders = provs\n[provs]\nfips = fips_sect\ndefault = default_sect\n[default_sect]\nactivate = 1\n" +
			strings.Replace(string(module), "activate = 1", "activate = 0", 1)
		if !strings.Contains(cnf, "activate = 0") {
			t.Fatalf("openssl fipsinstall wrote\n%s", module)
		}
	}
	return writeFile(t, t.TempDir(), "openssl.cnf", []byte(cnf))
}

// fipsShakes has each end with properties shake hands with its like and with crypto/tls, in both versions, and
// resume.
func fipsShakes(t *testing.T, properties string) {
	t.Helper()
	approved := []uint16{tls.TLS_AES_128_GCM_SHA256, tls.TLS_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384}
	for _, version := range bothVersions {
		for _, cert := range []*testcert.Cert{testcert.Server(), testcert.ServerRSA()} {
			server := serverConfig(t, version)
			server.Certificates, server.Properties = pairs(t, cert), properties
			client := clientConfig(version)
			client.Properties, client.ClientSessionCache = properties, openssl.NewLRUClientSessionCache(0)
			cctx, sctx := newCtx(t, client), newCtx(t, server)
			for _, resumed := range []bool{false, true} {
				c, s := connected(t, cctx, sctx)
				says(t, s, c, "hello")
				says(t, c, s, "hello")
				state := c.ConnectionState()
				if state.DidResume != resumed || !slices.Contains(approved, state.CipherSuite) || state.CurveID == tls.X25519 {
					t.Errorf("%s: resumed %v with %s and %s", tls.VersionName(version), state.DidResume, tls.CipherSuiteName(state.CipherSuite), state.CurveID)
				}
				c.Close()
				s.Close()
			}

			a, b := tcpEnds(t)
			std := tls.Client(a, &tls.Config{InsecureSkipVerify: true})
			ours := serverOver(t, b, sctx)
			mustShake(t, std, ours)
			says(t, ours, std, "hello")
			if suite := std.ConnectionState().CipherSuite; !slices.Contains(approved, suite) {
				t.Errorf("crypto/tls got %s of our server", tls.CipherSuiteName(suite))
			}
			got := against(t, client, &tls.Config{Certificates: []tls.Certificate{cert.TLS}})
			if got.Version != tls.VersionName(version) || got.Group == "X25519" || strings.Contains(got.Suite, "CHACHA") {
				t.Errorf("crypto/tls as the server: %+v", got)
			}
		}
	}
	// What the module does not have is refused or not offered.
	if ctx, err := openssl.NewCtx(&openssl.Config{Properties: properties, Groups: "X25519"}); ctx != nil || !errors.Is(err, openssl.ErrConfig) {
		t.Errorf("X25519: %v, %v", ctx, err)
	}
	ctx := newCtx(t, openssl.Config{Properties: properties})
	for _, s := range ctx.CipherSuites() {
		if strings.Contains(s.Name, "CHACHA20") {
			t.Errorf("%s is there", s.Name)
		}
	}
	got := against(t, openssl.Config{Properties: properties}, &tls.Config{CurvePreferences: []tls.CurveID{tls.X25519}})
	if got.Alert != "handshake_failure" {
		t.Errorf("a server with X25519 alone: %+v", got)
	}
}

// TestFIPSDefault: openssl.cnf makes the module the default of the process.
func TestFIPSDefault(t *testing.T) {
	if !inChild() {
		child(t, "OPENSSL_CONF="+fipsCnf(t, true))
		return
	}
	if !openssl.FIPSEnabled() {
		t.Error("FIPS is not enabled")
	}
	names := openssl.Providers()
	slices.Sort(names)
	if diff := cmp.Diff([]string{"base", "fips"}, names); diff != "" {
		t.Errorf("providers (-want +got):\n%s", diff)
	}
	if err := openssl.LoadProvider("fips"); err != nil {
		t.Error(err)
	}
	fipsShakes(t, "")
	fipsShakes(t, "fips=yes")
	// A crypto.Signer signs outside of the module.
	k := testcert.Server()
	signer, err := openssl.SignerCertificate(k.ChainDER, k.TLS.PrivateKey.(crypto.Signer))
	if err != nil {
		t.Fatal(err)
	}
	signerRefused(t, signer, "")
	signerRefused(t, signer, "fips=yes")
	signerRefused(t, signer, "?provider=base")
	// But where the Ctx takes fips=yes back: here nothing else is left, so the handshake fails later.
	for _, properties := range []string{"-fips", "fips=no", "?provider=base, FIPS != yes"} {
		cfg := &openssl.Config{Certificates: []*openssl.Certificate{signer}, Properties: properties}
		if _, err := openssl.NewCtx(cfg); err != nil && strings.Contains(err.Error(), "crypto.Signer") {
			t.Errorf("%q: %v", properties, err)
		}
	}
}

// TestFIPSChosen: the module beside the default provider, for the Ctx that asks for it alone.
func TestFIPSChosen(t *testing.T) {
	if !inChild() {
		child(t, "OPENSSL_CONF="+fipsCnf(t, false))
		return
	}
	chosen := &openssl.Config{Properties: "fips=yes"}
	if ctx, err := openssl.NewCtx(chosen); ctx != nil || !errors.Is(err, openssl.ErrConfig) {
		t.Errorf("before the module is loaded: %v, %v", ctx, err)
	}
	if err := openssl.LoadProvider("fips"); err != nil {
		t.Fatal(err)
	}
	if names := openssl.Providers(); !slices.Contains(names, "fips") || !slices.Contains(names, "default") || openssl.FIPSEnabled() {
		t.Errorf("providers %q, FIPS enabled %v", names, openssl.FIPSEnabled())
	}
	fipsShakes(t, "fips=yes")
	// A crypto.Signer signs outside of the module, which is not what the Ctx asks for.
	k := testcert.Server()
	signer, err := openssl.SignerCertificate(k.ChainDER, k.TLS.PrivateKey.(crypto.Signer))
	if err != nil {
		t.Fatal(err)
	}
	signerRefused(t, signer, "fips=yes")
	got := against(t, openssl.Config{Groups: "X25519", Ciphersuites: "TLS_CHACHA20_POLY1305_SHA256"}, &tls.Config{})
	if got.Group != "X25519" || got.Suite != "TLS_CHACHA20_POLY1305_SHA256" {
		t.Errorf("a Ctx that asks for nothing: %+v", got)
	}
}

// TestFIPSMissing: a module that is not installed, or was not by openssl fipsinstall, is an error that tells.
func TestFIPSMissing(t *testing.T) {
	if !inChild() {
		dir := t.TempDir()
		if modules := os.Getenv("OPENSSL_MODULES"); modules != "" {
			child(t, "OPENSSL_CONF="+filepath.Join(dir, "none.cnf"))
		}
		child(t, "OPENSSL_CONF="+filepath.Join(dir, "none.cnf"), "OPENSSL_MODULES="+dir)
		return
	}
	err := openssl.LoadProvider("fips")
	if openssl.LibraryVersionNumber() < version3 {
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("on 1.1.1: %v", err)
		}
		return
	}
	if e := asError(t, err); len(e.Queue) == 0 || e.Op != "OSSL_PROVIDER_try_load" {
		t.Errorf("%+v", e)
	}
	if openssl.FIPSEnabled() || slices.Contains(openssl.Providers(), "fips") {
		t.Errorf("providers %q, FIPS enabled %v", openssl.Providers(), openssl.FIPSEnabled())
	}
}
