// Package probe tells how a live server ends its connections.
package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/cmd/closenotify/internal/link"
	"github.com/golibssl/openssl/cmd/closenotify/internal/sequence"
	"github.com/golibssl/openssl/cmd/closenotify/internal/starttls"
)

// Results of a check that are no ending.
const (
	OK          = "ok"
	Failed      = "failed" // the handshake did not succeed
	Resumed     = "resumed"
	Full        = "full"
	None        = "none"        // the server gave no session
	Unsupported = "unsupported" // the server refused the version
)

// Report is what Run found.
type Report struct {
	Target  string `json:"target"`
	OpenSSL string `json:"openssl"`
	TLS     string `json:"tls"`
	Group   string `json:"group"`          // of the key exchange; empty where the library does not tell
	ALPN    string `json:"alpn,omitempty"` // what the server chose
	Checks  Checks `json:"checks"`

	Drawn Drawings `json:"-"`
}

// Drawings are what passed in each check.
type Drawings struct {
	EndOfResponse, Answer, HalfClose, BareFin, Partial, Reset *sequence.Recorder
	AfterClose, AfterDrop                                     [2]*sequence.Recorder // TLS 1.2, TLS 1.3
}

// Checks are the results of the checks, in the order in which they are made.
type Checks struct {
	EndOfResponse       string     `json:"end_of_response"`
	AnswerToCloseNotify string     `json:"answer_to_close_notify"`
	HalfClose           string     `json:"half_close"`
	BareFin             string     `json:"bare_fin"`
	PartialThenFin      string     `json:"partial_then_fin"`
	Reset               string     `json:"reset"`
	ResumeAfterClose    Resumption `json:"resume_after_close"`
	ResumeAfterDrop     Resumption `json:"resume_after_drop"`
}

// Resumption is the result of a check that is made once for each version.
type Resumption struct {
	TLS12 string `json:"TLSv1.2"`
	TLS13 string `json:"TLSv1.3"`
}

// Options say what to probe and how.
type Options struct {
	Target             string // host:port
	ServerName         string // sent and verified; empty: the target's host
	InsecureSkipVerify bool
	Version            uint16   // tls.VersionTLS12, tls.VersionTLS13, or 0 for both
	StartTLS           string   // a protocol that starttls knows; empty: TLS at once
	ALPN               []string // offered in this order
	Certificate        *openssl.Certificate
	Request            string        // empty: what ends a connection of StartTLS's protocol, else a GET of HTTP/1.0
	Timeout            time.Duration // of a connection's making, and the silence that counts as waiting
}

// Run makes the checks, one after the other, and tells progress the name of each before. It fails
// when the first connection cannot be made; a later one that cannot is a result.
func Run(ctx context.Context, o Options, progress func(check string)) (*Report, error) {
	p, err := newProber(o)
	if err != nil {
		return nil, err
	}
	r := &Report{Target: o.Target, OpenSSL: openssl.LibraryVersion()}
	progress("end_of_response")
	r.Drawn.EndOfResponse = sequence.NewRecorder()
	l, err := p.dial(ctx, p.ctx, nil, r.Drawn.EndOfResponse)
	if err != nil {
		return nil, err
	}
	p.version = l.SSL.Version()
	r.TLS = VersionName(p.version)
	if group := l.SSL.CurveID(); group != 0 {
		r.Group = group.String()
	}
	r.ALPN = l.SSL.NegotiatedProtocol()
	r.Checks.EndOfResponse = watch(l, p.endOfResponse)

	for _, c := range []struct {
		name   string
		act    func(*link.Link) error
		result *string
		drawn  **sequence.Recorder
	}{
		{"answer_to_close_notify", p.closeNotify, &r.Checks.AnswerToCloseNotify, &r.Drawn.Answer},
		{"half_close", p.halfClose, &r.Checks.HalfClose, &r.Drawn.HalfClose},
		{"bare_fin", p.bareFin, &r.Checks.BareFin, &r.Drawn.BareFin},
		{"partial_then_fin", p.partialThenFin, &r.Checks.PartialThenFin, &r.Drawn.Partial},
	} {
		progress(c.name)
		*c.drawn = sequence.NewRecorder()
		*c.result = p.check(ctx, c.act, *c.drawn)
	}
	progress("reset")
	r.Drawn.Reset = sequence.NewRecorder()
	r.Checks.Reset = p.resetAndReturn(ctx, r.Drawn.Reset)
	for _, c := range []struct {
		name   string
		end    func(*link.Link)
		result *Resumption
		drawn  *[2]*sequence.Recorder
	}{
		{"resume_after_close", p.endByClose, &r.Checks.ResumeAfterClose, &r.Drawn.AfterClose},
		{"resume_after_drop", p.endByDrop, &r.Checks.ResumeAfterDrop, &r.Drawn.AfterDrop},
	} {
		progress(c.name)
		c.drawn[0] = sequence.NewRecorder()
		c.result.TLS12 = p.resumption(ctx, tls.VersionTLS12, c.end, c.drawn[0])
		c.drawn[1] = sequence.NewRecorder()
		c.result.TLS13 = p.resumption(ctx, tls.VersionTLS13, c.end, c.drawn[1])
	}
	return r, ctx.Err()
}

// VersionName is OpenSSL's name of a version.
func VersionName(version uint16) string {
	switch version {
	case tls.VersionTLS10:
		return "TLSv1"
	case tls.VersionTLS11:
		return "TLSv1.1"
	case tls.VersionTLS12:
		return "TLSv1.2"
	case tls.VersionTLS13:
		return "TLSv1.3"
	}
	return fmt.Sprintf("%#04x", version)
}

type prober struct {
	Options
	ctx     *openssl.Ctx
	host    string
	request []byte
	version uint16 // of the first connection
}

func newProber(o Options) (*prober, error) {
	host, _, err := net.SplitHostPort(o.Target)
	if err != nil {
		return nil, err
	}
	p := &prober{Options: o, host: host, request: []byte(o.Request)}
	if p.ServerName == "" {
		p.ServerName = host
	}
	switch {
	case o.Request != "":
	case o.StartTLS != "":
		p.request = []byte(starttls.Goodbye(o.StartTLS))
	default:
		p.request = fmt.Appendf(nil, "GET / HTTP/1.0\r\nHost: %s\r\nUser-Agent: closenotify\r\n\r\n", p.ServerName)
	}
	p.ctx, err = p.newCtx(o.Version)
	return p, err
}

// newCtx makes a context for one version, or for both with 0.
func (p *prober) newCtx(version uint16) (*openssl.Ctx, error) {
	cfg := &openssl.Config{InsecureSkipVerify: p.InsecureSkipVerify, MinVersion: version, MaxVersion: version, NextProtos: p.ALPN}
	if p.Certificate != nil {
		cfg.Certificates = []*openssl.Certificate{p.Certificate}
	}
	return openssl.NewCtx(cfg)
}

// dial makes a connection and its handshake, offering a session unless it is nil, and draws both.
func (p *prober) dial(ctx context.Context, c *openssl.Ctx, session *openssl.Session, drawn *sequence.Recorder) (*link.Link, error) {
	began := drawn.Now()
	drawn.SetMask(sequence.Client, sequence.KnownMask(0))
	drawn.SetMask(sequence.Server, sequence.Mask{})
	l, err := p.handshake(ctx, c, session, drawn)
	if err != nil {
		drawn.AddSince(began, sequence.Event{Kind: sequence.Failure, What: err.Error()})
		return nil, err
	}
	made := sequence.Event{Kind: sequence.Handshake, What: "handshake " + VersionName(l.SSL.Version())}
	if l.SSL.SessionReused() {
		made.Detail = "session resumed"
	} else if session != nil {
		made.Detail = "session refused, a full one"
	}
	drawn.AddSince(began, made)
	return l, nil
}

func (p *prober) handshake(ctx context.Context, c *openssl.Ctx, session *openssl.Session, drawn *sequence.Recorder) (*link.Link, error) {
	l, err := p.connect(ctx, c)
	if err != nil {
		return nil, err
	}
	l.Drawn = drawn
	if session != nil {
		if err := l.SSL.SetSession(session); err != nil {
			l.Close()
			return nil, err
		}
	}
	if err := l.Handshake(); err != nil {
		l.Close()
		return nil, &handshakeError{err, versionRefused(err)}
	}
	return l, nil
}

func (p *prober) connect(ctx context.Context, c *openssl.Ctx) (*link.Link, error) {
	dialer := net.Dialer{Timeout: p.Timeout}
	conn, err := dialer.DialContext(ctx, "tcp", p.Target)
	if err != nil {
		return nil, err
	}
	if p.StartTLS != "" {
		conn.SetDeadline(time.Now().Add(p.Timeout))
		if err := starttls.Begin(conn, p.StartTLS); err != nil {
			conn.Close()
			return nil, err
		}
		conn.SetDeadline(time.Time{})
	}
	ssl, err := c.NewClientSSL(p.ServerName)
	if err != nil {
		conn.Close()
		return nil, err
	}
	l, err := link.New(conn, ssl, p.Timeout)
	if err != nil {
		conn.Close()
		ssl.Free()
		return nil, err
	}
	return l, nil
}

type handshakeError struct {
	err            error
	versionRefused bool
}

func (e *handshakeError) Error() string { return "handshake: " + e.err.Error() }
func (e *handshakeError) Unwrap() error { return e.err }

const (
	protocolVersion  = openssl.Alert(70)
	handshakeFailure = openssl.Alert(40)
)

// versionRefused: the server said so, or chose a version that we refused.
func versionRefused(err error) bool { return alertIs(err, protocolVersion) }

func alertIs(err error, a openssl.Alert) bool {
	var alert *openssl.AlertError
	return errors.As(err, &alert) && alert.Alert == a
}
