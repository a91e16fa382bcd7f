package openssl

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	stdhash "hash"
	"testing"
)

var hmacDigests = map[EVP_MD]func() stdhash.Hash{
	EVP_MD5: md5.New, EVP_SHA1: sha1.New, EVP_SHA224: sha256.New224, EVP_SHA256: sha256.New, EVP_SHA384: sha512.New384, EVP_SHA512: sha512.New,
}

func TestHMACAgreesWithStandardLibrary(t *testing.T) {
	for md, std := range hmacDigests {
		for _, keySize := range []int{1, 20, 64, 65, 128, 129, 1000} {
			key, data := randomBytes(keySize), randomBytes(3000)
			m, err := NewHMAC(key, md)
			if err != nil {
				t.Fatalf("%s: %v", md.name(), err)
			}
			want := hmac.New(std, key)
			want.Write(data)
			for round := range 3 {
				must(m.Write([]byte("noise")))
				if err := m.Reset(); err != nil {
					t.Fatal(err)
				}
				must(m.Write(data[:1000]))
				must(m.Write(nil))
				must(m.Write(data[1000:]))
				got, err := m.Final()
				if err != nil || !bytes.Equal(got, want.Sum(nil)) {
					t.Errorf("%s, key of %d bytes, round %d: %x, %v; want %x", md.name(), keySize, round, got, err, want.Sum(nil))
				}
			}
			m.Close()
		}
	}
}

// The predecessor took the address of the key's first byte.
func TestHMACPanickingOnEmptyKey(t *testing.T) {
	for _, key := range [][]byte{nil, {}} {
		m, err := NewHMAC(key, EVP_SHA256)
		if err != nil {
			t.Fatal(err)
		}
		must(m.Write([]byte("data")))
		want := hmac.New(sha256.New, nil)
		want.Write([]byte("data"))
		if got, err := m.Final(); err != nil || !bytes.Equal(got, want.Sum(nil)) {
			t.Errorf("%x, %v; want %x", got, err, want.Sum(nil))
		}
	}
}

// The predecessor's Close freed again when it was called again, and so did its finalizer.
func TestHMACFreedTwiceByClose(t *testing.T) {
	for range 100 {
		m := must(NewHMAC([]byte("key"), EVP_SHA1))
		m.Close()
		m.Close()
		_, err := m.Write([]byte("x"))
		wantArgumentError(t, err, "closed")
		_, err = m.Final()
		wantArgumentError(t, err, "closed")
		wantArgumentError(t, m.Reset(), "closed")
	}
	collect()
	(&HMAC{}).Close()
}

func TestHMACNeedsADigest(t *testing.T) {
	_, err := NewHMAC([]byte("key"), EVP_NULL)
	wantArgumentError(t, err, "needs a digest")
}
