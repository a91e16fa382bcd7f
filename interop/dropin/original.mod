module github.com/golibssl/openssl/interop/dropin

go 1.26.0

require github.com/spacemonkeygo/openssl v0.0.0-20181017203307-c2dcc5cca94a

require github.com/spacemonkeygo/spacelog v0.0.0-20180420211403-2296661a0572 // indirect
