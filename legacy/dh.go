//go:build cgo

package openssl

import "runtime"

// DeriveSharedSecret returns the secret that private and the peer's public key share: ECDH for curves, X25519, X448 or
// Diffie-Hellman, by the keys' type, which must be the same. Both sides derive the same bytes; they are the raw secret, which wants a
// key derivation function before use.
//
// OpenSSL: EVP_PKEY_derive(3).
func DeriveSharedSecret(private PrivateKey, public PublicKey) ([]byte, error) {
	const op = "failed deriving the shared secret"
	// A nil PrivateKey in a PublicKey is not nil.
	if private == nil || public == nil {
		return nil, badArgument(op, "a key is nil")
	}
	secret, q := keyDerive(private.impl(), public.impl())
	return secret, failed(op, q)
}

// DH is a set of Diffie-Hellman parameters. It is immutable.
type DH struct {
	params pkeyPtr
}

func (dh *DH) ptr() pkeyPtr {
	if dh == nil {
		return nil
	}
	p := dh.params
	stress()
	return p
}

// LoadDHParametersFromPEM loads the first DH PARAMETERS or X9.42 DH PARAMETERS in pem_block.
//
// OpenSSL: PEM_read_bio_Parameters(3).
func LoadDHParametersFromPEM(pem_block []byte) (*DH, error) {
	const op = "failed reading dh parameters"
	if err := checkBlock(op, "pem", pem_block); err != nil {
		return nil, err
	}
	p, q := dhLoad(pem_block)
	if q != nil {
		return nil, failed(op, q)
	}
	dh := &DH{params: p}
	runtime.AddCleanup(dh, keyFree, p)
	return dh, nil
}
