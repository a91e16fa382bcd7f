//go:build cgo

package openssl

import (
	"fmt"
	"runtime/debug"
	"sync"
	"weak"

	root "github.com/golibssl/openssl"
)

// CallbackPanic is a panic in a callback that libssl had called. The handshake has failed for it, and the method that made the
// handshake panics with it.
type CallbackPanic struct {
	Callback string // VerifyCallback, TLSExtServernameCallback or TicketKeyManager
	Value    any    // what the callback panicked with
	Stack    []byte // where
}

func (p *CallbackPanic) Error() string {
	return fmt.Sprintf("panic in a %s: %v\n\n%s", p.Callback, p.Value, p.Stack)
}

// Unwrap returns Value where it is an error.
func (p *CallbackPanic) Unwrap() error {
	err, _ := p.Value.(error)
	return err
}

// guarded runs a function of the application; its panic is kept for raise.
func (s *SSL) guarded(name string, f func()) (err error) {
	defer func() {
		if v := recover(); v != nil {
			p := &CallbackPanic{Callback: name, Value: v, Stack: debug.Stack()}
			s.panicked.CompareAndSwap(nil, p)
			err = p
		}
	}()
	f()
	return nil
}

// raise raises the panic of a callback where the call that caused it has ended.
func (s *SSL) raise() {
	if s.panicked.Load() == nil {
		return
	}
	if p := s.panicked.Swap(nil); p != nil {
		panic(p)
	}
}

// hooks are what the root's Conn calls. They keep nothing of the connection in memory.
type hooks struct{ s weak.Pointer[SSL] }

func (s *SSL) hooks() hooks { return hooks{weak.Make(s)} }

// around runs one SSL_do_handshake.
func (h hooks) around(step *root.RawStep, p sslPtr) {
	s := h.s.Value()
	if s == nil {
		step.Run() // callbacks find nobody and refuse
		return
	}
	s.mu.Lock()
	ctx := s.ctx
	s.mu.Unlock()
	ctx.mu.RLock()
	defer ctx.mu.RUnlock()
	running(p, &call{s: s, ctx: ctx, step: step}, step.Run)
}

// hello asks the TLSExtServernameCallback.
func (h hooks) hello(hello *root.RawHello) error {
	s := h.s.Value()
	if s == nil {
		return errGone
	}
	s.mu.Lock()
	s.asking = hello
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.asking = nil
	}()
	if err := s.guarded("TLSExtServernameCallback", func() { hello.Answer = int(s.sni(s)) }); err != nil {
		return err
	}
	if m := s.misused.Load(); m != nil {
		return m
	}
	return nil
}

// call is one SSL_do_handshake, for the callbacks in it.
type call struct {
	s     *SSL
	ctx   *Ctx // its mu is held for reading
	step  *root.RawStep
	store *TicketStore
}

// outside runs a callback of the application without locks, and reports whether it returned.
func (c *call) outside(name string, f func()) (ok bool) {
	c.ctx.mu.RUnlock()
	defer c.ctx.mu.RLock()
	c.step.Unlocked(func() { ok = c.s.guarded(name, f) == nil })
	return ok
}

// verify asks the VerifyCallback.
func (c *call) verify(ok bool, p storeCtxPtr) bool {
	c.s.mu.Lock()
	cb := c.s.callback()
	c.s.mu.Unlock()
	if cb == nil {
		return ok
	}
	store := &CertificateStoreCtx{p: p}
	defer store.end()
	answer := false
	return c.outside("VerifyCallback", func() { answer = cb(ok, store) }) && answer
}

// CertificateStoreCtx is a verification under way, of use until the VerifyCallback that got it returns; afterwards it has
// nothing to tell.
type CertificateStoreCtx struct {
	mu sync.Mutex
	p  storeCtxPtr
}

func (csc *CertificateStoreCtx) end() {
	csc.mu.Lock()
	defer csc.mu.Unlock()
	csc.p = nil
}

func (csc *CertificateStoreCtx) ask(f func(p storeCtxPtr)) {
	if csc == nil {
		return
	}
	csc.mu.Lock()
	defer csc.mu.Unlock()
	if csc.p != nil {
		f(csc.p)
	}
}

// VerifyResult returns what is wrong, Ok for nothing.
//
// OpenSSL: X509_STORE_CTX_get_error(3).
func (csc *CertificateStoreCtx) VerifyResult() (result VerifyResult) {
	csc.ask(func(p storeCtxPtr) { result = storeCtxError(p) })
	return result
}

// Err returns what is wrong, a *VerifyError, or nil for nothing.
//
// OpenSSL: X509_STORE_CTX_get_error(3), X509_verify_cert_error_string(3).
func (csc *CertificateStoreCtx) Err() error { return csc.VerifyResult().err() }

// VerifyError is a certificate that was not accepted.
type VerifyError struct{ Result VerifyResult }

func (e *VerifyError) Error() string { return "openssl: " + VerifyCertErrorString(e.Result) }

func (r VerifyResult) err() error {
	if r == Ok {
		return nil
	}
	return &VerifyError{r}
}

// Depth returns how far the certificate stands from the peer's own, which has 0.
//
// OpenSSL: X509_STORE_CTX_get_error_depth(3).
func (csc *CertificateStoreCtx) Depth() (depth int) {
	csc.ask(func(p storeCtxPtr) { depth = storeCtxDepth(p) })
	return depth
}

// GetCurrentCert returns the certificate in question, or nil where there is none. It may be kept.
//
// OpenSSL: X509_STORE_CTX_get_current_cert(3).
func (csc *CertificateStoreCtx) GetCurrentCert() (cert *Certificate) {
	csc.ask(func(p storeCtxPtr) {
		if x := storeCtxCert(p); x != nil {
			cert = newCertificate(x)
		}
	})
	return cert
}
