//go:build cgo

package openssl

import (
	"context"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// aLongTimeAgo is a deadline that stops what is blocked.
var aLongTimeAgo = time.Unix(1, 0)

// start anchors the monotonic clock that expired reads.
var start = time.Now()

// deadlines gives the transport the earliest of the user's deadlines, those of the operation under
// way (a context's) and those of Close, and puts the user's back.
type deadlines struct {
	nc net.Conn

	mu       sync.Mutex
	user, op [2]time.Time
	closing  bool

	// The user's, in nanoseconds since start; 0 none. Read without mu on every Read and Write.
	nanos [2]atomic.Int64
}

const (
	readSide = iota
	writeSide
)

func (d *deadlines) setUser(t time.Time, sides ...int) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closing {
		return callerError("set deadline", net.ErrClosed)
	}
	for _, side := range sides {
		d.user[side] = t
		n := int64(0)
		if !t.IsZero() {
			// The zero means none, so a deadline at start itself is moved by a nanosecond.
			if n = int64(t.Sub(start)); n == 0 {
				n = -1
			}
		}
		d.nanos[side].Store(n)
		if err := d.apply(side); err != nil {
			return transportError("set deadline", err)
		}
	}
	return nil
}

// apply needs mu.
func (d *deadlines) apply(side int) error {
	t := d.user[side]
	if op := d.op[side]; !op.IsZero() && (t.IsZero() || op.Before(t)) {
		t = op
	}
	if side == readSide {
		return d.nc.SetReadDeadline(t)
	}
	return d.nc.SetWriteDeadline(t)
}

// expired reports whether the user's deadline has passed.
func (d *deadlines) expired(side int) bool {
	n := d.nanos[side].Load()
	return n != 0 && int64(time.Since(start)) >= n
}

// setOp sets the deadline of the operation under way; the zero Time ends it.
func (d *deadlines) setOp(t time.Time, sides ...int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closing {
		return
	}
	for _, side := range sides {
		d.op[side] = t
		d.apply(side)
	}
}

// close makes the transport Close's: the users' deadlines count no more, reads end now.
func (d *deadlines) close(write time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closing = true
	d.nc.SetReadDeadline(aLongTimeAgo)
	d.nc.SetWriteDeadline(write)
}

// under runs f with ctx's deadline and cancellation as the transport's on the sides. What f returns
// because ctx ended becomes ctx's error.
func (d *deadlines) under(ctx context.Context, op string, f func() error, sides ...int) (err error) {
	if ctx.Done() == nil {
		return f()
	}
	if err := ctx.Err(); err != nil {
		return callerError(op, err)
	}
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		d.setOp(aLongTimeAgo, sides...)
		close(stopped)
	})
	// Deferred: a hook may end its goroutine.
	defer func() {
		if stop() {
			return
		}
		<-stopped
		d.setOp(time.Time{}, sides...)
		if isTimeout(err) {
			err = callerError(op, ctx.Err())
		}
	}()
	return f()
}

func isTimeout(err error) bool {
	ne, ok := err.(net.Error)
	return ok && ne.Timeout()
}

func timeoutError(op string) error { return callerError(op, os.ErrDeadlineExceeded) }
