//go:build cgo

package openssl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"sync/atomic"
	"time"

	root "github.com/golibssl/openssl"
)

// SSLRecordSize is how much plaintext one record holds.
const SSLRecordSize = 16 * 1024

// ErrClosed: Close was called. It is net.ErrClosed too.
var ErrClosed = fmt.Errorf("connection closed: %w", net.ErrClosed)

// Conn is a TLS connection over a net.Conn. Any number of goroutines may call any method at any time. It is a
// Conn of github.com/golibssl/openssl with the original's methods: Root returns that, for what the original had not.
//
// Errors of the connection are *Error of github.com/golibssl/openssl, which say what OpenSSL said and unwrap to what Go programs test
// for. An error is for ever: after one that is not a timeout no Read answers as if nothing was.
//
// Unlike the original, a Conn stays open for writing when the peer has sent its close_notify. Close it in any case: a Conn
// that is dropped leaves its net.Conn open, as it did, and its session is not resumed.
type Conn struct {
	*SSL

	root   *root.Conn
	nc     net.Conn
	made   *Ctx
	closed atomic.Bool
}

// lastState is what a closed connection can still tell.
type lastState struct {
	state
	session *session
}

// session is a reference to an SSL_SESSION.
type session struct{ p sessionPtr }

func newConn(op string, nc net.Conn, ctx *Ctx, server bool) (*Conn, error) {
	if nc == nil {
		return nil, badArgument(op, "the net.Conn is nil")
	}
	if ctx == nil || ctx.raw == nil {
		return nil, badArgument(op, "no ssl context provided: the Ctx is nil or was not made by NewCtx")
	}
	ctx.mu.RLock()
	defer ctx.mu.RUnlock()
	s := &SSL{server: server, ctx: ctx, ctxVerify: ctx.verify, sni: ctx.sni}
	rc, err := root.NewRawConn(nc, ctx.raw, s.config(server, !ctx.truncation, server && ctx.sni != nil))
	if err != nil {
		return nil, err
	}
	s.conn = rc.SSL()
	return &Conn{SSL: s, root: rc, nc: nc, made: ctx}, nil
}

// Client makes the client's end of a connection over conn, which then belongs to it. Nothing is sent before the handshake.
//
// IMPORTANT: Client verifies only what ctx says, by default NOTHING, and never the peer's host name: call VerifyHostname after the
// handshake, or use Dial. It sends no name either: see SetTlsExtHostName.
//
// OpenSSL: SSL_new(3), SSL_set_connect_state(3).
func Client(conn net.Conn, ctx *Ctx) (*Conn, error) { return newConn("client", conn, ctx, false) }

// Server makes the server's end of a connection over conn, which then belongs to it.
//
// OpenSSL: SSL_new(3), SSL_set_accept_state(3).
func Server(conn net.Conn, ctx *Ctx) (*Conn, error) { return newConn("server", conn, ctx, true) }

// Root returns the connection with the methods of github.com/golibssl/openssl: how it ended, CloseWrite, Shutdown, the shutdown state,
// crypto/tls's ConnectionState. It is the same connection, so a program can move to them one call at a time.
func (c *Conn) Root() *root.Conn {
	if c == nil {
		return nil
	}
	return c.root
}

// End tells how the connection ended: what was said by both ends, and whether the stream was cut. Before Close it tells how it stands.
func (c *Conn) End() root.End {
	if c == nil || c.root == nil {
		return root.End{}
	}
	return c.root.End()
}

// GetCtx returns the Ctx that the connection was made with.
func (c *Conn) GetCtx() *Ctx { return c.made }

// usable is asked before what may begin the handshake.
func (c *Conn) usable(op string) error {
	if c == nil || c.root == nil {
		return badArgument(op, "the Conn is nil or was not made by this package")
	}
	if m := c.misused.Load(); m != nil {
		return m
	}
	return nil
}

// Handshake makes the handshake if it is not made; Read and Write call it.
//
// OpenSSL: SSL_do_handshake(3).
func (c *Conn) Handshake() error { return c.handshake(context.Background()) }

func (c *Conn) handshake(ctx context.Context) error {
	if err := c.usable("handshake"); err != nil {
		return err
	}
	err := c.root.HandshakeContext(ctx)
	c.raise()
	return err
}

// Read reads up to len(b) bytes. io.EOF is the end of the stream, by the peer's close_notify, by our Close, and, unless the Ctx says
// otherwise, by the end of the TCP connection without a close_notify: see Ctx.SetReportTruncation and End.
//
// OpenSSL: SSL_read_ex(3).
func (c *Conn) Read(b []byte) (n int, err error) {
	if err := c.usable("read"); err != nil {
		return 0, err
	}
	if len(b) == 0 {
		return 0, nil
	}
	if c.closed.Load() {
		return 0, io.EOF
	}
	n, err = c.root.Read(b)
	c.raise()
	return n, err
}

// Write writes b. After a timeout written is how many bytes were taken for good: go on with b[written:].
//
// OpenSSL: SSL_write_ex(3).
func (c *Conn) Write(b []byte) (written int, err error) {
	if err := c.usable("write"); err != nil {
		return 0, err
	}
	if len(b) == 0 {
		return 0, nil
	}
	if c.closed.Load() {
		return 0, ErrClosed
	}
	written, err = c.root.Write(b)
	c.raise()
	return written, err
}

// Close sends close_notify where that is right and closes the net.Conn. It never waits for the peer. A second Close does nothing.
//
// OpenSSL: SSL_shutdown(3).
func (c *Conn) Close() error {
	if c == nil || c.root == nil {
		return badArgument("close", "the Conn is nil or was not made by this package")
	}
	if !c.closed.CompareAndSwap(false, true) {
		return nil
	}
	c.remember()
	if err := c.root.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// remember keeps what can be asked after the SSL is gone.
func (c *Conn) remember() {
	var last lastState
	if c.on("close", func(p sslPtr) error {
		st, sess := sslState(p, true)
		last.state = st
		if sess != nil {
			last.session = &session{sess}
			runtime.AddCleanup(last.session, sessionFree, sess)
		}
		return nil
	}) != nil {
		return
	}
	c.SSL.mu.Lock()
	defer c.SSL.mu.Unlock()
	c.last = &last
}

// now is the state of the connection, or what it was at Close.
func (c *Conn) now() state {
	if c == nil || c.SSL == nil {
		return state{}
	}
	c.SSL.mu.Lock()
	last := c.last
	c.SSL.mu.Unlock()
	if last != nil {
		return last.state
	}
	return get(c.SSL, func(p sslPtr) state { st, _ := sslState(p, false); return st })
}

// CurrentCipher returns OpenSSL's name of the cipher suite.
//
// OpenSSL: SSL_get_current_cipher(3).
func (c *Conn) CurrentCipher() (string, error) {
	if st := c.now(); st.cipher != "" {
		return st.cipher, nil
	}
	return "", badArgument("current cipher", "Session not established")
}

// PeerCertificate returns the certificate of the peer, verified or not.
//
// OpenSSL: SSL_get1_peer_certificate(3).
func (c *Conn) PeerCertificate() (*Certificate, error) {
	var cert *Certificate
	err := c.open(func(p sslPtr) error {
		if x := sslPeer(p); x != nil {
			cert = newCertificate(x)
			return nil
		}
		return badArgument("peer certificate", "no peer certificate found")
	})
	return cert, err
}

// open runs f unless the connection is closed.
func (c *Conn) open(f func(p sslPtr) error) error {
	if c == nil || c.root == nil || c.closed.Load() {
		return ErrClosed
	}
	return c.on("connection closed", f)
}

// PeerCertificateChain returns the certificates that the peer sent: to a client with the server's own as the first, to a server
// without the client's own. A resumed connection has none.
//
// OpenSSL: SSL_get_peer_cert_chain(3).
func (c *Conn) PeerCertificateChain() (rv []*Certificate, err error) {
	err = c.open(func(p sslPtr) error {
		chain, ok := sslChain(p)
		if !ok {
			return badArgument("peer certificate chain", "no peer certificates found")
		}
		rv = make([]*Certificate, len(chain))
		for i, x := range chain {
			rv[i] = newCertificate(x)
		}
		return nil
	})
	return rv, err
}

// ConnectionState is what is known of the peer.
type ConnectionState struct {
	Certificate           *Certificate
	CertificateError      error
	CertificateChain      []*Certificate
	CertificateChainError error
	SessionReused         bool
}

// ConnectionState returns what is known of the peer.
func (c *Conn) ConnectionState() (rv ConnectionState) {
	rv.Certificate, rv.CertificateError = c.PeerCertificate()
	rv.CertificateChain, rv.CertificateChainError = c.PeerCertificateChain()
	rv.SessionReused = c.SessionReused()
	return
}

// VerifyHostname returns nil when the peer's certificate is for host, and ValidationError when it is for others. It says nothing
// of who has signed the certificate: see VerifyResult.
func (c *Conn) VerifyHostname(host string) error {
	cert, err := c.PeerCertificate()
	if err != nil {
		return err
	}
	return cert.VerifyHostname(host)
}

// LocalAddr returns the net.Conn's.
func (c *Conn) LocalAddr() net.Addr { return c.nc.LocalAddr() }

// RemoteAddr returns the net.Conn's.
func (c *Conn) RemoteAddr() net.Addr { return c.nc.RemoteAddr() }

// SetDeadline sets both deadlines. An error whose Timeout is true leaves the connection as it is.
func (c *Conn) SetDeadline(t time.Time) error { return c.root.SetDeadline(t) }

// SetReadDeadline sets the deadline of Read.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.root.SetReadDeadline(t) }

// SetWriteDeadline sets the deadline of Write.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.root.SetWriteDeadline(t) }

// UnderlyingConn returns the net.Conn, not to be read or written. Deadlines belong to the Conn.
func (c *Conn) UnderlyingConn() net.Conn { return c.nc }

// SetTlsExtHostName sets the name that a client sends in its ClientHello (RFC 6066, section 3).
//
// OpenSSL: SSL_set_tlsext_host_name(3).
func (c *Conn) SetTlsExtHostName(name string) error {
	const op = "server name"
	if hasZero(name) {
		return badArgument(op, "it has a zero byte")
	}
	if c == nil || c.root == nil {
		return badArgument(op, "the Conn is nil or was not made by this package")
	}
	defer runtime.KeepAlive(c)
	return c.conn.SetServerName(name)
}

// VerifyResult returns what OpenSSL found about the peer's certificate, also where VerifyNone let the connection pass; Ok
// before the handshake and without a certificate too.
//
// OpenSSL: SSL_get_verify_result(3).
func (c *Conn) VerifyResult() VerifyResult { return c.now().result }

// GetVerifyResults is VerifyResult as an error, a *VerifyError, nil for Ok.
//
// OpenSSL: SSL_get_verify_result(3).
func (c *Conn) GetVerifyResults() error { return c.VerifyResult().err() }

// SessionReused reports whether the handshake resumed a session.
//
// OpenSSL: SSL_session_reused(3).
func (c *Conn) SessionReused() bool { return c.now().reused }

// GetSession returns the session for DialSession. It holds the session's secret. In TLS 1.3 the server gives sessions out behind the
// handshake: one that was asked for before a Read has read them is not resumed.
//
// OpenSSL: SSL_get1_session(3), i2d_SSL_SESSION(3).
func (c *Conn) GetSession() ([]byte, error) {
	const op = "failed to get session"
	if c == nil || c.root == nil {
		return nil, badArgument(op, "the Conn is nil or was not made by this package")
	}
	c.SSL.mu.Lock()
	last := c.last
	c.SSL.mu.Unlock()
	if last == nil {
		last = &lastState{}
		if err := c.on(op, func(p sslPtr) error {
			if _, sess := sslState(p, true); sess != nil {
				last.session = &session{sess}
				runtime.AddCleanup(last.session, sessionFree, sess)
			}
			return nil
		}); err != nil {
			return nil, err
		}
	}
	if last.session == nil {
		return nil, badArgument(op, "there is none")
	}
	der, q := sessionDER(last.session.p)
	runtime.KeepAlive(last)
	return der, failed(op, q)
}

// setSession offers a session.
func (c *Conn) setSession(der []byte) error {
	const op = "unable to load session"
	if len(der) == 0 {
		return badArgument(op, "it is empty")
	}
	return c.on(op, func(p sslPtr) error { return failed(op, sslSetSession(p, der)) })
}

var _ net.Conn = (*Conn)(nil)
