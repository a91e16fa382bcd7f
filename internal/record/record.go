// Package record splits a byte stream into TLS records and names alerts. It
// opens nothing: the type of a TLS 1.3 record after the handshake is the outer
// one. It serves the tests, which look at the bytes on the wire.
package record

import "fmt"

// Type is the content type of a record as it stands on the wire (RFC 8446,
// section 5.1).
type Type uint8

const (
	ChangeCipherSpec Type = 20
	Alert            Type = 21
	Handshake        Type = 22
	ApplicationData  Type = 23
)

// String returns the RFC's name of the type.
func (t Type) String() string {
	switch t {
	case ChangeCipherSpec:
		return "change_cipher_spec"
	case Alert:
		return "alert"
	case Handshake:
		return "handshake"
	case ApplicationData:
		return "application_data"
	}
	return fmt.Sprintf("type(%d)", uint8(t))
}

const (
	// HeaderLen is the length of a record's header in bytes.
	HeaderLen = 5
	// MaxBody is the longest body that any version allows: TLS 1.2's
	// TLSCiphertext (RFC 5246, section 6.2.3). TLS 1.3 allows 2^14 + 256.
	MaxBody = 1<<14 + 2048
)

// Record is one complete record.
type Record struct {
	Type    Type
	Version uint16
	// Offset is where the header begins in the stream that was split.
	Offset int
	// Body is the record without its header. It aliases the stream.
	Body []byte
}

// Error says that the stream holds something else than TLS at Offset.
type Error struct {
	Offset int
	Header [HeaderLen]byte
	Reason string
}

func (e *Error) Error() string {
	return fmt.Sprintf("no TLS record at byte %d (% x): %s", e.Offset, e.Header[:], e.Reason)
}

// Split returns the complete records of stream, which begins at a record
// boundary, and the tail that follows the last of them: the beginning of a
// record, empty when the stream ends at a boundary. The error is an *Error;
// the tail then begins with what is not a record.
func Split(stream []byte) (records []Record, tail []byte, err error) {
	for off := 0; ; {
		rest := stream[off:]
		if len(rest) < HeaderLen {
			return records, rest, nil
		}
		n, err := bodyLen(rest, off)
		if err != nil {
			return records, rest, err
		}
		if len(rest) < HeaderLen+n {
			return records, rest, nil
		}
		records = append(records, Record{
			Type:    Type(rest[0]),
			Version: uint16(rest[1])<<8 | uint16(rest[2]),
			Offset:  off,
			Body:    rest[HeaderLen : HeaderLen+n : HeaderLen+n],
		})
		off += HeaderLen + n
	}
}

func bodyLen(header []byte, off int) (int, error) {
	fail := func(reason string) (int, error) {
		return 0, &Error{Offset: off, Header: [HeaderLen]byte(header[:HeaderLen]), Reason: reason}
	}
	if t := Type(header[0]); t < ChangeCipherSpec || t > ApplicationData {
		return fail("the content type is unknown")
	}
	if header[1] != 3 {
		return fail("the version's first byte is not 3")
	}
	n := int(header[3])<<8 | int(header[4])
	if n > MaxBody {
		return fail("the record is too long")
	}
	return n, nil
}

// Counter counts the records of a stream that arrives in pieces of any size.
// Its zero value stands at a record boundary. A copy goes on independently.
type Counter struct {
	header [HeaderLen]byte
	have   int // bytes of the current record seen, its header included
	body   int // length of the current record's body, once the header is whole
	offset int
	counts [4]int
	err    error
}

// Advance takes bytes of p up to the end of the current record and returns how
// many, and whether the record is complete with them. A broken stream takes
// all of p and never completes a record again.
func (c *Counter) Advance(p []byte) (n int, complete bool) {
	if c.err != nil {
		c.offset += len(p)
		return len(p), false
	}
	if c.have < HeaderLen {
		n = copy(c.header[c.have:], p)
		c.have += n
		c.offset += n
		if c.have < HeaderLen {
			return n, false
		}
		if c.body, c.err = bodyLen(c.header[:], c.offset-HeaderLen); c.err != nil {
			m, _ := c.Advance(p[n:])
			return n + m, false
		}
	}
	m := min(len(p)-n, HeaderLen+c.body-c.have)
	n += m
	c.have += m
	c.offset += m
	if c.have < HeaderLen+c.body {
		return n, false
	}
	c.counts[c.header[0]-byte(ChangeCipherSpec)]++
	c.have, c.body = 0, 0
	return n, true
}

// Write takes all of p. Its error is Err's.
func (c *Counter) Write(p []byte) (int, error) {
	for off := 0; off < len(p); {
		n, _ := c.Advance(p[off:])
		off += n
	}
	return len(p), c.err
}

// Records returns how many records are complete.
func (c *Counter) Records() int {
	sum := 0
	for _, n := range c.counts {
		sum += n
	}
	return sum
}

// OfType returns how many complete records have the given type.
func (c *Counter) OfType(t Type) int {
	if t < ChangeCipherSpec || t > ApplicationData {
		return 0
	}
	return c.counts[t-ChangeCipherSpec]
}

// Partial returns how many bytes of an incomplete record the stream ends with.
func (c *Counter) Partial() int { return c.have }

// Missing returns how many bytes the current record lacks. It is 0 at a
// boundary, and before the header is whole it counts the header alone.
func (c *Counter) Missing() int {
	switch {
	case c.have == 0:
		return 0
	case c.have < HeaderLen:
		return HeaderLen - c.have
	}
	return HeaderLen + c.body - c.have
}

// Err returns an *Error once the stream turned out not to be TLS.
func (c *Counter) Err() error { return c.err }
