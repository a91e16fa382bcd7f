package chaos

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/cleartext"
	"github.com/golibssl/openssl/internal/record"
	"github.com/golibssl/openssl/internal/sessiontest"
)

// replaced is an end's transport, from which it reads a record at a time. In the place of the record with
// index at come other bytes, and then the end of the transport.
type replaced struct {
	*net.TCPConn
	side    cleartext.Side // of the end that reads
	at      int            // none before it is set
	by      func() ([]byte, error)
	counter record.Counter
	in, out []byte
	types   []record.Type
	pending []byte
	ended   bool
}

func (r *replaced) Write(p []byte) (int, error) {
	r.out = append(r.out, p...)
	return r.TCPConn.Write(p)
}

func (r *replaced) Read(p []byte) (int, error) {
	for len(r.pending) == 0 {
		if r.ended {
			return 0, io.EOF
		}
		rec := make([]byte, 5)
		if _, err := io.ReadFull(r.TCPConn, rec); err != nil {
			return 0, err
		}
		body := make([]byte, int(rec[3])<<8|int(rec[4]))
		if _, err := io.ReadFull(r.TCPConn, body); err != nil {
			return 0, err
		}
		if len(r.types) == r.at {
			var err error
			if r.pending, err = r.by(); err != nil {
				return 0, err
			}
			r.ended = true
			continue
		}
		r.types = append(r.types, record.Type(rec[0]))
		r.pending = append(rec, body...)
		r.in = append(r.in, r.pending...)
	}
	n := copy(p, r.pending)
	r.pending = r.pending[n:]
	return n, nil
}

// streams are what client and server have sent.
func (r *replaced) streams() (client, server []byte) {
	if r.side == cleartext.Client {
		return r.out, r.in
	}
	return r.in, r.out
}

// sealed is how many records under keys the end has read in its handshake.
func (r *replaced) sealed(version uint16) (n uint64) {
	for i, typ := range r.types {
		if version == tls.VersionTLS13 && typ == record.ApplicationData ||
			version == tls.VersionTLS12 && i > 0 && r.types[i-1] == record.ChangeCipherSpec {
			n++
		}
	}
	return n
}

// place is where an alert comes: in the handshake in place of the record with that index, in the clear or
// under its keys; or behind it, in place of data, or of the close_notify that would answer ours.
type place struct {
	name   string
	record int
	sealed bool
	strict bool // a record of the handshake must come here, and libssl answers all else with unexpected_message
}

const data, closing = -1, -2

func (p place) handshake() bool { return p.record >= 0 }

// reading makes a connection whose end of that side is ours and reads through a replaced. The peer is crypto/tls's,
// which tells its keys as soon as it has them.
func (w *world) reading(t *testing.T, l *net.TCPListener, side cleartext.Side) (victim *openssl.Conn, peer *tls.Conn, line *replaced, sessions func() []*openssl.Session) {
	t.Helper()
	near, far, err := tcpPair(l)
	if err != nil {
		t.Fatal(err)
	}
	line = &replaced{TCPConn: near, side: side, at: -1}
	far.SetDeadline(time.Now().Add(patience))
	e := &end{}
	if side == cleartext.Client {
		victim, err = openssl.Client(line, w.client)
		peer = tls.Server(far, w.stdServer)
	} else {
		victim, err = openssl.Server(line, w.server)
		peer = tls.Client(far, w.stdClient)
	}
	if err != nil {
		t.Fatal(err)
	}
	w.mu.Lock()
	w.given[victim] = e
	w.mu.Unlock()
	victim.SetDeadline(time.Now().Add(patience))
	return victim, peer, line, func() []*openssl.Session {
		e.mu.Lock()
		defer e.mu.Unlock()
		return e.sessions
	}
}

// shake has both ends make their handshake, the peer beside, and returns the victim's error.
func shake(victim *openssl.Conn, peer *tls.Conn) error {
	done := make(chan struct{})
	go func() { defer close(done); peer.Handshake() }()
	err := victim.Handshake()
	if err != nil {
		victim.Close()
	}
	<-done
	return err
}

// places are all where the end of that side can be told an alert.
func (w *world) places(t *testing.T, l *net.TCPListener, side cleartext.Side) []place {
	t.Helper()
	victim, peer, line, _ := w.reading(t, l, side)
	defer peer.Close()
	defer victim.Close()
	if err := shake(victim, peer); err != nil {
		t.Fatal(err)
	}
	var all []place
	keys := false
	for i, typ := range line.types {
		// In TLS 1.3 keys are in force from the hellos on; change_cipher_spec says nothing there.
		keys = keys || w.kind.Version == tls.VersionTLS13 && i > 0
		strict := i == 0 && side == cleartext.Server ||
			i > 0 && line.types[i-1] == record.ChangeCipherSpec && w.kind.Version == tls.VersionTLS12
		all = append(all, place{fmt.Sprintf("record %d of the handshake, %v", i, typ), i, keys, strict})
		keys = keys || typ == record.ChangeCipherSpec
	}
	return append(all, place{"data", data, true, false}, place{"close", closing, true, false})
}

// meaning is what an alert is to who gets it.
type meaning int

const (
	fatal meaning = iota
	close_
	ignored // a warning
	refused // by an alert of ours
)

// means tells by RFC 5246, section 7.2, and RFC 8446, section 6. Before the hellos nobody knows that it is TLS 1.3.
func means(version uint16, p place, level, description byte) meaning {
	const noRenegotiation, userCanceled = 100, 90
	switch {
	case p.strict:
		return refused
	case version == tls.VersionTLS13 && p.record != 0:
		switch description {
		case 0:
			return close_
		case userCanceled:
			return ignored
		}
		return fatal
	case level == record.Fatal:
		return fatal
	case description == 0:
		return close_
	case description == noRenegotiation:
		return refused // libssl's handshake_failure
	}
	return ignored
}

// TestAlertsEverywhere: each alert of both levels, in the place of each record that an end reads in its
// handshake, of data, and of the answer to its close_notify; behind it comes the end of the transport.
func TestAlertsEverywhere(t *testing.T) {
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	for _, kind := range sessiontest.Kinds {
		if !kind.Stateful {
			continue // tickets make no difference to alerts
		}
		for _, side := range []cleartext.Side{cleartext.Client, cleartext.Server} {
			t.Run(fmt.Sprintf("%s/%v", tls.VersionName(kind.Version), side), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, kind, false, 1000)
				n := 0
				for _, p := range w.places(t, l, side) {
					for _, level := range []byte{record.Warning, record.Fatal} {
						for _, description := range allAlerts {
							n++
							for _, wrong := range w.alert(t, l, side, p, level, description) {
								t.Errorf("%s, level %d, %s (%d): %s", p.name, level, record.AlertName(description), description, wrong)
							}
						}
					}
				}
				sessiontest.Drain(t, w.server)
				sessiontest.Drain(t, w.client)
				t.Logf("%d alerts", n)
			})
		}
	}
}

// alert makes one connection, has its end of that side read the alert, and returns what is wrong.
func (w *world) alert(t *testing.T, l *net.TCPListener, side cleartext.Side, p place, level, description byte) (wrong []string) {
	t.Helper()
	victim, peer, line, sessions := w.reading(t, l, side)
	defer peer.Close()
	body := []byte{level, description}
	other := 1 - side
	var err error
	if p.handshake() {
		line.at, line.by = p.record, func() ([]byte, error) {
			if !p.sealed {
				return append([]byte{byte(record.Alert), 3, 3, 0, 2}, body...), nil
			}
			client, server := line.streams()
			return cleartext.SealHandshake(w.log.of(client), client, server, other, line.sealed(w.kind.Version), record.Alert, body)
		}
		err = shake(victim, peer)
	} else {
		if err := shake(victim, peer); err != nil {
			t.Fatal(err)
		}
		for _, x := range [][2]net.Conn{{peer, victim}, {victim, peer}} { // with these the tickets come
			if _, err := x[0].Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			if _, err := x[1].Read(make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
		}
		line.by = func() ([]byte, error) {
			client, server := line.streams()
			conv, err := cleartext.Open(w.log.of(client), client, server)
			if err != nil {
				return nil, err
			}
			return conv.Seal(other, record.Alert, body), nil
		}
		line.at = len(line.types)
		if p.record == closing {
			err = errors.Join(victim.CloseWrite(), peer.CloseWrite())
		} else {
			_, err = peer.Write([]byte("x"))
		}
		if err != nil {
			t.Fatal(err)
		}
		_, err = victim.Read(make([]byte, 1))
	}
	client, _ := line.streams()
	w.log.take(client)
	victim.Close()
	end := victim.End()

	bad := func(format string, args ...any) {
		wrong = append(wrong, fmt.Sprintf(format, args...)+fmt.Sprintf("\n\terror: %v\n\tend: %v", err, end))
	}
	if err == nil {
		bad("no error")
		return wrong
	}
	if name, ok := documented(err); !ok && err != io.EOF {
		bad("an undocumented error: %s", name)
	}
	var alert *openssl.AlertError
	isAlert := errors.As(err, &alert)
	meaning := means(w.kind.Version, p, level, description)
	switch meaning {
	case fatal:
		if !isAlert || !alert.FromPeer || alert.Alert != openssl.Alert(description) || end.AlertReceived == nil || end.Received {
			bad("a fatal alert is not told")
		}
	case refused:
		// Behind our close_notify libssl sends no alert any more.
		if isAlert && alert.FromPeer || end.AlertReceived != nil || (end.AlertSent == nil) != (p.record == closing) {
			bad("not refused")
		}
	case close_:
		if p.handshake() {
			if !errors.Is(err, io.ErrUnexpectedEOF) {
				bad("a close_notify inside the handshake")
			}
		} else if err != io.EOF || !end.Received {
			bad("a close_notify is not told")
		}
	case ignored:
		if !errors.Is(err, io.ErrUnexpectedEOF) || end.Received || end.AlertReceived != nil {
			bad("a warning is more than that")
		}
	}
	if err == io.EOF && (meaning != close_ || p.handshake()) || end.Clean() != (meaning == close_ && !p.handshake()) {
		bad("a clean end that is none")
	}
	alive := !p.handshake() && end.AlertReceived == nil && end.AlertSent == nil && end.Sent
	if end.Resumable != alive {
		bad("resumable is not %v", alive)
	}
	if side == cleartext.Client {
		for _, s := range sessions() {
			if s.Resumable() != alive {
				bad("a session's resumable is not %v", alive)
			}
		}
		if !p.handshake() && len(sessions()) == 0 {
			bad("no session came")
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.given, victim)
	return wrong
}
