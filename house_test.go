package openssl_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	maxLines    = 700
	maxCgoFiles = 3
)

// TestHouse holds the sources of every module in the checkout to the rules in
// CONTRIBUTING.md that a program can check.
func TestHouse(t *testing.T) {
	h, err := inspect(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range h.problems {
		t.Error(problem)
	}
	// A walk that saw nothing would find nothing.
	if h.wrappers == 0 || h.cgoFiles["."] == nil || h.cFiles == 0 {
		t.Errorf("the walk saw %d wrappers, files with import \"C\" %v, %d C files", h.wrappers, h.cgoFiles, h.cFiles)
	}
}

// house is what inspect found.
type house struct {
	problems []string
	modules  []string            // folders of go.mod files
	cgoFiles map[string][]string // module: its files that import "C"
	cFiles   int
	wrappers int // functions of the root whose last doc line names a C function
}

func (h *house) problem(format string, args ...any) {
	h.problems = append(h.problems, fmt.Sprintf(format, args...))
}

func inspect(root fs.FS) (*house, error) {
	h := &house{cgoFiles: map[string][]string{}}
	var files []string
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := path.Base(name)
		if entry.IsDir() {
			if name != "." && (base == "testdata" || base == "bin" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_")) {
				return fs.SkipDir
			}
			return nil
		}
		if base == "go.mod" {
			h.modules = append(h.modules, path.Dir(name))
		}
		files = append(files, name)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, name := range files {
		switch path.Ext(name) {
		case ".go", ".c", ".h":
			source, err := fs.ReadFile(root, name)
			if err != nil {
				return nil, err
			}
			h.inspectFile(name, source)
		}
	}
	for module, cgo := range h.cgoFiles {
		if len(cgo) > maxCgoFiles {
			h.problem("module %s: %d files import \"C\", at most %d may: %s", module, len(cgo), maxCgoFiles, strings.Join(cgo, ", "))
		}
	}
	slices.Sort(h.problems)
	return h, nil
}

func (h *house) inspectFile(name string, source []byte) {
	confined := strings.HasSuffix(name, "_cgo.go")
	if lines := bytes.Count(source, []byte("\n")); lines > maxLines && !confined {
		h.problem("%s: %d lines, at most %d", name, lines, maxLines)
	}
	if path.Ext(name) != ".go" {
		h.cFiles++
		return
	}
	if formatted, err := format.Source(source); err != nil {
		h.problem("%s: %v", name, err)
		return
	} else if !bytes.Equal(source, formatted) {
		h.problem("%s: gofmt changes it", name)
	}
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		h.problem("%s: %v", name, err)
		return
	}
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			h.problem("%s: import %s: %v", name, spec.Path.Value, err)
			continue
		}
		if (imported == "C" || imported == "unsafe") && !confined {
			h.problem("%s: import %q is for files named *_cgo.go", name, imported)
		}
		if imported == "C" {
			module := h.moduleOf(name)
			h.cgoFiles[module] = append(h.cgoFiles[module], name)
		}
	}
	if path.Dir(name) == "." && !strings.HasSuffix(name, "_test.go") {
		h.inspectDocs(fset, file)
	}
}

// moduleOf returns the folder of the innermost go.mod above a file.
func (h *house) moduleOf(name string) string {
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if slices.Contains(h.modules, dir) {
			return dir
		}
	}
	return "."
}

var (
	sourceLine   = regexp.MustCompile(`^OpenSSL: [A-Za-z0-9_]+\(3\)(, [A-Za-z0-9_]+\(3\))*\.$`)
	looksLikeOne = regexp.MustCompile(`^\s*[Oo]pen[Ss][Ss][Ll]:|OpenSSL: *\w+ *\(`)
)

// inspectDocs checks that where a doc comment names the C functions, it does so
// in its last line, as "OpenSSL: SSL_shutdown(3)." or with several names.
func (h *house) inspectDocs(fset *token.FileSet, file *ast.File) {
	for _, decl := range file.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok || f.Doc == nil || !f.Name.IsExported() {
			continue
		}
		lines := strings.Split(strings.TrimSuffix(f.Doc.Text(), "\n"), "\n")
		for i, line := range lines {
			if !looksLikeOne.MatchString(line) {
				continue
			}
			switch {
			case !sourceLine.MatchString(line):
				h.problem("%v: %s: %q is not of the form %q", fset.Position(f.Doc.Pos()), f.Name.Name, line, "OpenSSL: SSL_shutdown(3).")
			case i != len(lines)-1:
				h.problem("%v: %s: %q is not the last line", fset.Position(f.Doc.Pos()), f.Name.Name, line)
			default:
				h.wrappers++
			}
		}
	}
}

// TestHouseFindsViolations runs the same check over small trees that each break
// one rule, or none.
func TestHouseFindsViolations(t *testing.T) {
	const cgo = "package p\n\nimport \"C\"\n"
	long := "package p\n" + strings.Repeat("\n// line\n", 350)
	for _, test := range []struct {
		name  string
		files map[string]string
		want  []string
	}{
		{"clean", map[string]string{
			"go.mod":       "module m\n",
			"a.go":         "package p\n",
			"a_cgo.go":     "package p\n\nimport \"C\"\nimport _ \"unsafe\"\n",
			"b_cgo.go":     cgo,
			"c_cgo.go":     cgo,
			"long_cgo.go":  long,
			"sub/go.mod":   "module m/sub\n",
			"sub/a_cgo.go": cgo,
		}, nil},
		{"C in a plain file", map[string]string{"a.go": cgo},
			[]string{`a.go: import "C" is for files named *_cgo.go`}},
		{"C in a test", map[string]string{"sub/a_test.go": cgo},
			[]string{`sub/a_test.go: import "C" is for files named *_cgo.go`}},
		{"unsafe in a plain file", map[string]string{"a.go": "package p\n\nimport _ \"unsafe\"\n"},
			[]string{`a.go: import "unsafe" is for files named *_cgo.go`}},
		{"unsafe under another name", map[string]string{"a.go": "package p\n\nimport u \"unsafe\"\n\nvar _ u.Pointer\n"},
			[]string{`a.go: import "unsafe" is for files named *_cgo.go`}},
		{"four files in the root module", map[string]string{
			"go.mod": "module m\n", "a_cgo.go": cgo, "b_cgo.go": cgo, "x/c_cgo.go": cgo, "x/y/d_cgo.go": cgo},
			[]string{`module .: 4 files import "C", at most 3 may: a_cgo.go, b_cgo.go, x/c_cgo.go, x/y/d_cgo.go`}},
		{"four files in a nested module", map[string]string{
			"go.mod": "module m\n", "a_cgo.go": cgo,
			"n/go.mod": "module m/n\n", "n/a_cgo.go": cgo, "n/b_cgo.go": cgo, "n/x/c_cgo.go": cgo, "n/x/d_cgo.go": cgo},
			[]string{`module n: 4 files import "C", at most 3 may: n/a_cgo.go, n/b_cgo.go, n/x/c_cgo.go, n/x/d_cgo.go`}},
		{"long Go", map[string]string{"a.go": long}, []string{"a.go: 701 lines, at most 700"}},
		{"long C", map[string]string{"a.c": strings.Repeat("\n", 701), "b.h": strings.Repeat("\n", 702), "c.c": strings.Repeat("\n", 700)},
			[]string{"a.c: 701 lines, at most 700", "b.h: 702 lines, at most 700"}},
		{"not formatted", map[string]string{"a.go": "package p\nvar  x int\n"}, []string{"a.go: gofmt changes it"}},
		{"no Go", map[string]string{"a.go": "package p\n\n}\n"}, []string{"a.go: 3:1: expected declaration, found '}'"}},
		{"folders that do not count", map[string]string{
			"testdata/a.go": cgo, ".cache/a.go": cgo, "sub/testdata/x/a.go": cgo, "_old/a.go": cgo, "bin/a.go": cgo}, nil},
		{"source lines", map[string]string{
			"a.go": `package p

// A is right.
//
// OpenSSL: SSL_a(3).
func A() {}

// B is right.
//
// OpenSSL: SSL_b(3), SSL_c(3).
func B() {}

// C has no full stop.
//
// OpenSSL: SSL_c(3)
func C() {}

// D names no section.
//
// OpenSSL: SSL_d.
func D() {}

// E goes on.
//
// OpenSSL: SSL_e(3).
//
// More of E.
func E() {}

// F has it in the running text. OpenSSL: SSL_f(3).
func F() {}

// openssl: SSL_g(3).
func (T) G() {}

// h is not exported.
//
// OpenSSL: SSL_h
func h() {}

// I speaks of OpenSSL: that is no source line.
func I() {}
`,
			"sub/a.go": "package p\n\n// J is not in the root.\n//\n// OpenSSL: SSL_j\nfunc J() {}\n",
		}, []string{
			`a.go:13:1: C: "OpenSSL: SSL_c(3)" is not of the form "OpenSSL: SSL_shutdown(3)."`,
			`a.go:18:1: D: "OpenSSL: SSL_d." is not of the form "OpenSSL: SSL_shutdown(3)."`,
			`a.go:23:1: E: "OpenSSL: SSL_e(3)." is not the last line`,
			`a.go:30:1: F: "F has it in the running text. OpenSSL: SSL_f(3)." is not of the form "OpenSSL: SSL_shutdown(3)."`,
			`a.go:33:1: G: "openssl: SSL_g(3)." is not of the form "OpenSSL: SSL_shutdown(3)."`,
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, content := range test.files {
				file := filepath.Join(dir, filepath.FromSlash(name))
				if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			h, err := inspect(os.DirFS(dir))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, h.problems); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

// TestBuildWithoutCgo checks that the compiler says one sentence, and it alone.
func TestBuildWithoutCgo(t *testing.T) {
	cmd := exec.Command("go", "build", ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=")
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Fatal("the package builds without cgo")
	}
	want := "openssl_needs_cgo__set_CGO_ENABLED_to_1_and_install_a_C_compiler_and_the_headers_of_libssl"
	var said []string
	for line := range strings.Lines(string(out)) {
		if !strings.HasPrefix(line, "#") {
			said = append(said, strings.TrimSpace(line))
		}
	}
	if len(said) != 1 || !strings.HasSuffix(said[0], "undefined: "+want) {
		t.Errorf("go build says:\n%s\nwant one line, ending in %q", out, want)
	}
}
