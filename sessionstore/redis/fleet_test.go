package redis

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/sessiontest"
	goredis "github.com/redis/go-redis/v9"
)

// workerEnv makes the test binary a server of the fleet; its value is a workerConfig.
const workerEnv = "SESSIONSTORE_TEST_WORKER"

type workerConfig struct {
	Redis     string
	Seal      []byte
	Version   uint16
	Cert, Key []byte
}

// work serves on the listener that the parent has passed as file 3. It answers each connection with its
// process id and ends it clean.
func work() {
	if err := serveFleet(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serveFleet() error {
	var cfg workerConfig
	if err := json.NewDecoder(base64.NewDecoder(base64.StdEncoding, strings.NewReader(os.Getenv(workerEnv)))).Decode(&cfg); err != nil {
		return err
	}
	cert, err := openssl.X509KeyPair(cfg.Cert, cfg.Key)
	if err != nil {
		return err
	}
	sealer, err := openssl.NewSealer(openssl.SealKey{ID: "fleet", Secret: cfg.Seal})
	if err != nil {
		return err
	}
	c := goredis.NewUniversalClient(&goredis.UniversalOptions{Addrs: []string{cfg.Redis}, ContextTimeoutEnabled: true})
	store, err := New(Options{Client: c, Sealer: sealer, SessionIDContext: idContext})
	if err != nil {
		return err
	}
	ctx, err := openssl.NewCtx(&openssl.Config{
		Certificates: []*openssl.Certificate{cert}, MinVersion: cfg.Version, MaxVersion: cfg.Version,
		SessionCache: store, SessionIDContext: idContext, SessionStoreTimeout: sessiontest.Patience,
	})
	if err != nil {
		return err
	}
	l, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		return err
	}
	l = openssl.NewListener(l, ctx)
	fmt.Println("ready")
	for {
		nc, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer nc.Close()
			nc.SetDeadline(time.Now().Add(sessiontest.Patience))
			fmt.Fprintln(nc, os.Getpid())
			nc.(*openssl.Conn).CloseWrite()
			io.Copy(io.Discard, nc)
		}()
	}
}

// TestFleet: two processes accept on one port; what one has made resumes with the other, and goes on
// to when the first is killed.
func TestFleet(t *testing.T) {
	for _, kind := range stateful {
		t.Run(kind.Name, func(t *testing.T) { testFleet(t, kind) })
	}
}

func testFleet(t *testing.T, kind sessiontest.Kind) {
	redis := startRedis(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer l.Close()
	file, err := l.(*net.TCPListener).File()
	check(t, err)
	defer file.Close()
	workers := make(map[string]*exec.Cmd)
	for range 2 {
		cmd := startWorker(t, redis.addr, kind, file)
		workers[fmt.Sprint(cmd.Process.Pid)] = cmd
	}

	cfg := kind.ClientConfig()
	cfg.ClientSessionCache = openssl.NewLRUClientSessionCache(0)
	client := sessiontest.NewCtx(t, cfg)
	visit := func() (pid string, resumed bool) {
		t.Helper()
		c, err := openssl.DialContext(within(t), "tcp", l.Addr().String(), client)
		check(t, err)
		defer c.Close()
		c.SetDeadline(time.Now().Add(sessiontest.Patience))
		text, err := io.ReadAll(c)
		if err != nil {
			t.Errorf("the server's answer: %v", err)
		}
		return strings.TrimSpace(string(text)), c.ConnectionState().DidResume
	}
	first, resumed := visit()
	if resumed {
		t.Fatal("the first visit is resumed")
	}
	// Every further visit resumes, whoever answers; the Put of a ticket may be a moment behind it.
	last, crossed, full := first, 0, 0
	for i := 0; crossed < 10; i++ {
		time.Sleep(time.Duration(1+full) * 5 * time.Millisecond)
		pid, resumed := visit()
		switch {
		case !resumed:
			full++
		case pid != last:
			crossed++
		}
		last = pid
		if i > 2000 {
			t.Fatalf("one process answers all: %d crossings", crossed)
		}
		if full > 20 {
			t.Fatalf("%d of %d visits were not resumed", full, i)
		}
	}
	workers[last].Process.Kill()
	workers[last].Wait()
	if err := eventuallyResumes(visit); err != nil {
		t.Error(err)
	}
	pid, _ := visit()
	if pid == last {
		t.Errorf("process %s was killed and answers", pid)
	}
}

func eventuallyResumes(visit func() (string, bool)) error {
	for range 20 {
		if _, resumed := visit(); resumed {
			return nil
		}
	}
	return fmt.Errorf("with one process killed nothing resumes")
}

func startWorker(t *testing.T, redis string, kind sessiontest.Kind, listener *os.File) *exec.Cmd {
	t.Helper()
	cert, key := sessiontest.ServerPEM()
	text, err := json.Marshal(workerConfig{redis, []byte(strings.Repeat("k", 32)), kind.Version, cert, key})
	check(t, err)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), workerEnv+"="+base64.StdEncoding.EncodeToString(text))
	cmd.ExtraFiles = []*os.File{listener}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatalf("the worker said %q, %v", line, err)
	}
	return cmd
}
