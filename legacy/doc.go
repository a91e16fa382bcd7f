// Package openssl is the API of github.com/spacemonkeygo/openssl and github.com/libp2p/go-openssl, for programs that were written for
// them, on every OpenSSL from 1.1.1 to 4.0. Such programs do not import it by this name: they replace what they import by
// github.com/golibssl/openssl/spacemonkey or github.com/golibssl/openssl/libp2p, whose types are this package's. New programs use
// github.com/golibssl/openssl, or the standard library's crypto packages.
//
// A connection is one of github.com/golibssl/openssl, which Conn.Root returns, with its endings; what libssl asks on the way (server names,
// certificates, ticket keys) it asks the callbacks of the Ctx. Their panics are raised where the handshake was called.
//
// Every call is one call into C with an error queue of its own: an *Error holds what OpenSSL said about this call and nothing
// else, and no call leaves anything for another to trip over. An *ArgumentError is a call that could not be made; an
// *UnsupportedError names what the OpenSSL that is loaded no longer has and since which version. C memory is freed
// when its Go object is garbage, or by Close where there is one.
//
// Unless a type says otherwise, keys, digests and ciphers may be used by any number of goroutines, and what changes by being used
// (hashes, HMACs, cipher contexts, names, certificates that are being made) by one at a time.
//
// It needs cgo and OpenSSL's headers. With the build tag openssl_static it is linked statically.
//
// The two modules' files are written by go generate here, after every change of what is exported.
package openssl

//go:generate go run ./internal/reexport -o ../spacemonkey/api.go -package openssl -import github.com/golibssl/openssl/legacy -but nid.go,callback.go,conn.go,ctx.go,ctx_modes.go,hostname.go,net.go,ssl.go,ssl_cgo.go,tickets.go .
//go:generate go run ./internal/reexport -o ../spacemonkey/conn.go -package openssl -import github.com/golibssl/openssl/legacy -only callback.go,conn.go,ctx.go,ctx_modes.go,hostname.go,net.go,ssl.go,ssl_cgo.go,tickets.go .
//go:generate go run ./internal/reexport -o ../spacemonkey/nid.go -package openssl -import github.com/golibssl/openssl/legacy -only nid.go .
//go:generate go run ./internal/reexport -o ../spacemonkey/utils/api.go -package utils -import github.com/golibssl/openssl/legacy/utils ./utils
//go:generate go run ./internal/reexport -o ../libp2p/api.go -package openssl -import github.com/golibssl/openssl/legacy -but nid.go,callback.go,conn.go,ctx.go,ctx_modes.go,hostname.go,net.go,ssl.go,ssl_cgo.go,tickets.go .
//go:generate go run ./internal/reexport -o ../libp2p/conn.go -package openssl -import github.com/golibssl/openssl/legacy -only callback.go,conn.go,ctx.go,ctx_modes.go,hostname.go,net.go,ssl.go,ssl_cgo.go,tickets.go .
//go:generate go run ./internal/reexport -o ../libp2p/nid.go -package openssl -import github.com/golibssl/openssl/legacy -only nid.go .
//go:generate go run ./internal/reexport -o ../libp2p/utils/api.go -package utils -import github.com/golibssl/openssl/legacy/utils ./utils
