package testcert_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/golibssl/openssl/internal/testcert"
)

// handshake runs crypto/tls on both ends of a TCP connection, because on a
// net.Pipe an alert and a flight can wait for each other, and returns their
// errors.
func handshake(t *testing.T, server, client *tls.Config) (serverErr, clientErr error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	deadline := time.Now().Add(time.Minute)
	done := make(chan error, 1)
	go func() {
		raw, err := l.Accept()
		if err != nil {
			done <- err
			return
		}
		defer raw.Close()
		raw.SetDeadline(deadline)
		conn := tls.Server(raw, server)
		if err = conn.Handshake(); err == nil {
			_, err = conn.Write([]byte("x"))
		}
		done <- err
	}()
	raw, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	raw.SetDeadline(deadline)
	_, clientErr = tls.Client(raw, client).Read(make([]byte, 1))
	raw.Close()
	return <-done, clientErr
}

func TestServers(t *testing.T) {
	root := testcert.Root()
	for _, test := range []struct {
		name       string
		cert       *testcert.Cert
		serverName string
		check      func(error) bool
	}{
		{"ECDSA, localhost", testcert.Server(), "localhost", nil},
		{"ECDSA, IPv4", testcert.Server(), "127.0.0.1", nil},
		{"ECDSA, IPv6", testcert.Server(), "::1", nil},
		{"RSA", testcert.ServerRSA(), "localhost", nil},
		{"intermediate", root.Server(testcert.Options{Intermediate: true}), "localhost", nil},
		{"RSA, intermediate, own name", root.Server(testcert.Options{Key: testcert.RSA, Intermediate: true, Names: []string{"a.example"}}), "a.example", nil},
		{"no names", root.Server(testcert.Options{Names: []string{}}), "localhost", as[x509.HostnameError]},
		{"wrong name", testcert.WrongNameServer(), "localhost", as[x509.HostnameError]},
		{"wrong name, asked for", testcert.WrongNameServer(), testcert.WrongName, nil},
		{"expired", testcert.ExpiredServer(), "localhost", invalid(x509.Expired)},
		{"not yet valid", root.Server(testcert.Options{NotYetValid: true}), "localhost", invalid(x509.Expired)},
		{"other authority", testcert.OtherCAServer(), "localhost", as[x509.UnknownAuthorityError]},
		{"a client's certificate", root.Client(testcert.Options{Names: testcert.DefaultNames()}), "localhost", invalid(x509.IncompatibleUsage)},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			t.Run(test.name+"/"+tls.VersionName(version), func(t *testing.T) {
				server := &tls.Config{Certificates: []tls.Certificate{test.cert.TLS}, MinVersion: version, MaxVersion: version}
				client := &tls.Config{RootCAs: root.Pool(), ServerName: test.serverName}
				serverErr, err := handshake(t, server, client)
				if test.check == nil {
					if err != nil || serverErr != nil {
						t.Errorf("client %v, server %v", err, serverErr)
					}
				} else if !test.check(err) {
					t.Errorf("client error %v (%[1]T)", err)
				}
			})
		}
	}
}

func as[E error](err error) bool {
	var e E
	return errors.As(err, &e)
}

func invalid(reason x509.InvalidReason) func(error) bool {
	return func(err error) bool {
		var e x509.CertificateInvalidError
		return errors.As(err, &e) && e.Reason == reason
	}
}

func TestClients(t *testing.T) {
	root := testcert.Root()
	for _, test := range []struct {
		name  string
		cert  *testcert.Cert
		check func(error) bool
	}{
		{"ECDSA", testcert.Client(), nil},
		{"RSA", testcert.ClientRSA(), nil},
		{"intermediate", root.Client(testcert.Options{Intermediate: true, CommonName: "someone"}), nil},
		{"expired", testcert.ExpiredClient(), invalid(x509.Expired)},
		{"other authority", testcert.OtherCAClient(), as[x509.UnknownAuthorityError]},
		{"a server's certificate", testcert.Server(), invalid(x509.IncompatibleUsage)},
	} {
		t.Run(test.name, func(t *testing.T) {
			var verified string
			server := &tls.Config{
				Certificates: []tls.Certificate{testcert.Server().TLS},
				ClientCAs:    root.Pool(),
				ClientAuth:   tls.RequireAndVerifyClientCert,
				VerifyConnection: func(state tls.ConnectionState) error {
					verified = state.PeerCertificates[0].Subject.CommonName
					return nil
				},
			}
			client := &tls.Config{
				RootCAs:    root.Pool(),
				ServerName: "localhost",
				GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
					return &test.cert.TLS, nil
				},
			}
			serverErr, clientErr := handshake(t, server, client)
			if test.check != nil {
				if !test.check(serverErr) {
					t.Errorf("server error %v (%[1]T)", serverErr)
				}
				return
			}
			if serverErr != nil || clientErr != nil {
				t.Fatalf("server %v, client %v", serverErr, clientErr)
			}
			if want := test.cert.Leaf.Subject.CommonName; verified != want {
				t.Errorf("the server verified %q, want %q", verified, want)
			}
		})
	}
}

// TestForms checks that PEM, DER and crypto/tls's form say the same.
func TestForms(t *testing.T) {
	for _, test := range []struct {
		name     string
		cert     *testcert.Cert
		elements int
	}{
		{"ECDSA", testcert.Server(), 1},
		{"RSA", testcert.ServerRSA(), 1},
		{"intermediate", testcert.Root().Server(testcert.Options{Intermediate: true}), 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			if len(test.cert.ChainDER) != test.elements {
				t.Fatalf("%d elements, want %d", len(test.cert.ChainDER), test.elements)
			}
			pair, err := tls.X509KeyPair(test.cert.ChainPEM, test.cert.KeyPEM)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.cert.ChainDER, pair.Certificate); diff != "" {
				t.Errorf("chain (-DER +PEM):\n%s", diff)
			}
			if diff := cmp.Diff(test.cert.TLS.Certificate, pair.Certificate); diff != "" {
				t.Errorf("chain (-TLS +PEM):\n%s", diff)
			}
			block, rest := pem.Decode(test.cert.KeyPEM)
			if block == nil || block.Type != "PRIVATE KEY" || len(rest) != 0 || !bytes.Equal(block.Bytes, test.cert.KeyDER) {
				t.Error("the key's PEM is not its DER alone")
			}
			if _, err := x509.ParsePKCS8PrivateKey(test.cert.KeyDER); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestKeysAreOnesOwnOrShared(t *testing.T) {
	root := testcert.Root()
	key := func(c *testcert.Cert) string { return string(c.KeyDER) }
	if key(root.Server(testcert.Options{})) == key(root.Server(testcert.Options{})) {
		t.Error("two ECDSA certificates share a key")
	}
	if key(root.Server(testcert.Options{Key: testcert.RSA})) != key(testcert.ServerRSA()) {
		t.Error("the servers' RSA key was made twice")
	}
	if key(testcert.ClientRSA()) == key(testcert.ServerRSA()) {
		t.Error("client and server share an RSA key")
	}
}

// TestOpenSSLVerifies asks the openssl command, which is stricter than
// crypto/x509 about extensions.
func TestOpenSSLVerifies(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	roots := write("root.pem", testcert.Root().PEM)
	for _, test := range []struct {
		name    string
		cert    *testcert.Cert
		purpose string
		want    string
	}{
		{"server", testcert.Server(), "sslserver", "OK"},
		{"server RSA", testcert.ServerRSA(), "sslserver", "OK"},
		{"intermediate", testcert.Root().Server(testcert.Options{Intermediate: true}), "sslserver", "OK"},
		{"client", testcert.Client(), "sslclient", "OK"},
		{"client as server", testcert.Client(), "sslserver", "purpose"},
		{"expired", testcert.ExpiredServer(), "sslserver", "certificate has expired"},
		{"other authority", testcert.OtherCAServer(), "sslserver", "unable to get local issuer certificate"},
	} {
		t.Run(test.name, func(t *testing.T) {
			chain := write("chain.pem", test.cert.ChainPEM)
			out, err := exec.Command("openssl", "verify", "-x509_strict", "-purpose", test.purpose,
				"-CAfile", roots, "-untrusted", chain, chain).CombinedOutput()
			if ok := err == nil; ok != (test.want == "OK") || !strings.Contains(string(out), test.want) {
				t.Errorf("openssl verify: %v\n%swant %q", err, out, test.want)
			}
		})
	}
}
