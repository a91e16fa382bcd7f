// Package link pumps a raw SSL over a net.Conn and watches how the peer ends the connection. Unlike
// openssl.Conn it never answers by itself where it was told to be silent, sends any bytes it is asked
// to, and goes on to look at a connection that libssl has given up.
package link

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/cmd/closenotify/internal/ending"
	"github.com/golibssl/openssl/cmd/closenotify/internal/sequence"
)

// Link is one end of a connection. One goroutine uses it.
type Link struct {
	SSL     *openssl.SSL
	Conn    net.Conn
	Seen    ending.Observer
	Session *openssl.Session // the newest that this end was given
	// Established tells that libssl has completed the handshake, which it may have although the last
	// flight could not be sent.
	Established bool
	// Drawn records what passes, unless it is nil. Its client is this end.
	Drawn *sequence.Recorder

	timeout time.Duration
	in      []byte // read from Conn and not yet given to libssl
	raw     bool   // in does not hold records
	silent  bool
	reset   bool // a write found it
}

// New makes a Link. Silence of timeout ends a wait for the peer. Close frees ssl.
func New(conn net.Conn, ssl *openssl.SSL, timeout time.Duration) (*Link, error) {
	if err := ssl.SetTrace(true); err != nil {
		return nil, err
	}
	if _, err := ssl.SetOptions(openssl.OpNoRenegotiation); err != nil {
		return nil, err
	}
	return &Link{SSL: ssl, Conn: conn, timeout: timeout}, nil
}

// Close closes the transport and frees the SSL.
func (l *Link) Close() {
	l.Conn.Close()
	l.SSL.Free()
	l.drainEvents()
}

// Handshake makes the handshake, within one timeout. Its error is libssl's, the transport's, or
// io.ErrUnexpectedEOF.
func (l *Link) Handshake() error {
	deadline := time.Now().Add(l.timeout)
	for {
		err := l.SSL.Handshake()
		l.drainEvents()
		l.Drawn.Take(sequence.Client)
		l.Drawn.Take(sequence.Server) // the caller draws handshakes, in one row
		flushed := l.Flush()
		if err == nil {
			l.Established = true
			l.Seen.Established(l.SSL.Version())
			return flushed
		}
		var e *openssl.Error
		if !errors.As(err, &e) || e.Class != openssl.ClassWantRead {
			l.Seen.Close()
			return err
		}
		if flushed != nil {
			return flushed
		}
		for !l.feedRecord() {
			if err := l.receive(deadline); err != nil {
				l.Seen.End(l.how(err))
				if errors.Is(err, io.EOF) {
					return io.ErrUnexpectedEOF
				}
				return err
			}
		}
	}
}

// Next waits for bytes from the peer, not longer than a time, and returns the data in them, which
// may be none. While the transport is open how is Open; Wait is no end yet, the next call waits again.
func (l *Link) Next(timeout time.Duration) (data []byte, how ending.How) {
	if data, some := l.open(); some {
		return data, ending.Open
	}
	if err := l.receive(time.Now().Add(timeout)); err != nil {
		return nil, l.how(err)
	}
	data, _ = l.open()
	return data, ending.Open
}

// watchFactor bounds a Watch, in timeouts: a peer may send for ever.
const watchFactor = 10

// Watch looks on until the transport ends or is silent, and returns the ending. A peer that never
// stops sending counts as waiting after ten timeouts.
func (l *Link) Watch() string {
	last := time.Now().Add(watchFactor * l.timeout)
	for {
		_, how := l.Next(l.timeout)
		if how == ending.Open && time.Now().After(last) {
			how = ending.Wait
		}
		if how != ending.Open {
			l.Seen.End(how)
			l.drawEnd(how)
			return l.Seen.String()
		}
	}
}

// Silence drops whatever this end would send from now on.
func (l *Link) Silence() { l.silent = true }

// Write seals p and sends it.
func (l *Link) Write(p []byte) error {
	if len(p) > 0 {
		_, err := l.SSL.Write(p)
		l.drainEvents()
		if err != nil {
			return err
		}
	}
	return l.Flush()
}

// Shutdown sends close_notify, together with what is sealed and not yet sent.
func (l *Link) Shutdown() error {
	_, err := l.SSL.Shutdown()
	l.drainEvents()
	if err != nil {
		return err
	}
	return l.Flush()
}

// Flush sends what libssl has sealed.
func (l *Link) Flush() error { return l.Send(l.Sealed()) }

// Sealed takes what libssl has sealed.
func (l *Link) Sealed() []byte {
	_, n := l.SSL.Queued()
	p := make([]byte, n)
	n, err := l.SSL.Take(p)
	if err != nil {
		return nil
	}
	return p[:n]
}

// Send sends bytes as they are.
func (l *Link) Send(p []byte) error {
	records := l.Drawn.Take(sequence.Client)
	if l.silent || len(p) == 0 {
		return nil
	}
	l.Conn.SetWriteDeadline(time.Now().Add(l.timeout))
	_, err := l.Conn.Write(p)
	l.draw(records, err != nil)
	if errors.Is(err, syscall.ECONNRESET) {
		l.reset = true
	}
	return err
}

// CloseWrite ends this end's direction of the transport.
func (l *Link) CloseWrite() error {
	if c, ok := l.Conn.(interface{ CloseWrite() error }); ok {
		err := c.CloseWrite()
		l.draw([]sequence.Event{{Kind: sequence.Fin, What: "FIN"}}, err != nil)
		return err
	}
	return errors.New("the transport cannot end one direction alone")
}

// Reset ends the transport with a reset.
func (l *Link) Reset() error {
	if c, ok := l.Conn.(interface{ SetLinger(int) error }); ok {
		if err := c.SetLinger(0); err != nil {
			return err
		}
	}
	l.draw([]sequence.Event{{Kind: sequence.Reset, What: "RST"}}, false)
	return l.Conn.Close()
}

// Fail makes libssl send a fatal alert, bad_record_mac, by a record that nobody has sealed. From
// OpenSSL 3.5 libssl reads nothing behind the peer's close_notify in TLS 1.3, and no alert is sent.
func (l *Link) Fail() {
	l.SSL.SetShutdown(l.SSL.GetShutdown() &^ openssl.ReceivedShutdown)
	garbage := make([]byte, 64)
	copy(garbage, []byte{openssl.ContentApplicationData, 3, 3, 0, byte(len(garbage) - headerLen)})
	l.Seen.Close()
	if l.SSL.Feed(garbage) == nil {
		l.read()
	}
}

// receive reads from the transport once.
func (l *Link) receive(deadline time.Time) error {
	l.Conn.SetReadDeadline(deadline)
	buf := make([]byte, 16<<10)
	n, err := l.Conn.Read(buf)
	l.in = append(l.in, buf[:n]...)
	if n > 0 {
		return nil // an error comes again
	}
	return err
}

// how names the transport's end. A reset that a write has found is not told to the reader again.
func (l *Link) how(err error) ending.How {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return ending.Wait
	case errors.Is(err, io.EOF) && !l.reset:
		return ending.Fin
	}
	return ending.Reset
}

// open opens the whole records that have come; some tells that there was one.
func (l *Link) open() (data []byte, some bool) {
	for !l.Seen.Closed() && l.feedRecord() {
		some = true
		read := l.read()
		l.draw(l.Drawn.Take(sequence.Server), false)
		l.Drawn.Say(sequence.Server, read)
		data = append(data, read...)
	}
	if l.Seen.Closed() && len(l.in) > 0 {
		some = true
		l.draw([]sequence.Event{{Kind: sequence.Other, From: sequence.Server, What: "what nobody can open", Bytes: len(l.in)}}, false)
		l.in = nil
		l.Seen.Unreadable()
	}
	return data, some
}

// read takes what one record brought.
func (l *Link) read() (data []byte) {
	buf := make([]byte, 16<<10)
	for {
		n, err := l.SSL.Read(buf)
		l.drainEvents()
		data = append(data, buf[:n]...)
		if err == nil {
			continue
		}
		var e *openssl.Error
		if !(errors.As(err, &e) && e.Class == openssl.ClassWantRead) && !l.Seen.Closed() {
			l.Seen.Unreadable()
		}
		l.Flush() // what libssl answers: a KeyUpdate, an alert
		return data
	}
}

func (l *Link) drainEvents() {
	for _, e := range l.SSL.Events() {
		l.Seen.Message(e)
		l.Drawn.Message(sequence.Client, e)
		if e.Kind == openssl.EventNewSession {
			l.Session = e.Session
		}
	}
}

// draw adds rows with the masks as they stand: ours, and of the peer's what its close_notify shows.
func (l *Link) draw(rows []sequence.Event, lost bool) {
	if l.Drawn == nil {
		return
	}
	l.Drawn.SetMask(sequence.Client, sequence.KnownMask(l.SSL.GetShutdown()))
	var peer sequence.Mask
	if l.Seen.CloseNotify() {
		peer = sequence.Mask{State: openssl.SentShutdown, Known: openssl.SentShutdown}
	}
	l.Drawn.SetMask(sequence.Server, peer)
	for _, row := range rows {
		row.Lost = lost
		l.Drawn.Add(row)
	}
}

// drawEnd draws how the transport ended, and what came of a record that did not come whole.
func (l *Link) drawEnd(how ending.How) {
	var rows []sequence.Event
	if len(l.in) > 0 {
		rows = append(rows, sequence.Event{Kind: sequence.Other, From: sequence.Server, What: "the beginning of a record", Bytes: len(l.in)})
	}
	switch how {
	case ending.Fin:
		rows = append(rows, sequence.Event{Kind: sequence.Fin, From: sequence.Server, What: "FIN"})
	case ending.Reset:
		rows = append(rows, sequence.Event{Kind: sequence.Reset, From: sequence.Server, What: "RST"})
	}
	l.draw(rows, false)
	if how == ending.Wait {
		l.Drawn.AddSilence(sequence.Event{Kind: sequence.Silence, From: sequence.Server, What: "silence, TCP stays open"})
	}
}

const (
	headerLen = 5
	maxBody   = 1<<14 + 2048 // RFC 5246, section 6.2.3
)

// feedRecord gives libssl the next whole record: a record that does not come whole is no event,
// but libssl's message callback tells of its header. What is no TLS is given as it comes.
func (l *Link) feedRecord() bool {
	n := len(l.in)
	if !l.raw {
		if n < headerLen {
			return false
		}
		body := int(l.in[3])<<8 | int(l.in[4])
		if l.in[0] < 20 || l.in[0] > 24 || l.in[1] != 3 || body > maxBody {
			l.raw = true
		} else if n = headerLen + body; len(l.in) < n {
			return false
		}
	}
	if n == 0 {
		return false
	}
	fed := l.SSL.Feed(l.in[:n]) == nil
	l.in = l.in[n:]
	return fed
}
