package openssl_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/rawpeer"
	"github.com/golibssl/openssl/internal/record"
	"github.com/golibssl/openssl/internal/testcert"
)

// helloShape is how a ClientHello reaches the server.
type helloShape struct {
	name   string
	config func(*tls.Config)
	over   func(net.Conn) net.Conn
	relay  func(*rawpeer.Relay)
	retry  bool // the server asks for another key share
}

var helloShapes = []helloShape{
	{name: "plain"},
	{name: "HelloRetryRequest", retry: true},
	{name: "segments of one byte", relay: func(r *rawpeer.Relay) { r.Chunk(rawpeer.ToServer, 1) }},
	{name: "records of one byte", over: func(nc net.Conn) net.Conn { return &firstFlight{Conn: nc} }},
	{name: "50 KB", config: func(c *tls.Config) {
		for i := range 200 {
			c.NextProtos = append(c.NextProtos, fmt.Sprintf("%0250d", i))
		}
	}},
	{name: "records of one byte after a HelloRetryRequest", retry: true,
		over: func(nc net.Conn) net.Conn { return &firstFlight{Conn: nc} }},
}

// firstFlight sends its first Write, a ClientHello, in records of one byte.
type firstFlight struct {
	net.Conn
	done bool
}

func (f *firstFlight) Write(p []byte) (int, error) {
	if f.done {
		return f.Conn.Write(p)
	}
	f.done = true
	records, _, err := record.Split(p)
	if err != nil {
		return 0, err
	}
	var out []byte
	for _, r := range records {
		for _, b := range r.Body {
			out = append(out, byte(r.Type), p[1], p[2], 0, 1, b)
		}
	}
	if _, err := f.Conn.Write(out); err != nil {
		return 0, err
	}
	return len(p), nil
}

// TestGetCtxForClient: whatever the first Ctx allows, the chosen one's ClientAuth and versions count.
func TestGetCtxForClient(t *testing.T) {
	for _, version := range bothVersions {
		for _, shape := range helloShapes {
			if shape.retry && version == tls.VersionTLS12 {
				continue // there is none
			}
			t.Run(tls.VersionName(version)+"/"+shape.name, func(t *testing.T) {
				testGetCtxForClient(t, version, shape)
			})
		}
	}
}

func testGetCtxForClient(t *testing.T, version uint16, shape helloShape) {
	groups := ""
	if shape.retry {
		groups = "P-256" // not among the key shares that crypto/tls sends unasked
	}
	strict := openssl.Config{Certificates: pairs(t, testcert.ServerRSA()), ClientAuth: tls.RequireAndVerifyClientCert,
		ClientCAPEM: testcert.Root().PEM, Groups: groups}
	newer := openssl.Config{Certificates: pairs(t, testcert.ServerRSA()), MinVersion: tls.VersionTLS13, Groups: groups}
	chosen := map[string]*openssl.Ctx{"strict.example": newCtx(t, strict), "newer.example": newCtx(t, newer)}
	var asked atomic.Int32
	base := openssl.Config{Certificates: pairs(t, testcert.Server()), Groups: groups,
		GetCtxForClient: func(info *openssl.ClientHelloInfo) (*openssl.Ctx, error) {
			asked.Add(1)
			return chosen[info.ServerName], nil
		}}
	server := newCtx(t, base)

	for _, test := range []struct {
		name string
		cert *testcert.Cert
		want verdict
	}{
		{"localhost", nil, verdict{OK: true}},
		{"strict.example", nil, judged(strict.ClientAuth, "none", version)},
		{"strict.example", testcert.OtherCAClient(), judged(strict.ClientAuth, "bad CA", version)},
		{"strict.example", testcert.Client(), verdict{OK: true}},
		{"newer.example", nil, map[uint16]verdict{
			tls.VersionTLS12: {Alert: "protocol_version"}, tls.VersionTLS13: {OK: true}}[version]},
	} {
		asked.Store(0)
		a, b, relay := rawpeer.TCP(t)
		if shape.relay != nil {
			shape.relay(relay)
		}
		var nc net.Conn = a
		if shape.over != nil {
			nc = shape.over(a)
		}
		cfg := &tls.Config{InsecureSkipVerify: true, ServerName: test.name, MinVersion: version, MaxVersion: version}
		if test.cert != nil {
			cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &test.cert.TLS, nil }
		}
		if shape.config != nil {
			shape.config(cfg)
		}
		c, s := tls.Client(nc, cfg), serverOver(t, b, server)
		cerr, serr := handshakes(t, c, s)
		if got := (verdict{serr == nil, alertOf(serr)}); got != test.want {
			t.Errorf("%s with the certificate %v: %+v, want %+v (server %v, client %v)", test.name, test.cert != nil, got, test.want, serr, cerr)
		}
		if n := asked.Load(); n != 1 {
			t.Errorf("%s: GetCtxForClient was asked %d times", test.name, n)
		}
		if !test.want.OK {
			if n, err := s.Read(make([]byte, 1)); n != 0 || err == nil {
				t.Errorf("%s: Read = %d, %v", test.name, n, err)
			}
			continue
		}
		says(t, c, s, "to the server")
		says(t, s, c, "to the client")
		_, isRSA := c.ConnectionState().PeerCertificates[0].PublicKey.(interface{ Size() int })
		if fromChosen := test.name != "localhost"; isRSA != fromChosen {
			t.Errorf("%s: an RSA certificate was shown: %v", test.name, isRSA)
		}
		if got := s.ConnectionState(); got.ServerName != test.name || (len(got.VerifiedChains) == 1) != (test.cert != nil) {
			t.Errorf("%s: server name %q, %d verified chains", test.name, got.ServerName, len(got.VerifiedChains))
		}
		if hellos := clientHellos(t, relay); (hellos == 2) != shape.retry && shape.over == nil {
			t.Errorf("%s: %d ClientHellos; a HelloRetryRequest was meant: %v", test.name, hellos, shape.retry)
		}
		c.Close()
		s.Close()
	}
}

func clientHellos(t *testing.T, r *rawpeer.Relay) (n int) {
	t.Helper()
	records, _, err := r.Records(rawpeer.ToServer)
	if err != nil {
		t.Fatal(err)
	}
	for _, rec := range records {
		// The length too: a sealed Finished of TLS 1.2 begins with a random byte.
		b := rec.Body
		if rec.Type == record.Handshake && len(b) > 4 && b[0] == 1 && int(b[1])<<16|int(b[2])<<8|int(b[3]) == len(b)-4 {
			n++
		}
	}
	return n
}

func TestGetCtxForClientRefuses(t *testing.T) {
	for name, answer := range map[string]func() (*openssl.Ctx, error){
		"error":      func() (*openssl.Ctx, error) { return nil, errRefused },
		"panic":      func() (*openssl.Ctx, error) { panic(errRefused) },
		"an odd Ctx": func() (*openssl.Ctx, error) { return &openssl.Ctx{}, nil },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := serverConfig(t, 0)
			cfg.GetCtxForClient = func(*openssl.ClientHelloInfo) (*openssl.Ctx, error) { return answer() }
			c, s := ends(t, newCtx(t, clientConfig(0)), newCtx(t, cfg))
			cerr, serr := handshakes(t, c, s)
			if cerr == nil || serr == nil {
				t.Fatalf("client %v, server %v", cerr, serr)
			}
			if e := asError(t, serr); e.Op != "handshake" || e.Origin != openssl.FromCaller {
				t.Errorf("operation %q, origin %v: %v", e.Op, e.Origin, e)
			}
			if name == "error" && !errors.Is(serr, errRefused) {
				t.Errorf("error %v, want the hook's", serr)
			}
		})
	}
}

// GetCertificate's answer stands alone, whatever key types the Ctx's own certificates have.
func TestGetCertificate(t *testing.T) {
	cert := func(c *testcert.Cert) *openssl.Certificate { return keyPair(t, c) }
	own := []*openssl.Certificate{cert(testcert.Server()), cert(testcert.ServerRSA())}
	answers := map[string]*openssl.Certificate{
		"ecdsa.example": cert(testcert.Root().Server(testcert.Options{Names: []string{"ecdsa.example"}})),
		"rsa.example":   cert(testcert.Root().Server(testcert.Options{Names: []string{"rsa.example"}, Key: testcert.RSA, Intermediate: true})),
		"localhost":     nil,
		"zero.example":  {},
	}
	for _, version := range bothVersions {
		server := newCtx(t, openssl.Config{Certificates: own, MinVersion: version, MaxVersion: version,
			GetCertificate: func(i *openssl.ClientHelloInfo) (*openssl.Certificate, error) {
				c, ok := answers[i.ServerName]
				if !ok {
					return nil, errRefused
				}
				return c, nil
			}})
		for name, answer := range answers {
			t.Run(tls.VersionName(version)+"/"+name, func(t *testing.T) {
				a, b := tcpEnds(t)
				c := tls.Client(a, &tls.Config{RootCAs: testcert.Root().Pool(), ServerName: name})
				s := serverOver(t, b, server)
				cerr, serr := handshakes(t, c, s)
				if name == "zero.example" {
					if cerr == nil || !errors.Is(serr, openssl.ErrBadCertificate) {
						t.Errorf("client %v, server %v; want ErrBadCertificate", cerr, serr)
					}
					return
				}
				if cerr != nil || serr != nil {
					t.Fatalf("client %v, server %v", cerr, serr)
				}
				if answer == nil {
					return
				}
				var shown [][]byte
				for _, x := range c.ConnectionState().PeerCertificates {
					shown = append(shown, x.Raw)
				}
				if !equalChains(shown, answer.Chain()) {
					t.Errorf("%d certificates shown, not those that were chosen", len(shown))
				}
			})
		}
		t.Run(tls.VersionName(version)+"/refused", func(t *testing.T) {
			cfg := clientConfig(version)
			cfg.ServerName = "other.example"
			c, s := ends(t, newCtx(t, cfg), server)
			if cerr, serr := handshakes(t, c, s); cerr == nil || !errors.Is(serr, errRefused) {
				t.Errorf("client %v, server %v", cerr, serr)
			}
		})
	}
}

func equalChains(a, b [][]byte) bool { return bytes.Equal(bytes.Join(a, nil), bytes.Join(b, nil)) }

// A session that one name's Ctx made never resumes under another name's, though the client accepts
// both and the Ctxs share a cache.
func TestSessionsOfNamesStayApart(t *testing.T) {
	cert := testcert.Root().Server(testcert.Options{Names: []string{"a.example", "b.example"}})
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			cache := openssl.NewMemoryCache(0)
			named := map[string]*openssl.Ctx{}
			for _, name := range []string{"a.example", "b.example"} {
				cfg := openssl.Config{Certificates: pairs(t, cert), MinVersion: k.version, MaxVersion: k.version}
				if k.cached {
					cfg.SessionCache = cache
				}
				named[name] = newCtx(t, cfg)
			}
			base := openssl.Config{Certificates: pairs(t, cert),
				GetCtxForClient: func(i *openssl.ClientHelloInfo) (*openssl.Ctx, error) { return named[i.ServerName], nil }}
			log := &sessionLog{}
			client := clientConfig(k.version)
			client.ServerName = "a.example"
			client.OnSession = log.add
			cctx, sctx := newCtx(t, client), newCtx(t, base)
			for _, name := range []string{"a.example", "b.example"} {
				sess := session(t, cctx, sctx, log)
				c, s := connected(t, cctx, sctx, openssl.WithServerName(name), openssl.WithSession(sess))
				if got, want := s.ConnectionState().DidResume, name == "a.example"; got != want {
					t.Errorf("%s: resumed a.example's session: %v, want %v", name, got, want)
				}
				says(t, s, c, "x")
				closeBoth(t, c, s)
			}
		})
	}
}

// rawHello writes a TLS 1.3 ClientHello without any library.
type rawHello struct {
	name   string
	share  []byte // of P-256; nil: the list is empty, which asks for a HelloRetryRequest
	psks   []byte // what each identity is filled with
	random [32]byte
}

func (h rawHello) record() []byte {
	u16 := func(n int) []byte { return binary.BigEndian.AppendUint16(nil, uint16(n)) }
	vector := func(parts ...[]byte) []byte {
		body := bytes.Join(parts, nil)
		return append(u16(len(body)), body...)
	}
	ext := func(kind int, body []byte) []byte { return append(u16(kind), vector(body)...) }
	share := []byte{}
	if h.share != nil {
		share = append(u16(0x0017), vector(h.share)...)
	}
	exts := [][]byte{
		ext(0, vector([]byte{0}, vector([]byte(h.name)))), // server_name
		ext(10, vector(u16(0x0017))),                      // supported_groups
		ext(13, vector(u16(0x0403), u16(0x0804))),         // signature_algorithms
		ext(43, []byte{2, 3, 4}),                          // supported_versions
		ext(45, []byte{1, 1}),                             // psk_key_exchange_modes
		ext(51, vector(share)),                            // key_share
	}
	if len(h.psks) > 0 {
		var identities, binders [][]byte
		for _, b := range h.psks {
			identities = append(identities, vector(bytes.Repeat([]byte{b}, 32)), make([]byte, 4))
			binders = append(binders, append([]byte{32}, make([]byte, 32)...))
		}
		exts = append(exts, ext(41, append(vector(identities...), vector(binders...)...)))
	}
	body := bytes.Join([][]byte{{3, 3}, h.random[:], {32}, h.random[:], vector([]byte{0x13, 1, 0x13, 2}), {1, 0}, vector(exts...)}, nil)
	msg := append([]byte{1, 0}, vector(body)...)
	return append([]byte{byte(record.Handshake), 3, 1}, vector(msg)...)
}

// readRecord skips what TLS 1.3 sends for middleboxes.
func readRecord(nc net.Conn) (kind record.Type, body []byte, err error) {
	for {
		head := make([]byte, record.HeaderLen)
		if _, err := io.ReadFull(nc, head); err != nil {
			return 0, nil, err
		}
		body := make([]byte, binary.BigEndian.Uint16(head[3:]))
		if _, err := io.ReadFull(nc, body); err != nil {
			return 0, nil, err
		}
		if kind := record.Type(head[0]); kind != record.ChangeCipherSpec {
			return kind, body, nil
		}
	}
}

// The Ctx, the certificate and the session were chosen by the first ClientHello: a second one with another
// name or identity must not get them (RFC 8446, section 4.1.2).
func TestSecondClientHello(t *testing.T) {
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other := newCtx(t, openssl.Config{Certificates: pairs(t, testcert.Server())})
	choose := func(c *openssl.Ctx) func(*openssl.ClientHelloInfo) (*openssl.Ctx, error) {
		return func(*openssl.ClientHelloInfo) (*openssl.Ctx, error) { return c, nil }
	}
	servers := map[string]func(*openssl.Config){
		"Ctx kept":   func(c *openssl.Config) { c.GetCtxForClient = choose(nil) },
		"Ctx chosen": func(c *openssl.Config) { c.GetCtxForClient = choose(other) },
		"GetCertificate": func(c *openssl.Config) {
			c.GetCertificate = func(*openssl.ClientHelloInfo) (*openssl.Certificate, error) { return nil, nil }
		},
		"SessionCache": func(c *openssl.Config) { c.SessionCache = openssl.NewMemoryCache(0) },
	}
	for server, configure := range servers {
		for _, test := range []struct {
			name string
			edit func(*rawHello)
			ok   bool
		}{
			{"the same", func(*rawHello) {}, true},
			{"another name", func(h *rawHello) { h.name = "other.example" }, false},
			{"no name", func(h *rawHello) { h.name = "" }, false},
			{"another identity", func(h *rawHello) { h.psks = []byte{2} }, false},
			// RFC 8446, section 4.1.2 lets a client remove incompatible pre-shared keys.
			{"no identity", func(h *rawHello) { h.psks = nil }, true},
			{"the second identity alone", func(h *rawHello) { h.psks = h.psks[1:] }, true},
		} {
			t.Run(server+"/"+test.name, func(t *testing.T) {
				cfg := serverConfig(t, tls.VersionTLS13)
				configure(&cfg)
				a, b := tcpEnds(t)
				a.SetDeadline(time.Now().Add(testTime))
				s := serverOver(t, b, newCtx(t, cfg))
				done := make(chan error, 1)
				go func() { done <- s.HandshakeContext(deadline(t)) }()
				hello := rawHello{name: "first.example", psks: []byte{1, 3}}
				rand.Read(hello.random[:])
				if _, err := a.Write(hello.record()); err != nil {
					t.Fatal(err)
				}
				if kind, body, err := readRecord(a); err != nil || kind != record.Handshake || body[0] != 2 {
					t.Fatalf("no HelloRetryRequest: %v %x, %v", kind, body, err)
				}
				hello.share = key.PublicKey().Bytes()
				test.edit(&hello)
				if _, err := a.Write(hello.record()); err != nil {
					t.Fatal(err)
				}
				kind, body, err := readRecord(a)
				if err != nil {
					t.Fatal(err)
				}
				a.Close()
				if test.ok {
					if kind != record.Handshake || body[0] != 2 {
						t.Errorf("no ServerHello: %v %x", kind, body)
					}
					<-done
					return
				}
				if kind != record.Alert || !bytes.Equal(body, []byte{2, 47}) {
					t.Errorf("answer %v %x, want the alert illegal_parameter", kind, body)
				}
				if err := <-done; alertOf(err) != "illegal_parameter" {
					t.Errorf("server's error %v", err)
				}
			})
		}
	}
}

// A server that holds a ClientHello back for another Ctx holds a bounded number of bytes.
func TestHeldHelloIsBounded(t *testing.T) {
	cfg := serverConfig(t, tls.VersionTLS13)
	cfg.GetCtxForClient = func(*openssl.ClientHelloInfo) (*openssl.Ctx, error) { return nil, nil }
	a, b := tcpEnds(t)
	s := serverOver(t, b, newCtx(t, cfg))
	sent := make(chan int, 1)
	go func() {
		// The longest message that libssl takes, each byte in a record of its own.
		message := append([]byte{1, 0x01, 0xff, 0x00}, make([]byte, 0x1ff00)...)
		total := 0
		for len(message) > 0 {
			n := min(len(message), 100)
			var out []byte
			for _, b := range message[:n] {
				out = append(out, byte(record.Handshake), 3, 1, 0, 1, b)
			}
			message = message[n:]
			m, err := a.Write(out)
			if total += m; err != nil {
				break
			}
		}
		sent <- total
	}()
	err := s.HandshakeContext(deadline(t))
	if e := asError(t, err); e.Origin != openssl.FromPeer || !strings.Contains(e.Error(), "ClientHello") {
		t.Errorf("error %v, want one about the ClientHello", err)
	}
	s.Close()
	<-sent
}
