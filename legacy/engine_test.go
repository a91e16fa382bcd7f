package openssl

import (
	"errors"
	"strings"
	"testing"
)

func TestEngines(t *testing.T) {
	_, err := EngineById("no such engine")
	if !haveEngines() {
		wantUnsupported(t, err, "4.0")
		_, err = EngineLoadPrivateKey(nil, "key")
		wantUnsupported(t, err, "4.0")
		return
	}
	wantError(t, err)
	if !strings.Contains(err.Error(), "engine no such engine missing") {
		t.Errorf("error %v does not name the engine", err)
	}
	_, err = EngineById("zero\x00byte")
	wantArgumentError(t, err, "zero byte")
	_, err = EngineLoadPrivateKey(nil, "key")
	wantArgumentError(t, err, "nil")
	_, err = EngineLoadPrivateKey(&Engine{}, "key")
	wantArgumentError(t, err, "EngineById")
	if pendingErrors() {
		t.Error("errors are left behind")
	}
}

// Of the engines that come with OpenSSL rdrand needs no device. It has random numbers and neither digests, ciphers nor keys.
func TestEngineWithoutTheAlgorithm(t *testing.T) {
	if !haveEngines() {
		t.Skip("this OpenSSL has no engines")
	}
	e, err := EngineById("rdrand")
	if err != nil {
		t.Skipf("this machine has no rdrand: %v", err)
	}
	_, err = EngineLoadPrivateKey(e, "key")
	wantError(t, err)
	for name, err := range map[string]error{
		"hash":   second(NewSHA256HashWithEngine(e)),
		"HMAC":   second(NewHMACWithEngine([]byte("k"), EVP_SHA256, e)),
		"cipher": second(NewEncryptionCipherCtx(must(GetCipherByName("aes-128-cbc")), e, randomBytes(16), randomBytes(16))),
	} {
		var failed *Error
		if err != nil && !errors.As(err, &failed) {
			t.Errorf("%s: %v (%T)", name, err, err)
		}
	}
	_, err = NewMD5HashWithEngine(&Engine{})
	wantArgumentError(t, err, "EngineById")
	_, err = NewHMACWithEngine(nil, EVP_SHA1, &Engine{})
	wantArgumentError(t, err, "EngineById")
}
