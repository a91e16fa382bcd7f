package main

import (
	"bytes"
	"fmt"

	"github.com/spacemonkeygo/openssl"
)

var message = []byte("The quick brown fox jumps over the lazy dog")

func digests(s *section) {
	s.try("SHA1", func() []any { d, err := openssl.SHA1(message); return []any{d[:], err} })
	s.try("SHA256", func() []any { d, err := openssl.SHA256(message); return []any{d[:], err} })
	s.try("MD5", func() []any { d, err := openssl.MD5(message); return []any{d[:], err} })
	s.try("MD4", func() []any { d, err := openssl.MD4(message); return []any{d[:], err} })
	s.try("of nothing", func() []any {
		a, err := openssl.SHA1(nil)
		b, err2 := openssl.SHA256([]byte{})
		c, err3 := openssl.MD5(nil)
		return []any{a[:], err, b[:], err2, c[:], err3}
	})

	hash := must(openssl.NewSHA256Hash())
	s.try("in pieces", func() []any {
		for _, b := range message {
			must(hash.Write([]byte{b}))
		}
		d, err := hash.Sum()
		return []any{d[:], err}
	})
	s.try("write of nothing", func() []any { n, err := hash.Write(nil); return []any{n, err} })
	s.try("reset", func() []any {
		err := hash.Reset()
		n, err2 := hash.Write(message[:9])
		d, err3 := hash.Sum()
		return []any{err, n, err2, d[:], err3}
	})
	s.try("reset twice", func() []any {
		err, err2 := hash.Reset(), hash.Reset()
		d, err3 := hash.Sum()
		return []any{err, err2, d[:], err3}
	})
	s.try("close twice", func() []any { hash.Close(); hash.Close(); return nil })

	for _, name := range []string{"sha256", "SHA256", "sha512", "md5", "sha3-256", "none such", ""} {
		s.try("by name "+name, func() []any { d, err := openssl.GetDigestByName(name); return []any{d != nil, err} })
	}
	s.try("by NID", func() []any {
		d, err := openssl.GetDigestByNid(672)
		return []any{d != nil, err}
	})
	s.try("by wrong NID", func() []any {
		d, err := openssl.GetDigestByNid(openssl.NID_rsa)
		return []any{d != nil, err}
	})
}

func hmacs(s *section) {
	key := []byte("d741787cc61851af045ccd37")
	for _, md := range []openssl.EVP_MD{openssl.EVP_MD5, openssl.EVP_SHA1, openssl.EVP_SHA224, openssl.EVP_SHA256, openssl.EVP_SHA384,
		openssl.EVP_SHA512} {
		s.try(fmt.Sprintf("with digest %d", md), func() []any {
			h, err := openssl.NewHMAC(key, md)
			if err != nil {
				return []any{err}
			}
			defer h.Close()
			n, err := h.Write(message)
			d, err2 := h.Final()
			return []any{n, err, d, err2}
		})
	}
	s.try("key longer than a block", func() []any {
		h := must(openssl.NewHMAC(bytes.Repeat(key, 10), openssl.EVP_SHA256))
		defer h.Close()
		d, err := h.Final()
		return []any{d, err}
	})
	s.try("final begins again", func() []any {
		h := must(openssl.NewHMAC(key, openssl.EVP_SHA256))
		defer h.Close()
		must(h.Write(message))
		first := must(h.Final())
		must(h.Write(message))
		return []any{bytes.Equal(first, must(h.Final()))}
	})
	s.try("reset", func() []any {
		h := must(openssl.NewHMAC(key, openssl.EVP_SHA256))
		defer h.Close()
		must(h.Write(message[:5]))
		err := h.Reset()
		must(h.Write(message))
		d, err2 := h.Final()
		return []any{err, d, err2}
	})
	s.try("empty key", func() []any {
		h, err := openssl.NewHMAC(nil, openssl.EVP_SHA256)
		if err != nil {
			return []any{err}
		}
		d, err := h.Final()
		return []any{d, err}
	})
	s.try("write of nothing", func() []any {
		h := must(openssl.NewHMAC(key, openssl.EVP_SHA256))
		defer h.Close()
		n, err := h.Write(nil)
		return []any{n, err}
	})
}

func sequence(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

func ciphers(s *section) {
	for _, name := range []string{"aes-128-cbc", "AES-256-CBC", "aes-256-ctr", "des-ede3-cbc", "aes-128-gcm", "bf-cbc", "rc4", "none such", ""} {
		s.try("named "+name, func() []any {
			c, err := openssl.GetCipherByName(name)
			if err != nil {
				return []any{err}
			}
			short, err := c.ShortName()
			return []any{int(c.Nid()), short, err, c.BlockSize(), c.KeySize(), c.IVSize()}
		})
	}
	s.try("by NID", func() []any {
		c, err := openssl.GetCipherByNid(427)
		if err != nil {
			return []any{err}
		}
		return []any{c.KeySize()}
	})
	s.try("short name of NID", func() []any { n, err := openssl.Nid2ShortName(openssl.NID_commonName); return []any{n, err} })
	s.try("short name of wrong NID", func() []any { n, err := openssl.Nid2ShortName(1 << 20); return []any{n, err} })

	for _, name := range []string{"aes-128-cbc", "aes-256-cbc", "aes-256-ctr", "des-ede3-cbc"} {
		c := must(openssl.GetCipherByName(name))
		key, iv := sequence(c.KeySize()), sequence(c.IVSize())
		var sealed []byte
		s.try("encrypt "+name, func() []any {
			e, err := openssl.NewEncryptionCipherCtx(c, nil, key, iv)
			if err != nil {
				return []any{err}
			}
			a, err := e.EncryptUpdate(message[:7])
			b, err2 := e.EncryptUpdate(message[7:])
			d, err3 := e.EncryptFinal()
			sealed = append(append(append(sealed, a...), b...), d...)
			return []any{a, err, b, err2, d, err3, e.BlockSize(), e.KeySize(), e.IVSize(), int(e.Cipher().Nid())}
		})
		s.try("decrypt "+name, func() []any {
			d, err := openssl.NewDecryptionCipherCtx(c, nil, key, iv)
			if err != nil {
				return []any{err}
			}
			a, err := d.DecryptUpdate(sealed)
			b, err2 := d.DecryptFinal()
			return []any{string(a) + string(b), err, err2}
		})
		s.try("decrypt what was cut "+name, func() []any {
			d := must(openssl.NewDecryptionCipherCtx(c, nil, key, iv))
			a, err := d.DecryptUpdate(sealed[:len(sealed)-1])
			b, err2 := d.DecryptFinal()
			return []any{len(a), err, len(b), err2}
		})
	}
	cbc := must(openssl.GetCipherByName("aes-128-cbc"))
	s.try("no cipher", func() []any { _, err := openssl.NewEncryptionCipherCtx(nil, nil, nil, nil); return []any{err} })
	s.try("short key", func() []any {
		_, err := openssl.NewEncryptionCipherCtx(cbc, nil, sequence(15), sequence(16))
		return []any{err}
	})
	s.try("long IV", func() []any {
		_, err := openssl.NewDecryptionCipherCtx(cbc, nil, sequence(16), sequence(17))
		return []any{err}
	})
	s.try("update of nothing", func() []any {
		e := must(openssl.NewEncryptionCipherCtx(cbc, nil, sequence(16), sequence(16)))
		a, err := e.EncryptUpdate(nil)
		return []any{a == nil, err}
	})

	for _, bits := range []int{128, 192, 256} {
		key, iv, aad := sequence(bits/8), sequence(12), []byte("more")
		var sealed, tag []byte
		s.try(fmt.Sprintf("GCM %d", bits), func() []any {
			e, err := openssl.NewGCMEncryptionCipherCtx(bits, nil, key, iv)
			if err != nil {
				return []any{err}
			}
			check(e.ExtraData(aad))
			sealed = must(e.EncryptUpdate(message))
			rest, err := e.EncryptFinal()
			var err2 error
			tag, err2 = e.GetTag()
			return []any{sealed, len(rest), err, tag, err2}
		})
		open := func(tag []byte) []any {
			d, err := openssl.NewGCMDecryptionCipherCtx(bits, nil, key, iv)
			if err != nil {
				return []any{err}
			}
			check(d.ExtraData(aad))
			plain := must(d.DecryptUpdate(sealed))
			err = d.SetTag(tag)
			rest, err2 := d.DecryptFinal()
			return []any{string(plain), err, len(rest), err2}
		}
		s.try(fmt.Sprintf("GCM %d, open", bits), func() []any { return open(tag) })
		wrong := bytes.Clone(tag)
		wrong[0] ^= 1
		s.try(fmt.Sprintf("GCM %d, wrong tag", bits), func() []any { return open(wrong) })
		s.try(fmt.Sprintf("GCM %d, empty tag", bits), func() []any { return open(nil) })
	}
	s.try("GCM 512", func() []any {
		_, err := openssl.NewGCMEncryptionCipherCtx(512, nil, sequence(64), sequence(12))
		return []any{err}
	})
	s.try("GCM, IV of 16", func() []any {
		e := must(openssl.NewGCMEncryptionCipherCtx(128, nil, sequence(16), sequence(16)))
		sealed, err := e.EncryptUpdate(message)
		return []any{sealed, err}
	})
	s.try("GCM, empty extra data", func() []any {
		e := must(openssl.NewGCMEncryptionCipherCtx(128, nil, sequence(16), sequence(12)))
		return []any{e.ExtraData(nil), e.ExtraData([]byte{})}
	})
}
