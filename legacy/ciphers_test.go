package openssl

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"testing"
)

// encrypt gives plain to ctx in pieces.
func encrypt(ctx EncryptionCipherCtx, plain []byte, piece int) ([]byte, error) {
	var out []byte
	for len(plain) > 0 {
		n := min(piece, len(plain))
		b, err := ctx.EncryptUpdate(plain[:n])
		if err != nil {
			return nil, err
		}
		out, plain = append(out, b...), plain[n:]
	}
	b, err := ctx.EncryptFinal()
	return append(out, b...), err
}

func decrypt(ctx DecryptionCipherCtx, sealed []byte, piece int) ([]byte, error) {
	var out []byte
	for len(sealed) > 0 {
		n := min(piece, len(sealed))
		b, err := ctx.DecryptUpdate(sealed[:n])
		if err != nil {
			return nil, err
		}
		out, sealed = append(out, b...), sealed[n:]
	}
	b, err := ctx.DecryptFinal()
	return append(out, b...), err
}

var messageSizes = []int{0, 1, 15, 16, 17, 100, 1 << 16}

// pieceOf is a length that has no factor in common with a block's.
func pieceOf(size int) int { return 33 + 2*(size/16) }

// pad adds PKCS #7 padding.
func pad(b []byte) []byte {
	n := aes.BlockSize - len(b)%aes.BlockSize
	return append(bytes.Clone(b), bytes.Repeat([]byte{byte(n)}, n)...)
}

func TestCBCAgreesWithStandardLibrary(t *testing.T) {
	for _, bits := range []int{128, 192, 256} {
		key, iv := randomBytes(bits/8), randomBytes(16)
		c, err := GetCipherByName(fmt.Sprintf("AES-%d-CBC", bits))
		if err != nil {
			t.Fatal(err)
		}
		std := must(aes.NewCipher(key))
		for _, size := range messageSizes {
			plain := randomBytes(size)
			want := pad(plain)
			cipher.NewCBCEncrypter(std, iv).CryptBlocks(want, want)

			got, err := encrypt(must(NewEncryptionCipherCtx(c, nil, key, iv)), plain, pieceOf(size))
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("AES-%d, %d bytes: %v, not what crypto/cipher makes", bits, size, err)
			}
			back, err := decrypt(must(NewDecryptionCipherCtx(c, nil, key, iv)), want, pieceOf(size)-20)
			if err != nil || !bytes.Equal(back, plain) {
				t.Fatalf("AES-%d, %d bytes: decrypted %v, not the plaintext", bits, size, err)
			}
		}
	}
}

func TestCTRAgreesWithStandardLibrary(t *testing.T) {
	key, iv := randomBytes(16), randomBytes(16)
	c := must(GetCipherByName("aes-128-ctr"))
	for _, size := range messageSizes {
		plain := randomBytes(size)
		want := make([]byte, size)
		cipher.NewCTR(must(aes.NewCipher(key)), iv).XORKeyStream(want, plain)
		got, err := encrypt(must(NewEncryptionCipherCtx(c, nil, key, iv)), plain, pieceOf(size))
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%d bytes: %v, not what crypto/cipher makes", size, err)
		}
	}
}

func TestGCMAgreesWithStandardLibrary(t *testing.T) {
	for _, bits := range []int{128, 192, 256} {
		for _, ivSize := range []int{1, 12, 16, 21, 64} {
			key, iv, aad := randomBytes(bits/8), randomBytes(ivSize), randomBytes(50)
			std := must(cipher.NewGCMWithNonceSize(must(aes.NewCipher(key)), ivSize))
			for _, size := range messageSizes {
				plain := randomBytes(size)
				want := std.Seal(nil, iv, plain, aad)

				e := must(NewGCMEncryptionCipherCtx(bits, nil, key, iv))
				if e.IVSize() != ivSize || e.KeySize() != bits/8 || e.BlockSize() != 1 {
					t.Fatalf("sizes %d, %d, %d", e.IVSize(), e.KeySize(), e.BlockSize())
				}
				must(0, e.ExtraData(aad[:20]))
				must(0, e.ExtraData(aad[20:]))
				sealed, err := encrypt(e, plain, pieceOf(size))
				if err != nil {
					t.Fatal(err)
				}
				tag, err := e.GetTag()
				if err != nil || !bytes.Equal(append(sealed, tag...), want) {
					t.Fatalf("AES-%d, IV of %d, %d bytes: %v, not what crypto/cipher makes", bits, ivSize, size, err)
				}

				d := must(NewGCMDecryptionCipherCtx(bits, nil, key, iv))
				must(0, d.ExtraData(aad))
				must(0, d.SetTag(want[size:]))
				back, err := decrypt(d, want[:size], pieceOf(size)-10)
				if err != nil || !bytes.Equal(back, plain) {
					t.Fatalf("AES-%d, IV of %d, %d bytes: decrypted %v", bits, ivSize, size, err)
				}
			}
		}
	}
}

func TestGCMRefusesWhatWasChanged(t *testing.T) {
	key, iv, aad, plain := randomBytes(32), randomBytes(12), []byte("extra"), []byte("the message")
	e := must(NewGCMEncryptionCipherCtx(256, nil, key, iv))
	must(0, e.ExtraData(aad))
	sealed := must(encrypt(e, plain, 4))
	tag := must(e.GetTag())
	open := func(sealed, tag, aad []byte) error {
		d := must(NewGCMDecryptionCipherCtx(256, nil, key, iv))
		must(0, d.ExtraData(aad))
		must(0, d.SetTag(tag))
		_, err := decrypt(d, sealed, 100)
		return err
	}
	flip := func(b []byte) []byte {
		c := bytes.Clone(b)
		c[len(c)-1] ^= 1
		return c
	}
	if err := open(sealed, tag, aad); err != nil {
		t.Fatalf("unchanged: %v", err)
	}
	for name, err := range map[string]error{
		"ciphertext": open(flip(sealed), tag, aad),
		"tag":        open(sealed, flip(tag), aad),
		"extra data": open(sealed, tag, flip(aad)),
		"no extra":   open(sealed, tag, nil),
		"truncated":  open(sealed[:5], tag, aad),
	} {
		if err == nil {
			t.Errorf("%s was changed and nothing noticed", name)
		}
	}
	d := must(NewGCMDecryptionCipherCtx(256, nil, key, iv))
	if _, err := decrypt(d, sealed, 100); err == nil {
		t.Error("decryption without a tag succeeds")
	}
}

// The predecessor took the address of the first byte of what was empty.
func TestGCMPanickingOnEmptyInput(t *testing.T) {
	key, iv := randomBytes(16), randomBytes(12)
	e := must(NewGCMEncryptionCipherCtx(128, nil, key, iv))
	must(0, e.ExtraData([]byte{}))
	must(0, e.ExtraData(nil))
	if b, err := e.EncryptUpdate([]byte{}); len(b) != 0 || err != nil {
		t.Errorf("EncryptUpdate of nothing = %x, %v", b, err)
	}
	sealed := must(encrypt(e, []byte("x"), 1))
	tag := must(e.GetTag())

	d := must(NewGCMDecryptionCipherCtx(128, nil, key, iv))
	must(0, d.ExtraData([]byte{}))
	wantArgumentError(t, d.SetTag(nil), "0 bytes")
	wantArgumentError(t, d.SetTag([]byte{}), "0 bytes")
	wantArgumentError(t, d.SetTag(make([]byte, 17)), "17 bytes")
	must(0, d.SetTag(tag))
	if b, err := decrypt(d, sealed, 1); string(b) != "x" || err != nil {
		t.Errorf("decrypted %q, %v", b, err)
	}
}

func TestCipherContextBadInput(t *testing.T) {
	key := randomBytes(16)
	cbc := must(GetCipherByName("AES-128-CBC"))
	for _, c := range []struct {
		text string
		err  error
	}{
		{"bad key size (26 bytes instead of 32)", second(NewGCMEncryptionCipherCtx(256, nil, make([]byte, 26), nil))},
		{"bad key size (0 bytes instead of 16)", second(NewGCMDecryptionCipherCtx(128, nil, []byte{}, nil))},
		{"unknown block size 200", second(NewGCMEncryptionCipherCtx(200, nil, make([]byte, 25), nil))},
		{"unknown block size 0", second(NewGCMDecryptionCipherCtx(0, nil, nil, nil))},
		{"unknown block size -64", second(NewGCMDecryptionCipherCtx(-64, nil, nil, nil))},
		{"bad IV size (3 bytes instead of 16)", second(NewEncryptionCipherCtx(cbc, nil, key, []byte("abc")))},
		{"bad IV size (0 bytes instead of 16)", second(NewDecryptionCipherCtx(cbc, nil, key, []byte{}))},
		{"null cipher", second(NewEncryptionCipherCtx(nil, nil, key, nil))},
		{"null cipher", second(NewDecryptionCipherCtx(&Cipher{}, nil, key, nil))},
		{"EngineById", second(NewEncryptionCipherCtx(cbc, &Engine{}, key, randomBytes(16)))},
		{"Cipher no-such not found", second(GetCipherByName("no-such"))},
		{"not found", second(GetCipherByName("aes-128-cbc\x00"))},
		{"NID 99999 not found", second(GetCipherByNid(99999))},
	} {
		wantArgumentError(t, c.err, c.text)
	}
}

func second[T any](_ T, err error) error { return err }

func TestCipherContextWithoutKey(t *testing.T) {
	cbc := must(GetCipherByName("AES-128-CBC"))
	e := must(NewEncryptionCipherCtx(cbc, nil, nil, nil))
	_, err := e.EncryptUpdate([]byte("x"))
	wantArgumentError(t, err, "without a key")
	_, err = e.EncryptFinal()
	wantArgumentError(t, err, "without a key")
	g := must(NewGCMDecryptionCipherCtx(128, nil, nil, nil))
	wantArgumentError(t, g.ExtraData([]byte("x")), "without a key")
}

func TestCipherSizes(t *testing.T) {
	c := must(GetCipherByNid(must(GetCipherByName("aes-256-cbc")).Nid()))
	name := must(c.ShortName())
	if name != "AES-256-CBC" || c.BlockSize() != 16 || c.KeySize() != 32 || c.IVSize() != 16 {
		t.Errorf("%s: block %d, key %d, IV %d", name, c.BlockSize(), c.KeySize(), c.IVSize())
	}
	e := must(NewEncryptionCipherCtx(c, nil, randomBytes(32), randomBytes(16)))
	if e.Cipher().Nid() != c.Nid() || e.BlockSize() != 16 || e.KeySize() != 32 || e.IVSize() != 16 {
		t.Errorf("context of %v: block %d, key %d, IV %d", e.Cipher(), e.BlockSize(), e.KeySize(), e.IVSize())
	}
}

func TestSetPadding(t *testing.T) {
	key, iv, plain := randomBytes(16), randomBytes(16), randomBytes(32)
	c := must(GetCipherByName("aes-128-cbc"))
	want := bytes.Clone(plain)
	cipher.NewCBCEncrypter(must(aes.NewCipher(key)), iv).CryptBlocks(want, want)

	e := must(NewEncryptionCipherCtx(c, nil, key, iv))
	e.(interface{ SetPadding(bool) }).SetPadding(false)
	if got, err := encrypt(e, plain, 32); err != nil || !bytes.Equal(got, want) {
		t.Errorf("without padding: %x, %v; want %x", got, err, want)
	}
	e = must(NewEncryptionCipherCtx(c, nil, key, iv))
	e.(interface{ SetPadding(bool) }).SetPadding(false)
	if _, err := encrypt(e, plain[:20], 32); err == nil {
		t.Error("half a block without padding is no error")
	} else {
		wantError(t, err)
	}
}

func TestCipherOfLegacyProvider(t *testing.T) {
	c, err := GetCipherByName("bf-cbc")
	if err != nil {
		t.Skipf("this OpenSSL was built without Blowfish: %v", err)
	}
	if !rerun(t, "", "OPENSSL_CONF=/dev/null") {
		return
	}
	_, err = NewEncryptionCipherCtx(c, nil, randomBytes(c.KeySize()), randomBytes(c.IVSize()))
	if VersionNumber < 0x30000000 {
		if err != nil {
			t.Error(err)
		}
		return
	}
	wantUnsupported(t, err, "3.0")
}

func TestCipherContextsSurviveCollections(t *testing.T) {
	key, iv := randomBytes(16), randomBytes(16)
	c := must(GetCipherByName("aes-128-cbc"))
	plain := randomBytes(1000)
	want := must(encrypt(must(NewEncryptionCipherCtx(c, nil, key, iv)), plain, 1000))
	for range 20 {
		e := must(NewEncryptionCipherCtx(c, nil, key, iv))
		for range 5 {
			must(NewEncryptionCipherCtx(c, nil, key, iv))
		}
		collect()
		if got := must(encrypt(e, plain, 100)); !bytes.Equal(got, want) {
			t.Fatal("a context lost its state")
		}
	}
}
