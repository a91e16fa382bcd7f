package semantics

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/leak"
)

var (
	update = flag.Bool("update", false, "write the results of the loaded libssl to testdata/semantics and run nothing else")
	oracle = flag.String("oracle", "", "compare with the results in this folder too, which another program measured")
)

// results is where a version's lines stand.
var results = filepath.Join("..", "..", "testdata", "semantics")

// scenario is what one id does, on some protocols.
type scenario struct {
	id    string
	on    []protocol
	title string
	play  func(*scene)
}

// The protocols that a scenario can be for. A line of one says "any", those of two name the version alone.
var (
	all  = []protocol{tls12ID, tls12Ticket, tls13Stateful, tls13Stateless}
	ids  = []protocol{tls12ID, tls13Stateful}
	two  = []protocol{tls12ID, tls13Stateless}
	t13  = []protocol{tls13Stateful, tls13Stateless}
	one  = []protocol{tls12ID}
	name = [protocols]string{"tls12-id", "tls12-ticket", "tls13-stateful", "tls13-stateless"}
)

func (s scenario) key(p protocol) string {
	label := name[p]
	switch {
	case slices.Equal(s.on, one):
		label = "any"
	case slices.Equal(s.on, two):
		label = label[:len("tls12")]
	}
	return s.id + "|" + label
}

func (s scenario) result(p protocol) (result, error) {
	tokens, err := play(p, s.play)
	if err != nil {
		return result{}, fmt.Errorf("%s: %w", s.key(p), err)
	}
	return result{s.id, s.key(p), s.title, tokens}, nil
}

func scenarios() []scenario {
	return slices.Concat(groupA, groupB, groupC, groupD, groupE, groupF, groupG, groupT, groupH, groupJ)
}

// versions are those that were measured, each for its branch. The patch levels of a branch have the same
// lines; OpenSSL_version says nothing of Debian's, of which two lines tell.
var versions = map[uint64]string{0x101: "1.1.1w", 0x300: "3.0.19", 0x305: "3.5.7", 0x306: "3.6.5", 0x400: "4.0.3"}

// debian holds what 1.1.1w-0+deb11u8 says other than 1.1.1w-0+deb11u1: it resumes a session that is marked as
// not resumable where the other fails the handshake.
var debian = map[string]map[string]string{"1.1.1w": {
	"g11|tls12-id": "cache:s=0,c=0 resumable=0 add=1 cache:s=1,c=0 resumable=1 resume=1/1 resumable=0",
	"g21|tls12-id": "cb:s=1/1/0,c=- resumable=0 resume=1/1 cb:s=1/1/1,c=-",
}}

// version is the one whose lines the loaded libssl shall have.
func version() (string, error) {
	v, ok := versions[openssl.LibraryVersionNumber()>>20]
	if !ok {
		return "", fmt.Errorf("no results were measured of %s", openssl.LibraryVersion())
	}
	return v, nil
}

func TestMain(m *testing.M) {
	flag.Parse()
	if *update {
		if err := writeResults(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	leak.Main(m, func() error {
		if live := openssl.LiveObjects(); live != (openssl.Live{}) {
			return fmt.Errorf("left behind: %+v", live)
		}
		return nil
	})
}

func writeResults() error {
	v, err := version()
	if err != nil {
		return err
	}
	var text strings.Builder
	for _, s := range scenarios() {
		for _, p := range s.on {
			r, err := s.result(p)
			if err != nil {
				return err
			}
			fmt.Fprintln(&text, r.line())
		}
	}
	if err := os.MkdirAll(results, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(results, v+".txt"), []byte(text.String()), 0o644)
}

// result is one line.
type result struct{ id, key, title, tokens string }

func (r result) line() string { return r.key + "|" + r.title + "|" + r.tokens }

func readResults(file string) ([]result, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var out []result
	for line := range strings.Lines(string(text)) {
		f := strings.SplitN(strings.TrimSuffix(line, "\n"), "|", 4)
		if len(f) != 4 {
			return nil, fmt.Errorf("%s: %q is no line of results", file, line)
		}
		out = append(out, result{f[0], f[0] + "|" + f[1], f[2], f[3]})
	}
	return out, nil
}

func TestMask(t *testing.T)            { test(t, groupA) }
func TestShutdown(t *testing.T)        { test(t, groupB) }
func TestTransportEOF(t *testing.T)    { test(t, groupC) }
func TestAlerts(t *testing.T)          { test(t, groupD) }
func TestClear(t *testing.T)           { test(t, groupE) }
func TestFree(t *testing.T)            { test(t, groupF) }
func TestSessionCache(t *testing.T)    { test(t, groupG) }
func TestThreads(t *testing.T)         { test(t, groupT) }
func TestDup(t *testing.T)             { test(t, groupH) }
func TestAfterFatalError(t *testing.T) { test(t, groupJ) }

// test plays the scenarios on the loaded libssl.
func test(t *testing.T, group []scenario) {
	v, err := version()
	if err != nil {
		t.Skip(err)
	}
	dirs := []string{results}
	if *oracle != "" {
		dirs = append(dirs, *oracle)
	}
	want := map[string]map[string]string{}
	for _, dir := range dirs {
		lines, err := readResults(filepath.Join(dir, v+".txt"))
		if err != nil {
			t.Fatal(err)
		}
		want[dir] = map[string]string{}
		for _, r := range lines {
			want[dir][r.key] = r.line()
		}
	}
	lines := 0
	for _, s := range group {
		for _, p := range s.on {
			t.Run(strings.ReplaceAll(s.key(p), "|", "/"), func(t *testing.T) {
				got, err := s.result(p)
				if err != nil {
					t.Fatal(err)
				}
				if patched, ok := debian[v][got.key]; ok && got.tokens == patched {
					t.Log("as in Debian's later patch level")
					return
				}
				for _, dir := range dirs {
					if diff := cmp.Diff(words(want[dir][got.key]), words(got.line())); diff != "" {
						t.Errorf("%s\non %s, compared with %s (-want +got):\n%s", got.line(), openssl.LibraryVersion(), dir, diff)
					}
				}
			})
			lines++
		}
	}
	t.Attr("compared", fmt.Sprintf("scenario-lines %d", lines))
}

func words(line string) []string { return strings.Split(line, " ") }
