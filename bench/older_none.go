//go:build !older

package main

import "errors"

// It builds on some versions of OpenSSL only.
func newOlder(*certificates, setting) (maker, error) {
	return nil, errors.New("built without the tag older")
}
