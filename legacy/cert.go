//go:build cgo

package openssl

import (
	"math/big"
	"runtime"
	"slices"
	"time"
)

// X509_Version is a certificate's version as it stands in the certificate: one less than its name (RFC 5280, section 4.1.2.1).
type X509_Version int

// The versions of certificates.
const (
	X509_V1 X509_Version = 0
	X509_V3 X509_Version = 2
)

// Certificate is an X.509 certificate. Any number of goroutines may use it while none changes it.
type Certificate struct {
	x certPtr

	// Issuer is the certificate whose key identifier and names AddExtension refers to; nil stands for the certificate
	// itself. SetIssuer sets it.
	Issuer *Certificate
}

// newCertificate takes over x.
func newCertificate(x certPtr) *Certificate {
	c := &Certificate{x: x}
	runtime.AddCleanup(c, certFree, x)
	return c
}

func (c *Certificate) ptr() certPtr {
	p := c.x
	stress()
	return p
}

func (c *Certificate) check(op string) error {
	if c == nil || c.x == nil {
		return badArgument(op, "the certificate is nil or was not made by this package")
	}
	return nil
}

// CertificateInfo is what NewCertificate puts into a certificate. The times are relative to now and counted in seconds.
// Country has two letters; OpenSSL accepts no empty name.
type CertificateInfo struct {
	Serial       *big.Int
	Issued       time.Duration
	Expires      time.Duration
	Country      string
	Organization string
	CommonName   string
}

// NewCertificate returns a certificate that is not signed yet, its subject (C, O, CN) also its issuer.
//
// OpenSSL: X509_new(3).
func NewCertificate(info *CertificateInfo, key PublicKey) (*Certificate, error) {
	const op = "failed to make a certificate"
	if info == nil {
		return nil, badArgument(op, "the CertificateInfo is nil")
	}
	x, q := certNew()
	if q != nil {
		return nil, failed(op, q)
	}
	c := newCertificate(x)
	name, err := c.GetSubjectName()
	if err != nil {
		return nil, err
	}
	for _, e := range [...]struct{ field, value string }{
		{"C", info.Country}, {"O", info.Organization}, {"CN", info.CommonName},
	} {
		if err := name.AddTextEntry(e.field, e.value); err != nil {
			return nil, err
		}
	}
	if err := c.SetIssuerName(name); err != nil {
		return nil, err
	}
	if err := c.SetSerial(info.Serial); err != nil {
		return nil, err
	}
	if err := c.SetIssueDate(info.Issued); err != nil {
		return nil, err
	}
	if err := c.SetExpireDate(info.Expires); err != nil {
		return nil, err
	}
	if err := c.SetPubKey(key); err != nil {
		return nil, err
	}
	return c, nil
}

// LoadCertificateFromPEM loads the first certificate in pem_block.
//
// OpenSSL: PEM_read_bio_X509(3).
func LoadCertificateFromPEM(pem_block []byte) (*Certificate, error) {
	const op = "failed reading certificate"
	if err := checkBlock(op, "pem", pem_block); err != nil {
		return nil, err
	}
	x, q := certLoad(pem_block)
	if q != nil {
		return nil, failed(op, q)
	}
	return newCertificate(x), nil
}

// GetSubjectName returns the subject. It follows the certificate: see Name.
//
// OpenSSL: X509_get_subject_name(3).
func (c *Certificate) GetSubjectName() (*Name, error) {
	if err := c.check("failed to get subject name"); err != nil {
		return nil, err
	}
	return &Name{cert: c}, nil
}

// GetIssuerName returns the issuer's name. It follows the certificate: see Name.
//
// OpenSSL: X509_get_issuer_name(3).
func (c *Certificate) GetIssuerName() (*Name, error) {
	if err := c.check("failed to get issuer name"); err != nil {
		return nil, err
	}
	return &Name{cert: c, issuer: true}, nil
}

func (c *Certificate) setName(op string, issuer bool, name *Name) error {
	if err := c.check(op); err != nil {
		return err
	}
	if err := name.check(op); err != nil {
		return err
	}
	return failed(op, certSetName(c, issuer, name))
}

// SetSubjectName makes the subject a copy of name.
//
// OpenSSL: X509_set_subject_name(3).
func (c *Certificate) SetSubjectName(name *Name) error {
	return c.setName("failed to set subject name", false, name)
}

// SetIssuerName makes the issuer's name a copy of name. SetIssuer does that and more.
//
// OpenSSL: X509_set_issuer_name(3).
func (c *Certificate) SetIssuerName(name *Name) error {
	return c.setName("failed to set issuer name", true, name)
}

// SetIssuer makes the issuer's name a copy of issuer's subject, and issuer the certificate that AddExtension refers to.
func (c *Certificate) SetIssuer(issuer *Certificate) error {
	name, err := issuer.GetSubjectName()
	if err != nil {
		return err
	}
	if err := c.SetIssuerName(name); err != nil {
		return err
	}
	c.Issuer = issuer
	return nil
}

// SetSerial sets the serial number to serial's absolute value.
//
// OpenSSL: X509_set_serialNumber(3).
func (c *Certificate) SetSerial(serial *big.Int) error {
	const op = "failed to set serial"
	if err := c.check(op); err != nil {
		return err
	}
	if serial == nil {
		return badArgument(op, "the serial is nil")
	}
	b := serial.Bytes()
	if len(b) > maxInt {
		return badArgument(op, "the serial has %d bytes", len(b))
	}
	return failed(op, certSetSerial(c, b))
}

func (c *Certificate) setTime(op string, after bool, when time.Duration) error {
	if err := c.check(op); err != nil {
		return err
	}
	const day = 24 * time.Hour
	return failed(op, certSetTime(c, after, int(when/day), int(when%day/time.Second)))
}

// SetIssueDate sets the time from which the certificate is valid to now plus when, in whole seconds.
//
// OpenSSL: X509_set1_notBefore(3), X509_time_adj_ex(3).
func (c *Certificate) SetIssueDate(when time.Duration) error {
	return c.setTime("failed to set issue date", false, when)
}

// SetExpireDate sets the time until which the certificate is valid to now plus when, in whole seconds.
//
// OpenSSL: X509_set1_notAfter(3), X509_time_adj_ex(3).
func (c *Certificate) SetExpireDate(when time.Duration) error {
	return c.setTime("failed to set expire date", true, when)
}

// SetPubKey sets the key that the certificate is about.
//
// OpenSSL: X509_set_pubkey(3).
func (c *Certificate) SetPubKey(pubKey PublicKey) error {
	const op = "failed to set public key"
	if err := c.check(op); err != nil {
		return err
	}
	k := implOf(pubKey)
	if k == nil {
		return badArgument(op, "the key is nil")
	}
	return failed(op, certSetKey(c, k))
}

// Sign signs the certificate with EVP_SHA256, EVP_SHA384 or EVP_SHA512; Ed25519 and Ed448 keys use their own digest whichever is
// given. A certificate with extensions becomes version 3.
//
// OpenSSL: X509_sign(3).
func (c *Certificate) Sign(privKey PrivateKey, digest EVP_MD) error {
	const op = "failed to sign certificate"
	if err := c.check(op); err != nil {
		return err
	}
	switch digest {
	case EVP_SHA256, EVP_SHA384, EVP_SHA512:
	default:
		return badArgument(op, "Unsupported digest; you're probably looking for 'EVP_SHA256' or 'EVP_SHA512'.")
	}
	k := implOf(privKey)
	if k == nil || !k.private {
		return badArgument(op, "there is no private key")
	}
	md, err := digest.find(op)
	if err != nil {
		return err
	}
	return failed(op, certSign(c, k, md))
}

// AddExtension adds an extension whose value is in the notation of x509v3_config(5), such as "critical,CA:TRUE" for
// NID_basic_constraints. What it takes from the issuer, such as "keyid" for NID_authority_key_identifier, it takes from Issuer.
// A value cannot refer to a section of a configuration file.
//
// OpenSSL: X509V3_EXT_nconf_nid(3), X509_add_ext(3).
func (c *Certificate) AddExtension(nid NID, value string) error {
	const op = "failed to create x509v3 extension"
	if err := c.check(op); err != nil {
		return err
	}
	issuer := c
	if c.Issuer != nil {
		issuer = c.Issuer
	}
	if err := issuer.check(op); err != nil {
		return err
	}
	if hasZero(value) {
		return badArgument(op, "the value has a zero byte")
	}
	return failed(op, certAddExtension(c, issuer, nid, value))
}

// AddExtensions adds the extensions in the order of their NIDs. It stops at the first error.
func (c *Certificate) AddExtensions(extensions map[NID]string) error {
	nids := make([]NID, 0, len(extensions))
	for nid := range extensions {
		nids = append(nids, nid)
	}
	slices.Sort(nids)
	for _, nid := range nids {
		if err := c.AddExtension(nid, extensions[nid]); err != nil {
			return err
		}
	}
	return nil
}

// AddCustomExtension adds an extension, not critical, whose value is these bytes: DER for every registered extension.
//
// OpenSSL: X509_EXTENSION_create_by_NID(3), X509_add_ext(3).
func (c *Certificate) AddCustomExtension(nid NID, value []byte) error {
	const op = "unable to add extension"
	if err := c.check(op); err != nil {
		return err
	}
	if len(value) > maxInt {
		return badArgument(op, "the value has %d bytes; OpenSSL takes %d", len(value), maxInt)
	}
	return failed(op, certAddRawExtension(c, nid, value))
}

// GetExtensionValue returns the bytes of the first extension with this NID, or nil where there is none.
//
// OpenSSL: X509_get_ext_by_NID(3), X509_EXTENSION_get_data(3).
func (c *Certificate) GetExtensionValue(nid NID) []byte {
	if c.check("") != nil {
		return nil
	}
	value, found, q := certExtension(c, nid)
	if failed("", q) != nil || !found {
		return nil
	}
	return value
}

// MarshalPEM returns the certificate as PEM block CERTIFICATE.
//
// OpenSSL: PEM_write_bio_X509(3).
func (c *Certificate) MarshalPEM() (pem_block []byte, err error) {
	const op = "failed dumping certificate"
	if err := c.check(op); err != nil {
		return nil, err
	}
	b, q := certMarshal(c)
	return b, failed(op, q)
}

// PublicKey returns the key that the certificate is about.
//
// OpenSSL: X509_get_pubkey(3).
func (c *Certificate) PublicKey() (PublicKey, error) {
	const op = "no public key found"
	if err := c.check(op); err != nil {
		return nil, err
	}
	p, q := certKey(c)
	if q != nil {
		return nil, failed(op, q)
	}
	return newKey(p, false), nil
}

// GetSerialNumberHex returns the serial number in hexadecimal digits, an even number of them and in capitals.
//
// OpenSSL: X509_get0_serialNumber(3), BN_bn2hex(3).
func (c *Certificate) GetSerialNumberHex() (serial string) {
	if c.check("") != nil {
		return ""
	}
	b, q := certSerial(c)
	if failed("", q) != nil {
		return ""
	}
	return string(b)
}

// GetVersion returns the certificate's version.
//
// OpenSSL: X509_get_version(3).
func (c *Certificate) GetVersion() X509_Version {
	if c.check("") != nil {
		return X509_V1
	}
	return certVersion(c)
}

// SetVersion sets the certificate's version, X509_V1 to X509_V3.
//
// OpenSSL: X509_set_version(3).
func (c *Certificate) SetVersion(version X509_Version) error {
	const op = "failed to set certificate version"
	if err := c.check(op); err != nil {
		return err
	}
	if version < X509_V1 || version > X509_V3 {
		return badArgument(op, "%d is not a version", int(version))
	}
	return failed(op, certSetVersion(c, version))
}

// X509NamePrintEx returns the subject as a string by RFC 2253.
//
// OpenSSL: X509_NAME_print_ex(3).
func (c *Certificate) X509NamePrintEx() (out []byte, err error) {
	const op = "failed formatting subject"
	name, err := c.GetSubjectName()
	if err != nil {
		return nil, err
	}
	b, q := namePrint(name)
	return b, failed(op, q)
}

// Hash returns the digest of the certificate's DER, or nil where digest is not one.
//
// OpenSSL: X509_digest(3).
func (c *Certificate) Hash(digest *Digest) []byte {
	if c.check("") != nil || digest.ptr() == nil {
		return nil
	}
	out := make([]byte, mdSize(digest.md))
	if failed("", certDigest(c, digest, out)) != nil {
		return nil
	}
	return out
}

// CreateObjectIdentifier gives the object identifier oid, such as "1.2.3.4", names and a NID for the rest of the process. It
// returns NID_undef where the identifier or a name is in use already or oid is not one. Call it before other goroutines
// use OpenSSL: 1.1.1 does not lock its table of objects.
//
// OpenSSL: OBJ_create(3).
func CreateObjectIdentifier(oid string, shortName string, longName string) NID {
	if hasZero(oid) || hasZero(shortName) || hasZero(longName) {
		return NID_undef
	}
	return createObject(oid, shortName, longName)
}
