//go:build cgo

package openssl

import (
	"runtime"
	"sync"
)

// signWorkers are threads for the handshakes that a signature may suspend: libcrypto's ASYNC jobs go on in
// the thread that began them and nowhere else. A worker never waits for a signature: while Go makes it, the
// worker serves other handshakes. There are workers while there are such handshakes.
type signWorkers struct {
	mu    sync.Mutex
	users int
	next  int
	work  []chan func()
}

var signing signWorkers

// hire answers the worker for a handshake; leave says that the handshake is over.
func (w *signWorkers) hire() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.users++; w.work == nil {
		for range runtime.GOMAXPROCS(0) {
			ch := make(chan func())
			w.work = append(w.work, ch)
			go func() {
				runtime.LockOSThread() // and never unlocked: the thread ends with the jobs that it keeps for reuse
				for f := range ch {
					f()
				}
			}()
		}
	}
	w.next = (w.next + 1) % len(w.work)
	return w.next
}

func (w *signWorkers) leave() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.users--; w.users == 0 {
		for _, ch := range w.work {
			close(ch)
		}
		w.work = nil
	}
}

// run calls f, which must not wait for anybody, in a worker's thread.
func (w *signWorkers) run(worker int, f func()) {
	w.mu.Lock()
	ch := w.work[worker]
	w.mu.Unlock()
	done := make(chan struct{})
	ch <- func() { defer close(done); f() }
	<-done
}
