package openssl

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	root "github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/testcert"
)

// TestDefect01 to TestDefect20 show that what was wrong with the originals is not wrong here: one test for each defect that was found in
// them.

// TestDefect01: a stream that was cut was indistinguishable from one that ended.
func TestDefect01TruncationLooksClean(t *testing.T) {
	eachVersion(t, func(t *testing.T, v Version) {
		for _, report := range []bool{false, true} {
			for _, partial := range []bool{false, true} {
				client := newTestCtx(t, v, nil)
				client.SetReportTruncation(report)
				c, s := connected(t, client, newTestCtx(t, v, testcert.Server()))
				if partial { // a record's header, and one byte of what it promises
					if _, err := s.UnderlyingConn().Write([]byte{23, 3, 3, 0, 100, 1}); err != nil {
						t.Fatal(err)
					}
				}
				s.UnderlyingConn().Close()
				want := io.EOF
				if report {
					want = io.ErrUnexpectedEOF
				}
				for range 3 {
					if n, err := c.Read(make([]byte, 10)); n != 0 || !errors.Is(err, want) || !report && err != io.EOF {
						t.Errorf("report %v, partial %v: Read: %d, %v; want %v", report, partial, n, err, want)
					}
				}
				if e := c.End(); !e.Truncated || e.Received {
					t.Errorf("report %v, partial %v: the end: %v", report, partial, e)
				}
			}
		}
		c, s := pair(t, v)
		s.Close()
		if _, err := c.Read(make([]byte, 10)); err != io.EOF {
			t.Errorf("Read after close_notify: %v", err)
		}
		if e := c.End(); e.Truncated || !e.Received {
			t.Errorf("the end after close_notify: %v", e)
		}
	})
}

// TestDefect02: a handshake that the peer left said "shutdown while in init".
func TestDefect02EOFInHandshake(t *testing.T) {
	a, b := tcpEnds(t)
	c := must(Client(a, newTestCtx(t, TLS1_3_VERSION, nil)))
	defer c.Close()
	go func() {
		b.Read(make([]byte, 100))
		b.CloseWrite()
	}()
	err := c.Handshake()
	if !errors.Is(err, io.ErrUnexpectedEOF) || wantRootError(t, err).Origin != root.FromTransport {
		t.Errorf("Handshake: %v; want io.ErrUnexpectedEOF", err)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("Read: %v", err)
	}
}

// TestDefect03: the peer's close_notify closed our side too.
func TestDefect03NoHalfClose(t *testing.T) {
	eachVersion(t, func(t *testing.T, v Version) {
		c, s := pair(t, v)
		if err := c.Root().CloseWrite(); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if n, err := s.Read(make([]byte, 1)); n != 0 || err != io.EOF {
				t.Fatalf("Read: %d, %v", n, err)
			}
		}
		says(t, s, c, "the answer, after the end of the question")
		s.Close()
		if _, err := c.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("Read: %v", err)
		}
		if e := c.End(); !e.Clean() {
			t.Errorf("the end: %v", e)
		}
	})
}

// TestDefect04: SSL_shutdown was called in the handshake and after fatal errors.
func TestDefect04ShutdownWhereItMustNotBe(t *testing.T) {
	eachVersion(t, func(t *testing.T, v Version) {
		c, _ := ends(t, newTestCtx(t, v, nil), newTestCtx(t, v, testcert.Server()))
		if err := c.Close(); err != nil {
			t.Errorf("Close before the handshake: %v", err)
		}
		c, s := pair(t, v)
		if _, err := c.UnderlyingConn().Write([]byte("this is no record at all")); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Read(make([]byte, 1)); err == nil || err == io.EOF {
			t.Fatalf("Read of garbage: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("Close after a fatal error: %v", err)
		}
		if e := s.End(); e.Sent || e.AlertSent == nil {
			t.Errorf("the end: %v; want an alert and no close_notify", e)
		}
		if _, err := c.Read(make([]byte, 1)); alertOf(err) == "" {
			t.Errorf("the peer reads %v; want the alert", err)
		}
	})
}

// TestDefect05: a client that closed without having read the tickets of TLS 1.3 lost what it had written.
func TestDefect05CloseLosesData(t *testing.T) {
	sent := make([]byte, 3<<20)
	rand.Read(sent)
	eachVersion(t, func(t *testing.T, v Version) {
		c, s := ends(t, newTestCtx(t, v, nil), newTestCtx(t, v, testcert.Server()))
		nearly := make(chan struct{}) // Close has half a second for its close_notify
		go func() {
			c.Write(sent)
			<-nearly
			c.Close()
		}()
		got := make([]byte, len(sent)-100<<10)
		_, err := io.ReadFull(s, got)
		close(nearly)
		if err == nil {
			var rest []byte
			rest, err = io.ReadAll(s)
			got = append(got, rest...)
		}
		if err != nil || !bytes.Equal(got, sent) || s.End().Truncated {
			t.Errorf("%d of %d bytes, %v, %v", len(got), len(sent), err, s.End())
		}
	})
}

// stall makes a Write of c wait for a peer that does not read. The answer tells when it is over.
func stall(t *testing.T, c *Conn) <-chan error {
	t.Helper()
	done := make(chan error, 1)
	began := make(chan struct{})
	go func() {
		p := make([]byte, 1<<20)
		for first := true; ; first = false {
			if first {
				close(began)
			}
			if _, err := c.Write(p); err != nil {
				done <- err
				return
			}
		}
	}()
	<-began
	time.Sleep(50 * time.Millisecond) // most likely it waits; the test is right either way
	return done
}

func within(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(testTime):
		t.Fatalf("%s hangs", what)
	}
}

// TestDefect06: Close hung behind a Write that waited for the peer.
func TestDefect06CloseHangs(t *testing.T) {
	eachVersion(t, func(t *testing.T, v Version) {
		c, _ := pair(t, v)
		c.SetDeadline(time.Time{})
		written := stall(t, c)
		within(t, "Close", func() {
			if err := c.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
			if err := <-written; !errors.Is(err, net.ErrClosed) {
				t.Errorf("the Write: %v; want net.ErrClosed", err)
			}
		})
		if err := c.Close(); err != nil {
			t.Errorf("the second Close: %v", err)
		}
		if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("Read after our Close: %d, %v", n, err)
		}
		if n, err := c.Write([]byte("x")); n != 0 || !errors.Is(err, net.ErrClosed) {
			t.Errorf("Write after our Close: %d, %v", n, err)
		}
	})
}

// TestDefect07: what a failed call had left in the thread's error queue failed the next healthy Read.
func TestDefect07StaleErrorQueue(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	eachVersion(t, func(t *testing.T, v Version) {
		c, s := pair(t, v)
		for range 20 {
			if _, err := LoadPrivateKeyFromPEM([]byte("no key")); err == nil {
				t.Fatal("that was a key")
			}
			if err := newTestCtx(t, v, nil).SetCipherList("no cipher"); err == nil {
				t.Fatal("that was a cipher")
			}
			if pendingErrors() {
				t.Fatal("a failed call left errors behind")
			}
			says(t, s, c, "healthy")
		}
		if err := c.SetReadDeadline(time.Now()); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Read: %v; want the deadline's error", err)
		}
	})
}

// TestDefect08: after a fatal error Read and Write answered (0, nil) for ever.
func TestDefect08ReadsOfNothing(t *testing.T) {
	eachVersion(t, func(t *testing.T, v Version) {
		c, s := pair(t, v)
		if _, err := c.UnderlyingConn().Write(append([]byte{23, 3, 3, 0, 64}, make([]byte, 64)...)); err != nil {
			t.Fatal(err)
		}
		_, first := s.Read(make([]byte, 10))
		if alertOf(first) != "bad_record_mac" {
			t.Fatalf("the first Read: %v", first)
		}
		for range 1000 {
			if n, err := s.Read(make([]byte, 10)); n != 0 || err != first {
				t.Fatalf("a later Read: %d, %v; want %v", n, err, first)
			}
			if n, err := s.Write([]byte("x")); n != 0 || err == nil {
				t.Fatalf("a later Write: %d, %v", n, err)
			}
		}
		// The peer is told once, and then ever the same.
		_, first = c.Read(make([]byte, 10))
		if alertOf(first) != "bad_record_mac" {
			t.Fatalf("the peer's first Read: %v", first)
		}
		for range 1000 {
			if n, err := c.Read(make([]byte, 10)); n != 0 || err != first {
				t.Fatalf("the peer's later Read: %d, %v", n, err)
			}
		}
	})
}

// TestDefect09: each Read started a goroutine that flushed, and what that met was lost.
func TestDefect09GoroutinesThatFlush(t *testing.T) {
	eachVersion(t, func(t *testing.T, v Version) {
		c, _ := pair(t, v)
		written := stall(t, c)
		before := runtime.NumGoroutine()
		for range 500 {
			c.SetReadDeadline(time.Now().Add(time.Microsecond))
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("Read: %v", err)
			}
		}
		if now := runtime.NumGoroutine(); now > before+50 {
			t.Errorf("%d goroutines became %d by 500 Reads", before, now)
		}
		c.Close()
		<-written

		// The alert of a failed handshake reaches the peer.
		c, s := ends(t, trust(t, newTestCtx(t, v, nil)), newTestCtx(t, v, testcert.OtherCAServer()))
		ce, se := shake(c, s)
		if se == nil { // in TLS 1.3 the server's handshake may end before the client's answer
			_, se = s.Read(make([]byte, 1))
		}
		if ce == nil || alertOf(se) != "unknown_CA" {
			t.Errorf("client %v, server %v; want unknown_CA", ce, se)
		}
	})
}

// TestDefect10: a Write past its deadline said that everything was written, and sent it later.
func TestDefect10WriteCounts(t *testing.T) {
	sent := make([]byte, 32<<20)
	rand.Read(sent)
	eachVersion(t, func(t *testing.T, v Version) {
		c, s := pair(t, v)
		c.SetWriteDeadline(time.Now().Add(-time.Second))
		if n, err := c.Write(sent); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("Write past its deadline: %d, %v", n, err)
		}
		c.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
		n, err := c.Write(sent)
		var timeout net.Error
		if n == len(sent) || !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Fatalf("Write of more than the peer takes: %d of %d, %v", n, len(sent), err)
		}
		c.SetWriteDeadline(time.Now().Add(testTime))
		go func() {
			c.Write(sent[n:])
			c.Close()
		}()
		h := sha256.New()
		got, err := io.Copy(h, s)
		if want := sha256.Sum256(sent); err != nil || got != int64(len(sent)) || !bytes.Equal(h.Sum(nil), want[:]) {
			t.Errorf("the peer got %d bytes of %d, %v, and the same: %v", got, len(sent), err, bytes.Equal(h.Sum(nil), want[:]))
		}
		if n, err := s.Write(nil); n != 0 || err != nil {
			t.Errorf("Write of nothing: %d, %v", n, err)
		}
	})
}

// TestDefect11: DialSession panicked with every session.
func TestDefect11DialSession(t *testing.T) {
	eachVersion(t, func(t *testing.T, v Version) {
		server := newTestCtx(t, v, testcert.Server())
		addr := echo(t, server)
		client := trust(t, newTestCtx(t, v, nil))
		first := must(Dial("tcp", addr, client, 0))
		roundTrip(t, first)
		if first.SessionReused() {
			t.Error("the first connection resumed something")
		}
		before := must(first.GetSession())
		first.Close()
		session := must(first.GetSession())
		if !bytes.Equal(before, session) {
			t.Error("Close changed the session")
		}
		for name, ctx := range map[string]*Ctx{"the same Ctx": client, "another Ctx": trust(t, newTestCtx(t, v, nil))} {
			c, err := DialSession("tcp", addr, ctx, 0, session)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			roundTrip(t, c)
			if !c.SessionReused() || c.VerifyResult() != Ok {
				t.Errorf("%s: resumed %v, result %v", name, c.SessionReused(), c.VerifyResult())
			}
			if name == "the same Ctx" && v == TLS1_3_VERSION {
				session = must(c.GetSession()) // a ticket is for one use
			}
			c.Close()
		}
		for name, bad := range map[string][]byte{"empty": {}, "garbage": []byte("no session"), "cut": session[:len(session)/2]} {
			if c, err := DialSession("tcp", addr, client, 0, bad); err == nil {
				c.Close()
				t.Errorf("DialSession with one that is %s succeeds", name)
			}
		}
	})
}

// TestDefect12: libssl was asked while another goroutine used the connection.
func TestDefect12NoLock(t *testing.T) {
	eachVersion(t, func(t *testing.T, v Version) {
		c, s := pair(t, v)
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					if name, err := c.CurrentCipher(); err != nil || name == "" {
						t.Errorf("CurrentCipher: %q, %v", name, err)
						return
					}
					if st := c.ConnectionState(); st.Certificate == nil || len(st.CertificateChain) == 0 || st.SessionReused {
						t.Errorf("ConnectionState: %+v", st)
						return
					}
					if der, err := c.GetSession(); err != nil || len(der) == 0 {
						t.Errorf("GetSession: %v", err)
						return
					}
					c.GetOptions()
					c.VerifyMode()
				}
			})
		}
		for range 200 {
			says(t, c, s, "question")
			says(t, s, c, "answer")
		}
		close(stop)
		wg.Wait()
	})
}

// TestDefect13: an SSL was freed at some time by the garbage collector, and what it did to the session came then.
func TestDefect13FreedAtGarbageCollection(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	eachVersion(t, func(t *testing.T, v Version) {
		for end := time.Now().Add(testTime); root.LiveObjects().SSL != 0; collect() { // what other tests left
			if time.Now().After(end) {
				t.Fatalf("%d SSL are alive", root.LiveObjects().SSL)
			}
		}
		c, s := pair(t, v)
		if now := root.LiveObjects().SSL; now != 2 {
			t.Fatalf("%d SSL are alive, not 2", now)
		}
		c.Close()
		s.Close()
		if now := root.LiveObjects().SSL; now != 0 {
			t.Errorf("%d SSL are left", now)
		}
		// What can be asked of a closed connection is answered.
		if name, err := c.CurrentCipher(); err != nil || name == "" || c.VerifyResult() == Ok || c.SessionReused() {
			t.Errorf("after Close: %q, %v, %v, %v", name, err, c.VerifyResult(), c.SessionReused())
		}
		if _, err := c.PeerCertificate(); !errors.Is(err, net.ErrClosed) || !strings.Contains(err.Error(), "connection closed") {
			t.Errorf("PeerCertificate after Close: %v", err)
		}
	})
}
