package openssl_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/golibssl/openssl/legacy"
	"github.com/golibssl/openssl/legacy/originaltest"
)

// The original's own tests, out of the module cache, run against this module: they are compiled together with its files, as the
// package they were written for.
func TestOriginalsOwnTests(t *testing.T) {
	folder := originalsTests(t)
	got := originaltest.Run(t, folder, environment(t), ".")

	// OpenSSL 3.0 moved MD4 to a provider that is not loaded by default.
	fails := map[string]string{}
	if openssl.VersionNumber >= 0x30000000 {
		fails["TestMD4Examples"] = "MD4 is not available since OpenSSL 3.0"
		fails["TestMD4Writer"] = "MD4 is not available since OpenSSL 3.0"
	}
	for name, r := range got {
		if reason := fails[name]; reason != "" {
			if r.Action != "fail" || !strings.Contains(r.Output, reason) {
				t.Errorf("%s: %s; want it to fail because %s\n%s", name, r.Action, reason, r.Output)
			}
		} else if r.Action != "pass" {
			t.Errorf("%s: %s\n%s", name, r.Action, r.Output)
		}
	}
	for _, name := range originaltest.Names(t, folder) {
		if got[name].Action == "" {
			t.Errorf("%s did not run", name)
		}
	}
	t.Logf("%d of the original's tests and subtests ran, %d fail for their reason", len(got), len(fails))
}

// environment is that of the original's tests: they use a certificate that is signed with SHA-1.
func environment(t *testing.T) []string { return []string{securityLevel(t, 0)} }

// securityLevel returns the environment of a process whose connections have this security level.
func securityLevel(t *testing.T, level int) string {
	t.Helper()
	conf := filepath.Join(t.TempDir(), "openssl.cnf")
	text := fmt.Sprintf("openssl_conf = init\n[init]\nssl_conf = ssl\n[ssl]\nsystem_default = sys\n[sys]\nCipherString = DEFAULT@SECLEVEL=%d\n", level)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return "OPENSSL_CONF=" + conf
}

// At security level 2, which Debian has, the tests that use the certificate fail for its SHA-1, and for nothing else. OpenSSL 3.5.9 and
// 3.6 let it pass; 3.5.7 did not.
func TestOriginalsConnectionsAtSecurityLevel2(t *testing.T) {
	got := originaltest.Run(t, originalsTests(t), []string{securityLevel(t, 2)}, "^TestOpenSSL(Simple|Closing)$|^TestStdlibSimple$|^TestCtx")
	want := map[string]string{"TestOpenSSLSimple": "fail", "TestOpenSSLClosing": "fail", "TestStdlibSimple": "pass",
		"TestCtxTimeoutOption": "pass", "TestCtxSessCacheSizeOption": "pass"}
	for name, action := range want {
		r := got[name]
		if action == "fail" && r.Action == "pass" && openssl.VersionNumber >= 0x30500000 {
			continue
		}
		if r.Action != action || action == "fail" && !strings.Contains(r.Output, "md too weak") {
			t.Errorf("%s: %s; want %s\n%s", name, r.Action, action, r.Output)
		}
	}
}

func TestOriginalsMD4TestsWithLegacyProvider(t *testing.T) {
	folder := originalsTests(t)
	conf := filepath.Join(t.TempDir(), "openssl.cnf")
	text := "openssl_conf = init\n[init]\nproviders = provs\n[provs]\ndefault = on\nlegacy = on\n[on]\nactivate = 1\n"
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got := originaltest.Run(t, folder, []string{"OPENSSL_CONF=" + conf}, "MD4")
	for name, r := range got {
		if r.Action == "fail" && strings.Contains(r.Output, "MD4 is not available") {
			t.Skipf("the legacy provider is not installed: %s", r.Output)
		}
		if r.Action != "pass" {
			t.Errorf("%s: %s\n%s", name, r.Action, r.Output)
		}
	}
	for name := range got {
		t.Logf("%s passes", name)
	}
}

// originalsTests returns a folder with a module of the original's tests and this module's files.
func originalsTests(t *testing.T) string {
	t.Helper()
	return originaltest.Original{Module: original, Version: originalVersion, Source: download(t), Replacement: module}.Folder(t)
}
