//go:build cgo

package openssl

import "fmt"

// ShutdownState is the shutdown state of a connection, a bit mask of SentShutdown and
// ReceivedShutdown.
//
// OpenSSL: SSL_get_shutdown(3).
type ShutdownState int

// The bits of a ShutdownState; 0 is an open connection.
const (
	SentShutdown     ShutdownState = 1 // our close_notify
	ReceivedShutdown ShutdownState = 2 // the peer's close_notify; in libssl a fatal alert too
)

// String names the bits: open, SENT, RECEIVED, SENT|RECEIVED.
func (s ShutdownState) String() string {
	switch s {
	case 0:
		return "open"
	case SentShutdown:
		return "SENT"
	case ReceivedShutdown:
		return "RECEIVED"
	case SentShutdown | ReceivedShutdown:
		return "SENT|RECEIVED"
	}
	return fmt.Sprintf("ShutdownState(%d)", int(s))
}

// ShutdownResult is how far one SSL.Shutdown came.
type ShutdownResult int

// The results of SSL.Shutdown without an error, with libssl's return values.
const (
	ShutdownSent ShutdownResult = 0 // our close_notify is on its way; the peer's has not been read
	ShutdownBoth ShutdownResult = 1 // libssl has seen both
)

func (r ShutdownResult) String() string {
	switch r {
	case ShutdownSent:
		return "sent"
	case ShutdownBoth:
		return "both"
	}
	return fmt.Sprintf("ShutdownResult(%d)", int(r))
}

// Shutdown makes one SSL_shutdown: the first sends our close_notify, one after the peer's
// close_notify was read answers ShutdownBoth. Over unread application data the second call fails
// and destroys the connection: read until ClassZeroReturn instead. Errors are *Error with the class and
// return value. A ShutdownBoth can also mean that a fatal alert came: Facts tells.
//
// OpenSSL: SSL_shutdown(3).
func (s *SSL) Shutdown() (ShutdownResult, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.alive("SSL_shutdown"); err != nil {
		return 0, err
	}
	ret := s.h.shutdown()
	if ret < 0 {
		return 0, s.h.opError("SSL_shutdown")
	}
	return ShutdownResult(ret), nil
}

// GetShutdown returns the mask as libssl holds it; SENT in it means tried, not sent. After Free it
// is the mask at Free.
//
// OpenSSL: SSL_get_shutdown(3).
func (s *SSL) GetShutdown() ShutdownState {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone() {
		return s.lastMask
	}
	return ShutdownState(s.h.getShutdown())
}

// SetShutdown sets the mask and sends nothing. libssl masks nothing: any int stays, and with a bit
// above 3 SSL_shutdown never answers 1 again. Before the handshake the value is lost.
//
// OpenSSL: SSL_set_shutdown(3).
func (s *SSL) SetShutdown(state ShutdownState) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.alive("SSL_set_shutdown"); err != nil {
		return err
	}
	if int(int32(state)) != int(state) {
		return callerError("SSL_set_shutdown", ErrShutdownState)
	}
	s.h.setShutdown(int(state))
	return nil
}

// SetQuietShutdown makes SSL_shutdown set both bits and send nothing. The peer sees a truncation.
//
// OpenSSL: SSL_set_quiet_shutdown(3).
func (s *SSL) SetQuietShutdown(quiet bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.alive("SSL_set_quiet_shutdown"); err != nil {
		return err
	}
	s.h.setQuietShutdown(quiet)
	return nil
}

// QuietShutdown reports what SetQuietShutdown or the SSL_CTX said; false after Free.
//
// OpenSSL: SSL_get_quiet_shutdown(3).
func (s *SSL) QuietShutdown() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.gone() && s.h.quietShutdown()
}
