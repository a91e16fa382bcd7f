// Package serve is a TLS server that ends its connections as it is told, to see what clients make of it.
package serve

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/cmd/closenotify/internal/ending"
	"github.com/golibssl/openssl/cmd/closenotify/internal/link"
)

// Report is how a client ended a connection.
type Report struct {
	Remote string `json:"remote"`
	TLS    string `json:"tls"` // the version, empty when the handshake failed
	Ending string `json:"ending"`
}

// Server listens from New on.
type Server struct {
	CAPEM []byte // what clients have to trust

	end      End
	timeout  time.Duration
	ctx      *openssl.Ctx
	listener *net.TCPListener
}

// New makes a server with a certificate of its own for localhost, 127.0.0.1 and ::1. Silence of
// timeout counts as waiting; a client that is silent before the server has ended the connection makes
// it end it.
func New(listen string, end End, timeout time.Duration) (*Server, error) {
	caPEM, cert, err := newCertificate()
	if err != nil {
		return nil, err
	}
	ctx, err := openssl.NewCtx(&openssl.Config{Certificates: []*openssl.Certificate{cert}})
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return nil, err
	}
	return &Server{CAPEM: caPEM, end: end, timeout: timeout, ctx: ctx, listener: l.(*net.TCPListener)}, nil
}

// Port is the port that the server listens on.
func (s *Server) Port() string {
	_, port, _ := net.SplitHostPort(s.listener.Addr().String())
	return port
}

// URL is the server's address for a client on this machine.
func (s *Server) URL() string {
	host := "localhost"
	if ip := s.listener.Addr().(*net.TCPAddr).IP; !ip.IsUnspecified() {
		host = ip.String()
	}
	return "https://" + net.JoinHostPort(host, s.Port()) + "/"
}

// lastCalls is how long Serve goes on to accept connections that were made before its end.
const lastCalls = 100 * time.Millisecond

// Serve serves until ctx ends, then waits for the connections to end, each of which does so within a
// few timeouts. It reports every connection when it has ended, one at a time.
func (s *Server) Serve(ctx context.Context, report func(Report)) error {
	defer s.listener.Close()
	stop := context.AfterFunc(ctx, func() { s.listener.SetDeadline(time.Now().Add(lastCalls)) })
	defer stop()
	var reporting sync.Mutex
	var connections sync.WaitGroup
	defer connections.Wait()
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		connections.Go(func() {
			s.serve(ctx, conn, func(r Report) {
				reporting.Lock()
				defer reporting.Unlock()
				report(r)
			})
		})
	}
}

// serve serves one connection, reports it and closes it.
func (s *Server) serve(ctx context.Context, conn net.Conn, report func(Report)) {
	defer conn.Close()
	ssl, err := s.ctx.NewServerSSL()
	if err != nil {
		return
	}
	l, err := link.New(conn, ssl, s.timeout)
	if err != nil {
		ssl.Free()
		return
	}
	defer l.Close()
	r := Report{Remote: conn.RemoteAddr().String()}
	if err := l.Handshake(); err != nil && !l.Established {
		// libssl's alert has left; what the client does about it is its ending.
		l.CloseWrite()
		r.Ending = l.Watch()
		report(r)
		return
	}
	r.TLS = versionName(ssl.Version())
	s.talk(l)
	s.end.perform(l)
	r.Ending = l.Watch()
	report(r)
	if s.end.stay {
		select {
		case <-time.After(s.timeout):
		case <-ctx.Done():
		}
	}
}

func versionName(version uint16) string {
	return map[uint16]string{tls.VersionTLS12: "TLSv1.2", tls.VersionTLS13: "TLSv1.3"}[version]
}

// talk answers until it is the server's turn to end the connection: after a whole GET, after the
// client's end, or when the client is silent.
func (s *Server) talk(l *link.Link) {
	var t talk
	for {
		data, how := l.Next(s.timeout)
		answered, err := t.take(l, data)
		switch {
		case how == ending.Fin || how == ending.Reset:
			l.Seen.End(how)
			return
		case how == ending.Wait || answered || err != nil || l.Seen.Closed():
			return
		}
	}
}

// maxPending bounds what a client may send without an end of its line or of its request.
const maxPending = 64 << 10

// talk is what one connection's client has asked so far.
type talk struct {
	pending []byte
	get     string // the first line of a GET whose rest is awaited
}

// take answers what data completes. answered tells that a whole GET was answered.
func (t *talk) take(l *link.Link, data []byte) (answered bool, err error) {
	t.pending = append(t.pending, data...)
	for len(t.pending) > 0 {
		line, rest, whole := strings.Cut(string(t.pending), "\n")
		if !whole && len(t.pending) < maxPending {
			return false, nil
		}
		t.pending = []byte(rest)
		text := strings.TrimSuffix(line, "\r")
		switch {
		case t.get == "" && strings.HasPrefix(text, "GET "):
			t.get = text
			if strings.Contains(text, " HTTP/") {
				continue // its headers end with an empty line
			}
			return true, t.answer(l)
		case t.get != "" && (text == "" || !whole):
			return true, t.answer(l)
		case t.get == "":
			if whole {
				line += "\n"
			}
			if err := l.Write([]byte(line)); err != nil {
				return false, err
			}
		}
	}
	return false, nil
}

// answer answers the GET. Its body ends with the connection: that is what shows a client how the
// connection ended.
func (t *talk) answer(l *link.Link) error {
	path := strings.Fields(t.get + " /")[1]
	if path == "/keyupdate" {
		// TLS 1.2 has none.
		if err := l.SSL.KeyUpdate(true); err == nil {
			if err := l.Flush(); err != nil {
				return err
			}
		}
	}
	return l.Write(fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"+
		"This answer to %q ends with the connection.\n", path))
}
