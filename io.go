//go:build cgo

package openssl

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"time"
)

const (
	minIn    = 4 << 10  // what a waiting Read holds
	recordIn = 17 << 10 // what it grows to: any record (RFC 8446, section 5.2) in one read
	maxIn    = 64 << 10 // and in bulk

	batch      = 64 << 10 // plaintext sealed at once
	maxReplies = 64 << 10 // of ours, before Read opens no more records

	keptOut = 1 << 10 // of an idle out-queue

	replyPoll = 5 * time.Millisecond
)

// latch keeps the first fatal error: up to OpenSSL 3.6 the second SSL_read after a fatal alert looks
// like a clean end.
func (c *conn) latch(err error) error {
	if c.fatal == nil {
		c.fatal = err
	}
	c.note(err)
	return c.fatal
}

func (c *conn) note(err error) {
	if c.firstErr == nil && err != io.EOF {
		c.firstErr = err
	}
}

func (c *conn) read(p []byte) (int, error) {
	defer c.leave()
	if err := c.enter("read"); err != nil {
		return 0, err
	}
	if err := c.ready(context.Background()); err != nil {
		return 0, err
	}
	if !c.rd.lock(c.closing, nil) {
		return 0, callerError("read", net.ErrClosed)
	}
	c.mu.Lock()
	n, err := c.readLocked("read", p)
	told := len(c.news) > 0
	c.mu.Unlock()
	c.rd.unlock()
	if told {
		c.tellSessions()
	}
	return n, err
}

// readLocked needs rd and mu; it gives mu up while it waits.
func (c *conn) readLocked(op string, p []byte) (int, error) {
	for {
		switch {
		case c.ops.closed():
			return 0, callerError(op, net.ErrClosed)
		case c.dl.expired(readSide):
			return 0, timeoutError(op)
		case len(c.stash) > 0:
			n := copy(p, c.stash)
			c.stash = c.stash[n:]
			return n, nil
		case c.readErr != nil:
			return 0, c.readErr
		case c.fatal != nil:
			return 0, c.fatal
		case c.forced&ReceivedShutdown != 0:
			return 0, callerError(op, ErrForcedState)
		case len(p) == 0:
			return 0, nil
		case c.ahead.len() > 0:
			return c.ahead.take(p), nil
		}
		if c.h.inLen() > 0 || c.h.pending() > 0 {
			if c.replies() > maxReplies {
				if err := c.awaitReplies(op); err != nil {
					return 0, err
				}
				continue
			}
			if n := c.open(op, p); n > 0 {
				if len(p) < smallRead && n == len(p) && c.h.pending() > 0 {
					c.ahead.fill(c.h)
				}
				return n, nil
			}
			continue
		}
		if c.left < c.h.outTotal() && !c.dl.expired(writeSide) {
			c.kick() // what a deadline stopped; the peer may wait for it
		}
		if err := c.fill(op); err != nil {
			if !errors.Is(err, io.EOF) {
				return 0, err
			}
			c.transportEnded(op)
		}
	}
}

// replies is at most how much of what Read itself sealed has not left. A Write's data does not
// count: two ends that write much at once would both stop reading.
func (c *conn) replies() int {
	if c.left >= c.repliesEnd {
		c.replied = 0
	}
	return c.replied
}

// open makes one call over what the in-queue holds; what ends the stream is latched.
func (c *conn) open(op string, p []byte) int {
	before := c.h.outTotal()
	c.h.readBatch(p, c.h.outLen()+maxReplies, maxKeyUpdates)
	n := c.h.n()
	if c.h.saw(sentCloseNotify) {
		// libssl answers a KeyUpdate behind its own close_notify too; nothing may follow that.
		c.h.dropOutBehind(c.h.closeNotifyEnd())
	}
	if end := c.h.outTotal(); end > before {
		c.replied += int(end - before)
		c.repliesEnd = end
	}
	if c.h.hasEvents() {
		c.takeEvents()
	}
	if c.h.keyUpdates() > maxKeyUpdates {
		c.latch(&Error{Op: op, Origin: FromPeer, Err: ErrTooManyKeyUpdates})
	}
	switch class := c.h.class(); {
	case class == ClassNone, class == ClassWantRead && !c.h.hasErrors():
	case c.h.alertIn() < 0 && !c.h.hasErrors() && c.h.saw(seenCloseNotify):
		// ZERO_RETURN, or from 3.5 SYSCALL when user_canceled came before the close_notify.
		c.readErr = io.EOF
	default:
		c.latch(c.h.opError(op))
	}
	if c.answered != nil && !c.judgeAnswer(op) {
		clear(p[:n])
		return 0
	}
	if c.h.outLen() > 0 {
		c.kick()
	}
	return n
}

// transportEnded judges an end of the transport: libssl is never told, so its versions do not
// differ, no alert is sent and the session is ours to judge.
func (c *conn) transportEnded(op string) {
	c.sawEOF = true
	if c.readErr != nil || c.fatal != nil {
		return
	}
	c.truncated = true
	if c.ctx.cfg.IgnoreUnexpectedEOF {
		c.readErr = io.EOF
		return
	}
	c.latch(&Error{Op: op, Origin: FromTransport, Err: io.ErrUnexpectedEOF})
}

// fill waits for bytes from the transport, without mu. io.EOF is the transport's; timeouts are not
// latched.
func (c *conn) fill(op string) error {
	err := c.ncErr
	if err == nil {
		var n int
		if n, err = c.receive(); n > 0 {
			if err != nil && !isTimeout(err) {
				c.ncErr = err
			}
			return nil
		}
		if err == nil {
			return nil // an odd but legal Reader; ask again
		}
	}
	switch {
	case c.ops.closed():
		return callerError(op, net.ErrClosed)
	case errors.Is(err, io.EOF):
		return io.EOF
	case isTimeout(err):
		return transportError(op, err)
	case c.resetByTickets(err):
		return io.EOF
	}
	return c.latch(transportError(op, err))
}

// receive makes one read of the transport into the in-queue, whose size follows the traffic.
func (c *conn) receive() (n int, err error) {
	h := c.h
	if h.inCap() >= 2*c.inSize {
		h.inRelease()
	}
	c.releaseOut()
	var full bool
	if c.socket.raw != nil {
		n, full, err = c.readReady()
	} else {
		buf := h.inFree(c.inSize)
		if buf == nil {
			return 0, errNoMemory
		}
		c.mu.Unlock()
		n, err = c.nc.Read(buf)
		c.mu.Lock()
		full = n == len(buf)
	}
	runtime.KeepAlive(c)
	h.inCommit(n)
	switch {
	case full && c.inSize == minIn, !full && n < c.inSize/4 && c.inSize == maxIn:
		c.inSize = recordIn
	case full:
		c.inSize = maxIn
	case n < c.inSize/4:
		c.inSize = minIn
	}
	return n, err
}

// releaseOut gives the memory of idle out-queues back, but for what small talk fills again and again.
func (c *conn) releaseOut() {
	if c.send.cap() > keptOut && c.h.outLen() == 0 && !c.flushing && c.send.len() == 0 {
		c.send.free()
	}
}

// awaitReplies waits until the flusher has made room.
func (c *conn) awaitReplies(op string) error {
	if c.writeErr != nil {
		// Nothing leaves any more: what we owe the peer is moot, and its data may still be read.
		c.h.dropOut()
		c.send.skip(c.send.len())
		c.replied = 0
		return nil
	}
	c.kick()
	c.mu.Unlock()
	defer c.mu.Lock()
	// A look now and then, not a wake-up: the read deadline counts here too, and a flusher that a
	// write deadline stops must not be started in a loop.
	t := time.NewTimer(replyPoll)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-c.closing:
		return callerError(op, net.ErrClosed)
	}
}

func (c *conn) write(p []byte) (int, error) {
	defer c.leave()
	if err := c.enter("write"); err != nil {
		return 0, err
	}
	if err := c.ready(context.Background()); err != nil {
		return 0, err
	}
	if !c.wr.lock(c.closing, nil) {
		return 0, callerError("write", net.ErrClosed)
	}
	c.mu.Lock()
	n, err := c.writeLocked(p)
	c.mu.Unlock()
	c.wr.unlock()
	return n, err
}

// writeLocked needs wr and mu; it gives mu up while it waits.
func (c *conn) writeLocked(p []byte) (int, error) {
	total := 0
	for {
		if err := c.writable("write"); err != nil {
			return total, err
		}
		if c.left < c.h.outTotal() {
			if err := c.flush("write"); err != nil {
				return total, err
			}
			continue
		}
		if len(p) == 0 {
			return total, nil
		}
		if c.h.midMessage() {
			if err := c.settle("write"); err != nil {
				return total, err
			}
			continue
		}
		n := min(len(p), batch)
		if c.h.write(p[:n]) != 1 {
			return total, c.latch(c.h.opError("write"))
		}
		c.dataEnd = c.h.outTotal()
		total, p = total+n, p[n:]
		if err := c.flush("write"); err != nil {
			return total, err
		}
	}
}

// writable is asked before anything is sealed: a sealed record cannot be taken back.
func (c *conn) writable(op string) error {
	switch {
	case c.ops.closed():
		return callerError(op, net.ErrClosed)
	case c.fatal != nil:
		return c.fatal
	case c.writeErr != nil:
		return c.writeErr
	case c.h.saw(sentCloseNotify) || c.forced&SentShutdown != 0:
		return callerError(op, ErrWriteShut)
	case c.dl.expired(writeSide):
		return timeoutError(op)
	}
	return nil
}

// flush returns when all that is sealed now has left, or an error. It needs mu and gives it up while
// it writes.
func (c *conn) flush(op string) error {
	target := c.h.outTotal()
	for c.left < target {
		switch {
		case c.writeErr != nil:
			return c.writeErr
		case c.flushing:
			done := c.flushDone()
			c.mu.Unlock()
			<-done
			c.mu.Lock()
		default:
			if err := c.flushRun(op); err != nil {
				return err
			}
		}
	}
	return nil
}

// flushDone is closed when the flusher of the moment stops.
func (c *conn) flushDone() <-chan struct{} {
	if c.flushed == nil {
		c.flushed = make(chan struct{})
	}
	return c.flushed
}

// flushRun is the flusher: it alone touches send. flushing is cleared in the critical section that
// found the queue empty.
func (c *conn) flushRun(op string) error {
	c.flushing = true
	defer c.flushStopped()
	for {
		if c.send.len() == 0 {
			if c.h.outLen() == 0 {
				return nil
			}
			c.h.swapOut(&c.send)
		}
		b := c.send.bytes()
		c.mu.Unlock()
		n, err := c.nc.Write(b)
		runtime.KeepAlive(c)
		c.mu.Lock()
		c.send.skip(n)
		c.left += uint64(n)
		if err == nil {
			continue
		}
		if c.ops.closed() {
			return callerError(op, net.ErrClosed)
		}
		if isTimeout(err) {
			return transportError(op, err)
		}
		c.writeErr = transportError(op, err)
		c.note(c.writeErr)
		return c.writeErr
	}
}

func (c *conn) flushStopped() {
	c.flushing = false
	if c.flushed != nil {
		close(c.flushed)
		c.flushed = nil
	}
}

// kick has what waits flushed without waiting: at once as far as a socket takes it, the rest by
// somebody else. No failed flush becomes Read's error.
func (c *conn) kick() {
	if c.flushing || c.kicked || c.writeErr != nil || c.ops.closed() || c.flushNow() {
		return
	}
	c.kicked = true
	c.ops.enter()
	go func() {
		defer c.leave()
		c.mu.Lock()
		defer c.mu.Unlock()
		c.kicked = false
		if !c.flushing {
			c.flushRun("write") // what failed is latched for the writers, or tried again by the next
		}
	}()
}
