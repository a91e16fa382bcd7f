package main

import (
	"errors"
	"slices"
	"testing"
)

func TestParse(t *testing.T) {
	first, later, err := parse([]string{"-port", "7", "-on-resume-async", "-on-initial-curves", "23", "-curves", "29",
		"-on-shim-select-alpn", "a", "-on-handshaker-select-alpn", "b", "-no-tls1", "-on-resume-no-tls13"})
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case first.port != 7 || later.port != 7:
		t.Errorf("ports %d and %d", first.port, later.port)
	case first.async || !later.async:
		t.Errorf("async: %v and %v", first.async, later.async)
	case !slices.Equal(first.curves, []int{23, 29}) || !slices.Equal(later.curves, []int{29}):
		t.Errorf("curves %v and %v", first.curves, later.curves)
	case first.selectALPN != "a" || later.selectALPN != "a":
		t.Errorf("ALPN %q and %q", first.selectALPN, later.selectALPN)
	case len(first.noVersion) != 1 || len(later.noVersion) != 2:
		t.Errorf("without %v and %v", first.noVersion, later.noVersion)
	}
}

func TestParseRefuses(t *testing.T) {
	if _, _, err := parse([]string{"-quic"}); !errors.Is(err, errUnimplemented) {
		t.Errorf("an unknown flag: %v", err)
	}
	for _, bad := range [][]string{{"-port"}, {"-port", "x"}} {
		if _, _, err := parse(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}
