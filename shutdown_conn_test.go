package openssl_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/cleartext"
	"github.com/golibssl/openssl/internal/rawpeer"
)

// connEnding is what two Conns and the wire between them show at the end, both closed.
type connEnding struct {
	Steps                  []string
	Client, Server         openssl.ShutdownState
	ClientWire, ServerWire string // what each really sent, as cleartext's Said
	Session                string
}

type connCase struct {
	name      string // origin/case
	protocols []protocol
	options   pairOptions
	do        func(p *connPair) []string
	want      connEnding
	session   map[protocol]string // want.Session where the protocols differ
}

func runConn(t *testing.T, cases []connCase) {
	for _, test := range cases {
		for _, proto := range test.protocols {
			t.Run(test.name+"/"+proto.name, func(t *testing.T) {
				t.Parallel()
				p := newConnPair(t, proto, test.options)
				got := connEnding{Steps: test.do(p)}
				p.client.Close()
				p.server.Close()
				p.ended(cleartext.Client)
				p.ended(cleartext.Server)
				got.Client, got.Server = p.client.GetShutdown(), p.server.GetShutdown()
				got.ClientWire, got.ServerWire = p.wire(cleartext.Client), p.wire(cleartext.Server)
				got.Session = p.resumes()
				want := test.want
				if s, ok := test.session[proto]; ok {
					want.Session = s
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		}
	}
}

// write says what a Write of text gives.
func write(w io.Writer, text string) string {
	n, err := io.WriteString(w, text)
	if err == nil {
		return fmt.Sprintf("wrote %d", n)
	}
	return fmt.Sprintf("wrote %d, %v", n, said(err))
}

// unanswered is Shutdown towards a peer that does not answer, given up when our close_notify has left.
func unanswered(p *connPair, c *openssl.Conn) string {
	p.t.Helper()
	ctx, cancel := context.WithCancel(deadline(p.t))
	defer cancel()
	answer := make(chan error, 1)
	go func() { answer <- c.Shutdown(ctx) }()
	for c.GetShutdown()&openssl.SentShutdown == 0 {
		select {
		case err := <-answer:
			return said(err)
		case <-time.After(time.Millisecond):
		}
	}
	time.Sleep(10 * time.Millisecond) // most likely it waits for the answer now; it must hold either way
	cancel()
	if err := <-answer; !errors.Is(err, context.Canceled) {
		return said(err)
	}
	return "canceled"
}

// soon is a context for what must not come: it ends quickly, and nothing is lost when it ends early. On
// a slow machine it ends before anything was sent.
func soon(p *connPair) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
	p.t.Cleanup(cancel)
	return ctx
}

func shutdown(p *connPair, c *openssl.Conn) string { return said(c.Shutdown(deadline(p.t))) }

func mask(c *openssl.Conn) string { return c.GetShutdown().String() }

const (
	garbage   = "\x17\x03\x03\x00\x20ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
	writeShut = "wrote 0, write after close_notify"
)

// TestConnShutdownElsewhere re-creates on Conn what crypto/tls and the bindings of other languages
// assert of theirs.
func TestConnShutdownElsewhere(t *testing.T) {
	runConn(t, []connCase{
		{
			name: "crypto-tls/TestConnCloseWrite", protocols: allProtocols,
			do: func(p *connPair) []string {
				return []string{
					said(p.client.CloseWrite()), readAll(p.server), said(p.server.CloseWrite()), readAll(p.client),
					write(p.client, "late"), write(p.server, "late"),
				}
			},
			want: connEnding{
				Steps:  []string{"ok", "EOF", "ok", "EOF", writeShut, writeShut},
				Client: both, Server: both, ClientWire: "close_notify", ServerWire: "close_notify", Session: "resumed",
			},
		},
		{
			name: "pyOpenSSL/test_shutdown", protocols: allProtocols,
			do: func(p *connPair) []string {
				return []string{
					said(p.server.CloseWrite()), mask(p.server), readAll(p.client), mask(p.client),
					said(p.client.CloseWrite()), mask(p.client), readAll(p.server), mask(p.server),
				}
			},
			want: connEnding{
				Steps:  []string{"ok", "SENT", "EOF", "RECEIVED", "ok", "SENT|RECEIVED", "EOF", "SENT|RECEIVED"},
				Client: both, Server: both, ClientWire: "close_notify", ServerWire: "close_notify", Session: "resumed",
			},
		},
		{
			name: "pyOpenSSL/test_shutdown_closed", protocols: allProtocols,
			do: func(p *connPair) []string {
				tcp := p.server.NetConn().(*net.TCPConn)
				return []string{said(tcp.CloseRead()), said(tcp.CloseWrite()), shutdown(p, p.server), mask(p.server), readAll(p.client)}
			},
			want:    connEnding{Steps: []string{"ok", "ok", "reset", "open", "unexpected EOF"}, Session: "full"},
			session: map[protocol]string{},
		},
		{
			name: "pyOpenSSL/test_unexpected_EOF", protocols: allProtocols,
			do: func(p *connPair) []string {
				return []string{said(p.client.NetConn().Close()), readAll(p.server), readAll(p.server)}
			},
			want: connEnding{Steps: []string{"ok", "unexpected EOF", "unexpected EOF"}, Session: "full"},
		},
		{
			name: "rust-openssl/shutdown", protocols: allProtocols,
			do: func(p *connPair) []string {
				steps := []string{mask(p.client), said(p.client.CloseWrite()), mask(p.client), readAll(p.server)}
				return append(steps, shutdown(p, p.server), shutdown(p, p.client), mask(p.client))
			},
			want: connEnding{
				Steps:  []string{"open", "ok", "SENT", "EOF", "ok", "ok", "SENT|RECEIVED"},
				Client: both, Server: both, ClientWire: "close_notify", ServerWire: "close_notify", Session: "resumed",
			},
		},
		{
			name: "rust-openssl/zero_length_buffers", protocols: allProtocols,
			do: func(p *connPair) []string {
				n, err := p.client.Read(nil)
				return []string{write(p.client, ""), fmt.Sprint(n, " ", said(err)), write(p.client, "x"), said(p.client.CloseWrite()), readAll(p.server)}
			},
			want: connEnding{
				Steps:  []string{"wrote 0", "0 ok", "wrote 1", "ok", `"x" EOF`},
				Client: sent, Server: both, ClientWire: "data close_notify", ServerWire: "close_notify", Session: "resumed",
			},
		},
		{
			name: "ruby/test_socket_close_write", protocols: allProtocols,
			do: func(p *connPair) []string {
				steps := []string{write(p.client, "message"), said(p.client.CloseWrite()), readAll(p.server)}
				return append(steps, write(p.server, "answer"), said(p.server.Close()), readAll(p.client))
			},
			want: connEnding{
				Steps:  []string{"wrote 7", "ok", `"message" EOF`, "wrote 6", "ok", `"answer" EOF`},
				Client: both, Server: both, ClientWire: "data close_notify", ServerWire: "data close_notify", Session: "resumed",
			},
		},
		{
			name: "ruby/test_sync_close", protocols: allProtocols,
			do: func(p *connPair) []string {
				steps := []string{said(p.client.Close()), said(p.client.Close()), p.ended(cleartext.Client)}
				_, err := p.client.NetConn().Read(make([]byte, 1))
				return append(steps, said(err), readAll(p.server))
			},
			want: connEnding{
				Steps:  []string{"ok", "closed", "EOF", "closed", "EOF"},
				Client: sent, Server: both, ClientWire: "close_notify", ServerWire: "close_notify", Session: "resumed",
			},
		},
		{
			name: "ruby/test_close_after_socket_close", protocols: allProtocols,
			do: func(p *connPair) []string {
				return []string{said(p.client.NetConn().Close()), said(p.client.Close()), readAll(p.server)}
			},
			want: connEnding{Steps: []string{"ok", "ok", "unexpected EOF"}, Session: "full"},
		},
		{
			name: "ruby/test_read_with_timeout", protocols: allProtocols,
			do: func(p *connPair) []string {
				buf := []byte("untouched")
				p.client.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
				n, err := p.client.Read(buf)
				steps := []string{fmt.Sprintf("%d %s %s", n, buf, said(err))}
				p.client.SetReadDeadline(time.Time{})
				return append(steps, write(p.server, "still usable"), said(p.server.CloseWrite()), readAll(p.client))
			},
			want: connEnding{
				Steps:  []string{"0 untouched timeout", "wrote 12", "ok", `"still usable" EOF`},
				Client: both, Server: sent, ClientWire: "close_notify", ServerWire: "data close_notify", Session: "resumed",
			},
		},
		{
			name: "CPython/test_unwrap", protocols: allProtocols,
			do: func(p *connPair) []string {
				server := make(chan string, 1)
				go func() { server <- shutdown(p, p.server) }()
				return []string{shutdown(p, p.client), <-server}
			},
			want: connEnding{
				Steps:  []string{"ok", "ok"},
				Client: both, Server: both, ClientWire: "close_notify", ServerWire: "close_notify", Session: "resumed",
			},
		},
		{
			name: "CPython/test_read_write_after_close", protocols: allProtocols,
			do: func(p *connPair) []string {
				p.client.Close()
				return []string{readAll(p.client), write(p.client, "x"), said(p.client.CloseWrite()), shutdown(p, p.client),
					said(p.client.Handshake()), said(p.client.SetShutdown(both)), said(p.client.SetDeadline(time.Time{}))}
			},
			want: connEnding{
				Steps:  []string{"closed", "wrote 0, closed", "closed", "closed", "closed", "closed", "closed"},
				Client: sent, Server: sent, ClientWire: "close_notify", ServerWire: "close_notify", Session: "resumed",
			},
		},
		{
			name: "suite/Unclean-Shutdown", protocols: allProtocols,
			do: func(p *connPair) []string {
				p.relay.CutAtRecord(rawpeer.ToClient)
				return []string{readAll(p.client), write(p.client, "x"), said(p.client.CloseWrite())}
			},
			want: connEnding{
				Steps:      []string{"unexpected EOF", "wrote 0, unexpected EOF", "unexpected EOF"},
				Server:     sent, // into the void
				ServerWire: "close_notify", Session: "full",
			},
		},
		{
			name: "suite/Unclean-Shutdown-Ignored", protocols: allProtocols,
			options: pairOptions{client: func(c *openssl.Config) { c.IgnoreUnexpectedEOF = true }},
			do: func(p *connPair) []string {
				p.relay.CutAtRecord(rawpeer.ToClient)
				return []string{readAll(p.client), mask(p.client), fmt.Sprint(p.client.End().Truncated), write(p.client, "x")}
			},
			want: connEnding{
				Steps:  []string{"EOF", "open", "true", "wrote 1"},
				Client: sent, Server: sent, ClientWire: "data close_notify", ServerWire: "close_notify", Session: "resumed",
			},
		},
		{
			name: "suite/Unclean-Shutdown-Alert", protocols: allProtocols,
			do: func(p *connPair) []string {
				p.forge(cleartext.Server, decodeError)
				return []string{readAll(p.client), readAll(p.client), write(p.client, "x")}
			},
			want: connEnding{
				Steps: []string{"alert from the peer: decode_error", "alert from the peer: decode_error",
					"wrote 0, alert from the peer: decode_error"},
				Server: sent, ServerWire: "close_notify", Session: "full",
			},
		},
	})
}

// TestConnShutdownByteByByte is the suite's Shutdown-Runner, Shutdown-Shim and their variants with
// every byte on its own.
func TestConnShutdownByteByByte(t *testing.T) {
	chunked := func(do func(p *connPair) []string) func(p *connPair) []string {
		return func(p *connPair) []string {
			p.relay.Chunk(rawpeer.ToClient, 1)
			p.relay.Chunk(rawpeer.ToServer, 1)
			return do(p)
		}
	}
	runConn(t, []connCase{
		{
			name: "suite/Shutdown-Runner", protocols: allProtocols,
			do: chunked(func(p *connPair) []string {
				return []string{write(p.server, "hello"), said(p.server.CloseWrite()), readAll(p.client), said(p.client.CloseWrite()), readAll(p.server)}
			}),
			want: connEnding{
				Steps:  []string{"wrote 5", "ok", `"hello" EOF`, "ok", "EOF"},
				Client: both, Server: both, ClientWire: "close_notify", ServerWire: "data close_notify", Session: "resumed",
			},
		},
		{
			name: "suite/Shutdown-Shim", protocols: allProtocols,
			do: chunked(func(p *connPair) []string {
				server := make(chan string, 1)
				go func() { server <- readAll(p.server) + ", " + said(p.server.CloseWrite()) }()
				return []string{shutdown(p, p.client), <-server}
			}),
			want: connEnding{
				Steps:  []string{"ok", "EOF, ok"},
				Client: both, Server: both, ClientWire: "close_notify", ServerWire: "close_notify", Session: "resumed",
			},
		},
		{
			name: "suite/Shutdown-Shim-ApplicationData", protocols: allProtocols,
			do: chunked(func(p *connPair) []string {
				steps := []string{write(p.server, "unread"), shutdown(p, p.client), said(p.server.CloseWrite()), readAll(p.client)}
				return append(steps, shutdown(p, p.client))
			}),
			want: connEnding{
				Steps:  []string{"wrote 6", "6 bytes unread", "ok", `"unread" EOF`, "ok"},
				Client: both, Server: sent, ClientWire: "close_notify", ServerWire: "data close_notify", Session: "resumed",
			},
		},
		{
			name: "suite/Shutdown-Shim-KeyUpdate", protocols: tls13,
			do: chunked(func(p *connPair) []string {
				steps := []string{said(p.client.CloseWrite()), readAll(p.server)}
				p.forge(cleartext.Server, keyUpdateBack, keyUpdate, closeNotify)
				return append(steps, shutdown(p, p.client))
			}),
			want: connEnding{
				Steps:  []string{"ok", "EOF", "ok"},
				Client: both, Server: both,
				ClientWire: "close_notify", // no KeyUpdate behind it
				ServerWire: "close_notify", Session: "resumed",
			},
		},
		{
			// A KeyUpdate in two records; a second SSL_shutdown in its middle would be "while in init".
			name: "suite/Shutdown-Shim-KeyUpdate split", protocols: tls13,
			do: chunked(func(p *connPair) []string {
				steps := []string{said(p.client.CloseWrite())}
				p.forge(cleartext.Server, forged{handshakeRecord, "\x18\x00"}, forged{handshakeRecord, "\x00\x01\x00"})
				ctx := soon(p)
				err := p.client.Shutdown(ctx)
				return append(steps, fmt.Sprint(errors.Is(err, context.DeadlineExceeded)), mask(p.client))
			}),
			want: connEnding{
				Steps:  []string{"ok", "true", "SENT"},
				Client: sent, Server: sent, ClientWire: "close_notify", ServerWire: "close_notify", Session: "resumed",
			},
		},
	})
}
