//go:build cgo

package openssl

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"syscall"
)

var (
	errNotRun       = errors.New("Around did not call Run")
	errLeftCallback = errors.New("a callback of the handshake did not return")
)

// NewRawConn makes a Conn whose SSL is one of ctx: who the peer must be is what ctx and cfg make
// libssl and the program's callbacks decide, and nothing else is checked. Everything else is Conn's:
// the transport, the deadlines, the endings. Dropped without Close it leaves nc open.
//
// OpenSSL: SSL_new(3).
func NewRawConn(nc net.Conn, ctx *RawCtx, cfg *RawConnConfig) (*Conn, error) {
	const op = "connection"
	if nc == nil || ctx == nil || cfg == nil {
		return nil, callerError(op, ErrNil)
	}
	inner := &Ctx{frozen: true, cfg: Config{IgnoreUnexpectedEOF: cfg.IgnoreUnexpectedEOF}}
	h, err := ctx.rawHandle(inner, cfg)
	if err != nil {
		return nil, err
	}
	out := newConn(nc, inner, h, cfg.Server)
	out.keep = cfg.Keep
	out.c.raw = cfg
	out.c.armRawHello()
	return out, nil
}

// rawHandle makes a connection's SSL; nc's Ctx learns whose it is.
func (c *RawCtx) rawHandle(inner *Ctx, cfg *RawConnConfig) (h sslHandle, err error) {
	err = c.do("SSL_new", func(ch *ctxHandle) error {
		inner.h = ch
		if cfg.Server && cfg.Hello != nil {
			ch.setup(ctxHello)
		}
		h, err = newSSLHandle(ch)
		return err
	})
	if err != nil {
		return sslHandle{}, err
	}
	h.setState(cfg.Server)
	// Conn bounds what one call reads, counts what one call wrote, and verifies a peer once.
	h.clearMode(ModeAutoRetry | ModeEnablePartialWrite)
	h.setMode(ModeReleaseBuffers)
	h.setOptions(OpNoRenegotiation)
	if cfg.SetUp != nil {
		if err := cfg.SetUp(h.pointer()); err != nil {
			h.free()
			return sslHandle{}, err
		}
	}
	return h, nil
}

// resetByTickets reports whether err is what a peer's end of TCP became because a TLS 1.3 server's
// tickets met a closed socket: nothing else of ours was under way.
func (c *conn) resetByTickets(err error) bool {
	return c.raw != nil && c.raw.IgnoreUnexpectedEOF && c.server && c.established.Load() &&
		c.h.version() >= tls.VersionTLS13 && c.h.outTotal() == c.handshakeEnd && errors.Is(err, syscall.ECONNRESET)
}

// ConnSSL reaches a Conn's SSL without keeping the Conn: a Conn that is dropped is still noticed.
type ConnSSL struct{ c *conn }

// SSL returns what reaches the Conn's SSL.
func (c *Conn) SSL() ConnSSL { return ConnSSL{c.in()} }

func (s ConnSSL) do(op string, f func(h sslHandle) error) error {
	if s.c == nil {
		return callerError(op, ErrNil)
	}
	defer s.c.leave()
	if err := s.c.enter(op); err != nil {
		return err
	}
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if s.c.h.p == nil {
		return callerError(op, ErrFreed)
	}
	return f(s.c.h)
}

// SetServerName sets the name that a client sends in its ClientHello (RFC 6066, section 3).
//
// OpenSSL: SSL_set_tlsext_host_name(3).
func (s ConnSSL) SetServerName(name string) error {
	return s.do("SSL_set_tlsext_host_name", func(h sslHandle) error {
		if err := h.setSNI(name); err != nil {
			return err
		}
		s.c.name = name
		return nil
	})
}

// Run is SSL_do_handshake. It must be called once, by Around.
//
// OpenSSL: SSL_do_handshake(3).
func (s *RawStep) Run() {
	if !s.ran && s.c != nil {
		s.ran = true
		s.ret = s.h.handshakeCalling()
	}
}

// Unlocked runs f without the Conn's lock. It is for a callback inside Run: other goroutines, and f
// itself, may then use the Conn, whose handshake stands still meanwhile.
func (s *RawStep) Unlocked(f func()) {
	if s.c != nil {
		s.c.mu.Unlock()
		defer s.c.mu.Lock()
	}
	f()
}

// step is one SSL_do_handshake; the caller holds mu.
func (c *conn) step() (int, error) {
	if c.raw == nil || c.raw.Around == nil {
		return c.h.handshake(), nil
	}
	s := &RawStep{SSL: c.h.pointer(), c: c, h: c.h}
	returned := false
	defer func() {
		if !returned { // a panic, or the goroutine's end: libssl was left in the middle
			c.h.leaveCall()
			c.latch(callerError("handshake", errLeftCallback))
		}
	}()
	c.raw.Around(s)
	returned = true
	if !s.ran {
		return 0, c.latch(callerError("handshake", errNotRun))
	}
	return s.ret, nil
}

// Answers of a server to the name in the ClientHello, with libssl's numbers.
const (
	NameOK           = 0 // the name is acknowledged
	NameAlertWarning = 1 // unrecognized_name; the handshake goes on
	NameAlertFatal   = 2 // unrecognized_name; the handshake fails
	NameNoAck        = 3 // the handshake goes on without a word about the name
)

// RawHello is a server's ClientHello, before anything was answered. It is of no use after Hello.
type RawHello struct {
	ServerName string // not verified: any client can send any name
	Answer     int    // NameOK …; what the handshake says to the name

	c   *conn
	ctx context.Context
}

// Context ends with the handshake or the Conn.
func (h *RawHello) Context() context.Context { return h.ctx }

// MoveTo makes the connection one of next: a new SSL reads the same ClientHello, so that everything is
// next's, where SSL_set_SSL_CTX would keep the first one's verification, versions and callbacks.
func (h *RawHello) MoveTo(next *RawCtx) error {
	const op = "SSL_set_SSL_CTX"
	c := h.c
	if c == nil || next == nil {
		return callerError(op, ErrNil)
	}
	inner := &Ctx{frozen: true, cfg: c.ctx.cfg}
	to, err := next.rawHandle(inner, c.raw)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.h.moveIn(to)
	c.h.free()
	c.h, c.ctx = to, inner
	c.h.askHello()
	c.h.holdIn(true)
	return nil
}

func (c *conn) armRawHello() {
	if c.raw.Server && c.raw.Hello != nil {
		c.h.askHello()
		c.h.holdIn(!c.helloDone)
	}
}

// answerRawHello serves the suspended handshake.
func (c *conn) answerRawHello(ctx context.Context) error {
	if !c.helloDone {
		hello := &RawHello{ServerName: string(c.h.hello().name), c: c, ctx: ctx}
		asked := c.h
		err := c.unlocked(func() error {
			defer func() { hello.c = nil }()
			return guard("Hello", func() error { return c.raw.Hello(hello) })
		})
		c.h.holdIn(false)
		if err != nil || c.ops.closed() {
			return c.hookFailed(ctx, err, c.refuseHello)
		}
		c.helloDone, c.nameAnswer = true, hello.Answer
		if c.h != asked {
			return nil // the new SSL reads the ClientHello first
		}
	}
	c.h.answerName(c.nameAnswer)
	c.h.answerHello()
	return nil
}
