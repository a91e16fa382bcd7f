package main

import (
	"crypto/tls"
	"fmt"
	"strings"
	"sync"

	"github.com/spacemonkeygo/openssl"
)

// ticketKeys is a TicketKeyManager that notes how it is asked. Keys are called a, b, c.
type ticketKeys struct {
	mu             sync.Mutex
	calls          []string
	keys           []*openssl.TicketKey
	expired, renew bool
}

func (k *ticketKeys) note(format string, args ...any) {
	k.calls = append(k.calls, fmt.Sprintf(format, args...))
}

func called(name openssl.TicketName) string { return strings.TrimRight(string(name[:]), "\x00") }

func (k *ticketKeys) New() *openssl.TicketKey {
	k.mu.Lock()
	defer k.mu.Unlock()
	key := &openssl.TicketKey{CipherKey: sequence(32), HMACKey: sequence(32), IV: sequence(16)}
	key.Name[0] = byte('a' + len(k.keys))
	k.keys = append(k.keys, key)
	k.note("new %s", called(key.Name))
	return key
}

func (k *ticketKeys) Current() *openssl.TicketKey {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.note("current")
	if len(k.keys) == 0 {
		return nil
	}
	return k.keys[len(k.keys)-1]
}

func (k *ticketKeys) Lookup(name openssl.TicketName) *openssl.TicketKey {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.note("lookup %s", called(name))
	for _, key := range k.keys {
		if key.Name == name {
			return key
		}
	}
	return nil
}

func (k *ticketKeys) Expired(name openssl.TicketName) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.note("expired %s", called(name))
	return k.expired
}

func (k *ticketKeys) ShouldRenew(name openssl.TicketName) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.note("renew %s", called(name))
	return k.renew
}

// since returns the calls noted since the last time.
func (k *ticketKeys) since() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	defer func() { k.calls = nil }()
	return "[" + strings.Join(k.calls, "; ") + "]"
}

// resuming is a client of the standard library that resumes where it can.
func resuming(server *openssl.Ctx, config *tls.Config) (string, error, error) {
	a, b := pipe()
	ssl := must(openssl.Server(a, server))
	client := tls.Client(b, config)
	d := &duo{server: ssl, client: client, ssl: ssl}
	serverErr, clientErr := d.handshake()
	defer d.close()
	if serverErr != nil || clientErr != nil {
		return "failed", serverErr, clientErr
	}
	return fmt.Sprintf("%v %v %s", ssl.SessionReused(), client.ConnectionState().DidResume, d.echo()), nil, nil
}

func sessions(s *section) {
	p := pki()
	three := func(what string, ctx *openssl.Ctx, config *tls.Config) {
		for i := range 3 {
			got, server, client := resuming(ctx, config)
			s.line(fmt.Sprintf("%s, connection %d", what, i+1), got, server, client)
		}
	}
	caching := func() *tls.Config {
		c := stdClient()
		c.ClientSessionCache = tls.NewLRUClientSessionCache(4)
		return c
	}
	three("OpenSSL's own tickets", serverCtx(p.server, tls12), caching())

	ctx := serverCtx(p.server, tls12)
	ctx.SetOptions(openssl.NoTicket)
	three("no tickets", ctx, caching())

	// A server that asks for certificates needs a session id context.
	asking := func(id string) *openssl.Ctx {
		ctx := serverCtx(p.server, tls12)
		check(ctx.LoadVerifyLocations(p.caFile, ""))
		ctx.SetVerifyMode(openssl.VerifyPeer)
		if id != "" {
			check(ctx.SetSessionId([]byte(id)))
		}
		return ctx
	}
	withCert := caching()
	withCert.Certificates = []tls.Certificate{{Certificate: [][]byte{p.client.cert.Raw}, PrivateKey: p.client.key}}
	three("client certificates and session id", asking("here"), withCert)
	withCert = withCert.Clone()
	withCert.ClientSessionCache = tls.NewLRUClientSessionCache(4)
	three("client certificates without session id", asking(""), withCert)

	keys := &ticketKeys{}
	ctx = serverCtx(p.server, tls12)
	ctx.SetTicketStore(&openssl.TicketStore{
		CipherCtx: openssl.TicketCipherCtx{Cipher: must(openssl.GetCipherByName("aes-256-cbc"))},
		DigestCtx: openssl.TicketDigestCtx{Digest: must(openssl.GetDigestByName("sha256"))},
		Keys:      keys,
	})
	config := caching()
	step := func(what string) {
		got, server, client := resuming(ctx, config)
		s.line("ticket store, "+what, got, server, client, keys.since())
	}
	step("first")
	step("resumed")
	keys.renew = true
	step("renewed")
	keys.renew = false
	step("resumed after renewal")
	keys.New()
	keys.since()
	step("resumed under an older key")
	keys.expired = true
	step("expired")
	keys.expired = false
	step("after expiry")
	keys.keys = nil
	step("key lost")
	ctx.SetTicketStore(nil)
	step("store taken away")

	d := connect(serverCtx(p.server, tls12), clientCtx(tls12))
	s.try("session before the handshake", func() []any { session, err := d.cli.GetSession(); return []any{len(session) > 0, err} })
	d.established()
	s.try("session", func() []any {
		session, err := d.cli.GetSession()
		other, err2 := d.ssl.GetSession()
		return []any{len(session) > 0 && session[0] == 0x30, err, len(other) > 0, err2}
	})
	session := must(d.cli.GetSession())
	d.close()

	l := must(openssl.Listen("tcp", "127.0.0.1:0", serverCtx(p.server, tls12)))
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = conn.Read(make([]byte, 1))
			}()
		}
	}()
	for _, of := range []struct {
		name    string
		session []byte
	}{{"none", nil}, {"another server's", session}, {"noise", []byte("noise")}, {"nothing", []byte{}}} {
		s.try("dial with the session of "+of.name, func() []any {
			conn, err := openssl.DialSession("tcp", l.Addr().String(), clientCtx(tls12), 0, of.session)
			if err != nil {
				return []any{err}
			}
			defer conn.Close()
			return []any{nil, conn.SessionReused()}
		})
	}
	s.try("dial with its own session", func() []any {
		ctx := clientCtx(tls12)
		conn, err := openssl.DialSession("tcp", l.Addr().String(), ctx, 0, nil)
		if err != nil {
			return []any{err}
		}
		session, err := conn.GetSession()
		if err != nil {
			return []any{err}
		}
		check(conn.Close())
		conn, err = openssl.DialSession("tcp", l.Addr().String(), ctx, 0, session)
		if err != nil {
			return []any{err}
		}
		defer conn.Close()
		return []any{nil, conn.SessionReused()}
	})
}
