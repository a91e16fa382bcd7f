//go:build cgo

package openssl

import (
	"context"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"time"
)

// End is how a connection ended.
type End struct {
	Sent      bool          // our close_notify left through the transport
	Received  bool          // the peer's close_notify was read, in order
	Forced    ShutdownState // what SetShutdown added to that
	AlertSent *Alert        // fatal
	// AlertReceived is fatal too. Neither is close_notify, but where a peer up to TLS 1.2 has sent it at
	// the fatal level.
	AlertReceived *Alert
	Truncated     bool  // the transport ended without the peer's close_notify; a reset is in Err
	Unread        int   // bytes that came and were never read: plaintext, and ciphertext not yet opened
	Established   bool  // the handshake was completed
	Resumable     bool  // no session of the connection was marked or removed
	Abandoned     bool  // dropped without Close
	Err           error // the first error, nil for none; never io.EOF

	ServerName            string
	LocalAddr, RemoteAddr net.Addr
}

// Clean reports whether both ends said close_notify and nothing failed.
func (e End) Clean() bool {
	return e.Sent && e.Received && !e.Truncated && e.AlertSent == nil && e.AlertReceived == nil
}

// String is a line for a log.
func (e End) String() string {
	var parts []string
	add := func(ok bool, s string) {
		if ok {
			parts = append(parts, s)
		}
	}
	add(e.Sent, "close_notify sent")
	add(e.Received, "close_notify received")
	add(e.Forced != 0, "set to "+e.Forced.String())
	if e.AlertSent != nil {
		add(true, "alert sent: "+e.AlertSent.String())
	}
	if e.AlertReceived != nil {
		add(true, "alert received: "+e.AlertReceived.String())
	}
	add(e.Truncated, "truncated")
	add(e.Abandoned, "abandoned")
	add(e.Unread > 0, fmt.Sprintf("%d bytes unread", e.Unread))
	add(len(parts) == 0, "nothing said")
	add(e.Resumable, "resumable")
	return strings.Join(parts, ", ")
}

// closeFlush bounds Close's wait for a Write's batch and for its own close_notify to leave.
const closeFlush = 500 * time.Millisecond

// lingerBytes bounds what a lingering connection discards.
const lingerBytes = 256 << 10

// sent reports whether our close_notify has left.
func (c *conn) sent() bool {
	if !c.sentBy && !c.finished && c.h.saw(sentCloseNotify) && c.left >= c.h.closeNotifyEnd() {
		c.sentBy = true
	}
	return c.sentBy
}

func (c *conn) received() bool { return c.readErr == io.EOF && !c.truncated }

func (c *conn) shutdownState() ShutdownState {
	s := c.forced
	if c.sent() {
		s |= SentShutdown
	}
	if c.received() {
		s |= ReceivedShutdown
	}
	return s
}

func (c *conn) setShutdown(state ShutdownState) error {
	const op = "set shutdown"
	defer c.leave()
	if err := c.enter(op); err != nil {
		return err
	}
	if state < 0 || state > SentShutdown|ReceivedShutdown {
		return callerError(op, ErrShutdownState)
	}
	if !c.established.Load() {
		return callerError(op, ErrNotEstablished)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var wire ShutdownState
	if c.h.saw(sentCloseNotify) {
		wire |= SentShutdown
	}
	if c.received() {
		wire |= ReceivedShutdown
	}
	if wire&^state != 0 {
		return callerError(op, ErrCannotReopen)
	}
	c.forced = state &^ wire
	c.h.setShutdown(int(state))
	if got := ShutdownState(c.h.getShutdown()); got != state {
		return &Error{Op: op, Origin: FromLibrary, Err: fmt.Errorf("libssl holds %v, not %v", got, state)}
	}
	return nil
}

// closeWrite sends close_notify once, behind the Write under way.
func (c *conn) closeWrite(ctx context.Context, op string) error {
	defer c.leave()
	if err := c.enter(op); err != nil {
		return err
	}
	if ctx == nil {
		return callerError(op, ErrNil)
	}
	if !c.established.Load() {
		return callerError(op, ErrNotEstablished)
	}
	if !c.wr.lock(c.closing, ctx.Done()) {
		if err := ctx.Err(); err != nil {
			return callerError(op, err)
		}
		return callerError(op, net.ErrClosed)
	}
	defer c.wr.unlock()
	return c.dl.under(ctx, op, func() error {
		c.mu.Lock()
		defer c.mu.Unlock()
		switch {
		case c.ops.closed():
			return callerError(op, net.ErrClosed)
		case c.fatal != nil:
			return c.fatal
		case c.forced&SentShutdown != 0:
			return callerError(op, ErrForcedState)
		case c.dl.expired(writeSide):
			return timeoutError(op)
		}
		if err := c.sealCloseNotify(op); err != nil {
			return err
		}
		return c.flush(op)
	}, writeSide)
}

// sealCloseNotify queues close_notify, once. It is only reached where libssl allows it: established,
// nothing fatal, no Write unfinished in libssl.
func (c *conn) sealCloseNotify(op string) error {
	if c.h.saw(sentCloseNotify) {
		return nil
	}
	if c.h.shutdown() < 0 {
		return c.latch(c.h.opError(op))
	}
	return nil
}

// shutdown closes both ways. The second half is reading: a second SSL_shutdown over unread data
// would destroy the connection and lose the data.
func (c *conn) shutdown(ctx context.Context) error {
	const op = "shutdown"
	if err := c.closeWrite(ctx, op); err != nil {
		return err
	}
	defer c.leave()
	if err := c.enter(op); err != nil {
		return err
	}
	if !c.rd.lock(c.closing, ctx.Done()) {
		if err := ctx.Err(); err != nil {
			return callerError(op, err)
		}
		return callerError(op, net.ErrClosed)
	}
	defer c.tellSessions() // without rd: OnSession may read
	defer c.rd.unlock()
	return c.dl.under(ctx, op, func() error {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.drainToEnd(op)
	}, readSide)
}

func (c *conn) drainToEnd(op string) error {
	var buf []byte
	discarded := 0
	for {
		if len(c.stash) > 0 {
			if discarded+len(c.stash) > c.ctx.cfg.ShutdownDiscard {
				return callerError(op, &UnreadDataError{N: len(c.stash)})
			}
			discarded += len(c.stash)
			c.stash = nil
		}
		if buf == nil && (c.h.inLen() > 0 || c.h.pending() > 0 || c.readErr == nil) {
			buf = make([]byte, 16<<10)
		}
		n, err := c.readLocked(op, buf)
		if n > 0 {
			c.stash = append([]byte(nil), buf[:n]...)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (c *conn) close(out *Conn) error {
	defer c.leave()
	if !c.ops.enter() || !c.ops.close() {
		return callerError("close", net.ErrClosed)
	}
	out.cleanup.Stop()
	close(c.closing)
	c.mu.Lock()
	if c.cancel != nil {
		c.cancel()
	}
	c.mu.Unlock()
	c.dl.close(time.Now().Add(closeFlush))
	if c.socket.raw == nil {
		// A transport that keeps no deadlines must not keep Close either.
		watchdog := time.AfterFunc(2*closeFlush, func() { c.nc.Close() })
		defer watchdog.Stop()
	}

	lingers := false
	if c.established.Load() && c.lockWithin(c.wr, closeFlush) {
		lingers = c.lastWords()
		c.wr.unlock()
	}
	c.mu.Lock()
	bad := c.finish(false)
	c.mu.Unlock()
	c.uncache(bad...)
	if !lingers {
		c.nc.Close()
		return nil
	}
	c.ctx.lingers.add(1)
	go c.lingerOn()
	return nil
}

func (c *conn) lockWithin(t token, d time.Duration) bool {
	if t.try() {
		return true
	}
	timer := make(chan struct{})
	stop := time.AfterFunc(d, func() { close(timer) })
	defer stop.Stop()
	return t.lock(nil, timer)
}

// lastWords sends what is still right to send and ends the transport's sending. It reports whether
// the transport must stay open for data under way.
func (c *conn) lastWords() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.flushing { // a flusher of replies; its deadline is Close's
		done := c.flushDone()
		c.mu.Unlock()
		<-done
		c.mu.Lock()
	}
	// What a deadline has kept back of a Write must not look whole; replies and a close_notify still go.
	if c.writeErr != nil || c.send.len() > 0 && c.left < c.dataEnd {
		return false
	}
	underWay := -1
	if c.fatal == nil {
		// Asked before our last words: an unread ticket or byte turns close into a reset, which
		// takes unsent data with it.
		underWay = unsent(c.nc)
		if c.forced&SentShutdown == 0 {
			if err := c.sealCloseNotify("close"); err != nil {
				return false
			}
		}
	}
	if err := c.flush("close"); err != nil || c.fatal != nil {
		return false
	}
	half, ok := c.nc.(interface{ CloseWrite() error })
	if !ok || c.sawEOF || underWay <= 0 || c.ctx.linger() == 0 {
		return false
	}
	return half.CloseWrite() == nil
}

// lingerOn reads and discards until the peer has taken everything and says so by its FIN.
func (c *conn) lingerOn() {
	defer c.ctx.lingers.add(-1)
	defer c.nc.Close()
	wait := c.ctx.linger()
	end := time.Now().Add(wait)
	// A Read that Close has woken must see its deadline before it is moved.
	if !c.lockWithin(c.rd, wait) {
		return
	}
	defer c.rd.unlock()
	if c.nc.SetReadDeadline(end) != nil {
		return
	}
	buf := make([]byte, 4<<10)
	for total := 0; total < lingerBytes; {
		n, err := c.nc.Read(buf)
		if total += n; err != nil {
			return
		}
	}
}

// unsent is what the kernel still holds for the peer, -1 where it does not say.
func unsent(nc net.Conn) int {
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return -1
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return -1
	}
	n := -1
	raw.Control(func(fd uintptr) { n = unsentBytes(fd) })
	return n
}

// endNow describes the connection as it stands.
func (c *conn) endNow() End {
	if c.finished {
		return c.end
	}
	e := End{
		Sent: c.sent(), Received: c.received(), Forced: c.forced, Truncated: c.truncated,
		Unread: len(c.stash) + c.ahead.len() + c.h.pending() + c.h.inLen(), Err: c.firstErr,
		ServerName: c.name, LocalAddr: c.nc.LocalAddr(), RemoteAddr: c.nc.RemoteAddr(),
	}
	facts := c.h.facts()
	e.AlertSent, e.AlertReceived = facts.AlertSent, facts.AlertReceived
	if c.server && c.established.Load() {
		e.ServerName = c.h.serverName()
	}
	e.Established = c.established.Load()
	e.Resumable = e.Established && !c.unfit(e)
	return e
}

// unfit is the verdict on the sessions, the same on every version of libssl.
func (c *conn) unfit(e End) bool {
	if e.AlertSent != nil || e.AlertReceived != nil {
		return true
	}
	if c.ctx.cfg.UncleanSessions == SessionsKeep || e.Abandoned && c.ctx.cfg.KeepAbandonedSessions {
		return false
	}
	// The actual condition for a correctly closed session is SSL_SENT_SHUTDOWN (SSL_set_shutdown(3)).
	return !e.Sent && e.Forced&SentShutdown == 0
}

// finish gives the verdict, once: caches and sessions follow it, libssl is told, hooks are called.
// What it returns the caller takes out of a client's cache, without mu.
func (c *conn) finish(abandoned bool) (uncache []*Session) {
	if c.finished {
		return nil
	}
	e := c.endNow()
	e.Abandoned = abandoned
	if c.established.Load() {
		unfit := c.unfit(e)
		e.Resumable = !unfit
		if unfit {
			for _, s := range c.sessions {
				s.bad.Store(true)
			}
			for _, id := range c.ids {
				c.ctx.stores.remove(id)
			}
			if c.cacheKey != "" {
				uncache = c.sessions
			}
			c.h.dropSession()
		} else {
			c.h.keepSessionAtFree()
		}
	}
	c.end = e
	c.finished = true
	if f := c.ctx.cfg.OnEnd; f != nil {
		go guard("OnEnd", func() error { f(e); return nil })
	}
	return uncache
}

// free runs when the last operation of a closed connection has left.
func (c *conn) free() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.h.p == nil {
		return
	}
	c.finish(false)
	c.ahead.free()
	c.send.free()
	c.h.free()
	c.h = sslHandle{}
}

var (
	abandonedConns atomic.Uint64
	abandonedHook  atomic.Pointer[func(Abandoned)]
)

// AbandonedConns counts the Conns that were dropped without Close and collected.
func AbandonedConns() uint64 { return abandonedConns.Load() }

// Abandoned is a Conn that was dropped without Close.
type Abandoned struct {
	End   End
	Stack string // where it was made
}

// OnAbandoned is the debug switch: from now on each new Conn remembers where it was made, and f is
// told of those that are dropped without Close, each in a goroutine of its own. nil turns it off.
func OnAbandoned(f func(Abandoned)) {
	if f == nil {
		abandonedHook.Store(nil)
		return
	}
	abandonedHook.Store(&f)
}

// abandon runs on the runtime's cleanup goroutine: it hands over and calls nothing of the
// application. It mirrors SSL_free: nothing is sent, and the policy judges the sessions.
func (c *conn) abandon() {
	abandonedConns.Add(1)
	go func() {
		defer c.leave()
		if !c.ops.enter() || !c.ops.close() {
			return
		}
		c.mu.Lock()
		bad := c.finish(true)
		e := c.end
		c.mu.Unlock()
		c.uncache(bad...)
		if c.raw == nil {
			c.nc.Close()
		}
		if f := abandonedHook.Load(); f != nil {
			guard("OnAbandoned", func() error { (*f)(Abandoned{e, stack(c.made)}); return nil })
		}
	}()
}

func stack(pcs []uintptr) string {
	if len(pcs) == 0 {
		return ""
	}
	var b strings.Builder
	frames := runtime.CallersFrames(pcs)
	for {
		f, more := frames.Next()
		fmt.Fprintf(&b, "%s\n\t%s:%d\n", f.Function, f.File, f.Line)
		if !more {
			return b.String()
		}
	}
}
