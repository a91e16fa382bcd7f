package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/term"
)

// writeJSON writes v on a line.
func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// page is a file that shows the result of a work which begins when it is open; nil for no name.
type page struct {
	file *os.File
	made bool // by us, and still empty
}

func openPage(name string) (*page, error) {
	if name == "" {
		return nil, nil
	}
	_, err := os.Lstat(name)
	made := errors.Is(err, fs.ErrNotExist)
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	return &page{file, made}, nil
}

// write puts the page in place of what the file had.
func (p *page) write(write func(io.Writer) error) error {
	if p == nil {
		return nil
	}
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return err
	}
	info, err := p.file.Stat()
	if err == nil && info.Mode().IsRegular() {
		err = p.file.Truncate(0)
	}
	if err != nil {
		return err
	}
	p.made = false
	_, err = p.file.Write(b.Bytes())
	return errors.Join(err, p.file.Close())
}

func (p *page) close() {
	if p == nil {
		return
	}
	p.file.Close()
	if p.made {
		os.Remove(p.file.Name())
	}
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
