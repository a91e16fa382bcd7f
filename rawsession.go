//go:build cgo

package openssl

import "time"

// Dup copies the session. A session that became bad has a bad copy, unlike what DER writes. The copy
// is in no cache and belongs to no Ctx until a connection uses it. nil without memory.
//
// OpenSSL: SSL_SESSION_dup(3).
func (s *Session) Dup() *Session {
	if s.none() {
		return nil
	}
	return s.dup()
}

// SetCreated says when the session was made, to the second: it is expired Timeout later. libssl lets
// nobody else use the session meanwhile.
//
// OpenSSL: SSL_SESSION_set_time(3).
func (s *Session) SetCreated(t time.Time) {
	if !s.none() {
		s.setCreatedUnix(t.Unix())
	}
}

// SetTimeout says how long after Created the session may be resumed, to the second, and reports whether
// libssl took it: from OpenSSL 3.0 it takes no negative one. libssl lets nobody else use the
// session meanwhile.
//
// OpenSSL: SSL_SESSION_set_timeout(3).
func (s *Session) SetTimeout(d time.Duration) bool {
	return !s.none() && s.setTimeoutSeconds(int64(d/time.Second))
}
