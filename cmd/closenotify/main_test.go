package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/leak"
)

// asTool makes the test binary the tool itself, for tests that need a process.
const asTool = "CLOSENOTIFY_AS_TOOL"

func TestMain(m *testing.M) {
	if os.Getenv(asTool) != "" {
		main()
	}
	flag.Parse()
	parallel := false
	flag.Visit(func(f *flag.Flag) { parallel = parallel || f.Name == "test.parallel" })
	if !parallel {
		flag.Set("test.parallel", "12") // these tests wait more than they compute
	}
	leak.Main(m, func() error {
		if live := openssl.LiveObjects(); live != (openssl.Live{}) {
			return fmt.Errorf("left of package openssl: %+v", live)
		}
		return nil
	})
}

// result is what a run of the tool made.
type result struct {
	Status         int
	Stdout, Stderr string
}

// tool runs the tool in this process.
func tool(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	var stdout, stderr buffer
	status := run(t.Context(), args, strings.NewReader(stdin), &stdout, &stderr)
	return result{status, stdout.String(), stderr.String()}
}

// process is the tool as a command.
func process(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(os.Environ(), asTool+"=1")
	return cmd
}

// buffer is a bytes.Buffer for more than one goroutine.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// wantError fails unless the run ended with status and one line on stderr that holds all of texts.
func (r result) wantError(t *testing.T, status int, texts ...string) {
	t.Helper()
	if r.Status != status {
		t.Errorf("exit status %d, want %d", r.Status, status)
	}
	if !strings.HasPrefix(r.Stderr, "closenotify: ") || strings.Count(r.Stderr, "\n") != 1 || !strings.HasSuffix(r.Stderr, "\n") {
		t.Errorf("standard error %q, want one line of closenotify's", r.Stderr)
	}
	for _, text := range texts {
		if !strings.Contains(r.Stderr, text) {
			t.Errorf("standard error %q does not tell %q", r.Stderr, text)
		}
	}
}

func TestUsage(t *testing.T) {
	for _, test := range []struct{ args, tells string }{
		{"frobnicate", `unknown command "frobnicate"`},
		{"--frobnicate", "unknown flag"},
		{"help frobnicate", `unknown command "frobnicate"`},
		{"env now", `unknown argument "now"`},
		{"demo now", `unknown argument "now"`},
		{"demo --timeout 1s", "unknown flag"},
		{"script", "needs FILE"},
		{"script a b", "one FILE"},
		{"script --json a", "unknown flag"},
		{"probe", "needs HOST:PORT"},
		{"probe localhost", "not HOST:PORT"},
		{"probe localhost:", "not HOST:PORT"},
		{"probe :443", "not HOST:PORT"},
		{"probe a:1 b:2", "one HOST:PORT"},
		{"probe --timeout soon a:1", "invalid duration"},
		{"probe --timeout 0s a:1", "--timeout must be positive"},
		{"probe --timeout -1s a:1", "--timeout must be positive"},
		{"probe --send= a:1", "--send needs a text"},
		{"probe --tls1.2 --tls1.3 a:1", "exclude each other"},
		{"probe --alpn , a:1", "--alpn needs protocols"},
		{"probe --alpn h2,,x a:1", "--alpn needs protocols"},
		{"probe --alpn= a:1", "--alpn needs protocols"},
		{"serve localhost", "behind --"},
		{"serve here -- true", "behind --"},
		{"serve --", "no command"},
		{"serve --end well", `"well" is unknown`},
		{"serve --listen here", "not HOST:PORT"},
		{"serve --timeout 0s", "--timeout must be positive"},
	} {
		t.Run(test.args, func(t *testing.T) {
			r := tool(t, "", strings.Split(test.args, " ")...)
			r.wantError(t, exitUsage, test.tells, "--help")
			if r.Stdout != "" {
				t.Errorf("standard output %q, want none", r.Stdout)
			}
		})
	}
}

func TestHelpAndVersion(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"help"}, {"help", "probe"}, {"probe", "--help"}, {"serve", "-h"}, {"script", "--help"}, {"demo", "--help"}} {
		r := tool(t, "", args...)
		if r.Status != exitDone || !strings.Contains(r.Stdout, "Usage:") || r.Stderr != "" {
			t.Errorf("%v: %+v", args, r)
		}
	}
	if d := cmp.Diff(result{exitDone, "closenotify with " + openssl.LibraryVersion() + "\n", ""}, tool(t, "", "--version")); d != "" {
		t.Errorf("--version (-want +got):\n%s", d)
	}
}

const (
	exampleScript = "proto tls13-stateful\nboth handshake\nclient write hello\nserver read\nclient shutdown\n" +
		"server read\nserver shutdown\nclient read\nserver free\nserver cache\n"
	exampleOutput = "1 proto tls13-stateful: ok\n2 both handshake: ret=1 client=0 server=0\n" +
		"3 client write hello: ret=1 err=- mask=0\n4 server read: ret=1 data=hello mask=0\n" +
		"5 client shutdown: ret=0 err=- mask=1\n6 server read: ret=0 err=ZERO_RETURN mask=2\n" +
		"7 server shutdown: ret=1 err=- mask=3\n8 client read: ret=0 err=ZERO_RETURN mask=3\n" +
		"9 server free: ok\n10 server cache: sessions=2\n"
)

func TestScript(t *testing.T) {
	want := result{exitDone, exampleOutput, ""}
	if d := cmp.Diff(want, tool(t, exampleScript, "script", "-")); d != "" {
		t.Errorf("from standard input (-want +got):\n%s", d)
	}
	file := filepath.Join(t.TempDir(), "example.closure")
	if err := os.WriteFile(file, []byte(exampleScript), 0o600); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, tool(t, "", "script", file)); d != "" {
		t.Errorf("from a file (-want +got):\n%s", d)
	}
}

// A terminal sees the progress of demo on standard error, and nothing of it stays.
func TestProgress(t *testing.T) {
	script := needCommand(t, "script")
	folder := t.TempDir()
	stdout, terminal := filepath.Join(folder, "stdout"), filepath.Join(folder, "terminal")
	cmd := exec.CommandContext(t.Context(), script, "-q", "-e", "-c", os.Args[0]+" demo >"+stdout, terminal)
	cmd.Env = append(os.Environ(), asTool+"=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("script, which makes a terminal, fails here: %v\n%s", err, out)
	}
	seen, err := os.ReadFile(terminal)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(stdout)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(tool(t, "", "demo").Stdout, string(got)); d != "" {
		t.Errorf("standard output (-want +got):\n%s", d)
	}
	_, seen, _ = bytes.Cut(seen, []byte("\n")) // script's own headline
	if !bytes.Contains(seen, []byte("\r\x1b[Ktls13-stateless half-close …\r\x1b[K")) {
		t.Errorf("the terminal saw %q", seen)
	}
}

func TestScriptErrors(t *testing.T) {
	r := tool(t, "proto tls12-id\n\n# a comment\nclient get\nclient fly\nclient get\n", "script", "-")
	r.wantError(t, exitUsage, "line 5", "fly")
	if want := "1 proto tls12-id: ok\n2 client get: mask=0\n"; r.Stdout != want {
		t.Errorf("standard output %q, want %q", r.Stdout, want)
	}
	r = tool(t, "# nothing\n", "script", "-")
	r.wantError(t, exitUsage, "no step")
	r = tool(t, "", "script", filepath.Join(t.TempDir(), "missing"))
	r.wantError(t, exitFailed, "no such file")
}

// The statuses and streams of a real process.
func TestProcess(t *testing.T) {
	for _, test := range []struct {
		stdin  string
		args   []string
		status int
		stdout string
		stderr int // lines
	}{
		{exampleScript, []string{"script", "-"}, exitDone, exampleOutput, 0},
		{"proto tls12-id\nproto tls12-id\n", []string{"script", "-"}, exitUsage, "1 proto tls12-id: ok\n", 1},
		{"", []string{"script", "/nonexistent"}, exitFailed, "", 1},
		{"", []string{"probe"}, exitUsage, "", 1},
	} {
		var stdout, stderr bytes.Buffer
		cmd := process(t.Context(), test.args...)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(test.stdin), &stdout, &stderr
		cmd.Run()
		got := []any{cmd.ProcessState.ExitCode(), stdout.String(), strings.Count(stderr.String(), "\n")}
		if d := cmp.Diff([]any{test.status, test.stdout, test.stderr}, got); d != "" {
			t.Errorf("%v (-want +got):\n%s", test.args, d)
		}
	}
}
