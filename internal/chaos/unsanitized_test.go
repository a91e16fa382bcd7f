//go:build !asan

package chaos

const freedMemoryStays = false
