package openssl_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/testcert"
)

func onlyHTTP2() *http.Protocols {
	p := new(http.Protocols)
	p.SetUnencryptedHTTP2(true)
	return p
}

func protocolsByPreface() *http.Protocols {
	p := onlyHTTP2()
	p.SetHTTP1(true)
	return p
}

// echo answers with the body and says in headers what the request came by.
func echo(w http.ResponseWriter, r *http.Request) {
	if c, ok := r.Context().Value(connKey{}).(*openssl.Conn); ok {
		w.Header().Set("Alpn", c.ConnectionState().NegotiatedProtocol)
	}
	w.Header().Set("Proto", r.Proto)
	body, _ := io.ReadAll(r.Body)
	w.Write(body)
}

// askMuch makes 20 requests at the same time behind a first one, each with 300 KB both ways.
func askMuch(client *http.Client, url string, want map[string]string) error {
	ask := func(i int) error {
		text := bytes.Repeat([]byte{byte('a' + i)}, 300_000)
		response, err := client.Post(url, "text/plain", bytes.NewReader(text))
		if err != nil {
			return err
		}
		defer response.Body.Close()
		got, err := io.ReadAll(response.Body)
		if err != nil || !bytes.Equal(got, text) {
			return fmt.Errorf("%d bytes came back, %w", len(got), err)
		}
		for name, value := range want {
			if got := response.Header.Get(name); got != value {
				return fmt.Errorf("%s is %q, want %q", name, got, value)
			}
		}
		return nil
	}
	errs := make([]error, 20)
	errs[0] = ask(0)
	var all sync.WaitGroup
	for i := range errs[1:] {
		all.Go(func() { errs[1+i] = ask(1 + i) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// endLog collects what OnEnd is told.
type endLog struct{ ends chan openssl.End }

func newEndLog() *endLog { return &endLog{make(chan openssl.End, 100)} }

func (l *endLog) add(e openssl.End) { l.ends <- e }

func (l *endLog) next(t *testing.T) openssl.End {
	t.Helper()
	select {
	case e := <-l.ends:
		return e
	case <-deadline(t).Done():
		t.Fatal("a connection did not end")
		return openssl.End{}
	}
}

// TestHTTP2Server serves HTTP/2 by net/http alone to its own client, over Conn and over crypto/tls, and to
// curl; and HTTP/1.1 to those that want it.
func TestHTTP2Server(t *testing.T) {
	for _, version := range bothVersions {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			t.Parallel()
			ends := newEndLog()
			cfg := serverConfig(t, version)
			cfg.NextProtos, cfg.OnEnd = []string{"h2", "http/1.1"}, ends.add
			l, err := openssl.Listen("tcp", "127.0.0.1:0", newCtx(t, cfg))
			if err != nil {
				t.Fatal(err)
			}
			var connections atomic.Int32
			server := &http.Server{Protocols: protocolsByPreface(), Handler: http.HandlerFunc(echo), ErrorLog: log.New(io.Discard, "", 0),
				ConnContext: func(ctx context.Context, c net.Conn) context.Context {
					connections.Add(1)
					return context.WithValue(ctx, connKey{}, c.(struct{ net.Conn }).Conn)
				}}
			served := make(chan error, 1)
			go func() { served <- server.Serve(preface{l}) }()
			url := "https://" + l.Addr().String()

			ours := clientConfig(version)
			ours.NextProtos = []string{"h2"}
			for _, test := range []struct {
				name      string
				transport *http.Transport
				want      map[string]string
			}{
				{"our client", &http.Transport{DialTLSContext: (&openssl.Dialer{Ctx: newCtx(t, ours)}).DialContext, Protocols: onlyHTTP2()},
					map[string]string{"Proto": "HTTP/2.0", "Alpn": "h2"}},
				{"Go's client", &http.Transport{TLSClientConfig: &tls.Config{RootCAs: testcert.Root().Pool()}, ForceAttemptHTTP2: true},
					map[string]string{"Proto": "HTTP/2.0", "Alpn": "h2"}},
				{"Go's client, HTTP/1.1", &http.Transport{TLSClientConfig: &tls.Config{RootCAs: testcert.Root().Pool()}, MaxConnsPerHost: 1},
					map[string]string{"Proto": "HTTP/1.1", "Alpn": ""}},
			} {
				t.Run(test.name, func(t *testing.T) {
					before := connections.Load()
					if err := askMuch(&http.Client{Transport: test.transport, Timeout: testTime}, url, test.want); err != nil {
						t.Error(err)
					}
					if n := connections.Load() - before; n != 1 {
						t.Errorf("20 requests took %d connections", n)
					}
					test.transport.CloseIdleConnections()
					// Go's end may leave before it has read ours.
					if e := ends.next(t); !e.Received || e.Truncated {
						t.Errorf("End %v", e)
					}
				})
			}
			for _, test := range []struct{ flag, want string }{{"--http2", "2 HTTP/2.0 h2"}, {"--http1.1", "1.1 HTTP/1.1 http/1.1"}} {
				t.Run("curl "+test.flag, func(t *testing.T) {
					if out, err := exec.Command("curl", "--version").Output(); err != nil || !strings.Contains(string(out), "HTTP2") {
						t.Skipf("this machine has no curl that speaks HTTP/2: %v", err)
					}
					_, _, root := pemFiles(t)
					cmd := exec.CommandContext(deadline(t), "curl", "-sS", "--noproxy", "*", test.flag, "--cacert", root, "--data-binary", "@-",
						"-o", "/dev/null", "-w", "%{http_version} %header{proto} %header{alpn} %{size_download}", url)
					cmd.Stdin = bytes.NewReader(randomBytes(1 << 20))
					out, err := cmd.CombinedOutput()
					if diff := cmp.Diff(test.want+" 1048576", string(out)); err != nil || diff != "" {
						t.Errorf("%v (-want +got):\n%s", err, diff)
					}
					ends.next(t) // curl 7.88 says close_notify on HTTP/1.1 alone
				})
			}
			if err := server.Shutdown(deadline(t)); err != nil {
				t.Errorf("Shutdown: %v", err)
			}
			if err := <-served; !errors.Is(err, http.ErrServerClosed) {
				t.Errorf("Serve: %v", err)
			}
		})
	}
}

// TestHTTP2Client asks Go's own HTTP/2 server, over crypto/tls.
func TestHTTP2Client(t *testing.T) {
	for _, version := range bothVersions {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			t.Parallel()
			server := httptest.NewUnstartedServer(http.HandlerFunc(echo))
			server.EnableHTTP2 = true
			server.TLS = &tls.Config{Certificates: []tls.Certificate{testcert.Server().TLS}, MinVersion: version, MaxVersion: version}
			server.StartTLS()
			defer server.Close()
			ends := newEndLog()
			cfg := clientConfig(version)
			cfg.NextProtos, cfg.OnEnd = []string{"h2"}, ends.add
			transport := &http.Transport{DialTLSContext: (&openssl.Dialer{Ctx: newCtx(t, cfg)}).DialContext, Protocols: onlyHTTP2()}
			if err := askMuch(&http.Client{Transport: transport, Timeout: testTime}, server.URL, map[string]string{"Proto": "HTTP/2.0"}); err != nil {
				t.Error(err)
			}
			transport.CloseIdleConnections()
			if e := ends.next(t); !e.Sent || e.Truncated {
				t.Errorf("End %v", e)
			}
		})
	}
}
