package main

import (
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// event is a line of `go test -json`; see `go doc test2json` and, for builds, `go help buildjson`.
type event struct {
	Action      string
	Package     string
	ImportPath  string
	Test        string
	Output      string
	Key, Value  string
	FailedBuild string
}

type test struct{ pkg, name string }

type failure struct{ what, output string }

type results struct {
	ran, passed int
	failures    []failure
	skips       []string // the reasons, one for each skipped test
	libraries   map[string]bool
	compared    map[string]int

	running map[test]bool
	output  map[test]string
	builds  map[string]string
	failed  map[string]bool // packages with a failed test
}

func newResults() *results {
	return &results{
		libraries: map[string]bool{}, compared: map[string]int{},
		running: map[test]bool{}, output: map[test]string{}, builds: map[string]string{}, failed: map[string]bool{},
	}
}

// add reads one stream. A test that started and never ended has failed: its binary died. So has a
// skipped test without a reason.
func (r *results) add(stream io.Reader) error {
	events := json.NewDecoder(stream)
	for {
		var e event
		err := events.Decode(&e)
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("not the output of go test -json: %w", err)
		}
		if err := r.event(e); err != nil {
			return err
		}
	}
	for t := range r.running {
		r.fail(t, "did not end")
	}
	clear(r.running)
	return nil
}

func (r *results) event(e event) error {
	t := test{e.Package, e.Test}
	switch e.Action {
	case "build-output":
		r.builds[e.ImportPath] += e.Output
	case "output":
		r.output[t] += e.Output
	case "attr":
		return r.attr(e.Key, e.Value)
	case "run":
		r.ran++
		r.running[t] = true
	case "pass", "skip", "fail":
		delete(r.running, t)
		if t.name == "" {
			return r.packageEnd(e)
		}
		r.verdict(e.Action, t)
		delete(r.output, t)
	}
	return nil
}

func (r *results) attr(key, value string) error {
	switch key {
	case "library":
		r.libraries[value] = true
	case "compared":
		what, n, _ := strings.Cut(value, " ")
		count, err := strconv.Atoi(n)
		if err != nil {
			return fmt.Errorf("the attribute compared is a word and a number, not %q", value)
		}
		r.compared[what] += count
	}
	return nil
}

func (r *results) verdict(action string, t test) {
	switch action {
	case "pass":
		r.passed++
	case "fail":
		r.fail(t, "failed")
	case "skip":
		reason := skipReason(r.output[t])
		if reason == "" {
			r.fail(t, "was skipped without a reason")
			return
		}
		r.skips = append(r.skips, reason)
	}
}

func (r *results) fail(t test, how string) {
	r.failed[t.pkg] = true
	r.failures = append(r.failures, failure{t.pkg + " " + t.name + " " + how, r.output[t]})
}

// packageEnd: a package fails without a failed test when it does not build, when its TestMain
// fails, or when the binary died between two tests.
func (r *results) packageEnd(e event) error {
	if e.Action != "fail" {
		return nil
	}
	for t := range r.running {
		if t.pkg == e.Package {
			r.fail(t, "did not end")
			delete(r.running, t)
		}
	}
	switch {
	case e.FailedBuild != "":
		r.failures = append(r.failures, failure{e.Package + " does not build", r.builds[e.FailedBuild]})
	case !r.failed[e.Package]:
		r.failures = append(r.failures, failure{e.Package + " failed outside its tests", r.output[test{e.Package, ""}]})
	}
	return nil
}

func (r *results) skipReasons() map[string]int {
	count := map[string]int{}
	for _, reason := range r.skips {
		count[reason]++
	}
	return count
}

var logLine = regexp.MustCompile(`^ {4}[^ ]+\.go:\d+: (.*)$`)

// skipReason is the last thing a skipped test logged.
func skipReason(output string) string {
	var reason []string
	all := strings.Split(output, "\n")
	for _, line := range slices.Backward(all) {
		if m := logLine.FindStringSubmatch(line); m != nil {
			reason = append(reason, m[1])
			break
		}
		if strings.HasPrefix(line, "        ") {
			reason = append(reason, strings.TrimSpace(line))
		}
	}
	slices.Reverse(reason)
	return strings.TrimSpace(strings.Join(reason, " "))
}
