//go:build !race && !asan && !gcstress

package openssl

const countsAllocations = true
