//go:build cgo

package openssl

import "errors"

var errNoMemory = errors.New("out of memory")

// EventKind is what an Event tells of.
type EventKind int

// The kinds of Event.
const (
	// EventNewSession: a session was established, or a ticket came; Session holds it.
	EventNewSession EventKind = 1 + iota
	// EventRemovedSession: libssl removed Session from its cache or judged it bad.
	EventRemovedSession
	// EventKeyLog: Data is one line for a key log file, without its newline.
	EventKeyLog
	// EventMessage: a record header, an inner content type, an alert or a handshake message.
	EventMessage
	// EventLookup: libssl asked for a session that it does not have; Data is the id.
	EventLookup
)

// Content types of an EventMessage beside those of RFC 8446, section 5.1.
const (
	ContentAlert            = 21
	ContentHandshake        = 22
	ContentApplicationData  = 23
	ContentRecordHeader     = 256 // Data is the five bytes of a record's header
	ContentInnerContentType = 257 // Data is the byte that a TLS 1.3 record hides
)

// Event is what a libssl callback told during a call; it is taken with SSL.Events after the call,
// so nothing of the application runs inside libssl.
type Event struct {
	Kind        EventKind
	Session     *Session
	Sent        bool   // EventMessage: ours
	ContentType int    // EventMessage
	Version     int    // EventMessage
	Length      int    // EventMessage: of the whole message; Data holds its first bytes
	Data        []byte // EventMessage, EventKeyLog and EventLookup
}

func (e rawEvent) public() Event {
	return Event{Kind: e.kind, Session: e.session, Sent: e.sent, ContentType: e.ctype,
		Version: e.version, Length: e.total, Data: e.data}
}
