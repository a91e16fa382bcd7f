package closure_test

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/closure"
)

var (
	scripts = flag.Int("scripts", 1000, "how many random scripts TestDifferential compares")
	seed    = flag.Uint64("seed", 1, "seed of the first random script")
	update  = flag.Bool("update", false, "write testdata/closure/*.txt with the reference interpreter's answers")
)

const testdata = "../testdata/closure"

// outcome is what an interpreter made of a script.
type outcome struct {
	Status int // the exit status: 0, or 2 for a script that cannot be read
	Line   int // that could not be read, 0 for none
	Output string
}

// inGo runs a script with this package.
func inGo(text string) (outcome, error) {
	var out strings.Builder
	err := closure.Run(strings.NewReader(text), &out)
	var syntax *closure.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return outcome{2, syntax.Line, out.String()}, nil
	case err != nil:
		return outcome{}, err
	}
	return outcome{0, 0, out.String()}, nil
}

// reference is the interpreter in C, testdata/closure/reference.c, in batch mode.
type reference struct {
	mu     sync.Mutex
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Reader
	folder string
}

var startReference = sync.OnceValues(func() (*reference, error) {
	r := &reference{}
	folder, err := os.MkdirTemp("", "closure")
	if err != nil {
		return nil, err
	}
	r.folder = folder
	if err := r.start(); err != nil {
		os.RemoveAll(folder)
		return nil, err
	}
	return r, nil
})

var started *reference // for closeReference

// compileReference compiles against the libssl that pkg-config and cgo's variables name, as this test was.
func compileReference(program string) error {
	cc := os.Getenv("CC")
	if cc == "" {
		cc = "gcc"
	}
	flags, err := exec.Command("pkg-config", "--cflags", "--libs", "libssl", "libcrypto").Output()
	if err != nil {
		return fmt.Errorf("pkg-config: %w", err)
	}
	args := []string{"-O1", "-Wno-deprecated-declarations", "-o", program}
	args = append(args, strings.Fields(os.Getenv("CGO_CFLAGS"))...)
	args = append(args, filepath.Join(testdata, "reference.c"))
	args = append(args, strings.Fields(os.Getenv("CGO_LDFLAGS"))...)
	args = append(args, strings.Fields(string(flags))...)
	words := append(strings.Fields(cc), args...)
	if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(words, " "), err, out)
	}
	return nil
}

func (r *reference) start() error {
	program := filepath.Join(r.folder, "reference")
	if err := compileReference(program); err != nil {
		return err
	}
	version, err := exec.Command(program, "--version").Output()
	if err != nil {
		return fmt.Errorf("reference --version: %w", err)
	}
	if got, want := strings.TrimSpace(string(version)), openssl.LibraryVersion(); got != want {
		return fmt.Errorf("the reference interpreter runs on %s, this test on %s", got, want)
	}
	r.cmd = exec.Command(program, "--batch")
	r.cmd.Stderr = os.Stderr
	if r.stdin, err = r.cmd.StdinPipe(); err != nil {
		return err
	}
	stdout, err := r.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	r.stdout = bufio.NewReader(stdout)
	return r.cmd.Start()
}

func closeReference() {
	if started != nil {
		started.stdin.Close()
		started.cmd.Wait()
		os.RemoveAll(started.folder)
		started = nil
	}
}

// run sends one script and returns the answer.
func (r *reference) run(text string) (o outcome, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, err := fmt.Fprintf(r.stdin, "%d\n%s", len(text), text); err != nil {
		return o, fmt.Errorf("writing to the reference interpreter: %w", err)
	}
	var length int
	if _, err := fmt.Fscanf(r.stdout, "%d %d %d\n", &o.Status, &o.Line, &length); err != nil {
		return o, fmt.Errorf("reading from the reference interpreter: %w", err)
	}
	out := make([]byte, length)
	if _, err := io.ReadFull(r.stdout, out); err != nil {
		return o, fmt.Errorf("reading from the reference interpreter: %w", err)
	}
	o.Output = string(out)
	return o, nil
}

func needReference(tb testing.TB) *reference {
	tb.Helper()
	for _, tool := range []string{"pkg-config", "gcc"} {
		if tool == "gcc" && os.Getenv("CC") != "" {
			continue
		}
		if _, err := exec.LookPath(tool); err != nil {
			tb.Skipf("no %s here to compile the reference interpreter with", tool)
		}
	}
	r, err := startReference()
	if err != nil {
		tb.Fatalf("the reference interpreter: %v", err)
	}
	started = r
	return r
}

// difference runs a script with both interpreters; "" when they agree.
func difference(r *reference, text string) (string, error) {
	var want outcome
	var refErr error
	done := make(chan struct{})
	go func() {
		want, refErr = r.run(text)
		close(done)
	}()
	got, err := inGo(text)
	<-done
	if err := errors.Join(err, refErr); err != nil {
		return "", err
	}
	return cmp.Diff(want, got), nil
}

// reportDifference shrinks a script on which the interpreters differ and fails the test with it.
func reportDifference(t *testing.T, r *reference, s script, diff string) {
	t.Helper()
	short := shrink(s, func(s script) bool {
		d, err := difference(r, s.String())
		if err != nil {
			t.Fatal(err)
		}
		return d != ""
	})
	if d, err := difference(r, short.String()); err == nil && d != "" {
		diff = d
	}
	t.Errorf("the two interpreters differ (-reference +ours):\n%s\nshortest script:\n%s\nscript:\n%s", diff, short, s)
}

func TestDifferential(t *testing.T) {
	r := needReference(t)
	for n := range uint64(*scripts) {
		s := generate(*seed + n)
		d, err := difference(r, s.String())
		if err != nil {
			t.Fatalf("seed %d: %v\nscript:\n%s", *seed+n, err, s)
		}
		if d != "" {
			t.Logf("seed %d", *seed+n)
			reportDifference(t, r, s, d)
			return
		}
	}
	t.Attr("compared", fmt.Sprintf("random-scripts %d", *scripts))
}

// FuzzClosure compares the interpreters on any text: most of it cannot be read, and then the line
// and the output so far must be the same.
func FuzzClosure(f *testing.F) {
	f.Add(example)
	f.Add("proto tls13-stateless\r\n")
	f.Add("# nothing\n\n")
	for n := range uint64(20) {
		f.Add(generate(n).String())
	}
	for _, kept := range keptScripts(f) {
		text, err := os.ReadFile(kept)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Fuzz(func(t *testing.T, text string) {
		r := needReference(t)
		s := parseScript(text)
		if !inLanguage(s) || len(s) > 200 {
			t.Skip("the output may depend on random bytes, or takes long")
		}
		d, err := difference(r, text)
		if err != nil {
			t.Fatal(err)
		}
		if d != "" {
			t.Errorf("the two interpreters differ (-reference +ours):\n%s\nscript:\n%s", d, text)
		}
	})
}

func keptScripts(tb testing.TB) []string {
	tb.Helper()
	all, err := filepath.Glob(filepath.Join(testdata, "*.closure"))
	if err != nil {
		tb.Fatal(err)
	}
	return all
}

// outputFile is where the expected output of a kept script stands for the library that is loaded:
// NAME.VERSION.txt with the newest VERSION that is not newer, else NAME.txt.
func outputFile(kept string) string {
	name := strings.TrimSuffix(kept, ".closure")
	file := name + ".txt"
	for _, v := range []struct {
		name string
		from uint64
	}{{"3.0", 0x30000000}, {"3.5", 0x30500000}, {"3.6", 0x30600000}, {"4.0", 0x40000000}} {
		if openssl.LibraryVersionNumber() < v.from {
			break
		}
		if _, err := os.Stat(name + "." + v.name + ".txt"); err == nil {
			file = name + "." + v.name + ".txt"
		}
	}
	return file
}

// TestKeptScripts runs testdata/closure/*.closure with both interpreters. The expected output is
// written by the reference interpreter alone, with -update.
func TestKeptScripts(t *testing.T) {
	r := needReference(t)
	all := keptScripts(t)
	if len(all) == 0 {
		t.Fatalf("no script in %s", testdata)
	}
	t.Attr("compared", fmt.Sprintf("kept-scripts %d", len(all)))
	for _, kept := range all {
		t.Run(filepath.Base(kept), func(t *testing.T) {
			text, err := os.ReadFile(kept)
			if err != nil {
				t.Fatal(err)
			}
			fromReference, err := r.run(string(text))
			if err != nil {
				t.Fatal(err)
			}
			if *update {
				updateOutput(t, kept, fromReference.Output)
			}
			want, err := os.ReadFile(outputFile(kept))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(outcome{Output: string(want)}, fromReference); d != "" {
				t.Errorf("the reference interpreter (-want +got):\n%s", d)
			}
			ours, err := inGo(string(text))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(outcome{Output: string(want)}, ours); d != "" {
				t.Errorf("package closure (-want +got):\n%s", d)
			}
		})
	}
}

// updateOutput writes NAME.txt on the oldest version, and on a newer one a file of its own where the
// output is another. Run it from the oldest version to the newest.
func updateOutput(t *testing.T, kept, output string) {
	t.Helper()
	file := strings.TrimSuffix(kept, ".closure") + ".txt"
	if v := openssl.LibraryVersionNumber(); v >= 0x30000000 {
		if old, err := os.ReadFile(outputFile(kept)); err == nil && string(old) == output {
			return
		}
		file = fmt.Sprintf("%s.%d.%d.txt", strings.TrimSuffix(kept, ".closure"), v>>28, v>>20&0xff)
	}
	if err := os.WriteFile(file, []byte(output), 0o644); err != nil {
		t.Fatal(err)
	}
}
