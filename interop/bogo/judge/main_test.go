package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

const list = `
# what fails
= it is known
Known-*
Stale
! it is luck
Luck-?
`

func results1(t *testing.T, tests map[string]string) (res results) {
	t.Helper()
	var body []string
	for name, actual := range tests {
		body = append(body, `"`+name+`":{"actual":"`+actual+`","expected":"PASS"}`)
	}
	if err := json.Unmarshal([]byte(`{"tests":{`+strings.Join(body, ",")+`}}`), &res); err != nil {
		t.Fatal(err)
	}
	return res
}

func TestJudge(t *testing.T) {
	rules, err := parseRules(strings.NewReader(list))
	if err != nil {
		t.Fatal(err)
	}
	res := results1(t, map[string]string{
		"Good": "PASS", "Known-1": "FAIL", "Known-2": "PASS", "Known-3": "SKIP", "New": "FAIL", "Luck-1": "FAIL", "Odd": "CRASH",
	})
	wrong, counts := judge(rules, res, false)
	want := []string{
		"CRASH: Odd",
		"fails, and is not listed: Luck-1",
		"fails, and is not listed: New",
		"no failure is like Stale",
		"passes, and is listed: Known-2",
	}
	if !slices.Equal(wrong, want) {
		t.Errorf("got %q, want %q", wrong, want)
	}
	if counts["PASS"] != 2 || counts["FAIL"] != 3 || counts["SKIP"] != 1 {
		t.Errorf("%v", counts)
	}
	wrong, _ = judge(rules, res, true)
	if slices.Contains(wrong, "no failure is like Stale") {
		t.Error("of some tests not every pattern can be met")
	}
	if c := configOf(rules); len(c.DisabledTests) != 1 || c.DisabledTests["Luck-?"] != "it is luck" {
		t.Errorf("%v", c.DisabledTests)
	}
}

func TestRulesNeedReasons(t *testing.T) {
	for _, bad := range []string{"Name", "= why\nTwo Names", "= why\n[", "=\nName"} {
		if rules, err := parseRules(strings.NewReader(bad)); err == nil {
			t.Errorf("%q gave %v", bad, rules)
		}
	}
}
