package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/leak"
)

func TestMain(m *testing.M) {
	leak.Main(m, func() error {
		if live := openssl.LiveObjects(); live.SSL != 0 {
			return fmt.Errorf("still alive: %+v", live)
		}
		return nil
	})
}

// TestBothSidesWork runs each comparison that needs no other program once, so that a figure is never an error's.
func TestBothSidesWork(t *testing.T) {
	certs, err := newCertificates()
	if err != nil {
		t.Fatal(err)
	}
	defer certs.remove()
	p := plan{pairs: 1, sample: time.Millisecond, only: regexp.MustCompile("")}
	ran := 0
	for _, c := range append(append(append(handshakes(p, certs), data(p, certs)...), closes(certs)...), caches()...) {
		if c.against == "L" || c.against == "O" {
			continue
		}
		t.Run(strings.ReplaceAll(c.name(), "/", "-"), func(t *testing.T) {
			p := p
			r, err := measure(c, p)
			for err == nil && min(r.ours, r.theirs) == 0 && p.sample < 10*time.Second { // a busy machine did nothing in that time
				p.sample *= 10
				r, err = measure(c, p)
			}
			if err != nil {
				t.Fatal(err)
			}
			if r.ours <= 0 || r.theirs <= 0 || r.ratio <= 0 {
				t.Errorf("%+v", r)
			}
		})
		ran++
	}
	if ran < 10 {
		t.Errorf("only %d comparisons ran", ran)
	}
}

// A comparison of resumptions resumes, on both sides.
func TestResumedResumes(t *testing.T) {
	certs, err := newCertificates()
	if err != nil {
		t.Fatal(err)
	}
	defer certs.remove()
	for name, f := range map[string]makes{"ours": newOurs, "standard": newStandard} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			m, err := f(certs, setting{version: version, resumed: true})
			if err != nil {
				t.Fatal(err)
			}
			if err := oneConnection(m, inMemory, true); err == nil {
				t.Errorf("%s, %s: the first connection is said to be a resumption", name, tls.VersionName(version))
			}
			if err := errors.Join(oneConnection(m, inMemory, false), oneConnection(m, inMemory, true)); err != nil {
				t.Errorf("%s, %s: %v", name, tls.VersionName(version), err)
			}
		}
	}
}

func TestInMemory(t *testing.T) {
	a, b, _ := inMemory()
	io.WriteString(a, "one")
	io.WriteString(a, "two")
	a.Close()
	got, err := io.ReadAll(b)
	if string(got) != "onetwo" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
	if _, err := b.Write(nil); err == nil {
		t.Error("a write to a closed transport works")
	}
}
