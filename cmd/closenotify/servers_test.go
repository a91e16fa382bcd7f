package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/golibssl/openssl/cmd/closenotify/internal/probe"
	"github.com/golibssl/openssl/internal/freeport"
	"github.com/golibssl/openssl/internal/testcert"
)

// Servers that people run.

// certFiles writes the test server's certificate and key.
func certFiles(t *testing.T) (folder, cert, key string) {
	t.Helper()
	folder = t.TempDir()
	cert, key = filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem")
	c := testcert.Server()
	writeFile(t, cert, c.ChainPEM)
	writeFile(t, key, c.KeyPEM)
	return folder, cert, key
}

// freePort is a port of loopback that nobody listened on a moment ago.
func freePort(t *testing.T) string {
	t.Helper()
	addr, err := freeport.Addr()
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(addr)
	return port
}

// startServer starts a command that listens on target and stops it at the test's end. It returns what
// the command prints.
func startServer(t *testing.T, target string, cmd *exec.Cmd) (output *buffer) {
	t.Helper()
	output = &buffer{}
	cmd.Stdout, cmd.Stderr = output, output
	stdin, err := cmd.StdinPipe() // s_server ends with its standard input
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			cmd.Process.Kill()
			<-ended
		}
		stdin.Close()
		if t.Failed() {
			t.Logf("%s printed:\n%.4000s", cmd.Path, output.String())
		}
	})
	for range 500 {
		select {
		case <-ended:
			t.Fatalf("%s ended: %s", cmd, output.String())
		case <-time.After(20 * time.Millisecond):
		}
		if conn, err := net.Dial("tcp", target); err == nil {
			conn.Close()
			return output
		}
	}
	t.Fatalf("%s does not listen on %s: %s", cmd, target, output.String())
	return nil
}

func TestProbeNetHTTP(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") }))
	s.TLS = tlsConfig()
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	want := probe.Checks{
		EndOfResponse:       "data+close_notify+fin",
		AnswerToCloseNotify: "close_notify+fin",
		HalfClose:           "data+close_notify+fin",
		BareFin:             "close_notify+fin",
		// Half a request gets 400 Bad Request.
		PartialThenFin: "data+close_notify+fin", Reset: "ok", ResumeAfterClose: bothResumed, ResumeAfterDrop: bothResumed,
	}
	if d := cmp.Diff(want, probeTarget(t, s.Listener.Addr().String(), patience).Checks); d != "" {
		t.Errorf("checks (-want +got):\n%s", d)
	}
}

// checkLike compares the checks with regular expressions, where a server's version decides.
func checkLike(t *testing.T, want, got probe.Checks) {
	t.Helper()
	for _, c := range []struct {
		name      string
		want, got string
	}{
		{"end_of_response", want.EndOfResponse, got.EndOfResponse},
		{"answer_to_close_notify", want.AnswerToCloseNotify, got.AnswerToCloseNotify},
		{"half_close", want.HalfClose, got.HalfClose},
		{"bare_fin", want.BareFin, got.BareFin},
		{"partial_then_fin", want.PartialThenFin, got.PartialThenFin},
		{"reset", want.Reset, got.Reset},
		{"resume_after_close 1.2", want.ResumeAfterClose.TLS12, got.ResumeAfterClose.TLS12},
		{"resume_after_close 1.3", want.ResumeAfterClose.TLS13, got.ResumeAfterClose.TLS13},
		{"resume_after_drop 1.2", want.ResumeAfterDrop.TLS12, got.ResumeAfterDrop.TLS12},
		{"resume_after_drop 1.3", want.ResumeAfterDrop.TLS13, got.ResumeAfterDrop.TLS13},
	} {
		if !regexp.MustCompile("^(" + c.want + ")$").MatchString(c.got) {
			t.Errorf("%s is %q, want %q", c.name, c.got, c.want)
		}
	}
}

var bothResumed = probe.Resumption{TLS12: "resumed", TLS13: "resumed"}

// TestProbeSServer holds the probe to what s_server -msg says it sent.
func TestProbeSServer(t *testing.T) {
	t.Parallel()
	program := needCommand(t, "openssl")
	for _, test := range []struct {
		flags      []string
		tls        string
		afterClose probe.Resumption
		afterDrop  probe.Resumption
	}{
		{nil, "TLSv1.3", bothResumed, bothResumed},
		// Sessions that libssl keeps itself do not outlive a drop.
		{[]string{"-no_ticket"}, "TLSv1.3", bothResumed, probe.Resumption{TLS12: "full", TLS13: "full"}},
		{[]string{"-tls1_2"}, "TLSv1.2", probe.Resumption{TLS12: "resumed", TLS13: "unsupported"},
			probe.Resumption{TLS12: "resumed", TLS13: "unsupported"}},
		{[]string{"-tls1_3", "-num_tickets", "0"}, "TLSv1.3", probe.Resumption{TLS12: "unsupported", TLS13: "none"},
			probe.Resumption{TLS12: "unsupported", TLS13: "none"}},
	} {
		t.Run(strings.Join(test.flags, ""), func(t *testing.T) {
			t.Parallel()
			_, cert, key := certFiles(t)
			target := "127.0.0.1:" + freePort(t)
			args := append([]string{"s_server", "-www", "-accept", target, "-cert", cert, "-key", key, "-msg"}, test.flags...)
			output := startServer(t, target, exec.CommandContext(t.Context(), program, args...))
			got := probeTarget(t, target, briefly)
			if got.TLS != test.tls {
				t.Errorf("tls is %q, want %q", got.TLS, test.tls)
			}
			checkLike(t, probe.Checks{
				EndOfResponse: `data\+close_notify\+(fin|wait)`, AnswerToCloseNotify: `close_notify\+(fin|wait)`,
				HalfClose: `data\+close_notify\+(fin|wait)`, BareFin: `(alert:decode_error|close_notify)\+fin`,
				PartialThenFin: `data\+close_notify\+fin|alert:decode_error\+fin`, Reset: "ok",
				ResumeAfterClose: test.afterClose, ResumeAfterDrop: test.afterDrop,
			}, got.Checks)

			sent := func(alert string) bool {
				return regexp.MustCompile(`>>> [^\n]*Alert[^\n]*, ` + alert).MatchString(output.String())
			}
			c := got.Checks
			seen := func(event string) bool {
				return strings.Contains(strings.Join([]string{c.EndOfResponse, c.AnswerToCloseNotify, c.HalfClose, c.BareFin, c.PartialThenFin}, " "), event)
			}
			if sent("warning close_notify") != seen("close_notify") || sent("fatal decode_error") != seen("alert:decode_error") {
				t.Errorf("-msg shows close_notify sent: %v, decode_error sent: %v; the probe says %+v",
					sent("warning close_notify"), sent("fatal decode_error"), c)
			}
		})
	}
}

const pythonServer = `
import http.server, ssl, sys
server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), http.server.SimpleHTTPRequestHandler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2], sys.argv[3])
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
`

func TestProbePython(t *testing.T) {
	t.Parallel()
	python := needCommand(t, "python3")
	if err := exec.Command(python, "-c", "import ssl, http.server").Run(); err != nil {
		t.Skipf("this python3 has no ssl module: %v", err)
	}
	folder, cert, key := certFiles(t)
	port := freePort(t)
	cmd := exec.CommandContext(t.Context(), python, "-c", pythonServer, port, cert, key)
	cmd.Dir = folder
	startServer(t, "127.0.0.1:"+port, cmd)
	// It never says close_notify; libssl, from OpenSSL 3.0, answers a truncation with an alert.
	const cut = `(alert:decode_error\+)?fin`
	checkLike(t, probe.Checks{
		EndOfResponse: `data\+fin`, AnswerToCloseNotify: "fin", HalfClose: `data\+fin`, BareFin: cut, PartialThenFin: cut,
		Reset: "ok", ResumeAfterClose: bothResumed, ResumeAfterDrop: bothResumed,
	}, probeTarget(t, "127.0.0.1:"+port, patience).Checks)
}

const nginxConf = `
daemon off; master_process off; error_log %[1]s/error.log; pid %[1]s/pid;
events { worker_connections 64; }
http {
	access_log off;
	client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
	server {
		listen 127.0.0.1:%[2]s ssl;
		ssl_certificate cert.pem; ssl_certificate_key key.pem;
		ssl_protocols TLSv1.2 TLSv1.3; ssl_session_cache shared:s:1m;
		location / { return 200 "hello"; }
	}
}
`

func TestProbeNginx(t *testing.T) {
	t.Parallel()
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		nginx = "/usr/sbin/nginx" // where Debian has it, for users without sbin in their path too
		if _, err := os.Stat(nginx); err != nil {
			t.Skip("nginx is not installed")
		}
	}
	folder, _, _ := certFiles(t)
	port := freePort(t)
	conf := filepath.Join(folder, "nginx.conf")
	writeFile(t, conf, fmt.Appendf(nil, nginxConf, folder, port))
	startServer(t, "127.0.0.1:"+port, exec.CommandContext(t.Context(), nginx, "-p", folder, "-c", conf, "-e", folder+"/error.log"))
	// It says close_notify behind its own answer, and to nothing else.
	checkLike(t, probe.Checks{
		EndOfResponse: `data\+close_notify\+fin`, AnswerToCloseNotify: "fin", HalfClose: `data\+(close_notify\+)?fin`,
		BareFin: "fin", PartialThenFin: "fin", Reset: "ok", ResumeAfterClose: bothResumed, ResumeAfterDrop: bothResumed,
	}, probeTarget(t, "127.0.0.1:"+port, patience).Checks)
}
