package semantics

import (
	"time"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/testcert"
)

// The session caches, their counters and callbacks.
var groupG = []scenario{
	{"g49", ids, "real capacity for cache sizes 1..5", func(e *scene) {
		for n := 1; n <= 5; n++ {
			e.begin(serverEvents)
			must(e.sc.SetNumTickets(1))
			e.sc.SetCacheSize(n)
			for range 8 {
				e.open()
				e.finish()
			}
			e.p(" size%d:%d/full=%d/rem=%d", n, cached(e.sc), e.sc.Counter(openssl.CounterCacheFull), e.scb.removed)
		}
	}},
	{"g01", all, "cache size 2, four connections", func(e *scene) {
		e.begin(serverEvents)
		old := e.sc.SetCacheSize(2)
		e.p(" old=%d now=%d", old, e.sc.CacheSize())
		var h [4]*openssl.Session
		for i := range h {
			h[i] = e.closed()
			e.cache()
		}
		e.callbacks()
		e.counters("S", e.sc)
		e.resumeUnstored(h[:])
	}},
	{"g02", ids, "overflow order: is it LRU", func(e *scene) {
		e.begin(0)
		must(e.sc.SetNumTickets(1))
		var h [4]*openssl.Session
		for i := range 3 {
			h[i] = e.closed()
		}
		e.p(" touch")
		e.resume(h[0])
		e.cache()
		e.sc.SetCacheSize(cached(e.sc))
		e.p(" size=%d", e.sc.CacheSize())
		h[3] = e.closed()
		e.cache()
		e.resumeUnstored(h[:])
	}},
	{"g03", all, "size 0 unlimited, shrink", func(e *scene) {
		e.begin(serverEvents)
		e.sc.SetCacheSize(0)
		for range 5 {
			e.closed()
		}
		e.cache()
		e.sc.SetCacheSize(2)
		e.cache()
		e.closed()
		e.cache()
		e.callbacks()
		e.p(" full=%d", e.sc.Counter(openssl.CounterCacheFull))
	}},
	{"g04", ids, "overflow order: by expiry?", func(e *scene) {
		e.begin(0)
		must(e.sc.SetNumTickets(1))
		e.sc.SetCacheSize(4)
		timeouts := [4]int{5000, 100, 7000, 6000}
		var h [4]*openssl.Session
		for i := range h {
			e.sc.SetTimeout(timeouts[i])
			h[i] = e.closed()
		}
		e.cache()
		e.sc.SetCacheMode(openssl.CacheServer | openssl.CacheNoInternalStore)
		for i := range h {
			e.p(" #%d/t%d", i, timeouts[i])
			e.resume(h[i])
		}
	}},
	{"g05", all, "expiry at lookup", func(e *scene) {
		e.begin(serverEvents | keepSessions)
		e.sc.SetTimeout(100)
		e.open()
		h, sh := session(e.c), session(e.s)
		e.finish()
		e.cache()
		made := sh.Created()
		sh.SetCreated(made.Add(-50 * time.Second))
		e.resume(h)
		sh.SetCreated(made.Add(-1000 * time.Second))
		e.cache()
		e.p(" st=%d", sh.Timeout()/time.Second)
		e.resume(h)
		e.cache()
		e.callbacks()
		e.counters("S", e.sc)
	}},
	{"g06", all, "flush_sessions boundaries", func(e *scene) {
		e.begin(serverEvents | keepSessions)
		e.sc.SetTimeout(100)
		e.open()
		sh := session(e.s)
		e.finish()
		made := sh.Created()
		e.cache()
		for _, age := range []time.Duration{0, 99, 102} {
			e.flush(made.Add(age * time.Second))
			e.cache()
		}
		e.callbacks()
		e.p(" held=%d", bit(sh.Resumable()))
		e.closed()
		e.cache()
		e.flush(time.Time{})
		e.cache()
		e.callbacks()
	}},
	{"g07", one, "timeout 0 and negative", func(e *scene) {
		e.begin(0)
		e.open()
		sh := session(e.s)
		e.finish()
		e.p(" set-1=%d", bit(sh.SetTimeout(-time.Second)))
		e.p(" get=%d", sh.Timeout()/time.Second)
		e.p(" set0=%d", bit(sh.SetTimeout(0)))
		e.p(" get=%d", sh.Timeout()/time.Second)
		e.p(" ctx-1=%d", e.sc.SetTimeout(-1))
		e.p(" ctx=%d", e.sc.Timeout())
		e.p(" ctx0=%d", e.sc.SetTimeout(0))
		e.p(" ctx=%d", e.sc.Timeout())
		e.open()
		e.p(" newsess=%d", session(e.s).Timeout()/time.Second)
		e.finish()
	}},
	{"g08", all, "auto flush at 255", func(e *scene) {
		e.begin(0)
		e.sc.SetTimeout(100)
		e.open()
		sh := session(e.s)
		e.finish()
		sh.SetCreated(time.Unix(1000, 0))
		sh.SetTimeout(time.Second)
		e.cache()
		for range 253 {
			e.closed()
		}
		accepted := func() { e.p(" acc=%d", e.sc.Counter(openssl.CounterAcceptGood)) }
		accepted()
		e.cache()
		e.closed()
		e.cache()
		e.closed()
		accepted()
		e.cache()
		e.closed()
		e.cache()
		e.p(" held=%d", bit(sh.Resumable()))
	}},
	{"g09", all, "counters", func(e *scene) {
		e.begin(clientCache)
		h := e.closed()
		e.resume(h)
		e.flush(time.Time{})
		e.resume(h)
		e.fresh()
		e.call(e.c, (*openssl.SSL).Handshake)
		e.call(e.s, (*openssl.SSL).Handshake)
		e.freeBoth()
		e.counters("S", e.sc)
		e.counters("C", e.cc)
	}},
	{"g10", all, "add/remove return values", func(e *scene) {
		e.begin(serverEvents)
		e.open()
		sh := session(e.s)
		e.finish()
		e.cache()
		e.add(sh)
		e.cache()
		e.remove("rem", sh)
		e.callbacks()
		e.remove("rem", sh)
		e.callbacks()
		e.resumable(sh)
		e.add(sh)
		e.cache()
		e.resumable(sh)
		e.remove("remNULL", nil)
		empty := e.emptySession()
		e.p(" addempty=%d", e.addSession(empty))
		e.cache()
		e.remove("rem", empty)
		e.cache()
	}},
	{"g11", all, "re-added bad session", func(e *scene) {
		e.begin(0)
		e.open()
		h, sh := session(e.c), session(e.s)
		e.mark(e.c, 1)
		e.freeBoth()
		e.cache()
		e.resumable(sh)
		e.add(sh)
		e.cache()
		e.resumable(h)
		e.resume(h)
		e.resumable(sh)
	}},
	{"g12", all, "cache OFF", cacheMode(openssl.CacheOff, false)},
	{"g13", all, "cache OFF with get_cb", cacheMode(openssl.CacheOff, true)},
	{"g14", all, "NO_INTERNAL_LOOKUP", cacheMode(openssl.CacheServer|openssl.CacheNoInternalLookup, false)},
	{"g15", all, "NO_INTERNAL_STORE", cacheMode(openssl.CacheServer|openssl.CacheNoInternalStore, false)},
	{"g16", all, "NO_INTERNAL with get_cb", cacheMode(openssl.CacheServer|openssl.CacheNoInternal, true)},
	{"g17", all, "NO_INTERNAL_STORE with get_cb", cacheMode(openssl.CacheServer|openssl.CacheNoInternalStore, true)},
	{"g18", ids, "get_cb copy=1: ownership", func(e *scene) {
		e.begin(serverEvents | serverLookup)
		e.sc.SetCacheMode(openssl.CacheServer | openssl.CacheNoInternal)
		e.open()
		h, sh := session(e.c), session(e.s)
		e.finish()
		e.found = sh
		e.resume(h)
		before := settle(h, sh)
		e.found, sh = nil, nil
		e.p(" freed=%d", before-settle(h))
		e.counters("S", e.sc)
	}},
	{"g21", ids, "get_cb returns a bad session", func(e *scene) {
		e.begin(serverEvents | serverLookup)
		e.sc.SetCacheMode(openssl.CacheServer | openssl.CacheNoInternal)
		e.open()
		h, sh := session(e.c), session(e.s)
		e.mark(e.c, 1)
		e.freeBoth()
		e.callbacks()
		e.resumable(sh)
		e.found = sh
		e.resume(h)
		e.callbacks()
	}},
	{"g22", all, "new_cb returns 0", func(e *scene) {
		// The raw layer's callback returns 1 and holds the reference in the event; no event is kept here.
		e.begin(serverEvents)
		e.open()
		e.cache()
		e.finish()
		e.cache()
		before := settle()
		e.flush(time.Time{})
		e.cache()
		e.freeServerContext()
		e.p(" freed=%d", before-settle())
		e.callbacks()
	}},
	{"g24", all, "client cert without session id context", clientCertificate(nil)},
	{"g25", all, "client cert with session id context", clientCertificate([]byte("app"))},
	{"g26", all, "session id context differs", func(e *scene) {
		e.begin(clientCache)
		must(e.sc.SetSessionIDContext([]byte("a")))
		h := e.closed()
		must(e.sc.SetSessionIDContext([]byte("b")))
		e.resume(h)
		e.counters("S", e.sc)
	}},
	{"g28", all, "another server SSL_CTX", func(e *scene) {
		e.begin(clientCache)
		h := e.closed()
		e.sc = e.newServer()
		e.resume(h)
		e.counters("S", e.sc)
	}},
	{"g29", all, "session of another protocol version", func(e *scene) {
		e.begin(clientCache)
		h := e.closed()
		// A Session does not leave its SSL_CTX: the client's changes its version instead.
		e.proto = e.proto.other()
		must(e.cc.SetVersions(e.proto.version(), e.proto.version()))
		e.sc = e.newServer()
		e.resume(h)
		e.resumable(h)
	}},
	{"g35", all, "remove while open, then clean free", func(e *scene) {
		e.begin(serverEvents)
		e.open()
		sh := session(e.s)
		e.remove("rem", sh)
		e.cache()
		e.mark(e.s, 1)
		e.mark(e.c, 1)
		e.freeBoth()
		e.cache()
		e.callbacks()
		e.resumable(sh)
	}},
	{"g36", all, "unclean free, NO_INTERNAL", func(e *scene) {
		e.begin(serverEvents | keepSessions)
		e.sc.SetCacheMode(openssl.CacheServer | openssl.CacheNoInternal)
		e.open()
		e.cache()
		e.callbacks()
		e.mark(e.c, 1)
		e.freeBoth()
		e.callbacks()
		e.each(e.scb.kept)
	}},
	{"g37", all, "unclean free, cache OFF", func(e *scene) {
		e.begin(serverEvents | keepSessions)
		e.sc.SetCacheMode(openssl.CacheOff)
		e.open()
		sh := session(e.s)
		e.mark(e.c, 1)
		e.freeBoth()
		e.callbacks()
		e.resumable(sh)
	}},
	{"g38", all, "client NO_INTERNAL_STORE, unclean", func(e *scene) {
		e.begin(clientEvents | keepSessions)
		e.cc.SetCacheMode(openssl.CacheClient | openssl.CacheNoInternalStore)
		e.open()
		e.cache()
		e.callbacks()
		e.free(e.c)
		e.mark(e.s, 1)
		e.free(e.s)
		e.callbacks()
		e.each(e.ccb.kept)
	}},
	{"g39", ids, "UPDATE_TIME", func(e *scene) {
		e.begin(0)
		if openssl.LibraryVersionNumber() < 0x30000000 {
			e.p(" flag=absent")
			return
		}
		e.p(" flag=0x%x", int(openssl.CacheUpdateTime))
		e.sc.SetCacheMode(openssl.CacheServer | openssl.CacheUpdateTime)
		e.open()
		h, sh := session(e.c), session(e.s)
		e.finish()
		old := sh.Created().Add(-20 * time.Second)
		sh.SetCreated(old)
		e.resume(h)
		e.p(" moved=%d", bit(!sh.Created().Equal(old)))
	}},
	{"g40", all, "cache entries per handshake", func(e *scene) { e.entries(0) }},
	{"g41", all, "cache entries per handshake with remove_cb", func(e *scene) {
		e.entries(serverEvents)
		e.callbacks()
	}},
	{"g50", all, "client new_cb without CLIENT cache mode", func(e *scene) {
		e.begin(clientEvents | keepSessions)
		e.cc.SetCacheMode(openssl.CacheServer)
		e.open()
		e.callbacks()
		h := session(e.c)
		e.finish()
		e.resumable(h)
		e.resume(h)
		e.callbacks()
	}},
	{"g48", t13, "max_early_data: stateful and single use", func(e *scene) {
		e.begin(serverEvents | noRemove)
		must(e.sc.SetMaxEarlyData(1000))
		h := e.closed()
		e.cache()
		e.resume(h)
		e.cache()
		e.resume(h)
		e.cache()
	}},
}

// closed makes a connection, closes it both ways and returns the client's session.
func (e *scene) closed() *openssl.Session {
	e.open()
	h := session(e.c)
	e.finish()
	return h
}

func (e *scene) counters(name string, ctx *openssl.RawCtx) {
	e.p(" %s:num=%d,conn=%d,conn_good=%d,acc=%d,acc_good=%d,hits=%d,misses=%d,timeouts=%d,cbhits=%d,full=%d,reneg=%d/%d", name,
		ctx.Counter(openssl.CounterNumber), ctx.Counter(openssl.CounterConnect), ctx.Counter(openssl.CounterConnectGood),
		ctx.Counter(openssl.CounterAccept), ctx.Counter(openssl.CounterAcceptGood), ctx.Counter(openssl.CounterHits),
		ctx.Counter(openssl.CounterMisses), ctx.Counter(openssl.CounterTimeouts), ctx.Counter(openssl.CounterCallbackHits),
		ctx.Counter(openssl.CounterCacheFull), ctx.Counter(openssl.CounterConnectRenegotiate), ctx.Counter(openssl.CounterAcceptRenegotiate))
}

// resumeUnstored tries which sessions the server still has, the newest first, without adding any.
func (e *scene) resumeUnstored(h []*openssl.Session) {
	e.sc.SetCacheMode(openssl.CacheServer | openssl.CacheNoInternalStore)
	for i := len(h) - 1; i >= 0; i-- {
		e.p(" #%d", i)
		e.resume(h[i])
	}
}

func (e *scene) flush(at time.Time) { e.scb.add(get(e.sc.FlushSessions(at))) }

func (e *scene) addSession(s *openssl.Session) int {
	added, events, err := e.sc.AddSession(s)
	must(err)
	e.scb.add(events)
	return bit(added)
}

func (e *scene) add(s *openssl.Session) { e.p(" add=%d", e.addSession(s)) }

func (e *scene) remove(name string, s *openssl.Session) {
	removed, events, err := e.sc.RemoveSession(s)
	must(err)
	e.scb.add(events)
	e.p(" %s=%d", name, bit(removed))
}

// emptySession is that of a client which has said no more than hello: it has no id, and not the version of
// the sessions in the cache, as SSL_SESSION_new's.
func (e *scene) emptySession() *openssl.Session {
	other := e.proto.other()
	must(e.sc.SetVersions(other.version(), other.version()))
	x := e.one(e.sc)
	must(x.ssl.SetConnectState())
	e.call(x, (*openssl.SSL).Handshake)
	return session(x)
}

func cacheMode(mode openssl.CacheMode, lookup bool) func(*scene) {
	return func(e *scene) {
		set := serverEvents | clientCache
		if lookup {
			set |= serverLookup
		}
		e.begin(set)
		e.sc.SetCacheMode(mode)
		e.open()
		h, sh := session(e.c), session(e.s)
		e.finish()
		e.cache()
		e.found = sh
		e.resume(h)
		e.cache()
		e.callbacks()
	}
}

func clientCertificate(sessionIDContext []byte) func(*scene) {
	return func(e *scene) {
		e.begin(clientCache)
		must(e.cc.UseCertificate(get(openssl.CertificateFromTLS(testcert.Client().TLS))))
		must(e.sc.AcceptAnyPeer())
		if sessionIDContext != nil {
			must(e.sc.SetSessionIDContext(sessionIDContext))
		}
		h := e.closed()
		e.cache()
		e.resumable(h)
		e.fresh()
		e.offer(e.c, h)
		for _, x := range []*end{e.c, e.s, e.c, e.s} {
			e.shake(x)
		}
		e.p(" reused=%d/%d", bit(e.c.ssl.SessionReused()), bit(e.s.ssl.SessionReused()))
		e.cache()
	}
}

func (e *scene) entries(set set) {
	e.begin(set)
	e.open()
	e.cache()
	e.finish()
	e.cache()
	e.resume(nil)
	e.cache()
}
