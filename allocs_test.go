//go:build !race

package openssl_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"runtime"
	"testing"
	"time"
)

// TestReadWriteAllocateNothing makes a million calls over TCP. It is not run under the race
// detector, which allocates on its own; scripts/test runs it with the address sanitizer.
func TestReadWriteAllocateNothing(t *testing.T) {
	const bytes, size = 16_000_000, 32 // size of a Read
	type written struct {
		version uint16
		size    int
	}
	for _, w := range []written{{tls.VersionTLS12, size}, {tls.VersionTLS13, size}, {tls.VersionTLS13, 10 * size}} {
		version, calls := w.version, bytes/w.size
		t.Run(fmt.Sprintf("%s/writes of %d", tls.VersionName(version), w.size), func(t *testing.T) {
			c, s := connected(t, newCtx(t, clientConfig(version)), newCtx(t, serverConfig(t, version)))
			c.SetDeadline(time.Now().Add(5 * testTime))
			s.SetDeadline(time.Now().Add(5 * testTime))
			says(t, c, s, "the queues have their sizes")
			in, out := make([]byte, size), make([]byte, w.size)
			done := make(chan error, 1)
			write := func(n int) {
				for range n {
					if _, err := c.Write(out); err != nil {
						done <- err
						return
					}
				}
				done <- nil
			}
			round := func(n int) {
				go write(n)
				for range n * w.size / size {
					if _, err := io.ReadFull(s, in); err != nil {
						t.Fatal(err)
					}
				}
				if err := <-done; err != nil {
					t.Fatal(err)
				}
			}
			round(1000)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			round(calls)
			runtime.ReadMemStats(&after)
			// A goroutine, its stack, and what the runtime does meanwhile; one in a thousand calls
			// would be a thousand.
			if n := after.Mallocs - before.Mallocs; n > 200 {
				t.Errorf("%d allocations while %d bytes passed", n, bytes)
			}
		})
	}
}
