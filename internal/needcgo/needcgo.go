//go:build !cgo

package needcgo

const _ = openssl_needs_cgo__set_CGO_ENABLED_to_1_and_install_a_C_compiler_and_the_headers_of_libssl
