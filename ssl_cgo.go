package openssl

/*
#cgo !openssl_static pkg-config: libssl libcrypto
#cgo linux LDFLAGS: -ldl
#cgo openssl_static LDFLAGS: -Wl,-Bstatic -lssl -lcrypto -Wl,-Bdynamic -ldl -lpthread
#cgo CFLAGS: -Wall -Wextra -Wno-unused-parameter
#include <stdlib.h>
#include "libssl.h"

#cgo noescape gossl_handshake
#cgo nocallback gossl_handshake
#cgo noescape gossl_read
#cgo nocallback gossl_read
#cgo noescape gossl_peek
#cgo nocallback gossl_peek
#cgo noescape gossl_read_batch
#cgo nocallback gossl_read_batch
#cgo noescape gossl_write
#cgo nocallback gossl_write
#cgo noescape gossl_shutdown
#cgo nocallback gossl_shutdown
#cgo noescape gossl_get_shutdown
#cgo nocallback gossl_get_shutdown
#cgo noescape gossl_set_shutdown
#cgo nocallback gossl_set_shutdown
#cgo noescape gossl_feed
#cgo nocallback gossl_feed
#cgo noescape gossl_proof
#cgo nocallback gossl_proof
#cgo noescape gossl_buf_free
#cgo nocallback gossl_buf_free
#cgo noescape gossl_grow
#cgo nocallback gossl_grow
#cgo noescape gossl_unsent
#cgo nocallback gossl_unsent
*/
import "C"

import (
	"runtime"
	"syscall"
	"unsafe"
)

// sslHandle is one gossl_ssl: an SSL, its queues and its last answer. It has no lock and no
// lifetime of its own; SSL and Conn give it both.
type sslHandle struct{ p *C.gossl_ssl }

func takeErrors(p *C.gossl_errors) []QueueEntry {
	if p == nil {
		return nil
	}
	q := make([]QueueEntry, int(p.n))
	for i := range q {
		e := &p.e[i]
		q[i] = QueueEntry{
			Code: uint64(e.code), Lib: int(e.lib), Reason: int(e.reason),
			Library: C.GoString(&e.lib_text[0]), Text: C.GoString(&e.reason_text[0]), Data: C.GoString(&e.data[0]),
		}
	}
	C.gossl_release(unsafe.Pointer(p))
	return q
}

// libraryError is the error of a call that is not an operation on an SSL.
func libraryError(op string, errs *C.gossl_errors, cause error) *Error {
	return &Error{Op: op, Class: ClassSSL, Origin: FromLibrary, Queue: takeErrors(errs), Err: cause}
}

func newSSLHandle(ctx *ctxHandle) (sslHandle, error) {
	var errs *C.gossl_errors
	p := C.gossl_ssl_new(used(ctx.p), &errs)
	runtime.KeepAlive(ctx)
	if p == nil {
		return sslHandle{}, libraryError("SSL_new", errs, nil)
	}
	liveSSL.Add(1)
	return sslHandle{p}, nil
}

func (st *store) verify(mode verifyMode) C.gossl_verify {
	v := C.gossl_verify{mode: C.int(mode & (verifyPeer | verifyRequire | verifyLater)), accept_any: cbool(mode&verifyAcceptAny != 0)}
	if st != nil {
		v.store = st.p
	}
	return v
}

func madeHandle(m C.gossl_made) (sslHandle, error) {
	if m.ssl == nil {
		return sslHandle{}, libraryError(C.GoString(m.failed), m.errs, nil)
	}
	liveSSL.Add(1)
	return sslHandle{m.ssl}, nil
}

// newClientHandle makes the SSL of a client; with verifyNone the name is only sent.
func newClientHandle(ctx *ctxHandle, name string, isIP bool, mode verifyMode, st *store) (sslHandle, error) {
	m := C.gossl_client_new(used(ctx.p), (*C.char)(unsafe.Pointer(unsafe.StringData(name))), C.size_t(len(name)), cbool(isIP),
		st.verify(mode))
	runtime.KeepAlive(ctx)
	runtime.KeepAlive(st)
	return madeHandle(m)
}

// newServerHandle makes the SSL of a server; names are of the authorities that it asks for.
func newServerHandle(ctx *ctxHandle, mode verifyMode, st *store, names *caNames) (sslHandle, error) {
	var list *C.struct_stack_st_X509_NAME
	if names != nil {
		list = names.p
	}
	m := C.gossl_server_new(used(ctx.p), st.verify(mode), list)
	runtime.KeepAlive(ctx)
	runtime.KeepAlive(st)
	runtime.KeepAlive(names)
	return madeHandle(m)
}

// dup makes a second handle, or another reference to the same SSL with ok false.
func (h sslHandle) dup() (d sslHandle, ok bool, err error) {
	var errs *C.gossl_errors
	var same C.int
	p := C.gossl_ssl_dup(h.p, &same, &errs)
	switch {
	case same != 0:
		return sslHandle{}, false, nil
	case p == nil:
		return sslHandle{}, false, libraryError("SSL_dup", errs, nil)
	}
	liveSSL.Add(1)
	return sslHandle{p}, true, nil
}

func (h sslHandle) upRef()        { C.gossl_ssl_up_ref(h.p) }
func (h sslHandle) dropRef() bool { return C.gossl_ssl_drop_ref(h.p) == 1 }

// end is SSL_free; free gives the rest back.
func (h sslHandle) end() { C.gossl_ssl_end(h.p) }

func (h sslHandle) free() {
	h.endSigning()
	C.gossl_ssl_free(h.p)
	liveSSL.Add(-1)
}

func (h sslHandle) setState(server bool) { C.gossl_set_state(h.p, cbool(server)) }

func (h sslHandle) handshake() int {
	collect()
	if h.p.sign != nil {
		return h.signingHandshake()
	}
	return int(C.gossl_handshake(h.p))
}

// handshakeCalling is handshake for an SSL whose callbacks may call Go.
func (h sslHandle) handshakeCalling() int {
	collect()
	return int(C.gossl_handshake_calling(h.p))
}

// leaveCall is for a handshake whose C call was left by a panic.
func (h sslHandle) leaveCall()             { C.gossl_running(nil) }
func (h sslHandle) answerName(answer int)  { h.p.name_answer = C.int(answer) }
func (h sslHandle) verifyMode() verifyMode { return verifyMode(C.SSL_get_verify_mode(h.p.ssl)) }
func (h sslHandle) shutdown() int {
	collect()
	return int(C.gossl_shutdown(h.p))
}

func (h sslHandle) clear() int {
	collect()
	return int(C.gossl_clear(h.p))
}

func (h sslHandle) keyUpdate(request bool) int { return int(C.gossl_key_update(h.p, cbool(request))) }
func (h sslHandle) askClient() int             { return int(C.gossl_ask_client(h.p)) }
func (h sslHandle) offerLaterAuth()            { C.gossl_offer_later_auth(h.p) }
func (h sslHandle) renegotiate() int           { return int(C.gossl_renegotiate(h.p)) }
func (h sslHandle) quietShutdown() bool        { return C.SSL_get_quiet_shutdown(h.p.ssl) != 0 }
func (h sslHandle) inInit() bool               { return C.gossl_in_init(h.p) != 0 }
func (h sslHandle) hasPending() bool           { return C.SSL_has_pending(h.p.ssl) != 0 }
func (h sslHandle) getShutdown() int {
	collect()
	return int(C.gossl_get_shutdown(h.p))
}

func (h sslHandle) setShutdown(mode int) {
	collect()
	C.gossl_set_shutdown(h.p, C.int(mode))
}

func (h sslHandle) setQuietShutdown(q bool) { C.SSL_set_quiet_shutdown(h.p.ssl, cbool(q)) }
func (h sslHandle) setMode(m Mode) Mode     { return Mode(C.gossl_set_mode(h.p, C.long(m))) }
func (h sslHandle) clearMode(m Mode) Mode   { return Mode(C.gossl_clear_mode(h.p, C.long(m))) }
func (h sslHandle) setOptions(o Options) Options {
	return Options(C.gossl_set_options(h.p, C.uint64_t(o)))
}
func (h sslHandle) sessionReused() bool      { return C.SSL_session_reused(h.p.ssl) != 0 }
func (h sslHandle) version() int             { return int(C.SSL_version(h.p.ssl)) }
func (h sslHandle) handshakeDone() bool      { return C.SSL_is_init_finished(h.p.ssl) != 0 }
func (h sslHandle) agreedVersion() int       { return int(h.p.agreed.version) }
func (h sslHandle) resumed() bool            { return h.p.agreed.resumed != 0 }
func (h sslHandle) verifyResult() int        { return int(C.SSL_get_verify_result(h.p.ssl)) }
func (h sslHandle) group() int               { return int(C.gossl_group(h.p)) }
func (h sslHandle) keepSessionAtFree()       { h.p.keep_session = 1 }
func (h sslHandle) pointer() unsafe.Pointer  { return unsafe.Pointer(h.p.ssl) }
func (h sslHandle) setEOF()                  { h.p.in_eof = 1 }
func (h sslHandle) setTrace(on bool)         { h.p.trace = cbool(on) }
func (h sslHandle) pending() int             { return int(h.p.pending) }
func (h sslHandle) ret() int                 { return int(h.p.ret) }
func (h sslHandle) class() ErrorClass        { return ErrorClass(h.p.err) }
func (h sslHandle) mask() ShutdownState      { return ShutdownState(h.p.mask) }
func (h sslHandle) n() int                   { return int(h.p.n) }
func (h sslHandle) hasErrors() bool          { return h.p.errs != nil }
func (h sslHandle) midMessage() bool         { return h.p.in_init != 0 }
func (h sslHandle) hasEvents() bool          { return h.p.events.n != 0 }
func (h sslHandle) keyUpdates() int          { return int(h.p.key_updates) }
func (h sslHandle) saw(bits int) bool        { return int(h.p.seen)&bits != 0 }
func (h sslHandle) closeNotifyEnd() uint64   { return uint64(h.p.close_notify_end) }
func (h sslHandle) outTotal() uint64         { return uint64(h.p.out_total) }
func (h sslHandle) outLen() int              { return int(h.p.out.end - h.p.out.start) }
func (h sslHandle) inLen() int               { return int(h.p.in.end - h.p.in.start) }
func (h sslHandle) alertIn() int             { return int(h.p.alert_in) }
func (h sslHandle) alertOut() int            { return int(h.p.alert_out) }
func (h sslHandle) opError(op string) *Error { return h.errorFor(op, h.class()) }
func (h sslHandle) askHello()                { h.p.hello_state = C.GOSSL_HELLO_ASK }
func (h sslHandle) answerHello()             { h.p.hello_state = C.GOSSL_HELLO_ANSWERED }
func (h sslHandle) helloWaiting() bool       { return h.p.hello_state == C.GOSSL_HELLO_WAITING }
func (h sslHandle) holdIn(on bool)           { h.p.in_hold = cbool(on) }

// Bits of gossl_ssl.seen.
const (
	seenCertificate = C.GOSSL_SEEN_CERTIFICATE
	seenFinished    = C.GOSSL_SEEN_FINISHED
	seenCloseNotify = C.GOSSL_SEEN_CLOSE_NOTIFY
	sentCloseNotify = C.GOSSL_SENT_CLOSE_NOTIFY
	seenHRR         = C.GOSSL_SEEN_HRR
)

// maxKeyUpdates may come without data between them.
const maxKeyUpdates = C.GOSSL_MAX_KEY_UPDATES

func cbool(b bool) C.int {
	if b {
		return 1
	}
	return 0
}

// errorFor takes the queue of the last operation along.
func (h sslHandle) errorFor(op string, class ErrorClass) *Error {
	e := &Error{Op: op, Class: class, Ret: h.ret(), Origin: FromLibrary}
	if h.p.errs != nil {
		e.Queue = takeErrors(h.p.errs)
		h.p.errs = nil
	}
	if class == ClassSyscall {
		e.Errno = int(h.p.sys)
	}
	if class == ClassSSL {
		if a := h.alertIn(); a >= 0 {
			e.Origin, e.Err = FromPeer, &AlertError{Alert: Alert(a), FromPeer: true}
		} else if a := h.alertOut(); a >= 0 {
			e.Err = &AlertError{Alert: Alert(a)}
		}
		if h.verifyResult() != 0 && e.HasReason(errLibSSL, reasonCertificateVerify) {
			e.Err = h.verifyError(e.Err)
		}
	}
	return e
}

func (h sslHandle) verifyError(err error) *VerifyError {
	code := h.verifyResult()
	return &VerifyError{code, C.GoString(C.X509_verify_cert_error_string(C.long(code))), err}
}

// Handle returns the SSL*, for programs with C code of their own. It is borrowed: valid until Free,
// under the caller's runtime.KeepAlive and with no other goroutine in a call. nil after Free.
func (s *SSL) Handle() unsafe.Pointer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone() {
		return nil
	}
	return s.h.pointer()
}

// slicePointer has a type that says there are no Go pointers: for an unsafe.Pointer cgo would look
// through the object that p is a part of, which may have some, and panic.
func slicePointer(p []byte) *C.uchar { return (*C.uchar)(unsafe.SliceData(p)) }

func (h sslHandle) read(p []byte) int {
	collect()
	return int(C.gossl_read(h.p, slicePointer(p), C.size_t(len(p))))
}

func (h sslHandle) peek(p []byte) int {
	collect()
	return int(C.gossl_peek(h.p, slicePointer(p), C.size_t(len(p))))
}

func (h sslHandle) readBatch(p []byte, maxOut, maxKeyUpdates int) int {
	collect()
	return int(C.gossl_read_batch(h.p, slicePointer(p), C.size_t(len(p)), C.size_t(maxOut), C.uint(maxKeyUpdates)))
}

func (h sslHandle) write(p []byte) int {
	collect()
	return int(C.gossl_write(h.p, slicePointer(p), C.size_t(len(p))))
}

func (h sslHandle) feed(p []byte) bool {
	collect()
	return C.gossl_feed(h.p, slicePointer(p), C.size_t(len(p))) == 1
}

// take copies queued ciphertext out.
func (h sslHandle) take(p []byte) int {
	collect()
	b := &h.p.out
	n := copy(p, bufBytes(b))
	b.start += C.size_t(n)
	return n
}

func (h sslHandle) lastAnswer() Answer {
	return Answer{Ret: int(h.p.int_ret), Class: ErrorClass(h.p.int_err), Errno: int(h.p.sys)}
}

func (h sslHandle) setEmptyIn(a EmptyAnswer) {
	e := &h.p.in_answer
	e.on, e.ret, e.sys = 1, C.int(a.Ret), C.int(a.Errno)
	e.retry, e.eof = cbool(a.Retry), cbool(a.EOF)
}

func (h sslHandle) limitOut(n int, errno syscall.Errno) {
	h.p.out_bounded, h.p.out_sys = cbool(n >= 0), C.int(errno)
	h.p.out_limit = C.size_t(max(n, 0))
}

// clearQueues drops what either direction still holds.
func (h sslHandle) clearQueues() {
	h.p.in.start, h.p.in.end, h.p.in_eof, h.p.in_answer.on = 0, 0, 0, 0
	h.p.out.start, h.p.out.end = 0, 0
}

// dropOutBehind takes back what was sealed behind end, counted as outTotal, and has not left the
// out-queue. Nothing is behind an end that was taken back itself.
func (h sslHandle) dropOutBehind(end uint64) {
	if end >= h.outTotal() {
		return
	}
	n := uint64(h.p.out_total) - end
	h.p.out.end -= C.size_t(n)
	h.p.out_total = C.uint64_t(end)
}

// alertInClear puts the record of an alert into the out-queue. No call of libssl's makes one of our choice.
func (h sslHandle) alertInClear(a Alert) { C.gossl_alert_in_clear(h.p, C.int(a)) }

// refuseHello makes libssl answer the ClientHello that it waits at with an alert, in the next handshake call.
func (h sslHandle) refuseHello(a Alert) {
	h.p.hello_state, h.p.hello_alert = C.GOSSL_HELLO_REFUSED, C.int(a)
}

// dropOut takes back all that is in the out-queue.
func (h sslHandle) dropOut() { h.dropOutBehind(uint64(h.p.out_total) - uint64(h.outLen())) }

func bufBytes(b *C.gossl_buf) []byte {
	if b.p == nil {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(b.p)), int(b.cap))[b.start:b.end]
}

// inFree is the free part of the in-queue, at least room bytes, nil without memory. While the
// caller reads into it nobody else may feed, compact or free the queue.
func (h sslHandle) inFree(room int) []byte {
	collect()
	b := &h.p.in
	if b.start == b.end && h.p.in_hold == 0 {
		b.start, b.end = 0, 0
	}
	if int(b.cap-b.end) < room && C.gossl_grow(b, C.size_t(room), h.p.in_hold) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(b.p)), int(b.cap))[b.end:]
}

func (h sslHandle) inCommit(n int) { h.p.in.end += C.size_t(n) }

// held is how many bytes are kept to be read again.
func (h sslHandle) held() int {
	if h.p.in_hold == 0 {
		return 0
	}
	return int(h.p.in.end)
}

func (h sslHandle) inCap() int { return int(h.p.in.cap) }

// inRelease gives an empty in-queue's memory back.
func (h sslHandle) inRelease() {
	if h.p.in.p != nil && h.p.in.start == h.p.in.end && h.p.in_hold == 0 {
		C.gossl_buf_free(&h.p.in)
	}
}

// cBuf is a queue's memory on its own: what a flusher sends while the SSL fills another.
type cBuf struct{ b C.gossl_buf }

func (b *cBuf) bytes() []byte { return bufBytes(&b.b) }
func (b *cBuf) skip(n int)    { b.b.start += C.size_t(n) }
func (b *cBuf) len() int      { return int(b.b.end - b.b.start) }
func (b *cBuf) cap() int      { return int(b.b.cap) }
func (b *cBuf) free() {
	if b.b.p != nil {
		C.gossl_buf_free(&b.b)
	}
}

// swapOut exchanges the SSL's out-queue with b, which must be empty.
func (h sslHandle) swapOut(b *cBuf) {
	b.b.start, b.b.end = 0, 0
	h.p.out, b.b = b.b, h.p.out
}

// moveIn hands the in-queue of h, rewound to its first byte, to another SSL.
func (h sslHandle) moveIn(to sslHandle) {
	h.p.in.start = 0
	to.p.in, h.p.in = h.p.in, to.p.in
	to.p.in_eof = h.p.in_eof
}

// nextEvent removes the oldest event; ok is false when there is none.
func (h sslHandle) nextEvent() (ev rawEvent, ok bool) {
	collect()
	e := C.gossl_next_event(h.p)
	if e == nil {
		return rawEvent{}, false
	}
	return takeEvent(e), true
}

type rawEvent struct {
	kind    EventKind
	sent    bool
	version int
	ctype   int
	total   int
	data    []byte
	session *Session
}

func takeEvent(e *C.gossl_event) rawEvent {
	ev := rawEvent{kind: EventKind(e.kind), sent: e.sent != 0, version: int(e.version), ctype: int(e.content_type), total: int(e.total)}
	if e.len > 0 {
		ev.data = C.GoBytes(unsafe.Pointer(C.gossl_event_data(e)), C.int(e.len))
	}
	if e.session != nil {
		ev.session = newSession(e.session)
		e.session = nil
	}
	C.gossl_event_free(e)
	return ev
}

func takeEvents(e *C.gossl_event) []Event {
	var out []Event
	for e != nil {
		next := e.next
		out = append(out, takeEvent(e).public())
		e = next
	}
	return out
}

type helloInfo struct {
	name, id, alpn, suites, psks []byte
	compress, tls13              bool
}

func (h sslHandle) hello() helloInfo {
	collect()
	x := &h.p.hello
	bytes := func(p *C.uchar, n C.size_t) []byte { return C.GoBytes(unsafe.Pointer(p), C.int(n)) }
	return helloInfo{bytes(x.name, x.name_len), bytes(x.id, x.id_len), bytes(x.alpn, x.alpn_len),
		bytes(x.suites, x.suites_len), bytes(x.psks, x.psks_len), x.compress != 0, x.tls13 != 0}
}

// setFound is what get_session_cb answers in this handshake.
func (h sslHandle) setFound(s *Session) {
	C.SSL_SESSION_free(h.p.found)
	h.p.found = nil
	if s != nil {
		C.SSL_SESSION_up_ref(used(s.p))
		h.p.found = s.p
		runtime.KeepAlive(s)
	}
}

func (h sslHandle) setSession(s *Session) error {
	var p *C.SSL_SESSION
	if s != nil {
		p = s.p
	}
	ret := C.gossl_set_session(h.p, used(p))
	runtime.KeepAlive(s)
	if ret != 1 {
		return h.opError("SSL_set_session")
	}
	return nil
}

func (h sslHandle) useContextOf(s *Session) {
	C.gossl_session_context(used(s.p), h.p)
	runtime.KeepAlive(s)
}

// session is SSL_get1_session.
func (h sslHandle) session() *Session {
	collect()
	if p := C.SSL_get1_session(h.p.ssl); p != nil {
		return newSession(p)
	}
	return nil
}

// sessionIs reports whether s is the very session that the SSL uses.
func (h sslHandle) sessionIs(s *Session) bool { return C.SSL_get_session(h.p.ssl) == s.p }

// dropSession marks the session that the SSL uses as not resumable.
func (h sslHandle) dropSession() {
	if s := C.SSL_get_session(h.p.ssl); s != nil {
		var ok C.int
		freeEvents(C.gossl_ctx_remove_session(C.SSL_get_SSL_CTX(h.p.ssl), s, &ok))
	}
}

func freeEvents(e *C.gossl_event) {
	for e != nil {
		next := e.next
		C.gossl_event_free(e)
		e = next
	}
}

func (h sslHandle) setSNI(name string) error {
	collect()
	cs := C.CString(name)
	defer C.free(unsafe.Pointer(cs))
	var errs *C.gossl_errors
	if C.gossl_set_sni(h.p, cs, &errs) != 1 {
		return libraryError("SSL_set_tlsext_host_name", errs, nil)
	}
	return nil
}

func (h sslHandle) useCertificate(c *Certificate) error {
	collect()
	if c.p == nil {
		return callerError("certificate", ErrBadCertificate)
	}
	if c.signer != nil {
		if err := h.enableSigning(); err != nil {
			return err
		}
	}
	var errs *C.gossl_errors
	ok := C.gossl_use_cert(h.p, used(c.p), &errs)
	runtime.KeepAlive(c)
	if ok != 1 {
		return libraryError("SSL_use_cert_and_key", errs, nil)
	}
	return nil
}

func (h sslHandle) serverName() string {
	return C.GoString(C.SSL_get_servername(h.p.ssl, C.TLSEXT_NAMETYPE_host_name))
}

func (h sslHandle) alpn() string {
	var p *C.uchar
	var n C.uint
	C.SSL_get0_alpn_selected(h.p.ssl, &p, &n)
	return C.GoStringN((*C.char)(unsafe.Pointer(p)), C.int(n))
}

func (h sslHandle) cipher() (id uint16, name string) {
	c := C.SSL_get_current_cipher(h.p.ssl)
	if c == nil {
		return 0, ""
	}
	return uint16(C.SSL_CIPHER_get_protocol_id(c)), C.GoString(C.SSL_CIPHER_get_name(c))
}

func x509DER(x *C.X509) []byte {
	if x == nil {
		return nil
	}
	var out *C.uchar
	n := C.gossl_i2d_x509(x, &out)
	der := C.GoBytes(unsafe.Pointer(out), C.int(n))
	C.gossl_openssl_free(unsafe.Pointer(out))
	return der
}

func stackDER(st *C.struct_stack_st_X509) [][]byte {
	var out [][]byte
	for i := range int(C.gossl_x509_num(st)) {
		out = append(out, x509DER(C.gossl_x509_at(st, C.int(i))))
	}
	return out
}

// peerChain is the chain as the peer sent it, leaf first; after a resumption the leaf alone.
func (h sslHandle) peerChain() [][]byte {
	collect()
	leaf := C.gossl_peer_cert(h.p)
	if leaf == nil {
		return nil
	}
	defer C.X509_free(leaf)
	first := x509DER(leaf)
	out := [][]byte{first}
	for _, der := range stackDER(C.SSL_get_peer_cert_chain(h.p.ssl)) {
		// A server's peer chain leaves the leaf out, a client's has it first.
		if string(der) != string(first) {
			out = append(out, der)
		}
	}
	return out
}

// proof is what libssl made of the peer's certificate; ok is false when there is none.
func (h sslHandle) proof() (result int, ok bool) {
	collect()
	n := int(C.gossl_proof(h.p))
	return n, n >= 0
}

func (h sslHandle) verifiedChain() [][]byte { return stackDER(C.SSL_get0_verified_chain(h.p.ssl)) }

// binds reports whether the connection's secret is of its whole handshake (RFC 7627).
func (h sslHandle) binds() bool { return C.gossl_binds(h.p) == 1 }

func (h sslHandle) exportKeyingMaterial(label string, context []byte, n int) ([]byte, error) {
	collect()
	out := make([]byte, n)
	cs := C.CString(label)
	defer C.free(unsafe.Pointer(cs))
	var errs *C.gossl_errors
	if C.gossl_export_keying_material(h.p, slicePointer(out), C.size_t(n), cs, C.size_t(len(label)),
		slicePointer(context), C.size_t(len(context)), cbool(context != nil), &errs) != 1 {
		return nil, libraryError("SSL_export_keying_material", errs, nil)
	}
	return out, nil
}

// unsentBytes is what the kernel still holds of a socket's data, -1 where it does not say.
func unsentBytes(fd uintptr) int { return int(C.gossl_unsent(C.int(fd))) }

func liveLibrarySessions() int { return int(C.gossl_live_sessions()) }

func liveCAllocs() int { return int(C.gossl_live_allocs()) }
