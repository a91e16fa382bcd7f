package sequence

import (
	"fmt"
	"time"
)

// Places of a drawing, in its own units.
const (
	drawingWidth = 860
	timeX        = 70 // the right end of the times
	clientX      = 146
	serverX      = 800
	topY         = 40
	rowH         = 40
	evenText     = 72 // what fits, in characters

	cellW = 20 // of a bit of a mask
	maskW = 2*cellW + 2
	maskX = 12 // between a mask and its end
)

// Places of a drawing to scale: the ends stand close, the texts beside them.
const (
	scaledClientX = 92
	scaledServerX = 290
	listTimeX     = 392 // the right end of the times
	listX         = 402
	listMaskX     = 760
	listRowH      = 26
	listText      = 40  // what fits, in characters
	scaledHeight  = 220 // at least, of its time
)

// drawing is what the template draws.
type drawing struct {
	Class, Label     string
	Scaled           bool
	Width, Height    int
	Top, Bottom      int // of the two lines
	ClientX, ServerX int
	TimeX, TickX     int
	Rows             []row
	Ticks            []tick
}

// row is an event.
type row struct {
	Kind, Text, Time string
	TimeX, Y         int
	TextX, TextY     int
	Anchor           string
	Arrow, Head      string // paths
	Lead             string // path, from the arrow to a text that stands elsewhere
	Dot              *dot
	Bar              *bar
	Masks            []*shownMask
}

type dot struct {
	X, Y   int
	Hollow bool
}

type bar struct{ X, Y, W, H int }

type shownMask struct {
	Bits []bit
	Same bool // as in the row above
}

type bit struct {
	X, Y   int
	Letter string
	Is     string // set, unset or unknown
}

type tick struct {
	Y    int
	Text string
}

// even draws a row an event, one below the other.
func (d *Diagram) even() drawing {
	g := drawing{Class: "even", Width: drawingWidth, Top: topY, ClientX: clientX, ServerX: serverX, TimeX: timeX}
	for i := range d.Events {
		e := &d.Events[i]
		y := topY + 32 + i*rowH
		r := row{Kind: string(e.Kind), Text: cut(e.text(), evenText), Time: Duration(e.At), TimeX: timeX, Y: y}
		r.TextX, r.TextY, r.Anchor = (clientX+serverX)/2, y-7, "middle"
		switch e.Kind {
		case Call, Silence:
			r.TextX, r.TextY, r.Anchor = clientX+16, y+5, "start"
			if e.From == Server {
				r.TextX, r.Anchor = serverX-16, "end"
			}
		case Handshake, Failure:
			r.TextY = y + 5
		}
		r.shape(e, y, y, clientX, serverX)
		r.mask(d, i, Client, clientX-maskX-maskW, y)
		r.mask(d, i, Server, serverX+maskX, y)
		g.Rows = append(g.Rows, r)
	}
	g.Bottom = topY + 32 + len(d.Events)*rowH - 12
	g.Height = g.Bottom + 6
	return g
}

// scaled draws time as length, and leads to the texts, which stand where there is place for them.
func (d *Diagram) scaled() drawing {
	g := drawing{Class: "scaled", Scaled: true, Width: drawingWidth, Top: topY, ClientX: scaledClientX, ServerX: scaledServerX, TimeX: timeX, TickX: timeX + 8}
	const begin = topY + 20
	length := max(scaledHeight, len(d.Events)*listRowH)
	total := max(d.end(), time.Microsecond)
	at := func(t time.Duration) int { return begin + int(float64(t)/float64(total)*float64(length)) }
	for i := range d.Events {
		e := &d.Events[i]
		y := at(e.At)
		listY := begin + i*listRowH
		r := row{Kind: string(e.Kind), Text: cut(e.text(), listText), Time: Duration(e.At), TimeX: listTimeX, Y: listY,
			TextX: listX, TextY: listY + 5, Anchor: "start"}
		r.shape(e, y, at(e.Until), scaledClientX, scaledServerX)
		r.Lead = fmt.Sprintf("M%d %dL%d %dH%d", scaledServerX+6, y, scaledServerX+34, listY, scaledServerX+40)
		r.mask(d, i, Client, listMaskX, listY)
		r.mask(d, i, Server, listMaskX+maskW+8, listY)
		g.Rows = append(g.Rows, r)
	}
	step := tickStep(total)
	for t := time.Duration(0); t <= total; t += step {
		g.Ticks = append(g.Ticks, tick{at(t), Duration(t)})
	}
	g.Bottom = begin + length + 12
	g.Height = g.Bottom + 6
	return g
}

// shape is what an event looks like between the ends, from its beginning at y to its end at until.
func (r *row) shape(e *Event, y, until, client, server int) {
	from, to, way := client, server, 1
	if e.From == Server {
		from, to, way = server, client, -1
	}
	const head, gap = 10, 60
	switch e.Kind {
	case Handshake, Failure:
		const half = 13
		r.Bar = &bar{client, y - half, server - client, 2 * half}
		if until > y { // to scale
			r.Bar.Y, r.Bar.H = y, until-y
		}
		return
	case Call:
		r.Dot = &dot{X: from, Y: y}
		return
	case Silence:
		r.Dot = &dot{X: from, Y: y, Hollow: true}
		if until > y {
			r.Arrow = fmt.Sprintf("M%d %dV%d", from, y+5, until)
		}
		return
	}
	if e.Lost {
		to -= way * gap
		r.Arrow = fmt.Sprintf("M%d %dH%dM%d %dl10 10M%d %dl10 -10", from, y, to, to-5, y-5, to-5, y+5)
		return
	}
	r.Arrow = fmt.Sprintf("M%d %dH%d", from, y, to-way*head)
	r.Head = fmt.Sprintf("M%d %dl%d -5v10z", to, y, -way*head)
}

func (r *row) mask(d *Diagram, i int, side Side, x, y int) {
	m := d.Events[i].Masks[side]
	shown := &shownMask{Same: i > 0 && d.Events[i].Kind != Handshake && d.Events[i-1].Masks[side] == m}
	for n, letter := range []string{"S", "R"} {
		is := "unset"
		switch b := 1 << n; {
		case int(m.Known)&b == 0:
			is = "unknown"
		case int(m.State)&b != 0:
			is = "set"
		}
		shown.Bits = append(shown.Bits, bit{x + n*(cellW+2), y - cellW/2, letter, is})
	}
	r.Masks = append(r.Masks, shown)
}

// tickStep is 1, 2 or 5 times a power of ten; up to eight of them make total.
func tickStep(total time.Duration) time.Duration {
	for step := time.Microsecond; ; step *= 10 {
		for _, m := range []time.Duration{1, 2, 5} {
			if total <= 8*m*step {
				return m * step
			}
		}
	}
}
