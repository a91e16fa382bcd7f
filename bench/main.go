// Command bench measures this binding side by side with libssl itself (a C program), crypto/tls and the
// binding it follows, github.com/libp2p/go-openssl, and prints ratios.
//
//	bench [--check] [--pairs N] [--sample D] [--limit PROGRAM] [--only REGEXP] [--list] [--syscalls]
//
// The two sides of a comparison run in turns, ours and theirs, so that both see the same machine. A
// ratio above 1 is in our favour. --check exits 1 when a goal is missed. --syscalls counts the system calls of
// closes instead, by strace.
package main

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/golibssl/openssl"
)

// comparison is one line of the table.
type comparison struct {
	group        string // the table it stands in
	work         string
	against      string // L, G, O or a name
	ours, theirs side
	goal         float64 // the least ratio; 0: reported only
	goal35       float64 // from OpenSSL 3.5 on, when it is another
}

// side measures once, for about d, and returns how much of what is good it saw in a second: operations, or the
// inverse of what is to be small.
type side func(d time.Duration) (float64, error)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "hold" {
		hold(os.Args[2:])
		return
	}
	if len(os.Args) > 1 && os.Args[1] == "part" {
		part(os.Args[2:])
		return
	}
	pairs := flag.Int("pairs", 10, "measure each side so many times")
	sample := flag.Duration("sample", 300*time.Millisecond, "for so long each time")
	limit := flag.String("limit", "", "the C program built from testdata/bench/limit.c")
	only := flag.String("only", "", "only comparisons that match")
	check := flag.Bool("check", false, "exit 1 when a goal is missed")
	list := flag.Bool("list", false, "name the comparisons")
	syscalls := flag.Bool("syscalls", false, "count the system calls of a close of both ends")
	conns := flag.Int("idle", 1000, "idle connections held for the memory figures")
	flag.Parse()
	match, err := regexp.Compile(*only)
	switch {
	case err != nil:
	case *syscalls:
		err = countSyscalls()
	default:
		err = run(plan{*pairs, *sample, *limit, match, *check, *list, *conns})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

type plan struct {
	pairs  int
	sample time.Duration
	limit  string
	only   *regexp.Regexp
	check  bool
	list   bool
	conns  int
}

func run(p plan) error {
	certs, err := newCertificates()
	if err != nil {
		return err
	}
	defer certs.remove()
	var all []comparison
	all = append(all, handshakes(p, certs)...)
	all = append(all, data(p, certs)...)
	all = append(all, closes(certs)...)
	all = append(all, calls(certs)...)
	all = append(all, caches()...)
	all = append(all, idle(p)...)
	if p.list {
		for _, c := range all {
			fmt.Println(c.name())
		}
		return nil
	}
	fmt.Printf("%s, %s, %s, %d cores, %d pairs of %v\n", openssl.LibraryVersion(), runtime.Version(), cpu(), runtime.NumCPU(), p.pairs, p.sample)
	missed, err := measureAll(p, all)
	if err != nil {
		return err
	}
	if p.check && len(missed) > 0 {
		return fmt.Errorf("%d goals are missed:\n  %s", len(missed), strings.Join(missed, "\n  "))
	}
	return nil
}

func (c comparison) name() string { return c.group + ": " + c.work + " / " + c.against }

// wants is the goal on the loaded library.
func (c comparison) wants() float64 {
	if c.goal35 != 0 && openssl.LibraryVersionNumber() >= 0x30500000 {
		return c.goal35
	}
	return c.goal
}

func measureAll(p plan, all []comparison) (missed []string, err error) {
	group := ""
	var table *tabwriter.Writer
	for _, c := range all {
		if !p.only.MatchString(c.name()) {
			continue
		}
		if c.group != group {
			if table != nil {
				table.Flush()
			}
			group = c.group
			fmt.Printf("\n%s\n", group)
			table = tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
			fmt.Fprintln(table, "  work\tagainst\tours\ttheirs\tratio\tspread\tp\tgoal\t")
		}
		r, err := measure(c, p)
		if err != nil {
			fmt.Fprintf(table, "  %s\t%s\t\t\t\t\t\t\t%v\n", c.work, c.against, err)
			missed = append(missed, c.name()+": "+err.Error())
			continue
		}
		verdict := ""
		if goal := c.wants(); goal > 0 {
			verdict = "met"
			if r.ratio < goal {
				verdict = "MISSED"
				missed = append(missed, fmt.Sprintf("%s: %.2f, wanted %.2f", c.name(), r.ratio, goal))
			}
			verdict = fmt.Sprintf("%.2f\t%s", goal, verdict)
		} else {
			verdict = "\t"
		}
		fmt.Fprintf(table, "  %s\t%s\t%s\t%s\t%.2f\t%.2f to %.2f\t%.3f\t%s\n", c.work, c.against, rate(r.ours), rate(r.theirs), r.ratio, r.low, r.high, r.p, verdict)
	}
	if table != nil {
		table.Flush()
	}
	return missed, nil
}

// rate prints a figure with three digits that say something.
func rate(v float64) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%.2fM/s", v/1e6)
	case v >= 1e3:
		return fmt.Sprintf("%.2fk/s", v/1e3)
	}
	return fmt.Sprintf("%.3g/s", v)
}

func cpu() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, found := strings.CutPrefix(line, "model name"); found {
			return strings.TrimSpace(strings.TrimLeft(name, "\t: "))
		}
	}
	return runtime.GOARCH
}
