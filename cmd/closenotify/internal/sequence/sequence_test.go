package sequence

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/golibssl/openssl"
)

func message(sent bool, contentType, version int, data ...byte) openssl.Event {
	return openssl.Event{Kind: openssl.EventMessage, Sent: sent, ContentType: contentType, Version: version, Data: data}
}

// The rows are those of RFC 8446, section 5.1, whose header hides the type, and of TLS 1.2, whose does not.
func TestRecorder(t *testing.T) {
	const header, inner, alert, handshake = openssl.ContentRecordHeader, openssl.ContentInnerContentType, openssl.ContentAlert, openssl.ContentHandshake
	r := NewRecorder()
	r.SetMask(Client, KnownMask(0))
	r.Message(Client, message(true, header, 0, 23, 3, 3, 0, 22))
	r.Message(Client, message(true, inner, 0x304, 23))
	r.Message(Client, message(true, header, 0, 23, 3, 3, 1, 0))
	r.Message(Client, message(true, inner, 0x304, 23))
	for _, from := range []Side{Client, Server} {
		r.Message(Client, message(from == Client, header, 0, 23, 3, 3, 0, 19))
		r.Message(Client, message(from == Client, inner, 0x304, 21))
		r.Message(Client, message(from == Client, alert, 0x304, 1, 0))
	}
	for _, e := range append(r.Take(Client), r.Take(Server)...) {
		r.Add(e)
	}
	r.Message(Server, message(true, header, 0, 22, 3, 3, 0, 100))
	r.Message(Server, message(true, handshake, 0x303, 0))
	r.Message(Server, message(false, header, 0, 21, 3, 3, 0, 26))
	r.Message(Server, message(false, alert, 0x303, 2, 50))
	r.SetMask(Server, Mask{openssl.SentShutdown, openssl.SentShutdown})
	for _, e := range append(r.Take(Server), r.Take(Client)...) {
		e.Lost = true
		r.Add(e)
	}
	r.Message(Server, message(false, header, 0, 21, 3, 3, 0, 26))
	r.Message(Server, message(false, alert, 0x303, 1, 90))
	r.Take(Client) // of no interest
	var got []string
	for _, e := range r.Diagram().Events {
		got = append(got, e.From.String()+" "+string(e.Kind)+" "+e.text()+" "+e.Masks[Client].String()+e.Masks[Server].String())
	}
	want := []string{
		"client data data, 288 bytes in 2 records 0?",
		"client close_notify close_notify, 24 bytes 0?",
		"server close_notify close_notify, 24 bytes 0?",
		"server other HelloRequest, 105 bytes (lost) 01?",
		"client alert alert decode_error, 31 bytes (lost) 01?",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("rows (-want +got):\n%s", d)
	}
	var none *Recorder
	none.Add(Event{})
	none.Message(Client, message(true, header, 0, 23, 3, 3, 0, 22))
	if none.Diagram() != nil || none.Take(Client) != nil {
		t.Error("a nil Recorder records")
	}
}

// A peer that sends without end does not make a diagram without end.
func TestRecorderIsBounded(t *testing.T) {
	r := NewRecorder()
	for range 10_000 {
		r.Add(Event{Kind: Alert, What: "alert"})
		r.Message(Client, message(false, openssl.ContentRecordHeader, 0, 23, 3, 3, 0, 22))
	}
	if n := len(r.Diagram().Events); n != maxEvents {
		t.Errorf("%d rows", n)
	}
	if n := len(r.Take(Server)); n != maxTold {
		t.Errorf("%d records wait", n)
	}
}

func sample() *Diagram {
	known, shown := KnownMask(openssl.SentShutdown), Mask{openssl.SentShutdown, openssl.SentShutdown}
	return &Diagram{Events: []Event{
		{Kind: Handshake, What: "handshake", Until: 3 * time.Millisecond, Masks: [2]Mask{KnownMask(0), {}}},
		{Kind: Call, What: "SSL_shutdown", At: 250 * time.Millisecond, Until: 250 * time.Millisecond, Masks: [2]Mask{known, {}}},
		{Kind: CloseNotify, What: "close_notify", Bytes: 24, Records: 1, At: 500 * time.Millisecond, Until: 500 * time.Millisecond, Masks: [2]Mask{known, {}}},
		{Kind: Data, From: Server, What: "data", Bytes: 1, Records: 1, Detail: "“a line that is much longer than there is place for it”", Lost: true,
			At: 750 * time.Millisecond, Until: 750 * time.Millisecond, Masks: [2]Mask{known, shown}},
		{Kind: Fin, From: Server, What: "FIN", At: time.Second, Until: time.Second, Masks: [2]Mask{KnownMask(3), shown}},
	}}
}

func TestText(t *testing.T) {
	const want = `           client                                                    server
        0   0 ├──────────────────── handshake ─────────────────────┤ ?
   250 ms   1 ● SSL_shutdown                                       │ ?
   500 ms   1 ├─ close_notify, 24 bytes ──────────────────────────▶│ ?
   750 ms   1 │✗──── data, 1 byte: “a line that is much longer t… ─┤ 1?
      1 s   3 │◀╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌ FIN ╌┤ 1?
`
	var b strings.Builder
	if err := sample().WriteText(&b); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, b.String()); d != "" {
		t.Errorf("diagram (-want +got):\n%s", d)
	}
}

// Equal times are equal lengths in the drawing to scale, and rows have equal heights in the other.
func TestDrawings(t *testing.T) {
	arrowY := regexp.MustCompile(`^M\d+ (\d+)`)
	for _, g := range []drawing{sample().even(), sample().scaled()} {
		var ys []string
		for _, r := range g.Rows {
			if m := arrowY.FindStringSubmatch(r.Arrow); m != nil {
				ys = append(ys, m[1])
			}
			if len(r.Masks) != 2 {
				t.Errorf("%s: %q has %d masks", g.Class, r.Text, len(r.Masks))
			}
		}
		want := []string{"152", "192", "232"} // 40 apart
		if g.Scaled {
			want = []string{"170", "225", "280"} // of 220 for a second, from 60 on
		}
		if d := cmp.Diff(want, ys); d != "" {
			t.Errorf("%s: places of the arrows (-want +got):\n%s", g.Class, d)
		}
	}
	if d := cmp.Diff([]tick{{60, "0"}, {104, "200 ms"}, {148, "400 ms"}, {192, "600 ms"}, {236, "800 ms"}, {280, "1 s"}}, sample().scaled().Ticks); d != "" {
		t.Errorf("ticks (-want +got):\n%s", d)
	}
}

// Whoever said a text, it stays one.
func TestPageEscapes(t *testing.T) {
	const bad = `"'><script>alert(1)</script><img src=x onerror=alert(1)>{{.}}`
	d := sample()
	for i := range d.Events {
		d.Events[i].What, d.Events[i].Detail = bad, bad
	}
	p := Page{Title: bad, Subtitle: bad, Columns: []string{bad, bad}, Variants: []string{bad, bad},
		Sections: []Section{{Name: bad, Help: bad, Cells: []string{bad}, Advice: bad, Diagrams: []*Diagram{d, d, nil, {}}}}}
	var b strings.Builder
	if err := p.Write(&b); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	for _, never := range []string{"<script", "<img", `"'>`, "onerror=alert(1)>"} {
		if i := strings.Index(page, never); i >= 0 {
			t.Errorf("the page holds %s: %.100s", never, page[i:])
		}
	}
	if n := strings.Count(page, "&lt;script&gt;"); n < 20 {
		t.Errorf("the texts stand %d times", n)
	}
	for _, outside := range []string{"http:", "https:", "url(", "@import", "src="} {
		if strings.Contains(strings.ReplaceAll(page, "src=x", ""), outside) {
			t.Errorf("the page is not self-contained: %s", outside)
		}
	}
}

func TestQuote(t *testing.T) {
	for _, test := range []struct{ said, want string }{
		{"", ""},
		{"\r\nHTTP", ""},
		{"HTTP/1.0 200 OK\r\nServer: x", "“HTTP/1.0 200 OK”"},
		{"\x1b[2J\x00\xff\u202e", "“·[2J···”"},
		{strings.Repeat("é", 100), "“" + strings.Repeat("é", 31) + "…”"},
	} {
		if got := Quote([]byte(test.said)); got != test.want {
			t.Errorf("Quote(%q) is %q, want %q", test.said, got, test.want)
		}
	}
}

func TestDuration(t *testing.T) {
	for _, test := range []struct {
		d    time.Duration
		want string
	}{
		{999, "0"}, {989 * time.Microsecond, "989 µs"}, {100 * time.Microsecond, "100 µs"}, {1402 * time.Microsecond, "1.402 ms"},
		{2 * time.Millisecond, "2 ms"}, {20240 * time.Microsecond, "20.2 ms"}, {216 * time.Millisecond, "216 ms"},
		{2030 * time.Millisecond, "2.03 s"}, {100 * time.Second, "100 s"},
	} {
		if got := Duration(test.d); got != test.want {
			t.Errorf("%d ns is %q, want %q", test.d, got, test.want)
		}
	}
}
