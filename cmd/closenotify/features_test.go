package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/golibssl/openssl"
)

// TestFeatures: both forms name each feature and say of it what the library says.
func TestFeatures(t *testing.T) {
	text, lines := tool(t, "", "features"), tool(t, "", "features", "--json")
	if text.Status != exitDone || lines.Status != exitDone || text.Stderr+lines.Stderr != "" {
		t.Fatalf("%+v\n%+v", text, lines)
	}
	if !strings.HasPrefix(text.Stdout, openssl.LibraryVersion()+"\n") {
		t.Errorf("the library is not named: %s", text.Stdout)
	}
	got := strings.Split(strings.TrimSpace(lines.Stdout), "\n")
	if len(got) != len(openssl.Features()) || len(got) < 5 {
		t.Fatalf("%d lines, %d features", len(got), len(openssl.Features()))
	}
	for i, f := range openssl.Features() {
		var line struct{ Name, API, Needs, Cell string }
		if err := json.Unmarshal([]byte(got[i]), &line); err != nil {
			t.Fatal(err)
		}
		if line.Name != f.Name || line.API != f.API || line.Cell != f.String() || line.Needs != f.Needs {
			t.Errorf("%+v, the library says %+v", line, f)
		}
		if !strings.Contains(text.Stdout, f.Name+" ") {
			t.Errorf("no line for %s in:\n%s", f.Name, text.Stdout)
		}
	}
	if r := tool(t, "", "features", "x"); r.Status != exitUsage {
		t.Errorf("%+v", r)
	}
}
