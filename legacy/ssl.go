//go:build cgo

package openssl

import (
	"errors"
	"sync"
	"sync/atomic"

	root "github.com/golibssl/openssl"
)

var errGone = errors.New("the connection was dropped")

// SSL is the TLS side of a connection. Any number of goroutines may use it; it may be kept after its connection is
// closed, and does nothing then.
type SSL struct {
	conn   root.ConnSSL // does not keep the Conn in memory
	server bool
	sni    TLSExtServernameCallback

	panicked atomic.Pointer[CallbackPanic] // in a callback; raised by the Conn's method
	misused  atomic.Pointer[ArgumentError] // fails the handshake

	mu        sync.Mutex // guards all below
	ctx       *Ctx       // whose connection it is
	ctxVerify VerifyCallback
	own       ownSettings
	asking    *root.RawHello // while a TLSExtServernameCallback runs
	last      *lastState     // after Close
}

// ownSettings are what was set on the SSL, not on its Ctx. They stay when SetSSLCtx changes that.
type ownSettings struct {
	modeSet, verifySet, depthSet, levelSet bool

	mode         VerifyOptions
	verify       VerifyCallback
	depth, level int
	set, cleared Options
}

// state is what libssl says of a connection.
type state struct {
	result       VerifyResult
	reused, done bool
	cipher, name string
}

// get asks the SSL, where there still is one.
func get[T any](s *SSL, f func(p sslPtr) T) (out T) {
	s.on("", func(p sslPtr) error { out = f(p); return nil })
	return out
}

// setUp prepares a new SSL of s.ctx, whose mu is held.
func (s *SSL) setUp(p sslPtr) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	mode, effective := -1, ctxVerifyMode(s.ctx)
	if s.own.modeSet {
		mode, effective = int(s.own.mode), s.own.mode
	}
	if q := sslSetUp(p, mode, s.callback() != nil, s.sid(effective)); q != nil {
		return failed("SSL_set_session_id_context", q)
	}
	if s.own.depthSet {
		sslSetDepth(p, s.own.depth)
	}
	if s.own.levelSet {
		sslSetLevel(p, s.own.level)
	}
	sslSetOptions(p, s.own.set)
	sslClearOptions(p, s.own.cleared&^noRenegotiation)
	return nil
}

// sid is the session id context that a server needs and nobody gave.
func (s *SSL) sid(mode VerifyOptions) []byte {
	if !s.server || mode&VerifyPeer == 0 || s.ctx.sidSet {
		return nil
	}
	return s.ctx.sid[:]
}

// callback is who is asked about certificates.
func (s *SSL) callback() VerifyCallback {
	if s.own.verifySet {
		return s.own.verify
	}
	return s.ctxVerify
}

// GetServername returns the name that the client wants, or "" for none. Any client can name anybody.
//
// OpenSSL: SSL_get_servername(3).
func (s *SSL) GetServername() string {
	if s == nil {
		return ""
	}
	s.mu.Lock()
	asking, last := s.asking, s.last
	s.mu.Unlock()
	switch {
	case asking != nil:
		return asking.ServerName
	case last != nil:
		return last.name
	}
	return get(s, func(p sslPtr) string { st, _ := sslState(p, false); return st.name })
}

// GetOptions returns the options. Renegotiation is always off.
//
// OpenSSL: SSL_get_options(3).
func (s *SSL) GetOptions() Options { return get(s, sslOptions) }

// SetOptions sets bits and returns the new options.
//
// OpenSSL: SSL_set_options(3).
func (s *SSL) SetOptions(options Options) Options {
	return get(s, func(p sslPtr) Options {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.own.set, s.own.cleared = s.own.set|options, s.own.cleared&^options
		return sslSetOptions(p, options)
	})
}

// ClearOptions clears bits and returns the new options.
//
// OpenSSL: SSL_clear_options(3).
func (s *SSL) ClearOptions(options Options) Options {
	return get(s, func(p sslPtr) Options {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.own.set, s.own.cleared = s.own.set&^options, s.own.cleared|options
		return sslClearOptions(p, options&^noRenegotiation)
	})
}

// SetVerify sets what the connection verifies and who is asked besides; with nil the callback of its Ctx still is, until the
// SSL has had one of its own.
//
// OpenSSL: SSL_set_verify(3).
func (s *SSL) SetVerify(options VerifyOptions, verify_cb VerifyCallback) {
	s.setVerify(func(own *ownSettings, p sslPtr) {
		own.mode, own.modeSet = options, true
		own.verify = verify_cb
		own.verifySet = own.verifySet || verify_cb != nil
	})
}

// SetVerifyMode sets what the connection verifies.
//
// OpenSSL: SSL_set_verify(3).
func (s *SSL) SetVerifyMode(options VerifyOptions) {
	s.setVerify(func(own *ownSettings, p sslPtr) { own.mode, own.modeSet = options, true })
}

// SetVerifyCallback sets who is asked about certificates; see SetVerify.
//
// OpenSSL: SSL_set_verify(3).
func (s *SSL) SetVerifyCallback(verify_cb VerifyCallback) {
	s.setVerify(func(own *ownSettings, p sslPtr) {
		if !own.modeSet {
			own.mode, own.modeSet = sslVerifyMode(p), true
		}
		own.verify = verify_cb
		own.verifySet = own.verifySet || verify_cb != nil
	})
}

func (s *SSL) setVerify(f func(own *ownSettings, p sslPtr)) {
	s.on("", func(p sslPtr) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		f(&s.own, p)
		return failed("", sslSetUp(p, int(s.own.mode), s.callback() != nil, s.sid(s.own.mode)))
	})
}

// GetVerifyCallback returns the callback that was set on the SSL, not that of its Ctx.
func (s *SSL) GetVerifyCallback() VerifyCallback {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.own.verify
}

// VerifyMode returns what the connection verifies.
//
// OpenSSL: SSL_get_verify_mode(3).
func (s *SSL) VerifyMode() VerifyOptions { return get(s, sslVerifyMode) }

// SetVerifyDepth bounds how many authorities may stand between a trusted one and the peer's certificate.
//
// OpenSSL: SSL_set_verify_depth(3).
func (s *SSL) SetVerifyDepth(depth int) {
	s.on("", func(p sslPtr) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.own.depth, s.own.depthSet = clamp(depth), true
		sslSetDepth(p, s.own.depth)
		return nil
	})
}

// GetVerifyDepth returns the bound, -1 for the library's own.
//
// OpenSSL: SSL_get_verify_depth(3).
func (s *SSL) GetVerifyDepth() int { return get(s, sslDepth) }

// SetSecurityLevel sets how weak keys, digests and ciphers may be: 0 takes all, 5 hardly any.
//
// OpenSSL: SSL_set_security_level(3).
func (s *SSL) SetSecurityLevel(level int) {
	s.on("", func(p sslPtr) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.own.level, s.own.levelSet = clamp(level), true
		sslSetLevel(p, s.own.level)
		return nil
	})
}

// GetSecurityLevel returns how weak keys, digests and ciphers may be.
//
// OpenSSL: SSL_get_security_level(3).
func (s *SSL) GetSecurityLevel() int { return get(s, sslLevel) }

// GetSecurityLevelGlobal returns the security level that a new Ctx has, -1 where none can be made.
//
// OpenSSL: SSL_CTX_get_security_level(3).
func GetSecurityLevelGlobal() int {
	level := -1
	if c, err := NewCtx(); err == nil {
		c.look(func() { level = ctxSecurityLevel(c) })
	}
	return level
}

// GetVersion returns the name of the version that the connection has, such as TLSv1.3.
//
// OpenSSL: SSL_get_version(3).
func (s *SSL) GetVersion() string { return get(s, sslVersionName) }

// SetSSLCtx makes the connection one of ctx, in a TLSExtServernameCallback; anywhere else, and with nil, the handshake fails. All
// settings are then ctx's, verification and versions too, but for those that were set on the SSL itself. (SSL_set_SSL_CTX
// would change the certificate alone.) A connection stays what it is for Conn.GetCtx.
func (s *SSL) SetSSLCtx(ctx *Ctx) {
	if s == nil {
		return
	}
	const op = "SetSSLCtx"
	s.mu.Lock()
	asking := s.asking
	s.mu.Unlock()
	switch {
	case ctx == nil || ctx.raw == nil:
		s.misused.Store(&ArgumentError{Op: op, Reason: "the Ctx is nil or was not made by NewCtx"})
	case asking == nil:
		s.misused.Store(&ArgumentError{Op: op, Reason: "it was called outside of a TLSExtServernameCallback"})
	default:
		if err := s.moveTo(asking, ctx); err != nil {
			s.misused.Store(&ArgumentError{Op: op, Reason: err.Error()})
		}
	}
}

func (s *SSL) moveTo(hello *root.RawHello, ctx *Ctx) error {
	ctx.mu.RLock()
	defer ctx.mu.RUnlock()
	s.mu.Lock()
	s.ctx, s.ctxVerify = ctx, ctx.verify
	s.mu.Unlock()
	return hello.MoveTo(ctx.raw)
}
