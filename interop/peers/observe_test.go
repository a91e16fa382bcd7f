package peers

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golibssl/openssl"
)

// TestPeers tries each peer in both roles: what closenotify sees of its endings, a clean end both ways, and
// 10 MB each way with a half close between. With -write FILE it writes what it saw.
func TestPeers(t *testing.T) {
	if !*try {
		t.Skip("scripts/peers runs it, and installs the peers")
	}
	p := newPlace(t)
	tool := buildTool(t, p.dir)
	t.Run("peers", func(t *testing.T) {
		for _, tried := range peers() {
			t.Run(tried.name, func(t *testing.T) {
				t.Parallel()
				version := require(t, p, tried)
				seen.version(tried.name, version)
				t.Logf("%s: %s", tried.name, version)
				for _, role := range []struct {
					name, not string
					try       func(*testing.T, *place, string, peer)
				}{
					{"server", tried.noServer, tryServer}, {"client", tried.noClient, tryClient},
					{"echo", first(tried.noEcho, tried.noServer), tryEcho}, {"send", first(tried.noSend, tried.noClient), trySend},
				} {
					t.Run(role.name, func(t *testing.T) {
						if role.not != "" {
							seen.set(tried.name, role.name, "—")
							t.Skip(role.not)
						}
						role.try(t, p, tool, tried)
					})
				}
			})
		}
	})
	if *write != "" && !t.Failed() {
		if err := seen.write(*write); err != nil {
			t.Error(err)
		}
	}
}

func first(reasons ...string) string {
	for _, r := range reasons {
		if r != "" {
			return r
		}
	}
	return ""
}

// clean judges an end that should be clean both ways.
func clean(t *testing.T, p peer, role string, end openssl.End, err error) {
	t.Helper()
	reason := p.unclean[role]
	switch {
	case err == nil && end.Clean():
		seen.set(p.name, role+" clean", "clean")
	case reason != "":
		seen.set(p.name, role+" clean", reason)
		t.Logf("%s: End %v, %v", reason, end, err)
	default:
		t.Errorf("End %v, %v, want it clean both ways", end, err)
	}
}

// tryServer probes the peer's server and has a clean end with it.
func tryServer(t *testing.T, pl *place, tool string, p peer) {
	addr := p.server(t, pl)
	var report struct{ Checks map[string]any }
	out, err := bounded(t, nil, tool, "probe", "--json", "--insecure", "--timeout", (2 * brief).String(), addr)
	if err != nil {
		t.Fatalf("probe: %v, %s", err, stderr(err))
	}
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatal(err)
	}
	for _, check := range []string{"end_of_response", "answer_to_close_notify", "half_close", "bare_fin"} {
		ending, _ := report.Checks[check].(string)
		if ending == "" {
			t.Errorf("the probe tells no %s: %s", check, out)
		}
		seen.set(p.name, check, ending)
	}

	c := dial(t, pl, addr)
	defer c.Close()
	if _, err := io.WriteString(c, "GET / HTTP/1.0\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	answer, readErr := io.ReadAll(c)
	if !strings.HasPrefix(string(answer), "HTTP/1.") {
		t.Errorf("the answer is %.200q", answer)
	}
	err = errors.Join(readErr, c.Shutdown(within(t)))
	clean(t, p, "server", c.End(), err)
}

func stderr(err error) []byte {
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return exit.Stderr
	}
	return nil
}

func dial(t *testing.T, pl *place, addr string) *openssl.Conn {
	t.Helper()
	c, err := openssl.DialContext(within(t), "tcp", addr, pl.client)
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(long))
	return c
}

// fill replaces what stands for the port and files in a command.
func fill(command []string, pl *place, port, ca string) []string {
	r := strings.NewReplacer("{port}", port, "{ca}", ca, "{dir}", pl.dir, "{cc}", pl.cc, "{data}", pl.data, "{request}", pl.request)
	out := make([]string, len(command))
	for i := range command {
		out[i] = r.Replace(command[i])
	}
	return out
}

// tryClient serves two endings to the peer's client: a clean one, and a stream that is cut.
func tryClient(t *testing.T, pl *place, tool string, p peer) {
	for _, end := range []string{"clean", "truncate"} {
		args := append([]string{"serve", "--json", "--timeout", (2 * brief).String(), "--end", end, "--"}, fill(p.get, pl, "{port}", "{ca}")...)
		out, err := bounded(t, nil, tool, args...)
		if err != nil {
			t.Fatalf("serve: %v, %s", err, stderr(err))
		}
		var ending string
		exit := -1
		for line := range strings.Lines(string(out)) {
			var r struct {
				TLS, Ending string
				Exit        *int `json:"command_exit"`
			}
			if err := json.Unmarshal([]byte(line), &r); err != nil {
				t.Fatalf("%v in %s", err, line)
			}
			// A proxy connects when it is asked whether it listens, too.
			if r.TLS != "" && (ending == "" || strings.HasPrefix(r.Ending, "data")) {
				ending = r.Ending
			}
			if r.Exit != nil {
				exit = *r.Exit
			}
		}
		if ending == "" || exit < 0 {
			t.Fatalf("serve tells %s", out)
		}
		seen.set(p.name, "client "+end, ending)
		said := "nothing"
		if exit != 0 {
			said = "failed"
		}
		seen.set(p.name, "client says "+end, said)
		if end == "clean" && exit != 0 {
			t.Errorf("the client fails after a clean end, with status %d", exit)
		}
	}
}

// tryEcho sends 10 MB to the peer's server, then close_notify, and reads them back.
func tryEcho(t *testing.T, pl *place, _ string, p peer) {
	c := dial(t, pl, p.echo(t, pl))
	defer c.Close()
	var got []byte
	var err error
	switch {
	case p.echoHTTP:
		got, err = postOver(c, pl.content)
		err = errors.Join(err, c.Shutdown(within(t)))
	case p.echoNow:
		written := make(chan error, 1)
		go func() { _, err := c.Write(pl.content); written <- err }()
		got = make([]byte, len(pl.content))
		_, err = io.ReadFull(c, got)
		err = errors.Join(err, <-written, c.Shutdown(within(t)))
	default:
		_, err = c.Write(pl.content)
		err = errors.Join(err, c.CloseWrite())
		all, readErr := io.ReadAll(c)
		got, err = all, errors.Join(err, readErr)
	}
	cell := halfClosed(!p.echoNow && !p.echoHTTP)
	if p.loses != "" && bytes.HasPrefix(pl.content, got) {
		t.Logf("%d bytes of %d: %s", len(got), len(pl.content), p.loses)
		cell = "10 MB or less, half close"
	} else if !same(t, pl, got, err, p.unclean["echo"] != "") {
		return
	}
	seen.set(p.name, "echo", cell)
	clean(t, p, "echo", c.End(), err)
}

// postOver posts on a connection and returns the answer's body, behind which the connection has ended.
func postOver(c *openssl.Conn, body []byte) ([]byte, error) {
	r, err := http.NewRequest("POST", "https://localhost/", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Close = true
	if err := r.Write(c); err != nil {
		return nil, err
	}
	buffered := bufio.NewReader(c)
	answer, err := http.ReadResponse(buffered, r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	got, err := io.ReadAll(answer.Body)
	if err != nil {
		return got, err
	}
	rest, err := io.ReadAll(buffered)
	return append(got, rest...), err
}

func halfClosed(half bool) string {
	if half {
		return "10 MB, half close"
	}
	return "10 MB"
}

// same compares what came back with what was sent.
func same(t *testing.T, pl *place, got []byte, err error, mayEndUnclean bool) bool {
	t.Helper()
	if !bytes.Equal(got, pl.content) || err != nil && !mayEndUnclean {
		t.Errorf("%d bytes of %d came back, the same: %v, error %v", len(got), len(pl.content), bytes.Equal(got, pl.content), err)
		return false
	}
	return true
}

// trySend gets 10 MB and close_notify from the peer's client, and sends them back.
func trySend(t *testing.T, pl *place, _ string, p peer) {
	l, err := openssl.Listen("tcp", "127.0.0.1:0", pl.server)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	type result struct {
		end openssl.End
		err error
	}
	hasRead := filepath.Join(t.TempDir(), "read")
	served := make(chan result, 1)
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				served <- result{err: err}
				return
			}
			c := nc.(*openssl.Conn)
			c.SetDeadline(time.Now().Add(long))
			// Whoever asked whether a proxy listens made it connect, too.
			if c.Handshake() != nil {
				c.Close()
				continue
			}
			err = answerSend(c, p, len(pl.content), hasRead)
			end := c.End()
			c.Close()
			if errors.Is(err, errNothing) {
				continue
			}
			served <- result{end, err}
			return
		}
	}()

	var got []byte
	if p.through != nil {
		got, err = sendThrough(t, pl, p, p.through(t, pl, l.Addr().String()))
	} else {
		command := fill(p.send, pl, port, pl.ca)
		for i := range command {
			command[i] = strings.ReplaceAll(command[i], "{read}", hasRead)
		}
		if got, err = bounded(t, pl.content, command[0], command[1:]...); err != nil {
			err = fmt.Errorf("%w: %s", err, stderr(err))
		}
	}
	l.Close()
	r := <-served
	if err := errors.Join(err, r.err); !same(t, pl, got, err, p.unclean["send"] != "") {
		return
	}
	seen.set(p.name, "send", halfClosed(!p.sendNow && !p.http))
	clean(t, p, "send", r.end, errors.Join(err, r.err))
}

var errNothing = errors.New("the client sent nothing")

// answerSend is our server's side: it reads what the client sends and makes the file hasRead, reads on up to the
// client's close_notify where it says one, sends all of it back, and ends clean.
func answerSend(c *openssl.Conn, p peer, size int, hasRead string) error {
	if p.http {
		return answerHTTP(c)
	}
	all := make([]byte, size)
	n, err := io.ReadFull(c, all)
	if n == 0 {
		return errNothing
	}
	if err := errors.Join(err, os.WriteFile(hasRead, nil, 0o600)); err != nil {
		return fmt.Errorf("reading, %d bytes: %w", n, err)
	}
	if !p.sendNow {
		if rest, err := io.ReadAll(c); err != nil || len(rest) > 0 {
			return fmt.Errorf("behind what it was given: %d bytes, %w", len(rest), err)
		}
	}
	if _, err := c.Write(all); err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	return finish(c)
}

// finish says close_notify and reads the peer's.
func finish(c *openssl.Conn) error {
	if err := c.CloseWrite(); err != nil {
		return err
	}
	if rest, err := io.ReadAll(c); err != nil || len(rest) > 0 {
		return fmt.Errorf("behind our close_notify: %d bytes, %w", len(rest), err)
	}
	return nil
}

// sendThrough speaks with a proxy in clear text.
func sendThrough(t *testing.T, pl *place, p peer, addr string) ([]byte, error) {
	if p.http {
		client := &http.Client{Timeout: long, Transport: &http.Transport{DisableKeepAlives: true}}
		answer, err := client.Post("http://"+addr, "text/plain", bytes.NewReader(pl.content))
		if err != nil {
			return nil, err
		}
		defer answer.Body.Close()
		return io.ReadAll(answer.Body)
	}
	d := net.Dialer{}
	nc, err := d.DialContext(within(t), "tcp", addr)
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(long))
	if _, err := nc.Write(pl.content); err != nil {
		return nil, err
	}
	if err := nc.(*net.TCPConn).CloseWrite(); err != nil {
		return nil, err
	}
	return io.ReadAll(nc)
}
