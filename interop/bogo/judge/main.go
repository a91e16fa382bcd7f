// Command judge holds the results of BoringSSL's runner to the list of what is expected to fail.
//
//	judge -config FILE EXPECTED             writes the runner's shim configuration
//	judge -at-least N EXPECTED RESULTS      judges the results of all tests
//	judge -partial EXPECTED RESULTS         judges those of some
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
)

// rule is one pattern with its reason.
type rule struct {
	pattern, reason string
	skipped         bool // not run: whether it passes is luck
}

func parseRules(r io.Reader) (rules []rule, err error) {
	reason, skipped := "", false
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		mark, text, _ := strings.Cut(line, " ")
		switch mark {
		case "", "#":
		case "=", "!":
			reason, skipped = text, mark == "!"
		default:
			if _, err := path.Match(line, ""); err != nil {
				return nil, fmt.Errorf("line %d: %q: %w", n, line, err)
			}
			if reason == "" || text != "" {
				return nil, fmt.Errorf("line %d: a pattern without its reason: %q", n, line)
			}
			rules = append(rules, rule{line, reason, skipped})
		}
	}
	return rules, lines.Err()
}

// shimConfig is what the runner reads. AllCurves are those that OpenSSL has.
type shimConfig struct {
	AllCurves     []int
	DisabledTests map[string]string
	ErrorMap      map[string]string
}

func configOf(rules []rule) shimConfig {
	c := shimConfig{[]int{21, 23, 24, 25, 29}, map[string]string{}, map[string]string{}}
	for _, r := range rules {
		if r.skipped {
			c.DisabledTests[r.pattern] = r.reason
		}
	}
	return c
}

// results is what the runner writes with -json-output.
type results struct {
	Tests map[string]struct {
		Actual string `json:"actual"`
	} `json:"tests"`
}

// judge returns what is not as expected, and how many tests ended how.
func judge(rules []rule, res results, partial bool) (wrong []string, counts map[string]int) {
	counts = make(map[string]int)
	used := make([]bool, len(rules))
	for name, test := range res.Tests {
		counts[test.Actual]++
		listed := false
		for i, r := range rules {
			if ok, _ := path.Match(r.pattern, name); ok && !r.skipped {
				listed, used[i] = true, used[i] || test.Actual == "FAIL"
			}
		}
		switch {
		case test.Actual == "FAIL" && !listed:
			wrong = append(wrong, "fails, and is not listed: "+name)
		case test.Actual == "PASS" && listed:
			wrong = append(wrong, "passes, and is listed: "+name)
		case test.Actual != "FAIL" && test.Actual != "PASS" && test.Actual != "SKIP":
			wrong = append(wrong, fmt.Sprintf("%s: %s", test.Actual, name))
		}
	}
	for i, r := range rules {
		if !used[i] && !partial && !r.skipped {
			wrong = append(wrong, "no failure is like "+r.pattern)
		}
	}
	slices.Sort(wrong)
	return wrong, counts
}

func main() {
	config := flag.String("config", "", "write the runner's shim configuration to this file")
	atLeast := flag.Int("at-least", 0, "how many tests must have passed")
	partial := flag.Bool("partial", false, "only some of the tests were run")
	flag.Parse()
	if err := run(*config, *atLeast, *partial, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "judge:", err)
		os.Exit(1)
	}
}

func run(config string, atLeast int, partial bool, args []string) error {
	if len(args) != 1 && config != "" || len(args) != 2 && config == "" {
		return fmt.Errorf("%d arguments", len(args))
	}
	f, err := os.Open(args[0])
	if err != nil {
		return err
	}
	defer f.Close()
	rules, err := parseRules(f)
	if err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	if config != "" {
		b, err := json.Marshal(configOf(rules))
		if err != nil {
			return err
		}
		return os.WriteFile(config, b, 0o644)
	}
	b, err := os.ReadFile(args[1])
	if err != nil {
		return err
	}
	var res results
	if err := json.Unmarshal(b, &res); err != nil {
		return fmt.Errorf("%s: %w", args[1], err)
	}
	wrong, counts := judge(rules, res, partial)
	fmt.Printf("%d tests: %d passed, %d failed, %d not implemented\n",
		len(res.Tests), counts["PASS"], counts["FAIL"], counts["SKIP"])
	if counts["PASS"] < max(1, atLeast) {
		wrong = append(wrong, fmt.Sprintf("%d passed, at least %d should", counts["PASS"], max(1, atLeast)))
	}
	for _, w := range wrong {
		fmt.Println(w)
	}
	if len(wrong) > 0 {
		return fmt.Errorf("%d things are not as expected", len(wrong))
	}
	return nil
}
