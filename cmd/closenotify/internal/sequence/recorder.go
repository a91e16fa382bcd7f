package sequence

import (
	"fmt"
	"time"

	"github.com/golibssl/openssl"
)

// maxEvents bounds a diagram: a peer may send for ever.
const maxEvents = 60

// Recorder makes a Diagram of what libssl's message callback and the transport tell. A nil Recorder
// records nothing. One goroutine uses it.
type Recorder struct {
	diagram Diagram
	began   time.Time
	masks   [2]Mask
	told    [2][]Event // records that the callback told of and that no row shows yet
}

// NewRecorder makes a recorder whose diagram begins with the first look at its clock.
func NewRecorder() *Recorder { return &Recorder{} }

// Diagram is what was recorded.
func (r *Recorder) Diagram() *Diagram {
	if r == nil {
		return nil
	}
	return &r.diagram
}

// Now is the time since the diagram began, for an event that lasts.
func (r *Recorder) Now() time.Duration {
	if r == nil {
		return 0
	}
	if r.began.IsZero() {
		r.began = time.Now()
		return 0
	}
	return time.Since(r.began)
}

// SetMask says what is known of an end from now on.
func (r *Recorder) SetMask(side Side, m Mask) {
	if r != nil {
		r.masks[side] = m
	}
}

// Add adds an event that happens now.
func (r *Recorder) Add(e Event) { r.AddSince(r.Now(), e) }

// AddSilence adds what lasts since the last event.
func (r *Recorder) AddSilence(e Event) {
	if r == nil {
		return
	}
	since := r.diagram.end()
	e.Detail = Duration(r.Now() - since)
	r.AddSince(since, e)
}

// AddSince adds an event that has lasted since at.
func (r *Recorder) AddSince(at time.Duration, e Event) {
	if r == nil {
		return
	}
	e.At, e.Until, e.Masks = at, r.Now(), r.masks
	if n := len(r.diagram.Events); n > 0 && r.diagram.Events[n-1].join(&e) {
		return
	}
	if len(r.diagram.Events) < maxEvents {
		r.diagram.Events = append(r.diagram.Events, e)
	}
}

// join makes one row of records of a kind that follow each other.
func (e *Event) join(next *Event) bool {
	if e.Kind != Data && e.Kind != Other || next.Kind != e.Kind || next.From != e.From || next.What != e.What ||
		next.Lost != e.Lost || e.Detail != "" && next.Detail != "" || e.Masks != next.Masks {
		return false
	}
	e.Bytes += next.Bytes
	e.Records += next.Records
	e.Detail += next.Detail
	e.Until = next.Until
	return true
}

// Step adds a call of the end from with the records that f records: all of it is one step, and has the
// masks that after sets. f may change the call's Detail.
func (r *Recorder) Step(call Event, f func(*Event), after func()) {
	if r == nil {
		f(&call)
		return
	}
	at, events := r.Now(), r.diagram.Events
	r.diagram.Events = nil
	f(&call)
	after()
	records := r.diagram.Events
	r.diagram.Events = events
	if call.What != "" {
		r.AddSince(at, call)
	}
	for _, e := range records {
		e.Masks = r.masks
		r.diagram.Events = append(r.diagram.Events, e)
	}
}

// Say gives the last row, if it is data of the end from, what stands in it.
func (r *Recorder) Say(from Side, p []byte) {
	if r == nil || len(r.diagram.Events) == 0 {
		return
	}
	if e := &r.diagram.Events[len(r.diagram.Events)-1]; e.Kind == Data && e.From == from && e.Detail == "" {
		e.Detail = Quote(p)
	}
}

// Message takes what the message callback of the end me told. The records that it tells of become rows
// when Take has taken them and Add is called.
func (r *Recorder) Message(me Side, e openssl.Event) {
	if r == nil || e.Kind != openssl.EventMessage || len(e.Data) == 0 {
		return
	}
	from := me
	if !e.Sent {
		from = 1 - me
	}
	if e.ContentType == openssl.ContentRecordHeader {
		if len(e.Data) >= headerLen && len(r.told[from]) < maxTold {
			body := int(e.Data[3])<<8 | int(e.Data[4])
			record := Event{From: from, Bytes: headerLen + body, Records: 1}
			record.isOf(int(e.Data[0]))
			r.told[from] = append(r.told[from], record)
		}
		return
	}
	n := len(r.told[from])
	if n == 0 {
		return
	}
	record := &r.told[from][n-1]
	switch e.ContentType {
	case openssl.ContentInnerContentType:
		record.isOf(int(e.Data[0]))
	case openssl.ContentAlert:
		if len(e.Data) >= 2 {
			record.isAlert(e.Data[0], openssl.Alert(e.Data[1]), e.Version)
		}
	case openssl.ContentHandshake:
		record.What = messageName(e.Data[0])
	}
}

const (
	headerLen = 5
	maxTold   = 1000 // in one call
)

// isOf says the content type, which the header of a TLS 1.3 record hides.
func (e *Event) isOf(contentType int) {
	switch contentType {
	case openssl.ContentApplicationData:
		e.Kind, e.What = Data, "data"
	case openssl.ContentAlert:
		e.Kind, e.What = Other, "alert"
	case openssl.ContentHandshake:
		e.Kind, e.What = Other, "handshake message"
	default:
		e.Kind, e.What = Other, fmt.Sprintf("record of type %d", contentType)
	}
}

const (
	alertFatal   = 2
	userCanceled = openssl.Alert(90)
	tls13        = 0x0304
)

func (e *Event) isAlert(level byte, a openssl.Alert, version int) {
	switch {
	case a == openssl.AlertCloseNotify:
		e.Kind, e.What = CloseNotify, a.String()
	case level == alertFatal || version == tls13 && a != userCanceled: // RFC 8446, section 6
		e.Kind, e.What = Alert, "alert "+a.String()
	default:
		e.Kind, e.What = Other, "warning "+a.String()
	}
}

// messageName names the messages that follow a handshake.
func messageName(message byte) string {
	switch message {
	case 0:
		return "HelloRequest"
	case 4:
		return "NewSessionTicket"
	case 13:
		return "CertificateRequest"
	case 24:
		return "KeyUpdate"
	}
	return fmt.Sprintf("handshake message %d", message)
}

// Take returns the records of an end that were told since the last call.
func (r *Recorder) Take(from Side) []Event {
	if r == nil {
		return nil
	}
	told := r.told[from]
	r.told[from] = nil
	return told
}
