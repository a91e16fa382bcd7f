//go:build !cgo

package openssl

import _ "github.com/golibssl/openssl/internal/needcgo"
