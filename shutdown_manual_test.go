package openssl_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/cleartext"
)

// TestShutdownManual is SSL_set_shutdown(3) sentence by sentence, and what a protocol suite asks of a
// peer that uses libssl directly.
func TestShutdownManual(t *testing.T) {
	runRaw(t, []rawCase{
		{
			// "If the session is still open when SSL_clear() or SSL_free() is called, it is considered bad and
			// removed": not where the client's ticket holds it.
			name: "manual/server freed while open", protocols: allProtocols,
			do: func(p *rawPair) {
				p.established()
				p.c.set(sent) // spares the client's own
				p.s.ssl().Free()
			},
			want:    rawEnding{Steps: []string{"client mask: SENT"}, Client: sent},
			session: map[protocol]string{tls12ID: "full", tls12Ticket: "resumed", tls13Stateful: "full", tls13Stateless: "resumed"},
		},
		{
			name: "manual/client freed while open", protocols: allProtocols,
			do: func(p *rawPair) {
				p.established()
				p.resumable()
				p.s.shutdown()
				p.c.ssl().Free()
				p.resumable()
			},
			want: rawEnding{Steps: []string{"resumable: true", "server shutdown: 0", "resumable: false"},
				Server: sent, ServerWire: "close_notify", Session: "full"},
		},
		{
			// "The actual condition for a correctly closed session is SSL_SENT_SHUTDOWN."
			name: "manual/RECEIVED alone is not enough", protocols: allProtocols,
			do: func(p *rawPair) {
				p.established()
				p.s.shutdown()
				p.c.read()
			},
			want: rawEnding{Steps: []string{"server shutdown: 0", "client read: ZERO_RETURN"},
				Client: rcvd, Server: sent, ServerWire: "close_notify", Session: "full"},
		},
		{
			// "It is acceptable for an application to only send its shutdown alert."
			name: "manual/both sent, none read", protocols: allProtocols,
			do: func(p *rawPair) {
				p.established()
				p.c.shutdown()
				p.s.shutdown()
			},
			want: rawEnding{Steps: []string{"client shutdown: 0", "server shutdown: 0"}, Client: sent, Server: sent,
				ClientWire: "close_notify", ServerWire: "close_notify", Session: "resumed"},
		},
		{
			// A client that never read has no ticket of TLS 1.3.
			name: "manual/sent without ever reading", protocols: tls13,
			do: func(p *rawPair) {
				p.handshake()
				p.c.shutdown()
				p.s.shutdown()
			},
			want: rawEnding{Steps: []string{"client shutdown: 0", "server shutdown: 0"}, Client: sent, Server: sent,
				ClientWire: "close_notify", ServerWire: "close_notify", Session: "none"},
		},
		{
			// The state can be set "without actually sending": then it is never sent.
			name: "manual/set without sending", protocols: allProtocols,
			do: func(p *rawPair) {
				p.established()
				p.c.set(sent)
				p.c.shutdown()
				p.s.set(both)
				p.s.shutdown()
			},
			want: rawEnding{
				Steps: []string{"client mask: SENT", "client shutdown: -1 WANT_READ", "server mask: SENT|RECEIVED",
					"server shutdown: 1"},
				Client: sent, Server: both, Session: "resumed",
			},
		},
		{
			name: "manual/the first handshake clears what was set before", protocols: allProtocols,
			do: func(p *rawPair) {
				p.c.set(both)
				p.established()
				p.c.get()
				p.s.set(sent)
				p.c.shutdown()
			},
			want: rawEnding{
				Steps:  []string{"client mask: SENT|RECEIVED", "client mask: open", "server mask: SENT", "client shutdown: 0"},
				Client: sent, Server: sent, ClientWire: "close_notify", Session: "resumed",
			},
		},
		{
			// Nothing is masked, and SSL_shutdown compares with 3.
			name: "manual/other bits stay", protocols: allProtocols,
			do: func(p *rawPair) {
				p.established()
				p.c.set(7)
				p.c.shutdown()
				p.c.shutdown()
				p.s.set(-1)
			},
			want: rawEnding{
				Steps: []string{"client mask: ShutdownState(7)", "client shutdown: 0", "client shutdown: 0",
					"server mask: ShutdownState(-1)"},
				Client: 7, Server: -1, Session: "resumed",
			},
		},
		{
			name: "manual/quiet shutdown", protocols: allProtocols,
			do: func(p *rawPair) {
				p.established()
				p.must(p.s.ssl().SetQuietShutdown(true))
				p.s.shutdown()
				p.c.set(sent)
				p.c.eof()
				p.c.read()
			},
			want: rawEnding{
				Steps:  []string{"server shutdown: 1", "client mask: SENT", "client read: SSL"},
				Client: sent, Server: both, Session: "resumed",
			},
			before30: func(want *rawEnding) { want.Steps[2] = "client read: SYSCALL" },
		},
		{
			name: "suite/Shutdown-Runner", protocols: allProtocols,
			do: func(p *rawPair) {
				p.established()
				p.s.write("hello")
				p.s.shutdown()
				p.c.read()
				p.c.read()
				p.c.shutdown()
				p.s.read()
			},
			want: rawEnding{
				Steps: []string{"server write: ok", "server shutdown: 0", `client read: "hello"`, "client read: ZERO_RETURN",
					"client shutdown: 1", "server read: ZERO_RETURN"},
				Client: both, Server: both, ClientWire: "close_notify", ServerWire: "data close_notify", Session: "resumed",
			},
		},
		{
			name: "suite/Shutdown-Shim-KeyUpdate", protocols: tls13,
			do: func(p *rawPair) {
				p.established()
				p.c.shutdown()
				p.s.keyUpdate(true)
				p.s.shutdown()
				p.c.shutdown()
			},
			want: rawEnding{
				Steps:  []string{"client shutdown: 0", "server key update: ok", "server shutdown: 0", "client shutdown: 1"},
				Client: both, Server: sent, ClientWire: "close_notify", ServerWire: "key_update close_notify", Session: "resumed",
			},
		},
		{
			name: "suite/Peek-Shutdown", protocols: allProtocols,
			do: func(p *rawPair) {
				p.established()
				p.s.write("x")
				p.s.shutdown()
				p.c.peek()
				p.c.read()
				p.c.peek()
				p.c.get()
				p.c.peek()
				p.c.read()
				p.c.shutdown()
			},
			want: rawEnding{
				Steps: []string{"server write: ok", "server shutdown: 0", `client peek: "x"`, `client read: "x"`,
					"client peek: ZERO_RETURN", "client mask: RECEIVED", "client peek: ZERO_RETURN",
					"client read: ZERO_RETURN", "client shutdown: 1"},
				Client: both, Server: sent, ClientWire: "close_notify", ServerWire: "data close_notify", Session: "resumed",
			},
		},
		{
			// The alert that came is told once, then libssl says what it says of a clean end (4.0: an error).
			name: "suite/Unclean-Shutdown-Alert", protocols: allProtocols,
			do: func(p *rawPair) {
				p.established()
				p.s.forge(alertRecord, "\x02\x32")
				p.c.read()
				p.c.lost()
				facts := p.c.ssl().Facts()
				p.note("close_notify received: %v, alert received: %v", facts.CloseNotifyReceived, facts.AlertReceived)
			},
			want: rawEnding{
				Steps:  []string{"client read: SSL", "client read: nothing", "close_notify received: false, alert received: decode_error"},
				Client: rcvd, ServerWire: "alert:decode_error", Session: "full",
			},
		},
	})
}

// TestEOFBeforeHandshake is pyOpenSSL's TestMemoryBIO.test_shutdown: the end of a transport over which
// nothing came is an error, neither a wait nor a clean end.
func TestEOFBeforeHandshake(t *testing.T) {
	for _, proto := range allProtocols {
		for _, side := range []cleartext.Side{cleartext.Client, cleartext.Server} {
			t.Run(proto.name+"/"+side.String(), func(t *testing.T) {
				p := newRawPair(t, proto)
				e := rawEnd{p, side}
				e.eof()
				err := e.ssl().Handshake()
				var failed *openssl.Error
				if !errors.As(err, &failed) || failed.Class != openssl.ClassSSL && failed.Class != openssl.ClassSyscall {
					t.Errorf("Handshake = %v", err)
				}
				if got := e.ssl().GetShutdown(); got != open {
					t.Errorf("mask %v", got)
				}
			})
		}
	}
}

// TestEmptyBuffers is rust-openssl's zero_length_buffers and CPython's test_read_write_zero. libssl
// has no empty write; what it answers must be an answer, and must leave the connection whole.
func TestEmptyBuffers(t *testing.T) {
	for _, proto := range allProtocols {
		t.Run(proto.name, func(t *testing.T) {
			p := newRawPair(t, proto).established()
			for _, empty := range [][]byte{nil, {}} {
				if n, err := p.c.ssl().Write(empty); n != 0 {
					t.Errorf("Write = %d, %v", n, err)
				}
				p.c.after()
				if n, err := p.s.ssl().Read(empty); n != 0 {
					t.Errorf("Read = %d, %v", n, err)
				}
				p.s.after()
			}
			p.c.write("x")
			p.s.read()
			p.c.shutdown()
			p.s.read()
			want := []string{"client write: ok", `server read: "x"`, "client shutdown: 0", "server read: ZERO_RETURN"}
			if diff := cmp.Diff(want, p.steps); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
