//go:build cgo

package openssl

import (
	"runtime"
	"sync"
)

// blockSize objects share one allocation and one cleanup: AddCleanup allocates twice, so that an object of its own
// for every digest and cipher would cost three allocations where the finalizer it replaces cost one.
const blockSize = 4

// A block's C objects are freed when none of its Go objects is in use any more, or one by one by their Close. The
// handles stand apart because the cleanup needs them when the block is gone.
type block[T any] struct {
	objects [blockSize]T
	handles *[blockSize]handle
	used    int
}

// blocks hands out objects of type T, each with a handle. It keeps the rest of a block in a sync.Pool, which the
// garbage collector empties: a block of which nothing is in use lives at most two collections longer.
type blocks[T any] struct {
	rest    sync.Pool
	cleanup func(*[blockSize]handle)
}

func (b *blocks[T]) next() (*T, *handle) {
	k, _ := b.rest.Get().(*block[T])
	if k == nil {
		k = &block[T]{handles: new([blockSize]handle)}
		runtime.AddCleanup(k, b.cleanup, k.handles)
	}
	i := k.used
	k.used++
	if k.used < blockSize {
		b.rest.Put(k)
	}
	return &k.objects[i], &k.handles[i]
}
