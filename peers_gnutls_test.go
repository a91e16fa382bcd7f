package openssl_test

import (
	"bytes"
	"crypto/tls"
	"encoding/pem"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/testcert"
)

// gnutlsClient is a gnutls-cli that speaks to our server, and the server's end after the handshake.
func gnutlsClient(t *testing.T, server openssl.Config, args ...string) (*program, *openssl.Conn) {
	t.Helper()
	if _, err := exec.LookPath("gnutls-cli"); err != nil {
		t.Skip("gnutls-cli is missing: apt-get install gnutls-bin")
	}
	l, err := openssl.Listen("tcp", "127.0.0.1:0", newCtx(t, server))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	p := run(t, "gnutls-cli", append(args, "--port", port, "localhost")...)
	nc, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	s := nc.(*openssl.Conn)
	t.Cleanup(func() { s.Close() })
	s.SetDeadline(time.Now().Add(testTime))
	if err := s.Handshake(); err != nil {
		t.Errorf("%v: %v", args, err)
		p.expect("what no program says") // prints what it did say
	}
	return p, s
}

// TestRawPublicKeysGnuTLS: GnuTLS takes our server's key in place of a certificate, and shows its own.
func TestRawPublicKeysGnuTLS(t *testing.T) {
	if !works(t, "raw public keys") {
		t.Skip("no raw public keys here: TestRawPublicKeys has what is answered then")
	}
	id := testcert.Client()
	folder := t.TempDir()
	key, public := filepath.Join(folder, "key.pem"), filepath.Join(folder, "public.pem")
	for path, text := range map[string][]byte{
		key:    id.KeyPEM,
		public: pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki(t, id)}),
	} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, version := range bothVersions {
		for _, both := range []bool{false, true} {
			t.Run(tls.VersionName(version)+map[bool]string{false: "/the server's", true: "/both"}[both], func(t *testing.T) {
				server := serverConfig(t, version)
				server.RawPublicKey = true
				args := []string{"--insecure", "--priority", "NORMAL:+CTYPE-SRV-RAWPK"}
				if both {
					server.PeerPublicKeys, server.ClientAuth = [][]byte{spki(t, id)}, tls.RequireAndVerifyClientCert
					args = []string{"--insecure", "--priority", "NORMAL:+CTYPE-SRV-RAWPK:+CTYPE-CLI-RAWPK", "--rawpkkeyfile", key, "--rawpkfile", public}
				}
				p, s := gnutlsClient(t, server, args...)
				p.expect("- Certificate type: Raw Public Key")
				p.expect("- Simple Client Mode")
				p.say("hello\n")
				said := make([]byte, len("hello\n"))
				if n, err := s.Read(said); err != nil || string(said[:n]) != "hello\n" {
					t.Errorf("%q, %v", said[:n], err)
				}
				if got := s.PeerPublicKey(); both != bytes.Equal(got, spki(t, id)) || !both && got != nil {
					t.Errorf("the client's key is %x", got)
				}
			})
		}
	}
}
