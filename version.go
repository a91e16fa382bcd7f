//go:build cgo

package openssl

// LibraryVersion is the libssl that is loaded, such as "OpenSSL 3.0.19 27 Jan 2026".
//
// OpenSSL: OpenSSL_version(3).
func LibraryVersion() string { return libraryVersionText() }

// LibraryVersionNumber is the loaded library's version, 0x1010100f and later.
//
// OpenSSL: OpenSSL_version_num(3).
func LibraryVersionNumber() uint64 { return libraryVersionNum() }
