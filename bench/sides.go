package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/testcert"
)

const (
	suite12 = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256"
	suite13 = "TLS_AES_128_GCM_SHA256"
	group   = "X25519:P-256" // TLS 1.2 wants the certificate's curve among them
)

// setting is what both sides of a comparison do alike. They agree on X25519 and AES-128-GCM.
type setting struct {
	version uint16
	rsa     bool
	resumed bool
}

func (s setting) digits() string {
	if s.version == tls.VersionTLS12 {
		return "12"
	}
	return "13"
}

func (s setting) key() string {
	if s.rsa {
		return "rsa"
	}
	return "ecdsa"
}

// certificates are one authority and a server's certificate of each kind, as files for C too.
type certificates struct {
	folder string
	server map[bool]*testcert.Cert // by setting.rsa
}

func newCertificates() (*certificates, error) {
	folder, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, err
	}
	c := &certificates{folder: folder, server: map[bool]*testcert.Cert{}}
	err = os.WriteFile(c.ca(), testcert.Root().PEM, 0o600)
	for _, rsa := range []bool{false, true} {
		o := testcert.Options{}
		if rsa {
			o.Key = testcert.RSA
		}
		cert := testcert.Root().Server(o)
		c.server[rsa] = cert
		cf, kf := c.files(setting{rsa: rsa})
		err = errors.Join(err, os.WriteFile(cf, cert.ChainPEM, 0o600), os.WriteFile(kf, cert.KeyPEM, 0o600))
	}
	return c, err
}

func (c *certificates) remove()    { os.RemoveAll(c.folder) }
func (c *certificates) ca() string { return filepath.Join(c.folder, "ca.pem") }
func (c *certificates) files(s setting) (cert, key string) {
	return filepath.Join(c.folder, s.key()+".pem"), filepath.Join(c.folder, s.key()+".key")
}

// conn is what the sides' connections have in common.
type conn interface {
	net.Conn
	Handshake() error
}

// maker makes connections of one library over any transport.
type maker interface {
	client(nc net.Conn) (conn, error)
	server(nc net.Conn) (conn, error)
	// resumed reports whether a client's connection was a resumption.
	resumed(c conn) bool
}

type ours struct{ c, s *openssl.Ctx }

func newOurs(certs *certificates, s setting) (maker, error) {
	cert := certs.server[s.rsa]
	pair, err := openssl.X509KeyPairDER(cert.ChainDER, cert.KeyDER)
	if err != nil {
		return nil, err
	}
	both := openssl.Config{MinVersion: s.version, MaxVersion: s.version, CipherList: suite12, Ciphersuites: suite13, Groups: group}
	server, client := both, both
	server.Certificates = []*openssl.Certificate{pair}
	client.RootCAPEM, client.ServerName = testcert.Root().PEM, "localhost"
	if s.resumed {
		client.ClientSessionCache = openssl.NewLRUClientSessionCache(0)
	}
	sctx, err := openssl.NewCtx(&server)
	if err != nil {
		return nil, err
	}
	cctx, err := openssl.NewCtx(&client)
	return ours{cctx, sctx}, err
}

func (m ours) client(nc net.Conn) (conn, error) { return openssl.Client(nc, m.c) }
func (m ours) server(nc net.Conn) (conn, error) { return openssl.Server(nc, m.s) }
func (m ours) resumed(c conn) bool              { return c.(*openssl.Conn).ConnectionState().DidResume }

type standard struct{ c, s *tls.Config }

func newStandard(certs *certificates, s setting) (maker, error) {
	roots := x509.NewCertPool()
	roots.AddCert(testcert.Root().Cert)
	both := tls.Config{MinVersion: s.version, MaxVersion: s.version, CurvePreferences: []tls.CurveID{tls.X25519},
		CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}}
	server, client := both.Clone(), both.Clone()
	server.Certificates = []tls.Certificate{certs.server[s.rsa].TLS}
	client.RootCAs, client.ServerName = roots, "localhost"
	if s.resumed {
		client.ClientSessionCache = tls.NewLRUClientSessionCache(0)
	}
	return standard{client, server}, nil
}

func (m standard) client(nc net.Conn) (conn, error) { return tls.Client(nc, m.c), nil }
func (m standard) server(nc net.Conn) (conn, error) { return tls.Server(nc, m.s), nil }
func (m standard) resumed(c conn) bool              { return c.(*tls.Conn).ConnectionState().DidResume }

// limit is the C program doing a work.
func limit(program string, certs *certificates, work string, s setting) side {
	return func(d time.Duration) (float64, error) {
		if program == "" {
			return 0, errors.New("no --limit")
		}
		cert, key := certs.files(s)
		out, err := exec.Command(program, work+s.digits(), strconv.Itoa(int(d.Milliseconds())), cert, key, certs.ca()).CombinedOutput()
		if err != nil {
			return 0, fmt.Errorf("%w: %s", err, out)
		}
		return strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
	}
}

// pair is a connection whose handshake is done.
type pair struct {
	client, server conn
	maker          maker
}

type transport func() (client, server net.Conn, err error)

// connect makes a pair; what TLS 1.3 sends behind the handshake is read.
func connect(m maker, over transport) (*pair, error) {
	a, b, err := over()
	if err != nil {
		return nil, err
	}
	p := &pair{maker: m}
	if p.client, err = m.client(a); err != nil {
		return nil, err
	}
	if p.server, err = m.server(b); err != nil {
		return nil, err
	}
	shaken := make(chan error, 1)
	go func() {
		err := p.server.Handshake()
		if err == nil {
			_, err = p.server.Write([]byte{1})
		}
		shaken <- err
	}()
	err = p.client.Handshake()
	if err == nil {
		_, err = io.ReadFull(p.client, make([]byte, 1))
	}
	return p, errors.Join(err, <-shaken)
}

func (p *pair) close() error { return errors.Join(p.client.Close(), p.server.Close()) }

// overTCP makes connections of loopback, one after the other.
func overTCP() (transport, func(), error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	return func() (net.Conn, net.Conn, error) {
		type accepted struct {
			net.Conn
			error
		}
		got := make(chan accepted, 1)
		go func() {
			nc, err := l.Accept()
			got <- accepted{nc, err}
		}()
		var d net.Dialer
		c, err := d.DialContext(context.Background(), "tcp", l.Addr().String())
		s := <-got
		return c, s.Conn, errors.Join(err, s.error)
	}, func() { l.Close() }, nil
}
