//go:build !race

package openssl_test

import (
	"crypto/tls"
	"io"
	"runtime"
	"testing"
	"time"
)

// TestReadWriteAllocateNothing makes a million calls over TCP. It is not run under the race
// detector, which allocates on its own; scripts/test runs it with the address sanitizer.
func TestReadWriteAllocateNothing(t *testing.T) {
	const calls, size = 500_000, 32
	for _, version := range bothVersions {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			c, s := connected(t, newCtx(t, clientConfig(version)), newCtx(t, serverConfig(t, version)))
			c.SetDeadline(time.Now().Add(5 * testTime))
			s.SetDeadline(time.Now().Add(5 * testTime))
			says(t, c, s, "the queues have their sizes")
			in, out := make([]byte, size), make([]byte, size)
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
				for range n {
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
				t.Errorf("%d allocations in %d calls", n, 2*calls)
			}
		})
	}
}
