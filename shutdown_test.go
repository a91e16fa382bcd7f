package openssl_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/cleartext"
	"github.com/golibssl/openssl/internal/record"
)

// rawEnding is what two SSLs and the wire between them show at the end.
type rawEnding struct {
	Steps                  []string
	Client, Server         openssl.ShutdownState
	ClientWire, ServerWire string // as cleartext's Said
	Session                string // resumed, full, or none when the client has none
}

type rawCase struct {
	name      string // origin/case
	protocols []protocol
	do        func(p *rawPair)
	want      rawEnding
	// session is want.Session where the protocols differ.
	session map[protocol]string
	// before30 changes what is wanted of OpenSSL 1.1.1, to which an end of the transport is no error
	// of its own and IGNORE_UNEXPECTED_EOF nothing.
	before30 func(want *rawEnding)
}

func runRaw(t *testing.T, cases []rawCase) {
	for _, test := range cases {
		for _, proto := range test.protocols {
			t.Run(test.name+"/"+proto.name, func(t *testing.T) {
				p := newRawPair(t, proto)
				test.do(p)
				conv := p.conversation()
				got := rawEnding{
					Steps:  p.steps,
					Client: p.c.ssl().GetShutdown(), Server: p.s.ssl().GetShutdown(),
					ClientWire: conv.Said(cleartext.Client), ServerWire: conv.Said(cleartext.Server),
					Session: p.resumes(),
				}
				want := test.want
				if s, ok := test.session[proto]; ok {
					want.Session = s
				}
				if before30() && test.before30 != nil {
					want.Steps = slices.Clone(want.Steps)
					test.before30(&want)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		}
	}
}

const (
	open = openssl.ShutdownState(0)
	sent = openssl.SentShutdown
	rcvd = openssl.ReceivedShutdown
	both = openssl.SentShutdown | openssl.ReceivedShutdown

	alertRecord     = record.Alert
	handshakeRecord = record.Handshake
	dataRecord      = record.ApplicationData
)

// TestShutdownOpenSSL is OpenSSL's sslapitest.c: test_shutdown and test_incorrect_shutdown.
func TestShutdownOpenSSL(t *testing.T) {
	bidirectional := func(p *rawPair) {
		p.resumable()
		p.c.shutdown()
		p.c.write("late")
		p.s.shutdown()
		p.s.write("late")
		p.c.shutdown()
		p.resumable()
		p.s.shutdown()
	}
	serverGoesOn := func(p *rawPair, meanwhile func()) {
		p.established()
		p.c.shutdown()
		p.s.read()
		p.s.get()
		p.s.write("one")
		meanwhile()
		p.s.write("two")
		p.s.shutdown()
		p.c.read()
		p.c.read()
		p.c.write("late")
		p.c.shutdown()
		p.resumable()
	}
	goesOn := []string{
		"client shutdown: 0", "server read: ZERO_RETURN", "server mask: RECEIVED", "server write: ok",
		"server write: ok", "server shutdown: 1", `client read: "one"`, `client read: "two"`,
		"client write: SSL", "client shutdown: 1", "resumable: true",
	}
	runRaw(t, []rawCase{
		{
			name: "sslapitest/test_shutdown 0", protocols: tls12,
			do: func(p *rawPair) { bidirectional(p.established()) },
			want: rawEnding{
				Steps: []string{"resumable: true", "client shutdown: 0", "client write: SSL", "server shutdown: 0",
					"server write: SSL", "client shutdown: 1", "resumable: true", "server shutdown: 1"},
				Client: both, Server: both, ClientWire: "close_notify", ServerWire: "close_notify", Session: "resumed",
			},
		},
		{
			name: "sslapitest/test_shutdown 1", protocols: tls12,
			do: func(p *rawPair) { serverGoesOn(p, func() {}) },
			want: rawEnding{
				Steps: goesOn, Client: both, Server: both,
				ClientWire: "close_notify", ServerWire: "data close_notify", Session: "resumed",
			},
		},
		{
			name: "sslapitest/test_shutdown 2", protocols: tls13,
			do: func(p *rawPair) { bidirectional(p.established()) },
			want: rawEnding{
				Steps: []string{"resumable: true", "client shutdown: 0", "client write: SSL", "server shutdown: 0",
					"server write: SSL", "client shutdown: 1", "resumable: true", "server shutdown: 1"},
				Client: both, Server: both, ClientWire: "close_notify", ServerWire: "close_notify", Session: "resumed",
			},
		},
		{
			// The tickets are read by the second SSL_shutdown.
			name: "sslapitest/test_shutdown 3", protocols: tls13,
			do: func(p *rawPair) { p.handshake(); bidirectional(p) },
			want: rawEnding{
				Steps: []string{"resumable: false", "client shutdown: 0", "client write: SSL", "server shutdown: 0",
					"server write: SSL", "client shutdown: 1", "resumable: true", "server shutdown: 1"},
				Client: both, Server: both, ClientWire: "close_notify", ServerWire: "close_notify", Session: "resumed",
			},
		},
		{
			name: "sslapitest/test_shutdown 4", protocols: tls13,
			do: func(p *rawPair) { serverGoesOn(p, func() { p.s.keyUpdate(true) }) },
			want: rawEnding{
				Steps:  append(append(append([]string{}, goesOn[:4]...), "server key update: ok"), goesOn[4:]...),
				Client: both, Server: both,
				// The request is not answered: nothing follows close_notify.
				ClientWire: "close_notify", ServerWire: "data key_update data close_notify", Session: "resumed",
			},
		},
		{
			// The CertificateRequest is forged, to a client that did not offer to answer one: fatal, and
			// no alert says so behind the close_notify.
			name: "sslapitest/test_shutdown 5", protocols: tls13,
			do: func(p *rawPair) {
				p.established()
				p.c.shutdown()
				p.s.read()
				// context of one byte, one extension: signature_algorithms, ecdsa_secp256r1_sha256
				p.s.forge(handshakeRecord, "\x0d\x00\x00\x0c\x01\x01\x00\x08\x00\x0d\x00\x04\x00\x02\x04\x03")
				p.c.read()
				p.resumable()
			},
			want: rawEnding{
				Steps:  []string{"client shutdown: 0", "server read: ZERO_RETURN", "client read: SSL", "resumable: true"},
				Client: sent, Server: rcvd, ClientWire: "close_notify", ServerWire: "certificate_request", Session: "resumed",
			},
			// The server never said close_notify.
			session: map[protocol]string{tls13Stateful: "full"},
		},
		{
			name: "sslapitest/test_shutdown 6", protocols: tls13,
			do: func(p *rawPair) {
				p.established()
				p.c.shutdown()
				p.s.read()
				p.s.write("unread")
				p.s.shutdown()
				p.c.write("late")
				p.c.shutdown()
				p.c.lost()
			},
			want: rawEnding{
				Steps: []string{"client shutdown: 0", "server read: ZERO_RETURN", "server write: ok", "server shutdown: 1",
					"client write: SSL", "client shutdown: -1 SSL", "client read: nothing"},
				Client: sent, Server: both, ClientWire: "close_notify", ServerWire: "data close_notify", Session: "resumed",
			},
		},
		{
			name: "sslapitest/test_incorrect_shutdown 0", protocols: allProtocols,
			do: func(p *rawPair) {
				p.established()
				p.s.write("hello")
				p.c.eof()
				p.c.read()
				p.c.read()
			},
			want: rawEnding{
				Steps:      []string{"server write: ok", `client read: "hello"`, "client read: SSL"},
				ClientWire: "alert:decode_error", ServerWire: "data", Session: "full",
			},
			before30: func(want *rawEnding) { want.Steps[2], want.ClientWire = "client read: SYSCALL", "" },
		},
		{
			name: "sslapitest/test_incorrect_shutdown 1", protocols: allProtocols,
			do: func(p *rawPair) {
				p.ssl[cleartext.Client].SetOptions(openssl.OpIgnoreUnexpectedEOF)
				p.established()
				p.s.write("hello")
				p.c.eof()
				p.c.read()
				p.c.read()
			},
			want: rawEnding{
				Steps:  []string{"server write: ok", `client read: "hello"`, "client read: ZERO_RETURN"},
				Client: rcvd, ServerWire: "data", Session: "full",
			},
			before30: func(want *rawEnding) { want.Steps[2], want.Client = "client read: SYSCALL", open },
		},
	})
}
