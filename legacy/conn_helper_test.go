package openssl

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	root "github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/testcert"
)

// testTime bounds what a test waits for; nothing asserts how long anything takes.
const testTime = 60 * time.Second

var bothVersions = []Version{TLS1_2_VERSION, TLS1_3_VERSION}

func (v Version) String() string {
	if v == TLS1_2_VERSION {
		return "TLS1.2"
	}
	return "TLS1.3"
}

// eachVersion runs f under TLS 1.2 and 1.3.
func eachVersion(t *testing.T, f func(t *testing.T, v Version)) {
	for _, v := range bothVersions {
		t.Run(v.String(), func(t *testing.T) { f(t, v) })
	}
}

// newTestCtx makes a Ctx for one version, with a certificate unless that is nil.
func newTestCtx(t testing.TB, v Version, cert *testcert.Cert) *Ctx {
	t.Helper()
	c := must(NewCtx())
	if !c.SetMaxProtoVersion(v) || !c.SetMinProtoVersion(v) {
		t.Fatalf("libssl does not take version %v", v)
	}
	if cert == nil {
		return c
	}
	chain := SplitPEM(cert.ChainPEM)
	if err := c.UseCertificate(must(LoadCertificateFromPEM(chain[0]))); err != nil {
		t.Fatal(err)
	}
	for _, block := range chain[1:] {
		if err := c.AddChainCertificate(must(LoadCertificateFromPEM(block))); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.UsePrivateKey(must(LoadPrivateKeyFromPEM(cert.KeyPEM))); err != nil {
		t.Fatal(err)
	}
	return c
}

// trust makes c accept what the test root has signed, and demand it.
func trust(t testing.TB, c *Ctx) *Ctx {
	t.Helper()
	if err := c.GetCertificateStore().LoadCertificatesFromPEM(testcert.Root().PEM); err != nil {
		t.Fatal(err)
	}
	c.SetVerifyMode(VerifyPeer)
	return c
}

// tcpEnds are two ends of a TCP connection.
func tcpEnds(t testing.TB) (client, server *net.TCPConn) {
	t.Helper()
	l := must(net.Listen("tcp", "127.0.0.1:0"))
	defer l.Close()
	c := must(net.Dial("tcp", l.Addr().String()))
	s := must(l.Accept())
	t.Cleanup(func() { c.Close(); s.Close() })
	return c.(*net.TCPConn), s.(*net.TCPConn)
}

// ends are two ends before the handshake.
func ends(t testing.TB, client, server *Ctx) (c, s *Conn) {
	t.Helper()
	a, b := tcpEnds(t)
	c, s = must(Client(a, client)), must(Server(b, server))
	t.Cleanup(func() { c.Close(); s.Close() })
	until := time.Now().Add(testTime)
	if err := errors.Join(c.SetDeadline(until), s.SetDeadline(until)); err != nil {
		t.Fatal(err)
	}
	return c, s
}

// shake makes both handshakes and closes an end whose handshake failed.
func shake(c, s *Conn) (clientErr, serverErr error) {
	done := make(chan error, 1)
	go func() {
		err := s.Handshake()
		if err != nil {
			s.Close()
		}
		done <- err
	}()
	if clientErr = c.Handshake(); clientErr != nil {
		c.Close()
	}
	return clientErr, <-done
}

// connected are two ends after the handshake; the client has read what a server of TLS 1.3 sends behind it.
func connected(t testing.TB, client, server *Ctx) (c, s *Conn) {
	t.Helper()
	c, s = ends(t, client, server)
	if ce, se := shake(c, s); ce != nil || se != nil {
		t.Fatalf("handshake: client %v, server %v", ce, se)
	}
	says(t, s, c, "hello")
	return c, s
}

// pair is connected with no verification.
func pair(t testing.TB, v Version) (c, s *Conn) {
	t.Helper()
	return connected(t, newTestCtx(t, v, nil), newTestCtx(t, v, testcert.Server()))
}

func says(t testing.TB, from, to *Conn, text string) {
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

// echo listens for connections and sends back what each says, until the test's end.
func echo(t testing.TB, ctx *Ctx) (addr string) {
	t.Helper()
	l := must(Listen("tcp", "127.0.0.1:0", ctx))
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				c.SetDeadline(time.Now().Add(testTime))
				io.Copy(c, c)
			}()
		}
	}()
	return l.Addr().String()
}

// roundTrip says something to an echo.
func roundTrip(t testing.TB, c *Conn) {
	t.Helper()
	c.SetDeadline(time.Now().Add(testTime))
	want := []byte("there and back")
	if _, err := c.Write(want); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("read %q, %v; want %q", got, err, want)
	}
}

// wantRootError fails unless err is an error of the connection.
func wantRootError(t testing.TB, err error) *root.Error {
	t.Helper()
	var e *root.Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v (%T); want a root *Error", err, err)
	}
	return e
}

// alertOf is the alert that err was caused by, "" for none.
func alertOf(err error) string {
	var a *root.AlertError
	if !errors.As(err, &a) {
		return ""
	}
	return a.Alert.String()
}
