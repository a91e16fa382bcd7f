//go:build cgo

package openssl

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
)

// SealKey is one key of a Sealer's ring.
type SealKey struct {
	ID     string // 1 to 64 bytes, written in the clear before what it seals; never used again for another secret
	Secret []byte // random, at least 32 bytes
}

// ErrSealed: the bytes were not sealed by a key of the ring for this place, or are not whole.
var ErrSealed = errors.New("not sealed for this place by a key of the ring")

// Sealer seals sessions that leave the process: AES-256-GCM, with a key of its own for each value,
// which HKDF (RFC 5869) makes from the ring's key and a random salt, so that no number of values is
// too many for a key. Any number of goroutines may use it.
//
// To change the key of a fleet without losing sessions, give every process the new key behind the
// old one, then put it first everywhere, and take the old one out when the sessions that it sealed
// have expired.
type Sealer struct{ ring atomic.Pointer[[]SealKey] }

const (
	sealVersion  = 1
	sealSalt     = 32
	minSealBytes = 32
)

// NewSealer makes a Sealer: the first key seals, all of them open. No key, two of one ID, or an ID or a
// Secret of another length than SealKey says is ErrConfig. The Secrets are copied.
func NewSealer(keys ...SealKey) (*Sealer, error) {
	s := &Sealer{}
	if err := s.SetKeys(keys...); err != nil {
		return nil, err
	}
	return s, nil
}

// SetKeys replaces the ring, as NewSealer takes it; after an error the old one stays.
func (s *Sealer) SetKeys(keys ...SealKey) error {
	if len(keys) == 0 {
		return configError("a Sealer without a key")
	}
	ring := make([]SealKey, len(keys))
	for i, k := range keys {
		if len(k.ID) == 0 || len(k.ID) > 64 || len(k.Secret) < minSealBytes {
			return configError("seal key %q with %d bytes of secret", k.ID, len(k.Secret))
		}
		for _, other := range ring[:i] {
			if other.ID == k.ID {
				return configError("two seal keys %q", k.ID)
			}
		}
		ring[i] = SealKey{k.ID, bytes.Clone(k.Secret)}
	}
	s.ring.Store(&ring)
	return nil
}

func (s *Sealer) keys() []SealKey {
	if s == nil || s.ring.Load() == nil {
		return nil
	}
	return *s.ring.Load()
}

// Seal seals value for one place, which Open must be told again: the parts are authenticated, each
// with its length, and are not in the result. A Sealer that NewSealer did not make answers nil.
func (s *Sealer) Seal(value []byte, place ...[]byte) []byte {
	if len(s.keys()) == 0 {
		return nil
	}
	k := s.keys()[0]
	head := append([]byte{sealVersion, byte(len(k.ID))}, k.ID...)
	salt := make([]byte, sealSalt)
	rand.Read(salt)
	head = append(head, salt...)
	gcm, nonce := sealCipher(k.Secret, salt)
	return gcm.Seal(head, nonce, value, sealedFor(head, place))
}

// Open returns what was sealed for the place. Everything else is ErrSealed.
func (s *Sealer) Open(sealed []byte, place ...[]byte) ([]byte, error) {
	if len(sealed) < 2 || sealed[0] != sealVersion {
		return nil, callerError("open", ErrSealed)
	}
	n := 2 + int(sealed[1]) + sealSalt
	if len(sealed) < n {
		return nil, callerError("open", ErrSealed)
	}
	head, id := sealed[:n:n], string(sealed[2:n-sealSalt])
	for _, k := range s.keys() {
		if k.ID != id {
			continue
		}
		gcm, nonce := sealCipher(k.Secret, head[n-sealSalt:])
		value, err := gcm.Open(nil, nonce, sealed[n:], sealedFor(head, place))
		if err != nil {
			break
		}
		return value, nil
	}
	return nil, callerError("open", ErrSealed)
}

func sealCipher(secret, salt []byte) (cipher.AEAD, []byte) {
	out, err := hkdf.Key(sha256.New, secret, salt, "golibssl session sealing", 32+12)
	if err != nil {
		panic(fmt.Sprintf("openssl: HKDF of a checked key: %v", err)) // FIPS mode refuses short keys; ours are not
	}
	block, err := aes.NewCipher(out[:32])
	if err != nil {
		panic(err) // 32 bytes
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // AES
	}
	return gcm, out[32:]
}

// sealedFor is the additional data: no two places have the same.
func sealedFor(head []byte, place [][]byte) []byte {
	ad := bytes.Clone(head)
	for _, p := range place {
		ad = binary.BigEndian.AppendUint64(ad, uint64(len(p)))
		ad = append(ad, p...)
	}
	return ad
}
