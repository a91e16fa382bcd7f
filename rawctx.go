//go:build cgo

package openssl

import (
	"runtime"
	"sync"
	"time"
)

// Options is a set of SSL_OP_ bits.
//
// OpenSSL: SSL_CTX_set_options(3).
type Options uint64

// Options whose bits are the same in OpenSSL 1.1.1 to 4.0.
const (
	OpIgnoreUnexpectedEOF Options = 1 << 7 // no effect before OpenSSL 3.0
	OpNoTicket            Options = 1 << 14
	OpNoTLSv12            Options = 1 << 27
	OpNoTLSv13            Options = 1 << 29
	OpNoRenegotiation     Options = 1 << 30
)

// Mode is a set of SSL_MODE_ bits.
//
// OpenSSL: SSL_CTX_set_mode(3).
type Mode int64

// Modes of libssl.
const (
	ModeEnablePartialWrite      Mode = 0x1
	ModeAcceptMovingWriteBuffer Mode = 0x2
	ModeAutoRetry               Mode = 0x4
	ModeNoAutoChain             Mode = 0x8
	ModeReleaseBuffers          Mode = 0x10
)

// CacheMode is a set of SSL_SESS_CACHE_ bits.
//
// OpenSSL: SSL_CTX_set_session_cache_mode(3).
type CacheMode int

// Modes of libssl's own session cache.
const (
	CacheOff              CacheMode = 0
	CacheClient           CacheMode = 0x1
	CacheServer           CacheMode = 0x2
	CacheBoth             CacheMode = 0x3
	CacheNoAutoClear      CacheMode = 0x80
	CacheNoInternalLookup CacheMode = 0x100
	CacheNoInternalStore  CacheMode = 0x200
	CacheNoInternal       CacheMode = 0x300
	CacheUpdateTime       CacheMode = 0x400 // no effect before OpenSSL 3.0
)

// CacheCounter names one of the counters of libssl's own cache.
//
// OpenSSL: SSL_CTX_sess_number(3).
type CacheCounter int

// The counters, with libssl's numbers (SSL_CTRL_SESS_NUMBER …).
const (
	CounterNumber             CacheCounter = 20
	CounterConnect            CacheCounter = 21
	CounterConnectGood        CacheCounter = 22
	CounterConnectRenegotiate CacheCounter = 23
	CounterAccept             CacheCounter = 24
	CounterAcceptGood         CacheCounter = 25
	CounterAcceptRenegotiate  CacheCounter = 26
	CounterHits               CacheCounter = 27
	CounterCallbackHits       CacheCounter = 28
	CounterMisses             CacheCounter = 29
	CounterTimeouts           CacheCounter = 30
	CounterCacheFull          CacheCounter = 31
)

// RawCtx is an SSL_CTX with libssl's defaults: no verification, libssl's own cache, and never
// frozen, although libssl wants no change while connections use it (openssl-threads(7)). It is for
// test harnesses and for code that is moved from C; everything else wants Ctx. Calls are
// serialised; every method of a freed RawCtx answers ErrFreed or a zero value.
//
// OpenSSL: SSL_CTX_new(3).
type RawCtx struct {
	mu         sync.Mutex
	h          *ctxHandle
	holdsHello bool
	last       []Event // what SSL_CTX_free caused
	cleanup    runtime.Cleanup
}

// NewRawCtx makes an SSL_CTX for both roles.
//
// OpenSSL: SSL_CTX_new(3).
func NewRawCtx() (*RawCtx, error) {
	h, err := newCtxHandle()
	if err != nil {
		return nil, err
	}
	c := &RawCtx{h: h}
	c.cleanup = runtime.AddCleanup(c, (*ctxHandle).free, h)
	return c, nil
}

// Free gives the RawCtx's reference back; SSLs made from it go on. A second Free does nothing.
//
// OpenSSL: SSL_CTX_free(3).
func (c *RawCtx) Free() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.h == nil {
		return
	}
	c.cleanup.Stop()
	c.last = append(c.last, c.h.end()...)
}

// Events returns, after Free, what SSL_CTX_free caused, and forgets it.
func (c *RawCtx) Events() []Event {
	c.mu.Lock()
	defer c.mu.Unlock()
	last := c.last
	c.last = nil
	return last
}

func (c *RawCtx) do(op string, f func(h *ctxHandle) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.h == nil || c.h.p == nil {
		return callerError(op, ErrFreed)
	}
	return f(c.h)
}

// rawGet is do for calls that return a value.
func rawGet[T any](c *RawCtx, f func(h *ctxHandle) T) (out T) {
	c.do("", func(h *ctxHandle) error { out = f(h); return nil })
	return out
}

// NewSSL makes an SSL of this SSL_CTX, without a role.
//
// OpenSSL: SSL_new(3).
func (c *RawCtx) NewSSL() (*SSL, error) {
	var s *SSL
	err := c.do("SSL_new", func(h *ctxHandle) (err error) {
		if s, err = newSSL(h); err == nil && c.holdsHello {
			s.h.askHello()
		}
		return err
	})
	return s, err
}

// SetOptions sets bits and returns the new options.
//
// OpenSSL: SSL_CTX_set_options(3).
func (c *RawCtx) SetOptions(o Options) Options {
	return rawGet(c, func(h *ctxHandle) Options { return h.setOptions(o) })
}

// ClearOptions clears bits and returns the new options.
//
// OpenSSL: SSL_CTX_clear_options(3).
func (c *RawCtx) ClearOptions(o Options) Options {
	return rawGet(c, func(h *ctxHandle) Options { return h.clearOptions(o) })
}

// Options returns the options.
//
// OpenSSL: SSL_CTX_get_options(3).
func (c *RawCtx) Options() Options { return rawGet(c, (*ctxHandle).options) }

// SetMode sets bits and returns the new mode.
//
// OpenSSL: SSL_CTX_set_mode(3).
func (c *RawCtx) SetMode(m Mode) Mode {
	return rawGet(c, func(h *ctxHandle) Mode { return h.setMode(m) })
}

// ClearMode clears bits and returns the new mode.
//
// OpenSSL: SSL_CTX_clear_mode(3).
func (c *RawCtx) ClearMode(m Mode) Mode {
	return rawGet(c, func(h *ctxHandle) Mode { return h.clearMode(m) })
}

// Mode returns the mode.
//
// OpenSSL: SSL_CTX_get_mode(3).
func (c *RawCtx) Mode() Mode { return rawGet(c, (*ctxHandle).mode) }

// SetCacheMode sets the mode of libssl's cache and returns the old one.
//
// OpenSSL: SSL_CTX_set_session_cache_mode(3).
func (c *RawCtx) SetCacheMode(m CacheMode) CacheMode {
	return rawGet(c, func(h *ctxHandle) CacheMode { return h.setCacheMode(m) })
}

// CacheMode returns the mode of libssl's cache.
//
// OpenSSL: SSL_CTX_get_session_cache_mode(3).
func (c *RawCtx) CacheMode() CacheMode { return rawGet(c, (*ctxHandle).cacheMode) }

// SetCacheSize bounds libssl's cache and returns the old bound; from OpenSSL 3.0 n-1 sessions fit.
//
// OpenSSL: SSL_CTX_sess_set_cache_size(3).
func (c *RawCtx) SetCacheSize(n int) int {
	return rawGet(c, func(h *ctxHandle) int { return h.setCacheSize(n) })
}

// CacheSize returns the bound of libssl's cache.
//
// OpenSSL: SSL_CTX_sess_get_cache_size(3).
func (c *RawCtx) CacheSize() int { return rawGet(c, (*ctxHandle).cacheSize) }

// Counter returns one counter of libssl's cache.
//
// OpenSSL: SSL_CTX_sess_number(3).
func (c *RawCtx) Counter(which CacheCounter) int {
	return rawGet(c, func(h *ctxHandle) int { return h.counter(which) })
}

// SetTimeout sets how long new sessions live, in seconds as libssl counts, and returns the old value.
//
// OpenSSL: SSL_CTX_set_timeout(3).
func (c *RawCtx) SetTimeout(seconds int) int {
	return rawGet(c, func(h *ctxHandle) int { return h.setTimeout(seconds) })
}

// Timeout returns how long new sessions live, in seconds.
//
// OpenSSL: SSL_CTX_get_timeout(3).
func (c *RawCtx) Timeout() int { return rawGet(c, (*ctxHandle).timeout) }

// SetVersions bounds the protocol versions (tls.VersionTLS12 …); 0 is no bound.
//
// OpenSSL: SSL_CTX_set_min_proto_version(3).
func (c *RawCtx) SetVersions(min, max uint16) error {
	return c.do("SSL_CTX_set_min_proto_version", func(h *ctxHandle) error { return h.setVersions(int(min), int(max)) })
}

// SetCiphers sets the cipher list up to TLS 1.2, the TLS 1.3 suites and the groups; an empty string
// leaves what is there.
//
// OpenSSL: SSL_CTX_set_cipher_list(3).
func (c *RawCtx) SetCiphers(list, suites, groups string) error {
	return c.do("SSL_CTX_set_cipher_list", func(h *ctxHandle) error { return h.setStrings(list, suites, groups) })
}

// UseCertificate sets the certificate, its chain and its key.
//
// OpenSSL: SSL_CTX_use_cert_and_key(3).
func (c *RawCtx) UseCertificate(k *Certificate) error {
	if k == nil {
		return callerError("SSL_CTX_use_cert_and_key", ErrNil)
	}
	return c.do("SSL_CTX_use_cert_and_key", func(h *ctxHandle) error { return h.useCertificate(k) })
}

// SetVerifyPeer makes a client verify the server, and with require a server demand a client
// certificate. The certificates trusted are those of no store: every chain fails.
//
// OpenSSL: SSL_CTX_set_verify(3).
func (c *RawCtx) SetVerifyPeer(verify, require bool) error {
	mode := verifyNone
	if verify {
		mode |= verifyPeer
	}
	if require {
		mode |= verifyRequire
	}
	return c.do("SSL_CTX_set_verify", func(h *ctxHandle) error { h.setVerify(mode); return nil })
}

// AcceptAnyPeer asks the peer for its certificate and accepts what it shows, if anything: who it is, is
// for the application to judge.
//
// OpenSSL: SSL_CTX_set_verify(3).
func (c *RawCtx) AcceptAnyPeer() error {
	return c.do("SSL_CTX_set_verify", func(h *ctxHandle) error { h.acceptAnyPeer(); return nil })
}

// SetSessionIDContext sets the context that sessions are bound to, at most 32 bytes.
//
// OpenSSL: SSL_CTX_set_session_id_context(3).
func (c *RawCtx) SetSessionIDContext(id []byte) error {
	return c.do("SSL_CTX_set_session_id_context", func(h *ctxHandle) error { return h.setSessionIDContext(id) })
}

// SetNumTickets sets how many TLS 1.3 tickets a server sends after a full handshake.
//
// OpenSSL: SSL_CTX_set_num_tickets(3).
func (c *RawCtx) SetNumTickets(n int) error {
	return c.do("SSL_CTX_set_num_tickets", func(h *ctxHandle) error {
		if n < 0 || !h.setNumTickets(n) {
			return configError("number of tickets %d", n)
		}
		return nil
	})
}

// NumTickets returns how many TLS 1.3 tickets a server sends after a full handshake.
//
// OpenSSL: SSL_CTX_get_num_tickets(3).
func (c *RawCtx) NumTickets() int { return rawGet(c, (*ctxHandle).numTickets) }

// SetMaxEarlyData sets how much early data a server takes; it changes how sessions are cached.
//
// OpenSSL: SSL_CTX_set_max_early_data(3).
func (c *RawCtx) SetMaxEarlyData(n int) error {
	return c.do("SSL_CTX_set_max_early_data", func(h *ctxHandle) error {
		if n < 0 || !h.setMaxEarlyData(n) {
			return configError("early data of %d bytes", n)
		}
		return nil
	})
}

// SetQuietShutdown is the default that new SSLs inherit.
//
// OpenSSL: SSL_CTX_set_quiet_shutdown(3).
func (c *RawCtx) SetQuietShutdown(quiet bool) error {
	return c.do("SSL_CTX_set_quiet_shutdown", func(h *ctxHandle) error { h.setQuietShutdown(quiet); return nil })
}

// QuietShutdown returns the default that new SSLs inherit.
//
// OpenSSL: SSL_CTX_get_quiet_shutdown(3).
func (c *RawCtx) QuietShutdown() bool { return rawGet(c, (*ctxHandle).quietShutdown) }

// EnableLookup makes a server ask for sessions that its cache does not have: EventLookup tells of it,
// SSL.SetFound answers. Tickets are not asked for.
//
// OpenSSL: SSL_CTX_sess_set_get_cb(3).
func (c *RawCtx) EnableLookup() error {
	return c.do("SSL_CTX_sess_set_get_cb", func(h *ctxHandle) error { h.setup(ctxTellLookup); return nil })
}

// EnableHello makes the handshake of servers that are made from now on stop at the ClientHello with
// ClassWantClientHelloCB: SSL.Hello tells what the client asks for, SSL.AnswerHello lets it go on.
//
// OpenSSL: SSL_CTX_set_client_hello_cb(3).
func (c *RawCtx) EnableHello() error {
	return c.do("SSL_CTX_set_client_hello_cb", func(h *ctxHandle) error {
		h.setup(ctxHello)
		c.holdsHello = true
		return nil
	})
}

// EnableEvents turns the new-session, removed-session and key log callbacks on; what they tell comes
// from SSL.Events. On a TLS 1.3 server a removed-session callback makes libssl cache stateless
// sessions too.
//
// OpenSSL: SSL_CTX_sess_set_new_cb(3).
func (c *RawCtx) EnableEvents(newSession, removedSession, keyLog bool) error {
	flags := 0
	if newSession {
		flags |= ctxNewSession
	}
	if removedSession {
		flags |= ctxRemovedSession
	}
	if keyLog {
		flags |= ctxKeyLog
	}
	return c.do("SSL_CTX_sess_set_new_cb", func(h *ctxHandle) error { h.setup(flags); return nil })
}

// AddSession puts a session into libssl's cache; added is false when it was there already or does
// not fit. events is what the call caused.
//
// OpenSSL: SSL_CTX_add_session(3).
func (c *RawCtx) AddSession(s *Session) (added bool, events []Event, err error) {
	return c.cacheCall("SSL_CTX_add_session", s, (*ctxHandle).addSession)
}

// RemoveSession takes a session out of libssl's cache and marks it not resumable; removed is false
// when it was not there, and for nil.
//
// OpenSSL: SSL_CTX_remove_session(3).
func (c *RawCtx) RemoveSession(s *Session) (removed bool, events []Event, err error) {
	const op = "SSL_CTX_remove_session"
	if s == nil {
		return false, nil, c.do(op, func(*ctxHandle) error { return nil })
	}
	return c.cacheCall(op, s, (*ctxHandle).removeSession)
}

func (c *RawCtx) cacheCall(op string, s *Session, call func(*ctxHandle, *Session) (bool, []Event)) (ok bool, events []Event, err error) {
	if s == nil {
		return false, nil, callerError(op, ErrNil)
	}
	err = c.do(op, func(h *ctxHandle) error {
		if err := s.bind(h); err != nil {
			return callerError(op, err)
		}
		ok, events = call(h, s)
		return nil
	})
	return ok, events, err
}

// FlushSessions removes the sessions that are expired at a time; the zero Time removes all.
//
// OpenSSL: SSL_CTX_flush_sessions(3).
func (c *RawCtx) FlushSessions(at time.Time) ([]Event, error) {
	if at.IsZero() {
		at = time.Unix(0, 0)
	}
	var events []Event
	err := c.do("SSL_CTX_flush_sessions", func(h *ctxHandle) error { events = h.flush(at); return nil })
	return events, err
}
