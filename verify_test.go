package openssl_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/testcert"
)

// verdict is what a handshake came to, the same for every implementation.
type verdict struct {
	OK    bool
	Alert string // what the refusing end sent
}

// TestVerifyServer has a client judge a crypto/tls server.
func TestVerifyServer(t *testing.T) {
	root := testcert.Root()
	named := func(names ...string) *testcert.Cert { return root.Server(testcert.Options{Names: names}) }
	commonNameOnly := root.Server(testcert.Options{Names: []string{}, CommonName: "localhost"})
	for _, test := range []struct {
		name       string
		cert       *testcert.Cert
		serverName string
		want       verdict
		reason     string // X509_V_ERR in words
	}{
		{"good", testcert.Server(), "localhost", verdict{OK: true}, ""},
		{"good, RSA", testcert.ServerRSA(), "localhost", verdict{OK: true}, ""},
		{"good, intermediate", root.Server(testcert.Options{Intermediate: true}), "localhost", verdict{OK: true}, ""},
		{"good, dot at the end", testcert.Server(), "localhost.", verdict{OK: true}, ""},
		{"good, capital letters", testcert.Server(), "LocalHost", verdict{OK: true}, ""},
		{"good, IPv4", testcert.Server(), "127.0.0.1", verdict{OK: true}, ""},
		{"good, IPv6", testcert.Server(), "::1", verdict{OK: true}, ""},
		{"good, IPv6 in brackets", testcert.Server(), "[::1]", verdict{OK: true}, ""},
		{"good, wildcard", named("*.example.com"), "a.example.com", verdict{OK: true}, ""},
		{"untrusted CA", testcert.OtherCAServer(), "localhost", verdict{Alert: "unknown_CA"}, "unable to get local issuer certificate"},
		{"expired", testcert.ExpiredServer(), "localhost", verdict{Alert: "certificate_expired"}, "certificate has expired"},
		{"not yet valid", root.Server(testcert.Options{NotYetValid: true}), "localhost", verdict{Alert: "bad_certificate"}, "certificate is not yet valid"},
		{"wrong name", testcert.WrongNameServer(), "localhost", verdict{Alert: "bad_certificate"}, "hostname mismatch"},
		{"common name only", commonNameOnly, "localhost", verdict{Alert: "bad_certificate"}, "hostname mismatch"},
		{"other IPv4", testcert.Server(), "127.0.0.2", verdict{Alert: "bad_certificate"}, "IP address mismatch"},
		{"other IPv6", testcert.Server(), "::2", verdict{Alert: "bad_certificate"}, "IP address mismatch"},
		{"IP address in a DNS name", named("localhost"), "127.0.0.1", verdict{Alert: "bad_certificate"}, "IP address mismatch"},
		{"wildcard, two labels", named("*.example.com"), "a.b.example.com", verdict{Alert: "bad_certificate"}, "hostname mismatch"},
		{"wildcard, no label", named("*.example.com"), "example.com", verdict{Alert: "bad_certificate"}, "hostname mismatch"},
		{"wildcard, part of a label", named("a*.example.com"), "ab.example.com", verdict{Alert: "bad_certificate"}, "hostname mismatch"},
		{"a client's certificate", root.Client(testcert.Options{Names: []string{"localhost"}}), "localhost",
			verdict{Alert: "unsupported_certificate"}, "certificate purpose"},
	} {
		for _, version := range bothVersions {
			t.Run(test.name+"/"+tls.VersionName(version), func(t *testing.T) {
				cfg := clientConfig(version)
				cfg.ServerName = test.serverName
				a, b := tcpEnds(t)
				c := clientOver(t, a, newCtx(t, cfg))
				s := tls.Server(b, &tls.Config{Certificates: []tls.Certificate{test.cert.TLS}})
				cerr, serr := handshakes(t, c, s)
				if diff := cmp.Diff(test.want, verdict{cerr == nil, alertOf(cerr)}); diff != "" {
					t.Fatalf("verdict (-want +got):\n%s%v", diff, cerr)
				}
				if test.want.OK {
					return
				}
				if serr == nil {
					t.Error("the refused server completed its handshake")
				}
				if e := asError(t, cerr); e.Origin != openssl.FromLibrary || e.Op != "handshake" {
					t.Errorf("refused by %v in %q: %v", e.Origin, e.Op, e)
				}
				// 1.1.1 words some reasons differently: "Hostname mismatch", "unsupported certificate purpose".
				if !strings.Contains(strings.ToLower(cerr.Error()), strings.ToLower(test.reason)) {
					t.Errorf("error %q does not say %q", cerr, test.reason)
				}
				var verifyErr *openssl.VerifyError
				if !errors.As(cerr, &verifyErr) || !strings.Contains(strings.ToLower(verifyErr.Reason), strings.ToLower(test.reason)) {
					t.Errorf("VerifyError %+v, want the reason %q", verifyErr, test.reason)
				}
				if _, err := c.Write([]byte("x")); err == nil {
					t.Error("Write after a refused handshake worked")
				}
			})
		}
	}
}

// A client that must verify has a name and roots, or does not begin.
func TestVerifyNeedsName(t *testing.T) {
	for _, name := range []string{"", ".", "..."} {
		ctx := newCtx(t, openssl.Config{RootCAPEM: testcert.Root().PEM, ServerName: name})
		a, _ := net.Pipe()
		if _, err := openssl.Client(a, ctx); !errors.Is(err, openssl.ErrNoServerName) {
			t.Errorf("Client with the name %q: %v, want ErrNoServerName", name, err)
		}
	}
	// To libcrypto a dot in front means every subdomain, and a NUL ends the name.
	for _, name := range []string{"good.example\x00.evil.example", ".example.com", strings.Repeat("a", 300)} {
		ctx := newCtx(t, openssl.Config{RootCAPEM: testcert.Root().PEM, ServerName: name})
		a, _ := net.Pipe()
		_, err := openssl.Client(a, ctx)
		if !errors.Is(err, openssl.ErrConfig) {
			t.Errorf("Client with the name %.30q: %v, want ErrConfig", name, err)
		}
	}
}

func TestInsecureSkipVerify(t *testing.T) {
	for _, version := range bothVersions {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			ctx := newCtx(t, openssl.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version})
			a, b := tcpEnds(t)
			c := clientOver(t, a, ctx)
			mustShake(t, c, tls.Server(b, &tls.Config{Certificates: []tls.Certificate{testcert.ExpiredServer().TLS}}))
			state := c.ConnectionState()
			if len(state.PeerCertificates) != 1 || len(state.VerifiedChains) != 0 {
				t.Errorf("%d peer certificates, %d verified chains; want 1 and none", len(state.PeerCertificates), len(state.VerifiedChains))
			}
		})
	}
}

type clientCert struct {
	name string
	cert *testcert.Cert // nil: none
}

var clientCerts = []func() clientCert{
	func() clientCert { return clientCert{"none", nil} },
	func() clientCert { return clientCert{"good", testcert.Client()} },
	func() clientCert { return clientCert{"good RSA", testcert.ClientRSA()} },
	func() clientCert { return clientCert{"bad CA", testcert.OtherCAClient()} },
	func() clientCert { return clientCert{"expired", testcert.ExpiredClient()} },
	func() clientCert { return clientCert{"a server's", testcert.Server()} },
}

// judged is what a server must make of a client's certificate.
func judged(auth tls.ClientAuthType, cert string, version uint16) verdict {
	alerts := map[string]string{"bad CA": "unknown_CA", "expired": "certificate_expired", "a server's": "unsupported_certificate"}
	none := "handshake_failure"
	if version == tls.VersionTLS13 {
		none = "certificate_required"
	}
	if cert == "none" {
		if auth == tls.RequireAnyClientCert || auth == tls.RequireAndVerifyClientCert {
			return verdict{Alert: none}
		}
		return verdict{OK: true}
	}
	if alert := alerts[cert]; alert != "" && auth >= tls.VerifyClientCertIfGiven {
		return verdict{Alert: alert}
	}
	return verdict{OK: true}
}

// oneClient is a client of either implementation after its side of the handshake.
type oneClient struct {
	net.Conn
	shake   handshaker
	tickets func() int // sessions that it got
}

func clientsOf(t *testing.T, version uint16, cert *testcert.Cert) map[string]func(net.Conn) oneClient {
	return map[string]func(net.Conn) oneClient{
		"crypto-tls": func(nc net.Conn) oneClient {
			cache := &countingCache{}
			c := tls.Client(nc, &tls.Config{
				RootCAs: testcert.Root().Pool(), ServerName: "localhost", MinVersion: version, MaxVersion: version,
				ClientSessionCache: cache,
				// Not Certificates: they are shown only where the server's list of authorities fits.
				GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
					if cert == nil {
						return &tls.Certificate{}, nil
					}
					return &cert.TLS, nil
				},
			})
			return oneClient{c, c, func() int { return cache.puts }}
		},
		"ours": func(nc net.Conn) oneClient {
			cfg := clientConfig(version)
			if cert != nil {
				cfg.Certificates = pairs(t, cert)
			}
			n := 0
			cfg.OnSession = func(*openssl.Conn, *openssl.Session) { n++ }
			c := clientOver(t, nc, newCtx(t, cfg))
			return oneClient{c, c, func() int { return n }}
		},
	}
}

type countingCache struct{ puts int }

func (c *countingCache) Get(string) (*tls.ClientSessionState, bool) { return nil, false }
func (c *countingCache) Put(_ string, s *tls.ClientSessionState) {
	if s != nil {
		c.puts++
	}
}

// TestClientCertificate has our server judge clients' certificates.
func TestClientCertificate(t *testing.T) {
	auths := []tls.ClientAuthType{tls.NoClientCert, tls.RequestClientCert, tls.RequireAnyClientCert,
		tls.VerifyClientCertIfGiven, tls.RequireAndVerifyClientCert}
	for _, version := range bothVersions {
		for _, auth := range auths {
			for _, makeCert := range clientCerts {
				cert := makeCert()
				for impl, client := range clientsOf(t, version, cert.cert) {
					t.Run(fmt.Sprintf("%s/%v/%s/%s", tls.VersionName(version), auth, cert.name, impl), func(t *testing.T) {
						cache := openssl.NewMemoryCache(0)
						cfg := serverConfig(t, version)
						cfg.ClientAuth = auth
						cfg.ClientCAPEM = testcert.Root().PEM
						cfg.SessionCache = cache
						a, b := tcpEnds(t)
						s := serverOver(t, b, newCtx(t, cfg))
						checkJudged(t, client(a), s, cache, judged(auth, cert.name, version), auth, cert)
					})
				}
			}
		}
	}
}

func checkJudged(t *testing.T, c oneClient, s *openssl.Conn, cache *openssl.MemoryCache, want verdict, auth tls.ClientAuthType, cert clientCert) {
	t.Helper()
	// The client talks as soon as it can: nothing of that may reach a server that refuses it.
	talked := make(chan error, 1)
	go func() {
		err := c.shake.HandshakeContext(deadline(t))
		if err == nil {
			_, err = io.WriteString(c, "secret")
		}
		buf := make([]byte, 5)
		if err == nil {
			_, err = io.ReadFull(c, buf)
		}
		talked <- err
	}()
	serr := s.HandshakeContext(deadline(t))
	if diff := cmp.Diff(want, verdict{serr == nil, alertOf(serr)}); diff != "" {
		t.Errorf("verdict (-want +got):\n%s%v", diff, serr)
	}
	buf := make([]byte, 6)
	n, err := io.ReadFull(s, buf)
	if want.OK {
		if err != nil {
			t.Fatalf("read after the handshake: %v", err)
		}
		if _, err := io.WriteString(s, "hello"); err != nil {
			t.Fatal(err)
		}
		if err := <-talked; err != nil {
			t.Fatalf("client: %v", err)
		}
		state := s.ConnectionState()
		shown := cert.cert != nil && auth != tls.NoClientCert
		verified := shown && auth >= tls.VerifyClientCertIfGiven
		if (len(state.PeerCertificates) > 0) != shown || (len(state.VerifiedChains) > 0) != verified {
			t.Errorf("%d peer certificates, %d verified chains", len(state.PeerCertificates), len(state.VerifiedChains))
		}
		return
	}
	if n != 0 || err == nil {
		t.Errorf("the refusing server read %d bytes, error %v", n, err)
	}
	if e := asError(t, serr); e.Origin != openssl.FromLibrary {
		t.Errorf("origin %v of %v", e.Origin, e)
	}
	clientErr := <-talked
	if clientErr == nil {
		t.Error("the refused client read data")
	}
	var fromPeer *openssl.AlertError
	if errors.As(clientErr, &fromPeer) {
		if got := fromPeer.Alert.String(); got != want.Alert || !fromPeer.FromPeer {
			t.Errorf("the client got the alert %v (from the peer: %v), want %s", got, fromPeer.FromPeer, want.Alert)
		}
	} else if _, ours := c.Conn.(*openssl.Conn); ours {
		t.Errorf("the refused client's error is %v, no alert", clientErr)
	}
	if n := c.tickets(); n != 0 {
		t.Errorf("the refused client got %d sessions", n)
	}
	if n := cache.Len(); n != 0 {
		t.Errorf("%d sessions of a refused client in the cache", n)
	}
}

// With suites that show no certificates libssl has nothing to verify and calls that verified.
func TestAnonymousSuites(t *testing.T) {
	const anonymous = "aNULL:@SECLEVEL=0"
	server := openssl.Config{CipherList: anonymous, MaxVersion: tls.VersionTLS12}
	client := openssl.Config{CipherList: anonymous, MaxVersion: tls.VersionTLS12, ServerName: "localhost",
		RootCAPEM: testcert.Root().PEM}

	t.Run("client skips", func(t *testing.T) {
		cfg := client
		cfg.InsecureSkipVerify = true
		c, s := connected(t, newCtx(t, cfg), newCtx(t, server))
		says(t, c, s, "anonymous")
	})
	t.Run("client verifies", func(t *testing.T) {
		c, s := ends(t, newCtx(t, client), newCtx(t, server))
		cerr, serr := handshakes(t, c, s)
		if cerr == nil || serr == nil {
			t.Fatalf("client %v, server %v; want both refused", cerr, serr)
		}
		if !strings.Contains(cerr.Error(), "not verified") {
			t.Errorf("error %q does not say why", cerr)
		}
	})
	t.Run("client pins", func(t *testing.T) {
		cfg := client
		cfg.InsecureSkipVerify = true
		cfg.VerifyPeerCertificate = func(raw [][]byte, _ [][]*x509.Certificate) error {
			return fmt.Errorf("%d certificates", len(raw))
		}
		c, s := ends(t, newCtx(t, cfg), newCtx(t, server))
		if cerr, _ := handshakes(t, c, s); cerr == nil || !strings.Contains(cerr.Error(), "0 certificates") {
			t.Errorf("error %v, want the hook's", cerr)
		}
	})
	for _, auth := range []tls.ClientAuthType{tls.RequireAnyClientCert, tls.RequireAndVerifyClientCert} {
		t.Run(auth.String(), func(t *testing.T) {
			scfg, ccfg := server, client
			scfg.ClientAuth, scfg.ClientCAPEM = auth, testcert.Root().PEM
			ccfg.InsecureSkipVerify = true
			ccfg.Certificates = pairs(t, testcert.Client())
			c, s := ends(t, newCtx(t, ccfg), newCtx(t, scfg))
			if _, serr := handshakes(t, c, s); serr == nil {
				t.Error("a server that requires a certificate let an anonymous client in")
			}
		})
	}
}
