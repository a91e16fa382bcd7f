package migration

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// source is a module's folder with its source. It skips where the module is not to be had.
func source(t *testing.T, name string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", name)
	cmd.Dir, cmd.Env = t.TempDir(), append(os.Environ(), "GOWORK=off", "GOFLAGS=")
	out, err := cmd.Output()
	var m struct{ Dir, Error string }
	if jsonErr := json.Unmarshal(out, &m); jsonErr != nil || m.Dir == "" {
		t.Skipf("%s is not to be had: %v %v %s", name, err, jsonErr, m.Error)
	}
	return m.Dir
}

// TestPrograms runs the tests of other people's programs with the drop-in in the place of what they were written for. Their source is taken
// from the module proxy at test time.
func TestPrograms(t *testing.T) {
	for _, test := range []struct {
		name, module, line string
		flags, pkg         string   // of go test
		onlyTests          []string // test files to keep, where others need a service; all when nil
		rest               string   // what those need of the others
		passes             []string // some of the tests that must be seen to pass
	}{
		{
			name:   "go-libp2p-core",
			module: "github.com/libp2p/go-libp2p-core@v0.19.1", // requires go-openssl v0.0.7, which needs OpenSSL 1.1.1
			line:   "go mod edit -replace github.com/libp2p/go-openssl=github.com/golibssl/openssl/libp2p@VERSION",
			flags:  "-tags openssl",
			pkg:    "./crypto",
			passes: []string{"TestRSABasicSignAndVerify", "TestKeyPairFromKey", "TestFixtures"},
		},
		{
			name:   "go-libp2p",
			module: "github.com/libp2p/go-libp2p@v0.22.0",
			line:   "go mod edit -replace github.com/libp2p/go-openssl=github.com/golibssl/openssl/libp2p@VERSION",
			flags:  "-tags openssl",
			pkg:    "./core/crypto",
			passes: []string{"TestRSABasicSignAndVerify", "TestKeyPairFromKey", "TestFixtures"},
		},
		{
			name:      "go-tarantool",
			module:    "github.com/tarantool/go-tarantool@v1.12.2",
			line:      "go mod edit -replace github.com/tarantool/go-openssl=github.com/golibssl/openssl/spacemonkey@VERSION",
			flags:     "-run TestSslOpts",
			pkg:       ".",
			onlyTests: []string{"ssl_test.go", "export_test.go"}, // without a database; its connections end at a server of the test's
			rest:      "package tarantool_test\n\nimport \"github.com/tarantool/go-tarantool\"\n\nvar opts tarantool.Opts\n",
			passes:    []string{"TestSslOpts"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			u := newUser(t, nil)
			if err := os.CopyFS(u.folder, os.DirFS(source(t, test.module))); err != nil {
				t.Fatal(err)
			}
			u.types("chmod -R u+w .")
			if test.onlyTests != nil {
				files, err := filepath.Glob(filepath.Join(u.folder, test.pkg, "*_test.go"))
				if err != nil {
					t.Fatal(err)
				}
				for _, f := range files {
					if slices.Contains(test.onlyTests, filepath.Base(f)) {
						continue
					}
					if err := os.Remove(f); err != nil {
						t.Fatal(err)
					}
				}
			}
			if test.rest != "" {
				u.write("rest_test.go", test.rest)
			}
			out := u.types(strings.ReplaceAll(test.line, "VERSION", testVersion), "go test -mod=mod -count=1 -v "+test.flags+" "+test.pkg)
			deps := u.types("go list -mod=mod -deps -test " + strings.Replace(test.flags, "-run TestSslOpts", "", 1) + " " + test.pkg)
			if !strings.Contains(deps, "\n"+published["legacy"]+"\n") {
				t.Errorf("the tests ran without the drop-in:\n%s", deps)
			}
			for _, name := range test.passes {
				if !strings.Contains(out, "\n--- PASS: "+name+" ") {
					t.Errorf("%s has not been seen to pass:\n%s", name, out)
				}
			}
			t.Logf("%s: %d tests and subtests pass", test.module, strings.Count(out, "--- PASS: "))
			if strings.Contains(out, "--- SKIP: ") {
				t.Logf("skipped by themselves:\n%s", out)
			}
		})
	}
}
