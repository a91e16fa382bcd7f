package semantics

import (
	"github.com/golibssl/openssl"
)

// SSL_free and the session.
var groupF = []scenario{
	{"f01", all, "free: server unclean", freed(true, 0, clientCache)},
	{"f02", all, "free: server SENT", freed(true, 1, clientCache)},
	{"f03", all, "free: server RECEIVED", freed(true, 2, clientCache)},
	{"f04", all, "free: server both", freed(true, 3, clientCache)},
	{"f05", all, "free: client unclean", freed(false, 0, clientCache)},
	{"f06", all, "free: client SENT", freed(false, 1, clientCache)},
	{"f07", all, "free: client RECEIVED", freed(false, 2, clientCache)},
	{"f08", all, "free: client both", freed(false, 3, clientCache)},
	{"f09", all, "free: server unclean, callbacks", freed(true, 0, serverEvents|clientEvents)},
	{"f10", all, "free: server SENT, callbacks", freed(true, 1, serverEvents|clientEvents)},
	{"f11", all, "free: client unclean, callbacks", freed(false, 0, serverEvents|clientEvents)},
	{"f12", all, "free: client SENT, callbacks", freed(false, 1, serverEvents|clientEvents)},
	{"f13", all, "free: client unclean, client cache off", freed(false, 0, 0)},
	{"f14", all, "free: client SENT, client cache off", freed(false, 1, 0)},
	{"f15", all, "SSL_shutdown once on each side", func(e *scene) {
		e.begin(serverEvents | clientEvents | keepSessions)
		e.open()
		h := session(e.c)
		e.shut(e.c)
		e.shut(e.s)
		e.freeBoth()
		e.cache()
		e.callbacks()
		e.resumable(h)
		e.resume(h)
	}},
	{"f16", all, "server reads close_notify, never answers", func(e *scene) {
		e.begin(serverEvents | clientCache)
		e.open()
		h := session(e.c)
		e.shut(e.c)
		e.read(e.s)
		e.freeBoth()
		e.cache()
		e.callbacks()
		e.resumable(h)
		e.resume(h)
	}},
	{"f17", all, "client unclean: which kept tickets survive", func(e *scene) {
		e.begin(clientEvents | keepSessions)
		e.open()
		e.p(" kept=%d", len(e.ccb.kept))
		e.free(e.c)
		e.mark(e.s, 1)
		e.free(e.s)
		e.callbacks()
		e.cache()
		e.each(e.ccb.kept)
		e.ccb.keep = false
		for _, s := range e.ccb.kept {
			e.resume(s)
		}
	}},
	{"f18", all, "i2d/d2i of a bad session", func(e *scene) {
		h := e.bad()
		h2 := get(openssl.ParseSession(h.DER()))
		e.p(" d2i:")
		e.resumable(h2)
		e.resume(h2)
	}},
	{"f19", all, "SSL_SESSION_dup of a bad session", func(e *scene) {
		h := e.bad()
		h2 := h.Dup()
		e.p(" dup:")
		e.resumable(h2)
		e.resume(h2)
	}},
	{"f20", all, "resumed connection ends badly on the server", func(e *scene) {
		e.begin(serverEvents)
		e.open()
		h := session(e.c)
		e.finish()
		e.cache()
		e.second(h)
		e.drain()
		e.p(" second=%d", bit(e.s.ssl.SessionReused()))
		e.mark(e.c, 1)
		e.freeBoth()
		e.cache()
		e.callbacks()
		e.resumable(h)
		e.resume(h)
	}},
	{"f21", all, "resumed connection ends badly on the client, cache on", func(e *scene) {
		h := e.resumedEndsBadly(clientCache)
		e.cache()
		e.resume(h)
	}},
	{"f22", all, "same, client cache off", func(e *scene) {
		h := e.resumedEndsBadly(0)
		e.resume(h)
	}},
	{"f23", all, "free mid-handshake with an offered session", func(e *scene) {
		e.begin(serverEvents | clientCache)
		e.open()
		h := session(e.c)
		e.finish()
		e.fresh()
		e.offer(e.c, h)
		e.call(e.c, (*openssl.SSL).Handshake)
		e.call(e.s, (*openssl.SSL).Handshake)
		e.freeBoth()
		e.cache()
		e.callbacks()
		e.resumable(h)
		e.resume(h)
	}},
	{"f24", all, "SSL_set_session(NULL) on an open connection", func(e *scene) {
		e.begin(serverEvents | clientCache)
		e.open()
		h, sh := session(e.c), session(e.s)
		e.p(" set=%d", e.offer(e.s, nil))
		e.cache()
		e.callbacks()
		e.p(" held=%d/%d", bit(h.Resumable()), bit(sh.Resumable()))
		e.p(" set=%d", e.offer(e.c, nil))
		e.cache()
		e.p(" held=%d", bit(h.Resumable()))
		e.p(" sess=%d", bit(session(e.c) != nil))
		e.write(e.c)
		e.read(e.s)
		e.shut(e.c)
	}},
	{"f25", all, "SSL_set_session(own) on an open connection", func(e *scene) {
		e.begin(clientCache)
		e.open()
		h := session(e.c)
		e.p(" set=%d", e.offer(e.c, h))
		e.cache()
		e.resumable(h)
	}},
	{"f26", all, "get1_session before and after the ticket", func(e *scene) {
		e.begin(clientCache)
		e.fresh()
		e.handshake()
		a := session(e.c)
		e.resumable(a)
		e.drain()
		b := session(e.c)
		e.resumable(b)
		e.p(" same=%d", bit(a.Handle() == b.Handle()))
		e.resumable(a)
		e.p(" hasticket=%d", bit(b.HasTicket()))
		e.finish()
		e.resume(a)
		e.resume(b)
	}},
	{"f27", all, "resume three times, client cache on", func(e *scene) { e.resumeThrice(clientCache) }},
	{"f28", all, "resume three times, client cache off", func(e *scene) {
		e.resumeThrice(0)
		e.cache()
	}},
	{"f29", all, "held session outlives SSL and SSL_CTX", func(e *scene) {
		e.begin(clientCache)
		e.open()
		h := session(e.c)
		e.free(e.c)
		e.mark(e.s, 1)
		e.free(e.s)
		e.cache()
		e.cc.Free()
		e.resumable(h)
		e.p(" proto=%x", h.Protocol())
		before := settle(h)
		h = nil
		e.p(" freed_by_last=%d", before-settle())
	}},
	{"f30", all, "SSL_CTX_free and remove_cb", func(e *scene) {
		e.begin(serverEvents)
		for range 3 {
			e.open()
			e.finish()
		}
		e.cache()
		e.callbacks()
		e.freeServerContext()
		e.callbacks()
	}},
	{"f32", all, "num_tickets 0", func(e *scene) {
		e.begin(clientEvents | keepSessions | serverEvents)
		must(e.sc.SetNumTickets(0))
		e.open()
		h := session(e.c)
		e.resumable(h)
		e.cache()
		e.callbacks()
		e.freeBoth()
		e.cache()
		e.callbacks()
	}},
	{"f33", all, "server unclean: cached and kept sessions", func(e *scene) {
		e.begin(serverEvents | keepSessions)
		e.open()
		e.cache()
		e.callbacks()
		e.p(" kept=%d", len(e.scb.kept))
		e.mark(e.c, 1)
		e.freeBoth()
		e.cache()
		e.callbacks()
		e.each(e.scb.kept)
	}},
	{"f34", all, "server unclean, both client tickets tried", func(e *scene) {
		e.begin(clientEvents | keepSessions)
		e.open()
		e.cache()
		e.mark(e.c, 1)
		e.freeBoth()
		e.cache()
		e.ccb.keep = false
		e.p(" n=%d", len(e.ccb.kept))
		for _, s := range e.ccb.kept {
			e.resume(s)
		}
	}},
	{"f35", one, "SSL_up_ref and two frees", func(e *scene) {
		e.begin(serverEvents)
		e.open()
		must(e.s.ssl.UpRef())
		s := e.s
		e.free(s)
		e.cache()
		e.callbacks()
		e.free(s)
		e.cache()
		e.callbacks()
	}},
	{"f36", all, "set(SENT) on both, no alert at all", func(e *scene) {
		e.begin(serverEvents | clientCache)
		e.open()
		h := session(e.c)
		e.setMask(e.c, 1)
		e.setMask(e.s, 1)
		e.wire()
		e.freeBoth()
		e.cache()
		e.callbacks()
		e.resumable(h)
		e.resume(h)
	}},
	{"f37", all, "SSL_set_session then SSL_free, no handshake", func(e *scene) {
		e.begin(serverEvents | clientCache)
		e.open()
		h := session(e.c)
		e.finish()
		e.fresh()
		e.offer(e.c, h)
		e.freeBoth()
		e.cache()
		e.resumable(h)
		e.resume(h)
	}},
	{"f38", ids, "server error after own close_notify, free", func(e *scene) {
		e.begin(serverEvents)
		e.open()
		e.say(e.c, "x")
		e.call(e.s, shutdown)
		e.shut(e.s)
		e.free(e.s)
		e.cache()
		e.callbacks()
	}},
}

// freed sets the mask of one end, SENT on the other, and frees both.
func freed(server bool, mask int, set set) func(*scene) {
	return func(e *scene) {
		e.begin(set)
		e.open()
		h, sh := session(e.c), session(e.s)
		e.cache()
		e.p(" before=%d/%d", bit(h.Resumable()), bit(sh.Resumable()))
		if server {
			e.mark(e.s, mask)
			e.mark(e.c, 1)
		} else {
			e.mark(e.c, mask)
			e.mark(e.s, 1)
		}
		e.freeBoth()
		e.cache()
		e.callbacks()
		e.p(" held=%d/%d", bit(h.Resumable()), bit(sh.Resumable()))
		e.resume(h)
		e.cache()
	}
}

func (e *scene) freeBoth() {
	e.free(e.c)
	e.free(e.s)
}

// each shows which of the kept sessions can be resumed.
func (e *scene) each(kept []*openssl.Session) {
	for i, s := range kept {
		e.p(" k%d=%d", i, bit(s.Resumable()))
	}
}

// bad makes a connection that ends badly on the client, and shows its session.
func (e *scene) bad() *openssl.Session {
	e.begin(0)
	e.open()
	h := session(e.c)
	e.free(e.c)
	e.mark(e.s, 1)
	e.free(e.s)
	e.resumable(h)
	return h
}

// second makes a connection that offers a session.
func (e *scene) second(h *openssl.Session) {
	e.fresh()
	e.offer(e.c, h)
	e.handshake()
}

func (e *scene) resumedEndsBadly(set set) *openssl.Session {
	e.begin(set)
	e.open()
	h := session(e.c)
	e.finish()
	e.resumable(h)
	e.second(h)
	e.p(" second=%d", bit(e.s.ssl.SessionReused()))
	e.resumable(h)
	e.mark(e.s, 1)
	e.freeBoth()
	e.resumable(h)
	return h
}

func (e *scene) resumeThrice(set set) {
	e.begin(set)
	e.open()
	h := session(e.c)
	e.finish()
	for range 3 {
		e.resume(h)
		e.resumable(h)
	}
}

func (e *scene) freeServerContext() {
	e.sc.Free()
	e.scb.add(e.sc.Events())
}
