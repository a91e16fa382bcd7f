//go:build cgo

package openssl

import (
	"context"
	"net"
	"strings"
)

// sniName is the name without the dot at its end, the brackets and zone of an address; isIP names
// are verified as addresses and not sent (RFC 6066, section 3).
func sniName(name string) (host string, isIP bool) {
	host = name
	if len(host) > 2 && host[0] == '[' && host[len(host)-1] == ']' {
		host = host[1 : len(host)-1]
	}
	if i := strings.LastIndexByte(host, '%'); i > 0 {
		host = host[:i]
	}
	// A name is asked for with each connection; parsing one as an address makes an error first.
	if looksNumeric(host) {
		if ip := net.ParseIP(host); ip != nil {
			if ip4 := ip.To4(); ip4 != nil && strings.IndexByte(host, ':') >= 0 {
				host = ip4.String() // libcrypto compares 16 bytes with a certificate's 4
			}
			return host, true
		}
	}
	return strings.TrimRight(name, "."), false
}

// looksNumeric reports whether s can be an address: IPv6 has a colon, IPv4 begins with a digit.
func looksNumeric(s string) bool {
	return s != "" && s[0] >= '0' && s[0] <= '9' || strings.IndexByte(s, ':') >= 0
}

// Dial connects to addr and makes the handshake. ServerName is the address's host by default. It has no
// time limit of its own: a server that is silent behind TCP's accept keeps it; DialContext has its caller's.
func Dial(network, addr string, ctx *Ctx, opts ...ConnOption) (*Conn, error) {
	return DialContext(context.Background(), network, addr, ctx, opts...)
}

// DialContext is Dial until ctx ends; the connection outlives ctx.
func DialContext(ctx context.Context, network, addr string, c *Ctx, opts ...ConnOption) (*Conn, error) {
	return (&Dialer{Ctx: c}).dial(ctx, network, addr, opts...)
}

// Dialer dials with a net.Dialer of the caller's, whose Timeout and Deadline bound the handshake too, as in
// crypto/tls. Its DialContext serves http.Transport.DialTLSContext.
type Dialer struct {
	NetDialer *net.Dialer // nil: a zero one
	Ctx       *Ctx
}

// DialContext connects and makes the handshake; the net.Conn is a *Conn.
func (d *Dialer) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := d.dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (d *Dialer) dial(ctx context.Context, network, addr string, opts ...ConnOption) (*Conn, error) {
	if ctx == nil || d == nil {
		return nil, callerError("dial", ErrNil)
	}
	if err := d.Ctx.made("dial"); err != nil {
		return nil, err
	}
	if d.Ctx.serverName() == "" {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, callerError("dial", err)
		}
		opts = append([]ConnOption{WithServerName(host)}, opts...)
	}
	nd := d.NetDialer
	if nd == nil {
		nd = &net.Dialer{}
	}
	if nd.Timeout != 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, nd.Timeout)
		defer cancel()
	}
	if !nd.Deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, nd.Deadline)
		defer cancel()
	}
	nc, err := nd.DialContext(ctx, network, addr)
	if err != nil {
		return nil, transportError("dial", err)
	}
	c, err := Client(nc, d.Ctx, opts...)
	if err != nil {
		nc.Close()
		return nil, err
	}
	if err := c.HandshakeContext(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

type listener struct {
	net.Listener
	ctx *Ctx
}

// NewListener makes Accept answer with *Conn, servers' ends. The handshake is made by the first Read
// or Write, so one slow client does not stop Accept. Where inner or ctx is nil, Accept answers ErrNil.
func NewListener(inner net.Listener, ctx *Ctx) net.Listener {
	if inner == nil {
		inner = noListener{}
	}
	return &listener{inner, ctx}
}

type noListener struct{}

func (noListener) Accept() (net.Conn, error) { return nil, callerError("accept", ErrNil) }
func (noListener) Close() error              { return callerError("close", ErrNil) }
func (noListener) Addr() net.Addr            { return &net.TCPAddr{} }

// Listen is NewListener over net.Listen.
func Listen(network, addr string, ctx *Ctx) (net.Listener, error) {
	if err := ctx.made("listen"); err != nil {
		return nil, err
	}
	l, err := net.Listen(network, addr)
	if err != nil {
		return nil, transportError("listen", err)
	}
	return NewListener(l, ctx), nil
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
	c.c.accepted = true
	return c, nil
}
