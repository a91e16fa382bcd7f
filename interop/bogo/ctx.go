package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/golibssl/openssl"
)

var groups = map[int]string{21: "P-224", 23: "P-256", 24: "P-384", 25: "P-521", 29: "X25519"}

var signatures = map[int]string{
	0x0201: "RSA+SHA1", 0x0401: "RSA+SHA256", 0x0501: "RSA+SHA384", 0x0601: "RSA+SHA512",
	0x0203: "ECDSA+SHA1", 0x0403: "ecdsa_secp256r1_sha256", 0x0503: "ecdsa_secp384r1_sha384", 0x0603: "ecdsa_secp521r1_sha512",
	0x0804: "rsa_pss_rsae_sha256", 0x0805: "rsa_pss_rsae_sha384", 0x0806: "rsa_pss_rsae_sha512", 0x0807: "ed25519",
}

// systemDefaults writes an openssl.cnf for what a Config leaves to it: the machine's own must not
// decide, and the runner wants old versions, small keys and its own choice of signatures.
func systemDefaults(first, later *config) (undo func(), err error) {
	undo = func() {}
	if !slices.Equal(first.signingPrefs, later.signingPrefs) || !slices.Equal(first.verifyPrefs, later.verifyPrefs) ||
		len(first.noVersion) != len(later.noVersion) || first.serverPreference != later.serverPreference {
		return undo, fmt.Errorf("openssl.cnf for one connection: %w", errUnimplemented)
	}
	lines := []string{
		"openssl_conf = openssl", "[openssl]", "ssl_conf = ssl", "[ssl]", "system_default = default", "[default]",
		"CipherString = ALL:!aNULL:@SECLEVEL=0", "MinProtocol = TLSv1",
	}
	// SignatureAlgorithms is what a client accepts of a server and a server signs with, the other one
	// the same for the client's certificate.
	server, client := first.verifyPrefs, first.signingPrefs
	if first.server {
		server, client = client, server
	}
	for name, ids := range map[string][]int{"SignatureAlgorithms": server, "ClientSignatureAlgorithms": client} {
		list, err := signatureNames(ids)
		if err != nil {
			return undo, err
		}
		if list != "" {
			lines = append(lines, name+" = "+list)
		}
	}
	var off []string
	for v := range first.noVersion {
		off = append(off, "-"+v)
	}
	if len(off) > 0 {
		lines = append(lines, "Protocol = "+strings.Join(off, ","))
	}
	options := "Options = UnsafeLegacyServerConnect" // servers without RFC 5746, which OpenSSL 1.1.1 lets in
	if first.serverPreference || first.cipher != "" {
		options += ",ServerPreference"
	}
	lines = append(lines, options)
	dir, err := os.MkdirTemp("", "bogo")
	if err != nil {
		return undo, err
	}
	undo = func() { os.RemoveAll(dir) }
	file := filepath.Join(dir, "openssl.cnf")
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		return undo, err
	}
	return undo, os.Setenv("OPENSSL_CONF", file) // libcrypto reads it at the first use
}

func signatureNames(ids []int) (string, error) {
	var names []string
	for _, id := range ids {
		name, ok := signatures[id]
		if !ok {
			return "", fmt.Errorf("signature algorithm %#x: %w", id, errUnimplemented)
		}
		names = append(names, name)
	}
	return strings.Join(names, ":"), nil
}

var errRefused = errors.New("refused, as the flags say")

// ticketSecret is what the Ctx of one run share.
var ticketSecret = []byte("the tickets of the connections of one run")

var sharedCache = openssl.NewMemoryCache(0)

// newCtx makes the Ctx of a connection; shared: there will be another one, which resumes.
func newCtx(c *config, shared bool) (*openssl.Ctx, error) {
	cfg := &openssl.Config{
		MinVersion: tls.VersionTLS10, MaxVersion: uint16(c.maxVersion), InsecureSkipVerify: true,
		SessionIDContext: []byte("bogo"), KeyLogWriter: &secrets,
	}
	if c.minVersion != 0 {
		cfg.MinVersion = uint16(c.minVersion)
	}
	if c.cipher != "" {
		if strings.Contains(c.cipher, "[") {
			return nil, fmt.Errorf("groups of equal ciphers: %w", errUnimplemented)
		}
		cfg.CipherList = c.cipher + ":@SECLEVEL=0"
	}
	var names []string
	for _, id := range c.curves {
		name, ok := groups[id]
		if !ok {
			return nil, fmt.Errorf("group %d: %w", id, errUnimplemented)
		}
		names = append(names, name)
	}
	cfg.Groups = strings.Join(names, ":")
	if c.failCert && !c.server {
		return nil, fmt.Errorf("a hook for the client's certificate: %w", errUnimplemented)
	}
	if c.certFile != "" {
		k, err := openssl.LoadX509KeyPair(c.certFile, c.keyFile)
		if err != nil {
			return nil, err
		}
		cfg.Certificates = []*openssl.Certificate{k}
	}
	if err := setALPN(cfg, c); err != nil {
		return nil, err
	}
	if !c.server {
		cfg.OnSession = keepSession
	}
	setVerify(cfg, c)
	if c.server {
		setServer(cfg, c)
		switch {
		case c.noTicket, c.async: // of an asynchronous server the session store is, too
			cfg.SessionCache = sharedCache
		case shared:
			keys, err := openssl.NewSharedTicketKeys(ticketSecret, time.Hour, time.Hour)
			if err != nil {
				return nil, err
			}
			cfg.TicketKeys = keys
		}
	}
	return openssl.NewCtx(cfg)
}

func setALPN(cfg *openssl.Config, c *config) error {
	switch {
	case c.server && c.rejectALPN:
		cfg.NextProtos = []string{"no client has this"}
	case c.server && c.selectALPN != "":
		cfg.NextProtos = []string{c.selectALPN}
	case !c.server && c.advertiseALPN != "":
		for wire := c.advertiseALPN; wire != ""; {
			n := int(wire[0])
			if n >= len(wire) {
				return fmt.Errorf("-advertise-alpn %q: %w", c.advertiseALPN, errUnimplemented)
			}
			cfg.NextProtos = append(cfg.NextProtos, wire[1:1+n])
			wire = wire[1+n:]
		}
	}
	return nil
}

func setVerify(cfg *openssl.Config, c *config) {
	switch {
	case c.server && c.verifyPeer:
		cfg.ClientAuth = tls.RequestClientCert
	case c.server && c.requireClientCert:
		cfg.ClientAuth = tls.RequireAnyClientCert
	}
	if !c.verifyFail || !c.verifyPeer && !(c.server && c.requireClientCert) {
		return // a client that does not demand it does not mind
	}
	cfg.VerifyConnection = func(s tls.ConnectionState) error {
		if s.DidResume && !c.reverify || len(s.PeerCertificates) == 0 && c.server {
			return nil
		}
		// BoringSSL's default alerts of its two callbacks.
		if c.customVerify {
			return alertError(46)
		}
		return alertError(40)
	}
}

// alertError is a refusal that names its alert.
func alertError(a openssl.Alert) error {
	return fmt.Errorf("%w: %w", errRefused, &openssl.AlertError{Alert: a})
}

func setServer(cfg *openssl.Config, c *config) {
	cfg.GetCtxForClient = func(h *openssl.ClientHelloInfo) (*openssl.Ctx, error) {
		if c.failEarly {
			return nil, alertError(40)
		}
		if c.failDDoS || c.expectServerName != "" && h.ServerName != c.expectServerName {
			return nil, errRefused
		}
		var wire []byte
		for _, p := range h.SupportedProtos {
			wire = append(append(wire, byte(len(p))), p...)
		}
		if c.expectAdvertised != "" && c.expectAdvertised != string(wire) {
			return nil, errRefused
		}
		return nil, nil
	}
	if c.failCert {
		cfg.GetCertificate = func(*openssl.ClientHelloInfo) (*openssl.Certificate, error) { return nil, errRefused }
	}
}

// samePeer compares what the peer showed with a file.
func samePeer(got []*x509.Certificate, file string) error {
	k, err := openssl.LoadX509KeyPair(file, strings.Replace(file, "cert.pem", "key.pem", 1))
	if err != nil {
		return err
	}
	want := k.Chain()
	if len(got) != len(want) {
		return fmt.Errorf("the peer showed %d certificates, not %d", len(got), len(want))
	}
	for i := range got {
		if !slices.Equal(got[i].Raw, want[i]) {
			return fmt.Errorf("the peer's certificate %d is another", i)
		}
	}
	return nil
}
