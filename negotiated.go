//go:build cgo

package openssl

import "crypto/tls"

// CurveID returns the group that the key exchange used, by its number in TLS (RFC 8446, section 4.2.7);
// its String names it. 0: none is negotiated, or OpenSSL 1.1.1, which does not tell.
//
// OpenSSL: SSL_get_negotiated_group(3).
func (s *SSL) CurveID() tls.CurveID {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone() {
		return 0
	}
	return tls.CurveID(s.h.group())
}

// NegotiatedProtocol returns the protocol that ALPN chose (RFC 7301), "" for none.
//
// OpenSSL: SSL_get0_alpn_selected(3).
func (s *SSL) NegotiatedProtocol() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone() {
		return ""
	}
	return s.h.alpn()
}
