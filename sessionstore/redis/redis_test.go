package redis

import (
	"bytes"
	"context"
	"encoding/asn1"
	"errors"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/sessiontest"
	"github.com/google/go-cmp/cmp"
	goredis "github.com/redis/go-redis/v9"
)

func TestContract(t *testing.T) {
	t.Run("single", func(t *testing.T) {
		c := startRedis(t).client(t)
		sessiontest.TestContract(t, func(t *testing.T) openssl.SessionCache { return newStore(t, c, randomSealer(t)) })
	})
	t.Run("cluster", func(t *testing.T) {
		s := startRedis(t, "--cluster-enabled", "yes")
		c := client(t, &goredis.UniversalOptions{Addrs: []string{s.addr}, IsClusterMode: true})
		plain := s.client(t)
		if err := plain.Do(within(t), "CLUSTER", "ADDSLOTSRANGE", "0", "16383").Err(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the cluster is up", func() bool {
			info, err := plain.ClusterInfo(within(t)).Result()
			return err == nil && strings.Contains(info, "cluster_state:ok")
		})
		sessiontest.TestContract(t, func(t *testing.T) openssl.SessionCache { return newStore(t, c, randomSealer(t)) })
	})
	t.Run("sentinel", func(t *testing.T) {
		s := startRedis(t)
		sentinel := startSentinel(t, s)
		c := client(t, &goredis.UniversalOptions{Addrs: []string{sentinel.addr}, MasterName: "sessions"})
		sessiontest.TestContract(t, func(t *testing.T) openssl.SessionCache { return newStore(t, c, randomSealer(t)) })
	})
}

func TestEndings(t *testing.T) {
	c := startRedis(t).client(t)
	sealer := randomSealer(t)
	sessiontest.TestEndings(t, sessiontest.Caches{
		Server:    func(t *testing.T) openssl.SessionCache { return newStore(t, c, sealer) },
		Client:    func(*testing.T) openssl.ClientSessionCache { return openssl.NewLRUClientSessionCache(0) },
		IDContext: idContext,
	})
}

func TestNewRefuses(t *testing.T) {
	c := goredis.NewClient(&goredis.Options{})
	defer c.Close()
	good := Options{Client: c, Sealer: randomSealer(t), SessionIDContext: idContext}
	for name, spoil := range map[string]func(*Options){
		"no client":       func(o *Options) { o.Client = nil },
		"no sealer":       func(o *Options) { o.Sealer = nil },
		"an empty sealer": func(o *Options) { o.Sealer = &openssl.Sealer{} },
		"no context":      func(o *Options) { o.SessionIDContext = nil },
		"a long context":  func(o *Options) { o.SessionIDContext = make([]byte, 33) },
	} {
		o := good
		spoil(&o)
		if _, err := New(o); !errors.Is(err, openssl.ErrConfig) {
			t.Errorf("%s: %v, want ErrConfig", name, err)
		}
	}
	if _, err := New(good); err != nil {
		t.Error(err)
	}
}

// TestNothingInTheClear searches all of Redis for what a session must not show.
func TestNothingInTheClear(t *testing.T) {
	for _, kind := range stateful {
		t.Run(kind.Name, func(t *testing.T) {
			c := startRedis(t).client(t)
			recorder := &recordingCache{SessionCache: newStore(t, c, randomSealer(t))}
			server := serverCtx(t, kind, recorder)
			client := sessiontest.NewCtx(t, kind.ClientConfig())
			for range 3 {
				sessiontest.Connect(t, server, client).Shutdown(t)
			}
			sessiontest.Drain(t, server)
			keys, err := c.Keys(within(t), "*").Result()
			if err != nil || len(keys) != 3*kind.Sessions {
				t.Fatalf("%d keys, %v, want %d", len(keys), err, 3*kind.Sessions)
			}
			var all []byte
			for _, key := range keys {
				value, err := c.Get(within(t), key).Bytes()
				if err != nil {
					t.Fatal(err)
				}
				all = append(append(append(all, key...), '\n'), value...)
				if ttl := c.PTTL(within(t), key).Val(); ttl <= 0 || ttl > 3*time.Hour {
					t.Errorf("a session that lives for %v", ttl)
				}
			}
			if len(recorder.sessions) != 3*kind.Sessions {
				t.Fatalf("%d sessions were put", len(recorder.sessions))
			}
			for _, der := range recorder.sessions {
				secret := masterSecret(t, der)
				for n := 16; n <= len(secret); n += 16 { // any 16 bytes of it would be too much
					if bytes.Contains(all, secret[n-16:n]) {
						t.Error("the keyspace shows bytes of a master secret")
					}
				}
				if bytes.Contains(all, der[len(der)/2:]) {
					t.Error("the keyspace shows a serialised session")
				}
			}
		})
	}
}

// recordingCache remembers what is put, before it is sealed.
type recordingCache struct {
	openssl.SessionCache
	mu       sync.Mutex
	sessions [][]byte
}

func (r *recordingCache) Put(ctx context.Context, id, session []byte, ttl time.Duration) error {
	r.mu.Lock()
	r.sessions = append(r.sessions, bytes.Clone(session))
	r.mu.Unlock()
	return r.SessionCache.Put(ctx, id, session, ttl)
}

// masterSecret finds it in a session's DER: version, protocol, cipher, id, secret.
func masterSecret(t *testing.T, der []byte) []byte {
	t.Helper()
	var outer asn1.RawValue
	if _, err := asn1.Unmarshal(der, &outer); err != nil {
		t.Fatal(err)
	}
	var version, protocol int
	var cipher, id, secret []byte
	rest := outer.Bytes
	for _, part := range []any{&version, &protocol, &cipher, &id, &secret} {
		var err error
		if rest, err = asn1.Unmarshal(rest, part); err != nil {
			t.Fatal(err)
		}
	}
	if len(secret) < 32 {
		t.Fatalf("a secret of %d bytes", len(secret))
	}
	return secret
}

// What does not belong where it is found costs a full handshake and is counted; the peer sees no error.
func TestSpoiltValues(t *testing.T) {
	old := openssl.SealKey{ID: "old", Secret: bytes.Repeat([]byte{1}, 32)}
	now := openssl.SealKey{ID: "now", Secret: bytes.Repeat([]byte{2}, 32)}
	hit, miss, failed := Stats{Hits: 1}, Stats{Misses: 1}, Stats{Errors: 1}
	rejected := Stats{Misses: 1, Rejected: 1}
	tests := []struct {
		name   string
		spoil  func(t *testing.T, c goredis.UniversalClient, sealer *openssl.Sealer, keys []string)
		resume bool
		want   Stats
	}{
		{"untouched", func(*testing.T, goredis.UniversalClient, *openssl.Sealer, []string) {}, true, hit},
		{"sealed with the key before", func(t *testing.T, _ goredis.UniversalClient, s *openssl.Sealer, _ []string) {
			check(t, s.SetKeys(now, old))
		}, true, hit},
		{"sealed with a retired key", func(t *testing.T, _ goredis.UniversalClient, s *openssl.Sealer, _ []string) {
			check(t, s.SetKeys(now))
		}, false, rejected},
		{"cut", func(t *testing.T, c goredis.UniversalClient, _ *openssl.Sealer, keys []string) {
			for _, key := range keys {
				v, err := c.Get(within(t), key).Result()
				check(t, err)
				check(t, c.Set(within(t), key, v[:len(v)-1], time.Hour).Err())
			}
		}, false, rejected},
		{"replayed under another id", func(t *testing.T, c goredis.UniversalClient, _ *openssl.Sealer, keys []string) {
			v, err := c.Get(within(t), keys[0]).Result()
			check(t, err)
			for i, key := range keys {
				other, err := c.Get(within(t), key).Result()
				check(t, err)
				check(t, c.Set(within(t), key, v, time.Hour).Err())
				v = other
				if i == len(keys)-1 {
					check(t, c.Set(within(t), keys[0], v, time.Hour).Err())
				}
			}
		}, false, rejected},
		{"garbage", func(t *testing.T, c goredis.UniversalClient, _ *openssl.Sealer, keys []string) {
			for _, key := range keys {
				check(t, c.Set(within(t), key, "not a session", time.Hour).Err())
			}
		}, false, rejected},
		{"another type", func(t *testing.T, c goredis.UniversalClient, _ *openssl.Sealer, keys []string) {
			for _, key := range keys {
				check(t, c.Del(within(t), key).Err())
				check(t, c.RPush(within(t), key, "a list").Err())
			}
		}, false, failed},
		{"gone", func(t *testing.T, c goredis.UniversalClient, _ *openssl.Sealer, _ []string) {
			check(t, c.FlushAll(within(t)).Err())
		}, false, miss},
	}
	redis := startRedis(t)
	for _, kind := range stateful {
		for _, test := range tests {
			t.Run(kind.Name+"/"+test.name, func(t *testing.T) {
				c := redis.client(t)
				check(t, c.FlushAll(within(t)).Err())
				sealer, err := openssl.NewSealer(old)
				check(t, err)
				store := newStore(t, c, sealer)
				server := serverCtx(t, kind, store)
				cfg := kind.ClientConfig()
				cfg.ClientSessionCache = openssl.NewLRUClientSessionCache(0)
				client := sessiontest.NewCtx(t, cfg)
				// Two connections, so that there are values to be exchanged.
				other := sessiontest.NewCtx(t, kind.ClientConfig())
				sessiontest.Connect(t, server, other).Shutdown(t)
				sessiontest.Connect(t, server, client).Shutdown(t)
				sessiontest.Drain(t, server)
				keys, err := c.Keys(within(t), "*").Result()
				check(t, err)
				test.spoil(t, c, sealer, keys)
				p := sessiontest.Connect(t, server, client)
				if got := p.Resumed(t); got != test.resume {
					t.Errorf("resumed: %v, want %v", got, test.resume)
				}
				p.Shutdown(t)
				s := store.Stats()
				test.want.Puts = s.Puts
				if d := cmp.Diff(test.want, s); d != "" {
					t.Errorf("stats (-want +got):\n%s", d)
				}
			})
		}
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A Put that the network delays must not bring a session back that was removed or taken meanwhile.
func TestRemoveIsNotOvertakenOnTheNetwork(t *testing.T) {
	redis := startRedis(t)
	for _, how := range []string{"removed", "taken"} {
		t.Run(how, func(t *testing.T) {
			p := startProxy(t, redis.addr)
			plain := redis.client(t)
			direct := newStore(t, plain, randomSealer(t))
			slow := newStore(t, client(t, &goredis.UniversalOptions{Addrs: []string{p.l.Addr().String()}, MaxRetries: -1}), direct.o.Sealer)
			id, value := []byte("id that is "+how), []byte("session")
			if how == "taken" { // the Put arrived, its answer was lost, another took the session, and the Put comes again
				check(t, direct.Put(within(t), id, value, time.Hour))
				if got, err := direct.Take(within(t), id); err != nil || !bytes.Equal(got, value) {
					t.Fatalf("Take: %q, %v", got, err)
				}
			}
			held := p.holdNext(func(b []byte) bool { return bytes.Contains(bytes.ToLower(b), []byte("\r\nnx\r\n")) })
			ctx, cancel := context.WithCancel(within(t))
			defer cancel()
			go func() {
				select {
				case <-held:
					cancel()
				case <-ctx.Done():
				}
			}()
			if err := slow.Put(ctx, id, value, time.Hour); err == nil {
				t.Fatal("the held Put has an answer")
			}
			select {
			case <-held:
			case <-within(t).Done():
				t.Fatal("no Put came through the proxy")
			}
			if how == "removed" {
				check(t, slow.Remove(within(t), id))
			}
			before := setCalls(t, plain)
			p.release()
			eventually(t, "Redis hears the Put", func() bool { return setCalls(t, plain) > before })
			if got, err := direct.Get(within(t), id); err != nil || got != nil {
				t.Errorf("Get: %q, %v: the session is back", got, err)
			}
			if got, err := direct.Take(within(t), id); err != nil || got != nil {
				t.Errorf("Take: %q, %v: the session is back", got, err)
			}
		})
	}
}

// setCalls is how many SET commands Redis has answered.
func setCalls(t *testing.T, c goredis.UniversalClient) int {
	t.Helper()
	info, err := c.Info(within(t), "commandstats").Result()
	check(t, err)
	_, rest, ok := strings.Cut(info, "cmdstat_set:calls=")
	if !ok {
		return 0
	}
	digits, _, _ := strings.Cut(rest, ",")
	n, err := strconv.Atoi(digits)
	check(t, err)
	return n
}

// TestBreaker runs against a client that does not exist but for one command.
func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := &fakeClient{}
		s, err := New(Options{Client: fake, Sealer: randomSealer(t), SessionIDContext: idContext, BreakAfter: 3, Rest: time.Second})
		check(t, err)
		get := func() error { _, err := s.Get(t.Context(), []byte("id")); return err }
		fake.err = errors.New("connection refused")
		for i := range 3 {
			if err := get(); !errors.Is(err, fake.err) {
				t.Errorf("Get %d: %v", i, err)
			}
		}
		for range 10 {
			if err := get(); !errors.Is(err, ErrResting) {
				t.Errorf("Get while resting: %v", err)
			}
		}
		if n := fake.calls.Load(); n != 3 {
			t.Errorf("%d commands reached the client, want 3", n)
		}
		time.Sleep(time.Second)
		get() // the trial fails: another rest
		get()
		if n := fake.calls.Load(); n != 4 {
			t.Errorf("%d commands reached the client, want 4", n)
		}
		if d := cmp.Diff(Stats{Errors: 4, Skipped: 11, Breaks: 1, Resting: true}, s.Stats()); d != "" {
			t.Errorf("stats (-want +got):\n%s", d)
		}
		// Of many after the rest one tries, and the others are not held up by it.
		time.Sleep(time.Second)
		fake.err, fake.delay = nil, 100*time.Millisecond
		trial := make(chan error)
		go func() { trial <- get() }()
		synctest.Wait()
		if err := get(); !errors.Is(err, ErrResting) {
			t.Errorf("Get beside the trial: %v", err)
		}
		if err := <-trial; err != nil {
			t.Errorf("the trial: %v", err)
		}
		if err := get(); err != nil || s.Stats().Resting {
			t.Errorf("after the trial: %v, %+v", err, s.Stats())
		}
		// A handshake that goes away says nothing about Redis; one that waits too long does, at once.
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		for range 10 {
			s.Get(gone, []byte("id"))
		}
		if s.Stats().Resting {
			t.Error("handshakes that went away have made it rest")
		}
		fake.delay = time.Hour
		for range 3 {
			late, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			go s.Get(late, []byte("id"))
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if !s.Stats().Resting {
			t.Error("commands that do not answer in time have not made it rest")
		}
		time.Sleep(2 * time.Hour)
	})
}

type fakeClient struct {
	goredis.UniversalClient
	err   error
	delay time.Duration
	calls atomic.Int64
}

func (f *fakeClient) Get(ctx context.Context, key string) *goredis.StringCmd {
	f.calls.Add(1)
	time.Sleep(f.delay)
	cmd := goredis.NewStringCmd(ctx, "get", key)
	cmd.SetErr(f.err)
	if ctx.Err() != nil && f.delay < time.Minute {
		cmd.SetErr(ctx.Err())
	}
	return cmd
}
