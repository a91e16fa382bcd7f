package openssl_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"reflect"
	"runtime"
	"testing"
	"time"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/testcert"
)

// collected runs the collector until done answers true.
func collected(t *testing.T, what string, done func() bool) {
	t.Helper()
	for until := time.Now().Add(testTime); !done(); {
		if time.Now().After(until) {
			t.Fatalf("not collected: %s", what)
		}
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
}

// A dropped Ctx is freed, whatever small objects were allocated beside it.
func TestDroppedCtxIsFreed(t *testing.T) {
	before := openssl.LiveObjects().Ctx
	var beside []*int64
	for range 100 {
		if _, err := openssl.NewCtx(nil); err != nil {
			t.Fatal(err)
		}
		beside = append(beside, new(int64))
	}
	collected(t, "a Ctx", func() bool { return openssl.LiveObjects().Ctx <= before })
	runtime.KeepAlive(beside)
}

// beside returns a copy of p in an object that holds Go pointers too, which cgo must not look at.
func beside(p []byte) []byte {
	object := &struct {
		before any
		buf    [8192]byte
		after  *testing.T
	}{before: new(string), after: new(testing.T)}
	return object.buf[:copy(object.buf[:], p)]
}

// TestBuffersBesidePointers: net/http reads into an array in a struct, as any caller may.
func TestBuffersBesidePointers(t *testing.T) {
	cert := testcert.Server()
	pair, err := openssl.X509KeyPair(beside(cert.ChainPEM), beside(cert.KeyPEM))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openssl.X509KeyPairDER([][]byte{beside(cert.ChainDER[0])}, beside(cert.KeyDER)); err != nil {
		t.Fatal(err)
	}
	log := &sessionLog{}
	client := newCtx(t, openssl.Config{RootCAPEM: beside(testcert.Root().PEM), ServerName: "localhost", OnSession: log.add})
	server := newCtx(t, openssl.Config{Certificates: []*openssl.Certificate{pair}, ClientAuth: tls.VerifyClientCertIfGiven,
		ClientCAPEM: beside(testcert.Root().PEM), SessionIDContext: beside([]byte("context"))})
	sess := session(t, client, server, log)
	if _, err := openssl.ParseSession(beside(sess.DER())); err != nil {
		t.Error(err)
	}
	c, s := connected(t, client, server)
	if _, err := c.Write(beside([]byte("hello"))); err != nil {
		t.Error(err)
	}
	buf := beside(make([]byte, 5))
	if n, err := s.Read(buf); string(buf[:n]) != "hello" || err != nil {
		t.Errorf("Read = %q, %v", buf[:n], err)
	}
	if _, err := c.ExportKeyingMaterial("EXPORTER-test", beside([]byte("context")), 32); err != nil {
		t.Error(err)
	}

	a, err := client.NewClientSSL("localhost")
	if err != nil {
		t.Fatal(err)
	}
	defer a.Free()
	b, err := server.NewServerSSL()
	if err != nil {
		t.Fatal(err)
	}
	defer b.Free()
	for range 4 {
		for _, ends := range [][2]*openssl.SSL{{a, b}, {b, a}} {
			ends[0].Handshake()
			n, err := ends[0].Take(buf[:cap(buf)])
			if err != nil {
				t.Fatal(err)
			}
			if err := ends[1].Feed(beside(buf[:n])); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := a.Write(beside([]byte("hello"))); err != nil {
		t.Fatal(err)
	}
	n, err := a.Take(buf[:cap(buf)])
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Feed(beside(buf[:n])); err != nil {
		t.Fatal(err)
	}
	for _, read := range []func([]byte) (int, error){b.Peek, b.Read} {
		buf := beside(make([]byte, 10))
		if n, err := read(buf); string(buf[:n]) != "hello" || err != nil {
			t.Errorf("read %q, %v", buf[:n], err)
		}
	}
}

// callAll calls every method that x exports, with arguments of no value, and answers what those with an error
// say. Nothing may panic.
func callAll(x any) map[string]error {
	errs := make(map[string]error)
	v := reflect.ValueOf(x)
	for i := range v.NumMethod() {
		method, name := v.Method(i), v.Type().Method(i).Name
		var args []reflect.Value
		for j := range method.Type().NumIn() {
			arg := reflect.Zero(method.Type().In(j))
			if method.Type().In(j) == reflect.TypeFor[context.Context]() {
				arg = reflect.ValueOf(context.Background())
			}
			args = append(args, arg)
		}
		var out []reflect.Value
		if method.Type().IsVariadic() {
			out = method.CallSlice(args)
		} else {
			out = method.Call(args)
		}
		if n := len(out); n > 0 && method.Type().Out(n-1) == reflect.TypeFor[error]() {
			errs[name], _ = out[n-1].Interface().(error)
		}
	}
	return errs
}

// TestUseAfterTheEnd: whatever is called behind Close or Free is an error, not a crash.
func TestUseAfterTheEnd(t *testing.T) {
	refused := func(what string, x any, want error) {
		t.Helper()
		for name, err := range callAll(x) {
			if !errors.Is(err, want) && !errors.Is(err, openssl.ErrNil) {
				t.Errorf("%s.%s: %v", what, name, err)
			}
		}
	}
	for _, version := range bothVersions {
		c, s := connected(t, newCtx(t, clientConfig(version)), newCtx(t, serverConfig(t, version)))
		says(t, c, s, "x")
		c.Close()
		s.Close()
		refused("Conn", c, net.ErrClosed)
		refused("Conn", s, net.ErrClosed)
	}
	ctx, err := openssl.NewRawCtx()
	if err != nil {
		t.Fatal(err)
	}
	ssl, err := ctx.NewSSL()
	if err != nil {
		t.Fatal(err)
	}
	ssl.Free()
	refused("SSL", ssl, openssl.ErrFreed)
	ctx.Free()
	refused("RawCtx", ctx, openssl.ErrFreed)
}
