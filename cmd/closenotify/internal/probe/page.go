package probe

import (
	"io"

	"github.com/golibssl/openssl/cmd/closenotify/internal/sequence"
)

// WritePage writes the report as one page of HTML, with a diagram of each check.
func (r *Report) WritePage(w io.Writer) error {
	page := sequence.Page{
		Title:    "How " + r.Target + " ends TLS connections",
		Subtitle: r.negotiated() + ", probed with " + r.OpenSSL,
		Columns:  []string{"Check", "Result"},
	}
	for _, f := range r.Findings() {
		page.Sections = append(page.Sections, sequence.Section{
			Name: f.Name(), Cells: []string{f.Result}, Advice: f.Advice, Diagrams: []*sequence.Diagram{f.Drawn},
		})
	}
	return page.Write(w)
}
