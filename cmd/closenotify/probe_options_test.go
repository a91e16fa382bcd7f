package main

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/testcert"
)

// goodbyes reads what a client says until its end, and keeps what came on the first connection.
type goodbyes struct {
	once  sync.Once
	first string
}

func (g *goodbyes) serve(c *tls.Conn, n int) {
	p := make([]byte, n)
	k, _ := io.ReadFull(c, p)
	if k == n {
		g.once.Do(func() { g.first = string(p) })
		io.WriteString(c, "bye")
	}
	c.Close()
}

// TestProbeStartTLS: each protocol's dialog, by a server that says nothing of it wrong, then TLS, then the
// protocol's goodbye.
func TestProbeStartTLS(t *testing.T) {
	t.Parallel()
	expect := func(r *bufio.Reader, want string) bool {
		p := make([]byte, len(want))
		_, err := io.ReadFull(r, p)
		return err == nil && string(p) == want
	}
	for _, test := range []struct {
		protocol string
		ask      func(r *bufio.Reader, w io.Writer) bool
		goodbye  string
	}{
		{"smtp", func(r *bufio.Reader, w io.Writer) bool {
			io.WriteString(w, "220 mail.example\r\n")
			ok := expect(r, "EHLO closenotify\r\n")
			io.WriteString(w, "250-mail.example\r\n250 STARTTLS\r\n")
			ok = ok && expect(r, "STARTTLS\r\n")
			io.WriteString(w, "220 go ahead\r\n")
			return ok
		}, "QUIT\r\n"},
		{"imap", func(r *bufio.Reader, w io.Writer) bool {
			io.WriteString(w, "* OK IMAP4rev2\r\n")
			ok := expect(r, "a STARTTLS\r\n")
			io.WriteString(w, "a OK begin\r\n")
			return ok
		}, "b LOGOUT\r\n"},
		{"pop3", func(r *bufio.Reader, w io.Writer) bool {
			io.WriteString(w, "+OK\r\n")
			ok := expect(r, "STLS\r\n")
			io.WriteString(w, "+OK\r\n")
			return ok
		}, "QUIT\r\n"},
		{"postgres", func(r *bufio.Reader, w io.Writer) bool {
			ok := expect(r, "\x00\x00\x00\x08\x04\xd2\x16\x2f")
			io.WriteString(w, "S")
			return ok
		}, "X\x00\x00\x00\x04"},
		{"ldap", func(r *bufio.Reader, w io.Writer) bool {
			ok := expect(r, "\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037")
			io.WriteString(w, "\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00")
			return ok
		}, "\x30\x05\x02\x01\x02\x42\x00"},
	} {
		t.Run(test.protocol, func(t *testing.T) {
			t.Parallel()
			config := tlsConfig()
			var said goodbyes
			target := server(t, func(raw net.Conn) {
				// Nothing of TLS comes before the server's consent, so the buffer holds none.
				if !test.ask(bufio.NewReader(raw), raw) {
					return
				}
				c := tls.Server(raw, config)
				if c.Handshake() == nil {
					said.serve(c, len(test.goodbye))
				}
			})
			got := probeTarget(t, target, patience, "--starttls", test.protocol)
			if got.TLS != "TLSv1.3" || got.Checks.EndOfResponse != "data+close_notify+fin" || got.Checks.ResumeAfterClose != bothResumed {
				t.Errorf("report %+v", got)
			}
			if said.first != test.goodbye {
				t.Errorf("the server read %q, want %q", said.first, test.goodbye)
			}
			r := tool(t, "", "probe", "--insecure", "--timeout", "20s", "--starttls", "postgres", plainText(t))
			r.wantError(t, exitFailed, "starttls postgres", "refuses")
		})
	}
}

func plainText(t *testing.T) string {
	return server(t, func(c net.Conn) { io.WriteString(c, "N"); io.Copy(io.Discard, c) })
}

// TestProbeNegotiates: the group and the protocol are the server's choice among what was offered, in JSON
// and in the text.
func TestProbeNegotiates(t *testing.T) {
	t.Parallel()
	config := tlsConfig()
	config.CurvePreferences = []tls.CurveID{tls.CurveP384}
	config.NextProtos = []string{"postgresql", "h2"}
	target := server(t, func(raw net.Conn) {
		c := tls.Server(raw, config)
		defer c.Close()
		readRequest(c)
	})
	group := "CurveP384"
	if openssl.LibraryVersionNumber() < 0x30000000 {
		group = "" // 1.1.1 does not tell
	}
	for _, test := range []struct{ flags, want []string }{
		{nil, []string{group, ""}},
		{[]string{"--alpn", "http/1.1,h2"}, []string{group, "h2"}},
		{[]string{"--alpn", "h2", "--alpn", "postgresql", "--tls1.2"}, []string{group, "postgresql"}},
	} {
		got := probeTarget(t, target, patience, test.flags...)
		if d := cmp.Diff(test.want, []string{got.Group, got.ALPN}); d != "" {
			t.Errorf("%v: group and protocol (-want +got):\n%s", test.flags, d)
		}
	}
	r := tool(t, "", "probe", "--insecure", "--alpn", "h2", target)
	first, _, _ := strings.Cut(r.Stdout, "\n")
	if group == "" {
		group = "group not told"
	}
	if want := target + ", TLSv1.3, " + group + ", ALPN h2, probed with OpenSSL "; !strings.HasPrefix(first, want) {
		t.Errorf("first line %q, want %q…", first, want)
	}
	tool(t, "", "probe", "--insecure", "--alpn", "gopher", target).wantError(t, exitFailed, target, "no_application_protocol")
}

// TestProbeClientCertificate: a server that demands one sees it; the key may stand in the same file.
func TestProbeClientCertificate(t *testing.T) {
	t.Parallel()
	config := tlsConfig()
	config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, testcert.Root().Pool()
	names := make(chan string, 100)
	target := server(t, func(raw net.Conn) {
		c := tls.Server(raw, config)
		defer c.Close()
		if readRequest(c) {
			names <- c.ConnectionState().PeerCertificates[0].Subject.CommonName
			io.WriteString(c, "an answer")
		}
	})
	dir := t.TempDir()
	cert, key, both := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), filepath.Join(dir, "both.pem")
	client := testcert.Client()
	writeFile(t, cert, client.ChainPEM)
	writeFile(t, key, client.KeyPEM)
	writeFile(t, both, append(append([]byte(nil), client.KeyPEM...), client.ChainPEM...))
	for _, flags := range [][]string{{"--cert", cert, "--key", key}, {"--cert", both, "--tls1.2"}} {
		got := probeTarget(t, target, patience, flags...)
		if got.Checks.EndOfResponse != "data+close_notify+fin" || got.Checks.ResumeAfterClose != bothResumed {
			t.Errorf("%v: %+v", flags, got.Checks)
		}
		if name := <-names; name != client.Leaf.Subject.CommonName {
			t.Errorf("%v: the server saw %q", flags, name)
		}
	}
	for _, test := range []struct {
		flags  []string
		status int
		tells  string
	}{
		{nil, exitFailed, ""},
		{[]string{"--key", key}, exitUsage, "--key needs --cert"},
		{[]string{"--cert", cert}, exitFailed, "certificate"},
		{[]string{"--cert", filepath.Join(dir, "none.pem")}, exitFailed, "none.pem"},
		{[]string{"--starttls", "gopher"}, exitUsage, "imap, ldap, pop3, postgres, smtp"},
	} {
		args := append([]string{"probe", "--insecure", "--tls1.2"}, test.flags...)
		tool(t, "", append(args, target)...).wantError(t, test.status, test.tells)
	}
}
