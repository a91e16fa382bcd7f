package openssl_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/testcert"
)

// testTime bounds what a test waits for; nothing asserts how long anything takes.
const testTime = 60 * time.Second

var bothVersions = []uint16{tls.VersionTLS12, tls.VersionTLS13}

func deadline(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testTime)
	t.Cleanup(cancel)
	return ctx
}

func keyPair(t testing.TB, c *testcert.Cert) *openssl.Certificate {
	t.Helper()
	pair, err := openssl.X509KeyPair(c.ChainPEM, c.KeyPEM)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

func pairs(t testing.TB, certs ...*testcert.Cert) (out []*openssl.Certificate) {
	t.Helper()
	for _, c := range certs {
		out = append(out, keyPair(t, c))
	}
	return out
}

// newCtx makes a Ctx whose connections do not linger when Config.Linger is 0.
func newCtx(t testing.TB, cfg openssl.Config) *openssl.Ctx {
	t.Helper()
	if cfg.Linger == 0 {
		cfg.Linger = -1
	}
	c, err := openssl.NewCtx(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Drain(deadline(t)); err != nil {
			t.Error(err)
		}
	})
	return c
}

// serverConfig and clientConfig trust each other and speak one version.
func serverConfig(t testing.TB, version uint16) openssl.Config {
	t.Helper()
	return openssl.Config{Certificates: pairs(t, testcert.Server()), MinVersion: version, MaxVersion: version}
}

func clientConfig(version uint16) openssl.Config {
	return openssl.Config{RootCAPEM: testcert.Root().PEM, ServerName: "localhost", MinVersion: version, MaxVersion: version}
}

// tcpEnds are two ends of a TCP connection on loopback.
func tcpEnds(t testing.TB) (client, server *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		c.Close()
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); s.Close() })
	return c.(*net.TCPConn), s.(*net.TCPConn)
}

func clientOver(t testing.TB, nc net.Conn, ctx *openssl.Ctx, opts ...openssl.ConnOption) *openssl.Conn {
	t.Helper()
	c, err := openssl.Client(nc, ctx, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func serverOver(t testing.TB, nc net.Conn, ctx *openssl.Ctx) *openssl.Conn {
	t.Helper()
	s, err := openssl.Server(nc, ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// ends are our client and our server over TCP, before their handshake.
func ends(t testing.TB, client, server *openssl.Ctx, opts ...openssl.ConnOption) (c, s *openssl.Conn) {
	t.Helper()
	a, b := tcpEnds(t)
	return clientOver(t, a, client, opts...), serverOver(t, b, server)
}

type handshaker interface {
	net.Conn
	HandshakeContext(context.Context) error
}

// handshakes runs both ends' handshakes and closes an end whose handshake failed. In TLS 1.3 a
// client's ends before the server has judged it.
func handshakes(t testing.TB, c, s handshaker) (clientErr, serverErr error) {
	t.Helper()
	ctx := deadline(t)
	done := make(chan error, 1)
	go func() {
		err := s.HandshakeContext(ctx)
		if err != nil {
			s.Close()
		}
		done <- err
	}()
	if clientErr = c.HandshakeContext(ctx); clientErr != nil {
		c.Close()
	}
	return clientErr, <-done
}

// connected are our client and server after their handshake.
func connected(t testing.TB, client, server *openssl.Ctx, opts ...openssl.ConnOption) (c, s *openssl.Conn) {
	t.Helper()
	c, s = ends(t, client, server, opts...)
	mustShake(t, c, s)
	return c, s
}

func mustShake(t testing.TB, c, s handshaker) {
	t.Helper()
	if cerr, serr := handshakes(t, c, s); cerr != nil || serr != nil {
		t.Fatalf("handshake: client %v, server %v", cerr, serr)
	}
}

// says has from write a text that to must read.
func says(t testing.TB, from io.Writer, to io.Reader, text string) {
	t.Helper()
	done := make(chan error, 1)
	go func() { _, err := io.WriteString(from, text); done <- err }()
	buf := make([]byte, len(text))
	if _, err := io.ReadFull(to, buf); err != nil {
		t.Fatalf("read: %v", err)
	}
	if err := <-done; err != nil {
		t.Fatalf("write: %v", err)
	}
	if string(buf) != text {
		t.Fatalf("read %q, want %q", buf, text)
	}
}

// asError is err's *openssl.Error, which everything but io.EOF must be.
func asError(t testing.TB, err error) *openssl.Error {
	t.Helper()
	var e *openssl.Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v (%T), want an *openssl.Error", err, err)
	}
	return e
}

// alertOf is the alert that err was caused by, "" for none.
func alertOf(err error) string {
	var a *openssl.AlertError
	if !errors.As(err, &a) {
		return ""
	}
	return a.Alert.String()
}

const childEnv = "OPENSSL_GO_TEST_CHILD"

// inChild reports whether the test runs in a process that child started.
func inChild() bool { return os.Getenv(childEnv) != "" }

// child runs the calling test once more in a process with more environment, for what a process
// settles once, such as openssl.cnf. It returns what the process printed.
func child(t *testing.T, env ...string) string {
	t.Helper()
	name := "^" + strings.ReplaceAll(t.Name(), "/", "$/^") + "$"
	cmd := exec.CommandContext(deadline(t), os.Args[0], "-test.run="+name, "-test.v", "-test.count=1")
	// The race detector would sleep for a second at the end of each process.
	cmd.Env = append(append(os.Environ(), childEnv+"=1", "GORACE=atexit_sleep_ms=0"), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("child process: %v\n%s", err, out)
	}
	return string(out)
}

// threadsOf are the threads of this process.
func threadsOf(t testing.TB) []os.DirEntry {
	t.Helper()
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Skip("no /proc to count threads in: ", err)
	}
	return threads
}
