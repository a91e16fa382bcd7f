package openssl_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/testcert"
)

// stateOptions compare connection states across implementations. Certificates are compared by their bytes.
var stateOptions = cmp.Options{
	cmpopts.IgnoreUnexported(tls.ConnectionState{}),
	// What extensions carried that ours does not ask for, and what renegotiation needs.
	cmpopts.IgnoreFields(tls.ConnectionState{}, "TLSUnique", "SignedCertificateTimestamps", "OCSPResponse"),
	cmp.Comparer(func(a, b *x509.Certificate) bool { return a.Equal(b) }),
}

// shared is what both ends of a connection must agree on.
func shared(s tls.ConnectionState) tls.ConnectionState {
	s.PeerCertificates, s.VerifiedChains = nil, nil
	if openssl.LibraryVersionNumber() < 0x30000000 {
		s.CurveID = 0 // 1.1.1 does not tell
	}
	return s
}

// TestConnectionState compares what our end tells with what crypto/tls's other end tells, and
// with what crypto/tls would tell in our place.
func TestConnectionState(t *testing.T) {
	serverCert := testcert.Root().Server(testcert.Options{Key: testcert.RSA, Intermediate: true})
	clientCert := testcert.Root().Client(testcert.Options{Key: testcert.RSA, Intermediate: true})
	for _, version := range bothVersions {
		for _, group := range []struct {
			name string
			id   tls.CurveID
		}{{"X25519", tls.X25519}, {"P-256", tls.CurveP256}, {"P-384", tls.CurveP384}, {"P-521", tls.CurveP521}} {
			t.Run(tls.VersionName(version)+"/"+group.name, func(t *testing.T) {
				// Versions, groups and certificates of all four ends.
				stdServer := &tls.Config{Certificates: []tls.Certificate{serverCert.TLS}, ClientAuth: tls.RequireAndVerifyClientCert,
					ClientCAs: testcert.Root().Pool(), NextProtos: []string{"one", "two"}, MinVersion: version, MaxVersion: version,
					CurvePreferences: []tls.CurveID{group.id}}
				stdClient := &tls.Config{Certificates: []tls.Certificate{clientCert.TLS}, RootCAs: testcert.Root().Pool(),
					ServerName: "localhost", NextProtos: []string{"two"}, MinVersion: version, MaxVersion: version,
					CurvePreferences: []tls.CurveID{group.id}}
				ourServer := openssl.Config{Certificates: pairs(t, serverCert), ClientAuth: tls.RequireAndVerifyClientCert,
					ClientCAPEM: testcert.Root().PEM, NextProtos: []string{"one", "two"}, MinVersion: version, MaxVersion: version,
					Groups: group.name}
				ourClient := openssl.Config{Certificates: pairs(t, clientCert), RootCAPEM: testcert.Root().PEM,
					ServerName: "localhost", NextProtos: []string{"two"}, MinVersion: version, MaxVersion: version,
					Groups: group.name}

				a, b := tcpEnds(t)
				std, peer := tls.Client(a, stdClient), tls.Server(b, stdServer)
				mustShake(t, std, peer)

				a, b = tcpEnds(t)
				c, s := clientOver(t, a, newCtx(t, ourClient)), tls.Server(b, stdServer)
				mustShake(t, c, s)
				if diff := cmp.Diff(shared(s.ConnectionState()), shared(c.ConnectionState()), stateOptions); diff != "" {
					t.Errorf("client (-crypto/tls's server +ours):\n%s", diff)
				}
				sameCertificates(t, "client", std.ConnectionState(), c.ConnectionState())

				a, b = tcpEnds(t)
				c2, s2 := tls.Client(a, stdClient), serverOver(t, b, newCtx(t, ourServer))
				mustShake(t, c2, s2)
				if diff := cmp.Diff(shared(c2.ConnectionState()), shared(s2.ConnectionState()), stateOptions); diff != "" {
					t.Errorf("server (-crypto/tls's client +ours):\n%s", diff)
				}
				sameCertificates(t, "server", peer.ConnectionState(), s2.ConnectionState())
			})
		}
	}
}

// TestHelloRetryRequest: a client that has sent a share of another group is asked again, and both ends
// tell.
func TestHelloRetryRequest(t *testing.T) {
	for _, retry := range []bool{false, true} {
		groups := "X25519"
		if retry {
			groups = "P-256"
		}
		ours := openssl.Config{Certificates: pairs(t, testcert.Server()), Groups: groups}
		std := &tls.Config{RootCAs: testcert.Root().Pool(), ServerName: "localhost",
			CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP256}}
		a, b := tcpEnds(t)
		c, s := tls.Client(a, std), serverOver(t, b, newCtx(t, ours))
		mustShake(t, c, s)
		if got := s.ConnectionState().HelloRetryRequest; got != retry || c.ConnectionState().HelloRetryRequest != retry {
			t.Errorf("server: %v, crypto/tls: %v, want %v", got, c.ConnectionState().HelloRetryRequest, retry)
		}

		stdServer := &tls.Config{Certificates: []tls.Certificate{testcert.Server().TLS}, CurvePreferences: []tls.CurveID{tls.CurveP256}}
		client := openssl.Config{RootCAPEM: testcert.Root().PEM, ServerName: "localhost", Groups: "P-256"}
		if retry {
			client.Groups = "X25519:P-256"
		}
		a, b = tcpEnds(t)
		ourClient, peer := clientOver(t, a, newCtx(t, client)), tls.Server(b, stdServer)
		mustShake(t, ourClient, peer)
		if got := ourClient.ConnectionState().HelloRetryRequest; got != retry {
			t.Errorf("client: %v, want %v", got, retry)
		}
	}
}

// TestOldGroup: P-224 has a number in TLS 1.2, although crypto/tls has no name for it.
func TestOldGroup(t *testing.T) {
	if openssl.LibraryVersionNumber() < 0x30000000 {
		t.Skip("OpenSSL 1.1.1 does not tell the group")
	}
	if _, err := openssl.NewCtx(&openssl.Config{Groups: "P-224"}); err != nil {
		t.Skipf("%s has no P-224: %v", openssl.LibraryVersion(), err)
	}
	server := openssl.Config{Certificates: pairs(t, testcert.ServerRSA()), Groups: "P-224", MaxVersion: tls.VersionTLS12}
	client := openssl.Config{RootCAPEM: testcert.Root().PEM, ServerName: "localhost", Groups: "P-224", MaxVersion: tls.VersionTLS12}
	a, b := tcpEnds(t)
	c, s := clientOver(t, a, newCtx(t, client)), serverOver(t, b, newCtx(t, server))
	mustShake(t, c, s)
	if c, s := c.ConnectionState().CurveID, s.ConnectionState().CurveID; c != 21 || s != 21 {
		t.Errorf("client %d, server %d, want 21", c, s)
	}
}

func sameCertificates(t *testing.T, end string, want, got tls.ConnectionState) {
	t.Helper()
	if len(want.PeerCertificates) != 2 || len(want.VerifiedChains) != 1 {
		t.Fatalf("%s: crypto/tls tells %d certificates", end, len(want.PeerCertificates))
	}
	if diff := cmp.Diff(want.PeerCertificates, got.PeerCertificates, stateOptions); diff != "" {
		t.Errorf("%s: peer certificates differ from crypto/tls's:\n%s", end, diff)
	}
	if diff := cmp.Diff(want.VerifiedChains, got.VerifiedChains, stateOptions); diff != "" {
		t.Errorf("%s: verified chains differ from crypto/tls's:\n%s", end, diff)
	}
}

// TestConnectionStateResumed: a resumption between us and crypto/tls is one to both.
func TestConnectionStateResumed(t *testing.T) {
	for _, version := range bothVersions {
		t.Run(tls.VersionName(version)+"/client", func(t *testing.T) {
			std := &tls.Config{Certificates: []tls.Certificate{testcert.Server().TLS}, MinVersion: version, MaxVersion: version}
			sessions := &sessionLog{}
			cfg := clientConfig(version)
			cfg.OnSession = sessions.add
			ctx := newCtx(t, cfg)
			var opts []openssl.ConnOption
			for _, resumed := range []bool{false, true} {
				a, b := tcpEnds(t)
				c, s := clientOver(t, a, ctx, opts...), tls.Server(b, std)
				mustShake(t, c, s)
				says(t, s, c, "with tickets")
				checkResumed(t, resumed, s.ConnectionState(), c.ConnectionState())
				c.CloseWrite()
				all := sessions.take()
				if len(all) == 0 {
					t.Fatal("no session")
				}
				opts = []openssl.ConnOption{openssl.WithSession(all[len(all)-1])}
			}
		})
		t.Run(tls.VersionName(version)+"/server", func(t *testing.T) {
			std := &tls.Config{RootCAs: testcert.Root().Pool(), ServerName: "localhost", MinVersion: version, MaxVersion: version,
				ClientSessionCache: tls.NewLRUClientSessionCache(4)}
			ctx := newCtx(t, serverConfig(t, version))
			for _, resumed := range []bool{false, true} {
				a, b := tcpEnds(t)
				c, s := tls.Client(a, std), serverOver(t, b, ctx)
				mustShake(t, c, s)
				says(t, s, c, "with tickets")
				checkResumed(t, resumed, c.ConnectionState(), s.ConnectionState())
				s.CloseWrite()
			}
		})
	}
}

func checkResumed(t *testing.T, resumed bool, std, ours tls.ConnectionState) {
	t.Helper()
	if std.DidResume != resumed {
		t.Fatalf("crypto/tls resumed: %v, want %v", std.DidResume, resumed)
	}
	if diff := cmp.Diff(shared(std), shared(ours), stateOptions); diff != "" {
		t.Errorf("resumed %v (-crypto/tls +ours):\n%s", resumed, diff)
	}
}

func TestConnectionStateBeforeAndAfter(t *testing.T) {
	c, s := ends(t, newCtx(t, clientConfig(0)), newCtx(t, serverConfig(t, 0)))
	zero := tls.ConnectionState{}
	for _, conn := range []*openssl.Conn{c, s} {
		if diff := cmp.Diff(zero, conn.ConnectionState(), stateOptions); diff != "" {
			t.Errorf("before the handshake:\n%s", diff)
		}
	}
	mustShake(t, c, s)
	during := c.ConnectionState()
	if !during.HandshakeComplete {
		t.Error("not complete after the handshake")
	}
	c.Close()
	s.Close()
	if diff := cmp.Diff(during, c.ConnectionState(), stateOptions); diff != "" {
		t.Errorf("after Close (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(zero, s.ConnectionState(), stateOptions); diff != "" {
		t.Errorf("after Close, never asked before:\n%s", diff)
	}
	if c.NetConn() == nil || c.LocalAddr() == nil || c.RemoteAddr().String() != s.LocalAddr().String() {
		t.Error("the addresses are not the transport's")
	}
}

func TestExportKeyingMaterial(t *testing.T) {
	for _, version := range bothVersions {
		a, b := tcpEnds(t)
		c := clientOver(t, a, newCtx(t, clientConfig(version)))
		s := tls.Server(b, &tls.Config{Certificates: []tls.Certificate{testcert.Server().TLS}})
		if _, err := c.ExportKeyingMaterial("EXPORTER-test", nil, 16); !errors.Is(err, openssl.ErrNotEstablished) {
			t.Errorf("before the handshake: %v", err)
		}
		mustShake(t, c, s)
		state := s.ConnectionState()
		for _, test := range []struct {
			label   string
			context []byte
			n       int
		}{
			{"EXPORTER-test", nil, 16},
			{"EXPORTER-test", []byte{}, 16},
			{"EXPORTER-test", []byte("context"), 16},
			{"EXPORTER-test", []byte("context"), 1},
			{"EXPORTER-test", []byte("context"), 5000},
			{"EXPORTER-" + strings.Repeat("x", 200), nil, 32},
		} {
			want, werr := state.ExportKeyingMaterial(test.label, test.context, test.n)
			got, err := c.ExportKeyingMaterial(test.label, test.context, test.n)
			if werr != nil || err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s, %.20q, %q, %d bytes: %.8x %v, crypto/tls %.8x %v", tls.VersionName(version), test.label, test.context, test.n, got, err, want, werr)
			}
		}
		for _, bad := range []int{-1, 1<<16 + 1} {
			if _, err := c.ExportKeyingMaterial("EXPORTER-test", nil, bad); !errors.Is(err, openssl.ErrConfig) {
				t.Errorf("%d bytes: %v, want ErrConfig", bad, err)
			}
		}
		c.Close()
		if _, err := c.ExportKeyingMaterial("EXPORTER-test", nil, 16); !errors.Is(err, net.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	}
}

// TestExportNeedsItsHandshake: without the extended master secret a third party can give two connections one
// secret (RFC 7627, section 1).
func TestExportNeedsItsHandshake(t *testing.T) {
	if before30() {
		t.Skip("OpenSSL 1.1.1 cannot leave the extended master secret out")
	}
	const noExtendedMasterSecret openssl.Options = 1 // SSL_OP_NO_EXTENDED_MASTER_SECRET
	for _, version := range bothVersions {
		sctx := rawCtx(t, testcert.Server())
		sctx.SetOptions(noExtendedMasterSecret)
		a, b := tcpEnds(t)
		c, s := clientOver(t, a, newCtx(t, clientConfig(version))), rawConn(t, b, sctx, &openssl.RawConnConfig{Server: true})
		mustShake(t, c, s)
		out, err := c.ExportKeyingMaterial("EXPORTER-test", nil, 16)
		if version == tls.VersionTLS13 && err != nil || version < tls.VersionTLS13 && !errors.Is(err, openssl.ErrNotBound) {
			t.Errorf("%s: %x, %v", tls.VersionName(version), out, err)
		}
	}
}

// TestHTTP runs net/http's server over Listen, with its own client and ours.
func TestHTTP(t *testing.T) {
	for _, version := range bothVersions {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			cfg := serverConfig(t, version)
			cfg.ClientAuth, cfg.ClientCAPEM = tls.VerifyClientCertIfGiven, testcert.Root().PEM
			cfg.NextProtos = []string{"http/1.1"}
			l, err := openssl.Listen("tcp", "127.0.0.1:0", newCtx(t, cfg))
			if err != nil {
				t.Fatal(err)
			}
			server := &http.Server{ErrorLog: log.New(io.Discard, "", 0), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.TLS == nil {
					http.Error(w, "no Request.TLS", http.StatusInternalServerError)
					return
				}
				body, _ := io.ReadAll(r.Body)
				fmt.Fprintf(w, "%s %q %s %d certificates %d chains, %d bytes\n", tls.VersionName(r.TLS.Version), r.TLS.ServerName,
					r.TLS.NegotiatedProtocol, len(r.TLS.PeerCertificates), len(r.TLS.VerifiedChains), len(body))
			})}
			served := make(chan error, 1)
			go func() { served <- server.Serve(l) }()
			defer func() {
				server.Close()
				if err := <-served; !errors.Is(err, http.ErrServerClosed) {
					t.Errorf("Serve: %v", err)
				}
			}()
			// A client that says nothing does not keep the others out.
			silent, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer silent.Close()

			ours := openssl.Config{RootCAPEM: testcert.Root().PEM, ServerName: "localhost", NextProtos: []string{"http/1.1"},
				Certificates: pairs(t, testcert.Client())}
			dialer := &openssl.Dialer{Ctx: newCtx(t, ours)}
			for name, test := range map[string]struct {
				transport *http.Transport
				want      string
			}{
				"ours": {&http.Transport{DialTLSContext: dialer.DialContext},
					tls.VersionName(version) + ` "localhost" http/1.1 1 certificates 1 chains, 100000 bytes` + "\n"},
				"crypto/tls": {&http.Transport{TLSClientConfig: &tls.Config{RootCAs: testcert.Root().Pool(), ServerName: "localhost"}},
					tls.VersionName(version) + ` "localhost"  0 certificates 0 chains, 100000 bytes` + "\n"},
			} {
				client := &http.Client{Transport: test.transport, Timeout: testTime}
				for range 3 { // kept alive
					r, err := client.Post("https://"+l.Addr().String(), "text/plain", strings.NewReader(strings.Repeat("x", 100_000)))
					if err != nil {
						t.Fatalf("%s: %v", name, err)
					}
					body, err := io.ReadAll(r.Body)
					r.Body.Close()
					if got := string(body); got != test.want || err != nil {
						t.Errorf("%s: %q, %v; want %q", name, got, err, test.want)
					}
				}
				client.CloseIdleConnections()
			}
		})
	}
}

// A server's Shutdown, a cancelled request and a refused server are what net/http expects them to be.
func TestHTTPErrors(t *testing.T) {
	l, err := openssl.Listen("tcp", "127.0.0.1:0", newCtx(t, serverConfig(t, 0)))
	if err != nil {
		t.Fatal(err)
	}
	arrived, release := make(chan struct{}), make(chan struct{})
	server := &http.Server{ErrorLog: log.New(io.Discard, "", 0), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		select {
		case <-r.Context().Done():
		case <-release:
		}
	})}
	go server.Serve(l)
	defer server.Close()

	dialer := &openssl.Dialer{Ctx: newCtx(t, openssl.Config{RootCAPEM: testcert.OtherCA().PEM})}
	refusing := &http.Client{Transport: &http.Transport{DialTLSContext: dialer.DialContext}}
	if _, err := refusing.Get("https://" + l.Addr().String()); alertOf(err) != "unknown_CA" {
		t.Errorf("a server that is not trusted: %v", err)
	}

	dialer = &openssl.Dialer{Ctx: newCtx(t, openssl.Config{RootCAPEM: testcert.Root().PEM})}
	client := &http.Client{Transport: &http.Transport{DialTLSContext: dialer.DialContext}}
	ctx, cancel := context.WithCancel(deadline(t))
	request, err := http.NewRequestWithContext(ctx, "GET", "https://"+l.Addr().String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	result := make(chan error, 1)
	go func() { _, err := client.Do(request); result <- err }()
	<-arrived
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("the cancelled request: %v", err)
	}
	close(release)
	if err := server.Shutdown(deadline(t)); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}
