//go:build cgo

package openssl

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// UnsupportedError says that the loaded library cannot do what was asked, which is found out at run time.
// It is errors.ErrUnsupported.
type UnsupportedError struct {
	Feature string // such as "crypto.Signer"
	Needs   string // such as "OpenSSL 3.0"
}

func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("%s needs %s; %s is loaded", e.Feature, e.Needs, LibraryVersion())
}

// Is reports whether target is errors.ErrUnsupported.
func (e *UnsupportedError) Is(target error) bool { return target == errors.ErrUnsupported }

func unsupported(op, feature, needs string) *Error {
	return &Error{Op: op, Origin: FromLibrary, Err: &UnsupportedError{feature, needs}}
}

// Feature is what not every libssl can do, and whether the loaded one can.
type Feature struct {
	Name  string
	API   string   // what asks for it, such as "SignerCertificate"
	Needs string   // such as "OpenSSL 3.0"
	Works bool     // where false, API answers errors.ErrUnsupported
	Which []string // the algorithms that the loaded library has, where a build may leave some out
}

// String is the table's cell: yes, no or the algorithms.
func (f Feature) String() string {
	switch {
	case !f.Works:
		return "no"
	case len(f.Which) > 0:
		return strings.Join(f.Which, ", ")
	}
	return "yes"
}

// feature is a row of the one table of what versions lack. have answers nil for no; an empty name stands
// for a feature that knows no algorithms.
type feature struct {
	name, api, needs string
	have             func() []string
}

var (
	featurePQ = &feature{"post-quantum key exchange", "Config.Groups", "OpenSSL 3.5", func() (found []string) {
		for _, name := range postQuantum {
			if hasGroup(name) {
				found = append(found, name)
			}
		}
		return found
	}}
	featureKeyUpdate = &feature{"KeyUpdate on demand", "Conn.KeyUpdate", "OpenSSL 1.1.1", always}
	featureStaple    = &feature{"OCSP stapling", "Certificate.SetOCSPStaple", "OpenSSL 1.1.1", always}
	featureLaterAuth = &feature{"post-handshake authentication", "Conn.RequestClientCert", "OpenSSL 1.1.1", always}
	featurePSK       = &feature{"external PSK", "Config.PSK", "OpenSSL 1.1.1", always}
	featureRPK       = &feature{"raw public keys", "Config.RawPublicKey", "OpenSSL 3.2", when(canRPK)}
	featureCompress  = &feature{"certificate compression", "Config.CertCompression", "OpenSSL 3.2", func() (found []string) {
		for _, name := range []string{"zlib", "brotli", "zstd"} {
			if hasCompression(compressions[name]) {
				found = append(found, name)
			}
		}
		return found
	}}
	featureECH        = &feature{"Encrypted ClientHello", "Config.EncryptedClientHelloConfigList", "OpenSSL 4.0", when(canECH)}
	featureSigner     = &feature{"crypto.Signer", "SignerCertificate", "OpenSSL 3.0 with ASYNC jobs", when(canSign)}
	featureProviders  = &feature{"providers", "LoadProvider", "OpenSSL 3.0", when(atLeast3)}
	featureProperties = &feature{"Properties", "Config.Properties", "OpenSSL 3.0", when(atLeast3)}
)

// featureTable is in the order of docs/features.md.
var featureTable = []*feature{featurePQ, featureKeyUpdate, featureStaple, featureLaterAuth, featurePSK, featureRPK, featureCompress, featureECH, featureSigner, featureProviders, featureProperties}

// postQuantum are the groups of draft-ietf-tls-ecdhe-mlkem and draft-ietf-tls-mlkem, by OpenSSL's names.
var postQuantum = []string{"X25519MLKEM768", "SecP256r1MLKEM768", "SecP384r1MLKEM1024", "MLKEM512", "MLKEM768", "MLKEM1024"}

func always() []string { return []string{""} }

func when(f func() bool) func() []string {
	return func() []string {
		if f() {
			return always()
		}
		return nil
	}
}

func atLeast3() bool { return LibraryVersionNumber() >= 0x30000000 }

func (f *feature) missing(op string) *Error { return unsupported(op, f.name, f.needs) }

// Features says what the loaded library can do of what not every version can, in the order of
// docs/features.md. The library is asked, not its version.
func Features() []Feature { return slices.Clone(features()) }

var features = sync.OnceValue(func() (all []Feature) {
	for _, f := range featureTable {
		which := f.have()
		works := len(which) > 0
		if works && which[0] == "" {
			which = nil
		}
		all = append(all, Feature{f.name, f.api, f.needs, works, which})
	}
	return all
})

// missingGroup names a post-quantum group of a list that the library does not know.
func missingGroup(list string) error {
	for _, name := range strings.FieldsFunc(list, func(r rune) bool { return strings.ContainsRune(":/?*-", r) }) {
		i := slices.IndexFunc(postQuantum, func(known string) bool { return strings.EqualFold(known, name) })
		if i >= 0 && !hasGroup(postQuantum[i]) {
			return unsupported("config", "the group "+postQuantum[i], featurePQ.needs)
		}
	}
	return nil
}
