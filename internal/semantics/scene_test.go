package semantics

import (
	"crypto/tls"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/testcert"
)

// protocol is how a connection and its resumption work.
type protocol int

const (
	tls12ID protocol = iota
	tls12Ticket
	tls13Stateful // SSL_OP_NO_TICKET on the server
	tls13Stateless
	protocols
)

func (p protocol) tls13() bool { return p >= tls13Stateful }

func (p protocol) stateful() bool { return p == tls12ID || p == tls13Stateful }

func (p protocol) version() uint16 {
	if p.tls13() {
		return tls.VersionTLS13
	}
	return tls.VersionTLS12
}

// other is a protocol of the other version.
func (p protocol) other() protocol {
	if p.tls13() {
		return tls12Ticket
	}
	return tls13Stateless
}

// set says what a scene's contexts have beside the protocol.
type set int

const (
	serverEvents set = 1 << iota // new and remove callbacks
	clientEvents                 // the same, and clientCache
	clientCache                  // SSL_SESS_CACHE_CLIENT
	keepSessions                 // scene.kept is filled
	serverLookup                 // get callback
	ignoreEOF                    // SSL_OP_IGNORE_UNEXPECTED_EOF on both
	aes128                       // for crafted records, with a key log
	noAutoRetry                  // SSL_MODE_AUTO_RETRY off on both
	noRemove                     // no remove callbacks after all
)

// counts is how often the callbacks of an SSL_CTX ran, and what the new callback brought.
type counts struct {
	created, removed, lookups int
	keep                      bool
	kept                      []*openssl.Session
}

func (c *counts) add(events []openssl.Event) {
	for _, e := range events {
		switch e.Kind {
		case openssl.EventNewSession:
			c.created++
			if c.keep {
				c.kept = append(c.kept, e.Session)
			}
		case openssl.EventRemovedSession:
			c.removed++
		case openssl.EventLookup:
			c.lookups++
		}
	}
}

// wire is one direction of a connection.
type wire struct {
	bytes []byte // not yet given to the reader
	all   []byte
}

func (w *wire) put(p []byte) {
	w.bytes = append(w.bytes, p...)
	w.all = append(w.all, p...)
}

// end is one SSL and its transport.
type end struct {
	ssl     *openssl.SSL
	in, out *wire
	counts  *counts
	keyLog  *strings.Builder
	full    bool // what it writes stays in its bounded queue
}

// scene is two contexts and the connection between them that a scenario plays with. The line of results
// grows as it goes.
type scene struct {
	proto  protocol
	set    set
	sc, cc *openssl.RawCtx
	s, c   *end
	// Of the two contexts.
	scb, ccb *counts
	found    *openssl.Session // what a lookup finds from the next connection on
	line     strings.Builder

	ends     []*end
	contexts []*openssl.RawCtx
}

// broken is what a scenario panics with when it cannot be played.
type broken struct{ error }

func must(err error) {
	if err != nil {
		panic(broken{err})
	}
}

func get[T any](v T, err error) T {
	must(err)
	return v
}

func (e *scene) p(format string, args ...any) { fmt.Fprintf(&e.line, format, args...) }

// play runs a scenario and returns its tokens.
func play(p protocol, scenario func(*scene)) (line string, err error) {
	e := &scene{proto: p}
	defer func() {
		for _, x := range e.ends {
			x.ssl.Free()
		}
		for _, c := range e.contexts {
			c.Free()
		}
		if r := recover(); r != nil {
			b, ok := r.(broken)
			if !ok {
				panic(r)
			}
			err = b.error
		}
	}()
	scenario(e)
	return strings.TrimPrefix(e.line.String(), " "), nil
}

// begin makes new contexts.
func (e *scene) begin(set set) {
	e.set, e.c, e.s, e.found = set, nil, nil, nil
	e.scb, e.ccb = &counts{keep: set&keepSessions != 0}, &counts{keep: set&keepSessions != 0}
	e.sc, e.cc = e.newServer(), e.newClient()
	for _, ctx := range []*openssl.RawCtx{e.sc, e.cc} {
		if set&ignoreEOF != 0 {
			ctx.SetOptions(openssl.OpIgnoreUnexpectedEOF)
		}
		if set&noAutoRetry != 0 {
			ctx.ClearMode(openssl.ModeAutoRetry)
		}
	}
	must(e.sc.EnableEvents(set&serverEvents != 0, set&serverEvents != 0 && set&noRemove == 0, false))
	must(e.cc.EnableEvents(set&clientEvents != 0, set&clientEvents != 0, set&aes128 != 0))
	if set&serverLookup != 0 {
		must(e.sc.EnableLookup())
	}
}

func (e *scene) newContext() *openssl.RawCtx {
	ctx := get(openssl.NewRawCtx())
	e.contexts = append(e.contexts, ctx)
	must(ctx.SetVersions(e.proto.version(), e.proto.version()))
	return ctx
}

func (e *scene) newServer() *openssl.RawCtx {
	ctx := e.newContext()
	must(ctx.UseCertificate(get(openssl.CertificateFromTLS(testcert.Server().TLS))))
	if e.proto.stateful() {
		ctx.SetOptions(openssl.OpNoTicket)
	}
	return ctx
}

func (e *scene) newClient() *openssl.RawCtx {
	ctx := e.newContext()
	if e.set&(clientCache|clientEvents) != 0 {
		ctx.SetCacheMode(openssl.CacheClient)
	}
	if e.set&aes128 != 0 {
		must(ctx.SetCiphers("ECDHE-ECDSA-AES128-GCM-SHA256", "TLS_AES_128_GCM_SHA256", ""))
	} else {
		must(ctx.SetCiphers("ECDHE-ECDSA-AES256-GCM-SHA384", "TLS_AES_256_GCM_SHA384", ""))
	}
	return ctx
}

// ---- connections

// one makes an SSL without a role and without a peer.
func (e *scene) one(ctx *openssl.RawCtx) *end {
	x := &end{ssl: get(ctx.NewSSL()), in: &wire{}, out: &wire{}, counts: &counts{}, keyLog: &strings.Builder{}}
	e.ends = append(e.ends, x)
	return x
}

// fresh makes the two ends of a new connection.
func (e *scene) fresh() {
	e.c, e.s = e.one(e.cc), e.one(e.sc)
	e.c.counts, e.s.counts = e.ccb, e.scb
	e.c.in, e.s.in = e.s.out, e.c.out
	must(e.c.ssl.SetConnectState())
	must(e.s.ssl.SetAcceptState())
	if e.set&serverLookup != 0 {
		must(e.s.ssl.SetFound(e.found))
	}
}

// handshake is a silent one.
func (e *scene) handshake() bool {
	done := map[*end]bool{}
	for range 20 {
		for _, x := range []*end{e.c, e.s} {
			if done[x] {
				continue
			}
			a, _ := e.call(x, (*openssl.SSL).Handshake)
			switch a.Class {
			case openssl.ClassNone:
				done[x] = true
			case openssl.ClassWantRead, openssl.ClassWantWrite:
			default:
				return false
			}
		}
		if len(done) == 2 {
			return true
		}
	}
	return false
}

// drain lets a TLS 1.3 client take its tickets.
func (e *scene) drain() { e.call(e.c, peek(1)) }

// open makes a new connection and its handshake.
func (e *scene) open() {
	e.fresh()
	if !e.handshake() {
		e.p(" HANDSHAKE-FAILED")
	}
	e.drain()
}

func (e *scene) free(x *end) {
	x.ssl.Free()
	x.counts.add(x.ssl.Events())
	if x == e.c {
		e.c = nil
	}
	if x == e.s {
		e.s = nil
	}
}

// finish closes both ways and frees.
func (e *scene) finish() {
	for _, x := range []*end{e.c, e.s, e.c, e.s} {
		e.call(x, shutdown)
	}
	e.free(e.c)
	e.free(e.s)
}

// resume connects anew with a session, nil for none, and finishes.
func (e *scene) resume(s *openssl.Session) {
	e.fresh()
	if s != nil && e.offer(e.c, s) != 1 {
		e.p(" set_session-FAILED")
	}
	if !e.handshake() {
		e.p(" resume=FAIL")
		e.free(e.c)
		e.free(e.s)
		return
	}
	e.p(" resume=%d/%d", bit(e.c.ssl.SessionReused()), bit(e.s.ssl.SessionReused()))
	e.drain()
	e.finish()
}

// ---- calls

// call makes one call with all that waits on the wire at hand, and takes what it caused.
func (e *scene) call(x *end, f func(*openssl.SSL) error) (openssl.Answer, []openssl.QueueEntry) {
	must(x.ssl.Feed(x.in.bytes))
	x.in.bytes = nil
	err := f(x.ssl)
	a := x.ssl.Last()
	var said *openssl.Error
	if err != nil {
		if !errors.As(err, &said) || said.Origin == openssl.FromCaller {
			panic(broken{err})
		}
		if said.Class != a.Class {
			panic(broken{fmt.Errorf("the error says %v, the answer %v: %w", said.Class, a.Class, err)})
		}
	}
	e.collect(x)
	if said == nil {
		return a, nil
	}
	return a, said.Queue
}

func (e *scene) collect(x *end) {
	events := x.ssl.Events()
	x.counts.add(events)
	for _, ev := range events {
		if ev.Kind == openssl.EventKeyLog {
			x.keyLog.Write(ev.Data)
			x.keyLog.WriteByte('\n')
		}
	}
	if !x.full {
		x.out.put(x.take(1 << 16))
	}
}

func (x *end) take(n int) []byte {
	buf := make([]byte, n)
	return buf[:get(x.ssl.Take(buf))]
}

func shutdown(s *openssl.SSL) error {
	_, err := s.Shutdown()
	return err
}

func read(n int) func(*openssl.SSL) error {
	return func(s *openssl.SSL) error {
		_, err := s.Read(make([]byte, n))
		return err
	}
}

func peek(n int) func(*openssl.SSL) error {
	return func(s *openssl.SSL) error {
		_, err := s.Peek(make([]byte, n))
		return err
	}
}

func write(data string) func(*openssl.SSL) error {
	return func(s *openssl.SSL) error {
		_, err := s.Write([]byte(data))
		return err
	}
}

// op is a call that is shown.
func (e *scene) op(name string, x *end, f func(*openssl.SSL) error) {
	a, queue := e.call(x, f)
	e.p(" %s=%d/%s", name, a.Ret, className(a.Class))
	for i, q := range queue {
		e.p("%s%s.%d", []string{"/q=", "+"}[min(i, 1)], libName(q.Lib), q.Reason)
	}
	if a.Class == openssl.ClassSyscall {
		e.p("/errno=%s", errnoName(syscall.Errno(a.Errno)))
	}
	e.p("/m=%d", int(x.ssl.GetShutdown()))
}

func className(c openssl.ErrorClass) string {
	switch c {
	case openssl.ClassNone, openssl.ClassSSL, openssl.ClassWantRead, openssl.ClassWantWrite, openssl.ClassSyscall, openssl.ClassZeroReturn:
		return c.String()
	}
	return "OTHER"
}

// libName names ERR_LIB_SSL, ERR_LIB_SYS and ERR_LIB_BIO.
func libName(lib int) string {
	switch lib {
	case 20:
		return "ssl"
	case 2:
		return "sys"
	case 32:
		return "bio"
	}
	return "other"
}

func errnoName(errno syscall.Errno) string {
	switch errno {
	case 0:
		return "0"
	case syscall.EPIPE:
		return "EPIPE"
	case syscall.ECONNRESET:
		return "ECONNRESET"
	case syscall.EAGAIN:
		return "EAGAIN"
	}
	return "other"
}

func (e *scene) name(x *end) string {
	if x == e.s {
		return "s"
	}
	return "c"
}

func (e *scene) shut(x *end)  { e.op(e.name(x)+".shutdown", x, shutdown) }
func (e *scene) read(x *end)  { e.op(e.name(x)+".read", x, read(100)) }
func (e *scene) peek(x *end)  { e.op(e.name(x)+".peek", x, peek(100)) }
func (e *scene) write(x *end) { e.op(e.name(x)+".write", x, write("hello")) }
func (e *scene) shake(x *end) { e.op(e.name(x)+".hs", x, (*openssl.SSL).Handshake) }
func (e *scene) mask(x *end)  { e.maskAs(e.name(x), x) }
func (e *scene) setMask(x *end, m int) {
	must(x.ssl.SetShutdown(openssl.ShutdownState(m)))
	e.p(" %s.set(%d)->%d", e.name(x), m, int(x.ssl.GetShutdown()))
}

func (e *scene) maskAs(name string, x *end) { e.p(" %s.m=%d", name, int(x.ssl.GetShutdown())) }

// say writes without showing it.
func (e *scene) say(x *end, data string) { e.call(x, write(data)) }

// mark sets the mask without showing it.
func (e *scene) mark(x *end, m int) { must(x.ssl.SetShutdown(openssl.ShutdownState(m))) }

// offer is SSL_set_session.
func (e *scene) offer(x *end, s *openssl.Session) int {
	a, _ := e.call(x, func(ssl *openssl.SSL) error { return ssl.SetSession(s) })
	return a.Ret
}

// clear is SSL_clear as it is, which leaves the transport alone.
func (e *scene) clear(x *end) int {
	a, _ := e.call(x, (*openssl.SSL).RawClear)
	return a.Ret
}

// ---- the wire

// waiting is what the reader has not taken off a direction.
func waiting(from, to *end) int {
	n := len(from.out.bytes)
	if to != nil {
		in, _ := to.ssl.Queued()
		n += in
	}
	return n
}

func (e *scene) wire() { e.p(" w:c=%d,s=%d", waiting(e.c, e.s), waiting(e.s, e.c)) }

// eof ends the transport towards an end.
func (e *scene) eof(x *end) { must(x.ssl.FeedEOF()) }

// corrupt changes the last byte that an end has put on the wire.
func (e *scene) corrupt(x *end) {
	b := x.out.bytes
	if len(b) == 0 {
		panic(broken{errors.New("nothing on the wire to corrupt")})
	}
	b[len(b)-1] ^= 1
}

// lose drops what is on the wire in both directions.
func (e *scene) lose() {
	for _, x := range []*end{e.c, e.s} {
		if in, _ := x.ssl.Queued(); in != 0 {
			panic(broken{errors.New("the bytes to lose are in the queue of the SSL")})
		}
		x.in.bytes = nil
	}
}

// narrow gives an end another transport that holds eight bytes and brings none.
func (e *scene) narrow(x *end) {
	x.in, x.out, x.full = &wire{}, &wire{}, true
	must(x.ssl.LimitOut(8, 0))
}

// ---- what is shown

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

func cached(ctx *openssl.RawCtx) int { return ctx.Counter(openssl.CounterNumber) }

func (e *scene) cache() { e.p(" cache:s=%d,c=%d", cached(e.sc), cached(e.cc)) }

func (e *scene) callbacks() {
	e.p(" cb:s=")
	if e.set&(serverEvents|serverLookup) != 0 {
		e.p("%d/%d/%d", e.scb.created, e.scb.removed, e.scb.lookups)
	} else {
		e.p("-")
	}
	e.p(",c=")
	if e.set&clientEvents != 0 {
		e.p("%d/%d/%d", e.ccb.created, e.ccb.removed, e.ccb.lookups)
	} else {
		e.p("-")
	}
}

// session is the one that an end uses, nil for none.
func session(x *end) *openssl.Session { return get(x.ssl.Session()) }

func (e *scene) resumable(s *openssl.Session) {
	if s == nil {
		e.p(" resumable=NULL")
		return
	}
	e.p(" resumable=%d", bit(s.Resumable()))
}

// settle returns libssl's count of sessions once no reference is left but those of its own and of keep.
func settle(keep ...*openssl.Session) int {
	for until := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		runtime.GC()
		if openssl.LiveObjects().Sessions == len(keep) {
			break
		}
		if time.Now().After(until) {
			panic(broken{fmt.Errorf("%d sessions are held, not %d", openssl.LiveObjects().Sessions, len(keep))})
		}
	}
	runtime.KeepAlive(keep)
	return openssl.LiveLibrarySessions()
}
