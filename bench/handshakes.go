package main

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// handshakes compares connections that shake hands and close both ways: with the limit in memory on
// one thread, with the others over TCP on all cores.
func handshakes(p plan, certs *certificates) []comparison {
	var all []comparison
	type goals struct{ l, g, g35, o float64 }
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, w := range []struct {
			setting
			goals
		}{
			{setting{version, false, false}, goals{0.97, 0.70, 1.00, 2}},
			{setting{version, true, false}, goals{0.98, 1.25, 1.50, 2}},
			{setting{version, false, true}, goals{l: 0.90}},
		} {
			s := w.setting
			work, name := "full", "full "+s.key()
			if s.resumed {
				work, name = "resumed", "resumed"
				if version == tls.VersionTLS13 {
					w.l = 0.95
				}
			}
			name += " TLS 1." + s.digits()[1:]
			all = append(all,
				comparison{"handshakes in memory, one thread", name, "L", inTurn(newOurs, certs, s), limit(p.limit, certs, work, s), w.l, 0},
				comparison{"handshakes over TCP, all cores", name, "L", atOnce(newOurs, certs, s), limit(p.limit, certs, "tcp"+work, s), 0, 0},
				comparison{"handshakes over TCP, all cores", name, "G", atOnce(newOurs, certs, s), atOnce(newStandard, certs, s), w.g, w.g35},
			)
			if !s.resumed {
				all = append(all, comparison{"handshakes over TCP, all cores", name, "O", atOnce(newOurs, certs, s), atOnce(newOlder, certs, s), w.o, 0})
			}
		}
	}
	return sortGroups(all)
}

// sortGroups brings the comparisons of a group together.
func sortGroups(all []comparison) []comparison {
	var order []string
	groups := map[string][]comparison{}
	for _, c := range all {
		if groups[c.group] == nil {
			order = append(order, c.group)
		}
		groups[c.group] = append(groups[c.group], c)
	}
	all = all[:0]
	for _, g := range order {
		all = append(all, groups[g]...)
	}
	return all
}

type makes func(*certificates, setting) (maker, error)

// inTurn is connections in memory, one after the other.
func inTurn(f makes, certs *certificates, s setting) side {
	var m maker
	return func(d time.Duration) (float64, error) {
		if m == nil {
			var err error
			if m, err = f(certs, s); err != nil {
				return 0, err
			}
			if err := oneConnection(m, inMemory, false); err != nil {
				return 0, err
			}
		}
		n := 0
		return repeatCPU(d, func() error {
			n++ // asking is not free: ConnectionState parses the certificates
			return takingTurns(
				func(nc net.Conn) error { return visit(m, nc, s.resumed && n%64 == 1) },
				func(nc net.Conn) error { return serve(m, nc) })
		})
	}
}

// oneConnection is a handshake and a close of both ends.
func oneConnection(m maker, over transport, resumed bool) error {
	a, b, err := over()
	if err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- serve(m, b) }()
	return errors.Join(visit(m, a, resumed), <-served)
}

// serve shakes hands, reads to the end and closes.
func serve(m maker, nc net.Conn) error {
	c, err := m.server(nc)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Handshake(); err != nil {
		return err
	}
	_, err = c.Read(make([]byte, 1))
	if err == io.EOF {
		err = nil
	}
	return err
}

func visit(m maker, nc net.Conn, resumed bool) error {
	defer nc.Close() // or the server waits
	c, err := m.client(nc)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Handshake(); err != nil {
		return err
	}
	if resumed && !m.resumed(c) {
		return errors.New("the connection is not a resumption")
	}
	if cw, ok := c.(interface{ CloseWrite() error }); ok {
		if err := cw.CloseWrite(); err != nil {
			return err
		}
		// Here the tickets of TLS 1.3 are read.
		if _, err := c.Read(make([]byte, 1)); err != io.EOF {
			return errors.Join(errors.New("no close_notify"), err)
		}
	}
	return nil
}

// atOnce is connections over TCP on all cores.
func atOnce(f makes, certs *certificates, s setting) side {
	var m maker
	return func(d time.Duration) (float64, error) {
		if m == nil {
			var err error
			if m, err = f(certs, s); err != nil {
				return 0, err
			}
			if err := oneConnection(m, inMemory, false); err != nil {
				return 0, err
			}
		}
		var n atomic.Int64
		var wg sync.WaitGroup
		workers := 2 * runtime.GOMAXPROCS(0)
		failed := make(chan error, workers)
		began := time.Now()
		for range workers {
			wg.Go(func() {
				over, stop, err := overTCP()
				if err != nil {
					failed <- err
					return
				}
				defer stop()
				for time.Since(began) < d {
					// A worker may find no session: another has used the newest.
					if err := oneConnection(m, over, false); err != nil {
						failed <- err
						return
					}
					n.Add(1)
				}
			})
		}
		wg.Wait()
		took := time.Since(began)
		select {
		case err := <-failed:
			return 0, err
		default:
			return float64(n.Load()) / took.Seconds(), nil
		}
	}
}
