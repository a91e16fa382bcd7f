package freeport_test

import (
	"net"
	"testing"

	"github.com/golibssl/openssl/internal/freeport"
)

func TestAddr(t *testing.T) {
	addr, err := freeport.Addr()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatalf("%s is not free: %v", addr, err)
	}
	defer l.Close()
	if ip := l.Addr().(*net.TCPAddr).IP; !ip.IsLoopback() {
		t.Errorf("%v is not loopback", ip)
	}
}
