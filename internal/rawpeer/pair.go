package rawpeer

import (
	"context"
	"net"
	"sync"
	"testing"
)

// TCP returns two ends that talk over TCP on loopback with a relay between
// them. The test's cleanup closes all three.
func TCP(tb testing.TB) (client, server *net.TCPConn, r *Relay) {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatalf("rawpeer: %v", err)
	}
	defer listener.Close()
	client, relayClient := connect(tb, listener)
	relayServer, server := connect(tb, listener)
	r = New(relayClient, relayServer)
	cleanup(tb, client, server, r)
	return client, server, r
}

func connect(tb testing.TB, listener net.Listener) (dialed, accepted *net.TCPConn) {
	tb.Helper()
	a, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		tb.Fatalf("rawpeer: %v", err)
	}
	b, err := listener.Accept()
	if err != nil {
		a.Close()
		tb.Fatalf("rawpeer: %v", err)
	}
	return a.(*net.TCPConn), b.(*net.TCPConn)
}

// Pipe returns two ends that talk over net.Pipe with a relay between them. A
// write returns when the relay has read it, the receiver later. The test's
// cleanup closes all three.
func Pipe(tb testing.TB) (client, server net.Conn, r *Relay) {
	client, relayClient := net.Pipe()
	relayServer, server := net.Pipe()
	r = New(relayClient, relayServer)
	cleanup(tb, client, server, r)
	return client, server, r
}

func cleanup(tb testing.TB, client, server net.Conn, r *Relay) {
	tb.Cleanup(func() {
		client.Close()
		server.Close()
		r.Close()
	})
}

// Proxy listens on loopback and relays each connection to one address. It
// serves peers that open their connections themselves, such as commands.
type Proxy struct {
	listener net.Listener
	relays   chan *Relay
	accept   sync.WaitGroup
}

// NewProxy starts a proxy to a TCP address. script, which may be nil, is called
// for each connection before any byte of it is forwarded. A connection whose
// target refuses is reset. The test's cleanup closes everything.
func NewProxy(tb testing.TB, target string, script func(*Relay)) *Proxy {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatalf("rawpeer: %v", err)
	}
	p := &Proxy{listener: listener, relays: make(chan *Relay, 1024)}
	var all []*Relay
	p.accept.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", target)
			if err != nil {
				abort(client)
				continue
			}
			r := newRelay(client, server)
			if script != nil {
				script(r)
			}
			r.start()
			all = append(all, r)
			select {
			case p.relays <- r:
			default:
			}
		}
	})
	tb.Cleanup(func() {
		listener.Close()
		p.accept.Wait()
		for _, r := range all {
			r.Close()
		}
	})
	return p
}

// Addr is where the proxy listens, as host:port.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Next returns the relay of the next connection, in the order in which they
// came. It holds the first 1024 that nobody asks for.
func (p *Proxy) Next(ctx context.Context) (*Relay, error) {
	select {
	case r := <-p.relays:
		return r, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
