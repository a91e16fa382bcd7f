package main

import (
	"fmt"
	"net"
	"strings"
	"sync"

	"github.com/spacemonkeygo/openssl"
)

// watcher is a verify callback that notes its calls.
type watcher struct {
	mu    sync.Mutex
	calls []string
}

func (w *watcher) callback(answer func(ok bool) bool) openssl.VerifyCallback {
	return func(ok bool, store *openssl.CertificateStoreCtx) bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		err := "nil"
		if e := store.Err(); e != nil {
			err = e.Error()
		}
		w.calls = append(w.calls, fmt.Sprintf("%v depth %d result %d of %s: %s", ok, store.Depth(), int(store.VerifyResult()),
			commonName(store.GetCurrentCert()), err))
		return answer(ok)
	}
}

func (w *watcher) String() string { return "[" + strings.Join(w.calls, "] [") + "]" }

func asIs(ok bool) bool { return ok }
func always(bool) bool  { return true }
func never(bool) bool   { return false }

func verification(s *section) {
	p := pki()
	untrusting := func(mode openssl.VerifyOptions) *openssl.Ctx {
		ctx := must(openssl.NewCtxWithVersion(tls12))
		ctx.SetVerifyMode(mode)
		return ctx
	}
	for _, test := range []struct {
		name   string
		server *identity
		client *openssl.Ctx
	}{
		{"trusted", p.server, clientCtx(tls12)},
		{"untrusted, not verified", p.server, untrusting(openssl.VerifyNone)},
		{"untrusted", p.server, untrusting(openssl.VerifyPeer)},
		{"self-signed", p.selfSigned, untrusting(openssl.VerifyPeer)},
		{"self-signed, not verified", p.selfSigned, untrusting(openssl.VerifyNone)},
		{"expired", p.expired, clientCtx(tls12)},
		{"incomplete chain", p.chained, clientCtx(tls12)},
		{"wrong purpose", p.client, clientCtx(tls12)},
		{"another host, which a Conn does not check", p.other, clientCtx(tls12)},
	} {
		d := connect(serverCtx(test.server, tls12), test.client)
		server, client := d.handshake()
		s.line(test.name, server, client, "result", int(d.cli.VerifyResult()))
		d.close()
	}
	for _, test := range []struct {
		name   string
		server *identity
		mode   openssl.VerifyOptions
		answer func(bool) bool
	}{
		{"accepts what is trusted", p.server, openssl.VerifyPeer, asIs},
		{"refuses what is trusted", p.server, openssl.VerifyPeer, never},
		{"refuses what is expired", p.expired, openssl.VerifyPeer, asIs},
		{"accepts what is expired", p.expired, openssl.VerifyPeer, always},
		{"accepts an incomplete chain", p.chained, openssl.VerifyPeer, always},
		{"asked but not obeyed", p.server, openssl.VerifyNone, never},
	} {
		var w watcher
		client := clientCtx(tls12)
		client.SetVerify(test.mode, w.callback(test.answer))
		d := connect(serverCtx(test.server, tls12), client)
		serverErr, clientErr := d.handshake()
		s.line("callback "+test.name, serverErr, clientErr, "result", int(d.cli.VerifyResult()), w.String())
		d.close()
	}
	s.try("callback of the connection", func() []any {
		var w, mine watcher
		client := clientCtx(tls12)
		client.SetVerify(openssl.VerifyPeer, w.callback(asIs))
		d := connect(serverCtx(p.server, tls12), client)
		d.cli.SetVerify(openssl.VerifyPeer, mine.callback(always))
		depth := d.cli.GetVerifyDepth()
		d.cli.SetVerifyDepth(4)
		server, cerr := d.handshake()
		defer d.close()
		return []any{server, cerr, len(w.calls), mine.String(), int(d.cli.VerifyMode()), d.cli.GetVerifyCallback() != nil, depth, d.cli.GetVerifyDepth()}
	})
	s.try("depth too small", func() []any {
		ctx := serverCtx(p.chained, tls12)
		check(ctx.AddChainCertificate(loadCert(p.middle)))
		client := clientCtx(tls12)
		client.SetVerifyDepth(0)
		d := connect(ctx, client)
		server, cerr := d.handshake()
		defer d.close()
		return []any{server, cerr, int(d.cli.VerifyResult())}
	})
	s.try("client certificate untrusted", func() []any {
		ctx := serverCtx(p.server, tls12)
		ctx.SetVerifyMode(openssl.VerifyPeer)
		client := clientCtx(tls12)
		check(client.UseCertificate(loadCert(p.client)))
		check(client.UsePrivateKey(loadKey(p.client)))
		d := connect(ctx, client)
		server, cerr := d.handshake()
		defer d.close()
		return []any{server, cerr, int(d.ssl.VerifyResult())}
	})
	s.try("server's callback", func() []any {
		var w watcher
		ctx := serverCtx(p.server, tls12)
		ctx.SetVerify(openssl.VerifyPeer, w.callback(always))
		client := clientCtx(tls12)
		check(client.UseCertificate(loadCert(p.client)))
		check(client.UsePrivateKey(loadKey(p.client)))
		d := connect(ctx, client)
		server, cerr := d.handshake()
		defer d.close()
		return []any{server, cerr, int(d.ssl.VerifyResult()), w.String()}
	})
	s.try("a setter after the handshake serves the next connection", func() []any {
		client := must(openssl.NewCtxWithVersion(tls12))
		client.SetVerifyMode(openssl.VerifyPeer)
		server := serverCtx(p.server, tls12)
		d := connect(server, client)
		_, before := d.handshake()
		d.close()
		check(client.LoadVerifyLocations(p.caFile, ""))
		d = connect(server, client)
		_, after := d.handshake()
		d.close()
		return []any{before, after}
	})
}

// keptSSL keeps what callbacks were handed: the original's C code points to it.
var keptSSL []*openssl.SSL

func serverNames(s *section) {
	p := pki()
	for _, test := range []struct {
		name   string
		answer openssl.SSLTLSExtErr
	}{{"OK", openssl.SSLTLSExtErrOK}, {"warning", openssl.SSLTLSExtErrAlertWarning}, {"fatal", openssl.SSLTLSEXTErrAlertFatal}, {"no ack", openssl.SSLTLSEXTErrNoAck}} {
		for _, name := range []string{"a.example", ""} {
			var asked []string
			ctx := serverCtx(p.server, tls12)
			ctx.SetTLSExtServernameCallback(func(ssl *openssl.SSL) openssl.SSLTLSExtErr {
				keptSSL = append(keptSSL, ssl)
				asked = append(asked, ssl.GetServername())
				return test.answer
			})
			d := connect(ctx, clientCtx(tls12))
			if name != "" {
				check(d.cli.SetTlsExtHostName(name))
			}
			server, client := d.handshake()
			s.line(strings.TrimSpace("answer "+test.name+" "+name), server, client, fmt.Sprintf("%q", asked), d.ssl.GetServername())
			d.close()
		}
	}
	s.try("another context", func() []any {
		ctx, other := serverCtx(p.server, tls12), serverCtx(p.other, tls12)
		ctx.SetTLSExtServernameCallback(func(ssl *openssl.SSL) openssl.SSLTLSExtErr {
			keptSSL = append(keptSSL, ssl)
			if ssl.GetServername() == "other.example" {
				ssl.SetSSLCtx(other)
			}
			return openssl.SSLTLSExtErrOK
		})
		var got []any
		for _, name := range []string{"localhost", "other.example"} {
			d := connect(ctx, clientCtx(tls12))
			check(d.cli.SetTlsExtHostName(name))
			server, client := d.handshake()
			got = append(got, server, client)
			if client == nil {
				got = append(got, commonName(must(d.cli.PeerCertificate())), d.echo())
			}
			got = append(got, d.ssl.GetCtx() == ctx)
			d.close()
		}
		return got
	})
	s.try("verification switched on in the callback", func() []any {
		var w watcher
		ctx := serverCtx(p.server, tls12)
		check(ctx.LoadVerifyLocations(p.caFile, ""))
		ctx.SetTLSExtServernameCallback(func(ssl *openssl.SSL) openssl.SSLTLSExtErr {
			keptSSL = append(keptSSL, ssl)
			ssl.SetVerify(openssl.VerifyPeer|openssl.VerifyFailIfNoPeerCert, w.callback(never))
			return openssl.SSLTLSExtErrOK
		})
		client := clientCtx(tls12)
		check(client.UseCertificate(loadCert(p.client)))
		check(client.UsePrivateKey(loadKey(p.client)))
		d := connect(ctx, client)
		check(d.cli.SetTlsExtHostName("a.example"))
		server, cerr := d.handshake()
		defer d.close()
		return []any{server, cerr, w.String()}
	})
	s.try("options in the callback", func() []any {
		ctx := serverCtx(p.server, tls12)
		var got []any
		ctx.SetTLSExtServernameCallback(func(ssl *openssl.SSL) openssl.SSLTLSExtErr {
			keptSSL = append(keptSSL, ssl)
			before := ssl.GetOptions() & someOptions
			set := ssl.SetOptions(openssl.NoTicket) & someOptions
			cleared := ssl.ClearOptions(openssl.NoTicket) & someOptions
			got = append(got, int(before), int(set), int(cleared), int(ssl.VerifyMode()), ssl.GetVerifyCallback() == nil)
			return openssl.SSLTLSExtErrOK
		})
		d := connect(ctx, clientCtx(tls12)).established()
		d.close()
		return got
	})
}

func dials(s *section) {
	p := pki()
	serve := func(id *identity) (addr, port string, names func() []string, stop func()) {
		var mu sync.Mutex
		var asked []string
		ctx := serverCtx(id, tls12)
		ctx.SetTLSExtServernameCallback(func(ssl *openssl.SSL) openssl.SSLTLSExtErr {
			mu.Lock()
			defer mu.Unlock()
			keptSSL = append(keptSSL, ssl)
			asked = append(asked, ssl.GetServername())
			return openssl.SSLTLSExtErrOK
		})
		l := must(openssl.Listen("tcp", "127.0.0.1:0", ctx))
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				go func() {
					defer conn.Close()
					if conn.(*openssl.Conn).Handshake() == nil {
						_, _ = conn.Read(make([]byte, 1))
					}
				}()
			}
		}()
		_, port, _ = net.SplitHostPort(l.Addr().String())
		return l.Addr().String(), port, func() []string { mu.Lock(); defer mu.Unlock(); return asked }, func() { l.Close() }
	}
	addr, port, names, stop := serve(p.server)
	otherAddr, _, _, stopOther := serve(p.other)
	defer stop()
	defer stopOther()
	dial := func(what, addr string, ctx *openssl.Ctx, flags openssl.DialFlags) {
		s.try(what, func() []any {
			conn, err := openssl.Dial("tcp", addr, ctx, flags)
			if err != nil {
				return []any{err}
			}
			defer conn.Close()
			return []any{err, commonName(must(conn.PeerCertificate())), int(conn.VerifyResult())}
		})
	}
	dial("name", "localhost:"+port, clientCtx(tls12), 0)
	dial("address", addr, clientCtx(tls12), 0)
	dial("no name sent", "localhost:"+port, clientCtx(tls12), openssl.DisableSNI)
	s.line("names sent", fmt.Sprintf("%q", names()))
	dial("another host", otherAddr, clientCtx(tls12), 0)
	dial("another host, not checked", otherAddr, clientCtx(tls12), openssl.InsecureSkipHostVerification)
	// What was documented so that nobody noticed: without verification in the context any certificate with the right name is accepted.
	dial("untrusted, by a context that does not verify", addr, must(openssl.NewCtx()), 0)
	dial("untrusted, without a context", addr, nil, 0)
	verifying := must(openssl.NewCtx())
	verifying.SetVerifyMode(openssl.VerifyPeer)
	dial("untrusted, by a context that verifies", addr, verifying, 0)
	dial("untrusted and not checked, by a context that verifies", addr, verifying, openssl.InsecureSkipHostVerification)
	dial("untrusted and not checked", otherAddr, nil, openssl.InsecureSkipHostVerification)
	dial("no port", "localhost", nil, 0)
	s.try("nobody listens", func() []any {
		l := must(net.Listen("tcp", "127.0.0.1:0"))
		l.Close()
		_, err := openssl.Dial("tcp", l.Addr().String(), nil, 0)
		_, isOp := err.(*net.OpError)
		return []any{isOp}
	})
	s.try("unknown network", func() []any { _, err := openssl.Dial("none", addr, nil, 0); return []any{err} })
}
