package openssl_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/sessiontest"
	"github.com/golibssl/openssl/internal/testcert"
	"github.com/google/go-cmp/cmp"
)

// A client does not offer what has expired.
func TestSessionExpired(t *testing.T) {
	forKinds(t, func(t *testing.T, kind sessiontest.Kind) {
		cfg := kind.ServerConfig(t, openssl.NewMemoryCache(0))
		server := sessiontest.NewCtx(t, cfg)
		var s *openssl.Session
		ccfg := kind.ClientConfig()
		ccfg.OnSession = func(_ *openssl.Conn, got *openssl.Session) { s = got }
		client := sessiontest.NewCtx(t, ccfg)
		sessiontest.Connect(t, server, client).Shutdown(t)
		s.SetCreated(time.Now().Add(-s.Timeout() - time.Second))
		p := sessiontest.Connect(t, server, client, openssl.WithSession(s))
		if p.Resumed(t) {
			t.Error("an expired session was offered, and resumed")
		}
		p.Shutdown(t)
	})
}

// The server's timeout ends a session whatever the client thinks.
func TestServerExpires(t *testing.T) {
	forKinds(t, func(t *testing.T, kind sessiontest.Kind) {
		t.Parallel() // it waits
		cfg := kind.ServerConfig(t, openssl.NewMemoryCache(0))
		cfg.SessionTimeout = time.Second
		server := sessiontest.NewCtx(t, cfg)
		var s *openssl.Session
		ccfg := kind.ClientConfig()
		ccfg.OnSession = func(_ *openssl.Conn, got *openssl.Session) { s = got }
		client := sessiontest.NewCtx(t, ccfg)
		sessiontest.Connect(t, server, client).Shutdown(t)
		s.SetTimeout(time.Hour)
		time.Sleep(time.Until(s.Created().Add(3 * time.Second)))
		p := sessiontest.Connect(t, server, client, openssl.WithSession(s))
		if p.Resumed(t) {
			t.Error("resumed after the server's timeout")
		}
		p.Shutdown(t)
	})
}

// A cache that servers share is no way around the session id context.
func TestSharedCacheKeepsContextsApart(t *testing.T) {
	for _, kind := range []sessiontest.Kind{sessiontest.Kinds[0], sessiontest.Kinds[2]} {
		t.Run(kind.Name, func(t *testing.T) {
			for _, same := range []bool{true, false} {
				cache := newSharedMap()
				server := func(id string) *openssl.Ctx {
					cfg := kind.ServerConfig(t, cache)
					cfg.SessionIDContext = []byte(id)
					return sessiontest.NewCtx(t, cfg)
				}
				first, second := server("one"), server("one")
				if !same {
					second = server("another")
				}
				var s *openssl.Session
				cfg := kind.ClientConfig()
				cfg.OnSession = func(_ *openssl.Conn, got *openssl.Session) { s = got }
				client := sessiontest.NewCtx(t, cfg)
				sessiontest.Connect(t, first, client).Shutdown(t)
				sessiontest.Drain(t, first)
				p := sessiontest.Connect(t, second, client, openssl.WithSession(s))
				if p.Resumed(t) != same {
					t.Errorf("same context %v, resumed %v", same, !same)
				}
				p.Shutdown(t)
				want := openssl.SessionStats{Lookups: 1, Hits: 1}
				if !same {
					want = openssl.SessionStats{Lookups: 1, Refused: 1}
				}
				got := second.SessionStats()
				got.Puts, got.Waiting = 0, 0
				if d := cmp.Diff(want, got); d != "" {
					t.Errorf("same context %v (-want +got):\n%s", same, d)
				}
			}
		})
	}
}

// Sessions promise no early data: without libssl's own cache nothing would stop a second use of it.
func TestNoEarlyData(t *testing.T) {
	for _, kind := range sessiontest.Kinds {
		for _, s := range someSessions(t, kind, 1) {
			if n := s.MaxEarlyData(); n != 0 {
				t.Errorf("%s: a session for %d bytes of early data", kind.Name, n)
			}
		}
	}
}

func TestSessionTimeoutLimits(t *testing.T) {
	for d, ok := range map[time.Duration]bool{0: true, time.Second: true, 7 * 24 * time.Hour: true,
		7*24*time.Hour + time.Second: false, -time.Second: false} {
		if _, err := openssl.NewCtx(&openssl.Config{SessionTimeout: d}); (err == nil) != ok || err != nil && !errors.Is(err, openssl.ErrConfig) {
			t.Errorf("SessionTimeout %v: %v", d, err)
		}
	}
}

// crypto/tls is the peer: it resumes with our caches, and ours with its tickets.
func TestResumeWithCryptoTLS(t *testing.T) {
	roots := testcert.Root().Pool()
	forKinds(t, func(t *testing.T, kind sessiontest.Kind) {
		if kind.Name == "tls12-id" {
			t.Skip("crypto/tls resumes no session ids")
		}
		t.Run("client", func(t *testing.T) {
			server := sessiontest.NewCtx(t, kind.ServerConfig(t, openssl.NewMemoryCache(0)))
			cfg := &tls.Config{RootCAs: roots, ServerName: "localhost", MinVersion: kind.Version, MaxVersion: kind.Version,
				ClientSessionCache: tls.NewLRUClientSessionCache(0)}
			for i := range 4 {
				near, far := tcpEnds(t)
				served := make(chan error, 1)
				go func() {
					s, err := openssl.Server(far, server)
					if err == nil {
						s.Write([]byte("!"))
						_, err = io.ReadAll(s)
						s.Close()
					}
					served <- err
				}()
				c := tls.Client(near, cfg)
				if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
					t.Fatal(err)
				}
				if got := c.ConnectionState().DidResume; got != (i > 0) {
					t.Errorf("connection %d resumed: %v", i, got)
				}
				c.Close()
				if err := <-served; err != nil {
					t.Errorf("server: %v", err)
				}
			}
		})
		if kind.Stateful {
			return // crypto/tls keeps nothing
		}
		t.Run("server", func(t *testing.T) {
			cfg := &tls.Config{Certificates: []tls.Certificate{testcert.Server().TLS}, MinVersion: kind.Version, MaxVersion: kind.Version}
			ccfg := kind.ClientConfig()
			ccfg.ClientSessionCache = openssl.NewLRUClientSessionCache(0)
			client := sessiontest.NewCtx(t, ccfg)
			for i := range 4 {
				near, far := tcpEnds(t)
				served := make(chan error, 1)
				go func() {
					s := tls.Server(far, cfg)
					s.Write([]byte("!"))
					_, err := io.ReadAll(s)
					s.Close()
					served <- err
				}()
				c, err := openssl.Client(near, client)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
					t.Fatal(err)
				}
				if got := c.ConnectionState().DidResume; got != (i > 0) {
					t.Errorf("connection %d resumed: %v", i, got)
				}
				c.Close()
				if err := <-served; err != nil {
					t.Errorf("server: %v", err)
				}
			}
		})
	})
}

// confusedMap answers with the session of another id.
type confusedMap struct{ *sharedMap }

func (m confusedMap) Get(_ context.Context, id []byte) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for other, value := range m.values {
		if other != string(id) {
			return value, nil
		}
	}
	return nil, nil
}

func (m confusedMap) Take(ctx context.Context, id []byte) ([]byte, error) { return m.Get(ctx, id) }

// A session must have the id that was looked up, and a ticket that is none of a cache's is not looked up.
func TestLookupBelievesNobody(t *testing.T) {
	for _, kind := range []sessiontest.Kind{sessiontest.Kinds[0], sessiontest.Kinds[2]} {
		server := sessiontest.NewCtx(t, kind.ServerConfig(t, confusedMap{newSharedMap()}))
		cfg := kind.ClientConfig()
		var s *openssl.Session
		cfg.OnSession = func(_ *openssl.Conn, got *openssl.Session) { s = got }
		client := sessiontest.NewCtx(t, cfg)
		for range 2 {
			sessiontest.Connect(t, server, client).Shutdown(t)
			sessiontest.Drain(t, server)
		}
		p := sessiontest.Connect(t, server, client, openssl.WithSession(s))
		if p.Resumed(t) {
			t.Errorf("%s: resumed", kind.Name)
		}
		p.Shutdown(t)
		if got := server.SessionStats(); got.Lookups != 1 || got.Hits != 0 || got.Refused != 1 {
			t.Errorf("%s: %+v", kind.Name, got)
		}
	}

	kind := sessiontest.Kinds[2]
	server := sessiontest.NewCtx(t, kind.ServerConfig(t, newSharedMap()))
	stateless := sessiontest.Kinds[3]
	p := sessiontest.Connect(t, server, sessiontest.NewCtx(t, stateless.ClientConfig()),
		openssl.WithSession(reparsed(t, someSessions(t, stateless, 1)[0])))
	if p.Resumed(t) {
		t.Error("resumed by another server's ticket")
	}
	p.Shutdown(t)
	if n := server.SessionStats().Lookups; n != 0 {
		t.Errorf("another server's ticket was looked up %d times", n)
	}
}

func reparsed(t *testing.T, s *openssl.Session) *openssl.Session {
	t.Helper()
	own, err := openssl.ParseSession(s.DER())
	if err != nil {
		t.Fatal(err)
	}
	return own
}
