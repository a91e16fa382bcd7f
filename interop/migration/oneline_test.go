package migration

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/golibssl/openssl/internal/testcert"
	"github.com/google/go-cmp/cmp"
)

const (
	spacemonkeys = "github.com/spacemonkeygo/openssl v0.0.0-20181017203307-c2dcc5cca94a"
	libp2ps      = "github.com/libp2p/go-openssl v0.1.0"
)

// service is a program written for either original, with package and type names of its import.
const service = `package main

import (
	"fmt"
	"io"
	"math/big"
	"os"
	"time"

	"IMPORT"
	"IMPORT/utils"
)

func main() {
	key, err := openssl.GenerateECKey(openssl.Prime256v1)
	check(err)
	cert, err := openssl.NewCertificate(&openssl.CertificateInfo{Serial: big.NewInt(1), Expires: time.Hour, Country: "US",
		Organization: "Test", CommonName: "localhost"}, key)
	check(err)
	check(cert.Sign(key, openssl.EVP_SHA256))
	write := func(name string, pem []byte, err error) {
		check(err)
		check(os.WriteFile(name, pem, 0o600))
	}
	pem, err := cert.MarshalPEM()
	write("cert.pem", pem, err)
	pem, err = key.MarshalPKCS1PrivateKeyPEM()
	write("key.pem", pem, err)

	ctx, err := openssl.NewCtxFromFiles("cert.pem", "key.pem")
	check(err)
	l, err := openssl.Listen("tcp", "127.0.0.1:0", ctx)
	check(err)
	served := utils.NewFuture()
	go func() {
		conn, err := l.Accept()
		check(err)
		_, err = io.Copy(conn, conn)
		served.Set(nil, err)
		conn.Close()
	}()
	client, err := openssl.NewCtx()
	check(err)
	check(client.LoadVerifyLocations("cert.pem", ""))
	client.SetVerifyMode(openssl.VerifyPeer)
	conn, err := openssl.Dial("tcp", l.Addr().String(), client, openssl.InsecureSkipHostVerification)
	check(err)
	check(conn.VerifyHostname("localhost"))
	_, err = conn.Write([]byte("hello"))
	check(err)
	answer := make([]byte, 5)
	_, err = io.ReadFull(conn, answer)
	check(err)
	check(conn.Close())
	_, err = served.Get()
	check(err)
	fmt.Println(string(answer))
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
`

// TestOneLine types the line of the documentation into a module that was written for an original.
func TestOneLine(t *testing.T) {
	for _, test := range []struct{ name, original, line string }{
		{"spacemonkeygo", spacemonkeys, "go mod edit -replace github.com/spacemonkeygo/openssl=github.com/golibssl/openssl/spacemonkey@VERSION"},
		{"libp2p", libp2ps, "go mod edit -replace github.com/libp2p/go-openssl=github.com/golibssl/openssl/libp2p@VERSION"},
	} {
		t.Run(test.name, func(t *testing.T) {
			documented(t, test.line)
			name, _, _ := strings.Cut(test.original, " ")
			u := newUser(t, map[string]string{
				"go.mod":  "module service\n\ngo 1.26.0\n\nrequire " + test.original + "\n",
				"main.go": strings.ReplaceAll(service, "IMPORT", name),
			})
			got := u.types(strings.ReplaceAll(test.line, "VERSION", testVersion), "go mod tidy", "go build -o service .", "./service")
			if diff := cmp.Diff("hello\n", got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			drop := test.line[strings.Index(test.line, "=")+1 : strings.Index(test.line, "@")]
			want := []string{"service", "github.com/golibssl/openssl " + testVersion, "github.com/golibssl/openssl/legacy " + testVersion,
				test.original + " => " + drop + " " + testVersion}
			list := strings.Split(strings.TrimSpace(u.types("go list -deps -f '{{with .Module}}{{.}}{{end}}' . | sort -u")), "\n")
			slices.Sort(want)
			if diff := cmp.Diff(want, slices.DeleteFunc(list, func(s string) bool { return s == "" })); diff != "" {
				t.Errorf("the modules of the program (-want +got):\n%s", diff)
			}
			mod := u.types("cat go.mod")
			if strings.Contains(mod, "require "+drop) || strings.Contains(mod, "\t"+drop+" v") {
				t.Errorf("go mod tidy requires the drop-in by its own name:\n%s", mod)
			}
		})
	}
}

// documented fails unless a page for users has the line.
func documented(t *testing.T, line string) {
	t.Helper()
	for _, page := range []string{"README.md", "docs/migration.md"} {
		text, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(page)))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), line) {
			return
		}
	}
	t.Errorf("no page for users has the line %s", line)
}

const both = `package main

import (
	"fmt"
	"net"

	libp2p "github.com/libp2p/go-openssl"
	"github.com/spacemonkeygo/openssl"
)

// newCtx takes what other parts of the program made with the other import.
func newCtx(cert *libp2p.Certificate, key libp2p.PrivateKey) (*libp2p.Ctx, error) {
	ctx, err := libp2p.NewCtx()
	if err != nil {
		return nil, err
	}
	if err := ctx.UseCertificate(cert); err != nil {
		return nil, err
	}
	return ctx, ctx.UsePrivateKey(key)
}

func main() {
	key, err := openssl.GenerateECKey(openssl.Prime256v1)
	check(err)
	again, err := libp2p.LoadPrivateKeyFromPEM(pem(key))
	check(err)
	sig, err := key.SignPKCS1v15(openssl.SHA256_Method, []byte("data"))
	check(err)
	check(again.VerifyPKCS1v15(libp2p.SHA256_Method, []byte("data"), sig))
	cert, err := openssl.NewCertificate(&openssl.CertificateInfo{Serial: number, Expires: hour, Country: "US", Organization: "Test", CommonName: "both"}, again)
	check(err)
	check(cert.Sign(again, openssl.EVP_SHA256))
	ctx, err := newCtx(cert, key)
	check(err)
	a, b := net.Pipe()
	server, err := openssl.Server(a, ctx)
	check(err)
	client, err := libp2p.Client(b, ctx)
	check(err)
	done := make(chan error, 1)
	go func() { done <- server.Handshake() }()
	check(client.Handshake())
	check(<-done)
	peer, err := client.PeerCertificate()
	check(err)
	name, err := peer.GetSubjectName()
	check(err)
	entry, ok := name.GetEntry(openssl.NID_commonName)
	fmt.Println(entry, ok, key.Equal(again))
}
`

const bothsRest = `package main

import (
	"math/big"
	"time"

	"github.com/spacemonkeygo/openssl"
)

const hour = time.Hour

var number = big.NewInt(7)

func pem(key openssl.PrivateKey) []byte {
	text, err := key.MarshalPKCS1PrivateKeyPEM()
	check(err)
	return text
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
`

// TestBoth builds a program that was written for both originals, with both lines: what the one makes the other takes.
func TestBoth(t *testing.T) {
	u := newUser(t, map[string]string{
		"go.mod":  "module both\n\ngo 1.26.0\n\nrequire (\n\t" + spacemonkeys + "\n\t" + libp2ps + "\n)\n",
		"main.go": both,
		"rest.go": bothsRest,
	})
	got := u.types("go mod edit -replace github.com/spacemonkeygo/openssl=github.com/golibssl/openssl/spacemonkey@"+testVersion,
		"go mod edit -replace github.com/libp2p/go-openssl=github.com/golibssl/openssl/libp2p@"+testVersion, "go mod tidy", "go run .")
	if diff := cmp.Diff("both true true\n", got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestOneModuleForTwoPaths is why there are two drop-ins: Go refuses one replacement for two paths.
func TestOneModuleForTwoPaths(t *testing.T) {
	u := newUser(t, map[string]string{
		"go.mod":  "module both\n\ngo 1.26.0\n\nrequire (\n\t" + spacemonkeys + "\n\t" + libp2ps + "\n)\n",
		"main.go": "package main\n\nimport (\n\t_ \"github.com/libp2p/go-openssl/utils\"\n\t_ \"github.com/spacemonkeygo/openssl/utils\"\n)\n\nfunc main() {}\n",
	})
	u.types("go mod edit -replace github.com/spacemonkeygo/openssl=github.com/golibssl/openssl/spacemonkey@"+testVersion,
		"go mod edit -replace github.com/libp2p/go-openssl=github.com/golibssl/openssl/spacemonkey@"+testVersion)
	out, err := u.run("go build -mod=mod .")
	if err == nil || !strings.Contains(out, "used for two different module paths") {
		t.Errorf("%v\n%s", err, out)
	}
}

// movingOn are the imports of the documentation's three steps, and of a program around them.
const movingOn = `package main

import (
	"fmt"
	"io"
	"os"

	"IMPORT"
)

func main() {
	got, err := fetch(os.Args[1], os.Args[2])
	fmt.Printf("%s %v\n", got, err)
}

`

// TestMovingOn builds and runs the three steps of docs/migration.md against a server that ends cleanly, and one that cuts the stream.
func TestMovingOn(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "migration.md"))
	if err != nil {
		t.Fatal(err)
	}
	var steps []string
	for i, part := range strings.Split(string(text), "```go\n") {
		if code, _, ok := strings.Cut(part, "```"); ok && i > 0 {
			steps = append(steps, code)
		}
	}
	if len(steps) != 3 {
		t.Fatalf("docs/migration.md has %d steps of Go; want 3", len(steps))
	}
	ca, clean, cut := servers(t)
	for i, test := range []struct{ name, replaced, imported, cut string }{
		{"before", "yes", "github.com/spacemonkeygo/openssl", "hal <nil>\n"},
		{"one call at a time", "yes", "github.com/spacemonkeygo/openssl", "hal openssl: read: unexpected EOF\n"},
		{"after", "", "github.com/golibssl/openssl", "hal openssl: read: unexpected EOF\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			u := newUser(t, map[string]string{
				"go.mod":  "module moving\n\ngo 1.26.0\n",
				"main.go": strings.ReplaceAll(movingOn, "IMPORT", test.imported) + steps[i],
				"ca.pem":  ca,
			})
			if test.replaced != "" {
				u.types("go mod edit -replace github.com/spacemonkeygo/openssl=github.com/golibssl/openssl/spacemonkey@" + testVersion)
			}
			u.types("go mod tidy", "go build -o moving .")
			if diff := cmp.Diff("half and half <nil>\n", u.types("./moving "+clean+" ca.pem")); diff != "" {
				t.Errorf("a clean end (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.cut, u.types("./moving "+cut+" ca.pem")); diff != "" {
				t.Errorf("a cut stream (-want +got):\n%s", diff)
			}
		})
	}
}

// servers returns a CA's certificate, and the addresses of two servers of the standard library: both answer a line and end their
// connection, the one cleanly, the other in the middle and without close_notify.
func servers(t *testing.T) (ca, clean, cut string) {
	t.Helper()
	config := &tls.Config{Certificates: []tls.Certificate{testcert.Server().TLS}}
	serve := func(answer func(*tls.Conn, *net.TCPConn) error) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		t.Cleanup(func() { l.Close(); all.Wait() })
		all.Go(func() {
			for {
				tcp, err := l.Accept()
				if err != nil {
					return
				}
				all.Go(func() {
					defer tcp.Close()
					conn := tls.Server(tcp, config)
					if _, err := bufio.NewReader(conn).ReadString('\n'); err != nil {
						t.Errorf("the server reads: %v", err)
						return
					}
					if err := answer(conn, tcp.(*net.TCPConn)); err != nil {
						t.Errorf("the server answers: %v", err)
					}
					// What is unread at Close is a reset for the client.
					_, _ = io.Copy(io.Discard, tcp)
				})
			}
		})
		return l.Addr().String()
	}
	clean = serve(func(conn *tls.Conn, tcp *net.TCPConn) error {
		_, err := conn.Write([]byte("half and half"))
		return errors.Join(err, conn.CloseWrite(), tcp.CloseWrite())
	})
	cut = serve(func(conn *tls.Conn, tcp *net.TCPConn) error {
		_, err := conn.Write([]byte("hal"))
		return errors.Join(err, tcp.CloseWrite())
	})
	return string(testcert.Root().PEM), clean, cut
}
