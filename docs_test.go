package openssl_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestHandbook holds the pages at the top and docs to the tests, scenarios and files that they name.
func TestHandbook(t *testing.T) {
	h, err := readHandbook(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range h.problems {
		t.Error(problem)
	}
	// A walk that saw nothing would find nothing.
	if h.pages < 10 || h.tests == 0 || h.scenarios == 0 || h.links == 0 {
		t.Errorf("the walk saw %d pages, %d tests, %d scenarios, %d links", h.pages, h.tests, h.scenarios, h.links)
	}
	t.Logf("%d pages cite %d tests and %d scenarios, and have %d links", h.pages, h.tests, h.scenarios, h.links)
}

const (
	resultsFolder = "testdata/semantics"  // a file a version, its lines begin with ID|
	groupsFolder  = "internal/semantics/" // func TestMask(t *testing.T) { test(t, groupA) }
)

// handbook is what readHandbook found. The counts are of citations.
type handbook struct {
	problems                       []string
	pages, tests, scenarios, links int

	funcs   map[string][]string        // test: the strings in the files that have it, as subtests' names
	results map[string]map[string]bool // file of results: its ids
	groups  map[string]string          // letter of an id: the test that plays it
	root    fs.FS
}

func (h *handbook) problem(page string, line int, format string, args ...any) {
	h.problems = append(h.problems, fmt.Sprintf("%s:%d: ", page, line+1)+fmt.Sprintf(format, args...))
}

func readHandbook(root fs.FS) (*handbook, error) {
	h := &handbook{funcs: map[string][]string{}, results: map[string]map[string]bool{}, groups: map[string]string{}, root: root}
	var pages []string
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			if name != "." && strings.HasPrefix(path.Base(name), ".") {
				return fs.SkipDir
			}
			return nil
		case strings.HasSuffix(name, "_test.go") && !strings.Contains("/"+name, "/testdata/"):
			return h.readTests(name)
		case path.Dir(name) == resultsFolder:
			return h.readResults(name)
		case path.Ext(name) == ".md" && (path.Dir(name) == "." || strings.HasPrefix(name, "docs/")):
			pages = append(pages, name)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, page := range pages {
		text, err := fs.ReadFile(root, page)
		if err != nil {
			return nil, err
		}
		h.pages++
		for i, line := range strings.Split(string(text), "\n") {
			h.readLine(page, i, line)
		}
	}
	return h, nil
}

var isGroup = regexp.MustCompile(`^group([A-Z])$`)

// readTests takes the tests of a file and the strings that may be names of their subtests.
func (h *handbook) readTests(name string) error {
	source, err := fs.ReadFile(h.root, name)
	if err != nil {
		return err
	}
	file, err := parser.ParseFile(token.NewFileSet(), name, source, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	var texts []string
	ast.Inspect(file, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if text, err := strconv.Unquote(lit.Value); err == nil {
				texts = append(texts, strings.ReplaceAll(text, " ", "_"))
			}
		}
		return true
	})
	for _, decl := range file.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok || f.Recv != nil || !strings.HasPrefix(f.Name.Name, "Test") {
			continue
		}
		h.funcs[f.Name.Name] = append(h.funcs[f.Name.Name], texts...)
		if !strings.HasPrefix(name, groupsFolder) {
			continue
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok {
				if m := isGroup.FindStringSubmatch(id.Name); m != nil {
					h.groups[strings.ToLower(m[1])] = f.Name.Name
				}
			}
			return true
		})
	}
	return nil
}

func (h *handbook) readResults(name string) error {
	text, err := fs.ReadFile(h.root, name)
	if err != nil {
		return err
	}
	ids := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		id, _, _ := strings.Cut(line, "|")
		ids[id] = true
	}
	h.results[name] = ids
	return nil
}

var (
	testWord   = regexp.MustCompile(`\bTest[A-Z0-9]\w*`)
	codeSpan   = regexp.MustCompile("`[^`]+`")
	scenarioID = regexp.MustCompile("^`([a-z])[0-9]{2}`$")
	subtest    = regexp.MustCompile("^`(Test\\w+)/(.+)`$")
	testFile   = regexp.MustCompile("^`([\\w/]+_test\\.go)`$")
	oneResult  = regexp.MustCompile(`^[a-z][0-9]{2}$`)
	link       = regexp.MustCompile(`\]\(([^()\s]+)\)`)
)

// readLine checks what a line cites: a test by its name, with its subtest behind a slash; a scenario by
// its id, on a line that names the test that plays it.
func (h *handbook) readLine(page string, i int, line string) {
	var named []string
	for _, at := range testWord.FindAllStringIndex(line, -1) {
		if at[0] > 0 && line[at[0]-1] == '/' {
			continue // in a subtest's name
		}
		name := line[at[0]:at[1]]
		named = append(named, name)
		h.tests++
		if _, ok := h.funcs[name]; !ok {
			h.problem(page, i, "there is no test %s", name)
		}
	}
	for _, span := range codeSpan.FindAllString(line, -1) {
		if m := scenarioID.FindStringSubmatch(span); m != nil {
			h.cited(page, i, strings.Trim(span, "`"))
			if by := h.groups[m[1]]; by == "" || !slices.Contains(named, by) {
				h.problem(page, i, "%s is cited without its test %q", span, by)
			}
		}
		if m := testFile.FindStringSubmatch(span); m != nil {
			if _, err := fs.Stat(h.root, m[1]); err != nil {
				h.problem(page, i, "there is no file %s", m[1])
			}
		}
		m := subtest.FindStringSubmatch(span)
		if m == nil {
			continue
		}
		if _, ok := h.funcs[m[1]]; !ok {
			continue // said above
		}
		if oneResult.MatchString(m[2]) {
			h.cited(page, i, m[2])
		} else if !slices.Contains(h.funcs[m[1]], m[2]) && !h.isFile(m[2]) {
			h.problem(page, i, "%s has no subtest %s", m[1], m[2])
		}
	}
	for _, m := range link.FindAllStringSubmatch(line, -1) {
		h.links++
		h.follow(page, i, m[1])
	}
}

func (h *handbook) cited(page string, i int, id string) {
	h.scenarios++
	for file, ids := range h.results {
		if !ids[id] {
			h.problem(page, i, "%s has no scenario %s", file, id)
		}
	}
	if len(h.results) == 0 {
		h.problem(page, i, "there are no results for %s", id)
	}
}

// isFile tells a kept closure script, each of which is a subtest.
func (h *handbook) isFile(name string) bool {
	_, err := fs.Stat(h.root, "testdata/closure/"+name)
	return err == nil
}

func (h *handbook) follow(page string, i int, target string) {
	if strings.HasPrefix(target, "https://") {
		return
	}
	name, anchor, _ := strings.Cut(target, "#")
	file := page
	if name != "" {
		file = path.Join(path.Dir(page), name)
	}
	info, err := fs.Stat(h.root, file)
	if err != nil {
		h.problem(page, i, "the link %s leads nowhere", target)
		return
	}
	if anchor == "" || info.IsDir() {
		return
	}
	text, err := fs.ReadFile(h.root, file)
	if err != nil || !slices.Contains(anchors(string(text)), anchor) {
		h.problem(page, i, "%s has no heading for %s", file, target)
	}
}

var notInAnchor = regexp.MustCompile(`[^\p{L}\p{N} _-]`)

// anchors are the headings of a page as links to them are written.
func anchors(text string) (all []string) {
	for line := range strings.Lines(text) {
		if title, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " "); ok && line[0] == '#' {
			title = notInAnchor.ReplaceAllString(strings.ToLower(strings.TrimSpace(title)), "")
			all = append(all, strings.ReplaceAll(title, " ", "-"))
		}
	}
	return all
}

// TestHandbookFindsMistakes runs the same check over small trees that each have one mistake, or none.
func TestHandbookFindsMistakes(t *testing.T) {
	tree := map[string]string{
		"a_test.go":                         "package p\nfunc TestA() { _, _ = \"one/two three\", \"x/TestX\" }\nfunc (T) TestMethod() {}\n",
		"sub/b_test.go":                     "package sub\nfunc TestB() {}\nfunc helper() {}\n",
		"internal/semantics/groups_test.go": "package semantics\nfunc TestMask() { test(groupA) }\nfunc TestShutdown() { test(groupB) }\n",
		"testdata/semantics/1.txt":          "a01|any|x|y\na02|any|x|y\nb01|any|x|y\n",
		"testdata/semantics/2.txt":          "a01|any|x|y\nb01|any|x|y\n",
		"testdata/closure/kept.closure":     "",
		"testdata/x/c_test.go":              "package x\nfunc TestC() {}\n",
		"docs/other.md":                     "# What it's *for*, really\n",
	}
	for _, test := range []struct {
		name, page string
		want       []string
	}{
		{"right", "TestA, `TestB`, `TestA/one/two_three`, `TestA/kept.closure`, `TestA/x/TestX`\n`TestMask` `a01`, `TestShutdown` `b01`, -run `TestMask/a01`\n" +
			"[x](other.md) [y](../docs/other.md#what-its-for-really) [z](#top) [d](../testdata) [w](https://example.com/none)\n# Top\nTestimony, `abc` and `x1`\n", nil},
		{"no such test", "\n`TestC`\n", []string{"docs/page.md:2: there is no test TestC"}},
		{"without backticks", "TestC\n", []string{"docs/page.md:1: there is no test TestC"}},
		{"in a code block", "```\ngo test -run TestC\n```\n", []string{"docs/page.md:2: there is no test TestC"}},
		{"a method is no test", "TestMethod\n", []string{"docs/page.md:1: there is no test TestMethod"}},
		{"no such file", "`a_test.go`, `sub/b_test.go`, `c_test.go`\n", []string{"docs/page.md:1: there is no file c_test.go"}},
		{"no such subtest", "`TestA/one`\n", []string{"docs/page.md:1: TestA has no subtest one"}},
		{"another test's subtest", "`TestB/one/two_three`\n", []string{"docs/page.md:1: TestB has no subtest one/two_three"}},
		{"scenario of one version", "`TestMask` `a02`\n", []string{"docs/page.md:1: testdata/semantics/2.txt has no scenario a02"}},
		{"scenario as subtest", "`TestMask/a02`\n", []string{"docs/page.md:1: testdata/semantics/2.txt has no scenario a02"}},
		{"scenario of no version", "`TestShutdown` `b02`\n", []string{
			"docs/page.md:1: testdata/semantics/1.txt has no scenario b02", "docs/page.md:1: testdata/semantics/2.txt has no scenario b02"}},
		{"scenario without its test", "`TestMask` `b01`\n", []string{"docs/page.md:1: `b01` is cited without its test \"TestShutdown\""}},
		{"link to nowhere", "[x](none.md)\n", []string{"docs/page.md:1: the link none.md leads nowhere"}},
		{"link from another folder", "[x](docs/other.md)\n", []string{"docs/page.md:1: the link docs/other.md leads nowhere"}},
		{"link to no heading", "[x](other.md#what)\n", []string{"docs/page.md:1: docs/other.md has no heading for other.md#what"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			put := func(name, text string) {
				file := filepath.Join(dir, filepath.FromSlash(name))
				if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			for name, text := range tree {
				put(name, text)
			}
			put("docs/page.md", test.page)
			h, err := readHandbook(os.DirFS(dir))
			if err != nil {
				t.Fatal(err)
			}
			slices.Sort(h.problems)
			if diff := cmp.Diff(test.want, h.problems); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}
