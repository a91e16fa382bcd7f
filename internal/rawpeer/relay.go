// Package rawpeer puts a scripted relay between the two ends of a connection,
// for tests of how connections end. The relay records what passes and, told
// to, holds it back, cuts it, resets it, splits it, joins it or adds to it.
package rawpeer

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/golibssl/openssl/internal/record"
)

// Direction is the way that bytes go through the relay.
type Direction int

const (
	ToServer Direction = iota
	ToClient
)

func (d Direction) String() string { return [...]string{"to the server", "to the client"}[d] }

func (d Direction) opposite() Direction { return 1 - d }

// Relay forwards bytes between a client and a server. A sender's FIN is
// forwarded as FIN behind its bytes, a reset as a reset. A transport without
// half close (net.Pipe) is closed where FIN is said here. Any goroutine may
// call any method at any time.
type Relay struct {
	mu    sync.Mutex
	cond  sync.Cond // every change of a flow
	flows [2]flow
	done  sync.WaitGroup
}

// New starts a relay between the connection to a client and the connection to
// a server, and owns both from then on.
func New(client, server net.Conn) *Relay {
	r := newRelay(client, server)
	r.start()
	return r
}

func newRelay(client, server net.Conn) *Relay {
	r := &Relay{}
	r.cond.L = &r.mu
	r.flows[ToServer] = flow{from: client, to: server}
	r.flows[ToClient] = flow{from: server, to: client}
	return r
}

func (r *Relay) start() {
	for _, d := range []Direction{ToServer, ToClient} {
		r.done.Go(func() { r.read(d) })
		r.done.Go(func() { r.write(d) })
	}
}

// Close closes both connections and returns when the relay has ended. What was
// not forwarded is lost.
func (r *Relay) Close() error {
	r.change(func() {
		for d := range r.flows {
			r.flows[d].end = ended
		}
	})
	err := errors.Join(r.flows[ToServer].from.Close(), r.flows[ToServer].to.Close())
	r.done.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Hold stops forwarding in a direction, its end included. What the sender
// sends is still read, without a limit, and recorded.
func (r *Relay) Hold(d Direction) { r.change(func() { r.flows[d].held = true }) }

// Release ends Hold. What was held goes in one write.
func (r *Relay) Release(d Direction) { r.change(func() { r.flows[d].held = false }) }

// Merge holds a direction until n more records are complete, or the sender
// ends it, and forwards them in one write. Merge(d, 0) ends it at once.
func (r *Relay) Merge(d Direction, n int) { r.change(func() { r.flows[d].merge = n }) }

// Chunk splits a direction into writes of at most n bytes each; 0 ends that.
// TCP joins them again for a receiver that is slow to read.
func (r *Relay) Chunk(d Direction, n int) { r.change(func() { r.flows[d].chunk = n }) }

// CutAfter forwards n more bytes of a direction and then FIN. With all cuts,
// what the sender sends beyond is read, recorded and dropped, the opposite
// direction goes on, and bytes count from what is being written at the call.
func (r *Relay) CutAfter(d Direction, n int) { r.setCut(d, cut{kind: afterBytes, n: max(n, 0)}) }

// CutAtRecord forwards FIN at the next record boundary, which may be now. A
// stream that is not TLS has no further boundary, for CutInRecord as well.
func (r *Relay) CutAtRecord(d Direction) { r.setCut(d, cut{kind: atRecord}) }

// CutInRecord lets the record under way pass, forwards n bytes of the next one,
// its header included, and then FIN. It cuts inside the record always: n below
// 1 counts as 1, and of a record with n bytes or fewer all but the last byte is
// forwarded.
func (r *Relay) CutInRecord(d Direction, n int) {
	r.setCut(d, cut{kind: inRecord, n: max(n, 1)})
}

func (r *Relay) setCut(d Direction, c cut) { r.change(func() { r.flows[d].cut = c }) }

// Inject puts bytes behind those that the sender of a direction has sent so
// far. It is an error once the direction has ended.
func (r *Relay) Inject(d Direction, p []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := &r.flows[d]
	if f.end != open {
		return errors.New("rawpeer: the direction " + d.String() + " has ended")
	}
	f.queue = append(f.queue, p...)
	r.cond.Broadcast()
	return nil
}

// Reset resets the connection of a direction's receiver (SO_LINGER of zero).
// What was not forwarded to it is lost. The sender sees nothing of it. Only a
// TCP connection can be reset; for others it is an error.
func (r *Relay) Reset(d Direction) error {
	f := &r.flows[d]
	if _, ok := f.to.(*net.TCPConn); !ok {
		return errors.New("rawpeer: only a TCP connection can be reset")
	}
	r.change(func() { f.end = ended })
	return abort(f.to)
}

// Seen returns a copy of all that the sender of a direction has sent.
func (r *Relay) Seen(d Direction) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.flows[d].seen)
}

// Sent returns a copy of all that was written to the receiver of a direction
// or is being written, injected bytes included: at least what it has read.
func (r *Relay) Sent(d Direction) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.flows[d].sent)
}

// Records returns the complete records that the sender of a direction has sent
// and the tail behind them. The error is a *record.Error.
func (r *Relay) Records(d Direction) (records []record.Record, tail []byte, err error) {
	return record.Split(r.Seen(d))
}

// Wait returns when cond is true of what the sender of a direction has sent,
// with an error when the sender ends the direction (as WaitEnd says it) or ctx
// is done before. cond must not keep seen, and must not call the relay.
func (r *Relay) Wait(ctx context.Context, d Direction, cond func(seen []byte) bool) error {
	f := &r.flows[d]
	return r.wait(ctx, func() (bool, error) {
		if cond(f.seen) {
			return true, nil
		}
		return f.how != nil, f.how
	})
}

// WaitRecords is Wait for n complete records in all.
func (r *Relay) WaitRecords(ctx context.Context, d Direction, n int) error {
	return r.Wait(ctx, d, func(seen []byte) bool {
		records, _, _ := record.Split(seen)
		return len(records) >= n
	})
}

// WaitSent returns when n bytes in all were written to the receiver of a
// direction, with an error when ctx is done before.
func (r *Relay) WaitSent(ctx context.Context, d Direction, n int) error {
	f := &r.flows[d]
	return r.wait(ctx, func() (bool, error) { return f.written >= n, nil })
}

// WaitEnd waits until the sender of a direction has ended it and says how:
// io.EOF for FIN, an error that is syscall.ECONNRESET or syscall.EPIPE for a
// reset, net.ErrClosed when the relay itself closed the sender's connection.
// It is ctx's error when that is done before.
func (r *Relay) WaitEnd(ctx context.Context, d Direction) error {
	f := &r.flows[d]
	return r.wait(ctx, func() (bool, error) { return f.how != nil, f.how })
}

func (r *Relay) wait(ctx context.Context, ready func() (bool, error)) error {
	stop := context.AfterFunc(ctx, func() { r.change(func() {}) })
	defer stop()
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		if ok, err := ready(); ok {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		r.cond.Wait()
	}
}

func (r *Relay) change(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
	r.cond.Broadcast()
}

// read moves bytes from the sender into the queue until the sender's end.
func (r *Relay) read(d Direction) {
	f, back := &r.flows[d], &r.flows[d.opposite()]
	buf := make([]byte, 32<<10)
	for {
		n, err := f.from.Read(buf)
		r.mu.Lock()
		f.seen = append(f.seen, buf[:n]...)
		if f.end == open {
			f.queue = append(f.queue, buf[:n]...)
		}
		r.cond.Broadcast()
		if err == nil {
			for f.full() {
				r.cond.Wait()
			}
			r.mu.Unlock()
			continue
		}
		if err == io.EOF {
			r.letWriteFinish(back)
			if back.failed != nil {
				err = back.failed
			}
		}
		switch {
		case errors.Is(err, net.ErrClosed), errors.Is(err, io.ErrClosedPipe):
			err = net.ErrClosed // by the relay: what is queued still goes
		case err == io.EOF:
			f.end = max(f.end, endFIN)
		default:
			f.end = max(f.end, endReset)
		}
		f.how = err
		r.cond.Broadcast()
		r.mu.Unlock()
		return
	}
}

// letWriteFinish waits for a write to a connection whose read just said EOF. The
// kernel reports a reset to one call alone: when that is the write, the read
// says EOF. A write that blocks has been told nothing, so the wait is short.
func (r *Relay) letWriteFinish(f *flow) {
	until := time.Now().Add(500 * time.Millisecond)
	timer := time.AfterFunc(time.Until(until), func() { r.change(func() {}) })
	defer timer.Stop()
	for f.writing && time.Now().Before(until) {
		r.cond.Wait()
	}
}

// write moves bytes from the queue to the receiver until the direction ends.
func (r *Relay) write(d Direction) {
	f, back := &r.flows[d], &r.flows[d.opposite()]
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		p, end, ok := f.step()
		if !ok {
			r.cond.Wait()
			continue
		}
		if len(p) > 0 {
			f.writing = true
			f.sent = append(f.sent, p...)
			r.mu.Unlock()
			n, err := f.to.Write(p)
			r.mu.Lock()
			f.writing = false
			f.sent = f.sent[:len(f.sent)-len(p)+n]
			f.written += n
			r.cond.Broadcast()
			if err != nil {
				end = ended
				if !errors.Is(err, net.ErrClosed) && !errors.Is(err, io.ErrClosedPipe) {
					f.failed = err
					back.receiverReset()
				}
			}
		}
		if end == open {
			continue
		}
		end = max(end, f.end)
		f.end, f.queue = ended, nil
		r.cond.Broadcast()
		switch end {
		case endFIN:
			closeWrite(f.to)
		case endReset:
			abort(f.to)
		}
		return
	}
}

func closeWrite(c net.Conn) {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
		return
	}
	c.Close()
}

func abort(c net.Conn) error {
	if tcp, ok := c.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	return c.Close()
}
