// Command bogo is what BoringSSL's test runner starts for each of its tests: the end of a connection
// that is under test, a Conn. It connects to the runner and does what its flags say; scripts/bogo
// fetches, builds and runs both. BoringSSL's PORTING.md says how runner and shim work together.
//
// It exits 0 for a connection that went as the flags demand, 1 for one that did not, 89 for a flag
// that it does not know: the runner then counts the test as not implemented.
package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"reflect"
	"strconv"

	"github.com/golibssl/openssl"
)

// unimplemented is the exit status that PORTING.md gives to it.
const unimplemented = 89

func main() {
	first, later, err := parse(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(unimplemented)
	}
	if first.isHandshakerSupported {
		fmt.Println("No")
		return
	}
	undo, err := systemDefaults(first, later)
	if err == nil {
		err = run(first, later)
	}
	undo()
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, err)
	var e *openssl.Error
	if errors.As(err, &e) {
		for _, entry := range e.Queue {
			fmt.Fprintln(os.Stderr, entry)
		}
	}
	if errors.Is(err, errUnimplemented) {
		os.Exit(unimplemented)
	}
	os.Exit(1)
}

// run makes the connections one after the other. The later ones offer what the one before was given.
func run(first, later *config) error {
	var ctx *openssl.Ctx
	var session *openssl.Session
	changes := !reflect.DeepEqual(first.settings, later.settings)
	for i := range first.resumeCount + 1 {
		cfg := first
		if i > 0 {
			cfg = later
		}
		if i == 0 || changes {
			next, err := newCtx(cfg, changes)
			if err != nil {
				return err
			}
			if session != nil { // a session belongs to its Ctx; as DER it crosses
				if session, err = openssl.ParseSession(session.DER()); err != nil {
					return err
				}
			}
			ctx = next
		}
		if i > 0 && !cfg.server && session == nil {
			return errors.New("no session to offer")
		}
		given, err := connection(cfg, ctx, session, i > 0)
		if err != nil {
			return fmt.Errorf("connection %d failed: %w", i+1, err)
		}
		if given != nil {
			session = given
		}
	}
	return nil
}

// dial connects to the runner. Newer runners say by a flag which address they have, and want to be
// told which shim calls.
func dial(cfg *config) (*net.TCPConn, error) {
	hosts := []string{"::1", "127.0.0.1"}
	if cfg.ipv6 {
		hosts = hosts[:1]
	}
	var failed error
	for _, host := range hosts {
		nc, err := net.Dial("tcp", net.JoinHostPort(host, strconv.Itoa(cfg.port)))
		if err != nil {
			failed = err
			continue
		}
		if cfg.hasShimID {
			if _, err := nc.Write(binary.LittleEndian.AppendUint64(nil, cfg.shimID)); err != nil {
				return nil, err
			}
		}
		return nc.(*net.TCPConn), nil
	}
	return nil, failed
}
