// Package originaltest runs the tests of a module that another one takes the place of, out of the module cache: compiled together with
// the other's files, as the package that they were written for.
package originaltest

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
)

// Names returns the names of the tests in folder's files.
func Names(t *testing.T, folder string) (names []string) {
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

// Original is a module that another one takes the place of.
type Original struct {
	Module, Version string
	Source          string // the folder of its source
	Replacement     string // the module whose tests are running, in the current folder
}

// Folder returns a folder with a module of the original's tests and the replacement's files.
func (o Original) Folder(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	ours, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range ours {
		if !strings.HasSuffix(file, "_test.go") {
			copyFile(t, file, filepath.Join(folder, file))
		}
	}
	theirs, err := filepath.Glob(filepath.Join(o.Source, "*_test.go"))
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
	mod := fmt.Sprintf("module original\n\ngo 1.26.0\n\nrequire %s %s\n\nreplace %[1]s => %[3]s\n", o.Module, o.Version, here)
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var m struct{ Path, Version, Dir string }
		if err := d.Decode(&m); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(m.Path, "github.com/golibssl/") && m.Path != o.Replacement {
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

// Result is what became of one test.
type Result struct {
	Action string // pass, fail or skip
	Output string
}

// Run runs the tests in folder that match pattern.
func Run(t *testing.T, folder string, env []string, pattern string) map[string]Result {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "test", "-json", "-vet=off", "-count=1", "-run", pattern, ".")
	cmd.Dir = folder
	cmd.Env = append(append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod"), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, runErr := cmd.Output()
	results := map[string]Result{}
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
			r.Output += event.Output
		case "pass", "fail", "skip":
			r.Action = event.Action
		}
		results[event.Test] = r
	}
	if len(results) == 0 {
		t.Fatalf("no test ran: %v\n%s%s", runErr, rest.String(), stderr.Bytes())
	}
	return results
}
