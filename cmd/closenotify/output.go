package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// writeJSON writes v on a line.
func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// writePage writes a page to a file; no name, no page.
func writePage(name string, write func(io.Writer) error) error {
	if name == "" {
		return nil
	}
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return err
	}
	return os.WriteFile(name, b.Bytes(), 0o644)
}

const htmlHelp = "write a page with a diagram of each, too, to `FILE`"

// progress shows what is going on, on a terminal only.
type progress struct{ w io.Writer }

func progressTo(w io.Writer) progress {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return progress{f}
	}
	return progress{io.Discard}
}

const clearLine = "\r\x1b[K"

func (p progress) step(what string) { fmt.Fprintf(p.w, "%s%s …", clearLine, what) }
func (p progress) clear()           { fmt.Fprint(p.w, clearLine) }
