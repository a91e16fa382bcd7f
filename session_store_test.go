package openssl

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// scriptedStore is a shared cache in this process that logs what reaches it and can be held or down.
type scriptedStore struct {
	mu     sync.Mutex
	values map[string]string
	log    []string
	down   bool
	gate   chan struct{} // when not nil, every call waits for a receive or its context
	deaf   bool          // calls do not look at their context
}

func newScriptedStore() *scriptedStore { return &scriptedStore{values: make(map[string]string)} }

var errStoreDown = errors.New("the store is down")

func (s *scriptedStore) call(ctx context.Context, what string, id []byte, f func(id string)) error {
	if s.gate != nil {
		done := ctx.Done()
		if s.deaf {
			done = nil
		}
		select {
		case <-s.gate:
		case <-done:
			return ctx.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		s.log = append(s.log, what+" "+string(id)+" failed")
		return errStoreDown
	}
	s.log = append(s.log, what+" "+string(id))
	f(string(id))
	return nil
}

func (s *scriptedStore) Get(ctx context.Context, id []byte) (out []byte, err error) {
	err = s.call(ctx, "get", id, func(id string) { out = []byte(s.values[id]) })
	return out, err
}

func (s *scriptedStore) Take(ctx context.Context, id []byte) (out []byte, err error) {
	err = s.call(ctx, "take", id, func(id string) { out = []byte(s.values[id]); delete(s.values, id) })
	return out, err
}

func (s *scriptedStore) Put(ctx context.Context, id, session []byte, _ time.Duration) error {
	return s.call(ctx, "put", id, func(id string) { s.values[id] = string(session) })
}

func (s *scriptedStore) Remove(ctx context.Context, id []byte) error {
	return s.call(ctx, "remove", id, func(id string) { delete(s.values, id) })
}

func (s *scriptedStore) setDown(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

func (s *scriptedStore) calls() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.log)
}

// kept is the ids that the store holds.
func (s *scriptedStore) kept() (ids []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range s.values {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func queueOver(s SessionCache) *storeQueue {
	c := &Ctx{}
	c.stores.init(s, time.Second, time.Hour)
	return &c.stores
}

func (q *storeQueue) statsNow() SessionStats {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.stats
	s.Waiting = len(q.ids)
	return s
}

func TestStoreRemoveIsNeverOvertaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newScriptedStore()
		store.gate = make(chan struct{})
		q := queueOver(store)
		q.put([]byte("a"), []byte("value"), time.Hour)
		synctest.Wait() // the Put is under way
		q.remove([]byte("a"))
		q.put([]byte("b"), []byte("value"), time.Hour)
		q.remove([]byte("b"))
		close(store.gate)
		synctest.Wait()
		var ofA []string
		for _, call := range store.calls() {
			if call[len(call)-1] == 'a' {
				ofA = append(ofA, call)
			}
		}
		if d := cmp.Diff([]string{"put a", "remove a"}, ofA); d != "" {
			t.Errorf("calls for one id (-want +got):\n%s", d)
		}
		if ids := store.kept(); len(ids) != 0 {
			t.Errorf("the store still has %v", ids)
		}
		if d := cmp.Diff(SessionStats{Puts: 2, Removes: 2}, q.statsNow()); d != "" {
			t.Errorf("stats (-want +got):\n%s", d)
		}
	})
}

func TestStoreLookupSeesWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newScriptedStore()
		store.values["old"] = "value"
		store.gate = make(chan struct{})
		q := queueOver(store)
		// The workers are all kept busy, so that the rest has not begun.
		for i := range storeWorkers {
			q.put([]byte(fmt.Sprint("busy", i)), []byte("v"), time.Hour)
		}
		synctest.Wait()
		q.put([]byte("id"), []byte("value"), time.Hour)
		q.put([]byte("ticket"), []byte("value"), time.Hour)
		q.remove([]byte("old"))
		get := func(id string, take bool) string {
			b, err := q.get(t.Context(), []byte(id), take)
			if err != nil {
				t.Errorf("lookup of %s: %v", id, err)
			}
			return string(b)
		}
		got := []string{get("id", false), get("id", false), get("ticket", true), get("ticket", true), get("old", false), get("old", true)}
		if d := cmp.Diff([]string{"value", "value", "value", "", "", ""}, got); d != "" {
			t.Errorf("id twice, ticket taken twice, removed (-want +got):\n%s", d)
		}
		// What is being Put at this moment is taken when the store has it, by one caller.
		taken := make(chan string, 2)
		for range 2 {
			go func() { taken <- get("busy0", true) }()
		}
		synctest.Wait()
		close(store.gate)
		both := []string{<-taken, <-taken}
		slices.Sort(both)
		if d := cmp.Diff([]string{"", "v"}, both); d != "" {
			t.Errorf("two Takes of a running Put (-want +got):\n%s", d)
		}
		synctest.Wait()
		want := []string{"id"}
		for i := range storeWorkers {
			if i > 0 {
				want = append(want, fmt.Sprint("busy", i))
			}
		}
		slices.Sort(want)
		if d := cmp.Diff(want, store.kept()); d != "" {
			t.Errorf("the store without what was taken and removed (-want +got):\n%s", d)
		}
	})
}

func TestStoreDownDropsPutsAndKeepsRemoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newScriptedStore()
		const puts, ids = maxWaitingPuts + 200, 300
		for i := range ids {
			store.values[fmt.Sprint(i)] = "value"
		}
		store.gate = make(chan struct{})
		q := queueOver(store)
		for i := range puts {
			q.put([]byte(fmt.Sprint("new", i)), []byte("v"), time.Hour)
		}
		for i := range ids {
			q.remove([]byte(fmt.Sprint(i)))
		}
		synctest.Wait()
		s := q.statsNow()
		if s.PutsDropped == 0 || s.Puts+s.PutsDropped != puts || s.Puts > maxWaitingPuts+storeWorkers {
			t.Errorf("%d Puts taken, %d dropped, of %d", s.Puts, s.PutsDropped, puts)
		}
		store.setDown(true)
		close(store.gate)
		time.Sleep(5 * time.Minute)
		if s := q.statsNow(); s.Waiting != ids || s.RemoveErrors < ids {
			t.Errorf("while the store is down: %+v", s)
		}
		store.setDown(false)
		time.Sleep(2 * maxStoreRest)
		if ids := store.kept(); len(ids) != 0 {
			t.Errorf("%d sessions survived their Remove", len(ids))
		}
		if s := q.statsNow(); s.Waiting != 0 || s.Removes != ids {
			t.Errorf("after the store came back: %+v", s)
		}
	})
}

// A Remove is given up when the session could not be used any more.
func TestStoreRemoveEndsWithTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newScriptedStore()
		store.setDown(true)
		q := queueOver(store)
		q.remove([]byte("a"))
		time.Sleep(30 * time.Minute)
		if q.statsNow().Waiting != 1 {
			t.Error("the Remove was given up while the session lives")
		}
		time.Sleep(31 * time.Minute)
		if q.statsNow().Waiting != 0 {
			t.Error("the Remove is still tried when the session is over")
		}
	})
}

// A cache that hears neither its context nor anything else costs the lookup's time, no more.
func TestStoreLookupIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newScriptedStore()
		store.gate = make(chan struct{})
		store.deaf = true
		q := queueOver(store)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		if _, err := q.get(ctx, []byte("a"), false); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("lookup: %v", err)
		}
		if d := time.Since(begin); d != time.Second {
			t.Errorf("the lookup took %v", d)
		}
		close(store.gate)
	})
}

type panickyStore struct{ scriptedStore }

func (*panickyStore) Get(context.Context, []byte) ([]byte, error) { panic("in Get") }
func (*panickyStore) Remove(context.Context, []byte) error        { panic("in Remove") }

func TestStorePanicIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := queueOver(&panickyStore{})
		if _, err := q.get(t.Context(), []byte("a"), false); err == nil {
			t.Error("no error from a cache that panics")
		}
		q.remove([]byte("a"))
		time.Sleep(2 * time.Hour)
		if s := q.statsNow(); s.RemoveErrors == 0 || s.Waiting != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// endingStore's functions end their goroutines, as t.Fatal in a test's cache does.
type endingStore struct{ scriptedStore }

func (*endingStore) Get(context.Context, []byte) ([]byte, error) { runtime.Goexit(); return nil, nil }
func (*endingStore) Remove(context.Context, []byte) error        { runtime.Goexit(); return nil }
func (*endingStore) Put(context.Context, []byte, []byte, time.Duration) error {
	runtime.Goexit()
	return nil
}

func TestStoreEndsItsGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := queueOver(&endingStore{})
		if _, err := q.get(t.Context(), []byte("a"), false); err == nil || t.Context().Err() != nil {
			t.Errorf("Get's end: %v", err)
		}
		for i := range 2 * storeWorkers { // more than may be lost
			q.put([]byte{byte(i)}, []byte("value"), time.Hour)
		}
		q.remove([]byte("a"))
		time.Sleep(2 * time.Hour)
		if s := q.statsNow(); s.PutErrors != 2*storeWorkers || s.RemoveErrors == 0 || s.Waiting != 0 {
			t.Errorf("%+v", s)
		}
	})
}
