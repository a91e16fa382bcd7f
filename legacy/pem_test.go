package openssl

import (
	"bytes"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSplitPEM(t *testing.T) {
	const a, b = "-----BEGIN A-----\nAAAA\n-----END A-----", "-----BEGIN B-----\nX: y\n\nBBBB\n-----END B-----"
	for _, c := range []struct {
		name, in string
		want     []string
	}{
		{"nothing", "", nil},
		{"text", "no PEM here\n", nil},
		{"one", a + "\n", []string{a}},
		{"no last line break", a, []string{a}},
		{"two with text around", "before\n" + a + "\nbetween\n" + b + "\nafter\n", []string{a, b}},
		{"END missing", "-----BEGIN A-----\nAAAA\n", nil},
		{"BEGIN missing", "AAAA\n-----END A-----\n", nil},
		{"not at the start of a line", " " + a + "\n", nil},
		{"BEGIN without its last dashes", "-----BEGIN A\nAAAA\n-----END A-----\n", nil},
		{"more dashes", "------ BEGIN A------\nAAAA\n------ END A------\n", []string{"------ BEGIN A------\nAAAA\n------ END A------"}},
		{"CRLF", strings.ReplaceAll(a+"\n"+b+"\n", "\n", "\r\n"),
			[]string{strings.ReplaceAll(a, "\n", "\r\n"), strings.ReplaceAll(b, "\n", "\r\n")}},
	} {
		var got []string
		for _, block := range SplitPEM([]byte(c.in)) {
			got = append(got, string(block))
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

// Appending to a block must not write over the next one.
func TestSplitPEMBlocksAreClipped(t *testing.T) {
	in := []byte("-----BEGIN A-----\n-----END A-----\n-----BEGIN B-----\n-----END B-----\n")
	before := bytes.Clone(in)
	for _, block := range SplitPEM(in) {
		_ = append(block, "overwritten"...)
	}
	if !bytes.Equal(in, before) {
		t.Errorf("the input became %q", in)
	}
}

func FuzzSplitPEM(f *testing.F) {
	f.Add([]byte("-----BEGIN A-----\nAAAA\n-----END A-----\n"))
	f.Add([]byte("-----BEGIN A-----\r\nAAAA\r\n-----END A-----\r\n"))
	f.Add([]byte("-----\n-----BEGIN-----\n-----END-----"))
	f.Fuzz(func(t *testing.T, in []byte) {
		at := 0
		for _, block := range SplitPEM(in) {
			i := bytes.Index(in[at:], block)
			if i < 0 || len(block) == 0 {
				t.Fatalf("block %q is not in the rest of %q", block, in)
			}
			at += i + len(block)
		}
		// What encoding/pem writes is found whole.
		whole := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: in})
		got := SplitPEM(whole)
		if len(got) != 1 || !bytes.Equal(got[0], bytes.TrimSuffix(whole, []byte("\n"))) {
			t.Fatalf("%q is split into %q", whole, got)
		}
	})
}
