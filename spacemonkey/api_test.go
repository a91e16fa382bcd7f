package openssl_test

import (
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/golibssl/openssl/legacy/apidiff"
)

const (
	original        = "github.com/spacemonkeygo/openssl"
	originalVersion = "v0.0.0-20181017203307-c2dcc5cca94a"
	module          = "github.com/golibssl/openssl/spacemonkey"
	implementation  = "github.com/golibssl/openssl/legacy"
)

func TestAPIIsTheOriginals(t *testing.T) {
	folder := download(t)
	want, err := apidiff.Source(folder, original)
	if err != nil {
		t.Fatal(err)
	}
	checkSize(t, want)
	flags, err := exec.Command("pkg-config", "--cflags", "libcrypto").Output()
	if err != nil {
		t.Fatalf("pkg-config: %v", err)
	}
	gone, err := want.FillC([]string{"openssl/ssl.h", "openssl/x509v3.h", "openssl/x509_vfy.h"}, strings.Fields(string(flags)))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("C constants that these headers no longer have, compared by type only: %v", gone)

	got, err := apidiff.Built(".", module, implementation)
	if err != nil {
		t.Fatal(err)
	}
	report(t, want, got)
}

func TestUtilsAPIIsTheOriginals(t *testing.T) {
	want, err := apidiff.Source(download(t)+"/utils", original+"/utils")
	if err != nil {
		t.Fatal(err)
	}
	got, err := apidiff.Built(".", module+"/utils", implementation+"/utils")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range apidiff.Compare(want, got) {
		t.Error(d)
	}
	if len(want) != 9 {
		t.Errorf("the original's utils has %d identifiers; want 9: 2 types, 1 function, 5 methods, 1 field", len(want))
	}
}

func download(t *testing.T) string {
	t.Helper()
	folder, err := apidiff.Download(original, originalVersion)
	if errors.Is(err, apidiff.ErrUnavailable) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

// checkSize fails when not all of the original was read.
func checkSize(t *testing.T, api apidiff.API) {
	t.Helper()
	n := map[string]int{}
	for name, e := range api {
		kind := e.Kind
		if strings.Contains(name, ".") {
			kind = "member"
		}
		n[kind]++
	}
	if n["type"] != 47 || n["func"] != 53 || n["const"] != 308 || n["var"] != 4 {
		t.Errorf("the original has %v; want 47 types, 53 functions, 308 constants, 4 variables", n)
	}
}

func report(t *testing.T, want, got apidiff.API) {
	t.Helper()
	for _, d := range apidiff.Compare(want, got) {
		t.Error(d)
	}
	t.Logf("%d identifiers and members of the original's", len(want))
}
