package openssl_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/cleartext"
	"github.com/golibssl/openssl/internal/record"
	"github.com/golibssl/openssl/internal/testcert"
)

// rawPair is a connection of two SSLs. What an end writes is given to the other one after each call,
// and kept: the wire.
type rawPair struct {
	t       *testing.T
	ctx     [2]*openssl.RawCtx
	ssl     [2]*openssl.SSL
	c, s    rawEnd
	wire    [2][]byte
	log     strings.Builder
	steps   []string
	cut     bool             // nothing passes any more
	newest  *openssl.Session // that the client was given
	tickets int
	made    []*openssl.Session // by the server
}

type rawEnd struct {
	p   *rawPair
	who cleartext.Side
}

func newRawPair(t *testing.T, proto protocol) *rawPair {
	t.Helper()
	p := &rawPair{t: t}
	cert := keyPair(t, testcert.Server())
	for who := range p.ctx {
		c, err := openssl.NewRawCtx()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Free)
		p.ctx[who] = c
		p.must(c.SetVersions(proto.version, proto.version))
		p.must(c.SetCiphers(suite12, suite13, ""))
		if proto.stateful && (proto == tls12ID || cleartext.Side(who) == cleartext.Server) {
			c.SetOptions(openssl.OpNoTicket)
		}
	}
	p.ctx[cleartext.Client].SetCacheMode(openssl.CacheClient | openssl.CacheNoInternalStore)
	p.ctx[cleartext.Server].SetCacheMode(openssl.CacheServer)
	p.must(p.ctx[cleartext.Client].EnableEvents(true, false, true))
	p.must(p.ctx[cleartext.Server].SetSessionIDContext([]byte("ends")))
	p.must(p.ctx[cleartext.Server].UseCertificate(cert))
	p.connect()
	return p
}

func (p *rawPair) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// connect makes the SSLs.
func (p *rawPair) connect() {
	p.t.Helper()
	for who, c := range p.ctx {
		ssl, err := c.NewSSL()
		p.must(err)
		p.t.Cleanup(ssl.Free)
		p.ssl[who] = ssl
	}
	p.must(p.ssl[cleartext.Client].SetConnectState())
	p.must(p.ssl[cleartext.Server].SetAcceptState())
	p.c, p.s = rawEnd{p, cleartext.Client}, rawEnd{p, cleartext.Server}
}

// handshake completes the handshake; the tickets of TLS 1.3 stay unread.
func (p *rawPair) handshake() {
	p.t.Helper()
	var done [2]bool
	for range 20 {
		for _, e := range []rawEnd{p.c, p.s} {
			if !done[e.who] {
				done[e.who] = e.ssl().Handshake() == nil
				e.after()
			}
		}
	}
	if done != [2]bool{true, true} {
		p.t.Fatal("the handshake fails")
	}
}

// established completes the handshake and lets the client read the tickets.
func (p *rawPair) established() *rawPair {
	p.t.Helper()
	p.handshake()
	if _, err := p.c.ssl().Read(make([]byte, 1)); class(err) != "WANT_READ" {
		p.t.Fatalf("the client has something to read: %v", err)
	}
	p.c.after()
	return p
}

func (p *rawPair) note(format string, args ...any) {
	p.steps = append(p.steps, fmt.Sprintf(format, args...))
}

// conversation opens the wire.
func (p *rawPair) conversation() *cleartext.Conversation {
	p.t.Helper()
	c, err := cleartext.Open(p.log.String(), p.wire[cleartext.Client], p.wire[cleartext.Server])
	p.must(err)
	return c
}

// resumes frees both ends and reports whether the client's newest session resumes.
func (p *rawPair) resumes() string {
	p.t.Helper()
	for _, e := range []rawEnd{p.c, p.s} {
		e.ssl().Free()
		e.takeEvents()
	}
	if p.newest == nil {
		return "none"
	}
	next := &rawPair{t: p.t, ctx: p.ctx}
	next.connect()
	p.must(next.c.ssl().SetSession(p.newest))
	next.established()
	result := "full"
	if next.c.ssl().SessionReused() {
		result = "resumed"
	}
	next.c.shutdown()
	next.s.shutdown()
	return result
}

func (e rawEnd) ssl() *openssl.SSL { return e.p.ssl[e.who] }

// after takes what a call has left: events, and bytes for the peer.
func (e rawEnd) after() {
	e.p.t.Helper()
	e.takeEvents()
	buf := make([]byte, 4096)
	for {
		n, err := e.ssl().Take(buf)
		e.p.must(err)
		if n == 0 {
			return
		}
		e.p.wire[e.who] = append(e.p.wire[e.who], buf[:n]...)
		if !e.p.cut {
			e.p.must(e.peer().ssl().Feed(buf[:n]))
		}
	}
}

func (e rawEnd) takeEvents() {
	for _, ev := range e.ssl().Events() {
		switch ev.Kind {
		case openssl.EventKeyLog:
			e.p.log.WriteString(string(ev.Data) + "\n")
		case openssl.EventNewSession:
			if e.who == cleartext.Server {
				e.p.made = append(e.p.made, ev.Session)
				continue
			}
			e.p.newest = ev.Session
			e.p.tickets++
		}
	}
}

func (e rawEnd) peer() rawEnd { return rawEnd{e.p, 1 - e.who} }

// class names what a raw call answered; the return value stands before it where it is not 0.
func class(err error) string {
	var e *openssl.Error
	switch {
	case err == nil:
		return "ok"
	case !errors.As(err, &e):
		return err.Error()
	case e.Ret < 0:
		return fmt.Sprintf("%d %v", e.Ret, e.Class)
	}
	return e.Class.String()
}

func (e rawEnd) shutdown() {
	r, err := e.ssl().Shutdown()
	e.after()
	if err == nil {
		e.p.note("%v shutdown: %d", e.who, int(r))
		return
	}
	e.p.note("%v shutdown: %v", e.who, class(err))
}

// read makes one SSL_read.
func (e rawEnd) read() {
	buf := make([]byte, 1<<14)
	n, err := e.ssl().Read(buf)
	e.after()
	if err == nil {
		e.p.note("%v read: %q", e.who, buf[:n])
		return
	}
	e.p.note("%v read: %v", e.who, class(err))
}

// lost notes that a read gives no data, in whatever words: on a dead SSL they differ from version to
// version.
func (e rawEnd) lost() {
	n, err := e.ssl().Read(make([]byte, 1<<14))
	e.after()
	if n == 0 && err != nil {
		e.p.note("%v read: nothing", e.who)
		return
	}
	e.p.note("%v read: %d bytes, %v", e.who, n, class(err))
}

func (e rawEnd) peek() {
	buf := make([]byte, 1<<14)
	n, err := e.ssl().Peek(buf)
	e.after()
	if err == nil {
		e.p.note("%v peek: %q", e.who, buf[:n])
		return
	}
	e.p.note("%v peek: %v", e.who, class(err))
}

func (e rawEnd) write(text string) {
	_, err := e.ssl().Write([]byte(text))
	e.after()
	e.p.note("%v write: %v", e.who, class(err))
}

func (e rawEnd) keyUpdate(request bool) {
	err := e.ssl().KeyUpdate(request)
	e.after()
	e.p.note("%v key update: %v", e.who, class(err))
}

// set sets the mask and notes what is there then.
func (e rawEnd) set(mask openssl.ShutdownState) {
	e.p.must(e.ssl().SetShutdown(mask))
	e.get()
}

func (e rawEnd) get() { e.p.note("%v mask: %v", e.who, e.ssl().GetShutdown()) }

// eof ends the transport towards this end.
func (e rawEnd) eof() { e.p.must(e.ssl().FeedEOF()) }

// forge sends a record in this end's name, which must not send anything itself after that.
func (e rawEnd) forge(typ record.Type, body string) {
	e.p.t.Helper()
	e.send(e.p.conversation().Seal(e.who, typ, []byte(body)))
}

// send puts bytes on the wire.
func (e rawEnd) send(p []byte) {
	e.p.t.Helper()
	e.p.wire[e.who] = append(e.p.wire[e.who], p...)
	e.p.must(e.peer().ssl().Feed(p))
}

// resumable notes whether the client's session is.
func (p *rawPair) resumable() {
	p.note("resumable: %v", p.newest != nil && p.newest.Resumable())
}
