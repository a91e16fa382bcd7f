// The command dropin prints what github.com/spacemonkeygo/openssl does, a line a behaviour: the original as of its last commit, or
// whatever stands in its place. Its output is compared (see dropin_test.go), so a line says nothing that changes from run to run.
//
//	go run .                          # with the drop-in, by the replace line in go.mod
//	GOGC=off go run -modfile=original.mod .    # with the original, on OpenSSL 1.1.1
//
// The original frees what is in use, and frees HMACs twice, when the collector runs; hence GOGC=off. What failed before is left in the
// error queue of its thread, where it makes healthy calls fail: each step begins by emptying it.
//
// An argument prints the lines of one section only.
package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"runtime"
	"strings"
	"time"

	"github.com/spacemonkeygo/openssl"
)

// long is what no healthy step needs. Where a call hangs, the line says so after brief.
const (
	long  = 60 * time.Second
	brief = 15 * time.Second
)

var sections = []struct {
	name string
	run  func(*section)
}{
	{"digest", digests},
	{"hmac", hmacs},
	{"cipher", ciphers},
	{"key", keys},
	{"certificate", certificates},
	{"hostname", hostnames},
	{"store", stores},
	{"ctx", contexts},
	{"handshake", handshakes},
	{"data", transfers},
	{"verify", verification},
	{"sni", serverNames},
	{"dial", dials},
	{"session", sessions},
	{"end", ends},
	{"close", closes},
	{"deadline", deadlines},
	{"failure", failures},
	{"http", overHTTP},
	{"misc", miscellany},
}

func main() {
	runtime.LockOSThread()
	for _, s := range sections {
		if len(os.Args) < 2 || os.Args[1] == s.name {
			s.run(&section{os.Stdout, s.name})
		}
	}
}

// section prints lines "section/what: value".
type section struct {
	out  io.Writer
	name string
}

func (s *section) line(what string, values ...any) {
	texts := make([]string, len(values))
	for i, v := range values {
		switch v := v.(type) {
		case nil:
			texts[i] = "nil"
		case error:
			texts[i] = text(v)
		case []byte:
			texts[i] = fmt.Sprintf("%x", v)
		default:
			texts[i] = fmt.Sprint(v)
		}
	}
	fmt.Fprintf(s.out, "%s/%s: %s\n", s.name, what, strings.Join(texts, ", "))
}

// try prints what f returns, or that it panics.
func (s *section) try(what string, f func() []any) {
	defer func() {
		if p := recover(); p != nil {
			s.line(what, "panic")
		}
	}()
	drain()
	s.line(what, f()...)
}

// drain empties the thread's error queue as the original does it, by an error.
func drain() { _, _ = openssl.LoadCertificateFromPEM([]byte{'x'}) }

// within is try for what may hang.
func (s *section) within(what string, f func() []any) {
	done := make(chan []any, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				done <- []any{"panic"}
			}
		}()
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		drain()
		done <- f()
	}()
	select {
	case values := <-done:
		s.line(what, values...)
	case <-time.After(brief):
		s.line(what, "hangs")
	}
}

var inQueue = regexp.MustCompile(`^[^:]*:[^:]*:(.*)$`)

// text is an error as the lines have it. The original's errors from OpenSSL, "SSL errors: library:function:reason", keep their
// last reason only: the functions differ from version to version, and the other reasons may be an earlier call's.
func text(err error) string {
	var timeout net.Error
	switch {
	case err == io.EOF:
		return "EOF"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "unexpected EOF"
	case errors.Is(err, net.ErrClosed):
		return "closed"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	case errors.Is(err, openssl.ValidationError):
		return "ValidationError"
	}
	said, ok := strings.CutPrefix(err.Error(), "SSL errors: ")
	if ok {
		if i := strings.LastIndexByte(said, '\n'); i >= 0 {
			said = said[i+1:]
		}
		if m := inQueue.FindStringSubmatch(said); m != nil {
			said = m[1]
		}
	}
	return "error{" + strings.ReplaceAll(said, "\n", "; ") + "}"
}

// kind is text without what an error says beyond being one.
func kind(err error) string {
	if err == nil {
		return "nil"
	}
	if t := text(err); !strings.HasPrefix(t, "error{") {
		return t
	}
	return "error"
}

// must is for what the program itself needs and does not look at.
func must[T any](v T, err error) T {
	check(err)
	return v
}

func check(err error) {
	if err != nil {
		_, file, line, _ := runtime.Caller(2)
		panic(fmt.Sprintf("%s:%d: %v", file, line, err))
	}
}
