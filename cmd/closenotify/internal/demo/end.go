package demo

import (
	"errors"
	"fmt"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/cmd/closenotify/internal/sequence"
)

// end is one end of a connection.
type end struct {
	conn    *connection
	peer    *end
	ssl     *openssl.SSL
	session *openssl.Session // the newest that it was given
	got     []string         // what its reads gave
	gone    bool             // it has left: what comes for it is lost
	cut     bool             // what it writes arrives in part
	ended   bool             // the transport towards it has ended
	isReset bool             // the transport was reset
}

// after completes a call: what was written goes to the peer.
func (e *end) after() {
	e.takeSessions()
	_, n := e.ssl.Queued()
	p := make([]byte, n)
	n, err := e.ssl.Take(p)
	e.draw(n)
	if err == nil && n > 0 && !e.peer.gone {
		if e.cut {
			n /= 2
		}
		err = e.peer.ssl.Feed(p[:n])
	}
	if err != nil {
		e.conn.fail(err)
	}
}

// draw draws the records that a call has sealed, n bytes of them.
func (e *end) draw(n int) {
	records := e.conn.drawn.Take(e.side())
	e.conn.drawn.Take(1 - e.side()) // drawn when they left
	for _, record := range records {
		record.Lost = e.peer.gone
		if e.cut {
			record.Detail = fmt.Sprintf("%d arrive", n/2)
		}
		e.conn.drawn.Add(record)
	}
}

func (e *end) side() sequence.Side {
	if e == e.conn.client {
		return sequence.Client
	}
	return sequence.Server
}

func (e *end) takeSessions() {
	for _, event := range e.ssl.Events() {
		e.conn.drawn.Message(e.side(), event)
		switch {
		case e == e.conn.server && e.conn.store != nil:
			if err := tell(e.conn.store, event); err != nil {
				e.conn.fail(err)
			}
		case event.Kind == openssl.EventNewSession:
			e.session = event.Session
		}
	}
}

func (e *end) shutdown() {
	_, err := e.ssl.Shutdown()
	e.check(err)
}

func (e *end) quietShutdown() {
	e.check(e.ssl.SetQuietShutdown(true))
	e.shutdown()
}

func (e *end) setSent() { e.check(e.ssl.SetShutdown(openssl.SentShutdown)) }

const text = "hello"

func (e *end) write() {
	_, err := e.ssl.Write([]byte(text))
	e.check(err)
}

func (e *end) writeHalf() {
	e.cut = true
	e.write()
}

func (e *end) check(err error) {
	e.after()
	if err != nil {
		e.conn.fail(err)
	}
}

// fin ends the transport towards the peer; this end reads nothing more.
func (e *end) fin() {
	e.gone = true
	e.peer.ended = true
	e.conn.drawn.Add(sequence.Event{Kind: sequence.Fin, From: e.side(), What: "FIN"})
	if err := e.peer.ssl.FeedEOF(); err != nil {
		e.conn.fail(err)
	}
}

// reset resets the transport. libssl is not told: there is nothing more to read and nobody to
// answer.
func (e *end) reset() {
	e.gone = true
	e.peer.isReset = true
	e.conn.drawn.Add(sequence.Event{Kind: sequence.Reset, From: e.side(), What: "RST"})
}

// fail is a fatal error: a record that nobody sealed.
func (e *end) fail() {
	garbage := append([]byte{openssl.ContentApplicationData, 3, 3, 0, 32}, make([]byte, 32)...)
	if err := e.ssl.Feed(garbage); err != nil {
		e.conn.fail(err)
	}
	e.ssl.Read(make([]byte, 1))
	e.after()
}

// read reads once and names what it got.
func (e *end) read() {
	if in, _ := e.ssl.Queued(); e.isReset && in == 0 {
		e.got = append(e.got, "reset")
		return
	}
	buf := make([]byte, 16<<10)
	_, err := e.ssl.Read(buf)
	e.after()
	e.got = append(e.got, e.name(err))
}

// name tells from what went over the wire: up to OpenSSL 3.6 the class of an error after a fatal
// alert can be that of a clean end.
func (e *end) name(err error) string {
	seen := e.ssl.Facts()
	var ssl *openssl.Error
	switch {
	case err == nil:
		return "data"
	case seen.AlertReceived != nil:
		return "alert " + seen.AlertReceived.String()
	case seen.CloseNotifyReceived:
		return "EOF"
	case e.ended:
		return "unexpected EOF"
	case errors.As(err, &ssl) && ssl.Class == openssl.ClassWantRead:
		return "nothing"
	}
	return err.Error()
}
