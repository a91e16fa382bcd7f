package openssl_test

import (
	"crypto/tls"
	"errors"
	"io"
	"testing"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/cleartext"
	"github.com/golibssl/openssl/internal/record"
)

// A server of TLS 1.2 may warn of an unknown name before its ServerHello (RFC 6066, section 3). The
// client still hopes for TLS 1.3 then, where each level would be fatal.
func TestWarningBeforeServerHello(t *testing.T) {
	for _, proto := range allProtocols {
		t.Run(proto.name, func(t *testing.T) {
			p := newRawPair(t, proto)
			p.must(p.ctx[cleartext.Client].SetVersions(tls.VersionTLS12, tls.VersionTLS13))
			p.connect()
			p.c.ssl().Handshake()
			p.c.after()
			p.must(p.c.ssl().Feed([]byte("\x15\x03\x03\x00\x02\x01\x70")))
			p.handshake()
			p.s.shutdown()
			wantCleanEnd(t, p)
		})
	}
}

// In TLS 1.3 user_canceled is no error at either level.
func TestUserCanceledAtFatalLevel(t *testing.T) {
	for _, proto := range tls13 {
		t.Run(proto.name, func(t *testing.T) {
			p := newRawPair(t, proto).established()
			p.s.forge(record.Alert, "\x02\x5a")
			p.s.forge(record.Alert, bodyCloseNotify)
			wantCleanEnd(t, p)
		})
	}
}

// Up to TLS 1.2 a close_notify of the fatal level is a fatal alert, which ends the session too.
func TestCloseNotifyAtFatalLevel(t *testing.T) {
	for _, proto := range allProtocols {
		t.Run(proto.name, func(t *testing.T) {
			p := newConnPair(t, proto, pairOptions{})
			if err := p.client.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			p.forge(cleartext.Server, forged{alertRecord, "\x02\x00"})
			_, err := p.client.Read(make([]byte, 1))
			var alert *openssl.AlertError
			end := p.client.End()
			if proto.version == tls.VersionTLS13 {
				if err != io.EOF || !end.Received || end.AlertReceived != nil || !end.Resumable {
					t.Errorf("Read: %v; %v", err, end)
				}
				return
			}
			if !errors.As(err, &alert) || !alert.FromPeer || alert.Alert != openssl.AlertCloseNotify || errors.Is(err, io.EOF) {
				t.Errorf("Read: %v", err)
			}
			if end.Received || end.AlertReceived == nil || end.Resumable || end.Clean() {
				t.Error(end)
			}
			p.client.Close()
			if p.newest.Resumable() {
				t.Error("the session survives a fatal alert")
			}
		})
	}
}

func wantCleanEnd(t *testing.T, p *rawPair) {
	t.Helper()
	_, err := p.c.ssl().Read(make([]byte, 1))
	p.c.after()
	if facts := p.c.ssl().Facts(); facts.AlertReceived != nil || !facts.CloseNotifyReceived {
		t.Errorf("facts %+v: alert %v", facts, facts.AlertReceived)
	}
	// From 3.5 on the class of a close_notify behind user_canceled is SYSCALL.
	var alert *openssl.AlertError
	if errors.As(err, &alert) || !errors.Is(err, io.EOF) && class(err) != "SYSCALL" && class(err) != "-1 SYSCALL" {
		t.Errorf("Read: %v (%s)", err, class(err))
	}
	if got := p.c.ssl().GetShutdown(); got != openssl.ReceivedShutdown {
		t.Errorf("state %v, want RECEIVED", got)
	}
}
