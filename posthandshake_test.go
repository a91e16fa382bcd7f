package openssl_test

import (
	"crypto/tls"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/cleartext"
	"github.com/golibssl/openssl/internal/rawpeer"
)

// TestKeyUpdate: ours reaches crypto/tls and our own end, with and without a request, in both roles; on
// TLS 1.2 there is none.
func TestKeyUpdate(t *testing.T) {
	if !works(t, "KeyUpdate on demand") {
		t.Fatal("the table says that there is a version without it")
	}
	for _, weAre := range []string{"client", "server"} {
		for _, request := range []bool{false, true} {
			p := newGoRole(t, tls.VersionTLS13, weAre).connect()
			ours := p.ours.(*openssl.Conn)
			for range 20 {
				if err := ours.KeyUpdate(request); err != nil {
					t.Fatal(err)
				}
				says(t, p.ours, p.theirs, "under a new key")
				says(t, p.theirs, p.ours, "and back")
			}
		}
	}
	for _, version := range bothVersions {
		c, s := ends(t, newCtx(t, clientConfig(version)), newCtx(t, serverConfig(t, version)))
		done := make(chan error, 1)
		go func() { done <- s.Handshake() }()
		err := c.KeyUpdate(true) // makes the handshake
		if serr := <-done; serr != nil {
			t.Fatal(serr)
		}
		if version == tls.VersionTLS12 {
			if !errors.Is(err, openssl.ErrNotTLS13) || !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("TLS 1.2: %v", err)
			}
			says(t, c, s, "no harm done")
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		says(t, c, s, "hello")
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if err := c.KeyUpdate(false); !errors.Is(err, openssl.ErrWriteShut) {
			t.Errorf("behind close_notify: %v", err)
		}
		if err := s.KeyUpdate(true); err != nil { // the client's half is closed: nobody answers
			t.Error(err)
		}
		says(t, s, c, "hello")
		s.SetWriteDeadline(time.Unix(1, 0))
		if err := s.KeyUpdate(true); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("past the deadline: %v", err)
		}
		s.SetWriteDeadline(time.Time{})
		says(t, s, c, "again")
		c.Close()
		if err := c.KeyUpdate(true); err == nil {
			t.Error("KeyUpdate after Close")
		}
	}
}

// TestKeyUpdateOnTheWire: the message is there, with its request or without it, and the peer answers a request.
func TestKeyUpdateOnTheWire(t *testing.T) {
	p := newConnPair(t, allProtocols[len(allProtocols)-1], pairOptions{})
	for _, request := range []bool{false, true} {
		if err := p.client.KeyUpdate(request); err != nil {
			t.Fatal(err)
		}
	}
	says(t, p.client, p.server, "x")
	says(t, p.server, p.client, "y")
	for side, want := range map[cleartext.Side]int{cleartext.Client: 2, cleartext.Server: 1} {
		if got := strings.Count(p.wire(side), "key_update"); got != want {
			t.Errorf("the %v sent %d KeyUpdates, want %d: %s", side, got, want, p.wire(side))
		}
	}
}

// TestKeyUpdateAtOnce: both ends change their keys while both write and read, from many goroutines.
func TestKeyUpdateAtOnce(t *testing.T) {
	const rounds, text = 100, 3000
	c, s := connected(t, newCtx(t, clientConfig(tls.VersionTLS13)), newCtx(t, serverConfig(t, tls.VersionTLS13)))
	c.SetDeadline(time.Now().Add(testTime))
	s.SetDeadline(time.Now().Add(testTime))
	var wg sync.WaitGroup
	for _, end := range []*openssl.Conn{c, s} {
		var writing sync.WaitGroup
		for _, request := range []bool{true, false} {
			writing.Add(1)
			wg.Go(func() {
				defer writing.Done()
				for range rounds {
					// Without data between them too many are refused.
					if _, err := end.Write(make([]byte, text)); err != nil {
						t.Error(err)
						return
					}
					if err := end.KeyUpdate(request); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		wg.Go(func() {
			writing.Wait()
			if err := end.CloseWrite(); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			got, err := io.ReadAll(end)
			if len(got) != 2*rounds*text || err != nil {
				t.Errorf("read %d bytes, %v", len(got), err)
			}
		})
	}
	wg.Wait()
}

// TestWriteWithinMessage: a message that came in part keeps libssl from writing; a Write waits for its rest,
// with somebody in Read and with nobody.
func TestWriteWithinMessage(t *testing.T) {
	for _, reading := range []bool{false, true} {
		p := newConnPair(t, allProtocols[len(allProtocols)-1], pairOptions{})
		p.client.SetWriteDeadline(time.Now().Add(testTime))
		p.server.SetDeadline(time.Now().Add(testTime))
		conv := p.conversation()
		half := func(body string) {
			if err := p.relay.Inject(rawpeer.ToClient, conv.Seal(cleartext.Server, handshakeRecord, []byte(body))); err != nil {
				t.Fatal(err)
			}
		}
		half(keyUpdate.body[:4])
		// The half message must be in before the Write.
		p.client.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		if _, err := p.client.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
		p.client.SetReadDeadline(time.Time{})
		read := make(chan string, 1)
		if reading {
			go func() {
				buf := make([]byte, 10)
				n, err := p.client.Read(buf)
				read <- string(buf[:n]) + said(err)
			}()
		}
		wrote := make(chan error, 1)
		go func() { _, err := p.client.Write([]byte("x")); wrote <- err }()
		half(keyUpdate.body[4:])
		if err := <-wrote; err != nil {
			t.Fatalf("reading %v: %v", reading, err)
		}
		buf := make([]byte, 1)
		if _, err := io.ReadFull(p.server, buf); err != nil || buf[0] != 'x' {
			t.Errorf("reading %v: the server read %q, %v", reading, buf, err)
		}
		p.client.Close()
		if reading {
			<-read
		}
	}
}

// TestKeyUpdateLeaves: nothing needs to be written behind it.
func TestKeyUpdateLeaves(t *testing.T) {
	a, b, relay := rawpeer.TCP(t)
	c, s := clientOver(t, a, newCtx(t, clientConfig(tls.VersionTLS13))), serverOver(t, b, newCtx(t, serverConfig(t, tls.VersionTLS13)))
	mustShake(t, c, s)
	says(t, c, s, "x")
	before, _, err := relay.Records(rawpeer.ToServer)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.KeyUpdate(false); err != nil {
		t.Fatal(err)
	}
	if err := relay.WaitRecords(deadline(t), rawpeer.ToServer, len(before)+1); err != nil {
		t.Error(err)
	}
}
