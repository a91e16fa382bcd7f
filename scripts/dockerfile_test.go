package scripts_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// TestDockerfilePins: what the Dockerfile takes by default is exact, and its table names it. That it builds
// is scripts/dockerfile-check's to try.
func TestDockerfilePins(t *testing.T) {
	source, err := os.ReadFile("../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	pins := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^ARG ([A-Z_]+)=(.+)$`).FindAllStringSubmatch(string(source), -1) {
		pins[m[1]] = m[2]
	}
	for name, form := range map[string]string{
		"BASE_IMAGE":     `^debian:\d+\.\d+-slim@sha256:[0-9a-f]{64}$`,
		"GO_IMAGE":       `^golang:\d+\.\d+\.\d+-[a-z]+$`,
		"DEBIAN_MIRROR":  `/\d{8}T\d{6}Z$`,
		"LIBSSL_VERSION": `^\d+\.\d+\.\d+-\d+`,
	} {
		if !regexp.MustCompile(form).MatchString(pins[name]) {
			t.Errorf("%s is %q, want %s", name, pins[name], form)
		}
	}
	date := pins["DEBIAN_MIRROR"][strings.LastIndex(pins["DEBIAN_MIRROR"], "/")+1:]
	row := regexp.MustCompile(`(?m)^# +` + regexp.QuoteMeta(pins["LIBSSL_VERSION"]) + ` +[\d.]+ +` + date + `$`)
	if !row.Match(source) {
		t.Errorf("the table has no row for %s of %s", pins["LIBSSL_VERSION"], date)
	}
	for _, never := range []string{":latest", "apt-get upgrade", "|| true"} {
		if strings.Contains(string(source), never) {
			t.Errorf("the Dockerfile has %q", never)
		}
	}
}

func TestDockerfileCheckUsage(t *testing.T) {
	for _, args := range [][]string{{"--nonsense"}, {"--mirror"}, {"3.5.7"}} {
		cmd := exec.Command("./dockerfile-check", args...)
		out, err := cmd.CombinedOutput()
		if err == nil || cmd.ProcessState.ExitCode() != 2 || !strings.HasPrefix(string(out), "usage: scripts/dockerfile-check") {
			t.Errorf("%v: %v, %s", args, err, out)
		}
	}
}
