package cleartext_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/golibssl/openssl/internal/cleartext"
	"github.com/golibssl/openssl/internal/record"
	"github.com/golibssl/openssl/internal/testcert"
)

// recorder keeps what is written.
type recorder struct {
	net.Conn
	mu   sync.Mutex
	sent bytes.Buffer
}

func (r *recorder) Write(p []byte) (int, error) {
	r.mu.Lock()
	r.sent.Write(p)
	r.mu.Unlock()
	return r.Conn.Write(p)
}

func (r *recorder) bytes() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Clone(r.sent.Bytes())
}

type pair struct {
	client, server *tls.Conn
	wire           [2]*recorder
	log            bytes.Buffer
}

func newPair(t *testing.T, version uint16) *pair {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	b, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	a.SetDeadline(time.Now().Add(time.Minute))
	b.SetDeadline(time.Now().Add(time.Minute))
	p := &pair{wire: [2]*recorder{{Conn: a}, {Conn: b}}}
	p.client = tls.Client(p.wire[0], &tls.Config{RootCAs: testcert.Root().Pool(), ServerName: "localhost",
		MinVersion: version, MaxVersion: version, KeyLogWriter: &p.log,
		CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}})
	p.server = tls.Server(p.wire[1], &tls.Config{Certificates: []tls.Certificate{testcert.Server().TLS}})
	failed := make(chan error, 1)
	go func() { failed <- p.server.Handshake() }()
	if err := errors.Join(p.client.Handshake(), <-failed); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *pair) open(t *testing.T) *cleartext.Conversation {
	t.Helper()
	// Lines of another connection do no harm.
	log := "CLIENT_RANDOM " + strings.Repeat("00", 32) + " " + strings.Repeat("11", 48) + "\n# a comment\n" + p.log.String()
	c, err := cleartext.Open(log, p.wire[0].bytes(), p.wire[1].bytes())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var versions = []uint16{tls.VersionTLS12, tls.VersionTLS13}

func TestSaid(t *testing.T) {
	for _, version := range versions {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			p := newPair(t, version)
			p.client.Write([]byte("hello, "))
			p.client.Write([]byte("server"))
			io.ReadFull(p.server, make([]byte, 13))
			p.server.Write([]byte("hello"))
			p.client.CloseWrite()
			if _, err := p.server.Read(make([]byte, 1)); err != io.EOF {
				t.Fatalf("the server read %v", err)
			}
			p.server.CloseWrite()
			p.wire[1].Write([]byte{byte(record.ApplicationData), 3})

			c := p.open(t)
			if diff := cmp.Diff("data close_notify", c.Said(cleartext.Client)); diff != "" {
				t.Errorf("the client said (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff("data close_notify half", c.Said(cleartext.Server)); diff != "" {
				t.Errorf("the server said (-want +got):\n%s", diff)
			}
			want := []cleartext.Record{
				{Type: record.ApplicationData, Body: []byte("hello, ")},
				{Type: record.ApplicationData, Body: []byte("server")},
				{Type: record.Alert, Body: []byte{1, 0}},
			}
			if diff := cmp.Diff(want, c.Records[cleartext.Client]); diff != "" {
				t.Errorf("the client's records (-want +got):\n%s", diff)
			}
		})
	}
}

// TestSeal lets crypto/tls read what is sealed in its peer's name.
func TestSeal(t *testing.T) {
	for _, version := range versions {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			p := newPair(t, version)
			p.client.Write([]byte("1"))
			p.server.Write([]byte("2"))
			c := p.open(t)
			inject := func(side cleartext.Side, typ record.Type, body string) {
				p.wire[side].Write(c.Seal(side, typ, []byte(body)))
			}
			inject(cleartext.Client, record.ApplicationData, "three")
			if version == tls.VersionTLS13 {
				inject(cleartext.Client, record.Handshake, "\x18\x00\x00\x01\x00") // KeyUpdate, not requested
			}
			inject(cleartext.Client, record.ApplicationData, "four")
			inject(cleartext.Client, record.Alert, "\x01\x00")
			got, err := io.ReadAll(p.server)
			if err != nil || string(got) != "1threefour" {
				t.Errorf("the server read %q, %v", got, err)
			}

			inject(cleartext.Server, record.Alert, "\x02\x50")
			got, err = io.ReadAll(p.client)
			var alert tls.AlertError
			if string(got) != "2" || !errors.As(err, &alert) && !strings.Contains(err.Error(), "internal error") {
				t.Errorf("the client read %q, %v", got, err)
			}

			said := map[uint16][2]string{
				tls.VersionTLS12: {"data close_notify", "data alert:internal_error"},
				tls.VersionTLS13: {"data key_update data close_notify", "data alert:internal_error"},
			}
			again := p.open(t)
			got2 := [2]string{again.Said(cleartext.Client), again.Said(cleartext.Server)}
			if diff := cmp.Diff(said[version], got2); diff != "" {
				t.Errorf("said (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCannotOpen(t *testing.T) {
	p := newPair(t, tls.VersionTLS13)
	p.client.Write([]byte("x"))
	client, server, log := p.wire[0].bytes(), p.wire[1].bytes(), p.log.String()
	damaged := bytes.Clone(client)
	damaged[len(damaged)-1] ^= 1
	for _, test := range []struct {
		name           string
		log            string
		client, server []byte
		want           string
	}{
		{"no log", "", client, server, "key log lacks"},
		{"ends exchanged", log, server, client, "no ClientHello"},
		{"nothing sent", log, nil, nil, "no ClientHello"},
		{"no answer", log, client, nil, "no ServerHello"},
		{"no TLS", log, []byte("GET / HTTP/1.0\r\n"), server, "content type is unknown"},
		{"a damaged record", log, damaged, server, "message authentication failed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, err := cleartext.Open(test.log, test.client, test.server)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Open = %v, %v; want %q", c, err, test.want)
			}
		})
	}
}
