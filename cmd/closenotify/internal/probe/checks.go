package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"time"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/cmd/closenotify/internal/ending"
	"github.com/golibssl/openssl/cmd/closenotify/internal/link"
	"github.com/golibssl/openssl/cmd/closenotify/internal/sequence"
)

// watch does what a check's name says, is silent from then on, and returns how the server ended. A
// server that has ended already may make act fail: what came before says how.
func watch(l *link.Link, act func(*link.Link) error) string {
	defer l.Close()
	act(l)
	l.Silence()
	return l.Watch()
}

// check makes a connection for a check.
func (p *prober) check(ctx context.Context, act func(*link.Link) error, drawn *sequence.Recorder) string {
	l, err := p.dial(ctx, p.ctx, nil, drawn)
	if err != nil {
		return Failed
	}
	return watch(l, act)
}

func (p *prober) endOfResponse(l *link.Link) error { return l.Write(p.request) }
func (p *prober) closeNotify(l *link.Link) error   { return l.Shutdown() }
func (p *prober) bareFin(l *link.Link) error       { return l.CloseWrite() }

func (p *prober) halfRequest() []byte { return p.request[:(len(p.request)+1)/2] }

// halfClose sends request and close_notify in one write to the transport: a server has both before
// it answers.
func (p *prober) halfClose(l *link.Link) error {
	_, err := l.SSL.Write(p.request)
	if err != nil {
		return err
	}
	return l.Shutdown()
}

func (p *prober) partialThenFin(l *link.Link) error {
	if err := l.Write(p.halfRequest()); err != nil {
		return err
	}
	return l.CloseWrite()
}

func (p *prober) resetAndReturn(ctx context.Context, drawn *sequence.Recorder) string {
	l, err := p.dial(ctx, p.ctx, nil, drawn)
	if err != nil {
		return Failed
	}
	l.Write(p.halfRequest())
	l.Reset()
	l.Close()
	again, err := p.dial(ctx, p.ctx, nil, drawn)
	if err != nil {
		return Failed
	}
	leave(again)
	return OK
}

// leave ends a connection that has served its purpose. It reads what is on its way, tickets: closing
// over it would reset the connection.
func leave(l *link.Link) {
	l.Drawn = nil // the check is over
	defer l.Close()
	l.Shutdown()
	l.Silence()
	l.CloseWrite()
	for {
		if _, how := l.Next(ticketPause); how != ending.Open {
			return
		}
	}
}

// ticketGrace is how long a TLS 1.3 server has to send its tickets unasked; some send them with
// their first data only, and get a request then. More tickets may follow the first at once.
const (
	ticketGrace = time.Second
	ticketPause = 200 * time.Millisecond
)

// resumption ends a connection that gave a session and offers this on a second one.
func (p *prober) resumption(ctx context.Context, version uint16, end func(*link.Link), drawn *sequence.Recorder) string {
	c, err := p.newCtx(version)
	if err != nil {
		return Failed // openssl.cnf forbids the version
	}
	first, err := p.dial(ctx, c, nil, drawn)
	if err != nil {
		return p.failure(err, version)
	}
	session, err := p.session(first)
	end(first)
	if err != nil {
		return Failed
	}
	if session == nil {
		return None
	}
	second, err := p.dial(ctx, c, session, drawn)
	if err != nil {
		return Failed
	}
	defer leave(second)
	if second.SSL.SessionReused() {
		return Resumed
	}
	return Full
}

// failure tells a refused version from another reason why a handshake failed.
func (p *prober) failure(err error, version uint16) string {
	var e *handshakeError
	if !errors.As(err, &e) {
		return Failed
	}
	// A server that knows no TLS 1.3 finds no cipher suite that it knows in a ClientHello that offers
	// nothing else.
	lower := p.Version == 0 && p.version < version && version == tls.VersionTLS13
	if e.versionRefused || lower && alertIs(err, handshakeFailure) {
		return Unsupported
	}
	return Failed
}

// session waits for the newest session that the server gives, nil for none. It is a copy: libssl
// marks the connection's own when the connection ends unclean, and it is the server that is asked.
func (p *prober) session(l *link.Link) (*openssl.Session, error) {
	settle := func(wait time.Duration) {
		until := time.Now().Add(wait)
		for left := wait; left > 0; left = time.Until(until) {
			if _, how := l.Next(left); how != ending.Open {
				return
			}
			if l.Session != nil {
				until = time.Now().Add(ticketPause)
			}
		}
	}
	if l.Session == nil {
		settle(min(ticketGrace, p.Timeout))
	}
	if l.Session == nil {
		l.Write(p.request)
		settle(p.Timeout)
	}
	if l.Session == nil {
		return nil, nil
	}
	return openssl.ParseSession(l.Session.DER())
}

// endByClose sends close_notify and waits for the server's end.
func (p *prober) endByClose(l *link.Link) {
	defer l.Close()
	l.Shutdown()
	l.Silence()
	l.Watch()
}

// endByDrop ends TCP without close_notify and waits until the server has seen it.
func (p *prober) endByDrop(l *link.Link) {
	defer l.Close()
	l.Silence()
	l.CloseWrite()
	l.Watch()
}
