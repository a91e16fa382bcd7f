package openssl_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/rawpeer"
	"github.com/golibssl/openssl/internal/record"
	"github.com/golibssl/openssl/internal/testcert"
)

// kind is how a session is resumed.
type kind struct {
	name    string
	version uint16
	cached  bool // by the server, not in a ticket
}

var kinds = []kind{
	{"tls12-id", tls.VersionTLS12, true},
	{"tls12-ticket", tls.VersionTLS12, false},
	{"tls13-stateful", tls.VersionTLS13, true},
	{"tls13-stateless", tls.VersionTLS13, false},
}

// bothAuthenticated are configurations in which both ends show certificates.
func bothAuthenticated(t *testing.T, k kind) (client, server openssl.Config, cache *openssl.MemoryCache) {
	t.Helper()
	client, server = clientConfig(k.version), serverConfig(t, k.version)
	client.Certificates = pairs(t, testcert.Client())
	server.ClientAuth, server.ClientCAPEM = tls.RequireAndVerifyClientCert, testcert.Root().PEM
	cache = openssl.NewMemoryCache(0)
	if k.cached {
		server.SessionCache = cache
	}
	return client, server, cache
}

// sessionLog keeps the sessions that OnSession tells.
type sessionLog struct {
	mu  sync.Mutex
	all []*openssl.Session
}

func (l *sessionLog) add(_ *openssl.Conn, s *openssl.Session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, s)
}

func (l *sessionLog) take() (all []*openssl.Session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	all, l.all = l.all, nil
	return all
}

// session makes a connection that is closed both ways and returns its newest session.
func session(t testing.TB, client, server *openssl.Ctx, log *sessionLog, opts ...openssl.ConnOption) *openssl.Session {
	t.Helper()
	log.take()
	c, s := connected(t, client, server, opts...)
	says(t, s, c, "with it come the tickets")
	closeBoth(t, c, s)
	all := log.take()
	if len(all) == 0 {
		t.Fatal("no session")
	}
	return all[len(all)-1]
}

func closeBoth(t testing.TB, c, s *openssl.Conn) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- s.Shutdown(deadline(t)) }()
	if err := c.Shutdown(deadline(t)); err != nil {
		t.Fatalf("client's Shutdown: %v", err)
	}
	if err := <-done; err != nil {
		t.Fatalf("server's Shutdown: %v", err)
	}
	c.Close()
	s.Close()
}

// TestHookRefuses has a hook refuse the peer: the peer must not see our Finished (a TLS 1.3 client: not
// a byte after its own), no data may be released, and the session is gone.
func TestHookRefuses(t *testing.T) {
	for _, k := range kinds {
		for _, side := range []string{"client", "server"} {
			for _, hook := range []string{"VerifyPeerCertificate", "VerifyConnection"} {
				for _, way := range []string{"error", "panic"} {
					for _, on := range []string{"full", "resumed"} {
						t.Run(strings.Join([]string{k.name, side, hook, way, on}, "/"), func(t *testing.T) {
							testHookRefuses(t, k, side, hook, way, on == "resumed")
						})
					}
				}
			}
		}
	}
}

var errRefused = errors.New("refused by the test")

func testHookRefuses(t *testing.T, k kind, side, hook, way string, resumed bool) {
	var refusing atomic.Bool
	var relay *rawpeer.Relay
	var seenAtHook int
	decide := func() error {
		if !refusing.Load() {
			return nil
		}
		seenAtHook = len(relay.Seen(rawpeer.ToClient))
		if way == "panic" {
			panic("raised by the test")
		}
		return errRefused
	}
	client, server, cache := bothAuthenticated(t, k)
	cfg := &client
	if side == "server" {
		cfg = &server
	}
	if hook == "VerifyConnection" {
		cfg.VerifyConnection = func(tls.ConnectionState) error { return decide() }
	} else {
		cfg.VerifyPeerCertificate = func([][]byte, [][]*x509.Certificate) error { return decide() }
	}
	log := &sessionLog{}
	client.OnSession = log.add
	cctx, sctx := newCtx(t, client), newCtx(t, server)
	var opts []openssl.ConnOption
	var offered *openssl.Session
	if resumed {
		offered = session(t, cctx, sctx, log)
		opts = append(opts, openssl.WithSession(offered))
	}

	refusing.Store(true)
	a, b, r := rawpeer.TCP(t)
	relay = r
	c, s := clientOver(t, a, cctx, opts...), serverOver(t, b, sctx)
	refuser, refused, direction := c, s, rawpeer.ToServer
	if side == "server" {
		refuser, refused, direction = s, c, rawpeer.ToClient
	}
	heard := make(chan error, 1)
	go func() {
		_, err := io.WriteString(refused, "secret")
		n := 0
		if err == nil {
			n, err = refused.Read(make([]byte, 1))
		}
		if err == nil {
			err = fmt.Errorf("%d bytes read without an error", n)
			t.Error(err)
		}
		heard <- err
	}()
	err := refuser.HandshakeContext(deadline(t))
	checkRefused(t, err, hook, way)
	if n, err := refuser.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("the refusing end read %d bytes, error %v", n, err)
	}
	if n, err := refuser.Write([]byte("x")); n != 0 || err == nil {
		t.Errorf("the refusing end wrote %d bytes, error %v", n, err)
	}
	if end := refuser.End(); end.Resumable || end.Err == nil {
		t.Errorf("End() = %+v, want an error and no session", end)
	}
	refuser.Close()
	told := <-heard

	records, tail, err := r.Records(direction)
	if err != nil || len(tail) != 0 {
		t.Errorf("the refusing end sent half a record or none: %v", err)
	}
	if side == "server" && k.version == tls.VersionTLS13 {
		if got := len(r.Seen(direction)); got != seenAtHook {
			t.Errorf("%d bytes came from the server after it refused", got-seenAtHook)
		}
	} else {
		for i, rec := range records {
			if last := i == len(records)-1; rec.Type != record.Handshake && !last {
				t.Errorf("the refusing end sent a record of type %v", rec.Type)
			} else if level, alert, ok := rec.PlainAlert(); last && (!ok || level != record.Fatal || alert != 42) {
				t.Errorf("the last record is %v %x, want a fatal bad_certificate", rec.Type, rec.Body)
			}
		}
		if a := refuser.End().AlertSent; a == nil || *a != 42 {
			t.Errorf("End() tells of the alert %v", a)
		}
		if alertOf(told) != "bad_certificate" {
			t.Errorf("the refused end was told %v", told)
		}
	}
	if got := log.take(); len(got) != 0 {
		t.Errorf("the client was told %d sessions", len(got))
	}
	if err := sctx.Drain(deadline(t)); err != nil {
		t.Error(err)
	}
	left := 0
	switch {
	case !resumed:
	case k.name == "tls13-stateful":
		left = 1 // the other ticket of the connection before
	}
	if n := cache.Len(); n != left {
		t.Errorf("%d sessions are left in the server's cache, want %d", n, left)
	}
	if side == "client" && resumed && offered.Resumable() {
		t.Error("the session that was refused is still resumable")
	}
}

// TestRefusalAlert: a hook's error may name the alert that the peer gets, for each hook, on each version; a
// server of TLS 1.3 that has seen the client's Finished says none.
func TestRefusalAlert(t *testing.T) {
	named := func(a openssl.Alert) error { return fmt.Errorf("%w: %w", errRefused, &openssl.AlertError{Alert: a}) }
	for name, test := range map[string]struct {
		err  error
		want map[string]string // by hook; "" is all
	}{
		"none named":   {errRefused, map[string]string{"": "bad_certificate", "GetCtxForClient": "internal_error", "GetCertificate": "internal_error"}},
		"named":        {named(49), map[string]string{"": "access_denied"}},
		"crypto/tls's": {fmt.Errorf("%w: %w", errRefused, tls.AlertError(46)), map[string]string{"": "certificate_unknown"}},
		"close_notify": {named(0), map[string]string{"": "bad_certificate", "GetCtxForClient": "internal_error", "GetCertificate": "internal_error"}},
		"another peer's": {fmt.Errorf("%w: %w", errRefused, &openssl.AlertError{Alert: 49, FromPeer: true}),
			map[string]string{"": "bad_certificate", "GetCtxForClient": "internal_error", "GetCertificate": "internal_error"}},
	} {
		for _, k := range kinds {
			for _, hook := range []string{"client", "server", "GetCtxForClient", "GetCertificate"} {
				t.Run(name+"/"+k.name+"/"+hook, func(t *testing.T) {
					client, server, _ := bothAuthenticated(t, k)
					verify := func(tls.ConnectionState) error { return test.err }
					switch hook {
					case "client":
						client.VerifyConnection = verify
					case "server":
						server.VerifyConnection = verify
					case "GetCtxForClient":
						server.GetCtxForClient = func(*openssl.ClientHelloInfo) (*openssl.Ctx, error) { return nil, test.err }
					case "GetCertificate":
						server.GetCertificate = func(*openssl.ClientHelloInfo) (*openssl.Certificate, error) { return nil, test.err }
					}
					want, ok := test.want[hook]
					if !ok {
						want = test.want[""]
					}
					c, s := ends(t, newCtx(t, client), newCtx(t, server))
					cerr, serr := handshakes(t, c, s)
					if cerr == nil { // TLS 1.3: the client hears of it with its first Read
						_, cerr = c.Read(make([]byte, 1))
					}
					refuser, refusal, told := s, serr, cerr
					if hook == "client" {
						refuser, refusal, told = c, cerr, serr
					}
					if !errors.Is(refusal, errRefused) {
						t.Errorf("the refusal is %v", refusal)
					}
					sent := refuser.End().AlertSent
					if hook == "server" && k.version == tls.VersionTLS13 {
						if sent != nil || alertOf(told) != "" {
							t.Errorf("sent %v, the client was told %v", sent, told)
						}
						return
					}
					if alertOf(told) != want || sent == nil || sent.String() != want {
						t.Errorf("sent %v, the peer was told %v, want %s", sent, told, want)
					}
				})
			}
		}
	}
}

func checkRefused(t *testing.T, err error, hook, way string) {
	t.Helper()
	if err == nil {
		t.Fatal("the handshake of the refusing end worked")
	}
	e := asError(t, err)
	if e.Op != "handshake" || e.Origin != openssl.FromCaller {
		t.Errorf("operation %q, origin %v", e.Op, e.Origin)
	}
	if way == "error" && !errors.Is(err, errRefused) {
		t.Errorf("error %v, want the hook's", err)
	}
	if want := "panic in " + hook + ": raised by the test"; way == "panic" && !strings.Contains(err.Error(), want) {
		t.Errorf("error %q, want %q", err, want)
	}
}

// A hook that accepts is asked once a handshake and is shown what ConnectionState shows.
func TestHookAccepts(t *testing.T) {
	ignore := cmp.Options{
		cmpopts.IgnoreFields(tls.ConnectionState{}, "HandshakeComplete"), // crypto/tls shows hooks false as well
		cmpopts.IgnoreUnexported(tls.ConnectionState{}),
		cmp.Comparer(func(a, b *x509.Certificate) bool { return a.Equal(b) }),
	}
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			type asked struct {
				Raw, Chains int
				State       *tls.ConnectionState
			}
			hooks := func(cfg *openssl.Config, log *[]asked) {
				cfg.VerifyPeerCertificate = func(raw [][]byte, chains [][]*x509.Certificate) error {
					*log = append(*log, asked{Raw: len(raw), Chains: len(chains)})
					return nil
				}
				cfg.VerifyConnection = func(s tls.ConnectionState) error {
					*log = append(*log, asked{State: &s})
					return nil
				}
			}
			client, server, _ := bothAuthenticated(t, k)
			client.NextProtos, server.NextProtos = []string{"one"}, []string{"one"}
			var clientLog, serverLog []asked
			hooks(&client, &clientLog)
			hooks(&server, &serverLog)
			log := &sessionLog{}
			client.OnSession = log.add
			cctx, sctx := newCtx(t, client), newCtx(t, server)
			sess := session(t, cctx, sctx, log)
			for _, resumed := range []bool{false, true} {
				clientLog, serverLog = nil, nil
				var opts []openssl.ConnOption
				if resumed {
					opts = append(opts, openssl.WithSession(sess))
				}
				c, s := connected(t, cctx, sctx, opts...)
				says(t, s, c, "x")
				says(t, c, s, "y")
				chains := 1
				if resumed {
					chains = 0
				}
				for i, conn := range []*openssl.Conn{c, s} {
					state := conn.ConnectionState()
					if state.DidResume != resumed {
						t.Fatalf("resumed: %v, want %v", state.DidResume, resumed)
					}
					want := []asked{{Raw: 1, Chains: chains}, {State: &state}}
					if diff := cmp.Diff(want, [][]asked{clientLog, serverLog}[i], ignore); diff != "" {
						t.Errorf("end %d, resumed %v: hooks (-want +got):\n%s", i, resumed, diff)
					}
				}
			}
		})
	}
}

// As in crypto/tls, a server that asked for a certificate has its hook told of a client without one.
func TestVerifyPeerCertificateWithoutCertificate(t *testing.T) {
	for _, version := range bothVersions {
		for _, auth := range []tls.ClientAuthType{tls.NoClientCert, tls.RequestClientCert, tls.VerifyClientCertIfGiven} {
			t.Run(fmt.Sprintf("%s/%v", tls.VersionName(version), auth), func(t *testing.T) {
				calls := 0
				cfg := serverConfig(t, version)
				cfg.ClientAuth, cfg.ClientCAPEM = auth, testcert.Root().PEM
				cfg.VerifyPeerCertificate = func(raw [][]byte, _ [][]*x509.Certificate) error {
					calls++
					if len(raw) == 0 {
						return errRefused
					}
					return nil
				}
				c, s := ends(t, newCtx(t, clientConfig(version)), newCtx(t, cfg))
				_, serr := handshakes(t, c, s)
				asks := auth != tls.NoClientCert
				if (calls > 0) != asks || errors.Is(serr, errRefused) != asks {
					t.Errorf("%d calls, error %v", calls, serr)
				}
			})
		}
	}
}

// A hook that ends its goroutine has not accepted.
func TestHookEndsItsGoroutine(t *testing.T) {
	for _, hook := range []string{"VerifyConnection", "GetCtxForClient", "GetCertificate"} {
		t.Run(hook, func(t *testing.T) {
			calls := 0
			goexit := func() error {
				if calls++; calls == 1 {
					runtime.Goexit()
				}
				return errRefused
			}
			cfg := serverConfig(t, tls.VersionTLS13)
			switch hook {
			case "VerifyConnection":
				cfg.VerifyConnection = func(tls.ConnectionState) error { return goexit() }
			case "GetCtxForClient":
				cfg.GetCtxForClient = func(*openssl.ClientHelloInfo) (*openssl.Ctx, error) { return nil, goexit() }
			case "GetCertificate":
				cfg.GetCertificate = func(*openssl.ClientHelloInfo) (*openssl.Certificate, error) { return nil, goexit() }
			}
			c, s := ends(t, newCtx(t, clientConfig(tls.VersionTLS13)), newCtx(t, cfg))
			client := make(chan error, 1)
			go func() { client <- c.HandshakeContext(deadline(t)) }()
			var first sync.WaitGroup
			first.Go(func() { s.HandshakeContext(deadline(t)) })
			first.Wait()
			if n, err := s.Read(make([]byte, 1)); n != 0 || !errors.Is(err, errRefused) {
				t.Errorf("Read = %d, %v; want the hook's error", n, err)
			}
			s.Close()
			<-client
		})
	}
}

// TestHookContext: Close and the handshake's context end the context of a running hook.
func TestHookContext(t *testing.T) {
	for _, hook := range []string{"GetCtxForClient", "GetCertificate"} {
		for _, by := range []string{"Close", "context"} {
			t.Run(hook+"/"+by, func(t *testing.T) {
				running := make(chan struct{}, 2)
				var goOn atomic.Bool
				wait := func(info *openssl.ClientHelloInfo) error {
					if info.ServerName != "localhost" || info.Conn == nil {
						t.Errorf("ClientHelloInfo %+v", info)
					}
					running <- struct{}{}
					if goOn.Load() {
						return nil
					}
					<-info.Context().Done()
					return info.Context().Err()
				}
				cfg := serverConfig(t, tls.VersionTLS13)
				if hook == "GetCtxForClient" {
					cfg.GetCtxForClient = func(i *openssl.ClientHelloInfo) (*openssl.Ctx, error) { return nil, wait(i) }
				} else {
					cfg.GetCertificate = func(i *openssl.ClientHelloInfo) (*openssl.Certificate, error) { return nil, wait(i) }
				}
				c, s := ends(t, newCtx(t, clientConfig(tls.VersionTLS13)), newCtx(t, cfg))
				client := make(chan error, 1)
				go func() { client <- c.HandshakeContext(deadline(t)) }()
				ctx, cancel := context.WithCancel(deadline(t))
				defer cancel()
				server := make(chan error, 1)
				go func() { server <- s.HandshakeContext(ctx) }()
				<-running
				if by == "Close" {
					s.Close()
					if err := <-server; !errors.Is(err, net.ErrClosed) {
						t.Errorf("the closed handshake: %v, want net.ErrClosed", err)
					}
					<-client
					return
				}
				cancel()
				if err := <-server; !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "handshake") {
					t.Errorf("the cancelled handshake: %v", err)
				}
				// A later call goes on with it.
				goOn.Store(true)
				if err := s.HandshakeContext(deadline(t)); err != nil {
					t.Errorf("the handshake after the cancelled one: %v", err)
				}
				if err := <-client; err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// Functions that cannot refuse may panic without harm.
func TestHookPanicsHarmless(t *testing.T) {
	client, server := clientConfig(tls.VersionTLS13), serverConfig(t, tls.VersionTLS13)
	var called [4]atomic.Bool
	ended := make(chan struct{})
	client.OnSession = func(*openssl.Conn, *openssl.Session) { called[0].Store(true); panic("OnSession") }
	server.OnEnd = func(openssl.End) { called[1].Store(true); defer close(ended); panic("OnEnd") }
	client.KeyLogWriter = panicWriter{&called[2]}
	server.SessionCache = panicCache{&called[3]}
	sctx := newCtx(t, server)
	c, s := connected(t, newCtx(t, client), sctx)
	says(t, s, c, "hello")
	says(t, c, s, "hello")
	closeBoth(t, c, s)
	<-ended
	if err := sctx.Drain(deadline(t)); err != nil { // the Puts
		t.Fatal(err)
	}
	for i := range called {
		if !called[i].Load() {
			t.Errorf("function %d was not called", i)
		}
	}
}

type panicWriter struct{ called *atomic.Bool }

func (w panicWriter) Write([]byte) (int, error) { w.called.Store(true); panic("KeyLogWriter") }

type panicCache struct{ called *atomic.Bool }

func (c panicCache) Get(context.Context, []byte) ([]byte, error)  { panic("Get") }
func (c panicCache) Take(context.Context, []byte) ([]byte, error) { panic("Take") }
func (c panicCache) Remove(context.Context, []byte) error         { panic("Remove") }
func (c panicCache) Put(ctx context.Context, id, value []byte, _ time.Duration) error {
	c.called.Store(true)
	panic("Put")
}
