package redis

import (
	"flag"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/sessiontest"
	goredis "github.com/redis/go-redis/v9"
)

var long = flag.Bool("long", false, "run the load tests at full size")

// TestRedisKilled kills Redis in a loop under handshakes: none is lost.
func TestRedisKilled(t *testing.T) {
	handshakes := 500
	if *long {
		handshakes = 10_000
	}
	redis := startRedis(t)
	store, err := New(Options{Client: redis.client(t), Sealer: randomSealer(t), SessionIDContext: idContext, Rest: 20 * time.Millisecond})
	check(t, err)
	type side struct{ server, client *openssl.Ctx }
	var sides []side
	for _, kind := range stateful {
		cfg := kind.ClientConfig()
		cfg.ClientSessionCache = openssl.NewLRUClientSessionCache(0)
		sides = append(sides, side{serverCtx(t, kind, store), sessiontest.NewCtx(t, cfg)})
	}

	done := make(chan struct{})
	var kills int
	var killer sync.WaitGroup
	killer.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(30 * time.Millisecond):
			}
			redis.kill()
			kills++
			time.Sleep(10 * time.Millisecond)
			redis.restart()
		}
	})
	var left, resumed atomic.Int64
	left.Store(int64(handshakes))
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			side := sides[i%len(sides)]
			for left.Add(-1) >= 0 {
				p, err := sessiontest.Dial(t, side.server, side.client)
				if err != nil {
					t.Errorf("a handshake is lost: %v", err)
					p.Close()
					continue
				}
				if p.Resumed(t) {
					resumed.Add(1)
				}
				p.Shutdown(t)
			}
		})
	}
	wg.Wait()
	close(done)
	killer.Wait()
	for _, side := range sides {
		sessiontest.Drain(t, side.server)
	}
	if kills == 0 {
		t.Error("Redis was not killed once")
	}
	t.Logf("%d handshakes, %d resumed, Redis killed %d times, %+v", handshakes, resumed.Load(), kills, store.Stats())
}

// TestRedisSilent stops Redis, so that it takes commands and never answers: handshakes wait for the
// store's timeout until it rests, then not at all, and when it answers again they resume again.
func TestRedisSilent(t *testing.T) {
	for _, kind := range stateful {
		t.Run(kind.Name, func(t *testing.T) {
			redis := startRedis(t)
			store := newStore(t, redis.client(t), randomSealer(t))
			server := serverCtx(t, kind, store, func(c *openssl.Config) { c.SessionStoreTimeout = 50 * time.Millisecond })
			cfg := kind.ClientConfig()
			cfg.ClientSessionCache = openssl.NewLRUClientSessionCache(0)
			client := sessiontest.NewCtx(t, cfg)
			sessiontest.Connect(t, server, client).Shutdown(t)
			sessiontest.Drain(t, server)
			redis.stop()
			for i := range 20 {
				// Of TLS 1.3 the last connection's own ticket waits in the queue, where it is seen: the
				// session of another process is what Redis would be asked for.
				p := sessiontest.Connect(t, server, client, openssl.WithSession(foreign(t, kind, store)))
				if p.Resumed(t) {
					t.Errorf("connection %d resumed without Redis", i)
				}
				p.Shutdown(t)
			}
			s := store.Stats()
			if s.Breaks == 0 || s.Skipped == 0 || s.Hits != 0 {
				t.Errorf("store: %+v", s)
			}
			if c := server.SessionStats(); c.Lookups != 20 || c.LookupErrors != 20 {
				t.Errorf("server: %+v", c)
			}
			redis.cont()
			eventually(t, "resumes", func() bool {
				p := sessiontest.Connect(t, server, client)
				defer p.Shutdown(t)
				return p.Resumed(t)
			})
		})
	}
}

// foreign is a session with the right context that this process's queue has never seen.
func foreign(t *testing.T, kind sessiontest.Kind, store openssl.SessionCache) *openssl.Session {
	t.Helper()
	var got *openssl.Session
	cfg := kind.ClientConfig()
	cfg.OnSession = func(_ *openssl.Conn, s *openssl.Session) { got = s }
	memory := serverCtx(t, kind, openssl.NewMemoryCache(0))
	sessiontest.Connect(t, memory, sessiontest.NewCtx(t, cfg)).Shutdown(t)
	copied, err := openssl.ParseSession(got.DER())
	check(t, err)
	return copied
}

// TestRedisKilledInMidHandshake: the ClientHello waits for Redis when it dies.
func TestRedisKilledInMidHandshake(t *testing.T) {
	for _, kind := range stateful {
		t.Run(kind.Name, func(t *testing.T) {
			redis := startRedis(t)
			p := startProxy(t, redis.addr)
			store := newStore(t, client(t, &goredis.UniversalOptions{Addrs: []string{p.l.Addr().String()}}), randomSealer(t))
			server := serverCtx(t, kind, store, func(c *openssl.Config) { c.SessionStoreTimeout = sessiontest.Patience })
			session := foreign(t, kind, store)
			client := sessiontest.NewCtx(t, kind.ClientConfig())
			asked := p.holdNext(func([]byte) bool { return true })
			var killer sync.WaitGroup
			killer.Go(func() {
				<-asked
				redis.kill()
				p.release()
			})
			pair := sessiontest.Connect(t, server, client, openssl.WithSession(session))
			if pair.Resumed(t) {
				t.Error("resumed")
			}
			killer.Wait()
			pair.Shutdown(t)
			if s := server.SessionStats(); s.Lookups != 1 || s.LookupErrors != 1 {
				t.Errorf("server: %+v", s)
			}
			redis.restart()
		})
	}
}

// TestRemoveOutlivesAnOutage: what an unclean end has made bad while Redis was away is bad when it is
// back.
func TestRemoveOutlivesAnOutage(t *testing.T) {
	kind := stateful[0]
	redis := startRedis(t)
	plain := redis.client(t)
	store := newStore(t, plain, randomSealer(t))
	server := serverCtx(t, kind, store)
	var session *openssl.Session
	cfg := kind.ClientConfig()
	cfg.OnSession = func(_ *openssl.Conn, s *openssl.Session) { session = s }
	sessiontest.Connect(t, server, sessiontest.NewCtx(t, cfg)).Shutdown(t)
	sessiontest.Drain(t, server)
	copied := func() *openssl.Session {
		s, err := openssl.ParseSession(session.DER())
		check(t, err)
		return s
	}

	p := sessiontest.Connect(t, server, sessiontest.NewCtx(t, kind.ClientConfig()), openssl.WithSession(copied()))
	if !p.Resumed(t) {
		t.Fatal("the session does not resume")
	}
	redis.stop()
	p.Wire.Reset()
	p.Server.Read(make([]byte, 1))
	p.Close()
	eventually(t, "the Remove waits", func() bool { s := server.SessionStats(); return s.Removes == 1 && s.Waiting == 1 })
	redis.cont()
	sessiontest.Drain(t, server)
	p = sessiontest.Connect(t, server, sessiontest.NewCtx(t, kind.ClientConfig()), openssl.WithSession(copied()))
	if p.Resumed(t) {
		t.Error("a session resumes that an unclean end has made bad")
	}
	p.Shutdown(t)
}
