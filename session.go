//go:build cgo

package openssl

import (
	"crypto/tls"
	"math"
	"time"
)

// ParseSession reads a session from DER, as Session.DER writes it. It belongs to no Ctx until a
// connection uses it. Bytes that are not exactly one session are ErrBadSession. The bytes hold the
// session's secret.
//
// OpenSSL: d2i_SSL_SESSION(3).
func ParseSession(der []byte) (*Session, error) {
	if len(der) == 0 {
		return nil, callerError("d2i_SSL_SESSION", ErrBadSession)
	}
	return parseSession(der)
}

// DER serialises the session. The copy is free of libssl's mark: it stays resumable where the
// session became bad. It holds the session's secret.
//
// OpenSSL: i2d_SSL_SESSION(3).
func (s *Session) DER() []byte {
	if s.none() {
		return nil
	}
	return s.der()
}

// ID returns the session id; in TLS 1.3 libssl derives one from the ticket.
//
// OpenSSL: SSL_SESSION_get_id(3).
func (s *Session) ID() []byte {
	if s.none() {
		return nil
	}
	return s.id()
}

// IDContext returns the session id context that the session is bound to.
//
// OpenSSL: SSL_SESSION_get0_id_context(3).
func (s *Session) IDContext() []byte {
	if s.none() {
		return nil
	}
	return s.sidContext()
}

// Resumable reports whether the session may be offered: it has an id or a ticket and no connection
// that used it ended unclean.
//
// OpenSSL: SSL_SESSION_is_resumable(3).
func (s *Session) Resumable() bool { return !s.none() && !s.bad.Load() && s.state().resumable }

// Protocol returns the version, such as tls.VersionTLS13.
//
// OpenSSL: SSL_SESSION_get_protocol_version(3).
func (s *Session) Protocol() uint16 {
	if s.none() {
		return 0
	}
	return uint16(s.state().protocol)
}

// Cipher returns OpenSSL's name of the cipher suite.
//
// OpenSSL: SSL_SESSION_get0_cipher(3).
func (s *Session) Cipher() string {
	if s.none() {
		return ""
	}
	return s.cipherName()
}

// Created returns when the session was made, to the second.
//
// OpenSSL: SSL_SESSION_get_time(3).
func (s *Session) Created() time.Time {
	if s.none() {
		return time.Time{}
	}
	return time.Unix(s.state().created, 0)
}

// Age is the time since Created.
func (s *Session) Age() time.Duration { return time.Since(s.Created()) }

// Timeout returns how long after Created the session may be resumed.
//
// OpenSSL: SSL_SESSION_get_timeout(3).
func (s *Session) Timeout() time.Duration {
	if s.none() {
		return 0
	}
	return s.state().life()
}

func (t sessionState) life() time.Duration {
	if t.timeout > int64(math.MaxInt64/time.Second) {
		return math.MaxInt64
	}
	return time.Duration(t.timeout) * time.Second
}

// Expires returns when the session can no longer be resumed: Timeout after Created, or earlier
// where the server gave its ticket a shorter life (RFC 8446, section 4.6.1; RFC 5077, section 3.3).
//
// OpenSSL: SSL_SESSION_get_ticket_lifetime_hint(3).
func (s *Session) Expires() time.Time {
	if s.none() {
		return time.Time{}
	}
	return s.state().expires()
}

func (t sessionState) expires() time.Time {
	life := t.life()
	// In TLS 1.2 a hint of 0 leaves it to the client, in TLS 1.3 the ticket is to be forgotten.
	if t.hasTicket && (t.hint > 0 || t.protocol >= tls.VersionTLS13) {
		life = min(life, t.hint)
	}
	return time.Unix(t.created, 0).Add(life)
}

// usable reports whether a client may offer the session now.
func (s *Session) usable() bool {
	if s.none() || s.bad.Load() {
		return false
	}
	now := s.state()
	return now.resumable && time.Now().Before(now.expires())
}

// HasTicket reports whether the server can resume the session without keeping anything.
//
// OpenSSL: SSL_SESSION_has_ticket(3).
func (s *Session) HasTicket() bool { return !s.none() && s.state().hasTicket }

// MaxEarlyData is how many bytes of early data the server takes with the session. A Ctx gives 0 as a
// server and sends none as a client.
//
// OpenSSL: SSL_SESSION_get_max_early_data(3).
func (s *Session) MaxEarlyData() int {
	if s.none() {
		return 0
	}
	return int(s.maxEarlyData())
}

// none is a nil or zero Session, which libssl must not be asked about.
func (s *Session) none() bool { return s == nil || s.p == nil }

// bind makes ctx the session's owner. One object in the caches of two SSL_CTX makes libssl loop
// for ever from 3.0, so another owner is refused.
func (s *Session) bind(ctx *ctxHandle) error {
	switch {
	case s == nil:
		return nil
	case s.none():
		return ErrBadSession
	case s.owner.CompareAndSwap(nil, ctx), s.owner.Load() == ctx:
		return nil
	}
	return ErrSessionCtx
}

// forCtx is the session for a Ctx: itself, or a copy when it belongs to another.
func (s *Session) forCtx(ctx *ctxHandle) (*Session, error) {
	if s.bind(ctx) == nil {
		return s, nil
	}
	if !s.Resumable() {
		return s, ErrSessionCtx // a copy would be free of the mark
	}
	return ParseSession(s.der())
}
