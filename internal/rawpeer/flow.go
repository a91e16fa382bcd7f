package rawpeer

import (
	"net"

	"github.com/golibssl/openssl/internal/record"
)

// queueLimit is how many bytes of a direction wait in the relay before it
// stops reading, so that back pressure passes through it.
const queueLimit = 64 << 10

// flow is one direction. Relay.mu guards all but the two connections.
type flow struct {
	from, to net.Conn

	seen    []byte
	sent    []byte // what is being written included
	written int
	queue   []byte         // read or injected, not yet taken to be written
	counter record.Counter // of what was taken to be written

	held  bool
	merge int
	chunk int
	cut   cut

	writing bool
	failed  error // of a write: the receiver was reset
	how     error // how the sender ended: nil before, io.EOF for FIN
	end     ending
}

// ending is what the writer does when it has written the queue. A later one
// overrides an earlier one.
type ending int

const (
	open ending = iota
	endFIN
	endReset
	ended // nothing is written any more
)

// cut is where a direction ends before its sender ends it.
type cut struct {
	kind cutKind
	n    int
}

type cutKind int

const (
	noCut cutKind = iota
	afterBytes
	atRecord
	inRecord
)

func (f *flow) full() bool {
	return len(f.queue) >= queueLimit && !f.held && f.merge == 0 && f.end == open
}

// step takes from the queue what is to be written now and says how the
// direction ends after it. ok is false while there is nothing to do.
func (f *flow) step() (p []byte, end ending, ok bool) {
	switch {
	case f.end == ended:
		return nil, ended, true
	case f.held:
		return nil, open, false
	case f.merge > 0 && !f.over() && f.queuedRecords() < f.merge:
		return nil, open, false
	}
	f.merge = 0

	n, cutHere := f.next()
	if f.chunk > 0 && n > f.chunk {
		n, cutHere = f.chunk, false
	}
	p, f.queue = f.queue[:n:n], f.queue[n:]
	f.counter.Write(p)
	if f.cut.kind == afterBytes {
		f.cut.n -= n
	}
	switch {
	case cutHere:
		return p, endFIN, true
	case len(f.queue) == 0 && f.end != open:
		return p, f.end, true
	}
	return p, open, n > 0
}

// over says that nothing more is read from the sender.
func (f *flow) over() bool { return f.how != nil || f.end != open }

func (f *flow) queuedRecords() int {
	c := f.counter
	c.Write(f.queue)
	return c.Records() - f.counter.Records()
}

// next returns how many bytes of the queue may be written and whether the cut
// comes right behind them.
func (f *flow) next() (n int, cutHere bool) {
	if f.cut.kind == inRecord && f.counter.Partial() == 0 {
		f.aim()
	}
	switch f.cut.kind {
	case afterBytes:
		if f.cut.n <= len(f.queue) {
			return f.cut.n, true
		}
	case atRecord:
		if f.counter.Partial() == 0 {
			return 0, true
		}
		c := f.counter
		return c.Advance(f.queue)
	case inRecord:
		if f.counter.Partial() == 0 {
			return 0, false
		}
		c := f.counter
		n, _ = c.Advance(f.queue)
		return n, false
	}
	return len(f.queue), false
}

// aim makes inRecord a count of bytes as soon as the record's length is known.
// A direction that ends before a whole header is not cut.
func (f *flow) aim() {
	if len(f.queue) < record.HeaderLen {
		if f.over() {
			f.cut = cut{}
		}
		return
	}
	c := f.counter
	c.Advance(f.queue[:record.HeaderLen])
	if c.Err() != nil {
		f.cut = cut{}
		return
	}
	f.cut = cut{kind: afterBytes, n: min(f.cut.n, record.HeaderLen+c.Missing()-1)}
}

// receiverReset notes that the receiver of the opposite direction, which sends
// in this one, was reset: the reset follows what it had sent.
func (f *flow) receiverReset() {
	if f.end != ended {
		f.end = endReset
		return
	}
	abort(f.to)
}
