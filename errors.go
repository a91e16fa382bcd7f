//go:build cgo

package openssl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
)

// ErrorClass is SSL_get_error's answer for one call.
//
// OpenSSL: SSL_get_error(3).
type ErrorClass int

// The classes, with libssl's numbers.
const (
	ClassNone              ErrorClass = 0
	ClassSSL               ErrorClass = 1
	ClassWantRead          ErrorClass = 2
	ClassWantWrite         ErrorClass = 3
	ClassWantX509Lookup    ErrorClass = 4
	ClassSyscall           ErrorClass = 5
	ClassZeroReturn        ErrorClass = 6
	ClassWantConnect       ErrorClass = 7
	ClassWantAccept        ErrorClass = 8
	ClassWantAsync         ErrorClass = 9
	ClassWantAsyncJob      ErrorClass = 10
	ClassWantClientHelloCB ErrorClass = 11
	ClassWantRetryVerify   ErrorClass = 12
)

var classNames = [...]string{"NONE", "SSL", "WANT_READ", "WANT_WRITE", "WANT_X509_LOOKUP", "SYSCALL", "ZERO_RETURN",
	"WANT_CONNECT", "WANT_ACCEPT", "WANT_ASYNC", "WANT_ASYNC_JOB", "WANT_CLIENT_HELLO_CB", "WANT_RETRY_VERIFY"}

// String is libssl's name without SSL_ERROR_, such as WANT_READ.
func (c ErrorClass) String() string {
	if c >= 0 && int(c) < len(classNames) {
		return classNames[c]
	}
	return fmt.Sprintf("ErrorClass(%d)", int(c))
}

// Origin says who failed.
type Origin int

// The origins of an Error.
const (
	FromLibrary   Origin = iota // libssl or libcrypto refused, on its own or for what the peer sent
	FromPeer                    // the peer sent a fatal alert
	FromTransport               // the net.Conn below, or its end
	FromCaller                  // the call was wrong here: after Close, past a deadline, a bad argument
)

var originNames = [...]string{"library", "peer", "transport", "caller"}

func (o Origin) String() string {
	if o >= 0 && int(o) < len(originNames) {
		return originNames[o]
	}
	return fmt.Sprintf("Origin(%d)", int(o))
}

// QueueEntry is one entry of OpenSSL's error queue, oldest first.
//
// OpenSSL: ERR_get_error_all(3).
type QueueEntry struct {
	Code    uint64
	Lib     int // ERR_GET_LIB; 2 is the system's, its Reason an errno
	Reason  int // ERR_GET_REASON
	Library string
	Text    string // the reason in words
	Data    string // what the library added
}

// errLibSys is ERR_LIB_SYS.
const errLibSys = 2

func (e QueueEntry) String() string {
	text := e.Text
	if text == "" && e.Lib == errLibSys {
		text = syscall.Errno(e.Reason).Error()
	}
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

// Error is what failed, whose fault it was and everything OpenSSL said about it. It unwraps to
// the cause that Go programs test for: io.ErrUnexpectedEOF, net.ErrClosed, os.ErrDeadlineExceeded,
// a context's error, the transport's error, an AlertError, or one of this package's Err values.
// A truncated stream is never io.EOF. It is a net.Error.
type Error struct {
	Op     string     // handshake, read, write, shutdown, …, or the name of the C function on the raw layer
	Class  ErrorClass // SSL_get_error's answer; ClassNone where libssl was not asked
	Ret    int        // the C call's return value
	Errno  int        // errno of a ClassSyscall
	Origin Origin
	Queue  []QueueEntry // the whole error queue
	Err    error
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("openssl: ")
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
		b.WriteString(": ")
		b.WriteString(e.Class.String())
	}
	return b.String()
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Timeout reports whether a deadline passed; the connection can be used again after it.
func (e *Error) Timeout() bool {
	if errors.Is(e.Err, os.ErrDeadlineExceeded) || errors.Is(e.Err, context.DeadlineExceeded) {
		return true
	}
	var ne net.Error
	return errors.As(e.Err, &ne) && ne.Timeout()
}

// Temporary is Timeout.
//
// Deprecated: net.Error keeps it for old callers.
func (e *Error) Temporary() bool { return e.Timeout() }

// HasReason reports whether the queue holds reason of library lib, by OpenSSL's numbers.
func (e *Error) HasReason(lib, reason int) bool {
	for _, q := range e.Queue {
		if q.Lib == lib && q.Reason == reason {
			return true
		}
	}
	return false
}

// Errors that Error unwraps to.
var (
	// ErrFreed: the object was used after its Free.
	ErrFreed = errors.New("used after Free")
	// ErrFrozen: the Ctx has made a connection; it can no longer be changed.
	ErrFrozen = errors.New("the Ctx has made a connection and cannot be changed")
	// ErrShutdownState: the value is not one of the four shutdown states.
	ErrShutdownState = errors.New("a shutdown state is 0, 1, 2 or 3")
	// ErrNotEstablished: the handshake is not complete.
	ErrNotEstablished = errors.New("the handshake is not complete")
	// ErrWriteShut: our close_notify was sent; nothing may follow it (RFC 8446, section 6.1).
	ErrWriteShut = errors.New("write after close_notify")
	// ErrForcedState: the application set RECEIVED, and Read has no close_notify to tell of; or it set SENT,
	// and CloseWrite and Shutdown send none.
	ErrForcedState = errors.New("the shutdown state was set by the application")
	// ErrCannotReopen: a close_notify that was really sent or received cannot be unset.
	ErrCannotReopen = errors.New("a close_notify that was sent or received cannot be taken back")
	// ErrSessionCtx: the session belongs to another Ctx; serialise it to take it across.
	ErrSessionCtx = errors.New("the session belongs to another Ctx")
	// ErrSessionVerify: the session was not made by a handshake that verified this server name.
	ErrSessionVerify = errors.New("the session does not hold a verified certificate for this server name")
	// ErrBadSession: the bytes are not one whole DER session.
	ErrBadSession = errors.New("not a DER session")
	// ErrBadCertificate: a certificate or key cannot be read, or they do not belong together.
	ErrBadCertificate = errors.New("not a certificate with its key")
	// ErrNoHello: the handshake does not stand at a ClientHello.
	ErrNoHello = errors.New("the handshake does not stand at a ClientHello")
	// ErrNil: a required argument is nil.
	ErrNil = errors.New("nil argument")
	// ErrConfig: a field of Config, or an argument, has a value that cannot be used.
	ErrConfig = errors.New("bad configuration")
	// ErrNoServerName: verification needs a name, or must be turned off by name.
	ErrNoServerName = errors.New("either ServerName or InsecureSkipVerify must be set")
	// ErrTooManyKeyUpdates: the peer sent KeyUpdates without any data between them.
	ErrTooManyKeyUpdates = errors.New("too many KeyUpdates without data")
	// ErrNotTLS13: the connection is of an older version, which lacks what was asked. It is
	// errors.ErrUnsupported.
	ErrNotTLS13 = fmt.Errorf("%w: the connection is not TLS 1.3", errors.ErrUnsupported)
	// ErrNoPostHandshakeAuth: the client does not offer to be asked after the handshake.
	ErrNoPostHandshakeAuth = errors.New("the client does not offer post-handshake authentication")
	// ErrNotBound: what the connection exports may be another connection's too.
	ErrNotBound = errors.New("neither TLS 1.3 nor the extended master secret")
	// ErrUnreadData: Shutdown met application data; Read returns it.
	ErrUnreadData = errors.New("the peer sent data that was not read")
)

// UnreadDataError says how much data Shutdown has met. It is ErrUnreadData.
type UnreadDataError struct {
	N int // bytes of plaintext; kept for Read unless Config.ShutdownDiscard allowed to drop them
}

func (e *UnreadDataError) Error() string {
	return fmt.Sprintf("the peer sent %d bytes that were not read", e.N)
}

// Is reports whether target is ErrUnreadData.
func (e *UnreadDataError) Is(target error) bool { return target == ErrUnreadData }

// VerifyError is why libcrypto did not accept the peer's certificate. It unwraps to the alert that
// was sent for it.
//
// OpenSSL: SSL_get_verify_result(3), X509_verify_cert_error_string(3).
type VerifyError struct {
	Code   int // X509_V_ERR_
	Reason string
	Err    error
}

func (e *VerifyError) Error() string {
	if e.Err == nil {
		return "certificate not accepted: " + e.Reason
	}
	return "certificate not accepted: " + e.Reason + ": " + e.Err.Error()
}

// Unwrap returns Err.
func (e *VerifyError) Unwrap() error { return e.Err }

// libssl's library number and reason for a chain or a name that was not accepted.
const (
	errLibSSL               = 20
	reasonCertificateVerify = 134
	reasonNoExtension       = 279 // SSL_R_EXTENSION_NOT_RECEIVED
	reasonECHRequired       = 424 // SSL_R_ECH_REQUIRED
)

func callerError(op string, err error) *Error { return &Error{Op: op, Origin: FromCaller, Err: err} }

func transportError(op string, err error) *Error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return &Error{Op: op, Origin: FromCaller, Err: err}
	}
	return &Error{Op: op, Origin: FromTransport, Err: notEOF(err)}
}

// notEOF leaves io.EOF to the peer's close_notify, whatever a transport or a hook answers.
func notEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%w (%v)", io.ErrUnexpectedEOF, err)
	}
	return err
}

func configError(format string, args ...any) *Error {
	return &Error{Op: "config", Origin: FromCaller, Err: fmt.Errorf("%w: %s", ErrConfig, fmt.Sprintf(format, args...))}
}
