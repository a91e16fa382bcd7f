package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"

	"github.com/spacemonkeygo/openssl"
)

func keys(s *section) {
	generated := map[string]func() (openssl.PrivateKey, error){
		"RSA":            func() (openssl.PrivateKey, error) { return openssl.GenerateRSAKey(2048) },
		"RSA 65537":      func() (openssl.PrivateKey, error) { return openssl.GenerateRSAKeyWithExponent(2048, 65537) },
		"EC P-256":       func() (openssl.PrivateKey, error) { return openssl.GenerateECKey(openssl.Prime256v1) },
		"EC P-384":       func() (openssl.PrivateKey, error) { return openssl.GenerateECKey(openssl.Secp384r1) },
		"EC P-521":       func() (openssl.PrivateKey, error) { return openssl.GenerateECKey(openssl.Secp521r1) },
		"EC wrong curve": func() (openssl.PrivateKey, error) { return openssl.GenerateECKey(1) },
		"Ed25519":        openssl.GenerateED25519Key,
	}
	for _, name := range []string{"RSA", "RSA 65537", "EC P-256", "EC P-384", "EC P-521", "EC wrong curve", "Ed25519"} {
		key, err := generated[name]()
		s.line("generate "+name, err)
		if err == nil {
			oneKey(s, name, key)
		}
	}

	std := must(rsa.GenerateKey(rand.Reader, 2048))
	pkcs8 := must(x509.MarshalPKCS8PrivateKey(std))
	key, err := openssl.LoadPrivateKeyFromDER(pkcs8)
	s.line("load PKCS #8", err)
	s.try("PKCS #1 of it", func() []any {
		der, err := key.MarshalPKCS1PrivateKeyDER()
		return []any{bytes.Equal(der, x509.MarshalPKCS1PrivateKey(std)), err}
	})
	s.try("the standard library verifies", func() []any {
		sig, err := key.SignPKCS1v15(openssl.SHA256_Method, message)
		sum := sha256.Sum256(message)
		return []any{err, rsa.VerifyPKCS1v15(&std.PublicKey, crypto.SHA256, sum[:], sig)}
	})
	s.try("and is verified", func() []any {
		sum := sha256.Sum256(message)
		sig := must(std.Sign(rand.Reader, sum[:], crypto.SHA256))
		return []any{key.VerifyPKCS1v15(openssl.SHA256_Method, message, sig)}
	})
	ec := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	s.try("EC with the standard library", func() []any {
		key, err := openssl.LoadPrivateKeyFromPEM(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: must(x509.MarshalECPrivateKey(ec))}))
		if err != nil {
			return []any{err}
		}
		sig, err := key.SignPKCS1v15(openssl.SHA256_Method, message)
		sum := sha256.Sum256(message)
		return []any{err, ecdsa.VerifyASN1(&ec.PublicKey, sum[:], sig)}
	})

	//lint:ignore SA1019 the original loads such keys
	encrypted := pem.EncodeToMemory(must(x509.EncryptPEMBlock(rand.Reader, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(std), []byte("secret"), x509.PEMCipherAES128)))
	s.try("password", func() []any {
		key, err := openssl.LoadPrivateKeyFromPEMWithPassword(encrypted, "secret")
		if err != nil {
			return []any{err}
		}
		return []any{key.KeyType() == openssl.KeyTypeRSA}
	})
	s.try("wrong password", func() []any {
		_, err := openssl.LoadPrivateKeyFromPEMWithPassword(encrypted, "other")
		return []any{err}
	})
	s.try("password, as misspelled", func() []any {
		_, err := openssl.LoadPrivateKeyFromPEMWidthPassword(encrypted, "secret")
		return []any{err}
	})
	s.try("password that is not needed", func() []any {
		_, err := openssl.LoadPrivateKeyFromPEMWithPassword(pki().server.keyPEM, "x")
		return []any{err}
	})

	bad := map[string][]byte{"nothing": nil, "noise": []byte("noise"), "a certificate": pki().server.certPEM, "half": pki().server.keyPEM[:60]}
	for _, name := range []string{"nothing", "noise", "a certificate", "half"} {
		s.try("private key of "+name, func() []any { k, err := openssl.LoadPrivateKeyFromPEM(bad[name]); return []any{k == nil, err} })
		s.try("private key, DER, of "+name, func() []any { k, err := openssl.LoadPrivateKeyFromDER(bad[name]); return []any{k == nil, err} })
		s.try("public key of "+name, func() []any { k, err := openssl.LoadPublicKeyFromPEM(bad[name]); return []any{k == nil, err} })
		s.try("public key, DER, of "+name, func() []any { k, err := openssl.LoadPublicKeyFromDER(bad[name]); return []any{k == nil, err} })
	}

	a, b := must(openssl.GenerateECKey(openssl.Prime256v1)), must(openssl.GenerateECKey(openssl.Prime256v1))
	s.try("shared secret", func() []any {
		one, err := openssl.DeriveSharedSecret(a, b)
		two, err2 := openssl.DeriveSharedSecret(b, a)
		return []any{len(one), err, bytes.Equal(one, two), err2}
	})
	s.try("shared secret across curves", func() []any {
		_, err := openssl.DeriveSharedSecret(a, must(openssl.GenerateECKey(openssl.Secp384r1)))
		return []any{err}
	})
}

func oneKey(s *section, name string, key openssl.PrivateKey) {
	method := openssl.SHA256_Method
	if key.KeyType() == openssl.KeyTypeED25519 {
		method = nil
	}
	s.line(name+", types", int(key.KeyType()), int(key.BaseType()))
	blockOf := func(text []byte, err error) []any {
		if err != nil {
			return []any{err}
		}
		block, rest := pem.Decode(text)
		return []any{block.Type, len(rest)}
	}
	s.try(name+", private PEM", func() []any { return blockOf(key.MarshalPKCS1PrivateKeyPEM()) })
	s.try(name+", public PEM", func() []any { return blockOf(key.MarshalPKIXPublicKeyPEM()) })
	s.try(name+", private PEM and back", func() []any {
		text, err := key.MarshalPKCS1PrivateKeyPEM()
		if err != nil {
			return []any{err}
		}
		again, err := openssl.LoadPrivateKeyFromPEM(text)
		if err != nil {
			return []any{err}
		}
		return []any{bytes.Equal(text, must(again.MarshalPKCS1PrivateKeyPEM()))}
	})
	s.try(name+", private DER and back", func() []any {
		der, err := key.MarshalPKCS1PrivateKeyDER()
		if err != nil {
			return []any{err}
		}
		again, err := openssl.LoadPrivateKeyFromDER(der)
		if err != nil {
			return []any{err}
		}
		return []any{bytes.Equal(der, must(again.MarshalPKCS1PrivateKeyDER()))}
	})
	var public openssl.PublicKey
	s.try(name+", public DER and back", func() []any {
		der, err := key.MarshalPKIXPublicKeyDER()
		if err != nil {
			return []any{err}
		}
		public, err = openssl.LoadPublicKeyFromDER(der)
		if err != nil {
			return []any{err}
		}
		std, err := x509.ParsePKIXPublicKey(der)
		return []any{bytes.Equal(der, must(public.MarshalPKIXPublicKeyDER())), fmt.Sprintf("%T", std), err}
	})
	s.try(name+", public PEM and back", func() []any {
		again, err := openssl.LoadPublicKeyFromPEM(must(key.MarshalPKIXPublicKeyPEM()))
		if err != nil {
			return []any{err}
		}
		return []any{bytes.Equal(must(again.MarshalPKIXPublicKeyDER()), must(key.MarshalPKIXPublicKeyDER()))}
	})
	var sig []byte
	s.try(name+", sign", func() []any {
		var err error
		sig, err = key.SignPKCS1v15(method, message)
		return []any{len(sig) > 0, err}
	})
	s.try(name+", verify", func() []any { return []any{public.VerifyPKCS1v15(method, message, sig)} })
	s.try(name+", verify by the private key", func() []any { return []any{key.VerifyPKCS1v15(method, message, sig)} })
	s.try(name+", verify other data", func() []any { return []any{kind(public.VerifyPKCS1v15(method, message[1:], sig))} })
	s.try(name+", verify a cut signature", func() []any { return []any{kind(public.VerifyPKCS1v15(method, message, sig[:len(sig)-1]))} })
	s.try(name+", verify no signature", func() []any { return []any{kind(public.VerifyPKCS1v15(method, message, nil))} })
	s.try(name+", sign nothing", func() []any { sig, err := key.SignPKCS1v15(method, nil); return []any{len(sig) > 0, err} })
	s.try(name+", other digests", func() []any {
		var all []any
		for _, m := range []openssl.Method{openssl.SHA1_Method, openssl.SHA512_Method} {
			sig, err := key.SignPKCS1v15(m, message)
			all = append(all, err)
			if err == nil {
				all = append(all, key.VerifyPKCS1v15(m, message, sig), kind(key.VerifyPKCS1v15(openssl.SHA256_Method, message, sig)))
			}
		}
		return all
	})
}
