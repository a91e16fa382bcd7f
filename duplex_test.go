package openssl_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"time"
)

func randomBytes(n int) []byte {
	rng := rand.NewChaCha8([32]byte{1})
	p := make([]byte, n)
	rng.Read(p)
	return p
}

// TestBothWaysAtOnce has both ends write more than any buffer holds, in one Write, while they read:
// neither may refuse to read because its own data waits to leave.
func TestBothWaysAtOnce(t *testing.T) {
	text := randomBytes(4 << 20)
	for _, proto := range eachVersion {
		for _, transport := range []string{"tcp", "pipe"} {
			t.Run(proto.name+"/"+transport, func(t *testing.T) {
				var a, b net.Conn
				if transport == "pipe" {
					a, b = net.Pipe()
				} else {
					a, b = tcpEnds(t)
					a.(*net.TCPConn).SetWriteBuffer(8 << 10)
					b.(*net.TCPConn).SetWriteBuffer(8 << 10)
				}
				c := clientOver(t, a, newCtx(t, clientConfig(proto.version)))
				s := serverOver(t, b, newCtx(t, serverConfig(t, proto.version)))
				mustShake(t, c, s)
				c.SetDeadline(time.Now().Add(testTime))
				s.SetDeadline(time.Now().Add(testTime))
				results := make(chan error, 4)
				for _, end := range []net.Conn{c, s} {
					go func() {
						_, err := end.Write(text)
						results <- err
					}()
					go func() {
						got := make([]byte, len(text))
						_, err := io.ReadFull(end, got)
						if err == nil && !bytes.Equal(got, text) {
							err = errors.New("other bytes than were written")
						}
						results <- err
					}()
				}
				for range 4 {
					if err := <-results; err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
}
