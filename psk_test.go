package openssl_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/testcert"
)

var pskKey = bytes.Repeat([]byte("k"), 32)

func testPSK(hash crypto.Hash) *openssl.PSK {
	return &openssl.PSK{Identity: []byte("client 1"), Key: pskKey, Hash: hash}
}

// knows is a GetPSK that knows one.
func knows(k *openssl.PSK) func(*openssl.ClientHelloInfo, []byte) (*openssl.PSK, error) {
	return func(_ *openssl.ClientHelloInfo, identity []byte) (*openssl.PSK, error) {
		if !bytes.Equal(identity, k.Identity) {
			return nil, nil
		}
		return &openssl.PSK{Key: k.Key, Hash: k.Hash}, nil
	}
}

// TestPSK: a server without a certificate and one with, both digests, with and without a HelloRetryRequest;
// no certificate is shown or asked for, and there is nothing to resume.
func TestPSK(t *testing.T) {
	if !works(t, "external PSK") {
		t.Fatal("the table says that there is a version without it")
	}
	for _, hash := range []crypto.Hash{0, crypto.SHA256, crypto.SHA384} {
		for _, certs := range []bool{false, true} {
			for _, retry := range []bool{false, true} {
				k := testPSK(hash)
				log := &sessionLog{}
				client, server := clientConfig(tls.VersionTLS13), serverConfig(t, tls.VersionTLS13)
				client.PSK, client.OnSession = k, log.add
				var asked int
				client.VerifyPeerCertificate = func([][]byte, [][]*x509.Certificate) error { asked++; return nil }
				var hooked tls.ConnectionState
				client.VerifyConnection = func(s tls.ConnectionState) error { hooked = s; return nil }
				server.GetPSK = knows(k)
				server.ClientAuth, server.ClientCAPEM = tls.RequireAndVerifyClientCert, testcert.Root().PEM
				if !certs {
					server.Certificates = nil
				}
				if retry {
					client.Groups, server.Groups = "X25519:P-256", "P-256"
				}
				c, s := connected(t, newCtx(t, client), newCtx(t, server))
				says(t, c, s, "hello")
				says(t, s, c, "hello")
				for _, end := range []*openssl.Conn{c, s} {
					state := end.ConnectionState()
					if state.DidResume || len(state.PeerCertificates) != 0 || state.HelloRetryRequest != retry {
						t.Errorf("resumed %v, %d certificates, HelloRetryRequest %v", state.DidResume, len(state.PeerCertificates), state.HelloRetryRequest)
					}
					if string(end.PSKIdentity()) != "client 1" {
						t.Errorf("identity %q", end.PSKIdentity())
					}
					if sha384 := state.CipherSuite == tls.TLS_AES_256_GCM_SHA384; sha384 != (hash == crypto.SHA384) {
						t.Errorf("hash %v: suite %s", hash, tls.CipherSuiteName(state.CipherSuite))
					}
				}
				if asked != 0 || hooked.DidResume || !hooked.HandshakeComplete && hooked.Version != tls.VersionTLS13 {
					t.Errorf("hooks: %d, %+v", asked, hooked)
				}
				closeBoth(t, c, s)
				if all := log.take(); len(all) != 0 {
					t.Errorf("%d tickets", len(all))
				}
			}
		}
	}
}

// TestPSKUnknown: who is not known must show certificates; a wrong key ends the handshake.
func TestPSKUnknown(t *testing.T) {
	other := testPSK(0)
	other.Identity = []byte("somebody else")
	wrong := testPSK(0)
	wrong.Key = bytes.Repeat([]byte("x"), 32)
	boom := errors.New("the store is down")
	for _, test := range []struct {
		name   string
		get    func(*openssl.ClientHelloInfo, []byte) (*openssl.PSK, error)
		change func(client, server *openssl.Config)
		check  func(clientErr, serverErr error) bool
	}{
		{"certificate in its place", knows(other), nil, func(c, s error) bool { return c == nil && s == nil }},
		{"certificate of no known root", knows(other), func(c, _ *openssl.Config) { c.RootCAPEM = testcert.NewCA("x").PEM },
			func(c, s error) bool { var v *openssl.VerifyError; return errors.As(c, &v) && s != nil }},
		{"client certificate is required", knows(other), func(_, s *openssl.Config) {
			s.ClientAuth, s.ClientCAPEM = tls.RequireAndVerifyClientCert, testcert.Root().PEM
		}, func(_, s error) bool { return s != nil }},
		{"no certificate", knows(other), func(_, s *openssl.Config) { s.Certificates = nil }, func(c, s error) bool { return c != nil && s != nil }},
		{"wrong key", knows(wrong), nil, func(c, s error) bool { return c != nil && s != nil }},
		{"error", func(*openssl.ClientHelloInfo, []byte) (*openssl.PSK, error) { return nil, boom }, nil,
			func(c, s error) bool { return c != nil && errors.Is(s, boom) }},
		{"panic", func(*openssl.ClientHelloInfo, []byte) (*openssl.PSK, error) { panic("no") }, nil,
			func(c, s error) bool { return c != nil && strings.Contains(s.Error(), "panic in GetPSK") }},
		{"short key", func(*openssl.ClientHelloInfo, []byte) (*openssl.PSK, error) {
			return &openssl.PSK{Key: pskKey[:15]}, nil
		}, nil, func(c, s error) bool { return c != nil && errors.Is(s, openssl.ErrConfig) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			client, server := clientConfig(tls.VersionTLS13), serverConfig(t, tls.VersionTLS13)
			client.PSK, server.GetPSK = testPSK(0), test.get
			if test.change != nil {
				test.change(&client, &server)
			}
			c, s := ends(t, newCtx(t, client), newCtx(t, server))
			cerr, serr := handshakes(t, c, s)
			if cerr == nil && serr != nil {
				_, cerr = c.Read(make([]byte, 1))
			}
			if !test.check(cerr, serr) {
				t.Errorf("client %v, server %v", cerr, serr)
			}
			if c.PSKIdentity() != nil || s.PSKIdentity() != nil {
				t.Errorf("identities %q, %q", c.PSKIdentity(), s.PSKIdentity())
			}
		})
	}
}

// TestPSKBounds: what cannot be a PSK is refused when the Ctx is made; the longest serves. TLS 1.2 goes by
// certificates.
func TestPSKBounds(t *testing.T) {
	long := bytes.Repeat([]byte("i"), 256)
	for _, k := range []openssl.PSK{
		{Key: pskKey}, {Identity: append(long, 'i'), Key: pskKey}, {Identity: long, Key: pskKey[:15]},
		{Identity: long, Key: bytes.Repeat([]byte("k"), 257)}, {Identity: long, Key: pskKey, Hash: crypto.SHA1}, {Identity: long},
	} {
		if c, err := openssl.NewCtx(&openssl.Config{PSK: &k}); c != nil || !errors.Is(err, openssl.ErrConfig) {
			t.Errorf("%d, %d, %v: %v", len(k.Identity), len(k.Key), k.Hash, err)
		}
	}
	for _, n := range []int{16, 256} {
		k := &openssl.PSK{Identity: long, Key: bytes.Repeat([]byte("k"), n)}
		client := clientConfig(tls.VersionTLS13)
		client.PSK = k
		server := openssl.Config{GetPSK: knows(k), MinVersion: tls.VersionTLS13}
		c, s := connected(t, newCtx(t, client), newCtx(t, server))
		if !bytes.Equal(c.PSKIdentity(), long) || !bytes.Equal(s.PSKIdentity(), long) {
			t.Errorf("key of %d bytes: %q, %q", n, c.PSKIdentity(), s.PSKIdentity())
		}
	}
	client, server := clientConfig(tls.VersionTLS12), serverConfig(t, tls.VersionTLS12)
	client.PSK, server.GetPSK = testPSK(0), knows(testPSK(0))
	c, s := connected(t, newCtx(t, client), newCtx(t, server))
	if len(c.ConnectionState().PeerCertificates) != 1 || s.PSKIdentity() != nil {
		t.Errorf("TLS 1.2: %d certificates, identity %q", len(c.ConnectionState().PeerCertificates), s.PSKIdentity())
	}
}

// TestPSKLookup: GetPSK runs in a suspended handshake, whose context ends it; the chosen Ctx's counts; tickets
// and a cache go on to serve those who have none.
func TestPSKLookup(t *testing.T) {
	k := testPSK(0)
	client, server := clientConfig(tls.VersionTLS13), serverConfig(t, tls.VersionTLS13)
	client.PSK = k
	server.GetPSK = func(info *openssl.ClientHelloInfo, _ []byte) (*openssl.PSK, error) {
		<-info.Context().Done()
		return nil, info.Context().Err()
	}
	c, s := ends(t, newCtx(t, client), newCtx(t, server))
	ctx, cancel := context.WithCancel(context.Background())
	go c.HandshakeContext(deadline(t))
	go cancel()
	if err := s.HandshakeContext(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a look-up that waits: %v", err)
	}
	c.Close()

	for _, stateful := range []bool{false, true} {
		chosen := serverConfig(t, tls.VersionTLS13)
		chosen.GetPSK = knows(k)
		if stateful {
			chosen.SessionCache = openssl.NewMemoryCache(0)
		}
		inner := newCtx(t, chosen)
		outer := serverConfig(t, tls.VersionTLS13)
		outer.GetCtxForClient = func(*openssl.ClientHelloInfo) (*openssl.Ctx, error) { return inner, nil }
		octx := newCtx(t, outer)
		c, s := connected(t, newCtx(t, client), octx)
		if string(s.PSKIdentity()) != "client 1" || string(c.PSKIdentity()) != "client 1" {
			t.Errorf("stateful %v: %q, %q", stateful, c.PSKIdentity(), s.PSKIdentity())
		}
		log := &sessionLog{}
		plain := clientConfig(tls.VersionTLS13)
		plain.OnSession = log.add
		pctx := newCtx(t, plain)
		for _, resumed := range []bool{false, true} {
			var opts []openssl.ConnOption
			if all := log.take(); len(all) > 0 {
				opts = append(opts, openssl.WithSession(all[len(all)-1]))
			}
			c, s := connected(t, pctx, octx, opts...)
			says(t, s, c, "x")
			inner.Drain(deadline(t))
			if c.ConnectionState().DidResume != resumed || s.ConnectionState().DidResume != resumed || s.PSKIdentity() != nil {
				t.Errorf("stateful %v, resumed %v: client %v, server %v, identity %q", stateful, resumed, c.ConnectionState().DidResume,
					s.ConnectionState().DidResume, s.PSKIdentity())
			}
			closeBoth(t, c, s)
		}
	}
}

// TestPSKPeers: the openssl command at the other end, in both roles.
func TestPSKPeers(t *testing.T) {
	k := testPSK(0)
	text := hex.EncodeToString(k.Key)
	s := runOpenSSL(t, "s_server", "-accept", "127.0.0.1:0", "-tls1_3", "-nocert", "-psk_identity", "client 1", "-psk", text)
	_, addr, _ := strings.Cut(s.expect("ACCEPT"), "ACCEPT ")
	client := clientConfig(tls.VersionTLS13)
	client.PSK = k
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	c := clientOver(t, nc, newCtx(t, client))
	if err := c.HandshakeContext(deadline(t)); err != nil || string(c.PSKIdentity()) != "client 1" {
		t.Fatalf("with s_server: %v, identity %q", err, c.PSKIdentity())
	}
	if _, err := c.Write([]byte("hello by psk\n")); err != nil {
		t.Fatal(err)
	}
	s.expect("hello by psk")

	l, err := openssl.Listen("tcp", "127.0.0.1:0", newCtx(t, openssl.Config{GetPSK: knows(k), MinVersion: tls.VersionTLS13}))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p := runOpenSSL(t, "s_client", "-connect", l.Addr().String(), "-tls1_3", "-psk_identity", "client 1", "-psk", text)
	in, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	p.say("hello by psk\n")
	buf := make([]byte, len("hello by psk\n"))
	if _, err := io.ReadFull(in, buf); err != nil || string(in.(*openssl.Conn).PSKIdentity()) != "client 1" {
		t.Errorf("with s_client: %q, %v", buf, err)
	}
}
