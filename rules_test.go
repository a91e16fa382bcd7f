package openssl_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/cleartext"
	"github.com/golibssl/openssl/internal/rawpeer"
)

// The tests named TestRule… are the rules of design: what the end of a connection is.

// TestRule01TruncationIsNoEOF: io.EOF stands for a close_notify and for nothing else.
func TestRule01TruncationIsNoEOF(t *testing.T) {
	cuts := []struct {
		name string
		cut  func(r *rawpeer.Relay)
	}{
		{"at a record boundary, before data", func(r *rawpeer.Relay) { r.CutAtRecord(rawpeer.ToClient) }},
		{"in a record's header", func(r *rawpeer.Relay) { r.CutInRecord(rawpeer.ToClient, 3) }},
		{"behind a record's header", func(r *rawpeer.Relay) { r.CutInRecord(rawpeer.ToClient, 5) }},
		{"in a record's body", func(r *rawpeer.Relay) { r.CutInRecord(rawpeer.ToClient, 20) }},
		{"a byte before the record's end", func(r *rawpeer.Relay) { r.CutInRecord(rawpeer.ToClient, 1<<20) }},
	}
	for _, proto := range eachVersion {
		for _, pipe := range []bool{false, true} {
			for _, ignore := range []bool{false, true} {
				for _, test := range cuts {
					t.Run(fmt.Sprintf("%s/pipe %v/ignored %v/%s", proto.name, pipe, ignore, test.name), func(t *testing.T) {
						t.Parallel()
						p := newConnPair(t, proto, pairOptions{pipe: pipe,
							client: func(c *openssl.Config) { c.IgnoreUnexpectedEOF = ignore }})
						says(t, p.server, p.client, "whole")
						test.cut(p.relay)
						go p.server.Write([]byte("cut off"))
						buf := make([]byte, 100)
						for range 3 {
							n, err := p.client.Read(buf)
							if ignore {
								if n != 0 || err != io.EOF {
									t.Errorf("Read = %d, %v with IgnoreUnexpectedEOF", n, err)
								}
								continue
							}
							if n != 0 || !errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
								t.Errorf("Read = %d, %v", n, err)
							}
							if e := asError(t, err); e.Origin != openssl.FromTransport || e.Timeout() {
								t.Errorf("origin %v, timeout %v", e.Origin, e.Timeout())
							}
						}
						end := p.client.End()
						if !end.Truncated || end.Received || (end.Err == nil) != ignore {
							t.Errorf("End %v, first error %v", end, end.Err)
						}
						if got := p.client.GetShutdown(); got != open {
							t.Errorf("mask %v", got)
						}
					})
				}
			}
		}
	}
}

// TestRule01InTheHandshake: neither there.
func TestRule01InTheHandshake(t *testing.T) {
	for _, proto := range eachVersion {
		for _, side := range []cleartext.Side{cleartext.Client, cleartext.Server} {
			for _, n := range []int{0, 3, 50} {
				t.Run(fmt.Sprintf("%s/%v/%d bytes", proto.name, side, n), func(t *testing.T) {
					t.Parallel()
					p := unshakenPair(t, proto, pairOptions{})
					p.relay.CutAfter(1-direction(side), n)
					reader, other := p.client, p.server
					if side == cleartext.Server {
						reader, other = p.server, p.client
					}
					go other.HandshakeContext(deadline(t))
					for range 2 {
						if _, err := reader.Read(make([]byte, 1)); !errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
							t.Errorf("Read = %v", err)
						}
					}
					if err := reader.Handshake(); !errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
						t.Errorf("Handshake = %v", err)
					}
				})
			}
		}
	}
}

// oddTransport answers with errors of its own.
type oddTransport struct {
	net.Conn
	mu              sync.Mutex
	onRead, onWrite func() (error, bool)
}

func (o *oddTransport) set(onRead, onWrite func() (error, bool)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.onRead, o.onWrite = onRead, onWrite
}

func (o *oddTransport) Read(p []byte) (int, error) {
	o.mu.Lock()
	f := o.onRead
	o.mu.Unlock()
	if f != nil {
		if err, now := f(); now {
			return 0, err
		}
	}
	return o.Conn.Read(p)
}

func (o *oddTransport) Write(p []byte) (int, error) {
	o.mu.Lock()
	f := o.onWrite
	o.mu.Unlock()
	if f != nil {
		if err, now := f(); now {
			return 0, err
		}
	}
	return o.Conn.Write(p)
}

// TestRule01WrappedEOF: what a transport or a hook answers in its own words is not taken for an end.
func TestRule01WrappedEOF(t *testing.T) {
	wrapped := fmt.Errorf("tunnel: %w", io.EOF)
	always := func() (error, bool) { return wrapped, true }
	for _, version := range bothVersions {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			a, b := tcpEnds(t)
			odd := &oddTransport{Conn: a}
			c := clientOver(t, odd, newCtx(t, clientConfig(version)))
			s := serverOver(t, b, newCtx(t, serverConfig(t, version)))
			mustShake(t, c, s)
			odd.set(always, always)
			if _, err := c.Write([]byte("x")); err == nil || errors.Is(err, io.EOF) {
				t.Errorf("Write = %v", err)
			}
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
				t.Errorf("Read = %v", err)
			}

			cfg := clientConfig(version)
			cfg.VerifyConnection = func(tls.ConnectionState) error { return io.EOF }
			c2, s2 := ends(t, newCtx(t, cfg), newCtx(t, serverConfig(t, version)))
			go s2.HandshakeContext(deadline(t))
			if _, err := c2.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
				t.Errorf("Read behind a hook's io.EOF = %v", err)
			}
		})
	}
}

// TestRule02FirstFatalErrorStays: every call answers it for ever, whatever comes behind it.
func TestRule02FirstFatalErrorStays(t *testing.T) {
	for _, test := range []struct {
		name string
		hurt func(p *connPair)
		want string
	}{
		{"fatal alert, then close_notify", func(p *connPair) { p.forge(cleartext.Server, internalError, closeNotify) },
			"alert from the peer: internal_error"},
		{"damaged record, then close_notify", func(p *connPair) {
			bad := p.sealed(cleartext.Server, data("x"), closeNotify)
			bad[8] ^= 1
			p.relay.Inject(rawpeer.ToClient, bad)
		}, "alert sent: bad_record_mac"},
		{"truncation", func(p *connPair) { p.relay.CutAtRecord(rawpeer.ToClient) }, "unexpected EOF"},
		{"no TLS", func(p *connPair) { p.relay.Inject(rawpeer.ToClient, []byte("HTTP/1.0 400 Bad Request\r\n\r\n")) }, ""},
	} {
		for _, proto := range eachVersion {
			t.Run(test.name+"/"+proto.name, func(t *testing.T) {
				t.Parallel()
				p := newConnPair(t, proto, pairOptions{})
				test.hurt(p)
				_, first := p.client.Read(make([]byte, 10))
				if got := said(first); test.want != "" && got != test.want || first == nil || errors.Is(first, io.EOF) {
					t.Fatalf("Read = %v, want %v", got, test.want)
				}
				_, read := p.client.Read(make([]byte, 10))
				_, wrote := p.client.Write([]byte("x"))
				for what, err := range map[string]error{"Read": read, "Write": wrote, "CloseWrite": p.client.CloseWrite(),
					"Shutdown": p.client.Shutdown(deadline(t)), "End().Err": p.client.End().Err} {
					if err != first {
						t.Errorf("%s = %v, first %v", what, err, first)
					}
				}
			})
		}
	}
}

// gate lets bytes through when it is told to, one Write one byte.
type gate struct {
	net.Conn
	pass chan struct{} // nil: all pass
	mu   sync.Mutex
}

func (g *gate) close() chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pass = make(chan struct{})
	return g.pass
}

func (g *gate) Write(p []byte) (int, error) {
	g.mu.Lock()
	pass := g.pass
	g.mu.Unlock()
	if pass == nil {
		return g.Conn.Write(p)
	}
	for i := range p {
		<-pass
		if n, err := g.Conn.Write(p[i : i+1]); err != nil {
			return i + n, err
		}
	}
	return len(p), nil
}

// TestRule03SentMeansLeft: SENT stands when the last byte of the close_notify has left, not when it
// was tried.
func TestRule03SentMeansLeft(t *testing.T) {
	for _, version := range bothVersions {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			a, b := tcpEnds(t)
			g := &gate{Conn: a}
			c := clientOver(t, g, newCtx(t, clientConfig(version)))
			s := serverOver(t, b, newCtx(t, serverConfig(t, version)))
			mustShake(t, c, s)
			pass := g.close()
			done := make(chan error, 1)
			go func() { done <- c.CloseWrite() }()
			const more = 23 // bytes of close_notify less one, in TLS 1.3; TLS 1.2 has more
			for range more {
				pass <- struct{}{}
				if got := c.GetShutdown(); got != open || c.End().Sent {
					t.Fatalf("mask %v before the last byte, End %v", got, c.End())
				}
			}
			close(pass)
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			if got := c.GetShutdown(); got != sent || !c.End().Sent {
				t.Errorf("mask %v, End %v", got, c.End())
			}
			if got := readAll(s); got != "EOF" {
				t.Errorf("the server read %v", got)
			}
		})
	}
}

// TestRule06NoShutdownWhereItIsWrong: Close in the handshake, after a fatal error and behind a failed
// write puts no close_notify on the wire.
func TestRule06NoShutdownWhereItIsWrong(t *testing.T) {
	for _, proto := range eachVersion {
		t.Run(proto.name+"/in the handshake", func(t *testing.T) {
			p := unshakenPair(t, proto, pairOptions{})
			p.relay.Hold(rawpeer.ToServer)
			done := make(chan error, 1)
			go func() { done <- p.client.Handshake() }()
			if err := p.relay.WaitRecords(deadline(t), rawpeer.ToServer, 1); err != nil {
				t.Fatal(err)
			}
			if got := said(p.client.Close()); got != "ok" {
				t.Errorf("Close = %v", got)
			}
			if got := said(<-done); got != "closed" {
				t.Errorf("Handshake = %v", got)
			}
			p.ended(cleartext.Client)
			records, tail, err := p.relay.Records(rawpeer.ToServer)
			if len(records) != 1 || len(tail) != 0 || err != nil || records[0].Type != handshakeRecord {
				t.Errorf("sent %v, %d bytes, %v; want the ClientHello alone", records, len(tail), err)
			}
		})
		t.Run(proto.name+"/behind a failed write", func(t *testing.T) {
			a, b := tcpEnds(t)
			odd := &oddTransport{Conn: a}
			c := clientOver(t, odd, newCtx(t, clientConfig(proto.version)))
			s := serverOver(t, b, newCtx(t, serverConfig(t, proto.version)))
			mustShake(t, c, s)
			says(t, s, c, "w") // no ticket is left unread: it would make a reset of the end
			failed := errors.New("the tunnel is gone")
			once := 0
			odd.set(nil, func() (error, bool) { once++; return failed, once == 1 })
			if _, err := c.Write([]byte("lost")); !errors.Is(err, failed) {
				t.Errorf("Write = %v", err)
			}
			if err := c.CloseWrite(); !errors.Is(err, failed) {
				t.Errorf("CloseWrite = %v", err)
			}
			c.Close()
			if got := readAll(s); got != "unexpected EOF" {
				t.Errorf("the server read %v", got)
			}
			if got := c.GetShutdown(); got != open {
				t.Errorf("mask %v", got)
			}
		})
	}
}

// TestRule07SetShutdown takes 0 to 3, after the handshake, and nothing back that was real.
func TestRule07SetShutdown(t *testing.T) {
	for _, proto := range eachVersion {
		t.Run(proto.name+"/values", func(t *testing.T) {
			p := newConnPair(t, proto, pairOptions{})
			for _, bad := range []openssl.ShutdownState{4, 7, 8, 256, -1, -2, 1 << 40} {
				if err := p.client.SetShutdown(bad); !errors.Is(err, openssl.ErrShutdownState) {
					t.Errorf("SetShutdown(%d) = %v", int(bad), err)
				}
			}
			if got := p.client.GetShutdown(); got != open {
				t.Errorf("mask %v", got)
			}
			for _, state := range []openssl.ShutdownState{sent, rcvd, both, open} {
				if err := p.client.SetShutdown(state); err != nil || p.client.GetShutdown() != state {
					t.Errorf("SetShutdown(%v) = %v, then %v", state, err, p.client.GetShutdown())
				}
				wantWrite, wantRead := "wrote 0", "0 ok"
				if state&sent != 0 {
					wantWrite = writeShut
				}
				if state&rcvd != 0 {
					wantRead = "0 " + openssl.ErrForcedState.Error()
				}
				n, err := p.client.Read(nil)
				if diff := cmp.Diff([]string{wantWrite, wantRead}, []string{write(p.client, ""), fmt.Sprint(n, " ", said(err))}); diff != "" {
					t.Errorf("after SetShutdown(%v) (-want +got):\n%s", state, diff)
				}
			}
			says(t, p.client, p.server, "open again")
			says(t, p.server, p.client, "both ways")
			if got := p.wire(cleartext.Client); got != "data" {
				t.Errorf("the client sent %v", got)
			}
		})
		t.Run(proto.name+"/not what was real", func(t *testing.T) {
			p := newConnPair(t, proto, pairOptions{})
			steps := []string{said(p.client.CloseWrite()), said(p.client.SetShutdown(open)), said(p.client.SetShutdown(rcvd)),
				said(p.client.SetShutdown(sent)), said(p.server.CloseWrite()), readAll(p.client), said(p.client.SetShutdown(sent)),
				said(p.client.SetShutdown(both)), mask(p.client), fmt.Sprint(p.client.End().Forced)}
			back := openssl.ErrCannotReopen.Error()
			if diff := cmp.Diff([]string{"ok", back, back, "ok", "ok", "EOF", back, "ok", "SENT|RECEIVED", "open"}, steps); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
		t.Run(proto.name+"/SENT sends nothing", func(t *testing.T) {
			p := newConnPair(t, proto, pairOptions{})
			forced := openssl.ErrForcedState.Error()
			steps := []string{said(p.client.SetShutdown(sent)), said(p.client.CloseWrite()), shutdown(p, p.client),
				said(p.client.Close()), readAll(p.server), mask(p.client), fmt.Sprint(p.client.End().Sent), p.wire(cleartext.Client)}
			if diff := cmp.Diff([]string{"ok", forced, forced, "ok", "unexpected EOF", "SENT", "false", ""}, steps); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestRule09ClearDrains: Clear leaves nothing of the old connection in the queues.
func TestRule09ClearDrains(t *testing.T) {
	for _, proto := range allProtocols {
		t.Run(proto.name, func(t *testing.T) {
			p := newRawPair(t, proto).established()
			p.c.shutdown()
			p.s.shutdown()
			p.s.send([]byte(garbage)) // stale, unread by the client
			p.c.eof()
			for _, e := range []rawEnd{p.c, p.s} {
				p.must(e.ssl().Clear())
				if in, out := e.ssl().Queued(); in != 0 || out != 0 {
					t.Errorf("the %v's queues hold %d and %d bytes", e.who, in, out)
				}
			}
			p.handshake()
			p.c.write("again")
			p.s.read()
			if got := p.steps[len(p.steps)-1]; got != `server read: "again"` {
				t.Error(got)
			}
		})
	}
}

// TestRule11UserCanceled: user_canceled before close_notify, which the JDK sends, is a clean end on
// every version; from 3.5 libssl calls it an error.
func TestRule11UserCanceled(t *testing.T) {
	for _, proto := range allProtocols {
		t.Run(proto.name, func(t *testing.T) {
			p := newConnPair(t, proto, pairOptions{})
			p.forge(cleartext.Server, data("x"), userCanceled, closeNotify)
			got := []string{readAll(p.client), mask(p.client), shutdown(p, p.client), p.client.End().String()}
			want := []string{`"x" EOF`, "RECEIVED", "ok", "close_notify sent, close_notify received, resumable"}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestTwoRecordsInOneSegment: the second is read although the socket has nothing more to say.
func TestTwoRecordsInOneSegment(t *testing.T) {
	for _, proto := range eachVersion {
		for _, size := range []int{1, 3, 100} {
			t.Run(fmt.Sprintf("%s/reads of %d", proto.name, size), func(t *testing.T) {
				p := newConnPair(t, proto, pairOptions{})
				p.relay.Merge(rawpeer.ToClient, 3)
				for _, text := range []string{"one", "two", "three"} {
					if _, err := p.server.Write([]byte(text)); err != nil {
						t.Fatal(err)
					}
				}
				p.client.SetReadDeadline(time.Now().Add(testTime))
				var got []byte
				buf := make([]byte, size)
				for len(got) < len("onetwothree") {
					n, err := p.client.Read(buf)
					if err != nil {
						t.Fatalf("after %q: %v", got, err)
					}
					got = append(got, buf[:n]...)
				}
				if string(got) != "onetwothree" {
					t.Errorf("read %q", got)
				}
			})
		}
	}
}
