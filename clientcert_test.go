package openssl_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/rawpeer"
	"github.com/golibssl/openssl/internal/record"
	"github.com/golibssl/openssl/internal/testcert"
)

// askingPair is a client that may be asked after the handshake, with a certificate, and a server that may ask.
func askingPair(t *testing.T, change func(client, server *openssl.Config)) (c, s *openssl.Conn) {
	t.Helper()
	client, server := clientConfig(tls.VersionTLS13), serverConfig(t, tls.VersionTLS13)
	client.Certificates, client.PostHandshakeAuth = pairs(t, testcert.Client()), true
	server.ClientAuth, server.ClientCAPEM, server.PostHandshakeAuth = tls.RequireAndVerifyClientCert, testcert.Root().PEM, true
	if change != nil {
		change(&client, &server)
	}
	c, s = connected(t, newCtx(t, client), newCtx(t, server))
	c.SetDeadline(time.Now().Add(testTime))
	s.SetDeadline(time.Now().Add(testTime))
	return c, s
}

// TestRequestClientCert: nothing is asked for in the handshake; afterwards the certificate is verified and
// told, however often it is asked for, with a Read under way at the server and with none.
func TestRequestClientCert(t *testing.T) {
	if !works(t, "post-handshake authentication") {
		t.Fatal("the table says that there is a version without it")
	}
	for _, reading := range []bool{false, true} {
		var verified, seen int
		c, s := askingPair(t, func(_, server *openssl.Config) {
			server.VerifyPeerCertificate = func(raw [][]byte, chains [][]*x509.Certificate) error {
				if len(raw) == 1 && len(chains) == 1 {
					verified++
				}
				return nil
			}
			server.VerifyConnection = func(s tls.ConnectionState) error { seen = len(s.PeerCertificates); return nil }
		})
		if n := len(s.ConnectionState().PeerCertificates); n != 0 || verified != 0 || seen != 0 {
			t.Errorf("before: %d certificates, %d, %d", n, verified, seen)
		}
		got := make(chan string, 1)
		go io.Copy(io.Discard, c) // the client answers when it reads
		if reading {
			go func() { got <- readAll(s) }()
		}
		for i := range 3 {
			if _, err := c.Write([]byte("data in between ")); err != nil {
				t.Fatal(err)
			}
			if err := s.RequestClientCert(deadline(t)); err != nil {
				t.Fatal(err)
			}
			state := s.ConnectionState()
			if len(state.PeerCertificates) != 1 || len(state.VerifiedChains) != 1 || seen != 1 || verified != i+1 {
				t.Errorf("round %d: %d certificates, %d chains; the hooks saw %d, %d times", i, len(state.PeerCertificates),
					len(state.VerifiedChains), seen, verified)
			}
			if _, err := s.Write([]byte("x")); err != nil {
				t.Error(err)
			}
		}
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if !reading {
			go func() { got <- readAll(s) }()
		}
		if text := <-got; text != `"`+strings.Repeat("data in between ", 3)+`" EOF` {
			t.Errorf("reading %v: the server read %s", reading, text)
		}
	}
}

// TestRequestClientCertRefused: what does not verify, or a hook refuses, ends the connection.
func TestRequestClientCertRefused(t *testing.T) {
	hook := errors.New("the hook refuses")
	for _, test := range []struct {
		name   string
		change func(client, server *openssl.Config)
		check  func(err error) bool
	}{
		{"no certificate", func(c, s *openssl.Config) { c.Certificates = nil }, func(err error) bool { return alertOf(err) != "" }},
		{"another root", func(c, s *openssl.Config) {
			c.Certificates = pairs(t, testcert.NewCA("other").Client(testcert.Options{}))
		},
			func(err error) bool { var v *openssl.VerifyError; return errors.As(err, &v) }},
		{"VerifyPeerCertificate", func(c, s *openssl.Config) {
			s.VerifyPeerCertificate = func([][]byte, [][]*x509.Certificate) error { return hook }
		}, func(err error) bool { return errors.Is(err, hook) }},
		{"VerifyConnection", func(c, s *openssl.Config) {
			s.VerifyConnection = func(s tls.ConnectionState) error {
				if len(s.PeerCertificates) > 0 {
					return hook
				}
				return nil
			}
		}, func(err error) bool { return errors.Is(err, hook) }},
	} {
		for _, reading := range []bool{false, true} {
			c, s := askingPair(t, test.change)
			go c.Read(make([]byte, 1)) // answers
			read := make(chan error, 1)
			if reading {
				go func() {
					n, err := s.Read(make([]byte, 100))
					if n != 0 {
						err = errors.New("data was released")
					}
					read <- err
				}()
			}
			if _, err := s.Write(nil); err != nil {
				t.Fatal(err)
			}
			if err := s.RequestClientCert(deadline(t)); err == nil || !test.check(err) {
				t.Errorf("%s: %v", test.name, err)
			}
			if !reading {
				_, err := s.Read(make([]byte, 100))
				read <- err
			}
			if err := <-read; err == nil || !test.check(err) {
				t.Errorf("%s: Read = %v", test.name, err)
			}
			if end := s.End(); end.Resumable {
				t.Errorf("%s: the session may be resumed", test.name)
			}
			c.Close()
		}
	}
}

// TestRequestClientCertErrors: what cannot be asked is told, and does no harm.
func TestRequestClientCertErrors(t *testing.T) {
	c, s := askingPair(t, func(client, _ *openssl.Config) { client.PostHandshakeAuth = false })
	if err := s.RequestClientCert(deadline(t)); !errors.Is(err, openssl.ErrNoPostHandshakeAuth) {
		t.Errorf("a client that does not offer it: %v", err)
	}
	if err := c.RequestClientCert(deadline(t)); !errors.Is(err, openssl.ErrConfig) {
		t.Errorf("on a client: %v", err)
	}
	says(t, c, s, "no harm")
	says(t, s, c, "done")

	c, s = askingPair(t, func(_, server *openssl.Config) { server.PostHandshakeAuth, server.ClientAuth = false, tls.NoClientCert })
	if err := s.RequestClientCert(deadline(t)); !errors.Is(err, openssl.ErrConfig) {
		t.Errorf("on a server that may not: %v", err)
	}
	says(t, c, s, "no harm")

	// TLS 1.2 asks in the handshake.
	c, s = askingPair(t, func(client, server *openssl.Config) {
		client.MinVersion, client.MaxVersion, server.MinVersion = tls.VersionTLS12, tls.VersionTLS12, tls.VersionTLS12
	})
	if n := len(s.ConnectionState().PeerCertificates); n != 1 {
		t.Errorf("TLS 1.2: %d certificates", n)
	}
	if err := s.RequestClientCert(deadline(t)); !errors.Is(err, openssl.ErrNotTLS13) {
		t.Errorf("TLS 1.2: %v", err)
	}
	says(t, c, s, "no harm")

	// A client that does not answer: the context ends the wait, and a later call goes on with it.
	c, s = askingPair(t, nil)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := s.RequestClientCert(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("no answer: %v", err)
	}
	go c.Read(make([]byte, 1))
	if err := s.RequestClientCert(deadline(t)); err != nil || len(s.ConnectionState().PeerCertificates) != 1 {
		t.Errorf("after all: %v", err)
	}

	// More data than is kept in front of the answer: Read takes it, and the answer.
	c, s = askingPair(t, nil)
	const much = 300 << 10
	wrote := make(chan error, 1)
	go func() {
		_, err := c.Write(make([]byte, much))
		wrote <- err
		c.Read(make([]byte, 1))
	}()
	if err := s.RequestClientCert(deadline(t)); !errors.Is(err, openssl.ErrUnreadData) {
		t.Errorf("behind much data: %v", err)
	}
	if n, err := io.ReadFull(s, make([]byte, much)); err != nil {
		t.Errorf("read %d, %v", n, err)
	}
	if err := s.RequestClientCert(deadline(t)); err != nil || <-wrote != nil {
		t.Errorf("behind the data: %v", err)
	}

	// The client ends in place of an answer.
	c, s = askingPair(t, nil)
	c.CloseWrite()
	if err := s.RequestClientCert(deadline(t)); !errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		t.Errorf("close_notify in place of an answer: %v", err)
	}
	s.SetWriteDeadline(time.Unix(1, 0))
	s2 := s
	if err := s2.KeyUpdate(false); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("KeyUpdate past the deadline: %v", err)
	}
}

// TestRequestClientCertResumed: the certificate goes with the session, and is verified again by the hooks.
func TestRequestClientCertResumed(t *testing.T) {
	for _, stateful := range []bool{false, true} {
		client, server := clientConfig(tls.VersionTLS13), serverConfig(t, tls.VersionTLS13)
		log := &sessionLog{}
		client.Certificates, client.PostHandshakeAuth, client.OnSession = pairs(t, testcert.Client()), true, log.add
		server.ClientAuth, server.ClientCAPEM, server.PostHandshakeAuth = tls.RequireAndVerifyClientCert, testcert.Root().PEM, true
		if stateful {
			server.SessionCache = openssl.NewMemoryCache(0)
		}
		cctx, sctx := newCtx(t, client), newCtx(t, server)
		c, s := connected(t, cctx, sctx)
		go func() { s.RequestClientCert(deadline(t)); s.Write([]byte("x")) }()
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		sctx.Drain(deadline(t)) // the cache has it
		all := log.take()
		if len(all) == 0 {
			t.Fatal("no session")
		}
		closeBoth(t, c, s)
		c, s = connected(t, cctx, sctx, openssl.WithSession(all[len(all)-1]))
		if state := s.ConnectionState(); !state.DidResume || len(state.PeerCertificates) != 1 {
			t.Errorf("stateful %v: resumed %v with %d certificates", stateful, state.DidResume, len(state.PeerCertificates))
		}
	}
}

// TestRequestClientCertSClient: the openssl command answers.
func TestRequestClientCertSClient(t *testing.T) {
	id := testcert.Client()
	cert, key, _ := keyFiles(t, id)
	_, _, root := pemFiles(t)
	server := serverConfig(t, tls.VersionTLS13)
	server.ClientAuth, server.ClientCAPEM, server.PostHandshakeAuth = tls.RequireAndVerifyClientCert, testcert.Root().PEM, true
	l, err := openssl.Listen("tcp", "127.0.0.1:0", newCtx(t, server))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	runOpenSSL(t, "s_client", "-connect", l.Addr().String(), "-tls1_3", "-CAfile", root, "-enable_pha",
		"-cert", strings.TrimPrefix(cert, "file:"), "-key", strings.TrimPrefix(key, "file:"))
	nc, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	s := nc.(*openssl.Conn)
	if err := s.RequestClientCert(deadline(t)); err != nil {
		t.Fatal(err)
	}
	if got := s.ConnectionState().PeerCertificates; len(got) == 0 || string(got[0].Raw) != string(id.TLS.Certificate[0]) {
		t.Errorf("%d certificates", len(got))
	}
}

// TestRefusedAnswerReleasesNothing: the data of a client whose answer a hook refuses comes with the answer, and
// stays unread.
func TestRefusedAnswerReleasesNothing(t *testing.T) {
	hook := errors.New("the hook refuses")
	client, server := clientConfig(tls.VersionTLS13), serverConfig(t, tls.VersionTLS13)
	client.Certificates, client.PostHandshakeAuth = pairs(t, testcert.Client()), true
	server.ClientAuth, server.ClientCAPEM, server.PostHandshakeAuth = tls.RequireAndVerifyClientCert, testcert.Root().PEM, true
	server.VerifyConnection = func(s tls.ConnectionState) error {
		if len(s.PeerCertificates) > 0 {
			return hook
		}
		return nil
	}
	for _, reading := range []bool{false, true} {
		a, b, relay := rawpeer.TCP(t)
		c, s := clientOver(t, a, newCtx(t, client)), serverOver(t, b, newCtx(t, server))
		mustShake(t, c, s)
		says(t, c, s, "x")
		before, _, err := relay.Records(rawpeer.ToServer)
		if err != nil {
			t.Fatal(err)
		}
		relay.Hold(rawpeer.ToServer)
		go c.Read(make([]byte, 1)) // answers
		asked := make(chan error, 1)
		read := make(chan error, 1)
		readOnce := func() {
			n, err := s.Read(make([]byte, 100))
			if n != 0 {
				err = errors.New("data was released")
			}
			read <- err
		}
		if reading {
			go readOnce()
		}
		go func() { asked <- s.RequestClientCert(deadline(t)) }()
		if err := relay.WaitRecords(deadline(t), rawpeer.ToServer, len(before)+1); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte("secret")); err != nil {
			t.Fatal(err)
		}
		sealed := []byte{byte(record.ApplicationData), 3, 3, 0, byte(len("secret") + 1 + 16)}
		if err := relay.Wait(deadline(t), rawpeer.ToServer, func(seen []byte) bool { return bytes.Contains(seen, sealed) }); err != nil {
			t.Fatal(err)
		}
		relay.Release(rawpeer.ToServer)
		if err := <-asked; !errors.Is(err, hook) {
			t.Errorf("reading %v: RequestClientCert = %v", reading, err)
		}
		if !reading {
			readOnce()
		}
		if err := <-read; !errors.Is(err, hook) {
			t.Errorf("reading %v: Read = %v", reading, err)
		}
	}
}
