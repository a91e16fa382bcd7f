package chaos

import (
	"bytes"
	"context"
	"flag"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/sessiontest"
)

var load = flag.Bool("load", false, "run TestLoad at full size: 10,000 connections at a time, for some minutes; "+
	"MALLOC_ARENA_MAX=1 keeps what the C library's many arenas hold out of its memory")

// process is what the kernel tells of this process.
type process struct {
	rss     int // KiB
	threads int
	files   int
}

func self(t *testing.T) (p process) {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skipf("the kernel tells nothing of the process: %v", err)
	}
	for _, line := range strings.Split(string(status), "\n") {
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		n, _ := strconv.Atoi(words[1])
		switch words[0] {
		case "VmRSS:":
			p.rss = n
		case "Threads:":
			p.threads = n
		}
	}
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	p.files = len(entries)
	return p
}

// pair is one connection of the load.
type pair struct {
	client, server *openssl.Conn
	tcp            *net.TCPConn // the client's
}

// TestLoad holds many connections at a time, lets them end in every way, some dropped without
// Close, and looks at what the process keeps of them, round by round.
func TestLoad(t *testing.T) {
	at, rounds := 800, 4
	if *load {
		at, rounds = 10_000, 8
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if fit := (int(min(limit.Cur, 1<<30)) - 200) / 2; at > fit {
		t.Logf("%d connections at a time, not %d: the process may open %d files", fit, at, limit.Cur)
		at = fit
	}
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var worlds []*world
	for _, kind := range sessiontest.Kinds {
		worlds = append(worlds, newWorld(t, kind, false, 100))
	}
	before := self(t)
	var first, last process
	for round := range rounds {
		abandoned := openssl.AbandonedConns()
		pairs := open(t, worlds, l, at)
		full := self(t)
		dropped := finish(t, pairs)
		clear(pairs)
		for _, w := range worlds {
			w.given = make(map[*openssl.Conn]*end)
			w.log.lines = make(map[string][]byte)
			sessiontest.Drain(t, w.server)
			sessiontest.Drain(t, w.client)
		}
		waitUntil(t, "the dropped Conns are found", func() bool { return openssl.AbandonedConns()-abandoned >= uint64(dropped) })
		waitUntil(t, "all SSL objects are freed", func() bool { return openssl.LiveObjects().SSL == 0 })
		debug.FreeOSMemory()
		waitUntil(t, "all files are closed", func() bool { last = self(t); return last.files <= before.files })
		if got := openssl.AbandonedConns() - abandoned; got != uint64(dropped) {
			t.Errorf("%d abandoned Conns were counted, and %d dropped", got, dropped)
		}
		t.Logf("round %d: %d connections, %d dropped; full %+v, empty %+v, %+v", round, at, dropped, full, last, openssl.LiveObjects())
		if full.threads > before.threads+150 {
			t.Errorf("%d threads became %d for %d connections", before.threads, full.threads, at)
		}
		if round == 1 {
			first = last // the allocators have their pools now
		}
	}
	if grown := last.rss - first.rss; !freedMemoryStays && grown > first.rss/4+32<<10 {
		t.Errorf("%d KiB more than after the second round, which had %d", grown, first.rss)
	}
}

// open makes the connections, and has each carry a few bytes both ways.
func open(t *testing.T, worlds []*world, l *net.TCPListener, n int) []*pair {
	t.Helper()
	pairs := make([]*pair, n)
	slots := make(chan struct{}, 32)
	var all sync.WaitGroup
	for i := range pairs {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			w := worlds[i%len(worlds)]
			a, b, err := tcpPair(l)
			if err != nil {
				t.Error(err)
				return
			}
			p := &pair{tcp: a}
			if p.client, err = openssl.Client(a, w.client); err != nil {
				t.Error(err)
				return
			}
			if p.server, err = openssl.Server(b, w.server); err != nil {
				t.Error(err)
				return
			}
			w.mu.Lock()
			w.given[p.client] = &end{}
			w.mu.Unlock()
			p.client.SetDeadline(time.Now().Add(patience))
			p.server.SetDeadline(time.Now().Add(patience))
			said := make(chan error, 1)
			go func() { _, err := p.server.Write([]byte("hello")); said <- err }()
			buf := make([]byte, 5)
			if _, err := p.client.Read(buf); err != nil || !bytes.Equal(buf, []byte("hello")) {
				t.Errorf("read %q, %v", buf, err)
			}
			if err := <-said; err != nil {
				t.Error(err)
			}
			p.client.SetDeadline(time.Time{})
			p.server.SetDeadline(time.Time{})
			pairs[i] = p
		})
	}
	all.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return pairs
}

// finish ends the connections in all ways and returns how many ends it dropped.
func finish(t *testing.T, pairs []*pair) (dropped int) {
	t.Helper()
	rng := rand.New(rand.NewPCG(*seed, 2))
	slots := make(chan struct{}, 64)
	var all sync.WaitGroup
	for _, p := range pairs {
		how := rng.IntN(7)
		if how == 6 {
			dropped++
		}
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			buf := make([]byte, 64)
			switch how {
			case 0: // clean, both ways
				closed := make(chan error, 1)
				go func() { closed <- p.server.Shutdown(ctx) }()
				if err := p.client.Shutdown(ctx); err != nil {
					t.Error(err)
				}
				if err := <-closed; err != nil {
					t.Error(err)
				}
			case 1: // half-close with an answer
				p.client.CloseWrite()
				p.server.Read(buf)
				p.server.Write(buf)
				p.server.CloseWrite()
			case 2: // quiet
				p.client.SetShutdown(openssl.SentShutdown | openssl.ReceivedShutdown)
			case 3: // reset
				p.tcp.SetLinger(0)
				p.tcp.Close()
			case 4: // truncated
				p.tcp.CloseWrite()
				p.server.Read(buf)
			case 5: // data that nobody reads
				p.client.Write(make([]byte, 20000))
			case 6:
				p.client = nil
				p.server.Close()
				return
			}
			p.client.Close()
			p.server.Close()
		})
	}
	all.Wait()
	return dropped
}

// waitUntil collects garbage until cond holds, less and less often: the cleanups want the processor too.
func waitUntil(t *testing.T, what string, cond func() bool) {
	t.Helper()
	pause := 10 * time.Millisecond
	for end := time.Now().Add(patience); !cond(); time.Sleep(pause) {
		if time.Now().After(end) {
			t.Fatalf("not in time: %s; %+v", what, openssl.LiveObjects())
		}
		runtime.GC()
		pause = min(2*pause, time.Second)
	}
}
