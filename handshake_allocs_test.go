//go:build !race && !asan

package openssl_test

import (
	"crypto/tls"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/golibssl/openssl"
)

// TestHandshakeAllocations counts what Go allocates for both ends of a connection until its handshake is
// done, with and without a session.
func TestHandshakeAllocations(t *testing.T) {
	const conns, most = 50, 40
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, resumed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/resumed=%v", tls.VersionName(version), resumed), func(t *testing.T) {
				cfg := clientConfig(version)
				if resumed {
					cfg.ClientSessionCache = openssl.NewLRUClientSessionCache(0)
				}
				client, server := newCtx(t, cfg), newCtx(t, serverConfig(t, version))
				shaken := make(chan error)
				var sum uint64
				for i := range conns + 10 {
					a, b := tcpEnds(t)
					a.SetDeadline(time.Now().Add(testTime))
					b.SetDeadline(time.Now().Add(testTime))
					var before, after runtime.MemStats
					runtime.ReadMemStats(&before)
					c, cerr := openssl.Client(a, client)
					s, serr := openssl.Server(b, server)
					if cerr != nil || serr != nil {
						t.Fatal(cerr, serr)
					}
					go func() { shaken <- s.Handshake() }()
					if err := c.Handshake(); err != nil {
						t.Fatal(err)
					}
					if err := <-shaken; err != nil {
						t.Fatal(err)
					}
					runtime.ReadMemStats(&after)
					if i >= 10 { // the pools are filled, and the cache
						sum += after.Mallocs - before.Mallocs
						if c.ConnectionState().DidResume != resumed {
							t.Fatalf("connection %d: resumed %v", i, !resumed)
						}
					}
					says(t, s, c, "TLS 1.3's tickets come before this")
					c.Close()
					s.Close()
				}
				n := sum / conns
				t.Logf("%d allocations", n)
				if n > most {
					t.Errorf("more than %d", most)
				}
			})
		}
	}
}
