package openssl_test

import (
	"context"
	"crypto/rsa"
	"crypto/tls"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/sessiontest"
	"github.com/golibssl/openssl/internal/testcert"
	"github.com/google/go-cmp/cmp"
)

// zeros are the zero value of each exported type that has methods, and nil where that is an answer too: what a
// deferred Close or a look at a missing certificate meets.
func zeros() []any {
	return []any{
		&openssl.Conn{}, (*openssl.Conn)(nil), openssl.ConnSSL{}, &openssl.Ctx{}, &openssl.Dialer{}, (*openssl.Dialer)(nil),
		&openssl.Certificate{}, (*openssl.Certificate)(nil), &openssl.Session{}, (*openssl.Session)(nil),
		&openssl.MemoryCache{}, &openssl.LRUClientSessionCache{}, &openssl.DiskSessionCache{}, &openssl.Sealer{},
		&openssl.TicketKeys{}, (*openssl.TicketKeys)(nil), &openssl.ClientHelloInfo{},
		&openssl.SSL{}, &openssl.RawCtx{}, &openssl.RawHello{}, &openssl.RawStep{},
		&openssl.Error{}, &openssl.AlertError{}, &openssl.UnreadDataError{}, &openssl.UnsupportedError{}, &openssl.VerifyError{},
		openssl.Alert(0), openssl.End{}, openssl.ErrorClass(0), openssl.Feature{}, openssl.Origin(0), openssl.QueueEntry{},
		openssl.ShutdownResult(0), openssl.ShutdownState(0),
	}
}

// calmly calls f and fails where it panics.
func calmly(t *testing.T, what string, f func()) {
	t.Helper()
	defer func() {
		if v := recover(); v != nil {
			t.Errorf("%s: panic: %v", what, v)
		}
	}()
	f()
}

// TestZeroValues calls every method of every zero value, with arguments that are zero too.
func TestZeroValues(t *testing.T) {
	t.Chdir(t.TempDir())
	called := make(map[string]bool)
	for _, zero := range zeros() {
		v := reflect.ValueOf(zero)
		for i := range v.NumMethod() {
			name, f := v.Type().Method(i).Name, v.Method(i)
			called[strings.TrimPrefix(v.Type().String(), "*openssl.")] = true
			for _, ctx := range []context.Context{nil, context.Background()} {
				args := make([]reflect.Value, f.Type().NumIn())
				for i := range args {
					args[i] = zeroArgument(f.Type().In(i), ctx)
				}
				calmly(t, v.Type().String()+"."+name, func() {
					if f.Type().IsVariadic() {
						f.CallSlice(args)
					} else {
						f.Call(args)
					}
				})
			}
		}
	}
	if left, err := os.ReadDir("."); err != nil || len(left) != 0 {
		t.Errorf("files were left in the current folder: %v, %v", left, err)
	}
}

func zeroArgument(typ reflect.Type, ctx context.Context) reflect.Value {
	switch {
	case typ == reflect.TypeFor[context.Context]() && ctx != nil:
		return reflect.ValueOf(ctx)
	case typ.Kind() == reflect.Func: // which the caller has to give
		return reflect.MakeFunc(typ, func([]reflect.Value) (out []reflect.Value) {
			for i := range typ.NumOut() {
				out = append(out, reflect.Zero(typ.Out(i)))
			}
			return out
		})
	}
	return reflect.Zero(typ)
}

// TestZerosAreAll holds the list to the sources: a new type with methods belongs to it.
func TestZerosAreAll(t *testing.T) {
	want, got := make(map[string]bool), make(map[string]bool)
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || f.Recv == nil || !f.Name.IsExported() {
				continue
			}
			typ := f.Recv.List[0].Type
			if star, ok := typ.(*ast.StarExpr); ok {
				typ = star.X
			}
			if id, ok := typ.(*ast.Ident); ok && id.IsExported() {
				want[id.Name] = true
			}
		}
	}
	for _, zero := range zeros() {
		typ := reflect.TypeOf(zero)
		if typ.Kind() == reflect.Pointer {
			typ = typ.Elem()
		}
		got[typ.Name()] = true
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("types with methods (-sources +zeros):\n%s", diff)
	}
}

// TestZeroArguments is TestNilArguments for the arguments that are less plain.
func TestZeroArguments(t *testing.T) {
	ctx := newCtx(t, clientConfig(tls.VersionTLS13))
	a, _ := tcpEnds(t)
	wire := "127.0.0.1:0"
	accepts := func(l net.Listener) error {
		defer l.Close()
		l.Addr()
		_, err := l.Accept()
		return err
	}
	second := func(_ any, err error) error { return err }
	for name, test := range map[string]struct {
		do   func() error
		want error
	}{
		"NewListener without a listener": {func() error { return accepts(openssl.NewListener(nil, ctx)) }, openssl.ErrNil},
		"Listen with a zero Ctx":         {func() error { return second(openssl.Listen("tcp", wire, &openssl.Ctx{})) }, openssl.ErrConfig},
		"Dial with a zero Ctx":           {func() error { return second(openssl.Dial("tcp", "127.0.0.1:1", &openssl.Ctx{})) }, openssl.ErrConfig},
		"Client with a nil option":       {func() error { return second(openssl.Client(a, ctx, nil)) }, openssl.ErrNil},
		"NewRawConn without any":         {func() error { return second(openssl.NewRawConn(nil, nil, nil)) }, openssl.ErrNil},
		"NewRawConn with a zero RawCtx":  {func() error { return second(openssl.NewRawConn(a, &openssl.RawCtx{}, &openssl.RawConnConfig{})) }, openssl.ErrFreed},
		"a nil certificate": {func() error {
			return second(openssl.NewCtx(&openssl.Config{Certificates: make([]*openssl.Certificate, 1)}))
		}, openssl.ErrConfig},
		"a zero certificate":             {func() error { return second(openssl.NewCtx(&openssl.Config{Certificates: []*openssl.Certificate{{}}})) }, openssl.ErrBadCertificate},
		"zero ticket keys":               {func() error { return second(openssl.NewCtx(&openssl.Config{TicketKeys: &openssl.TicketKeys{}})) }, openssl.ErrConfig},
		"ticket keys without a provider": {func() error { return second(openssl.NewProvidedTicketKeys(context.Background(), 0, nil)) }, openssl.ErrNil},
		"ticket keys without a context":  {func() error { return second(openssl.NewProvidedTicketKeys(nil, 0, noTicketKeys)) }, openssl.ErrNil},
		"a disk cache without a Sealer":  {func() error { return second(openssl.OpenDiskSessionCache(t.TempDir(), nil)) }, openssl.ErrConfig},
		"a Sealer without keys":          {func() error { return second(openssl.NewSealer()) }, openssl.ErrConfig},
		"no session":                     {func() error { return second(openssl.ParseSession(nil)) }, openssl.ErrBadSession},
		"a certificate without a signer": {func() error { return second(openssl.SignerCertificate(testcert.Server().ChainDER, nil)) }, openssl.ErrBadCertificate},
		"a certificate of a nil signer": {func() error {
			return second(openssl.SignerCertificate(testcert.Server().ChainDER, (*rsa.PrivateKey)(nil)))
		}, openssl.ErrBadCertificate},
		"a crypto/tls certificate, empty": {func() error { return second(openssl.CertificateFromTLS(tls.Certificate{})) }, openssl.ErrBadCertificate},
		"a crypto/tls certificate, no key": {func() error {
			return second(openssl.CertificateFromTLS(tls.Certificate{PrivateKey: (*rsa.PrivateKey)(nil)}))
		}, openssl.ErrBadCertificate},
	} {
		calmly(t, name, func() {
			if err := test.do(); !errors.Is(err, test.want) {
				t.Errorf("%s: %v, want %v", name, err, test.want)
			}
		})
	}
	calmly(t, "OnAbandoned", func() { openssl.OnAbandoned(nil) })
	calmly(t, "WithSession", func() {
		clientOver(t, a, ctx, openssl.WithSession(nil), openssl.WithServerName(""), openssl.WithServerName("localhost"))
	})
}

func noTicketKeys(context.Context) ([]openssl.TicketKey, error) { return nil, nil }

// TestZeroConn: a Conn that was not made is a closed one.
func TestZeroConn(t *testing.T) {
	for _, c := range []*openssl.Conn{nil, {}} {
		calmly(t, "a zero Conn", func() {
			_, rerr := c.Read(make([]byte, 1))
			_, werr := c.Write(make([]byte, 1))
			for _, err := range []error{rerr, werr, c.Handshake(), c.Close(), c.CloseWrite(), c.Shutdown(context.Background()), c.SetDeadline(time.Now())} {
				if !errors.Is(err, net.ErrClosed) {
					t.Errorf("%v, want net.ErrClosed", err)
				}
			}
		})
	}
}

// TestZeroCaches: the zero caches have the default bounds.
func TestZeroCaches(t *testing.T) {
	calmly(t, "MemoryCache", func() {
		m := &openssl.MemoryCache{}
		id := []byte("id")
		if err := m.Put(context.Background(), id, []byte("session"), time.Hour); err != nil {
			t.Error(err)
		}
		if got, err := m.Get(context.Background(), id); string(got) != "session" || err != nil {
			t.Errorf("Get: %q, %v", got, err)
		}
		for i := range 2 * openssl.DefaultCacheSize {
			m.Put(context.Background(), []byte{byte(i >> 16), byte(i >> 8), byte(i)}, id, time.Hour)
		}
		if n := m.Len(); n < openssl.DefaultCacheSize/2 || n > openssl.DefaultCacheSize {
			t.Errorf("%d sessions", n)
		}
	})
	calmly(t, "LRUClientSessionCache", func() {
		var c openssl.LRUClientSessionCache
		s := someSessions(t, sessiontest.Kinds[1], 1)[0]
		for i := range 100 {
			c.Put(string(rune('a'+i)), s)
		}
		if stats := c.Stats(); stats.Puts != 100 || stats.Evicted != 100-64 {
			t.Errorf("%+v", stats)
		}
	})
}
