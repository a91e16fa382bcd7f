//go:build cgo

package sessiontest

import (
	"errors"
	"io"
	"slices"
	"sync"
	"testing"

	"github.com/golibssl/openssl"
	"github.com/google/go-cmp/cmp"
)

// Ending is a way for a connection to end, and what it does to the sessions of either end. bad
// counts by policy: strict, keep.
type Ending struct {
	Name string
	// end makes the ending; both ends are closed after it.
	end func(t *testing.T, p *Pair)
	// Whether the end's sessions are bad afterwards under SessionsStrict and under SessionsKeep.
	server, client bad
}

type bad struct{ strict, keep bool }

var (
	never      = bad{false, false}
	underRFC   = bad{true, false} // RFC 2246, section 7.2.1
	everywhere = bad{true, true}
)

// Endings are all that this library tells apart.
var Endings = []Ending{
	{"clean both ways", func(t *testing.T, p *Pair) { p.Shutdown(t) }, never, never},
	{"closed by both", func(t *testing.T, p *Pair) {
		p.Client.Close()
		readError(t, p.Server, io.EOF)
	}, never, never},
	{"server's close_notify alone", func(t *testing.T, p *Pair) {
		must(t, p.Server.CloseWrite())
		p.Wire.Close()
	}, never, underRFC},
	{"client's close_notify alone", func(t *testing.T, p *Pair) {
		must(t, p.Client.CloseWrite())
		p.Server.NetConn().Close()
	}, underRFC, never},
	{"quiet", func(t *testing.T, p *Pair) {
		must(t, p.Client.SetShutdown(openssl.SentShutdown|openssl.ReceivedShutdown))
		must(t, p.Server.SetShutdown(openssl.SentShutdown|openssl.ReceivedShutdown))
	}, never, never},
	{"set without sending", func(t *testing.T, p *Pair) {
		must(t, p.Client.SetShutdown(openssl.SentShutdown))
		p.Client.Close()
		readError(t, p.Server, io.ErrUnexpectedEOF)
	}, underRFC, never},
	{"received set without an answer", func(t *testing.T, p *Pair) {
		must(t, p.Client.SetShutdown(openssl.ReceivedShutdown))
		p.Wire.Close()
		readError(t, p.Server, io.ErrUnexpectedEOF)
	}, underRFC, underRFC},
	{"truncated at a record boundary", func(t *testing.T, p *Pair) {
		p.Client.Write([]byte("data"))
		p.Wire.Close()
		if _, err := io.ReadFull(p.Server, make([]byte, 4)); err != nil {
			t.Errorf("server: %v", err)
		}
		readError(t, p.Server, io.ErrUnexpectedEOF)
	}, underRFC, underRFC},
	{"truncated inside a record", func(t *testing.T, p *Pair) {
		p.Wire.CutNext()
		p.Client.Write([]byte("data"))
		readError(t, p.Server, io.ErrUnexpectedEOF)
	}, underRFC, underRFC},
	{"reset", func(t *testing.T, p *Pair) {
		p.Wire.Reset()
		readError(t, p.Server, nil)
	}, underRFC, underRFC},
	// The actual condition is SENT (SSL_set_shutdown(3)).
	{"reset behind both close_notify", func(t *testing.T, p *Pair) {
		must(t, p.Client.CloseWrite())
		must(t, p.Server.CloseWrite())
		readError(t, p.Server, io.EOF)
		p.Wire.Reset()
	}, never, never},
	{"fatal alert", func(t *testing.T, p *Pair) {
		p.Wire.GarbleNext()
		must2(t)(p.Client.Write([]byte("data")))
		readAlert(t, p.Server, false)
		readAlert(t, p.Client, true)
	}, everywhere, everywhere},
	// libssl's third exception: a fatal alert that comes in removes even after SENT.
	{"fatal alert behind our close_notify", func(t *testing.T, p *Pair) {
		p.Wire.GarbleNext()
		must2(t)(p.Client.Write([]byte("data")))
		must(t, p.Client.CloseWrite())
		readAlert(t, p.Server, false)
		readAlert(t, p.Client, true)
	}, everywhere, everywhere},
	{"half close with data", func(t *testing.T, p *Pair) {
		must(t, p.Client.CloseWrite())
		readError(t, p.Server, io.EOF)
		must2(t)(p.Server.Write([]byte("data")))
		must(t, p.Server.CloseWrite())
		got, err := io.ReadAll(p.Client)
		if string(got) != "data" || err != nil {
			t.Errorf("client read %q, %v", got, err)
		}
	}, never, never},
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("%v", err)
	}
}

func must2(t *testing.T) func(int, error) {
	return func(_ int, err error) {
		t.Helper()
		must(t, err)
	}
}

// readError reads to the end; want nil is any error but a clean end.
func readError(t *testing.T, c *openssl.Conn, want error) {
	t.Helper()
	_, err := c.Read(make([]byte, 16))
	if err == nil || want != nil && !errors.Is(err, want) || want == nil && errors.Is(err, io.EOF) {
		t.Errorf("Read: %v, want %v", err, want)
	}
}

func readAlert(t *testing.T, c *openssl.Conn, fromPeer bool) {
	t.Helper()
	_, err := c.Read(make([]byte, 16))
	var alert *openssl.AlertError
	if !errors.As(err, &alert) || alert.FromPeer != fromPeer {
		t.Errorf("Read: %v, want a fatal alert, from the peer: %v", err, fromPeer)
	}
}

// Caches are what TestEndings is run over.
type Caches struct {
	Server func(t *testing.T) openssl.SessionCache
	Client func(t *testing.T) openssl.ClientSessionCache
	// IDContext is the server's SessionIDContext, nil for the default.
	IDContext []byte
}

// keyed remembers the key that the connections use.
type keyed struct {
	openssl.ClientSessionCache
	mu  sync.Mutex
	key string
}

func (k *keyed) Put(key string, s *openssl.Session) {
	k.mu.Lock()
	k.key = key
	k.mu.Unlock()
	k.ClientSessionCache.Put(key, s)
}

// counted is how the caches of a client tell their counters.
type counted interface {
	Stats() openssl.ClientCacheStats
}

// TestEndings runs every ending on every kind under both policies: what resumes afterwards, and what
// the caches have counted.
func TestEndings(t *testing.T, c Caches) {
	for _, kind := range Kinds {
		for _, policy := range []openssl.SessionPolicy{openssl.SessionsStrict, openssl.SessionsKeep} {
			for _, ending := range Endings {
				name := kind.Name + "/strict/" + ending.Name
				if policy == openssl.SessionsKeep {
					name = kind.Name + "/keep/" + ending.Name
				}
				t.Run(name, func(t *testing.T) { testEnding(t, c, kind, policy, ending) })
			}
		}
	}
}

func testEnding(t *testing.T, caches Caches, kind Kind, policy openssl.SessionPolicy, ending Ending) {
	var onServer openssl.SessionCache
	if kind.Stateful {
		onServer = caches.Server(t)
	}
	serverBad, clientBad := ending.server.strict, ending.client.strict
	if policy == openssl.SessionsKeep {
		serverBad, clientBad = ending.server.keep, ending.client.keep
	}

	cfg := kind.ServerConfig(t, onServer)
	cfg.UncleanSessions = policy
	cfg.SessionIDContext = caches.IDContext
	server := NewCtx(t, cfg)

	cached := &keyed{ClientSessionCache: caches.Client(t)}
	var given []*openssl.Session
	cfg = kind.ClientConfig()
	cfg.UncleanSessions = policy
	cfg.ClientSessionCache = cached
	cfg.OnSession = func(_ *openssl.Conn, s *openssl.Session) { given = append(given, s) }
	client := NewCtx(t, cfg)

	p := Connect(t, server, client)
	if p.Resumed(t) {
		t.Fatal("the first connection is resumed")
	}
	ending.end(t, p)
	p.Close()
	Drain(t, server)
	Drain(t, client)
	if len(given) != kind.Sessions {
		t.Fatalf("the client was given %d sessions, want %d", len(given), kind.Sessions)
	}

	// The server's verdict shows on what a client kept that knows of no unclean end.
	plain := NewCtx(t, kind.ClientConfig())
	ids := 0
	if serverBad && kind.Stateful {
		ids = kind.Sessions
	}
	stats := server.SessionStats()
	if got := int(stats.Removes); got != ids {
		t.Errorf("the server removed %d sessions, want %d", got, ids)
	}
	if m, ok := onServer.(*openssl.MemoryCache); ok {
		if got := int(m.Stats().Removed); got != ids {
			t.Errorf("the cache counts %d removed, want %d", got, ids)
		}
	}
	for i, s := range given {
		if s.Resumable() == clientBad {
			t.Errorf("session %d is resumable on the client: %v, want %v", i, s.Resumable(), !clientBad)
		}
		copied, err := openssl.ParseSession(s.DER())
		if err != nil {
			t.Fatal(err)
		}
		// A stateless ticket survives: the server has nothing that it could remove.
		want := !serverBad || !kind.Stateful
		again := Connect(t, server, plain, openssl.WithSession(copied))
		if got := again.Resumed(t); got != want {
			t.Errorf("session %d resumes on the server: %v, want %v", i, got, want)
		}
		again.Shutdown(t)
	}
	after := server.SessionStats()
	if kind.Stateful {
		want := map[string]uint64{"lookups": uint64(kind.Sessions), "hits": 0}
		if !serverBad {
			want["hits"] = want["lookups"]
		}
		got := map[string]uint64{"lookups": after.Lookups, "hits": after.Hits}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("the server's lookups (-want +got):\n%s", d)
		}
	}

	// The client's verdict is what its cache still offers.
	var offered [][]byte
	for range kind.Sessions {
		if s, ok := cached.Get(cached.key); ok {
			offered = append(offered, s.ID())
		}
	}
	want := 0
	if !clientBad {
		want = kind.Sessions
	}
	if len(offered) != want {
		t.Errorf("the client's cache offers %d sessions, want %d", len(offered), want)
	}
	if len(offered) == 2 {
		newest := [][]byte{given[1].ID(), given[0].ID()}
		if !slices.EqualFunc(offered, newest, slices.Equal) {
			t.Error("the client's cache does not offer the newest first, each once")
		}
	}
	if s, ok := cached.ClientSessionCache.(counted); ok {
		got := s.Stats()
		wantStats := openssl.ClientCacheStats{Puts: uint64(kind.Sessions), Misses: 1, Hits: uint64(want)}
		if clientBad {
			wantStats.Removed = uint64(kind.Sessions)
			wantStats.Misses += uint64(kind.Sessions)
		}
		if d := cmp.Diff(wantStats, got); d != "" {
			t.Errorf("the client's cache counts (-want +got):\n%s", d)
		}
	}
}
