package utils

import (
	"errors"
	"io"
	"sync"
	"testing"
)

func TestFutureWakesEveryWaiter(t *testing.T) {
	f := NewFuture()
	if f.Fired() {
		t.Fatal("a new Future has fired")
	}
	var started, done sync.WaitGroup
	for range 10 {
		started.Add(1)
		done.Go(func() {
			started.Done()
			if v, err := f.Get(); v != 7 || err != io.EOF {
				t.Errorf("Get = %v, %v; want 7, EOF", v, err)
			}
		})
	}
	started.Wait()
	f.Set(7, io.EOF)
	f.Set(8, nil)
	done.Wait()
	if !f.Fired() {
		t.Error("the Future has not fired")
	}
	if v, err := f.Get(); v != 7 || err != io.EOF {
		t.Errorf("Get after a second Set = %v, %v; want the first's", v, err)
	}
}

func TestFutureZeroValue(t *testing.T) {
	var f Future
	go f.Set("late", nil)
	if v, err := f.Get(); v != "late" || err != nil {
		t.Errorf("Get = %v, %v", v, err)
	}
}

func TestErrorGroup(t *testing.T) {
	var g ErrorGroup
	g.Add(nil)
	if err := g.Finalize(); err != nil || len(g.Errors) != 0 {
		t.Errorf("an empty group: %v, %v", err, g.Errors)
	}
	g.Add(io.EOF)
	if err := g.Finalize(); err != io.EOF {
		t.Errorf("one error: %v", err)
	}
	g.Add(io.ErrClosedPipe)
	err := g.Finalize()
	if err == nil || err.Error() != "EOF\nio: read/write on closed pipe" {
		t.Errorf("two errors: %v", err)
	}
	if !errors.Is(err, io.EOF) || !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("%v hides its errors", err)
	}
}
