package openssl

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"math/big"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func testInfo() *CertificateInfo {
	return &CertificateInfo{Serial: big.NewInt(0x1234), Expires: 24 * time.Hour, Country: "US", Organization: "Test", CommonName: "localhost"}
}

func parse(t *testing.T, c *Certificate) *x509.Certificate {
	t.Helper()
	block, rest := pem.Decode(must(c.MarshalPEM()))
	if block == nil || block.Type != "CERTIFICATE" || len(rest) != 0 {
		t.Fatal("MarshalPEM is not one CERTIFICATE block")
	}
	parsed, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// inOrder is a name as RFC 2253 writes it: the last entry first.
func inOrder(t *testing.T, raw []byte) string {
	t.Helper()
	var rdns pkix.RDNSequence
	if rest, err := asn1.Unmarshal(raw, &rdns); err != nil || len(rest) != 0 {
		t.Fatalf("name %x: %v", raw, err)
	}
	return rdns.String()
}

func TestCertificateAsStandardLibraryReadsIt(t *testing.T) {
	for name, key := range ourKeys() {
		for _, md := range []EVP_MD{EVP_SHA256, EVP_SHA384, EVP_SHA512} {
			t.Run(fmt.Sprintf("%s %s", name, md.name()), func(t *testing.T) {
				info := testInfo()
				info.Issued, info.Expires = -90*time.Minute, 40*365*24*time.Hour
				before := time.Now()
				c := must(NewCertificate(info, key))
				if err := c.Sign(key, md); err != nil {
					t.Fatal(err)
				}
				after := time.Now()
				got := parse(t, c)
				if err := got.CheckSignature(got.SignatureAlgorithm, got.RawTBSCertificate, got.Signature); err != nil {
					t.Error(err)
				}
				if name != "Ed25519" && !strings.Contains(got.SignatureAlgorithm.String(), strings.ReplaceAll(md.name(), "-", "")) {
					t.Errorf("signed with %v", got.SignatureAlgorithm)
				}
				if got.Version != 1 || got.SerialNumber.Int64() != 0x1234 {
					t.Errorf("version %d, serial %x", got.Version, got.SerialNumber)
				}
				const subject = "CN=localhost,O=Test,C=US"
				if s, i := inOrder(t, got.RawSubject), inOrder(t, got.RawIssuer); s != subject || i != subject {
					t.Errorf("subject %s, issuer %s", s, i)
				}
				for what, c := range map[string]struct {
					got  time.Time
					want time.Duration
				}{"NotBefore": {got.NotBefore, info.Issued}, "NotAfter": {got.NotAfter, info.Expires}} {
					// The kernel's coarse clock, which time(2) reads, may still be in the second before.
					if c.got.Before(before.Add(c.want-time.Second).Truncate(time.Second)) || c.got.After(after.Add(c.want)) {
						t.Errorf("%s is %v; want now plus %v", what, c.got, c.want)
					}
				}
				if !bytes.Equal(got.RawSubjectPublicKeyInfo, must(key.MarshalPKIXPublicKeyDER())) {
					t.Error("the public key is another")
				}
				if pub := must(c.PublicKey()); !pub.Equal(key) {
					t.Error("PublicKey is another")
				}
			})
		}
	}
}

func TestCertificateOfStandardLibrary(t *testing.T) {
	key := stdKeys()["P-256"]
	template := &x509.Certificate{SerialNumber: big.NewInt(0xabcdef), Subject: pkix.Name{CommonName: "häuschen", Organization: []string{"A", "B"}},
		NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"example.org"}}
	der := must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	c := must(LoadCertificateFromPEM(append([]byte("text before\n"), append(block, "text after"...)...)))
	if !bytes.Equal(must(c.MarshalPEM()), block) {
		t.Error("MarshalPEM differs")
	}
	if c.GetSerialNumberHex() != "ABCDEF" || c.GetVersion() != X509_V3 {
		t.Errorf("serial %s, version %d", c.GetSerialNumberHex(), c.GetVersion())
	}
	name := must(c.GetSubjectName())
	for nid, want := range map[NID]string{NID_commonName: "häuschen", NID_organizationName: "A", NID_localityName: ""} {
		if got, ok := name.GetEntry(nid); got != want || ok != (want != "") {
			t.Errorf("entry %d is %q, %v; want %q", nid, got, ok, want)
		}
	}
	if got := string(must(c.X509NamePrintEx())); got != `CN=h\C3\A4uschen,O=B+O=A` {
		t.Errorf("printed as %s", got)
	}
	sum := sha256.Sum256(der)
	if got := c.Hash(must(GetDigestByName("sha256"))); !bytes.Equal(got, sum[:]) {
		t.Errorf("Hash = %x; want %x", got, sum)
	}
	parsed := must(x509.ParseCertificate(der))
	for _, e := range parsed.Extensions {
		if !e.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, 17}) {
			continue
		}
		if got := c.GetExtensionValue(NID_subject_alt_name); !bytes.Equal(got, e.Value) {
			t.Errorf("the extension is %x; want %x", got, e.Value)
		}
	}
	if !must(c.PublicKey()).Equal(must(LoadPublicKeyFromDER(must(x509.MarshalPKIXPublicKey(key.Public()))))) {
		t.Error("PublicKey is another")
	}
}

// keyIdentifier is method (1) of RFC 5280, section 4.2.1.2.
func keyIdentifier(t *testing.T, pub crypto.PublicKey) []byte {
	t.Helper()
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(must(x509.MarshalPKIXPublicKey(pub)), &info); err != nil {
		t.Fatal(err)
	}
	sum := sha1.Sum(info.Key.Bytes)
	return sum[:]
}

func TestChainWithExtensions(t *testing.T) {
	caKey, key := ourKeys()["P-384"], ourKeys()["P-256"]
	info := testInfo()
	info.CommonName = "CA"
	ca := must(NewCertificate(info, caKey))
	must(0, ca.AddExtensions(map[NID]string{
		NID_basic_constraints:        "critical,CA:TRUE",
		NID_key_usage:                "critical,keyCertSign,cRLSign",
		NID_subject_key_identifier:   "hash",
		NID_authority_key_identifier: "keyid:always",
	}))
	must(0, ca.Sign(caKey, EVP_SHA384))

	leaf := must(NewCertificate(testInfo(), key))
	must(0, leaf.SetIssuer(ca))
	must(0, leaf.AddExtensions(map[NID]string{
		NID_basic_constraints:        "critical,CA:FALSE",
		NID_key_usage:                "digitalSignature",
		NID_ext_key_usage:            "serverAuth,clientAuth",
		NID_subject_alt_name:         "DNS:localhost,DNS:*.example.org,IP:127.0.0.1,email:a@example.org",
		NID_subject_key_identifier:   "hash",
		NID_authority_key_identifier: "keyid:always",
	}))
	must(0, leaf.Sign(caKey, EVP_SHA256))

	stdCA, stdLeaf := parse(t, ca), parse(t, leaf)
	pool := x509.NewCertPool()
	pool.AddCert(stdCA)
	for _, host := range []string{"localhost", "www.example.org", "127.0.0.1"} {
		if _, err := stdLeaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: host}); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
	if !stdCA.IsCA || stdCA.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign || stdCA.Version != 3 || ca.GetVersion() != X509_V3 {
		t.Errorf("CA %v, usage %b, version %d", stdCA.IsCA, stdCA.KeyUsage, stdCA.Version)
	}
	if leaf.Issuer != ca {
		t.Error("SetIssuer did not set Issuer")
	}
	if diff := cmp.Diff([]string{"a@example.org"}, stdLeaf.EmailAddresses); diff != "" {
		t.Error(diff)
	}
	// The predecessor mixed up issuer and subject: with an Issuer set, "hash" gave the issuer's key identifier.
	for what, c := range map[string]struct{ got, want []byte }{
		"CA's subject key identifier":     {stdCA.SubjectKeyId, keyIdentifier(t, stdCA.PublicKey)},
		"CA's authority key identifier":   {stdCA.AuthorityKeyId, keyIdentifier(t, stdCA.PublicKey)},
		"leaf's subject key identifier":   {stdLeaf.SubjectKeyId, keyIdentifier(t, stdLeaf.PublicKey)},
		"leaf's authority key identifier": {stdLeaf.AuthorityKeyId, keyIdentifier(t, stdCA.PublicKey)},
	} {
		if !bytes.Equal(c.got, c.want) {
			t.Errorf("%s is %x; want %x", what, c.got, c.want)
		}
	}
}

func TestCustomExtension(t *testing.T) {
	// An object lives as long as its process.
	if !rerun(t, "") {
		return
	}
	nid := CreateObjectIdentifier("1.3.6.1.4.1.53594.1.1.77", "legacyTest", "an extension for a test")
	if nid == NID_undef {
		t.Fatal("CreateObjectIdentifier gives no NID")
	}
	if name := must(Nid2ShortName(nid)); name != "legacyTest" {
		t.Errorf("its short name is %s", name)
	}
	if again := CreateObjectIdentifier("1.3.6.1.4.1.53594.1.1.77", "legacyTest", "an extension for a test"); again != NID_undef {
		t.Errorf("created twice: %d", again)
	}
	for _, bad := range []string{"", "x", "1", "9.9.9", "1.2.3\x00"} {
		if got := CreateObjectIdentifier(bad, "legacyBad", "bad"); got != NID_undef {
			t.Errorf("%q is NID %d", bad, got)
		}
	}
	if pendingErrors() {
		t.Error("errors are left behind")
	}

	key := ourKeys()["P-256"]
	c := must(NewCertificate(testInfo(), key))
	if got := c.GetExtensionValue(nid); got != nil {
		t.Errorf("before: %x", got)
	}
	value := randomBytes(500)
	must(0, c.AddCustomExtension(nid, value))
	must(0, c.Sign(key, EVP_SHA256))
	if got := c.GetExtensionValue(nid); !bytes.Equal(got, value) {
		t.Errorf("after: %x", got)
	}
	parsed := parse(t, c)
	if len(parsed.Extensions) != 1 || parsed.Extensions[0].Critical || !bytes.Equal(parsed.Extensions[0].Value, value) ||
		parsed.Extensions[0].Id.String() != "1.3.6.1.4.1.53594.1.1.77" {
		t.Errorf("extensions %v", parsed.Extensions)
	}
	must(0, must(NewCertificate(testInfo(), key)).AddCustomExtension(nid, nil))
	wantError(t, c.AddCustomExtension(99999, value))
}

func TestExtensionBadInput(t *testing.T) {
	c := must(NewCertificate(testInfo(), ourKeys()["P-256"]))
	for nid, value := range map[NID]string{
		NID_basic_constraints:    "nonsense",
		NID_subject_alt_name:     "dirName:a_section",
		NID_certificate_policies: "@a_section",
		NID_commonName:           "not an extension",
		NID_key_usage:            "",
		-1:                       "x",
		99999:                    "x",
	} {
		err := c.AddExtension(nid, value)
		if err == nil {
			t.Errorf("NID %d = %q is accepted", nid, value)
			continue
		}
		wantError(t, err)
	}
	wantArgumentError(t, c.AddExtension(NID_netscape_comment, "a\x00b"), "zero byte")
	if err := c.AddExtensions(map[NID]string{NID_netscape_comment: "fine", NID_key_usage: "nonsense"}); err == nil {
		t.Error("AddExtensions hides an error")
	}
	if got := c.GetExtensionValue(NID_subject_alt_name); got != nil {
		t.Errorf("a refused extension was added: %x", got)
	}
}

// The predecessor took data from a missing extension.
func TestGetExtensionValueCrashingWhereThereIsNone(t *testing.T) {
	c := must(NewCertificate(testInfo(), ourKeys()["P-256"]))
	for _, nid := range []NID{NID_subject_alt_name, NID_undef, -1, 99999} {
		if got := c.GetExtensionValue(nid); got != nil {
			t.Errorf("NID %d: %x", nid, got)
		}
	}
}

// The predecessor's Name pointed into its Certificate without keeping it.
func TestNameOutlivingItsCertificate(t *testing.T) {
	// The C library fills what is freed with this byte.
	if !rerun(t, "", "MALLOC_PERTURB_=165") {
		return
	}
	var names []*Name
	for i := range 50 {
		info := testInfo()
		info.CommonName = fmt.Sprintf("name %d", i)
		c := must(NewCertificate(info, ourKeys()["P-256"]))
		names = append(names, must(c.GetSubjectName()), must(c.GetIssuerName()))
	}
	collect()
	for i, n := range names {
		want := fmt.Sprintf("name %d", i/2)
		if got, ok := n.GetEntry(NID_commonName); !ok || got != want {
			t.Fatalf("the common name is %q, %v; want %q", got, ok, want)
		}
		must(0, n.AddTextEntry("OU", "unit"))
	}
}

// The predecessor's Name pointed at what SetSubjectName frees.
func TestNameOfASubjectThatIsReplaced(t *testing.T) {
	if !rerun(t, "", "MALLOC_PERTURB_=165") {
		return
	}
	c := must(NewCertificate(testInfo(), ourKeys()["P-256"]))
	held := must(c.GetSubjectName())
	other := must(NewName())
	must(0, other.AddTextEntry("CN", "other"))
	must(0, c.SetSubjectName(other))
	if got, _ := held.GetEntry(NID_commonName); got != "other" {
		t.Errorf("the name is %q and not the certificate's", got)
	}
	// A name may be set to itself, and what is added to a certificate's name is in the certificate.
	must(0, c.SetSubjectName(held))
	must(0, held.AddTextEntry("OU", "unit"))
	must(0, c.Sign(ourKeys()["P-256"], EVP_SHA256))
	if got := inOrder(t, parse(t, c).RawSubject); got != "OU=unit,CN=other" {
		t.Errorf("subject %s", got)
	}
	if got, _ := other.GetEntry(NID_organizationalUnitName); got != "" {
		t.Error("the name that was copied changed too")
	}
}

func TestNameEntries(t *testing.T) {
	n := must(NewName())
	must(0, n.AddTextEntries(map[string]string{"CN": "häuschen", "O": "Org", "2.5.4.8": "State", "localityName": "Ort"}))
	must(0, n.AddTextEntry("OU", "latin \xe9"))
	for nid, want := range map[NID]string{NID_commonName: "häuschen", NID_organizationName: "Org", NID_stateOrProvinceName: "State",
		NID_localityName: "Ort", NID_organizationalUnitName: "latin é"} {
		if got, ok := n.GetEntry(nid); !ok || got != want {
			t.Errorf("entry %d is %q, %v; want %q", nid, got, ok, want)
		}
	}
	key := ourKeys()["P-256"]
	c := must(NewCertificate(testInfo(), key))
	must(0, c.SetSubjectName(n))
	must(0, c.SetIssuerName(n))
	must(0, c.Sign(key, EVP_SHA256))
	got := parse(t, c)
	want := pkix.Name{CommonName: "häuschen", Organization: []string{"Org"}, Province: []string{"State"}, Locality: []string{"Ort"}, OrganizationalUnit: []string{"latin é"}}
	for what, got := range map[string]pkix.Name{"subject": got.Subject, "issuer": got.Issuer} {
		got.Names = nil
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
	for field, value := range map[string]string{"CN": "", "C": "too long", "no such field": "x", "": "x"} {
		wantError(t, n.AddTextEntry(field, value))
	}
	wantArgumentError(t, n.AddTextEntry("CN", "good.example\x00.evil"), "zero byte")
	wantArgumentError(t, n.AddTextEntry("CN\x00", "x"), "zero byte")
	if err := n.AddTextEntries(map[string]string{"CN": "x", "nonsense": "x"}); err == nil {
		t.Error("AddTextEntries hides an error")
	}
	if _, ok := n.GetEntry(99999); ok {
		t.Error("there is an entry of an unknown object")
	}
	if pendingErrors() {
		t.Error("errors are left behind")
	}
}

// The predecessor took the address of the first byte of the serial 0, which has none.
func TestSetSerialPanickingOnZero(t *testing.T) {
	key := ourKeys()["P-256"]
	c := must(NewCertificate(testInfo(), key))
	for serial, want := range map[string]string{"0": "0", "1": "01", "256": "0100", "-255": "FF", "1461501637330902918203684832716283019655932542975": strings.Repeat("FF", 20)} {
		n, ok := new(big.Int).SetString(serial, 10)
		if !ok {
			t.Fatal(serial)
		}
		must(0, c.SetSerial(n))
		if got := c.GetSerialNumberHex(); strings.TrimLeft(got, "0") != strings.TrimLeft(want, "0") || len(got)%2 != len(want)%2 && n.Sign() != 0 {
			t.Errorf("serial %s is %s; want %s", serial, got, want)
		}
		must(0, c.Sign(key, EVP_SHA256))
		if n.Sign() == 0 {
			continue // crypto/x509 does not read a certificate with serial 0
		}
		if got := parse(t, c).SerialNumber; got.CmpAbs(n) != 0 || got.Sign() < 0 {
			t.Errorf("serial %s is read as %v", serial, got)
		}
	}
	wantArgumentError(t, c.SetSerial(nil), "nil")
}

func TestSetVersion(t *testing.T) {
	c := must(NewCertificate(testInfo(), ourKeys()["P-256"]))
	for _, v := range []X509_Version{X509_V3, 1, X509_V1} {
		must(0, c.SetVersion(v))
		if got := c.GetVersion(); got != v {
			t.Errorf("version %d; want %d", got, v)
		}
	}
	wantArgumentError(t, c.SetVersion(3), "not a version")
	wantArgumentError(t, c.SetVersion(-1), "not a version")
}

// Changing a certificate that was loaded must not leave the old encoding behind.
func TestLoadedCertificateIsChangedAndSignedAgain(t *testing.T) {
	key := ourKeys()["P-256"]
	c := must(NewCertificate(testInfo(), key))
	must(0, c.Sign(key, EVP_SHA256))
	c = must(LoadCertificateFromPEM(must(c.MarshalPEM())))
	must(0, must(c.GetSubjectName()).AddTextEntry("OU", "added"))
	must(0, c.SetExpireDate(100*365*24*time.Hour))
	must(0, c.SetSerial(big.NewInt(7)))
	if s := inOrder(t, parse(t, c).RawSubject); s != "OU=added,CN=localhost,O=Test,C=US" {
		t.Errorf("before it is signed again the subject is %s", s)
	}
	must(0, c.Sign(key, EVP_SHA256))
	got := parse(t, c)
	if inOrder(t, got.RawSubject) != "OU=added,CN=localhost,O=Test,C=US" || got.SerialNumber.Int64() != 7 || got.NotAfter.Year() < time.Now().Year()+99 {
		t.Errorf("subject %s, serial %d, until %v", got.Subject, got.SerialNumber, got.NotAfter)
	}
	if err := got.CheckSignature(got.SignatureAlgorithm, got.RawTBSCertificate, got.Signature); err != nil {
		t.Error(err)
	}
}

func TestCertificateBadInput(t *testing.T) {
	key := ourKeys()["P-256"]
	_, err := NewCertificate(nil, key)
	wantArgumentError(t, err, "nil")
	_, err = NewCertificate(testInfo(), nil)
	wantArgumentError(t, err, "nil")
	_, err = NewCertificate(&CertificateInfo{}, key)
	wantError(t, err)
	noSerial := testInfo()
	noSerial.Serial = nil
	_, err = NewCertificate(noSerial, key)
	wantArgumentError(t, err, "serial is nil")

	c := must(NewCertificate(testInfo(), key))
	for _, md := range []EVP_MD{EVP_NULL, EVP_MD5, EVP_SHA1, EVP_SHA224, EVP_SHA, -1, 99} {
		wantArgumentError(t, c.Sign(key, md), "Unsupported digest")
	}
	wantArgumentError(t, c.Sign(nil, EVP_SHA256), "private key")
	wantArgumentError(t, c.SetPubKey(nil), "nil")
	wantArgumentError(t, c.SetSubjectName(nil), "nil")
	wantArgumentError(t, c.SetIssuerName(&Name{}), "NewName")
	wantArgumentError(t, c.SetIssuer(nil), "nil")
	wantArgumentError(t, c.SetIssuer(&Certificate{}), "not made")
	c.Issuer = &Certificate{}
	wantArgumentError(t, c.AddExtension(NID_subject_key_identifier, "hash"), "not made")

	for name, c := range map[string]*Certificate{"nil": nil, "zero": {}} {
		for what, err := range map[string]error{
			"GetSubjectName":     second(c.GetSubjectName()),
			"GetIssuerName":      second(c.GetIssuerName()),
			"SetSerial":          c.SetSerial(big.NewInt(1)),
			"SetIssueDate":       c.SetIssueDate(0),
			"SetExpireDate":      c.SetExpireDate(0),
			"SetPubKey":          c.SetPubKey(key),
			"SetVersion":         c.SetVersion(X509_V3),
			"Sign":               c.Sign(key, EVP_SHA256),
			"AddExtension":       c.AddExtension(NID_key_usage, "cRLSign"),
			"AddCustomExtension": c.AddCustomExtension(NID_key_usage, nil),
			"MarshalPEM":         second(c.MarshalPEM()),
			"PublicKey":          second(c.PublicKey()),
			"X509NamePrintEx":    second(c.X509NamePrintEx()),
		} {
			wantArgumentError(t, err, "certificate is nil")
			if t.Failed() {
				t.Fatalf("%s.%s", name, what)
			}
		}
		if c.GetSerialNumberHex() != "" || c.GetVersion() != 0 || c.GetExtensionValue(NID_key_usage) != nil || c.Hash(nil) != nil {
			t.Errorf("%s: not everything is empty", name)
		}
	}
	var n *Name
	wantArgumentError(t, n.AddTextEntry("CN", "x"), "nil")
	if _, ok := (&Name{}).GetEntry(NID_commonName); ok {
		t.Error("a zero Name has an entry")
	}
}

func TestCertificatesAreFreed(t *testing.T) {
	freed := make(chan struct{}, 1)
	func() {
		c := must(NewCertificate(testInfo(), ourKeys()["P-256"]))
		n := must(c.GetSubjectName())
		runtime.AddCleanup(c, func(ch chan struct{}) { ch <- struct{}{} }, freed)
		n.GetEntry(NID_commonName)
	}()
	deadline := time.After(time.Minute)
	for {
		runtime.GC()
		select {
		case <-freed:
			return
		case <-deadline:
			t.Fatal("a certificate that nobody uses stays")
		case <-time.After(time.Millisecond):
		}
	}
}
