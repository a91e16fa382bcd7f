package semantics

import (
	"fmt"
	"math"
	"time"

	"github.com/golibssl/openssl"
)

// The mask itself.
var groupA = []scenario{
	{"a01", all, "mask of a new, of a stated, of an open SSL", func(e *scene) {
		e.begin(0)
		x := e.one(e.cc)
		e.maskAs("new", x)
		must(x.ssl.SetConnectState())
		e.maskAs("connstate", x)
		e.free(x)
		e.open()
		e.maskAs("open.c", e.c)
		e.maskAs("open.s", e.s)
		e.p(" SENT=%d RECV=%d", openssl.SentShutdown, openssl.ReceivedShutdown)
	}},
	{"a02", one, "set any value on a fresh SSL: get returns it", func(e *scene) {
		e.begin(0)
		e.fresh()
		for _, m := range masks {
			e.setMask(e.c, m)
		}
	}},
	{"a03", two, "set any value on an open SSL: get returns it, nothing sent", func(e *scene) {
		e.begin(0)
		e.open()
		for _, m := range masks {
			e.setMask(e.c, m)
		}
		e.wire()
	}},
	{"a04", two, "values outside the mask, then SSL_shutdown twice", func(e *scene) {
		for _, m := range masks[4:] {
			e.begin(0)
			e.open()
			e.setMask(e.c, m)
			e.shut(e.c)
			e.shut(e.c)
			e.wire()
			e.p(" ;")
		}
	}},
	{"a05", ids, "every value, then SSL_free of the server: cache", func(e *scene) {
		for _, m := range masks {
			e.begin(0)
			e.open()
			e.setMask(e.s, m)
			e.free(e.s)
			e.cache()
			e.p(" ;")
		}
	}},
	{"a06", one, "set(3) then set_connect_state / set_accept_state", func(e *scene) {
		e.begin(0)
		e.c = e.one(e.cc)
		e.setMask(e.c, 3)
		must(e.c.ssl.SetConnectState())
		e.maskAs("connect_state", e.c)
		e.setMask(e.c, 3)
		must(e.c.ssl.SetAcceptState())
		e.maskAs("accept_state", e.c)
	}},
	{"a07", all, "client set(SENT) before the handshake", clientSetsBefore(1)},
	{"a08", all, "client set(RECEIVED) before the handshake", clientSetsBefore(2)},
	{"a09", all, "client set(both) before the handshake", clientSetsBefore(3)},
	{"a10", all, "server set(SENT) before the handshake, then unclean free", serverSetsBefore(1)},
	{"a11", all, "server set(RECEIVED) before the handshake", serverSetsBefore(2)},
	{"a12", two, "client set(0) mid-handshake", setsMid(0, false)},
	{"a13", all, "client set(SENT) mid-handshake", setsMid(1, false)},
	{"a14", all, "client set(RECEIVED) mid-handshake", setsMid(2, false)},
	{"a15", all, "client set(both) mid-handshake", setsMid(3, false)},
	{"a16", all, "server set(SENT) mid-handshake", setsMid(1, true)},
	{"a17", all, "server set(RECEIVED) mid-handshake", setsMid(2, true)},
	{"a18", two, "open: set(SENT), write, read, shutdown", func(e *scene) {
		e.begin(0)
		e.open()
		e.setMask(e.c, 1)
		e.wire()
		e.write(e.c)
		e.say(e.s, "x")
		e.read(e.c)
		e.shut(e.c)
		e.wire()
		e.write(e.s)
		e.mask(e.s)
	}},
	{"a19", two, "open: set(RECEIVED), read with data waiting, write, shutdown", func(e *scene) {
		e.begin(0)
		e.open()
		e.say(e.s, "x")
		e.setMask(e.c, 2)
		e.read(e.c)
		e.peek(e.c)
		e.p(" pending=%d has=%d", e.c.ssl.Pending(), bit(e.c.ssl.HasPending()))
		e.wire()
		e.write(e.c)
		e.read(e.s)
		e.shut(e.c)
		e.wire()
	}},
	{"a20", two, "open: set(both), read, write, shutdown", func(e *scene) {
		e.begin(0)
		e.open()
		e.say(e.s, "x")
		e.setMask(e.c, 3)
		e.read(e.c)
		e.write(e.c)
		e.shut(e.c)
		e.wire()
		e.read(e.s)
		e.mask(e.s)
	}},
	{"a21", two, "closed: set(0), write, read, shutdown again", func(e *scene) {
		e.begin(0)
		e.open()
		e.shut(e.c)
		e.read(e.s)
		e.shut(e.s)
		e.shut(e.c)
		e.setMask(e.c, 0)
		e.wire()
		e.write(e.c)
		e.wire()
		e.read(e.s)
		e.setMask(e.s, 0)
		e.read(e.s)
		e.read(e.c)
		e.shut(e.c)
		e.wire()
		e.read(e.s)
	}},
	{"a22", all, "SSL_shutdown then set(0) then free", func(e *scene) {
		e.begin(serverEvents)
		e.open()
		h := session(e.c)
		e.shut(e.s)
		e.setMask(e.s, 0)
		e.free(e.s)
		e.cache()
		e.callbacks()
		e.mark(e.c, 1)
		e.free(e.c)
		e.resumable(h)
		e.resume(h)
	}},
	{"a23", two, "both close, order of the bits", func(e *scene) {
		e.begin(0)
		e.open()
		e.shut(e.c)
		e.shut(e.s)
		e.mask(e.s)
		e.read(e.s)
		e.read(e.c)
	}},
	{"a24", all, "SSL_shutdown then set(RECEIVED) drops SENT", func(e *scene) {
		e.begin(serverEvents)
		e.open()
		e.shut(e.s)
		e.setMask(e.s, 2)
		e.free(e.s)
		e.cache()
		e.callbacks()
	}},
	{"a25", all, "constants and defaults", defaults},
}

var masks = []int{0, 1, 2, 3, 4, 7, 8, -1, math.MaxInt32, math.MinInt32, 0x100, -2}

func clientSetsBefore(m int) func(*scene) {
	return func(e *scene) {
		e.begin(serverEvents)
		e.fresh()
		e.setMask(e.c, m)
		e.p(" hs=%d", bit(e.handshake()))
		e.finished("hsq")
		e.mask(e.c)
		e.mask(e.s)
		e.say(e.s, "x")
		e.read(e.c)
		e.write(e.c)
		e.read(e.s)
		e.free(e.s)
		e.cache()
		e.callbacks()
	}
}

func serverSetsBefore(m int) func(*scene) {
	return func(e *scene) {
		e.begin(serverEvents)
		e.fresh()
		e.setMask(e.s, m)
		e.p(" hs=%d", bit(e.handshake()))
		e.finished("fin")
		e.mask(e.c)
		e.mask(e.s)
		e.free(e.s)
		e.cache()
		e.callbacks()
	}
}

func setsMid(m int, server bool) func(*scene) {
	return func(e *scene) {
		e.begin(serverEvents)
		e.fresh()
		e.shake(e.c)
		if server {
			e.shake(e.s)
			e.setMask(e.s, m)
		} else {
			e.setMask(e.c, m)
		}
		e.p(" hs=%d", bit(e.handshake()))
		e.finished("fin")
		e.mask(e.c)
		e.mask(e.s)
		e.free(e.c)
		e.free(e.s)
		e.cache()
		e.callbacks()
	}
}

func (e *scene) finished(name string) {
	e.p(" %s=%d/%d", name, bit(e.c.ssl.InitFinished()), bit(e.s.ssl.InitFinished()))
}

// defaults shows the two constants that the headers of 3.0 brought as they are met at run time: what the
// option's bit does, and the reason of an unexpected EOF.
func defaults(e *scene) {
	const absent = "absent"
	option, reason := absent, absent
	e.begin(ignoreEOF)
	if a, _ := e.meetEOF(); a.Class == openssl.ClassZeroReturn {
		option = fmt.Sprintf("0x%x", openssl.OpIgnoreUnexpectedEOF)
	}
	e.begin(0)
	if _, queue := e.meetEOF(); len(queue) > 0 {
		reason = fmt.Sprint(queue[0].Reason)
	}
	e.begin(0)
	e.p(" timeout_c=%d timeout_s=%d", e.cc.Timeout(), e.sc.Timeout())
	e.p(" cachemode_s=%d cachemode_c=%d", e.sc.CacheMode(), e.cc.CacheMode())
	e.p(" cachesize=%d quiet=%d mode_s=%d", e.sc.CacheSize(), bit(e.sc.QuietShutdown()), e.sc.Mode())
	e.p(" numtickets=%d ignore_eof_opt=%s r_unexpected_eof=%s", e.sc.NumTickets(), option, reason)
	e.open()
	e.p(" sess_timeout_s=%d sess_timeout_c=%d", session(e.s).Timeout()/time.Second, session(e.c).Timeout()/time.Second)
}

func (e *scene) meetEOF() (openssl.Answer, []openssl.QueueEntry) {
	e.open()
	e.eof(e.s)
	return e.call(e.s, read(1))
}
