//go:build cgo

package openssl

import (
	"context"
	"sync"
	"time"
)

// SessionStats counts what a Ctx's servers did with Config.SessionCache.
type SessionStats struct {
	Lookups      uint64 // handshakes that asked for a session
	Hits         uint64 // found, and given to libssl
	LookupErrors uint64 // the cache failed or was too late
	// found, and not a session of that id and this session id context, or the time of its certificate is over
	Refused uint64

	Puts        uint64 // handed to the cache
	PutErrors   uint64
	PutsDropped uint64 // never handed over: too many waited

	Removes      uint64 // sessions that an unclean end has made bad
	RemoveErrors uint64 // attempts; they are repeated until the session's time is over

	Waiting int // ids with a Put or Remove not yet done, now
}

// SessionStats returns the counters. They belong to the Ctx, whatever else uses its cache.
func (c *Ctx) SessionStats() SessionStats {
	q := &c.stores
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.stats
	s.Waiting = len(q.ids)
	return s
}

const (
	maxWaitingPuts = 4096
	storeWorkers   = 8
	storeTimeout   = 5 * time.Second // of one write in the background

	// How long a failed Remove rests; the pause doubles while the store stays down.
	minStoreRest = time.Second
	maxStoreRest = 30 * time.Second
)

// storeQueue does a Ctx's work on its cache. A MemoryCache answers at once. For any other, writes
// are done in the background, in order for each id: a Remove is never overtaken by its Put. A Put
// is dropped when too many wait, a Remove never. A lookup sees what still waits.
type storeQueue struct {
	cache  SessionCache
	direct bool
	wait   time.Duration // of a lookup
	life   time.Duration // of a session
	busy   gauge         // ids with work

	mu      sync.Mutex // guards everything below
	ids     map[string]*storeWork
	ready   []*storeWork // first come first
	resting []*storeWork // Removes that failed
	rest    time.Duration
	puts    int // in next of any id
	workers int
	stats   SessionStats
}

// storeWork is what is to be done for one id: at most one operation waits, the newest.
type storeWork struct {
	id            string
	next, running *storeOp
	queued        bool // in ready or resting
}

type storeOp struct {
	value []byte // nil: Remove
	ttl   time.Duration
	until time.Time // when a Remove is moot
	done  chan struct{}
}

func (q *storeQueue) init(cache SessionCache, wait, life time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.cache, q.wait, q.life = cache, wait, life
	_, q.direct = cache.(*MemoryCache)
	if q.wait <= 0 {
		q.wait = time.Second
	}
	q.ids = make(map[string]*storeWork)
	q.rest = minStoreRest
}

func (q *storeQueue) put(id, value []byte, ttl time.Duration) {
	op := &storeOp{value: value, ttl: ttl}
	q.mu.Lock()
	q.stats.Puts++
	if q.direct {
		q.mu.Unlock()
		q.run(string(id), op)
		return
	}
	defer q.mu.Unlock()
	if q.puts >= maxWaitingPuts {
		q.stats.Puts--
		q.stats.PutsDropped++
		return
	}
	q.add(id, op)
}

func (q *storeQueue) remove(id []byte) {
	op := &storeOp{until: time.Now().Add(q.life)}
	q.mu.Lock()
	q.stats.Removes++
	if q.direct {
		q.mu.Unlock()
		q.run(string(id), op)
		return
	}
	defer q.mu.Unlock()
	q.add(id, op)
}

// add needs mu.
func (q *storeQueue) add(id []byte, op *storeOp) {
	w := q.ids[string(id)]
	if w == nil {
		w = &storeWork{id: string(id)}
		q.ids[w.id] = w
		q.busy.add(1)
	}
	q.setNext(w, op)
	if w.running == nil && !w.queued {
		q.push(w)
	}
}

// setNext replaces what waits for an id and has not begun.
func (q *storeQueue) setNext(w *storeWork, op *storeOp) {
	if w.next != nil && w.next.value != nil {
		q.puts--
	}
	if w.next = op; op != nil {
		op.done = make(chan struct{})
		if op.value != nil {
			q.puts++
		}
	}
}

func (q *storeQueue) begin(w *storeWork) *storeOp {
	op := w.next
	q.setNext(w, nil)
	w.queued = false
	w.running = op
	return op
}

func (q *storeQueue) push(w *storeWork) {
	w.queued = true
	q.ready = append(q.ready, w)
	if q.workers < storeWorkers {
		q.workers++
		go q.work()
	}
}

func (q *storeQueue) work() {
	q.mu.Lock()
	defer q.mu.Unlock()
	defer func() {
		q.workers--
		if len(q.ready) > 0 { // a function of the cache has ended this goroutine
			q.workers++
			go q.work()
		}
	}()
	for len(q.ready) > 0 {
		q.workOne()
	}
}

// workOne needs mu, which it gives up for the cache.
func (q *storeQueue) workOne() {
	w := q.ready[0]
	q.ready[0] = nil
	q.ready = q.ready[1:]
	op := q.begin(w)
	err := errGoexit
	defer func() { q.worked(w, op, err) }()
	q.mu.Unlock()
	defer q.mu.Lock()
	err = q.run(w.id, op)
}

func (q *storeQueue) worked(w *storeWork, op *storeOp, err error) {
	w.running = nil
	close(op.done)
	switch {
	case w.next != nil:
		q.push(w)
	case err != nil && op.value == nil && time.Now().Before(op.until):
		q.setNext(w, op)
		w.queued = true
		q.resting = append(q.resting, w)
		if len(q.resting) == 1 {
			time.AfterFunc(q.rest, q.wake)
			q.rest = min(2*q.rest, maxStoreRest)
		}
	default:
		q.forget(w)
	}
	if err == nil {
		q.rest = minStoreRest
	}
}

// wake has the failed Removes tried again.
func (q *storeQueue) wake() {
	q.mu.Lock()
	defer q.mu.Unlock()
	again := q.resting
	q.resting = nil
	for _, w := range again {
		q.push(w)
	}
}

func (q *storeQueue) forget(w *storeWork) {
	delete(q.ids, w.id)
	q.busy.add(-1)
}

func (q *storeQueue) run(id string, op *storeOp) (err error) {
	ctx := context.Background()
	if !q.direct {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, storeTimeout)
		defer cancel()
	}
	err = errGoexit
	defer func() {
		if err == nil {
			return
		}
		q.mu.Lock()
		defer q.mu.Unlock()
		if op.value == nil {
			q.stats.RemoveErrors++
		} else {
			q.stats.PutErrors++
		}
	}()
	err = guard("SessionCache", func() error {
		if op.value == nil {
			return q.cache.Remove(ctx, []byte(id))
		}
		return q.cache.Put(ctx, []byte(id), op.value, op.ttl)
	})
	return err
}

// get is a Get or Take that sees what still waits.
func (q *storeQueue) get(ctx context.Context, id []byte, take bool) ([]byte, error) {
	for !q.direct {
		value, known, running := q.waiting(id, take)
		if known {
			return value, nil
		}
		if running == nil {
			break
		}
		select {
		case <-running:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	ask := func() (value []byte, err error) {
		err = guard("SessionCache", func() (err error) {
			if take {
				value, err = q.cache.Take(ctx, id)
			} else {
				value, err = q.cache.Get(ctx, id)
			}
			return err
		})
		return value, err
	}
	if q.direct {
		return ask()
	}
	// The handshake does not depend on a cache that keeps to its context.
	type answer struct {
		value []byte
		err   error
	}
	answered := make(chan answer, 1)
	go func() {
		a := answer{err: errGoexit}
		defer func() { answered <- a }()
		a.value, a.err = ask()
	}()
	select {
	case a := <-answered:
		return a.value, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// waiting answers for an id that has work under way. To Take what is just being Put, the caller
// waits for running: the store must not keep what is used.
func (q *storeQueue) waiting(id []byte, take bool) (value []byte, known bool, running <-chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	w := q.ids[string(id)]
	if w == nil {
		return nil, false, nil
	}
	op := w.next
	if op == nil {
		op = w.running
	}
	switch {
	case op.value == nil || !take:
		return op.value, true, nil
	case w.running != nil && w.running.value != nil:
		return nil, false, w.running.done
	}
	q.setNext(w, &storeOp{until: time.Now().Add(q.life)})
	return op.value, true, nil
}
