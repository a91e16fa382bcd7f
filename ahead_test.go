package openssl_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/golibssl/openssl"
)

// written is a pair whose client has been sent text and has read its first byte.
func written(t *testing.T, version uint16, text []byte) (c, s *openssl.Conn) {
	t.Helper()
	c, s = connected(t, newCtx(t, clientConfig(version)), newCtx(t, serverConfig(t, version)))
	if _, err := s.Write(text); err != nil {
		t.Fatal(err)
	}
	first := make([]byte, 1)
	if _, err := io.ReadFull(c, first); err != nil || first[0] != text[0] {
		t.Fatalf("the first byte is %x, %v", first, err)
	}
	return c, s
}

// TestSmallReads: whatever pieces a record is read in, every byte comes once, and the end behind them.
func TestSmallReads(t *testing.T) {
	text := randomBytes(40_000) // three records, the last one shorter
	for _, version := range bothVersions {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			c, s := written(t, version, text)
			if err := s.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			got := []byte{text[0]}
			for _, size := range []int{1, 2, 511, 512, 700, 3} {
				p := make([]byte, size)
				for range 4 {
					if _, err := io.ReadFull(c, p); err != nil {
						t.Fatal(err)
					}
					got = append(got, p...)
				}
			}
			rest, err := io.ReadAll(iotest.OneByteReader(c))
			if err != nil {
				t.Fatal(err)
			}
			if got = append(got, rest...); !bytes.Equal(got, text) {
				t.Fatalf("%d bytes came of %d, or others", len(got), len(text))
			}
		})
	}
}

// TestSmallReadsUnread: what a small Read has taken out of libssl and not given to anybody is unread.
func TestSmallReadsUnread(t *testing.T) {
	for _, version := range bothVersions {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			c, s := written(t, version, make([]byte, 1000))
			if got := c.End().Unread; got != 999 {
				t.Errorf("%d bytes are unread, not 999", got)
			}
			var unread *openssl.UnreadDataError
			if err := c.Shutdown(context.Background()); !errors.As(err, &unread) || unread.N != 999 {
				t.Errorf("Shutdown: %v", err)
			}
			if err := c.SetShutdown(openssl.SentShutdown | openssl.ReceivedShutdown); err != nil {
				t.Fatal(err)
			}
			c.Close()
			s.Close()
			if got := c.End().Unread; got != 999 {
				t.Errorf("after Close %d bytes are unread, not 999", got)
			}
		})
	}
}

// TestSmallReadsForced: a state that the application has set stops Read as it does in mid-record.
func TestSmallReadsForced(t *testing.T) {
	c, _ := written(t, tls.VersionTLS13, make([]byte, 1000))
	if err := c.SetShutdown(openssl.ReceivedShutdown); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Read(make([]byte, 1)); n != 0 || !errors.Is(err, openssl.ErrForcedState) {
		t.Errorf("Read = %d, %v", n, err)
	}
	if err := c.SetShutdown(0); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(io.LimitReader(c, 999)); len(got) != 999 || err != nil {
		t.Errorf("%d bytes were left, %v", len(got), err)
	}
}
