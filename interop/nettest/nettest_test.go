// Package nettest runs the standard conformance suite of net.Conn over Conn, whole.
package nettest

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/testcert"
	"golang.org/x/net/nettest"
)

func contexts(t *testing.T, version uint16) (client, server *openssl.Ctx) {
	t.Helper()
	id := testcert.Server()
	cert, err := openssl.X509KeyPair(id.ChainPEM, id.KeyPEM)
	if err != nil {
		t.Fatal(err)
	}
	client, err = openssl.NewCtx(&openssl.Config{RootCAPEM: testcert.Root().PEM, ServerName: "localhost",
		MinVersion: version, MaxVersion: version})
	if err != nil {
		t.Fatal(err)
	}
	server, err = openssl.NewCtx(&openssl.Config{Certificates: []*openssl.Certificate{cert},
		MinVersion: version, MaxVersion: version})
	if err != nil {
		t.Fatal(err)
	}
	return client, server
}

// pipes makes a pair of transports.
var transports = map[string]func() (net.Conn, net.Conn, error){
	"pipe": func() (net.Conn, net.Conn, error) {
		a, b := net.Pipe()
		return a, b, nil
	},
	"tcp": func() (net.Conn, net.Conn, error) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, nil, err
		}
		defer l.Close()
		a, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			return nil, nil, err
		}
		b, err := l.Accept()
		return a, b, err
	},
}

func TestConn(t *testing.T) {
	for name, transport := range transports {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			t.Run(fmt.Sprintf("%s/%s", name, tls.VersionName(version)), func(t *testing.T) {
				client, server := contexts(t, version)
				nettest.TestConn(t, func() (net.Conn, net.Conn, func(), error) {
					return makePipe(client, server, transport)
				})
			})
		}
	}
}

// makePipe answers with both ends after their handshake, as nettest asks for connected ends.
func makePipe(client, server *openssl.Ctx, transport func() (net.Conn, net.Conn, error)) (net.Conn, net.Conn, func(), error) {
	a, b, err := transport()
	if err != nil {
		return nil, nil, nil, err
	}
	c, err := openssl.Client(a, client)
	if err != nil {
		return nil, nil, nil, err
	}
	s, err := openssl.Server(b, server)
	if err != nil {
		return nil, nil, nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- s.HandshakeContext(ctx) }()
	if err := c.HandshakeContext(ctx); err != nil {
		return nil, nil, nil, err
	}
	if err := <-done; err != nil {
		return nil, nil, nil, err
	}
	stop := func() {
		c.Close()
		s.Close()
		client.Drain(ctx)
		server.Drain(ctx)
	}
	return c, s, stop, nil
}
