package openssl

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"flag"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	root "github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/testcert"
)

var handshakes = flag.Int("handshakes", 300, "how many handshakes TestDefect14 makes under pressure")

// TestDefect14: a verify callback that was set in the server name callback was lost with the SSL that only C knew: another
// one ran, or none, and a client that it would have refused came in.
func TestDefect14CallbackOfAnSSLThatIsGone(t *testing.T) {
	eachVersion(t, func(t *testing.T, v Version) {
		stop := make(chan struct{})
		var pressure sync.WaitGroup
		pressure.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					runtime.GC()
				}
			}
		})
		defer pressure.Wait()
		defer close(stop)

		var wrong, asked atomic.Int64
		server := newTestCtx(t, v, testcert.Server())
		server.SetVerifyCallback(func(bool, *CertificateStoreCtx) bool { wrong.Add(1); return true })
		server.SetTLSExtServernameCallback(func(ssl *SSL) SSLTLSExtErr {
			refuse := ssl.GetServername() == "refuse.example"
			ssl.SetVerify(VerifyPeer|VerifyFailIfNoPeerCert, func(ok bool, store *CertificateStoreCtx) bool {
				asked.Add(1)
				return !refuse
			})
			return SSLTLSExtErrOK
		})
		client := newTestCtx(t, v, testcert.Client())
		for i := range *handshakes {
			c, s := ends(t, client, server)
			name := "accept.example"
			if i%2 == 0 {
				name = "refuse.example"
			}
			if err := c.SetTlsExtHostName(name); err != nil {
				t.Fatal(err)
			}
			n := asked.Load()
			_, err := shake(c, s)
			if refused := err != nil; refused != (i%2 == 0) || asked.Load() == n {
				t.Fatalf("handshake %d, %s: %v after %d calls", i, name, err, asked.Load()-n)
			}
			c.Close()
			s.Close()
		}
		if wrong.Load() != 0 {
			t.Errorf("the Ctx's callback was asked %d times in the SSL's place", wrong.Load())
		}
	})
}

// TestDefect14KeptSSL: an SSL outlives its connection and then does nothing; the Ctx that it was moved to stays.
func TestDefect14KeptSSL(t *testing.T) {
	eachVersion(t, func(t *testing.T, v Version) {
		var kept *SSL
		server := newTestCtx(t, v, testcert.Server())
		server.SetTLSExtServernameCallback(func(ssl *SSL) SSLTLSExtErr {
			kept = ssl
			chosen := newTestCtx(t, v, testcert.WrongNameServer())
			chosen.SetVerify(VerifyPeer, func(bool, *CertificateStoreCtx) bool { return true })
			ssl.SetVerifyDepth(7)
			ssl.SetSSLCtx(chosen)
			runtime.GC()
			return SSLTLSEXTErrNoAck
		})
		c, s := connected(t, newTestCtx(t, v, testcert.Client()), server)
		if err := c.VerifyHostname(testcert.WrongName); err != nil {
			t.Errorf("the certificate of the chosen Ctx was not shown: %v", err)
		}
		if _, err := s.PeerCertificate(); err != nil {
			t.Errorf("the chosen Ctx's verification does not hold: %v", err)
		}
		if kept != s.SSL || kept.GetVerifyDepth() != 7 || s.GetCtx() != server {
			t.Errorf("the SSL of the callback is another one: depth %d", kept.GetVerifyDepth())
		}
		c.Close()
		s.Close()
		s = nil
		collect()
		kept.SetVerify(VerifyNone, nil)
		kept.SetSSLCtx(server)
		if got := kept.SetOptions(NoTicket) | kept.GetOptions(); got != 0 {
			t.Errorf("options of a closed connection: %#x", int(got))
		}
	})
}

// TestDefect15: certificates, names and contexts were freed under their users.
func TestDefect15Lifetimes(t *testing.T) {
	if !rerun(t, "", "MALLOC_PERTURB_=165") {
		return
	}
	intermediate := testcert.Root().Server(testcert.Options{Intermediate: true})
	eachVersion(t, func(t *testing.T, v Version) {
		// One chain certificate in two contexts.
		server, other := newTestCtx(t, v, intermediate), newTestCtx(t, v, intermediate)
		shared := must(LoadCertificateFromPEM(SplitPEM(intermediate.ChainPEM)[1]))
		if err := errors.Join(server.AddChainCertificate(shared), other.AddChainCertificate(shared)); err != nil {
			t.Fatal(err)
		}
		other = nil
		collect()
		if shared.GetSerialNumberHex() == "" {
			t.Error("the shared certificate is gone")
		}
		c, s := connected(t, trust(t, newTestCtx(t, v, nil)), server)
		chain, err := c.PeerCertificateChain()
		if err != nil || len(chain) != 3 {
			t.Fatalf("%d certificates, %v", len(chain), err)
		}
		leaf := must(c.PeerCertificate())
		c.Close()
		s.Close()
		c, s = nil, nil
		collect()
		for i, cert := range chain {
			name := must(cert.GetIssuerName())
			cert, chain[i] = nil, nil
			collect()
			if cn, ok := name.GetEntry(NID_commonName); !ok || !strings.HasPrefix(cn, "test root") {
				t.Errorf("the issuer of certificate %d: %q, %v", i, cn, ok)
			}
		}
		der, _ := pem.Decode(must(leaf.MarshalPEM()))
		if !bytes.Equal(der.Bytes, intermediate.ChainDER[0]) {
			t.Error("the leaf is another certificate")
		}
	})
}

// TestDefect15DroppedCtxIsFreed: contexts were never freed by the forks that had repaired the callbacks.
func TestDefect15DroppedCtxIsFreed(t *testing.T) {
	collect()
	before := root.LiveObjects().Ctx
	for range 500 {
		c := must(NewCtx())
		c.SetVerify(VerifyPeer, func(bool, *CertificateStoreCtx) bool { return c != nil })
		c.SetTLSExtServernameCallback(func(*SSL) SSLTLSExtErr { c.GetMode(); return SSLTLSExtErrOK })
		c.SetTicketStore(&TicketStore{})
	}
	for end := time.Now().Add(testTime); root.LiveObjects().Ctx > before+5; collect() {
		if time.Now().After(end) {
			t.Fatalf("%d Ctx are alive, %d before", root.LiveObjects().Ctx, before)
		}
	}
}

// fixedKeys are ticket keys as the original's documentation shows them.
type fixedKeys struct {
	mu      sync.Mutex
	keys    map[TicketName]*TicketKey
	current *TicketKey
	calls   []string
	expired bool
	panics  bool
}

func newFixedKeys() *fixedKeys { return &fixedKeys{keys: map[TicketName]*TicketKey{}} }

func (k *fixedKeys) call(name string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.calls = append(k.calls, name)
	if k.panics {
		panic(errors.New("no keys today"))
	}
}

func (k *fixedKeys) New() *TicketKey {
	k.call("new")
	key := &TicketKey{CipherKey: make([]byte, 32), HMACKey: make([]byte, 32), IV: bytes.Repeat([]byte{0x5a}, 16)}
	rand.Read(key.Name[:])
	rand.Read(key.CipherKey)
	rand.Read(key.HMACKey)
	k.keys[key.Name], k.current = key, key
	return key
}

func (k *fixedKeys) Current() *TicketKey               { k.call("current"); return k.current }
func (k *fixedKeys) Lookup(name TicketName) *TicketKey { k.call("lookup"); return k.keys[name] }
func (k *fixedKeys) Expired(TicketName) bool           { k.call("expired"); return k.expired }
func (k *fixedKeys) ShouldRenew(TicketName) bool       { k.call("renew"); return false }

func (k *fixedKeys) store() *TicketStore {
	return &TicketStore{CipherCtx: TicketCipherCtx{Cipher: must(GetCipherByName("aes-256-cbc"))},
		DigestCtx: TicketDigestCtx{Digest: must(GetDigestByName("sha256"))}, Keys: k}
}

// TestDefect16: the IV of tickets was what lay on the stack, and their encryption used one IV for all.
func TestDefect16TicketIV(t *testing.T) {
	eachVersion(t, func(t *testing.T, v Version) {
		keys := newFixedKeys()
		server := newTestCtx(t, v, testcert.Server())
		server.SetTicketStore(keys.store())
		addr := echo(t, server)
		client := newTestCtx(t, v, nil)
		ivs := map[string]bool{}
		var session []byte
		for i := range 5 {
			c := must(Dial("tcp", addr, client, 0))
			roundTrip(t, c)
			session = must(c.GetSession())
			c.Close()
			// A ticket is name, IV, state and HMAC (RFC 5077, section 4).
			at := bytes.Index(session, keys.current.Name[:])
			if at < 0 {
				t.Fatalf("connection %d has no ticket of the key", i)
			}
			iv := session[at+16 : at+32]
			if bytes.Equal(iv, keys.current.IV) || bytes.Equal(iv, make([]byte, 16)) || ivs[string(iv)] {
				t.Errorf("the IV %x", iv)
			}
			ivs[string(iv)] = true
			// The IV in the ticket is the one that it was encrypted with: the state begins as DER.
			first := make([]byte, 16)
			block := must(aes.NewCipher(keys.current.CipherKey))
			cipher.NewCBCDecrypter(block, iv).CryptBlocks(first, session[at+32:at+48])
			if first[0] != 0x30 {
				t.Errorf("the ticket's state begins with %x", first)
			}
		}
		resume := func(what string, want bool) {
			t.Helper()
			c := must(DialSession("tcp", addr, client, 0, session))
			defer c.Close()
			roundTrip(t, c)
			if c.SessionReused() != want {
				t.Errorf("%s: resumed %v", what, c.SessionReused())
			}
		}
		resume("a good ticket", true)
		if got := strings.Join(keys.calls, " "); !strings.HasPrefix(got, "current new") || !strings.Contains(got, "lookup expired renew") {
			t.Errorf("the manager was asked %s", got)
		}
		keys.expired = true
		resume("an expired one", false)
		keys.expired = false
		keys.keys = map[TicketName]*TicketKey{}
		resume("an unknown one", false)
		// A key that cannot be used is no key, and no harm.
		keys.current = &TicketKey{CipherKey: []byte("short")}
		resume("a bad key", false)
		server.SetTicketStore(&TicketStore{})
		resume("an empty store", false)
		server.SetTicketStore(nil)
		resume("libssl's own key", false)
	})
}

// raised returns the panic that f is left with.
func raised(f func()) (p *CallbackPanic) {
	defer func() {
		if v := recover(); v != nil {
			p = v.(*CallbackPanic)
		}
	}()
	f()
	return nil
}

// TestDefect17: a panic in a callback, and a callback that is nil, ended the process.
func TestDefect17PanicsInCallbacks(t *testing.T) {
	errOurs := errors.New("out of the callback")
	eachVersion(t, func(t *testing.T, v Version) {
		for name, set := range map[string]func(c *Ctx){
			"VerifyCallback": func(c *Ctx) {
				c.SetVerify(VerifyPeer, func(bool, *CertificateStoreCtx) bool { panic(errOurs) })
			},
			"TLSExtServernameCallback": func(c *Ctx) {
				c.SetTLSExtServernameCallback(func(*SSL) SSLTLSExtErr { panic(errOurs) })
			},
			"TicketKeyManager": func(c *Ctx) {
				keys := newFixedKeys()
				keys.panics = true
				c.SetTicketStore(keys.store())
			},
		} {
			server := newTestCtx(t, v, testcert.Server())
			set(server)
			c, s := ends(t, newTestCtx(t, v, testcert.Client()), server)
			done := make(chan *CallbackPanic, 1)
			go func() {
				p := raised(func() { s.Read(make([]byte, 1)) })
				s.Close()
				done <- p
			}()
			if err := c.Handshake(); err == nil {
				c.Read(make([]byte, 1))
			}
			p := <-done
			if p == nil || p.Callback != name || !strings.Contains(p.Error(), "defects_more_test.go") {
				t.Fatalf("%s raised %v", name, p)
			}
			if name != "TicketKeyManager" && !errors.Is(p, errOurs) {
				t.Errorf("%s raised %v; want what the callback panicked with", name, p.Value)
			}
			if n, err := s.Write([]byte("x")); n != 0 || err == nil {
				t.Errorf("%s: a Write after it: %d, %v", name, n, err)
			}
		}
		// Raised once, and an error for ever.
		client := newTestCtx(t, v, nil)
		client.SetVerify(VerifyPeer, func(bool, *CertificateStoreCtx) bool { panic(errOurs) })
		c, s := ends(t, client, newTestCtx(t, v, testcert.Server()))
		go s.Handshake()
		if p := raised(func() { c.Handshake() }); p == nil {
			t.Fatal("no panic was raised")
		}
		if err := c.Handshake(); err == nil {
			t.Error("the handshake goes on")
		}
		// A nil callback is none.
		server := newTestCtx(t, v, testcert.Server())
		server.SetTLSExtServernameCallback(nil)
		server.SetVerifyCallback(nil)
		server.SetTicketStore(nil)
		connected(t, newTestCtx(t, v, nil), server)
	})
}

// TestDefect18: nothing said that Dial verifies no chain; no timeout covered the handshake.
func TestDefect18WhatDialVerifies(t *testing.T) {
	eachVersion(t, func(t *testing.T, v Version) {
		good := echo(t, newTestCtx(t, v, testcert.Server()))
		stranger := echo(t, newTestCtx(t, v, testcert.OtherCAServer()))
		misnamed := echo(t, newTestCtx(t, v, testcert.WrongNameServer()))
		for _, test := range []struct {
			what     string
			addr     string
			ctx      *Ctx
			flags    DialFlags
			accepted bool
			result   VerifyResult
		}{
			{"no Ctx, a stranger", stranger, nil, 0, true, UnableToVerifyLeafSignature},
			{"VerifyNone, a stranger", stranger, newTestCtx(t, v, nil), 0, true, UnableToVerifyLeafSignature},
			{"VerifyNone, another name", misnamed, newTestCtx(t, v, nil), 0, false, 0},
			{"VerifyNone, another name, flag", misnamed, newTestCtx(t, v, nil), InsecureSkipHostVerification, true, UnableToVerifyLeafSignature},
			{"VerifyPeer, good", good, trust(t, newTestCtx(t, v, nil)), 0, true, Ok},
			{"VerifyPeer, a stranger", stranger, trust(t, newTestCtx(t, v, nil)), 0, false, 0},
			{"VerifyPeer, a stranger, flags", stranger, trust(t, newTestCtx(t, v, nil)), InsecureSkipHostVerification | DisableSNI, false, 0},
			{"VerifyPeer, another name", misnamed, trust(t, newTestCtx(t, v, nil)), 0, false, 0},
			{"VerifyPeer, another name, flag", misnamed, trust(t, newTestCtx(t, v, nil)), InsecureSkipHostVerification, true, Ok},
		} {
			c, err := Dial("tcp", test.addr, test.ctx, test.flags)
			if (err == nil) != test.accepted {
				t.Errorf("%s: %v", test.what, err)
			}
			if err != nil {
				continue
			}
			roundTrip(t, c)
			if got := c.VerifyResult(); got != test.result && !(test.result != Ok && got != Ok) {
				t.Errorf("%s: result %v, want %v", test.what, VerifyCertErrorString(got), VerifyCertErrorString(test.result))
			}
			if err := c.GetVerifyResults(); (err == nil) != (test.result == Ok) {
				t.Errorf("%s: GetVerifyResults: %v", test.what, err)
			}
			c.Close()
		}
		// A session that nobody verified does not get past a Ctx that verifies.
		c := must(Dial("tcp", stranger, newTestCtx(t, v, nil), 0))
		roundTrip(t, c)
		session := must(c.GetSession())
		c.Close()
		if c, err := DialSession("tcp", stranger, trust(t, newTestCtx(t, v, nil)), 0, session); err == nil {
			c.Close()
			t.Error("a stranger's session gets past verification")
		}
	})
	// A server that never answers.
	l := must(net.Listen("tcp", "127.0.0.1:0"))
	defer l.Close()
	within(t, "DialTimeout", func() {
		var timeout net.Error
		if c, err := DialTimeout("tcp", l.Addr().String(), 50*time.Millisecond, nil, 0); !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("DialTimeout: %v, %v", c, err)
		}
	})
}

// TestDefect19: an error was one text, to be matched by its words.
func TestDefect19TypedErrors(t *testing.T) {
	eachVersion(t, func(t *testing.T, v Version) {
		c, s := ends(t, trust(t, newTestCtx(t, v, nil)), newTestCtx(t, v, testcert.OtherCAServer()))
		err, _ := shake(c, s)
		e := wantRootError(t, err)
		var verify *root.VerifyError
		if !errors.As(err, &verify) || alertOf(err) != "unknown_CA" || e.Origin != root.FromLibrary || len(e.Queue) == 0 {
			t.Errorf("the client's error: %#v", e)
		}
		var arg *ArgumentError
		if _, err := Client(nil, nil); !errors.As(err, &arg) {
			t.Errorf("Client of nothing: %v", err)
		}
		if err := newTestCtx(t, v, nil).SetCipherList("no cipher"); len(wantError(t, err).Queue) == 0 {
			t.Error("the queue is empty")
		}
		_, err = NewCtxWithVersion(SSLv3)
		wantUnsupported(t, err, "1.1.0")
		if err := (&VerifyError{CertHasExpired}); !strings.Contains(err.Error(), "expired") {
			t.Errorf("%v", err)
		}
	})
}

// TestDefect20: an encrypted key asked for its password on the terminal.
func TestDefect20PromptOnTheTerminal(t *testing.T) {
	key := must(LoadPrivateKeyFromPEM(testcert.ServerRSA().KeyPEM))
	block, _ := pem.Decode(must(key.MarshalPKCS1PrivateKeyPEM()))
	encrypted := pem.EncodeToMemory(must(x509.EncryptPEMBlock(rand.Reader, block.Type, block.Bytes, []byte("secret"), x509.PEMCipherAES128)))
	within(t, "LoadPrivateKeyFromPEM", func() {
		if _, err := LoadPrivateKeyFromPEM(encrypted); !errors.Is(err, ErrPasswordNeeded) {
			t.Errorf("an encrypted key: %v", err)
		}
	})
	if got := must(LoadPrivateKeyFromPEMWithPassword(encrypted, "secret")); !got.Equal(key) {
		t.Error("it is another key")
	}
}
