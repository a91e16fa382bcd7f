package openssl_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/golibssl/openssl/legacy"
)

// The original's own tests, out of the module cache, run against this module: they are compiled together with its files, as the
// package they were written for.
func TestOriginalsOwnTests(t *testing.T) {
	folder := originalsTests(t)
	got := runTests(t, folder, environment(t), ".")

	// OpenSSL 3.0 moved MD4 to a provider that is not loaded by default.
	fails := map[string]string{}
	if openssl.VersionNumber >= 0x30000000 {
		fails["TestMD4Examples"] = "MD4 is not available since OpenSSL 3.0"
		fails["TestMD4Writer"] = "MD4 is not available since OpenSSL 3.0"
	}
	for name, r := range got {
		if reason := fails[name]; reason != "" {
			if r.action != "fail" || !strings.Contains(r.output, reason) {
				t.Errorf("%s: %s; want it to fail because %s\n%s", name, r.action, reason, r.output)
			}
		} else if r.action != "pass" {
			t.Errorf("%s: %s\n%s", name, r.action, r.output)
		}
	}
	for _, name := range testNames(t, folder) {
		if got[name].action == "" {
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

// At security level 2, which Debian has, the tests that use the certificate fail for its SHA-1, and for nothing else. OpenSSL 4.0 lets
// it pass.
func TestOriginalsConnectionsAtSecurityLevel2(t *testing.T) {
	got := runTests(t, originalsTests(t), []string{securityLevel(t, 2)}, "^TestOpenSSL(Simple|Closing)$|^TestStdlibSimple$|^TestCtx")
	want := map[string]string{"TestOpenSSLSimple": "fail", "TestOpenSSLClosing": "fail", "TestStdlibSimple": "pass",
		"TestCtxTimeoutOption": "pass", "TestCtxSessCacheSizeOption": "pass"}
	for name, action := range want {
		r := got[name]
		if action == "fail" && r.action == "pass" && openssl.VersionNumber >= 0x30600000 {
			continue
		}
		if r.action != action || action == "fail" && !strings.Contains(r.output, "md too weak") {
			t.Errorf("%s: %s; want %s\n%s", name, r.action, action, r.output)
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
	got := runTests(t, folder, []string{"OPENSSL_CONF=" + conf}, "MD4")
	for name, r := range got {
		if r.action == "fail" && strings.Contains(r.output, "MD4 is not available") {
			t.Skipf("the legacy provider is not installed: %s", r.output)
		}
		if r.action != "pass" {
			t.Errorf("%s: %s\n%s", name, r.action, r.output)
		}
	}
	for name := range got {
		t.Logf("%s passes", name)
	}
}

// testNames returns the names of the tests in folder's files.
func testNames(t *testing.T, folder string) (names []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && strings.HasPrefix(fn.Name.Name, "Test") {
				names = append(names, fn.Name.Name)
			}
		}
	}
	if len(names) == 0 {
		t.Fatalf("there are no tests in %s", folder)
	}
	return names
}

// originalsTests returns a folder with a module of the original's tests and this module's files.
func originalsTests(t *testing.T) string {
	t.Helper()
	source, folder := download(t), t.TempDir()
	ours, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range ours {
		if !strings.HasSuffix(file, "_test.go") {
			copyFile(t, file, filepath.Join(folder, file))
		}
	}
	theirs, err := filepath.Glob(filepath.Join(source, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range theirs {
		copyFile(t, file, filepath.Join(folder, filepath.Base(file)))
	}
	// The one unexported name that the tests use.
	unexported := []byte("package openssl\n\nvar ed25519_support = true\n")
	if err := os.WriteFile(filepath.Join(folder, "unexported_test.go"), unexported, 0o600); err != nil {
		t.Fatal(err)
	}

	out, err := exec.Command("go", "list", "-m", "-json", "all").Output()
	if err != nil {
		t.Fatalf("go list -m all: %v", err)
	}
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	// The tests import the original's package utils.
	mod := fmt.Sprintf("module original\n\ngo 1.26.0\n\nrequire %s %s\n\nreplace %[1]s => %[3]s\n", original, originalVersion, here)
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var m struct{ Path, Version, Dir string }
		if err := d.Decode(&m); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(m.Path, "github.com/golibssl/") && m.Path != module {
			mod += fmt.Sprintf("\nrequire %s v0.0.0\n\nreplace %[1]s => %s\n", m.Path, m.Dir)
		}
	}
	if err := os.WriteFile(filepath.Join(folder, "go.mod"), []byte(mod), 0o600); err != nil {
		t.Fatal(err)
	}
	return folder
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

type result struct{ action, output string }

// runTests runs the tests in folder that match pattern.
func runTests(t *testing.T, folder string, env []string, pattern string) map[string]result {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "test", "-json", "-vet=off", "-count=1", "-run", pattern, ".")
	cmd.Dir = folder
	cmd.Env = append(append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod"), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, runErr := cmd.Output()
	results := map[string]result{}
	var rest strings.Builder
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		var event struct{ Action, Test, Output string }
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			t.Fatalf("%s: %v", lines.Bytes(), err)
		}
		if event.Test == "" {
			rest.WriteString(event.Output)
			continue
		}
		r := results[event.Test]
		switch event.Action {
		case "output":
			r.output += event.Output
		case "pass", "fail", "skip":
			r.action = event.Action
		}
		results[event.Test] = r
	}
	if len(results) == 0 {
		t.Fatalf("no test ran: %v\n%s%s", runErr, rest.String(), stderr.Bytes())
	}
	return results
}
