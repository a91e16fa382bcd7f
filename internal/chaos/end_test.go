package chaos

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/golibssl/openssl"
)

// farewell is how an end ends its connection.
type farewell int

const (
	halfClose  farewell = iota // CloseWrite behind the data, read to the end, Close
	bothWays                   // Shutdown behind the data; what it refuses is read
	closeAtOne                 // Close behind the data, unread or not
	quiet                      // SetShutdown(SENT), Close
	farewells
)

// stream is what both kinds of ends have.
type stream interface {
	net.Conn
	Handshake() error
	CloseWrite() error
}

// end is one end of a connection, and what it did and saw.
type end struct {
	conn     stream
	ours     *openssl.Conn // nil: crypto/tls's
	payload  []byte
	pieces   int
	farewell farewell
	midway   func() // called once, somewhere between the pieces

	mu       sync.Mutex
	wrote    int  // bytes that Write has counted
	said     bool // a close_notify was tried behind them
	forged   bool // in this end's name, behind what wrote says
	got      []byte
	eof      bool // Read answered io.EOF
	errs     []error
	sessions []*openssl.Session
	end      openssl.End
}

// saidEnd marks that from now on the peer may read an end.
func (e *end) saidEnd() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.said = true
}

// endForged is saidEnd for a close_notify that somebody else has sealed.
func (e *end) endForged() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.forged = true
	e.said = true
}

func (e *end) fail(err error) {
	if err != nil {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.errs = append(e.errs, err)
	}
}

// live makes the whole life of an end.
func (e *end) live() {
	defer func() {
		e.saidEnd()
		e.fail(e.conn.Close())
		if e.ours != nil {
			e.end = e.ours.End()
		}
	}()
	if err := e.conn.Handshake(); err != nil {
		e.fail(err)
		return
	}
	var reading sync.WaitGroup
	if e.farewell != bothWays || e.ours == nil {
		reading.Go(e.read)
	}
	ok := e.write()
	switch {
	case e.farewell == halfClose, e.farewell == bothWays && e.ours == nil:
		e.saidEnd()
		e.fail(e.conn.CloseWrite())
		reading.Wait()
	case e.farewell == bothWays:
		e.saidEnd()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		err := e.ours.Shutdown(ctx)
		cancel()
		e.fail(err)
		e.read()
	case e.farewell == quiet && e.ours != nil && ok:
		e.fail(e.ours.SetShutdown(openssl.SentShutdown))
	}
	// The read ends with Close.
	if e.farewell == closeAtOne || e.farewell == quiet {
		defer reading.Wait()
		e.saidEnd()
		e.fail(e.conn.Close())
	}
}

func (e *end) read() {
	buf := make([]byte, 16<<10)
	for {
		n, err := e.conn.Read(buf)
		e.mu.Lock()
		e.got = append(e.got, buf[:n]...)
		e.eof = e.eof || err == io.EOF
		e.mu.Unlock()
		if err == io.EOF {
			return
		}
		if err != nil {
			e.fail(err)
			return
		}
	}
}

func (e *end) write() (ok bool) {
	rest := e.payload
	for i := range e.pieces {
		if i == e.pieces/2 && e.midway != nil {
			e.midway()
		}
		p := rest
		if i < e.pieces-1 {
			p = rest[:len(e.payload)/e.pieces]
		}
		n, err := e.conn.Write(p)
		e.mu.Lock()
		if !e.forged {
			e.wrote += n
		}
		e.mu.Unlock()
		if err != nil {
			e.fail(err)
			return false
		}
		rest = rest[n:]
	}
	return true
}

// documented reports whether an error is one that the documentation names, and gives it a name.
func documented(err error) (string, bool) {
	var e *openssl.Error
	if !errors.As(err, &e) {
		return err.Error(), false
	}
	if errors.Is(err, io.EOF) {
		return "io.EOF inside an error", false
	}
	var alert *openssl.AlertError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "unexpected EOF", true
	case errors.Is(err, openssl.ErrUnreadData):
		return "unread data", true
	case errors.Is(err, openssl.ErrWriteShut), errors.Is(err, openssl.ErrForcedState), errors.Is(err, openssl.ErrCannotReopen):
		return "refused by the state", true
	case errors.Is(err, openssl.ErrNotEstablished):
		return "no handshake", true
	case errors.Is(err, openssl.ErrShutdownState):
		return "no state", true
	case errors.As(err, &alert) && alert.FromPeer:
		return "alert received", true
	case errors.As(err, &alert):
		return "alert sent", true
	case errors.Is(err, openssl.ErrTooManyKeyUpdates):
		return "too many KeyUpdates", true
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return "deadline", true
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "reset", true
	case errors.Is(err, net.ErrClosed), errors.Is(err, io.ErrClosedPipe): // the latter net.Pipe's
		return "closed", true
	case e.Origin == openssl.FromLibrary && e.Class == openssl.ClassSSL && len(e.Queue) > 0:
		return "libssl refused", true
	}
	return fmt.Sprintf("%+v", *e), false
}

// judge holds what an end saw to what its peer did.
func (e *end) judge(peer *end, keep bool) (wrong []string) {
	bad := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	if !bytes.HasPrefix(peer.payload, e.got) {
		bad("read %d bytes that the peer did not write", len(e.got))
	}
	if e.ours == nil {
		return wrong // crypto/tls calls a cut between two records io.EOF
	}
	if e.eof && (!peer.said || len(e.got) != peer.wrote) {
		bad("a clean end behind %d of %d bytes, close_notify tried: %v", len(e.got), peer.wrote, peer.said)
	}
	for _, err := range e.errs {
		if name, ok := documented(err); !ok {
			bad("an undocumented error: %v: %s", err, name)
		}
	}
	end := e.end
	if end.Received && !peer.said {
		bad("received a close_notify that nobody sent")
	}
	if e.eof != (end.Received && e.eof) || end.Truncated && end.Received || end.Clean() && (!end.Sent || !end.Received) {
		bad("an end that contradicts itself: %v, io.EOF read: %v", end, e.eof)
	}
	alerts := end.AlertSent != nil || end.AlertReceived != nil
	alive := !alerts && (keep || end.Sent || end.Forced&openssl.SentShutdown != 0)
	if end.Resumable && !alive {
		bad("a session lives beyond its end: %v", end)
	}
	if !end.Resumable && alive && len(e.sessions) > 0 {
		bad("a session died of a good end: %v", end)
	}
	for _, s := range e.sessions {
		if s.Resumable() != end.Resumable {
			bad("the session's resumable is %v, and the end's is %v", s.Resumable(), end)
		}
	}
	return wrong
}

// keyLog keeps the lines of the connections under way by their client's random.
type keyLog struct {
	mu    sync.Mutex
	lines map[string][]byte
}

func (k *keyLog) Write(p []byte) (int, error) {
	words := bytes.Fields(p)
	if len(words) == 3 {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.lines[string(words[1])] = append(k.lines[string(words[1])], p...)
	}
	return len(p), nil
}

// of returns the lines of the connection whose client has sent these bytes.
func (k *keyLog) of(client []byte) string {
	if len(client) < 43 {
		return ""
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return string(k.lines[fmt.Sprintf("%x", client[11:43])])
}

// take is of, and forgets them.
func (k *keyLog) take(client []byte) string {
	text := k.of(client)
	if text != "" {
		k.mu.Lock()
		defer k.mu.Unlock()
		delete(k.lines, fmt.Sprintf("%x", client[11:43]))
	}
	return text
}

// serverID is the id under which a server keeps a session: in TLS 1.3 it is the ticket, which only
// the DER tells (SSL_SESSION_ASN1, tag 10).
func serverID(s *openssl.Session) []byte {
	if s.Protocol() != tls.VersionTLS13 {
		return s.ID()
	}
	var fields []asn1.RawValue
	if _, err := asn1.Unmarshal(s.DER(), &fields); err != nil {
		return nil
	}
	for _, f := range fields {
		var ticket []byte
		if f.Class == asn1.ClassContextSpecific && f.Tag == 10 {
			asn1.Unmarshal(f.Bytes, &ticket)
			return ticket
		}
	}
	return nil
}

// tlsEnd is crypto/tls's end; its CloseWrite comes with it.
func tlsEnd(nc net.Conn, server bool, cfg *tls.Config) stream {
	if server {
		return tls.Server(nc, cfg)
	}
	return tls.Client(nc, cfg)
}

// randomBytes is a payload.
func randomBytes(rng *rand.Rand, n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(rng.Uint32())
	}
	return p
}

// patience bounds what must happen. short bounds the ends of a connection that may stall.
const (
	patience = time.Minute
	short    = 300 * time.Millisecond
)
