package openssl_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/sessiontest"
	"github.com/google/go-cmp/cmp"
)

// stateless are the kinds with tickets that the server does not keep.
var stateless = []sessiontest.Kind{sessiontest.Kinds[1], sessiontest.Kinds[3]}

// ticketKey encrypts from some hours ago; negative hours are in the future.
func ticketKey(name byte, fromHoursAgo, untilInHours int) openssl.TicketKey {
	k := openssl.TicketKey{
		From:  time.Now().Add(-time.Duration(fromHoursAgo) * time.Hour),
		Until: time.Now().Add(time.Duration(untilInHours) * time.Hour),
	}
	k.Name[0], k.AES[0], k.HMAC[0] = name, name, name
	return k
}

func fixedKeys(t *testing.T, keys ...openssl.TicketKey) *openssl.TicketKeys {
	t.Helper()
	k, err := openssl.NewProvidedTicketKeys(t.Context(), time.Hour, func(context.Context) ([]openssl.TicketKey, error) { return keys, nil })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k
}

// ticketServer is one of several servers that would share their keys.
func ticketServer(t *testing.T, kind sessiontest.Kind, keys *openssl.TicketKeys) *openssl.Ctx {
	t.Helper()
	cfg := kind.ServerConfig(t, nil)
	cfg.TicketKeys = keys
	cfg.SessionIDContext = []byte("servers with tickets")
	return sessiontest.NewCtx(t, cfg)
}

// ticketClient offers what it is told to and remembers the last session that it got.
type ticketClient struct {
	ctx  *openssl.Ctx
	last *openssl.Session
}

func newTicketClient(t *testing.T, kind sessiontest.Kind) *ticketClient {
	c := &ticketClient{}
	cfg := kind.ClientConfig()
	cfg.ClientSessionCache = openssl.NewLRUClientSessionCache(0)
	cfg.OnSession = func(_ *openssl.Conn, s *openssl.Session) { c.last = s }
	c.ctx = sessiontest.NewCtx(t, cfg)
	return c
}

// visit offers a copy of s.
func (c *ticketClient) visit(t *testing.T, server *openssl.Ctx, s *openssl.Session) (resumed bool) {
	t.Helper()
	var opts []openssl.ConnOption
	if s != nil {
		copied, err := openssl.ParseSession(s.DER())
		if err != nil {
			t.Fatal(err)
		}
		opts = append(opts, openssl.WithSession(copied))
	}
	p := sessiontest.Connect(t, server, c.ctx, opts...)
	defer p.Shutdown(t)
	return p.Resumed(t)
}

func forStateless(t *testing.T, f func(t *testing.T, kind sessiontest.Kind)) {
	for _, kind := range stateless {
		t.Run(kind.Name, func(t *testing.T) { f(t, kind) })
	}
}

// A ticket of an old key resumes in its grace and is renewed; the new ticket does without the old key.
func TestTicketRenewed(t *testing.T) {
	forStateless(t, func(t *testing.T, kind sessiontest.Kind) {
		a := fixedKeys(t, ticketKey(1, 2, 2))
		both := fixedKeys(t, ticketKey(1, 2, 2), ticketKey(2, 1, 2), ticketKey(3, -1, 3))
		b := fixedKeys(t, ticketKey(2, 1, 2))
		c := newTicketClient(t, kind)
		c.visit(t, ticketServer(t, kind, a), nil)
		old := c.last
		if old == nil || !old.HasTicket() {
			t.Fatal("no ticket")
		}
		if !c.visit(t, ticketServer(t, kind, both), old) {
			t.Error("a ticket of an old key does not resume in its grace")
		}
		renewed := c.last
		if bytes.Equal(renewed.ID(), old.ID()) {
			t.Fatal("the ticket was not renewed")
		}
		if c.visit(t, ticketServer(t, kind, b), old) {
			t.Error("a ticket resumes without its key")
		}
		if !c.visit(t, ticketServer(t, kind, b), renewed) {
			t.Error("the renewed ticket does not resume with the new key alone")
		}
		if s := both.Stats(); s.Accepted != 1 || s.Old != 1 || s.Unknown != 0 || s.Issued == 0 {
			t.Errorf("keys with both: %+v", s)
		}
		if s := b.Stats(); s.Accepted != 1 || s.Old != 0 || s.Unknown != 1 {
			t.Errorf("keys with the new one: %+v", s)
		}
	})
}

// A ticket whose key's grace is over costs a full handshake.
func TestTicketAfterItsGrace(t *testing.T) {
	forStateless(t, func(t *testing.T, kind sessiontest.Kind) {
		c := newTicketClient(t, kind)
		c.visit(t, ticketServer(t, kind, fixedKeys(t, ticketKey(1, 2, 2))), nil)
		late := fixedKeys(t, ticketKey(1, 2, -1), ticketKey(2, 1, 2))
		if c.visit(t, ticketServer(t, kind, late), c.last) {
			t.Error("resumed")
		}
		if s := late.Stats(); s.Unknown != 1 || s.Accepted != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// With a current key a TLS 1.2 ticket stays; a TLS 1.3 server always gives a new one, for each serves
// once.
func TestTicketOfTheCurrentKey(t *testing.T) {
	forStateless(t, func(t *testing.T, kind sessiontest.Kind) {
		keys := fixedKeys(t, ticketKey(1, 1, 1))
		server := ticketServer(t, kind, keys)
		c := newTicketClient(t, kind)
		c.visit(t, server, nil)
		ids := make(map[string]bool)
		for i := range 6 {
			if !c.visit(t, server, nil) { // from the cache
				t.Errorf("visit %d is not resumed", i)
			}
			ids[string(c.last.ID())] = true
		}
		want := 1
		if kind.Version == tls.VersionTLS13 {
			want = 6
		}
		if len(ids) != want {
			t.Errorf("%d tickets in 6 resumptions, want %d", len(ids), want)
		}
		// Nobody's key and no key at all are full handshakes, not errors.
		if c.visit(t, ticketServer(t, kind, fixedKeys(t, ticketKey(9, 1, 1))), c.last) {
			t.Error("another server's ticket resumes")
		}
		if c.visit(t, ticketServer(t, kind, nil), c.last) {
			t.Error("a ticket resumes with libssl's keys")
		}
	})
}

func TestTicketsOfASharedSecret(t *testing.T) {
	shared := func(t *testing.T, secret byte, period time.Duration) *openssl.TicketKeys {
		k, err := openssl.NewSharedTicketKeys(bytes.Repeat([]byte{secret}, 32), period, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(k.Close)
		return k
	}
	forStateless(t, func(t *testing.T, kind sessiontest.Kind) {
		c := newTicketClient(t, kind)
		c.visit(t, ticketServer(t, kind, shared(t, 1, time.Hour)), nil)
		first := c.last
		got := map[string]bool{
			"same":           c.visit(t, ticketServer(t, kind, shared(t, 1, time.Hour)), first),
			"another secret": c.visit(t, ticketServer(t, kind, shared(t, 2, time.Hour)), first),
			"another period": c.visit(t, ticketServer(t, kind, shared(t, 1, 2*time.Hour)), first),
		}
		want := map[string]bool{"same": true, "another secret": false, "another period": false}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("resumed (-want +got):\n%s", d)
		}
	})
}

// The clock changes the keys under a server, and its clients go on resuming.
func TestTicketKeysRotate(t *testing.T) {
	keys, err := openssl.NewTicketKeys(time.Second, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(keys.Close)
	kind := stateless[0]
	server := ticketServer(t, kind, keys)
	c := newTicketClient(t, kind)
	c.visit(t, server, nil)
	first := c.last
	until := time.Now().Add(sessiontest.Patience)
	for keys.Stats().Refreshes < 2 || bytes.Equal(c.last.ID(), first.ID()) {
		if !c.visit(t, server, nil) {
			t.Error("a visit is not resumed")
		}
		if time.Now().After(until) {
			t.Fatalf("the key does not change: %+v", keys.Stats())
		}
		time.Sleep(50 * time.Millisecond)
	}
	if s := keys.Stats(); s.Old == 0 || s.Unknown != 0 {
		t.Errorf("%+v", s)
	}
	if !c.visit(t, server, first) {
		t.Error("the first ticket does not resume in its grace")
	}
}

// Handshakes and a change of the keys do not disturb each other.
func TestTicketKeysChangeUnderHandshakes(t *testing.T) {
	var n atomic.Int64
	keys, err := openssl.NewProvidedTicketKeys(t.Context(), time.Second, func(context.Context) ([]openssl.TicketKey, error) {
		return []openssl.TicketKey{ticketKey(byte(n.Add(1)), 1, 1)}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(keys.Close)
	var wg sync.WaitGroup
	for i := range 4 {
		kind := stateless[i%2]
		server := ticketServer(t, kind, keys)
		c := newTicketClient(t, kind)
		wg.Go(func() {
			for range 5 {
				for done := keys.Stats().Refreshes; keys.Stats().Refreshes < done+1 && n.Load() < 4; {
					c.visit(t, server, nil)
				}
				c.visit(t, server, nil)
			}
		})
	}
	wg.Wait()
	if s := keys.Stats(); s.Refreshes < 2 || s.RefreshErrors != 0 || s.Issued == 0 {
		t.Errorf("%+v", s)
	}
}
