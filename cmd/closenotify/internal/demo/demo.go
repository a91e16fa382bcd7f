// Package demo ends connections in every way there is, on four protocols, and tells what both ends
// know, what the reader gets and what becomes of the session. Client and server are raw SSLs in this
// process, joined by memory.
package demo

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/cmd/closenotify/internal/sequence"
)

// Report is what Run found.
type Report struct {
	OpenSSL string `json:"openssl"`
	Rows    []Row  `json:"rows"`
}

// Row is one ending on one protocol.
type Row struct {
	Proto   string `json:"proto"`
	Ending  string `json:"ending"`
	Steps   []Step `json:"steps"`
	Reader  string `json:"reader"`  // what the end that reads last got
	Session string `json:"session"` // resumed, full or none, when the client comes back with it

	Drawn *sequence.Diagram `json:"-"` // what passed
}

// Step is one step with the shutdown states after it.
type Step struct {
	Step   string                `json:"step"`
	Client openssl.ShutdownState `json:"client"`
	Server openssl.ShutdownState `json:"server"`
}

// Run makes every connection and tells progress of each before. The server keeps its sessions in
// store, or in libssl's own cache when that is nil.
func Run(store openssl.SessionCache, progress func(string)) (*Report, error) {
	r := &Report{OpenSSL: openssl.LibraryVersion()}
	for _, p := range protos {
		c, err := newContexts(p, store)
		if err != nil {
			return nil, err
		}
		for _, e := range endings {
			progress(p.name + " " + e.name)
			row, err := c.run(e)
			if err != nil {
				c.free()
				return nil, fmt.Errorf("%s on %s: %w", e.name, p.name, err)
			}
			r.Rows = append(r.Rows, row)
		}
		c.free()
	}
	return r, nil
}

// ending is a way to end a connection.
type ending struct {
	name, help string
	means      string // for who looks at the page
	run        func(*connection)
}

// In each of them the client has read what the server wrote first, and with it the tickets of TLS
// 1.3. An end that is gone reads nothing more.
var endings = []ending{
	{"clean", "both ends say close_notify and wait for the other's",
		"Each end knows that it has all, and that the other has too. The session can be resumed.", func(c *connection) {
			c.do("client shutdown", c.client.shutdown)
			c.do("server read", c.server.read)
			c.do("server shutdown", c.server.shutdown)
			c.do("client read", c.client.read)
			c.reader = c.server
		}},
	{"one-way", "the client says close_notify and goes, the server only closes",
		"The server has all, and tells: it reads an end, not a cut. It never says close_notify itself, so libssl drops its session from the cache (RFC 2246, section 7.2.1); one whose client holds the ticket is resumed all the same.", func(c *connection) {
			c.do("client shutdown", c.client.shutdown)
			c.do("client fin", c.client.fin)
			c.do("server read", c.server.read)
			c.reader = c.server
		}},
	{"quiet", "the client shuts down quietly: nothing is sent",
		"SSL_shutdown sets both bits and sends nothing: the server cannot tell this from an attacker's cut. Use it only where the transport itself tells the end.", func(c *connection) {
			c.do("client quiet shutdown", c.client.quietShutdown)
			c.do("client fin", c.client.fin)
			c.do("server read", c.server.read)
			c.reader = c.server
		}},
	{"set-without-sending", "the client sets SENT with SSL_set_shutdown: nothing is sent",
		"SSL_set_shutdown changes what this end believes, not what the other knows: the session is kept, and the server sees a cut.", func(c *connection) {
			c.do("client set 1", c.client.setSent)
			c.do("client fin", c.client.fin)
			c.do("server read", c.server.read)
			c.reader = c.server
		}},
	{"truncated", "the connection is cut between two records",
		"All records that came are whole, and the stream may still lack its end: only close_notify tells. Treat what was read as incomplete.", func(c *connection) {
			c.do("client write", c.client.write)
			c.do("client fin", c.client.fin)
			c.do("server read", c.server.read)
			c.do("server read", c.server.read)
			c.reader = c.server
		}},
	{"mid-record", "the connection is cut inside a record",
		"The server waits for the rest of a record that never comes. From OpenSSL 3.0 its read is an error of its own, and the alert that it sends reaches nobody.", func(c *connection) {
			c.do("client write, cut", c.client.writeHalf)
			c.do("client fin", c.client.fin)
			c.do("server read", c.server.read)
			c.reader = c.server
		}},
	{"fatal-alert", "the client fails and sends a fatal alert",
		"A fatal alert ends the connection for both, and neither may resume the session, whatever the policy.", func(c *connection) {
			c.do("client alert", c.client.fail)
			c.do("server read", c.server.read)
			c.reader = c.server
		}},
	{"reset", "the client resets TCP",
		"What had arrived can still be read; what was under way is lost, and nobody knows how much that was.", func(c *connection) {
			c.do("client write", c.client.write)
			c.do("client reset", c.client.reset)
			c.do("server read", c.server.read)
			c.do("server read", c.server.read)
			c.reader = c.server
		}},
	{"half-close", "the client says close_notify first and reads the answer",
		"The client's side ends first, and the answer comes after: what TLS 1.3 allows (RFC 8446, section 6.1) and TLS 1.2 did not.", func(c *connection) {
			c.do("client shutdown", c.client.shutdown)
			c.do("server read", c.server.read)
			c.do("server write", c.server.write)
			c.do("client read", c.client.read)
			c.do("server shutdown", c.server.shutdown)
			c.do("client read", c.client.read)
			c.reader = c.client
		}},
}

// WriteText writes the report as tables, one for each ending.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s. A mask is 1 (SENT), 2 (RECEIVED) or both; client/server after each step.\n", r.OpenSSL)
	for _, e := range endings {
		var rows []Row
		for _, row := range r.Rows {
			if row.Ending == e.name {
				rows = append(rows, row)
			}
		}
		if len(rows) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n%s: %s\n", e.name, e.help)
		table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		line := func(title string, cell func(Row) string) {
			fmt.Fprintf(table, "  %s", title)
			for _, row := range rows {
				fmt.Fprintf(table, "\t%s", cell(row))
			}
			fmt.Fprintln(table)
		}
		line("", func(row Row) string { return row.Proto })
		for i, step := range rows[0].Steps {
			line(step.Step, func(row Row) string {
				return fmt.Sprintf("%d/%d", row.Steps[i].Client, row.Steps[i].Server)
			})
		}
		line("the reader got", func(row Row) string { return row.Reader })
		line("the session", func(row Row) string { return row.Session })
		table.Flush()
	}
	_, err := io.WriteString(w, b.String())
	return err
}
