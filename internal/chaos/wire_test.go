package chaos

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"

	"github.com/golibssl/openssl/internal/cleartext"
	"github.com/golibssl/openssl/internal/record"
)

// faultKind is what happens to the stream of one end.
type faultKind int

const (
	none        faultKind = iota
	slow                  // one byte at a time, in both directions
	fin                   // FIN between two records
	halfRecord            // FIN inside a record
	reset                 // RST between two records
	halfReset             // RST inside a record
	stall                 // nothing comes any more
	drop                  // a record is missing
	duplicate             // a record comes twice
	swap                  // two records come in the other order
	flip                  // a bit of a record is another
	garbage               // bytes that are no record
	plainAlert            // an alert in the clear, before any record of handshake and data
	sealedAlert           // an alert under the connection's keys, as the peer would send it
	kinds
)

func (k faultKind) String() string {
	return [...]string{"none", "slow", "FIN", "half a record", "RST", "RST in a record", "stall", "dropped record",
		"duplicated record", "swapped records", "flipped bit", "garbage", "plain alert", "sealed alert"}[k]
}

type fault struct {
	kind   faultKind
	out    bool // what the near end sends, else what it receives
	record int  // at the record with this index
	at     int  // at this byte of it, or bit, modulo its length
	alert  [2]byte
}

// lane is one direction through a wire. It forwards whole records.
type lane struct {
	f       *fault // nil: this direction is not disturbed
	partial []byte
	counter record.Counter
	held    []byte // of swap
	seen    []byte // all that came, for sealedAlert
	keep    bool
	ended   faultKind // fin, reset or stall: nothing more is forwarded
}

// pass takes what the sender sent and returns what the receiver gets.
func (l *lane) pass(p []byte) (out []byte) {
	if l.keep {
		l.seen = append(l.seen, p...)
	}
	if l.f == nil {
		return p
	}
	for len(p) > 0 && l.ended == none {
		index := l.counter.Records()
		n, complete := l.counter.Advance(p)
		l.partial = append(l.partial, p[:n]...)
		p = p[n:]
		if complete {
			out = append(out, l.spoil(index, l.partial)...)
			l.partial = nil
		}
	}
	return out
}

// spoil returns what becomes of a record.
func (l *lane) spoil(index int, rec []byte) []byte {
	if l.held != nil {
		rec = append(rec, l.held...)
		l.held = nil
	}
	if index != l.f.record {
		return rec
	}
	at := 1 + l.f.at%(len(rec)-1) // at least one byte, never all
	switch l.f.kind {
	case fin, reset, stall:
		l.ended = l.f.kind
		return nil
	case halfRecord:
		l.ended = fin
		return rec[:at]
	case halfReset:
		l.ended = reset
		return rec[:at]
	case drop:
		return nil
	case duplicate:
		return append(append([]byte(nil), rec...), rec...)
	case swap:
		l.held = append([]byte{}, rec...)
		return nil
	case flip:
		bad := append([]byte(nil), rec...)
		bit := l.f.at % (8 * len(rec))
		bad[bit/8] ^= 1 << (bit % 8)
		return bad
	case garbage:
		bad := make([]byte, 1+l.f.at%64)
		for i := range bad {
			bad[i] = byte(l.f.at * (i + 7))
		}
		return append(bad, rec...)
	case plainAlert:
		return append([]byte{byte(record.Alert), 3, 3, 0, 2, l.f.alert[0], l.f.alert[1]}, rec...)
	}
	return rec
}

// wire is the near end's transport: TCP to the far end with one fault in it.
type wire struct {
	*net.TCPConn
	near cleartext.Side
	slow bool

	rd      sync.Mutex // one Read
	pending []byte     // for the near end, guarded by rd

	wr sync.Mutex // one Write to TCP

	mu      sync.Mutex
	in, out lane
}

func newWire(tcp *net.TCPConn, near cleartext.Side, f *fault) *wire {
	w := &wire{TCPConn: tcp, near: near, slow: f.kind == slow}
	switch f.kind {
	case none, slow:
	case sealedAlert:
		w.in.keep, w.out.keep = true, true
	default:
		if f.out {
			w.out.f = f
		} else {
			w.in.f = f
		}
	}
	return w
}

func (w *wire) Write(p []byte) (int, error) {
	w.wr.Lock()
	defer w.wr.Unlock()
	w.mu.Lock()
	if w.out.ended == reset || w.in.ended == reset {
		w.mu.Unlock()
		return 0, &net.OpError{Op: "write", Net: "tcp", Err: os.NewSyscallError("write", syscall.EPIPE)}
	}
	before := w.out.ended
	out := w.out.pass(p)
	after := w.out.ended
	w.mu.Unlock()
	if before != none {
		return len(p), nil // swallowed
	}
	if err := w.send(out); err != nil {
		return 0, err
	}
	w.end(after)
	return len(p), nil
}

func (w *wire) send(p []byte) error {
	for len(p) > 0 {
		n := len(p)
		if w.slow {
			n = 1
		}
		n, err := w.TCPConn.Write(p[:n])
		if err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

// end makes the far end see how the near end's stream ended.
func (w *wire) end(how faultKind) {
	switch how {
	case fin:
		w.TCPConn.CloseWrite()
	case reset:
		w.TCPConn.SetLinger(0)
		w.TCPConn.Close()
	}
}

func (w *wire) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	w.rd.Lock()
	defer w.rd.Unlock()
	for len(w.pending) == 0 {
		w.mu.Lock()
		ended := w.in.ended
		if ended == none && w.out.ended == reset {
			ended = reset
		}
		w.mu.Unlock()
		switch ended {
		case fin:
			return 0, io.EOF
		case reset:
			return 0, &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
		}
		buf := make([]byte, 8<<10)
		n, err := w.TCPConn.Read(buf)
		w.mu.Lock()
		if n > 0 {
			w.pending = append(w.pending, w.in.pass(buf[:n])...)
		}
		if w.in.ended == reset {
			w.end(reset)
		}
		stalled := w.in.ended == stall
		w.mu.Unlock()
		if err != nil && len(w.pending) == 0 {
			if stalled && err == io.EOF {
				// The far end has given up, and not even that arrives. The near end's deadline must do.
				return 0, os.ErrDeadlineExceeded
			}
			return 0, err
		}
	}
	if w.slow {
		p = p[:1]
	}
	n := copy(p, w.pending)
	w.pending = w.pending[n:]
	return n, nil
}

// forge puts an alert under the connection's keys behind what the near end has sent; what it sends
// after that is swallowed. It reports whether the keys were there.
func (w *wire) forge(keyLog string, alert [2]byte) bool {
	w.wr.Lock()
	defer w.wr.Unlock()
	w.mu.Lock()
	client, server := w.out.seen, w.in.seen
	if w.near == cleartext.Server {
		client, server = server, client
	}
	conv, err := cleartext.Open(keyLog, client, server)
	if err == nil {
		w.out.ended = stall
	}
	w.mu.Unlock()
	if err != nil {
		return false
	}
	w.send(conv.Seal(w.near, record.Alert, alert[:]))
	return true
}
