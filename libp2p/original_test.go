package openssl_test

import (
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
		fails["TestMD4Examples"] = "MD4 is not supported by OpenSSL"
		fails["TestMD4Writer"] = "MD4 is not supported by OpenSSL"
	}
	for name, r := range got {
		if reason := fails[name]; reason != "" {
			if r.Action != "skip" || !strings.Contains(r.Output, reason) {
				t.Errorf("%s: %s; want it to skip itself because %s\n%s", name, r.Action, reason, r.Output)
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
	t.Logf("%d of the original's tests and subtests ran, %d skip themselves for their reason", len(got), len(fails))
}

// environment is that of the original's tests.
func environment(*testing.T) []string { return nil }

func TestOriginalsMD4TestsWithLegacyProvider(t *testing.T) {
	folder := originalsTests(t)
	conf := filepath.Join(t.TempDir(), "openssl.cnf")
	text := "openssl_conf = init\n[init]\nproviders = provs\n[provs]\ndefault = on\nlegacy = on\n[on]\nactivate = 1\n"
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got := originaltest.Run(t, folder, []string{"OPENSSL_CONF=" + conf}, "MD4")
	for name, r := range got {
		if r.Action == "skip" {
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
