// Package scripts_test runs the shell scripts on small checkouts made for it.
package scripts_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// checkout is a folder with copies of the scripts and whatever else the test
// puts there.
type checkout struct {
	t   *testing.T
	dir string
	bin string // first in PATH
	env []string
}

func newCheckout(t *testing.T) *checkout {
	t.Helper()
	c := &checkout{t: t, dir: filepath.Join(t.TempDir(), "a checkout"), bin: t.TempDir()}
	for _, name := range []string{"lib.sh", "run", "test"} {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		c.write("scripts/"+name, string(content))
	}
	c.env = append(os.Environ(), "PATH="+c.bin+":"+os.Getenv("PATH"), "GOFLAGS=", "GOWORK=", "GOTOOLCHAIN=local")
	return c
}

func (c *checkout) write(name, content string) {
	c.t.Helper()
	write(c.t, filepath.Join(c.dir, name), content)
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
		t.Fatal(err)
	}
}

// command puts a shell script of that name in front of the real command.
func (c *checkout) command(name, script string) {
	c.t.Helper()
	write(c.t, filepath.Join(c.bin, name), "#!/bin/sh\n"+script)
}

// only makes PATH hold nothing but these commands of the machine, and those
// that the test adds.
func (c *checkout) only(names ...string) {
	c.t.Helper()
	for _, name := range names {
		path, err := exec.LookPath(name)
		if err != nil {
			c.t.Fatal(err)
		}
		if err := os.Symlink(path, filepath.Join(c.bin, name)); err != nil {
			c.t.Fatal(err)
		}
	}
	c.env = append(c.env, "PATH="+c.bin)
}

type result struct {
	status         int
	stdout, stderr string
}

// runIn runs a script of the checkout in a folder.
func (c *checkout) runIn(dir, script string, args ...string) result {
	c.t.Helper()
	cmd := exec.Command(script, args...)
	cmd.Dir = dir
	cmd.Env = c.env
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		c.t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

func (c *checkout) run(args ...string) result {
	c.t.Helper()
	return c.runIn(c.dir, filepath.Join(c.dir, "scripts/run"), args...)
}

const echoTool = `package main

import (
	"fmt"
	"os"
)

func main() {
	dir, _ := os.Getwd()
	fmt.Printf("%s in %s: %q\n", version, dir, os.Args[1:])
	if len(os.Args) == 3 && os.Args[1] == "exit" {
		os.Exit(7)
	}
}
`

// tool puts a closenotify into the checkout that prints version, its folder
// and its arguments.
func (c *checkout) tool(version string) {
	c.t.Helper()
	c.write("cmd/closenotify/go.mod", "module closenotify\n\ngo 1.26.0\n")
	c.write("cmd/closenotify/main.go", echoTool)
	c.write("cmd/closenotify/version.go", fmt.Sprintf("package main\n\nconst version = %q\n", version))
}

func TestRunPassesArgumentsAndStatus(t *testing.T) {
	c := newCheckout(t)
	c.tool("v1")
	elsewhere, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(elsewhere, "link")
	if err := os.Symlink(filepath.Join(c.dir, "scripts/run"), link); err != nil {
		t.Fatal(err)
	}
	relative, err := filepath.Rel(elsewhere, filepath.Join(c.dir, "scripts/run"))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		script string
		args   []string
		want   result
	}{
		{"no argument", filepath.Join(c.dir, "scripts/run"), nil, result{stdout: "v1 in " + elsewhere + ": [\"demo\"]\n"}},
		{"arguments", relative, []string{"script", "a b", "", "*"}, result{stdout: "v1 in " + elsewhere + ": [\"script\" \"a b\" \"\" \"*\"]\n"}},
		{"through a link", "./link", []string{"-h"}, result{stdout: "v1 in " + elsewhere + ": [\"-h\"]\n"}},
		{"status", link, []string{"exit", "7"}, result{status: 7, stdout: "v1 in " + elsewhere + ": [\"exit\" \"7\"]\n"}},
	} {
		if diff := cmp.Diff(test.want, c.runIn(elsewhere, test.script, test.args...), cmp.AllowUnexported(result{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

func TestRunBuildsWhenSourcesChange(t *testing.T) {
	c := newCheckout(t)
	c.tool("v1")
	binary := filepath.Join(c.dir, ".cache/run/closenotify")
	expect := func(version string) os.FileInfo {
		t.Helper()
		if got := c.run("x"); got.status != 0 || !strings.HasPrefix(got.stdout, version+" in ") {
			t.Fatalf("%+v, want %s", got, version)
		}
		info, err := os.Stat(binary)
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	first := expect("v1")
	if second := expect("v1"); !os.SameFile(first, second) {
		t.Error("the second run built again")
	}

	c.tool("v2")
	source := filepath.Join(c.dir, "cmd/closenotify/version.go")
	long := time.Now().Add(-time.Hour)
	if err := os.Chtimes(source, long, long); err != nil {
		t.Fatal(err)
	}
	expect("v2")

	c.write("cmd/closenotify/version.go", "package main\n\nno Go\n")
	got := c.run("x")
	if got.status != 1 || got.stdout != "" || !strings.Contains(got.stderr, "run: closenotify was not built") {
		t.Errorf("sources that do not compile: %+v", got)
	}
}

// TestRunBuildsWhenLibsslChanges replaces a header where nothing but the version
// that pkg-config prints tells of it.
func TestRunBuildsWhenLibsslChanges(t *testing.T) {
	c := newCheckout(t)
	c.tool("unused")
	if err := os.Remove(filepath.Join(c.dir, "cmd/closenotify/version.go")); err != nil {
		t.Fatal(err)
	}
	c.write("cmd/closenotify/version_cgo.go", `package main

// #cgo pkg-config: libssl
// #include <fake.h>
import "C"

const version = C.FAKE
`)
	headers := t.TempDir()
	install := func(version string) {
		write(t, filepath.Join(headers, "fake.h"), fmt.Sprintf("#define FAKE %q\n", version))
		c.command("pkg-config", fmt.Sprintf(`case $* in
--modversion*) echo %s ;;
"--cflags -- libssl") echo -I%s ;;
esac
`, version, headers))
	}
	for _, version := range []string{"3.0.1", "3.0.2", "3.0.1"} {
		install(version)
		if got := c.run("x"); got.status != 0 || !strings.HasPrefix(got.stdout, version+" in ") {
			t.Fatalf("%+v, want %s", got, version)
		}
	}
}

// machine is what there is before the scripts install anything.
var machine = []string{"sh", "go", "env", "readlink", "tr", "mkdir", "cat", "chmod", "uname"}

func TestRunSaysWhatIsMissing(t *testing.T) {
	for _, test := range []struct {
		name    string
		prepare func(c *checkout)
		want    []string
	}{
		{"Debian, not root", func(c *checkout) {
			c.only(machine...)
			c.command("id", "echo 1000")
			c.command("apt-get", "echo called >&2; exit 9")
		}, []string{
			"run: missing, by Debian's names of the packages: gcc libc6-dev pkg-config libssl-dev",
			"run: install them as root: apt-get install gcc libc6-dev pkg-config libssl-dev",
		}},
		{"not Debian, root, headers only", func(c *checkout) {
			c.only(machine...)
			c.command("id", "echo 0")
			c.command("gcc", "exit 0")
			c.command("pkg-config", "exit 1")
		}, []string{
			"run: missing, by Debian's names of the packages: libssl-dev",
			"run: install them (libssl-dev is openssl-devel on Fedora, openssl-dev on Alpine, openssl@3 with Homebrew)",
		}},
		{"no Go", func(c *checkout) {
			c.only("sh", "readlink")
		}, []string{"run: Go is missing: see https://go.dev/doc/install"}},
		{"old libssl", func(c *checkout) {
			c.only(machine...)
			c.command("gcc", "exit 0")
			c.command("pkg-config", `case $1 in
--atleast-version=1.1.1) exit 1 ;;
--modversion) echo 1.0.2u ;;
esac
`)
		}, []string{"run: libssl 1.0.2u is too old: 1.1.1 is the oldest that serves"}},
		{"nothing to install it from", func(c *checkout) {
			c.only(machine...)
			c.command("id", "echo 0")
			c.command("gcc", "exit 0")
			c.command("pkg-config", "exit 1")
			c.command("apt-get", "exit 100")
		}, []string{
			"run: installing libssl-dev",
			"run: apt-get update failed; trying with the lists there are",
			"run: apt-get could not install libssl-dev",
		}},
		{"installed in vain", func(c *checkout) {
			c.only(machine...)
			c.command("id", "echo 0")
			c.command("gcc", "exit 0")
			c.command("pkg-config", "exit 1")
			c.command("apt-get", "exit 0")
		}, []string{
			"run: installing libssl-dev",
			"run: installed, and still not found: libssl-dev",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newCheckout(t)
			c.env = append(c.env, "CC=")
			c.tool("v1")
			test.prepare(c)
			want := result{status: 1, stderr: strings.Join(test.want, "\n") + "\n"}
			if diff := cmp.Diff(want, c.run("x"), cmp.AllowUnexported(result{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestRunInstallsOnDebian(t *testing.T) {
	c := newCheckout(t)
	c.env = append(c.env, "CC=")
	c.tool("v1")
	c.only(machine...)
	c.command("id", "echo 0")
	c.command("gcc", "exit 0") // the tool has no C
	c.command("apt-get", fmt.Sprintf(`echo "apt-get $*"
case $1 in
install)
	cat >'%[1]s/pkg-config' <<-'END'
		#!/bin/sh
		case $1 in --modversion) echo 3.0.1 ;; esac
	END
	chmod +x '%[1]s/pkg-config' ;;
esac
`, c.bin))
	want := result{
		stdout: "v1 in " + c.dir + ": [\"x\"]\n",
		stderr: "run: installing pkg-config libssl-dev\n" +
			"apt-get update\n" +
			"apt-get install -y --no-install-recommends pkg-config libssl-dev\n",
	}
	if diff := cmp.Diff(want, c.run("x"), cmp.AllowUnexported(result{})); diff != "" {
		t.Errorf("first run (-want +got):\n%s", diff)
	}
	want.stderr = ""
	if diff := cmp.Diff(want, c.run("x"), cmp.AllowUnexported(result{})); diff != "" {
		t.Errorf("second run (-want +got):\n%s", diff)
	}
}

// freedC writes to memory of C: with 1 to memory that was freed before.
const freedC = `package c

/*
#include <stdlib.h>
static void use(int freed)
{
	volatile char *p = malloc(10);
	if (freed)
		free((void *)p);
	p[0] = 1;
	if (!freed)
		free((void *)p);
}
*/
import "C"

func Use(freed int) { C.use(C.int(freed)) }
`

// testable makes a checkout on which scripts/test finds nothing wrong.
func testable(t *testing.T) *checkout {
	c := newCheckout(t)
	for _, name := range []string{"openssl", "curl", "shellcheck"} {
		c.command(name, "exit 0")
	}
	c.write("go.mod", "module example.com/a\n\ngo 1.26.0\n")
	c.write("a.go", "package a\n")
	c.write("a_test.go", "package a\n\nimport \"testing\"\n\nfunc TestA(t *testing.T) {}\n")
	c.write("nested/go.mod", "module example.com/a/nested\n\ngo 1.26.0\n")
	c.write("nested/b.go", "package b\n")
	c.write("nested/c/c_cgo.go", freedC)
	c.write("nested/c/c_test.go", "package c\n\nimport \"testing\"\n\nfunc TestC(t *testing.T) { Use(0) }\n")
	c.write("nested/b_test.go", "package b\n\nimport \"testing\"\n\nfunc TestB(t *testing.T) {}\n")
	c.write("testdata/x/go.mod", "module example.com/a/x\n\ngo 1.26.0\n")
	c.write("testdata/x/c.go", "package c\n\nfunc broken() { return 1 }\n")
	if out, err := exec.Command("git", "init", "-q", c.dir).CombinedOutput(); err != nil {
		t.Fatalf("git init: %v\n%s", err, out)
	}
	return c
}

// verdicts returns stage and verdict of each stage, sorted, and the lines behind the last. Stages run at
// the same time, and each prints what it said in one piece.
func verdicts(t *testing.T, stdout string) (stages, summary []string) {
	t.Helper()
	inside := ""
	for line := range strings.Lines(stdout) {
		line = strings.TrimSpace(line)
		if name, begins := strings.CutPrefix(line, "== "); begins {
			if inside != "" {
				t.Errorf("%q stands inside the stage %q", line, inside)
			}
			inside = name
		}
		if verdict, ends := strings.CutPrefix(line, "-- "); ends {
			if !strings.HasPrefix(verdict, inside+": ") {
				t.Errorf("%q ends the stage %q", line, inside)
			}
			inside = ""
			verdict, _, _ = strings.Cut(verdict, ", ")
			stages = append(stages, verdict)
			summary = nil
			continue
		}
		summary = append(summary, line)
	}
	slices.Sort(stages)
	return stages, summary
}

func TestTestPasses(t *testing.T) {
	c := testable(t)
	got := c.runIn(t.TempDir(), filepath.Join(c.dir, "scripts/test"))
	stages, summary := verdicts(t, got.stdout)
	want := []string{
		"address sanitizer .: ok", "address sanitizer nested: ok", "allocations: ok", "build .: ok", "formatting: ok", "shell scripts: ok",
		"test .: ok", "test nested: ok", "tidy .: ok", "tidy nested: ok", "vet .: ok", "vet nested: ok",
	}
	if diff := cmp.Diff(want, stages); diff != "" || got.status != 0 || len(summary) != 1 {
		t.Errorf("exit status %d, summary %q, stages (-want +got):\n%s%s%s", got.status, summary, diff, got.stdout, got.stderr)
	}
}

func TestTestGoesOnAndTellsAllFailures(t *testing.T) {
	c := testable(t)
	c.command("shellcheck", `for file; do echo "checking $file"; done; exit 1`)
	c.write("unformatted.go", "package a\n\nvar  x = 1\n")
	c.write("a_test.go", "package a\n\nimport \"testing\"\n\nfunc TestA(t *testing.T) { t.Error(\"wrong\") }\n")
	c.write("nested/b.go", "package b\n\nimport \"fmt\"\n\nfunc B() { fmt.Printf(\"%d\", \"x\") }\n")
	c.write("nested/b_test.go", "package b\n\nimport \"testing\"\n\nfunc TestB(t *testing.T) { t.Error(\"wrong\") }\n")
	c.write("nested/c/c_test.go", "package c\n\nimport \"testing\"\n\nfunc TestC(t *testing.T) { Use(1) }\n")
	c.write("nested/go.mod", "module example.com/a/nested\n\ngo 1.26.0\n\nrequire example.com/a v0.0.0\n\nreplace example.com/a => ..\n")
	got := c.runIn(t.TempDir(), filepath.Join(c.dir, "scripts/test"))
	stages, summary := verdicts(t, got.stdout)
	want := []string{
		"address sanitizer .: ok", "address sanitizer nested: FAILED", "allocations: ok", "build .: ok", "formatting: FAILED", "shell scripts: FAILED",
		"test .: FAILED", "test nested: FAILED", "tidy .: ok", "tidy nested: FAILED", "vet .: ok", "vet nested: FAILED",
	}
	if diff := cmp.Diff(want, stages); diff != "" || got.status != 1 {
		t.Errorf("exit status %d, stages (-want +got):\n%s%s%s", got.status, diff, got.stdout, got.stderr)
	}
	wantSummary := []string{
		"failed:", "address sanitizer nested", "formatting", "shell scripts", "test .", "test nested", "tidy nested",
		"vet nested",
	}
	if len(summary) == 0 {
		t.Fatal("no summary")
	}
	if diff := cmp.Diff(wantSummary, summary[1:]); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
	for _, want := range []string{"gofmt would change:\nunformatted.go\n", "checking scripts/lib.sh\n", "checking scripts/run\n", "checking scripts/test\n"} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("the output lacks %q:\n%s", want, got.stdout)
		}
	}
}

func TestTestTakesNoArguments(t *testing.T) {
	c := testable(t)
	if got := c.runIn(c.dir, "scripts/test", "-v"); got.status != 2 || got.stdout != "" || got.stderr != "test: takes no arguments\n" {
		t.Errorf("%+v", got)
	}
}

// TestUsageLines: a flag that there is not gets the script's second line, and status 2.
func TestUsageLines(t *testing.T) {
	for _, name := range []string{"bogo", "dropin", "features", "matrix", "peers", "pictures", "tools"} {
		cmd := exec.Command("./"+name, "--bogus")
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		cmd.Run()
		got := result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
		if got.status != 2 || got.stdout != "" || !strings.HasPrefix(got.stderr, "usage: scripts/"+name+" ") || strings.Count(got.stderr, "\n") != 1 {
			t.Errorf("scripts/%s --bogus: %+v", name, got)
		}
	}
}
