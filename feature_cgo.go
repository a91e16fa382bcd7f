package openssl

/*
#include <stdlib.h>
#include "libssl.h"
*/
import "C"

import "unsafe"

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
