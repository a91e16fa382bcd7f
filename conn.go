//go:build cgo

package openssl

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"weak"
)

// Conn is a TLS connection over any net.Conn, itself a net.Conn. Any number of goroutines may call
// any method at any time; Writes do not interleave. Read answers io.EOF only for the peer's
// close_notify, unless Config.IgnoreUnexpectedEOF gives that up. A nil or zero Conn is a closed one.
type Conn struct {
	c       *conn
	cleanup runtime.Cleanup
	keep    any // RawConnConfig.Keep
}

// ConnOption is a setting of one connection.
type ConnOption func(*connOptions)

type connOptions struct {
	name    string
	session *Session
}

// WithServerName is Config.ServerName for one connection.
func WithServerName(name string) ConnOption { return func(o *connOptions) { o.name = name } }

// WithSession is Config.Session for one connection.
func WithSession(s *Session) ConnOption { return func(o *connOptions) { o.session = s } }

// Client makes the client's end of a connection over nc, which then belongs to the Conn. Nothing is
// sent before the handshake.
func Client(nc net.Conn, ctx *Ctx, opts ...ConnOption) (*Conn, error) {
	if nc == nil || ctx == nil {
		return nil, callerError("client", ErrNil)
	}
	if _, err := ctx.freeze(); err != nil {
		return nil, err
	}
	o := connOptions{name: ctx.cfg.ServerName, session: ctx.cfg.Session}
	for _, opt := range opts {
		if opt == nil {
			return nil, callerError("client", ErrNil)
		}
		opt(&o)
	}
	h, err := ctx.clientHandle(o.name)
	if err != nil {
		return nil, err
	}
	c := newConn(nc, ctx, h, false)
	c.c.name, _ = sniName(o.name)
	if o.session != nil {
		if err := c.c.offer(o.session); err != nil {
			c.cleanup.Stop()
			h.free()
			return nil, err
		}
	}
	return c, nil
}

// Server makes the server's end of a connection over nc, which then belongs to the Conn.
func Server(nc net.Conn, ctx *Ctx) (*Conn, error) {
	if nc == nil || ctx == nil {
		return nil, callerError("server", ErrNil)
	}
	h, err := ctx.serverHandle()
	if err != nil {
		return nil, err
	}
	c := newConn(nc, ctx, h, true)
	c.c.ech = ctx.echKeys
	c.c.armHello()
	return c, nil
}

// conn is what a Conn holds. A Conn that is dropped without Close is noticed because the
// goroutines of the connection hold the conn, never the Conn.
type conn struct {
	nc       net.Conn
	server   bool
	accepted bool   // by a Listener
	name     string // what a client verifies
	outer    weak.Pointer[Conn]
	made     []uintptr

	// Locks are taken in this order: hs, wr, rd, mu. Nobody waits for the network with mu held.
	hs token // the handshake
	wr token // one Write, CloseWrite or Shutdown
	rd token // reads from the transport; owns the free part of the in-queue

	socket readiness // used by the holder of rd

	raw *RawConnConfig // of a Conn over a RawCtx

	ops         ops
	closing     chan struct{} // closed by Close
	established atomic.Bool
	dl          deadlines

	mu  sync.Mutex // guards everything below and all use of h
	ctx *Ctx
	h   sslHandle

	cert       *Certificate       // GetCertificate's; its key may be in Go
	signErr    error              // why a crypto.Signer did not sign
	cancel     context.CancelFunc // of the running hooks
	ech        *echStore          // of a server, whatever Ctx is chosen
	helloDone  bool               // the Ctx was chosen
	helloName  string             // by this name
	nameAnswer int                // to the name in the ClientHello, of a Conn over a RawCtx
	verified   bool               // the peer was accepted; data and tickets may pass
	identity   []byte             // of the external PSK that the handshake used
	asked      bool               // RequestClientCert asked
	answered   chan struct{}      // closed when the client's answer is judged; nil while nothing is asked
	fatal      error              // latched: every call answers it
	readErr    error              // latched: Read answers it
	writeErr   error              // latched: the transport takes nothing more
	ncErr      error              // came with the last bytes of a transport Read
	stash      []byte             // plaintext that Shutdown refused to drop
	ahead      ahead              // plaintext of the record that small Reads are taking apart
	inSize     int                // how much one read from the transport asks for

	send     cBuf // what the flusher sends; only it touches it unlocked
	flushing bool
	kicked   bool
	flushed  chan struct{} // closed when the flusher of the moment stops
	left     uint64        // bytes that the transport took
	dataEnd  uint64        // outTotal behind the data of Writes

	handshakeEnd uint64 // outTotal behind the handshake and its tickets

	replied    int    // bytes that Read sealed since all of them had left
	repliesEnd uint64 // outTotal behind them

	forced    ShutdownState // set by the application, not by the wire
	sentBy    bool          // our close_notify has left
	truncated bool          // the transport ended without close_notify
	sawEOF    bool

	cacheKey string // in ClientSessionCache; set once, with hs too
	offered  *Session
	sessions []*Session // of this connection: what an unclean end marks
	ids      [][]byte   // in the server's cache
	news     []*Session // not yet told to OnSession
	state    *tls.ConnectionState
	firstErr error
	finished bool
	end      End
}

func newConn(nc net.Conn, ctx *Ctx, h sslHandle, server bool) *Conn {
	c := &conn{nc: nc, ctx: ctx, h: h, server: server, hs: newToken(), wr: newToken(), rd: newToken(),
		closing: make(chan struct{}), inSize: minIn, made: madeHere()}
	c.dl.nc = nc
	c.watch()
	out := &Conn{c: c}
	c.outer = weak.Make(out)
	out.cleanup = runtime.AddCleanup(out, (*conn).abandon, c)
	return out
}

// in is what c holds.
func (c *Conn) in() *conn {
	if c == nil || c.c == nil {
		return noConn
	}
	return c.c
}

// noConn is closed, and never freed.
var noConn = func() *conn {
	nc, _ := net.Pipe()
	nc.Close()
	c := &conn{nc: nc, ctx: &Ctx{}, finished: true}
	c.dl.closing = true
	c.ops.v.Store(opsClosed + 1)
	return c
}()

// token is a lock that can be waited for together with the end of the connection or of a context.
type token chan struct{}

func newToken() token { return make(token, 1) }

func (t token) lock(closing, done <-chan struct{}) bool {
	if t.try() {
		return true
	}
	select {
	case t <- struct{}{}:
		return true
	case <-closing:
	case <-done:
	}
	return false
}

func (t token) try() bool {
	select {
	case t <- struct{}{}:
		return true
	default:
		return false
	}
}

func (t token) unlock() { <-t }

// ops counts operations under way; the last to leave a closed connection frees it.
type ops struct{ v atomic.Int64 }

const opsClosed = 1 << 40

func (o *ops) enter() bool {
	if o.v.Add(1) >= opsClosed {
		return false
	}
	return true
}

func (o *ops) closed() bool { return o.v.Load() >= opsClosed }

// close reports whether the caller is the first; the caller must be inside.
func (o *ops) close() bool {
	for {
		v := o.v.Load()
		if v >= opsClosed {
			return false
		}
		if o.v.CompareAndSwap(v, v+opsClosed) {
			return true
		}
	}
}

func (o *ops) leave() (last bool) { return o.v.Add(-1) == opsClosed }

// enter begins an operation; every enter, failed or not, is followed by leave.
func (c *conn) enter(op string) error {
	if !c.ops.enter() {
		return callerError(op, net.ErrClosed)
	}
	return nil
}

func (c *conn) leave() {
	if c.ops.leave() {
		c.free()
	}
}

// Handshake makes the handshake if it is not made; Read and Write call it. It has no time limit of its own:
// SetDeadline or HandshakeContext bound the wait for a silent peer.
//
// OpenSSL: SSL_do_handshake(3).
func (c *Conn) Handshake() error { return c.HandshakeContext(context.Background()) }

// HandshakeContext is Handshake until ctx ends; a later call goes on with it. A failed handshake
// fails for ever.
//
// OpenSSL: SSL_do_handshake(3).
func (c *Conn) HandshakeContext(ctx context.Context) error {
	defer runtime.KeepAlive(c)
	return c.in().handshakeOp(ctx)
}

// Read reads up to len(p) bytes of plaintext. io.EOF means that the peer's close_notify came behind
// all data (RFC 8446, section 6.1); an end without it is io.ErrUnexpectedEOF.
//
// OpenSSL: SSL_read_ex(3).
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.in().read(p)
	runtime.KeepAlive(c)
	return n, err
}

// Write writes p. n counts the bytes that are sealed, at most 64 KiB more than left: after a
// timeout the rest of them goes first with the next Write, so the caller goes on with p[n:].
//
// OpenSSL: SSL_write_ex(3).
func (c *Conn) Write(p []byte) (int, error) {
	n, err := c.in().write(p)
	runtime.KeepAlive(c)
	return n, err
}

// CloseWrite sends close_notify, once; reading goes on. It waits for the Write under way, and until the
// alert has left; the write deadline bounds it. Before the handshake is complete, which it does not make,
// the error is ErrNotEstablished.
//
// OpenSSL: SSL_shutdown(3).
func (c *Conn) CloseWrite() error {
	defer runtime.KeepAlive(c)
	return c.in().closeWrite(context.Background(), "close write")
}

// Shutdown closes both ways: it sends close_notify and reads until the peer's. Data that comes
// before it is refused with an UnreadDataError and kept for Read, or discarded up to
// Config.ShutdownDiscard. The transport stays open until Close. ctx and the deadlines bound it; it can be
// called again after them. Before the handshake is complete, which it does not make, the error is
// ErrNotEstablished; a transport that ends without the peer's close_notify is io.ErrUnexpectedEOF.
//
// OpenSSL: SSL_shutdown(3).
func (c *Conn) Shutdown(ctx context.Context) error {
	defer runtime.KeepAlive(c)
	return c.in().shutdown(ctx)
}

// Close sends close_notify where that is still right, ends every call under way and closes the
// transport. It does not wait for the peer, and a second at most for room in the transport;
// where data may still be under way, the transport stays open in the background (Config.Linger,
// Ctx.Drain). The only error is net.ErrClosed, of a second Close.
//
// OpenSSL: SSL_shutdown(3).
func (c *Conn) Close() error {
	defer runtime.KeepAlive(c)
	return c.in().close(c)
}

// GetShutdown returns what really went over the wire: SENT once the bytes of our close_notify left,
// RECEIVED once the peer's was read; and what SetShutdown added. It answers after Close too.
//
// OpenSSL: SSL_get_shutdown(3).
func (c *Conn) GetShutdown() ShutdownState {
	defer runtime.KeepAlive(c)
	in := c.in()
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.shutdownState()
}

// SetShutdown sets the state without sending anything. SENT: the session is kept, Close sends no
// close_notify, Write answers ErrWriteShut, CloseWrite and Shutdown ErrForcedState. RECEIVED: Read answers
// ErrForcedState, never io.EOF. Other values than 0 to 3 are ErrShutdownState, a call before the handshake
// ErrNotEstablished, and taking back what was really sent or received ErrCannotReopen.
//
// OpenSSL: SSL_set_shutdown(3).
func (c *Conn) SetShutdown(state ShutdownState) error {
	defer runtime.KeepAlive(c)
	return c.in().setShutdown(state)
}

// End tells how the connection ended; before Close, how it stands.
func (c *Conn) End() End {
	defer runtime.KeepAlive(c)
	in := c.in()
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.endNow()
}

// NetConn returns the transport, not to be read or written.
func (c *Conn) NetConn() net.Conn { return c.in().nc }

// LocalAddr returns the transport's.
func (c *Conn) LocalAddr() net.Addr { return c.in().nc.LocalAddr() }

// RemoteAddr returns the transport's.
func (c *Conn) RemoteAddr() net.Addr { return c.in().nc.RemoteAddr() }

// SetDeadline sets both deadlines. A passed deadline is os.ErrDeadlineExceeded; the connection can
// be used again after it, writes too.
func (c *Conn) SetDeadline(t time.Time) error { return c.in().dl.setUser(t, readSide, writeSide) }

// SetReadDeadline sets the deadline of Read.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.in().dl.setUser(t, readSide) }

// SetWriteDeadline sets the deadline of Write.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.in().dl.setUser(t, writeSide) }

// madeHere is the stack of a Conn's maker in debug mode.
func madeHere() []uintptr {
	if abandonedHook.Load() == nil {
		return nil
	}
	pcs := make([]uintptr, 32)
	return pcs[:runtime.Callers(4, pcs)]
}

var _ net.Conn = (*Conn)(nil)
var _ io.ReadWriteCloser = (*Conn)(nil)
