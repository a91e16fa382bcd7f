package openssl

import "testing"

// What the predecessors allocate for the same calls, measured with testing.AllocsPerRun: github.com/spacemonkeygo/openssl on OpenSSL
// 1.1.1, and github.com/libp2p/go-openssl v0.1.0 on 3.0, the same numbers.
func TestAllocationsNoMoreThanPredecessor(t *testing.T) {
	if !countsAllocations {
		t.Skip("allocations differ under the race detector, asan and gcstress")
	}
	data, key, iv := make([]byte, 100), make([]byte, 32), make([]byte, 16)
	hash := must(NewSHA256Hash())
	mac := must(NewHMAC(key, EVP_SHA256))
	cbc := must(GetCipherByName("aes-256-cbc"))
	enc := must(NewEncryptionCipherCtx(cbc, nil, key, iv))

	for _, c := range []struct {
		name        string
		predecessor float64
		f           func()
	}{
		{"MD5", 2, func() { must(MD5(data)) }},
		{"SHA1", 2, func() { must(SHA1(data)) }},
		{"SHA256", 2, func() { must(SHA256(data)) }},
		{"NewSHA256Hash", 1, func() { must(NewSHA256Hash()) }},
		{"NewSHA256Hash, Write, Sum, Close", 2, func() {
			h := must(NewSHA256Hash())
			must(h.Write(data))
			must(h.Sum())
			h.Close()
		}},
		{"SHA256Hash.Write", 0, func() { must(hash.Write(data)) }},
		{"SHA256Hash.Sum", 1, func() { must(hash.Sum()) }},
		{"SHA256Hash.Reset", 0, func() { must(0, hash.Reset()) }},
		{"NewHMAC", 1, func() { must(NewHMAC(key, EVP_SHA256)) }},
		{"HMAC.Write", 0, func() { must(mac.Write(data)) }},
		{"HMAC.Final", 2, func() { must(mac.Final()) }},
		{"HMAC.Reset", 0, func() { must(0, mac.Reset()) }},
		{"GetCipherByName", 1, func() { must(GetCipherByName("aes-256-cbc")) }},
		{"GetDigestByName", 1, func() { must(GetDigestByName("sha256")) }},
		{"NewEncryptionCipherCtx", 2, func() { must(NewEncryptionCipherCtx(cbc, nil, key, iv)) }},
		{"EncryptUpdate", 2, func() { must(enc.EncryptUpdate(data)) }},
		{"a CBC message", 6, func() {
			e := must(NewEncryptionCipherCtx(cbc, nil, key, iv))
			must(e.EncryptUpdate(data))
			must(e.EncryptFinal())
		}},
		{"NewGCMEncryptionCipherCtx", 4, func() { must(NewGCMEncryptionCipherCtx(256, nil, key, iv)) }},
		{"a GCM message", 10, func() {
			e := must(NewGCMEncryptionCipherCtx(256, nil, key, iv))
			must(0, e.ExtraData(iv))
			must(e.EncryptUpdate(data))
			must(e.EncryptFinal())
			must(e.GetTag())
		}},
	} {
		got := testing.AllocsPerRun(1000, c.f)
		t.Logf("%-35s %v, the predecessor %v", c.name, got, c.predecessor)
		if got > c.predecessor {
			t.Errorf("%s allocates %v times, the predecessor %v times", c.name, got, c.predecessor)
		}
	}
}
