package openssl

/*
#include <stdlib.h>
#include "libssl.h"
*/
import "C"

import (
	"runtime"
	"strconv"
	"strings"
	"unsafe"
)

// What connections and contexts have only when Config asks for it.

// ---- keys in Go ----

func canSign() bool { return C.gossl_can_sign() == 1 }

func signerCertificate(chain [][]byte, spki []byte, id uint64) (*Certificate, error) {
	all, lens := flatten(chain)
	var errs *C.gossl_errors
	p := C.gossl_cert_signer(slicePointer(all), unsafe.SliceData(lens), C.size_t(len(chain)),
		slicePointer(spki), C.size_t(len(spki)), C.uint64_t(id), &errs)
	if p == nil {
		return nil, libraryError("certificate", errs, ErrBadCertificate)
	}
	return newCertificate(p), nil
}

func (c *Certificate) maySignUnder(properties string) bool {
	text, free := optString(properties)
	defer free()
	defer runtime.KeepAlive(c)
	return C.gossl_sign_allowed(c.p, text) == 1
}

func flatten(chain [][]byte) (all []byte, lens []C.size_t) {
	lens = make([]C.size_t, len(chain), len(chain)+1)
	for i, der := range chain {
		all = append(all, der...)
		lens[i] = C.size_t(len(der))
	}
	return all, lens
}

// enableSigning has the handshake run in a job that a signature can pause.
func (h sslHandle) enableSigning() error {
	if h.p.sign != nil {
		return nil
	}
	worker := signing.hire()
	if C.gossl_sign_enable(h.p, C.int(worker)) != 1 {
		signing.leave()
		return &Error{Op: "SSL_set_mode", Origin: FromLibrary, Err: errNoMemory}
	}
	return nil
}

func (h sslHandle) signingHandshake() (ret int) {
	signing.run(int(h.p.sign.worker), func() { ret = int(C.gossl_handshake(h.p)) })
	return ret
}

// endSigning: no call after the handshake has to run in a job, and no job may stay paused.
func (h sslHandle) endSigning() {
	if h.p.sign == nil {
		return
	}
	signing.run(int(h.p.sign.worker), func() { C.gossl_sign_end(h.p) })
	signing.leave()
}

func (h sslHandle) signRequest() (signRequest, bool) {
	s := h.p.sign
	if s == nil || s.state != C.GOSSL_SIGN_ASK {
		return signRequest{}, false
	}
	return signRequest{id: uint64(s.key), digest: C.GoString(&s.md[0]), pss: s.pss != 0,
		message: C.GoBytes(unsafe.Pointer(s.tbs), C.int(s.tbs_len))}, true
}

// answerSign gives the signature to the paused job; an empty one refuses.
func (h sslHandle) answerSign(sig []byte) {
	C.gossl_sign_answer(h.p, slicePointer(sig), C.size_t(len(sig)))
}

// ---- providers ----

func certificateURI(cert, key string) (*Certificate, error) {
	a, b := C.CString(cert), C.CString(key)
	defer C.free(unsafe.Pointer(a))
	defer C.free(unsafe.Pointer(b))
	var errs *C.gossl_errors
	p := C.gossl_cert_uri(a, b, &errs)
	if p == nil {
		return nil, libraryError("certificate", errs, ErrBadCertificate)
	}
	return newCertificate(p), nil
}

func loadProvider(name string) error {
	cs := C.CString(name)
	defer C.free(unsafe.Pointer(cs))
	var errs *C.gossl_errors
	if C.gossl_load_provider(cs, &errs) != 1 {
		return libraryError("OSSL_PROVIDER_try_load", errs, nil)
	}
	return nil
}

func providerNames() string {
	p := C.gossl_providers()
	defer C.gossl_release(unsafe.Pointer(p))
	return C.GoString(p)
}

func fipsEnabled() bool { return C.gossl_fips() == 1 }

func (c *ctxHandle) securityLevel() int { return int(C.SSL_CTX_get_security_level(c.p)) }

// ---- policy ----

func modulesDir() string { return C.GoString(C.gossl_modules_dir()) }

func confCommands() (file string, lines []confLine, err error) {
	var text *C.char
	var n C.size_t
	var errs *C.gossl_errors
	name := C.gossl_conf_file()
	if name == nil {
		return "", nil, &Error{Op: "openssl.cnf", Origin: FromLibrary, Err: errNoMemory}
	}
	defer C.gossl_openssl_free(unsafe.Pointer(name))
	file = C.GoString(name)
	ok := C.gossl_conf_commands(name, &text, &n, &errs)
	defer C.gossl_release(unsafe.Pointer(text))
	if ok != 1 {
		return file, nil, libraryError("openssl.cnf", errs, ErrConfig)
	}
	words := strings.Split(C.GoStringN(text, C.int(n)), "\x00")
	for len(words) > 3 {
		ret, _ := strconv.Atoi(words[2])
		lines = append(lines, confLine{words[0], words[1], ret})
		words = words[3:]
	}
	return file, lines, nil
}

func (c *ctxHandle) cipherSuites() (out []CipherSuite) {
	for i := range int(C.gossl_ctx_cipher_num(c.p)) {
		s := C.gossl_ctx_cipher_at(c.p, C.int(i))
		out = append(out, CipherSuite{uint16(C.SSL_CIPHER_get_protocol_id(s)), C.GoString(C.SSL_CIPHER_standard_name(s))})
	}
	return out
}

// ---- what some versions have ----

func hasGroup(name string) bool {
	cs := C.CString(name)
	defer C.free(unsafe.Pointer(cs))
	return C.gossl_has_group(cs) == 1
}

func isStaple(der []byte) bool {
	return C.gossl_staple_parses(slicePointer(der), C.size_t(len(der))) == 1
}

func (c *Certificate) setStaple(der []byte) bool {
	defer runtime.KeepAlive(c)
	return C.gossl_staple_set(c.p.leaf, slicePointer(der), C.size_t(len(der))) == 1
}

func (h sslHandle) staple() []byte {
	var p *C.uchar
	n := C.gossl_staple_got(h.p, &p)
	if n == 0 {
		return nil
	}
	return C.GoBytes(unsafe.Pointer(p), C.int(n))
}

func (h sslHandle) askPSK() { C.gossl_psk_ask(h.p) }

func (h sslHandle) setPSK(identity, key []byte, sha384 bool) bool {
	return C.gossl_psk_set(h.p, slicePointer(identity), C.size_t(len(identity)), slicePointer(key), C.size_t(len(key)), cbool(sha384)) == 1
}

func (h sslHandle) pskUsed() bool { return h.p.psk != nil && C.gossl_psk_used(h.p) == 1 }

func (h sslHandle) pskIdentity() []byte {
	k := h.p.psk
	return C.GoBytes(unsafe.Pointer(C.gossl_psk_identity(k)), C.int(k.n))
}

func canRPK() bool { return C.gossl_can_rpk() == 1 }

func (h sslHandle) setRPK(show, want bool) bool {
	return C.gossl_rpk(h.p, cbool(show), cbool(want)) == 1
}

// peerRPK is the SubjectPublicKeyInfo of a peer that has shown its key alone.
func (h sslHandle) peerRPK() []byte {
	var out *C.uchar
	n := C.gossl_peer_rpk(h.p, &out)
	defer C.gossl_openssl_free(unsafe.Pointer(out))
	if n == 0 {
		return nil
	}
	return C.GoBytes(unsafe.Pointer(out), C.int(n))
}

func hasCompression(alg int) bool { return C.gossl_has_compression(C.int(alg)) == 1 }

func (c *ctxHandle) compress(algs []int, hasCerts bool) bool {
	list := make([]C.int, len(algs))
	for i, alg := range algs {
		list[i] = C.int(alg)
	}
	return C.gossl_ctx_compress(c.p, unsafe.SliceData(list), C.size_t(len(list)), cbool(hasCerts)) == 1
}

// compress is k's form by one algorithm, ok where it is shorter.
func (h sslHandle) compress(k *Certificate, alg int) (f compressedForm, ok bool) {
	var out *C.uchar
	var plain C.size_t
	n := C.gossl_compress(h.p, used(k.p), C.int(alg), &out, &plain)
	defer C.gossl_openssl_free(unsafe.Pointer(out))
	runtime.KeepAlive(k)
	if n == 0 {
		return f, false
	}
	return compressedForm{alg, C.GoBytes(unsafe.Pointer(out), C.int(n)), int(plain)}, true
}

func (h sslHandle) useCompressed(f compressedForm) {
	C.gossl_use_compressed(h.p, C.int(f.alg), slicePointer(f.data), C.size_t(len(f.data)), C.size_t(f.plain))
}

// ---- Encrypted ClientHello ----

func canECH() bool { return C.gossl_can_ech() == 1 }

// echStore is an OSSL_ECHSTORE, read-only once made.
type echStore struct {
	p *C.gossl_ech
	_ notTiny
}

func newECHStore(p *C.gossl_ech) *echStore {
	st := &echStore{p: p}
	runtime.AddCleanup(st, func(p *C.gossl_ech) { C.gossl_ech_free(p) }, p)
	return st
}

func echList(list []byte) (*echStore, error) {
	var errs *C.gossl_errors
	p := C.gossl_ech_list(slicePointer(list), C.size_t(len(list)), &errs)
	if p == nil {
		return nil, libraryError("OSSL_ECHSTORE_read_echconfiglist", errs, ErrConfig)
	}
	return newECHStore(p), nil
}

func echKeys(pems [][]byte, retry []bool) (*echStore, error) {
	all, lens := flatten(pems)
	defer clear(all)
	flags := make([]C.int, len(retry))
	for i, on := range retry {
		flags[i] = cbool(on)
	}
	var errs *C.gossl_errors
	p := C.gossl_ech_keys(slicePointer(all), unsafe.SliceData(lens), unsafe.SliceData(flags), C.size_t(len(pems)), &errs)
	if p == nil {
		return nil, libraryError("OSSL_ECHSTORE_read_pem", errs, ErrConfig)
	}
	return newECHStore(p), nil
}

func (h sslHandle) useECH(st *echStore) bool {
	defer runtime.KeepAlive(st)
	return C.gossl_ech_use(h.p, st.p) == 1
}

func (h sslHandle) echAccepted() bool { return C.gossl_ech_accepted(h.p) == 1 }

// echRetry is the ECHConfigList that a server sent with its rejection.
func (h sslHandle) echRetry() []byte {
	var out *C.uchar
	n := C.gossl_ech_retry(h.p, &out)
	defer C.gossl_openssl_free(unsafe.Pointer(out))
	if n == 0 {
		return nil
	}
	return C.GoBytes(unsafe.Pointer(out), C.int(n))
}
