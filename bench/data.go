package main

import (
	"crypto/tls"
	"io"
	"time"
)

// data compares what passes over an open TLS 1.3 connection.
func data(p plan, certs *certificates) []comparison {
	s := setting{version: tls.VersionTLS13}
	const memory, tcp = "data in memory, one thread", "data over TCP"
	streamed := func(f makes, n int) side {
		return overConnection(f, certs, s, func(p *pair) work { return stream(p, n) })
	}
	echoed := func(f makes) side { return overConnection(f, certs, s, func(p *pair) work { return echo(p, 128) }) }
	bytewise := func(f makes) side { return overConnection(f, certs, s, oneByteReads) }
	return []comparison{
		{memory, "16 KiB writes", "L", alone(newOurs, certs, s, 16<<10, false), limit(p.limit, certs, "write16k", s), 0.97, 0},
		{memory, "16 KiB writes", "G", alone(newOurs, certs, s, 16<<10, false), alone(newStandard, certs, s, 16<<10, false), 0.62, 1.7},
		{memory, "64 KiB writes", "L", alone(newOurs, certs, s, 64<<10, false), limit(p.limit, certs, "write64k", s), 0, 0},
		{memory, "128-byte echo", "L", alone(newOurs, certs, s, 128, true), limit(p.limit, certs, "echo128", s), 0.80, 0},
		{memory, "128-byte echo", "G", alone(newOurs, certs, s, 128, true), alone(newStandard, certs, s, 128, true), 0, 0},
		{tcp, "16 KiB writes", "G", streamed(newOurs, 16<<10), streamed(newStandard, 16<<10), 0, 0},
		{tcp, "64 KiB writes", "G", streamed(newOurs, 64<<10), streamed(newStandard, 64<<10), 1.0, 1.15},
		{tcp, "64 KiB writes", "O", streamed(newOurs, 64<<10), streamed(newOlder, 64<<10), 2.5, 0},
		{tcp, "128-byte echo", "L", echoed(newOurs), limit(p.limit, certs, "tcpecho128", s), 0, 0},
		{tcp, "128-byte echo", "G", echoed(newOurs), echoed(newStandard), 0.90, 0.95},
		{tcp, "128-byte echo", "O", echoed(newOurs), echoed(newOlder), 1.8, 0},
		{tcp, "1-byte reads of 16 KiB", "G", bytewise(newOurs), bytewise(newStandard), 0, 0},
		{tcp, "1-byte reads of 16 KiB", "O", bytewise(newOurs), bytewise(newOlder), 0, 0},
	}
}

// alone is one goroutine that writes on one end and reads on the other.
func alone(f makes, certs *certificates, s setting, size int, back bool) side {
	return func(d time.Duration) (float64, error) {
		m, err := f(certs, s)
		if err != nil {
			return 0, err
		}
		p, err := connect(m, inMemory)
		if err != nil {
			return 0, err
		}
		defer p.close()
		text, buf := make([]byte, size), make([]byte, size)
		send := func(from, to io.ReadWriter) error {
			if _, err := from.Write(text); err != nil {
				return err
			}
			_, err := io.ReadFull(to, buf)
			return err
		}
		return repeatCPU(d, func() error {
			if err := send(p.client, p.server); err != nil || !back {
				return err
			}
			return send(p.server, p.client)
		})
	}
}

// work is one operation of the client, and what the server does meanwhile until its connection ends.
type work struct {
	client func() error
	server func() error
}

func overConnection(f makes, certs *certificates, s setting, of func(*pair) work) side {
	return func(d time.Duration) (float64, error) {
		m, err := f(certs, s)
		if err != nil {
			return 0, err
		}
		over, stop, err := overTCP()
		if err != nil {
			return 0, err
		}
		defer stop()
		p, err := connect(m, over)
		if err != nil {
			return 0, err
		}
		w := of(p)
		served := make(chan struct{})
		go func() {
			defer close(served)
			for w.server() == nil {
			}
		}()
		n, err := repeat(d, w.client)
		p.client.Close()
		<-served
		p.server.Close()
		return n, err
	}
}

func stream(p *pair, size int) work {
	text, buf := make([]byte, size), make([]byte, size)
	return work{
		func() error { _, err := p.client.Write(text); return err },
		func() error { _, err := io.ReadFull(p.server, buf); return err },
	}
}

func echo(p *pair, size int) work {
	text, got, buf := make([]byte, size), make([]byte, size), make([]byte, size)
	return work{
		func() error {
			if _, err := p.client.Write(text); err != nil {
				return err
			}
			_, err := io.ReadFull(p.client, got)
			return err
		},
		func() error {
			if _, err := io.ReadFull(p.server, buf); err != nil {
				return err
			}
			_, err := p.server.Write(buf)
			return err
		},
	}
}

// oneByteReads is 16 KiB that the client reads byte by byte.
func oneByteReads(p *pair) work {
	text, one := make([]byte, 16<<10), make([]byte, 1)
	return work{
		func() error {
			if _, err := p.client.Write(one); err != nil {
				return err
			}
			for range text {
				if _, err := io.ReadFull(p.client, one); err != nil {
					return err
				}
			}
			return nil
		},
		func() error {
			if _, err := io.ReadFull(p.server, text[:1]); err != nil {
				return err
			}
			_, err := p.server.Write(text)
			return err
		},
	}
}
