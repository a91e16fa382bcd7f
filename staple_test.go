package openssl_test

import (
	"bytes"
	"crypto/tls"
	"encoding/asn1"
	"errors"
	"runtime"
	"sync"
	"testing"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/testcert"
)

// ocspResponse is one by its outer form (RFC 6960, section 4.2.1): successful, with bytes that nobody reads.
func ocspResponse(t *testing.T, content []byte) []byte {
	t.Helper()
	type response struct {
		Status asn1.Enumerated
		Bytes  struct {
			Type    asn1.ObjectIdentifier
			Content []byte
		} `asn1:"explicit,tag:0"`
	}
	var r response
	r.Bytes.Type, r.Bytes.Content = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 1}, content
	der, err := asn1.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// TestOCSPStaple: what our server staples crypto/tls and our client get, and our client what crypto/tls
// staples; a newer one reaches the next handshake on the same Ctx.
func TestOCSPStaple(t *testing.T) {
	if !works(t, "OCSP stapling") {
		t.Fatal("the table says that there is a version without it")
	}
	newer := ocspResponse(t, []byte("newer"))
	for _, version := range bothVersions {
		for _, staple := range [][]byte{nil, ocspResponse(t, []byte("x")), ocspResponse(t, make([]byte, 15<<10-60))} {
			std := testcert.Server().TLS
			std.OCSPStaple = staple
			cert, err := openssl.CertificateFromTLS(std)
			if err != nil {
				t.Fatal(err)
			}
			cfg := serverConfig(t, version)
			cfg.Certificates = nil
			cfg.GetCertificate = func(*openssl.ClientHelloInfo) (*openssl.Certificate, error) { return cert, nil }
			client := clientConfig(version)
			var seen []byte
			client.VerifyConnection = func(s tls.ConnectionState) error { seen = s.OCSPResponse; return nil }
			servers := map[string]openssl.Config{"GetCertificate": cfg}
			cfg.Certificates, cfg.GetCertificate = []*openssl.Certificate{cert}, nil
			servers["Certificates"] = cfg
			for name, server := range servers {
				ctx := newCtx(t, server)
				check := func(want []byte) {
					t.Helper()
					a, b := tcpEnds(t)
					theirs := tls.Client(a, &tls.Config{RootCAs: testcert.Root().Pool(), ServerName: "localhost"})
					mustShake(t, theirs, serverOver(t, b, ctx))
					if got := theirs.ConnectionState().OCSPResponse; !bytes.Equal(got, want) {
						t.Errorf("%s: crypto/tls got %d bytes, want %d", name, len(got), len(want))
					}
					c, s := connected(t, newCtx(t, client), ctx)
					if got := c.ConnectionState().OCSPResponse; !bytes.Equal(got, want) || !bytes.Equal(seen, want) {
						t.Errorf("%s: our client got %d bytes, its hook %d, want %d", name, len(got), len(seen), len(want))
					}
					if got := s.ConnectionState().OCSPResponse; got != nil {
						t.Errorf("the server got %q", got)
					}
				}
				check(staple)
				if err := cert.SetOCSPStaple(newer); err != nil {
					t.Fatal(err)
				}
				check(newer)
				if err := cert.SetOCSPStaple(staple); err != nil {
					t.Fatal(err)
				}
				check(staple)
			}
			a, b := tcpEnds(t)
			c := clientOver(t, a, newCtx(t, client))
			mustShake(t, c, tls.Server(b, &tls.Config{Certificates: []tls.Certificate{std}}))
			if got := c.ConnectionState().OCSPResponse; !bytes.Equal(got, staple) {
				t.Errorf("of crypto/tls: %d bytes, want %d", len(got), len(staple))
			}
		}
	}
	cert := keyPair(t, testcert.Server())
	whole := ocspResponse(t, []byte("x"))
	for _, bad := range [][]byte{ocspResponse(t, make([]byte, 15<<10)), []byte("a response"), whole[:len(whole)-1], append(whole, 0)} {
		if err := cert.SetOCSPStaple(bad); !errors.Is(err, openssl.ErrConfig) {
			t.Errorf("%d bytes: %v", len(bad), err)
		}
		std := testcert.Server().TLS
		std.OCSPStaple = bad
		if k, err := openssl.CertificateFromTLS(std); k != nil || !errors.Is(err, openssl.ErrConfig) {
			t.Errorf("CertificateFromTLS, %d bytes: %v, %v", len(bad), k, err)
		}
	}
	for _, none := range []*openssl.Certificate{nil, {}} {
		if err := none.SetOCSPStaple(nil); !errors.Is(err, openssl.ErrBadCertificate) {
			t.Errorf("no certificate: %v", err)
		}
	}
}

// TestOCSPStapleAtOnce: staples change while handshakes run; each gets a whole one.
func TestOCSPStapleAtOnce(t *testing.T) {
	cert := keyPair(t, testcert.Server())
	cfg := serverConfig(t, tls.VersionTLS13)
	cfg.Certificates = []*openssl.Certificate{cert}
	server, client := newCtx(t, cfg), newCtx(t, clientConfig(tls.VersionTLS13))
	stop := make(chan struct{})
	var wg sync.WaitGroup
	defer wg.Wait()
	defer close(stop)
	var whole [][]byte
	for _, letter := range []byte("ab") {
		staple := ocspResponse(t, bytes.Repeat([]byte{letter}, 1000))
		whole = append(whole, staple)
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					cert.SetOCSPStaple(staple)
					runtime.Gosched()
				}
			}
		})
	}
	for range 30 {
		c, s := connected(t, client, server)
		got := c.ConnectionState().OCSPResponse
		if got != nil && !bytes.Equal(got, whole[0]) && !bytes.Equal(got, whole[1]) {
			t.Errorf("got %d bytes of no staple", len(got))
		}
		c.Close()
		s.Close()
	}
}
