package openssl

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// rerun runs the calling test again in a process of its own with env added and stdin as its input, and reports whether this
// is that process. The first process waits for the second one's verdict.
func rerun(t *testing.T, stdin string, env ...string) (child bool) {
	t.Helper()
	const mark = "LEGACY_TEST_CHILD"
	if os.Getenv(mark) == t.Name() {
		return true
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, "-test.run=^"+strings.ReplaceAll(t.Name(), "/", "$/^")+"$", "-test.v", "-test.count=1")
	cmd.Env = append(append(os.Environ(), env...), mark+"="+t.Name())
	cmd.Stdin = strings.NewReader(stdin)
	cmd.WaitDelay = time.Minute
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("in a process of its own: %v\n%s", err, out)
	}
	if strings.Contains(string(out), "--- SKIP") {
		t.Skipf("in a process of its own:\n%s", out)
	}
	return false
}

// legacyProvider is the environment of a process that loads the legacy provider besides the default one.
func legacyProvider(t *testing.T) string {
	t.Helper()
	conf := filepath.Join(t.TempDir(), "openssl.cnf")
	text := "openssl_conf = init\n[init]\nproviders = provs\n[provs]\ndefault = on\nlegacy = on\n[on]\nactivate = 1\n"
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return "OPENSSL_CONF=" + conf
}

// wantArgumentError fails unless err is an *ArgumentError whose text contains text.
func wantArgumentError(t *testing.T, err error, text string) {
	t.Helper()
	var arg *ArgumentError
	if !errors.As(err, &arg) || !strings.Contains(err.Error(), text) {
		t.Errorf("error %v (%T); want an *ArgumentError with %q", err, err, text)
	}
}

// wantError fails unless err is an *Error with a queue.
func wantError(t *testing.T, err error) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v (%T); want an *Error", err, err)
	}
	if len(e.Queue) == 0 {
		t.Errorf("error %v holds nothing of what OpenSSL said", err)
	}
	return e
}

// wantUnsupported fails unless err is an *UnsupportedError since that version.
func wantUnsupported(t *testing.T, err error, since string) {
	t.Helper()
	var u *UnsupportedError
	if !errors.As(err, &u) || u.Since != since {
		t.Fatalf("error %v (%T); want an *UnsupportedError since %s", err, err, since)
	}
	if !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("%v is not errors.ErrUnsupported", err)
	}
	if !strings.Contains(err.Error(), since) {
		t.Errorf("%v does not say since when", err)
	}
}

// collect makes the garbage collector run and its cleanups with it.
func collect() {
	for range 3 {
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
