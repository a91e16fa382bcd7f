module github.com/golibssl/openssl/interop/nettest

go 1.26.0

require (
	github.com/golibssl/openssl v0.0.0
	golang.org/x/net v0.62.0
)

replace github.com/golibssl/openssl => ../..
