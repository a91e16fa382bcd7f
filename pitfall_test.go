package openssl_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/cleartext"
	"github.com/golibssl/openssl/internal/record"
	"github.com/golibssl/openssl/internal/testcert"
)

// The pitfalls of libssl that Conn absorbs, on whatever libssl is loaded: the outcome is the same on
// each. The numbers are those of docs/pitfalls.md.

// puppet is a server of raw calls over TCP that can be made to misbehave.
type puppet struct {
	t    *testing.T
	ssl  *openssl.SSL
	nc   *net.TCPConn
	log  *lockedText
	wire [2][]byte
}

// puppetShow connects a client Conn with a puppet, the handshake done.
func puppetShow(t *testing.T, version uint16, change func(*openssl.Config)) (*openssl.Conn, *puppet) {
	t.Helper()
	a, b := tcpEnds(t)
	p := &puppet{t: t, nc: b, log: &lockedText{}}
	raw, err := openssl.NewRawCtx()
	p.must(err)
	t.Cleanup(raw.Free)
	p.must(raw.UseCertificate(keyPair(t, testcert.Server())))
	p.must(raw.SetVersions(version, version))
	p.must(raw.SetCiphers(suite12, suite13, ""))
	p.ssl, err = raw.NewSSL()
	p.must(err)
	t.Cleanup(p.ssl.Free)
	p.must(p.ssl.SetAcceptState())

	cfg := clientConfig(version)
	cfg.KeyLogWriter = p.log
	if change != nil {
		change(&cfg)
	}
	c := clientOver(t, a, newCtx(t, cfg))
	done := make(chan error, 1)
	go func() { done <- c.HandshakeContext(deadline(t)) }()
	b.SetDeadline(time.Now().Add(testTime))
	for p.ssl.Handshake() != nil {
		p.send()
		p.receive()
	}
	p.send()
	p.must(<-done)
	return c, p
}

func (p *puppet) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// send puts what libssl has sealed on the wire.
func (p *puppet) send() {
	p.t.Helper()
	buf := make([]byte, 64<<10)
	for {
		n, err := p.ssl.Take(buf)
		p.must(err)
		if n == 0 {
			return
		}
		p.put(buf[:n])
	}
}

func (p *puppet) put(b []byte) {
	p.t.Helper()
	p.wire[cleartext.Server] = append(p.wire[cleartext.Server], b...)
	_, err := p.nc.Write(b)
	p.must(err)
}

// receive feeds libssl with what one read of the socket gives.
func (p *puppet) receive() {
	p.t.Helper()
	buf := make([]byte, 64<<10)
	n, err := p.nc.Read(buf)
	p.must(err)
	p.wire[cleartext.Client] = append(p.wire[cleartext.Client], buf[:n]...)
	p.must(p.ssl.Feed(buf[:n]))
}

// write seals text and sends it.
func (p *puppet) write(text string) {
	p.t.Helper()
	_, err := p.ssl.Write([]byte(text))
	p.must(err)
	p.send()
}

// seal forges a record behind all that was sent; libssl must seal nothing after it.
func (p *puppet) seal(typ record.Type, body string) []byte {
	p.t.Helper()
	c, err := cleartext.Open(p.log.String(), p.wire[cleartext.Client], p.wire[cleartext.Server])
	p.must(err)
	return c.Seal(cleartext.Server, typ, []byte(body))
}

// drain reads until the client's FIN and says what the client has sent behind its handshake.
func (p *puppet) drain() string {
	p.t.Helper()
	rest, err := io.ReadAll(p.nc)
	p.must(err)
	p.wire[cleartext.Client] = append(p.wire[cleartext.Client], rest...)
	c, err := cleartext.Open(p.log.String(), p.wire[cleartext.Client], p.wire[cleartext.Server])
	p.must(err)
	return c.Said(cleartext.Client)
}

// onBoth runs a pitfall on TLS 1.2 and 1.3.
func onBoth(t *testing.T, f func(t *testing.T, version uint16)) {
	for _, v := range bothVersions {
		t.Run(tls.VersionName(v), func(t *testing.T) {
			t.Attr("compared", "promises 1")
			f(t, v)
		})
	}
}

const (
	bodyCloseNotify  = "\x01\x00"
	bodyUserCanceled = "\x01\x5a"
	bodyFatalAlert   = "\x02\x50" // internal_error
)

func wantSaid(t *testing.T, what string, err error, want string) {
	t.Helper()
	if got := said(err); got != want {
		t.Errorf("%s: %s, want %s", what, got, want)
	}
}

// Up to 3.6 the second SSL_read after a fatal alert says ZERO_RETURN: a truncation that looks clean.
func TestPitfall03FatalErrorIsLatched(t *testing.T) {
	onBoth(t, func(t *testing.T, version uint16) {
		c, p := puppetShow(t, version, nil)
		p.put(p.seal(record.Alert, bodyFatalAlert))
		const want = "alert from the peer: internal_error"
		for range 3 {
			_, err := c.Read(make([]byte, 1))
			wantSaid(t, "read", err, want)
		}
		_, err := c.Write([]byte("x"))
		wantSaid(t, "write", err, want)
		wantSaid(t, "CloseWrite", c.CloseWrite(), want)
		wantSaid(t, "Shutdown", c.Shutdown(deadline(t)), want)
		if e := c.End(); e.Received || e.AlertReceived == nil || e.AlertReceived.String() != "internal_error" || e.Resumable {
			t.Errorf("end: %v", e)
		}
	})
}

// From 3.5 on user_canceled before close_notify, the JDK's way, makes SSL_get_error say SYSCALL.
func TestPitfall03UserCanceledThenCloseNotify(t *testing.T) {
	onBoth(t, func(t *testing.T, version uint16) {
		c, p := puppetShow(t, version, nil)
		canceled := p.seal(record.Alert, bodyUserCanceled)
		p.put(canceled)
		p.put(p.seal(record.Alert, bodyCloseNotify))
		_, err := c.Read(make([]byte, 1))
		if err != io.EOF {
			t.Errorf("read: %v, want io.EOF", err)
		}
		if got := c.GetShutdown(); got != openssl.ReceivedShutdown {
			t.Errorf("state %v, want RECEIVED", got)
		}
	})
}

// The second SSL_shutdown says 1, both ways closed, when a fatal alert came in close_notify's place.
func TestPitfall05AlertInPlaceOfCloseNotify(t *testing.T) {
	onBoth(t, func(t *testing.T, version uint16) {
		c, p := puppetShow(t, version, nil)
		p.put(p.seal(record.Alert, bodyFatalAlert))
		err := c.Shutdown(deadline(t))
		wantSaid(t, "Shutdown", err, "alert from the peer: internal_error")
		if got := c.GetShutdown(); got != openssl.SentShutdown {
			t.Errorf("state %v, want SENT", got)
		}
		if c.End().Clean() {
			t.Error("the end counts as clean")
		}
	})
}

// libssl up to 3.0 fails, from 3.5 drops the close_notify, when a Write is unfinished: here a record
// is half sent when Close comes.
func TestPitfall05UnfinishedWriteAtClose(t *testing.T) {
	onBoth(t, func(t *testing.T, version uint16) {
		c, p := puppetShow(t, version, nil)
		p.must(c.NetConn().(*net.TCPConn).SetWriteBuffer(16 << 10))
		p.must(p.nc.SetReadBuffer(16 << 10))
		text := bytes.Repeat([]byte("x"), 64<<20)
		c.SetWriteDeadline(time.Now().Add(3 * time.Second))
		n, err := c.Write(text)
		wantSaid(t, "write", err, "timeout")
		if n == len(text) {
			t.Fatal("everything was written into a transport that nobody reads")
		}
		if err := c.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		if e := c.End(); e.Sent {
			t.Error("close_notify counts as sent")
		}
		got, _ := io.ReadAll(p.nc) // a reset or an end; what came ends inside a record or where one ends
		p.wire[cleartext.Client] = append(p.wire[cleartext.Client], got...)
		talk, err := cleartext.Open(p.log.String(), p.wire[cleartext.Client], p.wire[cleartext.Server])
		p.must(err)
		if heard := talk.Said(cleartext.Client); strings.Contains(heard, "close_notify") {
			t.Errorf("the client sent %q", heard)
		}
	})
}

// SSL_shutdown in the middle of a fragmented KeyUpdate fails with "shutdown while in init".
func TestPitfall05CloseInAFragmentedKeyUpdate(t *testing.T) {
	for _, whole := range []bool{false, true} {
		c, p := puppetShow(t, tls.VersionTLS13, nil)
		// RFC 8446, 4.6.3: type 24, length 1, update_not_requested; here in two records.
		p.put(p.seal(record.Handshake, "\x18\x00\x00"))
		c.SetReadDeadline(time.Now().Add(time.Second)) // time to read what has come
		_, err := c.Read(make([]byte, 1))
		wantSaid(t, "read", err, "timeout")
		if whole {
			p.put(p.seal(record.Handshake, "\x01\x00"))
			c.SetReadDeadline(time.Now().Add(time.Second))
			_, err := c.Read(make([]byte, 1))
			wantSaid(t, "read", err, "timeout")
		}
		if err := c.CloseWrite(); err != nil {
			t.Errorf("CloseWrite: %v", err)
		}
		if err := c.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		if got := p.drain(); got != "close_notify" {
			t.Errorf("the client said %q, want close_notify", got)
		}
	}
}

// SSL_OP_IGNORE_UNEXPECTED_EOF assigns the mask and loses SENT, and with it the session.
func TestPitfall07IgnoredEOFKeepsSent(t *testing.T) {
	onBoth(t, func(t *testing.T, version uint16) {
		c, p := puppetShow(t, version, func(cfg *openssl.Config) { cfg.IgnoreUnexpectedEOF = true })
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		p.must(p.nc.CloseWrite())
		if _, err := c.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("read: %v, want io.EOF", err)
		}
		if got := c.GetShutdown(); got != openssl.SentShutdown {
			t.Errorf("state %v, want SENT", got)
		}
		if e := c.End(); !e.Truncated || !e.Sent || e.Received || !e.Resumable {
			t.Errorf("end: %v", e)
		}
	})
}

// An end of the transport is 0/SYSCALL on 1.1.1, an error of the library from 3.0 on, which then
// sends an alert; at a boundary, inside a record and in the handshake.
func TestPitfall08Truncation(t *testing.T) {
	onBoth(t, func(t *testing.T, version uint16) {
		for _, where := range []string{"boundary", "inside"} {
			t.Run(where, func(t *testing.T) {
				c, p := puppetShow(t, version, nil)
				p.write("hello")
				if where == "inside" {
					half := p.seal(record.ApplicationData, "never whole")
					p.put(half[:len(half)-3])
				}
				p.must(p.nc.CloseWrite())
				got := readAll(c)
				if want := `"hello" unexpected EOF`; got != want {
					t.Errorf("got %s, want %s", got, want)
				}
				if err := c.Close(); err != nil {
					t.Error(err)
				}
				if heard := p.drain(); heard != "" {
					t.Errorf("the client said %q after a truncation, want nothing", heard)
				}
				if e := c.End(); !e.Truncated || e.Resumable {
					t.Errorf("end: %v", e)
				}
			})
		}
		t.Run("handshake", func(t *testing.T) {
			a, b := tcpEnds(t)
			c := clientOver(t, a, newCtx(t, clientConfig(version)))
			go func() {
				io.ReadFull(b, make([]byte, 5))
				b.CloseWrite()
			}()
			wantSaid(t, "handshake", c.HandshakeContext(deadline(t)), "unexpected EOF")
		})
	})
}

// From 3.0 on an end of the transport that libssl sees costs the session at once; under the keep
// policy it must not.
func TestPitfall08KeepPolicyOnEOF(t *testing.T) {
	onBoth(t, func(t *testing.T, version uint16) {
		for _, policy := range []openssl.SessionPolicy{openssl.SessionsStrict, openssl.SessionsKeep} {
			var news []*openssl.Session
			c, p := puppetShow(t, version, func(cfg *openssl.Config) {
				cfg.UncleanSessions = policy
				cfg.OnSession = func(_ *openssl.Conn, s *openssl.Session) { news = append(news, s) }
			})
			p.write("hello")
			p.must(p.nc.CloseWrite())
			if got, want := readAll(c), `"hello" unexpected EOF`; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			c.Close()
			if len(news) == 0 {
				t.Fatal("the client was given no session")
			}
			for i, s := range news {
				if got, want := s.Resumable(), policy == openssl.SessionsKeep; got != want {
					t.Errorf("policy %v, session %d: resumable %v, want %v", policy, i, got, want)
				}
			}
		}
	})
}

// After EPIPE on a write libssl 4.0 cannot read any more what the kernel holds.
func TestPitfall10FailedWriteLosesNoData(t *testing.T) {
	onBoth(t, func(t *testing.T, version uint16) {
		c, p := puppetShow(t, version, nil)
		p.write("last words")
		_, err := p.ssl.Shutdown()
		p.must(err)
		p.send()
		// Our side of the transport takes nothing more; what has come stays.
		p.must(c.NetConn().(*net.TCPConn).CloseWrite())
		_, err = c.Write([]byte("x"))
		if got := said(err); got != "reset" {
			t.Errorf("write: %s, want reset", got)
		}
		if got, want := readAll(c), `"last words" EOF`; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

// TLS 1.3 tickets come behind the handshake: a client that only writes never sees them.
func TestPitfall12WriteOnlyClientGetsItsTickets(t *testing.T) {
	for _, version := range bothVersions {
		var news []*openssl.Session
		cfg := clientConfig(version)
		cfg.OnSession = func(_ *openssl.Conn, s *openssl.Session) { news = append(news, s) }
		client := newCtx(t, cfg)
		server := newCtx(t, serverConfig(t, version))
		c, s := connected(t, client, server)
		done := make(chan string, 1)
		go func() {
			done <- readAll(s)
			s.Close()
		}()
		if _, err := c.Write([]byte("only written")); err != nil {
			t.Fatal(err)
		}
		if err := c.Shutdown(deadline(t)); err != nil {
			t.Fatal(err)
		}
		if got, want := <-done, `"only written" EOF`; got != want {
			t.Errorf("the server got %s, want %s", got, want)
		}
		c.Close()
		if len(news) == 0 || !news[len(news)-1].Resumable() {
			t.Fatalf("%v: %d sessions, none resumable", tls.VersionName(version), len(news))
		}
		again, s2 := connected(t, client, server, openssl.WithSession(news[len(news)-1]))
		if !again.ConnectionState().DidResume {
			t.Errorf("%v: the next connection does not resume", tls.VersionName(version))
		}
		again.Close()
		s2.Close()
	}
}

// Bits above 3 stay in libssl's mask and SSL_shutdown never says 1 again; a state set before the
// handshake is lost.
func TestPitfall28OddShutdownStates(t *testing.T) {
	onBoth(t, func(t *testing.T, version uint16) {
		a, _ := tcpEnds(t)
		early := clientOver(t, a, newCtx(t, clientConfig(version)))
		if err := early.SetShutdown(openssl.SentShutdown); !errors.Is(err, openssl.ErrNotEstablished) {
			t.Errorf("before the handshake: %v, want ErrNotEstablished", err)
		}
		c, p := puppetShow(t, version, nil)
		for _, odd := range []openssl.ShutdownState{4, 7, -1, 1 << 30} {
			if err := c.SetShutdown(odd); !errors.Is(err, openssl.ErrShutdownState) {
				t.Errorf("%d: %v, want ErrShutdownState", odd, err)
			}
		}
		for _, state := range []openssl.ShutdownState{1, 2, 3, 0} {
			if err := c.SetShutdown(state); err != nil {
				t.Errorf("%v: %v", state, err)
			}
			if got := c.GetShutdown(); got != state {
				t.Errorf("state %v, want %v", got, state)
			}
		}
		_, err := p.ssl.Shutdown()
		p.must(err)
		p.send()
		if err := c.Shutdown(context.Background()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if got := c.GetShutdown(); got != openssl.SentShutdown|openssl.ReceivedShutdown {
			t.Errorf("state %v, want both", got)
		}
	})
}

// libssl answers a KeyUpdate behind its own close_notify, where nothing may follow.
func TestPitfall29NothingBehindCloseNotify(t *testing.T) {
	c, p := puppetShow(t, tls.VersionTLS13, nil)
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	p.must(p.ssl.KeyUpdate(true))
	p.write("after it")
	_, err := p.ssl.Shutdown()
	p.must(err)
	p.send()
	if got, want := readAll(c), `"after it" EOF`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	_, err = c.Write([]byte("x"))
	wantSaid(t, "write", err, openssl.ErrWriteShut.Error())
	c.Close()
	if got := p.drain(); got != "close_notify" {
		t.Errorf("the client said %q, want close_notify", got)
	}
}

// libssl never answers a close_notify by itself, and a session whose connection did not is bad.
func TestPitfall34CloseAnswers(t *testing.T) {
	onBoth(t, func(t *testing.T, version uint16) {
		c, p := puppetShow(t, version, nil)
		_, err := p.ssl.Shutdown()
		p.must(err)
		p.send()
		if _, err := c.Read(make([]byte, 1)); err != io.EOF {
			t.Fatalf("read: %v, want io.EOF", err)
		}
		c.Close()
		if got := p.drain(); got != "close_notify" {
			t.Errorf("the client said %q, want close_notify", got)
		}
		if e := c.End(); !e.Clean() || !e.Resumable {
			t.Errorf("end: %v", e)
		}
	})
}

// Without a session id context a server that asks for certificates resumes nothing, and from 3.0 on a
// ticket shown to it is a fatal error.
func TestPitfall22ClientCertificatesResume(t *testing.T) {
	forEachKind(t, func(t *testing.T, k kind) {
		t.Attr("compared", "promises 1")
		log := &sessionLog{}
		ccfg, scfg := clientConfig(k.version), serverConfig(t, k.version)
		ccfg.OnSession = log.add
		ccfg.Certificates = pairs(t, testcert.Client())
		scfg.ClientAuth = tls.RequireAndVerifyClientCert
		scfg.ClientCAPEM = testcert.Root().PEM
		if k.cached {
			scfg.SessionCache = openssl.NewMemoryCache(0)
		}
		client, server := newCtx(t, ccfg), newCtx(t, scfg)
		sess := session(t, client, server, log)
		if !resumes(t, client, server, sess) {
			t.Error("the session of a client with a certificate does not resume")
		}
	})
}
