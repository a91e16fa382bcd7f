package grpccreds_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/grpccreds"
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

// endpoint is a Ctx and the ends of its connections.
type endpoint struct {
	t    *testing.T
	ctx  *openssl.Ctx
	ends chan openssl.End
}

func newEndpoint(t *testing.T, cfg openssl.Config) *endpoint {
	t.Helper()
	e := &endpoint{t: t, ends: make(chan openssl.End, 100)}
	cfg.OnEnd = func(end openssl.End) { e.ends <- end }
	var err error
	if e.ctx, err = openssl.NewCtx(&cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.ctx.Drain(within(t)); err != nil {
			t.Error(err)
		}
	})
	return e
}

func (e *endpoint) end() openssl.End {
	e.t.Helper()
	select {
	case end := <-e.ends:
		return end
	case <-time.After(long):
		e.t.Fatal("the connection did not end")
		return openssl.End{}
	}
}

func pair(t *testing.T, c *testcert.Cert) []*openssl.Certificate {
	t.Helper()
	p, err := openssl.X509KeyPair(c.ChainPEM, c.KeyPEM)
	if err != nil {
		t.Fatal(err)
	}
	return []*openssl.Certificate{p}
}

// what each end is configured with, for our Ctx and for crypto/tls.
func serverConfig(t *testing.T) openssl.Config {
	return openssl.Config{Certificates: pair(t, testcert.Server()), ClientAuth: tls.RequireAndVerifyClientCert,
		ClientCAPEM: testcert.Root().PEM, NextProtos: []string{"h2"}}
}

func clientConfig(t *testing.T) openssl.Config {
	return openssl.Config{RootCAPEM: testcert.Root().PEM, Certificates: pair(t, testcert.Client()), NextProtos: []string{"h2"}}
}

// The service answers each message of a stream with the same message, and begins with what it sees of
// the client.
var service = grpc.ServiceDesc{ServiceName: "test.Echo", HandlerType: (*any)(nil), Streams: []grpc.StreamDesc{{
	StreamName: "Echo", ServerStreams: true, ClientStreams: true,
	Handler: func(_ any, stream grpc.ServerStream) error {
		if err := stream.SendMsg(wrapperspb.Bytes([]byte(describe(stream.Context())))); err != nil {
			return err
		}
		for {
			var m wrapperspb.BytesValue
			if err := stream.RecvMsg(&m); err == io.EOF {
				return nil
			} else if err != nil {
				return err
			}
			if err := stream.SendMsg(&m); err != nil {
				return err
			}
		}
	},
}}}

func describe(ctx context.Context) string {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return "no peer"
	}
	info, ok := p.AuthInfo.(credentials.TLSInfo)
	if !ok || len(info.State.PeerCertificates) == 0 {
		return fmt.Sprintf("%T", p.AuthInfo)
	}
	return fmt.Sprintf("%s %s %s level %v", tls.VersionName(info.State.Version), info.State.NegotiatedProtocol,
		info.State.PeerCertificates[0].Subject.CommonName, info.SecurityLevel)
}

func serve(t *testing.T, creds credentials.TransportCredentials, opts ...grpc.ServerOption) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer(append(opts, grpc.Creds(creds))...)
	s.RegisterService(&service, struct{}{})
	grpc_health_v1.RegisterHealthServer(s, health.NewServer())
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Stop()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return l.Addr().String()
}

func channel(t *testing.T, addr string, creds credentials.TransportCredentials, opts ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	c, err := grpc.NewClient("passthrough:///"+addr, append(opts, grpc.WithTransportCredentials(creds))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// echo sends 100 messages, while it reads them, and returns what both ends tell of each other.
func echo(ctx context.Context, c *grpc.ClientConn) (client, server string, err error) {
	stream, err := c.NewStream(ctx, &service.Streams[0], "/test.Echo/Echo")
	if err != nil {
		return "", "", err
	}
	text := func(i int) []byte { return bytes.Repeat([]byte{byte(i)}, 50_000) }
	sent := make(chan error, 1)
	go func() {
		for i := range 100 {
			if err := stream.SendMsg(wrapperspb.Bytes(text(i))); err != nil {
				sent <- err
				return
			}
		}
		sent <- stream.CloseSend()
	}()
	var hello wrapperspb.BytesValue
	if err := stream.RecvMsg(&hello); err != nil {
		<-sent
		return "", "", err
	}
	for i := range 100 {
		var m wrapperspb.BytesValue
		if err := stream.RecvMsg(&m); err != nil || !bytes.Equal(m.Value, text(i)) {
			return "", "", fmt.Errorf("message %d has %d bytes: %w", i, len(m.Value), err)
		}
	}
	if err := stream.RecvMsg(&hello); err != io.EOF {
		return "", "", fmt.Errorf("after the last message: %w", err)
	}
	return describe(stream.Context()), string(hello.Value), <-sent
}

// TestEcho talks with our credentials at one end or at both, and looks at how the connection ends.
func TestEcho(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		stdServer := credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{testcert.Server().TLS}, ClientAuth: tls.RequireAndVerifyClientCert,
			ClientCAs: testcert.Root().Pool(), MinVersion: version, MaxVersion: version})
		stdClient := credentials.NewTLS(&tls.Config{RootCAs: testcert.Root().Pool(), Certificates: []tls.Certificate{testcert.Client().TLS},
			MinVersion: version, MaxVersion: version})
		for _, test := range []struct {
			name                     string
			ourClient, ourServer     bool
			clientCreds, serverCreds credentials.TransportCredentials
		}{
			{name: "both ours", ourClient: true, ourServer: true},
			{name: "our client", ourClient: true, serverCreds: stdServer},
			{name: "our server", ourServer: true, clientCreds: stdClient},
		} {
			t.Run(tls.VersionName(version)+"/"+test.name, func(t *testing.T) {
				t.Parallel()
				var client, server *endpoint
				if test.ourClient {
					cfg := clientConfig(t)
					cfg.MinVersion, cfg.MaxVersion = version, version
					client = newEndpoint(t, cfg)
					test.clientCreds = grpccreds.New(client.ctx)
				}
				if test.ourServer {
					cfg := serverConfig(t)
					cfg.MinVersion, cfg.MaxVersion = version, version
					server = newEndpoint(t, cfg)
					test.serverCreds = grpccreds.New(server.ctx)
				}
				c := channel(t, serve(t, test.serverCreds), test.clientCreds.Clone())
				seenByClient, seenByServer, err := echo(within(t), c)
				if err != nil {
					t.Fatal(err)
				}
				want := []string{tls.VersionName(version) + " h2 test server level PrivacyAndIntegrity",
					tls.VersionName(version) + " h2 test client level PrivacyAndIntegrity"}
				if diff := cmp.Diff(want, []string{seenByClient, seenByServer}); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				if err := c.Close(); err != nil {
					t.Error(err)
				}
				if client != nil {
					if end := client.end(); !end.Sent || end.Truncated {
						t.Errorf("the client's End %v", end)
					}
				}
				if server != nil {
					if end := server.end(); !end.Received || end.Truncated {
						t.Errorf("the server's End %v", end)
					}
				}
			})
		}
	}
}

// TestRefused: what must not become a connection.
func TestRefused(t *testing.T) {
	server := func(t *testing.T, change func(*openssl.Config)) string {
		cfg := serverConfig(t)
		cfg.ClientAuth = tls.NoClientCert
		change(&cfg)
		return serve(t, grpccreds.New(newEndpoint(t, cfg).ctx))
	}
	same := func(*openssl.Config) {}
	for _, test := range []struct {
		name           string
		server, client func(*openssl.Config)
		opts           []grpc.DialOption
		tells          string
	}{
		{"an authority that the client does not know", same, func(c *openssl.Config) { c.RootCAPEM = testcert.OtherCA().PEM }, nil, "certificate verify failed"},
		{"another name", same, same, []grpc.DialOption{grpc.WithAuthority("other.example:443")}, "ostname mismatch"},
		{"another name than Config's", same, func(c *openssl.Config) { c.ServerName = "localhost" },
			[]grpc.DialOption{grpc.WithAuthority("other.example")}, "ostname mismatch"},
		{"no ALPN at the client", same, func(c *openssl.Config) { c.NextProtos = nil }, nil, "h2 was not chosen by ALPN"},
		{"no ALPN at the server", func(c *openssl.Config) { c.NextProtos = nil }, same, nil, "h2 was not chosen by ALPN"},
		{"no certificate", func(c *openssl.Config) { c.ClientAuth = tls.RequireAnyClientCert }, func(c *openssl.Config) {
			c.Certificates, c.MaxVersion = nil, tls.VersionTLS12 // in TLS 1.3 the refusal comes behind the handshake
		}, nil, "handshake failure"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			cfg := clientConfig(t)
			test.client(&cfg)
			c := channel(t, server(t, test.server), grpccreds.New(newEndpoint(t, cfg).ctx), test.opts...)
			_, _, err := echo(within(t), c)
			if status.Code(err) != codes.Unavailable || !strings.Contains(fmt.Sprint(err), test.tells) {
				t.Errorf("%v, want it to tell %q", err, test.tells)
			}
		})
	}
	t.Run("no TLS", func(t *testing.T) {
		t.Parallel()
		if _, _, err := echo(within(t), channel(t, server(t, same), insecure.NewCredentials())); status.Code(err) != codes.Unavailable {
			t.Error(err)
		}
	})
	t.Run("no Ctx", func(t *testing.T) {
		t.Parallel()
		a, b := net.Pipe()
		defer b.Close()
		b.SetDeadline(time.Now().Add(long))
		if _, _, err := grpccreds.New(nil).ClientHandshake(t.Context(), "localhost", a); !errors.Is(err, openssl.ErrNil) {
			t.Errorf("the client's error is %v", err)
		}
		if _, err := b.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("the transport was not closed: %v", err)
		}
	})
}

// TestBoundedHandshake: a peer that says nothing is left at the caller's time, at both ends.
func TestBoundedHandshake(t *testing.T) {
	t.Run("server", func(t *testing.T) {
		t.Parallel()
		addr := serve(t, grpccreds.New(newEndpoint(t, serverConfig(t)).ctx), grpc.ConnectionTimeout(200*time.Millisecond))
		silent, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer silent.Close()
		silent.SetDeadline(time.Now().Add(long))
		if _, err := io.ReadAll(silent); errors.Is(err, context.DeadlineExceeded) || isTimeout(err) {
			t.Errorf("the server kept a silent client: %v", err)
		}
	})
	t.Run("client", func(t *testing.T) {
		t.Parallel()
		a, b := net.Pipe()
		defer b.Close()
		b.SetDeadline(time.Now().Add(long))
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error, 1)
		go func() {
			_, _, err := grpccreds.New(newEndpoint(t, clientConfig(t)).ctx).ClientHandshake(ctx, "localhost:1", a)
			failed <- err
		}()
		if _, err := b.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		cancel()
		if err := <-failed; !errors.Is(err, context.Canceled) {
			t.Errorf("the client's error is %v", err)
		}
	})
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// TestOverride: the name that gRPC's older interface sets, and that clones keep.
func TestOverride(t *testing.T) {
	client := grpccreds.New(newEndpoint(t, clientConfig(t)).ctx)
	if err := client.OverrideServerName("other.example"); err != nil {
		t.Fatal(err)
	}
	clone := client.Clone()
	if err := client.OverrideServerName("localhost"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"localhost", "other.example"}, []string{client.Info().ServerName, clone.Info().ServerName}); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	addr := serve(t, grpccreds.New(newEndpoint(t, serverConfig(t)).ctx))
	if _, _, err := echo(within(t), channel(t, addr, client)); err != nil {
		t.Errorf("under the certificate's name: %v", err)
	}
	if _, _, err := echo(within(t), channel(t, addr, clone)); !strings.Contains(fmt.Sprint(err), "ostname mismatch") {
		t.Errorf("under another name: %v", err)
	}
}
