package openssl_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/cleartext"
	"github.com/golibssl/openssl/internal/rawpeer"
)

// TestConnShutdownS2N is s2n_shutdown_test.c on Conn: s2n_shutdown is Shutdown, s2n_shutdown_send is
// CloseWrite. Left out are its cases of kernel TLS, which Conn has none of, of QUIC, and of a
// connection that was wiped for another use.
func TestConnShutdownS2N(t *testing.T) {
	discards := pairOptions{client: func(c *openssl.Config) { c.ShutdownDiscard = 1 << 10 },
		server: func(c *openssl.Config) { c.ShutdownDiscard = 1 << 10 }}
	runConn(t, []connCase{
		{
			name: "s2n/reader alert already queued", protocols: allProtocols,
			do: func(p *connPair) []string {
				p.relay.Inject(rawpeer.ToClient, []byte(garbage))
				return []string{readAll(p.client), shutdown(p, p.client), said(p.client.CloseWrite()), said(p.client.Close()), readAll(p.server)}
			},
			want: connEnding{
				Steps: []string{"alert sent: bad_record_mac", "alert sent: bad_record_mac", "alert sent: bad_record_mac", "ok",
					"alert from the peer: bad_record_mac"},
				ClientWire: "alert:bad_record_mac", Session: "full",
			},
		},
		{
			name: "s2n/a warning alert was sent", protocols: tls12,
			do: func(p *connPair) []string {
				p.forge(cleartext.Server, helloRequest, data("x"), closeNotify)
				return []string{readAll(p.client), shutdown(p, p.client), mask(p.client)}
			},
			want: connEnding{
				Steps:  []string{`"x" EOF`, "ok", "SENT|RECEIVED"},
				Client: both, Server: sent,
				ClientWire: "warning:no_renegotiation close_notify", ServerWire: "close_notify", Session: "resumed",
			},
		},
		{
			name: "s2n/error alert already received", protocols: allProtocols,
			do: func(p *connPair) []string {
				p.forge(cleartext.Server, internalError)
				steps := []string{readAll(p.client)}
				for range 3 {
					steps = append(steps, shutdown(p, p.client))
				}
				p.client.Close()
				return append(steps, readAll(p.server))
			},
			want: connEnding{
				Steps: []string{"alert from the peer: internal_error", "alert from the peer: internal_error",
					"alert from the peer: internal_error", "alert from the peer: internal_error", "unexpected EOF"},
				Session: "full",
			},
		},
		{
			name: "s2n/await close_notify", protocols: allProtocols,
			do: func(p *connPair) []string {
				steps := []string{unanswered(p, p.client), mask(p.client), readAll(p.server)}
				return append(steps, write(p.server, "still read"), said(p.server.CloseWrite()), readAll(p.client))
			},
			want: connEnding{
				Steps:  []string{"canceled", "SENT", "EOF", "wrote 10", "ok", `"still read" EOF`},
				Client: both, Server: both, ClientWire: "close_notify", ServerWire: "data close_notify", Session: "resumed",
			},
		},
		{
			// Nothing passes to the client any more: only what came before can be what Shutdown sees.
			name: "s2n/do not await a close_notify that came", protocols: allProtocols,
			do: func(p *connPair) []string {
				steps := []string{said(p.server.CloseWrite()), readAll(p.client)}
				p.relay.Hold(rawpeer.ToClient)
				return append(steps, shutdown(p, p.client), mask(p.client), shutdown(p, p.client))
			},
			want: connEnding{
				Steps:  []string{"ok", "EOF", "ok", "SENT|RECEIVED", "ok"},
				Client: both, Server: sent, ClientWire: "close_notify", ServerWire: "close_notify", Session: "resumed",
			},
		},
		{
			name: "s2n/alert received after close_notify was sent", protocols: allProtocols,
			do: func(p *connPair) []string {
				steps := []string{said(p.client.CloseWrite())}
				p.forge(cleartext.Server, internalError)
				for range 3 {
					steps = append(steps, shutdown(p, p.client))
				}
				return append(steps, mask(p.client))
			},
			want: connEnding{
				Steps: []string{"ok", "alert from the peer: internal_error", "alert from the peer: internal_error",
					"alert from the peer: internal_error", "SENT"},
				Client: sent, Server: sent, ClientWire: "close_notify", ServerWire: "close_notify", Session: "full",
			},
		},
		{
			name: "s2n/data received after close_notify was sent", protocols: allProtocols, options: discards,
			do: func(p *connPair) []string {
				steps := []string{said(p.client.CloseWrite()), write(p.server, "ignored"), said(p.server.CloseWrite())}
				return append(steps, shutdown(p, p.client), mask(p.client))
			},
			want: connEnding{
				Steps:  []string{"ok", "wrote 7", "ok", "ok", "SENT|RECEIVED"},
				Client: both, Server: sent, ClientWire: "close_notify", ServerWire: "data close_notify", Session: "resumed",
			},
		},
		{
			name: "s2n/aggressive socket close", protocols: allProtocols,
			do: func(p *connPair) []string {
				steps := []string{unanswered(p, p.client), shutdown(p, p.server), said(p.server.Close())}
				return append(steps, shutdown(p, p.client), said(p.client.Close()))
			},
			want: connEnding{
				Steps:  []string{"canceled", "ok", "ok", "ok", "ok"},
				Client: both, Server: both, ClientWire: "close_notify", ServerWire: "close_notify", Session: "resumed",
			},
		},
		{
			// Half close alone reads nothing: what comes stays.
			name: "s2n/half close", protocols: allProtocols,
			do: func(p *connPair) []string {
				steps := []string{write(p.server, "unread")}
				for range 5 {
					steps = append(steps, said(p.client.CloseWrite()))
				}
				return append(steps, write(p.client, "late"), mask(p.client), said(p.server.CloseWrite()), readAll(p.client))
			},
			want: connEnding{
				Steps:  []string{"wrote 6", "ok", "ok", "ok", "ok", "ok", writeShut, "SENT", "ok", `"unread" EOF`},
				Client: both, Server: sent, ClientWire: "close_notify", ServerWire: "data close_notify", Session: "resumed",
			},
		},
		{
			name: "s2n/half close then full close", protocols: allProtocols,
			do: func(p *connPair) []string {
				steps := []string{said(p.client.CloseWrite())}
				for range 3 {
					err := p.client.Shutdown(soon(p))
					steps = append(steps, fmt.Sprint(errors.Is(err, context.DeadlineExceeded)))
				}
				steps = append(steps, said(p.server.CloseWrite()))
				for range 3 {
					steps = append(steps, shutdown(p, p.client))
				}
				return steps
			},
			want: connEnding{
				Steps:  []string{"ok", "true", "true", "true", "ok", "ok", "ok", "ok"},
				Client: both, Server: sent, ClientWire: "close_notify", ServerWire: "close_notify", Session: "resumed",
			},
		},
		{
			// No alert follows close_notify, and our end was clean: as libssl, the session is kept.
			name: "s2n/half close, local alert, full close", protocols: allProtocols,
			do: func(p *connPair) []string {
				steps := []string{said(p.client.CloseWrite())}
				p.relay.Inject(rawpeer.ToClient, []byte(garbage))
				err := p.client.Shutdown(deadline(p.t))
				var failed *openssl.Error
				steps = append(steps, fmt.Sprint(errors.As(err, &failed) && failed.Class == openssl.ClassSSL),
					fmt.Sprint(errors.Is(p.client.Shutdown(deadline(p.t)), err)))
				return append(steps, mask(p.client), readAll(p.server))
			},
			want: connEnding{
				Steps:  []string{"ok", "true", "true", "SENT", "EOF"},
				Client: sent, Server: both, ClientWire: "close_notify", ServerWire: "close_notify", Session: "resumed",
			},
		},
		{
			name: "s2n/half close, peer alert, full close", protocols: allProtocols,
			do: func(p *connPair) []string {
				steps := []string{said(p.client.CloseWrite())}
				p.forge(cleartext.Server, internalError)
				return append(steps, readAll(p.client), shutdown(p, p.client), said(p.client.Close()))
			},
			want: connEnding{
				Steps:  []string{"ok", "alert from the peer: internal_error", "alert from the peer: internal_error", "ok"},
				Client: sent, Server: sent, ClientWire: "close_notify", ServerWire: "close_notify", Session: "full",
			},
		},
		{
			// Both ends have data of the other's unread when they close.
			name: "s2n/skip data while waiting for close_notify", protocols: allProtocols, options: discards,
			do: func(p *connPair) []string {
				for range 5 {
					write(p.client, "hello world")
					write(p.server, "hello world")
				}
				server := make(chan string, 1)
				go func() { server <- shutdown(p, p.server) }()
				return []string{shutdown(p, p.client), <-server}
			},
			want: connEnding{
				Steps:  []string{"ok", "ok"},
				Client: both, Server: both, ClientWire: "data close_notify", ServerWire: "data close_notify", Session: "resumed",
			},
		},
		{
			// Half an alert is none.
			name: "s2n/partial alert record", protocols: allProtocols,
			do: func(p *connPair) []string {
				p.relay.CutInRecord(rawpeer.ToClient, 7)
				return []string{said(p.server.CloseWrite()), readAll(p.client), mask(p.client), mask(p.server)}
			},
			want: connEnding{
				Steps:  []string{"ok", "unexpected EOF", "open", "SENT"},
				Server: sent, ServerWire: "close_notify", Session: "full",
			},
		},
		{
			name: "s2n/alert of one byte", protocols: allProtocols,
			do: func(p *connPair) []string {
				p.forge(cleartext.Server, forged{alertRecord, "\x01"})
				return []string{readAll(p.client), readAll(p.client), readAll(p.server)}
			},
			want: connEnding{
				Steps: []string{"alert sent: unexpected_message", "alert sent: unexpected_message",
					"alert from the peer: unexpected_message"},
				ClientWire: "alert:unexpected_message", Session: "full",
			},
		},
		{
			name: "s2n/socket closed hard", protocols: allProtocols,
			do: func(p *connPair) []string {
				p.relay.Reset(rawpeer.ToClient)
				return []string{readAll(p.client), readAll(p.client), mask(p.client)}
			},
			want: connEnding{
				Steps: []string{"reset", "reset", "open"},
				// The server's own close is clean.
				Server: sent, ServerWire: "close_notify", Session: "full",
			},
		},
	})
}

// TestShutdownBlockedOnWrite is s2n's "handles blocking IO", over a transport that takes nothing
// until it is read.
func TestShutdownBlockedOnWrite(t *testing.T) {
	for _, proto := range eachVersion {
		t.Run(proto.name, func(t *testing.T) {
			a, b := net.Pipe()
			p := &connPair{t: t}
			c := clientOver(t, a, newCtx(t, clientConfig(proto.version)))
			s := serverOver(t, b, newCtx(t, serverConfig(t, proto.version)))
			mustShake(t, c, s)
			says(t, s, c, "w")
			var steps []string
			for range 5 {
				c.SetWriteDeadline(time.Now().Add(5 * time.Millisecond))
				steps = append(steps, said(c.CloseWrite()))
				c.SetWriteDeadline(time.Time{})
				err := c.Shutdown(soon(p))
				steps = append(steps, fmt.Sprint(errors.Is(err, context.DeadlineExceeded)), mask(c))
			}
			got := make(chan string, 1)
			go func() { got <- readAll(s) }()
			steps = append(steps, said(c.CloseWrite()), mask(c), <-got)
			var want []string
			for range 5 {
				want = append(want, "timeout", "true", "open")
			}
			want = append(want, "ok", "SENT", "EOF")
			if diff := cmp.Diff(want, steps); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestShutdownBeforeHandshake is s2n's "handshake not complete", crypto/tls's CloseWrite before the
// handshake and Ruby's test_sync_close_without_connect.
func TestShutdownBeforeHandshake(t *testing.T) {
	for _, proto := range allProtocols {
		t.Run(proto.name, func(t *testing.T) {
			p := unshakenPair(t, proto, pairOptions{})
			got := []string{said(p.client.CloseWrite()), shutdown(p, p.client), said(p.client.SetShutdown(sent)), mask(p.client),
				said(p.client.Close()), p.ended(cleartext.Client), said(p.client.Handshake())}
			not := openssl.ErrNotEstablished.Error()
			if diff := cmp.Diff([]string{not, not, not, "open", "ok", "EOF", "closed"}, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if n := len(p.relay.Seen(rawpeer.ToServer)); n != 0 {
				t.Errorf("%d bytes were sent", n)
			}
			if got := said(p.server.HandshakeContext(deadline(t))); got != "unexpected EOF" {
				t.Errorf("the server's handshake: %v", got)
			}
		})
	}
}
