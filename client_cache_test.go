package openssl_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/asn1"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/sessiontest"
	"github.com/golibssl/openssl/internal/testcert"
	"github.com/google/go-cmp/cmp"
)

// clientCaches are both kinds; each test makes its own.
var clientCaches = map[string]func(t *testing.T) openssl.ClientSessionCache{
	"memory": func(*testing.T) openssl.ClientSessionCache { return openssl.NewLRUClientSessionCache(0) },
	"disk":   func(t *testing.T) openssl.ClientSessionCache { return diskCache(t, t.TempDir()) },
}

func diskCache(t *testing.T, dir string) *openssl.DiskSessionCache {
	t.Helper()
	c, err := openssl.OpenDiskSessionCache(dir, newSealer(t, sealKey("test", 1)))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func forKinds(t *testing.T, f func(t *testing.T, kind sessiontest.Kind)) {
	for _, kind := range sessiontest.Kinds {
		t.Run(kind.Name, func(t *testing.T) { f(t, kind) })
	}
}

// someSessions makes sessions by connecting once for each server.
func someSessions(t *testing.T, kind sessiontest.Kind, connections int) (out []*openssl.Session) {
	t.Helper()
	server := sessiontest.NewCtx(t, kind.ServerConfig(t, openssl.NewMemoryCache(0)))
	cfg := kind.ClientConfig()
	cfg.OnSession = func(_ *openssl.Conn, s *openssl.Session) { out = append(out, s) }
	client := sessiontest.NewCtx(t, cfg)
	for range connections {
		sessiontest.Connect(t, server, client).Shutdown(t)
	}
	return out
}

func TestClientCacheResumesByItself(t *testing.T) {
	for name, newCache := range clientCaches {
		forKinds(t, func(t *testing.T, kind sessiontest.Kind) {
			t.Run(name, func(t *testing.T) {
				server := sessiontest.NewCtx(t, kind.ServerConfig(t, openssl.NewMemoryCache(0)))
				cfg := kind.ClientConfig()
				cfg.ClientSessionCache = newCache(t)
				client := sessiontest.NewCtx(t, cfg)
				for i := range 5 {
					p := sessiontest.Connect(t, server, client)
					if got, want := p.Resumed(t), i > 0; got != want {
						t.Errorf("connection %d resumed: %v, want %v", i, got, want)
					}
					p.Shutdown(t)
				}
				// A given session goes before the cache's.
				other := someSessions(t, kind, 1)[0]
				copied, err := openssl.ParseSession(other.DER())
				if err != nil {
					t.Fatal(err)
				}
				p := sessiontest.Connect(t, server, client, openssl.WithSession(copied))
				if p.Resumed(t) {
					t.Error("a session of another server resumed: the cache's was offered in place of the given one")
				}
				p.Shutdown(t)
			})
		})
	}
}

// Of TLS 1.3 each ticket serves once, the newest first; a TLS 1.2 session serves until it is bad.
func TestClientCacheOrder(t *testing.T) {
	for name, newCache := range clientCaches {
		forKinds(t, func(t *testing.T, kind sessiontest.Kind) {
			t.Run(name, func(t *testing.T) {
				cache := newCache(t)
				sessions := someSessions(t, kind, 4)
				for _, s := range sessions {
					cache.Put("key", s)
				}
				var want, got []string
				last := len(sessions) - 1
				for i := range 4 {
					if kind.Version == tls.VersionTLS12 {
						want = append(want, fmt.Sprintf("%x", sessions[last].ID()))
					} else {
						want = append(want, fmt.Sprintf("%x", sessions[last-i].ID()))
					}
				}
				for range 4 {
					s, ok := cache.Get("key")
					if !ok {
						break
					}
					got = append(got, fmt.Sprintf("%x", s.ID()))
				}
				if d := cmp.Diff(want, got); d != "" {
					t.Errorf("sessions offered (-want +got):\n%s", d)
				}
				if kind.Version == tls.VersionTLS13 {
					if _, ok := cache.Get("key"); ok {
						t.Error("more tickets than the bound, or one for the second time")
					}
				} else {
					// The newest removed, the next serves.
					cache.Remove("key", sessions[last])
					if s, ok := cache.Get("key"); !ok || !bytes.Equal(s.ID(), sessions[last-1].ID()) {
						t.Errorf("after Remove of the newest: %v", ok)
					}
				}
				if _, ok := cache.Get("another key"); ok {
					t.Error("a session of another key")
				}
			})
		})
	}
}

func TestClientCacheBoundsServers(t *testing.T) {
	kind := sessiontest.Kinds[3]
	sessions := someSessions(t, kind, 3)
	cache := openssl.NewLRUClientSessionCache(2)
	cache.Put("a", sessions[0])
	cache.Put("b", sessions[1])
	cache.Put("a", sessions[2]) // b is the least recently used now
	cache.Put("c", sessions[3])
	got := make(map[string]bool)
	for _, key := range []string{"a", "b", "c"} {
		_, got[key] = cache.Get(key)
	}
	if d := cmp.Diff(map[string]bool{"a": true, "b": false, "c": true}, got); d != "" {
		t.Errorf("kept (-want +got):\n%s", d)
	}
	want := openssl.ClientCacheStats{Hits: 2, Misses: 1, Puts: 4, Evicted: 1}
	if d := cmp.Diff(want, cache.Stats()); d != "" {
		t.Errorf("stats (-want +got):\n%s", d)
	}
}

func TestClientCacheDropsTheExpired(t *testing.T) {
	for name, newCache := range clientCaches {
		t.Run(name, func(t *testing.T) {
			cache := newCache(t)
			sessions := someSessions(t, sessiontest.Kinds[3], 1)
			sessions[1].SetCreated(time.Now().Add(-sessions[1].Timeout() - time.Second))
			cache.Put("key", sessions[0])
			cache.Put("key", sessions[1])
			if s, ok := cache.Get("key"); !ok || !bytes.Equal(s.ID(), sessions[0].ID()) {
				t.Errorf("Get: %v", ok)
			}
			if _, ok := cache.Get("key"); ok {
				t.Error("an expired session was offered")
			}
			want := openssl.ClientCacheStats{Hits: 1, Misses: 1, Puts: 2, Expired: 1}
			if d := cmp.Diff(want, cache.(interface {
				Stats() openssl.ClientCacheStats
			}).Stats()); d != "" {
				t.Errorf("stats (-want +got):\n%s", d)
			}
		})
	}
}

type cacheSettings struct {
	name          string
	first, second func(*openssl.Config)
	resumes       bool
}

// A session must never stand for a handshake that would have been stricter, or was another's.
func TestClientCacheKeepsSettingsApart(t *testing.T) {
	kind := sessiontest.Kinds[1] // TLS 1.2 tickets: whoever offers one resumes
	server := sessiontest.NewCtx(t, kind.ServerConfig(t, nil))
	cert, err := openssl.X509KeyPair(testcert.Client().ChainPEM, testcert.Client().KeyPEM)
	if err != nil {
		t.Fatal(err)
	}
	same := func(*openssl.Config) {}
	tests := []cacheSettings{
		{"the same", same, same, true},
		{"another hook, which runs again", same, func(c *openssl.Config) {
			c.VerifyConnection = func(tls.ConnectionState) error { return nil }
		}, true},
		{"unverified before", func(c *openssl.Config) { c.InsecureSkipVerify = true }, same, false},
		{"unverified now", same, func(c *openssl.Config) { c.InsecureSkipVerify = true }, false},
		{"another name of the server", same, func(c *openssl.Config) { c.ServerName = "127.0.0.1" }, false},
		{"other roots", same, func(c *openssl.Config) {
			c.RootCAPEM = append(bytes.Clone(c.RootCAPEM), testcert.OtherCA().PEM...)
		}, false},
		{"a client certificate", same, func(c *openssl.Config) { c.Certificates = []*openssl.Certificate{cert} }, false},
		{"another protocol on top", same, func(c *openssl.Config) { c.NextProtos = []string{"h2"} }, false},
		{"other ciphers", same, func(c *openssl.Config) { c.CipherList = "ECDHE+AESGCM" }, false},
		{"other versions", same, func(c *openssl.Config) { c.MaxVersion = tls.VersionTLS13 }, false},
		{"a client that may be asked for its certificate later", func(c *openssl.Config) { c.PostHandshakeAuth = true }, same, false},
	}
	if works(t, "Properties") {
		asks := func(c *openssl.Config) { c.Properties = "provider=default" }
		tests = append(tests, cacheSettings{"other properties now", same, asks, false},
			cacheSettings{"other properties before", asks, same, false}, cacheSettings{"the same properties", asks, asks, true})
	}
	if works(t, "raw public keys") {
		tests = append(tests, cacheSettings{"a client that shows its key", func(c *openssl.Config) { c.RawPublicKey = true }, same, false})
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			cache := openssl.NewLRUClientSessionCache(0)
			for i, change := range []func(*openssl.Config){test.first, test.second} {
				cfg := kind.ClientConfig()
				cfg.ClientSessionCache = cache
				change(cfg)
				p := sessiontest.Connect(t, server, sessiontest.NewCtx(t, cfg))
				if got, want := p.Resumed(t), i == 1 && test.resumes; got != want {
					t.Errorf("connection %d resumed: %v, want %v", i, got, want)
				}
				p.Shutdown(t)
			}
		})
	}
}

// A client that only writes has its TLS 1.3 tickets from Shutdown, and none from Close.
func TestClientThatOnlyWrites(t *testing.T) {
	forKinds(t, func(t *testing.T, kind sessiontest.Kind) {
		for _, how := range []string{"Shutdown", "Close"} {
			t.Run(how, func(t *testing.T) {
				server := sessiontest.NewCtx(t, kind.ServerConfig(t, openssl.NewMemoryCache(0)))
				l, err := openssl.Listen("tcp", "127.0.0.1:0", server)
				if err != nil {
					t.Fatal(err)
				}
				defer l.Close()
				served := make(chan error, 1)
				go func() {
					served <- func() error {
						nc, err := l.Accept()
						if err != nil {
							return err
						}
						defer nc.Close()
						nc.SetDeadline(time.Now().Add(sessiontest.Patience))
						_, err = io.ReadAll(nc)
						return err
					}()
				}()
				cache := openssl.NewLRUClientSessionCache(0)
				cfg := kind.ClientConfig()
				cfg.ClientSessionCache = cache
				client := sessiontest.NewCtx(t, cfg)
				c, err := openssl.Dial("tcp", l.Addr().String(), client)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := c.Write([]byte("all that is to say")); err != nil {
					t.Error(err)
				}
				want := uint64(kind.Sessions)
				if how == "Shutdown" {
					if err := c.Shutdown(context.Background()); err != nil {
						t.Error(err)
					}
				} else if kind.Version == tls.VersionTLS13 {
					want = 0
				}
				c.Close()
				if err := <-served; err != nil {
					t.Errorf("server: %v", err)
				}
				if got := cache.Stats().Puts; got != want {
					t.Errorf("%d sessions in the cache, want %d", got, want)
				}
			})
		}
	})
}

// A session that a handshake failed with is not offered again (RFC 5077, section 3.2).
func TestClientCacheForgetsWhatFailed(t *testing.T) {
	kind := sessiontest.Kinds[1]
	for name, newCache := range clientCaches {
		t.Run(name, func(t *testing.T) {
			server := sessiontest.NewCtx(t, kind.ServerConfig(t, nil))
			cfg := kind.ClientConfig()
			cfg.ClientSessionCache = newCache(t)
			refuse := false
			cfg.VerifyConnection = func(tls.ConnectionState) error {
				if refuse {
					return io.ErrNoProgress
				}
				return nil
			}
			client := sessiontest.NewCtx(t, cfg)
			sessiontest.Connect(t, server, client).Shutdown(t)
			refuse = true
			func() {
				p, err := sessiontest.Dial(t, server, client)
				if err == nil {
					t.Error("the hook was not asked")
				}
				p.Close()
			}()
			refuse = false
			p := sessiontest.Connect(t, server, client)
			if p.Resumed(t) {
				t.Error("resumed with the session of a refused connection")
			}
			p.Shutdown(t)
		})
	}
}

// Connections that are made at once share no ticket, and what one end's unclean end made bad is
// offered by nobody afterwards.
func TestClientCacheConcurrently(t *testing.T) {
	for name, newCache := range clientCaches {
		t.Run(name, func(t *testing.T) {
			kind := sessiontest.Kinds[2]
			memory := openssl.NewMemoryCache(0)
			server := sessiontest.NewCtx(t, kind.ServerConfig(t, memory))
			cfg := kind.ClientConfig()
			cfg.ClientSessionCache = newCache(t)
			client := sessiontest.NewCtx(t, cfg)
			atOnce := func(unclean int) {
				var wg sync.WaitGroup
				for i := range 6 {
					wg.Go(func() {
						for range 10 {
							p := sessiontest.Connect(t, server, client)
							if i >= unclean {
								p.Shutdown(t)
								continue
							}
							p.Wire.Reset()
							p.Close()
						}
					})
				}
				wg.Wait()
			}
			atOnce(0)
			// A ticket used twice is a miss on the server.
			if s := memory.Stats(); s.Misses != 0 || s.Hits == 0 {
				t.Errorf("tickets were used twice or not at all: %+v", s)
			}
			// Here a ticket may be in use already when its connection ends unclean: a miss.
			atOnce(3)
			before := memory.Stats()
			for range 10 {
				sessiontest.Connect(t, server, client).Shutdown(t)
			}
			if s := memory.Stats(); s.Misses != before.Misses {
				t.Errorf("the server did not know %d of the tickets offered: %+v", s.Misses-before.Misses, s)
			}
		})
	}
}

func TestDiskCacheFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "by the cache")
	cache := diskCache(t, dir)
	kind := sessiontest.Kinds[3]
	sessions := someSessions(t, kind, 1)
	for _, s := range sessions {
		cache.Put("server key", s)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("folder: %v, %v", info.Mode(), err)
	}
	files := func() (out []string) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			out = append(out, filepath.Join(dir, e.Name()))
		}
		return out
	}
	if n := len(files()); n != 2 {
		t.Fatalf("%d files, want 2", n)
	}
	secret := masterSecret(t, sessions[0])
	for _, file := range files() {
		info, err := os.Stat(file)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("file: %v, %v", info.Mode(), err)
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for what, p := range map[string][]byte{"secret": secret, "session id": sessions[0].ID(), "key": []byte("server key")} {
			if bytes.Contains(data, p) || strings.Contains(file, string(p)) || strings.Contains(file, fmt.Sprintf("%x", p)) {
				t.Errorf("the %s stands in the clear", what)
			}
		}
	}

	// What is not whole, not ours or not in its place is a miss.
	spoil := map[string]func(file string) error{
		"cut":   func(file string) error { return os.Truncate(file, 40) },
		"empty": func(file string) error { return os.Truncate(file, 0) },
		"moved to another server": func(file string) error {
			return os.Rename(file, filepath.Join(dir, strings.Repeat("0", 32)+filepath.Base(file)[32:]))
		},
		"given a longer life": func(file string) error {
			parts := strings.Split(filepath.Base(file), "-")
			parts[2] = "7fffffffffff"
			return os.Rename(file, filepath.Join(dir, strings.Join(parts, "-")))
		},
		"grown": func(file string) error { return os.WriteFile(file, make([]byte, 1<<20), 0o600) },
		"sealed with another key": func(file string) error {
			der, place := sessions[0].DER(), filepath.Base(file)
			return os.WriteFile(file, newSealer(t, sealKey("test", 9)).Seal(der, []byte("server key"), []byte(place)), 0o600)
		},
		"a folder": func(file string) error {
			if err := os.Remove(file); err != nil {
				return err
			}
			return os.Mkdir(file, 0o700)
		},
	}
	for name, do := range spoil {
		t.Run(name, func(t *testing.T) {
			for _, file := range files() {
				os.RemoveAll(file)
			}
			cache := diskCache(t, dir)
			cache.Put("server key", sessions[0])
			if err := do(files()[0]); err != nil {
				t.Fatal(err)
			}
			if _, ok := cache.Get("server key"); ok {
				t.Error("it was offered")
			}
			cache.Put("server key", sessions[1])
			if _, ok := cache.Get("server key"); !ok {
				t.Error("another session was not offered")
			}
		})
	}
}

// One folder serves many processes: each ticket goes to one of them.
func TestDiskCacheShared(t *testing.T) {
	dir := t.TempDir()
	sessions := someSessions(t, sessiontest.Kinds[3], 2)
	for _, s := range sessions {
		diskCache(t, dir).Put("key", s)
	}
	var mu sync.Mutex
	got := make(map[string]int)
	var wg sync.WaitGroup
	for range 6 {
		cache := diskCache(t, dir)
		wg.Go(func() {
			for range len(sessions) {
				if s, ok := cache.Get("key"); ok {
					mu.Lock()
					got[string(s.ID())]++
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	for i, s := range sessions {
		if n := got[string(s.ID())]; n != 1 {
			t.Errorf("session %d was given out %d times", i, n)
		}
	}
}

func TestDiskCacheNeedsASealer(t *testing.T) {
	for _, s := range []*openssl.Sealer{nil, {}} {
		if _, err := openssl.OpenDiskSessionCache(t.TempDir(), s); err == nil {
			t.Error("a cache without a key")
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openssl.OpenDiskSessionCache(file, newSealer(t, sealKey("k", 1))); err == nil {
		t.Error("a cache in a file")
	}
}

// masterSecret is the session's, found in its DER: the sequence is version, protocol, cipher, id,
// secret.
func masterSecret(t *testing.T, s *openssl.Session) []byte {
	t.Helper()
	var seq struct {
		Version, Protocol  int
		Cipher, ID, Secret []byte
	}
	var outer asn1.RawValue
	if _, err := asn1.Unmarshal(s.DER(), &outer); err != nil {
		t.Fatal(err)
	}
	rest := outer.Bytes
	for _, part := range []any{&seq.Version, &seq.Protocol, &seq.Cipher, &seq.ID, &seq.Secret} {
		var err error
		if rest, err = asn1.Unmarshal(rest, part); err != nil {
			t.Fatal(err)
		}
	}
	if len(seq.Secret) < 32 {
		t.Fatalf("a secret of %d bytes", len(seq.Secret))
	}
	return seq.Secret
}

// keysOnly remembers the keys that it was asked for.
type keysOnly struct {
	openssl.ClientSessionCache
	keys []string
}

func (k *keysOnly) Get(key string) (*openssl.Session, bool) {
	k.keys = append(k.keys, key)
	return nil, false
}

// What openssl.cnf asks of a process is in the key too: a folder of sessions may serve two of them.
func TestClientCacheKeySeesThePolicy(t *testing.T) {
	key := func() string {
		seen := &keysOnly{ClientSessionCache: openssl.NewLRUClientSessionCache(0)}
		client := clientConfig(tls.VersionTLS13)
		client.ClientSessionCache, client.InsecureSkipVerify = seen, true // the tests' roots are another in each process
		connected(t, newCtx(t, client), newCtx(t, serverConfig(t, tls.VersionTLS13)))
		return fmt.Sprintf("key %q", seen.keys)
	}
	if inChild() {
		fmt.Println(key())
		return
	}
	found := make(map[string]string)
	for _, level := range []string{"1", "2", "2"} {
		cnf := "openssl_conf = c\n[c]\nssl_conf = s\n[s]\nsystem_default = d\n[d]\nCipherString = DEFAULT@SECLEVEL=" + level + "\n"
		for line := range strings.Lines(child(t, "OPENSSL_CONF="+writeFile(t, t.TempDir(), "openssl.cnf", []byte(cnf)))) {
			if strings.HasPrefix(line, "key ") {
				if known := found[level]; known != "" && known != line {
					t.Errorf("level %s has the keys %s and %s", level, known, line)
				}
				found[level] = line
			}
		}
	}
	if len(found) != 2 || found["1"] == found["2"] {
		t.Errorf("keys by security level: %v", found)
	}
}
