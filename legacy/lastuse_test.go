package openssl

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"testing"
)

// Each object's only use is its last: under the build tag gcstress a method that does not keep its object alive uses freed memory, which
// the C library has filled.
func TestLastUseOfEverything(t *testing.T) {
	if !rerun(t, "", "MALLOC_PERTURB_=165") {
		return
	}
	std := stdKeys()["P-256"]
	der := must(x509.MarshalPKCS8PrivateKey(std))
	pubDER := must(x509.MarshalPKIXPublicKey(std.Public()))
	_, ca := caPEM(t)
	key := must(LoadPrivateKeyFromDER(der))
	cbc := must(GetCipherByName("aes-128-cbc"))
	block := make([]byte, 16)
	sealed := must(encrypt(must(NewEncryptionCipherCtx(cbc, nil, block, block)), block, 16))
	empty := sha256.Sum256(nil)
	mac := must(must(NewHMAC(nil, EVP_SHA256)).Final())
	params := dhParameters(t)
	held := must(LoadPrivateKeyFromDER(der))

	for name, use := range map[string]func() bool{
		"hash sum":   func() bool { return must(must(NewSHA256Hash()).Sum()) == empty },
		"hash write": func() bool { return must(must(NewSHA1Hash()).Write(block)) == 16 },
		"hash reset": func() bool { return must(NewMD5Hash()).Reset() == nil },
		"HMAC":       func() bool { return bytes.Equal(must(must(NewHMAC(nil, EVP_SHA256)).Final()), mac) },
		"HMAC write": func() bool { return must(must(NewHMAC(nil, EVP_SHA256)).Write(block)) == 16 },
		"HMAC reset": func() bool { return must(NewHMAC(nil, EVP_SHA256)).Reset() == nil },
		"encryption": func() bool {
			return bytes.Equal(must(must(NewEncryptionCipherCtx(cbc, nil, block, block)).EncryptUpdate(block)), sealed[:16])
		},
		"decryption end": func() bool {
			_, err := must(NewDecryptionCipherCtx(cbc, nil, block, block)).DecryptFinal()
			return err != nil
		},
		"GCM extra data": func() bool { return must(NewGCMEncryptionCipherCtx(128, nil, block, block)).ExtraData(block) == nil },
		"GCM tag":        func() bool { return must(NewGCMDecryptionCipherCtx(128, nil, block, block)).SetTag(block) == nil },
		"key type":       func() bool { return must(LoadPrivateKeyFromDER(der)).KeyType() == KeyTypeEC },
		"key base type":  func() bool { return must(LoadPrivateKeyFromDER(der)).BaseType() == KeyTypeEC },
		"key size":       func() bool { return must(LoadPrivateKeyFromDER(der)).Size() == 72 },
		"key equal":      func() bool { return held.Equal(must(LoadPublicKeyFromDER(pubDER))) },
		"key marshalled": func() bool {
			return bytes.Equal(must(must(LoadPrivateKeyFromDER(der)).MarshalPKIXPublicKeyDER()), pubDER)
		},
		"key signs": func() bool {
			return held.VerifyPKCS1v15(SHA256_Method, block, must(must(LoadPrivateKeyFromDER(der)).SignPKCS1v15(SHA256_Method, block))) == nil
		},
		"key verifies": func() bool {
			return must(LoadPublicKeyFromDER(pubDER)).VerifyPKCS1v15(SHA256_Method, block, must(held.SignPKCS1v15(SHA256_Method, block))) == nil
		},
		"secret": func() bool {
			return len(must(DeriveSharedSecret(must(LoadPrivateKeyFromDER(der)), must(LoadPublicKeyFromDER(pubDER))))) == 32
		},
		"parameters": func() bool { return must(LoadDHParametersFromPEM(params)).ptr() != nil },
		"name":       func() bool { return must(NewName()).AddTextEntry("CN", "x") == nil },
		"certificate's name": func() bool {
			_, ok := must(must(LoadCertificateFromPEM(ca)).GetSubjectName()).GetEntry(NID_commonName)
			return !ok
		},
		"certificate marshalled": func() bool { return bytes.Equal(must(must(LoadCertificateFromPEM(ca)).MarshalPEM()), ca) },
		"certificate's key":      func() bool { return must(must(LoadCertificateFromPEM(ca)).PublicKey()).Equal(held) },
		"certificate's serial":   func() bool { return must(LoadCertificateFromPEM(ca)).GetSerialNumberHex() == "01" },
		"certificate's version":  func() bool { return must(LoadCertificateFromPEM(ca)).GetVersion() == X509_V3 },
		"certificate's extension": func() bool {
			return bytes.Contains(must(LoadCertificateFromPEM(ca)).GetExtensionValue(NID_subject_key_identifier), []byte("id"))
		},
		"certificate's digest": func() bool {
			der, _ := pem.Decode(ca)
			sum := sha256.Sum256(der.Bytes)
			return bytes.Equal(must(LoadCertificateFromPEM(ca)).Hash(must(GetDigestByName("sha256"))), sum[:])
		},
		"certificate printed":   func() bool { return len(must(must(LoadCertificateFromPEM(ca)).X509NamePrintEx())) == 0 },
		"certificate signed":    func() bool { return must(LoadCertificateFromPEM(ca)).Sign(key, EVP_SHA256) == nil },
		"certificate's subject": func() bool { return must(LoadCertificateFromPEM(ca)).SetSubjectName(must(NewName())) == nil },
		"certificate's expiry":  func() bool { return must(LoadCertificateFromPEM(ca)).SetExpireDate(1) == nil },
		"certificate's new key": func() bool {
			return must(LoadCertificateFromPEM(ca)).SetPubKey(must(LoadPublicKeyFromDER(pubDER))) == nil
		},
		"certificate extended": func() bool {
			return must(LoadCertificateFromPEM(ca)).AddExtension(NID_netscape_comment, "x") == nil
		},
		"Ctx": func() bool { return must(NewCtx()).SetCipherList("DEFAULT") == nil },
		"Ctx's certificate": func() bool {
			return must(NewCtx()).UseCertificate(must(LoadCertificateFromPEM(ca))) == nil
		},
		"Ctx's chain": func() bool {
			return must(NewCtx()).AddChainCertificate(must(LoadCertificateFromPEM(ca))) == nil
		},
		"Ctx's key":  func() bool { return must(NewCtx()).UsePrivateKey(must(LoadPrivateKeyFromDER(der))) == nil },
		"Ctx's DH":   func() bool { return must(NewCtx()).SetDHParameters(must(LoadDHParametersFromPEM(params))) == nil },
		"Ctx's mode": func() bool { return must(NewCtx()).VerifyMode() == VerifyNone },
		"Ctx's store": func() bool {
			return must(NewCtx()).GetCertificateStore().AddCertificate(must(LoadCertificateFromPEM(ca))) == nil
		},
		"certificate's host": func() bool { return must(LoadCertificateFromPEM(ca)).CheckHost("x", 0) == ValidationError },
		"store": func() bool {
			return must(NewCertificateStore()).AddCertificate(must(LoadCertificateFromPEM(ca))) == nil
		},
	} {
		for range 2 * blockSize {
			if !use() {
				t.Errorf("%s: the answer is wrong", name)
				break
			}
		}
	}
}
