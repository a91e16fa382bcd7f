package openssl_test

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/testcert"
)

// spki is a certificate's key, as both ends must agree on it.
func spki(t *testing.T, c *testcert.Cert) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(c.TLS.PrivateKey.(crypto.Signer).Public())
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// TestRawPublicKeys: keys in place of certificates, of the server alone and of both ends, in both versions;
// another key is refused, and so is a peer that shows none.
func TestRawPublicKeys(t *testing.T) {
	serverKey, clientKey := spki(t, testcert.Server()), spki(t, testcert.Client())
	if !works(t, "raw public keys") {
		for _, cfg := range []openssl.Config{{RawPublicKey: true}, {PeerPublicKeys: [][]byte{serverKey}}} {
			if _, err := openssl.NewCtx(&cfg); err == nil {
				t.Error("a Ctx")
			} else {
				mustLack(t, err, "raw public keys")
			}
		}
		return
	}
	for _, version := range bothVersions {
		for _, test := range []struct {
			name   string
			change func(client, server *openssl.Config)
			peers  [2][]byte // whom the client and the server see; nil for nobody by key
			fails  bool
		}{
			{"the server's", func(c, s *openssl.Config) { c.RootCAPEM = nil }, [2][]byte{serverKey, nil}, false},
			{"both", func(c, s *openssl.Config) {
				c.RawPublicKey, c.Certificates = true, pairs(t, testcert.Client())
				s.PeerPublicKeys, s.ClientAuth = [][]byte{serverKey, clientKey}, tls.RequireAndVerifyClientCert
			}, [2][]byte{serverKey, clientKey}, false},
			{"of several", func(c, s *openssl.Config) { c.PeerPublicKeys = [][]byte{clientKey, serverKey} }, [2][]byte{serverKey, nil}, false},
			{"no name counts", func(c, s *openssl.Config) { c.ServerName = "elsewhere.example" }, [2][]byte{serverKey, nil}, false},
			{"the client's is optional", func(c, s *openssl.Config) {
				s.PeerPublicKeys, s.ClientAuth = [][]byte{clientKey}, tls.VerifyClientCertIfGiven
			}, [2][]byte{serverKey, nil}, false},
			{"another server", func(c, s *openssl.Config) { c.PeerPublicKeys = [][]byte{clientKey} }, [2][]byte{}, true},
			{"another client", func(c, s *openssl.Config) {
				c.RawPublicKey, c.Certificates = true, pairs(t, testcert.Client())
				s.PeerPublicKeys, s.ClientAuth = [][]byte{serverKey}, tls.RequireAndVerifyClientCert
			}, [2][]byte{}, true},
			{"another client, where any will do", func(c, s *openssl.Config) {
				c.RawPublicKey, c.Certificates = true, pairs(t, testcert.Client())
				s.PeerPublicKeys, s.ClientAuth = [][]byte{serverKey}, tls.RequireAnyClientCert
			}, [2][]byte{}, true},
			{"no client", func(c, s *openssl.Config) {
				s.PeerPublicKeys, s.ClientAuth = [][]byte{clientKey}, tls.RequireAndVerifyClientCert
			}, [2][]byte{}, true},
			{"a server with a certificate alone", func(c, s *openssl.Config) { s.RawPublicKey = false }, [2][]byte{}, true},
			{"a client with a certificate alone", func(c, s *openssl.Config) {
				c.Certificates = pairs(t, testcert.Client())
				s.PeerPublicKeys, s.ClientAuth = [][]byte{clientKey}, tls.RequireAndVerifyClientCert
			}, [2][]byte{}, true},
			{"certificates, where the client asks for no key", func(c, s *openssl.Config) { c.PeerPublicKeys = nil }, [2][]byte{}, false},
		} {
			t.Run(tls.VersionName(version)+"/"+test.name, func(t *testing.T) {
				client, server := clientConfig(version), serverConfig(t, version)
				client.PeerPublicKeys, server.RawPublicKey = [][]byte{serverKey}, true
				var hooked int
				client.VerifyConnection = func(tls.ConnectionState) error { hooked++; return nil }
				test.change(&client, &server)
				c, s := ends(t, newCtx(t, client), newCtx(t, server))
				cerr, serr := handshakes(t, c, s)
				if test.fails {
					if cerr == nil && serr == nil {
						t.Error("the handshake is complete")
					}
					return
				}
				if cerr != nil || serr != nil {
					t.Fatalf("client %v, server %v", cerr, serr)
				}
				says(t, c, s, "hello")
				says(t, s, c, "hello")
				for i, end := range []*openssl.Conn{c, s} {
					if got := end.PeerPublicKey(); !bytes.Equal(got, test.peers[i]) {
						t.Errorf("end %d sees the key %x, want %x", i, got, test.peers[i])
					}
				}
				if n := len(c.ConnectionState().PeerCertificates); (n == 0) != (test.peers[0] != nil) || hooked != 1 {
					t.Errorf("%d certificates, the hook ran %d times", n, hooked)
				}
			})
		}
	}
	// A session that a certificate began stands for no key.
	for _, version := range bothVersions {
		log := &sessionLog{}
		plain, client, server := clientConfig(version), clientConfig(version), serverConfig(t, version)
		plain.OnSession, client.PeerPublicKeys, server.RawPublicKey = log.add, [][]byte{serverKey}, true
		sctx := newCtx(t, server)
		s := reparsed(t, session(t, newCtx(t, plain), sctx, log))
		if c, _ := connected(t, newCtx(t, client), sctx, openssl.WithSession(s)); !bytes.Equal(c.PeerPublicKey(), serverKey) {
			t.Errorf("%s: the key %x, resumed %v", tls.VersionName(version), c.PeerPublicKey(), c.ConnectionState().DidResume)
		}
	}
	for _, cfg := range []openssl.Config{{PeerPublicKeys: [][]byte{nil}}, {PeerPublicKeys: [][]byte{serverKey[1:]}},
		{PeerPublicKeys: [][]byte{serverKey}, InsecureSkipVerify: true}} {
		if _, err := openssl.NewCtx(&cfg); !errors.Is(err, openssl.ErrConfig) {
			t.Errorf("%x: %v", cfg.PeerPublicKeys, err)
		}
	}
}

// TestCertCompression: with each algorithm of the build the server's certificate goes compressed to our client,
// and as it is to crypto/tls; what the build lacks is told.
func TestCertCompression(t *testing.T) {
	const feature = "certificate compression"
	known := which(t, feature).Which
	if works(t, feature) != (len(known) > 0) {
		t.Errorf("the library has %q, the table says otherwise", known)
	}
	for _, name := range []string{"zlib", "brotli", "zstd"} {
		server, client := serverConfig(t, tls.VersionTLS13), clientConfig(tls.VersionTLS13)
		server.CertCompression, client.CertCompression = []string{name}, []string{name}
		if !slices.Contains(known, name) {
			_, err := openssl.NewCtx(&server)
			mustLack(t, err, feature)
			continue
		}
		if got := certificateMessage(t, newCtx(t, client), newCtx(t, server)); got != 25 {
			t.Errorf("%s: message %d, want CompressedCertificate", name, got)
		}
		c, s := connected(t, newCtx(t, client), newCtx(t, server))
		says(t, s, c, "hello")
		if len(c.ConnectionState().VerifiedChains) != 1 {
			t.Errorf("%s: not verified", name)
		}
		a, b := tcpEnds(t)
		std := tls.Client(a, &tls.Config{RootCAs: testcert.Root().Pool(), ServerName: "localhost"})
		mustShake(t, std, serverOver(t, b, newCtx(t, server)))
	}
	if _, err := openssl.NewCtx(&openssl.Config{CertCompression: []string{"gzip"}}); !errors.Is(err, openssl.ErrConfig) {
		t.Errorf("gzip: %v", err)
	}
}

// TestCertCompressionStaple: a client that asks for a staple gets it, with the certificate as it is.
func TestCertCompressionStaple(t *testing.T) {
	staple := ocspResponse(t, []byte("x"))
	for _, name := range which(t, "certificate compression").Which {
		cert := keyPair(t, testcert.Server())
		cfg, client := serverConfig(t, tls.VersionTLS13), newCtx(t, clientConfig(tls.VersionTLS13))
		// The staple is that of one certificate of two, the last.
		cfg.Certificates, cfg.CertCompression = append(pairs(t, testcert.ServerRSA()), cert), []string{name}
		servers := []*openssl.Ctx{newCtx(t, cfg)}
		cfg.GetCertificate = func(*openssl.ClientHelloInfo) (*openssl.Certificate, error) { return cert, nil }
		for i, server := range append(servers, newCtx(t, cfg)) {
			for _, want := range [][]byte{nil, staple, nil, staple} {
				if err := cert.SetOCSPStaple(want); err != nil {
					t.Fatal(err)
				}
				message := 25
				if want != nil {
					message = 11
				}
				if got := certificateMessage(t, client, server); got != message {
					t.Errorf("%s, server %d, a staple of %d bytes: message %d, want %d", name, i, len(want), got, message)
				}
				c, _ := connected(t, client, server)
				if got := c.ConnectionState().OCSPResponse; !bytes.Equal(got, want) {
					t.Errorf("%s, server %d: %d bytes, want %d", name, i, len(got), len(want))
				}
			}
			// A RawCtx asks for none.
			c, err := rawCtx(t, nil).NewSSL()
			if err == nil {
				err = c.SetConnectState()
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := certificateMessageTo(t, c, server); got != 25 {
				t.Errorf("%s, server %d, no staple is asked for: message %d", name, i, got)
			}
		}
	}
}

// TestCertCompressionChosen: what GetCertificate answers goes compressed too, by what the Ctx of the connection
// says, on every connection. The handshakes are complete: no other certificate goes in its place.
func TestCertCompressionChosen(t *testing.T) {
	known := which(t, "certificate compression").Which
	if len(known) == 0 {
		return // TestCertCompression tells
	}
	ec := testcert.Root().Server(testcert.Options{Names: []string{"localhost"}})
	for _, answer := range []string{"EC", "RSA", "signer"} {
		var cert *openssl.Certificate
		switch answer {
		case "EC":
			cert = keyPair(t, ec)
		case "RSA":
			cert = keyPair(t, testcert.ServerRSA())
		case "signer":
			var err error
			if cert, err = openssl.SignerCertificate(ec.ChainDER, &onlySigner{Signer: ec.TLS.PrivateKey.(crypto.Signer)}); err != nil {
				t.Fatal(err)
			}
		}
		get := func(*openssl.ClientHelloInfo) (*openssl.Certificate, error) { return cert, nil }
		servers, clients := map[string]*openssl.Ctx{}, map[string]*openssl.Ctx{}
		for _, name := range known {
			client, server := clientConfig(tls.VersionTLS13), serverConfig(t, tls.VersionTLS13)
			client.CertCompression = []string{name}
			server.CertCompression, server.GetCertificate = []string{name}, get
			clients[name], servers[name] = newCtx(t, client), newCtx(t, server)
			server.Certificates, server.Groups = nil, "P-384" // and a HelloRetryRequest
			servers["by itself, "+name] = newCtx(t, server)
			server.CertCompression, server.Groups = known, ""
			servers["all, "+name] = newCtx(t, server)
			server.GetCtxForClient = func(*openssl.ClientHelloInfo) (*openssl.Ctx, error) { return servers[name], nil }
			server.GetCertificate, server.Certificates, server.CertCompression = nil, nil, nil
			servers["chosen, "+name] = newCtx(t, server)
		}
		for range 2 {
			for kind, server := range servers {
				for name, client := range clients {
					want := 11
					if strings.HasSuffix(kind, name) || strings.HasPrefix(kind, "all") {
						want = 25
					}
					c, err := client.NewClientSSL("localhost")
					if err != nil {
						t.Fatal(err)
					}
					if got := certificateMessageTo(t, c, server); got != want {
						t.Errorf("%s, a server with %s, a client with %s: message %d, want %d", answer, kind, name, got, want)
					}
				}
			}
		}
	}
}

// certificateMessage is the type of the handshake message that the server's certificate comes in.
func certificateMessage(t *testing.T, client, server *openssl.Ctx) int {
	t.Helper()
	c, err := client.NewClientSSL("localhost")
	if err != nil {
		t.Fatal(err)
	}
	return certificateMessageTo(t, c, server)
}

// certificateMessageTo frees the client.
func certificateMessageTo(t *testing.T, c *openssl.SSL, server *openssl.Ctx) (typ int) {
	t.Helper()
	defer c.Free()
	a, b := tcpEnds(t)
	s := serverOver(t, b, server)
	done := make(chan error, 1)
	go func() { done <- s.HandshakeContext(deadline(t)) }()
	c.SetTrace(true)
	buf := make([]byte, 64<<10)
	for !c.InitFinished() {
		failed := c.Handshake()
		n, err := c.Take(buf)
		if err == nil {
			_, err = a.Write(buf[:n])
		}
		if err == nil && !c.InitFinished() {
			n, err = a.Read(buf)
			c.Feed(buf[:n])
		}
		if err != nil {
			t.Fatal(err, failed)
		}
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for _, e := range c.Events() {
		if e.Kind == openssl.EventMessage && !e.Sent && e.ContentType == openssl.ContentHandshake && (e.Data[0] == 11 || e.Data[0] == 25) {
			typ = int(e.Data[0])
		}
	}
	return typ
}
