package main

import (
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spacemonkeygo/openssl"
)

// The options whose bits are the same in every version and not set or cleared by OpenSSL's defaults.
const someOptions = openssl.NoTLSv1 | openssl.CipherServerPreference | openssl.NoTicket | openssl.NoSessionResumptionOrRenegotiation

func contexts(s *section) {
	p := pki()
	for _, v := range []struct {
		name    string
		version openssl.SSLVersion
	}{{"SSLv3", openssl.SSLv3}, {"TLSv1", openssl.TLSv1}, {"TLSv1_1", openssl.TLSv1_1}, {"TLSv1_2", openssl.TLSv1_2}, {"AnyVersion", openssl.AnyVersion}, {"99", 99}} {
		s.try("new "+v.name, func() []any { c, err := openssl.NewCtxWithVersion(v.version); return []any{c != nil, err} })
	}
	ctx, err := openssl.NewCtx()
	s.line("new", err)

	s.try("options at first", func() []any { return []any{int(ctx.GetOptions() & someOptions)} })
	s.try("set options", func() []any {
		return []any{int(ctx.SetOptions(openssl.NoTicket) & someOptions), int(ctx.GetOptions() & someOptions)}
	})
	s.try("set more options", func() []any {
		return []any{int(ctx.SetOptions(openssl.NoTLSv1) & someOptions), int(ctx.GetOptions() & someOptions)}
	})
	s.try("clear options", func() []any {
		return []any{int(ctx.ClearOptions(openssl.NoTicket) & someOptions), int(ctx.GetOptions() & someOptions)}
	})
	s.try("no SSLv3", func() []any { return []any{ctx.GetOptions()&openssl.NoSSLv3 != 0} })
	s.try("mode", func() []any {
		before := ctx.GetMode() & openssl.ReleaseBuffers
		after := ctx.SetMode(openssl.ReleaseBuffers) & openssl.ReleaseBuffers
		return []any{int(before), after == openssl.ReleaseBuffers, ctx.GetMode()&openssl.ReleaseBuffers == openssl.ReleaseBuffers}
	})

	s.try("verify mode at first", func() []any { return []any{int(ctx.VerifyMode()), ctx.GetVerifyCallback() == nil} })
	s.try("verify mode", func() []any {
		ctx.SetVerifyMode(openssl.VerifyPeer | openssl.VerifyFailIfNoPeerCert)
		return []any{int(ctx.VerifyMode()), ctx.GetVerifyCallback() == nil}
	})
	s.try("verify callback", func() []any {
		ctx.SetVerifyCallback(func(ok bool, _ *openssl.CertificateStoreCtx) bool { return ok })
		return []any{int(ctx.VerifyMode()), ctx.GetVerifyCallback() == nil}
	})
	s.try("verify mode after callback", func() []any {
		ctx.SetVerifyMode(openssl.VerifyPeer | openssl.VerifyClientOnce)
		return []any{int(ctx.VerifyMode()), ctx.GetVerifyCallback() == nil}
	})
	s.try("both", func() []any {
		ctx.SetVerify(openssl.VerifyNone, nil)
		return []any{int(ctx.VerifyMode()), ctx.GetVerifyCallback() == nil}
	})
	s.try("depth", func() []any {
		before := ctx.GetVerifyDepth()
		ctx.SetVerifyDepth(3)
		return []any{before, ctx.GetVerifyDepth()}
	})

	s.try("timeout", func() []any {
		before := ctx.GetTimeout()
		return []any{before, ctx.SetTimeout(90 * time.Second), ctx.GetTimeout(), ctx.SetTimeout(1500 * time.Millisecond), ctx.GetTimeout()}
	})
	s.try("cache size", func() []any {
		return []any{ctx.SessGetCacheSize(), ctx.SessSetCacheSize(17), ctx.SessGetCacheSize(), ctx.SessSetCacheSize(0), ctx.SessGetCacheSize()}
	})
	s.try("cache mode", func() []any {
		return []any{int(ctx.SetSessionCacheMode(openssl.SessionCacheBoth | openssl.NoInternalStore)), int(ctx.SetSessionCacheMode(openssl.SessionCacheOff)),
			int(ctx.SetSessionCacheMode(openssl.NoAutoClear))}
	})
	s.try("session id", func() []any {
		return []any{ctx.SetSessionId([]byte("id")), ctx.SetSessionId(sequence(32)), ctx.SetSessionId(nil)}
	})
	s.try("session id of 33 bytes", func() []any { return []any{kind(ctx.SetSessionId(sequence(33)))} })

	s.try("ciphers", func() []any { return []any{ctx.SetCipherList("HIGH:!aNULL"), ctx.SetCipherList("AES128-SHA")} })
	s.try("no cipher of that name", func() []any { return []any{ctx.SetCipherList("NONE-SUCH")} })
	s.try("empty cipher list", func() []any { return []any{kind(ctx.SetCipherList(""))} })
	s.try("curve", func() []any {
		return []any{ctx.SetEllipticCurve(openssl.Prime256v1), ctx.SetEllipticCurve(openssl.Secp384r1), ctx.SetEllipticCurve(openssl.Secp521r1)}
	})
	s.try("wrong curve", func() []any { return []any{ctx.SetEllipticCurve(1)} })
	s.try("ticket store", func() []any { ctx.SetTicketStore(&openssl.TicketStore{}); ctx.SetTicketStore(nil); return nil })
	s.try("server name callback", func() []any {
		ctx.SetTLSExtServernameCallback(func(*openssl.SSL) openssl.SSLTLSExtErr { return openssl.SSLTLSExtErrOK })
		return nil
	})

	s.try("certificate and key", func() []any {
		return []any{ctx.UseCertificate(loadCert(p.server)), ctx.UsePrivateKey(loadKey(p.server)), ctx.AddChainCertificate(loadCert(p.ca))}
	})
	s.try("key of another certificate", func() []any { return []any{ctx.UsePrivateKey(loadKey(p.client))} })
	s.try("key of another type", func() []any { return []any{kind(ctx.UsePrivateKey(loadKey(p.rsa)))} })
	s.try("certificate of another key", func() []any { return []any{ctx.UseCertificate(loadCert(p.other))} })

	s.try("locations", func() []any {
		return []any{ctx.LoadVerifyLocations(p.caFile, ""), ctx.LoadVerifyLocations("", p.folder)}
	})
	s.try("no locations", func() []any { return []any{kind(ctx.LoadVerifyLocations("", ""))} })
	s.try("missing file", func() []any { return []any{ctx.LoadVerifyLocations(filepath.Join(p.folder, "none"), "")} })
	s.try("empty file", func() []any { return []any{kind(ctx.LoadVerifyLocations(p.emptyFile, ""))} })

	s.try("DH parameters", func() []any {
		dh, err := openssl.LoadDHParametersFromPEM([]byte(ffdhe2048))
		if err != nil {
			return []any{err}
		}
		return []any{ctx.SetDHParameters(dh)}
	})
	s.try("DH parameters of nothing", func() []any { _, err := openssl.LoadDHParametersFromPEM(nil); return []any{err} })
	s.try("DH parameters of noise", func() []any { _, err := openssl.LoadDHParametersFromPEM([]byte("noise")); return []any{err} })

	s.try("from files", func() []any { c, err := openssl.NewCtxFromFiles(p.certFile, p.keyFile); return []any{c != nil, err} })
	s.try("from an empty file", func() []any {
		_, err := openssl.NewCtxFromFiles(p.emptyFile, p.keyFile)
		return []any{err != nil && strings.Contains(err.Error(), "No PEM certificate found in '"+p.emptyFile+"'")}
	})
	s.try("from a missing file", func() []any { _, err := openssl.NewCtxFromFiles("/none/such", p.keyFile); return []any{err} })
	s.try("from a missing key", func() []any { _, err := openssl.NewCtxFromFiles(p.certFile, "/none/such"); return []any{err} })
	s.try("from an empty key", func() []any { _, err := openssl.NewCtxFromFiles(p.certFile, p.emptyFile); return []any{err} })
	s.try("from files that do not fit", func() []any {
		file := filepath.Join(p.folder, "client.key")
		check(os.WriteFile(file, p.client.keyPEM, 0o600))
		c, err := openssl.NewCtxFromFiles(p.certFile, file)
		return []any{c != nil, err}
	})
}

// RFC 7919, appendix A.1.
const ffdhe2048 = `-----BEGIN DH PARAMETERS-----
MIIBCAKCAQEA//////////+t+FRYortKmq/cViAnPTzx2LnFg84tNpWp4TZBFGQz
+8yTnc4kmz75fS/jY2MMddj2gbICrsRhetPfHtXV/WVhJDP1H18GbtCFY2VVPe0a
87VXE15/V8k1mE8McODmi3fipona8+/och3xWKE2rec1MKzKT0g6eXq8CrGCsyT7
YdEIqUuyyOP7uWrat2DX9GgdT0Kj3jlN9K5W7edjcrsZCwenyO4KbXCeAvzhzffi
7MA0BM0oNC9hkXL+nOmFg/+OTxIy7vKBg8P+OxtMb61zO7X8vC7CIAXFjvGDfRaD
ssbzSibBsu/6iGtCOGEoXJf//////////wIBAg==
-----END DH PARAMETERS-----
`
