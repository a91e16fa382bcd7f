//go:build cgo

package openssl

import (
	"bytes"
	"context"
	"crypto/tls"
	"slices"
)

// sessionIDLen is SSL_MAX_SSL_SESSION_ID_LENGTH, the length of a stateful ticket too.
const sessionIDLen = 32

// lookup asks the cache for the session of a ClientHello; every failure is a miss.
func (c *conn) lookup(ctx context.Context, hello helloInfo) *Session {
	if hello.tls13 && len(hello.id) != sessionIDLen {
		return nil // not one of our stateful tickets
	}
	q := &c.ctx.stores
	ctx, cancel := context.WithTimeout(ctx, q.wait)
	defer cancel()
	der, err := q.get(ctx, hello.id, hello.tls13)
	var s *Session
	if err == nil && len(der) > 0 {
		s, _ = ParseSession(der)
		if s != nil && (!bytes.Equal(s.id(), hello.id) || !bytes.Equal(s.sidContext(), c.ctx.cfg.SessionIDContext) ||
			c.ctx.auth.judges() && s.over()) {
			s = nil
		}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.stats.Lookups++
	switch {
	case err != nil:
		q.stats.LookupErrors++
	case s != nil:
		q.stats.Hits++
	case len(der) > 0:
		q.stats.Refused++
	}
	return s
}

// offer sets the session that a client offers. A resumption shows no certificate, so the session
// must remember a verified one for the name that this connection wants.
func (c *conn) offer(s *Session) error {
	if !s.usable() || c.ctx.cfg.PSK != nil || len(c.ctx.cfg.PeerPublicKeys) > 0 || c.ctx.echList != nil {
		return nil // a full handshake
	}
	host, isIP := sniName(c.name)
	if !c.ctx.cfg.InsecureSkipVerify && !s.names(host, isIP) {
		return callerError("session", ErrSessionVerify)
	}
	if err := s.bind(c.ctx.h); err != nil {
		return callerError("session", err)
	}
	if err := c.h.setSession(s); err != nil {
		return err
	}
	// Up to TLS 1.2 libssl's client too ends a resumption whose session has another context. A
	// session that crossed by serialising has the one of the Ctx that made it.
	c.h.useContextOf(s)
	if !c.ctx.cfg.InsecureSkipVerify && c.h.verifyResult() != 0 {
		c.h.setSession(nil)
		return callerError("session", ErrSessionVerify)
	}
	c.offered = s
	return nil
}

// offerCached offers what ClientSessionCache has, once; the caller holds hs and not mu. What is of
// no use costs a full handshake and leaves the cache.
func (c *conn) offerCached() {
	cache := c.ctx.cfg.ClientSessionCache
	if c.server || cache == nil || c.cacheKey != "" {
		return
	}
	key := c.ctx.clientKey(c.name, c.nc.RemoteAddr())
	c.mu.Lock()
	c.cacheKey = key
	given := c.offered != nil
	c.mu.Unlock()
	if given {
		return
	}
	for range maxSessions {
		var s *Session
		guard("ClientSessionCache", func() error { s, _ = cache.Get(key); return nil })
		if s.none() {
			return
		}
		c.mu.Lock()
		own, err := s.forCtx(c.ctx.h)
		if err == nil {
			err = c.offer(own)
		}
		done := c.offered != nil
		c.mu.Unlock()
		if done {
			return
		}
		c.uncache(s)
	}
}

func (c *conn) uncache(sessions ...*Session) {
	for _, s := range sessions {
		guard("ClientSessionCache", func() error { c.ctx.cfg.ClientSessionCache.Remove(c.cacheKey, s); return nil })
	}
}

// forgetOffered takes the session of a failed handshake out of the cache (RFC 5077, section 3.2), so
// that the next one is full.
func (c *conn) forgetOffered() {
	c.mu.Lock()
	s := c.offered
	failed := c.fatal != nil
	c.mu.Unlock()
	if failed && s != nil && c.cacheKey != "" {
		c.uncache(s)
	}
}

// takeEvents drains libssl's events: sessions and key log lines.
func (c *conn) takeEvents() {
	for c.h.hasEvents() {
		ev, ok := c.h.nextEvent()
		if !ok {
			return
		}
		switch ev.kind {
		case EventKeyLog:
			if c.ctx.cfg.KeyLogWriter != nil {
				c.ctx.writeKeyLog(ev.data)
			}
		case EventNewSession:
			c.newSession(ev.session)
		}
	}
}

// newSession remembers what an unclean end marks: the last ones, whatever a server sends.
func (c *conn) newSession(s *Session) {
	s.owner.CompareAndSwap(nil, c.ctx.h)
	c.sessions = withLast(c.sessions, s)
	if !c.server && (c.ctx.cfg.OnSession != nil || c.ctx.cfg.ClientSessionCache != nil) {
		c.news = withLast(c.news, s)
	}
}

// maxSessions is how many tickets of one connection are remembered, and how many wait to be told: a Read
// that waits for data tells nobody, and a server may send tickets without end.
const maxSessions = 16

func withLast(all []*Session, s *Session) []*Session {
	if len(all) == maxSessions {
		all = append(all[:0:0], all[1:]...)
	}
	return append(all, s)
}

// storeSessions puts a server's sessions into its cache, once its peer is accepted and before the
// peer hears of them.
func (c *conn) storeSessions() {
	reused, old := c.h.resumed(), c.h.agreedVersion() < tls.VersionTLS13
	if reused && c.offered != nil {
		if old && !c.h.sessionIs(c.offered) {
			// The server has renewed its ticket: libssl tells nobody.
			if s := c.h.session(); s != nil {
				c.newSession(s)
			}
		}
		c.sessions = append(c.sessions, c.offered)
	}
	if !c.server || c.ctx.cfg.SessionCache == nil {
		return
	}
	if reused && old {
		if s := c.h.session(); s != nil {
			c.ids = append(c.ids, s.id())
		}
	}
	for _, s := range c.sessions {
		if id := s.id(); len(id) > 0 && !slices.ContainsFunc(c.ids, func(known []byte) bool { return bytes.Equal(known, id) }) {
			c.ids = append(c.ids, id)
			c.ctx.stores.put(id, s.der(), s.Timeout()-s.Age())
		}
	}
}

// tellSessions hands on what a client has got, without mu.
func (c *conn) tellSessions() {
	f, cache := c.ctx.cfg.OnSession, c.ctx.cfg.ClientSessionCache
	if c.server || f == nil && cache == nil {
		return
	}
	c.mu.Lock()
	news := c.news
	c.news = nil
	c.mu.Unlock()
	out := c.outer.Value()
	for _, s := range news {
		if cache != nil && c.cacheKey != "" {
			guard("ClientSessionCache", func() error { cache.Put(c.cacheKey, s); return nil })
			if s.bad.Load() { // the connection has ended meanwhile
				c.uncache(s)
			}
		}
		if out != nil && f != nil {
			guard("OnSession", func() error { f(out, s); return nil })
		}
	}
}
