//go:build cgo && gcstress

package openssl

import (
	"runtime"
	"time"
)

// stress collects garbage and lets the cleanups run: a missing KeepAlive is then a use after free.
func stress() {
	runtime.GC()
	time.Sleep(20 * time.Microsecond)
}
