// Package ending names how a peer ended a connection: the events in the order seen, joined by +.
//
// The events are data, close_notify, alert:NAME (a fatal alert) and last of all fin, reset or wait.
// Adjacent data are one. Handshake messages, tickets, KeyUpdates, warning alerts and a record that
// did not come whole are none. What follows close_notify or a fatal alert cannot be opened: all of
// it together is one data.
package ending

import (
	"crypto/tls"
	"strings"

	"github.com/golibssl/openssl"
)

// How is how the transport stands.
type How string

// What the last event of an ending can be, and Open while there is none.
const (
	Open  How = ""
	Fin   How = "fin"   // the peer ended its direction of TCP
	Reset How = "reset" // TCP was reset
	Wait  How = "wait"  // silence, and the connection is still open
)

const (
	data        = "data"
	closeNotify = "close_notify"
	alert       = "alert:"
)

// Of an alert (RFC 8446, section 6).
const (
	fatal        = 2
	userCanceled = openssl.Alert(90)
)

// Observer turns what libssl's message callback tells of a connection, and how its transport ended,
// into an ending. It must be told of complete records only: libssl reports a header before the
// record's body is there. The zero Observer is ready; one goroutine uses it.
type Observer struct {
	events      []string
	established bool
	tls13       bool
	closed      bool // nothing that follows can be opened
	how         How
}

// Established says that the handshake is complete and which version it chose. Before it only alerts
// are events.
func (o *Observer) Established(version uint16) {
	o.established, o.tls13 = true, version == tls.VersionTLS13
}

// Message takes what the message callback told. Events of another kind and of our own direction are
// left alone.
func (o *Observer) Message(e openssl.Event) {
	if e.Kind != openssl.EventMessage || e.Sent || o.closed || len(e.Data) == 0 {
		return
	}
	switch e.ContentType {
	case openssl.ContentRecordHeader:
		// A TLS 1.3 record hides its type behind the one of application data.
		if o.established && !o.tls13 && e.Data[0] == openssl.ContentApplicationData {
			o.add(data)
		}
	case openssl.ContentInnerContentType:
		if o.established && e.Data[0] == openssl.ContentApplicationData {
			o.add(data)
		}
	case openssl.ContentAlert:
		if len(e.Data) >= 2 {
			o.alert(e.Data[0], openssl.Alert(e.Data[1]))
		}
	}
}

func (o *Observer) alert(level byte, a openssl.Alert) {
	// RFC 8446, section 6: in TLS 1.3 the level says nothing, and all but these two are errors. The
	// callback's version does not tell: before the ServerHello it is the highest that a client hopes for.
	isFatal := level == fatal
	if o.tls13 {
		isFatal = a != userCanceled
	}
	switch {
	case a == openssl.AlertCloseNotify:
		o.add(closeNotify)
		o.closed = true
	case isFatal:
		o.add(alert + a.String())
		o.closed = true
	}
}

// Unreadable says that bytes came which cannot be opened, now and from now on.
func (o *Observer) Unreadable() {
	o.closed = true
	o.add(data)
}

// Close says that nothing more can be opened, because this end has failed.
func (o *Observer) Close() { o.closed = true }

// Closed reports that what the peer sends from now on cannot be opened.
func (o *Observer) Closed() bool { return o.closed }

// CloseNotify reports whether close_notify has come.
func (o *Observer) CloseNotify() bool {
	for _, e := range o.events {
		if e == closeNotify {
			return true
		}
	}
	return false
}

// End says how the transport ended; only the first time counts.
func (o *Observer) End(how How) {
	if o.how == Open {
		o.how = how
	}
}

func (o *Observer) add(event string) {
	if event == data && len(o.events) > 0 && o.events[len(o.events)-1] == data {
		return
	}
	o.events = append(o.events, event)
}

// String is the ending so far.
func (o *Observer) String() string {
	events := o.events
	if o.how != Open {
		events = append(events[:len(events):len(events)], string(o.how))
	}
	return strings.Join(events, "+")
}
