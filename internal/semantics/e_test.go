package semantics

// SSL_clear.
var groupE = []scenario{
	{"e01", all, "SSL_clear of an open SSL", cleared(0)},
	{"e02", all, "SSL_clear after set(SENT)", cleared(1)},
	{"e03", all, "SSL_clear after set(RECEIVED)", cleared(2)},
	{"e04", all, "SSL_clear after set(both)", cleared(3)},
	{"e05", all, "SSL_clear after a real close", func(e *scene) {
		e.begin(serverEvents | clientCache)
		e.open()
		for _, x := range []*end{e.c, e.s, e.c, e.s} {
			e.call(x, shutdown)
		}
		e.mask(e.c)
		e.mask(e.s)
		e.p(" clear=%d/%d", e.clear(e.c), e.clear(e.s))
		e.mask(e.c)
		e.cache()
		e.callbacks()
		e.again()
	}},
	{"e06", all, "SSL_clear mid-handshake with an offered session", func(e *scene) {
		e.begin(serverEvents | clientCache)
		e.open()
		h := session(e.c)
		e.finish()
		e.fresh()
		e.offer(e.c, h)
		e.shake(e.c)
		e.p(" clear=%d", e.clear(e.c))
		e.p(" sess=%d", bit(session(e.c) != nil))
		e.resumable(h)
		e.cache()
		e.free(e.c)
		e.free(e.s)
		e.resume(h)
	}},
	{"e07", two, "SSL_clear fresh and twice", func(e *scene) {
		e.begin(0)
		e.fresh()
		e.p(" c=%d", e.clear(e.c))
		e.p(" c=%d", e.clear(e.c))
		e.open()
		e.mark(e.c, 1)
		e.p(" c=%d", e.clear(e.c))
		e.p(" c=%d", e.clear(e.c))
		e.p(" sess=%d", bit(session(e.c) != nil))
	}},
	{"e08", two, "SSL_clear keeps BIO contents", func(e *scene) {
		e.begin(serverEvents | clientCache)
		e.open()
		e.say(e.s, "stale")
		e.mark(e.c, 1)
		e.mark(e.s, 1)
		e.clearAndShake()
	}},
	{"e09", two, "SSL_clear with unread close_notify", func(e *scene) {
		e.begin(serverEvents | clientCache)
		e.open()
		e.call(e.c, shutdown)
		e.call(e.s, shutdown)
		e.clearAndShake()
	}},
	{"e10", all, "SSL_clear after a fatal error", func(e *scene) {
		e.begin(serverEvents)
		e.open()
		e.say(e.c, "hello")
		e.corrupt(e.c)
		e.read(e.s)
		e.lose()
		e.p(" clear=%d/%d", e.clear(e.s), e.clear(e.c))
		e.again()
		e.cache()
		e.callbacks()
	}},
}

func cleared(mask int) func(*scene) {
	return func(e *scene) {
		e.begin(serverEvents | clientCache)
		e.open()
		h := session(e.c)
		e.cache()
		e.mark(e.s, mask)
		e.mark(e.c, mask)
		for _, x := range []*end{e.s, e.c} {
			e.p(" %s.clear=%d", e.name(x), e.clear(x))
			e.mask(x)
			e.p(" %s.sess=%d", e.name(x), bit(session(x) != nil))
		}
		e.cache()
		e.callbacks()
		e.resumable(h)
		e.again()
		e.drain()
		e.write(e.c)
		e.read(e.s)
	}
}

// again makes a second handshake with the same two SSLs.
func (e *scene) again() {
	e.p(" hs2=%d", bit(e.handshake()))
	e.p(" reused=%d/%d", bit(e.c.ssl.SessionReused()), bit(e.s.ssl.SessionReused()))
}

func (e *scene) clearAndShake() {
	e.p(" clear=%d/%d", e.clear(e.c), e.clear(e.s))
	e.wire()
	e.shake(e.c)
	e.shake(e.s)
	e.shake(e.c)
}
