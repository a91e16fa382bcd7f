//go:build cgo

package openssl

import "sync"

// smallRead is the length of a Read below which what libssl still holds of the record is taken out
// with it: each further Read is then a copy and no call into C.
const smallRead = 512

const maxPlaintext = 16 << 10 // of a record (RFC 8446, section 5.1)

var recordBuffers = sync.Pool{New: func() any { return new([maxPlaintext]byte) }}

// ahead is the rest of one record, opened by libssl already and not yet read. It holds a buffer only
// while bytes are in it.
type ahead struct {
	buf        *[maxPlaintext]byte
	start, end int
}

func (a *ahead) len() int { return a.end - a.start }

// fill takes what SSL_pending counts: one record's, so libssl opens no other and can fail no more.
func (a *ahead) fill(h sslHandle) {
	a.buf = recordBuffers.Get().(*[maxPlaintext]byte)
	a.start, a.end = 0, 0
	if n := min(h.pending(), maxPlaintext); h.read(a.buf[:n]) == 1 {
		a.end = h.n()
	}
	if a.len() == 0 {
		a.free()
	}
}

func (a *ahead) take(p []byte) int {
	n := copy(p, a.buf[a.start:a.end])
	if a.start += n; a.len() == 0 {
		a.free()
	}
	return n
}

func (a *ahead) free() {
	if a.buf != nil {
		recordBuffers.Put(a.buf)
	}
	*a = ahead{}
}
