//go:build cgo

package openssl

import (
	"crypto"
	"encoding/binary"
	"fmt"
	"slices"
)

// PSK is a key that both ends of a TLS 1.3 connection have from elsewhere (RFC 8446, section 4.2.11). It
// stands for the certificates of both: neither end shows or asks for one, whatever ClientAuth says, but by
// RequestClientCert. It is used with (EC)DHE only, so that what leaks later does not open what was recorded.
// A connection by PSK gets no tickets.
type PSK struct {
	Identity []byte // who the client says it is, in the clear: 1 to 256 bytes
	// Key is random, 16 to 256 bytes; not a password (RFC 9257, section 4.2).
	Key []byte
	// Hash is the key's, SHA-256 where it is 0, or SHA-384: the PSK serves with the suites of that hash alone,
	// which are preferred.
	Hash crypto.Hash
}

func (k *PSK) check(identity bool) error {
	switch {
	case identity && (len(k.Identity) == 0 || len(k.Identity) > 256):
		return fmt.Errorf("an identity of %d bytes", len(k.Identity))
	case len(k.Key) < 16 || len(k.Key) > 256:
		return fmt.Errorf("a key of %d bytes", len(k.Key))
	case k.Hash != 0 && k.Hash != crypto.SHA256 && k.Hash != crypto.SHA384:
		return fmt.Errorf("hash %v", k.Hash)
	}
	return nil
}

// maxIdentities bounds how often one ClientHello makes a server look a key up.
const maxIdentities = 4

// findPSK asks for the key of each identity, in the order of the ClientHello (RFC 8446, section 4.2.11: a
// length and the identity, then four bytes of age).
func findPSK(get func(*ClientHelloInfo, []byte) (*PSK, error), info *ClientHelloInfo, wire []byte) (*PSK, error) {
	for range maxIdentities {
		if len(wire) < 2 {
			return nil, nil
		}
		n := int(binary.BigEndian.Uint16(wire))
		if n == 0 || len(wire) < 2+n+4 {
			return nil, nil // libssl refuses it
		}
		id := wire[2 : 2+n]
		wire = wire[2+n+4:]
		var k *PSK
		err := guard("GetPSK", func() (err error) { k, err = get(info, slices.Clone(id)); return err })
		if err != nil {
			return nil, err
		}
		if k == nil {
			continue
		}
		if err := k.check(false); err != nil {
			return nil, fmt.Errorf("%w: GetPSK: %w", ErrConfig, err)
		}
		return &PSK{id, k.Key, k.Hash}, nil
	}
	return nil, nil
}

// byPSK reports whether an external PSK stands for the peer's certificate.
func (c *conn) byPSK() bool {
	if c.established.Load() {
		return c.identity != nil
	}
	return c.h.pskUsed()
}

// PSKIdentity returns the identity of the external PSK by which the ends know each other; nil before the
// handshake is complete, and where certificates or a session served.
//
// OpenSSL: SSL_set_psk_find_session_callback(3).
func (c *Conn) PSKIdentity() []byte {
	in := c.in()
	in.mu.Lock()
	defer in.mu.Unlock()
	return slices.Clone(in.identity)
}
