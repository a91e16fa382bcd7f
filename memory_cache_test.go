package openssl_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golibssl/openssl"
	"github.com/google/go-cmp/cmp"
)

var noWait = context.Background()

func put(t *testing.T, m openssl.SessionCache, id, value string, ttl time.Duration) {
	t.Helper()
	if err := m.Put(noWait, []byte(id), []byte(value), ttl); err != nil {
		t.Fatalf("Put(%q): %v", id, err)
	}
}

// ask is a Get; "" is a miss.
func ask(t *testing.T, m openssl.SessionCache, id string) string {
	t.Helper()
	b, err := m.Get(noWait, []byte(id))
	if err != nil {
		t.Fatalf("Get(%q): %v", id, err)
	}
	return string(b)
}

func TestMemoryCacheForgetsTheLeastRecentlyUsed(t *testing.T) {
	for _, max := range []int{1, 2, 3, 100, 2047} {
		t.Run(fmt.Sprint(max), func(t *testing.T) {
			m := openssl.NewMemoryCache(max)
			name := func(i int) string { return fmt.Sprint("session ", i) }
			for i := range max {
				put(t, m, name(i), "v", time.Hour)
			}
			for i := range max {
				if ask(t, m, name(i)) == "" {
					t.Fatalf("session %d of %d does not fit", i, max)
				}
			}
			// The order of use is 0 … max-1 now; a use of 0 makes 1 the next to go.
			ask(t, m, name(0))
			put(t, m, name(max), "v", time.Hour)
			victim := 1
			if max == 1 {
				victim = 0
			}
			for i := range max + 1 {
				if got, want := ask(t, m, name(i)) != "", i != victim; got != want {
					t.Errorf("session %d kept: %v, want %v", i, got, want)
				}
			}
			want := openssl.MemoryCacheStats{Hits: uint64(2*max + 1), Misses: 1, Puts: uint64(max + 1), Evicted: 1, Entries: max}
			got := m.Stats()
			got.Bytes = 0
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("stats (-want +got):\n%s", d)
			}
		})
	}
}

func TestMemoryCacheBoundsBytes(t *testing.T) {
	const room = 10_000
	m := openssl.NewMemoryCacheSize(1000, room)
	value := string(make([]byte, 1000))
	for i := range 100 {
		put(t, m, fmt.Sprint(i), value, time.Hour)
		if got := m.Stats().Bytes; got > room {
			t.Fatalf("%d bytes after %d sessions, want at most %d", got, i+1, room)
		}
	}
	n := m.Len()
	if n < 7 || n > 9 {
		t.Errorf("%d sessions of 1000 bytes in %d", n, room)
	}
	for i := range 100 {
		if got, want := ask(t, m, fmt.Sprint(i)) != "", i >= 100-n; got != want {
			t.Errorf("session %d kept: %v, want %v", i, got, want)
		}
	}
	put(t, m, "large", string(make([]byte, room)), time.Hour)
	if ask(t, m, "large") != "" || m.Len() != n {
		t.Errorf("a session larger than the bound was kept, or cost others: %+v", m.Stats())
	}
	for i := range 100 {
		m.Remove(noWait, []byte(fmt.Sprint(i)))
	}
	if got := m.Stats(); got.Bytes != 0 || got.Entries != 0 || got.Removed != uint64(n) {
		t.Errorf("after removing all: %+v", got)
	}
}

func TestMemoryCacheExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := openssl.NewMemoryCache(10)
		put(t, m, "short", "v", time.Second)
		put(t, m, "long", "v", time.Hour)
		put(t, m, "none", "v", 0)
		put(t, m, "past", "v", -time.Second)
		time.Sleep(time.Second - 1)
		if ask(t, m, "short") == "" {
			t.Error("expired a nanosecond early")
		}
		time.Sleep(1)
		for id, want := range map[string]bool{"short": false, "long": true, "none": false, "past": false} {
			if got := ask(t, m, id) != ""; got != want {
				t.Errorf("%s kept: %v, want %v", id, got, want)
			}
		}
		want := openssl.MemoryCacheStats{Hits: 2, Misses: 3, Puts: 2, Expired: 1, Entries: 1}
		got := m.Stats()
		got.Bytes = 0
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("stats (-want +got):\n%s", d)
		}
		// Memory of what nobody asks for comes back too.
		for i := range 5 {
			put(t, m, fmt.Sprint("unasked ", i), "v", time.Second)
		}
		time.Sleep(2 * time.Minute)
		put(t, m, "last", "v", time.Hour)
		if got := m.Stats(); got.Entries != 2 || got.Expired != 6 || got.Evicted != 0 {
			t.Errorf("after a sweep: %+v", got)
		}
	})
}

// A large cache is split: its bounds must hold as a whole, and what was used last must stay.
func TestMemoryCacheSharded(t *testing.T) {
	const max = 5000
	m := openssl.NewMemoryCache(max)
	id := func(i int) string { return string(binary.BigEndian.AppendUint64(nil, uint64(i))) }
	for i := range 4 * max {
		put(t, m, id(i), "v", time.Hour)
	}
	if n := m.Len(); n > max || n < max*9/10 {
		t.Errorf("%d sessions, want about %d and not more", n, max)
	}
	for i := 4*max - max/2; i < 4*max; i++ {
		if ask(t, m, id(i)) == "" {
			t.Fatalf("session %d, of the newest half, is gone", i)
		}
	}
	if s := m.Stats(); s.Puts != 4*max || s.Evicted != uint64(4*max-s.Entries) {
		t.Errorf("the counters do not add up: %+v", s)
	}
}

// Of many callers of Take one gets the session, and what was removed is never seen again.
func TestMemoryCacheConcurrently(t *testing.T) {
	m := openssl.NewMemoryCache(20_000)
	const sessions, callers = 2000, 6
	var mu sync.Mutex
	taken := make(map[int]int)
	var wg sync.WaitGroup
	for i := range sessions {
		put(t, m, fmt.Sprint(i), "v", time.Hour)
	}
	for range callers {
		wg.Go(func() {
			for i := range sessions {
				id := []byte(fmt.Sprint(i))
				if i%4 == 0 {
					m.Remove(noWait, id)
					if b, _ := m.Get(noWait, id); b != nil {
						t.Errorf("session %d is there after its Remove", i)
					}
					continue
				}
				if b, _ := m.Take(noWait, id); b != nil {
					mu.Lock()
					taken[i]++
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	for i := range sessions {
		want := 1
		if i%4 == 0 {
			want = 0
		}
		if taken[i] != want {
			t.Errorf("session %d was taken %d times, want %d", i, taken[i], want)
		}
	}
	want := openssl.MemoryCacheStats{Hits: 1500, Misses: 1500*(callers-1) + 500*callers, Puts: sessions, Removed: 500}
	if d := cmp.Diff(want, m.Stats()); d != "" {
		t.Errorf("stats (-want +got):\n%s", d)
	}
}
