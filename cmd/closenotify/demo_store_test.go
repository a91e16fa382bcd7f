package main

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// startRedis starts a redis-server of its own and returns its URL.
func startRedis(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server is not installed; it is in Debian's package redis-server")
	}
	port := freePort(t)
	startServer(t, "127.0.0.1:"+port, exec.CommandContext(t.Context(), "redis-server",
		"--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", t.TempDir()))
	return "redis://127.0.0.1:" + port
}

// A shared store forgets what libssl's own cache forgets.
func TestDemoStore(t *testing.T) {
	url := startRedis(t)
	want, got := tool(t, "", "demo"), tool(t, "", "demo", "--store", url)
	if got.Status != exitDone || got.Stderr != "" {
		t.Fatalf("demo --store: %+v", got)
	}
	table, summary, _ := strings.Cut(got.Stdout, "\nThe store at ")
	if d := cmp.Diff(want.Stdout, table); d != "" {
		t.Errorf("the tables differ (-libssl's cache +store):\n%s", d)
	}
	n := regexp.MustCompile(`: (\d+) sessions put, (\d+) found, (\d+) not found, (\d+) removed`).FindStringSubmatch(summary)
	if n == nil {
		t.Fatalf("the summary is %q", summary)
	}
	if n[2] != "4" || n[1] == "0" || n[4] == "0" {
		t.Errorf("%s put, %s found, %s removed; want 4 found: clean and half-close on two protocols", n[1], n[2], n[4])
	}
	if d := cmp.Diff(tool(t, "", "demo", "--json"), tool(t, "", "demo", "--json", "--store", url)); d != "" {
		t.Errorf("JSON (-libssl's cache +store):\n%s", d)
	}
}

func TestDemoStoreRefuses(t *testing.T) {
	for url, status := range map[string]int{
		"redis://127.0.0.1:" + freePort(t): exitFailed,
		"http://localhost":                 exitUsage,
		"localhost:6379":                   exitUsage,
	} {
		cmd := process(t.Context(), "demo", "--store", url)
		var stdout, stderr strings.Builder
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		cmd.Run()
		if cmd.ProcessState.ExitCode() != status || stdout.Len() > 0 || strings.Count(stderr.String(), "\n") != 1 {
			t.Errorf("demo --store %s: %v, printed %q and %q", url, cmd.ProcessState, stdout.String(), stderr.String())
		}
	}
}
