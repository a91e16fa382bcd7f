package closure_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/golibssl/openssl"
)

const (
	tls12ID        = "tls12-id"
	tls12Ticket    = "tls12-ticket"
	tls13Stateful  = "tls13-stateful"
	tls13Stateless = "tls13-stateless"
)

var protocols = []string{tls12ID, tls12Ticket, tls13Stateful, tls13Stateless}

// from3 tells a libssl that treats the transport's end as fatal (OpenSSL 3.0 and later).
var from3 = openssl.LibraryVersionNumber() >= 0x30000000

// by3 picks what OpenSSL 3.0 and later say, or what 1.1.1 says.
func by3(from30, on111 string) string {
	if from3 {
		return from30
	}
	return on111
}

// TestVerbs holds each verb to facts that were measured by other means on OpenSSL 1.1.1 to 4.0.
// A line is a step and its result; without a result any will do.
func TestVerbs(t *testing.T) {
	const done = "both handshake: ret=1 client=0 server=0"
	type script struct {
		name   string
		protos []string
		steps  []string
	}
	for _, test := range []script{
		{"shutdown answers", protocols, []string{
			done,
			"client shutdown: ret=0 err=- mask=1",
			"client shutdown: ret=-1 err=WANT_READ mask=1",
			"server shutdown: ret=0 err=- mask=1", // the client's close_notify is there but unread
			"server shutdown: ret=1 err=- mask=3",
			"client shutdown: ret=1 err=- mask=3",
			"client shutdown: ret=1 err=- mask=3",
		}},
		{"shutdown before the handshake", protocols, []string{
			"client shutdown: ret=-1 err=SSL mask=0",
			"server shutdown: ret=-1 err=SSL mask=0",
		}},
		{"shutdown over unread data", protocols, []string{
			done,
			"server write lost: ret=1 err=- mask=0",
			"client shutdown: ret=0 err=- mask=1",
			"client shutdown: ret=-1 err=SSL mask=1",
			"client resumable",
		}},
		{"half close", protocols, []string{
			done,
			"client shutdown: ret=0 err=- mask=1",
			"server read: ret=0 err=ZERO_RETURN mask=2",
			"server write answer: ret=1 err=- mask=2",
			"client read: ret=1 data=answer mask=1",
			"server shutdown: ret=1 err=- mask=3",
			"client read: ret=0 err=ZERO_RETURN mask=3",
			"client write x: ret=0 err=SSL mask=3",
		}},
		{"set before the handshake is lost", protocols, []string{
			"client set 3: mask=3",
			"server set 1: mask=1",
			done,
		}},
		{"set forges the end", protocols, []string{
			done,
			"server write unread: ret=1 err=- mask=0",
			"client set 2: mask=2",
			"client read: ret=0 err=ZERO_RETURN mask=2",
			"client shutdown: ret=1 err=- mask=3",
			"client get: mask=3",
		}},
		{"another bit keeps shutdown from 1", protocols, []string{
			done,
			"client set 7: mask=7",
			"client shutdown: ret=0 err=- mask=7",
		}},
		{"set sends nothing", protocols, []string{
			done,
			"client set 1: mask=1",
			"client shutdown: ret=-1 err=WANT_READ mask=1",
			"server read: ret=0 err=WANT_READ mask=0",
		}},
		{"quiet sends nothing", protocols, []string{
			done,
			"client quiet 1: ok",
			"client shutdown: ret=1 err=- mask=3",
			"server read: ret=0 err=WANT_READ mask=0",
			"server quiet 1: ok",
			"server quiet 0: ok",
			"server shutdown: ret=0 err=- mask=1",
		}},
		{"read without anything there", protocols, []string{
			"client read: ret=0 err=WANT_READ mask=0",
			"server read: ret=0 err=WANT_READ mask=0",
			done,
			"client read: ret=0 err=WANT_READ mask=0",
		}},
		{"eof after what is queued", protocols, []string{
			done,
			"client write one: ret=1 err=- mask=0",
			"server eof: ok",
			"client write two: ret=1 err=- mask=0", // later bytes are still delivered
			"server read: ret=1 data=one mask=0",
			"server read: ret=1 data=two mask=0",
			by3("server read: ret=0 err=SSL mask=0", "server read: ret=0 err=SYSCALL mask=0"),
		}},
		{"eof that is ignored", protocols, []string{
			"option ignore-eof server: ok",
			done,
			"server shutdown: ret=0 err=- mask=1",
			"server eof: ok",
			by3("server read: ret=0 err=ZERO_RETURN mask=2", "server read: ret=0 err=SYSCALL mask=1"), // SENT is lost
		}},
		{"eof is for one end", protocols, []string{
			"option ignore-eof server: ok",
			done,
			"client eof: ok",
			"server read: ret=0 err=WANT_READ mask=0",
			by3("client read: ret=0 err=SSL mask=0", "client read: ret=0 err=SYSCALL mask=0"),
		}},
		{"freed ends are gone", protocols, []string{
			done,
			"client write left: ret=1 err=- mask=0",
			"client shutdown: ret=0 err=- mask=1",
			"client free: ok",
			"client get: gone",
			"client set 3: gone",
			"client quiet 1: gone",
			"client eof: gone",
			"client read: gone",
			"client write x: gone",
			"client shutdown: gone",
			"client clear: gone",
			"client free: gone",
			"both handshake: gone",
			"server read: ret=1 data=left mask=0",
			"server write x: ret=1 err=- mask=0",
			"server read: ret=0 err=ZERO_RETURN mask=2",
			"server shutdown: ret=1 err=- mask=3",
			"server free: ok",
			"client resume", // in TLS 1.3 the client has read no ticket
		}},
		{"free before anything", protocols, []string{
			"server free: ok",
			"both handshake: gone",
			"client resumable: resumable=-",
			"server cache: sessions=0",
			"client resume: reused=0",
			"client resumable: resumable=1",
		}},
		{"clear after a clean end", protocols, []string{
			done,
			"client shutdown: ret=0 err=- mask=1",
			"server shutdown: ret=0 err=- mask=1",
			"client shutdown: ret=1 err=- mask=3",
			"server shutdown: ret=1 err=- mask=3",
			"client clear: ret=1 mask=0",
			"server clear: ret=1 mask=0",
			done,
			"server write again: ret=1 err=- mask=0",
			"client read: ret=1 data=again mask=0",
		}},
		// The transport keeps what was written before the clear.
		{"clear keeps the transport", []string{tls12ID, tls12Ticket}, []string{
			done,
			"server shutdown: ret=0 err=- mask=1",
			"server free: ok",
			"client clear: ret=1 mask=0",
			"client read: ret=0 err=SSL mask=0",
		}},
		{"an unclean server forgets its session", []string{tls12ID}, []string{
			done,
			"server cache: sessions=1",
			"server free: ok",
			"server cache: sessions=0",
			"client shutdown: ret=0 err=- mask=1",
			"client resumable: resumable=1",
			"client resume: reused=0",
			"server cache: sessions=1",
		}},
		{"a ticket survives an unclean server", []string{tls12Ticket}, []string{
			done,
			"server free: ok",
			"server cache: sessions=0",
			"client resume: reused=1",
		}},
		{"an unclean client drops its session", []string{tls12ID, tls12Ticket}, []string{
			done,
			"client resumable: resumable=1",
			"client free: ok",
			"client resumable: resumable=0",
			"client resume: reused=0",
			"client resumable: resumable=1",
		}},
		{"the newest of two tickets is punished", []string{tls13Stateful}, []string{
			done,
			"server cache: sessions=2",
			"server free: ok",
			"server cache: sessions=1",
			"client read: ret=0 err=WANT_READ mask=0",
			"client resumable: resumable=1",
			"client resume: reused=0",
		}},
		{"a stateless server forgets nothing", []string{tls13Stateless}, []string{
			done,
			"server cache: sessions=0",
			"server free: ok",
			"client read: ret=0 err=WANT_READ mask=0",
			"client resume: reused=1",
		}},
		// A ticket is read with SSL_read, or by the second SSL_shutdown.
		{"tickets need reading", []string{tls13Stateful, tls13Stateless}, []string{
			done,
			"client resumable: resumable=-",
			"client shutdown: ret=0 err=- mask=1",
			"client resumable: resumable=-",
			"client shutdown: ret=-1 err=WANT_READ mask=1",
			"client resumable: resumable=1",
		}},
		{"set SENT saves the session", protocols, []string{
			done,
			"client read",
			"client set 1: mask=1",
			"server set 1: mask=1",
			"client free: ok",
			"server free: ok",
			"client resumable: resumable=1",
			"client resume: reused=1",
		}},
		{"an end of the transport costs the session", []string{tls12ID, tls12Ticket}, []string{
			done,
			"client eof: ok",
			"client read",
			"client set 1: mask=1",
			"client free: ok",
			by3("client resumable: resumable=0", "client resumable: resumable=1"),
		}},
		{"resume has transports of its own", protocols, []string{
			"client eof: ok",
			"client quiet 1: ok",
			"server eof: ok",
			"client resume: reused=0",
			"client resume: reused=1",
		}},
	} {
		for _, proto := range test.protos {
			t.Run(test.name+"/"+proto, func(t *testing.T) { checkSteps(t, proto, test.steps) })
		}
	}
}

func checkSteps(t *testing.T, proto string, steps []string) {
	t.Helper()
	script, want := "proto "+proto+"\n", []string{"ok"}
	for _, s := range steps {
		text, result, _ := strings.Cut(s, ": ")
		script += text + "\n"
		want = append(want, result)
	}
	got := results(t, script)
	for i, w := range want {
		if w == "" && i < len(got) {
			got[i] = ""
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("results (-want +got):\n%s\nscript:\n%s", d, script)
	}
}
