package openssl_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/golibssl/openssl"
)

// pipeEnds are our client and server over a net.Pipe, the handshake done and the tickets read.
func pipeEnds(t *testing.T, version uint16) (c, s *openssl.Conn) {
	t.Helper()
	a, b := net.Pipe()
	c = clientOver(t, a, newCtx(t, clientConfig(version)))
	s = serverOver(t, b, newCtx(t, serverConfig(t, version)))
	mustShake(t, c, s)
	says(t, s, c, "w")
	return c, s
}

// TestRule05CloseEndsEveryCall: whatever waits comes back with net.ErrClosed, and of many Closes one
// is the first.
func TestRule05CloseEndsEveryCall(t *testing.T) {
	calls := []struct {
		name string
		call func(c *openssl.Conn) error
	}{
		{"Read", func(c *openssl.Conn) error { _, err := c.Read(make([]byte, 1)); return err }},
		{"Write", func(c *openssl.Conn) error { _, err := c.Write(make([]byte, 1<<20)); return err }},
		{"CloseWrite", func(c *openssl.Conn) error { return c.CloseWrite() }},
		{"Shutdown", func(c *openssl.Conn) error { return c.Shutdown(context.Background()) }},
	}
	for _, version := range bothVersions {
		for _, test := range calls {
			t.Run(tls.VersionName(version)+"/"+test.name, func(t *testing.T) {
				t.Parallel()
				c, _ := pipeEnds(t, version) // nobody reads at the other end
				done := make(chan error, 3)
				for range cap(done) {
					go func() { done <- test.call(c) }()
				}
				time.Sleep(20 * time.Millisecond) // most likely they wait now; it must hold either way
				var first []error
				closed := make(chan error, 5)
				for range cap(closed) {
					go func() { closed <- c.Close() }()
				}
				for range cap(closed) {
					if err := eventually(t, "Close", func() error { return <-closed }); err == nil {
						first = append(first, err)
					} else if !errors.Is(err, net.ErrClosed) {
						t.Errorf("Close = %v", err)
					}
				}
				if len(first) != 1 {
					t.Errorf("%d Closes were the first", len(first))
				}
				for range cap(done) {
					err := eventually(t, test.name, func() error { return <-done })
					var ne net.Error
					if !errors.Is(err, net.ErrClosed) || errors.As(err, &ne) && ne.Timeout() {
						t.Errorf("%s = %v", test.name, err)
					}
				}
			})
		}
	}
}

// TestRule05CloseInTheHandshake is crypto/tls's TestCloseClientConnectionOnIdleServer, both ways.
func TestRule05CloseInTheHandshake(t *testing.T) {
	for _, version := range bothVersions {
		for _, side := range []string{"client", "server"} {
			t.Run(tls.VersionName(version)+"/"+side, func(t *testing.T) {
				a, b := tcpEnds(t)
				var c *openssl.Conn
				if side == "client" {
					c = clientOver(t, a, newCtx(t, clientConfig(version)))
				} else {
					c = serverOver(t, a, newCtx(t, serverConfig(t, version)))
				}
				c.SetDeadline(time.Now().Add(testTime))
				done := make(chan error, 2)
				go func() { done <- c.Handshake() }()
				go func() { _, err := c.Read(make([]byte, 1)); done <- err }()
				if side == "client" {
					if _, err := b.Read(make([]byte, 1)); err != nil {
						t.Fatal(err)
					}
				}
				c.Close()
				for range cap(done) {
					if err := eventually(t, "the handshake", func() error { return <-done }); !errors.Is(err, net.ErrClosed) {
						t.Errorf("handshake = %v", err)
					}
				}
			})
		}
	}
}

// TestRule05CloseStopsALongWrite is crypto/tls's TestConnCloseBreakingWrite: the peer that reads on
// gets no more than the Write says, and no clean end behind half a record.
func TestRule05CloseStopsALongWrite(t *testing.T) {
	text := randomBytes(64 << 20)
	for _, version := range bothVersions {
		for _, reads := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/the peer reads %v", tls.VersionName(version), reads), func(t *testing.T) {
				t.Parallel()
				c, s := pipeEnds(t, version)
				type written struct {
					n   int
					err error
				}
				wrote := make(chan written, 1)
				go func() {
					n, err := c.Write(text)
					wrote <- written{n, err}
				}()
				got := make([]byte, 100)
				if _, err := io.ReadFull(s, got); err != nil {
					t.Fatal(err)
				}
				rest := make(chan error, 1)
				readOn := func() {
					more, err := io.ReadAll(&slow{s, 64 << 10, time.Millisecond})
					got = append(got, more...)
					rest <- err
				}
				if reads {
					go readOn()
				}
				if err := eventually(t, "Close", c.Close); err != nil {
					t.Errorf("Close = %v", err)
				}
				w := eventually(t, "Write", func() written { return <-wrote })
				if !errors.Is(w.err, net.ErrClosed) || w.n == 0 || w.n == len(text) {
					t.Errorf("Write = %d, %v", w.n, w.err)
				}
				if !reads {
					readOn()
				}
				err := <-rest
				if len(got) > w.n || !bytes.Equal(got, text[:len(got)]) {
					t.Errorf("the peer read %d bytes, of %d written; equal %v", len(got), w.n, bytes.Equal(got, text[:len(got)]))
				}
				if err == nil && len(got) != w.n {
					t.Errorf("the peer read %d bytes of %d and a clean end", len(got), w.n)
				}
				if (err == nil) != c.End().Sent || err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("the peer read %v, End %v", err, c.End())
				}
				if err := c.Close(); !errors.Is(err, net.ErrClosed) {
					t.Errorf("second Close = %v", err)
				}
			})
		}
	}
}

// stubborn is a transport that knows no deadlines, whose calls end by Close alone.
type stubborn struct {
	net.Conn
	mu     sync.Mutex
	stuck  bool
	closed chan struct{}
	once   sync.Once
}

func (s *stubborn) SetDeadline(time.Time) error      { return errors.ErrUnsupported }
func (s *stubborn) SetReadDeadline(time.Time) error  { return errors.ErrUnsupported }
func (s *stubborn) SetWriteDeadline(time.Time) error { return errors.ErrUnsupported }

func (s *stubborn) Close() error {
	s.once.Do(func() { close(s.closed) })
	return s.Conn.Close()
}

func (s *stubborn) Write(p []byte) (int, error) {
	s.mu.Lock()
	stuck := s.stuck
	s.mu.Unlock()
	if stuck {
		<-s.closed
		return 0, errors.New("closed under a write")
	}
	return s.Conn.Write(p)
}

// TestRule05CloseAnswersWithoutDeadlines: over a transport that ignores deadlines Close comes back
// too, while a Write waits, while a Read waits, and when its own last words wait.
func TestRule05CloseAnswersWithoutDeadlines(t *testing.T) {
	for _, version := range bothVersions {
		for _, busy := range []string{"nothing", "read", "write"} {
			t.Run(tls.VersionName(version)+"/"+busy, func(t *testing.T) {
				t.Parallel()
				a, b := tcpEnds(t)
				nc := &stubborn{Conn: a, closed: make(chan struct{})}
				c := clientOver(t, nc, newCtx(t, clientConfig(version)))
				s := serverOver(t, b, newCtx(t, serverConfig(t, version)))
				done := make(chan error, 1)
				go func() { done <- s.HandshakeContext(deadline(t)) }()
				if err := errors.Join(c.Handshake(), <-done); err != nil {
					t.Fatal(err)
				}
				nc.mu.Lock()
				nc.stuck = true
				nc.mu.Unlock()
				switch busy {
				case "read":
					go func() { _, err := c.Read(make([]byte, 1)); done <- err }()
				case "write":
					go func() { _, err := c.Write([]byte("x")); done <- err }()
				case "nothing":
					done <- net.ErrClosed
				}
				time.Sleep(10 * time.Millisecond)
				if err := eventually(t, "Close", c.Close); err != nil {
					t.Errorf("Close = %v", err)
				}
				if err := eventually(t, busy, func() error { return <-done }); !errors.Is(err, net.ErrClosed) {
					t.Errorf("%s = %v", busy, err)
				}
				if c.End().Sent {
					t.Errorf("End %v", c.End())
				}
			})
		}
	}
}

// TestRule05HalfSentRecord: no close_notify can follow half a record; the transport is closed at once.
func TestRule05HalfSentRecord(t *testing.T) {
	for _, version := range bothVersions {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			c, s := pipeEnds(t, version)
			b := s.NetConn()
			wrote := make(chan string, 1)
			go func() {
				n, err := c.Write(make([]byte, 100))
				wrote <- fmt.Sprint(n, " ", said(err))
			}()
			if _, err := io.ReadFull(b, make([]byte, 7)); err != nil {
				t.Fatal(err)
			}
			c.SetWriteDeadline(time.Unix(1, 0))
			if got := <-wrote; got != "100 timeout" {
				t.Errorf("Write = %v", got)
			}
			if err := c.Close(); err != nil {
				t.Errorf("Close = %v", err)
			}
			if rest, err := io.ReadAll(b); len(rest) != 0 || err != nil {
				t.Errorf("%d bytes followed half a record, %v", len(rest), err)
			}
			if end := c.End(); end.Sent || end.Resumable {
				t.Errorf("End %v", end)
			}
		})
	}
}

// TestRule05CloseSaysWhatADeadlineKept: answers of a Read, and a close_notify of its own, that a passed write
// deadline has kept back are not half a Write: Close sends them, and the close_notify.
func TestRule05CloseSaysWhatADeadlineKept(t *testing.T) {
	check := func(t *testing.T, c, s *openssl.Conn) {
		t.Helper()
		read := make(chan error, 1)
		reads := make(chan bool)
		go func() {
			close(reads)
			_, err := c.Read(make([]byte, 1))
			read <- err
		}()
		<-reads // Close does not wait long for the peer at a pipe
		if err := s.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
		if err := <-read; err != io.EOF {
			t.Errorf("the peer's Read = %v, want io.EOF", err)
		}
		if end := s.End(); !end.Sent || !end.Resumable {
			t.Errorf("End %v", end)
		}
	}
	t.Run("answers", func(t *testing.T) {
		c, s := connected(t, newCtx(t, clientConfig(tls.VersionTLS13)), newCtx(t, serverConfig(t, tls.VersionTLS13)))
		says(t, c, s, "x")
		s.SetWriteDeadline(time.Unix(1, 0))
		for range 5 {
			if err := c.KeyUpdate(true); err != nil {
				t.Fatal(err)
			}
		}
		says(t, c, s, "x")
		check(t, c, s)
	})
	for _, version := range bothVersions {
		t.Run("close_notify/"+tls.VersionName(version), func(t *testing.T) {
			c, s := pipeEnds(t, version)
			s.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
			if err := s.CloseWrite(); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("CloseWrite = %v", err)
			}
			check(t, c, s)
		})
	}
}

// TestRule05AllArrives: what was written before Close arrives, at however slow a reader, although
// the peer has sent what nobody has read: data, and in TLS 1.3 tickets.
func TestRule05AllArrives(t *testing.T) {
	text := randomBytes(3 << 20)
	for _, version := range bothVersions {
		for _, closes := range []string{"client", "server"} {
			for _, unread := range []int{0, 100, 100 << 10} {
				t.Run(fmt.Sprintf("%s/the %s closes/%d bytes unread", tls.VersionName(version), closes, unread), func(t *testing.T) {
					t.Parallel()
					cfg, srv := clientConfig(version), serverConfig(t, version)
					cfg.Linger, srv.Linger = testTime, testTime
					cctx, sctx := newCtx(t, cfg), newCtx(t, srv)
					a, b := tcpEnds(t)
					a.SetReadBuffer(64 << 10)
					b.SetReadBuffer(64 << 10)
					c, s := clientOver(t, a, cctx), serverOver(t, b, sctx)
					mustShake(t, c, s)
					writer, reader := c, s
					if closes == "server" {
						writer, reader = s, c
					}
					if _, err := reader.Write(make([]byte, unread)); err != nil {
						t.Fatal(err)
					}
					got := make(chan []byte, 1)
					go func() {
						var all []byte
						buf := make([]byte, 64<<10)
						for {
							n, err := reader.Read(buf)
							all = append(all, buf[:n]...)
							if err != nil {
								if err != io.EOF {
									t.Errorf("the reader ends with %v", err)
								}
								break
							}
							time.Sleep(time.Millisecond)
						}
						reader.Close()
						got <- all
					}()
					if n, err := writer.Write(text); n != len(text) || err != nil {
						t.Errorf("Write = %d, %v", n, err)
					}
					if err := writer.Close(); err != nil {
						t.Errorf("Close = %v", err)
					}
					all := eventually(t, "the reader", func() []byte { return <-got })
					if !bytes.Equal(all, text) {
						t.Errorf("%d bytes of %d arrived", len(all), len(text))
					}
					if err := errors.Join(cctx.Drain(deadline(t)), sctx.Drain(deadline(t))); err != nil {
						t.Errorf("Drain = %v", err)
					}
					if got := writer.GetShutdown(); got&sent == 0 {
						t.Errorf("mask %v", got)
					}
				})
			}
		}
	}
}

// TestRule05LingerIsBounded in time and in bytes, is told by Drain, and is not begun for nothing.
func TestRule05LingerIsBounded(t *testing.T) {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	// fill makes both ends and leaves unsent bytes in the client's socket.
	fill := func(t *testing.T, version uint16, linger time.Duration) (*openssl.Ctx, *openssl.Conn, net.Conn) {
		t.Helper()
		cfg := clientConfig(version)
		cfg.Linger = linger
		cctx := newCtx(t, cfg)
		a, b := tcpEnds(t)
		b.SetReadBuffer(4 << 10)
		c, s := clientOver(t, a, cctx), serverOver(t, b, newCtx(t, serverConfig(t, version)))
		mustShake(t, c, s)
		says(t, s, c, "w")
		c.SetWriteDeadline(time.Now().Add(testTime))
		if _, err := c.Write(make([]byte, 256<<10)); err != nil {
			t.Fatal(err)
		}
		return cctx, c, b
	}
	for _, version := range bothVersions {
		name := tls.VersionName(version)
		t.Run(name+"/time", func(t *testing.T) {
			cctx, c, _ := fill(t, version, 4*time.Second)
			c.Close()
			if err := cctx.Drain(ended); !errors.Is(err, context.Canceled) {
				t.Errorf("Drain with an ended context = %v while bytes are under way", err)
			}
			if err := cctx.Drain(deadline(t)); err != nil {
				t.Errorf("Drain = %v", err)
			}
		})
		t.Run(name+"/bytes", func(t *testing.T) {
			cctx, c, b := fill(t, version, time.Hour)
			c.Close()
			b.SetWriteDeadline(time.Now().Add(testTime))
			for sent := 0; ; { // until the client's transport is closed
				n, err := b.Write(make([]byte, 16<<10))
				if sent += n; err != nil {
					break
				}
			}
			if err := cctx.Drain(deadline(t)); err != nil {
				t.Errorf("Drain = %v", err)
			}
		})
		t.Run(name+"/switched off", func(t *testing.T) {
			cctx, c, _ := fill(t, version, -1)
			c.Close()
			if err := cctx.Drain(ended); err != nil {
				t.Errorf("Drain = %v", err)
			}
		})
		t.Run(name+"/nothing under way", func(t *testing.T) {
			cfg := clientConfig(version)
			cfg.Linger = time.Hour
			cctx := newCtx(t, cfg)
			c, s := connected(t, cctx, newCtx(t, serverConfig(t, version)))
			says(t, c, s, "request")
			says(t, s, c, "response") // it brings the acknowledgement of the request
			c.Close()
			if err := cctx.Drain(ended); err != nil {
				t.Errorf("Drain = %v", err)
			}
			if got := readAll(s); got != "EOF" {
				t.Errorf("the server read %v", got)
			}
		})
		t.Run(name+"/after the peer's end", func(t *testing.T) {
			cctx, c, b := fill(t, version, time.Hour)
			b.Close() // a reset: bytes are unread
			if got := readAll(c); got != "reset" && got != "unexpected EOF" {
				t.Errorf("the client read %v", got)
			}
			c.Close()
			if err := cctx.Drain(ended); err != nil {
				t.Errorf("Drain = %v", err)
			}
		})
	}
}

// TestRule05UnreadTicketsDoNoHarm: a client that writes little and closes with the tickets unread
// loses nothing.
func TestRule05UnreadTicketsDoNoHarm(t *testing.T) {
	var all []string
	for range 50 {
		c, s := connected(t, newCtx(t, clientConfig(tls.VersionTLS13)), newCtx(t, serverConfig(t, tls.VersionTLS13)))
		if _, err := c.Write([]byte("all")); err != nil {
			t.Fatal(err)
		}
		c.Close()
		all = append(all, readAll(s))
		s.Close()
	}
	if diff := cmp.Diff(slices.Repeat([]string{`"all" EOF`}, 50), all); diff != "" {
		t.Errorf("the server read (-want +got):\n%s", diff)
	}
}
