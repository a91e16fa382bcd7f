package redis

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/freeport"
	"github.com/golibssl/openssl/internal/leak"
	"github.com/golibssl/openssl/internal/sessiontest"
	goredis "github.com/redis/go-redis/v9"
)

func TestMain(m *testing.M) {
	if os.Getenv(workerEnv) != "" {
		work()
		return
	}
	goredis.SetLogger(silent{})
	leak.Main(m, func() error {
		if live := openssl.LiveObjects(); live != (openssl.Live{}) {
			return fmt.Errorf("still alive: %+v", live)
		}
		return nil
	})
}

// silent is the client's logger: what is dialled in vain here is killed on purpose.
type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}

// redisServer is a real one, on a free port of loopback, that can be killed, stopped and started.
type redisServer struct {
	t    testing.TB
	addr string
	args []string
	cmd  *exec.Cmd
}

// startRedis starts redis-server, or skips the test where it is not installed.
func startRedis(t testing.TB, args ...string) *redisServer {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server is not installed; it is in Debian's package redis-server")
	}
	for range 5 { // another process may take the free port
		s := &redisServer{t: t, addr: freeAddr(t), args: args}
		if s.start() == nil {
			t.Cleanup(s.kill)
			return s
		}
		s.kill()
	}
	t.Fatal("redis-server does not start")
	return nil
}

func freeAddr(t testing.TB) string {
	t.Helper()
	addr, err := freeport.Addr()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

func (s *redisServer) port() string {
	_, port, _ := net.SplitHostPort(s.addr)
	return port
}

// start returns when the server answers.
func (s *redisServer) start() error {
	dir := s.t.TempDir()
	s.cmd = exec.Command("redis-server", append([]string{"--port", s.port(), "--bind", "127.0.0.1", "--dir", dir,
		"--save", "", "--appendonly", "no", "--daemonize", "no", "--logfile", filepath.Join(dir, "log")}, s.args...)...)
	if err := s.cmd.Start(); err != nil {
		return err
	}
	for until := time.Now().Add(sessiontest.Patience); time.Now().Before(until); time.Sleep(5 * time.Millisecond) {
		if s.ping() == nil {
			return nil
		}
		var status syscall.WaitStatus
		if pid, _ := syscall.Wait4(s.cmd.Process.Pid, &status, syscall.WNOHANG, nil); pid == s.cmd.Process.Pid {
			s.cmd = nil
			return fmt.Errorf("redis-server ended with status %d", status.ExitStatus())
		}
	}
	return os.ErrDeadlineExceeded
}

func (s *redisServer) ping() error {
	c, err := net.DialTimeout("tcp", s.addr, time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Second))
	if _, err := c.Write([]byte("PING\r\n")); err != nil {
		return err
	}
	_, err = c.Read(make([]byte, 16))
	return err
}

// startSentinel starts a sentinel that watches a server as "sessions".
func startSentinel(t testing.TB, master *redisServer) *redisServer {
	t.Helper()
	s := &redisServer{t: t, addr: freeAddr(t)}
	conf := filepath.Join(t.TempDir(), "sentinel.conf")
	text := fmt.Sprintf("port %s\nbind 127.0.0.1\nsentinel monitor sessions 127.0.0.1 %s 1\n", s.port(), master.port())
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s.cmd = exec.Command("redis-server", conf, "--sentinel")
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.kill)
	eventually(t, "the sentinel answers", func() bool { return s.ping() == nil })
	return s
}

// kill is SIGKILL; the data is gone.
func (s *redisServer) kill() {
	if s.cmd == nil {
		return
	}
	s.cmd.Process.Kill()
	s.cmd.Wait()
	s.cmd = nil
}

func (s *redisServer) restart() {
	s.t.Helper()
	if err := s.start(); err != nil {
		s.t.Errorf("redis-server does not start again: %v", err)
	}
}

// stop makes it accept and never answer; cont ends that.
func (s *redisServer) stop() { s.cmd.Process.Signal(syscall.SIGSTOP) }
func (s *redisServer) cont() { s.cmd.Process.Signal(syscall.SIGCONT) }

func (s *redisServer) client(t testing.TB) goredis.UniversalClient {
	return client(t, &goredis.UniversalOptions{Addrs: []string{s.addr}})
}

func client(t testing.TB, o *goredis.UniversalOptions) goredis.UniversalClient {
	o.ContextTimeoutEnabled = true
	c := goredis.NewUniversalClient(o)
	t.Cleanup(func() { c.Close() })
	return c
}

var idContext = []byte("fleet")

func randomSealer(t testing.TB) *openssl.Sealer {
	t.Helper()
	secret := make([]byte, 32)
	rand.Read(secret)
	s, err := openssl.NewSealer(openssl.SealKey{ID: "test", Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newStore(t testing.TB, c goredis.UniversalClient, sealer *openssl.Sealer) *Store {
	t.Helper()
	s, err := New(Options{Client: c, Sealer: sealer, SessionIDContext: idContext})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// serverCtx is a server of a stateful kind over a store.
func serverCtx(t testing.TB, kind sessiontest.Kind, store openssl.SessionCache, change ...func(*openssl.Config)) *openssl.Ctx {
	t.Helper()
	cfg := kind.ServerConfig(t, store)
	cfg.SessionIDContext = idContext
	for _, f := range change {
		f(cfg)
	}
	return sessiontest.NewCtx(t, cfg)
}

// stateful are the kinds that need a store.
var stateful = []sessiontest.Kind{sessiontest.Kinds[0], sessiontest.Kinds[2]}

// proxy is a TCP proxy that can hold what one client connection sends.
type proxy struct {
	l  net.Listener
	to string

	mu    sync.Mutex
	hold  func(p []byte) bool // nil: nothing
	gate  chan struct{}
	held  chan struct{} // closed when something is held
	conns sync.WaitGroup
}

func startProxy(t testing.TB, to string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{l: l, to: to}
	p.conns.Go(p.serve)
	t.Cleanup(func() { l.Close(); p.release(); p.conns.Wait() })
	return p
}

// holdNext holds the next connection that sends bytes which match, until release.
func (p *proxy) holdNext(match func(p []byte) bool) (held <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hold, p.gate, p.held = match, make(chan struct{}), make(chan struct{})
	return p.held
}

func (p *proxy) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gate != nil {
		close(p.gate)
		p.gate = nil
	}
}

func (p *proxy) matches(b []byte) (gate chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.hold == nil || !p.hold(b) {
		return nil
	}
	p.hold = nil
	close(p.held)
	return p.gate
}

func (p *proxy) serve() {
	for {
		in, err := p.l.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", p.to)
		if err != nil {
			in.Close()
			continue
		}
		p.conns.Go(func() { p.pump(out, in); out.(*net.TCPConn).CloseWrite() })
		p.conns.Go(func() { p.back(in, out) })
	}
}

func (p *proxy) pump(out, in net.Conn) {
	buf := make([]byte, 64<<10)
	for {
		n, err := in.Read(buf)
		if n > 0 {
			if gate := p.matches(buf[:n]); gate != nil {
				<-gate
			}
			if _, err := out.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// back takes the answers even when the client is gone, as a kernel between them would.
func (p *proxy) back(in, out net.Conn) {
	buf := make([]byte, 64<<10)
	for {
		n, err := out.Read(buf)
		if n > 0 {
			in.Write(buf[:n])
		}
		if err != nil {
			in.Close()
			out.Close()
			return
		}
	}
}

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), sessiontest.Patience)
	t.Cleanup(cancel)
	return ctx
}

// eventually waits for what must come.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for until := time.Now().Add(sessiontest.Patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("never: %s", what)
		}
	}
}
