package openssl_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/testcert"
)

func writeFile(t *testing.T, dir, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// encrypted are a key's two encrypted forms, with the passphrase "secret".
func encrypted(t *testing.T, c *testcert.Cert) (pkcs8, traditional []byte) {
	t.Helper()
	for _, args := range [][]string{
		{"pkcs8", "-topk8", "-v2", "aes-256-cbc", "-passout", "pass:secret"},
		{"pkey", "-traditional", "-aes128", "-passout", "pass:secret"},
	} {
		cmd := exec.CommandContext(deadline(t), "openssl", args...)
		cmd.Stdin = bytes.NewReader(c.KeyPEM)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("openssl %v: %v", args, err)
		}
		pkcs8, traditional = traditional, out
	}
	return pkcs8, traditional
}

func TestCertificateForms(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]*testcert.Cert{
		"ECDSA": testcert.Root().Server(testcert.Options{Intermediate: true}),
		"RSA":   testcert.ServerRSA(),
	} {
		certFile, keyFile := writeFile(t, dir, name+".crt", c.ChainPEM), writeFile(t, dir, name+".key", c.KeyPEM)
		both := append(append([]byte{}, c.KeyPEM...), c.ChainPEM...)
		pkcs8, traditional := encrypted(t, c)
		for form, load := range map[string]func() (*openssl.Certificate, error){
			"files":              func() (*openssl.Certificate, error) { return openssl.LoadX509KeyPair(certFile, keyFile) },
			"PEM":                func() (*openssl.Certificate, error) { return openssl.X509KeyPair(c.ChainPEM, c.KeyPEM) },
			"one PEM, key first": func() (*openssl.Certificate, error) { return openssl.X509KeyPair(both, both) },
			"DER":                func() (*openssl.Certificate, error) { return openssl.X509KeyPairDER(c.ChainDER, c.KeyDER) },
			"crypto/tls":         func() (*openssl.Certificate, error) { return openssl.CertificateFromTLS(c.TLS) },
			"encrypted PKCS #8": func() (*openssl.Certificate, error) {
				return openssl.X509KeyPairPassphrase(c.ChainPEM, pkcs8, "secret")
			},
			"encrypted traditional": func() (*openssl.Certificate, error) {
				return openssl.X509KeyPairPassphrase(c.ChainPEM, traditional, "secret")
			},
		} {
			t.Run(name+"/"+form, func(t *testing.T) {
				cert, err := load()
				if err != nil {
					t.Fatal(err)
				}
				if !equalChains(cert.Chain(), c.ChainDER) {
					t.Error("another chain")
				}
				a, b := tcpEnds(t)
				s := serverOver(t, b, newCtx(t, openssl.Config{Certificates: []*openssl.Certificate{cert}}))
				client := tls.Client(a, &tls.Config{RootCAs: testcert.Root().Pool(), ServerName: "localhost"})
				mustShake(t, client, s)
			})
		}
	}
}

type unreadableKey struct{ crypto.Signer }

func TestBadCertificates(t *testing.T) {
	c, other := testcert.Server(), testcert.Client()
	pkcs8, traditional := encrypted(t, c)
	missing := filepath.Join(t.TempDir(), "missing")
	file := writeFile(t, t.TempDir(), "cert", c.ChainPEM)
	garbage := []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
	pem, der := openssl.X509KeyPair, openssl.X509KeyPairDER
	for name, test := range map[string]struct {
		load func() (*openssl.Certificate, error)
		want error
	}{
		"no certificate file":  {func() (*openssl.Certificate, error) { return openssl.LoadX509KeyPair(missing, missing) }, fs.ErrNotExist},
		"no key file":          {func() (*openssl.Certificate, error) { return openssl.LoadX509KeyPair(file, missing) }, fs.ErrNotExist},
		"no key in the file":   {func() (*openssl.Certificate, error) { return openssl.LoadX509KeyPair(file, file) }, nil},
		"nothing":              {func() (*openssl.Certificate, error) { return pem(nil, nil) }, nil},
		"no certificate":       {func() (*openssl.Certificate, error) { return pem(nil, c.KeyPEM) }, nil},
		"no key":               {func() (*openssl.Certificate, error) { return pem(c.ChainPEM, nil) }, nil},
		"no PEM":               {func() (*openssl.Certificate, error) { return pem([]byte("hello"), []byte("world")) }, nil},
		"a key as certificate": {func() (*openssl.Certificate, error) { return pem(c.KeyPEM, c.KeyPEM) }, nil},
		"broken certificate":   {func() (*openssl.Certificate, error) { return pem(garbage, c.KeyPEM) }, nil},
		"broken chain": {func() (*openssl.Certificate, error) {
			return pem(append(c.ChainPEM[:len(c.ChainPEM):len(c.ChainPEM)], garbage...), c.KeyPEM)
		}, nil},
		"cut certificate":       {func() (*openssl.Certificate, error) { return pem(c.ChainPEM[:len(c.ChainPEM)/2], c.KeyPEM) }, nil},
		"cut key":               {func() (*openssl.Certificate, error) { return pem(c.ChainPEM, c.KeyPEM[:len(c.KeyPEM)/2]) }, nil},
		"another's key":         {func() (*openssl.Certificate, error) { return pem(c.ChainPEM, other.KeyPEM) }, nil},
		"encrypted PKCS #8":     {func() (*openssl.Certificate, error) { return pem(c.ChainPEM, pkcs8) }, nil},
		"encrypted traditional": {func() (*openssl.Certificate, error) { return pem(c.ChainPEM, traditional) }, nil},
		"wrong passphrase":      {func() (*openssl.Certificate, error) { return openssl.X509KeyPairPassphrase(c.ChainPEM, pkcs8, "guess") }, nil},
		"long passphrase": {func() (*openssl.Certificate, error) {
			return openssl.X509KeyPairPassphrase(c.ChainPEM, pkcs8, strings.Repeat("x", 5000))
		}, nil},
		"DER: nothing":           {func() (*openssl.Certificate, error) { return der(nil, nil) }, nil},
		"DER: empty certificate": {func() (*openssl.Certificate, error) { return der([][]byte{{}}, c.KeyDER) }, nil},
		"DER: nil in the chain":  {func() (*openssl.Certificate, error) { return der([][]byte{c.ChainDER[0], nil}, c.KeyDER) }, nil},
		"DER: cut certificate":   {func() (*openssl.Certificate, error) { return der([][]byte{c.ChainDER[0][:100]}, c.KeyDER) }, nil},
		"DER: long certificate": {func() (*openssl.Certificate, error) {
			return der([][]byte{append(bytes.Clone(c.ChainDER[0]), 0)}, c.KeyDER)
		}, nil},
		"DER: cut key":       {func() (*openssl.Certificate, error) { return der(c.ChainDER, c.KeyDER[:20]) }, nil},
		"DER: long key":      {func() (*openssl.Certificate, error) { return der(c.ChainDER, append(bytes.Clone(c.KeyDER), 0)) }, nil},
		"DER: another's key": {func() (*openssl.Certificate, error) { return der(c.ChainDER, other.KeyDER) }, nil},
		"crypto/tls: empty":  {func() (*openssl.Certificate, error) { return openssl.CertificateFromTLS(tls.Certificate{}) }, nil},
		"crypto/tls: key not here": {func() (*openssl.Certificate, error) {
			return openssl.CertificateFromTLS(tls.Certificate{Certificate: c.ChainDER, PrivateKey: unreadableKey{}})
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			want := test.want
			if want == nil {
				want = openssl.ErrBadCertificate
			}
			cert, err := test.load()
			if cert != nil || !errors.Is(err, want) {
				t.Fatalf("a certificate: %v, error %v; want %v", cert != nil, err, want)
			}
			asError(t, err)
		})
	}
}

// TestErrorsNameFiles: an error about what a file holds says which file, where another source of roots has
// what it should.
func TestErrorsNameFiles(t *testing.T) {
	folder := t.TempDir()
	file := writeFile(t, folder, "garbage", []byte("no certificate"))
	broken := writeFile(t, folder, "broken", []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	good := testcert.Root().PEM
	for name, load := range map[string]func() error{
		"LoadX509KeyPair": func() error { _, err := openssl.LoadX509KeyPair(file, file); return err },
		"RootCAFile":      func() error { _, err := openssl.NewCtx(&openssl.Config{RootCAFile: file}); return err },
		"RootCADir":       func() error { _, err := openssl.NewCtx(&openssl.Config{RootCADir: folder}); return err },
		"ClientCAFile":    func() error { _, err := openssl.NewCtx(&openssl.Config{ClientCAFile: file}); return err },
		"RootCAFile beside PEM": func() error {
			_, err := openssl.NewCtx(&openssl.Config{RootCAFile: file, RootCAPEM: good})
			return err
		},
		"broken RootCAFile beside PEM": func() error {
			_, err := openssl.NewCtx(&openssl.Config{RootCAFile: broken, RootCAPEM: good})
			return err
		},
		"ClientCAFile beside PEM": func() error {
			_, err := openssl.NewCtx(&openssl.Config{ClientCAFile: file, ClientCAPEM: good})
			return err
		},
	} {
		if err := load(); err == nil || !strings.Contains(err.Error(), folder) {
			t.Errorf("%s: %v, which does not name %s", name, err, folder)
		}
	}
	root := writeFile(t, t.TempDir(), "root.pem", good)
	if _, err := openssl.NewCtx(&openssl.Config{RootCAFile: root, RootCAPEM: []byte("no certificate")}); !errors.Is(err, openssl.ErrConfig) {
		t.Errorf("RootCAPEM without a certificate beside RootCAFile: %v", err)
	}
	if _, err := openssl.NewCtx(&openssl.Config{RootCAFile: root, RootCADir: folder}); err != nil {
		t.Errorf("a folder without a certificate beside RootCAFile: %v", err)
	}
}

// Nobody is asked for a passphrase, though there is a terminal to ask on.
func TestEncryptedKeyAsksNobody(t *testing.T) {
	if inChild() {
		pkcs8, traditional := encrypted(t, testcert.Server())
		for _, key := range [][]byte{pkcs8, traditional} {
			if _, err := openssl.X509KeyPair(testcert.Server().ChainPEM, key); !errors.Is(err, openssl.ErrBadCertificate) {
				t.Errorf("error %v", err)
			}
		}
		return
	}
	script, err := exec.LookPath("script")
	if err != nil {
		t.Skip("needs the command script to make a terminal")
	}
	cmd := exec.CommandContext(deadline(t), script, "-qec",
		"'"+os.Args[0]+"' -test.run='^TestEncryptedKeyAsksNobody$' -test.v", os.DevNull)
	cmd.Env = append(os.Environ(), childEnv+"=1", "GORACE=atexit_sleep_ms=0")
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS")) || bytes.Contains(bytes.ToLower(out), []byte("pass phrase")) {
		t.Errorf("the child process: %v\n%s", err, out)
	}
}

// With certificates of two kinds the client's abilities choose.
func TestTwoCertificates(t *testing.T) {
	server := newCtx(t, openssl.Config{Certificates: pairs(t, testcert.Server(), testcert.ServerRSA())})
	for suite, wantRSA := range map[uint16]bool{
		tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: true, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: false} {
		a, b := tcpEnds(t)
		c := tls.Client(a, &tls.Config{RootCAs: testcert.Root().Pool(), ServerName: "localhost",
			MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite}})
		mustShake(t, c, serverOver(t, b, server))
		if got := c.ConnectionState().PeerCertificates[0].PublicKeyAlgorithm == x509.RSA; got != wantRSA {
			t.Errorf("%s: an RSA certificate: %v", tls.CipherSuiteName(suite), got)
		}
	}
}

// verifies has a client with a configuration judge a good server.
func verifies(t *testing.T, cfg openssl.Config) error {
	t.Helper()
	cfg.ServerName = "localhost"
	a, b := tcpEnds(t)
	c := clientOver(t, a, newCtx(t, cfg))
	err, _ := handshakes(t, c, tls.Server(b, &tls.Config{Certificates: []tls.Certificate{testcert.Server().TLS}}))
	return err
}

func TestRoots(t *testing.T) {
	root, other := testcert.Root(), testcert.OtherCA()
	dir, otherDir := t.TempDir(), t.TempDir()
	file := writeFile(t, dir, "any-name.pem", root.PEM)
	writeFile(t, dir, "README", []byte("not a certificate"))
	writeFile(t, dir, "broken.pem", []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	otherFile := writeFile(t, otherDir, "other.pem", other.PEM)
	for name, test := range map[string]struct {
		cfg  openssl.Config
		good bool
	}{
		"PEM":              {openssl.Config{RootCAPEM: root.PEM}, true},
		"PEM of two":       {openssl.Config{RootCAPEM: append(bytes.Clone(other.PEM), root.PEM...)}, true},
		"PEM twice":        {openssl.Config{RootCAPEM: append(bytes.Clone(root.PEM), root.PEM...)}, true},
		"file":             {openssl.Config{RootCAFile: file}, true},
		"folder":           {openssl.Config{RootCADir: dir}, true},
		"file and folder":  {openssl.Config{RootCAFile: otherFile, RootCADir: dir}, true},
		"another's PEM":    {openssl.Config{RootCAPEM: other.PEM}, false},
		"another's file":   {openssl.Config{RootCAFile: otherFile}, false},
		"another's folder": {openssl.Config{RootCADir: otherDir}, false},
		"the system's":     {openssl.Config{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			err := verifies(t, test.cfg)
			if (err == nil) != test.good || err != nil && alertOf(err) != "unknown_CA" {
				t.Errorf("error %v, want good %v", err, test.good)
			}
		})
	}
	empty := t.TempDir()
	for name, test := range map[string]struct {
		cfg  openssl.Config
		want error
	}{
		"no file":      {openssl.Config{RootCAFile: filepath.Join(empty, "none")}, fs.ErrNotExist},
		"no folder":    {openssl.Config{RootCADir: filepath.Join(empty, "none")}, fs.ErrNotExist},
		"empty folder": {openssl.Config{RootCADir: empty}, openssl.ErrConfig},
		"empty file":   {openssl.Config{RootCAFile: os.DevNull}, openssl.ErrConfig},
		"no PEM":       {openssl.Config{RootCAPEM: []byte("hello")}, openssl.ErrConfig},
		"broken PEM": {openssl.Config{RootCAPEM: append(bytes.Clone(root.PEM), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"...)},
			openssl.ErrBadCertificate},
		"no client CA file": {openssl.Config{ClientCAFile: filepath.Join(empty, "none")}, fs.ErrNotExist},
		"no client CA":      {openssl.Config{ClientCAPEM: []byte("hello")}, openssl.ErrConfig},
	} {
		if _, err := openssl.NewCtx(&test.cfg); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		} else {
			asError(t, err)
		}
	}
}

// The system's roots are those that OpenSSL would take, by its environment variables too. They are
// read once a process.
func TestSystemRoots(t *testing.T) {
	const which = "OPENSSL_GO_TEST_ROOTS"
	cases := map[string]struct {
		env  func(file, hashed, plain string) (certFile, certDir string)
		want string
	}{
		"SSL_CERT_FILE": {func(f, h, p string) (string, string) { return f, "" }, "<nil>"},
		"SSL_CERT_DIR":  {func(f, h, p string) (string, string) { return "", p + ":" + h }, "<nil>"},
		"both":          {func(f, h, p string) (string, string) { return os.DevNull, h }, "<nil>"},
		"a folder without OpenSSL's names": {func(f, h, p string) (string, string) { return os.DevNull, p },
			"unable to get local issuer certificate"},
		"nothing there": {func(f, h, p string) (string, string) { return os.DevNull, os.DevNull },
			"unable to get local issuer certificate"},
	}
	if !inChild() {
		for name, test := range cases {
			if out := child(t, which+"="+name); !strings.Contains(out, test.want) {
				t.Errorf("%s: %q, want %q", name, out, test.want)
			}
		}
		return
	}
	plain, hashed := t.TempDir(), t.TempDir()
	file := writeFile(t, plain, "root.pem", testcert.Root().PEM)
	hash, err := exec.CommandContext(deadline(t), "openssl", "x509", "-noout", "-hash", "-in", file).Output()
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, hashed, strings.TrimSpace(string(hash))+".0", testcert.Root().PEM)
	certFile, certDir := cases[os.Getenv(which)].env(file, hashed, plain)
	for name, value := range map[string]string{"SSL_CERT_FILE": certFile, "SSL_CERT_DIR": certDir} {
		if value != "" {
			t.Setenv(name, value)
		}
	}
	fmt.Println("verifies:", verifies(t, openssl.Config{}))
}

// What a client sends as its server name (RFC 6066, section 3) and verifies.
func TestServerName(t *testing.T) {
	ctx := newCtx(t, openssl.Config{InsecureSkipVerify: true, ServerName: "config.example"})
	for _, test := range []struct {
		opts []openssl.ConnOption
		want string
	}{
		{nil, "config.example"},
		{[]openssl.ConnOption{openssl.WithServerName("option.example")}, "option.example"},
		{[]openssl.ConnOption{openssl.WithServerName("dot.example.")}, "dot.example"},
		{[]openssl.ConnOption{openssl.WithServerName("")}, ""},
		{[]openssl.ConnOption{openssl.WithServerName("192.0.2.1")}, ""},
		{[]openssl.ConnOption{openssl.WithServerName("2001:db8::1")}, ""},
		{[]openssl.ConnOption{openssl.WithServerName("[2001:db8::1]")}, ""},
		{[]openssl.ConnOption{openssl.WithServerName("fe80::1%eth0")}, ""},
	} {
		a, b := tcpEnds(t)
		c := clientOver(t, a, ctx, test.opts...)
		s := tls.Server(b, &tls.Config{Certificates: []tls.Certificate{testcert.Server().TLS}})
		mustShake(t, c, s)
		if got := s.ConnectionState().ServerName; got != test.want {
			t.Errorf("sent the server name %q, want %q", got, test.want)
		}
	}
}

// TestServerAddress: an address is compared as an address, however it is written.
func TestServerAddress(t *testing.T) {
	for _, name := range []string{"127.0.0.1", "::ffff:127.0.0.1", "[::ffff:7f00:1]", "::1", "0:0:0:0:0:0:0:1", "::1%lo", "192.0.2.1", "::ffff:192.0.2.1"} {
		cfg := clientConfig(0)
		cfg.ServerName = name
		c, s := ends(t, newCtx(t, cfg), newCtx(t, serverConfig(t, 0)))
		err, _ := handshakes(t, c, s)
		if known := !strings.Contains(name, "192"); (err == nil) != known {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNextProtos(t *testing.T) {
	for _, version := range bothVersions {
		for _, test := range []struct {
			client, server []string
			want, alert    string
		}{
			{nil, nil, "", ""},
			{[]string{"a"}, nil, "", ""},
			{nil, []string{"a"}, "", ""},
			{[]string{"a", "b"}, []string{"b", "a"}, "b", ""},
			{[]string{"a", "b"}, []string{"b"}, "b", ""},
			{[]string{"a"}, []string{"b"}, "", "no_application_protocol"},
			// As in crypto/tls: HTTP/1.1 is what a client that names no protocol speaks.
			{[]string{"http/1.1"}, []string{"h2"}, "", ""},
			{[]string{"http/1.1", "x"}, []string{"h2"}, "", "no_application_protocol"},
		} {
			t.Run(fmt.Sprintf("%s/%v/%v", tls.VersionName(version), test.client, test.server), func(t *testing.T) {
				ccfg, scfg := clientConfig(version), serverConfig(t, version)
				ccfg.NextProtos, scfg.NextProtos = test.client, test.server
				c, s := ends(t, newCtx(t, ccfg), newCtx(t, scfg))
				cerr, serr := handshakes(t, c, s)
				if alertOf(cerr) != test.alert || alertOf(serr) != test.alert {
					t.Fatalf("client %v, server %v; want the alert %q", cerr, serr, test.alert)
				}
				got := []string{c.ConnectionState().NegotiatedProtocol, s.ConnectionState().NegotiatedProtocol}
				if diff := cmp.Diff([]string{test.want, test.want}, got); diff != "" {
					t.Errorf("protocols (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// TestBadConfig: every field that cannot be used is named by a typed error.
func TestBadConfig(t *testing.T) {
	var long []string
	for range 300 {
		long = append(long, strings.Repeat("x", 255))
	}
	for name, test := range map[string]struct {
		cfg  openssl.Config
		want error
	}{
		"nil certificate":       {openssl.Config{Certificates: []*openssl.Certificate{nil}}, openssl.ErrConfig},
		"zero certificate":      {openssl.Config{Certificates: []*openssl.Certificate{{}}}, openssl.ErrBadCertificate},
		"ClientAuth":            {openssl.Config{ClientAuth: 99}, openssl.ErrConfig},
		"negative ClientAuth":   {openssl.Config{ClientAuth: -1}, openssl.ErrConfig},
		"verify without CA":     {openssl.Config{ClientAuth: tls.RequireAndVerifyClientCert}, openssl.ErrConfig},
		"if given without CA":   {openssl.Config{ClientAuth: tls.VerifyClientCertIfGiven}, openssl.ErrConfig},
		"empty protocol":        {openssl.Config{NextProtos: []string{"a", ""}}, openssl.ErrConfig},
		"long protocol":         {openssl.Config{NextProtos: []string{strings.Repeat("x", 256)}}, openssl.ErrConfig},
		"many protocols":        {openssl.Config{NextProtos: long}, openssl.ErrConfig},
		"SSL 3.0":               {openssl.Config{MinVersion: 0x300}, openssl.ErrConfig},
		"unknown version":       {openssl.Config{MaxVersion: 0x305}, openssl.ErrConfig},
		"no version left":       {openssl.Config{MinVersion: tls.VersionTLS13, MaxVersion: tls.VersionTLS12}, openssl.ErrConfig},
		"no version by default": {openssl.Config{MaxVersion: tls.VersionTLS11}, openssl.ErrConfig},
		"cipher list":           {openssl.Config{CipherList: "nonsense"}, openssl.ErrConfig},
		"ciphersuites":          {openssl.Config{Ciphersuites: "nonsense"}, openssl.ErrConfig},
		"groups":                {openssl.Config{Groups: "nonsense"}, openssl.ErrConfig},
		"session id context":    {openssl.Config{SessionIDContext: make([]byte, 33)}, openssl.ErrConfig},
		"session timeout":       {openssl.Config{SessionTimeout: -time.Second}, openssl.ErrConfig},
		"session policy":        {openssl.Config{UncleanSessions: 2}, openssl.ErrConfig},
		"session store timeout": {openssl.Config{SessionStoreTimeout: -time.Second}, openssl.ErrConfig},
		"shutdown discard":      {openssl.Config{ShutdownDiscard: -1}, openssl.ErrConfig},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, err := openssl.NewCtx(&test.cfg)
			if ctx != nil || !errors.Is(err, test.want) {
				t.Fatalf("a Ctx: %v, error %v; want %v", ctx != nil, err, test.want)
			}
			asError(t, err)
			good := newCtx(t, openssl.Config{})
			if err := good.SetConfig(&test.cfg); !errors.Is(err, test.want) {
				t.Errorf("SetConfig = %v, want %v", err, test.want)
			}
		})
	}
}

func TestSetConfig(t *testing.T) {
	ctx := newCtx(t, openssl.Config{})
	ok, bad := clientConfig(0), openssl.Config{ClientAuth: 99}
	if err := ctx.SetConfig(&ok); err != nil {
		t.Fatal(err)
	}
	if err := ctx.SetConfig(&bad); !errors.Is(err, openssl.ErrConfig) {
		t.Fatal(err)
	}
	// The last good one counts, and the first connection freezes it.
	if err := clientOfServer(t, ctx).HandshakeContext(deadline(t)); err != nil {
		t.Fatal(err)
	}
	for _, cfg := range []*openssl.Config{&ok, {}, nil} {
		if err := ctx.SetConfig(cfg); !errors.Is(err, openssl.ErrFrozen) {
			t.Errorf("SetConfig after a connection: %v, want ErrFrozen", err)
		}
	}
	if err := clientOfServer(t, ctx).HandshakeContext(deadline(t)); err != nil {
		t.Fatal(err)
	}
	for name, freeze := range map[string]func(*openssl.Ctx) error{
		"Client": func(c *openssl.Ctx) error {
			a, _ := net.Pipe()
			conn, err := openssl.Client(a, c)
			conn.Close()
			return err
		},
		"Server": func(c *openssl.Ctx) error {
			a, _ := net.Pipe()
			conn, err := openssl.Server(a, c)
			conn.Close()
			return err
		},
		"NewClientSSL": func(c *openssl.Ctx) error { s, err := c.NewClientSSL(""); s.Free(); return err },
		"NewServerSSL": func(c *openssl.Ctx) error { s, err := c.NewServerSSL(); s.Free(); return err },
	} {
		ctx := newCtx(t, openssl.Config{InsecureSkipVerify: true})
		if err := freeze(ctx); err != nil {
			t.Fatal(err)
		}
		if err := ctx.SetConfig(nil); !errors.Is(err, openssl.ErrFrozen) {
			t.Errorf("SetConfig after %s: %v, want ErrFrozen", name, err)
		}
	}
}

// clientOfServer is a client whose server is crypto/tls's.
func clientOfServer(t *testing.T, ctx *openssl.Ctx) *openssl.Conn {
	t.Helper()
	a, b := tcpEnds(t)
	go tls.Server(b, &tls.Config{Certificates: []tls.Certificate{testcert.Server().TLS}}).HandshakeContext(deadline(t))
	return clientOver(t, a, ctx)
}

// A Ctx may be configured and used at once: each connection sees one whole Config.
func TestSetConfigConcurrently(t *testing.T) {
	ctx := newCtx(t, openssl.Config{InsecureSkipVerify: true, ServerName: "0.example"})
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for {
				err := ctx.SetConfig(&openssl.Config{InsecureSkipVerify: true, ServerName: fmt.Sprintf("%d.example", i), Linger: -1})
				if errors.Is(err, openssl.ErrFrozen) {
					return
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			a, _ := net.Pipe()
			c, err := openssl.Client(a, ctx)
			if err != nil {
				t.Error(err)
				return
			}
			c.Close()
		})
		wg.Go(func() {
			d := openssl.Dialer{Ctx: ctx}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if _, err := d.DialContext(ctx, "tcp", "127.0.0.1:1"); !errors.Is(err, context.Canceled) {
				t.Errorf("a cancelled dial: %v", err)
			}
		})
	}
	wg.Wait()
}

func TestNilArguments(t *testing.T) {
	a, _ := net.Pipe()
	good, err := openssl.NewCtx(nil)
	if err != nil {
		t.Fatal(err)
	}
	var none *openssl.Ctx
	var noContext context.Context
	for name, test := range map[string]struct {
		call func() error
		want error
	}{
		"Client without transport": {func() error { _, err := openssl.Client(nil, good); return err }, openssl.ErrNil},
		"Client without Ctx":       {func() error { _, err := openssl.Client(a, nil); return err }, openssl.ErrNil},
		"Client with a zero Ctx":   {func() error { _, err := openssl.Client(a, &openssl.Ctx{}); return err }, openssl.ErrConfig},
		"Server without transport": {func() error { _, err := openssl.Server(nil, good); return err }, openssl.ErrNil},
		"Server without Ctx":       {func() error { _, err := openssl.Server(a, nil); return err }, openssl.ErrNil},
		"Server with a zero Ctx":   {func() error { _, err := openssl.Server(a, &openssl.Ctx{}); return err }, openssl.ErrConfig},
		"Dial without Ctx":         {func() error { _, err := openssl.Dial("tcp", "127.0.0.1:1", nil); return err }, openssl.ErrNil},
		"Dial without port":        {func() error { _, err := openssl.Dial("tcp", "127.0.0.1", good); return err }, nil},
		"Dial on no network":       {func() error { _, err := openssl.Dial("pigeon", "127.0.0.1:1", good); return err }, nil},
		"Dial without context":     {func() error { _, err := openssl.DialContext(noContext, "tcp", "127.0.0.1:1", good); return err }, openssl.ErrNil},
		"Drain without context":    {func() error { return good.Drain(noContext) }, openssl.ErrNil},
		"Listen without Ctx":       {func() error { _, err := openssl.Listen("tcp", "127.0.0.1:0", nil); return err }, openssl.ErrNil},
		"Listen on no network":     {func() error { _, err := openssl.Listen("pigeon", "", good); return err }, nil},
		"NewClientSSL of nil":      {func() error { _, err := none.NewClientSSL("x"); return err }, openssl.ErrNil},
		"NewServerSSL of nil":      {func() error { _, err := none.NewServerSSL(); return err }, openssl.ErrNil},
	} {
		err := test.call()
		if err == nil || test.want != nil && !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
			continue
		}
		asError(t, err)
	}
}

// A Dialer's timeout bounds the handshake with a server that never answers.
func TestDialerTimeout(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // whose backlog connects
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for name, nd := range map[string]*net.Dialer{
		"Timeout":  {Timeout: 200 * time.Millisecond},
		"Deadline": {Deadline: time.Now().Add(200 * time.Millisecond)},
	} {
		ctx, cancel := context.WithTimeout(context.Background(), testTime)
		d := openssl.Dialer{NetDialer: nd, Ctx: newCtx(t, clientConfig(0))}
		c, err := d.DialContext(ctx, "tcp", l.Addr().String())
		if err == nil {
			c.Close()
		}
		var ne net.Error
		if ctx.Err() != nil || !errors.As(err, &ne) || !ne.Timeout() {
			t.Errorf("%s: %v, want a timeout of the Dialer's", name, err)
		}
		cancel()
	}
}
