module github.com/golibssl/openssl/interop/peers

go 1.26.0

require github.com/golibssl/openssl v0.0.0

replace github.com/golibssl/openssl => ../..
