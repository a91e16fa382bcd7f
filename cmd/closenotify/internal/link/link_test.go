package link_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/cmd/closenotify/internal/ending"
	"github.com/golibssl/openssl/cmd/closenotify/internal/link"
	"github.com/golibssl/openssl/internal/testcert"
)

const patience = 20 * time.Second

// connect makes a TCP connection, with a client's Link at one end and serve at the other.
func connect(t *testing.T, timeout time.Duration, serve func(raw *net.TCPConn)) *link.Link {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		raw, err := listener.Accept()
		if err != nil {
			return
		}
		defer raw.Close()
		raw.SetDeadline(time.Now().Add(time.Minute))
		serve(raw.(*net.TCPConn))
	}()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	ctx, err := openssl.NewCtx(&openssl.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	ssl, err := ctx.NewClientSSL("localhost")
	if err != nil {
		t.Fatal(err)
	}
	l, err := link.New(conn, ssl, timeout)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		l.Close()
		listener.Close()
		<-done
	})
	return l
}

// tlsServer is a crypto/tls server of one version that goes on with serve.
func tlsServer(version uint16, serve func(c *tls.Conn, raw *net.TCPConn)) func(*net.TCPConn) {
	return func(raw *net.TCPConn) {
		c := tls.Server(raw, &tls.Config{Certificates: []tls.Certificate{testcert.Server().TLS}, MaxVersion: version})
		if c.Handshake() == nil {
			serve(c, raw)
		}
	}
}

func versions(t *testing.T, test func(t *testing.T, version uint16)) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) { test(t, version) })
	}
}

func handshake(t *testing.T, l *link.Link) {
	t.Helper()
	if err := l.Handshake(); err != nil {
		t.Fatal(err)
	}
}

// wantData reads what comes first that is no ticket.
func wantData(t *testing.T, l *link.Link, want string) {
	t.Helper()
	for {
		data, how := l.Next(patience)
		if how != ending.Open || len(data) > 0 && string(data) != want {
			t.Fatalf("Next = %q, %q, want %q", data, how, want)
		}
		if len(data) > 0 {
			return
		}
	}
}

// slowly writes one byte at a time.
type slowly struct{ net.Conn }

func (s slowly) Write(p []byte) (int, error) {
	for i := range p {
		if _, err := s.Conn.Write(p[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(p), nil
}

// Records that come in pieces, and many in one piece, are the same.
func TestFraming(t *testing.T) {
	versions(t, func(t *testing.T, version uint16) {
		for name, wrap := range map[string]func(net.Conn) net.Conn{
			"whole": func(c net.Conn) net.Conn { return c },
			"bytes": func(c net.Conn) net.Conn { return slowly{c} },
		} {
			t.Run(name, func(t *testing.T) {
				l := connect(t, patience, func(raw *net.TCPConn) {
					c := tls.Server(wrap(raw), &tls.Config{Certificates: []tls.Certificate{testcert.Server().TLS}, MaxVersion: version})
					io.WriteString(c, "one")
					io.WriteString(c, "two")
					c.CloseWrite()
					raw.CloseWrite()
				})
				handshake(t, l)
				var got []byte
				for {
					data, how := l.Next(patience)
					got = append(got, data...)
					if how != ending.Open {
						l.Seen.End(how)
						break
					}
				}
				if string(got) != "onetwo" || l.Seen.String() != "data+close_notify+fin" {
					t.Errorf("read %q, ending %q", got, l.Seen.String())
				}
			})
		}
	})
}

// A header alone is no event, although libssl's message callback tells of it.
func TestIncompleteRecord(t *testing.T) {
	versions(t, func(t *testing.T, version uint16) {
		for _, cut := range []string{"\x17", "\x17\x03\x03\x00\x40", "\x17\x03\x03\x00\x40half", "\x15\x03\x03\x00\x1a\x00"} {
			l := connect(t, patience, tlsServer(version, func(_ *tls.Conn, raw *net.TCPConn) {
				io.WriteString(raw, cut)
				raw.CloseWrite()
			}))
			handshake(t, l)
			if got := l.Watch(); got != "fin" {
				t.Errorf("%q and the end of TCP is %q", cut, got)
			}
		}
	})
}

// What cannot be opened is data, once.
func TestUnreadable(t *testing.T) {
	versions(t, func(t *testing.T, version uint16) {
		for _, garbage := range []string{
			"HTTP/1.0 500 Internal Server Error\r\n\r\n",
			"\x17\x03\x03\x00\x20" + strings.Repeat("x", 32), // application data that nobody sealed
			"\x17\x03\x03\xff\xff" + strings.Repeat("x", 70_000),
		} {
			l := connect(t, patience, tlsServer(version, func(_ *tls.Conn, raw *net.TCPConn) {
				io.WriteString(raw, garbage)
				raw.CloseWrite()
				io.Copy(io.Discard, raw)
			}))
			handshake(t, l)
			if got := l.Watch(); got != "data+fin" {
				t.Errorf("%.40q and the end of TCP is %q", garbage, got)
			}
			l.Close()
		}
	})
}

func TestHandshakeErrors(t *testing.T) {
	for _, test := range []struct {
		name    string
		serve   func(*net.TCPConn)
		timeout time.Duration
		want    error // nil: any
		ending  string
	}{
		{"the end", func(raw *net.TCPConn) { raw.CloseWrite(); io.Copy(io.Discard, raw) }, patience, io.ErrUnexpectedEOF, "fin"},
		{"silence", func(raw *net.TCPConn) { io.Copy(io.Discard, raw) }, 100 * time.Millisecond, os.ErrDeadlineExceeded, "wait"},
		{"no TLS", func(raw *net.TCPConn) {
			io.WriteString(raw, "220 ready\r\n")
			raw.CloseWrite()
			io.Copy(io.Discard, raw)
		}, patience, nil, "fin"},
		{"an alert", func(raw *net.TCPConn) {
			tls.Server(raw, &tls.Config{}).Handshake() // it has no certificate
			raw.CloseWrite()
			io.Copy(io.Discard, raw)
		}, patience, nil, "alert:unrecognized_name+fin"},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := connect(t, test.timeout, test.serve)
			err := l.Handshake()
			if err == nil || test.want != nil && !errors.Is(err, test.want) || l.Established {
				t.Errorf("Handshake = %v, want %v; established: %v", err, test.want, l.Established)
			}
			if got := l.Watch(); got != test.ending {
				t.Errorf("ending %q, want %q", got, test.ending)
			}
			l.Close()
		})
	}
}

// Silence keeps back everything: data, close_notify, and the answer to a KeyUpdate.
func TestSilence(t *testing.T) {
	versions(t, func(t *testing.T, version uint16) {
		came := make(chan []byte, 1)
		l := connect(t, patience, tlsServer(version, func(c *tls.Conn, raw *net.TCPConn) {
			io.WriteString(c, "hello")
			got, _ := io.ReadAll(raw)
			came <- got
		}))
		handshake(t, l)
		wantData(t, l, "hello")
		l.Silence()
		if err := errors.Join(l.Write([]byte("a secret")), l.Shutdown(), l.CloseWrite()); err != nil {
			t.Fatal(err)
		}
		if got := <-came; len(got) != 0 {
			t.Errorf("%d bytes came", len(got))
		}
		if got := l.Watch(); got != "data+fin" {
			t.Errorf("ending %q", got)
		}
	})
}

// A fatal alert of libssl's reaches the peer; what the peer sends then cannot be opened.
func TestFail(t *testing.T) {
	versions(t, func(t *testing.T, version uint16) {
		l := connect(t, patience, tlsServer(version, func(c *tls.Conn, raw *net.TCPConn) {
			_, err := io.ReadAll(c)
			var alert *net.OpError
			if !errors.As(err, &alert) || !strings.Contains(err.Error(), "bad record MAC") {
				t.Errorf("the server read %v, want the alert bad_record_mac", err)
			}
			raw.SetDeadline(time.Now().Add(time.Minute))
			io.WriteString(raw, "\x15\x03\x03\x00\x02\x01\x00")
		}))
		handshake(t, l)
		l.Fail()
		if got := l.Watch(); got != "data+fin" {
			t.Errorf("ending %q", got)
		}
	})
}

func TestReset(t *testing.T) {
	versions(t, func(t *testing.T, version uint16) {
		l := connect(t, patience, tlsServer(version, func(_ *tls.Conn, raw *net.TCPConn) { raw.SetLinger(0) }))
		handshake(t, l)
		if got := l.Watch(); got != "reset" {
			t.Errorf("ending %q", got)
		}
		found := make(chan error, 1)
		l = connect(t, patience, tlsServer(version, func(_ *tls.Conn, raw *net.TCPConn) {
			_, err := io.Copy(io.Discard, raw)
			found <- err
		}))
		handshake(t, l)
		if err := l.Reset(); err != nil {
			t.Fatal(err)
		}
		if err := <-found; err == nil {
			t.Error("the peer saw an end of TCP and no reset")
		}
	})
}

// A peer that never stops counts as waiting, after ten timeouts.
func TestWatchIsBounded(t *testing.T) {
	l := connect(t, 100*time.Millisecond, tlsServer(tls.VersionTLS13, func(c *tls.Conn, raw *net.TCPConn) {
		for {
			if _, err := io.WriteString(c, "more"); err != nil {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}))
	if err := l.Handshake(); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Skip("the handshake took longer than the timeout of 100 ms")
	} else if err != nil {
		t.Fatal(err)
	}
	for came := 0; came == 0; { // however long the first one takes
		data, how := l.Next(patience)
		if came = len(data); how != ending.Open {
			t.Fatalf("Next = %q, %q", data, how)
		}
	}
	if got := l.Watch(); got != "data+wait" {
		t.Errorf("ending %q", got)
	}
	l.Close()
}

// The newest session is kept, and what was sealed can be sent in parts.
func TestSessionAndSealed(t *testing.T) {
	versions(t, func(t *testing.T, version uint16) {
		came := make(chan []byte, 1)
		l := connect(t, patience, tlsServer(version, func(c *tls.Conn, raw *net.TCPConn) {
			io.WriteString(c, "hello")
			got, _ := io.ReadAll(raw)
			came <- got
		}))
		handshake(t, l)
		wantData(t, l, "hello")
		if l.Session == nil || !l.Session.Resumable() {
			t.Errorf("session %v", l.Session)
		}
		if _, err := l.SSL.Write([]byte("half of this")); err != nil {
			t.Fatal(err)
		}
		sealed := l.Sealed()
		if len(sealed) == 0 || len(l.Sealed()) != 0 {
			t.Fatalf("sealed %d bytes", len(sealed))
		}
		if err := errors.Join(l.Send(sealed[:len(sealed)/2]), l.CloseWrite()); err != nil {
			t.Fatal(err)
		}
		if got := <-came; !bytes.Equal(got, sealed[:len(sealed)/2]) {
			t.Errorf("%d bytes came, want %d", len(got), len(sealed)/2)
		}
	})
}
