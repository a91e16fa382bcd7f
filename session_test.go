package openssl_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/rawpeer"
	"github.com/golibssl/openssl/internal/testcert"
)

// sessionFields are what a Session tells about itself.
type sessionFields struct {
	ID, IDContext    []byte
	Protocol         uint16
	Cipher           string
	Created, Expires time.Time
	Timeout          time.Duration
	Ticket           bool
	Resumable        bool
}

func fieldsOf(s *openssl.Session) sessionFields {
	return sessionFields{s.ID(), s.IDContext(), s.Protocol(), s.Cipher(), s.Created(), s.Expires(), s.Timeout(), s.HasTicket(), s.Resumable()}
}

func forEachKind(t *testing.T, f func(t *testing.T, k kind)) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) { f(t, k) })
	}
}

// kindCtxs are a client and a server that resume in one way.
func kindCtxs(t testing.TB, k kind) (client, server *openssl.Ctx, log *sessionLog) {
	t.Helper()
	log = &sessionLog{}
	ccfg, scfg := clientConfig(k.version), serverConfig(t, k.version)
	ccfg.OnSession = log.add
	if k.cached {
		scfg.SessionCache = openssl.NewMemoryCache(0)
	}
	return newCtx(t, ccfg), newCtx(t, scfg), log
}

// resumes makes a connection that offers a session and reports whether it resumed.
func resumes(t *testing.T, client, server *openssl.Ctx, sess *openssl.Session) bool {
	t.Helper()
	c, s := connected(t, client, server, openssl.WithSession(sess))
	says(t, s, c, "x")
	says(t, c, s, "y")
	resumed := c.ConnectionState().DidResume
	if got := s.ConnectionState().DidResume; got != resumed {
		t.Errorf("the client resumed: %v, the server: %v", resumed, got)
	}
	closeBoth(t, c, s)
	return resumed
}

func TestSessionDER(t *testing.T) {
	forEachKind(t, func(t *testing.T, k kind) {
		client, server, log := kindCtxs(t, k)
		sess := session(t, client, server, log)
		want := fieldsOf(sess)
		if want.Protocol != k.version || want.Ticket == (k.name == "tls12-id") || !want.Resumable || len(want.ID) == 0 || want.Cipher == "" ||
			want.Timeout <= 0 || !want.Expires.After(want.Created) {
			t.Errorf("a session of %s: %+v", k.name, want)
		}
		der := sess.DER()
		parsed, err := openssl.ParseSession(der)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, fieldsOf(parsed)); diff != "" {
			t.Errorf("parsed (-session +parsed):\n%s", diff)
		}
		if !bytes.Equal(der, parsed.DER()) {
			t.Error("the parsed session has another DER")
		}
		// It crosses to another Ctx that trusts the same roots.
		if !resumes(t, newCtx(t, clientConfig(k.version)), server, parsed) {
			t.Error("the parsed session did not resume")
		}
		if _, err := openssl.ParseSession(nil); !errors.Is(err, openssl.ErrBadSession) {
			t.Errorf("no bytes: %v", err)
		}
		for n := range len(der) {
			if _, err := openssl.ParseSession(der[:n]); !errors.Is(err, openssl.ErrBadSession) {
				t.Fatalf("%d of %d bytes: %v, want ErrBadSession", n, len(der), err)
			} else {
				asError(t, err)
			}
		}
		for _, more := range [][]byte{{0}, der} {
			if _, err := openssl.ParseSession(append(bytes.Clone(der), more...)); !errors.Is(err, openssl.ErrBadSession) {
				t.Errorf("%d bytes behind it: %v, want ErrBadSession", len(more), err)
			}
		}
	})
}

// A DER that was tampered with is refused, or is a session that does no harm.
func FuzzParseSession(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("0\x80"))
	f.Add(bytes.Repeat([]byte{0x30}, 1000))
	for _, k := range kinds {
		client, server, log := kindCtxs(f, k)
		f.Add(session(f, client, server, log).DER())
	}
	f.Fuzz(func(t *testing.T, der []byte) { parseAndUse(t, der) })
}

func parseAndUse(t *testing.T, der []byte) (parsed bool) {
	t.Helper()
	sess, err := openssl.ParseSession(der)
	if err != nil {
		if !errors.Is(err, openssl.ErrBadSession) {
			t.Errorf("%v, want ErrBadSession", err)
		}
		return false
	}
	fieldsOf(sess)
	sess.DER()
	sess.Dup()
	return true
}

func TestSessionDERTampered(t *testing.T) {
	forEachKind(t, func(t *testing.T, k kind) {
		client, server, log := kindCtxs(t, k)
		der := session(t, client, server, log).DER()
		parsed := 0
		for i := range der {
			bad := bytes.Clone(der)
			bad[i] ^= [...]byte{0x01, 0x80, 0xff}[i%3]
			if !parseAndUse(t, bad) {
				continue
			}
			// Every few that parse are offered: refused, a full handshake, or one that fails.
			if parsed++; parsed%32 != 0 {
				continue
			}
			sess, err := openssl.ParseSession(bad)
			if err != nil {
				t.Fatal(err)
			}
			a, b := tcpEnds(t)
			c, err := openssl.Client(a, client, openssl.WithSession(sess))
			if err != nil {
				asError(t, err)
				continue
			}
			s := serverOver(t, b, server)
			if cerr, serr := handshakes(t, c, s); cerr == nil && serr == nil {
				says(t, s, c, "x")
			}
			c.Close()
			s.Close()
		}
		if parsed < 64 {
			t.Errorf("only %d tampered sessions parsed", parsed)
		}
	})
}

func TestSessionOfAnotherCtx(t *testing.T) {
	forEachKind(t, func(t *testing.T, k kind) {
		client, server, log := kindCtxs(t, k)
		sess := session(t, client, server, log)
		other := newCtx(t, clientConfig(k.version))
		a, _ := net.Pipe()
		if _, err := openssl.Client(a, other, openssl.WithSession(sess)); !errors.Is(err, openssl.ErrSessionCtx) {
			t.Errorf("Client: %v, want ErrSessionCtx", err)
		}
		cfg := clientConfig(k.version)
		cfg.Session = sess
		if _, err := openssl.Client(a, newCtx(t, cfg)); !errors.Is(err, openssl.ErrSessionCtx) {
			t.Errorf("Client with Config.Session: %v, want ErrSessionCtx", err)
		}
		raw, err := openssl.NewRawCtx()
		if err != nil {
			t.Fatal(err)
		}
		defer raw.Free()
		ssl, err := raw.NewSSL()
		if err != nil {
			t.Fatal(err)
		}
		defer ssl.Free()
		if err := ssl.SetSession(sess); !errors.Is(err, openssl.ErrSessionCtx) {
			t.Errorf("SSL.SetSession: %v, want ErrSessionCtx", err)
		}
		if _, _, err := raw.AddSession(sess); !errors.Is(err, openssl.ErrSessionCtx) {
			t.Errorf("RawCtx.AddSession: %v, want ErrSessionCtx", err)
		}
		// Refusals do it no harm.
		if !resumes(t, client, server, sess) {
			t.Error("the session does not resume where it belongs")
		}
	})
}

// A zero Session is nobody's.
func TestZeroSession(t *testing.T) {
	raw, err := openssl.NewRawCtx()
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Free()
	ssl, err := raw.NewSSL()
	if err != nil {
		t.Fatal(err)
	}
	defer ssl.Free()
	for name, sess := range map[string]*openssl.Session{"nil": nil, "zero": {}} {
		v := reflect.ValueOf(sess)
		for i := range v.NumMethod() {
			callWithZeros(v.Method(i)) // no crash is the test
		}
		if sess.Resumable() || sess.DER() != nil {
			t.Errorf("a %s session: %+v", name, fieldsOf(sess))
		}
		if _, _, err := raw.AddSession(sess); err == nil {
			t.Errorf("AddSession of a %s session worked", name)
		}
		if removed, _, err := raw.RemoveSession(sess); removed || (err == nil) != (sess == nil) {
			t.Errorf("RemoveSession of a %s session: %v, %v", name, removed, err)
		}
		if err := ssl.SetSession(sess); (err == nil) != (sess == nil) {
			t.Errorf("SetSession of a %s session: %v", name, err)
		}
		if err := ssl.SetFound(sess); (err == nil) != (sess == nil) {
			t.Errorf("SetFound of a %s session: %v", name, err)
		}
		client, server, _ := kindCtxs(t, kinds[3])
		if resumes(t, client, server, sess) {
			t.Errorf("a %s session resumed", name)
		}
	}
}

// callWithZeros calls a function with zero values.
func callWithZeros(f reflect.Value) []reflect.Value {
	var args []reflect.Value
	for i := range f.Type().NumIn() {
		args = append(args, reflect.Zero(f.Type().In(i)))
	}
	return f.Call(args)
}

// A resumption shows no certificate: a session is offered only where its handshake verified this name.
func TestSessionVerify(t *testing.T) {
	certs := testcert.Root().Server(testcert.Options{Names: []string{"a.example", "127.0.0.1"}})
	forEachKind(t, func(t *testing.T, k kind) {
		scfg := serverConfig(t, k.version)
		scfg.Certificates = pairs(t, certs)
		if k.cached {
			scfg.SessionCache = openssl.NewMemoryCache(0)
		}
		server := newCtx(t, scfg)
		log := &sessionLog{}
		cfg := clientConfig(k.version)
		cfg.OnSession, cfg.ServerName = log.add, "a.example"
		client := newCtx(t, cfg)
		sess := session(t, client, server, log)
		for name, want := range map[string]error{
			"b.example": openssl.ErrSessionVerify, "example": openssl.ErrSessionVerify, "x.a.example": openssl.ErrSessionVerify,
			"127.0.0.2": openssl.ErrSessionVerify, "::1": openssl.ErrSessionVerify,
			"a.example": nil, "A.EXAMPLE.": nil, "127.0.0.1": nil,
		} {
			a, _ := net.Pipe()
			c, err := openssl.Client(a, client, openssl.WithServerName(name), openssl.WithSession(sess))
			if !errors.Is(err, want) {
				t.Errorf("offered to %s: %v, want %v", name, err, want)
			}
			if err == nil {
				c.SetDeadline(time.Now())
				c.Close()
			}
		}

		// What was not verified when it was made is not verified when it is resumed.
		cfg.InsecureSkipVerify = true
		for why, roots := range map[string][]byte{"skipped, same roots": testcert.Root().PEM, "skipped, no roots": nil} {
			cfg.RootCAPEM = roots
			insecure := newCtx(t, cfg)
			skipped := session(t, insecure, server, log)
			parsed, err := openssl.ParseSession(skipped.DER())
			if err != nil {
				t.Fatal(err)
			}
			a, _ := net.Pipe()
			if _, err := openssl.Client(a, client, openssl.WithSession(parsed)); !errors.Is(err, openssl.ErrSessionVerify) {
				t.Errorf("%s: %v, want ErrSessionVerify", why, err)
			}
			if !resumes(t, insecure, server, skipped) {
				t.Errorf("%s: not resumed without verification either", why)
			}
		}
	})
}

// shortLived is a self-signed certificate for localhost, its own authority, and when it has run out.
func shortLived(t *testing.T) (cert *openssl.Certificate, rootPEM []byte, end time.Time) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "short"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(10 * time.Second), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if cert, err = openssl.CertificateFromTLS(tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}); err != nil {
		t.Fatal(err)
	}
	return cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), template.NotAfter.Add(time.Second)
}

// A certificate that ran out since the handshake does not vouch for a resumption.
func TestSessionOfExpiredCertificate(t *testing.T) {
	t.Parallel()
	cert, _, end := shortLived(t)
	log := &sessionLog{}
	client := newCtx(t, openssl.Config{InsecureSkipVerify: true, ServerName: "localhost", OnSession: log.add})
	server := newCtx(t, openssl.Config{Certificates: []*openssl.Certificate{cert}})
	sess := session(t, client, server, log)
	time.Sleep(time.Until(end))
	parsed, err := openssl.ParseSession(sess.DER())
	if err != nil {
		t.Fatal(err)
	}
	verifying := newCtx(t, clientConfig(0))
	a, _ := net.Pipe()
	if _, err := openssl.Client(a, verifying, openssl.WithSession(parsed)); !errors.Is(err, openssl.ErrSessionVerify) {
		t.Errorf("%v, want ErrSessionVerify", err)
	}
}

// A client's neither where the server judges it: it makes a full handshake. Where a full handshake takes any
// certificate, so does a resumption.
func TestSessionOfExpiredClientCertificate(t *testing.T) {
	forEachKind(t, func(t *testing.T, k kind) {
		t.Parallel()
		type test struct {
			auth           tls.ClientAuthType
			code           int // of the full handshake: X509_V_ERR_CERT_HAS_EXPIRED; 0: a resumption
			client, server *openssl.Ctx
			sess           *openssl.Session
		}
		tests := []test{{auth: tls.RequireAndVerifyClientCert, code: 10}, {auth: tls.VerifyClientCertIfGiven, code: 10}, {auth: tls.RequireAnyClientCert}}
		var end time.Time
		for i := range tests {
			var cert *openssl.Certificate
			var root []byte
			cert, root, end = shortLived(t)
			log := &sessionLog{}
			ccfg, scfg := clientConfig(k.version), serverConfig(t, k.version)
			ccfg.Certificates, ccfg.OnSession = []*openssl.Certificate{cert}, log.add
			scfg.ClientAuth, scfg.ClientCAPEM = tests[i].auth, root
			if k.cached {
				scfg.SessionCache = openssl.NewMemoryCache(0)
			}
			tests[i].client, tests[i].server = newCtx(t, ccfg), newCtx(t, scfg)
			tests[i].sess = session(t, tests[i].client, tests[i].server, log)
		}
		time.Sleep(time.Until(end))
		for _, test := range tests {
			c, s := ends(t, test.client, test.server, openssl.WithSession(test.sess))
			_, err := handshakes(t, c, s)
			var verify *openssl.VerifyError
			switch errors.As(err, &verify); {
			case s.ConnectionState().DidResume != (test.code == 0):
				t.Errorf("%v: resumed %v", test.auth, s.ConnectionState().DidResume)
			case test.code == 0 && err != nil, test.code != 0 && (verify == nil || verify.Code != test.code):
				t.Errorf("%v: the server's handshake: %v", test.auth, err)
			}
		}
	})
}

// A TLS 1.3 session of a server's cache is used once, whoever holds copies; a TLS 1.2 one until it is bad.
func TestSessionUses(t *testing.T) {
	forEachKind(t, func(t *testing.T, k kind) {
		client, server, log := kindCtxs(t, k)
		der := session(t, client, server, log).DER()
		for use := range 3 {
			sess, err := openssl.ParseSession(der)
			if err != nil {
				t.Fatal(err)
			}
			want := use == 0 || k.name != "tls13-stateful"
			if got := resumes(t, client, server, sess); got != want {
				t.Errorf("use %d resumed: %v, want %v", use, got, want)
			}
		}
	})
}

// tellingCache counts what its servers ask.
type tellingCache struct {
	*openssl.MemoryCache
	gets, takes, puts atomic.Int32
}

func (c *tellingCache) Get(ctx context.Context, id []byte) ([]byte, error) {
	c.gets.Add(1)
	return c.MemoryCache.Get(ctx, id)
}

func (c *tellingCache) Take(ctx context.Context, id []byte) ([]byte, error) {
	c.takes.Add(1)
	return c.MemoryCache.Take(ctx, id)
}

func (c *tellingCache) Put(ctx context.Context, id, value []byte, ttl time.Duration) error {
	c.puts.Add(1)
	return c.MemoryCache.Put(ctx, id, value, ttl)
}

// A cache is asked once a handshake, after a HelloRetryRequest too, and not for a client that has nothing:
// the session id of a TLS 1.3 ClientHello is random.
func TestSessionCacheIsAskedOnce(t *testing.T) {
	for _, version := range bothVersions {
		for _, retry := range []bool{false, true} {
			if retry && version == tls.VersionTLS12 {
				continue
			}
			t.Run(fmt.Sprintf("%s/HelloRetryRequest %v", tls.VersionName(version), retry), func(t *testing.T) {
				cache := &tellingCache{MemoryCache: openssl.NewMemoryCache(0)}
				log := &sessionLog{}
				ccfg, scfg := clientConfig(version), serverConfig(t, version)
				ccfg.OnSession, scfg.SessionCache, scfg.SessionStoreTimeout = log.add, cache, testTime
				if retry {
					ccfg.Groups, scfg.Groups = "X25519:P-256", "P-256"
				}
				client, server := newCtx(t, ccfg), newCtx(t, scfg)
				sess := session(t, client, server, log)
				if g, n := cache.gets.Load(), cache.takes.Load(); g != 0 || n != 0 {
					t.Errorf("a new client: %d Get, %d Take", g, n)
				}
				if err := server.Drain(deadline(t)); err != nil { // the Puts
					t.Fatal(err)
				}
				if cache.puts.Load() == 0 {
					t.Error("no Put")
				}
				a, b, relay := rawpeer.TCP(t)
				c, s := clientOver(t, a, client, openssl.WithSession(sess)), serverOver(t, b, server)
				mustShake(t, c, s)
				says(t, c, s, "x")
				if !s.ConnectionState().DidResume {
					t.Error("not resumed")
				}
				if hellos := clientHellos(t, relay); (hellos == 2) != retry {
					t.Errorf("%d ClientHellos", hellos)
				}
				want := [2]int32{1, 0}
				if version == tls.VersionTLS13 {
					want = [2]int32{0, 1}
				}
				if got := [2]int32{cache.gets.Load(), cache.takes.Load()}; got != want {
					t.Errorf("Get and Take: %v, want %v", got, want)
				}
			})
		}
	}
}

// oddCache answers lookups with a function of the test and keeps what is put.
type oddCache struct {
	*openssl.MemoryCache
	answer func(ctx context.Context, stored []byte) ([]byte, error)
}

func (c *oddCache) Get(ctx context.Context, id []byte) ([]byte, error) {
	stored, _ := c.MemoryCache.Get(ctx, id)
	return c.answer(ctx, stored)
}

func (c *oddCache) Take(ctx context.Context, id []byte) ([]byte, error) {
	stored, _ := c.MemoryCache.Take(ctx, id)
	return c.answer(ctx, stored)
}

// Whatever a cache does, the worst is a full handshake.
func TestSessionCacheFails(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	for _, k := range []kind{kinds[0], kinds[2]} {
		client, server, log := kindCtxs(t, k)
		foreign := session(t, client, server, log).DER() // of a server that knows another context
		for name, answer := range map[string]func(context.Context, []byte) ([]byte, error){
			"error":            func(context.Context, []byte) ([]byte, error) { return nil, errRefused },
			"error with value": func(_ context.Context, v []byte) ([]byte, error) { return v, errRefused },
			"until the context ends": func(ctx context.Context, _ []byte) ([]byte, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			},
			"deaf to the context":  func(context.Context, []byte) ([]byte, error) { <-release; return nil, nil },
			"panic":                func(context.Context, []byte) ([]byte, error) { panic("in a lookup") },
			"nothing":              func(context.Context, []byte) ([]byte, error) { return nil, nil },
			"empty":                func(context.Context, []byte) ([]byte, error) { return []byte{}, nil },
			"garbage":              func(context.Context, []byte) ([]byte, error) { return []byte("garbage"), nil },
			"half":                 func(_ context.Context, v []byte) ([]byte, error) { return v[:len(v)/2], nil },
			"another's session":    func(context.Context, []byte) ([]byte, error) { return foreign, nil },
			"a megabyte of zeroes": func(context.Context, []byte) ([]byte, error) { return make([]byte, 1<<20), nil },
		} {
			t.Run(k.name+"/"+name, func(t *testing.T) {
				asked := new(atomic.Int32)
				log := &sessionLog{}
				ccfg, scfg := clientConfig(k.version), serverConfig(t, k.version)
				ccfg.OnSession = log.add
				scfg.SessionStoreTimeout = 20 * time.Millisecond
				scfg.SessionCache = &oddCache{openssl.NewMemoryCache(0), func(ctx context.Context, v []byte) ([]byte, error) {
					asked.Add(1)
					return answer(ctx, v)
				}}
				client, server := newCtx(t, ccfg), newCtx(t, scfg)
				sess := session(t, client, server, log)
				if err := server.Drain(deadline(t)); err != nil {
					t.Fatal(err)
				}
				if resumes(t, client, server, sess) {
					t.Error("resumed")
				}
				if n := asked.Load(); n != 1 {
					t.Errorf("the cache was asked %d times", n)
				}
			})
		}
	}
}

// OnSession tells sessions during the call that read them, with the Conn that the caller holds.
func TestOnSession(t *testing.T) {
	forEachKind(t, func(t *testing.T, k kind) {
		for _, call := range []string{"Read", "Shutdown"} {
			var conn *openssl.Conn
			var told []string
			during := "Handshake"
			ccfg, scfg := clientConfig(k.version), serverConfig(t, k.version)
			ccfg.OnSession = func(c *openssl.Conn, s *openssl.Session) {
				told = append(told, during)
				if c != conn || !s.Resumable() || s.Protocol() != k.version || !c.ConnectionState().HandshakeComplete {
					t.Errorf("OnSession: the caller's Conn %v, session %+v", c == conn, fieldsOf(s))
				}
			}
			if k.cached {
				scfg.SessionCache = openssl.NewMemoryCache(0)
			}
			c, s := ends(t, newCtx(t, ccfg), newCtx(t, scfg))
			conn = c
			mustShake(t, c, s)
			during = call
			if call == "Read" {
				says(t, s, c, "x")
				closeBoth(t, c, s)
			} else {
				closeBoth(t, c, s)
			}
			want := []string{"Handshake"}
			if k.version == tls.VersionTLS13 {
				want = []string{call, call}
			}
			if diff := cmp.Diff(want, told); diff != "" {
				t.Errorf("OnSession during (-want +got):\n%s", diff)
			}
		}
	})
}

// A server that sends tickets without end and no data fills no memory of a client whose Read waits.
func TestTicketsWithoutEnd(t *testing.T) {
	const tickets, kept = 300, 16
	sctx := rawCtx(t, testcert.Server())
	if err := sctx.SetNumTickets(tickets); err != nil {
		t.Fatal(err)
	}
	cfg, log := clientConfig(tls.VersionTLS13), &sessionLog{}
	cfg.OnSession = log.add
	a, b := tcpEnds(t)
	c, s := clientOver(t, a, newCtx(t, cfg)), rawConn(t, b, sctx, &openssl.RawConnConfig{Server: true})
	mustShake(t, c, s)
	says(t, s, c, "x")
	if got := len(log.take()); got != kept {
		t.Errorf("of %d tickets in one Read, OnSession got %d, want the last %d", tickets, got, kept)
	}
}

func TestSessionTicketsDisabled(t *testing.T) {
	for _, version := range bothVersions {
		ccfg, scfg := clientConfig(version), serverConfig(t, version)
		log := &sessionLog{}
		ccfg.OnSession, scfg.SessionTicketsDisabled = log.add, true
		c, s := connected(t, newCtx(t, ccfg), newCtx(t, scfg))
		says(t, s, c, "x")
		closeBoth(t, c, s)
		for _, sess := range log.take() {
			if sess.Resumable() {
				t.Errorf("%s: a session was given: %+v", tls.VersionName(version), fieldsOf(sess))
			}
		}
	}
}

func TestSessionTimeout(t *testing.T) {
	forEachKind(t, func(t *testing.T, k kind) {
		log := &sessionLog{}
		ccfg, scfg := clientConfig(k.version), serverConfig(t, k.version)
		ccfg.OnSession = log.add
		scfg.SessionTimeout = 90*time.Second + time.Millisecond
		if k.cached {
			scfg.SessionCache = openssl.NewMemoryCache(0)
		}
		sess := session(t, newCtx(t, ccfg), newCtx(t, scfg), log)
		if sess.HasTicket() && sess.Expires().Sub(sess.Created()) != 90*time.Second {
			t.Errorf("the client's session lives for %v, want 90 s", sess.Expires().Sub(sess.Created()))
		}
	})
}
