//go:build cgo

// Package sessiontest holds the tests that every cache of sessions must pass: the contract of
// SessionCache, and what each ending of a connection does to its sessions.
package sessiontest

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/testcert"
)

// Patience bounds everything that must happen.
const Patience = 30 * time.Second

// Kind is one of the four ways to resume.
type Kind struct {
	Name     string
	Version  uint16
	Stateful bool // the server keeps the session, the client an id
	Sessions int  // that one full handshake gives the client
}

// Kinds are all four.
var Kinds = []Kind{
	{"tls12-id", tls.VersionTLS12, true, 1},
	{"tls12-ticket", tls.VersionTLS12, false, 1},
	{"tls13-stateful", tls.VersionTLS13, true, 2},
	{"tls13-stateless", tls.VersionTLS13, false, 2},
}

// ServerConfig is a server's of this kind; cache is only for the stateful.
func (k Kind) ServerConfig(t testing.TB, cache openssl.SessionCache) *openssl.Config {
	t.Helper()
	cert, err := openssl.X509KeyPair(testcert.Server().ChainPEM, testcert.Server().KeyPEM)
	if err != nil {
		t.Fatal(err)
	}
	cfg := &openssl.Config{Certificates: []*openssl.Certificate{cert}, MinVersion: k.Version, MaxVersion: k.Version,
		SessionStoreTimeout: Patience}
	if k.Stateful {
		cfg.SessionCache = cache
	}
	return cfg
}

// ClientConfig is a client's of this kind.
func (k Kind) ClientConfig() *openssl.Config {
	return &openssl.Config{RootCAPEM: testcert.Root().PEM, ServerName: "localhost", MinVersion: k.Version, MaxVersion: k.Version}
}

// NewCtx is openssl.NewCtx for tests.
func NewCtx(t testing.TB, cfg *openssl.Config) *openssl.Ctx {
	t.Helper()
	c, err := openssl.NewCtx(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { Drain(t, c) })
	return c
}

// Drain waits for what the Ctx still does.
func Drain(t testing.TB, c *openssl.Ctx) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	if err := c.Drain(ctx); err != nil {
		t.Error(err)
	}
}

// Pair is both ends of a connection over TCP, with the handshake made and the tickets read.
type Pair struct {
	Client, Server *openssl.Conn
	Wire           *Wire // the client's transport
}

// Connect makes a Pair. Both ends are closed when the test ends.
func Connect(t testing.TB, server, client *openssl.Ctx, opts ...openssl.ConnOption) *Pair {
	t.Helper()
	p, err := Dial(t, server, client, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Dial is Connect for a handshake that may fail.
func Dial(t testing.TB, server, client *openssl.Ctx, opts ...openssl.ConnOption) (*Pair, error) {
	t.Helper()
	near, far := tcpPair(t)
	p := &Pair{Wire: &Wire{Conn: near}}
	var err error
	if p.Client, err = openssl.Client(p.Wire, client, opts...); err != nil {
		t.Fatal(err)
	}
	if p.Server, err = openssl.Server(far, server); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	p.SetDeadline()
	served := make(chan error, 1)
	go func() {
		_, err := p.Server.Write([]byte("!"))
		served <- err
	}()
	if _, err = p.Client.Read(make([]byte, 1)); err != nil {
		err = fmt.Errorf("client: %w", err)
		p.Client.Close()
	}
	if e := <-served; e != nil && err == nil {
		err = fmt.Errorf("server: %w", e)
	}
	return p, err
}

// SetDeadline gives both ends Patience from now.
func (p *Pair) SetDeadline() {
	p.Client.SetDeadline(time.Now().Add(Patience))
	p.Server.SetDeadline(time.Now().Add(Patience))
}

// Resumed reports whether the handshake did, as both ends see it.
func (p *Pair) Resumed(t testing.TB) bool {
	t.Helper()
	c, s := p.Client.ConnectionState().DidResume, p.Server.ConnectionState().DidResume
	if c != s {
		t.Errorf("resumed: the client says %v, the server %v", c, s)
	}
	return c
}

// Shutdown ends the connection clean, both ways.
func (p *Pair) Shutdown(t testing.TB) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- p.Server.Shutdown(context.Background()) }()
	if err := p.Client.Shutdown(context.Background()); err != nil {
		t.Errorf("client's Shutdown: %v", err)
	}
	if err := <-done; err != nil {
		t.Errorf("server's Shutdown: %v", err)
	}
	p.Close()
}

// Close closes both ends.
func (p *Pair) Close() {
	p.Client.Close()
	p.Server.Close()
}

func tcpPair(t testing.TB) (near, far net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if near, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if far, err = l.Accept(); err != nil {
		near.Close()
		t.Fatal(err)
	}
	return near, far
}

// Wire is a TCP connection whose next write can be spoilt.
type Wire struct {
	net.Conn
	mu    sync.Mutex
	spoil func(p []byte) (send []byte, end bool)
}

func (w *Wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	spoil := w.spoil
	w.spoil = nil
	w.mu.Unlock()
	if spoil == nil {
		return w.Conn.Write(p)
	}
	send, end := spoil(p)
	if _, err := w.Conn.Write(send); err != nil {
		return 0, err
	}
	if end {
		w.Conn.Close()
		return 0, net.ErrClosed
	}
	return len(p), nil
}

// CloseWrite is TCP's.
func (w *Wire) CloseWrite() error { return w.Conn.(*net.TCPConn).CloseWrite() }

// CutNext sends half of the next write, then FIN.
func (w *Wire) CutNext() {
	w.set(func(p []byte) ([]byte, bool) { return p[:len(p)/2], true })
}

// GarbleNext changes the last byte of the next write.
func (w *Wire) GarbleNext() {
	w.set(func(p []byte) ([]byte, bool) {
		bad := append([]byte(nil), p...)
		bad[len(bad)-1] ^= 1
		return bad, false
	})
}

func (w *Wire) set(f func([]byte) ([]byte, bool)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.spoil = f
}

// Reset ends the connection with RST.
func (w *Wire) Reset() {
	w.Conn.(*net.TCPConn).SetLinger(0)
	w.Conn.Close()
}

// ServerPEM is what the servers of ServerConfig show, for those in another process.
func ServerPEM() (cert, key []byte) { return testcert.Server().ChainPEM, testcert.Server().KeyPEM }
