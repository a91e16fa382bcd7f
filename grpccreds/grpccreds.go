// Package grpccreds gives gRPC connections over the system's OpenSSL:
//
//	ctx, err := openssl.NewCtx(&openssl.Config{NextProtos: []string{"h2"}})
//	conn, err := grpc.NewClient("example.com:443", grpc.WithTransportCredentials(grpccreds.New(ctx)))
package grpccreds

import (
	"context"
	"errors"
	"fmt"
	"net"

	"google.golang.org/grpc/credentials"

	"github.com/golibssl/openssl"
)

// ErrProtocol: the handshake did not choose h2 by ALPN, which gRPC requires. Config.NextProtos must have it
// at both ends.
var ErrProtocol = errors.New("h2 was not chosen by ALPN")

// New makes credentials for clients and servers of gRPC. The Ctx needs h2 in Config.NextProtos. A client
// sends and verifies the host of the authority, whatever Config.ServerName says; grpc.WithAuthority
// changes it. A peer's AuthInfo is a credentials.TLSInfo without SPIFFEID. Any number of channels and
// servers may use the credentials at a time.
func New(ctx *openssl.Ctx) credentials.TransportCredentials { return &creds{ctx: ctx} }

type creds struct {
	ctx  *openssl.Ctx
	name string // OverrideServerName's
}

func (c *creds) ClientHandshake(ctx context.Context, authority string, raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	name := c.name
	if name == "" {
		name = authority
	}
	if host, _, err := net.SplitHostPort(name); err == nil {
		name = host
	}
	conn, err := openssl.Client(raw, c.ctx, openssl.WithServerName(name))
	return established(ctx, raw, conn, err)
}

// ServerHandshake is bounded by the deadline that gRPC's server has set on raw.
func (c *creds) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, err := openssl.Server(raw, c.ctx)
	return established(context.Background(), raw, conn, err)
}

// established makes the handshake of conn; raw is closed when anything fails.
func established(ctx context.Context, raw net.Conn, conn *openssl.Conn, err error) (net.Conn, credentials.AuthInfo, error) {
	if err != nil {
		raw.Close()
		return nil, nil, err
	}
	if err := conn.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, nil, err
	}
	state := conn.ConnectionState()
	if state.NegotiatedProtocol != "h2" {
		conn.Close()
		return nil, nil, fmt.Errorf("grpccreds: %w, but %q", ErrProtocol, state.NegotiatedProtocol)
	}
	return conn, credentials.TLSInfo{State: state,
		CommonAuthInfo: credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity}}, nil
}

func (c *creds) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "tls", SecurityVersion: "1.2", ServerName: c.name}
}

func (c *creds) Clone() credentials.TransportCredentials {
	clone := *c
	return &clone
}

func (c *creds) OverrideServerName(name string) error {
	c.name = name
	return nil
}
