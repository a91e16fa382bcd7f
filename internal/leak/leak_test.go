package leak_test

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/golibssl/openssl/internal/leak"
)

// The test binary runs itself with LEAK_CHILD set, to see Main exit.
const childVar = "LEAK_CHILD"

var never = make(chan struct{})

func TestMain(m *testing.M) {
	switch os.Getenv(childVar) {
	case "goroutine", "extra", "failing test and goroutine": // what never settles
		leak.SetSettle(2 * time.Second)
	}
	if os.Getenv(childVar) == "extra" {
		leak.Main(m, func() error { return nil }, func() error { return errors.New("3 objects are alive") })
	}
	if os.Getenv(childVar) == "freed by cleanup" {
		leak.Main(m, func() error {
			if objects.Load() != 0 {
				return errors.New("the cleanup never ran")
			}
			return nil
		})
	}
	leak.Main(m)
}

var objects atomic.Int32

func waitForEver() { <-never }

// TestChild does in the child what its parent looks for.
func TestChild(t *testing.T) {
	switch what := os.Getenv(childVar); what {
	case "":
		t.Skip("runs only in the processes that TestMainExits starts")
	case "clean", "extra":
	case "goroutine":
		go waitForEver()
	case "goroutine of the runtime":
		go runtime.Gosched()
		time.AfterFunc(time.Hour, waitForEver)
		signal.Notify(make(chan os.Signal, 1), syscall.SIGUSR1)
	case "late goroutine":
		go time.Sleep(300 * time.Millisecond)
	case "failing test":
		t.Fatal("this test fails")
	case "failing test and goroutine":
		go waitForEver()
		t.Fatal("this test fails")
	case "freed by cleanup":
		objects.Add(1)
		p := new([64]int)
		runtime.AddCleanup(p, func(int) { objects.Add(-1) }, 0)
		runtime.KeepAlive(p)
	default:
		t.Fatalf("unknown %s=%s", childVar, what)
	}
}

func TestMainExits(t *testing.T) {
	if os.Getenv(childVar) != "" {
		t.Skip("runs only in the parent")
	}
	for _, test := range []struct {
		child  string
		status int
		says   []string
	}{
		{"clean", 0, nil},
		{"goroutine", 1, []string{"leak: 1 goroutines outlived the tests", "leak_test.waitForEver", "created by"}},
		{"goroutine of the runtime", 0, nil},
		{"late goroutine", 0, nil},
		{"failing test", 1, []string{"this test fails"}},
		{"failing test and goroutine", 1, []string{"this test fails", "leak: 1 goroutines"}},
		{"extra", 1, []string{"leak: 3 objects are alive"}},
		{"freed by cleanup", 0, nil},
	} {
		t.Run(test.child, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(os.Args[0], "-test.run=^TestChild$")
			cmd.Env = append(os.Environ(), childVar+"="+test.child, "GORACE=atexit_sleep_ms=0")
			out, err := cmd.CombinedOutput()
			if cmd.ProcessState == nil {
				t.Fatal(err)
			}
			if status := cmd.ProcessState.ExitCode(); status != test.status {
				t.Errorf("exit status %d, want %d\n%s", status, test.status, out)
			}
			for _, want := range test.says {
				if !strings.Contains(string(out), want) {
					t.Errorf("the output lacks %q:\n%s", want, out)
				}
			}
			if test.status == 0 && strings.Contains(string(out), "leak:") {
				t.Errorf("a clean run complains:\n%s", out)
			}
		})
	}
}

func TestLeaked(t *testing.T) {
	before := leak.Running()
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		<-stop
	}()
	leaked := strings.Join(before.Leaked(0), "\n")
	if !strings.Contains(leaked, "leak_test.TestLeaked.func1") {
		t.Errorf("the goroutine is not reported:\n%s", leaked)
	}
	if after := leak.Running(); len(after.Leaked(0)) != 0 {
		t.Error("a goroutine of the snapshot is reported")
	}
	close(stop)
	<-stopped
	for _, stack := range before.Leaked(time.Minute) {
		if strings.Contains(stack, "TestLeaked") {
			t.Errorf("a goroutine that has ended is reported:\n%s", stack)
		}
	}
}
