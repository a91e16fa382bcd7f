package main

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

const library = "OpenSSL 3.5.7 9 Jun 2026"

func stream(events ...string) *fstest.MapFile {
	return &fstest.MapFile{Data: []byte(strings.Join(events, "\n") + "\n")}
}

func event3(action, test, more string) string {
	return `{"Action":"` + action + `","Package":"p","Test":"` + test + `"` + more + `}`
}

func passed(test string) []string {
	return []string{event3("run", test, ""), event3("pass", test, "")}
}

var saysLibrary = event3("attr", "TestA", `,"Key":"library","Value":"`+library+`"`)

// rowOf is one row whose only stream has the events, around a test that passes.
func rowOf(t *testing.T, events ...string) *row {
	t.Helper()
	all := append(append([]string{saysLibrary}, passed("TestA")...), events...)
	r, err := readRow(fstest.MapFS{
		"3.5/library": &fstest.MapFile{Data: []byte(library + "\n")},
		"3.5/notes":   &fstest.MapFile{Data: []byte("without -race\n")},
		"3.5/seconds": &fstest.MapFile{Data: []byte("12\n")},
		"3.5/m.json":  stream(all...),
	}, "3.5")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestGreen(t *testing.T) {
	r := rowOf(t,
		event3("run", "TestB", ""),
		event3("output", "TestB", `,"Output":"    b_test.go:7: an older line\n"`),
		event3("output", "TestB", `,"Output":"    b_test.go:9: needs OpenSSL 4.0:\n"`),
		event3("output", "TestB", `,"Output":"        it has no queue\n"`),
		event3("output", "TestB", `,"Output":"--- SKIP: TestB (0.00s)\n"`),
		event3("skip", "TestB", ""),
		event3("attr", "TestA", `,"Key":"compared","Value":"scripts 1000"`),
		event3("attr", "TestA", `,"Key":"compared","Value":"scripts 24"`),
		`{"Action":"pass","Package":"p"}`,
	)
	if !r.green() {
		t.Errorf("not green: %v %v", r.problems, r.tests.failures)
	}
	var out strings.Builder
	report(&out, []*row{r})
	want := `  tests  passed  failed  skipped  seconds  version
      2       1       0        1       12  3.5: OpenSSL 3.5.7 9 Jun 2026, ok

skipped:
  needs OpenSSL 4.0: it has no queue (3.5 1)

compared:
  3.5: scripts 1024

notes:
  without -race (3.5)

green on 1 of 1 rows
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
}

func TestRed(t *testing.T) {
	tests := []struct {
		name   string
		events []string
		want   string
	}{
		{"failed test", []string{event3("run", "TestB", ""), event3("output", "TestB", `,"Output":"    b_test.go:9: 3 is not 1\n"`), event3("fail", "TestB", ""), `{"Action":"fail","Package":"p"}`},
			"3.5: p TestB failed\n        b_test.go:9: 3 is not 1\n"},
		{"test without an end", []string{event3("run", "TestB", ""), `{"Action":"fail","Package":"p"}`},
			"3.5: p TestB did not end\n"},
		{"stream cut off", []string{event3("run", "TestB", "")},
			"3.5: p TestB did not end\n"},
		{"skip without a reason", []string{event3("run", "TestB", ""), event3("output", "TestB", `,"Output":"--- SKIP: TestB (0.00s)\n"`), event3("skip", "TestB", "")},
			"3.5: p TestB was skipped without a reason\n"},
		{"build", []string{`{"ImportPath":"q [q.test]","Action":"build-output","Output":"q_test.go:1: undefined: x\n"}`, `{"Action":"fail","Package":"q","FailedBuild":"q [q.test]"}`},
			"3.5: q does not build\n    q_test.go:1: undefined: x\n"},
		{"TestMain", []string{`{"Action":"output","Package":"p","Output":"2 goroutines leaked\n"}`, `{"Action":"fail","Package":"p"}`},
			"3.5: p failed outside its tests\n    2 goroutines leaked\n"},
		{"another library", []string{event3("attr", "TestA", `,"Key":"library","Value":"OpenSSL 3.0.19"`)},
			"3.5: the tests ran on OpenSSL 3.0.19 and " + library + ", not on " + library + "\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var out strings.Builder
			if report(&out, []*row{rowOf(t, test.events...)}) {
				t.Error("report says that the row is green")
			}
			for _, want := range []string{test.want, "NOT GREEN\n", "\nnot green: 3.5\n"} {
				if !strings.Contains(out.String(), want) {
					t.Errorf("report lacks %q:\n%s", want, out.String())
				}
			}
		})
	}
}

// A row without tests is red whatever else it says.
func TestRedWithoutTests(t *testing.T) {
	empty := &fstest.MapFile{Data: []byte("")}
	said := &fstest.MapFile{Data: []byte(library)}
	tests := []struct {
		name  string
		files fstest.MapFS
		want  string
	}{
		{"not fetched", fstest.MapFS{"3.5/problems": &fstest.MapFile{Data: []byte("cannot be fetched\n")}}, "3.5: cannot be fetched\n"},
		{"nothing ran", fstest.MapFS{"3.5/library": said, "3.5/m.json": empty}, "3.5: no test has passed\n"},
		{"no folder", fstest.MapFS{}, "3.5: no test has passed\n"},
		{"only silent tests", fstest.MapFS{"3.5/library": said, "3.5/m.json": stream(passed("TestA")...)}, "3.5: no test said which library is loaded\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r, err := readRow(test.files, "3.5")
			if err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			if report(&out, []*row{r}) || !strings.Contains(out.String(), test.want) {
				t.Errorf("report is green or lacks %q:\n%s", test.want, out.String())
			}
		})
	}
}

func TestUnreadableStream(t *testing.T) {
	for _, text := range []string{"FAIL\tp [setup failed]\n", saysLibrary[:20], event3("attr", "TestA", `,"Key":"compared","Value":"many"`)} {
		if _, err := readRow(fstest.MapFS{"3.5/m.json": stream(text)}, "3.5"); err == nil {
			t.Errorf("no error from %q", text)
		}
	}
}
