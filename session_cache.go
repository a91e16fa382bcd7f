//go:build cgo

package openssl

import (
	"container/list"
	"context"
	"hash/maphash"
	"sync"
	"time"
)

// SessionCache keeps a server's sessions by id. Implementations must be safe for use by any number
// of goroutines. The contract:
//   - It may be lossy: a session that is gone costs a full handshake, nothing else.
//   - Ids come from the peer and are not trusted; a miss is (nil, nil), not an error.
//   - Values hold the session's secret. What leaves the process must be sealed.
//   - Get leaves the value, Take returns and deletes it in one step, so that of two callers only one gets it: TLS
//     1.3 sessions are used once (RFC 8446, appendix C.4).
//   - After a Remove neither Get nor Take may return what an earlier Put stored.
//   - The context carries the handshake's deadline; on an error the handshake goes on as a full one.
//
// ttl is how long the session can be used. id and session must not be kept without copying, and what
// Get and Take return must not be changed.
type SessionCache interface {
	Get(ctx context.Context, id []byte) (session []byte, err error)
	Put(ctx context.Context, id, session []byte, ttl time.Duration) error
	Remove(ctx context.Context, id []byte) error
	Take(ctx context.Context, id []byte) (session []byte, err error)
}

// Bounds of a MemoryCache whose maker gives none.
const (
	DefaultCacheSize  = 20 * 1024
	DefaultCacheBytes = 32 << 20
)

// MemoryCache is a SessionCache in memory, bounded in sessions and in bytes, that forgets the least
// recently used first. One for up to 2,047 sessions is one exact LRU; a larger one is split by id
// into up to 16 of them, each with its share of the bounds. What has expired is never returned, and
// its memory is given back within a minute of further Puts. The zero MemoryCache has the default bounds.
type MemoryCache struct {
	made   sync.Once
	seed   maphash.Seed // ids come from peers, who shall not aim at one part
	shards []*memoryShard
}

const (
	maxShards     = 16
	minShard      = 1024      // sessions
	minShardBytes = 512 << 10 // room for as many
	entryOverhead = 200       // bytes that a session costs beside its id and value
	sweepEvery    = time.Minute
)

// NewMemoryCache makes a cache of at most max sessions and DefaultCacheBytes; 0 is DefaultCacheSize.
func NewMemoryCache(max int) *MemoryCache { return NewMemoryCacheSize(max, 0) }

// NewMemoryCacheSize makes a cache of at most max sessions and maxBytes bytes, the ids and the
// bookkeeping counted; 0 is DefaultCacheSize, DefaultCacheBytes.
func NewMemoryCacheSize(max int, maxBytes int64) *MemoryCache {
	m := &MemoryCache{}
	m.made.Do(func() { m.split(max, maxBytes) })
	return m
}

func (m *MemoryCache) split(max int, maxBytes int64) {
	if max <= 0 {
		max = DefaultCacheSize
	}
	if maxBytes <= 0 {
		maxBytes = DefaultCacheBytes
	}
	n := 1
	for n < maxShards && max >= 2*n*minShard && maxBytes >= int64(2*n*minShardBytes) {
		n *= 2
	}
	m.seed = maphash.MakeSeed()
	for i := range n {
		share := max / n
		if i < max%n {
			share++
		}
		m.shards = append(m.shards, &memoryShard{max: share, maxBytes: maxBytes / int64(n),
			order: list.New(), entries: make(map[string]*list.Element)})
	}
}

func (m *MemoryCache) parts() []*memoryShard {
	m.made.Do(func() { m.split(0, 0) })
	return m.shards
}

func (m *MemoryCache) shard(id []byte) *memoryShard {
	parts := m.parts()
	if len(parts) == 1 {
		return parts[0]
	}
	return parts[maphash.Bytes(m.seed, id)%uint64(len(parts))]
}

// MemoryCacheStats counts what a MemoryCache did since it was made.
type MemoryCacheStats struct {
	Hits    uint64 // Gets and Takes that found a session
	Misses  uint64 // that found none, the expired among them
	Puts    uint64
	Expired uint64 // dropped because their time was over
	Evicted uint64 // dropped, or not taken, because of the bounds
	Removed uint64 // dropped by Remove: a Ctx calls it for an unclean end alone
	Entries int    // now
	Bytes   int64  // now
}

// Stats returns the counters.
func (m *MemoryCache) Stats() MemoryCacheStats {
	var sum MemoryCacheStats
	for _, s := range m.parts() {
		s.mu.Lock()
		sum.Hits += s.stats.Hits
		sum.Misses += s.stats.Misses
		sum.Puts += s.stats.Puts
		sum.Expired += s.stats.Expired
		sum.Evicted += s.stats.Evicted
		sum.Removed += s.stats.Removed
		sum.Entries += s.order.Len()
		sum.Bytes += s.bytes
		s.mu.Unlock()
	}
	return sum
}

// Len returns how many sessions are kept, expired ones among them.
func (m *MemoryCache) Len() int { return m.Stats().Entries }

// Get returns the session of an id and marks it as used.
func (m *MemoryCache) Get(_ context.Context, id []byte) ([]byte, error) {
	return m.shard(id).get(id, false), nil
}

// Take returns the session of an id and forgets it.
func (m *MemoryCache) Take(_ context.Context, id []byte) ([]byte, error) {
	return m.shard(id).get(id, true), nil
}

// Put stores a session, in place of an older one of the same id.
func (m *MemoryCache) Put(_ context.Context, id, session []byte, ttl time.Duration) error {
	if ttl > 0 {
		m.shard(id).put(id, session, ttl)
	}
	return nil
}

// Remove forgets the session of an id.
func (m *MemoryCache) Remove(_ context.Context, id []byte) error {
	m.shard(id).remove(id)
	return nil
}

type memoryEntry struct {
	id      string
	value   []byte // never changed: Get hands it out
	expires time.Time
}

func (e *memoryEntry) size() int64 { return int64(len(e.id)+len(e.value)) + entryOverhead }

type memoryShard struct {
	max      int
	maxBytes int64

	mu        sync.Mutex // guards everything below
	order     *list.List // of *memoryEntry, last used first
	entries   map[string]*list.Element
	bytes     int64
	nextSweep time.Time
	stats     MemoryCacheStats
}

func (s *memoryShard) get(id []byte, take bool) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[string(id)]
	if e != nil && !time.Now().Before(e.Value.(*memoryEntry).expires) {
		s.drop(e)
		s.stats.Expired++
		e = nil
	}
	if e == nil {
		s.stats.Misses++
		return nil
	}
	s.stats.Hits++
	if take {
		s.drop(e)
	} else {
		s.order.MoveToFront(e)
	}
	return e.Value.(*memoryEntry).value
}

func (s *memoryShard) put(id, session []byte, ttl time.Duration) {
	now := time.Now()
	entry := &memoryEntry{string(id), append([]byte(nil), session...), now.Add(ttl)}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Puts++
	if e := s.entries[entry.id]; e != nil {
		s.drop(e)
	}
	s.sweep(now)
	if s.max < 1 || entry.size() > s.maxBytes {
		s.stats.Evicted++
		return
	}
	for s.order.Len() >= s.max || s.bytes+entry.size() > s.maxBytes {
		s.drop(s.order.Back())
		s.stats.Evicted++
	}
	s.entries[entry.id] = s.order.PushFront(entry)
	s.bytes += entry.size()
}

func (s *memoryShard) remove(id []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.entries[string(id)]; e != nil {
		s.drop(e)
		s.stats.Removed++
	}
}

// sweep drops what has expired, once a while.
func (s *memoryShard) sweep(now time.Time) {
	if now.Before(s.nextSweep) {
		return
	}
	s.nextSweep = now.Add(sweepEvery)
	var next *list.Element
	for e := s.order.Front(); e != nil; e = next {
		next = e.Next()
		if !now.Before(e.Value.(*memoryEntry).expires) {
			s.drop(e)
			s.stats.Expired++
		}
	}
}

func (s *memoryShard) drop(e *list.Element) {
	entry := s.order.Remove(e).(*memoryEntry)
	delete(s.entries, entry.id)
	s.bytes -= entry.size()
}
