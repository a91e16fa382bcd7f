// Package closure runs closure scripts: text files that drive the two ends of one TLS connection
// through raw libssl calls and print what each call did. Any program that is linked to the same libssl
// prints the same bytes for the same script.
//
// A script is one step a line, its words separated by single spaces. The first step is proto NAME
// (tls12-id, tls12-ticket, tls13-stateful or tls13-stateless), option ignore-eof WHO may follow, then
//
//	both handshake
//	WHO shutdown | set N | get | read | write TEXT | quiet 0|1 | eof | clear | free
//	client resumable | resume
//	server cache
//
// with client or server for WHO. Empty lines and lines that begin with # are skipped.
package closure

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// maxLine bounds a line, so that an endless one is an error before memory ends.
const maxLine = 64 << 20

// SyntaxError says why a script cannot be read, and where.
type SyntaxError struct {
	Line   int // of the file, from 1, counting every line; 0 when the script has no step at all
	Reason string
}

func (e *SyntaxError) Error() string {
	if e.Line == 0 {
		return e.Reason
	}
	return fmt.Sprintf("line %d: %s", e.Line, e.Reason)
}

// Run reads a script from r and runs it step by step, writing each step's line to w once the step
// is done and before the next line is read. A step that cannot be read ends the run with a
// *SyntaxError; what the calls of a script return never makes an error. Runs share nothing, any
// number may go on at the same time.
func Run(r io.Reader, w io.Writer) error {
	var run run
	defer run.free()
	in := bufio.NewReader(r)
	for number := 1; ; number++ {
		line, err := readLine(in)
		if err != nil && !errors.Is(err, io.EOF) {
			if errors.Is(err, errLineTooLong) {
				return &SyntaxError{number, err.Error()}
			}
			return fmt.Errorf("reading the script: %w", err)
		}
		last := err != nil
		if line != "" && line[0] != '#' {
			s, reason := parse(line)
			if reason == "" {
				reason = run.outOfPlace(s)
			}
			if reason != "" {
				return &SyntaxError{number, reason}
			}
			result, err := run.step(s)
			if err != nil {
				return fmt.Errorf("line %d: %w", number, err)
			}
			if _, err := fmt.Fprintf(w, "%d %s: %s\n", run.steps, line, result); err != nil {
				return fmt.Errorf("writing the results: %w", err)
			}
		}
		if last {
			break
		}
	}
	if run.steps == 0 {
		return &SyntaxError{0, "the script has no step"}
	}
	return nil
}

var errLineTooLong = fmt.Errorf("a line is longer than %d bytes", maxLine)

// readLine returns the next line without its newline, and io.EOF with the last one.
func readLine(in *bufio.Reader) (string, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > maxLine {
			return "", errLineTooLong
		}
		switch {
		case err == nil:
			return string(line[:len(line)-1]), nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return string(line), err
		}
	}
}
