package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/golibssl/openssl"
)

// closes compares connections from the end of their handshake to their own end, both ways.
func closes(certs *certificates) []comparison {
	var all []comparison
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		s := setting{version: version}
		for _, m := range []struct {
			name string
			makes
		}{{"G", newStandard}, {"O", newOlder}} {
			all = append(all, comparison{"close both ways over TCP, from the handshake's end", "close TLS 1." + s.digits()[1:], m.name,
				closing(newOurs, certs, s), closing(m.makes, certs, s), 0, 0})
		}
	}
	return sortGroups(all)
}

// closing measures the closes alone: handshakes take far longer.
func closing(f makes, certs *certificates, s setting) side {
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
		var n int
		var sum time.Duration
		for began := time.Now(); time.Since(began) < d; n++ {
			p, err := connect(m, over)
			if err != nil {
				return 0, err
			}
			start := time.Now()
			err = p.part()
			sum += time.Since(start)
			if err != nil {
				return 0, err
			}
		}
		return float64(n) / sum.Seconds(), nil
	}
}

// calls compares GetShutdown with a call into C that does nothing.
func calls(certs *certificates) []comparison {
	var p *pair
	return []comparison{{"calls", "GetShutdown", "an empty cgo call",
		func(d time.Duration) (float64, error) {
			if p == nil {
				m, err := newOurs(certs, setting{version: tls.VersionTLS13})
				if err != nil {
					return 0, err
				}
				if p, err = connect(m, inMemory); err != nil {
					return 0, err
				}
			}
			c := p.client.(*openssl.Conn)
			return times(d, func() { c.GetShutdown() }), nil
		},
		func(d time.Duration) (float64, error) { return times(d, emptyCall), nil },
		1 / 1.2, 0}}
}

func times(d time.Duration, f func()) float64 {
	n := 0
	began := cpuTime()
	for cpuTime()-began < d {
		for range 1000 {
			f()
		}
		n += 1000
	}
	return float64(n) / (cpuTime() - began).Seconds()
}

const cached = 10000

// caches compares a server's cache of sessions with the usual maps: put, get and miss.
func caches() []comparison {
	ids := make([][]byte, 2*cached)
	for i := range ids {
		ids[i] = make([]byte, 32)
		rand.Read(ids[i])
	}
	value := make([]byte, 200)
	around := func(put func(id []byte), get func(id []byte)) side {
		i := 0
		return func(d time.Duration) (float64, error) {
			return times(d, func() {
				put(ids[i%len(ids)])
				get(ids[(i+cached/2)%len(ids)])
				i++
			}), nil
		}
	}
	ctx := context.Background()
	m := openssl.NewMemoryCache(cached)
	ours := around(
		func(id []byte) { m.Put(ctx, id, value, time.Hour) },
		func(id []byte) { m.Get(ctx, id) })
	std := tls.NewLRUClientSessionCache(cached)
	state := &tls.ClientSessionState{}
	h, _ := lru.New[string, []byte](cached)
	const group = "session cache, one goroutine: a put and a get"
	return []comparison{
		{group, "MemoryCache", "crypto/tls's LRU", ours, around(
			func(id []byte) { std.Put(string(id), state) },
			func(id []byte) { std.Get(string(id)) }), 0, 0},
		{group, "MemoryCache", "hashicorp/golang-lru", ours, around(
			func(id []byte) { h.Add(string(id), value) },
			func(id []byte) { h.Get(string(id)) }), 0, 0},
	}
}
