package openssl

import "unsafe"

// RawConnConfig is what a Conn over a RawCtx is asked to do. Its functions may run C code of the
// program's own on the SSL, borrowed for the call.
type RawConnConfig struct {
	Server bool

	// IgnoreUnexpectedEOF is Config's. With it a reset that only a TLS 1.3 server's own tickets can have
	// caused reads as io.EOF too: the peer had closed its socket before they came.
	IgnoreUnexpectedEOF bool

	// Keep stays in memory as long as the Conn does. What the functions below hold of the Conn they
	// must hold weakly (package weak), or a Conn that is dropped without Close is never noticed.
	Keep any

	// SetUp prepares each SSL that is made for the connection, a second one after RawHello.MoveTo
	// too, before its first byte. An error ends the connection.
	SetUp func(ssl unsafe.Pointer) error

	// Hello, of a server, is asked once, without the Conn's lock, when the ClientHello is there and
	// nothing was sent. An error, or a panic, ends the connection.
	Hello func(*RawHello) error

	// Around runs each SSL_do_handshake by calling the step's Run, once, with the Conn's lock. C
	// callbacks of the program may call Go during it, and at no other time.
	Around func(*RawStep)
}

// RawStep is one SSL_do_handshake.
type RawStep struct {
	SSL unsafe.Pointer // SSL*

	c   *conn
	h   sslHandle
	ran bool
	ret int
}

// Do runs f on the SSL*, with the Conn's lock, also from another goroutine than those that use the
// Conn. After the Conn's end the error is net.ErrClosed or ErrFreed.
func (s ConnSSL) Do(f func(ssl unsafe.Pointer) error) error {
	return s.do("SSL", func(h sslHandle) error { return f(h.pointer()) })
}
