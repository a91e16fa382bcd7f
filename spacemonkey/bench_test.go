package openssl_test

import (
	"os"
	"os/exec"
	"regexp"
	"testing"
)

var benchmarkLine = regexp.MustCompile(`(?m)^(Benchmark\w+Throughput)(?:-\d+)?\s+\d+\s+.* MB/s`)

// The original's own benchmarks, out of the module cache, with this module in the place of what they were written for and with crypto/tls
// as they have it. Here they run for a moment, to see that they do; for figures set THROUGHPUT to a -benchtime, such as 5s, and -v.
func TestOriginalsBenchmarks(t *testing.T) {
	benchtime := os.Getenv("THROUGHPUT")
	if benchtime == "" {
		benchtime = "100x"
	}
	cmd := exec.CommandContext(t.Context(), "go", "test", "-vet=off", "-run", "^$", "-bench", "Throughput$", "-benchtime", benchtime, ".")
	cmd.Dir = originalsTests(t)
	cmd.Env = append(append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod"), environment(t)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	ran := map[string]bool{}
	for _, m := range benchmarkLine.FindAllSubmatch(out, -1) {
		ran[string(m[1])] = true
		t.Logf("%s", m[0])
	}
	for _, name := range []string{"BenchmarkStdlibThroughput", "BenchmarkOpenSSLThroughput", "BenchmarkStdlibOpenSSLThroughput", "BenchmarkOpenSSLStdlibThroughput"} {
		if !ran[name] {
			t.Errorf("%s has not run:\n%s", name, out)
		}
	}
}
