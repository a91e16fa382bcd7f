package openssl_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/cleartext"
)

// TestRule04HalfClose: after CloseWrite reading goes on, however much comes, and KeyUpdates too.
func TestRule04HalfClose(t *testing.T) {
	answer := randomBytes(1 << 20)
	for _, proto := range eachVersion {
		for _, pipe := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/pipe %v", proto.name, pipe), func(t *testing.T) {
				t.Parallel()
				p := newConnPair(t, proto, pairOptions{pipe: pipe})
				if err := p.client.CloseWrite(); err != nil {
					t.Fatal(err)
				}
				if got := readAll(p.server); got != "EOF" {
					t.Fatalf("the server read %v", got)
				}
				go func() {
					p.server.Write(answer)
					p.server.CloseWrite()
				}()
				got, err := io.ReadAll(p.client)
				if err != nil || !bytes.Equal(got, answer) {
					t.Errorf("read %d bytes, %v; equal %v", len(got), err, bytes.Equal(got, answer))
				}
				p.client.Close()
				p.ended(cleartext.Client)
				if got := p.wire(cleartext.Client); got != "close_notify" {
					t.Errorf("the client sent %v", got)
				}
				if end := p.client.End(); !end.Clean() || !end.Resumable {
					t.Errorf("End %v", end)
				}
			})
		}
	}
}

// TestRule04ShutdownRefusesData: what comes before the close_notify is told and kept.
func TestRule04ShutdownRefusesData(t *testing.T) {
	for _, proto := range eachVersion {
		for _, size := range []int{1, 5000, 16384, 16385, 300_000} {
			t.Run(fmt.Sprintf("%s/%d bytes", proto.name, size), func(t *testing.T) {
				t.Parallel()
				text := randomBytes(size)
				p := newConnPair(t, proto, pairOptions{})
				go func() {
					p.server.Write(text)
					p.server.CloseWrite()
				}()
				for range 3 { // the answer stays
					err := p.client.Shutdown(deadline(t))
					var unread *openssl.UnreadDataError
					if !errors.As(err, &unread) || !errors.Is(err, openssl.ErrUnreadData) || unread.N < 1 || unread.N > size {
						t.Fatalf("Shutdown = %v", err)
					}
					if end := p.client.End(); end.Unread < unread.N {
						t.Errorf("%d bytes refused, End tells of %d", unread.N, end.Unread)
					}
				}
				got, err := io.ReadAll(p.client)
				if err != nil || !bytes.Equal(got, text) {
					t.Errorf("read %d bytes of %d, %v", len(got), size, err)
				}
				if err := p.client.Shutdown(deadline(t)); err != nil {
					t.Errorf("Shutdown when all is read = %v", err)
				}
				if end := p.client.End(); !end.Clean() || end.Unread != 0 {
					t.Errorf("End %v", end)
				}
			})
		}
	}
}

// TestRule04ShutdownDiscards up to a limit that the caller chose, and not a byte more.
func TestRule04ShutdownDiscards(t *testing.T) {
	const limit = 20_000
	for _, proto := range eachVersion {
		for _, size := range []int{1, limit, limit + 1, 100_000} {
			t.Run(fmt.Sprintf("%s/%d bytes", proto.name, size), func(t *testing.T) {
				t.Parallel()
				text := randomBytes(size)
				p := newConnPair(t, proto, pairOptions{client: func(c *openssl.Config) { c.ShutdownDiscard = limit }})
				go func() {
					p.server.Write(text)
					p.server.CloseWrite()
				}()
				err := p.client.Shutdown(deadline(t))
				rest, readErr := io.ReadAll(p.client)
				if size <= limit {
					if err != nil || len(rest) != 0 || readErr != nil {
						t.Errorf("Shutdown = %v, then %d bytes and %v", err, len(rest), readErr)
					}
					return
				}
				if !errors.Is(err, openssl.ErrUnreadData) || readErr != nil {
					t.Errorf("Shutdown = %v, then %v", err, readErr)
				}
				if len(rest) < size-limit || !bytes.HasSuffix(text, rest) {
					t.Errorf("%d bytes of %d are left, limit %d", len(rest), size, limit)
				}
			})
		}
	}
}

// TestRule04ShutdownBesideRead: a blocked Read keeps its turn; data goes to it, not to Shutdown.
func TestRule04ShutdownBesideRead(t *testing.T) {
	for _, proto := range eachVersion {
		t.Run(proto.name, func(t *testing.T) {
			p := newConnPair(t, proto, pairOptions{})
			read, shut := make(chan string, 1), make(chan string, 1)
			buf := make([]byte, 10)
			go func() {
				n, err := p.client.Read(buf)
				read <- fmt.Sprintf("%q %s", buf[:n], said(err))
			}()
			time.Sleep(20 * time.Millisecond) // most likely the Read waits now; it must hold either way
			if got := unanswered(p, p.client); got != "canceled" {
				t.Errorf("Shutdown says %s", got)
			}
			if got := readAll(p.server); got != "EOF" {
				t.Errorf("the server read %v", got)
			}
			p.server.Write([]byte("for Read"))
			if got := <-read; got != `"for Read" ok` {
				t.Errorf("Read gave %v", got)
			}
			go func() { shut <- shutdown(p, p.client) }()
			go func() { read <- readAll(p.client) }()
			p.server.CloseWrite()
			if diff := cmp.Diff([]string{"ok", "EOF"}, []string{<-shut, <-read}); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestRule04WaitsForTheWrite: CloseWrite and Shutdown wait for the Write under way until its deadline
// or the context; close_notify comes behind its data.
func TestRule04WaitsForTheWrite(t *testing.T) {
	text := randomBytes(200_000)
	for _, proto := range eachVersion {
		t.Run(proto.name, func(t *testing.T) {
			a, b := net.Pipe()
			p := &connPair{t: t}
			c := clientOver(t, a, newCtx(t, clientConfig(proto.version)))
			s := serverOver(t, b, newCtx(t, serverConfig(t, proto.version)))
			mustShake(t, c, s)
			says(t, s, c, "w")
			wrote, closed := make(chan string, 1), make(chan string, 1)
			go func() {
				n, err := c.Write(text)
				wrote <- fmt.Sprint(n, " ", said(err))
			}()
			// One byte of it arrives: it is under way.
			if _, err := s.Read(make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
			if err := c.Shutdown(soon(p)); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Shutdown = %v", err)
			}
			if got := c.GetShutdown(); got != open {
				t.Errorf("mask %v", got)
			}
			go func() { closed <- said(c.CloseWrite()) }()
			rest, err := io.ReadAll(s)
			if err != nil || !bytes.Equal(rest, text[1:]) {
				t.Errorf("the server read %d bytes, %v", len(rest), err)
			}
			if diff := cmp.Diff([]string{fmt.Sprint(len(text), " ok"), "ok"}, []string{<-wrote, <-closed}); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestRule04Contexts: a context that is nil, ended before or ends meanwhile is the error, and the connection
// goes on, with the user's deadlines as they were.
func TestRule04Contexts(t *testing.T) {
	for _, proto := range eachVersion {
		t.Run(proto.name, func(t *testing.T) {
			p := newConnPair(t, proto, pairOptions{})
			var none context.Context
			if err := p.client.HandshakeContext(none); !errors.Is(err, openssl.ErrNil) {
				t.Errorf("HandshakeContext without one = %v", err)
			}
			if err := p.client.Shutdown(none); !errors.Is(err, openssl.ErrNil) {
				t.Errorf("Shutdown without one = %v", err)
			}
			gone, cancel := context.WithCancel(context.Background())
			cancel()
			if err := p.client.Shutdown(gone); !errors.Is(err, context.Canceled) {
				t.Errorf("Shutdown = %v", err)
			}
			for range 20 {
				ctx, cancel := context.WithCancel(context.Background())
				time.AfterFunc(time.Millisecond, cancel)
				if err := p.client.Shutdown(ctx); !errors.Is(err, context.Canceled) || errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("Shutdown = %v", err)
				}
			}
			p.client.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
			if err := p.client.Shutdown(deadline(t)); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("Shutdown past the user's deadline = %v", err)
			}
			p.client.SetReadDeadline(time.Time{})
			says(t, p.server, p.client, "still here")
			p.server.CloseWrite()
			if got := shutdown(p, p.client); got != "ok" {
				t.Errorf("Shutdown = %v", got)
			}
		})
	}
}
