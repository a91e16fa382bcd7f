package openssl_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/testcert"
)

const (
	featureECH = "Encrypted ClientHello"
	publicName = "public.example"
	secretName = "secret.example"
)

// echConfig is an ECHConfig for publicName (RFC 9849, section 4).
func echConfig(version uint16, id byte, kem uint16, public []byte, suites, extensions string) []byte {
	b := binary.BigEndian.AppendUint16([]byte{id}, kem)
	b = append(binary.BigEndian.AppendUint16(b, uint16(len(public))), public...)
	b = append(binary.BigEndian.AppendUint16(b, uint16(len(suites))), suites...)
	b = append(append(b, 32, byte(len(publicName))), publicName...)
	b = append(binary.BigEndian.AppendUint16(b, uint16(len(extensions))), extensions...)
	head := binary.BigEndian.AppendUint16(nil, version)
	return append(binary.BigEndian.AppendUint16(head, uint16(len(b))), b...)
}

const (
	echVersion = 0xfe0d
	echSuite   = "\x00\x01\x00\x01" // HKDF-SHA256, AES-128-GCM
)

func echKeyOf(t *testing.T, id byte, kem uint16, curve ecdh.Curve) tls.EncryptedClientHelloKey {
	t.Helper()
	key, err := curve.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	config := echConfig(echVersion, id, kem, key.PublicKey().Bytes(), echSuite, "")
	return tls.EncryptedClientHelloKey{Config: config, PrivateKey: key.Bytes(), SendAsRetry: true}
}

func echKey(t *testing.T, id byte) tls.EncryptedClientHelloKey {
	return echKeyOf(t, id, 0x20, ecdh.X25519())
}

func echList(keys ...tls.EncryptedClientHelloKey) []byte {
	var all []byte
	for _, k := range keys {
		all = append(all, k.Config...)
	}
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(all))), all...)
}

func namedServer(names ...string) *testcert.Cert {
	return testcert.Root().Server(testcert.Options{Names: names})
}

// echClient and echServer trust each other.
func echClient(list []byte) openssl.Config {
	cfg := clientConfig(tls.VersionTLS13)
	cfg.ServerName, cfg.EncryptedClientHelloConfigList = secretName, list
	return cfg
}

func echServer(t *testing.T, cert *testcert.Cert, keys ...tls.EncryptedClientHelloKey) openssl.Config {
	t.Helper()
	return openssl.Config{Certificates: pairs(t, cert), EncryptedClientHelloKeys: keys}
}

// lacksECH tests what a library without Encrypted ClientHello answers, and reports whether this one is such.
func lacksECH(t *testing.T) bool {
	t.Helper()
	if works(t, featureECH) {
		return false
	}
	key := echKey(t, 1)
	for _, cfg := range []openssl.Config{echClient(echList(key)), echServer(t, testcert.Server(), key), echClient([]byte{})} {
		_, err := openssl.NewCtx(&cfg)
		mustLack(t, err, featureECH)
	}
	return true
}

// echPeer is a client and a server of which at least one is ours; the other may be crypto/tls's.
type echPeer struct {
	name                 string
	weClient, weServer   bool
	client, server       openssl.Config
	stdClient, stdServer tls.Config
}

// echPeers are both ends ours, our client alone and our server alone.
func echPeers(t *testing.T, cert *testcert.Cert, list []byte, keys ...tls.EncryptedClientHelloKey) (all []*echPeer) {
	t.Helper()
	for i, name := range []string{"both", "our client", "our server"} {
		all = append(all, &echPeer{name: name, weClient: i != 2, weServer: i != 1, client: echClient(list), server: echServer(t, cert, keys...),
			stdClient: tls.Config{RootCAs: testcert.Root().Pool(), ServerName: secretName, EncryptedClientHelloConfigList: list},
			stdServer: tls.Config{Certificates: []tls.Certificate{cert.TLS}, EncryptedClientHelloKeys: keys}})
	}
	return all
}

type stateful interface {
	handshaker
	ConnectionState() tls.ConnectionState
}

func (p *echPeer) ctxs(t *testing.T) (client, server *openssl.Ctx) {
	t.Helper()
	if p.weClient {
		client = newCtx(t, p.client)
	}
	if p.weServer {
		server = newCtx(t, p.server)
	}
	return client, server
}

func (p *echPeer) over(t *testing.T, client, server *openssl.Ctx, opts ...openssl.ConnOption) (c, s stateful) {
	t.Helper()
	a, b := tcpEnds(t)
	c, s = tls.Client(a, &p.stdClient), tls.Server(b, &p.stdServer)
	if client != nil {
		c = clientOver(t, a, client, opts...)
	}
	if server != nil {
		s = serverOver(t, b, server)
	}
	return c, s
}

func (p *echPeer) ends(t *testing.T, opts ...openssl.ConnOption) (c, s stateful) {
	t.Helper()
	client, server := p.ctxs(t)
	return p.over(t, client, server, opts...)
}

// mustAccept fails unless both ends have talked, and say that the hello was encrypted.
func mustAccept(t *testing.T, c, s stateful) {
	t.Helper()
	mustShake(t, c, s)
	says(t, s, c, "hello")
	says(t, c, s, "hello")
	for _, state := range []tls.ConnectionState{c.ConnectionState(), s.ConnectionState()} {
		if !state.ECHAccepted || state.ServerName != secretName || state.Version != tls.VersionTLS13 {
			t.Errorf("ECHAccepted %v, server name %q, version %#x", state.ECHAccepted, state.ServerName, state.Version)
		}
	}
}

// mustReject fails unless the client was rejected, and was told retry by a server that it believes. crypto/tls
// sends its Finished before the alert.
func mustReject(t *testing.T, c, s stateful, retry []byte) {
	t.Helper()
	cerr, serr := handshakes(t, c, s)
	if serr == nil {
		if s.ConnectionState().ECHAccepted {
			t.Error("the server says that it accepted")
		}
		_, serr = s.Read(make([]byte, 1))
	}
	var rejection *tls.ECHRejectionError
	if !errors.As(cerr, &rejection) || serr == nil {
		t.Fatalf("client %v, server %v", cerr, serr)
	}
	if !bytes.Equal(rejection.RetryConfigList, retry) {
		t.Errorf("retry configs %x, want %x", rejection.RetryConfigList, retry)
	}
	if state := c.ConnectionState(); state.HandshakeComplete || state.ECHAccepted {
		t.Errorf("%+v", state)
	}
	if _, ok := c.(*openssl.Conn); ok && asError(t, cerr).Origin != openssl.FromLibrary {
		t.Errorf("%#v", cerr)
	}
}

// TestECH: accepted and rejected, with our ends and crypto/tls, with and without a HelloRetryRequest.
func TestECH(t *testing.T) {
	if lacksECH(t) {
		return
	}
	key, other, quiet := echKey(t, 7), echKey(t, 9), echKey(t, 11)
	quiet.SendAsRetry = false
	for _, hrr := range []bool{false, true} {
		for _, test := range []struct {
			name  string
			names []string // of the server's certificate
			keys  []tls.EncryptedClientHelloKey
			list  []byte
			ok    bool
			retry []byte
		}{
			{"accepted", []string{secretName}, []tls.EncryptedClientHelloKey{key}, echList(key), true, nil},
			{"accepted by the second key", []string{secretName}, []tls.EncryptedClientHelloKey{other, key}, echList(key), true, nil},
			{"the first config of a list", []string{secretName}, []tls.EncryptedClientHelloKey{key}, echList(key, other), true, nil},
			{"rejected", []string{publicName}, []tls.EncryptedClientHelloKey{key, quiet}, echList(other), false, echList(key)},
			{"rejected, two to retry", []string{publicName}, []tls.EncryptedClientHelloKey{key, echKey(t, 12)}, echList(other), false, nil},
			{"rejected, none to retry", []string{publicName}, []tls.EncryptedClientHelloKey{quiet}, echList(other), false, nil},
			{"rejected by a server without keys", []string{publicName}, nil, echList(other), false, nil},
		} {
			if len(test.keys) == 2 && test.retry == nil && !test.ok {
				test.retry = echList(test.keys...)
			}
			for _, p := range echPeers(t, namedServer(test.names...), test.list, test.keys...) {
				t.Run(fmt.Sprintf("%s/%s/HelloRetryRequest %v", test.name, p.name, hrr), func(t *testing.T) {
					if hrr {
						p.client.Groups, p.server.Groups = "X25519:P-256", "P-256"
						p.stdServer.CurvePreferences = []tls.CurveID{tls.CurveP256}
					}
					c, s := p.ends(t)
					if !test.ok {
						retry := test.retry
						if hrr && p.weClient && p.weServer {
							retry = nil // libssl's server has none for libssl's client; crypto/tls has, at either end
						}
						mustReject(t, c, s, retry)
						return
					}
					mustAccept(t, c, s)
					for _, end := range []stateful{c, s} {
						if got := end.ConnectionState().HelloRetryRequest; got != hrr {
							t.Errorf("HelloRetryRequest %v", got)
						}
					}
				})
			}
		}
	}
}

// TestECHRetry: what a server says when it rejects serves on the next connection.
func TestECHRetry(t *testing.T) {
	if lacksECH(t) {
		return
	}
	for _, p := range echPeers(t, namedServer(publicName, secretName), echList(echKey(t, 1)), echKey(t, 2)) {
		t.Run(p.name, func(t *testing.T) {
			c, s := p.ends(t)
			cerr, _ := handshakes(t, c, s)
			var rejection *tls.ECHRejectionError
			if !errors.As(cerr, &rejection) {
				t.Fatal(cerr)
			}
			p.client.EncryptedClientHelloConfigList = rejection.RetryConfigList
			p.stdClient.EncryptedClientHelloConfigList = rejection.RetryConfigList
			c, s = p.ends(t)
			mustAccept(t, c, s)
		})
	}
}

// TestECHNames: a server that accepts proves the secret name, one that rejects the public name, and nobody
// else is believed; the hooks of the application meet only who accepted.
func TestECHNames(t *testing.T) {
	if lacksECH(t) {
		return
	}
	key := echKey(t, 7)
	good, bad := echList(key), echList(echKey(t, 7))
	stranger := testcert.OtherCA().Server(testcert.Options{Names: []string{publicName, secretName}})
	subject := testcert.Root().Server(testcert.Options{Names: []string{}, CommonName: publicName})
	const accepted, rejected, unbelieved = "accepted", "rejected", "unbelieved"
	for _, test := range []struct {
		name     string
		cert     *testcert.Cert
		list     []byte
		insecure bool
		want     string
	}{
		{"accepts as the secret name", namedServer(secretName), good, false, accepted},
		{"accepts as the public name", namedServer(publicName), good, false, unbelieved},
		{"accepts as a stranger", stranger, good, false, unbelieved},
		{"accepts as a stranger, unverified", stranger, good, true, accepted},
		{"rejects as the public name", namedServer(publicName), bad, false, rejected},
		{"rejects as the secret name", namedServer(secretName), bad, false, unbelieved},
		{"rejects as a stranger", stranger, bad, false, unbelieved},
		{"rejects as the public name, unverified", namedServer(publicName), bad, true, rejected},
		{"rejects as the secret name, unverified", namedServer(secretName), bad, true, unbelieved},
		{"rejects as a stranger, unverified", stranger, bad, true, unbelieved},
		{"rejects with the public name as its subject", subject, bad, false, unbelieved},
		{"rejects with the public name as its subject, unverified", subject, bad, true, unbelieved},
	} {
		for _, p := range echPeers(t, test.cert, test.list, key)[:2] {
			t.Run(test.name+"/"+p.name, func(t *testing.T) {
				hooks := 0
				p.client.InsecureSkipVerify = test.insecure
				p.client.Certificates = pairs(t, testcert.Client())
				p.client.VerifyConnection = func(s tls.ConnectionState) error {
					if hooks++; !s.ECHAccepted || s.ServerName != secretName {
						t.Errorf("the hook meets %v, %q", s.ECHAccepted, s.ServerName)
					}
					return nil
				}
				shown := 0
				p.server.ClientAuth, p.stdServer.ClientAuth = tls.RequireAnyClientCert, tls.RequireAnyClientCert
				p.server.VerifyConnection = func(s tls.ConnectionState) error { shown += len(s.PeerCertificates); return nil }
				p.stdServer.VerifyConnection = p.server.VerifyConnection
				c, s := p.ends(t)
				switch test.want {
				case accepted:
					mustAccept(t, c, s)
					if hooks != 1 || shown != 1 {
						t.Errorf("the hook ran %d times, %d certificates of the client", hooks, shown)
					}
					return
				case rejected:
					mustReject(t, c, s, echList(key))
				default:
					cerr, serr := handshakes(t, c, s)
					var rejection *tls.ECHRejectionError
					var verify *openssl.VerifyError
					if errors.As(cerr, &rejection) || !errors.As(cerr, &verify) || serr == nil {
						t.Errorf("client %v, server %v", cerr, serr)
					}
				}
				if hooks+shown != 0 {
					t.Errorf("the hook ran %d times, %d certificates of the client", hooks, shown)
				}
			})
		}
	}
}
