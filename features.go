//go:build cgo

package openssl

import (
	"errors"
	"fmt"
)

// UnsupportedError says that the loaded library cannot do what was asked, which is found out at run time.
// It is errors.ErrUnsupported.
type UnsupportedError struct {
	Feature string // such as "crypto.Signer"
	Needs   string // such as "OpenSSL 3.0"
}

func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("%s needs %s; %s is loaded", e.Feature, e.Needs, LibraryVersion())
}

// Is reports whether target is errors.ErrUnsupported.
func (e *UnsupportedError) Is(target error) bool { return target == errors.ErrUnsupported }

func unsupported(op, feature, needs string) *Error {
	return &Error{Op: op, Origin: FromLibrary, Err: &UnsupportedError{feature, needs}}
}
