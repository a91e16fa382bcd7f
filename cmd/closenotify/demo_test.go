package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/cmd/closenotify/internal/demo"
)

// masks are the steps of a row: "client shutdown 1/0".
func masks(row demo.Row) []string {
	var all []string
	for _, s := range row.Steps {
		all = append(all, s.Step+" "+string(rune('0'+s.Client))+"/"+string(rune('0'+s.Server)))
	}
	return all
}

var allProtos = []string{"tls12-id", "tls12-ticket", "tls13-stateful", "tls13-stateless"}

// TestDemo holds the rows to what is known of libssl, the same on every version.
func TestDemo(t *testing.T) {
	r := tool(t, "", "demo", "--json")
	if r.Status != exitDone || r.Stderr != "" {
		t.Fatalf("demo: %+v", r)
	}
	var report demo.Report
	dec := json.NewDecoder(strings.NewReader(r.Stdout))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&report); err != nil {
		t.Fatal(err)
	}
	if report.OpenSSL != openssl.LibraryVersion() {
		t.Errorf("openssl is %q, want %q", report.OpenSSL, openssl.LibraryVersion())
	}

	// What the server does not keep it cannot forget: it resumes whatever happened, unless the client
	// has dropped its session.
	serverForgets := []string{"full", "resumed", "full", "resumed"}
	same := func(s string) []string { return []string{s, s, s, s} }
	type ending struct {
		name    string
		steps   []string
		reader  string
		session []string // by protocol
	}
	var want, got []ending
	for _, e := range []ending{
		{"clean", []string{"client shutdown 1/0", "server read 1/2", "server shutdown 1/3", "client read 3/3"}, "EOF", same("resumed")},
		{"one-way", []string{"client shutdown 1/0", "client fin 1/0", "server read 1/2"}, "EOF", serverForgets},
		{"quiet", []string{"client quiet shutdown 3/0", "client fin 3/0", "server read 3/0"}, "unexpected EOF", serverForgets},
		{"set-without-sending", []string{"client set 1 1/0", "client fin 1/0", "server read 1/0"}, "unexpected EOF", serverForgets},
		{"truncated", []string{"client write 0/0", "client fin 0/0", "server read 0/0", "server read 0/0"}, "data, unexpected EOF", same("full")},
		{"mid-record", []string{"client write, cut 0/0", "client fin 0/0", "server read 0/0"}, "unexpected EOF", same("full")},
		{"fatal-alert", []string{"client alert 0/0", "server read 0/2"}, "alert bad_record_mac", same("full")},
		{"reset", []string{"client write 0/0", "client reset 0/0", "server read 0/0", "server read 0/0"}, "data, reset", same("full")},
		{"half-close", []string{"client shutdown 1/0", "server read 1/2", "server write 1/2", "client read 1/2",
			"server shutdown 1/3", "client read 3/3"}, "data, EOF", same("resumed")},
	} {
		want = append(want, e)
		found := ending{name: e.name}
		for _, proto := range allProtos {
			for _, row := range report.Rows {
				if row.Ending != e.name || row.Proto != proto {
					continue
				}
				if found.steps == nil {
					found.steps, found.reader = masks(row), row.Reader
				} else if d := cmp.Diff(found.steps, masks(row)); d != "" || found.reader != row.Reader {
					t.Errorf("%s is not the same on %s: reader %q, steps\n%s", e.name, proto, row.Reader, d)
				}
				found.session = append(found.session, row.Session)
			}
		}
		got = append(got, found)
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(ending{})); d != "" {
		t.Errorf("rows (-want +got):\n%s", d)
	}
	if len(report.Rows) != len(want)*len(allProtos) {
		t.Errorf("%d rows, want %d", len(report.Rows), len(want)*len(allProtos))
	}
}

// The keys stand in a fixed order.
func TestDemoJSON(t *testing.T) {
	r := tool(t, "", "--json")
	version, err := json.Marshal(openssl.LibraryVersion())
	if err != nil {
		t.Fatal(err)
	}
	want := `{"openssl":` + string(version) + `,"rows":[{"proto":"tls12-id","ending":"clean","steps":[` +
		`{"step":"client shutdown","client":1,"server":0},{"step":"server read","client":1,"server":2},` +
		`{"step":"server shutdown","client":1,"server":3},{"step":"client read","client":3,"server":3}],` +
		`"reader":"EOF","session":"resumed"},{"proto":"tls12-id","ending":"one-way",`
	if !strings.HasPrefix(r.Stdout, want) || strings.Count(r.Stdout, "\n") != 1 {
		t.Errorf("standard output begins\n%.400s\nwant\n%s", r.Stdout, want)
	}
}

// Without a command the tool runs demo; a pipe sees no progress.
func TestDemoText(t *testing.T) {
	r := tool(t, "")
	if r.Status != exitDone || r.Stderr != "" {
		t.Fatalf("%+v", r)
	}
	if d := cmp.Diff(r, tool(t, "", "demo")); d != "" {
		t.Errorf("demo prints something else:\n%s", d)
	}
	want := `clean: both ends say close_notify and wait for the other's
                   tls12-id  tls12-ticket  tls13-stateful  tls13-stateless
  client shutdown  1/0       1/0           1/0             1/0
  server read      1/2       1/2           1/2             1/2
  server shutdown  1/3       1/3           1/3             1/3
  client read      3/3       3/3           3/3             3/3
  the reader got   EOF       EOF           EOF             EOF
  the session      resumed   resumed       resumed         resumed

one-way: `
	if !strings.HasPrefix(r.Stdout, openssl.LibraryVersion()) || !strings.Contains(r.Stdout, want) {
		t.Errorf("standard output:\n%s\nwant in it:\n%s", r.Stdout, want)
	}
}
