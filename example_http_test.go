package openssl_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/testcert"
)

// net/http takes a listener and a dialer. Its server fills Request.TLS.
func Example_http() {
	id := testcert.Server()
	cert, err := openssl.X509KeyPair(id.ChainPEM, id.KeyPEM)
	if err != nil {
		log.Fatal(err)
	}
	serverCtx, err := openssl.NewCtx(&openssl.Config{Certificates: []*openssl.Certificate{cert}})
	if err != nil {
		log.Fatal(err)
	}
	l, err := openssl.Listen("tcp", "127.0.0.1:0", serverCtx)
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s, asked for as %s", r.Proto, r.TLS.ServerName)
	})}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()

	clientCtx, err := openssl.NewCtx(&openssl.Config{RootCAPEM: testcert.Root().PEM, ServerName: "localhost"})
	if err != nil {
		log.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DialTLSContext: (&openssl.Dialer{Ctx: clientCtx}).DialContext}}
	response, err := client.Get("https://" + l.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	response.Body.Close()
	fmt.Printf("%s %v\n", body, err)

	client.CloseIdleConnections()
	server.Shutdown(context.Background())
	fmt.Println(<-served)
	clientCtx.Drain(context.Background())
	serverCtx.Drain(context.Background())
	// Output:
	// HTTP/1.1, asked for as localhost <nil>
	// http: Server closed
}

// preface makes net/http's server look for HTTP/2's first bytes: it does so where it sees no TLS, and
// knows ALPN of a *tls.Conn alone.
type preface struct{ net.Listener }

func (l preface) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return struct{ net.Conn }{c}, nil
}

type connKey struct{}

// HTTP/2 with net/http alone. ALPN decides what the client speaks, its first bytes tell the server. What
// Request.TLS would tell comes with ConnContext.
func Example_http2() {
	protocols := func(set ...func(*http.Protocols, bool)) *http.Protocols {
		p := new(http.Protocols)
		for _, f := range set {
			f(p, true)
		}
		return p
	}
	id := testcert.Server()
	cert, err := openssl.X509KeyPair(id.ChainPEM, id.KeyPEM)
	if err != nil {
		log.Fatal(err)
	}
	serverCtx, err := openssl.NewCtx(&openssl.Config{Certificates: []*openssl.Certificate{cert}, NextProtos: []string{"h2", "http/1.1"}})
	if err != nil {
		log.Fatal(err)
	}
	l, err := openssl.Listen("tcp", "127.0.0.1:0", serverCtx)
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{
		Protocols: protocols((*http.Protocols).SetHTTP1, (*http.Protocols).SetUnencryptedHTTP2),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, c.(struct{ net.Conn }).Conn)
		},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn := r.Context().Value(connKey{}).(*openssl.Conn)
			fmt.Fprintf(w, "%s, ALPN %s", r.Proto, conn.ConnectionState().NegotiatedProtocol)
		}),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(preface{l}) }()

	clientCtx, err := openssl.NewCtx(&openssl.Config{RootCAPEM: testcert.Root().PEM, NextProtos: []string{"h2"}})
	if err != nil {
		log.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{
		DialTLSContext: (&openssl.Dialer{Ctx: clientCtx}).DialContext,
		Protocols:      protocols((*http.Protocols).SetUnencryptedHTTP2),
	}}
	response, err := client.Get("https://" + l.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	response.Body.Close()
	fmt.Printf("%s %v\n", body, err)

	client.CloseIdleConnections()
	server.Shutdown(context.Background())
	fmt.Println(<-served)
	clientCtx.Drain(context.Background())
	serverCtx.Drain(context.Background())
	// Output:
	// HTTP/2.0, ALPN h2 <nil>
	// http: Server closed
}
