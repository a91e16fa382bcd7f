package main

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	parted = 200       // connections whose close is counted
	mark   = "parts\n" // written to standard error before and after the closes
)

// part shakes hands on connections over TCP and ends them, both ways, one after the other.
func part(args []string) {
	if err := partAll(args); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func partAll(args []string) error {
	if len(args) != 2 || libraries[args[0]] == nil {
		return errors.New("part LIBRARY VERSION")
	}
	version, err := strconv.ParseUint(args[1], 0, 16)
	if err != nil {
		return err
	}
	certs, err := newCertificates()
	if err != nil {
		return err
	}
	defer certs.remove()
	m, err := libraries[args[0]](certs, setting{version: uint16(version)})
	if err != nil {
		return err
	}
	over, stop, err := overTCP()
	if err != nil {
		return err
	}
	defer stop()
	pairs := make([]*pair, parted)
	for i := range pairs {
		if pairs[i], err = connect(m, over); err != nil {
			return err
		}
	}
	os.Stderr.WriteString(mark)
	for _, p := range pairs {
		if err := p.part(); err != nil {
			return err
		}
	}
	os.Stderr.WriteString(mark)
	return nil
}

// part says close_notify on one end, waits for the other's, and closes both.
func (p *pair) part() error {
	answered := make(chan error, 1)
	go func() {
		_, err := p.server.Read(make([]byte, 1))
		if err == io.EOF {
			err = nil
		}
		answered <- errors.Join(err, p.server.Close())
	}()
	var err error
	if cw, ok := p.client.(interface{ CloseWrite() error }); ok {
		if err = cw.CloseWrite(); err == nil {
			p.client.Read(make([]byte, 1))
		}
	}
	p.client.Close()
	return errors.Join(err, <-answered)
}

// scheduling are the calls of Go's scheduler: when it waits and wakes depends on the machine.
var scheduling = regexp.MustCompile(`^(futex|epoll_pwait|nanosleep|sched_.*|rt_sig.*|tgkill|madvise|mmap|munmap|mprotect|getpid|gettid|exit|clone3?|set_robust_list|rseq|sigaltstack)$`)

// countSyscalls prints what the close of both ends asks of the kernel.
func countSyscalls() error {
	fmt.Printf("system calls of a close of both ends over TCP, without the scheduler's (strace, the mean of %d)\n", parted)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, lib := range []string{"ours", "standard"} {
			counts, err := syscallsOf(lib, version)
			if err != nil {
				return err
			}
			fmt.Printf("  %s  %-8s", tls.VersionName(version), lib)
			for _, name := range slices.Sorted(maps.Keys(counts)) {
				if n := float64(counts[name]) / parted; n >= 0.05 {
					fmt.Printf("  %s %.2f", name, n)
				}
			}
			fmt.Println()
		}
	}
	return nil
}

// callBegins is a line of strace -f at which a call begins.
var callBegins = regexp.MustCompile(`^\d+ +([a-z0-9_]+)\(`)

func syscallsOf(lib string, version uint16) (map[string]int, error) {
	folder, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	log := filepath.Join(folder, "strace")
	out, err := exec.Command("strace", "-f", "-o", log, os.Args[0], "part", lib, fmt.Sprint(version)).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("strace: %w: %s", err, out)
	}
	file, err := os.Open(log)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	counts := map[string]int{}
	marks := 0
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		line := lines.Text()
		if strings.Contains(line, strconv.Quote(mark)) {
			marks++
			continue
		}
		if call := callBegins.FindStringSubmatch(line); marks == 1 && call != nil && !scheduling.MatchString(call[1]) {
			counts[call[1]]++
		}
	}
	if marks != 2 {
		return nil, fmt.Errorf("strace: %d marks: %s", marks, out)
	}
	return counts, lines.Err()
}
