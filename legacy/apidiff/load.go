package apidiff

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/build"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// ErrUnavailable: the module's source could not be fetched.
var ErrUnavailable = errors.New("the module's source is not available")

// run returns a command's output, and what it wrote to standard error as its error.
func run(dir string, name string, args ...string) ([]byte, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return out, fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, stderr.Bytes())
	}
	return out, nil
}

// Download returns the folder of a module's source at exactly this version, from the module cache or the module proxy. The module need
// not build, and what it requires is not fetched. Where it cannot be had, the error is ErrUnavailable.
func Download(module, version string) (folder string, err error) {
	dir, err := os.MkdirTemp("", "apidiff")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module apidiff\n\ngo 1.26.0\n"), 0o600); err != nil {
		return "", err
	}
	out, err := run(dir, "go", "mod", "download", "-json", module+"@"+version)
	var answer struct{ Dir, Error string }
	if json.Unmarshal(out, &answer) != nil || answer.Dir == "" {
		return "", fmt.Errorf("%w: %s@%s: %s %v", ErrUnavailable, module, version, answer.Error, err)
	}
	return answer.Dir, nil
}

// exports finds the compiled packages that imports name, by `go list` in folder, and what those import.
func exports(folder string, imports ...string) (types.Importer, error) {
	out, err := run(folder, "go", append([]string{"list", "-export", "-deps", "-f", "{{.ImportPath}}\t{{.Export}}"}, imports...)...)
	if err != nil {
		return nil, err
	}
	files := map[string]string{}
	for line := range strings.Lines(string(out)) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), "\t")
		files[path] = file
	}
	return importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) {
		if files[path] == "" {
			return nil, fmt.Errorf("no compiled package %s", path)
		}
		return os.Open(files[path])
	}), nil
}

// Built returns the API of the package with this import path, compiled in the module in folder. implementation are the import paths of
// packages whose types it gives other names: they count as its own.
func Built(folder, path string, implementation ...string) (API, error) {
	imp, err := exports(folder, path)
	if err != nil {
		return nil, err
	}
	pkg, err := imp.Import(path)
	if err != nil {
		return nil, err
	}
	return of(pkg, append(implementation, path)...), nil
}

// Source returns the API of the package whose source is in folder. Of what it imports only the standard library is read.
func Source(folder, path string) (API, error) {
	context := build.Default
	context.CgoEnabled = true
	parsed, err := context.ImportDir(folder, 0)
	if err != nil {
		return nil, err
	}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range append(slices.Clone(parsed.GoFiles), parsed.CgoFiles...) {
		f, err := parser.ParseFile(fset, filepath.Join(folder, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	std := slices.DeleteFunc(slices.Clone(parsed.Imports), func(path string) bool {
		first, _, _ := strings.Cut(path, "/")
		return path == "C" || strings.Contains(first, ".")
	})
	imp, err := exports("", append([]string{"unsafe"}, std...)...)
	if err != nil {
		return nil, err
	}
	config := types.Config{
		Importer:         partial{imp},
		FakeImportC:      true,
		IgnoreFuncBodies: true,
		Error:            func(error) {}, // what cannot be resolved becomes an invalid type, which is compared as such
	}
	pkg, _ := config.Check(path, fset, files, nil)
	if pkg == nil {
		return nil, fmt.Errorf("%s cannot be read as a package", folder)
	}
	api := of(pkg, path)
	for name, c := range cConstants(files) {
		if e, ok := api[name]; ok {
			e.C = c
			api[name] = e
		}
	}
	return api, nil
}

// partial stands in for what is not there with empty packages.
type partial struct{ types.Importer }

func (p partial) Import(path string) (*types.Package, error) {
	if first, _, _ := strings.Cut(path, "/"); !strings.Contains(first, ".") {
		return p.Importer.Import(path)
	}
	pkg := types.NewPackage(path, path[strings.LastIndex(path, "/")+1:])
	pkg.MarkComplete()
	return pkg, nil
}

// FillC gives the constants that are defined as C macros the value that the macros have in these headers, compiled with these flags. It
// returns the names of the macros that are not in the headers.
func (a API) FillC(headers, flags []string) (missing []string, err error) {
	var src strings.Builder
	src.WriteString("#include <stdio.h>\n")
	for _, h := range headers {
		fmt.Fprintf(&src, "#include <%s>\n", h)
	}
	src.WriteString("int main(void) {\n")
	for name, e := range a {
		if e.C != "" {
			fmt.Fprintf(&src, "#ifdef %s\n\tprintf(\"%s %%lld\\n\", (long long)(%s));\n#endif\n", e.C, name, e.C)
		}
	}
	src.WriteString("\treturn 0;\n}\n")

	dir, err := os.MkdirTemp("", "apidiff")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file, exe := filepath.Join(dir, "constants.c"), filepath.Join(dir, "constants")
	if err := os.WriteFile(file, []byte(src.String()), 0o600); err != nil {
		return nil, err
	}
	cc, err := run("", "go", "env", "CC")
	if err != nil {
		return nil, err
	}
	if _, err := run(dir, strings.TrimSpace(string(cc)), append(slices.Clone(flags), "-o", exe, file)...); err != nil {
		return nil, err
	}
	out, err := run(dir, exe)
	if err != nil {
		return nil, err
	}
	values := map[string]string{}
	for line := range strings.Lines(string(out)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		values[name] = value
	}
	for name, e := range a {
		if e.C == "" {
			continue
		}
		if e.Value = values[name]; e.Value == "" {
			missing = append(missing, e.C)
		}
		a[name] = e
	}
	slices.Sort(missing)
	return missing, nil
}
