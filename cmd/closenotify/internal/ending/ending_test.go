package ending_test

import (
	"crypto/tls"
	"testing"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/cmd/closenotify/internal/ending"
)

func message(contentType int, data ...byte) openssl.Event {
	return openssl.Event{Kind: openssl.EventMessage, ContentType: contentType, Data: data, Length: len(data)}
}

func header(outer byte) openssl.Event {
	return message(openssl.ContentRecordHeader, outer, 3, 3, 0, 40)
}

func inner(t byte) openssl.Event { return message(openssl.ContentInnerContentType, t) }

func alert(version uint16, level, description byte) openssl.Event {
	e := message(openssl.ContentAlert, level, description)
	e.Version = int(version)
	return e
}

func sent(e openssl.Event) openssl.Event {
	e.Sent = true
	return e
}

const (
	warning, fatal = 1, 2

	closeNotify, unexpectedMessage, decodeError, unknownCA, userCanceled, noRenegotiation, unrecognizedName, certificateRequired = 0, 10, 50, 48, 90, 100, 112, 116
)

// do is one thing that an Observer is told.
type do func(*ending.Observer)

func events(all ...openssl.Event) do {
	return func(o *ending.Observer) {
		for _, e := range all {
			o.Message(e)
		}
	}
}

func established(version uint16) do { return func(o *ending.Observer) { o.Established(version) } }
func end(how ending.How) do         { return func(o *ending.Observer) { o.End(how) } }
func unreadable(o *ending.Observer) { o.Unreadable() }
func failed(o *ending.Observer)     { o.Close() }

var (
	data12   = events(header(23), message(23, 'x'))
	data13   = events(header(23), inner(23))
	ticket13 = events(header(23), inner(22), message(22, 4, 0, 0, 1))
	update13 = events(header(23), inner(22), message(22, 24, 0, 0, 1, 1))
	close12  = events(header(21), alert(tls.VersionTLS12, warning, closeNotify))
	close13  = events(header(23), inner(21), alert(tls.VersionTLS13, warning, closeNotify))
)

func fatal12(a byte) do { return events(header(21), alert(tls.VersionTLS12, fatal, a)) }
func fatal13(a byte) do { return events(header(23), inner(21), alert(tls.VersionTLS13, fatal, a)) }

func TestObserver(t *testing.T) {
	const v12, v13 = tls.VersionTLS12, tls.VersionTLS13
	for _, test := range []struct {
		name string
		does []do
		want string
	}{
		{"nothing", nil, ""},
		{"fin alone", []do{end(ending.Fin)}, "fin"},
		{"reset alone", []do{established(v13), end(ending.Reset)}, "reset"},
		{"wait alone", []do{established(v12), end(ending.Wait)}, "wait"},
		{"only the first end counts", []do{end(ending.Wait), end(ending.Fin)}, "wait"},

		{"TLS 1.2, clean", []do{established(v12), data12, close12, end(ending.Fin)}, "data+close_notify+fin"},
		{"TLS 1.3, clean", []do{established(v13), data13, close13, end(ending.Fin)}, "data+close_notify+fin"},
		{"truncated", []do{established(v13), data13, end(ending.Fin)}, "data+fin"},
		{"adjacent data merge", []do{established(v12), data12, data12, data12, close12, end(ending.Wait)}, "data+close_notify+wait"},
		{"data around nothing merges", []do{established(v13), data13, ticket13, data13, update13, data13, end(ending.Fin)}, "data+fin"},

		{"the handshake is no event", []do{
			events(header(22), message(22, 2), header(20), message(20, 1), header(23), inner(22), message(22, 8)),
			established(v13), ticket13, end(ending.Fin)}, "fin"},
		{"a handshake's records of TLS 1.3 look like data", []do{
			events(header(23), inner(22)), established(v13), end(ending.Fin)}, "fin"},
		{"tickets and KeyUpdates are no events", []do{established(v13), ticket13, ticket13, update13, close13, end(ending.Fin)}, "close_notify+fin"},
		{"change_cipher_spec is none", []do{events(header(20), message(20, 1)), established(v13), end(ending.Wait)}, "wait"},
		{"what we send is none", []do{established(v12),
			events(sent(header(23)), sent(header(21)), sent(alert(v12, warning, closeNotify)), sent(alert(v12, fatal, decodeError))),
			end(ending.Fin)}, "fin"},
		{"what we send is none in TLS 1.3", []do{established(v13),
			events(sent(header(23)), sent(inner(23)), sent(inner(21)), sent(alert(v13, warning, closeNotify))),
			end(ending.Fin)}, "fin"},
		{"other events are none", []do{established(v12), events(
			openssl.Event{Kind: openssl.EventNewSession}, openssl.Event{Kind: openssl.EventKeyLog, Data: []byte{23}},
			openssl.Event{Kind: openssl.EventMessage, ContentType: openssl.ContentRecordHeader}), end(ending.Fin)}, "fin"},

		{"a fatal alert", []do{established(v12), data12, fatal12(decodeError), end(ending.Fin)}, "data+alert:decode_error+fin"},
		{"a fatal alert in TLS 1.3", []do{established(v13), fatal13(unexpectedMessage), end(ending.Reset)}, "alert:unexpected_message+reset"},
		{"names as OpenSSL's", []do{fatal12(unknownCA), end(ending.Fin)}, "alert:unknown_CA+fin"},
		{"an alert in the handshake", []do{events(alert(v13, fatal, certificateRequired)), end(ending.Fin)}, "alert:certificate_required+fin"},
		{"warnings are no events", []do{established(v12),
			events(header(21), alert(v12, warning, userCanceled), header(21), alert(v12, warning, noRenegotiation)),
			close12, end(ending.Fin)}, "close_notify+fin"},
		{"user_canceled is a warning at any level in TLS 1.3", []do{established(v13),
			events(alert(v13, warning, userCanceled), alert(v13, fatal, userCanceled)), close13, end(ending.Fin)}, "close_notify+fin"},
		{"in TLS 1.3 the level says nothing", []do{established(v13), events(alert(v13, warning, decodeError)), end(ending.Fin)}, "alert:decode_error+fin"},
		{"a warning before the version is chosen", []do{events(alert(v13, warning, unrecognizedName)), established(v12), data12, close12, end(ending.Fin)}, "data+close_notify+fin"},
		{"close_notify at any level", []do{established(v12), fatal12(closeNotify), end(ending.Fin)}, "close_notify+fin"},

		{"bytes after close_notify", []do{established(v13), data13, close13, unreadable, end(ending.Fin)}, "data+close_notify+data+fin"},
		{"all bytes after it are one data", []do{established(v13), close13, unreadable, unreadable, unreadable, end(ending.Reset)}, "close_notify+data+reset"},
		{"bytes after a fatal alert", []do{established(v12), fatal12(decodeError), unreadable, end(ending.Fin)}, "alert:decode_error+data+fin"},
		{"nothing is opened after close_notify", []do{established(v12), close12, data12, close12, fatal12(decodeError), end(ending.Fin)}, "close_notify+fin"},
		{"nothing is opened after our own failure", []do{established(v12), data12, failed, data12, close12, unreadable, end(ending.Fin)}, "data+fin"},
		{"our own failure, then bytes", []do{established(v12), failed, unreadable, end(ending.Fin)}, "data+fin"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var o ending.Observer
			for _, d := range test.does {
				d(&o)
			}
			if got := o.String(); got != test.want {
				t.Errorf("ending %q, want %q", got, test.want)
			}
		})
	}
}

func TestObserverState(t *testing.T) {
	var o ending.Observer
	o.Established(tls.VersionTLS12)
	data12(&o)
	if o.Closed() || o.CloseNotify() || o.String() != "data" {
		t.Errorf("after data: closed %v, close_notify %v, %q", o.Closed(), o.CloseNotify(), o.String())
	}
	close12(&o)
	if !o.Closed() || !o.CloseNotify() || o.String() != "data+close_notify" {
		t.Errorf("after close_notify: closed %v, close_notify %v, %q", o.Closed(), o.CloseNotify(), o.String())
	}

	var failed ending.Observer
	fatal12(decodeError)(&failed)
	if !failed.Closed() || failed.CloseNotify() {
		t.Errorf("after an alert: closed %v, close_notify %v", failed.Closed(), failed.CloseNotify())
	}
}
