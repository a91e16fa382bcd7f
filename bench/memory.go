package main

import (
	"io"
	"net"
	"sync"
	"time"
)

// inMemory is a transport that buffers without end, so that one goroutine can write and then read.
func inMemory() (client, server net.Conn, err error) {
	a, b := newQueue(), newQueue()
	return &memoryConn{in: a, out: b}, &memoryConn{in: b, out: a}, nil
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

type memoryConn struct{ in, out *queue }

func (c *memoryConn) Read(p []byte) (int, error) {
	q := c.in
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.read == len(q.bytes) {
		if q.ended {
			return 0, io.EOF
		}
		q.more.Wait()
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
