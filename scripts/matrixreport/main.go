// Command matrixreport reads what scripts/matrix left in a folder and prints the table.
//
//	matrixreport FOLDER ROW…
//
// FOLDER/ROW holds one row's files: *.json, each the output of one `go test -json`; library, what
// OpenSSL_version said before the tests ran; seconds, how long the row took; notes, a line for each
// thing that the reader should know; and problems, a line for each thing that keeps the row from being
// green. A test says more about itself with testing.T.Attr: "library" is the library that the test
// binary has loaded, "compared" what it compared and how much of it, such as "closure-scripts 1000".
//
// The exit status is 1 unless every row is green.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: matrixreport FOLDER ROW…")
		os.Exit(2)
	}
	var rows []*row
	for _, name := range os.Args[2:] {
		r, err := readRow(os.DirFS(os.Args[1]), name)
		if err != nil {
			fmt.Fprintf(os.Stderr, "matrixreport: %v\n", err)
			os.Exit(1)
		}
		rows = append(rows, r)
	}
	if !report(os.Stdout, rows) {
		os.Exit(1)
	}
}

type row struct {
	name     string
	library  string
	seconds  string
	notes    []string
	problems []string
	tests    *results
}

func readRow(folder fs.FS, name string) (*row, error) {
	files, err := fs.Sub(folder, name)
	if err != nil {
		return nil, err
	}
	text := map[string]string{}
	for _, file := range []string{"library", "seconds", "notes", "problems"} {
		b, err := fs.ReadFile(files, file)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		text[file] = strings.TrimSpace(string(b))
	}
	r := &row{
		name: name, library: text["library"], seconds: text["seconds"],
		notes: lines(text["notes"]), problems: lines(text["problems"]),
		tests: newResults(),
	}
	streams, err := fs.Glob(files, "*.json")
	if err != nil {
		return nil, err
	}
	for _, stream := range streams {
		f, err := files.Open(stream)
		if err != nil {
			return nil, err
		}
		err = r.tests.add(f)
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Join(name, stream), err)
		}
	}
	r.check()
	return r, nil
}

func lines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

// check adds to problems what the files themselves cannot say.
func (r *row) check() {
	if len(r.problems) > 0 && r.tests.passed == 0 {
		return
	}
	said := slices.Sorted(maps.Keys(r.tests.libraries))
	switch {
	case r.tests.passed == 0:
		r.problems = append(r.problems, "no test has passed")
	case len(said) == 0:
		r.problems = append(r.problems, "no test said which library is loaded")
	case len(said) > 1 || said[0] != r.library:
		r.problems = append(r.problems, fmt.Sprintf("the tests ran on %s, not on %s", strings.Join(said, " and "), r.library))
	}
}

func (r *row) green() bool {
	return len(r.problems) == 0 && len(r.tests.failures) == 0
}

func report(w io.Writer, rows []*row) bool {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "tests\tpassed\tfailed\tskipped\tseconds\t  version")
	var red []string
	for _, r := range rows {
		verdict := "ok"
		if !r.green() {
			verdict = "NOT GREEN"
			red = append(red, r.name)
		}
		library := r.library
		if library == "" {
			library = "nothing loaded"
		}
		fmt.Fprintf(table, "%d\t%d\t%d\t%d\t%s\t  %s: %s, %s\n", r.tests.ran, r.tests.passed, len(r.tests.failures), len(r.tests.skips),
			r.seconds, r.name, library, verdict)
	}
	table.Flush()

	reportSkips(w, rows)
	reportCompared(w, rows)
	reportNotes(w, rows)
	for _, r := range rows {
		for _, problem := range r.problems {
			fmt.Fprintf(w, "\n%s: %s\n", r.name, problem)
		}
		for _, f := range r.tests.failures {
			fmt.Fprintf(w, "\n%s: %s\n%s", r.name, f.what, indent(f.output))
		}
	}
	if len(red) > 0 {
		fmt.Fprintf(w, "\nnot green: %s\n", strings.Join(red, ", "))
		return false
	}
	fmt.Fprintf(w, "\ngreen on %d of %d rows\n", len(rows), len(rows))
	return true
}

func reportSkips(w io.Writer, rows []*row) {
	where := map[string][]string{}
	for _, r := range rows {
		for reason, n := range r.tests.skipReasons() {
			where[reason] = append(where[reason], fmt.Sprintf("%s %d", r.name, n))
		}
	}
	if len(where) > 0 {
		fmt.Fprintln(w, "\nskipped:")
	}
	for _, reason := range slices.Sorted(maps.Keys(where)) {
		fmt.Fprintf(w, "  %s (%s)\n", reason, strings.Join(where[reason], ", "))
	}
}

func reportCompared(w io.Writer, rows []*row) {
	heading := "\ncompared:\n"
	for _, r := range rows {
		if len(r.tests.compared) == 0 {
			continue
		}
		var each []string
		for _, what := range slices.Sorted(maps.Keys(r.tests.compared)) {
			each = append(each, fmt.Sprintf("%s %d", what, r.tests.compared[what]))
		}
		fmt.Fprintf(w, "%s  %s: %s\n", heading, r.name, strings.Join(each, ", "))
		heading = ""
	}
}

func reportNotes(w io.Writer, rows []*row) {
	where := map[string][]string{}
	for _, r := range rows {
		for _, note := range r.notes {
			where[note] = append(where[note], r.name)
		}
	}
	if len(where) > 0 {
		fmt.Fprintln(w, "\nnotes:")
	}
	for _, note := range slices.Sorted(maps.Keys(where)) {
		fmt.Fprintf(w, "  %s (%s)\n", note, strings.Join(where[note], ", "))
	}
}

const failureLines = 60

// indent keeps the last lines of a long output: a crash's goroutines fill the rest.
func indent(output string) string {
	var b strings.Builder
	var all []string
	for s := bufio.NewScanner(strings.NewReader(output)); s.Scan(); {
		all = append(all, s.Text())
	}
	if left := len(all) - failureLines; left > 0 {
		fmt.Fprintf(&b, "    (%d lines left out)\n", left)
		all = all[left:]
	}
	for _, line := range all {
		b.WriteString("    " + line + "\n")
	}
	return b.String()
}
