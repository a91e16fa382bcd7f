package openssl_test

import (
	"testing"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/cleartext"
)

// TestShutdownBindings is what the bindings of other languages assert of SSL_shutdown, on the layer
// that is theirs.
func TestShutdownBindings(t *testing.T) {
	runRaw(t, []rawCase{
		{
			name: "pyOpenSSL/test_shutdown", protocols: allProtocols,
			do: func(p *rawPair) {
				p.established()
				p.s.shutdown()
				p.s.get()
				p.c.read()
				p.c.get()
				p.c.shutdown()
				p.c.get()
				p.s.read()
				p.s.get()
			},
			want: rawEnding{
				Steps: []string{"server shutdown: 0", "server mask: SENT", "client read: ZERO_RETURN", "client mask: RECEIVED",
					"client shutdown: 1", "client mask: SENT|RECEIVED", "server read: ZERO_RETURN", "server mask: SENT|RECEIVED"},
				Client: both, Server: both, ClientWire: "close_notify", ServerWire: "close_notify", Session: "resumed",
			},
		},
		{
			name: "pyOpenSSL/test_shutdown_truncated", protocols: allProtocols,
			do: func(p *rawPair) {
				p.established()
				p.s.shutdown()
				p.s.shutdown()
				p.s.eof()
				p.s.shutdown()
			},
			want: rawEnding{
				Steps:  []string{"server shutdown: 0", "server shutdown: -1 WANT_READ", "server shutdown: -1 SSL"},
				Server: sent, ServerWire: "close_notify",
				// The client, freed with the close_notify unread, marks its own session.
				Session: "full",
			},
			before30: func(want *rawEnding) { want.Steps[2] = "server shutdown: -1 SYSCALL" },
		},
		{
			name: "pyOpenSSL/test_set_shutdown", protocols: allProtocols,
			do: func(p *rawPair) {
				p.established()
				p.c.get()
				p.c.set(rcvd)
				p.c.set(sent)
				p.c.set(both)
				p.c.set(open)
				p.c.set(sent)
				p.s.set(sent)
			},
			want: rawEnding{
				Steps: []string{"client mask: open", "client mask: RECEIVED", "client mask: SENT",
					"client mask: SENT|RECEIVED", "client mask: open", "client mask: SENT", "server mask: SENT"},
				Client: sent, Server: sent, Session: "resumed", // and nothing was sent
			},
		},
		{
			name: "rust-openssl/shutdown", protocols: allProtocols,
			do: func(p *rawPair) {
				p.established()
				p.c.get()
				p.c.shutdown()
				p.c.get()
				p.s.read()
				p.s.shutdown()
				p.c.shutdown()
				p.c.get()
			},
			want: rawEnding{
				Steps: []string{"client mask: open", "client shutdown: 0", "client mask: SENT", "server read: ZERO_RETURN",
					"server shutdown: 1", "client shutdown: 1", "client mask: SENT|RECEIVED"},
				Client: both, Server: both, ClientWire: "close_notify", ServerWire: "close_notify", Session: "resumed",
			},
		},
		{
			// The reader is asked twice: an end stays an end.
			name: "ruby/test_readbyte_eof", protocols: allProtocols,
			do: func(p *rawPair) {
				p.established()
				p.s.write("x")
				p.s.shutdown()
				p.c.read()
				p.c.read()
				p.c.read()
				p.c.shutdown()
			},
			want: rawEnding{
				Steps: []string{"server write: ok", "server shutdown: 0", `client read: "x"`, "client read: ZERO_RETURN",
					"client read: ZERO_RETURN", "client shutdown: 1"},
				Client: both, Server: sent, ClientWire: "close_notify", ServerWire: "data close_notify", Session: "resumed",
			},
		},
		{
			name: "CPython/test_unwrap", protocols: allProtocols,
			do: func(p *rawPair) {
				p.established()
				p.c.shutdown()
				p.c.shutdown()
				p.s.shutdown()
				p.s.shutdown()
				p.c.shutdown()
			},
			want: rawEnding{
				Steps: []string{"client shutdown: 0", "client shutdown: -1 WANT_READ", "server shutdown: 0",
					"server shutdown: 1", "client shutdown: 1"},
				Client: both, Server: both, ClientWire: "close_notify", ServerWire: "close_notify", Session: "resumed",
			},
		},
		{
			// The server's close_notify comes before the end: no error.
			name: "CPython/test_transport_eof", protocols: allProtocols,
			do: func(p *rawPair) {
				p.established()
				p.s.shutdown()
				p.c.eof()
				p.c.read()
				p.c.read()
				p.c.shutdown()
			},
			want: rawEnding{
				Steps: []string{"server shutdown: 0", "client read: ZERO_RETURN", "client read: ZERO_RETURN",
					"client shutdown: 1"},
				Client: both, Server: sent, ClientWire: "close_notify", ServerWire: "close_notify", Session: "resumed",
			},
		},
	})
}

// TestShutdownS2N is s2n_shutdown_test.c, whose s2n_shutdown_send is SSL_shutdown once and whose
// s2n_shutdown is SSL_shutdown until it answers 1.
func TestShutdownS2N(t *testing.T) {
	runRaw(t, []rawCase{
		{
			name: "s2n/reader alert already queued", protocols: allProtocols,
			do: func(p *rawPair) {
				p.established()
				p.s.send([]byte("\x17\x03\x03\x00\x20ABCDEFGHIJKLMNOPQRSTUVWXYZ012345")) // no MAC fits
				p.c.read()
				p.c.shutdown()
				p.c.shutdown()
				p.wire[cleartext.Server] = p.wire[cleartext.Server][:len(p.wire[cleartext.Server])-37]
			},
			want: rawEnding{
				Steps:      []string{"client read: SSL", "client shutdown: -1 SSL", "client shutdown: -1 SSL"},
				ClientWire: "alert:bad_record_mac", Session: "full",
			},
		},
		{
			// TLS 1.2 alone has warnings. The client refuses to renegotiate, and both still close.
			name: "s2n/a warning alert was sent", protocols: tls12,
			do: func(p *rawPair) {
				p.ssl[cleartext.Client].SetOptions(openssl.OpNoRenegotiation)
				p.established()
				p.s.forge(handshakeRecord, "\x00\x00\x00\x00") // HelloRequest
				p.c.read()
				p.c.shutdown()
				p.c.shutdown()
				p.s.forge(alertRecord, "\x01\x00")
				p.c.shutdown()
			},
			want: rawEnding{
				Steps: []string{"client read: WANT_READ", "client shutdown: 0", "client shutdown: -1 WANT_READ",
					"client shutdown: 1"},
				Client: both, ClientWire: "warning:no_renegotiation close_notify",
				ServerWire: "hello_request close_notify", Session: "resumed",
			},
			session: map[protocol]string{tls12ID: "full"}, // the server itself said nothing
		},
		{
			name: "s2n/error alert already received", protocols: allProtocols,
			do: func(p *rawPair) {
				p.established()
				p.s.forge(alertRecord, "\x02\x50")
				p.c.read()
				p.c.shutdown()
			},
			want: rawEnding{
				Steps:  []string{"client read: SSL", "client shutdown: -1 SSL"},
				Client: rcvd, ServerWire: "alert:internal_error", Session: "full",
			},
		},
		{
			name: "s2n/handshake not complete", protocols: allProtocols,
			do: func(p *rawPair) {
				p.c.shutdown()
				_ = p.c.ssl().Handshake() // the ClientHello alone
				p.c.after()
				p.c.shutdown()
				p.c.get()
				p.established()
				p.c.shutdown()
				p.s.shutdown()
			},
			want: rawEnding{
				Steps: []string{"client shutdown: -1 SSL", "client shutdown: -1 SSL", "client mask: open",
					"client shutdown: 0", "server shutdown: 0"},
				Client: sent, Server: sent, ClientWire: "close_notify", ServerWire: "close_notify", Session: "resumed",
			},
		},
		{
			name: "s2n/await close_notify", protocols: allProtocols,
			do: func(p *rawPair) {
				p.established()
				p.c.shutdown()
				p.c.shutdown()
				p.s.write("still open for reading")
				p.c.read()
			},
			want: rawEnding{
				Steps: []string{"client shutdown: 0", "client shutdown: -1 WANT_READ", "server write: ok",
					`client read: "still open for reading"`},
				Client: sent, ClientWire: "close_notify", ServerWire: "data", Session: "resumed",
			},
			session: map[protocol]string{tls12ID: "full", tls13Stateful: "full"},
		},
		{
			name: "s2n/do not await a close_notify that came", protocols: allProtocols,
			do: func(p *rawPair) {
				p.established()
				p.s.shutdown()
				p.c.read()
				p.c.shutdown()
			},
			want: rawEnding{
				Steps:  []string{"server shutdown: 0", "client read: ZERO_RETURN", "client shutdown: 1"},
				Client: both, Server: sent, ClientWire: "close_notify", ServerWire: "close_notify", Session: "resumed",
			},
		},
		{
			// libssl answers 1 as to a clean end; Facts tells the difference (see the closing test of Conn).
			name: "s2n/alert received after close_notify was sent", protocols: allProtocols,
			do: func(p *rawPair) {
				p.established()
				p.c.shutdown()
				p.s.forge(alertRecord, "\x02\x50")
				p.c.shutdown()
				facts := p.c.ssl().Facts()
				p.note("close_notify received: %v, alert received: %v", facts.CloseNotifyReceived, facts.AlertReceived)
			},
			want: rawEnding{
				Steps: []string{"client shutdown: 0", "client shutdown: 1",
					"close_notify received: false, alert received: internal_error"},
				Client: both, ClientWire: "close_notify", ServerWire: "alert:internal_error", Session: "full",
			},
		},
		{
			// s2n discards the data. libssl calls it fatal: Conn's Shutdown never asks a second time.
			name: "s2n/data received after close_notify was sent", protocols: allProtocols,
			do: func(p *rawPair) {
				p.established()
				p.c.shutdown()
				p.s.write("x")
				p.c.shutdown()
				p.c.lost()
			},
			want: rawEnding{
				Steps: []string{"client shutdown: 0", "server write: ok", "client shutdown: -1 SSL",
					"client read: nothing"},
				Client: sent, ClientWire: "close_notify", ServerWire: "data", Session: "resumed",
			},
			session: map[protocol]string{tls12ID: "full", tls13Stateful: "full"},
		},
		{
			name: "s2n/aggressive socket close", protocols: allProtocols,
			do: func(p *rawPair) {
				p.established()
				p.c.shutdown()
				p.c.shutdown()
				p.s.read()
				p.s.shutdown()
				p.c.eof()
				p.c.shutdown()
			},
			want: rawEnding{
				Steps: []string{"client shutdown: 0", "client shutdown: -1 WANT_READ", "server read: ZERO_RETURN",
					"server shutdown: 1", "client shutdown: 1"},
				Client: both, Server: both, ClientWire: "close_notify", ServerWire: "close_notify", Session: "resumed",
			},
		},
		{
			name: "s2n/half close then full close", protocols: allProtocols,
			do: func(p *rawPair) {
				p.established()
				p.c.shutdown()
				for range 3 {
					p.c.shutdown()
				}
				p.s.shutdown()
				for range 3 {
					p.c.shutdown()
				}
			},
			want: rawEnding{
				Steps: []string{"client shutdown: 0", "client shutdown: -1 WANT_READ", "client shutdown: -1 WANT_READ",
					"client shutdown: -1 WANT_READ", "server shutdown: 0", "client shutdown: 1", "client shutdown: 1",
					"client shutdown: 1"},
				Client: both, Server: sent, ClientWire: "close_notify", ServerWire: "close_notify", Session: "resumed",
			},
		},
		{
			// Nothing but close_notify is sent behind SENT, the alert neither.
			name: "s2n/half close, local alert, full close", protocols: allProtocols,
			do: func(p *rawPair) {
				p.established()
				p.c.shutdown()
				p.s.send([]byte("\x17\x03\x03\x00\x20ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"))
				p.c.read()
				p.c.shutdown()
				p.wire[cleartext.Server] = p.wire[cleartext.Server][:len(p.wire[cleartext.Server])-37]
				p.s.shutdown()
			},
			want: rawEnding{
				Steps: []string{"client shutdown: 0", "client read: SSL", "client shutdown: -1 SSL",
					"server shutdown: 0"},
				Client: sent, Server: sent, ClientWire: "close_notify", ServerWire: "close_notify", Session: "resumed",
			},
		},
		{
			name: "s2n/half close, peer alert, full close", protocols: allProtocols,
			do: func(p *rawPair) {
				p.established()
				p.c.shutdown()
				p.s.forge(alertRecord, "\x02\x50")
				p.c.read()
				p.c.shutdown()
			},
			want: rawEnding{
				Steps:  []string{"client shutdown: 0", "client read: SSL", "client shutdown: -1 SSL"},
				Client: both, ClientWire: "close_notify", ServerWire: "alert:internal_error", Session: "full",
			},
		},
		{
			name: "s2n/partial alert record", protocols: allProtocols,
			do: func(p *rawPair) {
				p.established()
				whole := p.conversation().Seal(cleartext.Server, alertRecord, []byte{1, 0})
				p.s.send(whole[:7])
				p.c.read()
				p.c.shutdown()
				p.c.shutdown()
				p.s.send(whole[7:])
				p.c.shutdown()
			},
			want: rawEnding{
				Steps: []string{"client read: WANT_READ", "client shutdown: 0", "client shutdown: -1 WANT_READ",
					"client shutdown: 1"},
				Client: both, ClientWire: "close_notify", ServerWire: "close_notify", Session: "resumed",
			},
			session: map[protocol]string{tls12ID: "full", tls13Stateful: "full"},
		},
		{
			name: "s2n/alert of one byte", protocols: allProtocols,
			do: func(p *rawPair) {
				p.established()
				p.s.forge(alertRecord, "\x01")
				p.c.read()
				p.c.shutdown()
			},
			want: rawEnding{
				Steps:      []string{"client read: SSL", "client shutdown: -1 SSL"},
				ClientWire: "alert:unexpected_message", ServerWire: "alert:1_bytes", Session: "full",
			},
		},
	})
}
