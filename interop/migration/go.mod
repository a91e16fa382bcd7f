module github.com/golibssl/openssl/interop/migration

go 1.26.0

require (
	github.com/golibssl/openssl v0.0.0
	github.com/google/go-cmp v0.7.0
	golang.org/x/mod v0.42.0
)

replace github.com/golibssl/openssl => ../..
