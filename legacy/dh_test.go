package openssl

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"testing"
)

func TestDeriveSharedSecretAgreesWithStandardLibrary(t *testing.T) {
	for name, curve := range map[string]ecdh.Curve{"P-256": ecdh.P256(), "P-384": ecdh.P384(), "P-521": ecdh.P521(), "X25519": ecdh.X25519()} {
		mine := must(curve.GenerateKey(rand.Reader))
		peer := must(curve.GenerateKey(rand.Reader))
		want := must(mine.ECDH(peer.PublicKey()))
		key := must(LoadPrivateKeyFromDER(must(x509.MarshalPKCS8PrivateKey(mine))))
		pub := must(LoadPublicKeyFromDER(must(x509.MarshalPKIXPublicKey(peer.PublicKey()))))
		got, err := DeriveSharedSecret(key, pub)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %x, %v; want %x", name, got, err, want)
		}
	}
	a, b := must(GenerateECKey(Secp384r1)), must(GenerateECKey(Secp384r1))
	if !bytes.Equal(must(DeriveSharedSecret(a, b)), must(DeriveSharedSecret(b, a))) {
		t.Error("two generated keys derive different secrets")
	}
}

func TestDeriveSharedSecretBadInput(t *testing.T) {
	keys := ourKeys()
	_, err := DeriveSharedSecret(nil, keys["P-256"])
	wantArgumentError(t, err, "nil")
	_, err = DeriveSharedSecret(keys["P-256"], nil)
	wantArgumentError(t, err, "nil")
	for _, pair := range [][2]string{{"P-256", "P-384"}, {"P-256", "RSA"}, {"RSA", "P-256"}, {"RSA", "RSA"}, {"Ed25519", "Ed25519"}} {
		_, err := DeriveSharedSecret(keys[pair[0]], keys[pair[1]])
		wantError(t, err)
	}
}

// The prime of group ffdhe2048 (RFC 7919, appendix A.1).
const ffdhe2048 = "FFFFFFFFFFFFFFFFADF85458A2BB4A9AAFDC5620273D3CF1D8B9C583CE2D3695" +
	"A9E13641146433FBCC939DCE249B3EF97D2FE363630C75D8F681B202AEC4617A" +
	"D3DF1ED5D5FD65612433F51F5F066ED0856365553DED1AF3B557135E7F57C935" +
	"984F0C70E0E68B77E2A689DAF3EFE8721DF158A136ADE73530ACCA4F483A797A" +
	"BC0AB182B324FB61D108A94BB2C8E3FBB96ADAB760D7F4681D4F42A3DE394DF4" +
	"AE56EDE76372BB190B07A7C8EE0A6D709E02FCE1CDF7E2ECC03404CD28342F61" +
	"9172FE9CE98583FF8E4F1232EEF28183C3FE3B1B4C6FAD733BB5FCBC2EC22005" +
	"C58EF1837D1683B2C6F34A26C1B2EFFA886B423861285C97FFFFFFFFFFFFFFFF"

func dhParameters(t *testing.T) []byte {
	t.Helper()
	p, ok := new(big.Int).SetString(ffdhe2048, 16)
	if !ok {
		t.Fatal("not a number")
	}
	der := must(asn1.Marshal(struct {
		P *big.Int
		G int
	}{p, 2}))
	return pem.EncodeToMemory(&pem.Block{Type: "DH PARAMETERS", Bytes: der})
}

func TestLoadDHParameters(t *testing.T) {
	params := dhParameters(t)
	curve := pem.EncodeToMemory(&pem.Block{Type: "EC PARAMETERS", Bytes: must(asn1.Marshal(asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7}))})
	for name, b := range map[string][]byte{
		"alone":                  params,
		"after text":             append([]byte("our parameters\n"), params...),
		"after EC parameters":    append(bytes.Clone(curve), params...),
		"after a key":            append(pkcs8PEM(stdKeys()["P-256"]), params...),
		"before something else ": append(bytes.Clone(params), curve...),
	} {
		dh, err := LoadDHParametersFromPEM(b)
		if err != nil || dh.ptr() == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, b := range map[string][]byte{
		"EC parameters": curve,
		"a key":         pkcs8PEM(stdKeys()["P-256"]),
		"truncated":     params[:200],
		"bad DER":       pem.EncodeToMemory(&pem.Block{Type: "DH PARAMETERS", Bytes: []byte("x")}),
	} {
		wantError(t, second(LoadDHParametersFromPEM(b)))
		if t.Failed() {
			t.Fatal(name)
		}
	}
	if pendingErrors() {
		t.Error("errors are left behind")
	}
}
