package openssl_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/golibssl/openssl"
)

// protocol is one of the four ways in which sessions are resumed.
type protocol struct {
	name     string
	version  uint16
	stateful bool // the server keeps the sessions
}

var (
	tls12ID        = protocol{"tls12-id", tls.VersionTLS12, true}
	tls12Ticket    = protocol{"tls12-ticket", tls.VersionTLS12, false}
	tls13Stateful  = protocol{"tls13-stateful", tls.VersionTLS13, true}
	tls13Stateless = protocol{"tls13-stateless", tls.VersionTLS13, false}

	tls12        = []protocol{tls12ID, tls12Ticket}
	tls13        = []protocol{tls13Stateful, tls13Stateless}
	allProtocols = []protocol{tls12ID, tls12Ticket, tls13Stateful, tls13Stateless}
	eachVersion  = []protocol{tls12Ticket, tls13Stateless}
)

// The suites that package cleartext opens.
const (
	suite12 = "ECDHE-ECDSA-AES128-GCM-SHA256"
	suite13 = "TLS_AES_128_GCM_SHA256"
)

// before30 reports a libssl to which an end of the transport is no error of its own.
func before30() bool { return openssl.LibraryVersionNumber() < 0x30000000 }

// said is an error in a word or two.
func said(err error) string {
	var alert *openssl.AlertError
	var unread *openssl.UnreadDataError
	switch {
	case err == nil:
		return "ok"
	case err == io.EOF:
		return "EOF"
	case errors.Is(err, io.EOF):
		return "an error that is io.EOF: " + err.Error()
	case errors.As(err, &alert):
		if alert.FromPeer {
			return "alert from the peer: " + alert.Alert.String()
		}
		return "alert sent: " + alert.Alert.String()
	case errors.As(err, &unread):
		return fmt.Sprintf("%d bytes unread", unread.N)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "unexpected EOF"
	case errors.Is(err, net.ErrClosed):
		return "closed"
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "timeout"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "reset"
	}
	for _, known := range []error{openssl.ErrWriteShut, openssl.ErrNotEstablished, openssl.ErrForcedState,
		openssl.ErrCannotReopen, openssl.ErrShutdownState, openssl.ErrTooManyKeyUpdates, openssl.ErrFreed} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return err.Error()
}

// readAll reads until an error and says what it got, as in `"hello" EOF`.
func readAll(r io.Reader) string {
	var all strings.Builder
	buf := make([]byte, 4<<10)
	for {
		n, err := r.Read(buf)
		all.Write(buf[:n])
		if err != nil {
			if all.Len() == 0 {
				return said(err)
			}
			return fmt.Sprintf("%q %s", all.String(), said(err))
		}
	}
}

// eventually runs f in a goroutine and fails the test when it does not answer.
func eventually[T any](t *testing.T, what string, f func() T) T {
	t.Helper()
	answer := make(chan T, 1)
	go func() { answer <- f() }()
	select {
	case v := <-answer:
		return v
	case <-time.After(testTime):
		t.Fatalf("%s does not come back", what)
		panic("unreachable")
	}
}

// lockedText is a KeyLogWriter that can be read meanwhile.
type lockedText struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lockedText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lockedText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
