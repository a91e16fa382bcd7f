package main

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"

	"github.com/spacemonkeygo/openssl"
)

// duo is a connection's two ends, each of the drop-in or of the standard library.
type duo struct {
	server, client net.Conn
	ssl, cli       *openssl.Conn // the same, where they are the drop-in's
}

type handshaker interface{ Handshake() error }

// connect makes the ends of a connection over TCP. A nil *openssl.Ctx stands for the standard library.
func connect(server, client *openssl.Ctx) *duo {
	a, b := pipe()
	return over(a, b, server, client)
}

func over(a, b net.Conn, server, client *openssl.Ctx) *duo {
	d := &duo{}
	if server != nil {
		d.ssl = must(openssl.Server(a, server))
		d.server = d.ssl
	} else {
		d.server = tls.Server(a, stdServer(pki().server))
	}
	if client != nil {
		d.cli = must(openssl.Client(b, client))
		d.client = d.cli
	} else {
		d.client = tls.Client(b, stdClient())
	}
	return d
}

// handshake runs both ends' handshakes and waits for both. An end that fails does not close its connection before the other has its
// answer too.
func (d *duo) handshake() (server, client error) {
	var both sync.WaitGroup
	both.Go(func() { server = d.server.(handshaker).Handshake() })
	both.Go(func() { client = d.client.(handshaker).Handshake() })
	both.Wait()
	return server, client
}

func (d *duo) established() *duo {
	server, client := d.handshake()
	check(errors.Join(server, client))
	return d
}

func (d *duo) close() {
	var both sync.WaitGroup
	both.Go(func() { d.server.Close() })
	both.Go(func() { d.client.Close() })
	both.Wait()
}

// echo sends a few bytes both ways.
func (d *duo) echo() string {
	buf := make([]byte, 4)
	for _, way := range [][2]net.Conn{{d.client, d.server}, {d.server, d.client}} {
		if n, err := way[0].Write([]byte("ping")); n != 4 || err != nil {
			return "write: " + text(err)
		}
		if _, err := io.ReadFull(way[1], buf); err != nil || string(buf) != "ping" {
			return "read: " + text(err)
		}
	}
	return "echoed"
}

const tls12, anyTLS = openssl.TLSv1_2, openssl.AnyVersion

func handshakes(s *section) {
	p := pki()
	d := connect(serverCtx(p.server, tls12), clientCtx(tls12))
	s.try("before", func() []any {
		cipher, err := d.cli.CurrentCipher()
		_, err2 := d.cli.PeerCertificate()
		_, err3 := d.cli.PeerCertificateChain()
		return []any{cipher, err, err2, err3, int(d.cli.VerifyResult()), d.cli.SessionReused(), d.cli.VerifyHostname("localhost"), d.ssl.GetServername() == ""}
	})
	server, client := d.handshake()
	s.line("TLS 1.2", server, client)
	describe(s, "TLS 1.2", d)
	s.line("TLS 1.2, again", d.ssl.Handshake(), d.cli.Handshake())
	s.line("TLS 1.2, data", d.echo())
	s.line("addresses", d.cli.LocalAddr().String() == d.ssl.RemoteAddr().String(), d.cli.LocalAddr() == d.cli.UnderlyingConn().LocalAddr())
	d.close()

	d = connect(serverCtx(p.server, anyTLS), clientCtx(anyTLS))
	server, client = d.handshake()
	s.line("any version", server, client)
	describe(s, "any version", d)
	s.line("any version, data", d.echo())
	d.close()

	d = connect(serverCtx(p.rsa, tls12), clientCtx(tls12))
	check(d.cli.GetCtx().SetCipherList("ECDHE+AESGCM"))
	server, client = d.handshake()
	s.line("RSA", server, client)
	describe(s, "RSA", d)
	d.close()

	ctx := serverCtx(p.chained, tls12)
	check(ctx.AddChainCertificate(loadCert(p.middle)))
	d = connect(ctx, clientCtx(tls12))
	server, client = d.handshake()
	s.line("chain", server, client)
	describe(s, "chain", d)
	d.close()

	ctx = clientCtx(tls12)
	check(ctx.UseCertificate(loadCert(p.client)))
	check(ctx.UsePrivateKey(loadKey(p.client)))
	asking := serverCtx(p.server, tls12)
	check(asking.LoadVerifyLocations(p.caFile, ""))
	asking.SetVerifyMode(openssl.VerifyPeer | openssl.VerifyFailIfNoPeerCert)
	d = connect(asking, ctx)
	server, client = d.handshake()
	s.line("client certificate", server, client)
	describe(s, "client certificate", d)
	d.close()

	d = connect(asking, clientCtx(tls12))
	server, client = d.handshake()
	s.line("client certificate missing", server, client)
	d.close()

	d = connect(serverCtx(p.server, tls12), nil)
	server, client = d.handshake()
	s.line("standard client", server, client)
	describe(s, "standard client", d)
	s.line("standard client, data", d.echo())
	d.close()

	d = connect(nil, clientCtx(tls12))
	server, client = d.handshake()
	s.line("standard server", server, client)
	describe(s, "standard server", d)
	s.line("standard server, data", d.echo())
	d.close()

	a, b := net.Pipe()
	d = over(a, b, serverCtx(p.server, tls12), clientCtx(tls12))
	server, client = d.handshake()
	s.line("net.Pipe", server, client)
	s.line("net.Pipe, data", d.echoPiped())
	a.Close()
	b.Close()

	ctx = serverCtx(p.server, tls12)
	check(ctx.SetCipherList("ECDHE-ECDSA-AES128-GCM-SHA256"))
	limited := clientCtx(tls12)
	check(limited.SetCipherList("ECDHE-ECDSA-AES256-GCM-SHA384"))
	d = connect(ctx, limited)
	server, client = d.handshake()
	s.line("no shared cipher", server, client)
	d.close()

	both := "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384"
	for _, prefer := range []openssl.Options{0, openssl.CipherServerPreference} {
		ctx := serverCtx(p.server, tls12)
		ctx.ClearOptions(openssl.CipherServerPreference)
		ctx.SetOptions(prefer)
		check(ctx.SetCipherList("ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256"))
		client := clientCtx(tls12)
		check(client.SetCipherList(both))
		d := connect(ctx, client).established()
		cipher, err := d.cli.CurrentCipher()
		s.line("whose preference "+map[bool]string{true: "server's", false: "client's"}[prefer != 0], cipher, err)
		d.close()
	}

	for _, v := range []struct {
		name    string
		version openssl.SSLVersion
	}{{"TLS 1.0", openssl.TLSv1}, {"TLS 1.1", openssl.TLSv1_1}} {
		ctx, client := serverCtx(p.server, v.version), clientCtx(v.version)
		err := ctx.SetCipherList("DEFAULT@SECLEVEL=0")
		err2 := client.SetCipherList("DEFAULT@SECLEVEL=0")
		d := connect(ctx, client)
		server, client2 := d.handshake()
		s.line(v.name+" at security level 0", err, err2, server, client2)
		d.close()
	}
}

// echoPiped is echo where Write waits for the reader.
func (d *duo) echoPiped() string {
	var wrote error
	var done sync.WaitGroup
	done.Go(func() { _, wrote = d.client.Write([]byte("ping")) })
	buf := make([]byte, 4)
	_, err := io.ReadFull(d.server, buf)
	done.Wait()
	if err := errors.Join(wrote, err); err != nil {
		return text(err)
	}
	return string(buf)
}

func describe(s *section, what string, d *duo) {
	for _, end := range []struct {
		name string
		conn *openssl.Conn
	}{{"server", d.ssl}, {"client", d.cli}} {
		if end.conn == nil {
			continue
		}
		s.try(what+", "+end.name, func() []any {
			cipher, err := end.conn.CurrentCipher()
			state := end.conn.ConnectionState()
			var chain []string
			for _, c := range state.CertificateChain {
				chain = append(chain, commonName(c))
			}
			return []any{cipher, err, int(end.conn.VerifyResult()), commonName(state.Certificate), state.CertificateError, chain, state.CertificateChainError,
				state.SessionReused, end.conn.VerifyHostname("localhost"), end.conn.VerifyHostname("other.example")}
		})
	}
}

func transfers(s *section) {
	const size = 1 << 20
	data := bytes.Repeat(sequence(1<<10), size>>10)
	for _, test := range []struct {
		name           string
		server, client *openssl.Ctx
	}{
		{"TLS 1.2", serverCtx(pki().server, tls12), clientCtx(tls12)},
		{"any version", serverCtx(pki().server, anyTLS), clientCtx(anyTLS)},
		{"standard client", serverCtx(pki().server, tls12), nil},
		{"standard server", nil, clientCtx(tls12)},
	} {
		d := connect(test.server, test.client).established()
		var all sync.WaitGroup
		results := make([]string, 4)
		send := func(i int, c net.Conn) func() {
			return func() {
				n, err := io.Copy(c, bytes.NewReader(data))
				results[i] = map[bool]string{true: "sent", false: "cut"}[n == size] + " " + kind(err)
			}
		}
		receive := func(i int, c net.Conn) func() {
			return func() {
				h := sha256.New()
				_, err := io.CopyN(h, c, size)
				want := sha256.Sum256(data)
				results[i] = map[bool]string{true: "same", false: "different"}[bytes.Equal(h.Sum(nil), want[:])] + " " + kind(err)
			}
		}
		all.Go(send(0, d.client))
		all.Go(send(1, d.server))
		all.Go(receive(2, d.client))
		all.Go(receive(3, d.server))
		all.Wait()
		s.line("both ways at once, "+test.name, results)
		d.close()
	}

	d := connect(serverCtx(pki().server, tls12), clientCtx(tls12)).established()
	s.try("write of nothing", func() []any { n, err := d.cli.Write(nil); return []any{n, err} })
	s.try("read of nothing", func() []any { n, err := d.cli.Read(nil); return []any{n, err} })
	s.try("write", func() []any { n, err := d.cli.Write([]byte("one record")); return []any{n, err} })
	s.try("read less than a record", func() []any {
		buf := make([]byte, 3)
		n, err := d.ssl.Read(buf)
		return []any{n, err, string(buf)}
	})
	s.try("read the rest", func() []any {
		buf := make([]byte, 30)
		n, err := d.ssl.Read(buf)
		return []any{n, err, string(buf[:n])}
	})
	s.try("record of the largest size", func() []any {
		n, err := d.ssl.Write(make([]byte, openssl.SSLRecordSize))
		m, err2 := io.ReadFull(d.cli, make([]byte, openssl.SSLRecordSize))
		return []any{n, err, m, err2}
	})
	d.close()

	l := must(openssl.Listen("tcp", "127.0.0.1:0", serverCtx(pki().server, tls12)))
	s.try("listener", func() []any {
		go func() {
			conn := must(l.Accept())
			_, _ = io.Copy(conn, conn)
			conn.Close()
		}()
		conn := must(openssl.Dial("tcp", l.Addr().String(), clientCtx(tls12), 0))
		n, err := conn.Write(message)
		buf := make([]byte, len(message))
		m, err2 := io.ReadFull(conn, buf)
		return []any{n, err, m, err2, string(buf), conn.Close()}
	})
	s.try("listener closed", func() []any {
		err := l.Close()
		_, err2 := l.Accept()
		return []any{err, err2}
	})
	s.try("listen without a context", func() []any { _, err := openssl.Listen("tcp", "127.0.0.1:0", nil); return []any{err} })
}
