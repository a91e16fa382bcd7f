//go:build cgo && !unix

package openssl

// readiness is not to be had here; a waiting Read holds its buffer.
type readiness struct{ raw any }

func (c *conn) watch() {}

func (c *conn) flushNow() bool { return false }

func (c *conn) readReady() (n int, full bool, err error) { panic("unreachable") }
