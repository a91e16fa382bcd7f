package closure_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/closure"
	"github.com/golibssl/openssl/internal/leak"
)

func TestMain(m *testing.M) {
	leak.Main(m, func() error {
		closeReference()
		if live := openssl.LiveObjects(); live != (openssl.Live{}) {
			return fmt.Errorf("left of package openssl: %+v", live)
		}
		return nil
	})
}

func lines(s ...string) string { return strings.Join(s, "\n") + "\n" }

// results runs a script and returns what stands after the colon in each line.
func results(t *testing.T, script string) []string {
	t.Helper()
	var out strings.Builder
	if err := closure.Run(strings.NewReader(script), &out); err != nil {
		t.Fatalf("Run: %v\nscript:\n%s", err, script)
	}
	var all []string
	for line := range strings.Lines(out.String()) {
		_, result, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		all = append(all, result)
	}
	return all
}

const example = `proto tls13-stateful
both handshake
client write hello
server read
client shutdown
server read
server shutdown
client read
server free
server cache
`

const exampleOutput = `1 proto tls13-stateful: ok
2 both handshake: ret=1 client=0 server=0
3 client write hello: ret=1 err=- mask=0
4 server read: ret=1 data=hello mask=0
5 client shutdown: ret=0 err=- mask=1
6 server read: ret=0 err=ZERO_RETURN mask=2
7 server shutdown: ret=1 err=- mask=3
8 client read: ret=0 err=ZERO_RETURN mask=3
9 server free: ok
10 server cache: sessions=2
`

func TestExample(t *testing.T) {
	for _, script := range []string{
		example,
		strings.TrimSuffix(example, "\n"),
		"# a comment\n\n" + strings.ReplaceAll(example, "\n", "\n\n#\n"),
	} {
		var out strings.Builder
		if err := closure.Run(strings.NewReader(script), &out); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(exampleOutput, out.String()); d != "" {
			t.Errorf("output (-want +got):\n%s\nscript:\n%s", d, script)
		}
	}
}

func TestSyntaxErrors(t *testing.T) {
	for _, test := range []struct {
		name   string
		script string
		line   int
		out    string // of the steps before
	}{
		{"nothing", "", 0, ""},
		{"empty lines", "\n\n", 0, ""},
		{"comments", "# one\n#two", 0, ""},
		{"no proto", "both handshake\n", 1, ""},
		{"option first", "option ignore-eof client\n", 1, ""},
		{"comment before", "# x\n\nclient get\n", 3, ""},
		{"second proto", "proto tls12-id\nproto tls12-id\n", 2, "1 proto tls12-id: ok\n"},
		{"proto late", "proto tls12-id\nclient get\nproto tls12-id\n", 3,
			"1 proto tls12-id: ok\n2 client get: mask=0\n"},
		{"unknown protocol", "proto tls13\n", 1, ""},
		{"proto in capitals", "proto TLS12-ID\n", 1, ""},
		{"proto alone", "proto\n", 1, ""},
		{"proto twice named", "proto tls12-id tls12-id\n", 1, ""},
		{"unknown option", "proto tls12-id\noption no-ticket client\n", 2, "1 proto tls12-id: ok\n"},
		{"option for both", "proto tls12-id\noption ignore-eof both\n", 2, "1 proto tls12-id: ok\n"},
		{"option without end", "proto tls12-id\noption ignore-eof\n", 2, "1 proto tls12-id: ok\n"},
		{"option alone", "proto tls12-id\noption\n", 2, "1 proto tls12-id: ok\n"},
		{"option with more", "proto tls12-id\noption ignore-eof client server\n", 2, "1 proto tls12-id: ok\n"},
		{"option late", "proto tls12-id\nclient resumable\noption ignore-eof client\n", 3,
			"1 proto tls12-id: ok\n2 client resumable: resumable=-\n"},
	} {
		t.Run(test.name, func(t *testing.T) { wantSyntaxError(t, test.script, test.line, test.out) })
	}
	for _, step := range []string{
		"client", "server", "both", "both shutdown", "both handshake now", "handshake", "Client get", "CLIENT get",
		"peer get", "client handshake", "client clientget", "client Shutdown", "client shutdow",
		"client shutdown 1", "client get 1", "client read 5", "client eof now", "client clear all", "client free 0",
		"client resumable 1", "client resume 1", "server cache 1", "both handshake 1",
		"server resumable", "server resume", "client cache",
		"client set", "client set x", "client set 1 2", "client set +1", "client set 1.0", "client set 0x1", "client set 1_0",
		"client set -", "client set --1", "client set 2147483648", "client set -2147483649",
		"client set 99999999999999999999", "client set ١",
		"client quiet", "client quiet 2", "client quiet 00", "client quiet -1", "client quiet on", "client quiet 0 1",
		"client write", "client write a b", "client write a-b", "client write é", "client write a\x00", "client write a\tb",
		" client get", "client get ", "client  get", "  ", " ", "client\tget", "client get\r", "\r", "client get\v",
		"client write ", " # a comment that is none", "client get # get",
	} {
		t.Run(step, func(t *testing.T) {
			script := "proto tls13-stateless\n\n# fine so far\nclient get\n" + step + "\nclient get\n"
			wantSyntaxError(t, script, 5, "1 proto tls13-stateless: ok\n2 client get: mask=0\n")
			wantSyntaxError(t, "proto tls12-id\n"+step, 2, "1 proto tls12-id: ok\n")
		})
	}
}

func wantSyntaxError(t *testing.T, script string, line int, out string) {
	t.Helper()
	var got strings.Builder
	err := closure.Run(strings.NewReader(script), &got)
	var syntax *closure.SyntaxError
	if !errors.As(err, &syntax) {
		t.Fatalf("Run of %q = %v, want a SyntaxError", script, err)
	}
	if syntax.Line != line || syntax.Reason == "" {
		t.Errorf("Run of %q = %+v, want line %d and a reason", script, *syntax, line)
	}
	if line > 0 && !strings.Contains(err.Error(), fmt.Sprintf("line %d: ", line)) {
		t.Errorf("the error %q does not name line %d", err, line)
	}
	if d := cmp.Diff(out, got.String()); d != "" {
		t.Errorf("output of the steps before (-want +got):\n%s", d)
	}
}

// The limits of a 32-bit int are no errors, and libssl masks nothing.
func TestSetTakesAnyInt(t *testing.T) {
	got := results(t, lines("proto tls12-id", "both handshake", "client set 2147483647", "client set -2147483648",
		"client set -1", "client set 0004", "client set -0", "client get"))
	want := []string{"ok", "ret=1 client=0 server=0", "mask=2147483647", "mask=-2147483648", "mask=-1", "mask=4",
		"mask=0", "mask=0"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// A step's line is there before the next line is read.
func TestLinesComeAsStepsRun(t *testing.T) {
	scriptR, scriptW := io.Pipe()
	outR, outW := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := closure.Run(scriptR, outW)
		outW.Close()
		done <- err
	}()
	buf := make([]byte, 200)
	for _, s := range []struct{ line, out string }{
		{"proto tls12-ticket\n", "1 proto tls12-ticket: ok\n"},
		{"# nothing\nserver set 3\n", "2 server set 3: mask=3\n"},
		{"client nonsense\n", ""},
	} {
		if _, err := io.WriteString(scriptW, s.line); err != nil {
			t.Fatal(err)
		}
		if s.out == "" {
			break
		}
		n, err := outR.Read(buf)
		if err != nil || string(buf[:n]) != s.out {
			t.Fatalf("after %q: %q, %v, want %q", s.line, buf[:n], err, s.out)
		}
	}
	var syntax *closure.SyntaxError
	if err := <-done; !errors.As(err, &syntax) || syntax.Line != 4 {
		t.Errorf("Run = %v, want a SyntaxError in line 4", err)
	}
}

type failing struct{ error }

func (f failing) Read([]byte) (int, error)  { return 0, f.error }
func (f failing) Write([]byte) (int, error) { return 0, f.error }

func TestErrorsOfReaderAndWriter(t *testing.T) {
	broken := errors.New("broken")
	var out strings.Builder
	err := closure.Run(io.MultiReader(strings.NewReader("proto tls12-id\nclient g"), failing{broken}), &out)
	if !errors.Is(err, broken) {
		t.Errorf("Run with a broken reader = %v", err)
	}
	if got, want := out.String(), "1 proto tls12-id: ok\n"; got != want {
		t.Errorf("output %q, want %q", got, want)
	}
	if err := closure.Run(strings.NewReader(example), failing{broken}); !errors.Is(err, broken) {
		t.Errorf("Run with a broken writer = %v", err)
	}
}

// TEXT has no bound of its own, and a record holds 16384 bytes.
func TestLongText(t *testing.T) {
	text := strings.Repeat("0123456789abcdef", 3000)
	got := results(t, lines("proto tls13-stateless", "both handshake", "client write "+text,
		"server read", "server read", "server read", "server read"))
	want := []string{"ok", "ret=1 client=0 server=0", "ret=1 err=- mask=0",
		"ret=1 data=" + text[:16384] + " mask=0", "ret=1 data=" + text[16384:32768] + " mask=0",
		"ret=1 data=" + text[32768:] + " mask=0", "ret=0 err=WANT_READ mask=0"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
