package openssl_test

import (
	"crypto/tls"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/testcert"
)

const version3 = 0x30000000

// keyFiles writes a certificate, its key and both in one file, and returns their URIs.
func keyFiles(t *testing.T, c *testcert.Cert) (cert, key, both string) {
	t.Helper()
	dir := t.TempDir()
	put := func(name string, p []byte) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, p, 0o600); err != nil {
			t.Fatal(err)
		}
		return "file:" + file
	}
	return put("cert.pem", c.ChainPEM), put("key.pem", c.KeyPEM), put("both.pem", slices.Concat(c.ChainPEM, c.KeyPEM))
}

// TestCertificateURI: files on every version, apart or in one, and a chain's order.
func TestCertificateURI(t *testing.T) {
	made := testcert.Root().Server(testcert.Options{Intermediate: true})
	cert, key, both := keyFiles(t, made)
	for name, cfg := range map[string]openssl.Config{
		"apart":         {CertificateURI: cert, KeyURI: key},
		"in one":        {CertificateURI: both},
		"in one, again": {KeyURI: both},
	} {
		t.Run(name, func(t *testing.T) {
			c, s := connected(t, newCtx(t, clientConfig(tls.VersionTLS13)), newCtx(t, cfg))
			says(t, c, s, "hello")
			if n := len(c.ConnectionState().PeerCertificates); n != 2 {
				t.Errorf("%d certificates, want leaf and intermediate", n)
			}
		})
	}
	_, otherKey, _ := keyFiles(t, testcert.Client())
	for name, test := range map[string]struct {
		cert, key string
		want      error
	}{
		"no file":         {cert, key + ".none", openssl.ErrBadCertificate},
		"no key":          {cert, "", openssl.ErrBadCertificate},
		"no certificate":  {key, "", openssl.ErrBadCertificate},
		"another key":     {cert, otherKey, openssl.ErrBadCertificate},
		"empty":           {"", "", openssl.ErrBadCertificate},
		"NUL":             {cert, key + "\x00", openssl.ErrBadCertificate},
		"a scheme's name": {"gopher:x", "", errors.ErrUnsupported},
	} {
		if c, err := openssl.LoadCertificateURI(test.cert, test.key); c != nil || !errors.Is(err, test.want) {
			t.Errorf("%s: %v, %v", name, c, err)
		}
	}
	if c, err := openssl.NewCtx(&openssl.Config{KeyURI: "gopher:x"}); c != nil || !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Config: %v, %v", c, err)
	}
}

// TestProviders: a provider is loaded beside the default one, which goes on to serve.
func TestProviders(t *testing.T) {
	if openssl.LibraryVersionNumber() < version3 {
		if err := openssl.LoadProvider("base"); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("LoadProvider on 1.1.1: %v", err)
		}
		if _, err := openssl.NewCtx(&openssl.Config{Properties: "fips=yes"}); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("Properties on 1.1.1: %v", err)
		}
		if names := openssl.Providers(); len(names) != 0 {
			t.Errorf("providers on 1.1.1: %v", names)
		}
		return
	}
	for range 2 {
		if err := openssl.LoadProvider("base"); err != nil {
			t.Fatal(err)
		}
	}
	names := openssl.Providers()
	if !slices.Contains(names, "base") || !slices.Contains(names, "default") {
		t.Errorf("providers %v", names)
	}
	for _, name := range []string{"", "../base", "ba\x00se"} {
		if err := openssl.LoadProvider(name); !errors.Is(err, openssl.ErrConfig) {
			t.Errorf("LoadProvider(%q) = %v", name, err)
		}
	}
	if err := openssl.LoadProvider("gopher"); err == nil || len(asError(t, err).Queue) == 0 {
		t.Errorf("LoadProvider(gopher) = %v", err)
	}
	c, s := connected(t, newCtx(t, clientConfig(tls.VersionTLS13)), newCtx(t, serverConfig(t, tls.VersionTLS13)))
	says(t, c, s, "hello")
}

// TestProperties: what a provider serves is used, what none serves is refused when the Ctx is made, not
// ignored.
func TestProperties(t *testing.T) {
	if openssl.LibraryVersionNumber() < version3 {
		t.Skip("OpenSSL 1.1.1 has no properties; TestProviders holds that it says so")
	}
	server := serverConfig(t, tls.VersionTLS13)
	server.Properties = "provider=default"
	ctx := newCtx(t, server)
	c, s := connected(t, newCtx(t, clientConfig(tls.VersionTLS13)), ctx)
	says(t, c, s, "hello")
	if p := ctx.Policy(); p.Properties != "provider=default" || p.MinVersion != tls.VersionTLS13 || p.MaxVersion != tls.VersionTLS13 {
		t.Errorf("policy %+v", p)
	}
	// Twice: libcrypto remembers a query, and not that it did not parse.
	for _, properties := range []string{"provider=gopher", "=", "x\x00", "provider=gopher", "="} {
		if c, err := openssl.NewCtx(&openssl.Config{Properties: properties}); c != nil || !errors.Is(err, openssl.ErrConfig) {
			t.Errorf("%q: %v, %v", properties, c, err)
		}
	}
	if slices.Contains(openssl.Providers(), "fips") {
		t.Skip("the fips provider is active here")
	}
	if openssl.FIPSEnabled() {
		t.Error("FIPS is enabled without its provider")
	}
	if c, err := openssl.NewCtx(&openssl.Config{Properties: "fips=yes"}); c != nil || !errors.Is(err, openssl.ErrConfig) {
		t.Errorf("fips=yes without its provider: %v, %v", c, err)
	}
}

// TestPKCS11: a server whose key lies in a SoftHSM token, signed for by pkcs11-provider, against crypto/tls.
func TestPKCS11(t *testing.T) {
	if inChild() {
		if err := openssl.LoadProvider("pkcs11"); err != nil {
			t.Fatal(err)
		}
		for _, version := range bothVersions {
			cfg := openssl.Config{CertificateURI: os.Getenv("TEST_CERT"), MinVersion: version, MaxVersion: version,
				KeyURI: "pkcs11:token=test;object=server;type=private?pin-value=1234"}
			a, b := tcpEnds(t)
			client, server := tls.Client(a, &tls.Config{RootCAs: nil, InsecureSkipVerify: true}), serverOver(t, b, newCtx(t, cfg))
			mustShake(t, client, server)
			says(t, server, client, "hello")
			server.Close()
		}
		return
	}
	if openssl.LibraryVersionNumber() < version3 {
		if _, err := openssl.LoadCertificateURI("pkcs11:token=test", ""); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("on 1.1.1: %v", err)
		}
		return
	}
	module, util := softHSM(), "softhsm2-util"
	if _, err := exec.LookPath(util); err != nil || module == "" {
		t.Skip("no SoftHSM here; scripts/providers installs it and runs this")
	}
	if err := openssl.LoadProvider("pkcs11"); err != nil {
		t.Skip("no pkcs11-provider for this library; scripts/providers runs this with Debian's: ", err)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "tokens"), 0o700); err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(dir, "softhsm2.conf")
	if err := os.WriteFile(conf, []byte("directories.tokendir = "+dir+"/tokens\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cert, key, _ := keyFiles(t, testcert.ServerRSA())
	for _, args := range [][]string{
		{"--init-token", "--free", "--label", "test", "--pin", "1234", "--so-pin", "1234"},
		{"--import", key[len("file:"):], "--token", "test", "--label", "server", "--id", "01", "--pin", "1234"},
	} {
		cmd := exec.Command(util, args...)
		cmd.Env = append(os.Environ(), "SOFTHSM2_CONF="+conf)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	if err := os.Remove(key[len("file:"):]); err != nil {
		t.Fatal(err)
	}
	child(t, "SOFTHSM2_CONF="+conf, "PKCS11_PROVIDER_MODULE="+module, "TEST_CERT="+cert)
}

// softHSM is SoftHSM's module, "" for none.
func softHSM() string {
	found := os.Getenv("SOFTHSM2_MODULE")
	for _, pattern := range []string{"/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/*/softhsm/libsofthsm2.so"} {
		if names, _ := filepath.Glob(pattern); found == "" && len(names) > 0 {
			found = names[0]
		}
	}
	return found
}
