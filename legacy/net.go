//go:build cgo

package openssl

import (
	"context"
	"net"
	"net/http"
	"time"
)

type listener struct {
	net.Listener
	ctx *Ctx
}

func (l *listener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c, err := Server(nc, l.ctx)
	if err != nil {
		nc.Close()
		return nil, err
	}
	return c, nil
}

// NewListener makes Accept answer with *Conn, servers' ends. The handshake is made by the first Read or Write, so one slow client
// does not stop Accept.
func NewListener(inner net.Listener, ctx *Ctx) net.Listener { return &listener{inner, ctx} }

// Listen is NewListener over net.Listen.
func Listen(network, laddr string, ctx *Ctx) (net.Listener, error) {
	if ctx == nil {
		return nil, badArgument("listen", "no ssl context provided")
	}
	l, err := net.Listen(network, laddr)
	if err != nil {
		return nil, err
	}
	return NewListener(l, ctx), nil
}

// DialFlags says what Dial leaves out.
type DialFlags int

// The flags of Dial.
const (
	InsecureSkipHostVerification DialFlags = 1 << iota // the certificate may be for another host
	DisableSNI                                         // the host's name is not sent
)

// Dial connects to addr and makes the handshake.
//
// WHAT IT VERIFIES: that the server's certificate names the host of addr, unless flags has InsecureSkipHostVerification. WHO HAS
// SIGNED THE CERTIFICATE IT DOES NOT VERIFY, unless ctx says so: anybody can make a certificate with that name. That is the original's
// meaning, kept so that programs go on to run. To verify the server, give ctx what it is to trust and demand it:
//
//	ctx.SetDefaultVerifyPaths()             // or LoadVerifyLocations
//	ctx.SetVerifyMode(openssl.VerifyPeer)
//
// With a nil ctx, NewCtx's, and with one whose VerifyMode is VerifyNone, Conn.GetVerifyResults tells after the handshake what
// verification found.
//
// Unless flags has DisableSNI the host's name is sent to the server; an address never is (RFC 6066, section 3).
func Dial(network, addr string, ctx *Ctx, flags DialFlags) (*Conn, error) {
	return DialSession(network, addr, ctx, flags, nil)
}

// DialSession is Dial and offers a session that Conn.GetSession returned. nil is none. Where ctx verifies, a session whose certificate
// was found wanting is not offered, and a full handshake is made.
func DialSession(network, addr string, ctx *Ctx, flags DialFlags, session []byte) (*Conn, error) {
	return dial(context.Background(), &net.Dialer{}, network, addr, ctx, flags, session)
}

// DialTimeout is Dial until timeout has passed, the handshake included; 0 is no timeout.
func DialTimeout(network, addr string, timeout time.Duration, ctx *Ctx, flags DialFlags) (*Conn, error) {
	return DialWithDialer(&net.Dialer{Timeout: timeout}, network, addr, ctx, flags)
}

// DialContext is Dial until ctx ends, the handshake included. The connection outlives ctx.
func DialContext(ctx context.Context, network, addr string, sslCtx *Ctx, flags DialFlags) (*Conn, error) {
	return dial(ctx, &net.Dialer{}, network, addr, sslCtx, flags, nil)
}

// DialWithDialer is Dial with a dialer, whose Timeout and Deadline include the handshake.
func DialWithDialer(dialer *net.Dialer, network, addr string, ctx *Ctx, flags DialFlags) (*Conn, error) {
	if dialer == nil {
		return nil, badArgument("dial", "the dialer is nil")
	}
	until, cancel := context.Background(), context.CancelFunc(func() {})
	if dialer.Timeout != 0 {
		until, cancel = context.WithTimeout(until, dialer.Timeout)
	}
	defer cancel()
	if !dialer.Deadline.IsZero() {
		var cancelToo context.CancelFunc
		until, cancelToo = context.WithDeadline(until, dialer.Deadline)
		defer cancelToo()
	}
	return dial(until, dialer, network, addr, ctx, flags, nil)
}

// DialUpgrade is Dial over a connection that there is already, such as one through a proxy. On an error tcpConn is closed.
func DialUpgrade(addr string, tcpConn net.Conn, ctx *Ctx, flags DialFlags) (*Conn, error) {
	if tcpConn == nil {
		return nil, badArgument("dial", "the net.Conn is nil")
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		tcpConn.Close()
		return nil, err
	}
	return upgrade(context.Background(), tcpConn, host, ctx, flags, nil)
}

func dial(until context.Context, d *net.Dialer, network, addr string, ctx *Ctx, flags DialFlags, session []byte) (*Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	nc, err := d.DialContext(until, network, addr)
	if err != nil {
		return nil, err
	}
	return upgrade(until, nc, host, ctx, flags, session)
}

// upgrade makes the client's end and its handshake, or closes nc.
func upgrade(until context.Context, nc net.Conn, host string, ctx *Ctx, flags DialFlags, session []byte) (c *Conn, err error) {
	if ctx == nil {
		if ctx, err = NewCtx(); err != nil {
			nc.Close()
			return nil, err
		}
	}
	if c, err = Client(nc, ctx); err != nil {
		nc.Close()
		return nil, err
	}
	// Deferred: a callback may panic.
	done := false
	defer func() {
		if !done {
			c.Close()
		}
	}()
	if session != nil {
		if err := c.setSession(session); err != nil {
			return nil, err
		}
	}
	if flags&DisableSNI == 0 && net.ParseIP(host) == nil {
		if err := c.SetTlsExtHostName(host); err != nil {
			return nil, err
		}
	}
	if err := c.handshake(until); err != nil {
		return nil, err
	}
	if flags&InsecureSkipHostVerification == 0 {
		if err := c.VerifyHostname(host); err != nil {
			return nil, err
		}
	}
	done = true
	return c, nil
}

// ListenAndServeTLS serves handler on the TCP address addr with the certificate and key in these PEM files.
func ListenAndServeTLS(addr string, cert_file string, key_file string, handler http.Handler) error {
	return ServerListenAndServeTLS(&http.Server{Addr: addr, Handler: handler}, cert_file, key_file)
}

// ServerListenAndServeTLS is srv's ListenAndServeTLS over this package; without an address it serves port 443.
func ServerListenAndServeTLS(srv *http.Server, cert_file, key_file string) error {
	if srv == nil {
		return badArgument("listen", "the server is nil")
	}
	addr := srv.Addr
	if addr == "" {
		addr = ":https"
	}
	ctx, err := NewCtxFromFiles(cert_file, key_file)
	if err != nil {
		return err
	}
	l, err := Listen("tcp", addr, ctx)
	if err != nil {
		return err
	}
	return srv.Serve(l)
}
