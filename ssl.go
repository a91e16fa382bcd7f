//go:build cgo

package openssl

import (
	"io"
	"runtime"
	"sync"
	"sync/atomic"
)

var (
	liveSSL      atomic.Int64
	liveCtx      atomic.Int64
	liveSessions atomic.Int64
)

// Live is what of this package's C memory is in use.
type Live struct {
	SSL, Ctx, Sessions int
	Allocs             int // allocations of the C side: queues, events, certificates
}

// LiveLibrarySessions counts the SSL_SESSION objects of the whole process since the first SSL_CTX of this
// package: those behind a Session, and those that only libssl's caches and connections hold.
func LiveLibrarySessions() int { return liveLibrarySessions() }

// LiveObjects counts what has been made and not yet freed, for leak checks and for operators.
func LiveObjects() Live {
	return Live{int(liveSSL.Load()), int(liveCtx.Load()), int(liveSessions.Load()), liveCAllocs()}
}

// SSL is one SSL object without I/O of its own: Feed gives it ciphertext, Take takes ciphertext from
// it. This is the raw layer: every method is one libssl call and does what libssl does, with its
// return value and error class; Conn is the safe layer above. Any number of goroutines may call;
// calls are made one after the other. Every method of a freed SSL answers ErrFreed or a zero value, but
// for GetShutdown and Events, which tell how it was freed.
//
// OpenSSL: SSL_new(3).
type SSL struct {
	mu       sync.Mutex
	h        sslHandle
	ctx      *ctxHandle
	freed    bool
	lastMask ShutdownState
	last     []Event // what SSL_free caused
	cleanup  runtime.Cleanup
}

func newSSL(ctx *ctxHandle) (*SSL, error) {
	h, err := newSSLHandle(ctx)
	if err != nil {
		return nil, err
	}
	return adoptSSL(ctx, h), nil
}

func adoptSSL(ctx *ctxHandle, h sslHandle) *SSL {
	s := &SSL{h: h, ctx: ctx}
	// A dropped SSL is freed as SSL_free would: without SENT its session is bad (RFC 2246, 7.2.1).
	s.cleanup = runtime.AddCleanup(s, sslHandle.free, h)
	return s
}

// gone is a freed SSL or a zero one, which has nothing of libssl's.
func (s *SSL) gone() bool { return s.freed || s.h == (sslHandle{}) }

func (s *SSL) alive(op string) error {
	if s.gone() {
		return callerError(op, ErrFreed)
	}
	return nil
}

// do runs one call under the lock.
func (s *SSL) do(op string, f func(h sslHandle) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.alive(op); err != nil {
		return err
	}
	return f(s.h)
}

// Free frees the SSL. libssl sends nothing and judges the session by the mask: without SENT it is
// not resumable and removed. A second Free does nothing, but for each UpRef there is one more.
//
// OpenSSL: SSL_free(3).
func (s *SSL) Free() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone() || s.h.dropRef() {
		return
	}
	s.cleanup.Stop()
	s.lastMask = ShutdownState(s.h.getShutdown())
	s.h.end()
	s.last = drainEvents(s.h)
	s.freed = true
	s.h.free()
}

// UpRef takes a reference more, for C code that will free its own: Free must be called once more.
//
// OpenSSL: SSL_up_ref(3).
func (s *SSL) UpRef() error {
	return s.do("SSL_up_ref", func(h sslHandle) error {
		h.upRef()
		return nil
	})
}

// Dup copies an SSL that has not begun its handshake: the mask too, but not the quiet shutdown, and
// with queues of its own. Of any other SSL it answers s itself, with a reference more as UpRef.
//
// OpenSSL: SSL_dup(3).
func (s *SSL) Dup() (*SSL, error) {
	dup := s
	err := s.do("SSL_dup", func(h sslHandle) error {
		d, ok, err := h.dup()
		if ok {
			dup = adoptSSL(s.ctx, d)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return dup, nil
}

// Clear makes the SSL ready for another connection with the same peer and drops the bytes
// that its queues still hold of the old one. The session is judged as by Free.
//
// OpenSSL: SSL_clear(3).
func (s *SSL) Clear() error { return s.clear(true) }

// RawClear is SSL_clear alone: the queues keep the old connection's bytes.
//
// OpenSSL: SSL_clear(3).
func (s *SSL) RawClear() error { return s.clear(false) }

func (s *SSL) clear(drain bool) error {
	return s.do("SSL_clear", func(h sslHandle) error {
		if h.clear() != 1 {
			return h.opError("SSL_clear")
		}
		if drain {
			h.clearQueues()
		}
		return nil
	})
}

// SetConnectState makes the SSL a client.
//
// OpenSSL: SSL_set_connect_state(3).
func (s *SSL) SetConnectState() error { return s.setState("SSL_set_connect_state", false) }

// SetAcceptState makes the SSL a server.
//
// OpenSSL: SSL_set_accept_state(3).
func (s *SSL) SetAcceptState() error { return s.setState("SSL_set_accept_state", true) }

func (s *SSL) setState(op string, server bool) error {
	return s.do(op, func(h sslHandle) error {
		h.setState(server)
		return nil
	})
}

// Feed appends ciphertext from the peer to the in-queue, copying it.
func (s *SSL) Feed(p []byte) error {
	return s.do("feed", func(h sslHandle) error {
		if !h.feed(p) {
			return &Error{Op: "feed", Origin: FromLibrary, Err: errNoMemory}
		}
		return nil
	})
}

// FeedEOF ends the transport towards the SSL: an empty in-queue from now on reads as its end. Bytes
// fed later are still read.
func (s *SSL) FeedEOF() error {
	return s.do("feed", func(h sslHandle) error {
		h.setEOF()
		return nil
	})
}

// Take moves queued ciphertext for the peer into p and returns its length; 0 when none waits.
func (s *SSL) Take(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.alive("take"); err != nil {
		return 0, err
	}
	return s.h.take(p), nil
}

// Queued returns the bytes of ciphertext that wait in both queues: fed and unread, written and
// not yet taken.
func (s *SSL) Queued() (in, out int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone() {
		return 0, 0
	}
	return s.h.inLen(), s.h.outLen()
}

// Handshake goes on with the handshake as far as the queued bytes allow. While it needs more the
// error has ClassWantRead.
//
// OpenSSL: SSL_do_handshake(3).
func (s *SSL) Handshake() error {
	return s.do("SSL_do_handshake", func(h sslHandle) error {
		if h.handshake() != 1 {
			return h.opError("SSL_do_handshake")
		}
		return nil
	})
}

// These answers are common and carry nothing: one value serves them all.
var (
	errReadWantRead = &Error{Op: "SSL_read_ex", Class: ClassWantRead}
	errReadEOF      = &Error{Op: "SSL_read_ex", Class: ClassZeroReturn, Err: io.EOF}
)

// Read opens at most one record into p. The error of a clean end is ClassZeroReturn and io.EOF; as
// on every raw call libssl is believed here, and it answers so after some fatal alerts too.
//
// OpenSSL: SSL_read_ex(3).
func (s *SSL) Read(p []byte) (int, error) { return s.read("SSL_read_ex", p, sslHandle.read) }

// Peek is Read, and the bytes stay.
//
// OpenSSL: SSL_peek_ex(3).
func (s *SSL) Peek(p []byte) (int, error) { return s.read("SSL_peek_ex", p, sslHandle.peek) }

func (s *SSL) read(op string, p []byte, call func(sslHandle, []byte) int) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.alive(op); err != nil {
		return 0, err
	}
	if call(s.h, p) == 1 {
		return s.h.n(), nil
	}
	switch {
	case s.h.class() == ClassWantRead && !s.h.hasErrors():
		return 0, errReadWantRead
	case s.h.class() == ClassZeroReturn && s.h.alertIn() < 0 && !s.h.hasErrors():
		return 0, errReadEOF
	}
	return 0, s.h.opError(op)
}

// Write seals p into the out-queue. libssl refuses an empty p.
//
// OpenSSL: SSL_write_ex(3).
func (s *SSL) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.alive("SSL_write_ex"); err != nil {
		return 0, err
	}
	if s.h.write(p) != 1 {
		return 0, s.h.opError("SSL_write_ex")
	}
	return s.h.n(), nil
}

// Pending returns the bytes of the current record that Read has not returned.
//
// OpenSSL: SSL_pending(3).
func (s *SSL) Pending() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone() {
		return 0
	}
	return s.h.pending()
}

// HasPending reports whether libssl holds bytes of the peer that Read has not returned, opened or not.
//
// OpenSSL: SSL_has_pending(3).
func (s *SSL) HasPending() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.gone() && s.h.hasPending()
}

// InInit reports whether the SSL is before or in a handshake; a fatal error leads there too, and an SSL
// that is in it keeps its session at Free.
//
// OpenSSL: SSL_in_init(3).
func (s *SSL) InInit() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.gone() && s.h.inInit()
}

// InitFinished reports whether the handshake is complete.
//
// OpenSSL: SSL_is_init_finished(3).
func (s *SSL) InitFinished() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.gone() && s.h.handshakeDone()
}

// Renegotiate makes the next Handshake a renegotiation (RFC 5246, section 7.4.1.1). libssl allows it
// after our close_notify too, where nothing may follow. TLS 1.3 has none.
//
// OpenSSL: SSL_renegotiate(3).
func (s *SSL) Renegotiate() error {
	return s.do("SSL_renegotiate", func(h sslHandle) error {
		if h.renegotiate() != 1 {
			return h.opError("SSL_renegotiate")
		}
		return nil
	})
}

// KeyUpdate sends a KeyUpdate (RFC 8446, section 4.6.3) and with request asks the peer for one.
// libssl allows it after our close_notify too, where nothing may follow.
//
// OpenSSL: SSL_key_update(3).
func (s *SSL) KeyUpdate(request bool) error {
	return s.do("SSL_key_update", func(h sslHandle) error {
		if h.keyUpdate(request) != 1 {
			return h.opError("SSL_key_update")
		}
		return nil
	})
}

// SetServerName sets the name that a client sends in its ClientHello (RFC 6066, section 3).
//
// OpenSSL: SSL_set_tlsext_host_name(3).
func (s *SSL) SetServerName(name string) error {
	return s.do("SSL_set_tlsext_host_name", func(h sslHandle) error { return h.setSNI(name) })
}

// SetSession offers a session, before the handshake. On an open connection libssl first judges
// and drops the connection's own session. nil takes the offer back.
//
// OpenSSL: SSL_set_session(3).
func (s *SSL) SetSession(sess *Session) error {
	return s.do("SSL_set_session", func(h sslHandle) error {
		if err := sess.bind(s.ctx); err != nil {
			return callerError("SSL_set_session", err)
		}
		return h.setSession(sess)
	})
}

// SetFound is the session that the server finds when libssl asks for its id, after RawCtx.EnableLookup;
// nil finds none.
//
// OpenSSL: SSL_CTX_sess_set_get_cb(3).
func (s *SSL) SetFound(sess *Session) error {
	return s.do("get_session_cb", func(h sslHandle) error {
		if err := sess.bind(s.ctx); err != nil {
			return callerError("get_session_cb", err)
		}
		h.setFound(sess)
		return nil
	})
}

// ClientHello is what a client asks for. Nothing of it is verified.
type ClientHello struct {
	ServerName      string
	SupportedProtos []string
	// SessionID is the session that the client wants to resume: the id, or the identity of the first
	// PSK when TLS13 is set (RFC 8446, section 4.2.11), which a server with tickets has sealed.
	SessionID []byte
	TLS13     bool
}

// Hello returns the ClientHello at which the handshake stands, after RawCtx.EnableHello.
//
// OpenSSL: SSL_client_hello_get0_ext(3).
func (s *SSL) Hello() (ClientHello, error) {
	var hello ClientHello
	err := s.do("SSL_client_hello_get0_ext", func(h sslHandle) error {
		if !h.helloWaiting() {
			return callerError("SSL_client_hello_get0_ext", ErrNoHello)
		}
		x := h.hello()
		hello = ClientHello{string(x.name), alpnNames(x.alpn), x.id, x.tls13}
		return nil
	})
	return hello, err
}

// AnswerHello lets a handshake that stands at the ClientHello go on with the next Handshake. A second
// ClientHello that asks for another name or session than the first is refused (RFC 8446, section 4.1.2).
//
// OpenSSL: SSL_CTX_set_client_hello_cb(3).
func (s *SSL) AnswerHello() error {
	return s.do("SSL_CTX_set_client_hello_cb", func(h sslHandle) error {
		if !h.helloWaiting() {
			return callerError("SSL_CTX_set_client_hello_cb", ErrNoHello)
		}
		h.answerHello()
		return nil
	})
}

// Session returns the session in use, nil when there is none. In TLS 1.3 it is not resumable before
// a ticket was read; take sessions from the new-session event.
//
// OpenSSL: SSL_get1_session(3).
func (s *SSL) Session() (*Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.alive("SSL_get1_session"); err != nil {
		return nil, err
	}
	sess := s.h.session()
	if sess != nil {
		sess.owner.CompareAndSwap(nil, s.ctx)
	}
	return sess, nil
}

// SessionReused reports whether the handshake resumed a session.
//
// OpenSSL: SSL_session_reused(3).
func (s *SSL) SessionReused() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.gone() && s.h.sessionReused()
}

// Version returns the protocol version, such as tls.VersionTLS13.
//
// OpenSSL: SSL_version(3).
func (s *SSL) Version() uint16 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone() {
		return 0
	}
	return uint16(s.h.version())
}

// SetMode sets bits of the mode and returns the new mode.
//
// OpenSSL: SSL_set_mode(3).
func (s *SSL) SetMode(m Mode) (Mode, error) {
	var out Mode
	err := s.do("SSL_set_mode", func(h sslHandle) error { out = h.setMode(m); return nil })
	return out, err
}

// ClearMode clears bits of the mode and returns the new mode.
//
// OpenSSL: SSL_clear_mode(3).
func (s *SSL) ClearMode(m Mode) (Mode, error) {
	var out Mode
	err := s.do("SSL_clear_mode", func(h sslHandle) error { out = h.clearMode(m); return nil })
	return out, err
}

// SetOptions sets option bits and returns the new options.
//
// OpenSSL: SSL_set_options(3).
func (s *SSL) SetOptions(o Options) (Options, error) {
	var out Options
	err := s.do("SSL_set_options", func(h sslHandle) error { out = h.setOptions(o); return nil })
	return out, err
}

// Facts is what went over the wire, from libssl's message callback: more than the mask tells.
type Facts struct {
	CloseNotifySent     bool // sealed into the out-queue
	CloseNotifyReceived bool
	AlertSent           *Alert // fatal
	AlertReceived       *Alert // fatal
	HelloRetryRequest   bool
}

// Facts returns what has been seen since the SSL was made or cleared; zero after Free.
func (s *SSL) Facts() Facts {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone() {
		return Facts{}
	}
	return s.h.facts()
}

func (h sslHandle) facts() Facts {
	alert := func(n int) *Alert {
		if n < 0 {
			return nil
		}
		a := Alert(n)
		return &a
	}
	return Facts{
		CloseNotifySent:     h.saw(sentCloseNotify),
		CloseNotifyReceived: h.saw(seenCloseNotify),
		AlertSent:           alert(h.alertOut()),
		AlertReceived:       alert(h.alertIn()),
		HelloRetryRequest:   h.saw(seenHRR),
	}
}

// SetTrace turns EventMessage on or off.
//
// OpenSSL: SSL_set_msg_callback(3).
func (s *SSL) SetTrace(on bool) error {
	return s.do("SSL_set_msg_callback", func(h sslHandle) error {
		h.setTrace(on)
		return nil
	})
}

// Events returns what happened since the last call, oldest first, and forgets it. After Free it
// returns what SSL_free caused.
func (s *SSL) Events() []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone() {
		last := s.last
		s.last = nil
		return last
	}
	events := drainEvents(s.h)
	for _, e := range events {
		if e.Session != nil {
			e.Session.owner.CompareAndSwap(nil, s.ctx)
		}
	}
	return events
}

func drainEvents(h sslHandle) []Event {
	var out []Event
	for h.hasEvents() {
		e, ok := h.nextEvent()
		if !ok {
			break
		}
		out = append(out, e.public())
	}
	return out
}
