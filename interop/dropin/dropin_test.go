package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/golibssl/openssl/internal/leak"
	"github.com/google/go-cmp/cmp"
	"github.com/spacemonkeygo/openssl"
)

var update = flag.Bool("update", false, "write what the original prints to "+originalsOutput)

const (
	originalsOutput = "testdata/original.txt"    // what the original prints on OpenSSL 1.1.1
	differencesFile = "testdata/differences.txt" // where the drop-in prints something else, and why
	asProgram       = "DROPIN_PROGRAM"
)

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		os.Args = os.Args[:1]
		main()
		os.Exit(0)
	}
	leak.Main(m)
}

var versions = []string{"1.1.1", "3.0", "3.5", "3.6", "4.0"}

// version is the loaded library's, as versions has it.
func version() string {
	n := openssl.VersionNumber
	if n < 0x30000000 {
		return fmt.Sprintf("%d.%d.%d", n>>28, n>>20&0xff, n>>12&0xff)
	}
	return fmt.Sprintf("%d.%d", n>>28, n>>20&0xff)
}

// TestSameAsOriginal runs the program with the drop-in: it prints what the original prints, but for the lines that are listed.
func TestSameAsOriginal(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	got := run(t, exec.CommandContext(t.Context(), exe), asProgram+"=1")
	original, err := os.ReadFile(originalsOutput)
	if err != nil {
		t.Fatal(err)
	}
	listed, err := os.ReadFile(differencesFile)
	if err != nil {
		t.Fatal(err)
	}
	v := version()
	problems, different := compare(string(original), string(listed), got, v)
	for _, p := range problems {
		t.Error(p)
	}
	t.Logf("OpenSSL %s: %d lines, %d are as the original's, %d differ for a listed reason", v, strings.Count(got, "\n"),
		strings.Count(got, "\n")-different-len(problems), different)
}

// TestOriginal runs the program with the original: it prints what is kept of it.
func TestOriginal(t *testing.T) {
	if v := version(); v != "1.1.1" {
		t.Skipf("the original compiles on OpenSSL 1.1.1 only; this is %s", v)
	}
	program := filepath.Join(t.TempDir(), "original")
	build := exec.CommandContext(t.Context(), "go", "build", "-modfile=original.mod", "-o", program, ".")
	build.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		if download := exec.CommandContext(t.Context(), "go", "mod", "download", "-modfile=original.mod"); download.Run() != nil {
			t.Skipf("the original's source is not to be had: %s", out)
		}
		t.Fatalf("go build: %v\n%s", err, out)
	}
	got := run(t, exec.CommandContext(t.Context(), program), "GOGC=off")
	if *update {
		if err := os.WriteFile(originalsOutput, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(originalsOutput)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("the original prints something else than %s (-kept +printed):\n%s", originalsOutput, diff)
	}
	t.Logf("the original prints %d lines, as kept", strings.Count(got, "\n"))
}

// run returns what cmd prints, away from this machine's configuration of OpenSSL.
func run(t *testing.T, cmd *exec.Cmd, env ...string) string {
	t.Helper()
	conf := filepath.Join(t.TempDir(), "openssl.cnf")
	if err := os.WriteFile(conf, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd.Env = append(append(os.Environ(), "OPENSSL_CONF="+conf, "SSL_CERT_FILE=", "SSL_CERT_DIR="), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, stderr.Bytes())
	}
	return string(out)
}

var (
	heading   = regexp.MustCompile(`^== (?:(all)|(\S+) on|(\S+) to (\S+)|only (\S+)): (.+)$`)
	errorText = regexp.MustCompile(`error\{([^}]*)\}`)
)

// expect returns the lines that listed has for version v, by their names. A heading says on which versions a line
// differs, and why; the last one that applies counts.
func expect(listed, v string) (expected map[string]string, names []string, err error) {
	expected = map[string]string{}
	at, applies, headed := slices.Index(versions, v), false, false
	if at < 0 {
		return nil, nil, fmt.Errorf("no differences are listed for OpenSSL %s", v)
	}
	for i, line := range strings.Split(listed, "\n") {
		switch m := heading.FindStringSubmatch(line); {
		case line == "" || strings.HasPrefix(line, "#"):
		case m != nil:
			first, last := m[2]+m[3]+m[5], m[4]+m[5]
			from, to := slices.Index(versions, first), slices.Index(versions, last)
			if first != "" && from < 0 || last != "" && to < 0 {
				return nil, nil, fmt.Errorf("line %d: no such version", i+1)
			}
			if to < 0 {
				to = len(versions)
			}
			applies, headed = from <= at && at <= to, true
		case !headed:
			return nil, nil, fmt.Errorf("line %d: no heading says why", i+1)
		default:
			name, _, ok := strings.Cut(line, ": ")
			if !ok {
				return nil, nil, fmt.Errorf("line %d: no value", i+1)
			}
			if applies {
				expected[name] = line
			}
			names = append(names, name)
		}
	}
	return expected, names, nil
}

// compare holds got to the original's lines and to those listed as different on version v.
func compare(original, listed, got, v string) (problems []string, different int) {
	expected, names, err := expect(listed, v)
	if err != nil {
		return []string{err.Error()}, 0
	}
	wants := lines(original)
	known := map[string]bool{}
	for _, want := range wants {
		known[nameOf(want)] = true
	}
	for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
		if !known[name] {
			problems = append(problems, "listed, and no line of the original: "+name)
		}
	}
	gots := map[string]string{}
	for _, line := range lines(got) {
		name := nameOf(line)
		if _, twice := gots[name]; twice {
			problems = append(problems, "printed twice: "+name)
		}
		if gots[name] = line; !known[name] {
			problems = append(problems, "not a line of the original: "+line)
		}
	}
	for _, want := range wants {
		name := nameOf(want)
		line, printed := gots[name]
		other, isListed := expected[name]
		switch {
		case !printed:
			problems = append(problems, "missing: "+want)
		case !isListed && !same(want, line):
			problems = append(problems, fmt.Sprintf("the original: %s\n    the drop-in:  %s", want, line))
		case isListed && !same(other, line):
			problems = append(problems, fmt.Sprintf("listed:       %s\n    the drop-in:  %s", other, line))
		case isListed && same(want, line):
			problems = append(problems, "listed as different, and is not: "+name)
		case isListed:
			different++
		}
	}
	return problems, different
}

func lines(text string) []string { return strings.Split(strings.TrimSuffix(text, "\n"), "\n") }

func nameOf(line string) string {
	name, _, _ := strings.Cut(line, ": ")
	return name
}

// same reports whether got is what want says: an error must contain what the wanted one says.
func same(want, got string) bool {
	var pattern strings.Builder
	at := 0
	for _, m := range errorText.FindAllStringSubmatchIndex(want, -1) {
		pattern.WriteString(regexp.QuoteMeta(want[at:m[0]]) + `error\{[^}]*` + regexp.QuoteMeta(want[m[2]:m[3]]) + `[^}]*\}`)
		at = m[1]
	}
	pattern.WriteString(regexp.QuoteMeta(want[at:]))
	return regexp.MustCompile("^" + pattern.String() + "$").MatchString(got)
}

func TestComparison(t *testing.T) {
	const original = "a/x: 1\na/y: error{bad tag}, nil\na/z: panic\n"
	for _, test := range []struct {
		name, listed, got, version string
		want                       []string
		different                  int
	}{
		{"same", "", original, "1.1.1", nil, 0},
		{"an error may say more", "", "a/x: 1\na/y: error{read: bad tag: really}, nil\na/z: panic\n", "3.0", nil, 0},
		{"an error must say as much", "", "a/x: 1\na/y: error{bad}, nil\na/z: panic\n", "3.0",
			[]string{"the original: a/y: error{bad tag}, nil\n    the drop-in:  a/y: error{bad}, nil"}, 0},
		{"no error", "", "a/x: 1\na/y: nil, nil\na/z: panic\n", "3.0", []string{"the original: a/y: error{bad tag}, nil\n    the drop-in:  a/y: nil, nil"}, 0},
		{"listed", "== all: why\na/z: nil\n", "a/x: 1\na/y: error{bad tag}, nil\na/z: nil\n", "4.0", nil, 1},
		{"listed for later versions", "== 3.5 on: why\na/z: nil\n", original, "3.0", nil, 0},
		{"listed for earlier versions", "== 1.1.1 to 3.5: why\na/z: nil\n", original, "3.6", nil, 0},
		{"listed for one version", "== only 3.5: why\na/z: nil\n", original, "3.6", nil, 0},
		{"the last one counts", "== all: why\na/z: 1\n== 3.0 on: why\na/z: 2\n", "a/x: 1\na/y: error{bad tag}, nil\na/z: 2\n", "3.0", nil, 1},
		{"listed, another value", "== all: why\na/z: nil\n", "a/x: 1\na/y: error{bad tag}, nil\na/z: 7\n", "4.0",
			[]string{"listed:       a/z: nil\n    the drop-in:  a/z: 7"}, 0},
		{"listed, and the same", "== all: why\na/z: panic\n", original, "4.0", []string{"listed as different, and is not: a/z"}, 0},
		{"listed without a reason", "a/z: nil\n", original, "4.0", []string{"line 1: no heading says why"}, 0},
		{"listed, unknown", "== only 4.0: why\nb/z: nil\n", original, "3.0", []string{"listed, and no line of the original: b/z"}, 0},
		{"unknown version", "", original, "9.9", []string{"no differences are listed for OpenSSL 9.9"}, 0},
		{"a line missing", "", "a/x: 1\na/z: panic\n", "3.0", []string{"missing: a/y: error{bad tag}, nil"}, 0},
		{"a line too many", "", original + "a/x2: 1\n", "3.0", []string{"not a line of the original: a/x2: 1"}, 0},
		{"a line twice", "", original + "a/x: 1\n", "3.0", []string{"printed twice: a/x"}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			problems, different := compare(original, test.listed, test.got, test.version)
			if diff := cmp.Diff(test.want, problems); diff != "" || different != test.different {
				t.Errorf("%d different, want %d; problems (-want +got):\n%s", different, test.different, diff)
			}
		})
	}
}
