package postgres

import (
	"bytes"
	"context"
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
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/leak"
	"github.com/golibssl/openssl/internal/testcert"
)

func TestMain(m *testing.M) {
	leak.Main(m, func() error {
		if live := openssl.LiveObjects(); live != (openssl.Live{}) {
			return fmt.Errorf("still alive: %+v", live)
		}
		return nil
	})
}

const long = time.Minute

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), long)
	t.Cleanup(cancel)
	return ctx
}

// client is a Ctx and the ends of its connections.
type client struct {
	t    *testing.T
	ctx  *openssl.Ctx
	ends chan openssl.End
}

func newClient(t *testing.T, root []byte) *client {
	t.Helper()
	c := &client{t: t, ends: make(chan openssl.End, 100)}
	var err error
	if c.ctx, err = openssl.NewCtx(&openssl.Config{RootCAPEM: root, OnEnd: func(e openssl.End) { c.ends <- e }}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.ctx.Drain(within(t)); err != nil {
			t.Error(err)
		}
	})
	return c
}

func (c *client) end() openssl.End {
	c.t.Helper()
	select {
	case e := <-c.ends:
		return e
	case <-time.After(long):
		c.t.Fatal("the connection did not end")
		return openssl.End{}
	}
}

// config is for a server at addr that is verified as host.
func (c *client) config(host, addr string) *pgx.ConnConfig {
	c.t.Helper()
	ip, port, _ := net.SplitHostPort(addr)
	config, err := pgx.ParseConfig("host=" + host + " port=" + port + " user=test password=secret dbname=postgres sslmode=prefer")
	if err != nil {
		c.t.Fatal(err)
	}
	config.LookupFunc = func(context.Context, string) ([]string, error) { return []string{ip}, nil }
	Secure(&config.Config, c.ctx)
	return config
}

// fake speaks as much of the server's side as the tests ask for.
type fake struct {
	t         *testing.T
	answer    []byte // to SSLRequest; none is silence
	cancelled chan uint32
}

func (f *fake) listen() (addr string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			nc.SetDeadline(time.Now().Add(long))
			all.Go(func() {
				defer nc.Close()
				if err := f.serve(nc); err != nil {
					f.t.Log("fake server: ", err)
				}
			})
		}
	})
	f.t.Cleanup(func() { l.Close(); all.Wait() })
	return l.Addr().String()
}

func (f *fake) serve(nc net.Conn) error {
	request := make([]byte, 8)
	if _, err := io.ReadFull(nc, request); err != nil || !bytes.Equal(request, sslRequest) {
		return fmt.Errorf("the client begins with %q, %w", request, err)
	}
	if _, err := nc.Write(f.answer); err != nil || len(f.answer) == 0 {
		_, err := io.Copy(io.Discard, nc)
		return err
	}
	conn := tls.Server(nc, &tls.Config{Certificates: []tls.Certificate{testcert.Server().TLS}})
	defer conn.Close()
	backend := pgproto3.NewBackend(conn, conn)
	first, err := backend.ReceiveStartupMessage()
	if err != nil {
		return err
	}
	if cancel, ok := first.(*pgproto3.CancelRequest); ok {
		f.cancelled <- cancel.ProcessID
		return nil
	}
	backend.Send(&pgproto3.AuthenticationOk{})
	backend.Send(&pgproto3.BackendKeyData{ProcessID: 4711, SecretKey: []byte{1, 2, 3, 4}})
	backend.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	for {
		if err := backend.Flush(); err != nil {
			return err
		}
		message, err := backend.Receive()
		if err != nil {
			return err
		}
		switch message := message.(type) {
		case *pgproto3.Query:
			backend.Send(&pgproto3.RowDescription{Fields: []pgproto3.FieldDescription{{Name: []byte("echo"), DataTypeOID: 25, DataTypeSize: -1, TypeModifier: -1}}})
			backend.Send(&pgproto3.DataRow{Values: [][]byte{[]byte(message.String)}})
			backend.Send(&pgproto3.CommandComplete{CommandTag: []byte("SELECT 1")})
			backend.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
		case *pgproto3.Terminate:
			return nil
		default:
			return fmt.Errorf("unexpected %T", message)
		}
	}
}

// TestSecure queries, cancels and ends, against a server that speaks the protocol's beginning.
func TestSecure(t *testing.T) {
	f := &fake{t: t, answer: []byte("S"), cancelled: make(chan uint32, 1)}
	c := newClient(t, testcert.Root().PEM)
	addr := f.listen()
	conn, err := pgx.ConnectConfig(within(t), c.config("localhost", addr))
	if err != nil {
		t.Fatal(err)
	}
	query := strings.Repeat("a long query ", 100_000)
	results, err := conn.PgConn().Exec(within(t), query).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(query, string(results[0].Rows[0][0])); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if state := conn.PgConn().Conn().(*openssl.Conn).ConnectionState(); !state.HandshakeComplete || len(state.VerifiedChains) == 0 {
		t.Errorf("state %+v", state)
	}
	// A request to cancel holds a secret, and goes on a connection of its own: inside TLS too.
	if err := conn.PgConn().CancelRequest(within(t)); err != nil {
		t.Error(err)
	}
	if got := <-f.cancelled; got != 4711 {
		t.Errorf("the server was asked to cancel process %d", got)
	}
	if end := c.end(); !end.Clean() {
		t.Errorf("the request's End %v", end)
	}
	if err := conn.Close(within(t)); err != nil {
		t.Error(err)
	}
	if end := c.end(); !end.Sent || end.Truncated { // pgx does not wait for the server's close_notify
		t.Errorf("End %v", end)
	}
}

// TestRefused: what must not become a connection, and is never clear text.
func TestRefused(t *testing.T) {
	injected, err := (&pgproto3.ErrorResponse{Message: "injected"}).Encode([]byte("S"))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, host string
		answer     []byte
		root       []byte
		is         error
		tells      string
	}{
		{name: "no TLS", host: "localhost", answer: []byte("N"), root: testcert.Root().PEM, is: ErrNoTLS},
		{name: "an old server's error", host: "localhost", answer: []byte("E"), root: testcert.Root().PEM, is: ErrNoTLS},
		{name: "clear text behind the answer", host: "localhost", answer: injected, root: testcert.Root().PEM, tells: "handshake"},
		{name: "an authority that nobody knows", host: "localhost", answer: []byte("S"), root: testcert.OtherCA().PEM, tells: "certificate verify failed"},
		{name: "another name", host: "other.example", answer: []byte("S"), root: testcert.Root().PEM, tells: "ostname mismatch"},
		{name: "silence", host: "localhost", root: testcert.Root().PEM, is: context.DeadlineExceeded},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := &fake{t: t, answer: test.answer, cancelled: make(chan uint32, 1)}
			ctx := within(t)
			if test.answer == nil {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, 200*time.Millisecond)
				defer cancel()
			}
			_, err := pgx.ConnectConfig(ctx, newClient(t, test.root).config(test.host, f.listen()))
			if err == nil || test.is != nil && !errors.Is(err, test.is) || !strings.Contains(err.Error(), test.tells) {
				t.Errorf("%v, want %v %q", err, test.is, test.tells)
			}
		})
	}
}
