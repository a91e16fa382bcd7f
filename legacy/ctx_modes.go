//go:build cgo

package openssl

import (
	"math"
	"time"

	root "github.com/golibssl/openssl"
)

// SetOptions sets bits and returns the new options.
//
// OpenSSL: SSL_CTX_set_options(3).
func (c *Ctx) SetOptions(options Options) (now Options) {
	c.look(func() { now = Options(c.raw.SetOptions(root.Options(options))) })
	return now
}

// ClearOptions clears bits and returns the new options.
//
// OpenSSL: SSL_CTX_clear_options(3).
func (c *Ctx) ClearOptions(options Options) (now Options) {
	c.look(func() { now = Options(c.raw.ClearOptions(root.Options(options))) })
	return now
}

// GetOptions returns the options.
//
// OpenSSL: SSL_CTX_get_options(3).
func (c *Ctx) GetOptions() (now Options) {
	c.look(func() { now = Options(c.raw.Options()) })
	return now
}

// SetMode sets bits and returns the new modes.
//
// OpenSSL: SSL_CTX_set_mode(3).
func (c *Ctx) SetMode(modes Modes) (now Modes) {
	c.look(func() { now = Modes(c.raw.SetMode(root.Mode(modes))) })
	return now
}

// GetMode returns the modes.
//
// OpenSSL: SSL_CTX_get_mode(3).
func (c *Ctx) GetMode() (now Modes) {
	c.look(func() { now = Modes(c.raw.Mode()) })
	return now
}

// VerifyCallback is asked about each certificate of the peer's chain, and each problem with it: ok is OpenSSL's own opinion, store
// what is being verified, of use until the callback returns. The answer counts: with true a problem is none. It runs without any
// lock of the connection's. A panic in it refuses the certificate and is raised, as a *CallbackPanic, where the
// handshake was called.
//
// OpenSSL: SSL_CTX_set_verify(3).
type VerifyCallback func(ok bool, store *CertificateStoreCtx) bool

// SetVerify sets what connections verify and who is asked besides; nil for nobody. With VerifyNone, as at first, a client's
// connection goes on whatever OpenSSL finds: see Conn.VerifyResult.
//
// OpenSSL: SSL_CTX_set_verify(3).
func (c *Ctx) SetVerify(options VerifyOptions, verify_cb VerifyCallback) {
	c.look(func() {
		c.verify = verify_cb
		ctxSetVerifyMode(c, options)
	})
}

// SetVerifyMode sets what connections verify.
//
// OpenSSL: SSL_CTX_set_verify(3).
func (c *Ctx) SetVerifyMode(options VerifyOptions) {
	c.look(func() { ctxSetVerifyMode(c, options) })
}

// SetVerifyCallback sets who is asked about certificates.
//
// OpenSSL: SSL_CTX_set_verify(3).
func (c *Ctx) SetVerifyCallback(verify_cb VerifyCallback) {
	c.look(func() { c.verify = verify_cb })
}

// GetVerifyCallback returns who is asked about certificates.
func (c *Ctx) GetVerifyCallback() (verify_cb VerifyCallback) {
	c.look(func() { verify_cb = c.verify })
	return verify_cb
}

// VerifyMode returns what connections verify.
//
// OpenSSL: SSL_CTX_get_verify_mode(3).
func (c *Ctx) VerifyMode() (mode VerifyOptions) {
	c.look(func() { mode = ctxVerifyMode(c) })
	return mode
}

// SetVerifyDepth bounds how many authorities may stand between a trusted one and the peer's certificate.
//
// OpenSSL: SSL_CTX_set_verify_depth(3).
func (c *Ctx) SetVerifyDepth(depth int) {
	c.look(func() { ctxSetDepth(c, clamp(depth)) })
}

// GetVerifyDepth returns the bound, -1 for the library's own.
//
// OpenSSL: SSL_CTX_get_verify_depth(3).
func (c *Ctx) GetVerifyDepth() (depth int) {
	c.look(func() { depth = ctxDepth(c) })
	return depth
}

// clamp is n as an int of C.
func clamp(n int) int { return max(math.MinInt32, min(n, math.MaxInt32)) }

// TLSExtServernameCallback is asked by a server when the ClientHello is there, also of a client that names nobody. It may set ssl
// up, or choose another Ctx with SetSSLCtx. ssl is the connection's own, of use as long as that is. The callback runs without
// any lock of the connection's. A panic in it ends the handshake and is raised, as a *CallbackPanic, where that was called.
type TLSExtServernameCallback func(ssl *SSL) SSLTLSExtErr

// SetTLSExtServernameCallback sets who is asked about the name that a client wants (RFC 6066, section 3); nil for nobody.
func (c *Ctx) SetTLSExtServernameCallback(sni_cb TLSExtServernameCallback) {
	c.look(func() { c.sni = sni_cb })
}

// SetSessionId sets the context that a server's sessions are bound to, at most 32 bytes: they are resumed only where it is the
// same. Servers that share sessions or tickets share it. Without it a server that asks for certificates has a
// random one.
//
// OpenSSL: SSL_CTX_set_session_id_context(3).
func (c *Ctx) SetSessionId(session_id []byte) error {
	const op = "failed to set the session id context"
	if len(session_id) > len(c.sidOf()) {
		return badArgument(op, "it has %d bytes; the most are %d", len(session_id), len(c.sidOf()))
	}
	return c.change(op, func() queuePtr {
		c.sidSet = len(session_id) > 0
		return ctxSid(c, session_id)
	})
}

func (c *Ctx) sidOf() (sid [32]byte) {
	if c != nil {
		sid = c.sid
	}
	return sid
}

// SetSessionCacheMode sets what libssl's session cache does and returns what it did.
//
// OpenSSL: SSL_CTX_set_session_cache_mode(3).
func (c *Ctx) SetSessionCacheMode(modes SessionCacheModes) (old SessionCacheModes) {
	c.look(func() { old = SessionCacheModes(c.raw.SetCacheMode(root.CacheMode(modes))) })
	return old
}

// SetTimeout sets how long new sessions live, in whole seconds, and returns the old value. A negative t changes nothing.
//
// OpenSSL: SSL_CTX_set_timeout(3).
func (c *Ctx) SetTimeout(t time.Duration) (old time.Duration) {
	c.look(func() {
		seconds := c.raw.Timeout()
		if t >= 0 {
			seconds = c.raw.SetTimeout(int(t / time.Second))
		}
		old = time.Duration(seconds) * time.Second
	})
	return old
}

// GetTimeout returns how long new sessions live.
//
// OpenSSL: SSL_CTX_get_timeout(3).
func (c *Ctx) GetTimeout() (t time.Duration) {
	c.look(func() { t = time.Duration(c.raw.Timeout()) * time.Second })
	return t
}

// SessSetCacheSize bounds libssl's session cache and returns the old bound; 0 is none, and a negative t changes nothing. From
// OpenSSL 3.0 one session less fits.
//
// OpenSSL: SSL_CTX_sess_set_cache_size(3).
func (c *Ctx) SessSetCacheSize(t int) (old int) {
	c.look(func() {
		if old = c.raw.CacheSize(); t >= 0 {
			c.raw.SetCacheSize(t)
		}
	})
	return old
}

// SessGetCacheSize returns the bound of libssl's session cache.
//
// OpenSSL: SSL_CTX_sess_get_cache_size(3).
func (c *Ctx) SessGetCacheSize() (size int) {
	c.look(func() { size = c.raw.CacheSize() })
	return size
}

// SetReportTruncation decides what a Read answers when the peer's TCP connection ends and no close_notify came: with false, as at
// first and as in the original, io.EOF, which an attacker who cuts a stream can make too; with true io.ErrUnexpectedEOF. Conn.End
// tells either way.
func (c *Ctx) SetReportTruncation(on bool) {
	c.look(func() { c.truncation = on })
}
