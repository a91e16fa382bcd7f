package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/cmd/closenotify/internal/probe"
	"github.com/golibssl/openssl/cmd/closenotify/internal/serve"
)

func writeFile(t *testing.T, name string, p []byte) {
	t.Helper()
	if err := os.WriteFile(name, p, 0o600); err != nil {
		t.Fatal(err)
	}
}

// serving is a running closenotify serve.
type serving struct {
	addr, port string
	roots      *x509.CertPool
	end        func() []serve.Report // stops it and returns what it has printed
}

var servingLine = regexp.MustCompile(`^closenotify: serving https://([^/]*)/, certificate authority in (.*)\n`)

// startServe runs serve --json until the test ends or end is called.
func startServe(t *testing.T, args ...string) *serving {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	var stdout, stderr buffer
	status := make(chan int, 1)
	go func() {
		status <- run(ctx, append([]string{"serve", "--json"}, args...), strings.NewReader(""), &stdout, &stderr)
	}()
	var match []string
	for match == nil {
		select {
		case s := <-status:
			t.Fatalf("serve ended with %d: %s", s, stderr.String())
		case <-time.After(5 * time.Millisecond):
			match = servingLine.FindStringSubmatch(stderr.String())
		}
	}
	s := &serving{addr: match[1]}
	_, s.port, _ = net.SplitHostPort(s.addr)
	pem, err := os.ReadFile(match[2])
	if err != nil {
		t.Fatal(err)
	}
	s.roots = x509.NewCertPool()
	s.roots.AppendCertsFromPEM(pem)
	ended := false
	s.end = func() (all []serve.Report) {
		if ended {
			return nil
		}
		ended = true
		stop()
		if got := <-status; got != exitDone {
			t.Errorf("serve ended with %d: %s", got, stderr.String())
		}
		dec := json.NewDecoder(strings.NewReader(stdout.String()))
		dec.DisallowUnknownFields()
		for {
			var r serve.Report
			if err := dec.Decode(&r); err == io.EOF {
				return all
			} else if err != nil {
				t.Fatalf("%v in %s", err, stdout.String())
			}
			all = append(all, r)
		}
	}
	t.Cleanup(func() { s.end() })
	return s
}

func endings(all []serve.Report) (s []string) {
	for _, r := range all {
		s = append(s, r.Ending)
	}
	return s
}

// TestProbeAndServe lets the two look at each other: each tells what the other did.
func TestProbeAndServe(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		end           string
		after, answer string // how the server ends: after a request, and without one
	}{
		{"clean", "data+close_notify+fin", "close_notify+fin"},
		{"wait", "data+wait", "wait"},
		{"truncate", "data+fin", "fin"},
		{"mid-record", "data+fin", "fin"},
		{"reset", "data+reset", "reset"},
		{"alert", "data+alert:bad_record_mac+fin", "alert:bad_record_mac+fin"},
		{"quiet", "data+fin", "fin"},
		{"data-after-close", "data+close_notify+data+fin", "close_notify+data+fin"},
	} {
		for _, version := range []string{"1.2", "1.3"} {
			t.Run(test.end+"/"+version, func(t *testing.T) {
				t.Parallel()
				probing, serving := patience, 2*patience
				if test.end == "wait" {
					probing = briefly
				}
				s := startServe(t, "--end", test.end, "--timeout", serving.String())
				got := probeTarget(t, s.addr, probing, "--tls"+version)
				after, answer, half := test.after, test.answer, test.after
				if test.end == "alert" && version == "1.3" && openssl.LibraryVersionNumber() >= 0x30500000 {
					answer, half = "fin", "data+fin" // see link.Fail
				}
				want := probe.Report{Target: s.addr, OpenSSL: got.OpenSSL, TLS: "TLSv" + version, Group: got.Group, Checks: probe.Checks{
					EndOfResponse: after, AnswerToCloseNotify: answer, HalfClose: half,
					BareFin: test.answer, PartialThenFin: test.answer, Reset: "ok",
					ResumeAfterClose: bothResumed, ResumeAfterDrop: bothResumed,
				}}
				if d := cmp.Diff(want, got); d != "" {
					t.Errorf("the probe (-want +got):\n%s", d)
				}

				reports := s.end()
				if len(reports) != 6+1+8 {
					t.Errorf("the server reports %d connections: %v", len(reports), reports)
				}
				clients := []string{"close_notify+fin", "data+close_notify+fin", "data+fin", "data+reset", "fin"}
				if test.end == "reset" {
					// Beside the ends that come first the server sees its own reset.
					clients = []string{"close_notify+reset", "data+close_notify+reset", "data+fin", "data+reset", "fin"}
				}
				if d := cmp.Diff(clients, slices.Compact(slices.Sorted(slices.Values(endings(reports))))); d != "" {
					t.Errorf("the server's view of the probe (-want +got):\n%s", d)
				}
				for _, r := range reports {
					if host, _, err := net.SplitHostPort(r.Remote); err != nil || host != "127.0.0.1" || !strings.HasPrefix(r.TLS, "TLSv1.") {
						t.Errorf("report %+v", r)
					}
				}
			})
		}
	}
}

func (s *serving) dial(t *testing.T, version uint16) (*tls.Conn, *net.TCPConn) {
	t.Helper()
	raw, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { raw.Close() })
	raw.SetDeadline(time.Now().Add(time.Minute))
	c := tls.Client(raw, &tls.Config{RootCAs: s.roots, ServerName: "localhost", MinVersion: version, MaxVersion: version})
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	return c, raw.(*net.TCPConn)
}

// What crypto/tls clients do, told by the server; what the server does, told by crypto/tls.
func TestServeClients(t *testing.T) {
	t.Parallel()
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, test := range []struct {
			name, end string
			client    func(t *testing.T, c *tls.Conn, raw *net.TCPConn)
			want      string
		}{
			{"close", "clean", func(t *testing.T, c *tls.Conn, raw *net.TCPConn) {
				c.CloseWrite()
				if got := untilEnd(c); got != "" { // closing before would be a reset: the answer is on its way
					t.Errorf("read %q", got)
				}
				raw.Close()
			}, "close_notify+fin"},
			{"half close", "clean", func(t *testing.T, c *tls.Conn, raw *net.TCPConn) {
				io.WriteString(c, "one\ntwo")
				c.CloseWrite()
				if got := untilEnd(c); got != "one\n" { // half a line is no line
					t.Errorf("read %q", got)
				}
				raw.Close()
			}, "data+close_notify+fin"},
			{"drop", "truncate", func(t *testing.T, c *tls.Conn, raw *net.TCPConn) {
				raw.CloseWrite()
				io.Copy(io.Discard, raw)
			}, "fin"},
			{"reset", "clean", func(t *testing.T, c *tls.Conn, raw *net.TCPConn) {
				io.WriteString(c, "GET / HT")
				raw.SetLinger(0)
				raw.Close()
			}, "data+reset"},
			{"echo, then GET", "clean", func(t *testing.T, c *tls.Conn, raw *net.TCPConn) {
				echo := bufio.NewReader(c)
				for _, line := range []string{"hello\r\n", "\n", "GETTING there\n", "get / HTTP/1.0\n", strings.Repeat("x", 200_000) + "\n"} {
					go io.WriteString(c, line)
					if got, err := echo.ReadString('\n'); got != line {
						t.Fatalf("echo %.50q of %d bytes, %v, want %.50q", got, len(got), err, line)
					}
				}
				io.WriteString(c, "GET /some/path HTTP/1.1\r\nHost: localhost\r\n")
				io.WriteString(c, "\r\n")
				response, err := http.ReadResponse(echo, nil)
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(response.Body)
				if err != nil || response.StatusCode != 200 || response.ContentLength != -1 || !strings.Contains(string(body), "/some/path") {
					t.Errorf("response %v %q, %v", response, body, err)
				}
				c.Close()
			}, "data+close_notify+fin"},
			{"GET without a version", "clean", func(t *testing.T, c *tls.Conn, raw *net.TCPConn) {
				io.WriteString(c, "GET /\n")
				if got := untilEnd(c); !strings.HasPrefix(got, "HTTP/1.1 200 OK\r\n") {
					t.Errorf("read %q", got)
				}
				raw.Close()
			}, "data+fin"},
			{"KeyUpdate", "clean", func(t *testing.T, c *tls.Conn, raw *net.TCPConn) {
				io.WriteString(c, "GET /keyupdate HTTP/1.0\r\n\r\n")
				if got := untilEnd(c); !strings.HasPrefix(got, "HTTP/1.1 200 OK\r\n") {
					t.Errorf("read %q", got)
				}
				c.Close()
			}, "data+close_notify+fin"},
			{"truncated", "truncate", func(t *testing.T, c *tls.Conn, raw *net.TCPConn) {
				io.WriteString(c, "GET / HTTP/1.0\n\n")
				// crypto/tls takes the end of TCP at a record boundary for an end.
				if _, err := io.ReadAll(c); err != nil {
					t.Errorf("reading: %v", err)
				}
				raw.Close()
			}, "data+fin"},
			{"cut in a record", "mid-record", func(t *testing.T, c *tls.Conn, raw *net.TCPConn) {
				io.WriteString(c, "GET / HTTP/1.0\n\n")
				if _, err := io.ReadAll(c); !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("reading: %v", err)
				}
				raw.Close()
			}, "data+fin"},
			{"a fatal alert", "alert", func(t *testing.T, c *tls.Conn, raw *net.TCPConn) {
				io.WriteString(c, "GET / HTTP/1.0\n\n")
				var alert tls.AlertError
				// crypto/tls answers an alert with nothing.
				if _, err := io.ReadAll(c); !strings.Contains(err.Error(), "bad record MAC") && !errors.As(err, &alert) {
					t.Errorf("reading: %v", err)
				}
				c.Close()
			}, "data+fin"},
			{"a reset", "reset", func(t *testing.T, c *tls.Conn, raw *net.TCPConn) {
				io.WriteString(c, "GET / HTTP/1.0\n\n")
				if _, err := io.ReadAll(c); !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("reading: %v", err)
				}
			}, "data+reset"},
			{"silence", "wait", func(t *testing.T, c *tls.Conn, raw *net.TCPConn) {
				io.WriteString(c, "GET / HTTP/1.0\n\n")
				io.Copy(io.Discard, c) // until the server gives up
			}, "data+wait"},
			{"silence before the server's end", "clean", func(t *testing.T, c *tls.Conn, raw *net.TCPConn) {
				io.WriteString(c, "GET / HTTP/1.0\n")
				if got, err := io.ReadAll(c); len(got) > 0 || err != nil {
					t.Errorf("read %q, %v", got, err)
				}
				c.Close()
			}, "data+close_notify+fin"},
		} {
			t.Run(test.name+"/"+tls.VersionName(version), func(t *testing.T) {
				t.Parallel()
				timeout := patience
				if strings.HasPrefix(test.name, "silence") {
					timeout = briefly
				}
				s := startServe(t, "--end", test.end, "--timeout", timeout.String())
				c, raw := s.dial(t, version)
				test.client(t, c, raw)
				reports := s.end()
				if len(reports) != 1 {
					t.Fatalf("reports %v", reports)
				}
				if got := reports[0]; got.Ending != test.want || got.TLS != probe.VersionName(version) || got.Remote != raw.LocalAddr().String() {
					t.Errorf("report %+v, want %q", got, test.want)
				}
			})
		}
	}
}

// endSilently connects, says nothing, and ends when the server has.
func endSilently(t *testing.T, addr string) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, c); err != nil {
		t.Fatal(err)
	}
}

// A handshake that fails has an ending too.
func TestServeFailedHandshake(t *testing.T) {
	t.Parallel()
	s := startServe(t, "--timeout", patience.String())
	raw, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	c := tls.Client(raw, &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "localhost", MaxVersion: tls.VersionTLS12})
	if err := c.Handshake(); err == nil {
		t.Error("a client that trusts nobody completes its handshake")
	}
	raw.Close()
	endSilently(t, s.addr)
	want := map[string]bool{"alert:bad_certificate+fin": true, "fin": true}
	got := map[string]bool{}
	for _, r := range s.end() {
		got[r.Ending] = true
		if r.TLS != "" {
			t.Errorf("report %+v of a failed handshake has a version", r)
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("endings (-want +got):\n%s", d)
	}
}

func TestServeCommand(t *testing.T) {
	t.Parallel()
	const print = `printf '%s %s ' "$1" "$2"; head -n 1 "$3"; exit 7`
	r := tool(t, "", "serve", "--json", "--", "sh", "-c", print, "sh", "{port}", "{url}", "{ca}")
	if d := cmp.Diff(result{exitDone, `{"command_exit":7}` + "\n", ""}, result{r.Status, r.Stdout, ""}); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	// With --json the command's output goes to standard error, behind the line that tells the address.
	_, output, _ := strings.Cut(r.Stderr, "\n")
	if !regexp.MustCompile(`^(\d+) https://127\.0\.0\.1:\d+/ -----BEGIN CERTIFICATE-----\n$`).MatchString(output) {
		t.Errorf("the command printed %q", output)
	}

	r = tool(t, "", "serve", "--", "sh", "-c", "echo out; kill -9 $$")
	if d := cmp.Diff(result{exitDone, "out\nsh exited with status 137\n", ""}, result{r.Status, r.Stdout, ""}); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	r = tool(t, "", "serve", "--json", "--", "/nonexistent/client")
	if lines := strings.Split(r.Stderr, "\n"); r.Status != exitFailed || r.Stdout != "" || len(lines) != 3 || !strings.Contains(lines[1], "no such file") {
		t.Errorf("a command that is not there: %+v", r)
	}
	r = tool(t, "", "serve", "--listen", "192.0.2.1:0")
	r.wantError(t, exitFailed, "192.0.2.1")
}

// The certificate is good for all three names of this machine.
func TestServeListen(t *testing.T) {
	t.Parallel()
	for _, listen := range []string{"127.0.0.1:0", "localhost:0", "[::1]:0", "0.0.0.0:0"} {
		t.Run(listen, func(t *testing.T) {
			if strings.HasPrefix(listen, "[") {
				l, err := net.Listen("tcp", listen)
				if err != nil {
					t.Skipf("no IPv6 here: %v", err)
				}
				l.Close()
			}
			s := startServe(t, "--listen", listen)
			c, err := tls.Dial("tcp", s.addr, &tls.Config{RootCAs: s.roots}) // the host of the address is verified
			if err != nil {
				t.Fatal(err)
			}
			c.Close()
			if got := endings(s.end()); len(got) != 1 {
				t.Errorf("endings %v", got)
			}
		})
	}
}

func needCommand(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	return path
}

// jsonLines are the lines of a run with --json.
func jsonLines(t *testing.T, text string) (all []map[string]any) {
	t.Helper()
	for line := range strings.Lines(text) {
		var v map[string]any
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		all = append(all, v)
	}
	return all
}

func TestServeCurl(t *testing.T) {
	t.Parallel()
	curl := needCommand(t, "curl")
	for _, test := range []struct {
		end    string
		exit   func(float64) bool
		ending *regexp.Regexp
	}{
		{"clean", func(n float64) bool { return n == 0 }, regexp.MustCompile(`^data\+close_notify\+(fin|reset)$`)},
		// Whether curl takes a truncation for an error depends on its version: it sets
		// SSL_OP_IGNORE_UNEXPECTED_EOF since 7.84 or so.
		{"truncate", func(n float64) bool { return n == 0 || n == 56 }, regexp.MustCompile(`^data(\+close_notify)?\+(fin|reset)$`)},
		{"alert", func(n float64) bool { return n == 56 }, regexp.MustCompile(`^data\+(data\+)?(fin|reset)$`)},
		{"reset", func(n float64) bool { return n == 56 }, regexp.MustCompile(`^data\+reset$`)},
	} {
		t.Run(test.end, func(t *testing.T) {
			t.Parallel()
			r := tool(t, "", "serve", "--json", "--end", test.end, "--timeout", patience.String(), "--",
				curl, "-s", "--noproxy", "*", "--cacert", "{ca}", "{url}")
			if r.Status != exitDone {
				t.Fatalf("%+v", r)
			}
			lines := jsonLines(t, r.Stdout)
			if len(lines) != 2 {
				t.Fatalf("lines %v", lines)
			}
			if got, _ := lines[0]["ending"].(string); !test.ending.MatchString(got) {
				t.Errorf("ending %q, want %v", got, test.ending)
			}
			if got, ok := lines[1]["command_exit"].(float64); !ok || !test.exit(got) {
				t.Errorf("curl's exit status %v", lines[1])
			}
			if !strings.Contains(r.Stderr, "ends with the connection.") {
				t.Errorf("curl printed %q", r.Stderr)
			}
		})
	}
}

// s_client says close_notify when its input ends, and answers a fatal alert with an error.
func TestServeOpenSSL(t *testing.T) {
	t.Parallel()
	program := needCommand(t, "openssl")
	run := func(end, stdin string, args ...string) (lines []map[string]any, output string) {
		args = append([]string{"serve", "--json", "--end", end, "--timeout", patience.String(), "--",
			program, "s_client", "-connect", "127.0.0.1:{port}", "-CAfile", "{ca}", "-verify_return_error"}, args...)
		r := tool(t, stdin, args...)
		if r.Status != exitDone {
			t.Fatalf("%+v", r)
		}
		return jsonLines(t, r.Stdout), r.Stderr
	}
	lines, _ := run("clean", "Q\n")
	if len(lines) != 2 || lines[0]["ending"] != "close_notify+fin" || lines[1]["command_exit"] != 0.0 {
		t.Errorf("s_client that quits: %v", lines)
	}
	lines, output := run("clean", "GET /keyupdate HTTP/1.0\r\n\r\n", "-quiet", "-tls1_3", "-msg")
	if len(lines) != 2 || lines[0]["ending"] != "data+close_notify+fin" {
		t.Errorf("s_client that asks: %v", lines)
	}
	if !strings.Contains(output, "KeyUpdate") || !strings.Contains(output, "warning close_notify") {
		t.Errorf("-msg shows no KeyUpdate or no close_notify:\n%s", output)
	}
	lines, output = run("alert", "GET / HTTP/1.0\r\n\r\n", "-quiet", "-msg")
	if len(lines) != 2 || lines[1]["command_exit"] == 0.0 {
		t.Errorf("s_client that gets an alert: %v", lines)
	}
	if !strings.Contains(output, "fatal bad_record_mac") {
		t.Errorf("-msg shows no alert:\n%s", output)
	}
}

// SIGTERM ends serve with status 0 and leaves no folder behind.
func TestServeSignal(t *testing.T) {
	t.Parallel()
	cmd := process(t.Context(), "serve")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stdout bytes.Buffer
	cmd.Stdout = &stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stderr).ReadString('\n')
	match := servingLine.FindStringSubmatch(line)
	if match == nil {
		t.Fatalf("first line %q, %v", line, err)
	}
	endSilently(t, match[1])
	cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Errorf("serve ended with %v", err)
	}
	if got, want := stdout.String(), "  no handshake  fin\n"; !strings.HasSuffix(got, want) {
		t.Errorf("printed %q, want %q at its end", got, want)
	}
	if _, err := os.Stat(match[2]); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is left: %v", match[2], err)
	}
}
