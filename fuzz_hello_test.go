package openssl_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"testing"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/testcert"
)

// clientFlight is what a client says first.
func clientFlight(f *testing.F, version uint16, name string, protos ...string) []byte {
	f.Helper()
	c, err := openssl.NewCtx(&openssl.Config{MinVersion: version, MaxVersion: version, NextProtos: protos})
	if err != nil {
		f.Fatal(err)
	}
	s, err := c.NewClientSSL(name)
	if err != nil {
		f.Fatal(err)
	}
	defer s.Free()
	s.Handshake()
	_, n := s.Queued()
	p := make([]byte, n)
	if _, err := s.Take(p); err != nil {
		f.Fatal(err)
	}
	return p
}

// FuzzHello: what is taken out of a ClientHello, and what a server makes of any first bytes. They never
// end in more than an error, and what Hello tells is in the bytes.
func FuzzHello(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("GET / HTTP/1.1\r\n"))
	f.Add(clientFlight(f, tls.VersionTLS12, "localhost", "h2", "http/1.1"))
	f.Add(clientFlight(f, tls.VersionTLS13, "localhost", "h2"))
	f.Add(clientFlight(f, 0, "127.0.0.1"))
	c, err := openssl.NewRawCtx()
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(c.Free)
	if err := errors.Join(c.EnableHello(), c.EnableLookup(), c.EnableEvents(true, true, true)); err != nil {
		f.Fatal(err)
	}
	cert, err := openssl.X509KeyPairDER(testcert.Server().TLS.Certificate, testcert.Server().KeyDER)
	if err != nil {
		f.Fatal(err)
	}
	if err := c.UseCertificate(cert); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, first []byte) {
		s, err := c.NewSSL()
		if err != nil {
			t.Fatal(err)
		}
		defer s.Free()
		if err := errors.Join(s.SetTrace(true), s.SetAcceptState(), s.Feed(first), s.FeedEOF()); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if err := s.Handshake(); err == nil {
				t.Fatal("a handshake of one flight")
			}
			hello, err := s.Hello()
			if errors.Is(err, openssl.ErrNoHello) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, part := range append(hello.SupportedProtos, hello.ServerName) {
				// A hello may come in more records than one.
				if len(first) < 1<<14 && !bytes.Contains(first, []byte(part)) && bytes.Count(first, []byte{22, 3}) < 2 {
					t.Errorf("%q is not in the hello", part)
				}
			}
			if err := s.AnswerHello(); err != nil {
				t.Fatal(err)
			}
		}
		s.Events()
		s.Facts()
	})
}
