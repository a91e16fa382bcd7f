package env

import (
	"crypto/tls"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"

	"github.com/golibssl/openssl"
)

// Offer is what a ClientHello says, in its order; numbers in hex where no name is known.
type Offer struct {
	Versions   []string `json:"versions"`
	Suites     []string `json:"cipher_suites"`
	Groups     []string `json:"groups"`
	KeyShares  []string `json:"key_shares"`
	Signatures []string `json:"signature_algorithms"`
	Extensions []uint16 `json:"extensions"`
}

// Extensions (RFC 8446, section 4.2).
const (
	extGroups     = 10
	extSignatures = 13
	extVersions   = 43
	extKeyShare   = 51
)

var errHello = errors.New("not a ClientHello")

// handshakeMessage returns the first handshake message of records, which hold it whole.
func handshakeMessage(records []byte) ([]byte, error) {
	var message []byte
	for in := cryptobyte.String(records); !in.Empty(); {
		var kind uint8
		var version uint16
		var body cryptobyte.String
		if !in.ReadUint8(&kind) || !in.ReadUint16(&version) || !in.ReadUint16LengthPrefixed(&body) || kind != 22 {
			return nil, errHello
		}
		message = append(message, body...)
	}
	return message, nil
}

// readOffer reads a ClientHello (RFC 8446, section 4.1.2) out of the records that carry it.
func readOffer(records []byte, known []openssl.CipherSuite) (*Offer, error) {
	message, err := handshakeMessage(records)
	if err != nil {
		return nil, err
	}
	in := cryptobyte.String(message)
	var kind uint8
	var body, session, suites, compression, extensions cryptobyte.String
	var legacy uint16
	if !in.ReadUint8(&kind) || kind != 1 || !in.ReadUint24LengthPrefixed(&body) || !in.Empty() ||
		!body.ReadUint16(&legacy) || !body.Skip(32) || !body.ReadUint8LengthPrefixed(&session) ||
		!body.ReadUint16LengthPrefixed(&suites) || !body.ReadUint8LengthPrefixed(&compression) {
		return nil, errHello
	}
	o := &Offer{Versions: []string{}, Groups: []string{}, KeyShares: []string{}, Signatures: []string{}, Extensions: []uint16{}}
	if o.Suites, err = names(suites, func(id uint16) string { return suiteName(id, known) }); err != nil {
		return nil, err
	}
	if !body.Empty() && !body.ReadUint16LengthPrefixed(&extensions) {
		return nil, errHello
	}
	for !extensions.Empty() {
		var id uint16
		var data cryptobyte.String
		if !extensions.ReadUint16(&id) || !extensions.ReadUint16LengthPrefixed(&data) {
			return nil, errHello
		}
		o.Extensions = append(o.Extensions, id)
		if err := o.extension(id, data); err != nil {
			return nil, fmt.Errorf("extension %d: %w", id, err)
		}
	}
	if len(o.Versions) == 0 {
		// Without the extension, the highest of those that the client speaks (RFC 8446, section 4.1.2).
		o.Versions = append(o.Versions, "up to "+tls.VersionName(legacy))
	}
	return o, nil
}

func (o *Offer) extension(id uint16, data cryptobyte.String) (err error) {
	var list cryptobyte.String
	switch id {
	case extGroups:
		if !data.ReadUint16LengthPrefixed(&list) {
			return errHello
		}
		o.Groups, err = names(list, groupName)
	case extSignatures:
		if !data.ReadUint16LengthPrefixed(&list) {
			return errHello
		}
		o.Signatures, err = names(list, signatureName)
	case extVersions:
		if !data.ReadUint8LengthPrefixed(&list) {
			return errHello
		}
		o.Versions, err = names(list, tls.VersionName)
	case extKeyShare:
		if !data.ReadUint16LengthPrefixed(&list) {
			return errHello
		}
		for !list.Empty() {
			var group uint16
			var key cryptobyte.String
			if !list.ReadUint16(&group) || !list.ReadUint16LengthPrefixed(&key) {
				return errHello
			}
			o.KeyShares = append(o.KeyShares, groupName(group))
		}
	}
	return err
}

func names(list cryptobyte.String, name func(uint16) string) ([]string, error) {
	out := []string{}
	for !list.Empty() {
		var id uint16
		if !list.ReadUint16(&id) {
			return nil, errHello
		}
		out = append(out, name(id))
	}
	return out, nil
}
