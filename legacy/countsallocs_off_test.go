//go:build race || asan || gcstress

package openssl

// countsAllocations is false where allocations are not what they are: under the race detector sync.Pool drops objects at random, asan
// allocates more, gcstress collects all the time.
const countsAllocations = false
