//go:build !cgo

package openssl

// Without cgo nothing of this package exists; this line makes the compiler say why.
var _ = this_package_needs_cgo__set_CGO_ENABLED_to_1_and_install_a_C_compiler_and_the_OpenSSL_headers
