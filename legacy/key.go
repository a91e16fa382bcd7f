//go:build cgo

package openssl

import "runtime"

// The key types that KeyType and BaseType return.
const (
	KeyTypeNone    = NID_undef
	KeyTypeRSA     = NID_rsaEncryption
	KeyTypeRSA2    = NID_rsa
	KeyTypeDSA     = NID_dsa
	KeyTypeDSA1    = NID_dsa_2
	KeyTypeDSA2    = NID_dsaWithSHA
	KeyTypeDSA3    = NID_dsaWithSHA1
	KeyTypeDSA4    = NID_dsaWithSHA1_2
	KeyTypeDH      = NID_dhKeyAgreement
	KeyTypeDHX     = NID_dhpublicnumber
	KeyTypeEC      = NID_X9_62_id_ecPublicKey
	KeyTypeHMAC    = NID_hmac
	KeyTypeCMAC    = NID_cmac
	KeyTypeTLS1PRF = NID_tls1_prf
	KeyTypeHKDF    = NID_hkdf
	KeyTypeX25519  = NID_X25519
	KeyTypeX448    = NID_X448
	KeyTypeED25519 = NID_ED25519
	KeyTypeED448   = NID_ED448
)

// DefaultRSAExponent is the public exponent that RSA keys should have. GenerateRSAKey uses 3, as it always did.
const DefaultRSAExponent = 0x10001

// EllipticCurve is the NID of a named curve; any that OpenSSL knows will do.
type EllipticCurve int

// Curves for GenerateECKey and Ctx.SetEllipticCurve.
const (
	Prime256v1 EllipticCurve = 415 // P-256
	Secp384r1  EllipticCurve = 715 // P-384
	Secp521r1  EllipticCurve = 716 // P-521
)

// PublicKey is a public key, or the public half of a PrivateKey. It is immutable and may be used by any number of
// goroutines. Only this package makes them.
type PublicKey interface {
	// VerifyPKCS1v15 returns nil when sig is the key's signature of data: PKCS #1 v1.5 for RSA (RFC 8017, section
	// 8.2), DER-encoded for ECDSA and DSA, RFC 8032 for Ed25519 and Ed448, whose method is nil.
	//
	// OpenSSL: EVP_DigestVerify(3).
	VerifyPKCS1v15(method Method, data, sig []byte) error

	// MarshalPKIXPublicKeyPEM returns the public key as PEM block PUBLIC KEY (RFC 5280, section 4.1).
	//
	// OpenSSL: PEM_write_bio_PUBKEY(3).
	MarshalPKIXPublicKeyPEM() (pem_block []byte, err error)

	// MarshalPKIXPublicKeyDER returns the public key as DER SubjectPublicKeyInfo (RFC 5280, section 4.1).
	//
	// OpenSSL: i2d_PUBKEY(3).
	MarshalPKIXPublicKeyDER() (der_block []byte, err error)

	// KeyType returns the key's type, one of the KeyType constants.
	//
	// OpenSSL: EVP_PKEY_get_id(3).
	KeyType() NID

	// BaseType is KeyType with the older names of a type replaced by the first one: KeyTypeRSA2 by KeyTypeRSA.
	//
	// OpenSSL: EVP_PKEY_get_base_id(3).
	BaseType() NID

	// Equal reports whether both keys have the same public half.
	//
	// OpenSSL: EVP_PKEY_eq(3).
	Equal(key PublicKey) bool

	// Size returns the greatest length in bytes of a signature by this key.
	//
	// OpenSSL: EVP_PKEY_get_size(3).
	Size() int

	impl() *pKey
}

// PrivateKey is a private key with its public half. It is immutable and may be used by any number of goroutines. Only
// this package makes them.
type PrivateKey interface {
	PublicKey

	// SignPKCS1v15 signs data; see VerifyPKCS1v15.
	//
	// OpenSSL: EVP_DigestSign(3).
	SignPKCS1v15(Method, []byte) ([]byte, error)

	// MarshalPKCS1PrivateKeyPEM returns the private key, not encrypted, as PEM: block RSA PRIVATE KEY (PKCS #1),
	// EC PRIVATE KEY (RFC 5915) or DSA PRIVATE KEY, and PRIVATE KEY (PKCS #8) for a type that has no other form, such
	// as Ed25519.
	//
	// OpenSSL: PEM_write_bio_PrivateKey_traditional(3), PEM_write_bio_PKCS8PrivateKey(3).
	MarshalPKCS1PrivateKeyPEM() (pem_block []byte, err error)

	// MarshalPKCS1PrivateKeyDER returns what is in the PEM block of MarshalPKCS1PrivateKeyPEM.
	//
	// OpenSSL: i2d_PrivateKey(3).
	MarshalPKCS1PrivateKeyDER() (der_block []byte, err error)
}

type pKey struct {
	key     pkeyPtr
	private bool
}

// newKey takes over key.
func newKey(key pkeyPtr, private bool) *pKey {
	k := &pKey{key: key, private: private}
	runtime.AddCleanup(k, keyFree, key)
	return k
}

func (k *pKey) ptr() pkeyPtr {
	p := k.key
	stress()
	return p
}

func (k *pKey) impl() *pKey { return k }

// implOf is key's implementation, or nil for no key at all.
func implOf(key PublicKey) *pKey {
	if key == nil {
		return nil
	}
	return key.impl()
}

func (k *pKey) KeyType() NID  { return keyID(k) }
func (k *pKey) BaseType() NID { return keyBaseID(k) }
func (k *pKey) Size() int     { return keySize(k) }

func (k *pKey) Equal(other PublicKey) bool {
	o := implOf(other)
	return o != nil && keyEqual(k, o)
}

// ownDigest reports whether the key's type takes no digest from outside.
func (k *pKey) ownDigest() bool {
	id := k.BaseType()
	return id == KeyTypeED25519 || id == KeyTypeED448
}

func (k *pKey) checkMethod(op string, method Method, data []byte) error {
	if !k.ownDigest() {
		if method == nil {
			return badArgument(op, "this type of key needs a digest method")
		}
		return nil
	}
	if method != nil || len(data) == 0 {
		return badArgument(op, "0-length data or non-null digest")
	}
	return nil
}

func (k *pKey) SignPKCS1v15(method Method, data []byte) ([]byte, error) {
	if !k.private {
		return nil, badArgument("signpkcs1v15", "this is a public key")
	}
	if err := k.checkMethod("signpkcs1v15", method, data); err != nil {
		return nil, err
	}
	sig := make([]byte, k.Size())
	n, q := keySign(k, method, data, sig)
	if q != nil {
		return nil, failed("signpkcs1v15: failed to finalize signature", q)
	}
	return sig[:n], nil
}

func (k *pKey) VerifyPKCS1v15(method Method, data, sig []byte) error {
	if err := k.checkMethod("verifypkcs1v15", method, data); err != nil {
		return err
	}
	if len(sig) == 0 {
		return badArgument("verifypkcs1v15", "0-length sig")
	}
	return failed("verifypkcs1v15: failed to finalize verify", keyVerify(k, method, data, sig))
}

func (k *pKey) marshal(op string, form int) ([]byte, error) {
	if !k.private && (form == privatePEM || form == privateDER) {
		return nil, badArgument(op, "this is a public key")
	}
	b, q := keyMarshal(k, form)
	return b, failed(op, q)
}

func (k *pKey) MarshalPKCS1PrivateKeyPEM() (pem_block []byte, err error) {
	return k.marshal("failed dumping private key", privatePEM)
}

func (k *pKey) MarshalPKCS1PrivateKeyDER() (der_block []byte, err error) {
	return k.marshal("failed dumping private key der", privateDER)
}

func (k *pKey) MarshalPKIXPublicKeyPEM() (pem_block []byte, err error) {
	return k.marshal("failed dumping public key pem", publicPEM)
}

func (k *pKey) MarshalPKIXPublicKeyDER() (der_block []byte, err error) {
	return k.marshal("failed dumping public key der", publicDER)
}

// checkBlock refuses what cannot be handed to a memory BIO.
func checkBlock(op, what string, b []byte) error {
	if len(b) == 0 {
		return badArgument(op, "empty %s block", what)
	}
	if len(b) > maxInt {
		return badArgument(op, "the %s block has %d bytes; OpenSSL takes %d", what, len(b), maxInt)
	}
	return nil
}

func loadKey(op, what string, form int, block []byte, password *string) (*pKey, error) {
	if err := checkBlock(op, what, block); err != nil {
		return nil, err
	}
	key, asked, tooLong, q := keyLoad(form, block, password)
	if q != nil {
		e := queueError(op, q)
		switch {
		case tooLong:
			e.Err = ErrPasswordTooLong
		case asked && password == nil:
			e.Err = ErrPasswordNeeded
		}
		return nil, e
	}
	return newKey(key, form == privatePEM || form == privateDER), nil
}

func loadPrivateKey(op, what string, form int, block []byte, password *string) (PrivateKey, error) {
	k, err := loadKey(op, what, form, block, password)
	if err != nil {
		return nil, err
	}
	return k, nil
}

// LoadPrivateKeyFromPEM loads the first private key in pem_block. For an encrypted one the error is ErrPasswordNeeded; nobody
// is asked on the terminal.
//
// OpenSSL: PEM_read_bio_PrivateKey(3).
func LoadPrivateKeyFromPEM(pem_block []byte) (PrivateKey, error) {
	return loadPrivateKey("failed reading private key", "pem", privatePEM, pem_block, nil)
}

// LoadPrivateKeyFromPEMWithPassword loads the first private key in pem_block, encrypted with password or not at all.
//
// OpenSSL: PEM_read_bio_PrivateKey(3).
func LoadPrivateKeyFromPEMWithPassword(pem_block []byte, password string) (PrivateKey, error) {
	return loadPrivateKey("failed reading private key", "pem", privatePEM, pem_block, &password)
}

// LoadPrivateKeyFromPEMWidthPassword is LoadPrivateKeyFromPEMWithPassword under the name it had first.
func LoadPrivateKeyFromPEMWidthPassword(pem_block []byte, password string) (PrivateKey, error) {
	return LoadPrivateKeyFromPEMWithPassword(pem_block, password)
}

// LoadPrivateKeyFromDER loads a private key that is not encrypted: PKCS #1, PKCS #8 or RFC 5915.
//
// OpenSSL: d2i_PrivateKey_bio(3).
func LoadPrivateKeyFromDER(der_block []byte) (PrivateKey, error) {
	return loadPrivateKey("failed reading private key der", "der", privateDER, der_block, nil)
}

// LoadPublicKeyFromPEM loads the first public key in pem_block.
//
// OpenSSL: PEM_read_bio_PUBKEY(3).
func LoadPublicKeyFromPEM(pem_block []byte) (PublicKey, error) {
	k, err := loadKey("failed reading public key der", "pem", publicPEM, pem_block, nil)
	if err != nil {
		return nil, err
	}
	return k, nil
}

// LoadPublicKeyFromDER loads a SubjectPublicKeyInfo.
//
// OpenSSL: d2i_PUBKEY_bio(3).
func LoadPublicKeyFromDER(der_block []byte) (PublicKey, error) {
	k, err := loadKey("failed reading public key der", "der", publicDER, der_block, nil)
	if err != nil {
		return nil, err
	}
	return k, nil
}

func generated(op string, key pkeyPtr, q queuePtr) (PrivateKey, error) {
	if q != nil {
		return nil, failed(op, q)
	}
	return newKey(key, true), nil
}

// GenerateRSAKey generates an RSA key with the public exponent 3; GenerateRSAKeyWithExponent takes the customary 65537.
//
// OpenSSL: EVP_PKEY_keygen(3).
func GenerateRSAKey(bits int) (PrivateKey, error) { return GenerateRSAKeyWithExponent(bits, 3) }

// The limits of OpenSSL: RSA_MIN_MODULUS_BITS and OPENSSL_RSA_MAX_MODULUS_BITS.
const minRSABits, maxRSABits = 512, 16384

// GenerateRSAKeyWithExponent generates an RSA key of 512 to 16384 bits. The exponent must be odd and at least 3.
//
// OpenSSL: EVP_PKEY_CTX_set1_rsa_keygen_pubexp(3), EVP_PKEY_keygen(3).
func GenerateRSAKeyWithExponent(bits int, exponent int) (PrivateKey, error) {
	const op = "failed to generate RSA key"
	if bits < minRSABits || bits > maxRSABits {
		return nil, badArgument(op, "%d bits; the least is %d and the most %d", bits, minRSABits, maxRSABits)
	}
	// 1.1.1 looks for primes that suit an even exponent for ever.
	if exponent < 3 || exponent%2 == 0 {
		return nil, badArgument(op, "the exponent %d is not odd and at least 3", exponent)
	}
	key, q := keyRSA(bits, exponent)
	return generated(op, key, q)
}

// GenerateECKey generates a key on the named curve.
//
// OpenSSL: EVP_PKEY_CTX_set_ec_paramgen_curve_nid(3), EVP_PKEY_keygen(3).
func GenerateECKey(curve EllipticCurve) (PrivateKey, error) {
	const op = "failed generating EC private key"
	if _, ok := shortName(NID(curve)); !ok {
		return nil, badArgument(op, "there is no curve %d", int(curve))
	}
	key, q := keyEC(curve)
	return generated(op, key, q)
}

// GenerateED25519Key generates an Ed25519 key.
//
// OpenSSL: EVP_PKEY_keygen(3).
func GenerateED25519Key() (PrivateKey, error) {
	key, q := keyRaw(KeyTypeED25519)
	return generated("failed generating ED25519 private key", key, q)
}
