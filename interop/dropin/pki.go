package main

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
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/spacemonkeygo/openssl"
)

// identity is a certificate with its key, made by the standard library.
type identity struct {
	cert    *x509.Certificate
	key     crypto.Signer
	certPEM []byte
	keyPEM  []byte
}

var serial int64

func issue(template x509.Certificate, issuer *identity, key crypto.Signer) *identity {
	serial++
	template.SerialNumber = big.NewInt(serial)
	if template.NotBefore.IsZero() {
		template.NotBefore = time.Now().Add(-time.Hour)
		template.NotAfter = time.Now().Add(24 * time.Hour)
	}
	parent, signer := &template, key
	if issuer != nil {
		parent, signer = issuer.cert, issuer.key
	}
	der := must(x509.CreateCertificate(rand.Reader, &template, parent, key.Public(), signer))
	return &identity{
		cert: must(x509.ParseCertificate(der)), key: key,
		certPEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		keyPEM:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(key))}),
	}
}

func ecKey() crypto.Signer { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) }

func authority(name string) *identity {
	return issue(x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign}, nil, ecKey())
}

// pki are the certificates that all sections use.
var pki = sync.OnceValue(func() (p struct {
	ca, middle, otherCA                                      *identity
	server, other, rsa, expired, chained, selfSigned, client *identity
	folder, certFile, keyFile, caFile, emptyFile             string
}) {
	usage := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	p.ca, p.otherCA = authority("test CA"), authority("another CA")
	p.middle = issue(x509.Certificate{Subject: pkix.Name{CommonName: "middle CA"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign}, p.ca, ecKey())
	leaf := x509.Certificate{Subject: pkix.Name{CommonName: "server"}, DNSNames: []string{"localhost", "*.wild.example"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}, EmailAddresses: []string{"root@mail.example"},
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment, ExtKeyUsage: usage}
	p.server = issue(leaf, p.ca, ecKey())
	p.rsa = issue(leaf, p.ca, must(rsa.GenerateKey(rand.Reader, 2048)))
	p.chained = issue(leaf, p.middle, ecKey())
	p.selfSigned = issue(leaf, nil, ecKey())
	p.other = issue(x509.Certificate{Subject: pkix.Name{CommonName: "other"}, DNSNames: []string{"other.example"}, ExtKeyUsage: usage}, p.ca, ecKey())
	leaf.NotBefore, leaf.NotAfter = time.Now().Add(-48*time.Hour), time.Now().Add(-24*time.Hour)
	p.expired = issue(leaf, p.ca, ecKey())
	p.client = issue(x509.Certificate{Subject: pkix.Name{CommonName: "client"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}, p.ca, ecKey())

	p.folder = must(os.MkdirTemp("", "dropin"))
	write := func(name string, text []byte) string {
		file := filepath.Join(p.folder, name)
		check(os.WriteFile(file, text, 0o600))
		return file
	}
	p.certFile = write("cert.pem", append(append([]byte{}, p.chained.certPEM...), p.middle.certPEM...))
	p.keyFile = write("key.pem", p.chained.keyPEM)
	p.caFile = write("ca.pem", p.ca.certPEM)
	p.emptyFile = write("empty.pem", nil)
	return p
})

func loadCert(id *identity) *openssl.Certificate {
	return must(openssl.LoadCertificateFromPEM(id.certPEM))
}

func loadKey(id *identity) openssl.PrivateKey { return must(openssl.LoadPrivateKeyFromPEM(id.keyPEM)) }

// serverCtx is a context of TLS 1.2 with id's certificate, or of any version with version AnyVersion.
func serverCtx(id *identity, version openssl.SSLVersion) *openssl.Ctx {
	ctx := must(openssl.NewCtxWithVersion(version))
	check(ctx.UseCertificate(loadCert(id)))
	check(ctx.UsePrivateKey(loadKey(id)))
	return ctx
}

// clientCtx trusts the test CA and verifies.
func clientCtx(version openssl.SSLVersion) *openssl.Ctx {
	ctx := must(openssl.NewCtxWithVersion(version))
	check(ctx.LoadVerifyLocations(pki().caFile, ""))
	ctx.SetVerifyMode(openssl.VerifyPeer)
	return ctx
}

// stdServer and stdClient are the standard library's, for TLS 1.2.
func stdServer(id *identity) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{id.cert.Raw}, PrivateKey: id.key}}, MaxVersion: tls.VersionTLS12}
}

func stdClient() *tls.Config {
	roots := x509.NewCertPool()
	roots.AddCert(pki().ca.cert)
	return &tls.Config{RootCAs: roots, ServerName: "localhost", MaxVersion: tls.VersionTLS12}
}

// pipe is a TCP connection's two ends.
func pipe() (a, b net.Conn) {
	l := must(net.Listen("tcp", "127.0.0.1:0"))
	defer l.Close()
	dialled := make(chan net.Conn, 1)
	go func() { dialled <- must(net.Dial("tcp", l.Addr().String())) }()
	a = must(l.Accept())
	return a, <-dialled
}
