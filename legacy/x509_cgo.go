package openssl

/*
#include <stdlib.h>
#include "legacy.h"

#cgo noescape legacy_engine_key
#cgo noescape legacy_key_load
#cgo nocallback legacy_key_load
#cgo noescape legacy_key_marshal
#cgo nocallback legacy_key_marshal
#cgo noescape legacy_key_rsa
#cgo nocallback legacy_key_rsa
#cgo noescape legacy_key_ec
#cgo nocallback legacy_key_ec
#cgo noescape legacy_key_raw
#cgo nocallback legacy_key_raw
#cgo noescape legacy_key_sign
#cgo nocallback legacy_key_sign
#cgo noescape legacy_key_verify
#cgo nocallback legacy_key_verify
#cgo noescape legacy_key_derive
#cgo nocallback legacy_key_derive
#cgo noescape legacy_dh_load
#cgo nocallback legacy_dh_load
#cgo noescape legacy_key_id
#cgo nocallback legacy_key_id
#cgo noescape legacy_key_base_id
#cgo nocallback legacy_key_base_id
#cgo noescape legacy_key_size
#cgo nocallback legacy_key_size
#cgo noescape legacy_key_equal
#cgo nocallback legacy_key_equal
#cgo noescape legacy_key_free
#cgo nocallback legacy_key_free
#cgo noescape legacy_name_new
#cgo nocallback legacy_name_new
#cgo noescape legacy_name_add
#cgo nocallback legacy_name_add
#cgo noescape legacy_name_get
#cgo nocallback legacy_name_get
#cgo noescape legacy_name_print
#cgo nocallback legacy_name_print
#cgo noescape legacy_name_free
#cgo nocallback legacy_name_free
#cgo noescape legacy_cert_new
#cgo nocallback legacy_cert_new
#cgo noescape legacy_cert_load
#cgo nocallback legacy_cert_load
#cgo noescape legacy_cert_marshal
#cgo nocallback legacy_cert_marshal
#cgo noescape legacy_cert_set_name
#cgo nocallback legacy_cert_set_name
#cgo noescape legacy_cert_set_serial
#cgo nocallback legacy_cert_set_serial
#cgo noescape legacy_cert_set_time
#cgo nocallback legacy_cert_set_time
#cgo noescape legacy_cert_set_key
#cgo nocallback legacy_cert_set_key
#cgo noescape legacy_cert_set_version
#cgo nocallback legacy_cert_set_version
#cgo noescape legacy_cert_sign
#cgo nocallback legacy_cert_sign
#cgo noescape legacy_cert_add_ext
#cgo nocallback legacy_cert_add_ext
#cgo noescape legacy_cert_add_raw_ext
#cgo nocallback legacy_cert_add_raw_ext
#cgo noescape legacy_cert_get_ext
#cgo nocallback legacy_cert_get_ext
#cgo noescape legacy_cert_key
#cgo nocallback legacy_cert_key
#cgo noescape legacy_cert_serial
#cgo nocallback legacy_cert_serial
#cgo noescape legacy_cert_digest
#cgo nocallback legacy_cert_digest
#cgo noescape legacy_cert_version
#cgo nocallback legacy_cert_version
#cgo noescape legacy_cert_free
#cgo nocallback legacy_cert_free
#cgo noescape legacy_store_new
#cgo nocallback legacy_store_new
#cgo noescape legacy_store_add
#cgo nocallback legacy_store_add
#cgo noescape legacy_store_flags
#cgo nocallback legacy_store_flags
#cgo noescape legacy_store_lookup
#cgo nocallback legacy_store_lookup
#cgo noescape legacy_lookup_crl
#cgo nocallback legacy_lookup_crl
#cgo noescape legacy_store_free
#cgo nocallback legacy_store_free
#cgo noescape legacy_verify_text
#cgo nocallback legacy_verify_text
*/
import "C"

import (
	"runtime"
	"unsafe"
)

// The C types that the other files name.
type (
	pkeyPtr   = *C.EVP_PKEY
	namePtr   = *C.X509_NAME
	certPtr   = *C.X509
	storePtr  = *C.X509_STORE
	lookupPtr = *C.X509_LOOKUP
)

// VerifyResult is the outcome of a certificate's verification.
type VerifyResult int

// The outcomes, with the numbers of the OpenSSL this was compiled with: InvalidCa is 24 on 1.1.1 and 79 from 3.0 on.
const (
	Ok                                          VerifyResult = C.X509_V_OK
	SuiteBUnspecifiedError                      VerifyResult = C.X509_V_ERR_UNSPECIFIED
	UnableToGetIssuerCert                       VerifyResult = C.X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT
	UnableToGetCrl                              VerifyResult = C.X509_V_ERR_UNABLE_TO_GET_CRL
	UnableToDecryptCertSignature                VerifyResult = C.X509_V_ERR_UNABLE_TO_DECRYPT_CERT_SIGNATURE
	UnableToDecryptCrlSignature                 VerifyResult = C.X509_V_ERR_UNABLE_TO_DECRYPT_CRL_SIGNATURE
	UnableToDecodeIssuerPublicKey               VerifyResult = C.X509_V_ERR_UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY
	CertSignatureFailure                        VerifyResult = C.X509_V_ERR_CERT_SIGNATURE_FAILURE
	CrlSignatureFailure                         VerifyResult = C.X509_V_ERR_CRL_SIGNATURE_FAILURE
	CertNotYetValid                             VerifyResult = C.X509_V_ERR_CERT_NOT_YET_VALID
	CertHasExpired                              VerifyResult = C.X509_V_ERR_CERT_HAS_EXPIRED
	CrlNotYetValid                              VerifyResult = C.X509_V_ERR_CRL_NOT_YET_VALID
	CrlHasExpired                               VerifyResult = C.X509_V_ERR_CRL_HAS_EXPIRED
	ErrorInCertNotBeforeField                   VerifyResult = C.X509_V_ERR_ERROR_IN_CERT_NOT_BEFORE_FIELD
	ErrorInCertNotAfterField                    VerifyResult = C.X509_V_ERR_ERROR_IN_CERT_NOT_AFTER_FIELD
	ErrorInCrlLastUpdateField                   VerifyResult = C.X509_V_ERR_ERROR_IN_CRL_LAST_UPDATE_FIELD
	ErrorInCrlNextUpdateField                   VerifyResult = C.X509_V_ERR_ERROR_IN_CRL_NEXT_UPDATE_FIELD
	OutOfMem                                    VerifyResult = C.X509_V_ERR_OUT_OF_MEM
	DepthZeroSelfSignedCert                     VerifyResult = C.X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT
	SelfSignedCertInChain                       VerifyResult = C.X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN
	UnableToGetIssuerCertLocally                VerifyResult = C.X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY
	UnableToVerifyLeafSignature                 VerifyResult = C.X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE
	CertChainTooLong                            VerifyResult = C.X509_V_ERR_CERT_CHAIN_TOO_LONG
	CertRevoked                                 VerifyResult = C.X509_V_ERR_CERT_REVOKED
	PathLengthExceeded                          VerifyResult = C.X509_V_ERR_PATH_LENGTH_EXCEEDED
	InvalidPurpose                              VerifyResult = C.X509_V_ERR_INVALID_PURPOSE
	CertUntrusted                               VerifyResult = C.X509_V_ERR_CERT_UNTRUSTED
	CertRejected                                VerifyResult = C.X509_V_ERR_CERT_REJECTED
	SubjectIssuerMismatch                       VerifyResult = C.X509_V_ERR_SUBJECT_ISSUER_MISMATCH
	AkidSkidMismatch                            VerifyResult = C.X509_V_ERR_AKID_SKID_MISMATCH
	AkidIssuerSerialMismatch                    VerifyResult = C.X509_V_ERR_AKID_ISSUER_SERIAL_MISMATCH
	KeyusageNoCertsign                          VerifyResult = C.X509_V_ERR_KEYUSAGE_NO_CERTSIGN
	UnableToGetCrlIssuer                        VerifyResult = C.X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER
	UnhandledCriticalExtension                  VerifyResult = C.X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION
	KeyusageNoCrlSign                           VerifyResult = C.X509_V_ERR_KEYUSAGE_NO_CRL_SIGN
	UnhandledCriticalCrlExtension               VerifyResult = C.X509_V_ERR_UNHANDLED_CRITICAL_CRL_EXTENSION
	InvalidNonCa                                VerifyResult = C.X509_V_ERR_INVALID_NON_CA
	ProxyPathLengthExceeded                     VerifyResult = C.X509_V_ERR_PROXY_PATH_LENGTH_EXCEEDED
	KeyusageNoDigitalSignature                  VerifyResult = C.X509_V_ERR_KEYUSAGE_NO_DIGITAL_SIGNATURE
	ProxyCertificatesNotAllowed                 VerifyResult = C.X509_V_ERR_PROXY_CERTIFICATES_NOT_ALLOWED
	InvalidExtension                            VerifyResult = C.X509_V_ERR_INVALID_EXTENSION
	InvalidPolicyExtension                      VerifyResult = C.X509_V_ERR_INVALID_POLICY_EXTENSION
	NoExplicitPolicy                            VerifyResult = C.X509_V_ERR_NO_EXPLICIT_POLICY
	RevocationListDifferentScope                VerifyResult = C.X509_V_ERR_DIFFERENT_CRL_SCOPE
	UnsupportedExtensionFeature                 VerifyResult = C.X509_V_ERR_UNSUPPORTED_EXTENSION_FEATURE
	UnnestedResource                            VerifyResult = C.X509_V_ERR_UNNESTED_RESOURCE
	PermittedViolation                          VerifyResult = C.X509_V_ERR_PERMITTED_VIOLATION
	ExcludedViolation                           VerifyResult = C.X509_V_ERR_EXCLUDED_VIOLATION
	SubTreMinMax                                VerifyResult = C.X509_V_ERR_SUBTREE_MINMAX
	ApplicationVerification                     VerifyResult = C.X509_V_ERR_APPLICATION_VERIFICATION
	UnsupportedConstraintType                   VerifyResult = C.X509_V_ERR_UNSUPPORTED_CONSTRAINT_TYPE
	UnsupportedConstraintSyntax                 VerifyResult = C.X509_V_ERR_UNSUPPORTED_CONSTRAINT_SYNTAX
	UnsupportedNameSyntax                       VerifyResult = C.X509_V_ERR_UNSUPPORTED_NAME_SYNTAX
	RevocationListPathValidationError           VerifyResult = C.X509_V_ERR_CRL_PATH_VALIDATION_ERROR
	PathLoopError                               VerifyResult = C.X509_V_ERR_PATH_LOOP
	SuiteBInvalidVersion                        VerifyResult = C.X509_V_ERR_SUITE_B_INVALID_VERSION
	SuiteBInvalidAlgorithm                      VerifyResult = C.X509_V_ERR_SUITE_B_INVALID_ALGORITHM
	SuiteBInvalidCurve                          VerifyResult = C.X509_V_ERR_SUITE_B_INVALID_CURVE
	SuiteBInvalidSignatureAlgorithm             VerifyResult = C.X509_V_ERR_SUITE_B_INVALID_SIGNATURE_ALGORITHM
	SuiteBLosNotAllowed                         VerifyResult = C.X509_V_ERR_SUITE_B_LOS_NOT_ALLOWED
	SuiteBCannotSignP384WithP256                VerifyResult = C.X509_V_ERR_SUITE_B_CANNOT_SIGN_P_384_WITH_P_256
	HostnameMismatch                            VerifyResult = C.X509_V_ERR_HOSTNAME_MISMATCH
	EmailMismatch                               VerifyResult = C.X509_V_ERR_EMAIL_MISMATCH
	IpAddressMismatch                           VerifyResult = C.X509_V_ERR_IP_ADDRESS_MISMATCH
	DomanNameAuthenticationNamedEntitiesNoMatch VerifyResult = C.X509_V_ERR_DANE_NO_MATCH
	EndEntityKeyTooSmall                        VerifyResult = C.X509_V_ERR_EE_KEY_TOO_SMALL
	CertificateAuthorityKeyTooSmall             VerifyResult = C.X509_V_ERR_CA_KEY_TOO_SMALL
	CertificateAuthorityMessageDigestTooWeak    VerifyResult = C.X509_V_ERR_CA_MD_TOO_WEAK
	InvalidCall                                 VerifyResult = C.X509_V_ERR_INVALID_CALL
	StoreLookupError                            VerifyResult = C.X509_V_ERR_STORE_LOOKUP
	NoValidSignedCertificateTimestamps          VerifyResult = C.X509_V_ERR_NO_VALID_SCTS
	ProxySubjectNameViolation                   VerifyResult = C.X509_V_ERR_PROXY_SUBJECT_NAME_VIOLATION
	InvalidCa                                   VerifyResult = C.X509_V_ERR_INVALID_CA
)

// X509VerificationFlag is a set of flags for the verification of certificates.
type X509VerificationFlag int

// The flags of X509_VERIFY_PARAM_set_flags(3). CBIssuerCheck has no effect since OpenSSL 1.1.0.
const (
	AllowProxyCerts X509VerificationFlag = C.X509_V_FLAG_ALLOW_PROXY_CERTS
	CBIssuerCheck   X509VerificationFlag = C.X509_V_FLAG_CB_ISSUER_CHECK
	CRLCheck        X509VerificationFlag = C.X509_V_FLAG_CRL_CHECK
	CRLCheckAll     X509VerificationFlag = C.X509_V_FLAG_CRL_CHECK_ALL
	ExplicitPolicy  X509VerificationFlag = C.X509_V_FLAG_EXPLICIT_POLICY
	IgnoreCritical  X509VerificationFlag = C.X509_V_FLAG_IGNORE_CRITICAL
	InhibitAny      X509VerificationFlag = C.X509_V_FLAG_INHIBIT_ANY
	InhibitMap      X509VerificationFlag = C.X509_V_FLAG_INHIBIT_MAP
	NotifyPolicy    X509VerificationFlag = C.X509_V_FLAG_NOTIFY_POLICY
	PolicyCheck     X509VerificationFlag = C.X509_V_FLAG_POLICY_CHECK
	PolicyMask      X509VerificationFlag = C.X509_V_FLAG_POLICY_MASK
	UseCheckTime    X509VerificationFlag = C.X509_V_FLAG_USE_CHECK_TIME
	X509Strict      X509VerificationFlag = C.X509_V_FLAG_X509_STRICT
)

// X509LookupMethod is where a CertificateStore looks for certificates and revocation lists besides what it holds. Its values
// come from X509LookupFile and X509LookupHashDir.
type X509LookupMethod *C.X509_LOOKUP_METHOD

// X509LookupFile looks into files that are named.
//
// OpenSSL: X509_LOOKUP_file(3).
func X509LookupFile() X509LookupMethod { return C.X509_LOOKUP_file() }

// X509LookupHashDir looks into folders whose files are named by their subject's hash.
//
// OpenSSL: X509_LOOKUP_hash_dir(3).
func X509LookupHashDir() X509LookupMethod { return C.X509_LOOKUP_hash_dir() }

// The forms of a key; the numbers are those of the enum in legacy.h.
const (
	privatePEM = C.LEGACY_PRIVATE_PEM
	privateDER = C.LEGACY_PRIVATE_DER
	publicPEM  = C.LEGACY_PUBLIC_PEM
	publicDER  = C.LEGACY_PUBLIC_DER
)

// keyLoad reads a key. password is nil where there is none.
func keyLoad(form int, data []byte, password *string) (key pkeyPtr, asked, tooLong bool, q queuePtr) {
	var pass *C.char
	var n int
	if password != nil {
		n = len(*password)
		pass = (*C.char)(unsafe.Pointer(unsafe.StringData(*password + "\x00")))
	}
	var a, t C.int
	q = C.legacy_key_load(&key, C.int(form), anyPtr(data), C.int(len(data)), pass, C.size_t(n), &a, &t)
	return key, a != 0, t != 0, q
}

func keyMarshal(k *pKey, form int) ([]byte, queuePtr) {
	var b C.legacy_bytes
	q := C.legacy_key_marshal(&b, C.int(form), k.ptr())
	runtime.KeepAlive(k)
	if q != nil {
		return nil, q
	}
	return takeBytes(b), nil
}

func keyRSA(bits, exponent int) (key pkeyPtr, q queuePtr) {
	q = C.legacy_key_rsa(&key, C.int(bits), C.ulong(exponent))
	return key, q
}

func keyEC(curve EllipticCurve) (key pkeyPtr, q queuePtr) {
	q = C.legacy_key_ec(&key, C.int(curve))
	return key, q
}

func keyRaw(kind NID) (key pkeyPtr, q queuePtr) {
	q = C.legacy_key_raw(&key, C.int(kind))
	return key, q
}

func engineKey(e *Engine, id string) (key pkeyPtr, q queuePtr) {
	p := C.CString(id)
	defer freeString(p)
	q = C.legacy_engine_key(&key, e.ptr(), p)
	runtime.KeepAlive(e)
	return key, q
}

func keySign(k *pKey, method Method, data, sig []byte) (int, queuePtr) {
	n := C.size_t(len(sig))
	q := C.legacy_key_sign(k.ptr(), method, anyPtr(data), C.size_t(len(data)), bytePtr(sig), &n)
	runtime.KeepAlive(k)
	return int(n), q
}

func keyVerify(k *pKey, method Method, data, sig []byte) queuePtr {
	q := C.legacy_key_verify(k.ptr(), method, anyPtr(data), C.size_t(len(data)), bytePtr(sig), C.size_t(len(sig)))
	runtime.KeepAlive(k)
	return q
}

func keyDerive(k, peer *pKey) ([]byte, queuePtr) {
	var b C.legacy_bytes
	q := C.legacy_key_derive(&b, k.ptr(), peer.ptr())
	runtime.KeepAlive(k)
	runtime.KeepAlive(peer)
	if q != nil {
		return nil, q
	}
	return takeBytes(b), nil
}

func keyID(k *pKey) NID {
	id := C.legacy_key_id(k.ptr())
	runtime.KeepAlive(k)
	return NID(id)
}

func keyBaseID(k *pKey) NID {
	id := C.legacy_key_base_id(k.ptr())
	runtime.KeepAlive(k)
	return NID(id)
}

func keySize(k *pKey) int {
	n := C.legacy_key_size(k.ptr())
	runtime.KeepAlive(k)
	return int(n)
}

func keyEqual(a, b *pKey) bool {
	equal := C.legacy_key_equal(a.ptr(), b.ptr())
	runtime.KeepAlive(a)
	runtime.KeepAlive(b)
	return equal != 0
}

func keyFree(key pkeyPtr) { C.legacy_key_free(key) }

func dhLoad(pem []byte) (dh pkeyPtr, q queuePtr) {
	q = C.legacy_dh_load(&dh, anyPtr(pem), C.int(len(pem)))
	return dh, q
}

func nameNew() (name namePtr, q queuePtr) {
	q = C.legacy_name_new(&name)
	return name, q
}

func nameFree(name namePtr) { C.legacy_name_free(name) }

// ref is n as C sees it; the caller keeps n alive.
func (n *Name) ref() C.legacy_name {
	r := C.legacy_name{own: n.own}
	if n.cert != nil {
		r.cert = n.cert.x
	}
	if n.issuer {
		r.issuer = 1
	}
	stress()
	return r
}

func nameAdd(n *Name, field, value string, utf8 bool) queuePtr {
	f := C.CString(field)
	defer freeString(f)
	var flag C.int
	if utf8 {
		flag = 1
	}
	q := C.legacy_name_add(n.ref(), f, flag, (*C.uchar)(unsafe.StringData(value+"\x00")), C.int(len(value)))
	runtime.KeepAlive(n)
	return q
}

func nameGet(n *Name, nid NID) (value []byte, found bool, q queuePtr) {
	var b C.legacy_bytes
	var f C.int
	q = C.legacy_name_get(n.ref(), C.int(nid), &b, &f)
	runtime.KeepAlive(n)
	if q != nil || f == 0 {
		return nil, false, q
	}
	return takeBytes(b), true, nil
}

func namePrint(n *Name) ([]byte, queuePtr) {
	var b C.legacy_bytes
	q := C.legacy_name_print(n.ref(), &b)
	runtime.KeepAlive(n)
	if q != nil {
		return nil, q
	}
	return takeBytes(b), nil
}

func certNew() (cert certPtr, q queuePtr) {
	q = C.legacy_cert_new(&cert)
	return cert, q
}

func certLoad(pem []byte) (cert certPtr, q queuePtr) {
	q = C.legacy_cert_load(&cert, anyPtr(pem), C.int(len(pem)))
	return cert, q
}

func certFree(cert certPtr) { C.legacy_cert_free(cert) }

func certMarshal(c *Certificate) ([]byte, queuePtr) {
	var b C.legacy_bytes
	q := C.legacy_cert_marshal(c.ptr(), &b)
	runtime.KeepAlive(c)
	if q != nil {
		return nil, q
	}
	return takeBytes(b), nil
}

func certSetName(c *Certificate, issuer bool, n *Name) queuePtr {
	var flag C.int
	if issuer {
		flag = 1
	}
	q := C.legacy_cert_set_name(c.ptr(), flag, n.ref())
	runtime.KeepAlive(c)
	runtime.KeepAlive(n)
	return q
}

func certSetSerial(c *Certificate, serial []byte) queuePtr {
	q := C.legacy_cert_set_serial(c.ptr(), bytePtr(serial), C.int(len(serial)))
	runtime.KeepAlive(c)
	return q
}

func certSetTime(c *Certificate, after bool, days, seconds int) queuePtr {
	var flag C.int
	if after {
		flag = 1
	}
	q := C.legacy_cert_set_time(c.ptr(), flag, C.int(days), C.long(seconds))
	runtime.KeepAlive(c)
	return q
}

func certSetKey(c *Certificate, k *pKey) queuePtr {
	q := C.legacy_cert_set_key(c.ptr(), k.ptr())
	runtime.KeepAlive(c)
	runtime.KeepAlive(k)
	return q
}

func certSetVersion(c *Certificate, version X509_Version) queuePtr {
	q := C.legacy_cert_set_version(c.ptr(), C.long(version))
	runtime.KeepAlive(c)
	return q
}

func certSign(c *Certificate, k *pKey, md mdPtr) queuePtr {
	q := C.legacy_cert_sign(c.ptr(), k.ptr(), md)
	runtime.KeepAlive(c)
	runtime.KeepAlive(k)
	return q
}

func certAddExtension(c, issuer *Certificate, nid NID, value string) queuePtr {
	v := C.CString(value)
	defer freeString(v)
	q := C.legacy_cert_add_ext(c.ptr(), issuer.ptr(), C.int(nid), v)
	runtime.KeepAlive(c)
	runtime.KeepAlive(issuer)
	return q
}

func certAddRawExtension(c *Certificate, nid NID, value []byte) queuePtr {
	q := C.legacy_cert_add_raw_ext(c.ptr(), C.int(nid), bytePtr(value), C.int(len(value)))
	runtime.KeepAlive(c)
	return q
}

func certExtension(c *Certificate, nid NID) (value []byte, found bool, q queuePtr) {
	var b C.legacy_bytes
	var f C.int
	q = C.legacy_cert_get_ext(c.ptr(), C.int(nid), &b, &f)
	runtime.KeepAlive(c)
	if q != nil || f == 0 {
		return nil, false, q
	}
	return takeBytes(b), true, nil
}

func certKey(c *Certificate) (key pkeyPtr, q queuePtr) {
	q = C.legacy_cert_key(c.ptr(), &key)
	runtime.KeepAlive(c)
	return key, q
}

func certSerial(c *Certificate) ([]byte, queuePtr) {
	var b C.legacy_bytes
	q := C.legacy_cert_serial(c.ptr(), &b)
	runtime.KeepAlive(c)
	if q != nil {
		return nil, q
	}
	return takeBytes(b), nil
}

func certDigest(c *Certificate, d *Digest, out []byte) queuePtr {
	q := C.legacy_cert_digest(c.ptr(), d.ptr(), bytePtr(out))
	runtime.KeepAlive(c)
	return q
}

func certVersion(c *Certificate) X509_Version {
	v := C.legacy_cert_version(c.ptr())
	runtime.KeepAlive(c)
	return X509_Version(v)
}

func storeNew() (store storePtr, q queuePtr) {
	q = C.legacy_store_new(&store)
	return store, q
}

func storeFree(store storePtr) { C.legacy_store_free(store) }

func storeAdd(s *CertificateStore, c *Certificate) queuePtr {
	q := C.legacy_store_add(s.ptr(), c.ptr())
	runtime.KeepAlive(s)
	runtime.KeepAlive(c)
	return q
}

func storeFlags(s *CertificateStore, flags X509VerificationFlag) queuePtr {
	q := C.legacy_store_flags(s.ptr(), C.ulong(flags))
	runtime.KeepAlive(s)
	return q
}

func storeLookup(s *CertificateStore, method X509LookupMethod) (lookup lookupPtr, q queuePtr) {
	q = C.legacy_store_lookup(s.ptr(), method, &lookup)
	runtime.KeepAlive(s)
	return lookup, q
}

func lookupCRL(l *CertificateStoreLookup, file string) queuePtr {
	f := C.CString(file)
	defer freeString(f)
	var n C.int
	q := C.legacy_lookup_crl(l.ptr(), f, &n)
	runtime.KeepAlive(l)
	return q
}

func verifyText(code VerifyResult) string { return C.GoString(C.legacy_verify_text(C.long(code))) }

func defaultCertDir() string { return C.GoString(C.X509_get_default_cert_dir()) }
