package openssl_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/rawpeer"
	"github.com/golibssl/openssl/internal/testcert"
)

// TestECHResumption: our server resumes by what was encrypted. Our client offers no session: libssl's would
// stand in the clear with a binder that other servers refuse.
func TestECHResumption(t *testing.T) {
	if lacksECH(t) {
		return
	}
	key := echKey(t, 7)
	for _, hrr := range []bool{false, true} {
		for _, store := range []bool{false, true} {
			for _, p := range echPeers(t, namedServer(secretName), echList(key), key) {
				t.Run(fmt.Sprintf("%s/HelloRetryRequest %v/SessionCache %v", p.name, hrr, store), func(t *testing.T) {
					if hrr {
						p.client.Groups, p.server.Groups = "X25519:P-256", "P-256"
						p.stdServer.CurvePreferences = []tls.CurveID{tls.CurveP256}
					}
					if store {
						p.server.SessionCache = openssl.NewMemoryCache(0)
					}
					p.client.ClientSessionCache = openssl.NewLRUClientSessionCache(0)
					p.stdClient.ClientSessionCache = tls.NewLRUClientSessionCache(1)
					client, server := p.ctxs(t)
					for i := range 3 {
						c, s := p.over(t, client, server)
						mustAccept(t, c, s)
						for _, end := range []tls.ConnectionState{c.ConnectionState(), s.ConnectionState()} {
							if want := i > 0 && !p.weClient; end.DidResume != want || end.HelloRetryRequest != hrr {
								t.Errorf("connection %d: DidResume %v, HelloRetryRequest %v", i, end.DidResume, end.HelloRetryRequest)
							}
						}
						s.Close()
						c.Close()
					}
				})
			}
		}
	}
	t.Run("a session from elsewhere", func(t *testing.T) {
		cfg, server := echClient(nil), newCtx(t, echServer(t, namedServer(secretName, publicName), key))
		var session *openssl.Session
		cfg.OnSession = func(_ *openssl.Conn, s *openssl.Session) { session = s }
		plain := newCtx(t, cfg)
		cfg.EncryptedClientHelloConfigList = echList(key)
		hidden := newCtx(t, cfg)
		c, s := connected(t, plain, server)
		says(t, s, c, "x")
		der := session.DER()
		for i, client := range []*openssl.Ctx{plain, hidden} {
			session, err := openssl.ParseSession(der)
			if err != nil {
				t.Fatal(err)
			}
			a, b, relay := rawpeer.TCP(t)
			c, s := clientOver(t, a, client, openssl.WithSession(session)), serverOver(t, b, server)
			mustShake(t, c, s)
			identity := pskIdentity(t, relay.Seen(rawpeer.ToServer))
			if i == 0 && (len(identity) == 0 || !bytes.Contains(der, identity)) || i == 1 && identity != nil {
				t.Errorf("ECH %v: the hello in the clear has the session %x", i == 1, identity)
			}
		}
	})
}

// pskIdentity is the first one that the ClientHello at the head of a stream offers (RFC 8446, section 4.2.11).
func pskIdentity(t *testing.T, stream []byte) []byte {
	t.Helper()
	const headers = 5 + 4 + 2 + 32
	if len(stream) < headers || stream[5] != 1 {
		t.Fatalf("no ClientHello: %x", stream)
	}
	p := stream[headers:]
	p = p[1+int(p[0]):]                          // session id
	p = p[2+int(binary.BigEndian.Uint16(p)):]    // cipher suites
	p = p[1+int(p[0]):]                          // compression
	p = p[2 : 2+int(binary.BigEndian.Uint16(p))] // extensions
	for ; len(p) > 4; p = p[4+int(binary.BigEndian.Uint16(p[2:])):] {
		if binary.BigEndian.Uint16(p) == 41 {
			return p[8 : 8+int(binary.BigEndian.Uint16(p[6:]))]
		}
	}
	return nil
}

// TestECHChoice: GetCtxForClient and GetCertificate see the encrypted hello where it was accepted, and what the
// first Ctx decrypted is what the chosen one serves, whatever keys that has.
func TestECHChoice(t *testing.T) {
	if lacksECH(t) {
		return
	}
	key, other := echKey(t, 7), echKey(t, 7)
	for _, hrr := range []bool{false, true} {
		for _, test := range []struct {
			name          string
			first, chosen []tls.EncryptedClientHelloKey
			list          []byte
			sees          string
			accepted      bool
		}{
			{"the first Ctx has the key", []tls.EncryptedClientHelloKey{key}, nil, echList(key), secretName, true},
			{"both have it", []tls.EncryptedClientHelloKey{key}, []tls.EncryptedClientHelloKey{key}, echList(key), secretName, true},
			{"the chosen has another", []tls.EncryptedClientHelloKey{key}, []tls.EncryptedClientHelloKey{other}, echList(key), secretName, true},
			{"only the chosen has it", nil, []tls.EncryptedClientHelloKey{key}, echList(key), publicName, false},
			{"the first has another", []tls.EncryptedClientHelloKey{other}, []tls.EncryptedClientHelloKey{key}, echList(key), publicName, false},
		} {
			for _, p := range echPeers(t, namedServer(publicName), test.list, test.first...) {
				if !p.weServer {
					continue
				}
				t.Run(fmt.Sprintf("%s/%s/HelloRetryRequest %v", test.name, p.name, hrr), func(t *testing.T) {
					secret := openssl.Config{Certificates: pairs(t, namedServer(secretName)), EncryptedClientHelloKeys: test.chosen}
					public := openssl.Config{Certificates: pairs(t, namedServer(publicName)), EncryptedClientHelloKeys: test.chosen}
					if hrr {
						p.client.Groups, p.server.Groups = "X25519:P-256", "P-256"
						secret.Groups, public.Groups = "P-256", "P-256"
					}
					byName := map[string]*openssl.Ctx{secretName: newCtx(t, secret), publicName: newCtx(t, public)}
					var seen []string
					p.server.GetCtxForClient = func(h *openssl.ClientHelloInfo) (*openssl.Ctx, error) {
						seen = append(seen, h.ServerName)
						return byName[h.ServerName], nil
					}
					c, s := p.ends(t)
					if test.accepted {
						mustAccept(t, c, s)
					} else {
						mustReject(t, c, s, retryOf(p, hrr, test.first...))
					}
					if !slices.Equal(seen, []string{test.sees}) {
						t.Errorf("the hook has seen %q", seen)
					}
				})
			}
		}
		t.Run(fmt.Sprintf("GetCertificate/HelloRetryRequest %v", hrr), func(t *testing.T) {
			for _, list := range [][]byte{echList(key), echList(other)} {
				cfg := echServer(t, testcert.Server(), key)
				client := echClient(list)
				if hrr {
					client.Groups, cfg.Groups = "X25519:P-256", "P-256"
				}
				cfg.GetCertificate = func(h *openssl.ClientHelloInfo) (*openssl.Certificate, error) {
					return keyPair(t, namedServer(h.ServerName)), nil
				}
				c, s := ends(t, newCtx(t, client), newCtx(t, cfg))
				if bytes.Equal(list, echList(key)) {
					mustAccept(t, c, s)
				} else {
					mustReject(t, c, s, retryOf(&echPeer{weClient: true, weServer: true}, hrr, key))
				}
			}
		})
	}
}

// retryOf is what a client hears from our server that rejects it.
func retryOf(p *echPeer, hrr bool, keys ...tls.EncryptedClientHelloKey) []byte {
	if len(keys) == 0 || hrr && p.weClient && p.weServer {
		return nil
	}
	return echList(keys...)
}

// TestECHKeys: each KEM that Go can write down, keys of one config id, and what is no key.
func TestECHKeys(t *testing.T) {
	if lacksECH(t) {
		return
	}
	for kem, curve := range map[uint16]ecdh.Curve{0x10: ecdh.P256(), 0x11: ecdh.P384(), 0x12: ecdh.P521(), 0x20: ecdh.X25519()} {
		key := echKeyOf(t, 3, kem, curve)
		for _, p := range echPeers(t, namedServer(secretName), echList(key), key) {
			t.Run(fmt.Sprintf("%v/%s", curve, p.name), func(t *testing.T) {
				c, s := p.ends(t)
				mustAccept(t, c, s)
			})
		}
	}
	first, second := echKey(t, 5), echKey(t, 5)
	for _, key := range []tls.EncryptedClientHelloKey{first, second} {
		c, s := ends(t, newCtx(t, echClient(echList(key))), newCtx(t, echServer(t, namedServer(secretName), first, second)))
		mustAccept(t, c, s)
	}
	for name, change := range map[string]func(k *tls.EncryptedClientHelloKey){
		"no config":           func(k *tls.EncryptedClientHelloKey) { k.Config = nil },
		"a list":              func(k *tls.EncryptedClientHelloKey) { k.Config = echList(*k) },
		"two configs":         func(k *tls.EncryptedClientHelloKey) { k.Config = append(k.Config, k.Config...) },
		"another version":     func(k *tls.EncryptedClientHelloKey) { k.Config[1]++ },
		"another KEM":         func(k *tls.EncryptedClientHelloKey) { k.Config[6] = 0x10 },
		"an unknown KEM":      func(k *tls.EncryptedClientHelloKey) { k.Config[6] = 0x77 },
		"no key":              func(k *tls.EncryptedClientHelloKey) { k.PrivateKey = nil },
		"another's key":       func(k *tls.EncryptedClientHelloKey) { k.PrivateKey = first.PrivateKey },
		"a longer public key": func(k *tls.EncryptedClientHelloKey) { k.Config[7] = 9 },
	} {
		key := echKey(t, 1)
		change(&key)
		cfg := echServer(t, testcert.Server(), first, key)
		if _, err := openssl.NewCtx(&cfg); !errors.Is(err, openssl.ErrConfig) || !strings.Contains(err.Error(), "EncryptedClientHelloKeys[1]") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestECHConfigs: what is no list of an ECHConfig that serves, and what does not go together.
func TestECHConfigs(t *testing.T) {
	if lacksECH(t) {
		return
	}
	key := echKey(t, 7)
	public := key.Config[9:41]
	list := func(configs ...[]byte) []byte {
		all := slices.Concat(configs...)
		return append(binary.BigEndian.AppendUint16(nil, uint16(len(all))), all...)
	}
	bad := map[string][]byte{
		"empty": {}, "no config": {0, 0}, "a config without a list": key.Config, "base64": []byte("AEH+DQA9BwAgACAQtL551LKn4JgJcq"),
		"another version": list(echConfig(0xfe0c, 7, 0x20, public, echSuite, "")),
		"a byte more":     append(list(key.Config), 0),
	}
	whole := list(key.Config)
	for n := range whole {
		bad[fmt.Sprintf("the first %d bytes", n)] = whole[:n]
		cut := slices.Clone(whole[:n])
		if n >= 2 {
			binary.BigEndian.PutUint16(cut, uint16(n-2))
			bad[fmt.Sprintf("a list of %d bytes", n-2)] = cut
		}
	}
	// What follows a config that serves is read to the end, and the length before it holds.
	for n := range key.Config {
		if n > 0 {
			bad[fmt.Sprintf("%d bytes behind a config", n)] = list(key.Config, key.Config[:n])
		}
	}
	for _, by := range []int{-len(whole) + 2, -1, 1} {
		wrong := slices.Clone(whole)
		binary.BigEndian.PutUint16(wrong, uint16(len(whole)-2+by))
		bad[fmt.Sprintf("a length that is wrong by %d", by)] = wrong
	}
	for name, list := range bad {
		cfg := echClient(list)
		if _, err := openssl.NewCtx(&cfg); !errors.Is(err, openssl.ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// What libssl cannot use is passed over (RFC 9849, section 4).
	for name, config := range map[string][]byte{
		"an unknown KEM":                 echConfig(echVersion, 7, 0x77, public, echSuite, ""),
		"an unknown suite":               echConfig(echVersion, 7, 0x20, public, "\x00\x77\x00\x77", ""),
		"an unknown mandatory extension": echConfig(echVersion, 7, 0x20, public, echSuite, "\xff\x01\x00\x01x"),
		"another version":                echConfig(0xfe0c, 7, 0x20, public, echSuite, ""),
	} {
		t.Run(name, func(t *testing.T) {
			cfg := echClient(list(config))
			if _, err := openssl.NewCtx(&cfg); !errors.Is(err, openssl.ErrConfig) {
				t.Errorf("alone: %v", err)
			}
			c, s := ends(t, newCtx(t, echClient(list(config, key.Config))), newCtx(t, echServer(t, namedServer(secretName), key)))
			mustAccept(t, c, s)
		})
	}
	for name, change := range map[string]func(c *openssl.Config){
		"TLS 1.2 at most":  func(c *openssl.Config) { c.MinVersion, c.MaxVersion = 0, tls.VersionTLS12 },
		"TLS 1.2 at least": func(c *openssl.Config) { c.MinVersion = tls.VersionTLS12 },
		"a PSK":            func(c *openssl.Config) { c.PSK = &openssl.PSK{Identity: []byte("me"), Key: make([]byte, 32)} },
		"raw public keys":  func(c *openssl.Config) { c.PeerPublicKeys = [][]byte{spki(t, testcert.Server())} },
	} {
		cfg := echClient(whole)
		if change(&cfg); true {
			if _, err := openssl.NewCtx(&cfg); !errors.Is(err, openssl.ErrConfig) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	cfg := echServer(t, testcert.Server(), key)
	cfg.MaxVersion = tls.VersionTLS12
	if _, err := openssl.NewCtx(&cfg); !errors.Is(err, openssl.ErrConfig) {
		t.Errorf("a server of TLS 1.2 at most: %v", err)
	}
}

// TestECHOpenSSLCnf: where openssl.cnf leaves no TLS 1.3, neither end has ECH, and is told so.
func TestECHOpenSSLCnf(t *testing.T) {
	if lacksECH(t) {
		return
	}
	if !inChild() {
		child(t, "OPENSSL_CONF="+writeFile(t, t.TempDir(), "openssl.cnf", policyCnf("MaxProtocol = TLSv1.2")))
		return
	}
	key := echKey(t, 7)
	client := echClient(echList(key))
	client.MinVersion, client.MaxVersion = 0, 0
	for _, cfg := range []openssl.Config{client, echServer(t, testcert.Server(), key)} {
		if _, err := openssl.NewCtx(&cfg); !errors.Is(err, openssl.ErrConfig) || !strings.Contains(err.Error(), featureECH) {
			t.Error(err)
		}
		cfg.EncryptedClientHelloConfigList, cfg.EncryptedClientHelloKeys = nil, nil
		newCtx(t, cfg)
	}
}

// TestECHVersions: a client with ECH offers TLS 1.3 alone, in the encrypted hello and around it (RFC 9849,
// section 6.1); a server with keys serves who has none as ever.
func TestECHVersions(t *testing.T) {
	if lacksECH(t) {
		return
	}
	key := echKey(t, 7)
	cfg := echClient(echList(key))
	cfg.MinVersion, cfg.MaxVersion = 0, 0
	client := newCtx(t, cfg)
	for name, std := range map[string]*tls.Config{
		"accepts":             {EncryptedClientHelloKeys: []tls.EncryptedClientHelloKey{key}},
		"rejects":             {EncryptedClientHelloKeys: []tls.EncryptedClientHelloKey{echKey(t, 9)}},
		"is of TLS 1.2":       {MaxVersion: tls.VersionTLS12},
		"knows nothing of it": {},
	} {
		var offered []uint16
		std.Certificates = []tls.Certificate{namedServer(publicName, secretName).TLS}
		std.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) { offered = h.SupportedVersions; return nil, nil }
		a, b := tcpEnds(t)
		c, s := clientOver(t, a, client), tls.Server(b, std)
		switch cerr, serr := handshakes(t, c, s); {
		case name == "accepts" && (cerr != nil || serr != nil), name != "accepts" && cerr == nil:
			t.Errorf("a server that %s: client %v, server %v", name, cerr, serr)
		case !slices.Equal(offered, []uint16{tls.VersionTLS13}):
			t.Errorf("a server that %s is offered %#x", name, offered)
		}
	}
	server := newCtx(t, echServer(t, testcert.Server(), key))
	for _, version := range bothVersions {
		c, s := connected(t, newCtx(t, clientConfig(version)), server)
		says(t, s, c, "hello")
		if c.ConnectionState().ECHAccepted || s.ConnectionState().ECHAccepted {
			t.Error("ECHAccepted")
		}
	}
	// One Ctx may serve both ends.
	both := echServer(t, namedServer(secretName), key)
	both.RootCAPEM, both.ServerName, both.EncryptedClientHelloConfigList = testcert.Root().PEM, secretName, echList(key)
	ctx := newCtx(t, both)
	c2, s2 := ends(t, ctx, ctx)
	mustAccept(t, c2, s2)
}

// TestECHGrease: what looks like an encrypted hello and is none leaves a connection by the outer name.
func TestECHGrease(t *testing.T) {
	if lacksECH(t) {
		return
	}
	raw := rawCtx(t, testcert.Client())
	raw.SetOptions(1 << 37) // SSL_OP_ECH_GREASE
	var asked atomic.Int32
	cfg := echServer(t, testcert.Server(), echKey(t, 7))
	cfg.GetCertificate = func(h *openssl.ClientHelloInfo) (*openssl.Certificate, error) { asked.Add(1); return nil, nil }
	a, b, relay := rawpeer.TCP(t)
	c := rawConn(t, a, raw, &openssl.RawConnConfig{})
	s := serverOver(t, b, newCtx(t, cfg))
	mustShake(t, c, s)
	says(t, s, c, "hello")
	if !bytes.Contains(relay.Seen(rawpeer.ToServer), []byte{0xfe, 0x0d}) {
		t.Error("no GREASE was sent")
	}
	if c.ConnectionState().ECHAccepted || s.ConnectionState().ECHAccepted || asked.Load() != 1 {
		t.Errorf("ECHAccepted %v, %v; asked %d times", c.ConnectionState().ECHAccepted, s.ConnectionState().ECHAccepted, asked.Load())
	}
}
