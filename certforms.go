//go:build cgo

package openssl

import (
	"crypto/x509"
	"weak"
)

// How certificates travel: as raw public keys, or compressed.

// compressions are the algorithms of RFC 8879, section 7.3.
var compressions = map[string]int{"zlib": 1, "brotli": 2, "zstd": 3}

// setCertForms checks what Config says of them, and compresses the Ctx's certificates.
func (c *Ctx) setCertForms(h *ctxHandle) error {
	cfg := &c.cfg
	if (cfg.RawPublicKey || len(cfg.PeerPublicKeys) > 0) && !canRPK() {
		return featureRPK.missing("config")
	}
	if cfg.InsecureSkipVerify && len(cfg.PeerPublicKeys) > 0 {
		return configError("InsecureSkipVerify and PeerPublicKeys")
	}
	for _, der := range cfg.PeerPublicKeys {
		if _, err := x509.ParsePKIXPublicKey(der); err != nil {
			return configError("PeerPublicKeys: %v", err)
		}
	}
	if len(cfg.CertCompression) == 0 {
		return nil
	}
	var algs []int
	for _, name := range cfg.CertCompression {
		alg := compressions[name]
		if alg == 0 {
			return configError("CertCompression %q", name)
		}
		if !hasCompression(alg) {
			return unsupported("config", featureCompress.name+" by "+name, featureCompress.needs+" built with "+name)
		}
		algs = append(algs, alg)
	}
	if !h.compress(algs, len(cfg.Certificates) > 0) {
		return configError("CertCompression %q", cfg.CertCompression)
	}
	return nil
}

// compressedForms are a certificate's, for the connections of one Ctx: that has a say in what may be sent.
type compressedForms struct {
	of    weak.Pointer[ctxHandle]
	forms []compressedForm
}

type compressedForm struct {
	alg   int
	data  []byte
	plain int // bytes before
}

// compress gives the connection the forms of what GetCertificate has answered, which it uses already. The
// certificate keeps those of the Ctx that asked last. What cannot be compressed goes as it is.
func (c *conn) compress(k *Certificate) {
	of := weak.Make(c.ctx.h)
	kept := k.compressed.Load()
	if kept == nil || kept.of != of {
		kept = &compressedForms{of: of}
		for _, name := range c.ctx.cfg.CertCompression {
			if f, ok := c.h.compress(k, compressions[name]); ok {
				kept.forms = append(kept.forms, f)
			}
		}
		k.compressed.Store(kept)
	}
	for _, f := range kept.forms {
		c.h.useCompressed(f)
	}
}

// useCertForms makes a connection show and ask for keys as Config says.
func (c *Ctx) useCertForms(h sslHandle) error {
	show, want := c.cfg.RawPublicKey, len(c.cfg.PeerPublicKeys) > 0
	if (show || want) && !h.setRPK(show, want) {
		return featureRPK.missing("connection")
	}
	return nil
}

// PeerPublicKey returns the key of a peer that has shown it without a certificate (RFC 7250), as
// SubjectPublicKeyInfo in DER; nil otherwise, before the handshake and after Close.
//
// OpenSSL: SSL_get0_peer_rpk(3).
func (c *Conn) PeerPublicKey() []byte {
	in := c.in()
	in.mu.Lock()
	defer in.mu.Unlock()
	if !in.established.Load() || in.finished || in.h.p == nil {
		return nil
	}
	return in.h.peerRPK()
}
