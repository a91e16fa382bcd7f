package openssl_test

import (
	"crypto/tls"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/golibssl/openssl"
)

// forget makes a client's Conn over nc, ends it as far as closeWrite tells, and drops it.
func forget(t *testing.T, nc net.Conn, client *openssl.Ctx, server *openssl.Conn, closeWrite bool) {
	t.Helper()
	c, err := openssl.Client(nc, client)
	if err != nil {
		t.Fatal(err)
	}
	mustShake(t, c, server)
	says(t, server, c, "w") // the tickets of TLS 1.3 come before it
	if closeWrite {
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
	}
}

// abandonedConns tells of the Conns that are found until the test ends, those that other tests left too.
func abandonedConns(t *testing.T) <-chan openssl.Abandoned {
	t.Helper()
	found := make(chan openssl.Abandoned, 64)
	openssl.OnAbandoned(func(a openssl.Abandoned) {
		select {
		case found <- a:
		default: // of another test
		}
	})
	t.Cleanup(func() { openssl.OnAbandoned(nil) })
	return found
}

// awaitAbandoned runs the collector until the Conn with this address was found.
func awaitAbandoned(t *testing.T, found <-chan openssl.Abandoned, local string) openssl.Abandoned {
	t.Helper()
	timeout := time.After(testTime)
	for {
		runtime.GC()
		select {
		case a := <-found:
			if a.End.LocalAddr.String() == local {
				return a
			}
		case <-timeout:
			t.Fatal("the Conn was never found")
		case <-time.After(time.Millisecond):
		}
	}
}

// TestAbandoned: a Conn that is dropped without Close is found, counted and named; nothing is sent
// for it, and its sessions follow the policy.
func TestAbandoned(t *testing.T) {
	found := abandonedConns(t)
	type result struct {
		Peer                       string
		Sent, Abandoned, Resumable bool // of the End
		Sessions                   bool // the client's are resumable
	}
	for _, test := range []struct {
		name       string
		change     func(*openssl.Config)
		closeWrite bool
		want       result
	}{
		{"strict", func(*openssl.Config) {}, false, result{"unexpected EOF", false, true, false, false}},
		{"strict, close_notify sent", func(*openssl.Config) {}, true, result{"EOF", true, true, true, true}},
		{"keep", func(c *openssl.Config) { c.UncleanSessions = openssl.SessionsKeep }, false,
			result{"unexpected EOF", false, true, true, true}},
		{"strict, abandoned kept", func(c *openssl.Config) { c.KeepAbandonedSessions = true }, false,
			result{"unexpected EOF", false, true, true, true}},
	} {
		for _, version := range bothVersions {
			t.Run(test.name+"/"+tls.VersionName(version), func(t *testing.T) {
				var news []*openssl.Session
				ends := make(chan openssl.End, 1)
				cfg := clientConfig(version)
				cfg.OnSession = func(_ *openssl.Conn, s *openssl.Session) { news = append(news, s) }
				cfg.OnEnd = func(e openssl.End) { ends <- e }
				test.change(&cfg)
				a, b := tcpEnds(t)
				s := serverOver(t, b, newCtx(t, serverConfig(t, version)))
				before := openssl.AbandonedConns()
				forget(t, a, newCtx(t, cfg), s, test.closeWrite)

				gone := awaitAbandoned(t, found, a.LocalAddr().String())
				end := <-ends
				got := result{readAll(s), end.Sent, end.Abandoned, end.Resumable, true}
				if len(news) == 0 {
					t.Error("the client was given no session")
				}
				for _, session := range news {
					got.Sessions = got.Sessions && session.Resumable()
				}
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				if openssl.AbandonedConns() == before {
					t.Error("it was not counted")
				}
				if !gone.End.Abandoned || !strings.Contains(gone.Stack, "openssl_test.forget") {
					t.Errorf("%v, made at:\n%s", gone.End, gone.Stack)
				}
			})
		}
	}
}
