module github.com/golibssl/openssl/bench

go 1.26.0

require (
	github.com/golibssl/openssl v0.0.0
	github.com/hashicorp/golang-lru/v2 v2.0.7
	github.com/libp2p/go-openssl v0.1.0
	golang.org/x/perf v0.0.0-20260908200009-22c9c6c9d4da
	golang.org/x/sys v0.48.0
)

require (
	github.com/aclements/go-moremath v0.0.0-20210112150236-f10218a38794 // indirect
	github.com/mattn/go-pointer v0.0.1 // indirect
	github.com/spacemonkeygo/spacelog v0.0.0-20180420211403-2296661a0572 // indirect
)

replace github.com/golibssl/openssl => ..
