package semantics

import "github.com/golibssl/openssl"

// SSL_shutdown.
var groupB = []scenario{
	{"b01", two, "shutdown once; peer reads it", func(e *scene) {
		e.begin(0)
		e.open()
		e.shut(e.c)
		e.mask(e.s)
		e.wire()
		e.read(e.s)
		e.wire()
	}},
	{"b02", two, "shutdown three times, peer silent", func(e *scene) {
		e.begin(0)
		e.open()
		e.shut(e.c)
		e.shut(e.c)
		e.shut(e.c)
		e.wire()
	}},
	{"b03", two, "bidirectional close", func(e *scene) {
		e.begin(0)
		e.open()
		e.shut(e.c)
		e.read(e.s)
		e.shut(e.s)
		e.shut(e.c)
		e.shut(e.c)
		e.shut(e.s)
		e.wire()
	}},
	{"b04", two, "peer first, not read before our shutdown", func(e *scene) {
		e.begin(0)
		e.open()
		e.shut(e.s)
		e.shut(e.c)
		e.shut(e.c)
		e.shut(e.s)
		e.wire()
	}},
	{"b05", two, "peer first, read, then our shutdown", func(e *scene) {
		e.begin(0)
		e.open()
		e.shut(e.s)
		e.read(e.c)
		e.shut(e.c)
		e.shut(e.s)
		e.read(e.s)
	}},
	{"b06", two, "simultaneous close", func(e *scene) {
		e.begin(0)
		e.open()
		e.shut(e.c)
		e.shut(e.s)
		e.shut(e.c)
		e.shut(e.s)
		e.wire()
	}},
	{"b07", two, "half close: read after own close_notify", func(e *scene) {
		e.begin(0)
		e.open()
		e.shut(e.c)
		e.write(e.s)
		e.read(e.c)
		e.read(e.c)
		e.write(e.c)
		e.shut(e.s)
		e.read(e.c)
		e.read(e.c)
		e.shut(e.c)
	}},
	{"b08", two, "half close: write after peer's close_notify", func(e *scene) {
		e.begin(0)
		e.open()
		e.shut(e.s)
		e.read(e.c)
		e.write(e.c)
		e.read(e.s)
		e.shut(e.c)
		e.read(e.s)
		e.shut(e.s)
	}},
	{"b09", all, "shutdown with an unread application record", func(e *scene) {
		e.begin(serverEvents)
		e.open()
		e.say(e.s, "data")
		e.shut(e.c)
		e.shut(e.c)
		e.shut(e.c)
		e.read(e.c)
		e.shut(e.s)
		e.shut(e.c)
		e.mask(e.c)
		e.free(e.c)
		e.cache()
		e.callbacks()
	}},
	{"b10", two, "shutdown with a half read record", func(e *scene) {
		e.begin(0)
		e.open()
		e.say(e.s, "data")
		e.op("c.read1", e.c, read(1))
		e.p(" pending=%d", e.c.ssl.Pending())
		e.shut(e.c)
		e.p(" pending=%d", e.c.ssl.Pending())
		e.shut(e.c)
		e.read(e.c)
	}},
	{"b11", two, "unread data taken by SSL_read after SSL_shutdown", func(e *scene) {
		e.begin(0)
		e.open()
		e.say(e.s, "data")
		e.shut(e.c)
		e.read(e.c)
		e.shut(e.s)
		e.read(e.c)
		e.shut(e.c)
	}},
	{"b12", two, "unread data and close_notify waiting", func(e *scene) {
		e.begin(0)
		e.open()
		e.say(e.s, "data")
		e.shut(e.s)
		e.shut(e.c)
		e.shut(e.c)
		e.mask(e.c)
		e.read(e.c)
	}},
	{"b13", one, "shutdown without connect/accept state", func(e *scene) {
		e.begin(0)
		e.c = e.one(e.cc)
		e.op("nostate.shutdown", e.c, shutdown)
		e.mask(e.c)
	}},
	{"b14", two, "shutdown before and during the handshake", func(e *scene) {
		e.begin(0)
		e.fresh()
		e.op("before.shutdown", e.c, shutdown)
		e.op("sbefore.shutdown", e.s, shutdown)
		e.shake(e.c)
		e.op("mid.shutdown", e.c, shutdown)
		e.shake(e.s)
		e.op("smid.shutdown", e.s, shutdown)
		e.p(" hs=%d", bit(e.handshake()))
		e.drain()
		e.shut(e.c)
	}},
	{"b15", two, "shutdown after a failed handshake", func(e *scene) {
		e.begin(serverEvents)
		other := e.proto.other()
		must(e.cc.SetVersions(other.version(), other.version()))
		e.fresh()
		e.shake(e.c)
		e.shake(e.s)
		e.shake(e.c)
		e.shut(e.c)
		e.shut(e.s)
		e.mask(e.c)
		e.mask(e.s)
		e.cache()
		e.callbacks()
	}},
	{"b16", all, "close_notify does not fit: WANT_WRITE, retried", func(e *scene) {
		e.begin(serverEvents)
		e.open()
		h := session(e.c)
		e.narrow(e.s)
		e.shut(e.s)
		_, queued := e.s.ssl.Queued()
		e.p(" net=%d", queued)
		e.shut(e.s)
		// As BIO_read: -1 when there is nothing.
		takeAll := func(limit int) int {
			if n := len(e.s.take(limit)); n > 0 {
				return n
			}
			return -1
		}
		got := takeAll(8)
		e.shut(e.s)
		got += takeAll(100)
		e.shut(e.s)
		got += takeAll(100)
		e.shut(e.s)
		got += takeAll(100)
		e.shut(e.s)
		e.p(" got=%d", got)
		e.mask(e.s)
		e.mark(e.c, 1)
		e.free(e.c)
		e.free(e.s)
		e.cache()
		e.callbacks()
		e.resumable(h)
		e.resume(h)
	}},
	{"b17", ids, "close_notify does not fit, freed at once", func(e *scene) {
		e.begin(serverEvents)
		e.open()
		e.narrow(e.s)
		e.shut(e.s)
		e.free(e.s)
		e.cache()
		e.callbacks()
	}},
	{"b18", all, "quiet shutdown on the SSL", func(e *scene) {
		e.begin(serverEvents)
		e.open()
		must(e.c.ssl.SetQuietShutdown(true))
		must(e.s.ssl.SetQuietShutdown(true))
		e.shut(e.c)
		e.shut(e.c)
		e.wire()
		e.shut(e.s)
		e.wire()
		e.free(e.s)
		e.cache()
		e.callbacks()
	}},
	{"b20", two, "quiet during the handshake", func(e *scene) {
		e.begin(0)
		must(e.cc.SetQuietShutdown(true))
		e.fresh()
		e.op("before.shutdown", e.c, shutdown)
		e.shake(e.c)
		e.op("mid.shutdown", e.c, shutdown)
		e.p(" hs=%d", bit(e.handshake()))
	}},
	{"b21", two, "quiet with unread data", func(e *scene) {
		e.begin(0)
		e.open()
		e.say(e.s, "data")
		must(e.c.ssl.SetQuietShutdown(true))
		e.shut(e.c)
		e.read(e.c)
		e.wire()
	}},
	{"b22", all, "unread tickets: new_cb inside SSL_shutdown", func(e *scene) {
		e.begin(clientEvents | keepSessions)
		e.fresh()
		e.handshake()
		e.callbacks()
		e.shut(e.c)
		e.callbacks()
		e.shut(e.c)
		e.callbacks()
		e.read(e.s)
		e.shut(e.s)
		e.shut(e.c)
		e.callbacks()
		e.p(" kept=%d", len(e.ccb.kept))
		if len(e.ccb.kept) == 0 {
			return
		}
		h := e.ccb.kept[len(e.ccb.kept)-1]
		e.resumable(h)
		e.free(e.c)
		e.free(e.s)
		e.resumable(h)
		e.resume(h)
	}},
	{"b23", all, "fast shutdown without reading: session usable?", func(e *scene) {
		e.begin(clientEvents | keepSessions)
		e.fresh()
		e.handshake()
		h := session(e.c)
		e.shut(e.c)
		e.free(e.c)
		e.mark(e.s, 1)
		e.free(e.s)
		e.callbacks()
		e.resumable(h)
		e.resume(h)
	}},
	{"b24", two, "shutdown with an unfinished write", func(e *scene) {
		e.begin(0)
		e.open()
		e.narrow(e.s)
		e.write(e.s)
		e.shut(e.s)
		e.shut(e.s)
		got := len(e.s.take(100))
		e.p(" got=%d", got)
		e.shut(e.s)
		got += len(e.s.take(100))
		e.p(" got=%d", got)
		for range 12 {
			e.call(e.s, shutdown)
			got += len(e.s.take(100))
		}
		e.p(" got=%d", got)
		e.write(e.s)
		e.shut(e.s)
	}},
	{"b25", two, "no AUTO_RETRY", func(e *scene) {
		e.begin(noAutoRetry)
		e.open()
		e.say(e.s, "x")
		e.shut(e.s)
		e.read(e.c)
		e.read(e.c)
		e.shut(e.c)
		e.shut(e.s)
	}},
	{"b26", two, "no AUTO_RETRY, shutdown over tickets", func(e *scene) {
		e.begin(noAutoRetry | clientEvents | keepSessions)
		e.fresh()
		e.handshake()
		e.call(e.s, shutdown)
		for range 5 {
			e.shut(e.c)
		}
		e.callbacks()
	}},
	{"b28", two, "renegotiate / key update after close_notify", func(e *scene) {
		e.begin(0)
		e.open()
		e.shut(e.c)
		if !e.proto.tls13() {
			a, _ := e.call(e.c, (*openssl.SSL).Renegotiate)
			e.p(" c.renegotiate=%d", a.Ret)
			e.shake(e.c)
			e.p(" sent=%d", bit(waiting(e.c, e.s) > 31))
			e.mask(e.c)
			return
		}
		// KeyUpdate is SSL_key_update with its SSL_do_handshake; another one finds nothing to do.
		update := func(s *openssl.SSL) error { return s.KeyUpdate(true) }
		for _, x := range []*end{e.c, e.s} {
			a, _ := e.call(x, update)
			e.p(" %s.key_update=%d", e.name(x), a.Ret)
			e.shake(x)
		}
		e.shut(e.c)
		e.wire()
		e.mask(e.c)
	}},
	{"b29", two, "SSL_do_handshake on a closed connection", func(e *scene) {
		e.begin(0)
		e.open()
		e.shut(e.c)
		e.shake(e.c)
		e.shut(e.s)
		e.shut(e.c)
		e.shake(e.c)
		e.p(" state=%d", bit(e.c.ssl.InitFinished()))
	}},
	{"b31", all, "client closes before the server has finished", func(e *scene) {
		e.begin(serverEvents)
		e.fresh()
		e.shake(e.c)
		e.shake(e.s)
		e.shake(e.c)
		e.mask(e.c)
		if e.c.ssl.InitFinished() {
			e.shut(e.c)
		}
		e.shake(e.s)
		e.mask(e.s)
		e.read(e.s)
		e.cache()
		e.callbacks()
	}},
}
