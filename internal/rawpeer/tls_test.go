package rawpeer_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/golibssl/openssl/internal/rawpeer"
	"github.com/golibssl/openssl/internal/record"
	"github.com/golibssl/openssl/internal/testcert"
)

// over runs a test with crypto/tls on both ends of a relay, after the
// handshake and with nothing under way: the server writes, the client reads.
func over(t *testing.T, f func(t *testing.T, client, server *tls.Conn, r *rawpeer.Relay)) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			rawClient, rawServer, r := rawpeer.TCP(t)
			client, server := handshake(t, rawClient, rawServer, version)
			f(t, client, server, r)
		})
	}
}

func handshake(t *testing.T, rawClient, rawServer net.Conn, version uint16) (client, server *tls.Conn) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	rawClient.SetDeadline(deadline)
	rawServer.SetDeadline(deadline)
	server = tls.Server(rawServer, &tls.Config{
		Certificates: []tls.Certificate{testcert.Server().TLS},
		MinVersion:   version, MaxVersion: version, SessionTicketsDisabled: true,
	})
	client = tls.Client(rawClient, &tls.Config{RootCAs: testcert.Root().Pool(), ServerName: "localhost"})
	written := make(chan error, 1)
	go func() {
		_, err := server.Write([]byte("hello"))
		written <- err
	}()
	if _, err := io.ReadFull(client, make([]byte, 5)); err != nil {
		t.Fatalf("client: %v", err)
	}
	if err := <-written; err != nil {
		t.Fatalf("server: %v", err)
	}
	return client, server
}

func TestTLSCutAtRecord(t *testing.T) {
	over(t, func(t *testing.T, client, server *tls.Conn, r *rawpeer.Relay) {
		server.Write([]byte("whole"))
		read(t, client, "whole")
		r.CutAtRecord(rawpeer.ToClient)
		// crypto/tls takes this truncation for an end.
		if n, err := client.Read(make([]byte, 9)); n != 0 || err != io.EOF {
			t.Errorf("read %d bytes, %v; want io.EOF", n, err)
		}
		if _, tail, err := record.Split(r.Sent(rawpeer.ToClient)); len(tail) != 0 || err != nil {
			t.Errorf("the client got a tail of %d bytes, %v", len(tail), err)
		}
	})
}

func TestTLSCutInRecord(t *testing.T) {
	over(t, func(t *testing.T, client, server *tls.Conn, r *rawpeer.Relay) {
		before := len(r.Sent(rawpeer.ToClient))
		r.CutInRecord(rawpeer.ToClient, 8)
		server.Write([]byte("broken"))
		if n, err := client.Read(make([]byte, 9)); n != 0 || err != io.ErrUnexpectedEOF {
			t.Errorf("read %d bytes, %v; want io.ErrUnexpectedEOF", n, err)
		}
		if got := len(r.Sent(rawpeer.ToClient)) - before; got != 8 {
			t.Errorf("%d bytes of the record were forwarded, want 8", got)
		}
	})
}

func TestTLSReset(t *testing.T) {
	over(t, func(t *testing.T, client, server *tls.Conn, r *rawpeer.Relay) {
		if err := r.Reset(rawpeer.ToClient); err != nil {
			t.Fatal(err)
		}
		if n, err := client.Read(make([]byte, 9)); n != 0 || !isReset(err) {
			t.Errorf("read %d bytes, %v; want a reset", n, err)
		}
	})
}

func TestTLSOneByteAWrite(t *testing.T) {
	rawClient, rawServer, r := rawpeer.TCP(t)
	r.Chunk(rawpeer.ToServer, 1)
	r.Chunk(rawpeer.ToClient, 1)
	client, server := handshake(t, rawClient, rawServer, tls.VersionTLS13)
	text := strings.Repeat("slowly ", 100)
	server.Write([]byte(text))
	read(t, client, text)
}

func TestTLSMergeAndInject(t *testing.T) {
	over(t, func(t *testing.T, client, server *tls.Conn, r *rawpeer.Relay) {
		r.Merge(rawpeer.ToClient, 2)
		server.Write([]byte("two "))
		server.Write([]byte("records"))
		read(t, client, "two records")

		// A fatal alert in the clear is a record that cannot be opened (1.3), or
		// whose MAC is wrong (1.2): the client must refuse it.
		if err := r.Inject(rawpeer.ToClient, []byte{21, 3, 3, 0, 2, record.Fatal, 50}); err != nil {
			t.Fatal(err)
		}
		_, err := client.Read(make([]byte, 9))
		var alert *net.OpError
		if err == nil || errors.Is(err, io.EOF) || !errors.As(err, &alert) || alert.Op != "local error" {
			t.Errorf("read: %v, want a local error", err)
		}
	})
}

// TestTLSRecords looks for close_notify: in TLS 1.2 it is a record of type
// alert, and it is the last.
func TestTLSRecords(t *testing.T) {
	rawClient, rawServer, r := rawpeer.TCP(t)
	client, server := handshake(t, rawClient, rawServer, tls.VersionTLS12)
	server.Write([]byte("x"))
	server.Close()
	read(t, client, "x")
	if _, err := client.Read(make([]byte, 1)); err != io.EOF {
		t.Fatalf("read: %v, want io.EOF", err)
	}
	if err := r.WaitEnd(withTimeout(t), rawpeer.ToClient); err != io.EOF {
		t.Fatalf("the server ended with %v, want io.EOF", err)
	}
	records, tail, err := r.Records(rawpeer.ToClient)
	if err != nil || len(tail) != 0 {
		t.Fatalf("tail % x, %v", tail, err)
	}
	last := records[len(records)-2:]
	if last[0].Type != record.ApplicationData || last[1].Type != record.Alert {
		t.Errorf("the last two records are %v and %v", last[0].Type, last[1].Type)
	}
}

func TestProxy(t *testing.T) {
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{testcert.Server().TLS}})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			conn.SetDeadline(time.Now().Add(time.Minute))
			io.Copy(conn, conn)
			conn.Close()
		}
	}()
	t.Cleanup(func() {
		listener.Close()
		<-served
	})

	cut := func(r *rawpeer.Relay) { r.CutInRecord(rawpeer.ToClient, 20) }
	for _, test := range []struct {
		name   string
		script func(*rawpeer.Relay)
		want   error
	}{
		{"echo", nil, nil},
		{"cut in the ServerHello", cut, io.ErrUnexpectedEOF},
	} {
		t.Run(test.name, func(t *testing.T) {
			proxy := rawpeer.NewProxy(t, listener.Addr().String(), test.script)
			raw, err := net.Dial("tcp", proxy.Addr())
			if err != nil {
				t.Fatal(err)
			}
			defer raw.Close()
			raw.SetDeadline(time.Now().Add(time.Minute))
			conn := tls.Client(raw, &tls.Config{RootCAs: testcert.Root().Pool(), ServerName: "localhost"})
			if err := conn.Handshake(); !errors.Is(err, test.want) {
				t.Fatalf("handshake: %v, want %v", err, test.want)
			}
			if test.want == nil {
				write(t, conn, "echo")
				read(t, conn, "echo")
			}
			r, err := proxy.Next(withTimeout(t))
			if err != nil {
				t.Fatal(err)
			}
			if err := r.WaitRecords(withTimeout(t), rawpeer.ToServer, 1); err != nil {
				t.Errorf("the ClientHello: %v", err)
			}
		})
	}
}

func TestProxyToNowhere(t *testing.T) {
	proxy := rawpeer.NewProxy(t, "127.0.0.1:1", nil)
	conn, err := net.Dial("tcp", proxy.Addr()) // the reset may come this early
	if err == nil {
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(time.Minute))
		_, err = conn.Read(make([]byte, 1))
	}
	if !isReset(err) {
		t.Errorf("%v, want a reset", err)
	}
}
