package peers

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"
)

// accept gives each connection to handle, in a goroutine of its own, until the test's end.
func accept(t *testing.T, handle func(*net.TCPConn)) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
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
				handle(nc.(*net.TCPConn))
			})
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
	return l.Addr().String()
}

// echoBackend is what stands behind a proxy: it reads up to the end and sends all of it back.
func echoBackend(t *testing.T) string {
	return accept(t, func(c *net.TCPConn) {
		if all, err := io.ReadAll(c); err == nil {
			c.Write(all)
		}
	})
}

// echoHTTPBackend stands behind a proxy of HTTP: it reads a request's body and sends all of it back.
func echoHTTPBackend(t *testing.T) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if all, err := io.ReadAll(r.Body); err == nil {
			w.Write(all)
		}
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// answerBackend answers a request and ends the connection.
func answerBackend(t *testing.T) string {
	return accept(t, func(c *net.TCPConn) {
		if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
			io.WriteString(c, "HTTP/1.0 200 OK\r\n\r\nhello")
		}
	})
}

func goServer(t *testing.T, p *place) string {
	pair, err := tls.LoadX509KeyPair(p.cert, p.key)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") }))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func goEcho(t *testing.T, p *place) string {
	pair, err := tls.LoadX509KeyPair(p.cert, p.key)
	if err != nil {
		t.Fatal(err)
	}
	return accept(t, func(nc *net.TCPConn) {
		c := tls.Server(nc, &tls.Config{Certificates: []tls.Certificate{pair}})
		defer c.Close()
		if all, err := io.ReadAll(c); err == nil {
			c.Write(all)
		}
	})
}

// goThrough is a proxy in crypto/tls, as it is with the programs: what a connection in clear text says goes
// to target.
func goThrough(t *testing.T, p *place, target string) string {
	roots, err := pool(p.ca)
	if err != nil {
		t.Fatal(err)
	}
	return accept(t, func(plain *net.TCPConn) {
		c, err := tls.Dial("tcp", target, &tls.Config{RootCAs: roots, ServerName: "localhost"})
		if err != nil {
			return
		}
		defer c.Close()
		var both sync.WaitGroup
		both.Go(func() { io.Copy(c, plain); c.CloseWrite() })
		both.Go(func() { io.Copy(plain, c); plain.CloseWrite() })
		both.Wait()
	})
}

func pool(ca string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(ca)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, errors.New("no certificate in " + ca)
	}
	return roots, nil
}

// clientMode makes this binary a client: NAME PORT CA behind it.
const clientMode = "play-client"

// tellsEnd tells of its Close.
type tellsEnd struct {
	net.Conn
	once  sync.Once
	ended chan struct{}
}

func (c *tellsEnd) Close() error {
	defer c.once.Do(func() { close(c.ended) })
	return c.Conn.Close()
}

// playClient gets https://localhost:PORT/ with net/http, or with net/http through a proxy.
func playClient(args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("%q is not NAME PORT CA", args)
	}
	name, target, ca := args[0], "127.0.0.1:"+args[1], args[2]
	client := &http.Client{Timeout: long}
	url := "https://" + target
	if name == "go" {
		roots, err := pool(ca)
		if err != nil {
			return err
		}
		ended := make(chan struct{})
		client.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "localhost"},
			DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				nc, err := (&net.Dialer{}).DialContext(ctx, network, addr)
				if err != nil {
					return nil, err
				}
				return &tellsEnd{Conn: nc, ended: ended}, nil
			}}
		// net/http closes behind the answer, in a goroutine of its own.
		defer func() {
			select {
			case <-ended:
			case <-time.After(10 * time.Second):
			}
		}()
	} else {
		dir, err := os.MkdirTemp("", "peers")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		format := map[string]string{"haproxy": haproxyClient, "nginx": nginxClient, "stunnel": stunnelClient}[name]
		path, _ := find(name)
		p, addr, err := launch(func(port string) *exec.Cmd {
			return exec.Command(path, proxyArgs(configuration(dir, name, format, port, target, ca), name)...)
		})
		if err != nil {
			return err
		}
		defer p.stop()
		defer time.Sleep(brief) // the proxy ends its connection behind the answer
		url = "http://" + addr
	}
	answer, err := client.Get(url)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(os.Stdout, answer.Body); err != nil {
		return err
	}
	client.CloseIdleConnections()
	return nil
}
