// Package postgres takes pgx to PostgreSQL servers over the system's OpenSSL. It is short enough to be
// copied.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/golibssl/openssl"
)

// ErrNoTLS: the server answered that it speaks no TLS.
var ErrNoTLS = errors.New("the server refuses TLS")

// sslRequest asks for TLS in clear text (PostgreSQL's protocol, "SSLRequest").
var sslRequest = []byte{0, 0, 0, 8, 4, 210, 22, 47}

// Secure makes every connection of config one of ctx's, requests to cancel among them. The server is verified
// as config.Host. Config's own TLS goes, and with it its fallbacks: clear text, and further hosts, which want
// a config each. Channel binding goes too, as pgx knows it of crypto/tls alone.
func Secure(config *pgconn.Config, ctx *openssl.Ctx) {
	dial, host := config.DialFunc, config.Host
	config.TLSConfig, config.Fallbacks = nil, nil
	config.DialFunc = func(c context.Context, network, addr string) (net.Conn, error) {
		nc, err := dial(c, network, addr)
		if err != nil {
			return nil, err
		}
		if err := ask(c, nc); err != nil {
			nc.Close()
			return nil, err
		}
		conn, err := openssl.Client(nc, ctx, openssl.WithServerName(host))
		if err != nil {
			nc.Close()
			return nil, err
		}
		if err := conn.HandshakeContext(c); err != nil {
			conn.Close()
			return nil, err
		}
		return conn, nil
	}
}

// ask reads the one byte of the answer and not more: what somebody on the way put behind it would count as
// the server's words inside TLS.
func ask(c context.Context, nc net.Conn) error {
	stop := context.AfterFunc(c, func() { nc.SetDeadline(time.Unix(1, 0)) })
	answer := make([]byte, 1)
	_, err := nc.Write(sslRequest)
	if err == nil {
		_, err = io.ReadFull(nc, answer)
	}
	switch {
	case !stop():
		return c.Err()
	case err != nil:
		return fmt.Errorf("asking for TLS: %w", err)
	case answer[0] != 'S':
		return fmt.Errorf("%w: %q", ErrNoTLS, answer)
	}
	return nil
}
