package chaos

import (
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/cleartext"
	"github.com/golibssl/openssl/internal/leak"
	"github.com/golibssl/openssl/internal/sessiontest"
	"github.com/golibssl/openssl/internal/testcert"
)

var (
	connections = flag.Int("connections", 5000, "how many connections TestChaos breaks")
	seed        = flag.Uint64("seed", 1, "the first connection's seed; the others count up from it")
)

func TestMain(m *testing.M) {
	leak.Main(m, func() error {
		if live := openssl.LiveObjects(); live != (openssl.Live{}) {
			return fmt.Errorf("still alive: %+v", live)
		}
		return nil
	})
}

const (
	suite12 = "ECDHE-ECDSA-AES128-GCM-SHA256" // cleartext knows these
	suite13 = "TLS_AES_128_GCM_SHA256"
)

// world is the Ctx of one kind and policy.
type world struct {
	kind           sessiontest.Kind
	keep           bool
	server, client *openssl.Ctx
	cache          *openssl.MemoryCache
	stdServer      *tls.Config
	stdClient      *tls.Config
	log            *keyLog

	mu    sync.Mutex
	given map[*openssl.Conn]*end
	ids   []lifeOrDeath

	forged atomic.Int64 // sealed alerts
}

// lifeOrDeath is what must become of a session in the server's cache.
type lifeOrDeath struct {
	seed  uint64
	id    []byte
	alive bool
}

func newWorld(t *testing.T, kind sessiontest.Kind, keep bool, sessions int) *world {
	w := &world{kind: kind, keep: keep, cache: openssl.NewMemoryCacheSize(sessions, 1<<30),
		given: make(map[*openssl.Conn]*end), log: &keyLog{lines: make(map[string][]byte)}}
	server, client := kind.ServerConfig(t, w.cache), kind.ClientConfig()
	for _, cfg := range []*openssl.Config{server, client} {
		cfg.CipherList, cfg.Ciphersuites = suite12, suite13
		cfg.KeyLogWriter = w.log
		cfg.Linger = 100 * time.Millisecond
		if keep {
			cfg.UncleanSessions = openssl.SessionsKeep
		}
	}
	client.OnSession = func(c *openssl.Conn, s *openssl.Session) {
		w.mu.Lock()
		e := w.given[c]
		w.mu.Unlock()
		e.mu.Lock()
		defer e.mu.Unlock()
		e.sessions = append(e.sessions, s)
	}
	w.server, w.client = sessiontest.NewCtx(t, server), sessiontest.NewCtx(t, client)
	suites := []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}
	w.stdServer = &tls.Config{Certificates: []tls.Certificate{testcert.Server().TLS}, MinVersion: kind.Version,
		MaxVersion: kind.Version, CipherSuites: suites, KeyLogWriter: w.log}
	w.stdClient = &tls.Config{RootCAs: testcert.Root().Pool(), ServerName: "localhost", MinVersion: kind.Version,
		MaxVersion: kind.Version, CipherSuites: suites, KeyLogWriter: w.log}
	return w
}

// end makes one end of a connection.
func (w *world) end(rng *rand.Rand, nc net.Conn, server, ours bool) (*end, error) {
	e := &end{pieces: 1 + rng.IntN(4), farewell: farewell(rng.IntN(int(farewells)))}
	size := []int{0, 1, 100, 5000, 40000}[rng.IntN(5)]
	e.payload = randomBytes(rng, size)
	if !ours {
		cfg := w.stdClient
		if server {
			cfg = w.stdServer
		}
		e.conn = tlsEnd(nc, server, cfg)
		return e, nil
	}
	var err error
	if server {
		e.ours, err = openssl.Server(nc, w.server)
	} else {
		e.ours, err = openssl.Client(nc, w.client)
	}
	if err != nil {
		return nil, err
	}
	if !server {
		w.mu.Lock()
		w.given[e.ours] = e
		w.mu.Unlock()
	}
	e.conn = e.ours
	return e, nil
}

// allAlerts are those of RFC 5246 and RFC 8446, and a few that nobody has defined.
var allAlerts = []byte{0, 10, 20, 21, 22, 30, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 60, 70, 71, 80, 86, 90, 100, 109,
	110, 111, 112, 113, 114, 115, 116, 120, 1, 77, 200, 255}

func randomFault(rng *rand.Rand) *fault {
	f := &fault{kind: faultKind(rng.IntN(int(kinds))), out: rng.IntN(2) == 0, record: rng.IntN(8), at: rng.IntN(1 << 20)}
	if rng.IntN(4) == 0 {
		f.record = rng.IntN(20) // among the data or behind its end
	}
	f.alert = [2]byte{byte(1 + rng.IntN(2)), allAlerts[rng.IntN(len(allAlerts))]}
	if rng.IntN(10) == 0 {
		f.alert[0] = byte(rng.IntN(256))
	}
	return f
}

// outcome is one connection's, for the table.
type outcome struct {
	fault faultKind
	seen  []string
}

// breakOne makes one connection with one fault and judges both ends.
func (w *world) breakOne(seed uint64, l *net.TCPListener) (o outcome, wrong []string, err error) {
	rng := rand.New(rand.NewPCG(seed, 0))
	f := randomFault(rng)
	near, far, err := tcpPair(l)
	if err != nil {
		return o, nil, err
	}
	nearServer := rng.IntN(2) == 0
	side := cleartext.Client
	if nearServer {
		side = cleartext.Server
	}
	farOurs, nearOurs := true, true
	switch rng.IntN(4) {
	case 0:
		farOurs = false
	case 1:
		nearOurs = f.kind == sealedAlert && !nearServer // whose keys are known
	}
	if f.kind == sealedAlert && !farOurs && !nearOurs {
		nearOurs = true
	}
	line := newWire(near, side, f)
	a, err := w.end(rng, line, nearServer, nearOurs)
	if err != nil {
		return o, nil, err
	}
	b, err := w.end(rng, far, !nearServer, farOurs)
	if err != nil {
		return o, nil, err
	}
	if f.kind == sealedAlert && rng.IntN(4) > 0 {
		b.farewell = halfClose // stays to hear it
	}
	a.midway = func() {
		if f.kind != sealedAlert {
			return
		}
		line.mu.Lock()
		client := line.out.seen
		if nearServer {
			client = line.in.seen
		}
		line.mu.Unlock()
		if line.forge(w.log.take(client), f.alert) {
			w.forged.Add(1)
			if f.alert[1] == 0 {
				a.endForged()
			}
		}
	}
	limit := short
	if f.kind == none || f.kind == slow {
		limit = patience / 2
	}
	for _, e := range []*end{a, b} {
		e.conn.SetDeadline(time.Now().Add(limit))
	}
	var both sync.WaitGroup
	both.Go(a.live)
	both.Go(b.live)
	done := make(chan struct{})
	go func() { both.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(patience):
		return o, []string{"hangs:\n" + stacks()}, nil
	}
	for _, e := range []*end{a, b} {
		peer := b
		if e == b {
			peer = a
		}
		for _, s := range e.judge(peer, w.keep) {
			wrong = append(wrong, fmt.Sprintf("%s\n\terrors: %v\n\tend: %v", s, e.errs, e.end))
		}
		if e.ours != nil {
			o.seen = append(o.seen, w.remember(seed, e, peer, e == a == nearServer))
		}
	}
	o.fault = f.kind
	for i := range wrong {
		wrong[i] = fmt.Sprintf("%v, %+v, near is the server: %v, ours: %v %v: %s", f.kind, *f, nearServer, nearOurs, farOurs, wrong[i])
	}
	return o, wrong, nil
}

// remember notes what must become of the sessions of a server's end, and names the end's outcome.
func (w *world) remember(seed uint64, e, peer *end, server bool) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.given, e.ours)
	if server && w.kind.Stateful {
		for _, s := range peer.sessions {
			w.ids = append(w.ids, lifeOrDeath{seed, serverID(s), e.end.Resumable})
		}
	}
	switch {
	case e.end.Clean():
		return "clean"
	case len(e.errs) == 0:
		return "no error, not both close_notify"
	}
	name, _ := documented(e.errs[0])
	return name
}

// TestChaos breaks connections, each with one fault at a place that its seed decides.
func TestChaos(t *testing.T) {
	var worlds []*world
	for _, kind := range sessiontest.Kinds {
		worlds = append(worlds, newWorld(t, kind, false, 1<<20), newWorld(t, kind, true, 1<<20))
	}
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var next, failed atomic.Uint64
	var mu sync.Mutex
	var runs [kinds]int
	table := make(map[faultKind]map[string]int)
	var workers sync.WaitGroup
	for range 96 {
		workers.Go(func() {
			for failed.Load() < 10 {
				i := next.Add(1) - 1
				if i >= uint64(*connections) {
					return
				}
				o, wrong, err := worlds[i%uint64(len(worlds))].breakOne(*seed+i, l)
				if err != nil {
					wrong = []string{err.Error()}
				}
				for _, s := range wrong {
					failed.Add(1)
					t.Errorf("-seed %d, of %s: %s", *seed+i, worlds[i%uint64(len(worlds))].kind.Name, s)
				}
				mu.Lock()
				runs[o.fault]++
				if table[o.fault] == nil {
					table[o.fault] = make(map[string]int)
				}
				for _, s := range o.seen {
					table[o.fault][s]++
				}
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	for _, w := range worlds {
		sessiontest.Drain(t, w.server)
		sessiontest.Drain(t, w.client)
		w.checkCache(t)
	}
	var forged int64
	for _, w := range worlds {
		forged += w.forged.Load()
	}
	if forged == 0 {
		t.Error("no alert was sealed")
	}
	t.Logf("%d alerts were sealed", forged)
	for k := range kinds {
		var row []string
		for name, n := range table[k] {
			row = append(row, fmt.Sprintf("%s %d", name, n))
		}
		slices.Sort(row)
		t.Logf("%v (%d): %s", k, runs[k], strings.Join(row, ", "))
	}
}

// checkCache: of a server's sessions exactly those live that its ends left alive.
func (w *world) checkCache(t *testing.T) {
	t.Helper()
	lived, died := 0, 0
	for _, x := range w.ids {
		der, _ := w.cache.Get(context.Background(), x.id)
		if alive := der != nil; alive != x.alive {
			t.Errorf("-seed %d, of %s: the server's session is alive: %v, want %v", x.seed, w.kind.Name, alive, x.alive)
		}
		if x.alive {
			lived++
		} else {
			died++
		}
	}
	if w.kind.Stateful && !w.keep && *connections >= 5000 && (lived == 0 || died == 0) {
		t.Errorf("%s: %d sessions lived and %d died, nothing is shown", w.kind.Name, lived, died)
	}
}

var accepting sync.Mutex

func tcpPair(l *net.TCPListener) (near, far *net.TCPConn, err error) {
	accepting.Lock()
	defer accepting.Unlock()
	a, err := net.DialTCP("tcp", nil, l.Addr().(*net.TCPAddr))
	if err != nil {
		return nil, nil, err
	}
	b, err := l.AcceptTCP()
	if err != nil {
		a.Close()
		return nil, nil, err
	}
	return a, b, nil
}

func stacks() string {
	buf := make([]byte, 1<<20)
	return string(buf[:runtime.Stack(buf, true)])
}
