// Package utils is the API of the predecessors' package utils. It stands alone: nothing here calls OpenSSL.
package utils

import "sync"

// Future is a value that comes later: one goroutine sets it, any number wait for it. The zero value is ready to use.
type Future struct {
	mu    sync.Mutex
	ready chan struct{} // closed by the first Set
	set   bool
	val   any
	err   error
}

// NewFuture returns a Future without a value.
func NewFuture() *Future { return new(Future) }

// locked: the caller holds mu.
func (f *Future) readyLocked() chan struct{} {
	if f.ready == nil {
		f.ready = make(chan struct{})
	}
	return f.ready
}

// Get waits until a value has been set and returns it.
func (f *Future) Get() (any, error) {
	f.mu.Lock()
	ready := f.readyLocked()
	f.mu.Unlock()
	<-ready
	return f.val, f.err
}

// Fired reports whether a value has been set: Get does not wait then.
func (f *Future) Fired() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.set
}

// Set gives the Future its value. Only the first call counts.
func (f *Future) Set(val any, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.set {
		return
	}
	f.set, f.val, f.err = true, val, err
	close(f.readyLocked())
}
