package openssl_test

import (
	"errors"
	"io"
	"net"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/testcert"
)

func rawCtx(t *testing.T, k *testcert.Cert) *openssl.RawCtx {
	t.Helper()
	c, err := openssl.NewRawCtx()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Free)
	if k != nil {
		if err := c.UseCertificate(keyPair(t, k)); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func rawConn(t *testing.T, nc net.Conn, ctx *openssl.RawCtx, cfg *openssl.RawConnConfig) *openssl.Conn {
	t.Helper()
	c, err := openssl.NewRawConn(nc, ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// TestRawConnIsAConn: over a RawCtx, with steps of the program's own around the handshake, a Conn ends as any other.
func TestRawConnIsAConn(t *testing.T) {
	steps := 0
	nc, ns := tcpEnds(t)
	client := rawConn(t, nc, rawCtx(t, nil), &openssl.RawConnConfig{Around: func(s *openssl.RawStep) {
		if s.SSL == nil {
			t.Error("the step has no SSL")
		}
		steps++
		s.Run()
		s.Run() // does nothing
	}})
	if err := client.SSL().SetServerName("raw.example"); err != nil {
		t.Fatal(err)
	}
	var said *openssl.RawHello
	server := rawConn(t, ns, rawCtx(t, testcert.Server()), &openssl.RawConnConfig{Server: true,
		Hello: func(h *openssl.RawHello) error { said = h; return h.Context().Err() }})
	mustShake(t, client, server)
	if steps < 2 {
		t.Errorf("the client's handshake took %d steps; want one before the server's answer and one after it", steps)
	}
	if said == nil || said.ServerName != "raw.example" {
		t.Fatalf("the hello said %+v; want raw.example", said)
	}
	if err := said.MoveTo(rawCtx(t, nil)); !errors.Is(err, openssl.ErrNil) {
		t.Errorf("MoveTo after the hello: %v; want ErrNil", err)
	}
	says(t, client, server, "data")
	if err := client.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := server.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("Read after close_notify: %v", err)
	}
	says(t, server, client, "still open")
	server.Close()
	if e := server.End(); !e.Clean() || e.ServerName != "raw.example" {
		t.Errorf("the server's end: %v of %q", e, e.ServerName)
	}
	ssl := server.SSL()
	server.Close()
	if err := ssl.SetServerName("late"); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %v; want net.ErrClosed", err)
	}
}

// TestRawConnMoves: what the hello chooses answers, and the first context's certificate is never shown.
func TestRawConnMoves(t *testing.T) {
	for _, moves := range []int{1, 2} {
		nc, ns := tcpEnds(t)
		client := rawConn(t, nc, rawCtx(t, nil), &openssl.RawConnConfig{})
		chosen := rawCtx(t, testcert.WrongNameServer())
		prepared := 0
		cfg := &openssl.RawConnConfig{Server: true, Hello: func(h *openssl.RawHello) error {
			h.Answer = openssl.NameNoAck
			if moves == 2 {
				if err := h.MoveTo(rawCtx(t, testcert.OtherCAServer())); err != nil {
					return err
				}
			}
			return h.MoveTo(chosen)
		}}
		cfg.Around = func(s *openssl.RawStep) { prepared++; s.Run() }
		server := rawConn(t, ns, rawCtx(t, testcert.Server()), cfg)
		mustShake(t, client, server)
		if got := client.ConnectionState().PeerCertificates[0].DNSNames; !slices.Equal(got, []string{testcert.WrongName}) {
			t.Errorf("%d moves: the certificate is for %v", moves, got)
		}
		if got := client.ConnectionState().VerifiedChains; got != nil {
			t.Errorf("nobody was asked to verify, and %d chains are verified", len(got))
		}
		if prepared == 0 {
			t.Error("Around did not run")
		}
		says(t, client, server, "moved")
	}
}

// TestRawConnRefuses: what goes wrong in the program's functions ends the handshake with an error, never with a connection.
func TestRawConnRefuses(t *testing.T) {
	for name, cfg := range map[string]*openssl.RawConnConfig{
		"hello":        {Hello: func(*openssl.RawHello) error { return errRefused }},
		"panic":        {Hello: func(*openssl.RawHello) error { panic("refused by the test") }},
		"unknown name": {Hello: func(h *openssl.RawHello) error { h.Answer = openssl.NameAlertFatal; return nil }},
		"not run":      {Around: func(*openssl.RawStep) {}},
		"move to nil":  {Hello: func(h *openssl.RawHello) error { return h.MoveTo(nil) }},
	} {
		t.Run(name, func(t *testing.T) {
			nc, ns := tcpEnds(t)
			client := rawConn(t, nc, rawCtx(t, nil), &openssl.RawConnConfig{})
			cfg.Server = true
			server := rawConn(t, ns, rawCtx(t, testcert.Server()), cfg)
			serverErr := make(chan error, 1)
			go func() {
				err := server.Handshake()
				if again := server.Handshake(); again == nil {
					t.Error("a second Handshake succeeds")
				}
				server.Close()
				serverErr <- err
			}()
			if err := client.Handshake(); err == nil {
				t.Error("the client has a connection")
			}
			asError(t, <-serverErr)
		})
	}
	if _, err := openssl.NewRawConn(nil, rawCtx(t, nil), &openssl.RawConnConfig{}); !errors.Is(err, openssl.ErrNil) {
		t.Errorf("without a net.Conn: %v", err)
	}
	if err := (openssl.ConnSSL{}).SetServerName("x"); !errors.Is(err, openssl.ErrNil) {
		t.Errorf("on a zero ConnSSL: %v", err)
	}
}

// TestRawConnPanicInStep: a panic of Around leaves nothing locked, and the connection is dead.
func TestRawConnPanicInStep(t *testing.T) {
	nc, _ := tcpEnds(t)
	client := rawConn(t, nc, rawCtx(t, nil), &openssl.RawConnConfig{Around: func(s *openssl.RawStep) { s.Run(); panic("in the step") }})
	func() {
		defer func() {
			if v := recover(); v != "in the step" {
				t.Errorf("recovered %v", v)
			}
		}()
		client.Handshake()
	}()
	if err := client.Handshake(); err == nil {
		t.Error("the handshake goes on after a panic")
	}
	if err := client.Close(); err != nil {
		t.Error(err)
	}
}

// TestRawConnDropped: a dropped Conn is noticed though its functions hold what it keeps weakly, and its transport stays open.
func TestRawConnDropped(t *testing.T) {
	nc, ns := tcpEnds(t)
	var kept atomic.Bool
	before := openssl.AbandonedConns()
	func() {
		keep := &struct{ p *int }{new(int)}
		runtime.AddCleanup(keep, func(struct{}) { kept.Store(true) }, struct{}{})
		if _, err := openssl.NewRawConn(nc, rawCtx(t, nil), &openssl.RawConnConfig{Keep: keep}); err != nil {
			t.Fatal(err)
		}
	}()
	for end := time.Now().Add(testTime); !kept.Load() || openssl.AbandonedConns() == before; {
		if time.Now().After(end) {
			t.Fatal("the Conn was never found")
		}
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
	if _, err := ns.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 1)
	if _, err := io.ReadFull(nc, got); err != nil || cmp.Diff([]byte("x"), got) != "" {
		t.Errorf("the transport of a dropped Conn: %q, %v", got, err)
	}
}
