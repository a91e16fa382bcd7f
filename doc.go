// Package openssl binds the system's OpenSSL and ends connections right.
//
// Conn is a net.Conn over an SSL object and any other net.Conn; Ctx is its configuration. Below
// them SSL and RawCtx are libssl's calls as they are, for test harnesses and for code moved from C.
// libssl is a state machine without I/O here: Go moves the bytes, no thread waits in C, and C never
// calls Go on the data path.
//
// Every connection has a shutdown state, and it decides whether its session may be resumed:
//
//	0              open; freed like this, the session is bad and removed (RFC 2246, section 7.2.1)
//	SENT           our close_notify left; the session is kept
//	RECEIVED       the peer's close_notify was read: Read answers io.EOF; freed like this, the session is bad
//	SENT|RECEIVED  closed both ways; the session is kept
//
// Read never answers io.EOF for anything but a close_notify in order: a stream that was cut is
// io.ErrUnexpectedEOF, on every OpenSSL from 1.1.1 to 4.0, unless Config.IgnoreUnexpectedEOF gives that
// up. Conn.End and Config.OnEnd tell how each connection ended.
//
// Any number of goroutines may use a Conn, a Ctx, a Session, an SSL or a RawCtx. C memory is freed
// by Close and Free, or when the collector finds that the object was dropped; a dropped Conn is
// counted by AbandonedConns and judged as SSL_free judges.
package openssl
