package apidiff

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func source(t *testing.T, src string) API {
	t.Helper()
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "a.go"), []byte(src), 0o600); err != nil {
		t.Fatal(err)
	}
	api, err := Source(folder, "example.org/a")
	if err != nil {
		t.Fatal(err)
	}
	return api
}

const base = `package a

// #include <limits.h>
import "C"

import (
	"net"
	"example.org/not/there"
)

type Number int

const (
	One Number = 1 + iota
	Two
	Limit Number = C.INT_MAX
	Text = "text"
)

var V, W = there.Something(), 1

type T struct {
	net.Conn
	Name string
	hidden int
	c *C.int
}

func (t *T) Method(a, b int, rest ...string) (n int, err error) { return }
func (t T) Value() {}

type Open interface { Do(interface{}) error }
type Sealed interface { Do(interface{}) error; seal() }

func F(conn net.Conn, f func(t *T) bool) ([]byte, *C.int) { return nil, nil }

func unexported() {}
`

func TestCompareWithItself(t *testing.T) {
	if diffs := Compare(source(t, base), source(t, base)); len(diffs) != 0 {
		t.Errorf("a package differs from itself: %v", diffs)
	}
}

func TestWhatCountsAsDifferent(t *testing.T) {
	for _, c := range []struct {
		old, new string
		want     []string
	}{
		{"func unexported() {}", "func another() {}", nil},
		{"a, b int, rest", "x int, y int, z", nil},
		{"f func(t *T) bool", "g func(other *T) bool", nil},
		{"Do(interface{})", "Do(any)", nil},
		{"hidden int", "secret string", nil},
		{"seal()", "seal(); More()", nil},
		{"func (t *T) Method", "func (t *T) More() {}\nfunc (t *T) Method", nil},
		{"func F(", "func G(", []string{"missing: func F"}},
		{"conn net.Conn", "conn net.Listener", []string{"differs: F is"}},
		{"f func(t *T) bool", "f func(t T) bool", []string{"differs: F is"}},
		{"Two\n", "Zwei\n", []string{"missing: const Two"}},
		{"1 + iota", "2 + iota", []string{"differs: One is", "differs: Two is"}},
		{"One Number", "One int", []string{"differs: One is", "differs: Two is"}},
		{`"text"`, `"other"`, []string{"differs: Text is"}},
		{"func (t *T) Method", "func (t *T) method", []string{"missing: method T.Method"}},
		{"func (t T) Value", "func (t *T) Value", []string{"differs: T.Value is"}},
		{"rest ...string", "rest []string", []string{"differs: T.Method is"}},
		{"Name string", "Name []byte", []string{"differs: T.Name is"}},
		{"Name string", "Name string `json:\"n\"`", []string{"differs: T.Name is"}},
		{"net.Conn\n\tName", "Conn net.Conn\n\tName", []string{"differs: T.Conn is", "missing: method T.Close"}},
		{"Open interface { ", "Open interface { More(); ", []string{"differs: Open.More is"}},
		{"type Number int", "type Number uint", []string{"differs: Number is"}},
		{"V, W =", "v, W =", []string{"missing: var V"}},
		{"type Open interface { Do(interface{}) error }", "", []string{"missing: type Open"}},
	} {
		if !strings.Contains(base, c.old) {
			t.Fatalf("the source has no %q", c.old)
		}
		var got []string
		for _, d := range Compare(source(t, base), source(t, strings.ReplaceAll(base, c.old, c.new))) {
			got = append(got, d.String())
		}
		for _, want := range c.want {
			if !slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, want) }) {
				t.Errorf("%q made %q: %q is not among %q", c.old, c.new, want, got)
			}
		}
		if len(c.want) == 0 && len(got) > 0 {
			t.Errorf("%q made %q: %q", c.old, c.new, got)
		}
	}
}

func TestFillC(t *testing.T) {
	api := source(t, strings.Replace(base, "Text =", "Gone = C.NO_SUCH_MACRO\nText =", 1))
	missing, err := api.FillC([]string{"limits.h"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"NO_SUCH_MACRO"}, missing); diff != "" {
		t.Error(diff)
	}
	if got := api["Limit"].Value; got != "2147483647" {
		t.Errorf("INT_MAX is %q", got)
	}
	other := source(t, strings.Replace(base, "Limit Number = C.INT_MAX", "Limit Number = 7", 1))
	diffs := Compare(api, other)
	if len(diffs) != 2 || diffs[0].Name != "Gone" || diffs[1].Name != "Limit" {
		t.Errorf("differences %v", diffs)
	}
}

func TestBuiltAgreesWithSource(t *testing.T) {
	want, err := Source("../utils", "github.com/golibssl/openssl/legacy/utils")
	if err != nil {
		t.Fatal(err)
	}
	got, err := Built(".", "github.com/golibssl/openssl/legacy/utils")
	if err != nil {
		t.Fatal(err)
	}
	if diffs := append(Compare(want, got), Compare(got, want)...); len(diffs) != 0 || len(got) == 0 {
		t.Errorf("%d identifiers, differences %v", len(got), diffs)
	}
}

func TestDownloadUnavailable(t *testing.T) {
	t.Setenv("GOPROXY", "off")
	t.Setenv("GOFLAGS", "-mod=mod")
	t.Setenv("GOMODCACHE", t.TempDir())
	if folder, err := Download("example.org/not/there", "v1.0.0"); err == nil || !strings.Contains(err.Error(), ErrUnavailable.Error()) {
		t.Errorf("%q, %v", folder, err)
	}
}
