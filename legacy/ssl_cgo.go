package openssl

/*
#cgo !openssl_static pkg-config: libssl
#cgo openssl_static pkg-config: --static libssl

#include "ssl.h"

#cgo noescape legacy_ssl_call
#cgo nocallback legacy_ssl_call
#cgo noescape legacy_ssl_set_up
#cgo nocallback legacy_ssl_set_up
#cgo noescape legacy_ssl_state_of
#cgo nocallback legacy_ssl_state_of
#cgo noescape legacy_ssl_chain
#cgo nocallback legacy_ssl_chain
#cgo noescape legacy_ssl_set_session
#cgo nocallback legacy_ssl_set_session
#cgo noescape legacy_check
#cgo nocallback legacy_check
*/
import "C"

import (
	"runtime"
	"runtime/cgo"
	"unsafe"

	root "github.com/golibssl/openssl"
)

// The C types that the other files name.
type (
	ctxPtr      = *C.SSL_CTX
	sslPtr      = *C.SSL
	storeCtxPtr = *C.X509_STORE_CTX
	sessionPtr  = *C.SSL_SESSION
)

// Options is a set of libssl's SSL_OP_ bits.
//
// OpenSSL: SSL_CTX_set_options(3).
type Options int

// The options, with the bits of the OpenSSL this was compiled with. NoSSLv2 has none since OpenSSL 1.1.0.
const (
	NoCompression                      Options = C.SSL_OP_NO_COMPRESSION
	NoSSLv2                            Options = C.SSL_OP_NO_SSLv2
	NoSSLv3                            Options = C.SSL_OP_NO_SSLv3
	NoTLSv1                            Options = C.SSL_OP_NO_TLSv1
	NoTLSv1_1                          Options = C.SSL_OP_NO_TLSv1_1
	NoTLSv1_2                          Options = C.SSL_OP_NO_TLSv1_2
	CipherServerPreference             Options = C.SSL_OP_CIPHER_SERVER_PREFERENCE
	NoSessionResumptionOrRenegotiation Options = C.SSL_OP_NO_SESSION_RESUMPTION_ON_RENEGOTIATION
	NoTicket                           Options = C.SSL_OP_NO_TICKET
	OpAll                              Options = C.SSL_OP_ALL
)

// noRenegotiation is what every connection has.
const noRenegotiation Options = C.SSL_OP_NO_RENEGOTIATION

// Modes is a set of libssl's SSL_MODE_ bits.
//
// OpenSSL: SSL_CTX_set_mode(3).
type Modes int

// The modes. Connections have ReleaseBuffers and have not AutoRetry whatever their Ctx says: they read and wait in their own way.
const (
	AutoRetry      Modes = C.SSL_MODE_AUTO_RETRY
	ReleaseBuffers Modes = C.SSL_MODE_RELEASE_BUFFERS
)

// VerifyOptions says whether the peer is verified and what a server demands.
//
// OpenSSL: SSL_CTX_set_verify(3).
type VerifyOptions int

// The verification options. With VerifyNone, the default, a client accepts every server and a server asks for no certificate.
const (
	VerifyNone             VerifyOptions = C.SSL_VERIFY_NONE
	VerifyPeer             VerifyOptions = C.SSL_VERIFY_PEER
	VerifyFailIfNoPeerCert VerifyOptions = C.SSL_VERIFY_FAIL_IF_NO_PEER_CERT
	VerifyClientOnce       VerifyOptions = C.SSL_VERIFY_CLIENT_ONCE
)

// SessionCacheModes says what libssl's own session cache does.
//
// OpenSSL: SSL_CTX_set_session_cache_mode(3).
type SessionCacheModes int

// The modes of the session cache.
const (
	SessionCacheOff    SessionCacheModes = C.SSL_SESS_CACHE_OFF
	SessionCacheClient SessionCacheModes = C.SSL_SESS_CACHE_CLIENT
	SessionCacheServer SessionCacheModes = C.SSL_SESS_CACHE_SERVER
	SessionCacheBoth   SessionCacheModes = C.SSL_SESS_CACHE_BOTH
	NoAutoClear        SessionCacheModes = C.SSL_SESS_CACHE_NO_AUTO_CLEAR
	NoInternalLookup   SessionCacheModes = C.SSL_SESS_CACHE_NO_INTERNAL_LOOKUP
	NoInternalStore    SessionCacheModes = C.SSL_SESS_CACHE_NO_INTERNAL_STORE
	NoInternal         SessionCacheModes = C.SSL_SESS_CACHE_NO_INTERNAL
)

// Version is a version of the protocol, for SetMinProtoVersion and SetMaxProtoVersion.
type Version int

// The versions. Streams have no DTLS.
const (
	SSL3_VERSION    Version = C.SSL3_VERSION
	TLS1_VERSION    Version = C.TLS1_VERSION
	TLS1_1_VERSION  Version = C.TLS1_1_VERSION
	TLS1_2_VERSION  Version = C.TLS1_2_VERSION
	TLS1_3_VERSION  Version = C.TLS1_3_VERSION
	DTLS1_VERSION   Version = C.DTLS1_VERSION
	DTLS1_2_VERSION Version = C.DTLS1_2_VERSION
)

// SSLTLSExtErr is what a TLSExtServernameCallback answers.
type SSLTLSExtErr int

// The answers. Those of the alerts say unrecognized_name (RFC 6066, section 3); after SSLTLSExtErrAlertWarning the handshake goes on.
const (
	SSLTLSExtErrOK           SSLTLSExtErr = C.SSL_TLSEXT_ERR_OK
	SSLTLSExtErrAlertWarning SSLTLSExtErr = C.SSL_TLSEXT_ERR_ALERT_WARNING
	SSLTLSEXTErrAlertFatal   SSLTLSExtErr = C.SSL_TLSEXT_ERR_ALERT_FATAL
	SSLTLSEXTErrNoAck        SSLTLSExtErr = C.SSL_TLSEXT_ERR_NOACK
)

// CheckFlags changes how a certificate's names are compared.
//
// OpenSSL: X509_check_host(3).
type CheckFlags int

// The flags: AlwaysCheckSubject looks at the common name although there are alternative names; NoWildcards compares "*.example" as it is.
const (
	AlwaysCheckSubject CheckFlags = C.X509_CHECK_FLAG_ALWAYS_CHECK_SUBJECT
	NoWildcards        CheckFlags = C.X509_CHECK_FLAG_NO_WILDCARDS
)

// Filetypes is the form of a key's file.
type Filetypes int

// The forms.
const (
	FiletypePEM  Filetypes = C.SSL_FILETYPE_PEM
	FiletypeASN1 Filetypes = C.SSL_FILETYPE_ASN1
)

// ptr is the SSL_CTX; the caller keeps c alive.
func (c *Ctx) ptr() ctxPtr {
	p := (ctxPtr)(c.raw.Handle())
	stress()
	return p
}

func ctxCert(c *Ctx, cert *Certificate) queuePtr {
	q := C.legacy_ctx_cert(c.ptr(), cert.ptr())
	runtime.KeepAlive(cert)
	return q
}

func ctxChain(c *Ctx, cert *Certificate) queuePtr {
	q := C.legacy_ctx_chain(c.ptr(), cert.ptr())
	runtime.KeepAlive(cert)
	return q
}

func ctxNoChain(c *Ctx) queuePtr { return C.legacy_ctx_no_chain(c.ptr()) }

func ctxKey(c *Ctx, k *pKey) queuePtr {
	q := C.legacy_ctx_key(c.ptr(), k.ptr())
	runtime.KeepAlive(k)
	return q
}

func ctxCheckKey(c *Ctx) queuePtr { return C.legacy_ctx_check_key(c.ptr()) }

func ctxStore(c *Ctx) storePtr { return C.legacy_ctx_store(c.ptr()) }

// optional is nil for an empty string.
func optional(s string) (*C.char, func()) {
	if s == "" {
		return nil, func() {}
	}
	p := C.CString(s)
	return p, func() { freeString(p) }
}

func ctxLocations(c *Ctx, file, dir string) queuePtr {
	f, freeF := optional(file)
	defer freeF()
	d, freeD := optional(dir)
	defer freeD()
	return C.legacy_ctx_locations(c.ptr(), f, d)
}

func ctxDefaultPaths(c *Ctx) queuePtr { return C.legacy_ctx_default_paths(c.ptr()) }

func ctxClientCAs(c *Ctx, certs []*Certificate) queuePtr {
	list := make([]certPtr, len(certs))
	for i, cert := range certs {
		list[i] = cert.ptr()
	}
	q := C.legacy_ctx_client_cas(c.ptr(), unsafe.SliceData(list), C.int(len(list)))
	runtime.KeepAlive(certs)
	return q
}

func ctxBound(c *Ctx, max bool, v Version) queuePtr {
	return C.legacy_ctx_bound(c.ptr(), cbool(max), C.int(v))
}

func cbool(on bool) C.int {
	if on {
		return 1
	}
	return 0
}

func ctxDH(c *Ctx, dh *DH) queuePtr {
	q := C.legacy_ctx_dh(c.ptr(), dh.ptr())
	runtime.KeepAlive(dh)
	return q
}

func ctxCurve(c *Ctx, curve EllipticCurve) queuePtr {
	return C.legacy_ctx_curve(c.ptr(), C.int(curve))
}

func ctxCiphers(c *Ctx, list string) queuePtr {
	p := C.CString(list)
	defer freeString(p)
	return C.legacy_ctx_ciphers(c.ptr(), p)
}

func ctxALPN(c *Ctx, wire []byte) queuePtr {
	return C.legacy_ctx_alpn(c.ptr(), bytePtr(wire), C.uint(len(wire)))
}

func ctxSid(c *Ctx, id []byte) queuePtr {
	return C.legacy_ctx_sid(c.ptr(), bytePtr(id), C.uint(len(id)))
}

func ctxTickets(c *Ctx, on bool) queuePtr { return C.legacy_ctx_tickets(c.ptr(), cbool(on)) }

func ctxVerifyMode(c *Ctx) VerifyOptions {
	return VerifyOptions(C.SSL_CTX_get_verify_mode(c.ptr()))
}

func ctxSetVerifyMode(c *Ctx, mode VerifyOptions) { C.SSL_CTX_set_verify(c.ptr(), C.int(mode), nil) }
func ctxDepth(c *Ctx) int                         { return int(C.SSL_CTX_get_verify_depth(c.ptr())) }
func ctxSetDepth(c *Ctx, depth int)               { C.SSL_CTX_set_verify_depth(c.ptr(), C.int(depth)) }
func ctxSecurityLevel(c *Ctx) int                 { return int(C.SSL_CTX_get_security_level(c.ptr())) }

// on runs f with the SSL while nothing else uses it.
func (s *SSL) on(op string, f func(p sslPtr) error) error {
	if s == nil {
		return badArgument(op, "the SSL is nil")
	}
	err := s.conn.Do(func(p unsafe.Pointer) error { return f((sslPtr)(p)) })
	runtime.KeepAlive(s)
	return err
}

// config makes what the root's Conn is to do for s. It holds s weakly.
func (s *SSL) config(server, ignoreEOF, hello bool) *root.RawConnConfig {
	hooks := s.hooks()
	cfg := &root.RawConnConfig{
		Server:              server,
		IgnoreUnexpectedEOF: ignoreEOF,
		Keep:                s,
		SetUp: func(p unsafe.Pointer) error {
			s := hooks.s.Value()
			if s == nil {
				return errGone
			}
			return s.setUp((sslPtr)(p))
		},
		Around: func(step *root.RawStep) { hooks.around(step, sslPtr(step.SSL)) },
	}
	if hello {
		cfg.Hello = hooks.hello
	}
	return cfg
}

func sslSetUp(p sslPtr, mode int, call bool, sid []byte) queuePtr {
	return C.legacy_ssl_set_up(p, C.int(mode), cbool(call), bytePtr(sid), C.uint(len(sid)))
}

func sslVerify(p sslPtr, mode VerifyOptions, call bool) {
	C.legacy_ssl_verify(p, C.int(mode), cbool(call))
}

func sslVerifyMode(p sslPtr) VerifyOptions { return VerifyOptions(C.SSL_get_verify_mode(p)) }
func sslDepth(p sslPtr) int                { return int(C.SSL_get_verify_depth(p)) }
func sslSetDepth(p sslPtr, depth int)      { C.SSL_set_verify_depth(p, C.int(depth)) }
func sslOptions(p sslPtr) Options          { return Options(C.legacy_ssl_get_options(p)) }
func sslSetOptions(p sslPtr, o Options) Options {
	return Options(C.legacy_ssl_set_options(p, C.uint64_t(o)))
}
func sslClearOptions(p sslPtr, o Options) Options {
	return Options(C.legacy_ssl_clear_options(p, C.uint64_t(o)))
}
func sslLevel(p sslPtr) int           { return int(C.SSL_get_security_level(p)) }
func sslSetLevel(p sslPtr, level int) { C.SSL_set_security_level(p, C.int(level)) }
func sslVersionName(p sslPtr) string  { return C.GoString(C.SSL_get_version(p)) }

// sslState reads what can still be asked after Close; the session is a reference that the caller takes over.
func sslState(p sslPtr, session bool) (s state, sess sessionPtr) {
	var c C.legacy_ssl_state
	C.legacy_ssl_state_of(p, cbool(session), &c)
	return state{result: VerifyResult(c.verify_result), reused: c.reused != 0, done: c.done != 0,
		cipher: C.GoString(c.cipher), name: C.GoString(c.name)}, c.session
}

func sslPeer(p sslPtr) certPtr { return C.legacy_ssl_peer(p) }

// sslChain is false where the peer sent none.
func sslChain(p sslPtr) (certs []certPtr, ok bool) {
	var list **C.X509
	n := C.legacy_ssl_chain(p, &list)
	if n < 0 {
		return nil, false
	}
	certs = append(certs, unsafe.Slice(list, int(n))...)
	C.legacy_free_array(list)
	return certs, true
}

func sslSetSession(p sslPtr, der []byte) queuePtr {
	var verified C.int
	return C.legacy_ssl_set_session(p, bytePtr(der), C.size_t(len(der)), &verified)
}

func sessionDER(s sessionPtr) ([]byte, queuePtr) {
	var b C.legacy_bytes
	q := C.legacy_session_der(s, &b)
	if q != nil {
		return nil, q
	}
	return takeBytes(b), nil
}

func sessionFree(s sessionPtr) { C.SSL_SESSION_free(s) }

// running runs f while the SSL's callbacks find call.
func running(p sslPtr, call *call, f func()) {
	h := cgo.NewHandle(call)
	defer h.Delete()
	C.legacy_ssl_call(p, C.uintptr_t(h))
	defer C.legacy_ssl_call(p, 0)
	f()
}

//export legacyVerify
func legacyVerify(handle C.uintptr_t, ok C.int, store *C.X509_STORE_CTX) C.int {
	c := cgo.Handle(handle).Value().(*call)
	return cbool(c.verify(ok == 1, store))
}

//export legacyTicket
func legacyTicket(handle C.uintptr_t, enc C.int, k *C.legacy_ticket_key) C.int {
	c := cgo.Handle(handle).Value().(*call)
	name := (*TicketName)(unsafe.Pointer(&k.name[0]))
	key, answer := c.ticket(*name, enc != 0)
	if answer <= 0 {
		return C.int(answer)
	}
	store := c.store
	k.cipher, k.md = store.CipherCtx.Cipher.c, store.DigestCtx.Digest.md
	k.cipher_engine, k.md_engine = store.CipherCtx.Engine.ptr(), store.DigestCtx.Engine.ptr()
	*name = key.Name
	copy(unsafe.Slice((*byte)(&k.key[0]), len(k.key)), key.CipherKey)
	k.mac_len = C.size_t(copy(unsafe.Slice((*byte)(&k.mac[0]), len(k.mac)), key.HMACKey))
	return C.int(answer)
}

// The longest keys that a ticket's cipher and digest can have here.
const (
	maxTicketKey = C.EVP_MAX_KEY_LENGTH
	maxTicketMAC = 256
)

func storeCtxError(p storeCtxPtr) VerifyResult { return VerifyResult(C.X509_STORE_CTX_get_error(p)) }
func storeCtxDepth(p storeCtxPtr) int          { return int(C.X509_STORE_CTX_get_error_depth(p)) }
func storeCtxCert(p storeCtxPtr) certPtr       { return C.legacy_current_cert(p) }

const (
	checkHost  = C.LEGACY_CHECK_HOST
	checkEmail = C.LEGACY_CHECK_EMAIL
	checkIP    = C.LEGACY_CHECK_IP
)

// certCheck asks whether the certificate is for what, which ends before its last byte.
func certCheck(c *Certificate, kind int, what []byte, flags CheckFlags) (bool, queuePtr) {
	var answer C.int
	q := C.legacy_check(&answer, c.ptr(), C.int(kind), anyPtr(what), C.size_t(len(what)-1), C.uint(flags))
	runtime.KeepAlive(c)
	return answer > 0, q
}
