//go:build cgo

package openssl

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"time"
)

// What TLS 1.3 says after the handshake (RFC 8446, section 4.6).

// KeyUpdate changes the key that seals what is written from now on, and with request asks the peer for the
// same, who does it when it reads (RFC 8446, section 4.6.3). It makes the handshake if it is not made, waits
// for the Write under way, and until the message has left; the write deadline bounds it. Any number of
// goroutines may call it. Up to TLS 1.2 the error is ErrNotTLS13, behind our close_notify ErrWriteShut.
//
// OpenSSL: SSL_key_update(3).
func (c *Conn) KeyUpdate(request bool) error {
	const op = "key update"
	in := c.c
	defer in.leave()
	if err := in.enter(op); err != nil {
		return err
	}
	if err := in.ready(context.Background()); err != nil {
		return err
	}
	if !in.wr.lock(in.closing, nil) {
		return callerError(op, net.ErrClosed)
	}
	defer in.wr.unlock()
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.keyUpdate(op, request)
}

func (c *conn) keyUpdate(op string, request bool) error {
	if err := c.settle(op); err != nil {
		return err
	}
	if c.h.version() < tls.VersionTLS13 {
		return callerError(op, ErrNotTLS13)
	}
	if c.h.keyUpdate(request) != 1 {
		return c.latch(c.h.opError(op))
	}
	return c.flush(op)
}

// settlePoll is how long settle waits for the transport before it looks again.
const settlePoll = 20 * time.Millisecond

// settle waits until something may be written and libssl stands between messages: within one that has come
// in part only, as RFC 8446, section 5.1, allows, libssl writes nothing and answers WANT_READ. It needs wr
// and mu, and gives mu up while it waits. Where no Read is under way it reads the rest itself.
func (c *conn) settle(op string) error {
	for {
		if err := c.writable(op); err != nil {
			return err
		}
		if !c.h.midMessage() {
			return nil
		}
		select {
		case c.rd <- struct{}{}:
		default:
			c.pause()
			continue
		}
		err := c.readMessage(op)
		c.rd.unlock()
		if err != nil {
			return err
		}
	}
}

// pause gives mu up for a moment.
func (c *conn) pause() {
	c.mu.Unlock()
	time.Sleep(replyPoll)
	c.mu.Lock()
}

// readMessage reads from the transport once, and of what came the handshake messages alone. It needs rd and mu.
func (c *conn) readMessage(op string) error {
	if c.h.inLen() == 0 {
		c.mu.Unlock()
		c.dl.setOp(time.Now().Add(settlePoll), readSide)
		c.mu.Lock()
		err := c.fill(op)
		c.mu.Unlock()
		c.dl.setOp(time.Time{}, readSide)
		c.mu.Lock()
		switch {
		case err == nil:
		case isTimeout(err):
			c.pause()
			return nil
		case errors.Is(err, io.EOF):
			c.sawEOF, c.truncated = true, true
			return c.latch(&Error{Op: op, Origin: FromTransport, Err: io.ErrUnexpectedEOF})
		default:
			return err
		}
	}
	if c.h.handshake() != 1 && (c.h.class() != ClassWantRead || c.h.hasErrors()) {
		return c.latch(c.h.opError(op))
	}
	if c.h.hasEvents() {
		c.takeEvents()
	}
	if c.h.outLen() > 0 {
		c.kick()
	}
	return nil
}
