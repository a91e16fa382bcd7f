package sequence

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// width is that of the space between the two ends, in characters.
const width = 52

// WriteText draws the diagram in characters: a row an event, with the time and the masks of both ends
// after it.
func (d *Diagram) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%9s  client%s server\n", "", strings.Repeat(" ", width-1))
	for i := range d.Events {
		e := &d.Events[i]
		line := e.line()
		if i > 0 && e.Kind == Handshake {
			fmt.Fprintln(&b)
		}
		fmt.Fprintf(&b, "%9s %3s %s %s\n", Duration(e.At), e.Masks[Client], line, e.Masks[Server])
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// line is the row between the masks.
func (e *Event) line() string {
	text := cut(e.text(), width-8)
	switch e.Kind {
	case Handshake:
		return "├" + center(" "+text+" ", "─") + "┤"
	case Failure:
		return "│" + center("✗ "+text, " ") + "│"
	case Call:
		if e.From == Client {
			return "● " + pad(text, width-1) + "│"
		}
		return "│" + padLeft(text, width-1) + " ●"
	case Silence:
		if e.From == Client {
			return "○ " + pad(text, width-1) + "│"
		}
		return "│" + padLeft(text, width-1) + " ○"
	}
	dash := "─"
	if e.Kind == Fin || e.Kind == Reset {
		dash = "╌"
	}
	head := map[bool]string{false: "▶", true: "✗"}[e.Lost]
	if e.From == Client {
		return "├" + fill(dash+" "+text+" ", dash, width-1) + head + "│"
	}
	if !e.Lost {
		head = "◀"
	}
	line := " " + text + " " + dash
	return "│" + head + strings.Repeat(dash, max(0, width-1-utf8.RuneCountInString(line))) + line + "┤"
}

func cut(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}

func fill(s, with string, n int) string {
	return s + strings.Repeat(with, max(0, n-utf8.RuneCountInString(s)))
}

func pad(s string, n int) string { return fill(s, " ", n) }

func padLeft(s string, n int) string {
	return strings.Repeat(" ", max(0, n-utf8.RuneCountInString(s))) + s
}

func center(s, with string) string {
	left := max(0, width-utf8.RuneCountInString(s)) / 2
	return fill(strings.Repeat(with, left)+s, with, width)
}
