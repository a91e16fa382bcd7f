package main

import (
	"errors"
	"io"
	"iter"
	"net"
	"sync"
	"time"
)

// inMemory is a transport that buffers without end, so that one goroutine can write and then read.
func inMemory() (client, server net.Conn, err error) {
	a, b := newQueue(), newQueue()
	return &memoryConn{in: a, out: b}, &memoryConn{in: b, out: a}, nil
}

// takingTurns runs the two ends of a connection on one thread, as a C program would: the server is a
// coroutine, and an end that finds nothing to read lets the other go on. Goroutines of their own would
// be moved between threads by each call into C that takes long.
func takingTurns(client, server func(net.Conn) error) error {
	a, b := newQueue(), newQueue()
	c, s := &memoryConn{in: a, out: b}, &memoryConn{in: b, out: a}
	var served error
	next, stop := iter.Pull(func(yield func(struct{}) bool) {
		s.other = func() bool { return yield(struct{}{}) }
		served = server(s)
	})
	defer stop()
	turn := func() bool { _, more := next(); return more }
	c.other = turn
	err := client(c)
	for turn() {
	}
	return errors.Join(err, served)
}

type queue struct {
	mu    sync.Mutex
	more  sync.Cond
	bytes []byte
	read  int
	ended bool
}

func newQueue() *queue {
	q := &queue{}
	q.more.L = &q.mu
	return q
}

type memoryConn struct {
	in, out *queue
	other   func() bool // lets the other end go on; false when that is over, nil when it runs on its own
}

func (c *memoryConn) Read(p []byte) (int, error) {
	q := c.in
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.read == len(q.bytes) {
		if q.ended {
			return 0, io.EOF
		}
		if c.other == nil {
			q.more.Wait()
			continue
		}
		q.mu.Unlock()
		more := c.other()
		q.mu.Lock()
		if !more {
			c.other = nil
		}
	}
	n := copy(p, q.bytes[q.read:])
	q.read += n
	if q.read == len(q.bytes) {
		q.bytes, q.read = q.bytes[:0], 0
	}
	return n, nil
}

func (c *memoryConn) Write(p []byte) (int, error) {
	q := c.out
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ended {
		return 0, net.ErrClosed
	}
	q.bytes = append(q.bytes, p...)
	q.more.Broadcast()
	return len(p), nil
}

func (c *memoryConn) Close() error {
	for _, q := range []*queue{c.in, c.out} {
		q.mu.Lock()
		q.ended = true
		q.more.Broadcast()
		q.mu.Unlock()
	}
	return nil
}

func (c *memoryConn) LocalAddr() net.Addr              { return &net.UnixAddr{Name: "memory", Net: "unix"} }
func (c *memoryConn) RemoteAddr() net.Addr             { return c.LocalAddr() }
func (c *memoryConn) SetDeadline(time.Time) error      { return nil }
func (c *memoryConn) SetReadDeadline(time.Time) error  { return nil }
func (c *memoryConn) SetWriteDeadline(time.Time) error { return nil }
