//go:build cgo && unix

package openssl

import (
	"io"
	"net"
	"os"
	"syscall"
)

// readiness reads from a socket of the standard library in a way that a waiting Read holds no
// memory: the in-queue is made when bytes are there and given back when there are none.
type readiness struct {
	raw syscall.RawConn
	try func(fd uintptr) bool // one closure, made once

	n   int
	err error

	out func(fd uintptr) bool // tryWrite, with mu
}

// watch sets the readiness up for the very types of package net: a type that embeds one may read in
// its own way.
func (c *conn) watch() {
	var sc syscall.Conn
	switch nc := c.nc.(type) {
	case *net.TCPConn:
		sc = nc
	case *net.UnixConn:
		sc = nc
	default:
		return
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return
	}
	c.socket.raw = raw
	c.socket.try = c.tryRead
	c.socket.out = c.tryWrite
}

// tryRead makes one read(2) that does not wait. The caller holds rd, not mu.
func (c *conn) tryRead(fd uintptr) bool {
	c.mu.Lock()
	h := c.h
	buf := h.inFree(c.inSize)
	c.mu.Unlock()
	r := &c.socket
	if buf == nil {
		r.n, r.err = 0, errNoMemory
		return true
	}
	for {
		r.n, r.err = syscall.Read(int(fd), buf)
		if r.err != syscall.EINTR {
			break
		}
	}
	if r.err == syscall.EAGAIN {
		c.mu.Lock()
		h.inRelease()
		c.mu.Unlock()
		return false
	}
	return true
}

// readReady is the transport's Read into the in-queue; it reports whether the buffer was filled.
// The caller holds rd and mu, which it gives up.
func (c *conn) readReady() (n int, full bool, err error) {
	r := &c.socket
	size := c.inSize
	r.n, r.err = 0, nil
	c.mu.Unlock()
	err = r.raw.Read(r.try)
	c.mu.Lock()
	switch {
	case err != nil:
		if op, ok := err.(*net.OpError); ok {
			op.Op = "read"
		}
		return 0, false, err
	case r.err != nil:
		return 0, false, &net.OpError{Op: "read", Net: c.nc.LocalAddr().Network(), Source: c.nc.LocalAddr(),
			Addr: c.nc.RemoteAddr(), Err: os.NewSyscallError("read", r.err)}
	case r.n == 0:
		return 0, false, io.EOF
	}
	return r.n, r.n >= size, nil
}

// tryWrite makes one write(2) of what the flusher would send; it never waits.
func (c *conn) tryWrite(fd uintptr) bool {
	n, err := syscall.Write(int(fd), c.send.bytes())
	if err == nil && n > 0 {
		c.send.skip(n)
		c.left += uint64(n)
	}
	return true
}

// flushNow gives the socket what it takes and reports whether that was all. What fails is left to a
// flusher, which finds it again. It needs mu and keeps it: nobody waits here.
func (c *conn) flushNow() bool {
	if c.socket.raw == nil {
		return false
	}
	if c.send.len() == 0 {
		c.h.swapOut(&c.send)
	}
	return c.socket.raw.Write(c.socket.out) == nil && c.send.len() == 0 && c.h.outLen() == 0
}
