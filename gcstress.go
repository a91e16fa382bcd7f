//go:build cgo && gcstress

package openssl

import (
	"runtime"
	"time"
)

// collect stands before each use of a handle that a cleanup frees: what nothing holds any more is freed
// here, and an address sanitizer or a crash tells. It does not wait for ever, since it runs in cleanups
// too.
func collect() {
	done := make(chan struct{})
	runtime.AddCleanup(&notTiny{}, func(done chan struct{}) { close(done) }, done)
	runtime.GC()
	select {
	case <-done:
	case <-time.After(time.Millisecond):
	}
}

// used is collect between taking p out of its owner and giving it to C: an owner that nobody keeps
// alive is freed there.
func used[P any](p P) P {
	collect()
	return p
}
