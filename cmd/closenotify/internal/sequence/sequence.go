// Package sequence holds what passed between the two ends of a connection, step by step, and draws it:
// as a diagram in characters, and as a page that a browser shows.
package sequence

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/golibssl/openssl"
)

// Side is an end of the connection.
type Side int

const (
	Client Side = iota
	Server
)

func (s Side) String() string { return [...]string{"client", "server"}[s] }

// Kind is what an Event tells of.
type Kind string

// The kinds of Event.
const (
	Handshake   Kind = "handshake"    // of both ends
	Data        Kind = "data"         // application data
	CloseNotify Kind = "close_notify" // an alert that ends one direction
	Alert       Kind = "alert"        // a fatal one
	Other       Kind = "other"        // a ticket, a KeyUpdate, a warning
	Fin         Kind = "fin"          // of TCP
	Reset       Kind = "reset"        // of TCP
	Call        Kind = "call"         // From called libssl
	Silence     Kind = "silence"      // From sent nothing, and keeps TCP open
	Failure     Kind = "failure"      // no connection
)

// Mask is what is known of an end's shutdown state: the bits of Known are those of State.
type Mask struct {
	State, Known openssl.ShutdownState
}

const bothWays = openssl.SentShutdown | openssl.ReceivedShutdown

// KnownMask is the state of an end that can be asked.
func KnownMask(s openssl.ShutdownState) Mask { return Mask{s & bothWays, bothWays} }

// String is the state's number, "?" when nothing is known, and "1?" for at least 1.
func (m Mask) String() string {
	switch {
	case m.Known&bothWays == bothWays:
		return fmt.Sprint(int(m.State))
	case m.State == 0:
		return "?"
	}
	return fmt.Sprintf("%d?", int(m.State))
}

// Event is one row of a Diagram.
type Event struct {
	Kind   Kind
	From   Side
	At     time.Duration // since the connection began to be made
	Until  time.Duration // of what lasted, else At
	What   string
	Detail string

	Bytes, Records int  // on the wire
	Lost           bool // it left, and reached nobody

	Masks [2]Mask // of the ends after it
}

// text is what stands beside the arrow.
func (e *Event) text() string {
	text := e.What
	switch {
	case e.Records > 1:
		text += fmt.Sprintf(", %s in %d records", bytesText(e.Bytes), e.Records)
	case e.Bytes > 0:
		text += ", " + bytesText(e.Bytes)
	}
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	if e.Lost {
		text += " (lost)"
	}
	return Printable(text)
}

// Diagram is what passed on a connection, or on several after each other. A nil one is empty.
type Diagram struct {
	Events []Event
}

// end is when the last event was over.
func (d *Diagram) end() time.Duration {
	var end time.Duration
	for i := range d.Events {
		end = max(end, d.Events[i].At, d.Events[i].Until)
	}
	return end
}

// Duration is a time as diagrams show it, with its unit.
func Duration(d time.Duration) string {
	number := func(v float64, decimals int, unit string) string {
		s := strconv.FormatFloat(v, 'f', decimals, 64)
		if strings.Contains(s, ".") {
			s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
		}
		return s + " " + unit
	}
	switch {
	case d < time.Microsecond:
		return "0"
	case d < time.Millisecond:
		return number(float64(d.Microseconds()), 0, "µs")
	case d < 10*time.Millisecond:
		return number(d.Seconds()*1e3, 3, "ms")
	case d < time.Second:
		return number(d.Seconds()*1e3, 1, "ms")
	}
	return number(d.Seconds(), 2, "s")
}

// maxQuote bounds what is shown of a peer's text, in characters.
const maxQuote = 32

// Quote is the first line of what a peer has said, fit to be shown on a terminal.
func Quote(p []byte) string {
	const widest = 4 * maxQuote // no character takes more bytes
	line, _, _ := strings.Cut(string(p[:min(len(p), widest)]), "\n")
	line = Printable(strings.TrimRight(line, "\r"))
	if line == "" {
		return ""
	}
	return "“" + cut(line, maxQuote) + "”"
}

// Printable replaces what a terminal would not print but obey.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return '·'
		}
		return r
	}, s)
}

// bytesText names an amount.
func bytesText(n int) string {
	if n == 1 {
		return "1 byte"
	}
	return fmt.Sprintf("%d bytes", n)
}
