package openssl_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/golibssl/openssl"
)

func sealKey(id string, b byte) openssl.SealKey {
	return openssl.SealKey{ID: id, Secret: bytes.Repeat([]byte{b}, 32)}
}

func newSealer(t *testing.T, keys ...openssl.SealKey) *openssl.Sealer {
	t.Helper()
	s, err := openssl.NewSealer(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSealer(t *testing.T) {
	old, now := sealKey("2026-10", 1), sealKey("2026-11", 2)
	secret := []byte("the master secret of a session")
	at := [][]byte{[]byte("context"), []byte("id")}
	sealed := newSealer(t, old).Seal(secret, at...)
	if bytes.Contains(sealed, secret) {
		t.Fatal("the secret stands in the clear")
	}
	if other := newSealer(t, old).Seal(secret, at...); bytes.Equal(other[8:], sealed[8:]) {
		t.Error("the same value sealed twice is the same bytes")
	}
	moved := func(parts ...string) (out [][]byte) {
		for _, p := range parts {
			out = append(out, []byte(p))
		}
		return out
	}
	tests := []struct {
		name   string
		sealer *openssl.Sealer
		sealed []byte
		place  [][]byte
		opens  bool
	}{
		{"as it was sealed", newSealer(t, old), sealed, at, true},
		{"with a new first key", newSealer(t, now, old), sealed, at, true},
		{"with a retired key", newSealer(t, now), sealed, at, false},
		{"with another secret of that id", newSealer(t, sealKey("2026-10", 3)), sealed, at, false},
		{"with the secret under another id", newSealer(t, sealKey("2026-12", 1)), bytes.Replace(sealed, []byte("2026-10"), []byte("2026-12"), 1), at, false},
		{"under another id", newSealer(t, old), sealed, moved("context", "other"), false},
		{"under another context", newSealer(t, old), sealed, moved("other", "id"), false},
		{"with the parts' border moved", newSealer(t, old), sealed, moved("contexti", "d"), false},
		{"with a part less", newSealer(t, old), sealed, moved("context"), false},
		{"with an empty part more", newSealer(t, old), sealed, moved("context", "id", ""), false},
		{"with a byte more", newSealer(t, old), append(bytes.Clone(sealed), 0), at, false},
		{"empty", newSealer(t, old), nil, at, false},
		{"in the clear", newSealer(t, old), secret, at, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			value, err := test.sealer.Open(test.sealed, test.place...)
			if test.opens {
				if err != nil || !bytes.Equal(value, secret) {
					t.Errorf("Open: %q, %v", value, err)
				}
				return
			}
			if !errors.Is(err, openssl.ErrSealed) || value != nil {
				t.Errorf("Open: %q, %v, want ErrSealed", value, err)
			}
		})
	}
	for i := range sealed {
		if _, err := newSealer(t, old).Open(sealed[:i], at...); !errors.Is(err, openssl.ErrSealed) {
			t.Fatalf("cut to %d of %d bytes: %v", i, len(sealed), err)
		}
		changed := bytes.Clone(sealed)
		changed[i] ^= 0x40
		if _, err := newSealer(t, old).Open(changed, at...); !errors.Is(err, openssl.ErrSealed) {
			t.Fatalf("byte %d changed: %v", i, err)
		}
	}
}

func TestSealerRefusesBadKeys(t *testing.T) {
	good := sealKey("good", 1)
	for name, keys := range map[string][]openssl.SealKey{
		"none":    nil,
		"no id":   {sealKey("", 1)},
		"long id": {sealKey(string(make([]byte, 65)), 1)},
		"short":   {{ID: "short", Secret: make([]byte, 31)}},
		"twice":   {good, sealKey("good", 2)},
	} {
		if _, err := openssl.NewSealer(keys...); !errors.Is(err, openssl.ErrConfig) {
			t.Errorf("%s: %v, want ErrConfig", name, err)
		}
	}
	s := newSealer(t, good)
	sealed := s.Seal([]byte("value"))
	if err := s.SetKeys(); !errors.Is(err, openssl.ErrConfig) {
		t.Errorf("SetKeys of none: %v", err)
	}
	for _, none := range []*openssl.Sealer{nil, {}} {
		if got := none.Seal([]byte("value")); got != nil {
			t.Errorf("a Sealer without keys sealed %q", got)
		}
		if _, err := none.Open(sealed); !errors.Is(err, openssl.ErrSealed) {
			t.Errorf("a Sealer without keys opened: %v", err)
		}
	}
	good.Secret[0]++ // the ring has its own copy
	if _, err := s.Open(sealed); err != nil {
		t.Errorf("after a refused SetKeys: %v", err)
	}
}

// FuzzSealer: what does not open is ErrSealed, and what opens is what was sealed.
func FuzzSealer(f *testing.F) {
	s, err := openssl.NewSealer(sealKey("a", 1), sealKey("b", 2))
	if err != nil {
		f.Fatal(err)
	}
	value, place := []byte("a session"), []byte("its place")
	sealed := s.Seal(value, place)
	f.Add([]byte{})
	f.Add(sealed)
	f.Add(sealed[:len(sealed)-1])
	f.Add(s.Seal(value, []byte("another place")))
	f.Fuzz(func(t *testing.T, b []byte) {
		switch got, err := s.Open(b, place); {
		case err != nil && !errors.Is(err, openssl.ErrSealed):
			t.Errorf("%v", err)
		case err == nil && !bytes.Equal(got, value):
			t.Errorf("opened %q", got)
		}
	})
}
