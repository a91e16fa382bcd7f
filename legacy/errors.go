//go:build cgo

package openssl

import (
	"errors"
	"fmt"
	"strings"
)

// QueueEntry is one entry of OpenSSL's error queue, oldest first.
//
// OpenSSL: ERR_get_error_all(3).
type QueueEntry struct {
	Code    uint64
	Lib     int // ERR_GET_LIB
	Reason  int // ERR_GET_REASON
	Library string
	Text    string // the reason in words
	Data    string // what the library added
}

func (e QueueEntry) String() string {
	text := e.Text
	if text == "" {
		text = fmt.Sprintf("reason(%d)", e.Reason)
	}
	if e.Library != "" {
		text = e.Library + ": " + text
	}
	if e.Data != "" {
		text += " (" + e.Data + ")"
	}
	return text
}

// Error is an operation that OpenSSL refused, with everything that OpenSSL said about it. The queue is that of this
// one call: what an earlier call left is never in it.
type Error struct {
	Op    string // what failed
	Queue []QueueEntry
	Err   error // the cause that Go programs test for with errors.Is, or nil

	unsupported bool
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.Err != nil {
		b.WriteString(": ")
		b.WriteString(e.Err.Error())
	}
	for _, q := range e.Queue {
		b.WriteString(": ")
		b.WriteString(q.String())
	}
	if e.Err == nil && len(e.Queue) == 0 {
		b.WriteString(": OpenSSL gives no reason")
	}
	return b.String()
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// ArgumentError is an argument, or an object, that a call cannot take. OpenSSL was not asked.
type ArgumentError struct {
	Op     string
	Reason string
}

func (e *ArgumentError) Error() string { return e.Op + ": " + e.Reason }

func badArgument(op, format string, args ...any) error {
	return &ArgumentError{Op: op, Reason: fmt.Sprintf(format, args...)}
}

// UnsupportedError is what OpenSSL had once and the one that is loaded has not. It is errors.ErrUnsupported.
type UnsupportedError struct {
	What  string // an algorithm or an interface
	Since string // the OpenSSL version that dropped it, such as "3.0"
	Why   string
	Err   error // what OpenSSL said, or nil
}

func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("%s is not available since OpenSSL %s: %s", e.What, e.Since, e.Why)
}

// Unwrap returns Err.
func (e *UnsupportedError) Unwrap() error { return e.Err }

// Is reports whether target is errors.ErrUnsupported.
func (e *UnsupportedError) Is(target error) bool { return target == errors.ErrUnsupported }

// Causes that an Error unwraps to.
var (
	// ErrPasswordNeeded: a key is encrypted and no password was given. Nobody is asked on the terminal.
	ErrPasswordNeeded = errors.New("the key is encrypted and needs a password")
	// ErrPasswordTooLong: OpenSSL cannot take a password of this length (its limit is 1024 bytes).
	ErrPasswordTooLong = errors.New("the password is too long")
)

// failed makes op's error of q, or nil when q is nil.
func failed(op string, q queuePtr) error {
	if q == nil {
		return nil
	}
	return queueError(op, q)
}

// failedWith is failed for a call on a named algorithm: from 3.0 on the old ones need the legacy provider.
func failedWith(algorithm, op string, q queuePtr) error {
	if q == nil {
		return nil
	}
	e := queueError(op, q)
	if !e.unsupported {
		return e
	}
	return &UnsupportedError{What: algorithm, Since: "3.0", Err: e,
		Why: "no loaded provider has it; the legacy provider, or a FIPS setting, decides"}
}

const closedReason = "it has been closed, or was not made by its New function"
