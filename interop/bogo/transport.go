package main

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// heldConn is a second handle of a socket.
type heldConn struct{ *net.TCPConn }

// hold keeps a socket alive beyond its Close. Closing one with bytes unread resets it, and the reset
// takes an alert along that the runner has not read yet.
func hold(tcp *net.TCPConn) (heldConn, error) {
	f, err := tcp.File()
	if err != nil {
		return heldConn{}, err
	}
	defer f.Close()
	nc, err := net.FileConn(f)
	if err != nil {
		return heldConn{}, err
	}
	return heldConn{nc.(*net.TCPConn)}, nil
}

// drain ends the socket's sending, waits for the runner's end and closes it.
func (h heldConn) drain() {
	h.CloseWrite()
	h.SetReadDeadline(time.Now().Add(patience))
	io.Copy(io.Discard, h.TCPConn)
	h.Close()
}

// slowConn passes one byte a call.
type slowConn struct {
	net.Conn
	mu      sync.Mutex
	limited bool
	left    int // bytes that may be written before the time is up, where limited
}

// allow lets n more bytes out, then every Write is too late; -1 ends that.
func (s *slowConn) allow(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limited, s.left = n >= 0, n
}

func (s *slowConn) Read(p []byte) (int, error) { return s.Conn.Read(p[:min(1, len(p))]) }

func (s *slowConn) Write(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		s.mu.Lock()
		late := s.limited && s.left == 0
		s.left--
		s.mu.Unlock()
		if late {
			return n, os.ErrDeadlineExceeded
		}
		var m int
		m, err = s.Conn.Write(p[n : n+1])
		n += m
	}
	return n, err
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
