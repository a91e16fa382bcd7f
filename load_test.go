package openssl_test

import (
	"context"
	"flag"
	"runtime/pprof"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/sessiontest"
)

var long = flag.Bool("long", false, "run the load tests at full size, and hold them to their times")

// slowStore answers every lookup with a miss, when it is let.
type slowStore struct {
	sharedMap
	waiting atomic.Int64
	gate    chan struct{}
}

func (s *slowStore) Get(ctx context.Context, id []byte) ([]byte, error) {
	s.waiting.Add(1)
	defer s.waiting.Add(-1)
	select {
	case <-s.gate:
		return s.sharedMap.Get(ctx, id)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// TestManyWaitForTheStore: handshakes that wait for a store across the network hold no thread and do
// not slow the others.
func TestManyWaitForTheStore(t *testing.T) {
	handshakes, measured, pause := 200, 20, time.Duration(0)
	if *long {
		handshakes, measured, pause = 1000, 300, 2*time.Second
	}
	kind := sessiontest.Kinds[0]
	store := &slowStore{sharedMap: *newSharedMap(), gate: make(chan struct{})}
	cfg := kind.ServerConfig(t, store)
	server := sessiontest.NewCtx(t, cfg)
	other := sessiontest.NewCtx(t, kind.ServerConfig(t, openssl.NewMemoryCache(0)))
	client := sessiontest.NewCtx(t, kind.ClientConfig())
	der := someSessions(t, kind, 1)[0].DER()

	median := func() time.Duration {
		var all []time.Duration
		for range measured {
			begin := time.Now()
			p := sessiontest.Connect(t, other, client)
			all = append(all, time.Since(begin))
			p.Close()
		}
		slices.Sort(all)
		return all[len(all)/2]
	}
	idle := median()
	threads := pprof.Lookup("threadcreate").Count()

	var wg sync.WaitGroup
	begin := time.Now()
	for range handshakes {
		s, err := openssl.ParseSession(der)
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			p, err := sessiontest.Dial(t, server, client, openssl.WithSession(s))
			if err != nil {
				t.Errorf("a handshake is lost: %v", err)
			}
			p.Close()
		})
	}
	for store.waiting.Load() < int64(handshakes) {
		if time.Since(begin) > sessiontest.Patience {
			t.Fatalf("%d of %d wait", store.waiting.Load(), handshakes)
		}
		time.Sleep(time.Millisecond)
	}
	allWait := time.Now()
	busy := median()
	time.Sleep(time.Until(allWait.Add(pause)))
	if n := store.waiting.Load(); n != int64(handshakes) {
		t.Errorf("%d wait at the end of the measurement, want %d", n, handshakes)
	}
	extra := pprof.Lookup("threadcreate").Count() - threads
	close(store.gate)
	wg.Wait()
	t.Logf("%d handshakes waited %v on %d more threads; the others' median was %v, then %v",
		handshakes, time.Since(allWait).Round(time.Millisecond), extra, idle, busy)
	if extra > handshakes/2 { // a thread each would be more
		t.Errorf("%d more threads for %d handshakes", extra, handshakes)
	}
	if *long && busy > 2*idle {
		t.Errorf("the others' median latency went from %v to %v", idle, busy)
	}
	if s := server.SessionStats(); s.Lookups != uint64(handshakes) || s.LookupErrors != 0 {
		t.Errorf("%+v", s)
	}
}

// TestHalfUnclean is the oracle's t01 on every kind: goroutines on one Ctx, half of the connections
// unclean; exactly the clean sessions are alive at the end.
func TestHalfUnclean(t *testing.T) {
	rounds := 10
	if *long {
		rounds = 60
	}
	for _, kind := range sessiontest.Kinds {
		t.Run(kind.Name, func(t *testing.T) {
			cache := openssl.NewMemoryCache(0)
			server := sessiontest.NewCtx(t, kind.ServerConfig(t, cache))
			var mu sync.Mutex
			given := make(map[*openssl.Conn][]*openssl.Session)
			cfg := kind.ClientConfig()
			cfg.OnSession = func(c *openssl.Conn, s *openssl.Session) {
				mu.Lock()
				defer mu.Unlock()
				given[c] = append(given[c], s)
			}
			client := sessiontest.NewCtx(t, cfg)
			var clean, unclean []*openssl.Session
			var wg sync.WaitGroup
			for range 6 {
				wg.Go(func() {
					for i := range rounds {
						p := sessiontest.Connect(t, server, client)
						if i%2 == 0 {
							p.Shutdown(t)
						} else {
							p.Wire.Reset()
							p.Server.Read(make([]byte, 1))
							p.Close()
						}
						mu.Lock()
						if i%2 == 0 {
							clean = append(clean, given[p.Client]...)
						} else {
							unclean = append(unclean, given[p.Client]...)
						}
						delete(given, p.Client)
						mu.Unlock()
					}
				})
			}
			wg.Wait()
			want := 6 * rounds / 2 * kind.Sessions
			if len(clean) != want || len(unclean) != want {
				t.Fatalf("%d clean and %d unclean sessions, want %d of each", len(clean), len(unclean), want)
			}
			if kind.Stateful {
				if s := cache.Stats(); s.Entries != want || s.Removed != uint64(want) {
					t.Errorf("the cache: %+v, want %d kept and %d removed", s, want, want)
				}
			}
			for _, s := range unclean {
				if s.Resumable() {
					t.Fatal("the client's session of an unclean end is resumable")
				}
				if b, _ := cache.Get(context.Background(), s.ID()); b != nil {
					t.Fatal("the server's session of an unclean end is alive")
				}
			}
			plain := sessiontest.NewCtx(t, kind.ClientConfig())
			for _, s := range clean {
				copied, err := openssl.ParseSession(s.DER())
				if err != nil {
					t.Fatal(err)
				}
				p := sessiontest.Connect(t, server, plain, openssl.WithSession(copied))
				if !s.Resumable() || !p.Resumed(t) {
					t.Fatal("a session of a clean end is dead")
				}
				p.Shutdown(t)
			}
		})
	}
}
