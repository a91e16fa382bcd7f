package openssl_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/cleartext"
)

// TestWarningAlertFlood is crypto/tls's: warnings without end are fatal. TLS 1.3 has no warnings but
// user_canceled.
func TestWarningAlertFlood(t *testing.T) {
	for _, proto := range allProtocols {
		t.Run(proto.name, func(t *testing.T) {
			p := newConnPair(t, proto, pairOptions{})
			flood := []forged{data("x")}
			for range 20 {
				flood = append(flood, userCanceled)
			}
			p.forge(cleartext.Server, append(flood, data("y"), closeNotify)...)
			if got := readAll(p.client); got != `"x" alert sent: unexpected_message` {
				t.Errorf("read %v", got)
			}
			p.client.Close()
			if got := readAll(p.server); got != "alert from the peer: unexpected_message" {
				t.Errorf("the peer read %v", got)
			}
		})
	}
}

// TestWriteToClosed is pyOpenSSL's TestConnectionSendall.test_closed: a peer that is gone is an error
// of the transport, soon, and no panic or signal.
func TestWriteToClosed(t *testing.T) {
	for _, version := range bothVersions {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			c, s := connected(t, newCtx(t, clientConfig(version)), newCtx(t, serverConfig(t, version)))
			s.NetConn().Close()
			c.SetDeadline(time.Now().Add(testTime))
			var err error
			for err == nil {
				_, err = c.Write([]byte("hello"))
			}
			if got := said(err); got != "reset" || asError(t, err).Origin != openssl.FromTransport {
				t.Errorf("Write = %v", err)
			}
			if _, again := c.Write([]byte("hello")); again != err {
				t.Errorf("Write again = %v, first %v", again, err)
			}
		})
	}
}

// TestRudeShutdown is CPython's: the server accepts the connection and is gone.
func TestRudeShutdown(t *testing.T) {
	for _, version := range bothVersions {
		for _, reset := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/reset %v", tls.VersionName(version), reset), func(t *testing.T) {
				a, b := tcpEnds(t)
				c := clientOver(t, a, newCtx(t, clientConfig(version)))
				if reset {
					b.SetLinger(0)
				}
				done := make(chan error, 1)
				go func() { done <- c.HandshakeContext(deadline(t)) }()
				if _, err := b.Read(make([]byte, 1)); err != nil {
					t.Fatal(err)
				}
				b.Close()
				if got := said(<-done); got != "unexpected EOF" && got != "reset" {
					t.Errorf("Handshake = %v", got)
				}
			})
		}
	}
}

// TestPreauthData is CPython's test_preauth_data_to_tls_server and _client (CVE-2023-40217): what came
// in the clear is never read as if it came from a peer.
func TestPreauthData(t *testing.T) {
	const request = "DELETE /data HTTP/1.0\r\n\r\n"
	for _, version := range bothVersions {
		for _, side := range []string{"server", "client"} {
			for _, gone := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/to the %s/and is gone %v", tls.VersionName(version), side, gone), func(t *testing.T) {
					a, b := tcpEnds(t)
					var c *openssl.Conn
					if side == "client" {
						c = clientOver(t, a, newCtx(t, clientConfig(version)))
					} else {
						c = serverOver(t, a, newCtx(t, serverConfig(t, version)))
					}
					if _, err := b.Write([]byte(request)); err != nil {
						t.Fatal(err)
					}
					if gone {
						b.Close()
					}
					c.SetDeadline(time.Now().Add(testTime))
					buf := make([]byte, 100)
					for range 3 {
						n, err := c.Read(buf)
						if n != 0 || err == nil || errors.Is(err, io.EOF) {
							t.Errorf("Read = %q, %v", buf[:n], err)
						}
					}
					if err := c.Handshake(); err == nil {
						t.Error("the handshake is made")
					}
				})
			}
		}
	}
}

// TestParallel is Ruby's test_parallel: ten connections of one Ctx, many lines each.
func TestParallel(t *testing.T) {
	for _, version := range bothVersions {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			cctx, sctx := newCtx(t, clientConfig(version)), newCtx(t, serverConfig(t, version))
			var wg sync.WaitGroup
			results := make([]string, 10)
			for i := range results {
				c, s := ends(t, cctx, sctx)
				wg.Go(func() {
					io.Copy(s, s)
					s.Close()
				})
				wg.Go(func() {
					c.SetDeadline(time.Now().Add(testTime))
					line := strings.Repeat("x", i*100+1)
					buf := make([]byte, len(line))
					for range 100 {
						if _, err := io.WriteString(c, line); err != nil {
							results[i] = said(err)
							return
						}
						if _, err := io.ReadFull(c, buf); err != nil || string(buf) != line {
							results[i] = said(err)
							return
						}
					}
					results[i] = said(c.CloseWrite()) + " " + readAll(c)
				})
			}
			wg.Wait()
			for i, got := range results {
				if got != "ok EOF" {
					t.Errorf("connection %d: %v", i, got)
				}
			}
		})
	}
}

// TestTransportOfAnyKind: Conn wants a net.Conn and nothing else of its transport.
func TestTransportOfAnyKind(t *testing.T) {
	type bare struct{ net.Conn } // hides CloseWrite, and the socket
	for _, version := range bothVersions {
		for _, kind := range []string{"tcp", "tcp behind an interface", "unix", "pipe", "a Conn"} {
			t.Run(tls.VersionName(version)+"/"+kind, func(t *testing.T) {
				var a, b net.Conn
				switch kind {
				case "tcp":
					a, b = tcpEnds(t)
				case "tcp behind an interface":
					x, y := tcpEnds(t)
					a, b = bare{x}, bare{y}
				case "unix":
					a, b = unixEnds(t)
				case "pipe":
					a, b = net.Pipe()
				case "a Conn":
					x, y := connected(t, newCtx(t, clientConfig(version)), newCtx(t, serverConfig(t, version)))
					a, b = x, y
				}
				c := clientOver(t, a, newCtx(t, clientConfig(version)))
				s := serverOver(t, b, newCtx(t, serverConfig(t, version)))
				mustShake(t, c, s)
				says(t, c, s, "hello")
				says(t, s, c, "hello")
				server := make(chan string, 1)
				go func() { server <- readAll(s) + " " + said(s.Close()) }()
				got := []string{said(c.CloseWrite()), readAll(c), said(c.Close()), <-server}
				if diff := cmp.Diff([]string{"ok", "EOF", "ok", "EOF ok"}, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		}
	}
}

func unixEnds(t *testing.T) (client, server net.Conn) {
	t.Helper()
	l, err := net.Listen("unix", t.TempDir()+"/s")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if client, err = net.Dial("unix", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	return client, server
}
