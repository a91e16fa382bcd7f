package main

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/cmd/closenotify/internal/probe"
	"github.com/golibssl/openssl/internal/testcert"
)

// probeTarget probes and returns the report. Checks whose ending is no wait take no timeout.
func probeTarget(t *testing.T, target string, timeout time.Duration, flags ...string) probe.Report {
	t.Helper()
	args := append([]string{"probe", "--json", "--insecure", "--timeout", timeout.String()}, flags...)
	r := tool(t, "", append(args, target)...)
	if r.Status != exitDone || r.Stderr != "" {
		t.Fatalf("probe %s: %+v", target, r)
	}
	var report probe.Report
	dec := json.NewDecoder(strings.NewReader(r.Stdout))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&report); err != nil {
		t.Fatalf("%v in %s", err, r.Stdout)
	}
	if report.Target != target || report.OpenSSL != openssl.LibraryVersion() {
		t.Errorf("target %q, openssl %q", report.Target, report.OpenSSL)
	}
	return report
}

const (
	// patience is a timeout for checks in which nobody waits: only a machine that stalls so long makes
	// a difference.
	patience = 20 * time.Second
	// briefly is a timeout for servers that do wait.
	briefly = 6 * time.Second
)

// server is a TCP server on loopback that gives each connection to handle, and closes it after.
func server(t *testing.T, handle func(net.Conn)) (target string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	connections := make(chan struct{}, 1000)
	go func() {
		defer close(done)
		for n := 0; ; n++ {
			conn, err := l.Accept()
			if err != nil {
				for range n {
					<-connections
				}
				return
			}
			go func() {
				defer func() { connections <- struct{}{} }()
				defer conn.Close()
				conn.SetDeadline(time.Now().Add(time.Minute))
				handle(conn)
			}()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return l.Addr().String()
}

func tlsConfig() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{testcert.Server().TLS}}
}

// untilEnd reads until the peer's end and returns what came.
func untilEnd(r io.Reader) string {
	p, _ := io.ReadAll(r)
	return string(p)
}

// readRequest reads up to the empty line, or what came before the end.
func readRequest(r io.Reader) (whole bool) {
	var got []byte
	buf := make([]byte, 1000)
	for !bytes.Contains(got, []byte("\r\n\r\n")) {
		n, err := r.Read(buf)
		got = append(got, buf[:n]...)
		if err != nil {
			return bytes.Contains(got, []byte("\r\n\r\n"))
		}
	}
	return true
}

func closeWrite(conn net.Conn) { conn.(*net.TCPConn).CloseWrite() }

// Against crypto/tls, whose every move stands in the test.
func TestProbeServers(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		config  func(*tls.Config)
		handle  func(*tls.Conn, net.Conn) // after the handshake
		timeout time.Duration
		flags   []string
		version string
		want    probe.Checks
	}{
		{name: "clean", timeout: patience, version: "TLSv1.3", handle: func(c *tls.Conn, raw net.Conn) {
			if readRequest(c) {
				io.WriteString(c, "an answer")
			}
			c.CloseWrite()
			closeWrite(raw)
			io.Copy(io.Discard, raw)
		}, want: probe.Checks{
			EndOfResponse: "data+close_notify+fin", AnswerToCloseNotify: "close_notify+fin", HalfClose: "data+close_notify+fin",
			BareFin: "close_notify+fin", PartialThenFin: "close_notify+fin", Reset: "ok",
			ResumeAfterClose: bothResumed, ResumeAfterDrop: bothResumed,
		}},
		{name: "never says close_notify", timeout: patience, version: "TLSv1.2", flags: []string{"--tls1.2"}, handle: func(c *tls.Conn, raw net.Conn) {
			if readRequest(c) {
				io.WriteString(c, "an answer")
			}
			closeWrite(raw)
			io.Copy(io.Discard, raw)
		}, want: probe.Checks{
			EndOfResponse: "data+fin", AnswerToCloseNotify: "fin", HalfClose: "data+fin", BareFin: "fin", PartialThenFin: "fin",
			Reset: "ok", ResumeAfterClose: bothResumed, ResumeAfterDrop: bothResumed,
		}},
		{name: "waits after close_notify", timeout: briefly, version: "TLSv1.3", flags: []string{"--tls1.3"}, handle: func(c *tls.Conn, raw net.Conn) {
			if readRequest(c) {
				io.WriteString(c, "an answer")
			}
			c.CloseWrite()
			io.Copy(io.Discard, raw) // up to the client's FIN
		}, want: probe.Checks{
			EndOfResponse: "data+close_notify+wait", AnswerToCloseNotify: "close_notify+wait", HalfClose: "data+close_notify+wait",
			BareFin: "close_notify+fin", PartialThenFin: "close_notify+fin", Reset: "ok",
			ResumeAfterClose: bothResumed, ResumeAfterDrop: bothResumed,
		}},
		{name: "resets", timeout: patience, version: "TLSv1.3", handle: func(c *tls.Conn, raw net.Conn) {
			if readRequest(c) {
				io.WriteString(c, "an answer")
			}
			raw.(*net.TCPConn).SetLinger(0)
			raw.Close()
		}, want: probe.Checks{
			EndOfResponse: "data+reset", AnswerToCloseNotify: "reset", HalfClose: "data+reset", BareFin: "reset",
			PartialThenFin: "reset", Reset: "ok", ResumeAfterClose: bothResumed, ResumeAfterDrop: bothResumed,
		}},
		{name: "sends on behind close_notify", timeout: patience, version: "TLSv1.2", config: func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 },
			handle: func(c *tls.Conn, raw net.Conn) {
				whole := readRequest(c)
				c.CloseWrite()
				raw.SetWriteDeadline(time.Time{}) // crypto/tls forbids itself to write on
				if whole {
					raw.Write([]byte{23, 3, 3, 0, 5, 'a', 'b'})
					time.Sleep(20 * time.Millisecond)
					raw.Write([]byte("cde and more"))
				}
				closeWrite(raw)
				io.Copy(io.Discard, raw)
			}, want: probe.Checks{
				EndOfResponse: "close_notify+data+fin", AnswerToCloseNotify: "close_notify+fin", HalfClose: "close_notify+data+fin",
				BareFin: "close_notify+fin", PartialThenFin: "close_notify+fin", Reset: "ok",
				ResumeAfterClose: probe.Resumption{TLS12: "resumed", TLS13: "unsupported"},
				ResumeAfterDrop:  probe.Resumption{TLS12: "resumed", TLS13: "unsupported"},
			}},
		{name: "cuts a record", timeout: patience, version: "TLSv1.3",
			config: func(c *tls.Config) { c.MinVersion, c.SessionTicketsDisabled = tls.VersionTLS13, true },
			handle: func(c *tls.Conn, raw net.Conn) {
				if readRequest(c) {
					c.Write(bytes.Repeat([]byte("much"), 100_000)) // many records are one data
				}
				raw.Write([]byte{23, 3, 3, 1, 0, 'x', 'y', 'z'})
				closeWrite(raw)
				io.Copy(io.Discard, raw)
			}, want: probe.Checks{
				EndOfResponse: "data+fin", AnswerToCloseNotify: "fin", HalfClose: "data+fin", BareFin: "fin", PartialThenFin: "fin",
				Reset:            "ok",
				ResumeAfterClose: probe.Resumption{TLS12: "unsupported", TLS13: "none"},
				ResumeAfterDrop:  probe.Resumption{TLS12: "unsupported", TLS13: "none"},
			}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			config := tlsConfig()
			if test.config != nil {
				test.config(config)
			}
			target := server(t, func(raw net.Conn) {
				c := tls.Server(raw, config)
				if c.Handshake() == nil {
					test.handle(c, raw)
				}
			})
			got := probeTarget(t, target, test.timeout, test.flags...)
			if d := cmp.Diff(test.want, got.Checks); d != "" {
				t.Errorf("checks (-want +got):\n%s", d)
			}
			if got.TLS != test.version {
				t.Errorf("tls is %q, want %q", got.TLS, test.version)
			}
		})
	}
}

// What the probe sends as a request: the whole of it, or half, and no more.
func TestProbeSends(t *testing.T) {
	t.Parallel()
	want := []string{
		"0123456789\\n", // end_of_response
		"",              // answer_to_close_notify
		"0123456789\\n", // half_close
		"",              // bare_fin
		"012345",        // partial_then_fin
		"012345",        // reset
	}
	var got []string
	all := make(chan string, 100)
	config := tlsConfig()
	var connections atomic.Int32
	target := server(t, func(raw net.Conn) {
		n := int(connections.Add(1)) - 1
		c := tls.Server(raw, config)
		if c.Handshake() != nil || n >= len(want) {
			return
		}
		request := make([]byte, len(want[n]))
		io.ReadFull(c, request)
		c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		all <- string(request) + untilEnd(c)
		raw.(*net.TCPConn).SetLinger(0)
	})
	probeTarget(t, target, patience, "--send", "0123456789\\n", "--tls1.3")
	for range want {
		got = append(got, <-all)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("the server got (-want +got):\n%s", d)
	}
}

// The keys stand in a fixed order, and the text tells the same with a sentence each.
func TestProbeOutput(t *testing.T) {
	t.Parallel()
	config := tlsConfig()
	config.CurvePreferences = []tls.CurveID{tls.X25519}
	group := "X25519"
	if openssl.LibraryVersionNumber() < 0x30000000 {
		group = "" // 1.1.1 does not tell
	}
	target := server(t, func(raw net.Conn) {
		c := tls.Server(raw, config)
		defer c.Close()
		if readRequest(c) {
			io.WriteString(c, "<an answer>")
		}
	})
	version, err := json.Marshal(openssl.LibraryVersion())
	if err != nil {
		t.Fatal(err)
	}
	r := tool(t, "", "probe", "--insecure", "--json", target)
	want := result{exitDone, `{"target":"` + target + `","openssl":` + string(version) + `,"tls":"TLSv1.3","group":"` + group + `","checks":{` +
		`"end_of_response":"data+close_notify+fin","answer_to_close_notify":"close_notify+fin",` +
		`"half_close":"data+close_notify+fin","bare_fin":"close_notify+fin","partial_then_fin":"close_notify+fin","reset":"ok",` +
		`"resume_after_close":{"TLSv1.2":"resumed","TLSv1.3":"resumed"},` +
		`"resume_after_drop":{"TLSv1.2":"resumed","TLSv1.3":"resumed"}}}` + "\n", ""}
	if d := cmp.Diff(want, r); d != "" {
		t.Errorf("--json (-want +got):\n%s", d)
	}

	r = tool(t, "", "probe", "--insecure", target)
	if r.Status != exitDone || r.Stderr != "" {
		t.Fatalf("%+v", r)
	}
	blocks := strings.Split(strings.TrimSuffix(r.Stdout, "\n"), "\n\n")
	if len(blocks) != 1+6+4 || !strings.Contains(blocks[0], target+", TLSv1.3") {
		t.Fatalf("text:\n%s", r.Stdout)
	}
	for i, want := range []string{"end_of_response data+close_notify+fin", "answer_to_close_notify close_notify+fin",
		"half_close data+close_notify+fin", "bare_fin close_notify+fin", "partial_then_fin close_notify+fin", "reset ok",
		"resume_after_close 1.2 resumed", "resume_after_close 1.3 resumed", "resume_after_drop 1.2 resumed",
		"resume_after_drop 1.3 resumed"} {
		finding, advice, _ := strings.Cut(blocks[i+1], "\n")
		if got := strings.Join(strings.Fields(finding), " "); got != want {
			t.Errorf("finding %q, want %q", got, want)
		}
		if !strings.HasPrefix(advice, "    ") || !strings.HasSuffix(advice, ".") || strings.Contains(advice, "\n") {
			t.Errorf("%s: advice %q, want a line", want, advice)
		}
	}
}

// No first connection: status 1, one line, nothing on standard output.
func TestProbeWithoutConnection(t *testing.T) {
	t.Parallel()
	plain := server(t, func(c net.Conn) { io.WriteString(c, "220 no TLS here\r\n"); io.Copy(io.Discard, c) })
	mute := server(t, func(c net.Conn) { io.Copy(io.Discard, c) })
	gone := server(t, func(c net.Conn) {})
	strict := server(t, func(raw net.Conn) {
		config := tlsConfig()
		config.MinVersion = tls.VersionTLS13
		tls.Server(raw, config).Handshake()
		io.Copy(io.Discard, raw)
	})
	trusted := server(t, func(raw net.Conn) {
		tls.Server(raw, tlsConfig()).Handshake()
		io.Copy(io.Discard, raw)
	})
	for _, test := range []struct {
		name, target string
		flags        []string
		tells        string
	}{
		{"closed port", "127.0.0.1:1", []string{"--insecure"}, "refused"},
		{"not TLS", plain, []string{"--insecure"}, "handshake"},
		{"silence", mute, []string{"--insecure", "--timeout", "3s"}, "handshake"},
		{"end", gone, []string{"--insecure"}, "handshake"},
		{"version", strict, []string{"--insecure", "--tls1.2"}, "protocol_version"},
		{"an authority that nobody knows", trusted, nil, "certificate verify failed"},
		{"no such host", "host.invalid:443", []string{"--insecure"}, "host.invalid"},
		{"an authority that nobody knows, and what to do", trusted, nil, "--insecure"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for _, output := range [][]string{nil, {"--json"}} {
				args := append(append([]string{"probe"}, test.flags...), output...)
				r := tool(t, "", append(args, test.target)...)
				r.wantError(t, exitFailed, test.target, test.tells)
				if r.Stdout != "" {
					t.Errorf("standard output %q, want none", r.Stdout)
				}
			}
		})
	}
}

// A later connection whose handshake fails is a result.
func TestProbeLaterFailure(t *testing.T) {
	t.Parallel()
	config := tlsConfig()
	first := make(chan struct{}, 1)
	first <- struct{}{}
	target := server(t, func(raw net.Conn) {
		select {
		case <-first:
		default:
			return
		}
		c := tls.Server(raw, config)
		defer c.Close()
		readRequest(c)
	})
	want := probe.Checks{EndOfResponse: "close_notify+fin", AnswerToCloseNotify: "failed", HalfClose: "failed",
		BareFin: "failed", PartialThenFin: "failed", Reset: "failed",
		ResumeAfterClose: probe.Resumption{TLS12: "failed", TLS13: "failed"},
		ResumeAfterDrop:  probe.Resumption{TLS12: "failed", TLS13: "failed"}}
	if d := cmp.Diff(want, probeTarget(t, target, patience).Checks); d != "" {
		t.Errorf("checks (-want +got):\n%s", d)
	}
}

// The name is sent and verified: --servername's, else the host of the target.
func TestProbeServerName(t *testing.T) {
	t.Parallel()
	names := make(chan string, 100)
	config := tlsConfig()
	config.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		names <- h.ServerName
		return nil, nil
	}
	target := server(t, func(raw net.Conn) {
		c := tls.Server(raw, config)
		defer c.Close()
		readRequest(c)
	})
	_, port, _ := net.SplitHostPort(target)
	roots := t.TempDir() + "/roots.pem"
	writeFile(t, roots, testcert.Root().PEM)
	for _, test := range []struct {
		target, flag string
		status       int
		name         string
	}{
		{"127.0.0.1:" + port, "", exitDone, ""}, // an address is verified, and not sent (RFC 6066, section 3)
		{"localhost:" + port, "", exitDone, "localhost"},
		{"127.0.0.1:" + port, "localhost", exitDone, "localhost"},
		{"127.0.0.1:" + port, "other.example", exitFailed, "other.example"},
	} {
		t.Run(fmt.Sprintf("%s_%s", test.target, test.flag), func(t *testing.T) {
			args := []string{"probe", "--tls1.3", "--json"}
			if test.flag != "" {
				args = append(args, "--servername", test.flag)
			}
			cmd := process(t.Context(), append(args, test.target)...)
			cmd.Env = append(cmd.Env, "SSL_CERT_FILE="+roots)
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			stdout, _ := cmd.Output()
			if got := cmd.ProcessState.ExitCode(); got != test.status || (len(stdout) > 0) != (test.status == exitDone) {
				t.Errorf("exit status %d, want %d\n%s%s", got, test.status, stdout, stderr.String())
			}
			if got := <-names; got != test.name {
				t.Errorf("sent the name %q, want %q", got, test.name)
			}
			for len(names) > 0 {
				<-names
			}
		})
	}
}
