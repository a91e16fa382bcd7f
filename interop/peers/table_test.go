package peers

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"

	"github.com/golibssl/openssl"
)

var try = flag.Bool("peers", false, "try the peers")

var write = flag.String("write", "", "write docs/peers.md, or another `FILE`, from what was seen")

// answerHTTP answers one request with its body and closes, as a server of HTTP/1.1 does.
func answerHTTP(c *openssl.Conn) error {
	r, err := http.ReadRequest(bufio.NewReader(c))
	if err != nil {
		return fmt.Errorf("%w: %w", errNothing, err)
	}
	if r.Header.Get("Expect") == "100-continue" {
		if _, err := io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n"); err != nil {
			return err
		}
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n", len(body)); err != nil {
		return err
	}
	if _, err := c.Write(body); err != nil {
		return err
	}
	return finish(c)
}

// sightings are what the table is made of.
type sightings struct {
	mu       sync.Mutex
	cells    map[[2]string]string
	versions map[string]string
	notes    map[string]string
}

var seen = &sightings{cells: map[[2]string]string{}, versions: map[string]string{}, notes: map[string]string{}}

func (s *sightings) set(peer, column, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cells[[2]string{peer, column}] = value
}

func (s *sightings) version(peer, version string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.versions[peer] = version
}

func (s *sightings) note(peer, note string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notes[peer] = note
}

const head = `# How others end connections

What closenotify's own probe and serve saw of each peer, and how our own end with it went. Made by ` + "`scripts/peers --write`" + ` with %s;
TestPeers (` + "`scripts/peers`" + `) tries the same again, and fails where our end is not clean both ways and the last list gives no reason.

`

func (s *sightings) write(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, head, openssl.LibraryVersion())
	b.WriteString("| peer | version |\n| --- | --- |\n")
	for _, p := range peers() {
		version := s.versions[p.name]
		if note := s.notes[p.name]; note != "" {
			version = note
		}
		fmt.Fprintf(&b, "| %s | %s |\n", p.name, version)
	}
	s.table(&b, "Servers", "how the server ends: after its answer to one request; when we say close_notify; when we say it together with the request; when\n"+
		"we end TCP without it. Then 10 MB to it, close_notify, and the same 10 MB back.",
		[]string{"after its answer", "to close_notify", "half close", "to a bare FIN", "10 MB each way", "our end with it"},
		[]string{"end_of_response", "answer_to_close_notify", "half_close", "bare_fin", "echo", "server clean"},
		func(p peer) string { return p.noServer })
	s.table(&b, "Clients", "how the client ends: after our answer and our close_notify; after an answer that was cut. What its program says of the cut is its\n"+
		"exit status. Then 10 MB from it, close_notify, and the same 10 MB back.",
		[]string{"after our close_notify", "after a cut", "says of the cut", "10 MB each way", "our end with it"},
		[]string{"client clean", "client truncate", "client says truncate", "send", "send clean"},
		func(p peer) string { return p.noClient })
	b.WriteString("\n## Why not\n\n")
	for _, p := range peers() {
		for _, role := range []string{"server", "echo", "send"} {
			if why := p.unclean[role]; why != "" {
				fmt.Fprintf(&b, "- %s, not clean both ways: %s.\n", p.name, why)
			}
		}
		if why := first(p.noServer, p.noEcho); why != "" {
			fmt.Fprintf(&b, "- %s, no 10 MB to a server: %s.\n", p.name, why)
		}
		switch {
		case p.http && p.noSend == "":
			fmt.Fprintf(&b, "- %s, no half close as a client: HTTP has none.\n", p.name)
		case p.sendNow:
			fmt.Fprintf(&b, "- %s, no half close as a client: it has no way to say close_notify and read on.\n", p.name)
		}
		if p.loses != "" {
			fmt.Fprintf(&b, "- %s, 10 MB to a server: %s.\n", p.name, p.loses)
		}
		switch {
		case p.echoHTTP:
			fmt.Fprintf(&b, "- %s, no half close as a server: HTTP has none.\n", p.name)
		case p.echoNow:
			fmt.Fprintf(&b, "- %s, no half close as a server: it ends at the client's close_notify.\n", p.name)
		}
	}
	b.WriteString("- wolfSSL and mbed TLS have no programs in Debian: interop/peers/testdata/peer.c ends as the libraries' own examples do, with\n" +
		"  close_notify and then close(2), which is a reset where something is unread.\n")
	return os.WriteFile(name, []byte(b.String()), 0o644)
}

func (s *sightings) table(b *strings.Builder, title, text string, heads, columns []string, not func(peer) string) {
	fmt.Fprintf(b, "\n## %s\n\n%s%s\n\n| peer | %s |\n|%s\n", title, strings.ToUpper(text[:1]), text[1:], strings.Join(heads, " | "),
		strings.Repeat(" --- |", 1+len(heads)))
	for _, p := range peers() {
		if not(p) != "" || s.notes[p.name] != "" {
			continue
		}
		fmt.Fprintf(b, "| %s |", p.name)
		for _, c := range columns {
			cell := s.cells[[2]string{p.name, c}]
			if cell == "" {
				cell = "—"
			} else if strings.HasSuffix(c, " clean") && cell != "clean" && c != "client clean" {
				cell = "not clean"
			}
			fmt.Fprintf(b, " %s |", cell)
		}
		b.WriteString("\n")
	}
}
