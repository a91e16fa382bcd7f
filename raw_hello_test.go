package openssl_test

import (
	"errors"
	"testing"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/cleartext"
)

// TestRawHello serves sessions out of a map, from between two calls of Handshake, as C code does that
// has them in a database.
func TestRawHello(t *testing.T) {
	for _, proto := range allProtocols {
		if !proto.stateful {
			continue
		}
		t.Run(proto.name, func(t *testing.T) {
			p := newRawPair(t, proto)
			server := p.ctx[cleartext.Server]
			server.SetCacheMode(openssl.CacheServer | openssl.CacheNoInternal)
			p.must(server.EnableEvents(true, false, false))
			p.must(server.EnableLookup())
			p.must(server.EnableHello())

			known := map[string][]byte{}
			connect := func(offered *openssl.Session) openssl.ClientHello {
				p.connect()
				p.must(p.c.ssl().SetServerName("localhost"))
				if offered != nil {
					p.must(p.c.ssl().SetSession(offered))
				}
				noHello(t, p.s.ssl())
				p.c.ssl().Handshake()
				p.c.after()
				for range 2 {
					if e := asError(t, p.s.ssl().Handshake()); e.Class != openssl.ClassWantClientHelloCB {
						t.Fatalf("the server's handshake: %v", e)
					}
				}
				asked, err := p.s.ssl().Hello()
				p.must(err)
				if der := known[string(asked.SessionID)]; der != nil {
					sess, err := openssl.ParseSession(der)
					p.must(err)
					p.must(p.s.ssl().SetFound(sess))
				}
				p.must(p.s.ssl().AnswerHello())
				noHello(t, p.s.ssl())
				p.established()
				for _, sess := range p.made {
					known[string(sess.ID())] = sess.DER()
				}
				p.c.shutdown()
				p.s.shutdown()
				return asked
			}

			asked := connect(nil)
			if asked.ServerName != "localhost" || asked.TLS13 != (proto == tls13Stateful) || len(asked.SessionID) != 0 {
				t.Errorf("the first ClientHello asks for %+v", asked)
			}
			asked = connect(p.newest)
			if known[string(asked.SessionID)] == nil {
				t.Errorf("the second ClientHello asks for the session %x, which the server never made", asked.SessionID)
			}
			if !p.c.ssl().SessionReused() || !p.s.ssl().SessionReused() {
				t.Error("the session that was found did not resume")
			}
		})
	}
}

func noHello(t *testing.T, ssl *openssl.SSL) {
	t.Helper()
	if _, err := ssl.Hello(); !errors.Is(err, openssl.ErrNoHello) {
		t.Errorf("Hello: %v, want ErrNoHello", err)
	}
	if err := ssl.AnswerHello(); !errors.Is(err, openssl.ErrNoHello) {
		t.Errorf("AnswerHello: %v, want ErrNoHello", err)
	}
}

// What was answered in one handshake says nothing about the next.
func TestRawHelloAfterClear(t *testing.T) {
	p := newRawPair(t, tls12Ticket)
	p.must(p.ctx[cleartext.Server].EnableHello())
	p.connect()
	for _, name := range []string{"localhost", "elsewhere"} {
		p.must(p.c.ssl().SetServerName(name))
		p.c.ssl().Handshake()
		p.c.after()
		p.s.ssl().Handshake()
		hello, err := p.s.ssl().Hello()
		p.must(err)
		if hello.ServerName != name {
			t.Errorf("the hello asks for %q, want %q", hello.ServerName, name)
		}
		p.must(p.s.ssl().AnswerHello())
		p.handshake()
		p.c.shutdown()
		p.s.shutdown()
		p.must(p.c.ssl().Clear())
		p.must(p.s.ssl().Clear())
	}
}
