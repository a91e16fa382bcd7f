package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"image/png"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/golibssl/openssl"
)

// TestDemoDiagram: what passes in an ending, row by row, on every version of libssl; the times differ.
func TestDemoDiagram(t *testing.T) {
	r := tool(t, "", "demo", "--diagram=tls12-id")
	if r.Status != exitDone || !strings.HasPrefix(r.Stdout, openssl.LibraryVersion()+", tls12-id. ") {
		t.Fatalf("%+v", r)
	}
	_, rest, _ := strings.Cut(r.Stdout, "\nclean: ")
	got, _, _ := strings.Cut(rest, "\n\n")
	got = regexp.MustCompile(`(?m)^ *[0-9.]+( µs| ms| s)?  `).ReplaceAllString(got, "")
	want := `both ends say close_notify and wait for the other's
           client                                                    server
 0 ├────── handshake, and the server's first data ──────┤ 0
 1 ● SSL_shutdown: 0                                    │ 0
 1 ├─ close_notify, 31 bytes ──────────────────────────▶│ 0
 1 │                                      SSL_read: EOF ● 2
 1 │                                    SSL_shutdown: 1 ● 3
 1 │◀────────────────────────── close_notify, 31 bytes ─┤ 3
 3 ● SSL_read: EOF                                      │ 3
              the reader got EOF; the session: resumed`
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("diagram (-want +got):\n%s", d)
	}
	if n := strings.Count(r.Stdout, "client   "); n != 9 {
		t.Errorf("%d diagrams, want one of each of 9 endings", n)
	}
	tool(t, "", "demo", "--diagram=tls14").wantError(t, exitUsage, "tls13-stateless", "tls14")
	tool(t, "", "demo", "--diagram", "--json").wantError(t, exitUsage, "exclude")
	tool(t, "", "probe", "--diagram", "--json", "a:1").wantError(t, exitUsage, "exclude")
}

// hostile is what a server says that would like to run in the reader's browser and on his terminal.
const hostile = "<script>document.title='owned'</script>\x1b]0;owned\a\r\n"

func hostileServer(t *testing.T) string {
	config := tlsConfig()
	config.MaxVersion = tls.VersionTLS12
	config.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}
	return server(t, func(raw net.Conn) {
		c := tls.Server(raw, config)
		if c.Handshake() != nil {
			return
		}
		if readRequest(c) {
			io.WriteString(c, hostile)
		}
		c.CloseWrite()
		closeWrite(raw)
		io.Copy(io.Discard, raw)
	})
}

// TestPageFirst: a file that cannot be made is told before any work, and work that fails leaves what was there.
func TestPageFirst(t *testing.T) {
	t.Parallel()
	connections := make(chan struct{}, 10)
	target := server(t, func(net.Conn) { connections <- struct{}{} })
	folder := t.TempDir()
	for _, args := range [][]string{{"demo"}, {"probe", "--insecure", target}} {
		r := tool(t, "", append(args, "--html", filepath.Join(folder, "no", "such"))...)
		r.wantError(t, exitFailed, "no such file")
		if r.Stdout != "" || len(connections) != 0 {
			t.Errorf("%v: %d connections, standard output %q", args, len(connections), r.Stdout)
		}
	}
	kept, none := filepath.Join(folder, "kept.html"), filepath.Join(folder, "none.html")
	if err := os.WriteFile(kept, []byte("an older page"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{kept, none} {
		tool(t, "", "probe", "--insecure", "--html", file, target).wantError(t, exitFailed, "handshake")
	}
	if text, err := os.ReadFile(kept); err != nil || string(text) != "an older page" {
		t.Errorf("the older page: %q, %v", text, err)
	}
	if _, err := os.Stat(none); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a page of a probe that failed: %v", err)
	}
}

// TestProbeDiagram: the probe's own moves and the server's, and nothing for the terminal to obey.
func TestProbeDiagram(t *testing.T) {
	t.Parallel()
	target := hostileServer(t)
	file := filepath.Join(t.TempDir(), "probe.html")
	r := tool(t, "", "probe", "--insecure", "--timeout", patience.String(), "--diagram", "--html", file, "--send", "twelve bytes\r\n\r\n", target)
	if r.Status != exitDone || r.Stderr != "" {
		t.Fatalf("%+v", r)
	}
	if strings.ContainsAny(r.Stdout, "\x1b\a\r") {
		t.Errorf("the terminal would obey %q", r.Stdout)
	}
	_, first, _ := strings.Cut(r.Stdout, "server\n")
	first, _, _ = strings.Cut(first, "\n\n")
	var rows []string
	for line := range strings.Lines(first) {
		if i := strings.IndexAny(line, "├│"); i > 0 {
			rows = append(rows, strings.Join(strings.FieldsFunc(line[i:], func(r rune) bool { return strings.ContainsRune("├│┤─╌ \n", r) }), " "))
		}
	}
	want := []string{"handshake TLSv1.2 ?", "data, 45 bytes ▶ ?", "◀ data, 80 bytes: “<script>document.title='ow… ?",
		"◀ close_notify, 31 bytes 1?", "◀ FIN 1?"}
	if d := cmp.Diff(want, rows); d != "" {
		t.Errorf("rows (-want +got):\n%s\n%s", d, first)
	}
	page, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if text := string(page); strings.Contains(text, "<script") || !strings.Contains(text, "&lt;script&gt;document.title") {
		t.Error("the server's text is not escaped")
	}
}

// chromium runs a browser on a file, with everything that it could fetch by itself turned off.
func chromium(t *testing.T, file string, flags ...string) (stdout string) {
	t.Helper()
	program, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("chromium is not installed; scripts/pictures installs it")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	args := append([]string{"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars", "--user-data-dir=" + t.TempDir()}, flags...)
	cmd := exec.CommandContext(ctx, program, append(args, "file://"+file)...)
	cmd.WaitDelay = 10 * time.Second
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	var stderr buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("chromium: %v\n%s", err, stderr.String())
	}
	return string(out)
}

// measure is run in the page to say what a reader would see of it.
const measure = `<script>
const shown = [...document.querySelectorAll('svg')].filter(s => s.getClientRects().length);
const outside = shown.flatMap(svg => { const all = svg.getBoundingClientRect();
  return [...svg.querySelectorAll('text')].filter(t => { const b = t.getBoundingClientRect();
    return b.left < all.left || b.right > all.right || b.top < all.top || b.bottom > all.bottom }).map(t => t.textContent) });
const over = shown.flatMap(svg => [...svg.querySelectorAll('text.l')].filter(t => { const b = t.getBoundingClientRect();
    return [...svg.querySelectorAll('rect.cell')].some(c => { const m = c.getBoundingClientRect();
      return b.left < m.right && m.left < b.right && b.top < m.bottom && m.top < b.bottom }) }).map(t => t.textContent));
document.body.textContent = 'MEASURED' + JSON.stringify({shown: shown.length, scaled: shown.filter(s => s.classList.contains('scaled')).length,
  outside, over, wide: document.documentElement.scrollWidth > innerWidth, title: document.title}) + 'END';
</script>`

type measured struct {
	Shown, Scaled int
	Outside, Over []string
	Wide          bool
	Title         string
}

// look measures a page as it is with a change made to its text.
func look(t *testing.T, page string, change ...string) (m measured) {
	t.Helper()
	policy := regexp.MustCompile(`<meta http-equiv="Content-Security-Policy"[^>]*>`)
	if !policy.MatchString(page) {
		t.Fatal("the page has no policy")
	}
	page = policy.ReplaceAllString(page, "") // which would not let the measure run
	for i := 0; i+1 < len(change); i += 2 {
		if !strings.Contains(page, change[i]) {
			t.Fatalf("the page has no %s", change[i])
		}
		page = strings.Replace(page, change[i], change[i+1], 1)
	}
	file := filepath.Join(t.TempDir(), "measure.html")
	writeFile(t, file, []byte(strings.Replace(page, "</body>", measure+"</body>", 1)))
	dom := chromium(t, file, "--dump-dom", "--window-size=1000,1400")
	_, dom, _ = strings.Cut(dom, "MEASURED")
	dom, _, ok := strings.Cut(dom, "END")
	if !ok {
		t.Fatal("the page was not measured")
	}
	if err := json.Unmarshal([]byte(html.UnescapeString(dom)), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// TestPages looks at the pages in a browser: each protocol and the scale can be chosen, no text leaves
// its drawing or lies over a mask, and what a server said does nothing.
func TestPages(t *testing.T) {
	folder := t.TempDir()
	if kept := os.Getenv("CLOSENOTIFY_PICTURES"); kept != "" {
		folder = kept // where scripts/pictures wants the screenshots
	}
	demo, probe := filepath.Join(folder, "demo.html"), filepath.Join(folder, "probe.html")
	for _, args := range [][]string{{"demo", "--html", demo},
		{"probe", "--insecure", "--timeout", patience.String(), "--html", probe, hostileServer(t)}} {
		if r := tool(t, "", args...); r.Status != exitDone {
			t.Fatalf("%v: %+v", args, r)
		}
	}
	pages := map[string]string{}
	for _, file := range []string{demo, probe} {
		p, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		pages[file] = string(p)
	}
	const endings, checks = 9, 10
	for _, test := range []struct {
		name, file string
		change     []string
		want       measured
	}{
		{"demo", demo, nil, measured{Shown: endings, Title: "How TLS connections end"}},
		{"demo to scale", demo, []string{`id="scale"`, `id="scale" checked`}, measured{Shown: endings, Scaled: endings, Title: "How TLS connections end"}},
		{"demo on another protocol", demo, []string{`id="variant-0"`, `id="variant-0" checked`}, measured{Shown: endings, Title: "How TLS connections end"}},
		{"probe", probe, nil, measured{Shown: checks}},
		{"probe to scale", probe, []string{`id="scale"`, `id="scale" checked`}, measured{Shown: checks, Scaled: checks}},
	} {
		got := look(t, pages[test.file], test.change...)
		if test.file == probe && strings.HasPrefix(got.Title, "How 127.0.0.1:") {
			test.want.Title = got.Title
		}
		test.want.Outside, test.want.Over = []string{}, []string{}
		if d := cmp.Diff(test.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, d)
		}
	}
	// With its policy in force a page runs no script at all, not even one that stood in it.
	file := filepath.Join(t.TempDir(), "policy.html")
	writeFile(t, file, []byte(strings.Replace(pages[probe], "</body>", measure+"</body>", 1)))
	if strings.Contains(chromium(t, file, "--dump-dom"), "MEASURED{") {
		t.Error("a script ran in the page")
	}
	screenshot(t, demo, filepath.Join(folder, "demo.png"), 1000, 1120)
	screenshot(t, probe, filepath.Join(folder, "probe.png"), 1000, 1120)
}

// screenshot takes a picture of the page's top and looks whether there is anything on it.
func screenshot(t *testing.T, page, file string, width, height int) {
	t.Helper()
	chromium(t, page, "--screenshot="+file, fmt.Sprintf("--window-size=%d,%d", width, height))
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	picture, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	if b := picture.Bounds(); b.Dx() != width || b.Dy() != height {
		t.Errorf("%s: %v", file, b)
	}
	colours := map[[3]uint32]int{}
	for y := range height {
		for x := range width {
			r, g, b, _ := picture.At(x, y).RGBA()
			colours[[3]uint32{r >> 8, g >> 8, b >> 8}]++
		}
	}
	// The paper, the ink, and the colour of close_notify's arrow.
	for _, c := range [][3]uint32{{0xfd, 0xfd, 0xfc}, {0x1c, 0x24, 0x30}, {0x0b, 0x7a, 0x4b}} {
		if colours[c] < 100 {
			t.Errorf("%s: %d pixels are #%02x%02x%02x", file, colours[c], c[0], c[1], c[2])
		}
	}
}
