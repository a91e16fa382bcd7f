package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spacemonkeygo/openssl"
)

// TestHTTPOverTheDropIn serves and asks with net/http, over the drop-in on both sides and over crypto/tls on the other one.
func TestHTTPOverTheDropIn(t *testing.T) {
	p := pki()
	var connections atomic.Int64
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/stream" {
				w.Header().Set("Trailer", "Sum")
				for range 16 {
					_, _ = w.Write(bytes.Repeat([]byte("chunk"), 1000))
					w.(http.Flusher).Flush()
				}
				w.Header().Set("Sum", "80000")
				return
			}
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Errorf("reading a request: %v", err)
			}
			_, _ = w.Write(body)
		}),
		ConnState: func(_ net.Conn, s http.ConnState) {
			if s == http.StateNew {
				connections.Add(1)
			}
		},
	}
	// ServerListenAndServeTLS listens itself: a port that is free now will do.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server.Addr = l.Addr().String()
	l.Close()
	served := make(chan error, 1)
	go func() { served <- openssl.ServerListenAndServeTLS(server, p.certFile, p.keyFile) }()
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), long)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("ServerListenAndServeTLS: %v", err)
		}
	}()
	until := time.Now().Add(long)
	for {
		conn, err := net.Dial("tcp", server.Addr)
		if err == nil {
			conn.Close()
			for connections.Load() == 0 && time.Now().Before(until) {
				time.Sleep(time.Millisecond)
			}
			break
		}
		if time.Now().After(until) {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	connections.Store(0)

	trusting := clientCtx(anyTLS)
	for name, transport := range map[string]*http.Transport{
		"drop-in": {DialTLSContext: func(_ context.Context, network, addr string) (net.Conn, error) {
			return openssl.Dial(network, addr, trusting, 0)
		}},
		"DialTLS": {DialTLS: func(network, addr string) (net.Conn, error) { //nolint:staticcheck // what users of the original have
			return openssl.Dial(network, addr, trusting, 0)
		}},
		"crypto/tls": {TLSClientConfig: &tls.Config{RootCAs: stdClient().RootCAs, ServerName: "localhost"}},
	} {
		t.Run(name, func(t *testing.T) {
			client := &http.Client{Transport: transport, Timeout: long}
			defer transport.CloseIdleConnections()
			before := connections.Load()
			for i := range 20 {
				body := strings.Repeat(fmt.Sprint(i), 10_000)
				response, err := client.Post("https://"+server.Addr, "text/plain", strings.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(response.Body)
				response.Body.Close()
				if err != nil || string(got) != body {
					t.Fatalf("request %d: %d bytes of %d, %v", i, len(got), len(body), err)
				}
			}
			// net/http leaves a connection whose answer came 50 ms before its own goroutine had told of the request.
			if n := connections.Load() - before; n > 5 {
				t.Errorf("20 requests one after another made %d connections; want 1, kept alive", n)
			}
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					response, err := client.Get("https://" + server.Addr + "/stream")
					if err != nil {
						t.Error(err)
						return
					}
					defer response.Body.Close()
					got, err := io.ReadAll(response.Body)
					if err != nil || len(got) != 80_000 || response.Trailer.Get("Sum") != "80000" {
						t.Errorf("streamed %d bytes, %v, trailer %v", len(got), err, response.Trailer)
					}
				})
			}
			all.Wait()
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+server.Addr, nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := client.Do(request); !errors.Is(err, context.Canceled) {
				t.Errorf("a request that was given up: %v", err)
			}
		})
	}

	t.Run("untrusted", func(t *testing.T) {
		ctx, err := openssl.NewCtx()
		if err != nil {
			t.Fatal(err)
		}
		ctx.SetVerifyMode(openssl.VerifyPeer)
		client := &http.Client{Transport: &http.Transport{DialTLSContext: func(_ context.Context, network, addr string) (net.Conn, error) {
			return openssl.Dial(network, addr, ctx, 0)
		}}, Timeout: long}
		if _, err := client.Get("https://" + server.Addr); err == nil || !strings.Contains(err.Error(), "certificate verify failed") {
			t.Errorf("an untrusted server: %v", err)
		}
	})
}
