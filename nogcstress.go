//go:build cgo && !gcstress

package openssl

// collect does nothing without the tag gcstress.
func collect() {}

func used[P any](p P) P { return p }
