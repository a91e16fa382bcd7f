package openssl

/*
#cgo !openssl_static pkg-config: libcrypto
#cgo openssl_static pkg-config: --static libcrypto

#include <stdlib.h>
#include "legacy.h"

#cgo noescape legacy_queue_free
#cgo nocallback legacy_queue_free
#cgo noescape legacy_bytes_free
#cgo nocallback legacy_bytes_free
#cgo noescape legacy_pending
#cgo nocallback legacy_pending
#cgo noescape legacy_md
#cgo nocallback legacy_md
#cgo noescape legacy_md_by_name
#cgo nocallback legacy_md_by_name
#cgo noescape legacy_md_size
#cgo nocallback legacy_md_size
#cgo noescape legacy_short_name
#cgo nocallback legacy_short_name
#cgo noescape legacy_digest
#cgo nocallback legacy_digest
#cgo noescape legacy_digest_new
#cgo nocallback legacy_digest_new
#cgo noescape legacy_digest_reset
#cgo nocallback legacy_digest_reset
#cgo noescape legacy_digest_write
#cgo nocallback legacy_digest_write
#cgo noescape legacy_digest_sum
#cgo nocallback legacy_digest_sum
#cgo noescape legacy_digest_free
#cgo nocallback legacy_digest_free
#cgo noescape legacy_hmac_new
#cgo nocallback legacy_hmac_new
#cgo noescape legacy_hmac_reset
#cgo nocallback legacy_hmac_reset
#cgo noescape legacy_hmac_write
#cgo nocallback legacy_hmac_write
#cgo noescape legacy_hmac_sum
#cgo nocallback legacy_hmac_sum
#cgo noescape legacy_hmac_drop
#cgo nocallback legacy_hmac_drop
#cgo noescape legacy_cipher_by_name
#cgo nocallback legacy_cipher_by_name
#cgo noescape legacy_gcm
#cgo nocallback legacy_gcm
#cgo noescape legacy_cipher_sizes
#cgo nocallback legacy_cipher_sizes
#cgo noescape legacy_cipher_new
#cgo nocallback legacy_cipher_new
#cgo noescape legacy_cipher_update
#cgo nocallback legacy_cipher_update
#cgo noescape legacy_cipher_aad
#cgo nocallback legacy_cipher_aad
#cgo noescape legacy_cipher_final
#cgo nocallback legacy_cipher_final
#cgo noescape legacy_cipher_get_tag
#cgo nocallback legacy_cipher_get_tag
#cgo noescape legacy_cipher_set_tag
#cgo nocallback legacy_cipher_set_tag
#cgo noescape legacy_cipher_padding
#cgo nocallback legacy_cipher_padding
#cgo noescape legacy_cipher_free
#cgo nocallback legacy_cipher_free
#cgo noescape legacy_engine_new
#cgo nocallback legacy_engine_new
#cgo noescape legacy_engine_free
#cgo nocallback legacy_engine_free
#cgo noescape legacy_have_engines
#cgo nocallback legacy_have_engines
#cgo noescape legacy_fips_set
#cgo nocallback legacy_fips_set
#cgo noescape legacy_fips_get
#cgo nocallback legacy_fips_get
#cgo noescape legacy_fips_defined
#cgo nocallback legacy_fips_defined
#cgo noescape legacy_object_create
#cgo nocallback legacy_object_create
*/
import "C"

import (
	"runtime"
	"sync/atomic"
	"unsafe"
)

// The C types that the other files name.
type (
	mdPtr     = *C.EVP_MD
	cipherPtr = *C.EVP_CIPHER
	enginePtr = *C.ENGINE
	queuePtr  = *C.legacy_queue
)

// BuildVersion is the text of the OpenSSL whose headers this program was compiled with.
//
// OpenSSL: OPENSSL_VERSION_TEXT.
const BuildVersion string = C.OPENSSL_VERSION_TEXT

// VersionNumber is the number of the OpenSSL that is loaded, such as 0x300000d0.
//
// OpenSSL: OpenSSL_version_num(3).
var VersionNumber uint32 = uint32(C.OpenSSL_version_num())

// Method is a digest to sign with. Its only values are SHA1_Method, SHA256_Method, SHA512_Method and, for keys that
// choose their own digest such as Ed25519, nil.
type Method *C.EVP_MD

// The digests to sign with.
var (
	SHA1_Method   Method = C.legacy_md(C.LEGACY_MD_SHA1)
	SHA256_Method Method = C.legacy_md(C.LEGACY_MD_SHA256)
	SHA512_Method Method = C.legacy_md(C.LEGACY_MD_SHA512)
)

// handle is one C object, nil when it has been freed. The cleanup of the Go object that owns it reads it from
// another goroutine.
type handle struct{ p unsafe.Pointer }

func (h *handle) load() unsafe.Pointer {
	if h == nil {
		return nil
	}
	p := atomic.LoadPointer(&h.p)
	stress()
	return p
}

func (h *handle) store(p unsafe.Pointer) { atomic.StorePointer(&h.p, p) }

func (h *handle) free(with func(unsafe.Pointer)) {
	if h == nil {
		return
	}
	if p := atomic.SwapPointer(&h.p, nil); p != nil {
		with(p)
	}
}

// queueError makes op's error of a failed call's queue and frees the queue.
func queueError(op string, q queuePtr) *Error {
	e := &Error{Op: op, Queue: make([]QueueEntry, q.n), unsupported: q.unsupported != 0}
	for i := range e.Queue {
		c := &q.e[i]
		e.Queue[i] = QueueEntry{
			Code: uint64(c.code), Lib: int(c.lib), Reason: int(c.reason),
			Library: C.GoString(&c.library[0]), Text: C.GoString(&c.text[0]), Data: C.GoString(&c.data[0]),
		}
	}
	C.legacy_queue_free(q)
	return e
}

// pendingErrors reports whether this thread's error queue holds anything. It serves the tests, which cannot
// import "C".
func pendingErrors() bool { return C.legacy_pending() != 0 }

// takeBytes copies b and frees it.
func takeBytes(b C.legacy_bytes) []byte {
	out := make([]byte, b.n)
	copy(out, unsafe.Slice((*byte)(b.p), b.n))
	C.legacy_bytes_free(b)
	return out
}

func bytePtr(b []byte) *C.uchar { return (*C.uchar)(unsafe.SliceData(b)) }

func anyPtr(b []byte) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(b)) }

func freeString(p *C.char) { C.free(unsafe.Pointer(p)) }

func mdByNumber(which EVP_MD) mdPtr { return C.legacy_md(C.int(which)) }

func mdByName(name string) mdPtr {
	p := C.CString(name)
	defer freeString(p)
	return C.legacy_md_by_name(p)
}

func mdSize(md mdPtr) int { return int(C.legacy_md_size(md)) }

func shortName(nid NID) (string, bool) {
	p := C.legacy_short_name(C.int(nid))
	if p == nil {
		return "", false
	}
	return C.GoString(p), true
}

func createObject(oid, short, long string) NID {
	o := C.CString(oid)
	defer freeString(o)
	s := C.CString(short)
	defer freeString(s)
	l := C.CString(long)
	defer freeString(l)
	var nid C.int
	if q := C.legacy_object_create(&nid, o, s, l); q != nil {
		C.legacy_queue_free(q)
		return NID_undef
	}
	return NID(nid)
}

func digestOnce(md mdPtr, data, out []byte) queuePtr {
	return C.legacy_digest(md, anyPtr(data), C.size_t(len(data)), bytePtr(out))
}

func digestNew(md mdPtr, engine *Engine) (unsafe.Pointer, queuePtr) {
	var ctx *C.EVP_MD_CTX
	q := C.legacy_digest_new(&ctx, md, engine.ptr())
	runtime.KeepAlive(engine)
	return unsafe.Pointer(ctx), q
}

func digestReset(ctx unsafe.Pointer) queuePtr { return C.legacy_digest_reset((*C.EVP_MD_CTX)(ctx)) }

func digestWrite(ctx unsafe.Pointer, data []byte) queuePtr {
	return C.legacy_digest_write((*C.EVP_MD_CTX)(ctx), anyPtr(data), C.size_t(len(data)))
}

func digestSum(ctx unsafe.Pointer, out []byte) queuePtr {
	return C.legacy_digest_sum((*C.EVP_MD_CTX)(ctx), bytePtr(out))
}

func digestFree(ctx unsafe.Pointer) { C.legacy_digest_free((*C.EVP_MD_CTX)(ctx)) }

func hmacNew(md mdPtr, engine *Engine, key []byte) (unsafe.Pointer, queuePtr) {
	var mac *C.legacy_hmac
	q := C.legacy_hmac_new(&mac, md, engine.ptr(), anyPtr(key), C.size_t(len(key)))
	runtime.KeepAlive(engine)
	return unsafe.Pointer(mac), q
}

func hmacReset(mac unsafe.Pointer) queuePtr { return C.legacy_hmac_reset((*C.legacy_hmac)(mac)) }

func hmacWrite(mac unsafe.Pointer, data []byte) queuePtr {
	return C.legacy_hmac_write((*C.legacy_hmac)(mac), anyPtr(data), C.size_t(len(data)))
}

func hmacSum(mac unsafe.Pointer, out []byte) queuePtr {
	return C.legacy_hmac_sum((*C.legacy_hmac)(mac), bytePtr(out), C.size_t(len(out)))
}

func hmacFree(mac unsafe.Pointer) { C.legacy_hmac_drop((*C.legacy_hmac)(mac)) }

func cipherByName(name string) cipherPtr {
	p := C.CString(name)
	defer freeString(p)
	return C.legacy_cipher_by_name(p)
}

func gcmCipher(bits int) cipherPtr { return C.legacy_gcm(C.int(bits)) }

func sizesOf(cipher cipherPtr) cipherSizes {
	var s C.legacy_sizes
	C.legacy_cipher_sizes(cipher, &s)
	return cipherSizes{nid: NID(s.nid), block: int(s.block), key: int(s.key), iv: int(s.iv)}
}

func cipherNew(cipher cipherPtr, engine *Engine, encrypt bool, key, iv []byte, ivLen int) (unsafe.Pointer, queuePtr) {
	var ctx *C.EVP_CIPHER_CTX
	var direction C.int
	if encrypt {
		direction = 1
	}
	q := C.legacy_cipher_new(&ctx, cipher, engine.ptr(), direction, bytePtr(key), bytePtr(iv), C.int(ivLen))
	runtime.KeepAlive(engine)
	return unsafe.Pointer(ctx), q
}

func cipherUpdate(ctx unsafe.Pointer, in, out []byte) (int, queuePtr) {
	var n C.size_t
	q := C.legacy_cipher_update((*C.EVP_CIPHER_CTX)(ctx), bytePtr(in), C.size_t(len(in)), bytePtr(out), &n)
	return int(n), q
}

func cipherAAD(ctx unsafe.Pointer, in []byte) queuePtr {
	return C.legacy_cipher_aad((*C.EVP_CIPHER_CTX)(ctx), bytePtr(in), C.size_t(len(in)))
}

func cipherFinal(ctx unsafe.Pointer, out []byte) (int, queuePtr) {
	var n C.int
	q := C.legacy_cipher_final((*C.EVP_CIPHER_CTX)(ctx), bytePtr(out), &n)
	return int(n), q
}

func cipherGetTag(ctx unsafe.Pointer, tag []byte) queuePtr {
	return C.legacy_cipher_get_tag((*C.EVP_CIPHER_CTX)(ctx), bytePtr(tag), C.int(len(tag)))
}

func cipherSetTag(ctx unsafe.Pointer, tag []byte) queuePtr {
	return C.legacy_cipher_set_tag((*C.EVP_CIPHER_CTX)(ctx), bytePtr(tag), C.int(len(tag)))
}

func cipherPadding(ctx unsafe.Pointer, on bool) {
	var flag C.int
	if on {
		flag = 1
	}
	C.legacy_cipher_padding((*C.EVP_CIPHER_CTX)(ctx), flag)
}

func cipherFree(ctx unsafe.Pointer) { C.legacy_cipher_free((*C.EVP_CIPHER_CTX)(ctx)) }

func haveEngines() bool { return C.legacy_have_engines() != 0 }

func engineNew(id string) (engine enginePtr, found bool, q queuePtr) {
	p := C.CString(id)
	defer freeString(p)
	var n C.int
	q = C.legacy_engine_new(&engine, p, &n)
	return engine, n != 0, q
}

func engineFree(engine enginePtr) { C.legacy_engine_free(engine) }

func fipsSet(on bool) queuePtr {
	var flag C.int
	if on {
		flag = 1
	}
	return C.legacy_fips_set(flag)
}

func fipsGet() bool { return C.legacy_fips_get() != 0 }

func fipsDefined() bool { return C.legacy_fips_defined() != 0 }
