package serve

import (
	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/cmd/closenotify/internal/ending"
	"github.com/golibssl/openssl/cmd/closenotify/internal/link"
)

// End is a way to end a connection.
type End struct {
	Name    string
	Help    string
	perform func(*link.Link)
	stay    bool // open though the client has gone
}

// Ends are the ways to end a connection. What fails in one has failed because the client has ended
// the connection before, and the client's ending tells so.
var Ends = []End{
	{Name: "clean", Help: "close_notify, then the end of TCP, then reading up to the client's", perform: func(l *link.Link) {
		l.Shutdown()
		l.CloseWrite()
	}},
	{Name: "wait", Help: "silence, and the connection stays open", perform: func(l *link.Link) {
		l.Silence()
	}, stay: true},
	{Name: "truncate", Help: "the end of TCP between two records, without close_notify", perform: func(l *link.Link) {
		l.CloseWrite()
	}},
	{Name: "mid-record", Help: "the end of TCP inside a record", perform: func(l *link.Link) {
		if _, err := l.SSL.Write([]byte("What follows is lost: this record does not come whole.\n")); err == nil {
			sealed := l.Sealed()
			l.Send(sealed[:len(sealed)/2])
		}
		l.CloseWrite()
	}},
	{Name: "reset", Help: "a reset of TCP", perform: func(l *link.Link) {
		l.Reset()
		l.Seen.End(ending.Reset)
	}},
	{Name: "alert", Help: "a fatal alert (bad_record_mac), then the end of TCP", perform: func(l *link.Link) {
		l.Fail()
		l.CloseWrite()
	}},
	{Name: "quiet", Help: "SSL_shutdown with SSL_set_quiet_shutdown, which sends nothing, then the end of TCP", perform: func(l *link.Link) {
		l.SSL.SetQuietShutdown(true)
		l.Shutdown()
		// It has set RECEIVED too, and libssl would read no more.
		l.SSL.SetShutdown(openssl.SentShutdown)
		l.CloseWrite()
	}},
	{Name: "data-after-close", Help: "close_notify, then more data, then the end of TCP", perform: func(l *link.Link) {
		l.Shutdown()
		// libssl refuses to write while SENT is set.
		l.SSL.SetShutdown(l.SSL.GetShutdown() &^ openssl.SentShutdown)
		l.Write([]byte("Nobody may read this.\n"))
		l.CloseWrite()
	}},
}

// FindEnd returns the End of that name.
func FindEnd(name string) (End, bool) {
	for _, e := range Ends {
		if e.Name == name {
			return e, true
		}
	}
	return End{}, false
}
