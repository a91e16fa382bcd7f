package demo

import (
	"fmt"
	"io"

	"github.com/golibssl/openssl/cmd/closenotify/internal/sequence"
)

// Protos are the protocols' names.
func Protos() (names []string) {
	for _, p := range protos {
		names = append(names, p.name)
	}
	return names
}

// WriteDiagrams draws each ending on one protocol, in characters.
func (r *Report) WriteDiagrams(w io.Writer, proto string) error {
	if _, err := fmt.Fprintf(w, "%s, %s. A mask is 1 (SENT), 2 (RECEIVED) or both; it stands beside its end, after each step.\n", r.OpenSSL, proto); err != nil {
		return err
	}
	for _, e := range endings {
		for _, row := range r.Rows {
			if row.Proto != proto || row.Ending != e.name {
				continue
			}
			if _, err := fmt.Fprintf(w, "\n%s: %s\n", e.name, e.help); err != nil {
				return err
			}
			if err := row.Drawn.WriteText(w); err != nil {
				return err
			}
			if _, err := fmt.Fprintf(w, "%14sthe reader got %s; the session: %s\n", "", row.Reader, row.Session); err != nil {
				return err
			}
		}
	}
	return nil
}

// WritePage writes the report as one page of HTML, with a diagram of each ending on each protocol.
func (r *Report) WritePage(w io.Writer) error {
	page := sequence.Page{
		Title: "How TLS connections end",
		Subtitle: r.OpenSSL + ". The table tells what the reader got and, for each protocol, whether the client's next " +
			"connection resumed the session.",
		Columns:  append([]string{"Ending", "The reader got"}, Protos()...),
		Variants: Protos(),
		Variant:  len(protos) - 1,
	}
	for _, e := range endings {
		section := sequence.Section{Name: e.name, Help: e.help, Advice: e.means, Cells: []string{""}}
		for _, row := range r.Rows {
			if row.Ending == e.name {
				section.Cells[0] = row.Reader
				section.Cells = append(section.Cells, row.Session)
				section.Diagrams = append(section.Diagrams, row.Drawn)
			}
		}
		page.Sections = append(page.Sections, section)
	}
	return page.Write(w)
}
