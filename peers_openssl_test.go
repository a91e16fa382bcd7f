package openssl_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/testcert"
)

// program is a running peer.
type program struct {
	t     *testing.T
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines chan string // of standard output and error, closed at their end
	ended chan error
}

func runOpenSSL(t *testing.T, args ...string) *program {
	t.Helper()
	return run(t, "openssl", args...)
}

func run(t *testing.T, name string, args ...string) *program {
	t.Helper()
	p := &program{t: t, cmd: exec.Command(name, args...), lines: make(chan string, 10_000), ended: make(chan error, 1)}
	var err error
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stdout, p.cmd.Stderr = w, w
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	go func() {
		defer r.Close()
		defer close(p.lines)
		for in := bufio.NewScanner(r); in.Scan(); {
			p.lines <- in.Text()
		}
	}()
	go func() { p.ended <- p.cmd.Wait() }()
	t.Cleanup(func() {
		p.stdin.Close()
		p.kill()
		for range p.lines {
		}
	})
	return p
}

// expect returns the next line that holds text.
func (p *program) expect(text string) string {
	p.t.Helper()
	var before []string
	timeout := time.After(testTime)
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				p.t.Fatalf("%v ended before it said %q:\n%s", p.cmd.Args, text, strings.Join(before, "\n"))
			}
			if strings.Contains(line, text) {
				return line
			}
			before = append(before, line)
		case <-timeout:
			p.t.Fatalf("%v did not say %q:\n%s", p.cmd.Args, text, strings.Join(before, "\n"))
		}
	}
}

func (p *program) say(text string) {
	p.t.Helper()
	if _, err := io.WriteString(p.stdin, text); err != nil {
		p.t.Fatal(err)
	}
}

// kill ends the process as a crash would and waits for it.
func (p *program) kill() {
	p.cmd.Process.Kill()
	err := <-p.ended
	p.ended <- err
}

// pemFiles writes the server's certificate and key, and the root.
func pemFiles(t *testing.T) (cert, key, root string) {
	t.Helper()
	dir := t.TempDir()
	write := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	id := testcert.Server()
	return write("cert.pem", id.ChainPEM), write("key.pem", id.KeyPEM), write("root.pem", testcert.Root().PEM)
}

func versionFlag(version uint16) string {
	if version == tls.VersionTLS12 {
		return "-tls1_2"
	}
	return "-tls1_3"
}

// TestPeerSServer ends connections with s_server at the other end.
func TestPeerSServer(t *testing.T) {
	for _, proto := range allProtocols {
		for _, test := range []struct {
			name    string
			do      func(c *openssl.Conn, s *program) []string
			want    []string
			session string
		}{
			{
				// s_server's own q closes the socket and says no close_notify.
				"quit", func(c *openssl.Conn, s *program) []string {
					s.say("q\n")
					return []string{readAll(c), said(c.CloseWrite()), said(c.Close())}
				},
				[]string{"unexpected EOF", "unexpected EOF", "ok"}, "marked",
			},
			{
				"clean, we first", func(c *openssl.Conn, s *program) []string {
					steps := []string{write(c, "goodbye\n"), said(c.CloseWrite()), readAll(c), said(c.Close())}
					s.expect("goodbye")
					return steps
				},
				[]string{"wrote 8", "ok", "EOF", "ok"}, "resumed",
			},
			{
				"closed both ways", func(c *openssl.Conn, s *program) []string {
					return []string{said(c.Shutdown(deadline(s.t))), mask(c), said(c.Close())}
				},
				[]string{"ok", "SENT|RECEIVED", "ok"}, "resumed",
			},
			{
				"killed", func(c *openssl.Conn, s *program) []string {
					s.say("half\n")
					_, err := io.ReadFull(c, make([]byte, len("half\n")))
					s.kill()
					return []string{said(err), readAll(c), mask(c), said(c.Close())}
				},
				[]string{"ok", "unexpected EOF", "open", "ok"}, "marked",
			},
		} {
			t.Run(test.name+"/"+proto.name, func(t *testing.T) {
				t.Parallel()
				cert, key, _ := pemFiles(t)
				args := []string{"s_server", "-accept", "127.0.0.1:0", "-cert", cert, "-key", key, versionFlag(proto.version)}
				if proto.stateful {
					args = append(args, "-no_ticket")
				}
				s := runOpenSSL(t, args...)
				_, addr, _ := strings.Cut(s.expect("ACCEPT 127.0.0.1:"), "ACCEPT ")

				log := &sessionLog{}
				cfg := clientConfig(proto.version)
				cfg.OnSession = log.add
				ctx := newCtx(t, cfg)
				dial := func(opts ...openssl.ConnOption) *openssl.Conn {
					nc, err := net.Dial("tcp", addr)
					if err != nil {
						t.Fatal(err)
					}
					c := clientOver(t, nc, ctx, opts...)
					c.SetDeadline(time.Now().Add(testTime))
					if err := c.Handshake(); err != nil {
						t.Fatal(err)
					}
					// A line each way, so that the tickets are read.
					write(c, "ping\n")
					s.expect("ping")
					s.say("pong\n")
					if _, err := io.ReadFull(c, make([]byte, len("pong\n"))); err != nil {
						t.Fatal(err)
					}
					return c
				}
				if diff := cmp.Diff(test.want, test.do(dial(), s)); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				sessions := log.take()
				if len(sessions) == 0 {
					t.Fatal("the client has no session")
				}
				newest := sessions[len(sessions)-1]
				if newest.Resumable() != (test.session == "resumed") {
					t.Errorf("resumable: %v", newest.Resumable())
				}
				if test.session != "resumed" {
					return
				}
				c := dial(openssl.WithSession(newest))
				if !c.ConnectionState().DidResume {
					t.Error("the session does not resume")
				}
				c.Close()
			})
		}
	}
}

// TestPeerSServerPage: s_server -www answers a request and closes first, with close_notify.
func TestPeerSServerPage(t *testing.T) {
	for _, version := range bothVersions {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			t.Parallel()
			cert, key, _ := pemFiles(t)
			s := runOpenSSL(t, "s_server", "-www", "-accept", "127.0.0.1:0", "-cert", cert, "-key", key, versionFlag(version))
			_, addr, _ := strings.Cut(s.expect("ACCEPT 127.0.0.1:"), "ACCEPT ")
			log := &sessionLog{}
			cfg := clientConfig(version)
			cfg.OnSession = log.add
			ctx := newCtx(t, cfg)
			var opts []openssl.ConnOption
			for _, resumed := range []bool{false, true} {
				nc, err := net.Dial("tcp", addr)
				if err != nil {
					t.Fatal(err)
				}
				c := clientOver(t, nc, ctx, opts...)
				c.SetDeadline(time.Now().Add(testTime))
				if _, err := io.WriteString(c, "GET / HTTP/1.0\r\n\r\n"); err != nil {
					t.Fatal(err)
				}
				page, err := io.ReadAll(c)
				if err != nil || !strings.HasPrefix(string(page), "HTTP/1.0 200") || !strings.Contains(string(page), "</HTML>") {
					t.Errorf("read %d bytes, %v", len(page), err)
				}
				if err := c.Shutdown(deadline(t)); err != nil || !c.End().Clean() {
					t.Errorf("Shutdown = %v, End %v", err, c.End())
				}
				if got := c.ConnectionState().DidResume; got != resumed {
					t.Errorf("DidResume = %v, want %v", got, resumed)
				}
				c.Close()
				if sessions := log.take(); len(sessions) > 0 {
					opts = []openssl.ConnOption{openssl.WithSession(sessions[len(sessions)-1])}
				}
			}
		})
	}
}

// TestPeerSClient ends connections with s_client at the other end.
func TestPeerSClient(t *testing.T) {
	for _, proto := range allProtocols {
		for _, test := range []struct {
			name    string
			do      func(c *openssl.Conn, s *program) []string
			want    []string
			session string
		}{
			{
				"clean, they first", func(c *openssl.Conn, s *program) []string {
					s.say("Q\n") // ends the program
					return []string{readAll(c), said(c.Close())}
				},
				[]string{"EOF", "ok"}, "Reused",
			},
			{
				"clean, we first", func(c *openssl.Conn, s *program) []string {
					steps := []string{write(c, "goodbye\n"), said(c.CloseWrite())}
					s.expect("goodbye")
					s.expect("closed")
					return append(steps, readAll(c), said(c.Close()))
				},
				[]string{"wrote 8", "ok", "EOF", "ok"}, "Reused",
			},
			{
				"killed", func(c *openssl.Conn, s *program) []string {
					s.kill()
					return []string{readAll(c), said(c.Close())}
				},
				// Tickets are the client's; what our cache held is gone.
				[]string{"unexpected EOF", "ok"}, map[bool]string{true: "New", false: "Reused"}[proto.stateful],
			},
			{
				"we drop", func(c *openssl.Conn, s *program) []string {
					steps := []string{said(c.NetConn().Close()), said(c.Close())}
					line := "none"
					for l := range s.lines {
						if strings.Contains(l, "unexpected eof") {
							line = "s_client saw an unexpected end"
						}
					}
					return append(steps, line)
				},
				[]string{"ok", "ok", "s_client saw an unexpected end"}, map[bool]string{true: "New", false: "Reused"}[proto.stateful],
			},
		} {
			t.Run(test.name+"/"+proto.name, func(t *testing.T) {
				t.Parallel()
				if test.name == "we drop" && !s3Command(t) {
					t.Skip("the openssl command is older than 3.0: an end of the transport is no error to it")
				}
				_, _, root := pemFiles(t)
				file := filepath.Join(t.TempDir(), "session.pem")
				cfg := serverConfig(t, proto.version)
				if proto.stateful {
					cfg.SessionCache = openssl.NewMemoryCache(0)
				}
				l, err := openssl.Listen("tcp", "127.0.0.1:0", newCtx(t, cfg))
				if err != nil {
					t.Fatal(err)
				}
				defer l.Close()
				connect := func(args ...string) (*openssl.Conn, *program) {
					args = append([]string{"s_client", "-connect", l.Addr().String(), "-CAfile", root, "-servername", "localhost",
						"-verify_return_error", "-verify_hostname", "localhost", versionFlag(proto.version)}, args...)
					s := runOpenSSL(t, args...)
					nc, err := l.Accept()
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(func() { nc.Close() })
					c := nc.(*openssl.Conn)
					c.SetDeadline(time.Now().Add(testTime))
					if err := c.Handshake(); err != nil {
						t.Fatal(err)
					}
					return c, s
				}
				// s_client writes each ticket to the file when it reads it, and prints what comes behind.
				c, s := connect("-sess_out", file)
				write(c, "pong\n")
				s.expect("pong")
				if diff := cmp.Diff(test.want, test.do(c, s)); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}

				c, s = connect("-sess_in", file)
				line := s.expect(", Cipher is ")
				if got, _, _ := strings.Cut(line, ","); got != test.session {
					t.Errorf("s_client says %q, want %s", line, test.session)
				}
				if got, want := c.ConnectionState().DidResume, test.session == "Reused"; got != want {
					t.Errorf("DidResume = %v", got)
				}
				s.say("Q\n")
				if got := readAll(c); got != "EOF" {
					t.Errorf("read %v", got)
				}
			})
		}
	}
}

// s3Command reports whether the openssl command is 3.0 or later.
func s3Command(t *testing.T) bool {
	t.Helper()
	out, err := exec.Command("openssl", "version").Output()
	if err != nil {
		t.Fatal(err)
	}
	var major int
	fmt.Sscanf(string(out), "OpenSSL %d.", &major)
	return major >= 3
}
