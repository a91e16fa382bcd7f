// Package scene makes connections that end in known ways, for the tests of the counters.
package scene

import (
	"context"
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/golibssl/openssl"
)

// Patience bounds what a test waits for.
const Patience = 60 * time.Second

// Play makes five connections whose client tells onEnd: clean, truncated, without a handshake, dropped
// without Close after its handshake, and clean once more. It returns when all have told. cert and key are
// a server's in PEM.
func Play(t *testing.T, onEnd func(openssl.End), cert, key []byte) {
	t.Helper()
	pair, err := openssl.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan openssl.End, 10)
	client := newCtx(t, &openssl.Config{InsecureSkipVerify: true, Linger: -1,
		OnEnd: func(e openssl.End) { onEnd(e); told <- e }})
	server := newCtx(t, &openssl.Config{Certificates: []*openssl.Certificate{pair}, Linger: -1})
	for range 2 {
		connect(t, client, server, func(c, s *openssl.Conn) {
			if err := s.CloseWrite(); err != nil {
				t.Error(err)
			}
			if err := c.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			c.Close()
		})
	}
	connect(t, client, server, func(c, s *openssl.Conn) {
		s.NetConn().(*net.TCPConn).CloseWrite()
		io.Copy(io.Discard, c)
		c.Close()
	})
	a, b := net.Pipe()
	b.Close()
	c, err := openssl.Client(a, client)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	connect(t, client, server, func(*openssl.Conn, *openssl.Conn) {})
	last := time.After(Patience)
	for range 5 {
		for heard := false; !heard; {
			runtime.GC()
			select {
			case <-told:
				heard = true
			case <-last:
				t.Fatal("an end was not told")
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
}

func newCtx(t *testing.T, cfg *openssl.Config) *openssl.Ctx {
	t.Helper()
	c, err := openssl.NewCtx(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// connect has both ends over TCP on loopback make their handshake; the server's is closed after use.
func connect(t *testing.T, client, server *openssl.Ctx, use func(c, s *openssl.Conn)) {
	t.Helper()
	l, err := openssl.Listen("tcp", "127.0.0.1:0", server)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	accepted := make(chan *openssl.Conn, 1)
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	go func() {
		defer close(accepted)
		nc, err := l.Accept()
		if err != nil {
			return
		}
		s := nc.(*openssl.Conn)
		if err := s.HandshakeContext(ctx); err != nil {
			t.Error(err)
		}
		accepted <- s
	}()
	nc, err := (&openssl.Dialer{Ctx: client}).DialContext(ctx, "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s := <-accepted
	defer s.Close()
	use(nc.(*openssl.Conn), s)
}
