//go:build older

package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"

	old "github.com/libp2p/go-openssl"
)

// older is github.com/libp2p/go-openssl. It has no way to choose groups, nor suites of TLS 1.3, and
// its own way to resume panics.
type older struct{ c, s *old.Ctx }

func newOlder(certs *certificates, s setting) (maker, error) {
	if s.resumed {
		return nil, errors.New("it cannot resume: DialSession panics")
	}
	cert, key := certs.files(s)
	server, err := old.NewCtxFromFiles(cert, key)
	if err != nil {
		return nil, err
	}
	client, err := old.NewCtx()
	if err != nil {
		return nil, err
	}
	if err := client.LoadVerifyLocations(certs.ca(), ""); err != nil {
		return nil, err
	}
	client.SetVerify(old.VerifyPeer, nil)
	for _, ctx := range []*old.Ctx{client, server} {
		if err := ctx.SetCipherList(suite12); err != nil {
			return nil, err
		}
		version := old.TLS1_2_VERSION
		if s.version == tls.VersionTLS13 {
			version = old.TLS1_3_VERSION
		}
		if !ctx.SetMinProtoVersion(version) || !ctx.SetMaxProtoVersion(version) {
			return nil, fmt.Errorf("version %#x", s.version)
		}
	}
	return older{client, server}, nil
}

func (m older) client(nc net.Conn) (conn, error) { return old.Client(nc, m.c) }
func (m older) server(nc net.Conn) (conn, error) { return old.Server(nc, m.s) }
func (m older) resumed(conn) bool                { return false }
