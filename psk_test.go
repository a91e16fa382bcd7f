package openssl_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
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

// TestPSKBesideSession: a session that is given too is not offered.
func TestPSKBesideSession(t *testing.T) {
	k, log := testPSK(0), &sessionLog{}
	plain, client, server := clientConfig(tls.VersionTLS13), clientConfig(tls.VersionTLS13), serverConfig(t, tls.VersionTLS13)
	plain.OnSession, client.PSK, server.GetPSK = log.add, k, knows(k)
	sctx := newCtx(t, server)
	s := reparsed(t, session(t, newCtx(t, plain), sctx, log))
	cc, sc := connected(t, newCtx(t, client), sctx, openssl.WithSession(s))
	says(t, cc, sc, "x")
	if cc.ConnectionState().DidResume || string(cc.PSKIdentity()) != "client 1" {
		t.Errorf("resumed %v, identity %q", cc.ConnectionState().DidResume, cc.PSKIdentity())
	}
}

// TestPSKOfAnotherDigest: behind a HelloRetryRequest for a suite of the other digest the PSK is not offered, and
// certificates serve.
func TestPSKOfAnotherDigest(t *testing.T) {
	client, server := clientConfig(tls.VersionTLS13), serverConfig(t, tls.VersionTLS13)
	client.PSK, client.Groups = testPSK(crypto.SHA256), "X25519:P-256"
	server.Groups, server.Ciphersuites = "P-256", "TLS_AES_256_GCM_SHA384"
	c, s := connected(t, newCtx(t, client), newCtx(t, server))
	says(t, c, s, "x")
	if state := c.ConnectionState(); len(state.PeerCertificates) == 0 || !state.HelloRetryRequest || c.PSKIdentity() != nil {
		t.Errorf("%d certificates, HelloRetryRequest %v, identity %q", len(state.PeerCertificates), state.HelloRetryRequest, c.PSKIdentity())
	}
}

// TestPSKLookupsAreBounded: a ClientHello of many identities makes a server ask for four.
func TestPSKLookupsAreBounded(t *testing.T) {
	client := clientConfig(tls.VersionTLS13)
	client.PSK = testPSK(0)
	raw, err := newCtx(t, client).NewClientSSL("localhost")
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Free()
	raw.Handshake()
	_, n := raw.Queued()
	hello := make([]byte, n)
	if _, err := raw.Take(hello); err != nil {
		t.Fatal(err)
	}
	// pre_shared_key is the last extension: type, length, identities (RFC 8446, section 4.2.11).
	one := append([]byte{0, 8}, "client 1"...)
	at := bytes.Index(hello, one) - 6
	if at < 0 {
		t.Fatal("no pre_shared_key in the ClientHello")
	}
	var ids, binders []byte
	for i := range byte(10) {
		ids = append(append(ids, 0, 8), "client a"...)
		ids[len(ids)-1] += i
		ids = append(ids, 0, 0, 0, 0)
		binders = append(append(binders, 32), make([]byte, 32)...)
	}
	list := binary.BigEndian.AppendUint16(nil, uint16(len(ids)))
	list = binary.BigEndian.AppendUint16(append(list, ids...), uint16(len(binders)))
	list = append(list, binders...)
	longer := bytes.Clone(hello[:at+2])
	longer = append(binary.BigEndian.AppendUint16(longer, uint16(len(list))), list...)
	more := len(longer) - len(hello)
	extensions := 5 + 4 + 2 + 32 // the record's header, the message's, version and random
	extensions += 1 + int(longer[extensions])
	extensions += 2 + int(binary.BigEndian.Uint16(longer[extensions:]))
	extensions += 1 + int(longer[extensions])
	for _, length := range []int{3, 7, extensions} { // of the record, the message, the extensions
		binary.BigEndian.PutUint16(longer[length:], binary.BigEndian.Uint16(longer[length:])+uint16(more))
	}

	asked := 0
	server := serverConfig(t, tls.VersionTLS13)
	server.GetPSK = func(*openssl.ClientHelloInfo, []byte) (*openssl.PSK, error) { asked++; return nil, nil }
	a, b := tcpEnds(t)
	s := serverOver(t, b, newCtx(t, server))
	if _, err := a.Write(longer); err != nil {
		t.Fatal(err)
	}
	a.CloseWrite()
	if err := s.HandshakeContext(deadline(t)); err == nil {
		t.Error("a handshake of one flight")
	}
	if asked != 4 {
		t.Errorf("asked for %d keys, want 4", asked)
	}
}
