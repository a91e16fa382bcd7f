package openssl_test

import (
	"crypto/tls"
	"errors"
	"slices"
	"testing"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/testcert"
)

// TestEndKind: each End in a word; an alert, a truncation and a clean end say more than the error that came
// with them.
func TestEndKind(t *testing.T) {
	alert := openssl.Alert(20)
	failed := errors.New("reset")
	seen := map[openssl.EndKind]bool{}
	for _, test := range []struct {
		end  openssl.End
		want openssl.EndKind
	}{
		{openssl.End{}, openssl.EndHandshake},
		{openssl.End{AlertReceived: &alert, Err: failed}, openssl.EndHandshake},
		{openssl.End{Established: true}, openssl.EndSilent},
		{openssl.End{Established: true, Abandoned: true}, openssl.EndSilent},
		{openssl.End{Established: true, Sent: true}, openssl.EndSent},
		{openssl.End{Established: true, Received: true}, openssl.EndReceived},
		{openssl.End{Established: true, Sent: true, Received: true}, openssl.EndClean},
		{openssl.End{Established: true, Sent: true, Received: true, Err: failed}, openssl.EndClean},
		{openssl.End{Established: true, Sent: true, Err: failed}, openssl.EndFailed},
		{openssl.End{Established: true, Sent: true, Truncated: true, Err: failed}, openssl.EndTruncated},
		{openssl.End{Established: true, Sent: true, Received: true, AlertSent: &alert}, openssl.EndAlertSent},
		{openssl.End{Established: true, Truncated: true, AlertReceived: &alert}, openssl.EndAlertReceived},
	} {
		seen[test.want] = true
		if got := test.end.Kind(); got != test.want {
			t.Errorf("%+v is %s, want %s", test.end, got, test.want)
		}
	}
	for _, kind := range openssl.EndKinds() {
		if !seen[kind] {
			t.Errorf("no End is %s", kind)
		}
	}
	if len(seen) != len(openssl.EndKinds()) || slices.Contains(openssl.EndKinds(), "") {
		t.Errorf("kinds %v, saw %v", openssl.EndKinds(), seen)
	}
	for _, test := range []struct {
		end  openssl.End
		want bool
	}{{openssl.End{}, false}, {openssl.End{Established: true}, true}, {openssl.End{Established: true, Resumable: true}, false}} {
		if got := test.end.SessionLost(); got != test.want {
			t.Errorf("%+v: lost %v", test.end, got)
		}
	}
}

// TestEndKinds of real connections: one closed before its handshake, one that closes both ways.
func TestEndKinds(t *testing.T) {
	hook := make(chan openssl.End, 4)
	client := clientConfig(tls.VersionTLS13)
	client.OnEnd = func(e openssl.End) { hook <- e }
	ctx := newCtx(t, client)
	a, _ := tcpEnds(t)
	clientOver(t, a, ctx).Close()
	if e := <-hook; e.Kind() != openssl.EndHandshake || e.SessionLost() || e.Established {
		t.Errorf("without a handshake: %s, %+v", e.Kind(), e)
	}
	c, s := connected(t, ctx, newCtx(t, openssl.Config{Certificates: pairs(t, testcert.Server())}))
	if err := s.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if err := c.Shutdown(deadline(t)); err != nil {
		t.Fatal(err)
	}
	c.Close()
	if e := <-hook; e.Kind() != openssl.EndClean || e.SessionLost() || !e.Established {
		t.Errorf("clean: %s, %+v", e.Kind(), e)
	}
}
