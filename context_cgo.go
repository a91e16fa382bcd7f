package openssl

/*
#include <stdlib.h>
#include "libssl.h"
*/
import "C"

import (
	"crypto/sha256"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"
)

// notTiny makes an object too large for the allocator to put it into one slot with others. To Go a
// pointer to C's opaque types is no pointer, and the cleanup of a small object without pointers waits
// for all of its slot, maybe for ever (runtime.AddCleanup).
type notTiny [16]byte

// ctxHandle owns one reference to an SSL_CTX; each SSL holds one of its own.
type ctxHandle struct {
	p *C.SSL_CTX
	_ notTiny
}

func newCtxHandle() (*ctxHandle, error) { return newCtxHandleWith("") }

// newCtxHandleWith fetches by properties as well; empty: the library's alone.
func newCtxHandleWith(properties string) (*ctxHandle, error) {
	text, free := optString(properties)
	defer free()
	var errs *C.gossl_errors
	p := C.gossl_ctx_new(text, &errs)
	if p == nil && properties != "" {
		return nil, libraryError("SSL_CTX_new_ex", errs, fmt.Errorf("%w: nothing serves the properties %q", ErrConfig, properties))
	}
	if p == nil {
		return nil, libraryError("SSL_CTX_new", errs, nil)
	}
	liveCtx.Add(1)
	return &ctxHandle{p: p}, nil
}

func (c *ctxHandle) free() {
	if c.p != nil {
		C.gossl_ctx_free(c.p)
		c.p = nil
		liveCtx.Add(-1)
	}
}

// end is free, with the events of a cache that SSL_CTX_free empties.
func (c *ctxHandle) end() []Event {
	if c.p == nil {
		return nil
	}
	events := takeEvents(C.gossl_ctx_end(c.p))
	c.p = nil
	liveCtx.Add(-1)
	return events
}

func (c *ctxHandle) pointer() unsafe.Pointer { return unsafe.Pointer(c.p) }
func (c *ctxHandle) setOptions(o Options) Options {
	return Options(C.gossl_ctx_set_options(c.p, C.uint64_t(o)))
}
func (c *ctxHandle) clearOptions(o Options) Options {
	return Options(C.gossl_ctx_clear_options(c.p, C.uint64_t(o)))
}
func (c *ctxHandle) options() Options      { return Options(C.gossl_ctx_get_options(c.p)) }
func (c *ctxHandle) setMode(m Mode) Mode   { return Mode(C.gossl_ctx_set_mode(c.p, C.long(m))) }
func (c *ctxHandle) clearMode(m Mode) Mode { return Mode(C.gossl_ctx_clear_mode(c.p, C.long(m))) }
func (c *ctxHandle) mode() Mode            { return Mode(C.gossl_ctx_get_mode(c.p)) }
func (c *ctxHandle) setCacheMode(m CacheMode) CacheMode {
	return CacheMode(C.gossl_ctx_set_cache_mode(c.p, C.long(m)))
}
func (c *ctxHandle) cacheMode() CacheMode   { return CacheMode(C.gossl_ctx_get_cache_mode(c.p)) }
func (c *ctxHandle) setCacheSize(n int) int { return int(C.gossl_ctx_set_cache_size(c.p, C.long(n))) }
func (c *ctxHandle) cacheSize() int         { return int(C.gossl_ctx_get_cache_size(c.p)) }
func (c *ctxHandle) setTimeout(seconds int) int {
	return int(C.SSL_CTX_set_timeout(c.p, C.long(seconds)))
}
func (c *ctxHandle) timeout() int { return int(C.SSL_CTX_get_timeout(c.p)) }
func (c *ctxHandle) counter(which CacheCounter) int {
	return int(C.gossl_ctx_counter(c.p, C.int(which)))
}
func (c *ctxHandle) setNumTickets(n int) bool {
	return C.SSL_CTX_set_num_tickets(c.p, C.size_t(n)) == 1
}
func (c *ctxHandle) numTickets() int     { return int(C.SSL_CTX_get_num_tickets(c.p)) }
func (c *ctxHandle) quietShutdown() bool { return C.SSL_CTX_get_quiet_shutdown(c.p) != 0 }
func (c *ctxHandle) acceptAnyPeer()      { C.gossl_ctx_accept_any_peer(c.p) }
func (c *ctxHandle) setMaxEarlyData(n int) bool {
	return C.SSL_CTX_set_max_early_data(c.p, C.uint32_t(n)) == 1
}
func (c *ctxHandle) setQuietShutdown(q bool)   { C.SSL_CTX_set_quiet_shutdown(c.p, cbool(q)) }
func (c *ctxHandle) minVersion() int           { return int(C.gossl_ctx_min(c.p)) }
func (c *ctxHandle) maxVersion() int           { return int(C.gossl_ctx_max(c.p)) }
func (c *ctxHandle) setup(flags int)           { C.gossl_ctx_setup(c.p, C.int(flags)) }
func (c *ctxHandle) setVerify(mode verifyMode) { C.SSL_CTX_set_verify(c.p, C.int(mode&3), nil) }
func (c *ctxHandle) flush(at time.Time) []Event {
	return takeEvents(C.gossl_ctx_flush(c.p, C.longlong(at.Unix())))
}

// Handle returns the SSL_CTX*, borrowed until Free; nil after it.
func (c *RawCtx) Handle() unsafe.Pointer { return rawGet(c, (*ctxHandle).pointer) }

// Flags of setup.
const (
	ctxNewSession     = C.GOSSL_CTX_NEW_SESSION
	ctxRemovedSession = C.GOSSL_CTX_REMOVED_SESSION
	ctxKeyLog         = C.GOSSL_CTX_KEYLOG
	ctxHello          = C.GOSSL_CTX_HELLO
	ctxLookup         = C.GOSSL_CTX_LOOKUP
	ctxTellLookup     = C.GOSSL_CTX_TELL_LOOKUP
	ctxStaple         = C.GOSSL_CTX_STAPLE
	ctxClientCerts    = C.GOSSL_CTX_CLIENT_CERTS
)

func (c *ctxHandle) addSession(s *Session) (bool, []Event) {
	var ok C.int
	ev := takeEvents(C.gossl_ctx_add_session(c.p, used(s.p), &ok))
	runtime.KeepAlive(s)
	return ok == 1, ev
}

func (c *ctxHandle) removeSession(s *Session) (bool, []Event) {
	var ok C.int
	var p *C.SSL_SESSION
	if s != nil {
		p = s.p
	}
	ev := takeEvents(C.gossl_ctx_remove_session(c.p, used(p), &ok))
	runtime.KeepAlive(s)
	return ok == 1, ev
}

// optString is nil for an empty string: libssl's default stays.
func optString(s string) (*C.char, func()) {
	if s == "" {
		return nil, func() {}
	}
	cs := C.CString(s)
	return cs, func() { C.free(unsafe.Pointer(cs)) }
}

func (c *ctxHandle) setStrings(ciphers, suites, groups string) error {
	a, freeA := optString(ciphers)
	defer freeA()
	b, freeB := optString(suites)
	defer freeB()
	g, freeG := optString(groups)
	defer freeG()
	var errs *C.gossl_errors
	if C.gossl_ctx_set_strings(c.p, a, b, g, &errs) != 1 {
		return libraryError("cipher list, ciphersuites or groups", errs, ErrConfig)
	}
	return nil
}

func (c *ctxHandle) setVersions(min, max int) error {
	var errs *C.gossl_errors
	if C.gossl_ctx_set_versions(c.p, C.int(min), C.int(max), &errs) != 1 {
		return libraryError("SSL_CTX_set_min_proto_version", errs, ErrConfig)
	}
	return nil
}

func (c *ctxHandle) setALPN(wire []byte) error {
	var errs *C.gossl_errors
	if C.gossl_ctx_set_alpn(c.p, slicePointer(wire), C.size_t(len(wire)), &errs) != 1 {
		return libraryError("SSL_CTX_set_alpn_protos", errs, ErrConfig)
	}
	return nil
}

func (c *ctxHandle) setSessionIDContext(id []byte) error {
	var errs *C.gossl_errors
	if C.gossl_ctx_set_sid_context(c.p, slicePointer(id), C.size_t(len(id)), &errs) != 1 {
		return libraryError("SSL_CTX_set_session_id_context", errs, ErrConfig)
	}
	return nil
}

// ticketTable is a gossl_tickets: the keys in C memory, one reference.
type ticketTable struct{ p *C.gossl_tickets }

func newTicketTable() (ticketTable, error) {
	t := ticketTable{C.gossl_tickets_new()}
	if t.p == nil {
		return t, &Error{Op: "ticket keys", Origin: FromLibrary, Err: errNoMemory}
	}
	return t, nil
}

func (t ticketTable) free() { C.gossl_tickets_free(t.p) }

// set replaces all keys.
func (t ticketTable) set(keys []TicketKey) error {
	table := make([]C.gossl_ticket_key, len(keys))
	defer clear(table)
	bytes := func(p []C.uchar) []byte { return unsafe.Slice((*byte)(unsafe.SliceData(p)), len(p)) }
	for i, k := range keys {
		copy(bytes(table[i].name[:]), k.Name[:])
		copy(bytes(table[i].aes[:]), k.AES[:])
		copy(bytes(table[i].mac[:]), k.HMAC[:])
		table[i].from, table[i].until = C.int64_t(k.From.Unix()), C.int64_t(k.Until.Unix())
	}
	if C.gossl_tickets_set(t.p, unsafe.SliceData(table), C.size_t(len(table))) != 1 {
		return &Error{Op: "ticket keys", Origin: FromLibrary, Err: errNoMemory}
	}
	return nil
}

func (t ticketTable) stats() TicketStats {
	n := func(which C.int) uint64 { return uint64(C.gossl_tickets_counter(t.p, which)) }
	return TicketStats{Issued: n(C.GOSSL_TICKETS_ISSUED), Accepted: n(C.GOSSL_TICKETS_ACCEPTED),
		Old: n(C.GOSSL_TICKETS_OLD), Unknown: n(C.GOSSL_TICKETS_UNKNOWN)}
}

func (c *ctxHandle) setTickets(t ticketTable) error {
	var errs *C.gossl_errors
	if C.gossl_ctx_set_tickets(c.p, t.p, &errs) != 1 {
		return libraryError("SSL_CTX_set_tlsext_ticket_key_cb", errs, nil)
	}
	return nil
}

func (c *ctxHandle) useCertificate(k *Certificate) error {
	if k.p == nil {
		return callerError("certificate", ErrBadCertificate)
	}
	var errs *C.gossl_errors
	ok := C.gossl_ctx_use_cert(c.p, k.p, &errs)
	runtime.KeepAlive(k)
	if ok != 1 {
		return libraryError("SSL_CTX_use_cert_and_key", errs, ErrBadCertificate)
	}
	return nil
}

// Certificate is a certificate chain with its private key, in libcrypto's memory, freed when it is
// collected. It is immutable but for its OCSP staple: any number of Ctx and goroutines may use it.
type Certificate struct {
	p      *C.gossl_cert
	chain  [][]byte
	signer *signer // nil: the key is libcrypto's

	compressed atomic.Pointer[compressedForms] // as GetCertificate's
}

func newCertificate(p *C.gossl_cert) *Certificate {
	c := &Certificate{p: p, chain: append([][]byte{x509DER(p.leaf)}, stackDER(p.chain)...)}
	runtime.AddCleanup(c, func(p *C.gossl_cert) { C.gossl_cert_free(p) }, p)
	return c
}

func parseCertificatePEM(cert, key []byte, passphrase string) (*Certificate, error) {
	var pass *C.char
	if passphrase != "" {
		pass = C.CString(passphrase)
		defer C.free(unsafe.Pointer(pass))
	}
	var errs *C.gossl_errors
	p := C.gossl_cert_pem(slicePointer(cert), C.size_t(len(cert)), slicePointer(key), C.size_t(len(key)), pass, &errs)
	if p == nil {
		return nil, libraryError("certificate", errs, ErrBadCertificate)
	}
	return newCertificate(p), nil
}

func parseCertificateDER(chain [][]byte, key []byte) (*Certificate, error) {
	var all []byte
	lens := make([]C.size_t, len(chain), len(chain)+1)
	for i, der := range chain {
		all = append(all, der...)
		lens[i] = C.size_t(len(der))
	}
	var errs *C.gossl_errors
	p := C.gossl_cert_der(slicePointer(all), unsafe.SliceData(lens), C.size_t(len(chain)),
		slicePointer(key), C.size_t(len(key)), &errs)
	if p == nil {
		return nil, libraryError("certificate", errs, ErrBadCertificate)
	}
	return newCertificate(p), nil
}

// store is an X509_STORE, read-only once filled.
type store struct {
	p   *C.X509_STORE
	sum [sha256.Size]byte // of all that was added
}

func newStore() (*store, error) {
	var errs *C.gossl_errors
	p := C.gossl_store_new(&errs)
	if p == nil {
		return nil, libraryError("X509_STORE_new", errs, nil)
	}
	st := &store{p: p}
	runtime.AddCleanup(st, func(p *C.X509_STORE) { C.X509_STORE_free(p) }, p)
	return st, nil
}

func (st *store) addPEM(pem []byte) (int, error) {
	var errs *C.gossl_errors
	st.sum = sha256.Sum256(append(st.sum[:], pem...))
	n := C.gossl_store_add_pem(st.p, slicePointer(pem), C.size_t(len(pem)), &errs)
	if n < 0 {
		return 0, libraryError("roots", errs, ErrBadCertificate)
	}
	return int(n), nil
}

func (st *store) addDER(der []byte) error {
	var errs *C.gossl_errors
	if C.gossl_store_add_der(st.p, slicePointer(der), C.size_t(len(der)), &errs) != 1 {
		return libraryError("roots", errs, ErrBadCertificate)
	}
	return nil
}

// defaultCertPaths are where OpenSSL looks for the system's roots, by name of the environment
// variable and by default.
func defaultCertPaths() (fileEnv, file, dirEnv, dir string) {
	return C.GoString(C.X509_get_default_cert_file_env()), C.GoString(C.X509_get_default_cert_file()),
		C.GoString(C.X509_get_default_cert_dir_env()), C.GoString(C.X509_get_default_cert_dir())
}

type caNames struct {
	p *C.struct_stack_st_X509_NAME
	_ notTiny
}

func newCANames(pem []byte) *caNames {
	n := &caNames{p: C.gossl_ca_names(slicePointer(pem), C.size_t(len(pem)))}
	runtime.AddCleanup(n, func(p *C.struct_stack_st_X509_NAME) { C.gossl_free_ca_names(p) }, n.p)
	return n
}

// Session is a TLS session that a later connection may resume. It is bound to the Ctx that made it,
// or to the first that uses it when it was parsed; libssl shares the object between connections, so
// one unclean end makes it not resumable for all who hold it. Its memory is freed when it is
// collected. Any number of goroutines may use it.
type Session struct {
	p     *C.SSL_SESSION
	owner atomic.Pointer[ctxHandle]
	bad   atomic.Bool // the verdict of an unclean end, where libssl did not give it
}

// newSession takes over the reference.
func newSession(p *C.SSL_SESSION) *Session {
	s := &Session{p: p}
	liveSessions.Add(1)
	runtime.AddCleanup(s, func(p *C.SSL_SESSION) {
		C.SSL_SESSION_free(p)
		liveSessions.Add(-1)
	}, p)
	return s
}

func parseSession(der []byte) (*Session, error) {
	var errs *C.gossl_errors
	p := C.gossl_session_parse(slicePointer(der), C.size_t(len(der)), &errs)
	if p == nil {
		return nil, &Error{Op: "d2i_SSL_SESSION", Class: ClassSSL, Origin: FromCaller, Queue: takeErrors(errs), Err: ErrBadSession}
	}
	return newSession(p), nil
}

// Handle returns the SSL_SESSION*, for programs with C code of their own. It is borrowed, under the
// caller's runtime.KeepAlive.
func (s *Session) Handle() unsafe.Pointer {
	if s.none() {
		return nil
	}
	return unsafe.Pointer(s.p)
}

func (s *Session) dup() *Session {
	defer runtime.KeepAlive(s)
	if p := C.SSL_SESSION_dup(used(s.p)); p != nil {
		return newSession(p)
	}
	return nil
}

func (s *Session) der() []byte {
	var out *C.uchar
	n := C.gossl_session_der(used(s.p), &out)
	der := C.GoBytes(unsafe.Pointer(out), C.int(n))
	C.gossl_openssl_free(unsafe.Pointer(out))
	runtime.KeepAlive(s)
	return der
}

func (s *Session) id() []byte {
	defer runtime.KeepAlive(s)
	var n C.uint
	p := C.SSL_SESSION_get_id(used(s.p), &n)
	return C.GoBytes(unsafe.Pointer(p), C.int(n))
}

func (s *Session) sidContext() []byte {
	defer runtime.KeepAlive(s)
	var n C.uint
	p := C.SSL_SESSION_get0_id_context(used(s.p), &n)
	return C.GoBytes(unsafe.Pointer(p), C.int(n))
}

func (s *Session) names(name string, isIP bool) bool {
	defer runtime.KeepAlive(s)
	return C.gossl_session_names(used(s.p), (*C.char)(unsafe.Pointer(unsafe.StringData(name))), C.size_t(len(name)), cbool(isIP)) == 1
}

// over reports whether the time of the peer's certificate that the session remembers is over.
func (s *Session) over() bool {
	defer runtime.KeepAlive(s)
	return C.gossl_session_over(used(s.p)) == 1
}

// sessionState is what one call tells of a session.
type sessionState struct {
	resumable, hasTicket bool
	protocol             int
	created, timeout     int64 // seconds
	hint                 time.Duration
}

func (s *Session) state() sessionState {
	defer runtime.KeepAlive(s)
	now := C.gossl_session_now(used(s.p))
	return sessionState{now.resumable == 1, now.has_ticket == 1, int(now.protocol), int64(now.created), int64(now.timeout),
		time.Duration(now.hint) * time.Second}
}

func (s *Session) sameID(other *Session) bool {
	defer runtime.KeepAlive(other)
	defer runtime.KeepAlive(s)
	return C.gossl_session_same_id(used(s.p), used(other.p)) == 1
}

func (s *Session) cipherName() string {
	defer runtime.KeepAlive(s)
	c := C.SSL_SESSION_get0_cipher(used(s.p))
	if c == nil {
		return ""
	}
	return C.GoString(C.SSL_CIPHER_get_name(c))
}

func (s *Session) maxEarlyData() uint32 {
	defer runtime.KeepAlive(s)
	return uint32(C.SSL_SESSION_get_max_early_data(used(s.p)))
}

func (s *Session) setTimeoutSeconds(n int64) bool {
	defer runtime.KeepAlive(s)
	return C.SSL_SESSION_set_timeout(used(s.p), C.long(n)) == 1
}

func (s *Session) setCreatedUnix(t int64) {
	C.gossl_session_set_created(used(s.p), C.longlong(t))
	runtime.KeepAlive(s)
}

func libraryVersionText() string { return C.GoString(C.OpenSSL_version(C.OPENSSL_VERSION)) }
func libraryVersionNum() uint64  { return uint64(C.OpenSSL_version_num()) }

// headerVersionNum is the version that the program was compiled with.
const headerVersionNum = C.OPENSSL_VERSION_NUMBER
