// Package peers ends connections with other implementations and the programs that people run. It has
// tests alone; scripts/peers installs the programs, and writes docs/peers.md from what was seen.
package peers

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/freeport"
	"github.com/golibssl/openssl/internal/leak"
	"github.com/golibssl/openssl/internal/testcert"
)

// long bounds what must happen: gnutls-cli takes 25 s for 10 MB alone, and four times that on a busy machine.
// Twice brief is the silence that counts as waiting, which nothing is asserted of, and a handshake's time in a probe.
const (
	long  = 6 * time.Minute
	brief = 2 * time.Second
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == clientMode {
		if err := playClient(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	leak.Main(m, func() error {
		if live := openssl.LiveObjects(); live != (openssl.Live{}) {
			return fmt.Errorf("still alive: %+v", live)
		}
		return nil
	})
}

// unlessAlone is why a server that can only listen on all interfaces is not started: it is where loopback is
// the one interface, as in the network namespace that scripts/peers makes as root.
func unlessAlone(server string) string {
	all, err := net.Interfaces()
	if err != nil {
		return err.Error()
	}
	for _, i := range all {
		if i.Flags&net.FlagUp != 0 && i.Flags&net.FlagLoopback == 0 {
			return fmt.Sprintf("%s listens on all interfaces, of which %s is not loopback", server, i.Name)
		}
	}
	return ""
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), long)
	t.Cleanup(cancel)
	return ctx
}

// process is a running server, with a process group of its own.
type process struct {
	cmd    *exec.Cmd
	output *output
	stdin  io.Closer
	ended  chan struct{}
}

// output is what a program prints, and goes on to print.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

func (p *process) stop() {
	syscall.Kill(-p.cmd.Process.Pid, syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(10 * time.Second):
		syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.ended
	}
	p.stdin.Close()
}

// launch starts the server that command makes for a port, until it listens there. Programs that take no port 0
// get one that was free a moment ago, and another when they end.
func launch(command func(port string) *exec.Cmd) (*process, string, error) {
	var said error
	for range 5 {
		addr, err := freeport.Addr()
		if err != nil {
			return nil, "", err
		}
		_, port, _ := net.SplitHostPort(addr)
		p := &process{cmd: command(port), output: &output{}, ended: make(chan struct{})}
		p.cmd.Stdout, p.cmd.Stderr = p.output, p.output
		p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		p.cmd.WaitDelay = 10 * time.Second
		if p.stdin, err = p.cmd.StdinPipe(); err != nil { // some servers end with their standard input
			return nil, "", err
		}
		if err := p.cmd.Start(); err != nil {
			return nil, "", err
		}
		go func() { p.cmd.Wait(); close(p.ended) }()
		for until := time.Now().Add(long); ; time.Sleep(20 * time.Millisecond) {
			if nc, err := net.Dial("tcp", addr); err == nil {
				nc.Close()
				return p, addr, nil
			}
			select {
			case <-p.ended:
			default:
				if time.Now().Before(until) {
					continue
				}
			}
			break
		}
		p.stop()
		said = fmt.Errorf("%s does not listen:\n%.2000s", p.cmd, p.output)
	}
	return nil, "", said
}

func serve(t *testing.T, command func(port string) *exec.Cmd) (addr string) {
	t.Helper()
	p, addr, err := launch(command)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			t.Logf("%s printed:\n%s", p.cmd.Path, tail(p.output.String()))
		}
	})
	return addr
}

// place is what the programs find on disk.
type place struct {
	dir, cert, key, both, p12, ca, data, request string
	cc                                           string // the compiler that Go calls
	content                                      []byte // of data
	client, server                               *openssl.Ctx
	ends                                         sync.Map // remote address of a server's connection: chan openssl.End
}

const password = "secret"

func newPlace(t *testing.T) *place {
	t.Helper()
	p := &place{dir: t.TempDir(), cc: strings.Fields(run(t, "go", "env", "CC"))[0]}
	file := func(name string, mode os.FileMode, content []byte) string {
		path := filepath.Join(p.dir, name)
		if err := os.WriteFile(path, content, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	id := testcert.Root().Server(testcert.Options{Key: testcert.RSA})
	p.cert, p.key = file("cert.pem", 0o600, id.ChainPEM), file("key.pem", 0o600, id.KeyPEM)
	p.both, p.ca = file("both.pem", 0o600, append(bytes.Clone(id.ChainPEM), id.KeyPEM...)), file("ca.pem", 0o600, testcert.Root().PEM)
	p.p12 = filepath.Join(p.dir, "server.p12")
	run(t, "openssl", "pkcs12", "-export", "-name", "server", "-in", p.both, "-out", p.p12, "-passout", "pass:"+password)
	p.content = make([]byte, 10<<20)
	for i, x := 0, uint32(1); i < len(p.content); i++ { // text, for programs that think in lines
		x = x*1664525 + 1013904223
		if p.content[i] = "abcdefghijklmnopqrstuvwxyz012345"[x>>27]; i%4000 == 3999 {
			p.content[i] = '\n'
		}
	}
	p.data, p.request = file("data", 0o600, p.content), file("request", 0o600, []byte("GET / HTTP/1.0\r\n\r\n"))
	for name, script := range map[string]string{
		"answer": "#!/bin/sh\nwhile IFS= read -r line && [ ${#line} -gt 1 ]; do :; done\nprintf 'HTTP/1.0 200 OK\\r\\n\\r\\nhello'\n",
		"echo":   "#!/bin/sh\nf=$(mktemp \"" + p.dir + "/echo.XXXXXX\") && cat >\"$f\" && cat \"$f\"\n",
	} {
		file(name, 0o700, []byte(script))
	}
	cert, err := openssl.X509KeyPair(id.ChainPEM, id.KeyPEM)
	if err != nil {
		t.Fatal(err)
	}
	p.client = newCtx(t, &openssl.Config{RootCAPEM: testcert.Root().PEM, ServerName: "localhost"})
	p.server = newCtx(t, &openssl.Config{Certificates: []*openssl.Certificate{cert}, OnEnd: func(e openssl.End) {
		if c, ok := p.ends.Load(e.RemoteAddr.String()); ok {
			c.(chan openssl.End) <- e
		}
	}})
	return p
}

func newCtx(t *testing.T, cfg *openssl.Config) *openssl.Ctx {
	t.Helper()
	ctx, err := openssl.NewCtx(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := ctx.Drain(within(t)); err != nil {
			t.Error(err)
		}
	})
	return ctx
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(within(t), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// bounded runs a program, and ends it with all that it started when it takes too long.
func bounded(t *testing.T, stdin []byte, name string, args ...string) ([]byte, error) {
	t.Helper()
	cmd := exec.CommandContext(within(t), name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 10 * time.Second
	if stdin != nil {
		cmd.Stdin = bytes.NewReader(stdin)
	}
	return cmd.Output()
}

// buildTool builds closenotify.
func buildTool(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "closenotify")
	cmd := exec.Command("go", "build", "-buildvcs=false", "-o", path, ".")
	cmd.Dir = "../../cmd/closenotify"
	cmd.Env = append(os.Environ(), "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("closenotify was not built: %v\n%s", err, out)
	}
	return path
}

// find looks for a program in the path and where Debian has those for root.
func find(name string) (string, bool) {
	if path, err := exec.LookPath(name); err == nil {
		return path, true
	}
	if path, err := exec.LookPath("/usr/sbin/" + name); err == nil {
		return path, true
	}
	return "", false
}

var hasVersion = regexp.MustCompile(`[^\n]*\d\.\d[^\n]*`)

// require skips where a peer is not installed, and returns its version.
func require(t *testing.T, pl *place, p peer) string {
	t.Helper()
	for _, need := range p.needs {
		var ok bool
		if strings.HasSuffix(need, ".h") {
			_, err := bounded(t, []byte("#include <"+need+">\n"), pl.cc, "-E", "-")
			ok = err == nil
		} else {
			_, ok = find(need)
		}
		if !ok {
			skip := fmt.Sprintf("not installed: %s (Debian's package %s)", need, p.debian)
			seen.note(p.name, skip)
			t.Skip(skip)
		}
	}
	if p.build != nil {
		command := fill(p.build, pl, "", "")
		run(t, command[0], command[1:]...)
	}
	if len(p.version) == 0 {
		return ""
	}
	version := fill(p.version, pl, "", "")
	path, _ := find(version[0])
	out, err := exec.CommandContext(within(t), path, version[1:]...).CombinedOutput()
	line := strings.TrimSpace(hasVersion.FindString(string(out)))
	if line == "" {
		t.Logf("%v tells no version: %v, %s", version, err, out)
		return "not told"
	}
	return line
}

// tail is the last of what a program printed.
func tail(s string) string { return s[max(0, len(s)-1000):] }
