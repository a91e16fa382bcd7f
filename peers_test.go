package openssl_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/testcert"
)

// tlsPeer is what Conn and crypto/tls's Conn have in common.
type tlsPeer interface {
	handshaker
	CloseWrite() error
	NetConn() net.Conn
}

// goPair is our client with crypto/tls's server, or crypto/tls's client with our server.
type goPair struct {
	ours, theirs tlsPeer
	client       tlsPeer // either of them
}

// goRole makes goPairs whose sessions are resumed where they may be.
type goRole struct {
	t         *testing.T
	weAreHere string // client, server
	ctx       *openssl.Ctx
	std       *tls.Config
	sessions  *sessionLog
}

func newGoRole(t *testing.T, version uint16, weAre string) *goRole {
	r := &goRole{t: t, weAreHere: weAre, sessions: &sessionLog{}}
	r.std = &tls.Config{MinVersion: version, MaxVersion: version, RootCAs: testcert.Root().Pool(), ServerName: "localhost",
		Certificates: []tls.Certificate{testcert.Server().TLS}, ClientSessionCache: tls.NewLRUClientSessionCache(0)}
	cfg := serverConfig(t, version)
	if weAre == "client" {
		cfg = clientConfig(version)
		cfg.OnSession = r.sessions.add
	}
	r.ctx = newCtx(t, cfg)
	return r
}

// connect makes a connection, offers the newest session and exchanges a word each.
func (r *goRole) connect() goPair {
	r.t.Helper()
	a, b := tcpEnds(r.t)
	var p goPair
	if r.weAreHere == "client" {
		var opts []openssl.ConnOption
		if all := r.sessions.take(); len(all) > 0 {
			opts = append(opts, openssl.WithSession(all[len(all)-1]))
		}
		c := clientOver(r.t, a, r.ctx, opts...)
		p = goPair{ours: c, theirs: tls.Server(b, r.std), client: c}
	} else {
		c := tls.Client(a, r.std)
		p = goPair{ours: serverOver(r.t, b, r.ctx), theirs: c, client: c}
	}
	server := p.ours
	if r.weAreHere == "client" {
		server = p.theirs
	}
	mustShake(r.t, p.client, server)
	p.ours.SetDeadline(time.Now().Add(testTime))
	p.theirs.SetDeadline(time.Now().Add(testTime))
	says(r.t, server, p.client, "w")
	return p
}

func didResume(c tlsPeer) bool {
	switch c := c.(type) {
	case *openssl.Conn:
		return c.ConnectionState().DidResume
	case *tls.Conn:
		return c.ConnectionState().DidResume
	}
	return false
}

// TestPeerCryptoTLS ends connections with crypto/tls at the other end, in both roles.
func TestPeerCryptoTLS(t *testing.T) {
	for _, version := range bothVersions {
		for _, weAre := range []string{"client", "server"} {
			for _, test := range []struct {
				name    string
				do      func(p goPair) []string
				want    []string
				session string
			}{
				{
					"clean, we first", func(p goPair) []string {
						return []string{write(p.ours, "x"), said(p.ours.CloseWrite()), readAll(p.theirs), write(p.theirs, "y"), said(p.theirs.CloseWrite()), readAll(p.ours), said(p.ours.Close())}
					},
					[]string{"wrote 1", "ok", `"x" EOF`, "wrote 1", "ok", `"y" EOF`, "ok"}, "resumed",
				},
				{
					"clean, they first", func(p goPair) []string {
						return []string{write(p.theirs, "x"), said(p.theirs.CloseWrite()), readAll(p.ours), write(p.ours, "y"), said(p.ours.Close()), readAll(p.theirs)}
					},
					[]string{"wrote 1", "ok", `"x" EOF`, "wrote 1", "ok", `"y" EOF`}, "resumed",
				},
				{
					"they close", func(p goPair) []string {
						return []string{said(p.theirs.Close()), readAll(p.ours), said(p.ours.Close())}
					},
					[]string{"ok", "EOF", "ok"}, "resumed",
				},
				{
					"they drop", func(p goPair) []string {
						return []string{said(p.theirs.NetConn().Close()), readAll(p.ours), said(p.ours.Close())}
					},
					// A ticket is the client's: our server can take back nothing.
					[]string{"ok", "unexpected EOF", "ok"}, map[string]string{"client": "full", "server": "resumed"}[weAre],
				},
				{
					"we drop", func(p goPair) []string {
						return []string{said(p.ours.NetConn().Close()), readAll(p.theirs), said(p.ours.Close())}
					},
					// crypto/tls takes an end at a record boundary for a clean one, whoever we are.
					[]string{"ok", "EOF", "ok"}, map[string]string{"client": "full", "server": "resumed"}[weAre],
				},
			} {
				t.Run(fmt.Sprintf("%s/we are the %s/%s", tls.VersionName(version), weAre, test.name), func(t *testing.T) {
					t.Parallel()
					role := newGoRole(t, version, weAre)
					p := role.connect()
					if didResume(p.client) {
						t.Fatal("the first connection resumes")
					}
					if diff := cmp.Diff(test.want, test.do(p)); diff != "" {
						t.Errorf("(-want +got):\n%s", diff)
					}
					if got := didResume(role.connect().client); got != (test.session == "resumed") {
						t.Errorf("the session resumes: %v, want it %s", got, test.session)
					}
				})
			}
		}
	}
}

// TestPeerCryptoTLSBulk: both directions at once, then a clean end.
func TestPeerCryptoTLSBulk(t *testing.T) {
	text := randomBytes(2 << 20)
	for _, version := range bothVersions {
		for _, weAre := range []string{"client", "server"} {
			t.Run(tls.VersionName(version)+"/we are the "+weAre, func(t *testing.T) {
				t.Parallel()
				p := newGoRole(t, version, weAre).connect()
				results := make(chan error, 4)
				for _, end := range []tlsPeer{p.ours, p.theirs} {
					go func() {
						_, err := end.Write(text)
						results <- errors.Join(err, end.CloseWrite())
					}()
					go func() {
						got, err := io.ReadAll(end)
						if err == nil && !bytes.Equal(got, text) {
							err = fmt.Errorf("other bytes, %d of them", len(got))
						}
						results <- err
					}()
				}
				for range 4 {
					if err := <-results; err != nil {
						t.Error(err)
					}
				}
				if end := p.ours.(*openssl.Conn).End(); !end.Clean() {
					t.Errorf("End %v", end)
				}
			})
		}
	}
}
