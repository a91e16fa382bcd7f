package openssl_test

import (
	"crypto/tls"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/cleartext"
	"github.com/golibssl/openssl/internal/rawpeer"
)

// endFacts is an End that can be compared.
type endFacts struct {
	Clean, Sent, Received    bool
	Forced                   openssl.ShutdownState
	AlertSent, AlertReceived string
	Truncated                bool
	Unread                   int
	Resumable, Abandoned     bool
	Err                      string
}

func facts(e openssl.End) endFacts {
	f := endFacts{Clean: e.Clean(), Sent: e.Sent, Received: e.Received, Forced: e.Forced, Truncated: e.Truncated,
		Unread: e.Unread, Resumable: e.Resumable, Abandoned: e.Abandoned}
	if e.AlertSent != nil {
		f.AlertSent = e.AlertSent.String()
	}
	if e.AlertReceived != nil {
		f.AlertReceived = e.AlertReceived.String()
	}
	if e.Err != nil {
		f.Err = said(e.Err)
	}
	return f
}

// TestRule10End tells each ending at both ends, to the caller and to the Ctx's hook alike.
func TestRule10End(t *testing.T) {
	const badMAC = "bad_record_mac"
	for _, test := range []struct {
		name           string
		do             func(p *connPair)
		client, server endFacts
	}{
		{
			"clean both ways", func(p *connPair) { p.client.CloseWrite(); readAll(p.server); p.server.Close(); readAll(p.client) },
			endFacts{Clean: true, Sent: true, Received: true, Resumable: true},
			endFacts{Clean: true, Sent: true, Received: true, Resumable: true},
		},
		{
			"closed, the answer unread", func(p *connPair) { p.client.Close(); readAll(p.server) },
			endFacts{Sent: true, Resumable: true},
			endFacts{Clean: true, Sent: true, Received: true, Resumable: true},
		},
		{
			"set without sending", func(p *connPair) { p.client.SetShutdown(sent); p.client.Close(); readAll(p.server) },
			endFacts{Forced: sent, Resumable: true},
			endFacts{Truncated: true, Err: "unexpected EOF"},
		},
		{
			"truncated at a record boundary", func(p *connPair) { p.relay.CutAtRecord(rawpeer.ToClient); readAll(p.client) },
			endFacts{Truncated: true, Err: "unexpected EOF"},
			endFacts{Sent: true, Resumable: true},
		},
		{
			"truncated in a record", func(p *connPair) {
				p.relay.CutInRecord(rawpeer.ToClient, 10)
				p.server.Write([]byte("half"))
				readAll(p.client)
			},
			endFacts{Truncated: true, Err: "unexpected EOF"},
			endFacts{Sent: true, Resumable: true},
		},
		{
			"truncated behind our close_notify", func(p *connPair) {
				p.client.CloseWrite()
				p.relay.CutAtRecord(rawpeer.ToClient)
				readAll(p.client)
			},
			endFacts{Sent: true, Truncated: true, Resumable: true, Err: "unexpected EOF"},
			endFacts{Sent: true, Resumable: true},
		},
		{
			"fatal alert", func(p *connPair) {
				p.relay.Inject(rawpeer.ToClient, []byte(garbage))
				readAll(p.client)
				p.client.Close()
				readAll(p.server)
			},
			endFacts{AlertSent: badMAC, Err: "alert sent: " + badMAC},
			endFacts{AlertReceived: badMAC, Err: "alert from the peer: " + badMAC},
		},
		{
			"fatal alert behind close_notify", func(p *connPair) {
				p.client.CloseWrite()
				p.forge(cleartext.Server, internalError)
				readAll(p.client)
			},
			endFacts{Sent: true, AlertReceived: "internal_error", Err: "alert from the peer: internal_error"},
			endFacts{Sent: true, Resumable: true},
		},
		{
			"reset", func(p *connPair) { p.relay.Reset(rawpeer.ToClient); readAll(p.client) },
			endFacts{Err: "reset"},
			endFacts{Sent: true, Resumable: true},
		},
		{
			"data unread", func(p *connPair) {
				p.server.Write([]byte("read, unread"))
				p.client.Read(make([]byte, 6))
				p.client.Close()
			},
			endFacts{Sent: true, Unread: 6, Resumable: true},
			endFacts{Sent: true, Resumable: true},
		},
		{
			"data refused by Shutdown", func(p *connPair) {
				p.server.Write([]byte("refused"))
				shutdown(p, p.client)
			},
			endFacts{Sent: true, Unread: 7, Resumable: true},
			endFacts{Sent: true, Resumable: true},
		},
	} {
		for _, proto := range allProtocols {
			t.Run(test.name+"/"+proto.name, func(t *testing.T) {
				t.Parallel()
				hooks := [2]chan openssl.End{make(chan openssl.End, 2), make(chan openssl.End, 2)}
				p := newConnPair(t, proto, pairOptions{
					client: func(c *openssl.Config) { c.OnEnd = func(e openssl.End) { hooks[0] <- e } },
					server: func(c *openssl.Config) { c.OnEnd = func(e openssl.End) { hooks[1] <- e } },
				})
				test.do(p)
				p.client.Close()
				p.server.Close()
				for i, c := range []*openssl.Conn{p.client, p.server} {
					want := []endFacts{test.client, test.server}[i]
					end := c.End()
					if diff := cmp.Diff(want, facts(end)); diff != "" {
						t.Errorf("the %v's End (-want +got):\n%s", cleartext.Side(i), diff)
					}
					hook := eventually(t, "OnEnd", func() openssl.End { return <-hooks[i] })
					if diff := cmp.Diff(facts(end), facts(hook)); diff != "" {
						t.Errorf("the %v's hook (-End +hook):\n%s", cleartext.Side(i), diff)
					}
					if hook.ServerName != "localhost" || hook.LocalAddr == nil || hook.RemoteAddr == nil {
						t.Errorf("%q, %v, %v", hook.ServerName, hook.LocalAddr, hook.RemoteAddr)
					}
					if n := len(hooks[i]); n != 0 {
						t.Errorf("the hook ran %d times more", n)
					}
				}
			})
		}
	}
}

// TestRule08Keep: the other policy keeps the sessions of an end without close_notify, not of one with
// a fatal alert.
func TestRule08Keep(t *testing.T) {
	keep := func(c *openssl.Config) { c.UncleanSessions = openssl.SessionsKeep }
	for _, test := range []struct {
		name string
		do   func(p *connPair)
		want string
	}{
		{"truncated", func(p *connPair) { p.relay.CutAtRecord(rawpeer.ToClient); readAll(p.client) }, "resumed"},
		{"reset", func(p *connPair) { p.relay.Reset(rawpeer.ToClient); readAll(p.client) }, "resumed"},
		{"fatal alert received", func(p *connPair) { p.forge(cleartext.Server, internalError); readAll(p.client) }, "full"},
		{"fatal alert sent", func(p *connPair) { p.relay.Inject(rawpeer.ToClient, []byte(garbage)); readAll(p.client) }, "full"},
	} {
		for _, proto := range allProtocols {
			t.Run(test.name+"/"+proto.name, func(t *testing.T) {
				t.Parallel()
				p := newConnPair(t, proto, pairOptions{client: keep, server: keep})
				test.do(p)
				p.client.Close()
				p.server.Close()
				if end := p.client.End(); end.Resumable != (test.want == "resumed") {
					t.Errorf("End %v", end)
				}
				if got := p.resumes(); got != test.want {
					t.Errorf("the session: %v, want %v", got, test.want)
				}
			})
		}
	}
}

// TestRule08Abandoned: a Conn that is dropped without Close is counted, told, and judged as SSL_free
// judges, unless the option spares its sessions. It says nothing to the peer.
func TestRule08Abandoned(t *testing.T) {
	for _, proto := range allProtocols {
		for _, keeps := range []bool{false, true} {
			name := proto.name + "/judged"
			if keeps {
				name = proto.name + "/spared"
			}
			t.Run(name, func(t *testing.T) {
				found := abandonedConns(t)
				before := openssl.AbandonedConns()
				log := &sessionLog{}
				ends := make(chan openssl.End, 1)
				cfg := clientConfig(proto.version)
				cfg.OnSession, cfg.KeepAbandonedSessions = log.add, keeps
				cfg.OnEnd = func(e openssl.End) { ends <- e }
				srv := serverConfig(t, proto.version)
				if proto.stateful {
					srv.SessionCache = openssl.NewMemoryCache(0)
				}
				cctx, sctx := newCtx(t, cfg), newCtx(t, srv)
				s := dropConn(t, cctx, sctx)
				a := awaitAbandoned(t, found, s.RemoteAddr().String())
				want := endFacts{Resumable: keeps, Abandoned: true}
				if diff := cmp.Diff(want, facts(a.End)); diff != "" {
					t.Errorf("End (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(want, facts(<-ends)); diff != "" {
					t.Errorf("the hook's End (-want +got):\n%s", diff)
				}
				if openssl.AbandonedConns() == before {
					t.Error("it was not counted")
				}
				if !strings.Contains(a.Stack, "dropConn") {
					t.Errorf("made at:\n%s", a.Stack)
				}
				if got := readAll(s); got != "unexpected EOF" {
					t.Errorf("the peer read %v", got)
				}
				sessions := log.take()
				if len(sessions) == 0 {
					t.Fatal("the client has no session")
				}
				for _, session := range sessions {
					if session.Resumable() != keeps {
						t.Errorf("a session is resumable: %v", session.Resumable())
					}
				}
			})
		}
	}
}

// dropConn makes a client, uses it and forgets it.
func dropConn(t *testing.T, cctx, sctx *openssl.Ctx) (s *openssl.Conn) {
	t.Helper()
	a, b := tcpEnds(t)
	c, err := openssl.Client(a, cctx)
	if err != nil {
		t.Fatal(err)
	}
	s = serverOver(t, b, sctx)
	mustShake(t, c, s)
	says(t, s, c, "w")
	return s
}

// TestAbandonedWhileCallsWait: a call that waits keeps the Conn, and nothing else does after it.
func TestAbandonedWhileCallsWait(t *testing.T) {
	found := abandonedConns(t)
	a, b := tcpEnds(t)
	local := a.LocalAddr().String()
	c, err := openssl.Client(a, newCtx(t, clientConfig(tls.VersionTLS13)))
	if err != nil {
		t.Fatal(err)
	}
	s := serverOver(t, b, newCtx(t, serverConfig(t, tls.VersionTLS13)))
	mustShake(t, c, s)
	read := make(chan error, 1)
	go func(c *openssl.Conn) {
		_, err := c.Read(make([]byte, 5))
		read <- err
	}(c)
	c = nil
	for range 20 {
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
	for len(found) > 0 {
		if gone := <-found; gone.End.LocalAddr.String() == local {
			t.Errorf("abandoned while it reads: %v", gone.End)
		}
	}
	if _, err := s.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if err := eventually(t, "Read", func() error { return <-read }); err != nil {
		t.Errorf("Read = %v", err)
	}
	awaitAbandoned(t, found, local)
}

// TestCloseNotifyInHandshake: a server that says close_notify before the handshake is complete has
// cut it short; nothing has ended clean.
func TestCloseNotifyInHandshake(t *testing.T) {
	a, b := tcpEnds(t)
	c := clientOver(t, a, newCtx(t, clientConfig(0)))
	if _, err := b.Write([]byte{21, 3, 3, 0, 2, 1, 0}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		err := c.Handshake()
		if !errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || asError(t, err).Origin != openssl.FromPeer {
			t.Errorf("Handshake: %v", err)
		}
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("Read: %v", err)
	}
	if end := c.End(); end.Received || end.Clean() || end.Resumable {
		t.Error(end)
	}
}
