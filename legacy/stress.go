//go:build cgo && !gcstress

package openssl

// stress collects garbage under the build tag gcstress, between taking a C pointer out of its Go object and using it.
func stress() {}
