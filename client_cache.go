//go:build cgo

package openssl

import (
	"container/list"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"
)

// ClientSessionCache keeps a client's sessions, of any number of Ctx, by a key that stands for the
// server's name and for the settings that a full handshake with it would have obeyed: Policy with its
// versions, security level and Properties, suites, groups, NextProtos, certificates, roots and
// PeerPublicKeys. Hooks are not among them: they run on resumptions too. A connection
// asks it at its handshake, puts what the server sends into it, and removes what an unclean end has
// made bad. Implementations must be safe for use by any number of goroutines; they may forget
// anything but a Remove.
//
// TLS 1.3 tickets come behind the handshake: the first Read gets them, and for a client that only
// writes, Shutdown.
type ClientSessionCache interface {
	// Get returns the newest session of key that can be used. One of TLS 1.3 is forgotten by it: a
	// ticket used twice lets an observer link two connections (RFC 8446, appendix C.4).
	Get(key string) (s *Session, ok bool)
	Put(key string, s *Session)
	// Remove forgets the session with the id of s.
	Remove(key string, s *Session)
}

// ClientCacheStats counts what a cache of a client did since it was made.
type ClientCacheStats struct {
	Hits    uint64
	Misses  uint64
	Puts    uint64
	Expired uint64 // dropped because their time was over
	Evicted uint64 // dropped because of the bounds
	Removed uint64 // dropped because of an unclean end
	Errors  uint64 // of the disk, and files that did not open
}

const (
	defaultServers = 64 // as crypto/tls
	// maxTickets of one server; an OpenSSL server sends two in each full handshake.
	maxTickets = 4
)

// LRUClientSessionCache is a ClientSessionCache in memory that forgets the server that was least
// recently used first. The zero one is for 64 servers.
type LRUClientSessionCache struct {
	mu      sync.Mutex
	max     int
	order   list.List // of *clientEntry, last used first
	entries map[string]*list.Element
	stats   ClientCacheStats
}

type clientEntry struct {
	key      string
	sessions []*Session // newest first
}

// NewLRUClientSessionCache makes a cache for a number of servers, a few sessions each; 0 is 64.
func NewLRUClientSessionCache(servers int) *LRUClientSessionCache {
	return &LRUClientSessionCache{max: servers}
}

// Stats returns the counters.
func (c *LRUClientSessionCache) Stats() ClientCacheStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stats
}

// Get returns the newest usable session of key.
func (c *LRUClientSessionCache) Get(key string) (*Session, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[key]
	if e == nil {
		c.stats.Misses++
		return nil, false
	}
	c.order.MoveToFront(e)
	entry := e.Value.(*clientEntry)
	now := time.Now()
	entry.sessions = slices.DeleteFunc(entry.sessions, func(s *Session) bool {
		switch state := s.state(); {
		case !state.resumable || s.bad.Load():
			c.stats.Removed++ // by an unclean end that its owner has not told us yet
		case !now.Before(state.expires()):
			c.stats.Expired++
		default:
			return false
		}
		return true
	})
	if len(entry.sessions) == 0 {
		c.drop(e)
		c.stats.Misses++
		return nil, false
	}
	c.stats.Hits++
	s := entry.sessions[0]
	if singleUse(s) {
		entry.sessions = slices.Delete(entry.sessions, 0, 1)
	}
	return s, true
}

// Put adds a session, in place of the oldest where the server has too many.
func (c *LRUClientSessionCache) Put(key string, s *Session) {
	if !s.Resumable() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stats.Puts++
	if c.entries == nil {
		c.entries = make(map[string]*list.Element)
		if c.max <= 0 {
			c.max = defaultServers
		}
	}
	e := c.entries[key]
	if e == nil {
		for c.order.Len() >= c.max {
			old := c.order.Back()
			c.stats.Evicted += uint64(len(old.Value.(*clientEntry).sessions))
			c.drop(old)
		}
		e = c.order.PushFront(&clientEntry{key: key})
		c.entries[key] = e
	}
	c.order.MoveToFront(e)
	entry := e.Value.(*clientEntry)
	entry.sessions = slices.Insert(slices.DeleteFunc(entry.sessions, sameID(s)), 0, s)
	if n := len(entry.sessions); n > maxTickets {
		c.stats.Evicted += uint64(n - maxTickets)
		entry.sessions = slices.Delete(entry.sessions, maxTickets, n)
	}
}

// Remove forgets a session.
func (c *LRUClientSessionCache) Remove(key string, s *Session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[key]
	if e == nil {
		return
	}
	entry := e.Value.(*clientEntry)
	before := len(entry.sessions)
	entry.sessions = slices.DeleteFunc(entry.sessions, sameID(s))
	c.stats.Removed += uint64(before - len(entry.sessions))
	if len(entry.sessions) == 0 {
		c.drop(e)
	}
}

func (c *LRUClientSessionCache) drop(e *list.Element) {
	delete(c.entries, c.order.Remove(e).(*clientEntry).key)
}

func sameID(s *Session) func(*Session) bool {
	return func(other *Session) bool { return !s.none() && s.sameID(other) }
}

// clientKey is the key of a connection in ClientSessionCache.
func (c *Ctx) clientKey(name string, remote net.Addr) string {
	if name == "" && remote != nil {
		name = remote.String()
	}
	return name + " " + c.settings()
}

// fingerprint covers what a full handshake would have checked or offered, so that a resumption
// never stands for less. The hooks run on resumptions too; beside PSK and ECH no session is offered.
func (c *Ctx) fingerprint() string {
	cfg := &c.cfg
	h := sha256.New()
	fmt.Fprintf(h, "%+v %v %q %q %q ", c.Policy(), c.CipherSuites(), cfg.Groups, cfg.NextProtos, cfg.PeerPublicKeys)
	fmt.Fprint(h, cfg.InsecureSkipVerify, cfg.RawPublicKey, cfg.PostHandshakeAuth)
	for _, k := range cfg.Certificates {
		fmt.Fprintf(h, " %q", k.chain)
	}
	if roots := c.roots; !cfg.InsecureSkipVerify {
		if roots == nil {
			roots, _ = systemRoots()
		}
		if roots != nil {
			fmt.Fprintf(h, " roots %x", roots.sum)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// singleUse is what TLS 1.3 asks of a ticket; a TLS 1.2 session serves again and again.
func singleUse(s *Session) bool { return s.Protocol() >= tls.VersionTLS13 }
