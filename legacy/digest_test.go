package openssl

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	stdhash "hash"
	"io"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func randomBytes(n int) []byte {
	b := make([]byte, n)
	src := rand.NewChaCha8([32]byte{1})
	src.Read(b)
	return b
}

var hashSizes = []int{0, 1, 55, 56, 63, 64, 65, 1000, 1 << 20}

// runningHash is what the hashes have in common.
type runningHash interface {
	io.Writer
	Reset() error
	Close()
}

type hashCase struct {
	name  string
	once  func([]byte) ([]byte, error)
	start func() (runningHash, func() ([]byte, error), error)
	std   func() stdhash.Hash
}

var hashCases = []hashCase{
	{"MD5", func(b []byte) ([]byte, error) { s, err := MD5(b); return s[:], err },
		func() (runningHash, func() ([]byte, error), error) {
			h, err := NewMD5Hash()
			return h, func() ([]byte, error) { s, err := h.Sum(); return s[:], err }, err
		}, md5.New},
	{"SHA1", func(b []byte) ([]byte, error) { s, err := SHA1(b); return s[:], err },
		func() (runningHash, func() ([]byte, error), error) {
			h, err := NewSHA1Hash()
			return h, func() ([]byte, error) { s, err := h.Sum(); return s[:], err }, err
		}, sha1.New},
	{"SHA256", func(b []byte) ([]byte, error) { s, err := SHA256(b); return s[:], err },
		func() (runningHash, func() ([]byte, error), error) {
			h, err := NewSHA256Hash()
			return h, func() ([]byte, error) { s, err := h.Sum(); return s[:], err }, err
		}, sha256.New},
}

func TestHashesAgreeWithStandardLibrary(t *testing.T) {
	for _, c := range hashCases {
		t.Run(c.name, func(t *testing.T) {
			h, sum, err := c.start()
			if err != nil {
				t.Fatal(err)
			}
			defer h.Close()
			for _, size := range hashSizes {
				data := randomBytes(size)
				std := c.std()
				std.Write(data)
				want := std.Sum(nil)
				if got, err := c.once(data); err != nil || !bytes.Equal(got, want) {
					t.Errorf("%d bytes at once: %x, %v; want %x", size, got, err, want)
				}
				// What is thrown away by Reset must not count.
				if _, err := h.Write([]byte("noise")); err != nil {
					t.Fatal(err)
				}
				if err := h.Reset(); err != nil {
					t.Fatal(err)
				}
				for rest := data; len(rest) > 0; {
					n := min(len(rest), 1+size/7)
					if m, err := h.Write(rest[:n]); m != n || err != nil {
						t.Fatalf("Write of %d = %d, %v", n, m, err)
					}
					rest = rest[n:]
				}
				if got, err := sum(); err != nil || !bytes.Equal(got, want) {
					t.Errorf("%d bytes in pieces: %x, %v; want %x", size, got, err, want)
				}
				// Sum begins again.
				empty := c.std().Sum(nil)
				if got, err := sum(); err != nil || !bytes.Equal(got, empty) {
					t.Errorf("after Sum: %x, %v; want that of nothing, %x", got, err, empty)
				}
			}
		})
	}
}

func TestHashOfNilSlice(t *testing.T) {
	want := sha256.Sum256(nil)
	if got, err := SHA256(nil); err != nil || got != want {
		t.Errorf("SHA256(nil) = %x, %v", got, err)
	}
	h := must(NewSHA256Hash())
	defer h.Close()
	if n, err := h.Write(nil); n != 0 || err != nil {
		t.Errorf("Write(nil) = %d, %v", n, err)
	}
}

func TestClosedHashIsAnError(t *testing.T) {
	h := must(NewSHA1Hash())
	h.Close()
	h.Close()
	for name, h := range map[string]*SHA1Hash{"closed": h, "zero": {}} {
		_, err := h.Write([]byte("x"))
		wantArgumentError(t, err, "closed")
		_, err = h.Sum()
		wantArgumentError(t, err, "closed")
		wantArgumentError(t, h.Reset(), "closed")
		h.Close()
		if t.Failed() {
			t.Fatal(name)
		}
	}
}

// A block's objects are independent: closing or forgetting one leaves the others alone.
func TestHashesOfOneBlockAreIndependent(t *testing.T) {
	var all []*SHA256Hash
	for range 10 * blockSize {
		h := must(NewSHA256Hash())
		must(h.Write([]byte("abc")))
		all = append(all, h)
	}
	for i := range all {
		switch i % 3 {
		case 0:
			all[i].Close()
			all[i] = nil
		case 1:
			all[i] = nil
		}
	}
	collect()
	want := sha256.Sum256([]byte("abc"))
	for i, h := range all {
		if h == nil {
			continue
		}
		if got, err := h.Sum(); err != nil || got != want {
			t.Fatalf("hash %d: %x, %v", i, got, err)
		}
	}
}

func TestHashesInParallel(t *testing.T) {
	data := randomBytes(5000)
	want := sha1.Sum(data)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				h := must(NewSHA1Hash())
				must(h.Write(data))
				if got, err := h.Sum(); err != nil || got != want {
					t.Errorf("%x, %v", got, err)
				}
				h.Close()
			}
		})
	}
	wg.Wait()
}

// RFC 1320, A.5.
var md4Vectors = map[string]string{
	"":                           "31d6cfe0d16ae931b73c59d7e0c089c0",
	"a":                          "bde52cb31de33e46245e05fbdbd6fb24",
	"abc":                        "a448017aaf21d8525fc10ae87aa6729d",
	"message digest":             "d9130a8164549fe818874806e1c7014b",
	"abcdefghijklmnopqrstuvwxyz": "d79e1c308aa5bbcdeea8ed63df412da9",
}

func checkMD4(t *testing.T) {
	h := must(NewMD4Hash())
	defer h.Close()
	for in, want := range md4Vectors {
		got, err := MD4([]byte(in))
		if err != nil || hex.EncodeToString(got[:]) != want {
			t.Errorf("MD4(%q) = %x, %v; want %s", in, got, err, want)
		}
		must(h.Write([]byte(in)))
		got, err = h.Sum()
		if err != nil || hex.EncodeToString(got[:]) != want {
			t.Errorf("written MD4 of %q = %x, %v; want %s", in, got, err, want)
		}
	}
}

func TestMD4WithoutLegacyProvider(t *testing.T) {
	if VersionNumber < 0x30000000 {
		checkMD4(t)
		return
	}
	if !rerun(t, "", "OPENSSL_CONF=/dev/null") {
		return
	}
	_, err := MD4(nil)
	wantUnsupported(t, err, "3.0")
	wantError(t, err)
	_, err = NewMD4Hash()
	wantUnsupported(t, err, "3.0")
	_, err = NewHMAC([]byte("k"), EVP_MD4)
	wantUnsupported(t, err, "3.0")
}

func TestMD4WithLegacyProvider(t *testing.T) {
	if !rerun(t, "", legacyProvider(t)) {
		return
	}
	if _, err := MD4(nil); err != nil {
		t.Skipf("the legacy provider is not installed: %v", err)
	}
	checkMD4(t)
}

func TestDroppedDigestsSaySinceWhen(t *testing.T) {
	for _, md := range []EVP_MD{EVP_SHA, EVP_DSS, EVP_DSS1} {
		_, err := NewHMAC([]byte("k"), md)
		wantUnsupported(t, err, "1.1.0")
	}
	for _, md := range []EVP_MD{-1, 13, 1000} {
		_, err := NewHMAC([]byte("k"), md)
		wantArgumentError(t, err, "not a digest")
	}
}

func TestGetDigest(t *testing.T) {
	for _, name := range []string{"sha256", "SHA256", "RSA-SHA256"} {
		d, err := GetDigestByName(name)
		if err != nil || mdSize(d.ptr()) != 32 {
			t.Errorf("GetDigestByName(%q) = %v, %v", name, d, err)
		}
	}
	if d, err := GetDigestByNid(NID_sha1); err != nil || mdSize(d.ptr()) != 20 {
		t.Errorf("GetDigestByNid(NID_sha1) = %v, %v", d, err)
	}
	for _, name := range []string{"", "no such digest", "sha256\x00"} {
		_, err := GetDigestByName(name)
		wantArgumentError(t, err, "not found")
	}
	_, err := GetDigestByNid(-5)
	wantArgumentError(t, err, "NID -5 not found")
	_, err = GetDigestByNid(NID_commonName)
	wantArgumentError(t, err, "not found")
}

func TestNid2ShortName(t *testing.T) {
	got := map[NID]string{}
	for _, nid := range []NID{NID_undef, NID_commonName, 668, NID_ED25519, NID_pbes2} {
		got[nid] = must(Nid2ShortName(nid))
	}
	want := map[NID]string{0: "UNDEF", 13: "CN", 668: "RSA-SHA256", 1087: "ED25519", 161: "PBES2"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if pendingErrors() {
		t.Error("looking for names leaves errors behind")
	}
}
