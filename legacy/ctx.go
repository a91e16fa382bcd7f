//go:build cgo

package openssl

import (
	"crypto/rand"
	"fmt"
	"os"
	"sync"

	root "github.com/golibssl/openssl"
)

// Ctx is the settings of connections: an SSL_CTX. Any number of goroutines may use it, at any time: a setter waits for the
// connections that are being made at the moment and affects those made later. It is freed when nothing uses it any more.
//
// A Ctx verifies nobody unless SetVerify or SetVerifyMode says so: see Dial.
//
// OpenSSL: SSL_CTX_new(3).
type Ctx struct {
	raw *root.RawCtx
	sid [32]byte // for servers that ask for certificates, where SetSessionId was not called

	mu         sync.RWMutex // setters against SSL_new and the handshakes, which read the SSL_CTX; guards all below
	verify     VerifyCallback
	sni        TLSExtServernameCallback
	tickets    *TicketStore
	sidSet     bool
	truncation bool

	ticketMu sync.Mutex // one call of a TicketKeyManager at a time; taken without mu
}

// change runs a setter. The error is op's.
func (c *Ctx) change(op string, f func() queuePtr) error {
	if c == nil || c.raw == nil {
		return badArgument(op, "the Ctx is nil or was not made by NewCtx")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return failed(op, f())
}

// look runs what cannot fail; false for a Ctx that is none.
func (c *Ctx) look(f func()) bool {
	return c.change("", func() queuePtr { f(); return nil }) == nil
}

// SSLVersion is a version of the protocol for NewCtxWithVersion.
type SSLVersion int

// The versions. AnyVersion is every one that the library and its configuration allow.
const (
	SSLv3      SSLVersion = 0x02 // gone: see NewCtxWithVersion
	TLSv1      SSLVersion = 0x03
	TLSv1_1    SSLVersion = 0x04
	TLSv1_2    SSLVersion = 0x05
	AnyVersion SSLVersion = 0x06
)

// NewCtxWithVersion makes a Ctx for one version of the protocol, or for any. SSLv3 is an *UnsupportedError. TLS 1.0 and
// 1.1 want security level 0 since OpenSSL 3.0: Ctx.SetCipherList("DEFAULT@SECLEVEL=0").
//
// OpenSSL: SSL_CTX_new(3), SSL_CTX_set_min_proto_version(3).
func NewCtxWithVersion(version SSLVersion) (*Ctx, error) {
	const op = "unknown ssl/tls version"
	var bound Version
	switch version {
	case SSLv3:
		return nil, &UnsupportedError{What: "SSLv3", Since: "1.1.0",
			Why: "it is broken (RFC 7568) and not built in by default; OpenSSL 4.0 removed it"}
	case TLSv1:
		bound = TLS1_VERSION
	case TLSv1_1:
		bound = TLS1_1_VERSION
	case TLSv1_2:
		bound = TLS1_2_VERSION
	case AnyVersion:
	default:
		return nil, badArgument(op, "%d", int(version))
	}
	raw, err := root.NewRawCtx()
	if err != nil {
		return nil, err
	}
	c := &Ctx{raw: raw}
	rand.Read(c.sid[:])
	if bound == 0 {
		return c, nil
	}
	for _, max := range []bool{true, false} {
		if err := c.change(op, func() queuePtr { return ctxBound(c, max, bound) }); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// NewCtx makes a Ctx for TLS 1.0 and newer, as far as the library and its configuration allow them.
//
// OpenSSL: SSL_CTX_new(3).
func NewCtx() (*Ctx, error) {
	c, err := NewCtxWithVersion(AnyVersion)
	if err == nil {
		c.SetOptions(NoSSLv2 | NoSSLv3)
	}
	return c, err
}

// NewCtxFromFiles is NewCtx with the certificates in one PEM file, the first its own and the others its chain, and the
// private key in another, which must not be encrypted.
func NewCtxFromFiles(cert_file string, key_file string) (*Ctx, error) {
	ctx, err := NewCtx()
	if err != nil {
		return nil, err
	}
	if err := ctx.UseCertificateChainFile(cert_file); err != nil {
		return nil, err
	}
	if err := ctx.UsePrivateKeyFile(key_file, FiletypePEM); err != nil {
		return nil, err
	}
	return ctx, nil
}

// UseCertificateChainFile makes the first certificate in a PEM file the one that connections present, and the others its
// chain.
//
// OpenSSL: SSL_CTX_use_certificate(3), SSL_CTX_add_extra_chain_cert(3).
func (c *Ctx) UseCertificateChainFile(cert_file string) error {
	certs, err := certificatesIn(cert_file)
	if err != nil {
		return err
	}
	if err := c.UseCertificate(certs[0]); err != nil {
		return err
	}
	if err := c.change("failed to clear the chain", func() queuePtr { return ctxNoChain(c) }); err != nil {
		return err
	}
	for _, cert := range certs[1:] {
		if err := c.AddChainCertificate(cert); err != nil {
			return err
		}
	}
	return nil
}

// certificatesIn loads at least one certificate.
func certificatesIn(file string) ([]*Certificate, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	blocks := SplitPEM(data)
	if len(blocks) == 0 {
		return nil, badArgument(fmt.Sprintf("No PEM certificate found in '%s'", file), "it has %d bytes", len(data))
	}
	certs := make([]*Certificate, len(blocks))
	for i, block := range blocks {
		if certs[i], err = LoadCertificateFromPEM(block); err != nil {
			return nil, err
		}
	}
	return certs, nil
}

// UsePrivateKeyFile sets the key of connections from a file that is not encrypted.
func (c *Ctx) UsePrivateKeyFile(key_file string, file_type Filetypes) error {
	return c.usePrivateKeyFile(key_file, file_type, nil)
}

// UsePrivateKeyFileWithPassword sets the key of connections from a PEM file, encrypted with password or not at all.
func (c *Ctx) UsePrivateKeyFileWithPassword(key_file string, file_type Filetypes, password string) error {
	return c.usePrivateKeyFile(key_file, file_type, &password)
}

func (c *Ctx) usePrivateKeyFile(file string, form Filetypes, password *string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var key PrivateKey
	switch {
	case form == FiletypeASN1:
		key, err = LoadPrivateKeyFromDER(data)
	case form != FiletypePEM:
		return badArgument("private key file", "%d is not a file type", int(form))
	case password == nil:
		key, err = LoadPrivateKeyFromPEM(data)
	default:
		key, err = LoadPrivateKeyFromPEMWithPassword(data, *password)
	}
	if err != nil {
		return err
	}
	return c.UsePrivateKey(key)
}

// UseCertificate sets the certificate that connections present. A second one of another key type stands beside it.
//
// OpenSSL: SSL_CTX_use_certificate(3).
func (c *Ctx) UseCertificate(cert *Certificate) error {
	const op = "failed to use the certificate"
	if err := cert.check(op); err != nil {
		return err
	}
	return c.change(op, func() queuePtr { return ctxCert(c, cert) })
}

// AddChainCertificate adds a certificate to those that are sent behind the connection's own. It stays the caller's, who may
// add it to other Ctx too.
//
// OpenSSL: SSL_CTX_add_extra_chain_cert(3).
func (c *Ctx) AddChainCertificate(cert *Certificate) error {
	const op = "failed to add the chain certificate"
	if err := cert.check(op); err != nil {
		return err
	}
	return c.change(op, func() queuePtr { return ctxChain(c, cert) })
}

// UsePrivateKey sets the key of the certificate; in either order with UseCertificate. A key of another type than that of the
// certificate stands beside it, one of the same type must be its own.
//
// OpenSSL: SSL_CTX_use_PrivateKey(3).
func (c *Ctx) UsePrivateKey(key PrivateKey) error {
	const op = "failed to use the private key"
	k := implOf(key)
	if k == nil || !k.private {
		return badArgument(op, "there is no private key")
	}
	return c.change(op, func() queuePtr { return ctxKey(c, k) })
}

// CheckPrivateKey reports whether the key set last is that of the certificate set last.
//
// OpenSSL: SSL_CTX_check_private_key(3).
func (c *Ctx) CheckPrivateKey() error {
	return c.change("the private key is not the certificate's", func() queuePtr { return ctxCheckKey(c) })
}

// GetCertificateStore returns the store of the certificates that peers are verified against; nil for a Ctx that NewCtx did
// not make. What is added to it is added to the Ctx.
//
// OpenSSL: SSL_CTX_get_cert_store(3).
func (c *Ctx) GetCertificateStore() *CertificateStore {
	var store *CertificateStore
	c.look(func() { store = newStore(ctxStore(c)) })
	return store
}

// LoadVerifyLocations trusts the certificates in a PEM file, and those in a folder whose files are named by hash. An empty name
// is none.
//
// OpenSSL: SSL_CTX_load_verify_locations(3).
func (c *Ctx) LoadVerifyLocations(ca_file string, ca_path string) error {
	const op = "failed to load the verify locations"
	if hasZero(ca_file) || hasZero(ca_path) {
		return badArgument(op, "a name has a zero byte")
	}
	if ca_file == "" && ca_path == "" {
		return badArgument(op, "neither a file nor a folder is named")
	}
	return c.change(op, func() queuePtr { return ctxLocations(c, ca_file, ca_path) })
}

// SetDefaultVerifyPaths trusts the certificates that this OpenSSL has from its system.
//
// OpenSSL: SSL_CTX_set_default_verify_paths(3).
func (c *Ctx) SetDefaultVerifyPaths() error {
	return c.change("failed to set the default verify paths", func() queuePtr { return ctxDefaultPaths(c) })
}

// SetupSystemCA is SetDefaultVerifyPaths.
func (c *Ctx) SetupSystemCA() error { return c.SetDefaultVerifyPaths() }

// StackOfX509Name is a list of the names of authorities.
type StackOfX509Name struct {
	certs []*Certificate // their subjects
}

// LoadClientCAFile reads the subjects of the certificates in a PEM file.
func LoadClientCAFile(ca_file string) (*StackOfX509Name, error) {
	certs, err := certificatesIn(ca_file)
	if err != nil {
		return nil, err
	}
	return &StackOfX509Name{certs}, nil
}

// SetClientCAList sets the names of authorities that a server sends to clients that it asks for a certificate. nil is none.
//
// OpenSSL: SSL_CTX_set_client_CA_list(3).
func (c *Ctx) SetClientCAList(caList *StackOfX509Name) {
	var certs []*Certificate
	if caList != nil {
		certs = caList.certs
	}
	c.change("failed to set the client CA list", func() queuePtr { return ctxClientCAs(c, certs) })
}

// SetEllipticCurve makes the curve the only one for key exchange.
//
// OpenSSL: SSL_CTX_set1_groups(3).
func (c *Ctx) SetEllipticCurve(curve EllipticCurve) error {
	return c.change("Unknown curve", func() queuePtr { return ctxCurve(c, curve) })
}

// SetDHParameters sets the group of ephemeral Diffie-Hellman up to TLS 1.2.
//
// OpenSSL: SSL_CTX_set0_tmp_dh_pkey(3), SSL_CTX_set_tmp_dh(3).
func (c *Ctx) SetDHParameters(dh *DH) error {
	const op = "failed to set the Diffie-Hellman parameters"
	if dh.ptr() == nil {
		return badArgument(op, "the parameters are nil or were not made by LoadDHParametersFromPEM")
	}
	return c.change(op, func() queuePtr { return ctxDH(c, dh) })
}

// SetCipherList sets the ciphers up to TLS 1.2, in the notation of openssl-ciphers(1). @SECLEVEL=n in it sets the security
// level of all versions.
//
// OpenSSL: SSL_CTX_set_cipher_list(3).
func (c *Ctx) SetCipherList(list string) error {
	const op = "failed to set the cipher list"
	if hasZero(list) {
		return badArgument(op, "the list has a zero byte")
	}
	return c.change(op, func() queuePtr { return ctxCiphers(c, list) })
}

// maxALPN is what fits into the extension behind the list's length (RFC 7301, section 3.1).
const maxALPN = 1<<16 - 1 - 2

// SetNextProtos sets the protocols that a client offers, in its order of preference (RFC 7301); none leaves them as they are.
// A server does not choose one.
//
// OpenSSL: SSL_CTX_set_alpn_protos(3).
func (c *Ctx) SetNextProtos(protos []string) error {
	const op = "error while setting protos to ctx"
	var wire []byte
	for _, p := range protos {
		if len(p) == 0 || len(p) > 255 {
			return badArgument(op, "the proto %q has %d bytes; one has 1 to 255", p, len(p))
		}
		wire = append(append(wire, byte(len(p))), p...)
	}
	if len(wire) > maxALPN {
		return badArgument(op, "the protos have %d bytes", len(wire))
	}
	return c.change(op, func() queuePtr {
		if len(wire) == 0 {
			return nil
		}
		return ctxALPN(c, wire)
	})
}

// SetMinProtoVersion sets the oldest version of the protocol and reports whether libssl took it. 0 is no bound.
//
// OpenSSL: SSL_CTX_set_min_proto_version(3).
func (c *Ctx) SetMinProtoVersion(version Version) bool { return c.bound(false, version) }

// SetMaxProtoVersion sets the newest version of the protocol and reports whether libssl took it. 0 is no bound.
//
// OpenSSL: SSL_CTX_set_max_proto_version(3).
func (c *Ctx) SetMaxProtoVersion(version Version) bool { return c.bound(true, version) }

func (c *Ctx) bound(max bool, version Version) bool {
	return c.change("", func() queuePtr { return ctxBound(c, max, version) }) == nil
}
