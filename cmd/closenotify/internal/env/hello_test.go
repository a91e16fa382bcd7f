package env

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/golibssl/openssl"
)

func u16(n int) []byte { return binary.BigEndian.AppendUint16(nil, uint16(n)) }

// pre8 and pre16 put the length before the bytes.
func pre8(p ...byte) []byte        { return append([]byte{byte(len(p))}, p...) }
func pre16(parts ...[]byte) []byte { p := slices.Concat(parts...); return append(u16(len(p)), p...) }

func extension(id int, parts ...[]byte) []byte { return append(u16(id), pre16(parts...)...) }

// hello is a ClientHello as RFC 8446, section 4.1.2, writes it.
func hello(extensions ...[]byte) []byte {
	body := slices.Concat(u16(0x0303), make([]byte, 32), pre8(1, 2, 3), pre16(u16(0x1301), u16(0xeeee), u16(0x00ff)), pre8(0))
	if len(extensions) > 0 {
		body = append(body, pre16(extensions...)...)
	}
	return slices.Concat([]byte{1, 0}, u16(len(body)), body)
}

// inRecords splits a message into records of at most n bytes.
func inRecords(message []byte, n int) (out []byte) {
	for part := range slices.Chunk(message, n) {
		out = slices.Concat(out, []byte{22, 3, 1}, pre16(part))
	}
	return out
}

func TestReadOffer(t *testing.T) {
	known := []openssl.CipherSuite{{ID: 0x1301, Name: "TLS_AES_128_GCM_SHA256"}}
	message := hello(
		extension(0, []byte{1, 2, 3}),
		extension(extVersions, pre8(3, 4, 3, 3)),
		extension(extGroups, pre16(u16(0x11ec), u16(0x0017), u16(0x7a7a))),
		extension(extSignatures, pre16(u16(0x0807), u16(0x0403))),
		extension(extKeyShare, pre16(u16(0x001d), pre16([]byte("key")), u16(0x0017), pre16([]byte("other")))))
	want := &Offer{
		Versions:   []string{"TLS 1.3", "TLS 1.2"},
		Suites:     []string{"TLS_AES_128_GCM_SHA256", "0xeeee", "TLS_EMPTY_RENEGOTIATION_INFO_SCSV"},
		Groups:     []string{"X25519MLKEM768", "secp256r1", "0x7a7a"},
		KeyShares:  []string{"x25519", "secp256r1"},
		Signatures: []string{"ed25519", "ecdsa_secp256r1_sha256"},
		Extensions: []uint16{0, 43, 10, 13, 51},
	}
	for _, n := range []int{1 << 14, 40} {
		got, err := readOffer(inRecords(message, n), known)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("records of %d bytes (-want +got):\n%s", n, d)
		}
	}
	got, err := readOffer(inRecords(hello(), 1<<14), nil)
	if err != nil || !slices.Equal(got.Versions, []string{"up to TLS 1.2"}) || got.Suites[0] != "0x1301" {
		t.Errorf("without extensions: %+v, %v", got, err)
	}
}

// A hello that is cut anywhere, or whose list is, is an error.
func TestReadOfferBroken(t *testing.T) {
	message := hello(extension(extVersions, pre8(3, 4)), extension(extGroups, pre16(u16(0x1d))))
	records := inRecords(message, 1<<14)
	for i := range len(records) {
		if o, err := readOffer(records[:i], nil); err == nil {
			t.Errorf("cut to %d of %d bytes: %+v", i, len(records), o)
		}
	}
	for name, broken := range map[string][]byte{
		"alert":          {21, 3, 3, 0, 2, 2, 40},
		"server hello":   inRecords(slices.Replace(bytes.Clone(message), 0, 1, 2), 1<<14),
		"bytes behind":   inRecords(append(bytes.Clone(message), 0), 1<<14),
		"odd groups":     inRecords(hello(extension(extGroups, pre16([]byte{1}))), 1<<14),
		"short versions": inRecords(hello(extension(extVersions, []byte{9, 3, 4})), 1<<14),
		"key share":      inRecords(hello(extension(extKeyShare, pre16(u16(29), []byte{0, 9}))), 1<<14),
		"signatures":     inRecords(hello(extension(extSignatures, []byte{1})), 1<<14),
	} {
		if o, err := readOffer(broken, nil); err == nil {
			t.Errorf("%s: %+v", name, o)
		}
	}
}

func TestLoadedFiles(t *testing.T) {
	maps := filepath.Join(t.TempDir(), "maps")
	if err := os.WriteFile(maps, []byte("00400000-00401000 r-xp 00000000 08:01 1 /usr/bin/libssl-tool\n"+
		"7f00-7f01 r--p 00000000 08:01 2    /opt/lib/libcrypto.so.3\n7f01-7f02 r-xp 00001000 08:01 2    /opt/lib/libcrypto.so.3\n"+
		"7f03-7f04 r--p 00000000 08:01 3    /opt/lib/libssl.so.3\n7f05-7f06 rw-p 00000000 00:00 0 \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"/opt/lib/libssl.so.3", "/opt/lib/libcrypto.so.3"}, loadedFiles(maps)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if got := loadedFiles(maps + ".none"); len(got) != 0 {
		t.Errorf("without the file: %q", got)
	}
}
