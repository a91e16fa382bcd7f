// Package leak fails a test binary whose tests leave something behind:
// goroutines, and whatever else the caller can count.
package leak

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// settle is how long what the tests left may take to end by itself.
var settle = 10 * time.Second

// Main runs the tests, then looks for goroutines that outlived them, then asks
// each extra check, and exits: with the status of the tests, or with 1 when
// they passed but something was left behind. A check is asked again, after a
// garbage collection, until it returns nil or ten seconds have passed, so it
// may count what cleanups free. TestMain calls Main and nothing after it.
func Main(m *testing.M, extra ...func() error) {
	before := Running()
	status := m.Run()
	if left := report(os.Stderr, before, settle, extra); left && status == 0 {
		status = 1
	}
	os.Exit(status)
}

func report(w io.Writer, before Snapshot, settle time.Duration, extra []func() error) (left bool) {
	until := time.Now().Add(settle)
	if leaked := before.Leaked(time.Until(until)); len(leaked) > 0 {
		left = true
		fmt.Fprintf(w, "leak: %d goroutines outlived the tests:\n\n%s\n\n", len(leaked), strings.Join(leaked, "\n\n"))
	}
	for _, check := range extra {
		if err := ask(check, until); err != nil {
			left = true
			fmt.Fprintf(w, "leak: %v\n", err)
		}
	}
	return left
}

// ask calls check at least twice, with a collection between, before it gives up.
func ask(check func() error, until time.Time) error {
	err := check()
	for err != nil {
		late := time.Now().After(until)
		runtime.GC()
		time.Sleep(10 * time.Millisecond)
		err = check()
		if late {
			return err
		}
	}
	return nil
}

// Snapshot is a set of goroutines.
type Snapshot map[string]bool

// Running returns the goroutines that run now.
func Running() Snapshot {
	s := Snapshot{}
	for _, g := range goroutines() {
		s[g.id] = true
	}
	return s
}

// Leaked returns the stacks of the goroutines that run, but did not at the
// snapshot. While there are some it looks again until settle has passed.
// Goroutines of the runtime and of package testing do not count, nor does the
// caller's.
func (s Snapshot) Leaked(settle time.Duration) []string {
	until := time.Now().Add(settle)
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		late := time.Now().After(until)
		runtime.GC()
		var left []string
		for _, g := range goroutines() {
			if !s[g.id] && !g.housekeeping() {
				left = append(left, g.stack)
			}
		}
		if len(left) == 0 || late {
			return left
		}
		time.Sleep(pause)
	}
}

// goroutine is one paragraph of runtime.Stack's text.
type goroutine struct {
	id    string
	stack string
}

// goroutines returns all but the caller's.
func goroutines() []goroutine {
	buf := make([]byte, 1<<16)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	var all []goroutine
	for i, stack := range strings.Split(strings.TrimSpace(string(buf)), "\n\n") {
		rest, ok := strings.CutPrefix(stack, "goroutine ")
		id, _, _ := strings.Cut(rest, " ")
		if ok && i > 0 { // the caller's is the first
			all = append(all, goroutine{id: id, stack: stack})
		}
	}
	return all
}

// housekeeping says whether every function on the stack, and the one that
// started it, belongs to the runtime, to testing, or to the one goroutine that
// os/signal keeps for ever.
func (g goroutine) housekeeping() bool {
	for _, line := range strings.Split(g.stack, "\n")[1:] {
		if strings.HasPrefix(line, "\t") {
			continue
		}
		name := strings.TrimPrefix(line, "created by ")
		ours := slices.ContainsFunc(housekeepers, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
		if !ours {
			return false
		}
	}
	return true
}

var housekeepers = []string{"runtime.", "testing.", "os/signal.signal_recv(", "os/signal.loop(", "os/signal.Notify.func"}
