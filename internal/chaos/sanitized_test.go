//go:build asan

package chaos

const freedMemoryStays = true // the address sanitizer keeps what was freed for a while
