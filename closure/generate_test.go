package closure_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// script is a script's steps, proto first.
type script []string

func (s script) String() string { return strings.Join(s, "\n") + "\n" }

func parseScript(text string) script {
	var s script
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if line != "" && line[0] != '#' {
			s = append(s, line)
		}
	}
	return s
}

// generate makes a script from a seed, the same one from the same seed.
//
// It clears at most once, one end or both together, and never an end alone between two handshakes:
// an end that is cleared after it failed on the other's new ClientHello reads on in the middle of a
// record, and what it answers depends on random bytes.
func generate(seed uint64) script {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 0))}
	g.add("proto " + protocols[g.IntN(len(protocols))])
	for _, who := range ends {
		if g.IntN(6) == 0 {
			g.add("option ignore-eof " + who)
		}
	}
	if g.IntN(10) > 0 {
		if g.IntN(12) == 0 {
			g.step()
		}
		g.handshake()
	}
	for n := 1 + g.IntN(24); n > 0; n-- {
		g.step()
	}
	return g.script
}

var ends = [...]string{"client", "server"}

type generator struct {
	*rand.Rand
	script
	shaken, cleared, alone bool // a handshake was made; there was a clear; of one end
}

func (g *generator) add(step string) { g.script = append(g.script, step) }

func (g *generator) handshake() {
	if g.alone && g.shaken {
		return
	}
	g.shaken = true
	g.add("both handshake")
}

// stepWeights says how often each kind of step is made.
var stepWeights = []struct {
	weight int
	make   func(g *generator, who string)
}{
	{20, func(g *generator, who string) { g.add(who + " read") }},
	{14, func(g *generator, who string) { g.add(who + " write " + g.text()) }},
	{16, func(g *generator, who string) { g.add(who + " shutdown") }},
	{8, func(g *generator, who string) { g.add(who + " set " + g.mask()) }},
	{4, func(g *generator, who string) { g.add(who + " get") }},
	{5, func(g *generator, who string) { g.add(fmt.Sprintf("%s quiet %d", who, g.IntN(2))) }},
	{6, func(g *generator, who string) { g.add(who + " eof") }},
	{5, func(g *generator, who string) { g.add(who + " free") }},
	{5, func(g *generator, _ string) { g.add("client resumable") }},
	{5, func(g *generator, _ string) { g.add("server cache") }},
	{5, func(g *generator, _ string) { g.add("client resume") }},
	{3, func(g *generator, _ string) { g.handshake() }},
	{4, (*generator).clear},
	// What ends most connections, so that what comes after an end is often reached.
	{4, func(g *generator, _ string) {
		for _, step := range []string{"client shutdown", "server read", "server shutdown", "client read"} {
			if g.IntN(5) > 0 {
				g.add(step)
			}
		}
	}},
}

func (g *generator) step() {
	sum := 0
	for _, w := range stepWeights {
		sum += w.weight
	}
	n := g.IntN(sum)
	for _, w := range stepWeights {
		if n -= w.weight; n < 0 {
			w.make(g, ends[g.IntN(2)])
			return
		}
	}
}

func (g *generator) clear(who string) {
	if g.cleared {
		return
	}
	g.cleared = true
	if g.IntN(3) == 0 {
		g.alone = true
		g.add(who + " clear")
		return
	}
	g.add("client clear")
	g.add("server clear")
	if g.IntN(4) > 0 {
		g.handshake()
	}
}

func (g *generator) mask() string {
	if g.IntN(4) > 0 {
		return fmt.Sprint(g.IntN(4))
	}
	others := []string{"4", "5", "6", "7", "8", "256", "-1", "-2", "2147483647", "-2147483648", "007", "-0"}
	return others[g.IntN(len(others))]
}

func (g *generator) text() string {
	texts := []string{"a", "Z9", "hello", "0", "closure", "ok", "ret1", strings.Repeat("x", 300)}
	if g.IntN(60) == 0 {
		return strings.Repeat("0123456789", 1600+g.IntN(3000)) // around and beyond a record's 16384 bytes
	}
	return texts[g.IntN(len(texts))]
}

// inLanguage reports whether a script's output cannot depend on random bytes, by generate's rule.
func inLanguage(s script) bool {
	clears, alone, before := 0, false, false
	for i, step := range s {
		switch {
		case step == "both handshake" && alone && before:
			return false
		case step == "both handshake":
			before = true
		case step == "server clear" && i > 0 && s[i-1] == "client clear":
			alone = false
		case strings.HasSuffix(step, " clear"):
			clears++
			alone = true
		}
	}
	return clears <= 1
}

// shrink returns a script that still fails and fails no more when any one of its steps is left out.
func shrink(s script, fails func(script) bool) script {
	try := func(smaller script) bool {
		if inLanguage(smaller) && fails(smaller) {
			s = smaller
			return true
		}
		return false
	}
	for again := true; again; {
		again = false
		for size := len(s) / 2; size > 0; size /= 2 {
			for at := 1; at+size <= len(s); {
				if try(append(append(script{}, s[:at]...), s[at+size:]...)) {
					again = true
				} else {
					at++
				}
			}
		}
		for i := range s {
			for _, simpler := range simplerSteps(s[i]) {
				smaller := append(script{}, s...)
				smaller[i] = simpler
				if try(smaller) {
					again = true
					break
				}
			}
		}
	}
	return s
}

// simplerSteps are steps to try in the place of one, the simplest first; each is strictly simpler,
// so that shrink comes to an end.
func simplerSteps(step string) []string {
	words := strings.Split(step, " ")
	if len(words) != 3 {
		return nil
	}
	var arguments []string
	switch words[1] {
	case "set":
		arguments = []string{"0", "1", "2", "3", "4", "7"}
	case "write":
		arguments = []string{"a", "hello"}
	default:
		return nil
	}
	var all []string
	for _, a := range arguments {
		if a == words[2] {
			break
		}
		all = append(all, words[0]+" "+words[1]+" "+a)
	}
	return all
}

func TestGenerate(t *testing.T) {
	seen := map[string]bool{}
	longest := 0
	for seed := range uint64(2000) {
		s := generate(seed)
		if d := cmp.Diff(s, generate(seed)); d != "" {
			t.Fatalf("seed %d makes two scripts:\n%s", seed, d)
		}
		if !inLanguage(s) {
			t.Errorf("seed %d: the output can depend on random bytes:\n%s", seed, s)
		}
		longest = max(longest, len(s))
		for _, step := range s {
			words := strings.Split(step, " ")
			seen[strings.Join(words[:min(2, len(words))], " ")] = true
			if words[0] == "option" {
				seen[step] = true
			}
		}
	}
	for _, want := range []string{"proto tls12-id", "proto tls12-ticket", "proto tls13-stateful", "proto tls13-stateless",
		"option ignore-eof client", "option ignore-eof server", "both handshake", "client shutdown", "server shutdown",
		"client set", "server set", "client get", "server get", "client read", "server read", "client write",
		"server write", "client quiet", "server quiet", "client eof", "server eof", "client clear", "server clear",
		"client free", "server free", "client resumable", "server cache", "client resume"} {
		if !seen[want] {
			t.Errorf("2000 scripts and no %q", want)
		}
	}
	if longest < 20 {
		t.Errorf("the longest of 2000 scripts has %d steps", longest)
	}
}

func TestInLanguage(t *testing.T) {
	for _, test := range []struct {
		steps string
		want  bool
	}{
		{"both handshake", true},
		{"both handshake,client clear,client read", true},
		{"client clear,both handshake", true},
		{"both handshake,client clear,server clear,both handshake", true},
		{"both handshake,client clear,both handshake", false},
		{"both handshake,client clear,server get,server clear", false},
		{"client clear,both handshake,server clear", false},
		{"both handshake,server clear,client clear", false},
	} {
		if got := inLanguage(append(script{"proto tls12-id"}, strings.Split(test.steps, ",")...)); got != test.want {
			t.Errorf("inLanguage(%s) = %v", test.steps, got)
		}
	}
}

// An interpreter that goes wrong when a shutdown comes somewhere behind a set of 2 or more: the
// shortest script that shows it has these two steps.
func TestShrink(t *testing.T) {
	fails := func(s script) bool {
		set := false
		for _, step := range s {
			var n int
			if _, err := fmt.Sscanf(step, "client set %d", &n); err == nil && n >= 2 {
				set = true
			}
			if set && step == "server shutdown" {
				return true
			}
		}
		return false
	}
	found := 0
	for seed := uint64(0); found < 50; seed++ {
		s := generate(seed)
		if !fails(s) {
			continue
		}
		found++
		want := script{s[0], "client set 2", "server shutdown"}
		if d := cmp.Diff(want, shrink(s, fails)); d != "" {
			t.Errorf("seed %d (-want +got):\n%s", seed, d)
		}
	}
}
