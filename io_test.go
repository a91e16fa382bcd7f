package openssl_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/cleartext"
	"github.com/golibssl/openssl/internal/rawpeer"
)

// TestDeadlineInMidRecord: the deadline stops a Write wherever it is, in the middle of a record most
// of the time; whoever goes on with p[n:] sends each byte once.
func TestDeadlineInMidRecord(t *testing.T) {
	text := randomBytes(1 << 20)
	for _, version := range bothVersions {
		for _, transport := range []string{"pipe", "tcp"} {
			t.Run(tls.VersionName(version)+"/"+transport, func(t *testing.T) {
				t.Parallel()
				var a, b net.Conn
				if transport == "pipe" {
					a, b = net.Pipe()
				} else {
					x, y := tcpEnds(t)
					x.SetWriteBuffer(32 << 10)
					y.SetReadBuffer(64 << 10)
					a, b = x, y
				}
				c := clientOver(t, a, newCtx(t, clientConfig(version)))
				// The reader takes odd pieces and pauses, so that a Write stands still anywhere.
				s := serverOver(t, &slow{Conn: b, piece: 7919, pause: time.Millisecond}, newCtx(t, serverConfig(t, version)))
				mustShake(t, c, s)
				got := make(chan []byte, 1)
				go func() {
					all, err := io.ReadAll(s)
					if err != nil {
						t.Errorf("the server read %v", err)
					}
					got <- all
				}()
				timeouts := 0
				for p := text; len(p) > 0; {
					c.SetWriteDeadline(time.Now().Add(3 * time.Millisecond))
					n, err := c.Write(p)
					p = p[n:]
					if err != nil {
						if !errors.Is(err, os.ErrDeadlineExceeded) || !asError(t, err).Timeout() {
							t.Fatalf("Write = %d, %v", n, err)
						}
						timeouts++
					}
				}
				c.SetWriteDeadline(time.Time{})
				if err := c.CloseWrite(); err != nil {
					t.Errorf("CloseWrite = %v", err)
				}
				if all := <-got; !bytes.Equal(all, text) {
					t.Errorf("%d bytes of %d arrived, equal %v", len(all), len(text), bytes.Equal(all, text))
				}
				if timeouts == 0 {
					t.Error("no deadline passed: the test tested nothing")
				}
			})
		}
	}
}

// slow reads small pieces with pauses.
type slow struct {
	net.Conn
	piece int
	pause time.Duration
}

func (s *slow) Read(p []byte) (int, error) {
	time.Sleep(s.pause)
	return s.Conn.Read(p[:min(len(p), s.piece)])
}

// TestPassedDeadlineSealsNothing: n is 0 and stays 0.
func TestPassedDeadlineSealsNothing(t *testing.T) {
	for _, proto := range eachVersion {
		t.Run(proto.name, func(t *testing.T) {
			p := newConnPair(t, proto, pairOptions{})
			p.client.SetWriteDeadline(time.Unix(1, 0))
			for range 10 {
				if n, err := p.client.Write([]byte("never")); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("Write = %d, %v", n, err)
				}
			}
			if err := p.client.CloseWrite(); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("CloseWrite = %v", err)
			}
			p.client.SetWriteDeadline(time.Time{})
			says(t, p.client, p.server, "now")
			if got := p.wire(cleartext.Client); got != "data" {
				t.Errorf("the client sent %v", got)
			}
		})
	}
}

// TestReadSendsWhatADeadlineStopped: a request that a deadline stopped when it was sealed whole goes
// out while its writer reads for the answer.
func TestReadSendsWhatADeadlineStopped(t *testing.T) {
	for _, version := range bothVersions {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			c, s := pipeEnds(t, version)
			request := "request"
			for n := 0; n == 0; { // on a slow machine the deadline passes before anything is sealed
				c.SetWriteDeadline(time.Now().Add(5 * time.Millisecond))
				var err error
				if n, err = c.Write([]byte(request)); n != 0 && n != len(request) || !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Fatalf("Write = %d, %v", n, err)
				}
			}
			c.SetWriteDeadline(time.Time{})
			answered := make(chan error, 1)
			go func() {
				buf := make([]byte, len(request))
				if _, err := io.ReadFull(s, buf); err != nil {
					answered <- err
					return
				}
				_, err := s.Write([]byte("answer"))
				answered <- err
			}()
			c.SetReadDeadline(time.Now().Add(testTime))
			buf := make([]byte, 6)
			if _, err := io.ReadFull(c, buf); err != nil || string(buf) != "answer" {
				t.Errorf("read %q, %v", buf, err)
			}
			if err := <-answered; err != nil {
				t.Errorf("the server: %v", err)
			}
		})
	}
}

// TestReadDeadlineInMidRecord: half a record is kept over a timeout.
func TestReadDeadlineInMidRecord(t *testing.T) {
	for _, proto := range eachVersion {
		for _, cut := range []int{1, 4, 5, 6, 20} {
			t.Run(fmt.Sprintf("%s/%d bytes", proto.name, cut), func(t *testing.T) {
				t.Parallel()
				p := newConnPair(t, proto, pairOptions{})
				whole := p.sealed(cleartext.Server, data("whole"), closeNotify)
				p.relay.Inject(rawpeer.ToClient, whole[:cut])
				for range 3 {
					p.client.SetReadDeadline(time.Now().Add(5 * time.Millisecond))
					if n, err := p.client.Read(make([]byte, 10)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
						t.Errorf("Read = %d, %v", n, err)
					}
				}
				p.client.SetReadDeadline(time.Time{})
				p.relay.Inject(rawpeer.ToClient, whole[cut:])
				if got := readAll(p.client); got != `"whole" EOF` {
					t.Errorf("read %v", got)
				}
			})
		}
	}
}

// TestWritesDoNotInterleave: each Write's bytes stand together, although each is many records and
// takes many batches.
func TestWritesDoNotInterleave(t *testing.T) {
	const writers, writes, size = 8, 5, 150_000
	for _, version := range bothVersions {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			c, s := connected(t, newCtx(t, clientConfig(version)), newCtx(t, serverConfig(t, version)))
			var wg sync.WaitGroup
			for w := range writers {
				wg.Go(func() {
					for range writes {
						if n, err := c.Write(bytes.Repeat([]byte{byte('a' + w)}, size)); n != size || err != nil {
							t.Errorf("Write = %d, %v", n, err)
						}
					}
				})
			}
			go func() {
				wg.Wait()
				c.CloseWrite()
			}()
			all, err := io.ReadAll(s)
			if err != nil || len(all) != writers*writes*size {
				t.Fatalf("read %d bytes, %v", len(all), err)
			}
			for at := 0; at < len(all); at += size {
				if one := all[at : at+size]; !bytes.Equal(one, bytes.Repeat(one[:1], size)) {
					t.Fatalf("another Write's bytes stand within bytes %d to %d", at, at+size)
				}
			}
		})
	}
}

// TestAnythingAtAnyTime calls every method from many goroutines while the connection lives and ends;
// what must hold is that nothing breaks or hangs.
func TestAnythingAtAnyTime(t *testing.T) {
	for _, proto := range allProtocols {
		for _, pipe := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/pipe %v", proto.name, pipe), func(t *testing.T) {
				t.Parallel()
				p := unshakenPair(t, proto, pairOptions{pipe: pipe})
				var wg sync.WaitGroup
				stop := make(chan struct{})
				for _, c := range []*openssl.Conn{p.client, p.server} {
					for _, call := range []func(){
						func() { c.Read(make([]byte, 100)) },
						func() { c.Read(make([]byte, 1)) },
						func() { c.Write([]byte("something")) },
						func() { c.Write(make([]byte, 70_000)) },
						func() { c.HandshakeContext(deadline(t)) },
						func() { c.SetDeadline(time.Now().Add(10 * time.Millisecond)) },
						func() { c.SetReadDeadline(time.Time{}) },
						func() { c.SetWriteDeadline(time.Time{}) },
						func() { c.GetShutdown(); c.End(); c.ConnectionState() },
						func() { c.SetShutdown(open) },
						func() { c.ExportKeyingMaterial("EXPORTER-test", nil, 16) },
						func() { c.Shutdown(soon(p)) },
					} {
						wg.Go(func() {
							for {
								select {
								case <-stop:
									return
								default:
									call()
									runtime.Gosched()
								}
							}
						})
					}
				}
				time.Sleep(100 * time.Millisecond)
				p.client.CloseWrite()
				time.Sleep(50 * time.Millisecond)
				p.client.Close()
				p.server.Close()
				close(stop)
				eventually(t, "some call", func() bool { wg.Wait(); return true })
			})
		}
	}
}
