package openssl_test

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/cleartext"
	"github.com/golibssl/openssl/internal/rawpeer"
	"github.com/golibssl/openssl/internal/record"
)

// pairOptions change a connPair before it is made.
type pairOptions struct {
	pipe           bool // net.Pipe in place of TCP
	client, server func(*openssl.Config)
}

// connPair is two Conns with a relay between them that records and can be told to interfere.
type connPair struct {
	t              *testing.T
	proto          protocol
	ctx            [2]*openssl.Ctx
	client, server *openssl.Conn
	relay          *rawpeer.Relay
	log            *lockedText
	start          [2]int // records that came before the test began

	mu     sync.Mutex
	newest *openssl.Session
}

// newConnPair makes both ends and completes the handshake; the client has read what a server of TLS
// 1.3 sends after it.
func newConnPair(t *testing.T, proto protocol, o pairOptions) *connPair {
	t.Helper()
	p := unshakenPair(t, proto, o)
	mustShake(t, p.client, p.server)
	p.warmUp()
	return p
}

// unshakenPair is newConnPair before the handshake.
func unshakenPair(t *testing.T, proto protocol, o pairOptions) *connPair {
	t.Helper()
	p := &connPair{t: t, proto: proto, log: &lockedText{}}
	server := serverConfig(t, proto.version)
	server.CipherList, server.Ciphersuites = suite12, suite13
	if proto.stateful {
		server.SessionCache = openssl.NewMemoryCache(0)
	}
	client := clientConfig(proto.version)
	client.CipherList, client.Ciphersuites = suite12, suite13
	client.KeyLogWriter = p.log
	client.OnSession = func(_ *openssl.Conn, s *openssl.Session) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.newest = s
	}
	if o.client != nil {
		o.client(&client)
	}
	if o.server != nil {
		o.server(&server)
	}
	p.ctx = [2]*openssl.Ctx{newCtx(t, client), newCtx(t, server)}

	var c, s net.Conn
	if o.pipe {
		c, s, p.relay = rawpeer.Pipe(t)
	} else {
		c, s, p.relay = rawpeer.TCP(t)
	}
	p.client, p.server = clientOver(t, c, p.ctx[cleartext.Client]), serverOver(t, s, p.ctx[cleartext.Server])
	return p
}

// warmUp has each end say one byte, so that the client knows its tickets.
func (p *connPair) warmUp() {
	p.t.Helper()
	says(p.t, p.server, p.client, "w")
	says(p.t, p.client, p.server, "w")
	conv := p.conversation()
	for side := range conv.Records {
		p.start[side] = len(conv.Records[side])
	}
}

// conversation opens what went over the wire.
func (p *connPair) conversation() *cleartext.Conversation {
	p.t.Helper()
	conv, err := cleartext.Open(p.log.String(), p.relay.Seen(rawpeer.ToServer), p.relay.Seen(rawpeer.ToClient))
	if err != nil {
		p.t.Fatal(err)
	}
	return conv
}

// wire is what an end has said since the test began.
func (p *connPair) wire(side cleartext.Side) string {
	p.t.Helper()
	conv := p.conversation()
	conv.Records[side] = conv.Records[side][p.start[side]:]
	return conv.Said(side)
}

// direction is the way that a side's bytes take.
func direction(side cleartext.Side) rawpeer.Direction {
	if side == cleartext.Client {
		return rawpeer.ToServer
	}
	return rawpeer.ToClient
}

// forge puts records into a side's stream: pairs of type and body. The side itself must not send
// anything after that.
func (p *connPair) forge(side cleartext.Side, records ...forged) {
	p.t.Helper()
	if err := p.relay.Inject(direction(side), p.sealed(side, records...)); err != nil {
		p.t.Fatal(err)
	}
}

type forged struct {
	typ  record.Type
	body string
}

func (p *connPair) sealed(side cleartext.Side, records ...forged) []byte {
	p.t.Helper()
	conv := p.conversation()
	var all []byte
	for _, r := range records {
		all = append(all, conv.Seal(side, r.typ, []byte(r.body))...)
	}
	return all
}

var (
	closeNotify   = forged{alertRecord, "\x01\x00"}
	userCanceled  = forged{alertRecord, "\x01\x5a"}
	internalError = forged{alertRecord, "\x02\x50"}
	decodeError   = forged{alertRecord, "\x02\x32"}
	helloRequest  = forged{handshakeRecord, "\x00\x00\x00\x00"}
	keyUpdate     = forged{handshakeRecord, "\x18\x00\x00\x01\x00"}
	keyUpdateBack = forged{handshakeRecord, "\x18\x00\x00\x01\x01"} // asks for one in return
)

func data(text string) forged { return forged{dataRecord, text} }

// ended waits until the relay has seen the end of what a side sends.
func (p *connPair) ended(side cleartext.Side) string {
	p.t.Helper()
	err := p.relay.WaitEnd(deadline(p.t), direction(side))
	if err == context.DeadlineExceeded {
		p.t.Fatalf("the %v does not end its transport", side)
	}
	return said(err)
}

// resumes reports whether the client's newest session resumes on a new connection.
func (p *connPair) resumes() string {
	p.t.Helper()
	p.mu.Lock()
	s := p.newest
	p.mu.Unlock()
	if s == nil {
		return "none"
	}
	c, srv := connected(p.t, p.ctx[cleartext.Client], p.ctx[cleartext.Server], openssl.WithSession(s))
	result := "full"
	if c.ConnectionState().DidResume {
		result = "resumed"
	}
	if did := srv.ConnectionState().DidResume; did != c.ConnectionState().DidResume {
		result += fmt.Sprintf(", but the server says %v", did)
	}
	says(p.t, srv, c, "x")
	c.CloseWrite()
	readAll(srv)
	return result
}
