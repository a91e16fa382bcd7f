package semantics

import (
	"sync"

	"github.com/golibssl/openssl"
)

// Six goroutines on one pair of SSL_CTX.
var groupT = []scenario{
	{"t01", all, "six threads, half of the connections unclean", func(e *scene) {
		e.begin(clientCache)
		var all sync.WaitGroup
		var failed [6]error
		for k := range failed {
			all.Go(func() {
				for i := range 60 {
					if _, failed[k] = play(e.proto, func(x *scene) { e.share(x, (i+k)%2 == 1) }); failed[k] != nil {
						return
					}
				}
			})
		}
		all.Wait()
		for _, err := range failed {
			must(err)
		}
		e.cache()
		e.p(" acc=%d full=%d", e.sc.Counter(openssl.CounterAcceptGood), e.sc.Counter(openssl.CounterCacheFull))
	}},
}

// share makes a connection of a scene's contexts in another scene.
func (e *scene) share(x *scene, clean bool) {
	x.set, x.sc, x.cc, x.scb, x.ccb = e.set, e.sc, e.cc, &counts{}, &counts{}
	x.open()
	if clean {
		x.mark(x.s, 1)
		x.mark(x.c, 1)
	}
	x.freeBoth()
}

// SSL_dup.
var groupH = []scenario{
	{"h01", one, "SSL_dup of a fresh SSL", func(e *scene) {
		e.begin(0)
		e.c = e.one(e.cc)
		must(e.c.ssl.SetConnectState())
		e.setMask(e.c, 3)
		d := e.dup(e.c)
		e.p(" same=%d", bit(d.ssl == e.c.ssl))
		e.p(" dup=ok")
		e.maskAs("d", d)
		must(e.c.ssl.SetQuietShutdown(true))
		e.p(" quiet=%d", bit(e.dup(e.c).ssl.QuietShutdown()))
	}},
	{"h02", all, "SSL_dup of an open SSL", func(e *scene) {
		e.begin(serverEvents)
		e.open()
		d := e.dup(e.s)
		e.p(" same=%d", bit(d.ssl == e.s.ssl))
		e.free(d)
		e.cache()
		e.callbacks()
		e.free(e.s)
		e.cache()
		e.callbacks()
	}},
	{"h03", one, "SSL_dup without state", func(e *scene) {
		e.begin(0)
		e.c = e.one(e.cc)
		e.setMask(e.c, 2)
		d := e.dup(e.c)
		e.p(" dup=ok")
		e.maskAs("d", d)
		must(d.ssl.SetShutdown(1))
		e.p(" d.set(1)->%d", int(d.ssl.GetShutdown()))
		e.mask(e.c)
	}},
	{"h04", two, "SSL_dup mid-handshake", func(e *scene) {
		e.begin(0)
		e.fresh()
		e.call(e.c, (*openssl.SSL).Handshake)
		e.p(" same=%d", bit(e.dup(e.c).ssl == e.c.ssl))
	}},
}

func (e *scene) dup(x *end) *end {
	d := &end{ssl: get(x.ssl.Dup()), in: &wire{}, out: &wire{}, counts: x.counts}
	e.ends = append(e.ends, d)
	return d
}

// Use after a fatal error. It stands apart because the other scenarios of its letter are about the error
// queue, which the raw layer clears.
var groupJ = []scenario{
	{"j07", two, "calls after a fatal error", func(e *scene) {
		e.begin(0)
		e.open()
		e.say(e.c, "hello")
		e.corrupt(e.c)
		e.read(e.s)
		e.read(e.s)
		e.write(e.s)
		e.shut(e.s)
		e.shake(e.s)
		e.peek(e.s)
	}},
}
