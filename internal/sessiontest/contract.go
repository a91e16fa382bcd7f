//go:build cgo

package sessiontest

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/golibssl/openssl"
)

// TestContract holds a SessionCache to what openssl.SessionCache promises. newCache may answer with
// the same store each time.
func TestContract(t *testing.T, newCache func(t *testing.T) openssl.SessionCache) {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	newID := func() []byte {
		id := make([]byte, 32)
		rand.Read(id)
		return id
	}
	type op func(ctx context.Context, id []byte) ([]byte, error)
	is := func(t *testing.T, what string, f op, id, want []byte) {
		t.Helper()
		got, err := f(ctx, id)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %q, %v, want %q", what, got, err, want)
		}
	}
	done := func(t *testing.T, what string, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	value := bytes.Repeat([]byte("session "), 40)

	t.Run("get leaves, take takes", func(t *testing.T) {
		c, id := newCache(t), newID()
		is(t, "Get before Put", c.Get, id, nil)
		is(t, "Take before Put", c.Take, id, nil)
		done(t, "Put", c.Put(ctx, id, value, time.Hour))
		is(t, "Get", c.Get, id, value)
		is(t, "Get again", c.Get, id, value)
		is(t, "Take", c.Take, id, value)
		is(t, "Take again", c.Take, id, nil)
		is(t, "Get after Take", c.Get, id, nil)
	})
	t.Run("removed is gone", func(t *testing.T) {
		c, id, other := newCache(t), newID(), newID()
		done(t, "Put", c.Put(ctx, id, value, time.Hour))
		done(t, "Put", c.Put(ctx, other, value, time.Hour))
		done(t, "Remove", c.Remove(ctx, id))
		is(t, "Get", c.Get, id, nil)
		is(t, "Take", c.Take, id, nil)
		is(t, "Get of another", c.Get, other, value)
		done(t, "Remove of what is gone", c.Remove(ctx, id))
		done(t, "Remove of what never was", c.Remove(ctx, newID()))
	})
	t.Run("any id", func(t *testing.T) {
		c := newCache(t)
		ids := [][]byte{{0}, []byte("a b\r\n*{}[]$"), bytes.Repeat([]byte{0xff}, 32), {7}}
		for i, id := range ids {
			done(t, "Put", c.Put(ctx, id, fmt.Append(nil, "value ", i), time.Hour))
		}
		for i, id := range ids {
			is(t, fmt.Sprintf("Get of %x", id), c.Get, id, fmt.Append(nil, "value ", i))
			done(t, "Remove", c.Remove(ctx, id))
		}
		is(t, "Get of no id", c.Get, nil, nil)
	})
	t.Run("its own copy", func(t *testing.T) {
		c, id := newCache(t), newID()
		gone, mine := bytes.Clone(id), bytes.Clone(value)
		done(t, "Put", c.Put(ctx, gone, mine, time.Hour))
		clear(gone)
		clear(mine)
		is(t, "Get", c.Get, id, value)
	})
	t.Run("time", func(t *testing.T) {
		c, id, past := newCache(t), newID(), newID()
		done(t, "Put", c.Put(ctx, id, value, 50*time.Millisecond))
		done(t, "Put", c.Put(ctx, past, value, 0))
		is(t, "Get of what had no time", c.Get, past, nil)
		for until := time.Now().Add(Patience); ; time.Sleep(10 * time.Millisecond) {
			if got, _ := c.Get(ctx, id); got == nil {
				break
			}
			if time.Now().After(until) {
				t.Fatal("the session never expires")
			}
		}
		is(t, "Take of the expired", c.Take, id, nil)
	})
	t.Run("one of many takes", func(t *testing.T) {
		c := newCache(t)
		for range 20 {
			id := newID()
			done(t, "Put", c.Put(ctx, id, value, time.Hour))
			var mu sync.Mutex
			takers := 0
			var wg sync.WaitGroup
			for range 6 {
				wg.Go(func() {
					got, err := c.Take(ctx, id)
					mu.Lock()
					defer mu.Unlock()
					done(t, "Take", err)
					if got != nil {
						takers++
					}
				})
			}
			wg.Wait()
			if takers != 1 {
				t.Fatalf("%d callers took one session", takers)
			}
		}
	})
}
