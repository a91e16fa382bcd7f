//go:build cgo

package openssl

import "syscall"

// Answer is all that libssl said to one call, also where the methods of SSL make one of two answers.
type Answer struct {
	Ret   int        // of SSL_read, SSL_peek and SSL_write, which tell -1 from 0 where their _ex forms do not
	Class ErrorClass // for the 0 of SSL_shutdown too, where it means nothing
	Errno int        // means something with ClassSyscall
}

// Last returns the answer to the last Handshake, Read, Peek, Write, Shutdown, Clear, KeyUpdate or
// SetSession; zero after Free.
//
// OpenSSL: SSL_get_error(3).
func (s *SSL) Last() Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone() {
		return Answer{}
	}
	return s.h.lastAnswer()
}

// EmptyAnswer is what a transport answers to libssl's read when it has no bytes.
type EmptyAnswer struct {
	Ret   int           // 0 or -1
	Errno syscall.Errno // of a failed read(2)
	Retry bool          // the retry flag: libssl says WANT_READ
	EOF   bool          // the answer to BIO_CTRL_EOF
}

// FeedAnswer makes an empty in-queue answer as another transport would: a reset socket, or a BIO
// of one's own. FeedEOF has no effect after it. Clear ends it. Bytes fed later are still read.
//
// OpenSSL: BIO_read(3).
func (s *SSL) FeedAnswer(a EmptyAnswer) error {
	return s.do("feed", func(h sslHandle) error {
		h.setEmptyIn(a)
		return nil
	})
}

// LimitOut bounds the out-queue to n bytes, negative for no bound. A write takes what fits; then it is
// to be retried (WANT_WRITE), or fails as write(2) with errno when that is not 0.
//
// OpenSSL: BIO_write(3).
func (s *SSL) LimitOut(n int, errno syscall.Errno) error {
	return s.do("take", func(h sslHandle) error {
		h.limitOut(n, errno)
		return nil
	})
}
