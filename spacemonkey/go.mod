module github.com/golibssl/openssl/spacemonkey

go 1.26.0

require github.com/golibssl/openssl/legacy v0.0.0

require github.com/golibssl/openssl v0.0.0 // indirect

replace (
	github.com/golibssl/openssl => ..
	github.com/golibssl/openssl/legacy => ../legacy
)
