// Package redis keeps the sessions of a fleet of TLS servers in Redis (6.2 or later) or Valkey, so
// that a client resumes with whichever server it meets. A Store is an openssl.SessionCache:
//
//	sealer, err := openssl.NewSealer(openssl.SealKey{ID: "2026-11", Secret: secret})
//	store, err := redis.New(redis.Options{
//		Client:           goredis.NewUniversalClient(&goredis.UniversalOptions{Addrs: addrs, ContextTimeoutEnabled: true}),
//		Sealer:           sealer,
//		SessionIDContext: []byte("www.example.org"),
//	})
//	ctx, err := openssl.NewCtx(&openssl.Config{
//		SessionCache:     store,
//		SessionIDContext: []byte("www.example.org"),
//		…
//	})
//
// Sessions are sealed before they leave the process, for the session id context and the id: a value
// that was moved, cut, kept under another id or sealed with a retired key is a miss. Redis slow or
// down costs full handshakes, never a connection: after some failures in a row the Store rests and
// answers at once.
//
// Session ids are random and never come twice. So the first Put of an id is the only one that counts, and
// Remove and Take leave a mark in place of the session: a Put that the network has delayed does not
// bring it back. A Redis that fails over to a replica may lose its newest writes, the marks of Removes
// among them, and reads routed to replicas may miss them: use neither where that matters.
package redis

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/golibssl/openssl"
	goredis "github.com/redis/go-redis/v9"
)

// Options of a Store. Client, Sealer and SessionIDContext are required.
type Options struct {
	// Client is the caller's to configure and to close. With ContextTimeoutEnabled its commands end
	// with a handshake that gave up. PoolSize bounds how many handshakes ask at once.
	Client goredis.UniversalClient
	Sealer *openssl.Sealer
	// SessionIDContext is openssl.Config's, the same in the whole fleet.
	SessionIDContext []byte
	// Prefix of the keys; "tls:session:" by default.
	Prefix string

	// BreakAfter failures in a row the Store rests for Rest, then tries with one command; 5 and one
	// second by default.
	BreakAfter int
	Rest       time.Duration
}

// ErrResting is answered in place of a command while Redis is taken to be down.
var ErrResting = errors.New("the session store rests after failures")

// Stats counts what a Store did.
type Stats struct {
	Hits     uint64
	Misses   uint64 // the rejected among them
	Rejected uint64 // values that were not sealed for their place by a key of the ring
	Puts     uint64
	Removes  uint64
	Errors   uint64 // commands that failed or were too late
	Skipped  uint64 // commands not tried while the Store rested
	Breaks   uint64 // times that it began to rest
	Resting  bool   // now
}

// Store is an openssl.SessionCache on Redis. Any number of goroutines may use it.
type Store struct {
	o Options

	mu       sync.Mutex // guards everything below
	stats    Stats
	failures int // in a row
	resting  bool
	until    time.Time // of the rest
	trying   bool      // the one command behind a rest is under way
}

var _ openssl.SessionCache = (*Store)(nil)

// markLife is how long the mark of a Remove or Take outlives it: longer than any network delays a Put.
const markLife = time.Hour

// New makes a Store. It does not ask Redis for anything.
func New(o Options) (*Store, error) {
	switch n := len(o.SessionIDContext); {
	case o.Client == nil:
		return nil, fmt.Errorf("session store: %w: no Client", openssl.ErrConfig)
	case o.Sealer.Seal([]byte{0}) == nil:
		return nil, fmt.Errorf("session store: %w: no Sealer", openssl.ErrConfig)
	case n == 0 || n > 32:
		return nil, fmt.Errorf("session store: %w: SessionIDContext of %d bytes", openssl.ErrConfig, n)
	}
	if o.Prefix == "" {
		o.Prefix = "tls:session:"
	}
	if o.BreakAfter <= 0 {
		o.BreakAfter = 5
	}
	if o.Rest <= 0 {
		o.Rest = time.Second
	}
	o.SessionIDContext = append([]byte(nil), o.SessionIDContext...)
	return &Store{o: o}, nil
}

// Stats returns the counters.
func (s *Store) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	stats := s.stats
	stats.Resting = s.resting
	return stats
}

func (s *Store) key(id []byte) string { return s.o.Prefix + hex.EncodeToString(id) }

// Get returns a session and leaves it.
func (s *Store) Get(ctx context.Context, id []byte) ([]byte, error) {
	return s.find(ctx, id, func() (string, error) { return s.o.Client.Get(ctx, s.key(id)).Result() })
}

// Take returns a session to one caller alone.
func (s *Store) Take(ctx context.Context, id []byte) ([]byte, error) {
	return s.find(ctx, id, func() (string, error) {
		// XX: what a peer makes up leaves no mark.
		return s.o.Client.SetArgs(ctx, s.key(id), "", goredis.SetArgs{Mode: "XX", Get: true, TTL: markLife}).Result()
	})
}

func (s *Store) find(ctx context.Context, id []byte, command func() (string, error)) ([]byte, error) {
	var sealed string
	err := s.do(ctx, func() (err error) { sealed, err = command(); return err })
	if err != nil {
		return nil, err
	}
	var session []byte
	if sealed != "" {
		session, err = s.o.Sealer.Open([]byte(sealed), s.o.SessionIDContext, id)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case session != nil:
		s.stats.Hits++
		return session, nil
	case err != nil:
		s.stats.Rejected++
	}
	s.stats.Misses++
	return nil, nil
}

// Put stores a session for ttl; the first Put of an id counts.
func (s *Store) Put(ctx context.Context, id, session []byte, ttl time.Duration) error {
	if ttl <= 0 {
		return nil
	}
	sealed := s.o.Sealer.Seal(session, s.o.SessionIDContext, id)
	s.count(&s.stats.Puts)
	return s.do(ctx, func() error {
		return s.o.Client.SetArgs(ctx, s.key(id), sealed, goredis.SetArgs{Mode: "NX", TTL: max(ttl, time.Millisecond)}).Err()
	})
}

// Remove forgets a session, a Put that is still on its way to Redis included.
func (s *Store) Remove(ctx context.Context, id []byte) error {
	s.count(&s.stats.Removes)
	return s.do(ctx, func() error {
		return s.o.Client.SetArgs(ctx, s.key(id), "", goredis.SetArgs{TTL: markLife}).Err()
	})
}

func (s *Store) count(n *uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*n++
}

// do runs a command unless the Store rests, and learns from how it ends. No value is no error.
func (s *Store) do(ctx context.Context, command func() error) error {
	if !s.begin() {
		return ErrResting
	}
	// The end of ctx counts at once: a client without ContextTimeoutEnabled answers much later.
	late := context.AfterFunc(ctx, func() { s.end(ctx.Err()) })
	err := command()
	if errors.Is(err, goredis.Nil) {
		err = nil
	}
	if late() {
		s.end(err)
	}
	return err
}

// begin reports whether a command may be tried: during a rest none, after it one at a time.
func (s *Store) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.resting {
		return true
	}
	if s.trying || time.Now().Before(s.until) {
		s.stats.Skipped++
		return false
	}
	s.trying = true
	return true
}

func (s *Store) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	tried := s.trying
	s.trying = false
	switch {
	case err == nil:
		s.failures, s.resting = 0, false
		return
	case errors.Is(err, context.Canceled): // the handshake went away; it says nothing about Redis
		return
	}
	s.stats.Errors++
	if s.failures++; s.failures < s.o.BreakAfter {
		return
	}
	if !s.resting {
		s.stats.Breaks++
	}
	if !s.resting || tried { // what began before the rest does not prolong it
		s.until = time.Now().Add(s.o.Rest)
	}
	s.resting = true
}
