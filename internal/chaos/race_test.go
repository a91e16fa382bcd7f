package chaos

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/sessiontest"
)

// TestRaces calls everything of both ends from many goroutines at the same time, Close among it. It
// is for the race detector and the address sanitizer; besides, every error must be a documented one
// and every end agree with itself.
func TestRaces(t *testing.T) {
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	rounds := max(8, *connections/100)
	for _, kind := range sessiontest.Kinds {
		t.Run(kind.Name, func(t *testing.T) {
			w := newWorld(t, kind, false, 100)
			for round := range rounds / len(sessiontest.Kinds) {
				seed := *seed + uint64(round)
				var near, far net.Conn
				if round%2 == 0 {
					near, far, err = tcpPair(l)
					if err != nil {
						t.Fatal(err)
					}
				} else {
					near, far = net.Pipe()
				}
				rng := rand.New(rand.NewPCG(seed, 1))
				client, err := w.end(rng, near, false, true)
				if err != nil {
					t.Fatal(err)
				}
				server, err := w.end(rng, far, true, true)
				if err != nil {
					t.Fatal(err)
				}
				for _, wrong := range race(seed, client.ours, server.ours) {
					t.Errorf("-seed %d: %s", seed, wrong)
				}
			}
			sessiontest.Drain(t, w.server)
			sessiontest.Drain(t, w.client)
		})
	}
}

// race returns what was wrong.
func race(seed uint64, ends ...*openssl.Conn) (wrong []string) {
	var mu sync.Mutex
	bad := func(s string) {
		mu.Lock()
		defer mu.Unlock()
		wrong = append(wrong, s)
	}
	var all sync.WaitGroup
	for i, c := range ends {
		c.SetDeadline(time.Now().Add(patience / 2))
		for worker := range 6 {
			rng := rand.New(rand.NewPCG(seed, uint64(10*i+worker)))
			all.Go(func() {
				for range 20 {
					if err := call(rng, c); err != nil {
						if name, ok := documented(err); !ok {
							bad("undocumented: " + name)
						}
					}
				}
				// The last one out closes; so do some before.
				if rng.IntN(3) == 0 {
					c.Close()
				}
			})
		}
	}
	done := make(chan struct{})
	go func() { all.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(short):
		// Both ends wait for the other, as they may; or they are still at it, and Close comes between.
		for _, c := range ends {
			c.Close()
		}
		select {
		case <-done:
		case <-time.After(patience):
			return []string{"hangs after Close:\n" + stacks()}
		}
	}
	for _, c := range ends {
		c.Close()
		if err := c.Close(); !errors.Is(err, net.ErrClosed) {
			bad("Close after Close: " + errorText(err))
		}
		if end := c.End(); end.Clean() && (!end.Sent || !end.Received) || end.Truncated && end.Received {
			bad("an end that contradicts itself: " + end.String())
		}
		if _, err := c.Read(make([]byte, 1)); err == nil || err == io.EOF {
			bad("Read after Close: " + errorText(err))
		}
	}
	return wrong
}

func errorText(err error) string {
	if err == nil {
		return "no error"
	}
	return err.Error()
}

// call makes one random call; io.EOF and a second Close's answer are no errors here.
func call(rng *rand.Rand, c *openssl.Conn) (err error) {
	buf := make([]byte, 1+rng.IntN(3000))
	soon := time.Now().Add(time.Duration(rng.IntN(3000)) * time.Microsecond)
	switch rng.IntN(24) {
	default:
		_, err = c.Read(buf)
	case 0, 1, 2, 3, 4, 5:
		_, err = c.Write(buf)
	case 6:
		err = c.CloseWrite()
	case 7:
		ctx, cancel := context.WithDeadline(context.Background(), soon)
		err = c.Shutdown(ctx)
		cancel()
	case 8:
		err = c.SetShutdown(openssl.ShutdownState(rng.IntN(6) - 1))
	case 9:
		err = c.SetReadDeadline(soon)
	case 10:
		err = c.SetWriteDeadline(soon)
	case 11:
		err = c.SetDeadline(time.Now().Add(patience / 2))
	case 12:
		err = c.SetDeadline(time.Time{})
	case 13:
		c.GetShutdown()
	case 14:
		_ = c.End().String()
	case 15:
		c.ConnectionState()
	case 16:
		_, err = c.ExportKeyingMaterial("EXPORTER-race", nil, 16)
	case 17:
		ctx, cancel := context.WithDeadline(context.Background(), soon)
		err = c.HandshakeContext(ctx)
		cancel()
	case 18:
		if rng.IntN(10) == 0 {
			err = c.Close()
		}
	}
	if err == io.EOF {
		return nil
	}
	return err
}
