//go:build cgo

package openssl

import (
	"bytes"
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"time"
)

// alertTimeout bounds the last words of a failed handshake and of Close.
const alertTimeout = time.Second

func (c *conn) handshakeOp(ctx context.Context) error {
	defer c.leave()
	if err := c.enter("handshake"); err != nil {
		return err
	}
	if ctx == nil {
		return callerError("handshake", ErrNil)
	}
	return c.ready(ctx)
}

// ready makes sure that the handshake is made.
func (c *conn) ready(ctx context.Context) error {
	if c.established.Load() {
		return nil
	}
	if !c.hs.lock(c.closing, ctx.Done()) {
		if err := ctx.Err(); err != nil {
			return callerError("handshake", err)
		}
		return callerError("handshake", net.ErrClosed)
	}
	defer c.hs.unlock()
	if c.established.Load() {
		return nil
	}
	c.mu.Lock()
	fatal := c.fatal
	c.mu.Unlock()
	if fatal != nil {
		return fatal
	}
	c.offerCached()
	err := c.dl.under(ctx, "handshake", func() error {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.handshake(ctx)
	}, readSide, writeSide)
	if err != nil {
		c.forgetOffered()
		return err
	}
	c.tellSessions()
	return nil
}

// handshake runs with mu held.
func (c *conn) handshake(ctx context.Context) error {
	for {
		if c.ops.closed() {
			return callerError("handshake", net.ErrClosed)
		}
		ret, err := c.step()
		if err != nil {
			return err
		}
		done := ret == 1
		if !done {
			switch class := c.h.class(); {
			case class == ClassWantClientHelloCB, class == ClassWantAsync:
				answer := c.answerHello
				if class == ClassWantAsync {
					answer = c.answerSign
				}
				hookCtx, end := c.hookContext(ctx)
				err := answer(hookCtx)
				end()
				if err != nil {
					return err
				}
				continue
			case class != ClassWantRead || c.h.hasErrors():
				return c.handshakeFailed(c.signFailed(c.handshakeError()))
			}
		}
		if !c.verified && (done || c.h.outLen() > 0 && c.judgeable()) {
			if err := c.verify(ctx, done); err != nil {
				return err
			}
		}
		if done {
			return c.handshakeDone()
		}
		if err := c.flush("handshake"); err != nil {
			return err
		}
		if c.h.held() > maxHello {
			return c.latch(&Error{Op: "handshake", Origin: FromPeer, Err: errLongHello})
		}
		if err := c.fill("handshake"); err != nil {
			if errors.Is(err, io.EOF) {
				c.sawEOF, c.truncated = true, true
				err = c.latch(&Error{Op: "handshake", Origin: FromTransport, Err: io.ErrUnexpectedEOF})
			}
			return err
		}
	}
}

// hookContext is ctx for hooks of the application: Close ends it too. It needs mu.
func (c *conn) hookContext(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, c.cancel = context.WithCancel(ctx)
	return ctx, c.cancel
}

// maxHello bounds the bytes that are kept for the Ctx that GetCtxForClient may choose. libssl takes
// messages of that length, but a record's header may come with every byte of one.
const maxHello = 128 << 10

var errLongHello = errors.New("the ClientHello is too long")

// judgeable reports whether the peer's flight is there. It is judged before anything more leaves: a
// refused peer never sees our Finished, but from a TLS 1.3 server, whose Finished comes first. A TLS
// 1.2 server that resumes sends its Finished first too, and knows the peer from the session.
func (c *conn) judgeable() bool {
	return c.h.saw(seenCertificate|seenFinished) ||
		c.server && c.h.agreedVersion() < tls.VersionTLS13 && c.h.resumed()
}

func (c *conn) handshakeDone() error {
	if c.finished { // Close has judged a connection without sessions
		return callerError("handshake", net.ErrClosed)
	}
	c.h.holdIn(false)
	c.h.endSigning()
	if c.h.pskUsed() {
		c.identity = c.h.pskIdentity()
	}
	c.takeEvents()
	c.storeSessions()
	c.established.Store(true)
	c.handshakeEnd = c.h.outTotal()
	if c.server && c.h.agreedVersion() == tls.VersionTLS13 {
		// Only tickets wait, and the client may not read yet.
		c.kick()
		return nil
	}
	return c.flush("handshake")
}

func (c *conn) handshakeError() *Error {
	err := c.h.opError("handshake")
	if err.Err == nil && len(err.Queue) == 0 && c.h.saw(seenCloseNotify) {
		// libssl says ZERO_RETURN: a close_notify, and anybody can send one in the clear.
		err.Origin, err.Err = FromPeer, io.ErrUnexpectedEOF
	}
	if c.offersECH() && err.HasReason(errLibSSL, reasonECHRequired) {
		err.Err = c.echRejected(err.Err)
	}
	return err
}

// handshakeFailed latches err and gives libssl's alert a moment to leave.
func (c *conn) handshakeFailed(err *Error) error {
	c.latch(err)
	c.takeEvents()
	if c.h.alertIn() >= 0 || c.h.alertOut() >= 0 {
		c.forgetResumed()
	}
	c.alertLeaves()
	return err
}

// forgetResumed takes the session that the handshake was resuming out of the server's cache: a fatal alert
// ends it (RFC 5246, section 7.2.2).
func (c *conn) forgetResumed() {
	if !c.server || c.ctx.cfg.SessionCache == nil || !c.h.sessionReused() {
		return
	}
	if s := c.h.session(); s != nil {
		c.ctx.stores.remove(s.id())
	}
}

// alertLeaves gives an alert that waits a moment to leave.
func (c *conn) alertLeaves() {
	if c.h.outLen() == 0 {
		return
	}
	c.mu.Unlock()
	c.dl.setOp(time.Now().Add(alertTimeout), writeSide)
	c.mu.Lock()
	c.flush("handshake")
	c.mu.Unlock()
	c.dl.setOp(time.Time{}, writeSide)
	c.mu.Lock()
}

// refuse ends a connection whose peer a hook or a rule did not accept: what has not left never will, the
// session is gone. An alert tells the peer, in the clear as libssl's own of a client of TLS 1.3: nothing
// sealed has left yet, but from a server of TLS 1.3. That one says nothing: its alert would have to be
// sealed by keys that libssl has used for what was dropped.
func (c *conn) refuse(op string, err error) error {
	c.h.dropOutBehind(c.h.outTotal() - uint64(c.h.outLen()))
	if c.raw == nil && !(c.server && c.h.version() == tls.VersionTLS13) {
		c.h.alertInClear(alertFor(err, alertBadCertificate))
	}
	return c.refused(op, err)
}

// refuseHello refuses a client whose ClientHello libssl waits at. libssl sends the alert.
func (c *conn) refuseHello(err error) error {
	if c.raw == nil {
		c.h.refuseHello(alertFor(err, alertInternalError))
		c.h.handshake()
	}
	return c.refused("handshake", err)
}

// Alerts of a refusal that names none, as crypto/tls has them.
const (
	alertBadCertificate Alert = 42
	alertInternalError  Alert = 80
)

// alertFor is the alert that a hook's error names, an AlertError or crypto/tls's.
func alertFor(err error, other Alert) Alert {
	var own *AlertError
	var std tls.AlertError
	switch {
	case errors.As(err, &own) && !own.FromPeer && own.Alert != AlertCloseNotify:
		return own.Alert
	case errors.As(err, &std) && Alert(std) != AlertCloseNotify:
		return Alert(std)
	}
	return other
}

// refused latches a refusal.
func (c *conn) refused(op string, err error) error {
	c.forgetResumed()
	c.h.dropSession()
	c.takeEvents()
	for _, s := range c.sessions {
		s.bad.Store(true)
	}
	c.news = nil
	err = c.latch(&Error{Op: op, Origin: FromCaller, Err: notEOF(err)})
	c.alertLeaves()
	return err
}

// errUnverified is what defence in depth finds: libssl should have failed before.
var errUnverified = errors.New("the peer's certificate was not verified")

// verify is where the peer is accepted: what libssl has verified is checked once more, then the
// hooks are asked, without mu.
func (c *conn) verify(ctx context.Context, done bool) error {
	cfg := &c.ctx.cfg
	if c.offersECH() && !c.h.echAccepted() {
		if !done {
			return nil // libssl goes on to the server's Finished, and no further
		}
		return c.refuse("handshake", &tls.ECHRejectionError{})
	}
	if !c.proven() {
		return c.refuse("handshake", errUnverified)
	}
	if cfg.VerifyPeerCertificate != nil || cfg.VerifyConnection != nil {
		if err := c.askHooks(ctx, done); err != nil {
			return err
		}
	}
	c.verified = true
	return nil
}

// askHooks stands alone for its frame: a tls.ConnectionState would grow the stack of every goroutine
// that makes a handshake.
func (c *conn) askHooks(ctx context.Context, done bool) error {
	cfg := &c.ctx.cfg
	ctx, end := c.hookContext(ctx)
	defer end()
	raw, later := c.h.peerChain(), c.asksLater()
	bare := len(raw) == 0 && (c.byPSK() || c.h.peerRPK() != nil)
	state, parsed := c.connectionState(done)
	err := c.unlocked(func() error {
		// As in crypto/tls, a server that asked is told of a client without a certificate too.
		if f := cfg.VerifyPeerCertificate; f != nil && !bare && (!c.server || c.ctx.auth&verifyPeer != 0 && (len(raw) > 0 || !later)) {
			if err := guard("VerifyPeerCertificate", func() error { return f(raw, state.VerifiedChains) }); err != nil {
				return err
			}
		}
		if f := cfg.VerifyConnection; f != nil {
			if len(raw) > 0 && parsed != nil {
				return parsed
			}
			return guard("VerifyConnection", func() error { return f(state) })
		}
		return nil
	})
	if err != nil || c.ops.closed() {
		return c.hookFailed(ctx, err, func(err error) error { return c.refuse("handshake", err) })
	}
	return nil
}

// hookFailed tells a hook's refusal from its end with the context or the Conn: after the context's a
// later call asks the hook again.
func (c *conn) hookFailed(ctx context.Context, err error, refuse func(error) error) error {
	switch {
	case c.ops.closed():
		return callerError("handshake", net.ErrClosed)
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return callerError("handshake", err)
	}
	return refuse(err)
}

// proven reports whether the peer's certificate is what the Ctx demands. A cipher list may allow
// suites without certificates: libssl calls those verified, on both ends.
func (c *conn) proven() bool {
	if c.raw != nil {
		return true
	}
	mode := verifyPeer | verifyRequire
	if c.server {
		mode = c.ctx.auth
	} else if c.ctx.cfg.InsecureSkipVerify {
		mode = verifyNone
	}
	result, shown := c.h.proof()
	if keys := c.ctx.cfg.PeerPublicKeys; len(keys) > 0 {
		key := c.h.peerRPK()
		if key == nil {
			return !shown && (c.asksLater() || c.byPSK() || mode&verifyRequire == 0)
		}
		return slices.ContainsFunc(keys, func(known []byte) bool { return bytes.Equal(known, key) })
	}
	if !shown {
		return c.asksLater() || c.byPSK() || mode&verifyRequire == 0
	}
	return mode&verifyPeer == 0 || mode&verifyAcceptAny != 0 || result == 0
}

// unlocked runs f without mu.
func (c *conn) unlocked(f func() error) error {
	c.mu.Unlock()
	defer c.mu.Lock()
	return f()
}

// guard makes an error of a panic in a function of the application.
func guard(name string, f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic in %s: %v", name, v)
		}
	}()
	return f()
}

// errGoexit: a function of the application called runtime.Goexit.
var errGoexit = errors.New("the function ended its goroutine")

// armHello makes the server's SSL stop at the ClientHello when Go has something to say to it, or has
// said it: what stopped once is held against a second ClientHello.
func (c *conn) armHello() {
	cfg := &c.ctx.cfg
	if cfg.GetCtxForClient != nil || cfg.GetCertificate != nil || cfg.SessionCache != nil || cfg.GetPSK != nil || c.helloDone {
		c.h.askHello()
		c.h.holdIn(cfg.GetCtxForClient != nil && !c.helloDone)
	}
}

// answerHello serves the suspended handshake: the Ctx first, then its certificate and session.
func (c *conn) answerHello(ctx context.Context) error {
	if c.raw != nil {
		return c.answerRawHello(ctx)
	}
	cfg := c.ctx.cfg
	hello := c.h.hello()
	if c.helloDone && string(hello.name) != c.helloName {
		return c.refuseHello(errOtherHello)
	}
	info := &ClientHelloInfo{ServerName: string(hello.name), SupportedProtos: alpnNames(hello.alpn), Conn: c.nc, ctx: ctx}
	if cfg.GetCtxForClient != nil && !c.helloDone {
		var chosen *Ctx
		err := c.unlocked(func() error {
			return guard("GetCtxForClient", func() (err error) { chosen, err = cfg.GetCtxForClient(info); return err })
		})
		if err != nil || c.ops.closed() {
			return c.hookFailed(ctx, err, c.refuseHello)
		}
		c.helloDone, c.helloName = true, info.ServerName
		if chosen != nil && chosen != c.ctx {
			return c.moveTo(chosen)
		}
		c.h.holdIn(false)
	}
	var cert *Certificate
	var session *Session
	var psk *PSK
	err := c.unlocked(func() error {
		if cfg.GetCertificate != nil {
			if err := guard("GetCertificate", func() (err error) { cert, err = cfg.GetCertificate(info); return err }); err != nil {
				return err
			}
		}
		if cfg.GetPSK != nil && hello.tls13 {
			var err error
			if psk, err = findPSK(cfg.GetPSK, info, hello.psks); err != nil {
				return err
			}
		}
		if cfg.SessionCache != nil && len(hello.id) > 0 && psk == nil {
			session = c.lookup(ctx, hello)
		}
		return nil
	})
	if err != nil || c.ops.closed() {
		return c.hookFailed(ctx, err, c.refuseHello)
	}
	if cert != nil {
		err := c.h.useCertificate(cert)
		if err == nil {
			err = c.ctx.checkSigner(cert)
		}
		if err != nil {
			return c.refuseHello(err)
		}
		c.cert = cert
		if hello.compress && hello.tls13 {
			c.compress(cert)
		}
	}
	if psk != nil && !c.h.setPSK(psk.Identity, psk.Key, psk.Hash == crypto.SHA384) {
		return c.refuse("handshake", errNoMemory)
	}
	if session != nil {
		session.owner.CompareAndSwap(nil, c.ctx.h)
		c.h.setFound(session)
	}
	c.h.answerHello()
	return nil
}

// errOtherHello is what defence in depth finds: the chosen Ctx reads the bytes that the first one read.
var errOtherHello = errors.New("the chosen Ctx reads another server name in the ClientHello")

// moveTo starts again under the chosen Ctx: a new SSL reads the ClientHello's bytes. Nothing was
// sent yet. SSL_set_SSL_CTX would leave the old Ctx's verification, versions and callbacks.
func (c *conn) moveTo(chosen *Ctx) error {
	h, err := chosen.serverHandleWith(c.ech)
	if err != nil {
		return c.refuseHello(err)
	}
	c.h.moveIn(h)
	c.h.free()
	c.h, c.ctx = h, chosen
	c.armHello()
	return nil
}

func alpnNames(wire []byte) (out []string) {
	for len(wire) > 0 && int(wire[0]) < len(wire) {
		n := int(wire[0])
		out = append(out, string(wire[1:1+n]))
		wire = wire[1+n:]
	}
	return out
}

// acceptTimeout bounds the handshake that ConnectionState makes.
const acceptTimeout = 10 * time.Second

// ConnectionState describes the connection as crypto/tls does; zero before the handshake is
// complete. Its own ExportKeyingMaterial cannot work: use Conn's. After Close it is what was asked
// before. On a Conn that a Listener accepted it makes the handshake, within ten seconds: net/http's
// server asks before it reads, and Request.TLS would be empty.
func (c *Conn) ConnectionState() tls.ConnectionState {
	defer runtime.KeepAlive(c)
	in := c.in()
	if in.accepted && !in.established.Load() {
		ctx, cancel := context.WithTimeout(context.Background(), acceptTimeout)
		defer cancel()
		in.handshakeOp(ctx) // what failed is latched; the next call answers it
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if !in.established.Load() || in.finished || in.h.p == nil {
		if in.state != nil {
			return *in.state
		}
		return tls.ConnectionState{}
	}
	if in.state == nil {
		state, _ := in.connectionState(true)
		in.state = &state
	}
	return *in.state
}

// connectionState also answers why the peer's certificates could not be read by crypto/x509, which
// is stricter than libssl in places; then it has none of them.
func (c *conn) connectionState(done bool) (tls.ConnectionState, error) {
	id, _ := c.h.cipher()
	s := tls.ConnectionState{
		Version: uint16(c.h.version()), HandshakeComplete: done, DidResume: c.h.sessionReused() && !c.byPSK(),
		CipherSuite: id, NegotiatedProtocol: c.h.alpn(), NegotiatedProtocolIsMutual: true,
		ServerName: c.name, CurveID: tls.CurveID(c.h.group()), HelloRetryRequest: c.h.saw(seenHRR), ECHAccepted: c.echAccepted(),
	}
	if c.server {
		s.ServerName = c.h.serverName()
	} else {
		s.OCSPResponse = c.h.staple()
	}
	var err error
	if s.PeerCertificates, err = parseAll(c.h.peerChain()); err != nil {
		s.PeerCertificates = nil
		return s, err
	}
	asked := !c.server && !c.ctx.cfg.InsecureSkipVerify || c.server && c.ctx.auth.judges()
	if c.raw != nil {
		asked = c.h.verifyMode()&verifyPeer != 0
	}
	if asked && len(s.PeerCertificates) > 0 && c.h.verifyResult() == 0 {
		chain, err := parseAll(c.h.verifiedChain())
		if err != nil {
			return s, err
		}
		if len(chain) > 0 {
			s.VerifiedChains = [][]*x509.Certificate{chain}
		}
	}
	return s, nil
}

func parseAll(ders [][]byte) ([]*x509.Certificate, error) {
	var out []*x509.Certificate
	for _, der := range ders {
		x, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		out = append(out, x)
	}
	return out, nil
}

// ExportKeyingMaterial returns n bytes bound to this connection (RFC 5705; RFC 8446, section 7.5). A
// nil context is none, an empty one is a context of no bytes; in TLS 1.3 they are the same. Up to TLS 1.2
// a peer without the extended master secret (RFC 7627) is ErrNotBound, as in crypto/tls: a third party
// can give two connections the same bytes.
//
// OpenSSL: SSL_export_keying_material(3).
func (c *Conn) ExportKeyingMaterial(label string, context []byte, n int) ([]byte, error) {
	in := c.in()
	defer in.leave()
	if err := in.enter("export"); err != nil {
		return nil, err
	}
	if !in.established.Load() {
		return nil, callerError("export", ErrNotEstablished)
	}
	if n < 0 || n > 1<<16 {
		return nil, callerError("export", fmt.Errorf("%w: %d bytes", ErrConfig, n))
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if !in.h.binds() {
		return nil, callerError("export", ErrNotBound)
	}
	return in.h.exportKeyingMaterial(label, context, n)
}
