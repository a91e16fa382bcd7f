module github.com/golibssl/openssl/interop/dropin

go 1.26.0

require (
	github.com/golibssl/openssl v0.0.0
	github.com/google/go-cmp v0.7.0
	github.com/spacemonkeygo/openssl v0.0.0-20181017203307-c2dcc5cca94a
)

require github.com/golibssl/openssl/legacy v0.0.0 // indirect

replace (
	github.com/golibssl/openssl => ../..
	github.com/golibssl/openssl/legacy => ../../legacy
	github.com/spacemonkeygo/openssl => ../../spacemonkey
)
