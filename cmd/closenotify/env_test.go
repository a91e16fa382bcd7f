package main

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/cmd/closenotify/internal/env"
)

// takeEnv is closenotify env --json in a process of its own, with cnf, whole, as openssl.cnf.
func takeEnv(t *testing.T, cnf string) (report env.Report, text string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "openssl.cnf")
	if err := os.WriteFile(file, []byte(cnf), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"env", "--json"}, {"env"}} {
		cmd := process(t.Context(), args...)
		cmd.Env = append(cmd.Env, "OPENSSL_CONF="+file)
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		if err := cmd.Run(); err != nil || stderr.Len() > 0 {
			t.Fatalf("%v: %v\n%s", args, err, stderr.String())
		}
		if text = stdout.String(); len(args) == 1 {
			break
		}
		if err := json.Unmarshal(stdout.Bytes(), &report); err != nil || strings.Count(text, "\n") != 1 {
			t.Fatalf("%v: %q", err, text)
		}
	}
	if report.Conf.File != file || !report.Conf.Found {
		t.Errorf("openssl.cnf %+v, want %s", report.Conf, file)
	}
	return report, text
}

func policyCnf(lines string) string {
	return "openssl_conf = init\n[init]\nssl_conf = ssl\n[ssl]\nsystem_default = policy\n[policy]\n" + lines
}

// TestEnvIsOffered: what env says a default client offers is what a server of crypto/tls sees of one.
func TestEnvIsOffered(t *testing.T) {
	report, err := env.Take()
	if err != nil {
		t.Fatal(err)
	}
	a, b := net.Pipe()
	defer a.Close()
	ctx, err := openssl.NewCtx(nil)
	if err != nil {
		t.Fatal(err)
	}
	client, err := openssl.Client(a, ctx, openssl.WithServerName("localhost"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	go client.HandshakeContext(t.Context())
	var seen *tls.ClientHelloInfo
	enough := errors.New("enough")
	server := tls.Server(b, &tls.Config{GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		seen = h
		return nil, enough
	}})
	if err := server.Handshake(); !errors.Is(err, enough) {
		t.Fatal(err)
	}
	b.Close()
	var versions []string
	for _, v := range seen.SupportedVersions {
		versions = append(versions, tls.VersionName(v))
	}
	if d := cmp.Diff(versions, report.Offer.Versions); d != "" {
		t.Errorf("versions (-crypto/tls +env):\n%s", d)
	}
	if d := cmp.Diff(seen.Extensions[1:], report.Offer.Extensions[1:]); d != "" {
		t.Errorf("extensions (-crypto/tls +env):\n%s", d)
	}
	// crypto/tls has names for some.
	compare := func(what string, n int, name func(i int) string, got []string) {
		t.Helper()
		named := 0
		if n != len(got) {
			t.Fatalf("%d %s, env tells %q", n, what, got)
		}
		for i := range got {
			if want := name(i); want != "" {
				named++
				if got[i] != want {
					t.Errorf("%s %d: %s, env tells %s", what, i, want, got[i])
				}
			}
		}
		if named == 0 {
			t.Errorf("crypto/tls names none of the %s", what)
		}
	}
	compare("cipher suites", len(seen.CipherSuites), func(i int) string {
		name := tls.CipherSuiteName(seen.CipherSuites[i])
		if strings.HasPrefix(name, "0x") {
			return ""
		}
		return name
	}, report.Offer.Suites)
	groups := map[tls.CurveID]string{tls.X25519: "x25519", tls.CurveP256: "secp256r1", tls.CurveP384: "secp384r1",
		tls.CurveP521: "secp521r1", tls.X25519MLKEM768: "X25519MLKEM768"}
	compare("groups", len(seen.SupportedCurves), func(i int) string { return groups[seen.SupportedCurves[i]] }, report.Offer.Groups)
	schemes := map[tls.SignatureScheme]string{tls.ECDSAWithP256AndSHA256: "ecdsa_secp256r1_sha256", tls.Ed25519: "ed25519",
		tls.PSSWithSHA256: "rsa_pss_rsae_sha256", tls.PKCS1WithSHA512: "rsa_pkcs1_sha512"}
	compare("signature algorithms", len(seen.SignatureSchemes), func(i int) string { return schemes[seen.SignatureSchemes[i]] }, report.Offer.Signatures)
}

// TestEnvPolicy: what openssl.cnf asks is told, and what came of it.
func TestEnvPolicy(t *testing.T) {
	report, text := takeEnv(t, policyCnf("MinProtocol = TLSv1.3\nCipherString = DEFAULT@SECLEVEL=3\n"+
		"Ciphersuites = TLS_AES_256_GCM_SHA384\n1.Groups = P-384:P-256\nSignatureAlgorithms = ed25519:ECDSA+SHA384\n"))
	if report.OpenSSL != openssl.LibraryVersion() || report.CompiledWith != openssl.HeaderVersion() {
		t.Errorf("OpenSSL %q, compiled with %q", report.OpenSSL, report.CompiledWith)
	}
	want := []env.Command{{Name: "MinProtocol", Value: "TLSv1.3"}, {Name: "CipherString", Value: "DEFAULT@SECLEVEL=3"},
		{Name: "Ciphersuites", Value: "TLS_AES_256_GCM_SHA384"}, {Name: "Groups", Value: "P-384:P-256"},
		{Name: "SignatureAlgorithms", Value: "ed25519:ECDSA+SHA384"}}
	if d := cmp.Diff(want, report.Conf.Commands); d != "" {
		t.Errorf("commands (-want +got):\n%s", d)
	}
	if p := report.Policy; p == nil || p.MinVersion != "TLS 1.3" || p.SecurityLevel != 3 {
		t.Errorf("policy %+v", p)
	}
	o := report.Offer
	o.Extensions = nil
	o.Suites = slices.DeleteFunc(o.Suites, func(s string) bool { return strings.HasSuffix(s, "SCSV") })
	if d := cmp.Diff(&env.Offer{Versions: []string{"TLS 1.3"}, Suites: []string{"TLS_AES_256_GCM_SHA384"},
		Groups: []string{"secp384r1", "secp256r1"}, KeyShares: []string{"secp384r1"},
		Signatures: []string{"ed25519", "ecdsa_secp384r1_sha384"}}, o); d != "" {
		t.Errorf("offer (-want +got):\n%s", d)
	}
	for _, line := range []string{"OpenSSL                " + openssl.LibraryVersion() + ", compiled with ",
		"\n  MinProtocol          TLSv1.3\n", "\nsecurity level         3\n", "\n  groups               secp384r1 secp256r1\n"} {
		if !strings.Contains(text, line) {
			t.Errorf("no %q in\n%s", line, text)
		}
	}
	loaded := "\nproviders              default\n"
	if openssl.LibraryVersionNumber() < 0x30000000 {
		loaded = "\nproviders              OpenSSL 1.1.1 has none\n"
		if len(report.Providers) > 0 || report.ModulesDir != "" {
			t.Errorf("providers %q in %q on 1.1.1", report.Providers, report.ModulesDir)
		}
	}
	if !strings.Contains(text, loaded) {
		t.Errorf("no %q in\n%s", loaded, text)
	}
	if len(report.Files) > 0 && !strings.Contains(report.Files[0], "/libssl.so.") {
		t.Errorf("files %q", report.Files)
	}
}

// TestEnvIgnored: what libssl leaves out without a word.
func TestEnvIgnored(t *testing.T) {
	report, text := takeEnv(t, policyCnf("Groups = gopher\nGopher = 1\nMinProtocol = TLSv1.3\n"))
	var ignored []bool
	for _, c := range report.Conf.Commands {
		ignored = append(ignored, c.Ignored != "")
	}
	// 1.1.1 stops at the first.
	stops := openssl.LibraryVersionNumber() < 0x30000000
	min := map[bool]string{true: "TLS 1.2", false: "TLS 1.3"}[stops]
	if !slices.Equal(ignored, []bool{true, true, stops}) || report.Policy.MinVersion != min || !strings.Contains(text, "IGNORED: ") {
		t.Errorf("ignored %v, from %s\n%s", ignored, report.Policy.MinVersion, text)
	}
	report, text = takeEnv(t, "openssl_conf = init\n[init\n")
	if !strings.Contains(report.Conf.Error, "missing close square bracket") || report.Policy == nil || !strings.Contains(text, "openssl.cnf, IGNORED: ") {
		t.Errorf("a file that does not parse: %+v\n%s", report.Conf, text)
	}
	report, text = takeEnv(t, policyCnf("MaxProtocol = TLSv1.1\n"))
	if !strings.Contains(report.Refused, "no version") || report.Policy != nil || !strings.Contains(text, "REFUSED: ") {
		t.Errorf("no version left: %+v\n%s", report, text)
	}
}
