package openssl_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/testcert"
)

// onlySigner hides that the key is in memory, and counts.
type onlySigner struct {
	crypto.Signer
	n      atomic.Int64
	before func() error
}

func (s *onlySigner) Sign(r io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	s.n.Add(1)
	if s.before != nil {
		if err := s.before(); err != nil {
			return nil, err
		}
	}
	return s.Signer.Sign(r, digest, opts)
}

// selfSigned is a certificate that a crypto/tls client trusts as its own root.
func selfSigned(t testing.TB, key crypto.Signer) []byte {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// signerFor makes a signer's certificate, or ends the test on a library that has none.
func signerFor(t testing.TB, der []byte, s crypto.Signer) *openssl.Certificate {
	t.Helper()
	c, err := openssl.SignerCertificate([][]byte{der}, s)
	if openssl.LibraryVersionNumber() < 0x30000000 {
		var u *openssl.UnsupportedError
		if !errors.Is(err, errors.ErrUnsupported) || !errors.As(err, &u) || u.Feature != "crypto.Signer" || c != nil {
			t.Fatalf("on 1.1.1: %v, %v", c, err)
		}
		t.Skip("OpenSSL 1.1.1 has no providers; that it says so is tested")
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func newKey[T crypto.Signer](t testing.TB) func(key T, err error) crypto.Signer {
	return func(key T, err error) crypto.Signer {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
}

// TestSigner: a server's key that stays in Go, against crypto/tls, which checks the signature. Each
// handshake signs once.
func TestSigner(t *testing.T) {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]crypto.Signer{
		"RSA":     newKey[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 2048)),
		"P-256":   newKey[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)),
		"P-384":   newKey[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)),
		"Ed25519": ed,
	} {
		for _, version := range bothVersions {
			t.Run(fmt.Sprintf("%s/%s", name, tls.VersionName(version)), func(t *testing.T) {
				der := selfSigned(t, key)
				s := &onlySigner{Signer: key}
				ctx := newCtx(t, openssl.Config{Certificates: []*openssl.Certificate{signerFor(t, der, s)}, MinVersion: version, MaxVersion: version})
				leaf, err := x509.ParseCertificate(der)
				if err != nil {
					t.Fatal(err)
				}
				roots := x509.NewCertPool()
				roots.AddCert(leaf)
				for i := range 3 {
					a, b := tcpEnds(t)
					client, server := tls.Client(a, &tls.Config{RootCAs: roots, ServerName: "localhost"}), serverOver(t, b, ctx)
					mustShake(t, client, server)
					says(t, server, client, "to the client")
					says(t, client, server, "to the server")
					if got := s.n.Load(); got != int64(i+1) {
						t.Errorf("signed %d times in %d handshakes", got, i+1)
					}
					server.Close()
				}
			})
		}
	}
}

// TestSignerSchemes: RSA signs in the scheme that was negotiated, which in TLS 1.2 may be either; libssl's client
// checks it.
func TestSignerSchemes(t *testing.T) {
	schemes := map[string]bool{"RSA+SHA256": false, "RSA+SHA512": false, "RSA-PSS+SHA256": true, "RSA-PSS+SHA512": true} // PSS?
	const which = "OPENSSL_GO_TEST_SCHEME"
	made := testcert.ServerRSA()
	asked := &schemeSigner{Signer: made.TLS.PrivateKey.(crypto.Signer)}
	cert := signerFor(t, made.ChainDER[0], asked)
	if !inChild() {
		for scheme := range schemes {
			child(t, "OPENSSL_CONF="+writeFile(t, t.TempDir(), "openssl.cnf", policyCnf("SignatureAlgorithms = "+scheme)), which+"="+scheme)
		}
		return
	}
	scheme := os.Getenv(which)
	c, s := connected(t, newCtx(t, clientConfig(tls.VersionTLS12)), newCtx(t, openssl.Config{Certificates: []*openssl.Certificate{cert},
		MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12}))
	says(t, c, s, "hello")
	if len(asked.opts) != 1 {
		t.Fatalf("signed %d times", len(asked.opts))
	}
	_, pss := asked.opts[0].(*rsa.PSSOptions)
	if pss != schemes[scheme] || !strings.HasSuffix(scheme, strings.ReplaceAll(asked.opts[0].HashFunc().String(), "-", "")) {
		t.Errorf("%s: signed with %T, %v", scheme, asked.opts[0], asked.opts[0].HashFunc())
	}
}

// schemeSigner keeps what it was asked for.
type schemeSigner struct {
	crypto.Signer
	opts []crypto.SignerOpts
}

func (s *schemeSigner) Sign(r io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	s.opts = append(s.opts, opts)
	return s.Signer.Sign(r, digest, opts)
}

// TestSignerChosen by GetCertificate, and a client's certificate with a key in Go, whose signature our server
// checks.
func TestSignerChosen(t *testing.T) {
	for _, version := range bothVersions {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			server, client := testcert.Server(), testcert.Client()
			chosen := &onlySigner{Signer: server.TLS.PrivateKey.(crypto.Signer)}
			theirs := &onlySigner{Signer: client.TLS.PrivateKey.(crypto.Signer)}
			signerFor(t, server.ChainDER[0], chosen)
			scfg := serverConfig(t, version)
			scfg.Certificates = nil
			scfg.ClientAuth, scfg.ClientCAPEM = tls.RequireAndVerifyClientCert, testcert.Root().PEM
			scfg.GetCertificate = func(*openssl.ClientHelloInfo) (*openssl.Certificate, error) {
				defer runtime.GC() // the connection keeps it
				return openssl.CertificateFromTLS(tls.Certificate{Certificate: server.ChainDER, PrivateKey: chosen})
			}
			ccfg := clientConfig(version)
			ccfg.Certificates = []*openssl.Certificate{signerFor(t, client.ChainDER[0], theirs)}
			c, s := connected(t, newCtx(t, ccfg), newCtx(t, scfg))
			says(t, c, s, "hello")
			if name := s.ConnectionState().PeerCertificates[0].Subject.CommonName; name != client.Leaf.Subject.CommonName {
				t.Errorf("the server saw %q", name)
			}
			if chosen.n.Load() != 1 || theirs.n.Load() != 1 {
				t.Errorf("signed %d and %d times", chosen.n.Load(), theirs.n.Load())
			}
		})
	}
}

// TestSignerFails: the signer's error is the handshake's, a panic too, and a signature of another key is the
// client's to refuse.
func TestSignerFails(t *testing.T) {
	cert := testcert.Server()
	ours := cert.TLS.PrivateKey.(crypto.Signer)
	broken := errors.New("the HSM is on fire")
	for _, version := range bothVersions {
		for name, before := range map[string]func() error{
			"error": func() error { return broken },
			"panic": func() error { panic("on fire") },
			"EOF":   func() error { return io.EOF },
			"end":   func() error { runtime.Goexit(); return nil }, // as by t.Fatal
		} {
			t.Run(name+"/"+tls.VersionName(version), func(t *testing.T) {
				s := &onlySigner{Signer: ours, before: before}
				cfg := openssl.Config{Certificates: []*openssl.Certificate{signerFor(t, cert.ChainDER[0], s)}, MinVersion: version, MaxVersion: version}
				c, srv := ends(t, newCtx(t, clientConfig(version)), newCtx(t, cfg))
				cerr, serr := handshakes(t, c, srv)
				e := asError(t, serr)
				if !errors.Is(serr, openssl.ErrSigner) || errors.Is(serr, io.EOF) || e.Origin != openssl.FromCaller {
					t.Errorf("server %v from %v", serr, e.Origin)
				}
				if name == "error" && !errors.Is(serr, broken) {
					t.Errorf("server %v", serr)
				}
				if alertOf(cerr) != "internal_error" {
					t.Errorf("client %v", cerr)
				}
			})
		}
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	liar := &lyingSigner{ours, other}
	c, srv := ends(t, newCtx(t, clientConfig(tls.VersionTLS13)),
		newCtx(t, openssl.Config{Certificates: []*openssl.Certificate{signerFor(t, cert.ChainDER[0], liar)}}))
	if cerr, _ := handshakes(t, c, srv); cerr == nil || alertOf(cerr) != "decrypt_error" {
		t.Errorf("client %v", cerr)
	}
}

// lyingSigner signs with another key than it shows.
type lyingSigner struct{ shown, used crypto.Signer }

func (s *lyingSigner) Public() crypto.PublicKey { return s.shown.Public() }
func (s *lyingSigner) Sign(r io.Reader, d []byte, o crypto.SignerOpts) ([]byte, error) {
	return s.used.Sign(r, d, o)
}

// signerRefused fails unless a signer's certificate is refused under properties that rule it out: where the Ctx is
// made, and where GetCertificate answers it.
func signerRefused(t *testing.T, k *openssl.Certificate, properties string) {
	t.Helper()
	told := func(err error) bool {
		return errors.Is(err, openssl.ErrConfig) && strings.Contains(err.Error(), properties) && strings.Contains(err.Error(), "crypto.Signer")
	}
	if ctx, err := openssl.NewCtx(&openssl.Config{Certificates: []*openssl.Certificate{k}, Properties: properties}); ctx != nil || !told(err) {
		t.Errorf("a crypto.Signer under %s: %v, %v", properties, ctx, err)
	}
	for _, version := range bothVersions {
		ctx := newCtx(t, openssl.Config{Properties: properties, MinVersion: version, MaxVersion: version,
			GetCertificate: func(*openssl.ClientHelloInfo) (*openssl.Certificate, error) { return k, nil }})
		a, b := tcpEnds(t)
		cerr, serr := handshakes(t, tls.Client(a, &tls.Config{InsecureSkipVerify: true}), serverOver(t, b, ctx))
		if !told(serr) || cerr == nil || !strings.Contains(cerr.Error(), "internal error") {
			t.Errorf("GetCertificate's, %s: client %v, server %v", tls.VersionName(version), cerr, serr)
		}
	}
}

// TestSignerProperties: properties that a signer's signature does not have refuse it; what they only prefer, or what
// no signature needs, does not.
func TestSignerProperties(t *testing.T) {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]crypto.Signer{
		"RSA":     testcert.ServerRSA().TLS.PrivateKey.(crypto.Signer),
		"P-256":   testcert.Server().TLS.PrivateKey.(crypto.Signer),
		"Ed25519": ed,
	} {
		s := &onlySigner{Signer: key}
		k := signerFor(t, selfSigned(t, key), s)
		signerRefused(t, k, "provider=default")
		if n := s.n.Load(); n != 0 {
			t.Errorf("%s: signed %d times", name, n)
		}
		for _, properties := range []string{"?provider=default", "provider!=nobody"} {
			for _, version := range bothVersions {
				cfg := openssl.Config{Certificates: []*openssl.Certificate{k}, Properties: properties, MinVersion: version, MaxVersion: version}
				servers := []*openssl.Ctx{newCtx(t, cfg)}
				cfg.Certificates, cfg.GetCertificate = nil, func(*openssl.ClientHelloInfo) (*openssl.Certificate, error) { return k, nil }
				for _, ctx := range append(servers, newCtx(t, cfg)) {
					a, b := tcpEnds(t)
					mustShake(t, tls.Client(a, &tls.Config{InsecureSkipVerify: true}), serverOver(t, b, ctx))
				}
			}
		}
		if n := s.n.Load(); n != 8 {
			t.Errorf("%s: signed %d times", name, n)
		}
	}
}

// TestSignerSlow: nobody waits for a signer that does not come back: the context ends the call and a later
// one asks again; Close ends the connection, whose paused job must not stay.
func TestSignerSlow(t *testing.T) {
	cert := testcert.Server()
	for _, version := range bothVersions {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			asked, free := make(chan bool, 10), make(chan bool)
			s := &onlySigner{Signer: cert.TLS.PrivateKey.(crypto.Signer), before: func() error { asked <- true; <-free; return nil }}
			ctx := newCtx(t, openssl.Config{Certificates: []*openssl.Certificate{signerFor(t, cert.ChainDER[0], s)}, MinVersion: version, MaxVersion: version})
			client := newCtx(t, clientConfig(version))

			c, srv := ends(t, client, ctx)
			shaken := make(chan error, 1)
			go func() { shaken <- c.HandshakeContext(deadline(t)) }()
			short, cancel := context.WithCancel(deadline(t))
			go func() { <-asked; cancel() }()
			if err := srv.HandshakeContext(short); !errors.Is(err, context.Canceled) {
				t.Fatalf("the server's handshake: %v", err)
			}
			again := make(chan error, 1)
			go func() { again <- srv.HandshakeContext(deadline(t)) }()
			<-asked
			free <- true
			free <- true
			if err := errors.Join(<-shaken, <-again); err != nil {
				t.Fatal(err)
			}
			says(t, c, srv, "hello")

			c, srv = ends(t, client, ctx)
			go c.HandshakeContext(deadline(t))
			go func() { again <- srv.HandshakeContext(deadline(t)) }()
			<-asked
			srv.Close()
			if err := <-again; !errors.Is(err, net.ErrClosed) {
				t.Errorf("closed: %v", err)
			}
			free <- true

			// Dropped while it signs: the collector frees what is paused.
			found := abandonedConns(t)
			a, b := tcpEnds(t)
			go func() { clientOver(t, a, client).HandshakeContext(deadline(t)) }()
			dropped, err := openssl.Server(b, ctx)
			if err != nil {
				t.Fatal(err)
			}
			short, cancel = context.WithCancel(deadline(t))
			go func() { <-asked; cancel() }()
			dropped.HandshakeContext(short)
			free <- true
			awaitAbandoned(t, found, b.LocalAddr().String())
		})
	}
}

// TestSignersAtOnce: suspended handshakes go on in whatever thread comes, hundreds of them.
func TestSignersAtOnce(t *testing.T) {
	cert := testcert.Server()
	gate := make(chan bool)
	var waiting sync.WaitGroup
	s := &onlySigner{Signer: cert.TLS.PrivateKey.(crypto.Signer), before: func() error { waiting.Done(); <-gate; return nil }}
	const n = 200
	waiting.Add(n)
	ctx := newCtx(t, openssl.Config{Certificates: []*openssl.Certificate{signerFor(t, cert.ChainDER[0], s)}})
	client := newCtx(t, clientConfig(tls.VersionTLS13))
	before := len(threadsOf(t))
	var all sync.WaitGroup
	for range n {
		c, srv := ends(t, client, ctx)
		all.Go(func() {
			if cerr, serr := handshakes(t, c, srv); cerr != nil || serr != nil {
				t.Errorf("client %v, server %v", cerr, serr)
				return
			}
			go srv.Write([]byte("x"))
			if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
				t.Error(err)
			}
		})
	}
	waiting.Wait()
	// All wait for their signature: a thread each would be hundreds.
	if threads := len(threadsOf(t)); threads > before+n/2 {
		t.Errorf("%d threads became %d while %d handshakes wait", before, threads, n)
	}
	close(gate)
	all.Wait()
}

// TestSignerArguments: what cannot serve is told when it is given.
func TestSignerArguments(t *testing.T) {
	cert := testcert.Server()
	key := cert.TLS.PrivateKey.(crypto.Signer)
	good := signerFor(t, cert.ChainDER[0], key)
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]func() (*openssl.Certificate, error){
		"nil":       func() (*openssl.Certificate, error) { return openssl.SignerCertificate(cert.ChainDER, nil) },
		"no chain":  func() (*openssl.Certificate, error) { return openssl.SignerCertificate(nil, key) },
		"other key": func() (*openssl.Certificate, error) { return openssl.SignerCertificate(cert.ChainDER, other) },
		"truncated": func() (*openssl.Certificate, error) {
			return openssl.SignerCertificate([][]byte{cert.ChainDER[0][:99]}, key)
		},
		"no such key": func() (*openssl.Certificate, error) { return openssl.SignerCertificate(cert.ChainDER, oddSigner{key}) },
	} {
		if c, err := f(); c != nil || !errors.Is(err, openssl.ErrBadCertificate) {
			t.Errorf("%s: %v, %v", name, c, err)
		}
	}
	ctx := newCtx(t, openssl.Config{Certificates: []*openssl.Certificate{good}})
	if s, err := ctx.NewServerSSL(); s != nil || !errors.Is(err, openssl.ErrConfig) {
		t.Errorf("raw: %v, %v", s, err)
	}
}

type oddSigner struct{ crypto.Signer }

func (oddSigner) Public() crypto.PublicKey { return "odd" }
