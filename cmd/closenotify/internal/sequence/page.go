package sequence

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
)

// Page is one self-contained document: no script, and nothing that a browser would fetch.
type Page struct {
	Title    string
	Subtitle string
	Columns  []string // of the table, the first is the endings' own
	Sections []Section
	// Variants are what each section has a diagram of; the reader chooses one. None: one diagram each.
	Variants []string
	Variant  int // the one that is shown first
}

// Section is an ending.
type Section struct {
	Name     string
	Help     string
	Cells    []string // of its row in the table, behind the name
	Advice   string
	Diagrams []*Diagram // one for each of Variants, or one
}

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Parse(pageText))

// Write writes the page. Every text in it is escaped, whoever said it.
func (p *Page) Write(w io.Writer) error {
	v := view{Page: p}
	for i := range p.Sections {
		s := &p.Sections[i]
		shown := shownSection{Section: s, ID: fmt.Sprintf("ending-%d", i+1)}
		for j, d := range s.Diagrams {
			if d == nil || len(d.Events) == 0 {
				continue
			}
			pic := picture{Variant: j, Even: d.even(), Scaled: d.scaled()}
			label := s.Name
			if j < len(p.Variants) {
				pic.Name = p.Variants[j]
				label += ", " + pic.Name
			}
			pic.Even.Label = "Sequence diagram: " + label
			pic.Scaled.Label = pic.Even.Label + ", time to scale"
			var text strings.Builder
			if err := d.WriteText(&text); err != nil {
				return err
			}
			pic.Text = text.String()
			shown.Pictures = append(shown.Pictures, pic)
		}
		v.Shown = append(v.Shown, shown)
	}
	return page.Execute(w, v)
}

type view struct {
	*Page
	Shown []shownSection
}

type shownSection struct {
	*Section
	ID       string
	Pictures []picture
}

// picture is a diagram in both of its forms, and as text for who cannot see it.
type picture struct {
	Name         string
	Variant      int
	Even, Scaled drawing
	Text         string
}
