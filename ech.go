//go:build cgo

package openssl

import (
	"crypto/ecdh"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
)

// Encrypted ClientHello (RFC 9849).

// setECH makes the configurations that clients offer and the keys that servers have.
func (c *Ctx) setECH(h *ctxHandle) (err error) {
	cfg := &c.cfg
	if cfg.EncryptedClientHelloConfigList == nil && len(cfg.EncryptedClientHelloKeys) == 0 {
		return nil
	}
	if !canECH() {
		return featureECH.missing("config")
	}
	if high := h.maxVersion(); high != 0 && high < tls.VersionTLS13 {
		return configError("Encrypted ClientHello needs TLS 1.3")
	}
	if len(cfg.EncryptedClientHelloKeys) > 0 {
		if c.echKeys, err = serverECH(cfg.EncryptedClientHelloKeys); err != nil {
			return err
		}
	}
	if cfg.EncryptedClientHelloConfigList == nil {
		return nil
	}
	switch {
	case cfg.MinVersion != 0 && cfg.MinVersion < tls.VersionTLS13:
		return configError("EncryptedClientHelloConfigList needs TLS 1.3, and MinVersion is %s", tls.VersionName(cfg.MinVersion))
	case cfg.PSK != nil || len(cfg.PeerPublicKeys) > 0:
		return configError("EncryptedClientHelloConfigList needs certificates: a rejection is believed by the public name's")
	}
	if c.echList, err = clientECH(cfg.EncryptedClientHelloConfigList); err != nil {
		return err
	}
	return nil
}

// clientECH leaves the parts to libssl, which would take base64 too.
func clientECH(list []byte) (*echStore, error) {
	if len(list) < 2 || int(binary.BigEndian.Uint16(list)) != len(list)-2 {
		return nil, configError("EncryptedClientHelloConfigList: not an ECHConfigList")
	}
	return echList(list)
}

func serverECH(keys []tls.EncryptedClientHelloKey) (*echStore, error) {
	var pems [][]byte
	var retry []bool
	for i, k := range keys {
		text, err := echPEM(k)
		if err != nil {
			return nil, configError("EncryptedClientHelloKeys[%d]: %v", i, err)
		}
		defer clear(text)
		pems, retry = append(pems, text), append(retry, k.SendAsRetry)
	}
	return echKeys(pems, retry)
}

// echVersion is that of RFC 9849, section 4.
const echVersion = 0xfe0d

// echCurves are the KEMs of RFC 9180, section 7.1, whose keys Go can write down.
var echCurves = map[uint16]ecdh.Curve{0x10: ecdh.P256(), 0x11: ecdh.P384(), 0x12: ecdh.P521(), 0x20: ecdh.X25519()}

// echPEM writes a key as OpenSSL reads it (RFC 9934).
func echPEM(k tls.EncryptedClientHelloKey) ([]byte, error) {
	// An ECHConfig: version, length, config id, KEM, the public key and its length, and more.
	c := k.Config
	switch {
	case len(c) < 9 || int(binary.BigEndian.Uint16(c[2:])) != len(c)-4 || int(binary.BigEndian.Uint16(c[7:])) > len(c)-9:
		return nil, errors.New("Config is not one ECHConfig")
	case binary.BigEndian.Uint16(c) != echVersion:
		return nil, fmt.Errorf("Config is of version %#x", binary.BigEndian.Uint16(c))
	}
	curve := echCurves[binary.BigEndian.Uint16(c[5:])]
	if curve == nil {
		return nil, fmt.Errorf("Config is for the KEM %#x", binary.BigEndian.Uint16(c[5:]))
	}
	key, err := curve.NewPrivateKey(k.PrivateKey)
	if err != nil {
		return nil, errors.New("PrivateKey is none of Config's KEM") // the cause might show the key
	}
	if string(key.PublicKey().Bytes()) != string(c[9:9+binary.BigEndian.Uint16(c[7:])]) {
		return nil, errors.New("PrivateKey is not Config's")
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	defer clear(der)
	list := append(binary.BigEndian.AppendUint16(nil, uint16(len(c))), c...)
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	return append(text, pem.EncodeToMemory(&pem.Block{Type: "ECHCONFIG", Bytes: list})...), nil
}

// offersECH reports whether a client must have its ClientHello accepted.
func (c *conn) offersECH() bool { return !c.server && c.raw == nil && c.ctx.echList != nil }

func (c *conn) echAccepted() bool {
	ech := c.server && c.ech != nil || c.offersECH()
	return ech && c.h.echAccepted()
}

// echRejected is why a handshake ended at an ECH that the server did not accept. The server's word counts
// when its Finished was right and its certificate is the public name's.
func (c *conn) echRejected(err error) error {
	if c.h.verifyResult() != 0 {
		return c.h.verifyError(err)
	}
	return &tls.ECHRejectionError{RetryConfigList: c.h.echRetry()}
}
