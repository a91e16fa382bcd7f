package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/golibssl/openssl"
)

// patience bounds every wait for the runner, which itself gives up earlier.
const patience = time.Minute

// received is what OnSession was told by the connection of the moment.
var received struct {
	sync.Mutex
	last *openssl.Session
}

func keepSession(_ *openssl.Conn, s *openssl.Session) {
	received.Lock()
	defer received.Unlock()
	received.last = s
}

func lastSession() *openssl.Session {
	received.Lock()
	defer received.Unlock()
	return received.last
}

// connection is one connection from its TCP to its end; a client's answers with the session.
func connection(c *config, ctx *openssl.Ctx, session *openssl.Session, resume bool) (*openssl.Session, error) {
	tcp, err := dial(c)
	if err != nil {
		return nil, err
	}
	held, err := hold(tcp)
	if err != nil {
		return nil, err
	}
	defer held.drain()
	nc := net.Conn(tcp)
	var slow *slowConn
	if c.async || c.unfinishedWrite {
		slow = &slowConn{Conn: tcp}
		nc = slow
	}
	received.last = nil
	secrets.reset()
	var conn *openssl.Conn
	if c.server {
		conn, err = openssl.Server(nc, ctx)
	} else {
		opts := []openssl.ConnOption{openssl.WithServerName(c.hostName)}
		if session != nil {
			opts = append(opts, openssl.WithSession(session))
		}
		conn, err = openssl.Client(nc, ctx, opts...)
	}
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	if err := exchange(c, conn, slow, resume); err != nil {
		return nil, err
	}
	return lastSession(), nil
}

func exchange(c *config, conn *openssl.Conn, slow *slowConn, resume bool) error {
	if !c.implicitHandshake {
		if err := conn.Handshake(); err != nil {
			return err
		}
		if err := check(c, conn, resume); err != nil {
			return err
		}
		if c.handshakeTwice {
			if err := conn.Handshake(); err != nil {
				return err
			}
		}
	}
	if err := opening(c, conn, slow); err != nil {
		return err
	}
	if !c.shimShutsDown && !c.recordSizes {
		if err := echo(c, conn); err != nil {
			return err
		}
	}
	if state := conn.ConnectionState(); !c.server && state.Version == tls.VersionTLS13 {
		if want := !c.expectNoSession && !c.shimShutsDown; want != (lastSession() != nil) {
			return fmt.Errorf("a session was given: %v, expected: %v", !want, want)
		}
	}
	return shutdown(c, conn)
}

// opening is what this end says before it listens.
func opening(c *config, conn *openssl.Conn, slow *slowConn) error {
	if c.exportLength > 0 {
		var context []byte
		if c.useExportContext {
			context = []byte(c.exportContext)
			if context == nil {
				context = []byte{}
			}
		}
		key, err := conn.ExportKeyingMaterial(c.exportLabel, context, c.exportLength)
		if err != nil {
			return err
		}
		if _, err := conn.Write(key); err != nil {
			return err
		}
	}
	if c.exportSecrets {
		said, err := secrets.traffic(c.server)
		if err != nil {
			return err
		}
		if _, err := conn.Write(said); err != nil {
			return err
		}
	}
	switch {
	case c.recordSizes:
		data := bytes.Repeat([]byte{0x42}, 32769)
		for _, n := range []int{0, 1, 255, 256, 257, 16383, 16384, 16385, 32767, 32768, 32769} {
			if _, err := conn.Write(data[:n]); err != nil {
				return err
			}
		}
	case c.unfinishedWrite:
		// One byte of the record leaves, then the time is up; the rest goes with the next Write.
		slow.allow(1)
		if n, err := conn.Write([]byte("hello")); n != 5 || !isTimeout(err) {
			return fmt.Errorf("an unfinished write: %d, %v", n, err)
		}
	case c.shimWritesFirst:
		if _, err := conn.Write([]byte("hello")); err != nil {
			return err
		}
	}
	if c.unfinishedWrite {
		defer slow.allow(-1)
	}
	return nil
}

// echo sends everything back inverted, until the peer ends.
func echo(c *config, conn *openssl.Conn) error {
	buf := make([]byte, 512)
	if c.readSize > 0 {
		buf = make([]byte, c.readSize)
	}
	for {
		n, err := conn.Read(buf)
		if c.exportBetweenReads {
			if _, err := conn.ExportKeyingMaterial("", nil, 1); err != nil {
				return err
			}
		}
		for i := range buf[:n] {
			buf[i] ^= 0xff
		}
		if n > 0 {
			if _, err := conn.Write(buf[:n]); err != nil {
				return err
			}
		}
		switch {
		case err == io.EOF:
			return nil
		case errors.Is(err, io.ErrUnexpectedEOF) && !c.checkCloseNotify && conn.End().AlertReceived == nil:
			// The runner often just leaves. Where it wants the end checked it says so.
			return nil
		case err != nil:
			return err
		}
	}
}

// shutdown ends the connection, both ways where the runner looks.
func shutdown(c *config, conn *openssl.Conn) error {
	if !c.checkCloseNotify {
		// The runner has left or is about to: a quiet shutdown, so that it does not depend on luck
		// whether our close_notify can still be sent, and with it the session's life.
		return conn.SetShutdown(conn.GetShutdown() | openssl.SentShutdown)
	}
	if c.shimShutsDown {
		if err := conn.CloseWrite(); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := conn.Shutdown(ctx); err != nil {
		return err
	}
	if end := conn.End(); !end.Clean() {
		return fmt.Errorf("Shutdown succeeded, and the end is not clean: %v", end)
	}
	return nil
}

// check holds a finished handshake to what the flags expect.
func check(c *config, conn *openssl.Conn, resume bool) error {
	if c.handshakeNeverDone {
		return errors.New("the handshake is complete, and should never be")
	}
	s := conn.ConnectionState()
	alpn := c.expectALPN
	if c.server {
		alpn = c.selectALPN
	}
	given := lastSession() != nil
	wantGiven := !c.expectNoSession && (!s.DidResume || c.expectRenewal)
	switch {
	case c.expectVersion != 0 && int(s.Version) != c.expectVersion:
		return fmt.Errorf("version %#x", s.Version)
	case c.expectCipher != 0 && int(s.CipherSuite) != c.expectCipher:
		return fmt.Errorf("cipher %#x, expected %#x", s.CipherSuite, c.expectCipher)
	case c.expectCurve != 0 && int(s.CurveID) != c.expectCurve:
		return fmt.Errorf("group %d, expected %d", s.CurveID, c.expectCurve)
	case s.DidResume != (resume && !c.expectSessionMiss):
		return fmt.Errorf("resumed: %v", s.DidResume)
	case s.NegotiatedProtocol != alpn:
		return fmt.Errorf("ALPN %q, expected %q", s.NegotiatedProtocol, alpn)
	case c.server && c.expectServerName != "" && s.ServerName != c.expectServerName:
		return fmt.Errorf("server name %q", s.ServerName)
	case (!c.server || c.requireClientCert) && len(s.PeerCertificates) == 0:
		return errors.New("the peer showed no certificate")
	case !c.server && s.Version < tls.VersionTLS13 && given != wantGiven:
		return fmt.Errorf("a session was given: %v, expected: %v", given, wantGiven)
	case c.expectHRR && !s.HelloRetryRequest, c.expectNoHRR && s.HelloRetryRequest:
		return fmt.Errorf("HelloRetryRequest: %v", s.HelloRetryRequest)
	}
	if c.expectPeerCert != "" {
		return samePeer(s.PeerCertificates, c.expectPeerCert)
	}
	return nil
}

// keyLog is a KeyLogWriter that remembers.
type keyLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

var secrets keyLog

func (k *keyLog) Write(p []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.text.Write(p)
}

func (k *keyLog) reset() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.text.Reset()
}

// traffic answers with what -export-traffic-secrets wants: the length of one secret, then the one
// that this end reads with and the one that it writes with.
func (k *keyLog) traffic(server bool) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	found := make(map[string][]byte)
	for lines := bufio.NewScanner(bytes.NewReader(k.text.Bytes())); lines.Scan(); {
		words := strings.Fields(lines.Text())
		if len(words) != 3 {
			continue
		}
		secret, err := hex.DecodeString(words[2])
		if err != nil {
			return nil, err
		}
		found[words[0]] = secret
	}
	read, write := found["SERVER_TRAFFIC_SECRET_0"], found["CLIENT_TRAFFIC_SECRET_0"]
	if server {
		read, write = write, read
	}
	if len(read) == 0 || len(read) != len(write) {
		return nil, errors.New("the key log has no traffic secrets")
	}
	out := binary.LittleEndian.AppendUint16(nil, uint16(len(read)))
	return append(append(out, read...), write...), nil
}
