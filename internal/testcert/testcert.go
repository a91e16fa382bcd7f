// Package testcert is a certificate authority in memory, for tests. It writes
// no files. A function of it panics when the standard library refuses what it
// was asked to sign, which is a mistake in the test that asked.
package testcert

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"sync"
	"time"
)

// KeyType is the kind of a certificate's key.
type KeyType int

const (
	// ECDSA is P-256, made anew for every certificate.
	ECDSA KeyType = iota
	// RSA is 2048 bits. Each process makes one for its servers and one for
	// its clients, because they are slow to make.
	RSA
)

// WrongName is the only name in WrongNameServer's certificate.
const WrongName = "wrong.example"

// DefaultNames are the names of a server's certificate that gives none.
func DefaultNames() []string { return []string{"localhost", "127.0.0.1", "::1"} }

// Options say what a certificate shall be.
type Options struct {
	Key KeyType
	// Names are DNS names and IP addresses. Nil means DefaultNames for a
	// server and none for a client; empty means none.
	Names []string
	// CommonName is "test server" or "test client" when empty.
	CommonName string
	// Expired certificates ended a day ago, NotYetValid ones begin tomorrow.
	Expired, NotYetValid bool
	// Intermediate puts a second authority between this one and the
	// certificate; the chain then has two elements.
	Intermediate bool
}

// Cert is a certificate with its chain and key. Nothing in it changes, and
// any number of goroutines may read it.
type Cert struct {
	Leaf *x509.Certificate
	// ChainDER begins with the leaf and ends before the root.
	ChainDER [][]byte
	// ChainPEM is ChainDER as one text.
	ChainPEM []byte
	// KeyDER is PKCS #8 and not encrypted.
	KeyDER []byte
	KeyPEM []byte
	// TLS is the same for crypto/tls.
	TLS tls.Certificate
	// CA signed it, through an intermediate or not.
	CA *CA
}

// CA is a self-signed authority. Any number of goroutines may use it.
type CA struct {
	Cert *x509.Certificate
	DER  []byte
	PEM  []byte
	key  crypto.Signer
}

// NewCA makes an authority with the given common name and an ECDSA key.
func NewCA(commonName string) *CA {
	key := newECDSA()
	return newCA(authority(commonName), nil, key)
}

// Pool returns a new pool that holds this authority alone.
func (ca *CA) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.Cert)
	return pool
}

// Server makes a certificate for server authentication.
func (ca *CA) Server(o Options) *Cert {
	if o.Names == nil {
		o.Names = DefaultNames()
	}
	if o.CommonName == "" {
		o.CommonName = "test server"
	}
	return ca.issue(o, x509.ExtKeyUsageServerAuth, serverRSA)
}

// Client makes a certificate for client authentication.
func (ca *CA) Client(o Options) *Cert {
	if o.CommonName == "" {
		o.CommonName = "test client"
	}
	return ca.issue(o, x509.ExtKeyUsageClientAuth, clientRSA)
}

// The certificates below are made once a process. All but those of OtherCA are
// signed by Root.
var (
	Root    = sync.OnceValue(func() *CA { return NewCA("test root") })
	OtherCA = sync.OnceValue(func() *CA { return NewCA("another test root") })

	Server    = sync.OnceValue(func() *Cert { return Root().Server(Options{}) })
	ServerRSA = sync.OnceValue(func() *Cert { return Root().Server(Options{Key: RSA}) })
	Client    = sync.OnceValue(func() *Cert { return Root().Client(Options{}) })
	ClientRSA = sync.OnceValue(func() *Cert { return Root().Client(Options{Key: RSA}) })

	ExpiredServer   = sync.OnceValue(func() *Cert { return Root().Server(Options{Expired: true}) })
	ExpiredClient   = sync.OnceValue(func() *Cert { return Root().Client(Options{Expired: true}) })
	WrongNameServer = sync.OnceValue(func() *Cert { return Root().Server(Options{Names: []string{WrongName}}) })
	OtherCAServer   = sync.OnceValue(func() *Cert { return OtherCA().Server(Options{}) })
	OtherCAClient   = sync.OnceValue(func() *Cert { return OtherCA().Client(Options{}) })
)

var (
	serverRSA = sync.OnceValue(newRSA)
	clientRSA = sync.OnceValue(newRSA)
)

func newRSA() crypto.Signer {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	must(err)
	return key
}

func newECDSA() crypto.Signer {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	return key
}

func (ca *CA) issue(o Options, usage x509.ExtKeyUsage, cachedRSA func() crypto.Signer) *Cert {
	var key crypto.Signer
	switch o.Key {
	case ECDSA:
		key = newECDSA()
	case RSA:
		key = cachedRSA()
	default:
		panic(fmt.Sprintf("testcert: unknown key type %d", o.Key))
	}

	issuer, chain := ca, [][]byte(nil)
	if o.Intermediate {
		issuer = newCA(authority(ca.Cert.Subject.CommonName+" intermediate"), ca, newECDSA())
		chain = [][]byte{issuer.DER}
	}

	template := template(o.CommonName)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	if o.Key == RSA {
		template.KeyUsage |= x509.KeyUsageKeyEncipherment
	}
	template.ExtKeyUsage = []x509.ExtKeyUsage{usage}
	if o.Expired {
		template.NotBefore = time.Now().Add(-48 * time.Hour)
		template.NotAfter = time.Now().Add(-24 * time.Hour)
	}
	if o.NotYetValid {
		template.NotBefore = time.Now().Add(24 * time.Hour)
	}
	for _, name := range o.Names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}

	leafDER := sign(template, issuer.Cert, key, issuer.key)
	chain = append([][]byte{leafDER}, chain...)
	leaf, err := x509.ParseCertificate(leafDER)
	must(err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	must(err)

	cert := &Cert{
		Leaf:     leaf,
		ChainDER: chain,
		KeyDER:   keyDER,
		KeyPEM:   pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}),
		TLS:      tls.Certificate{Certificate: chain, PrivateKey: key, Leaf: leaf},
		CA:       ca,
	}
	for _, der := range chain {
		cert.ChainPEM = append(cert.ChainPEM, certPEM(der)...)
	}
	return cert
}

// newCA makes an authority signed by parent, by itself when that is nil.
func newCA(template *x509.Certificate, parent *CA, key crypto.Signer) *CA {
	parentCert, parentKey := template, key
	if parent != nil {
		parentCert, parentKey = parent.Cert, parent.key
	}
	der := sign(template, parentCert, key, parentKey)
	cert, err := x509.ParseCertificate(der)
	must(err)
	return &CA{Cert: cert, DER: der, PEM: certPEM(der), key: key}
}

func authority(commonName string) *x509.Certificate {
	t := template(commonName)
	t.IsCA = true
	t.BasicConstraintsValid = true
	t.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	return t
}

func template(commonName string) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	must(err)
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{Organization: []string{"closure test"}, CommonName: commonName},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(48 * time.Hour),
	}
}

func sign(template, parent *x509.Certificate, key, parentKey crypto.Signer) []byte {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), parentKey)
	must(err)
	return der
}

func certPEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func must(err error) {
	if err != nil {
		panic("testcert: " + err.Error())
	}
}
