package openssl

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Keys of the standard library, made once.
var stdKeys = sync.OnceValue(func() map[string]crypto.Signer {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	return map[string]crypto.Signer{
		"RSA":     must(rsa.GenerateKey(rand.Reader, 2048)),
		"P-256":   must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)),
		"P-384":   must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)),
		"P-521":   must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader)),
		"Ed25519": must(ed, err),
	}
})

// Keys of this package, made once.
var ourKeys = sync.OnceValue(func() map[string]PrivateKey {
	return map[string]PrivateKey{
		"RSA":     must(GenerateRSAKeyWithExponent(2048, DefaultRSAExponent)),
		"RSA e=3": must(GenerateRSAKey(2048)),
		"P-256":   must(GenerateECKey(Prime256v1)),
		"P-384":   must(GenerateECKey(Secp384r1)),
		"P-521":   must(GenerateECKey(Secp521r1)),
		"Ed25519": must(GenerateED25519Key()),
	}
})

func pkcs8PEM(key any) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(key))})
}

var methods = []struct {
	method Method
	hash   crypto.Hash
}{{SHA1_Method, crypto.SHA1}, {SHA256_Method, crypto.SHA256}, {SHA512_Method, crypto.SHA512}}

func digestFor(h crypto.Hash, data []byte) []byte {
	switch h {
	case crypto.SHA1:
		s := sha1.Sum(data)
		return s[:]
	case crypto.SHA256:
		s := sha256.Sum256(data)
		return s[:]
	}
	s := sha512.Sum512(data)
	return s[:]
}

// stdVerify verifies with the standard library.
func stdVerify(pub any, h crypto.Hash, data, sig []byte) bool {
	switch pub := pub.(type) {
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(pub, h, digestFor(h, data), sig) == nil
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(pub, digestFor(h, data), sig)
	case ed25519.PublicKey:
		return ed25519.Verify(pub, data, sig)
	}
	return false
}

func checkSignature(t *testing.T, verify func(Method, crypto.Hash, []byte, []byte) bool, sign func(Method, crypto.Hash, []byte) []byte, own bool) {
	t.Helper()
	ms := methods
	if own {
		ms = methods[:1]
	}
	for _, m := range ms {
		method := m.method
		if own {
			method = nil
		}
		for _, data := range [][]byte{[]byte("x"), randomBytes(5000)} {
			sig := sign(method, m.hash, data)
			if !verify(method, m.hash, data, sig) {
				t.Errorf("%v: a good signature of %d bytes is refused", m.hash, len(data))
			}
			changed := bytes.Clone(data)
			changed[0] ^= 1
			if verify(method, m.hash, changed, sig) {
				t.Errorf("%v: a signature of something else is accepted", m.hash)
			}
		}
	}
}

func TestSignaturesVerifiedByStandardLibrary(t *testing.T) {
	for name, key := range ourKeys() {
		t.Run(name, func(t *testing.T) {
			pub := must(x509.ParsePKIXPublicKey(must(key.MarshalPKIXPublicKeyDER())))
			checkSignature(t,
				func(_ Method, h crypto.Hash, data, sig []byte) bool { return stdVerify(pub, h, data, sig) },
				func(m Method, _ crypto.Hash, data []byte) []byte { return must(key.SignPKCS1v15(m, data)) },
				name == "Ed25519")
		})
	}
}

func TestStandardLibrarysSignaturesVerified(t *testing.T) {
	for name, std := range stdKeys() {
		t.Run(name, func(t *testing.T) {
			pub := must(LoadPublicKeyFromDER(must(x509.MarshalPKIXPublicKey(std.Public()))))
			checkSignature(t,
				func(m Method, _ crypto.Hash, data, sig []byte) bool { return pub.VerifyPKCS1v15(m, data, sig) == nil },
				func(_ Method, h crypto.Hash, data []byte) []byte {
					if name == "Ed25519" {
						return must(std.Sign(rand.Reader, data, crypto.Hash(0)))
					}
					return must(std.Sign(rand.Reader, digestFor(h, data), h))
				}, name == "Ed25519")
		})
	}
}

func TestEmptyDataIsSigned(t *testing.T) {
	for name, key := range ourKeys() {
		if name == "Ed25519" {
			continue
		}
		for _, data := range [][]byte{nil, {}} {
			sig, err := key.SignPKCS1v15(SHA256_Method, data)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if err := key.VerifyPKCS1v15(SHA256_Method, nil, sig); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// The predecessor took the address of the first byte of an empty signature.
func TestVerifyPanickingOnEmptySignature(t *testing.T) {
	for name, key := range ourKeys() {
		method := SHA256_Method
		if name == "Ed25519" {
			method = nil
		}
		wantArgumentError(t, key.VerifyPKCS1v15(method, []byte("data"), nil), "0-length sig")
		wantArgumentError(t, key.VerifyPKCS1v15(method, []byte("data"), []byte{}), "0-length sig")
	}
}

func TestSignBadInput(t *testing.T) {
	keys := ourKeys()
	data := []byte("data")
	_, err := keys["RSA"].SignPKCS1v15(nil, data)
	wantArgumentError(t, err, "needs a digest")
	wantArgumentError(t, keys["P-256"].VerifyPKCS1v15(nil, data, data), "needs a digest")
	_, err = keys["Ed25519"].SignPKCS1v15(SHA256_Method, data)
	wantArgumentError(t, err, "non-null digest")
	_, err = keys["Ed25519"].SignPKCS1v15(nil, nil)
	wantArgumentError(t, err, "0-length data")
	wantArgumentError(t, keys["Ed25519"].VerifyPKCS1v15(nil, nil, data), "0-length data")

	for name, key := range keys {
		method := SHA256_Method
		if name == "Ed25519" {
			method = nil
		}
		err := key.VerifyPKCS1v15(method, data, []byte("not a signature"))
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%s: garbage as signature: %v (%T)", name, err, err)
		}
	}
}

func TestPrivateKeysAsStandardLibraryReadsThem(t *testing.T) {
	for name, key := range ourKeys() {
		t.Run(name, func(t *testing.T) {
			der := must(key.MarshalPKCS1PrivateKeyDER())
			block, rest := pem.Decode(must(key.MarshalPKCS1PrivateKeyPEM()))
			if block == nil || len(rest) != 0 {
				t.Fatal("MarshalPKCS1PrivateKeyPEM is not one PEM block")
			}
			var parsed any
			var err error
			switch {
			case strings.HasPrefix(name, "RSA"):
				parsed, err = x509.ParsePKCS1PrivateKey(block.Bytes)
				if block.Type != "RSA PRIVATE KEY" {
					t.Errorf("PEM block %s", block.Type)
				}
			case name == "Ed25519":
				parsed, err = x509.ParsePKCS8PrivateKey(block.Bytes)
				if block.Type != "PRIVATE KEY" {
					t.Errorf("PEM block %s", block.Type)
				}
			default:
				parsed, err = x509.ParseECPrivateKey(block.Bytes)
				if block.Type != "EC PRIVATE KEY" {
					t.Errorf("PEM block %s", block.Type)
				}
			}
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(der, block.Bytes) {
				t.Error("PEM and DER differ")
			}
			pub := must(x509.MarshalPKIXPublicKey(parsed.(crypto.Signer).Public()))
			if !bytes.Equal(pub, must(key.MarshalPKIXPublicKeyDER())) {
				t.Error("the public key is another")
			}
			pubBlock, _ := pem.Decode(must(key.MarshalPKIXPublicKeyPEM()))
			if pubBlock == nil || pubBlock.Type != "PUBLIC KEY" || !bytes.Equal(pubBlock.Bytes, pub) {
				t.Errorf("public PEM block %v", pubBlock)
			}
			for form, load := range map[string]func() (PrivateKey, error){
				"PEM": func() (PrivateKey, error) { return LoadPrivateKeyFromPEM(pem.EncodeToMemory(block)) },
				"DER": func() (PrivateKey, error) { return LoadPrivateKeyFromDER(der) },
			} {
				again, err := load()
				if err != nil || !again.Equal(key) || !bytes.Equal(must(again.MarshalPKCS1PrivateKeyDER()), der) {
					t.Errorf("%s loaded again: %v, or another key", form, err)
				}
			}
		})
	}
}

// Since OpenSSL 1.1.1h the traditional PEM writer refuses a key that has no traditional form.
func TestED25519TraditionalPEM(t *testing.T) {
	std := stdKeys()["Ed25519"]
	key := must(LoadPrivateKeyFromPEM(pkcs8PEM(std)))
	got, err := key.MarshalPKCS1PrivateKeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(pkcs8PEM(std)), string(got)); diff != "" {
		t.Error(diff)
	}
}

func TestStandardLibrarysKeysLoaded(t *testing.T) {
	wantType := map[string]NID{"RSA": KeyTypeRSA, "P-256": KeyTypeEC, "P-384": KeyTypeEC, "P-521": KeyTypeEC, "Ed25519": KeyTypeED25519}
	// A signature of P-256 has two integers of at most 33 bytes in DER: 72 with their headers, and so on. 1.1.1 reckons with a 67th
	// byte in the integers of P-521.
	wantSize := map[string]int{"RSA": 256, "P-256": 72, "P-384": 104, "P-521": 139, "Ed25519": 64}
	if VersionNumber < 0x30000000 {
		wantSize["P-521"] = 141
	}
	for name, std := range stdKeys() {
		key := must(LoadPrivateKeyFromDER(must(x509.MarshalPKCS8PrivateKey(std))))
		if key.KeyType() != wantType[name] || key.BaseType() != wantType[name] || key.Size() != wantSize[name] {
			t.Errorf("%s: type %d, base type %d, size %d", name, key.KeyType(), key.BaseType(), key.Size())
		}
		pubDER := must(x509.MarshalPKIXPublicKey(std.Public()))
		pub := must(LoadPublicKeyFromPEM(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pubDER})))
		if !pub.Equal(key) || !key.Equal(pub) || !bytes.Equal(must(pub.MarshalPKIXPublicKeyDER()), pubDER) {
			t.Errorf("%s: the public half is another", name)
		}
	}
}

func TestEqual(t *testing.T) {
	keys := ourKeys()
	for a, ka := range keys {
		for b, kb := range keys {
			if got := ka.Equal(kb); got != (a == b) {
				t.Errorf("%s Equal %s = %v", a, b, got)
			}
		}
		if ka.Equal(nil) {
			t.Errorf("%s equals nil", a)
		}
	}
	if pendingErrors() {
		t.Error("Equal leaves errors behind")
	}
}

// Made by: openssl pkcs8 -topk8 -v2 aes-256-cbc -passout pass:correct
const encryptedPKCS8 = `-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAhThovcD/Ue+wICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEJpGesD6IbY5frxQOc9LPrYEgZAj
ik7RRZhqqi9vThL+NAodgOCwMSv5ZBCOsYGskoUtW+olfnBnzz6NBxELKlwss2eY
lPgKIu+73lDiKA/9ymPWo7Hu/Lc1Jq5vwWvr9Nwigyq6aSVwkwa+ZLBzXaq7macG
Lq8fcayCz5oCUSqxTGyu0F23FiXFOvLuDImfF/JlTDdY1AjVhylVl/xc6WS+ogU=
-----END ENCRYPTED PRIVATE KEY-----
`

// encryptedPKCS1 is an RSA key in the older way to encrypt PEM (RFC 1423).
func encryptedPKCS1(t *testing.T, password string) []byte {
	t.Helper()
	key := stdKeys()["RSA"].(*rsa.PrivateKey)
	//lint:ignore SA1019 the old format is what is tested
	block, err := x509.EncryptPEMBlock(rand.Reader, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key), []byte(password), x509.PEMCipherAES256)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(block)
}

// The predecessor let libcrypto ask for the password on the terminal, or else on standard input.
func TestEncryptedKeyPromptingOnTheTerminal(t *testing.T) {
	if !rerun(t, strings.Repeat("correct\n", 10)) {
		return
	}
	for name, block := range map[string][]byte{"PKCS#8": []byte(encryptedPKCS8), "PKCS#1": encryptedPKCS1(t, "correct")} {
		_, err := LoadPrivateKeyFromPEM(block)
		if !errors.Is(err, ErrPasswordNeeded) {
			t.Errorf("%s: error %v; want ErrPasswordNeeded", name, err)
		}
	}
	// A header that asks for a password may stand before anything.
	old := encryptedPKCS1(t, "correct")
	for _, kind := range []string{"CERTIFICATE", "PUBLIC KEY", "DH PARAMETERS"} {
		block := bytes.ReplaceAll(old, []byte("RSA PRIVATE KEY"), []byte(kind))
		if _, err := LoadCertificateFromPEM(block); err == nil {
			t.Errorf("%s is a certificate", kind)
		}
		if _, err := LoadPublicKeyFromPEM(block); err == nil {
			t.Errorf("%s is a public key", kind)
		}
		if _, err := LoadDHParametersFromPEM(block); err == nil {
			t.Errorf("%s is Diffie-Hellman parameters", kind)
		}
	}
	if pendingErrors() {
		t.Error("errors are left behind")
	}
}

func TestLoadWithPassword(t *testing.T) {
	std := stdKeys()["RSA"]
	want := must(x509.MarshalPKIXPublicKey(std.Public()))
	for _, password := range []string{"correct", "with spaces and é", "zero\x00byte", strings.Repeat("x", 1024)} {
		block := encryptedPKCS1(t, password)
		for _, load := range []func([]byte, string) (PrivateKey, error){LoadPrivateKeyFromPEMWithPassword, LoadPrivateKeyFromPEMWidthPassword} {
			key, err := load(block, password)
			if err != nil {
				t.Errorf("password of %d bytes: %v", len(password), err)
				continue
			}
			if !bytes.Equal(must(key.MarshalPKIXPublicKeyDER()), want) {
				t.Error("another key was loaded")
			}
		}
		for _, wrong := range []string{"", "wrong", password + "x"} {
			if _, err := LoadPrivateKeyFromPEMWithPassword(block, wrong); err == nil {
				t.Errorf("%.20q opens what %.20q encrypts", wrong, password)
			}
		}
	}
	key, err := LoadPrivateKeyFromPEMWithPassword([]byte(encryptedPKCS8), "correct")
	if err != nil || key.KeyType() != KeyTypeEC {
		t.Errorf("PKCS#8: %v, %v", key, err)
	}
	_, err = LoadPrivateKeyFromPEMWithPassword([]byte(encryptedPKCS8), "wrong")
	wantError(t, err)
	_, err = LoadPrivateKeyFromPEMWithPassword([]byte(encryptedPKCS8), strings.Repeat("x", 2000))
	if !errors.Is(err, ErrPasswordTooLong) {
		t.Errorf("a password of 2000 bytes: %v", err)
	}
	if _, err := LoadPrivateKeyFromPEMWithPassword(pkcs8PEM(std), "not needed"); err != nil {
		t.Errorf("a key that is not encrypted: %v", err)
	}
}

func loaders() map[string]func([]byte) error {
	return map[string]func([]byte) error{
		"LoadPrivateKeyFromPEM":             func(b []byte) error { return errOf(LoadPrivateKeyFromPEM(b)) },
		"LoadPrivateKeyFromPEMWithPassword": func(b []byte) error { return errOf(LoadPrivateKeyFromPEMWithPassword(b, "p")) },
		"LoadPrivateKeyFromDER":             func(b []byte) error { return errOf(LoadPrivateKeyFromDER(b)) },
		"LoadPublicKeyFromPEM":              func(b []byte) error { return errOf(LoadPublicKeyFromPEM(b)) },
		"LoadPublicKeyFromDER":              func(b []byte) error { return errOf(LoadPublicKeyFromDER(b)) },
		"LoadCertificateFromPEM":            func(b []byte) error { return errOf(LoadCertificateFromPEM(b)) },
		"LoadDHParametersFromPEM":           func(b []byte) error { return errOf(LoadDHParametersFromPEM(b)) },
	}
}

func TestLoadersPanickingOnEmptyInput(t *testing.T) {
	for name, load := range loaders() {
		for _, b := range [][]byte{nil, {}} {
			err := load(b)
			wantArgumentError(t, err, "empty")
			if t.Failed() {
				t.Fatal(name)
			}
		}
	}
}

// The predecessor left the errors of a failed load on the thread's queue, where the next healthy read of a connection on the same thread
// took them for its own.
func TestFailedKeyLoadLeavingErrorsOnTheQueue(t *testing.T) {
	good := pkcs8PEM(stdKeys()["P-256"])
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for name, load := range loaders() {
		for _, b := range []string{"x", "-----BEGIN X-----\n-----END X-----\n", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", string(randomBytes(100))} {
			err := load([]byte(b))
			var e *Error
			if !errors.As(err, &e) {
				t.Errorf("%s of %.20q: %v (%T)", name, b, err, err)
			}
			if pendingErrors() {
				t.Fatalf("%s of %.20q leaves errors on the queue", name, b)
			}
		}
	}
	if _, err := LoadPrivateKeyFromPEM(good); err != nil {
		t.Error(err)
	}
	if pendingErrors() {
		t.Error("a good load leaves errors on the queue")
	}
}

// An error holds what its own call did and nothing of the one before.
func TestErrorsAreNeverStale(t *testing.T) {
	bad := []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
	first := wantError(t, errOf(LoadCertificateFromPEM(bad)))
	for range 5 {
		wantError(t, errOf(LoadPublicKeyFromDER([]byte("x"))))
		again := wantError(t, errOf(LoadCertificateFromPEM(bad)))
		if diff := cmp.Diff(first.Queue, again.Queue); diff != "" {
			t.Fatal(diff)
		}
	}
	for _, e := range first.Queue {
		if e.Code == 0 || e.Lib == 0 || e.Reason == 0 || e.Library == "" || e.Text == "" {
			t.Errorf("entry %+v is not complete", e)
		}
	}
}

func TestGenerateBadInput(t *testing.T) {
	for _, bits := range []int{math.MinInt, -1, 0, 511, 16385, math.MaxInt} {
		_, err := GenerateRSAKey(bits)
		wantArgumentError(t, err, "bits")
	}
	// With an even exponent 1.1.1 would never return.
	for _, e := range []int{math.MinInt, -3, 0, 1, 2, 4, 65536} {
		_, err := GenerateRSAKeyWithExponent(1024, e)
		wantArgumentError(t, err, "exponent")
	}
	for _, curve := range []EllipticCurve{-1, 99999} {
		wantArgumentError(t, second(GenerateECKey(curve)), "no curve")
	}
	for _, curve := range []EllipticCurve{0, EllipticCurve(NID_rsa)} {
		wantError(t, second(GenerateECKey(curve)))
	}
	if pendingErrors() {
		t.Error("errors are left behind")
	}
}

func TestGenerateRSAExponent(t *testing.T) {
	for _, e := range []int{3, 17, DefaultRSAExponent} {
		key := must(GenerateRSAKeyWithExponent(1024, e))
		pub := must(x509.ParsePKIXPublicKey(must(key.MarshalPKIXPublicKeyDER()))).(*rsa.PublicKey)
		if pub.N.BitLen() != 1024 || pub.E != e {
			t.Errorf("exponent %d: a key of %d bits with exponent %d", e, pub.N.BitLen(), pub.E)
		}
	}
}

func TestPublicKeyIsNoPrivateKey(t *testing.T) {
	pub := must(LoadPublicKeyFromDER(must(ourKeys()["P-256"].MarshalPKIXPublicKeyDER())))
	k, ok := pub.(PrivateKey)
	if !ok {
		return
	}
	_, err := k.SignPKCS1v15(SHA256_Method, []byte("x"))
	wantArgumentError(t, err, "public key")
	_, err = k.MarshalPKCS1PrivateKeyPEM()
	wantArgumentError(t, err, "public key")
	_, err = k.MarshalPKCS1PrivateKeyDER()
	wantArgumentError(t, err, "public key")
}

func TestKeysInParallel(t *testing.T) {
	keys := ourKeys()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				sig := must(keys["P-256"].SignPKCS1v15(SHA256_Method, []byte("data")))
				if err := keys["P-256"].VerifyPKCS1v15(SHA256_Method, []byte("data"), sig); err != nil {
					t.Error(err)
				}
				must(keys["P-256"].MarshalPKIXPublicKeyPEM())
				keys["P-256"].Equal(keys["RSA"])
			}
		})
	}
	wg.Wait()
}

func FuzzLoaders(f *testing.F) {
	f.Add([]byte(encryptedPKCS8))
	f.Add(pkcs8PEM(stdKeys()["P-256"]))
	f.Add(must(x509.MarshalPKCS8PrivateKey(stdKeys()["Ed25519"])))
	f.Fuzz(func(t *testing.T, b []byte) {
		for name, load := range loaders() {
			_ = load(b)
			if pendingErrors() {
				t.Fatalf("%s leaves errors on the queue", name)
			}
		}
	})
}

// Programs that look into the predecessor's error texts find them.
func TestKeyErrorsSayWhatThePredecessorSaid(t *testing.T) {
	noise := []byte("noise")
	for _, c := range []struct {
		name, want string
		err        error
	}{
		{"private PEM", "failed reading private key", errOf(LoadPrivateKeyFromPEM(noise))},
		{"private DER", "failed reading private key der", errOf(LoadPrivateKeyFromDER(noise))},
		{"public PEM", "failed reading public key der", errOf(LoadPublicKeyFromPEM(noise))},
		{"public DER", "failed reading public key der", errOf(LoadPublicKeyFromDER(noise))},
		{"empty PEM", "empty pem block", errOf(LoadPublicKeyFromPEM(nil))},
		{"empty DER", "empty der block", errOf(LoadPrivateKeyFromDER(nil))},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("%s: %v; want an error with %q", c.name, c.err, c.want)
		}
	}
}

func errOf[T any](_ T, err error) error { return err }
