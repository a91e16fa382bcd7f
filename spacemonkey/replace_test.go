package openssl_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// A program that imports both originals, each replaced by its own module: they share their types.
const programOfBoth = `package main

import (
	"fmt"

	libp2p "github.com/libp2p/go-openssl"
	_ "github.com/libp2p/go-openssl/utils"
	"github.com/spacemonkeygo/openssl"
	"github.com/spacemonkeygo/openssl/utils"
)

func main() {
	key, err := openssl.GenerateECKey(openssl.Prime256v1)
	if err != nil {
		panic(err)
	}
	var other libp2p.PrivateKey = key
	secret, err := libp2p.DeriveSharedSecret(key, other)
	utils.NewFuture().Set(secret, err)
	fmt.Println(len(secret), err, other.Equal(key))
	var ctx *libp2p.Ctx
	if ctx, err = openssl.NewCtx(); err != nil {
		panic(err)
	}
	fmt.Println(ctx.SetMinProtoVersion(libp2p.TLS1_2_VERSION))
}
`

func TestProgramThatReplacesBoth(t *testing.T) {
	top, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(top, "libp2p")); err != nil {
		t.Skipf("outside of the repository: %v", err)
	}
	folder := t.TempDir()
	mod := "module both\n\ngo 1.26.0\n\nrequire (\n\tgithub.com/libp2p/go-openssl v0.1.0\n\tgithub.com/spacemonkeygo/openssl " + originalVersion +
		"\n\tgithub.com/golibssl/openssl v0.0.0\n\tgithub.com/golibssl/openssl/legacy v0.0.0\n)\n\nreplace github.com/golibssl/openssl => " + top + "\n\nreplace github.com/libp2p/go-openssl => " + top + "/libp2p\n\nreplace github.com/spacemonkeygo/openssl => " +
		top + "/spacemonkey\n\nreplace github.com/golibssl/openssl/legacy => " + top + "/legacy\n"
	for name, text := range map[string]string{"go.mod": mod, "main.go": programOfBoth} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "go", "run", ".")
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod")
	out, err := cmd.CombinedOutput()
	if err != nil || string(out) != "32 <nil> true\ntrue\n" {
		t.Errorf("%v\n%s", err, out)
	}
}
