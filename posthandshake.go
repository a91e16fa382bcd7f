//go:build cgo

package openssl

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
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
	defer runtime.KeepAlive(c)
	in := c.in()
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
		if !c.rd.try() {
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
	if c.answered != nil && !c.judgeAnswer(op) {
		return c.fatal
	}
	if c.h.outLen() > 0 {
		c.kick()
	}
	return nil
}

// asksLater reports whether the handshake has not asked for the certificate that ClientAuth speaks of.
func (c *conn) asksLater() bool {
	return c.server && c.ctx.auth&verifyLater != 0 && !c.asked && c.h.version() >= tls.VersionTLS13
}

// maxAhead bounds the data that RequestClientCert keeps for Read while it waits for the answer.
const maxAhead = 64 << 10

// RequestClientCert asks a TLS 1.3 client for its certificate and waits for the answer (RFC 8446, section
// 4.6.2). A server with Config.PostHandshakeAuth calls it after the handshake, which it makes if it is not
// made, as often as it likes. The answer is verified as in a handshake, by ClientAuth and the hooks;
// ConnectionState has it then. A refused one ends the connection.
//
// Where another goroutine is in Read, that one reads the answer. Otherwise RequestClientCert reads, and keeps
// up to 64 KiB of the client's data for Read; more than that is an UnreadDataError. After that error, a
// passed read deadline, or the end of ctx the answer is still awaited: by Read, or by another call.
//
// Errors are ErrNotTLS13, ErrNoPostHandshakeAuth for a client that does not offer it, which does no harm to
// the connection, and ErrConfig on a client or without Config.PostHandshakeAuth and ClientAuth.
//
// OpenSSL: SSL_verify_client_post_handshake(3).
func (c *Conn) RequestClientCert(ctx context.Context) error {
	defer runtime.KeepAlive(c)
	return c.in().requestClientCert(ctx)
}

func (c *conn) requestClientCert(ctx context.Context) error {
	const op = "request client certificate"
	defer c.leave()
	if err := c.enter(op); err != nil {
		return err
	}
	if ctx == nil {
		return callerError(op, ErrNil)
	}
	if err := c.ready(ctx); err != nil {
		return err
	}
	answered, err := c.askClient(ctx, op)
	if err != nil {
		return err
	}
	select {
	case <-answered:
	case <-c.closing:
	case <-ctx.Done():
		return callerError(op, ctx.Err())
	case c.rd <- struct{}{}:
		err := c.dl.under(ctx, op, func() error { return c.awaitAnswer(op, answered) }, readSide)
		c.rd.unlock()
		if err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ops.closed() {
		return callerError(op, net.ErrClosed)
	}
	return c.fatal
}

// askClient sends the CertificateRequest unless one waits for its answer.
func (c *conn) askClient(ctx context.Context, op string) (<-chan struct{}, error) {
	if !c.wr.lock(c.closing, ctx.Done()) {
		if err := ctx.Err(); err != nil {
			return nil, callerError(op, err)
		}
		return nil, callerError(op, net.ErrClosed)
	}
	defer c.wr.unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.answered != nil:
		return c.answered, nil
	case !c.server:
		return nil, callerError(op, fmt.Errorf("%w: only a server asks", ErrConfig))
	case c.ctx.auth&verifyLater == 0:
		return nil, callerError(op, fmt.Errorf("%w: PostHandshakeAuth and ClientAuth are not set", ErrConfig))
	}
	var answered <-chan struct{}
	err := c.dl.under(ctx, op, func() error {
		if err := c.settle(op); err != nil {
			return err
		}
		if c.h.version() < tls.VersionTLS13 {
			return callerError(op, ErrNotTLS13)
		}
		if c.h.askClient() != 1 {
			err := c.h.opError(op)
			if err.HasReason(errLibSSL, reasonNoExtension) {
				err.Err = ErrNoPostHandshakeAuth
				return err
			}
			return c.latch(err)
		}
		c.asked, c.answered = true, make(chan struct{})
		answered = c.answered
		return c.flush(op)
	}, writeSide)
	return answered, err
}

// awaitAnswer reads, and keeps what is not the answer. It needs rd.
func (c *conn) awaitAnswer(op string, answered <-chan struct{}) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	record := recordBuffers.Get().(*[maxPlaintext]byte) // on the stack it would make the goroutine's grow
	defer recordBuffers.Put(record)
	buf := record[:]
	for c.ahead.len() > 0 {
		c.stash = append(c.stash, buf[:c.ahead.take(buf)]...)
	}
	for {
		select {
		case <-answered:
			return nil
		default:
		}
		switch {
		case c.ops.closed():
			return callerError(op, net.ErrClosed)
		case c.fatal != nil:
			return c.fatal
		case c.readErr != nil: // the client's close_notify came in place of the answer
			return &Error{Op: op, Origin: FromPeer, Err: notEOF(c.readErr)}
		case len(c.stash) > maxAhead:
			return callerError(op, &UnreadDataError{N: len(c.stash)})
		}
		if c.h.inLen() > 0 || c.h.pending() > 0 {
			n := c.open(op, buf)
			c.stash = append(c.stash, buf[:n]...)
			continue
		}
		if err := c.fill(op); err != nil {
			if !errors.Is(err, io.EOF) {
				return err
			}
			c.transportEnded(op)
		}
	}
}

// judgeAnswer verifies the client's answer once it is whole; false means that it was refused. It needs rd
// and mu, which it gives up for the hooks.
func (c *conn) judgeAnswer(op string) bool {
	if c.fatal != nil || c.h.midMessage() || !c.h.saw(seenFinished) {
		return true
	}
	answered := c.answered
	c.answered, c.state = nil, nil
	defer close(answered)
	if err := c.verify(context.Background(), true); err != nil {
		return false
	}
	c.storeSessions()
	return true
}
