package scripts_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const root = "github.com/golibssl/openssl"

// around is what the snippets of the pages leave out.
const around = `package snippet
import ("context"; "crypto"; "errors"; "io"; "` + root + `")
var (
	ctx *openssl.Ctx
	conn *openssl.Conn
	certs []*openssl.Certificate
	chain [][]byte
	signer crypto.Signer
	complete func([]byte) bool
)
`

// ours are the packages of the other modules, by folder; theirs need not be there to be compiled against. dropIns
// are what the drop-ins alone have.
var (
	ours    = map[string]string{"grpccreds": "grpccreds", "postgres": "interop/postgres", "prometheus": "metrics/prometheus", "otel": "metrics/otel"}
	theirs  = []string{"grpc", "pgx", "prom", "registry", "provider", "attribute", "serverCtx", "clientCtx"}
	dropIns = []string{"Conn.GetVerifyResults", "Conn.Root", "Ctx.SetDefaultVerifyPaths", "Ctx.SetReportTruncation", "Ctx.SetVerifyMode"}
)

// TestSnippets compiles the Go of README.md and docs against the root package, and looks the members up that
// they name in text. docs/migration.md is TestMovingOn's.
func TestSnippets(t *testing.T) {
	c := newSnippets(t)
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range append(pages, "../README.md") {
		if filepath.Base(page) == "migration.md" {
			continue
		}
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		c.check(page[len("../"):], string(text))
	}
	for _, problem := range c.problems {
		t.Error(problem)
	}
	if c.snippets < 10 || c.members < 20 {
		t.Errorf("%d snippets and %d members were seen", c.snippets, c.members)
	}
	t.Logf("%d snippets, %d members", c.snippets, c.members)
}

// TestSnippetsFindMistakes gives the same check pages with one mistake each, or none.
func TestSnippetsFindMistakes(t *testing.T) {
	c := newSnippets(t)
	goCode := func(code string) string { return "text\n```go\n" + code + "\n```\n" }
	for _, test := range []struct{ text, want string }{
		{goCode("ctx, err := openssl.NewCtx(&openssl.Config{SessionCache: openssl.NewMemoryCache(0), …})"), ""},
		{goCode("for {\n\tif _, err := conn.Read(nil); err != nil {\n\t\treturn err\n\t}\n}"), ""},
		{goCode("grpc.NewServer(grpc.Creds(grpccreds.New(serverCtx)))"), ""},
		{goCode("func f(c *openssl.Conn) error { return c.CloseWrite() }"), ""},
		{goCode("\nopenssl.NewContext(nil)"), "page.md:4: undefined: openssl.NewContext"},
		{goCode("conn.CloseRead()"), "page.md:3: conn.CloseRead undefined (type *openssl.Conn has no field or method CloseRead)"},
		{goCode("_ = openssl.Config{Cache: nil}"), "page.md:3: unknown field Cache in struct literal of type openssl.Config"},
		{goCode("grpccreds.Newest(serverCtx)"), "page.md: grpccreds has no Newest"},
		{goCode("conn.Read("), "page.md:5: expected operand, found 'return' (and 1 more errors)"},
		{"`Config.NextProtos`, `Conn.Read(p)`, `Request.TLS`, `openssl.Dial`", ""},
		{"`Config.Next`", "page.md: there is no Config.Next"},
		{"`Conn.CloseRead()`", "page.md: there is no Conn.CloseRead"},
		{"`conn.CloseRead()`", "page.md: there is no conn.CloseRead"},
		{"`openssl.Call`", "page.md: there is no openssl.Call"},
	} {
		c.problems = nil
		c.check("page.md", test.text)
		var want []string
		if test.want != "" {
			want = []string{test.want}
		}
		if diff := cmp.Diff(want, c.problems); diff != "" {
			t.Errorf("%s\n(-want +got):\n%s", test.text, diff)
		}
	}
}

type snippets struct {
	t                 *testing.T
	fset              *token.FileSet
	imports           types.Importer
	root              *types.Package
	snippets, members int
	problems          []string
}

func newSnippets(t *testing.T) *snippets {
	t.Helper()
	cmd := exec.Command("go", "list", "-export", "-deps", "-f", "{{.ImportPath}}={{.Export}}", "..")
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	exports := make(map[string]string)
	for line := range strings.Lines(string(out)) {
		name, file, _ := strings.Cut(strings.TrimSpace(line), "=")
		exports[name] = file
	}
	c := &snippets{t: t, fset: token.NewFileSet()}
	c.imports = importer.ForCompiler(c.fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	if c.root, err = c.imports.Import(root); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *snippets) problem(format string, args ...any) {
	c.problems = append(c.problems, fmt.Sprintf(format, args...))
}

var (
	goBlock    = regexp.MustCompile("(?ms)^```go\n(.*?)^```$")
	member     = regexp.MustCompile("`([A-Za-z]+)\\.([A-Z][A-Za-z0-9]*)")
	undefined  = regexp.MustCompile(`^undefined: (\w+)$`)
	ourMembers = regexp.MustCompile(`\b(\w+)\.([A-Z]\w*)`)
)

func (c *snippets) check(page, text string) {
	for _, m := range goBlock.FindAllStringSubmatchIndex(text, -1) {
		c.snippets++
		code := strings.ReplaceAll(text[m[2]:m[3]], ", …}", "}")
		c.compile(page, 1+strings.Count(text[:m[2]], "\n"), code)
		for _, m := range ourMembers.FindAllStringSubmatch(code, -1) {
			if folder := ours[m[1]]; folder != "" && !c.declares(folder, m[2]) {
				c.problem("%s: %s has no %s", page, m[1], m[2])
			}
		}
	}
	for _, m := range member.FindAllStringSubmatch(text, -1) {
		var found types.Object
		name := strings.ToUpper(m[1][:1]) + m[1][1:] // conn.End is a Conn's
		switch typ, ok := c.root.Scope().Lookup(name).(*types.TypeName); {
		case m[1] == "openssl":
			found = c.root.Scope().Lookup(m[2])
		case ok:
			found, _, _ = types.LookupFieldOrMethod(typ.Type(), true, c.root, m[2])
		default:
			continue
		}
		c.members++
		if found == nil && !slices.Contains(dropIns, name+"."+m[2]) {
			c.problem("%s: there is no %s.%s", page, m[1], m[2])
		}
	}
}

// compile type-checks a snippet, with what it leaves out around it. What it does not use is no mistake.
func (c *snippets) compile(page string, line int, code string) {
	if !strings.HasPrefix(code, "func ") {
		code = fmt.Sprintf("func _() error {\n//line %s:%d\n%s\nreturn nil\n}\n", page, line, code)
	} else {
		code = fmt.Sprintf("//line %s:%d\n%s", page, line, code)
	}
	file, err := parser.ParseFile(c.fset, "around", around+code, parser.SkipObjectResolution)
	if err != nil {
		c.problem("%v", err)
		return
	}
	conf := types.Config{Importer: c.imports, Error: func(err error) {
		var e types.Error
		if !errors.As(err, &e) || e.Soft {
			return
		}
		if m := undefined.FindStringSubmatch(e.Msg); m != nil && (ours[m[1]] != "" || slices.Contains(theirs, m[1])) {
			return
		}
		c.problem("%v: %s", c.fset.Position(e.Pos), e.Msg)
	}}
	conf.Check("snippet", c.fset, []*ast.File{file}, nil)
}

// declares reports whether a package of ours has a function or type of that name.
func (c *snippets) declares(folder, name string) bool {
	files, err := filepath.Glob(filepath.Join("..", folder, "*.go"))
	if err != nil {
		c.t.Fatal(err)
	}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			c.t.Fatal(err)
		}
		if !strings.HasSuffix(file, "_test.go") && parsed.Scope.Lookup(name) != nil {
			return true
		}
	}
	return false
}
