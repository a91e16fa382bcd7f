package main

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
)

// idle compares what a waiting connection costs: the memory of a process that holds only the servers'
// ends, each blocked in Read after 64 KiB each way. The clients' ends are in this process.
func idle(p plan) []comparison {
	const name = "idle connections: memory of an end (1 over bytes)"
	cost := func(lib string) side {
		return func(time.Duration) (float64, error) {
			bytes, err := holdMany(lib, p.conns)
			return 1 / bytes, err
		}
	}
	return []comparison{
		{name, "blocked in Read", "G", cost("ours"), cost("standard"), 1 / 0.7, 0},
		{name, "blocked in Read", "O", cost("ours"), cost("older"), 1 / 0.5, 0},
	}
}

var libraries = map[string]makes{"ours": newOurs, "standard": newStandard, "older": newOlder}

// holdMany has another process hold n connections and returns the bytes that one costs there.
func holdMany(lib string, n int) (float64, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	cmd := exec.Command(os.Args[0], "hold", lib, l.Addr().String(), strconv.Itoa(n))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	defer cmd.Wait()
	defer in.Close()
	// The peers are crypto/tls for all, without verification: only what they hold counts.
	for range n {
		nc, err := l.Accept()
		if err != nil {
			return 0, err
		}
		c := tls.Client(nc, &tls.Config{InsecureSkipVerify: true})
		defer nc.Close()
		if _, err := c.Write(make([]byte, 64<<10)); err != nil {
			return 0, err
		}
		if _, err := io.ReadFull(c, make([]byte, 64<<10)); err != nil {
			return 0, err
		}
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return 0, err
	}
	var bytes float64
	var threads int
	if _, err := fmt.Sscan(line, &bytes, &threads); err != nil {
		return 0, err
	}
	if lib == "ours" && threads > 20 {
		return 0, fmt.Errorf("%d threads hold %d connections; want at most 20", threads, n)
	}
	return bytes, nil
}

// hold is the other process: hold LIBRARY ADDRESS N. It prints the bytes of a connection and its OS threads.
func hold(args []string) {
	if err := holdAll(args); err != nil {
		fmt.Fprintln(os.Stderr, "bench hold:", err)
		os.Exit(1)
	}
}

func holdAll(args []string) error {
	n, err := strconv.Atoi(args[2])
	if err != nil || libraries[args[0]] == nil {
		return errors.Join(err, errors.New("hold LIBRARY ADDRESS N"))
	}
	certs, err := newCertificates()
	if err != nil {
		return err
	}
	defer certs.remove()
	m, err := libraries[args[0]](certs, setting{version: tls.VersionTLS13})
	if err != nil {
		return err
	}
	before := 0
	buf := make([]byte, 64<<10)
	for i := range n {
		nc, err := net.Dial("tcp", args[1])
		if err != nil {
			return err
		}
		c, err := m.server(nc)
		if err != nil {
			return err
		}
		if _, err := io.ReadFull(c, buf); err != nil {
			return err
		}
		if _, err := c.Write(buf); err != nil {
			return err
		}
		go c.Read(make([]byte, 1))
		if i == n/10 { // what the process costs once
			before = resident()
		}
	}
	time.Sleep(100 * time.Millisecond) // until all wait in Read
	fmt.Println(float64(resident()-before)/float64(n-1-n/10), threads())
	io.Copy(io.Discard, os.Stdin) // until the parent has read that
	return nil
}

// resident is this process's memory, after the garbage is given back.
func resident() int {
	runtime.GC()
	debug.FreeOSMemory()
	text, _ := os.ReadFile("/proc/self/statm")
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.Atoi(fields[1])
	return pages * os.Getpagesize()
}

func threads() int {
	entries, _ := os.ReadDir("/proc/self/task")
	return len(entries)
}
