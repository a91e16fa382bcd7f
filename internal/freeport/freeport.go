// Package freeport finds ports for the servers of tests that take no port 0.
package freeport

import (
	"fmt"
	"math/rand/v2"
	"net"
)

// Below those that systems give to listeners and clients on their own, of which one could take the port before
// the server does.
const first, last = 20_000, 32_000

// Addr returns an address of loopback, HOST:PORT, where nobody listened a moment ago.
func Addr() (string, error) {
	var err error
	for range 100 {
		var l net.Listener
		if l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", first+rand.IntN(last-first))); err == nil {
			return l.Addr().String(), l.Close()
		}
	}
	return "", err
}
