package main

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/spacemonkeygo/openssl"
)

// cutting is a connection whose end may be cut inside a record.
type cutting struct {
	net.Conn
	mu    sync.Mutex
	limit int // bytes that may still be written, or -1
}

func (c *cutting) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.limit < 0 {
		return c.Conn.Write(b)
	}
	n := min(c.limit, len(b))
	c.limit -= n
	if _, err := c.Conn.Write(b[:n]); err != nil {
		return 0, err
	}
	return len(b), nil
}

func (c *cutting) cutAfter(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limit = n
}

func pair() *duo { return connect(serverCtx(pki().server, tls12), clientCtx(tls12)) }

func ends(s *section) {
	buf := make([]byte, 64)
	// How each end of the other side reads.
	for _, test := range []struct {
		name string
		end  func(d *duo, raw *cutting)
	}{
		{"Close", func(d *duo, _ *cutting) { check(d.cli.Close()) }},
		{"bare end of TCP", func(d *duo, raw *cutting) { check(raw.Conn.Close()) }},
		{"TCP's write side closed", func(d *duo, raw *cutting) { check(raw.Conn.(*net.TCPConn).CloseWrite()) }},
		{"cut in a record", func(d *duo, raw *cutting) {
			raw.cutAfter(20)
			must(d.cli.Write(make([]byte, 1000)))
			check(raw.Conn.Close())
		}},
		{"cut in a record's header", func(d *duo, raw *cutting) {
			raw.cutAfter(3)
			must(d.cli.Write(make([]byte, 1000)))
			check(raw.Conn.Close())
		}},
	} {
		a, b := pipe()
		raw := &cutting{b, sync.Mutex{}, -1}
		d := over(a, raw, serverCtx(pki().server, tls12), clientCtx(tls12)).established()
		must(d.cli.Write([]byte("before")))
		n, err := io.ReadFull(d.ssl, buf[:6])
		test.end(d, raw)
		s.line(test.name+", before", n, err)
		s.try(test.name, func() []any { n, err := d.ssl.Read(buf); return []any{n, err} })
		s.try(test.name+", again", func() []any { n, err := d.ssl.Read(buf); return []any{n, err} })
		s.try(test.name+", all", func() []any { all, err := io.ReadAll(d.ssl); return []any{len(all), err} })
		s.try(test.name+", then Write", func() []any { n, err := d.ssl.Write([]byte("late")); return []any{n, kind(err)} })
		s.within(test.name+", then Close", func() []any { return []any{kind(d.ssl.Close()), kind(d.ssl.Close())} })
		d.close()
		a.Close()
		b.Close()
	}
	d := pair().established()
	s.try("data before the end is read whole", func() []any {
		data := bytes.Repeat([]byte("data"), 20000)
		var wrote, closed error
		var done sync.WaitGroup
		done.Go(func() { _, wrote = d.cli.Write(data); closed = d.cli.Close() })
		got, err := io.ReadAll(d.ssl)
		done.Wait()
		return []any{bytes.Equal(got, data), err, wrote, closed}
	})
	d.close()
	d = connect(serverCtx(pki().server, tls12), nil).established()
	s.try("standard client closes", func() []any {
		check(d.client.Close())
		n, err := d.ssl.Read(buf)
		return []any{n, err}
	})
	d.close()
	d = connect(nil, clientCtx(tls12)).established()
	s.try("standard server reads our Close", func() []any {
		check(d.cli.Close())
		n, err := d.server.Read(buf)
		return []any{n, err}
	})
	d.close()
}

func closes(s *section) {
	buf := make([]byte, 64)
	d := pair()
	s.within("before the handshake", func() []any { return []any{kind(d.cli.Close()), kind(d.cli.Close())} })
	s.within("before the handshake, then Handshake", func() []any { return []any{d.cli.Handshake()} })
	s.within("before the handshake, then Read and Write", func() []any {
		n, err := d.cli.Read(buf)
		m, err2 := d.cli.Write(buf)
		return []any{n, err, m, err2}
	})
	s.within("the other end's handshake then", func() []any { return []any{kind(d.ssl.Handshake())} })
	d.close()

	d = pair().established()
	s.within("first", func() []any { return []any{d.cli.Close()} })
	s.within("then Read", func() []any { n, err := d.cli.Read(buf); return []any{n, err} })
	s.within("then Write", func() []any { n, err := d.cli.Write(buf); return []any{n, err} })
	s.within("then Handshake", func() []any { return []any{d.cli.Handshake()} })
	s.within("then the peer's certificate", func() []any {
		_, err := d.cli.PeerCertificate()
		_, err2 := d.cli.PeerCertificateChain()
		state := d.cli.ConnectionState()
		return []any{err, err2, state.CertificateError, d.cli.VerifyHostname("localhost")}
	})
	s.within("then the cipher", func() []any { cipher, err := d.cli.CurrentCipher(); return []any{cipher, err} })
	s.within("then the session", func() []any { session, err := d.cli.GetSession(); return []any{len(session) > 0, err} })
	s.within("then deadlines", func() []any { return []any{d.cli.SetDeadline(time.Now()), d.cli.SetReadDeadline(time.Now())} })
	s.within("again", func() []any { return []any{d.cli.Close()} })
	s.within("the other end", func() []any { return []any{kind(d.ssl.Close())} })

	// Both orders, with a reader on the side that closes last, and both at once.
	for _, first := range []string{"client", "server"} {
		d = pair().established()
		a, b := d.cli, d.ssl
		if first == "server" {
			a, b = b, a
		}
		s.within(first+" first", func() []any {
			err := a.Close()
			n, err2 := b.Read(buf)
			return []any{err, n, err2, kind(b.Close())}
		})
	}
	d = pair().established()
	s.within("both at once", func() []any {
		var one, two error
		var both sync.WaitGroup
		both.Go(func() { one = d.cli.Close() })
		both.Go(func() { two = d.ssl.Close() })
		both.Wait()
		_, _ = one, two
		return []any{"returned"}
	})
	d = pair().established()
	s.within("twice at once", func() []any {
		var both sync.WaitGroup
		for range 2 {
			both.Go(func() { d.cli.Close() })
		}
		both.Wait()
		return []any{"returned"}
	})
	d.close()

	d = pair().established()
	s.within("unblocks Read", func() []any {
		read := make(chan error, 1)
		begun := make(chan struct{})
		go func() { close(begun); _, err := d.cli.Read(buf); read <- err }()
		<-begun
		time.Sleep(50 * time.Millisecond)
		err := d.cli.Close()
		return []any{err, <-read}
	})
	d.close()

	d = pair().established()
	s.within("of the connection below", func() []any {
		check(d.cli.UnderlyingConn().Close())
		n, err := d.cli.Read(buf)
		m, err2 := d.cli.Write(buf)
		return []any{n, err, m > 0, err2}
	})
	d.close()

	blocked := func() (*duo, net.Conn, chan struct{}) {
		a, b := pipe()
		d := over(a, b, serverCtx(pki().server, tls12), clientCtx(tls12)).established()
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				if _, err := d.cli.Write(make([]byte, 1<<20)); err != nil {
					return
				}
			}
		}()
		time.Sleep(300 * time.Millisecond)
		return d, b, done
	}
	d, below, written := blocked()
	s.within("behind a blocked Write", func() []any { d.cli.Close(); return []any{"returned"} })
	d.ssl.UnderlyingConn().Close()
	below.Close()
	s.within("the blocked Write then", func() []any { <-written; return []any{"returned"} })
	d.close()
}

func deadlines(s *section) {
	buf := make([]byte, 64)
	d := pair().established()
	s.within("set", func() []any {
		return []any{d.cli.SetDeadline(time.Now().Add(long)), d.cli.SetReadDeadline(time.Time{}), d.cli.SetWriteDeadline(time.Time{})}
	})
	s.within("Read with a deadline ahead", func() []any {
		check(d.cli.SetReadDeadline(time.Now().Add(50 * time.Millisecond)))
		n, err := d.cli.Read(buf)
		return []any{n, err}
	})
	s.within("Read after the deadline", func() []any { n, err := d.cli.Read(buf); return []any{n, err} })
	s.within("the error's type, as it was asked for", func() []any {
		_, err := d.cli.Read(buf)
		timeout, ok := err.(net.Error)
		return []any{ok, ok && timeout.Timeout(), errors.Is(err, os.ErrDeadlineExceeded)}
	})
	s.within("the connection lives on", func() []any {
		check(d.cli.SetReadDeadline(time.Time{}))
		return []any{d.echo()}
	})
	s.within("Write with the read deadline past", func() []any {
		check(d.cli.SetReadDeadline(time.Now().Add(-time.Second)))
		n, err := d.cli.Write([]byte("on time"))
		check(d.cli.SetReadDeadline(time.Time{}))
		m, err2 := io.ReadFull(d.ssl, buf[:7])
		return []any{n, err, m, err2}
	})
	s.within("deadline set while Read waits", func() []any {
		read := make(chan error, 1)
		go func() { _, err := d.cli.Read(buf); read <- err }()
		time.Sleep(50 * time.Millisecond)
		check(d.cli.SetReadDeadline(time.Now()))
		err := <-read
		check(d.cli.SetReadDeadline(time.Time{}))
		return []any{err, d.echo()}
	})
	d.close()

	d = pair().established()
	s.within("Write after the deadline", func() []any {
		check(d.cli.SetWriteDeadline(time.Now().Add(-time.Second)))
		n, err := d.cli.Write([]byte("too late"))
		return []any{n, err}
	})
	s.within("what the peer gets then", func() []any {
		check(d.cli.SetWriteDeadline(time.Time{}))
		must(d.cli.Write([]byte("in time")))
		n, err := d.ssl.Read(buf)
		return []any{string(buf[:n]), err}
	})
	d.close()

	d = pair().established()
	s.within("Write that the peer does not read", func() []any {
		const size = 16 << 20
		check(d.cli.SetWriteDeadline(time.Now().Add(200 * time.Millisecond)))
		n, err := d.cli.Write(make([]byte, size))
		return []any{n == size, err}
	})
	d.ssl.UnderlyingConn().Close()
	d.cli.UnderlyingConn().Close()
	d.close()

	d = pair()
	s.within("Handshake", func() []any {
		check(d.cli.SetDeadline(time.Now().Add(50 * time.Millisecond)))
		return []any{d.cli.Handshake()}
	})
	s.within("Handshake, then without", func() []any {
		check(d.cli.SetDeadline(time.Time{}))
		server, client := d.handshake()
		return []any{server, client, d.echo()}
	})
	d.close()
}

func failures(s *section) {
	buf := make([]byte, 64)
	answer := func(what string, say []byte, shut bool) {
		for _, role := range []string{"client", "server", "server of any version"} {
			a, b := pipe()
			var conn *openssl.Conn
			switch role {
			case "client":
				conn = must(openssl.Client(a, clientCtx(tls12)))
			case "server":
				conn = must(openssl.Server(a, serverCtx(pki().server, tls12)))
			default:
				conn = must(openssl.Server(a, serverCtx(pki().server, anyTLS)))
			}
			must(b.Write(say))
			if shut {
				check(b.(*net.TCPConn).CloseWrite())
			}
			s.within(role+" meets "+what, func() []any { return []any{conn.Handshake()} })
			s.within(role+" meets "+what+", again", func() []any { return []any{kind(conn.Handshake())} })
			conn.Close()
			b.Close()
		}
	}
	answer("HTTP", []byte("HTTP/1.0 400 Bad Request\r\n\r\n"), false)
	answer("an end", nil, true)
	answer("an alert", []byte{21, 3, 3, 0, 2, 2, 40}, false)

	d := pair().established()
	s.within("garbage", func() []any {
		must(d.cli.UnderlyingConn().Write([]byte("\x17\x03\x03\x00\x20this is not what it should be ...")))
		n, err := d.ssl.Read(buf)
		return []any{n, err}
	})
	s.within("garbage, again", func() []any { n, err := d.ssl.Read(buf); return []any{n, kind(err)} })
	s.within("garbage, then Write", func() []any { n, err := d.ssl.Write(buf); return []any{n, kind(err)} })
	s.within("garbage, the other end", func() []any { n, err := d.cli.Read(buf); return []any{n, err} })
	d.close()

	d = pair().established()
	s.within("reset", func() []any {
		tcp := d.cli.UnderlyingConn().(*net.TCPConn)
		check(tcp.SetLinger(0))
		check(tcp.Close())
		_, err := d.ssl.Read(buf)
		var op *net.OpError
		return []any{errors.As(err, &op), errors.Is(err, syscall.ECONNRESET)}
	})
	d.close()

	d = pair().established()
	s.within("Read after a failed key load", func() []any {
		_, err := openssl.LoadPrivateKeyFromPEM([]byte("noise"))
		var wrote sync.WaitGroup
		wrote.Go(func() {
			time.Sleep(100 * time.Millisecond)
			_, _ = d.cli.Write([]byte("healthy"))
		})
		n, err2 := d.ssl.Read(buf)
		wrote.Wait()
		return []any{err, n, kind(err2)}
	})
	d.close()
}
