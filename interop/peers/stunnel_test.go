package peers

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/golibssl/openssl"
)

// stunnelCuts tells it in stunnel's own words, at debug = info.
const stunnelCuts = "Read socket closed (HUP)"

// With small buffers 200 kB fill them all, and its backend can end before the client has read.
const stunnelSmall = "debug = info\nsocket = l:SO_SNDBUF=16384\nsocket = r:SO_RCVBUF=212992\n" + stunnelServer

// TestStunnelCuts holds what excuses stunnel in TestPeers: it takes POLLHUP of its backend, while it waits for
// room to the client, for the end of what it has still to read there, drops that and says close_notify.
// crypto/tls's client meets it as ours does.
func TestStunnelCuts(t *testing.T) {
	if !*try {
		t.Skip("scripts/peers runs it, and installs stunnel")
	}
	stunnel, ok := find("stunnel")
	if !ok {
		t.Skip("not installed: stunnel (Debian's package stunnel4)")
	}
	pl := newPlace(t)
	content := pl.content[:200_000]
	roots, err := pool(pl.ca)
	if err != nil {
		t.Fatal(err)
	}
	type client interface {
		net.Conn
		CloseWrite() error
	}
	for _, test := range []struct {
		name   string
		client func(net.Conn) (client, error)
		clean  func(client) bool
	}{
		{"crypto/tls", func(nc net.Conn) (client, error) {
			c := tls.Client(nc, &tls.Config{RootCAs: roots, ServerName: "localhost"})
			return c, c.HandshakeContext(within(t))
		}, func(client) bool { return true }},
		{"ours", func(nc net.Conn) (client, error) {
			return openssl.Client(nc, pl.client)
		}, func(c client) bool { return c.(*openssl.Conn).End().Clean() }},
	} {
		t.Run(test.name, func(t *testing.T) {
			ended := make(chan struct{}, 1)
			backend := accept(t, func(c *net.TCPConn) {
				if all, err := io.ReadAll(c); err == nil {
					c.Write(all)
					c.Close()
					ended <- struct{}{}
				}
			})
			dir := t.TempDir()
			p, addr, err := launch(func(port string) *exec.Cmd {
				return exec.Command(stunnel, configuration(dir, "stunnel", stunnelSmall, port, backend, pl.cert, pl.key))
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(p.stop)

			nc, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			nc.SetDeadline(time.Now().Add(long))
			if err := nc.(*net.TCPConn).SetReadBuffer(16384); err != nil {
				t.Fatal(err)
			}
			c, err := test.client(nc)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := c.Write(content); err != nil {
				t.Fatal(err)
			}
			if err := c.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			select {
			case <-ended:
			case <-within(t).Done():
				t.Fatalf("the backend does not end; stunnel printed:\n%s", tail(p.output.String()))
			}
			for until := time.Now().Add(10 * time.Second); !strings.Contains(p.output.String(), stunnelCuts) && time.Now().Before(until); {
				time.Sleep(20 * time.Millisecond)
			}
			got, err := io.ReadAll(c)
			t.Logf("%d bytes of %d", len(got), len(content))
			switch {
			case err != nil || !bytes.HasPrefix(content, got) || !test.clean(c):
				t.Errorf("%d bytes of %d, the first ones: %v, error %v, want a part and close_notify", len(got), len(content), bytes.HasPrefix(content, got), err)
			case len(got) == len(content):
				t.Error("stunnel sends all of it: TestPeers need not excuse a loss")
			case !strings.Contains(p.output.String(), stunnelCuts):
				t.Errorf("stunnel does not say %q:\n%s", stunnelCuts, tail(p.output.String()))
			}
		})
	}
}
