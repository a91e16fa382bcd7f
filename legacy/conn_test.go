package openssl

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	root "github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/testcert"
)

// TestVerifyCallback: the callback sees each certificate from the authority down, its answer counts, and it can use the connection.
func TestVerifyCallback(t *testing.T) {
	eachVersion(t, func(t *testing.T, v Version) {
		var kept *CertificateStoreCtx
		var seen []int
		var c *Conn
		client := trust(t, newTestCtx(t, v, nil))
		client.SetVerify(VerifyPeer, func(ok bool, store *CertificateStoreCtx) bool {
			kept = store
			seen = append(seen, store.Depth())
			if cert := store.GetCurrentCert(); cert == nil || cert.GetSerialNumberHex() == "" {
				t.Error("there is no certificate")
			}
			if !ok || store.Err() != nil || store.VerifyResult() != Ok {
				t.Errorf("depth %d: %v, %v", store.Depth(), ok, store.Err())
			}
			c.VerifyMode()             // of this connection
			client.SetVerifyDepth(5)   // of its Ctx
			client.GetVerifyCallback() // while its handshake runs
			return ok
		})
		c, s := ends(t, client, newTestCtx(t, v, testcert.Server()))
		if ce, se := shake(c, s); ce != nil || se != nil {
			t.Fatal(ce, se)
		}
		if diff := cmp.Diff([]int{1, 0}, seen); diff != "" {
			t.Errorf("depths (-want +got): %s", diff)
		}
		if kept.GetCurrentCert() != nil || kept.Err() != nil || kept.Depth() != 0 {
			t.Error("what was verified can be asked when it is over")
		}
		if client.GetVerifyDepth() != 5 {
			t.Errorf("the depth is %d", client.GetVerifyDepth())
		}

		for _, answer := range []bool{true, false} {
			var found VerifyResult
			client := trust(t, newTestCtx(t, v, nil))
			client.SetVerifyCallback(func(ok bool, store *CertificateStoreCtx) bool {
				if !ok {
					found = store.VerifyResult()
				}
				return answer
			})
			c, s := ends(t, client, newTestCtx(t, v, testcert.OtherCAServer()))
			err, _ := shake(c, s)
			if (err == nil) != answer || found == Ok {
				t.Errorf("the callback answered %v: %v, result %v", answer, err, found)
			}
			if answer && c.VerifyResult() == Ok {
				t.Error("the callback let a stranger pass, and VerifyResult says Ok")
			}
			c.Close()
			s.Close()
		}
	})
}

// TestServerNameAnswers: what the callback answers is what the client hears.
func TestServerNameAnswers(t *testing.T) {
	eachVersion(t, func(t *testing.T, v Version) {
		for answer, alert := range map[SSLTLSExtErr]string{SSLTLSExtErrOK: "", SSLTLSEXTErrNoAck: "",
			SSLTLSExtErrAlertWarning: "", SSLTLSEXTErrAlertFatal: "unrecognized_name"} {
			asked := 0
			server := newTestCtx(t, v, testcert.Server())
			server.SetTLSExtServernameCallback(func(ssl *SSL) SSLTLSExtErr {
				if asked++; ssl.GetServername() != "name.example" {
					t.Errorf("the name is %q", ssl.GetServername())
				}
				return answer
			})
			c, s := ends(t, newTestCtx(t, v, nil), server)
			if err := c.SetTlsExtHostName("name.example"); err != nil {
				t.Fatal(err)
			}
			err, _ := shake(c, s)
			if (err == nil) != (alert == "") || alertOf(err) != alert {
				t.Errorf("answer %d: %v; want alert %q", answer, err, alert)
			}
			if asked != 1 {
				t.Errorf("answer %d: asked %d times", answer, asked)
			}
			if err == nil {
				says(t, s, c, "data")
				if s.GetServername() != "name.example" {
					t.Errorf("the server's name is %q", s.GetServername())
				}
			}
			c.Close()
			s.Close()
			if err == nil && s.GetServername() != "name.example" {
				t.Errorf("after Close the server's name is %q", s.GetServername())
			}
		}
	})
}

// TestSetSSLCtxMisused: where it cannot be served the handshake fails and says why.
func TestSetSSLCtxMisused(t *testing.T) {
	for name, chosen := range map[string]*Ctx{"nil": nil, "zero": {}} {
		server := newTestCtx(t, TLS1_3_VERSION, testcert.Server())
		server.SetTLSExtServernameCallback(func(ssl *SSL) SSLTLSExtErr { ssl.SetSSLCtx(chosen); return SSLTLSExtErrOK })
		c, s := ends(t, newTestCtx(t, TLS1_3_VERSION, nil), server)
		ce, se := shake(c, s)
		var arg *ArgumentError
		if ce == nil || !errors.As(se, &arg) {
			t.Errorf("%s: client %v, server %v", name, ce, se)
		}
	}
	c, _ := ends(t, newTestCtx(t, TLS1_3_VERSION, nil), newTestCtx(t, TLS1_3_VERSION, testcert.Server()))
	c.SetSSLCtx(newTestCtx(t, TLS1_3_VERSION, nil))
	wantArgumentError(t, c.Handshake(), "outside")
	_, err := c.Read(make([]byte, 1))
	wantArgumentError(t, err, "outside")
}

// TestChosenCtxVerifies: SSL_set_SSL_CTX would drop the chosen context's demand for a client certificate.
func TestChosenCtxVerifies(t *testing.T) {
	eachVersion(t, func(t *testing.T, v Version) {
		strict := trust(t, newTestCtx(t, v, testcert.Server()))
		strict.SetVerifyMode(VerifyPeer | VerifyFailIfNoPeerCert)
		server := newTestCtx(t, v, testcert.Server())
		server.SetTLSExtServernameCallback(func(ssl *SSL) SSLTLSExtErr { ssl.SetSSLCtx(strict); return SSLTLSExtErrOK })
		for _, test := range []struct {
			cert   *testcert.Cert
			passes bool
		}{{nil, false}, {testcert.OtherCAClient(), false}, {testcert.Client(), true}} {
			c, s := ends(t, newTestCtx(t, v, test.cert), server)
			_, err := shake(c, s)
			if (err == nil) != test.passes {
				t.Errorf("the server's handshake: %v; want success %v", err, test.passes)
			}
			c.Close()
			s.Close()
		}
	})
}

// TestSettersWhileConnecting: a Ctx is never frozen; what is set affects what is made later, and may be set at any time.
func TestSettersWhileConnecting(t *testing.T) {
	server, client := newTestCtx(t, TLS1_3_VERSION, testcert.Server()), newTestCtx(t, TLS1_3_VERSION, nil)
	stop := make(chan struct{})
	var setters sync.WaitGroup
	for _, c := range []*Ctx{server, client} {
		setters.Go(func() {
			cert := must(LoadCertificateFromPEM(testcert.Root().PEM))
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				c.SetOptions(NoTicket)
				c.ClearOptions(NoTicket)
				err := errors.Join(c.SetCipherList("DEFAULT"), c.SetEllipticCurve(Prime256v1), c.SetNextProtos([]string{"h2"}))
				if i < 50 {
					err = errors.Join(err, c.AddChainCertificate(cert))
				}
				c.SetVerifyCallback(func(ok bool, _ *CertificateStoreCtx) bool { return ok })
				c.SetTimeout(time.Hour)
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 40 {
		c, s := connected(t, client, server)
		c.Close()
		s.Close()
	}
	close(stop)
	setters.Wait()

	c1, s1 := ends(t, client, server)
	if err := client.GetCertificateStore().LoadCertificatesFromPEM(testcert.Root().PEM); err != nil {
		t.Fatal(err)
	}
	client.SetVerify(VerifyPeer, func(bool, *CertificateStoreCtx) bool { return false })
	if ce, se := shake(c1, s1); ce != nil || se != nil {
		t.Errorf("a connection that was made before: %v, %v", ce, se)
	}
	if ce, _ := shake(ends(t, client, server)); ce == nil {
		t.Error("a connection that was made later does not ask the callback")
	}
}

// TestClientCertificatesResume: without a session id context of its own a server that asks for certificates failed every resumption.
func TestClientCertificatesResume(t *testing.T) {
	eachVersion(t, func(t *testing.T, v Version) {
		server := trust(t, newTestCtx(t, v, testcert.Server()))
		server.SetVerifyMode(VerifyPeer | VerifyFailIfNoPeerCert)
		addr := echo(t, server)
		client := newTestCtx(t, v, testcert.Client())
		c := must(Dial("tcp", addr, client, 0))
		roundTrip(t, c)
		session := must(c.GetSession())
		c.Close()
		c = must(DialSession("tcp", addr, client, 0, session))
		defer c.Close()
		roundTrip(t, c)
		if !c.SessionReused() {
			t.Error("the session was not resumed")
		}
	})
}

// TestHTTP: net/http serves and asks over the package's listener and Dial.
func TestHTTP(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	if err := errors.Join(os.WriteFile(certFile, testcert.Server().ChainPEM, 0o600), os.WriteFile(keyFile, testcert.Server().KeyPEM, 0o600)); err != nil {
		t.Fatal(err)
	}
	l := must(Listen("tcp", "127.0.0.1:0", must(NewCtxFromFiles(certFile, keyFile))))
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })}
	go srv.Serve(l)
	defer srv.Close()
	ctx := trust(t, newTestCtx(t, TLS1_3_VERSION, nil))
	transport := &http.Transport{DialTLSContext: func(c context.Context, network, addr string) (net.Conn, error) {
		return DialContext(c, network, addr, ctx, 0)
	}}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: testTime}
	for range 5 {
		r, err := client.Post("https://"+l.Addr().String(), "text/plain", strings.NewReader("echo"))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil || string(body) != "echo" {
			t.Errorf("%q, %v", body, err)
		}
	}
	if err := ListenAndServeTLS("127.0.0.1:0", filepath.Join(dir, "none"), keyFile, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a certificate: %v", err)
	}
}

// TestDialVariants: over a connection that there is already, and with a dialer.
func TestDialVariants(t *testing.T) {
	addr := echo(t, newTestCtx(t, TLS1_3_VERSION, testcert.Server()))
	_, port, _ := net.SplitHostPort(addr)
	ctx := trust(t, newTestCtx(t, TLS1_3_VERSION, nil))
	nc := must(net.Dial("tcp", addr))
	c := must(DialUpgrade("localhost:"+port, nc, ctx, 0))
	roundTrip(t, c)
	if c.UnderlyingConn() != nc || c.GetServername() != "localhost" || c.LocalAddr() != nc.LocalAddr() {
		t.Errorf("over another connection, or for %q", c.GetServername())
	}
	c.Close()
	c = must(DialWithDialer(&net.Dialer{Timeout: testTime, Deadline: time.Now().Add(testTime)}, "tcp", addr, ctx, DisableSNI))
	roundTrip(t, c)
	if c.GetVersion() != "TLSv1.3" || c.GetServername() != "" {
		t.Errorf("version %s, name %q", c.GetVersion(), c.GetServername())
	}
	c.Close()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := DialContext(gone, "tcp", addr, ctx, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("DialContext after its context: %v", err)
	}
	if _, err := Dial("tcp", "no port", nil, 0); err == nil {
		t.Error("Dial without a port succeeds")
	}
	if _, err := Listen("tcp", "127.0.0.1:0", nil); err == nil {
		t.Error("Listen without a Ctx succeeds")
	}
}

// TestZeroValues: what no function has made answers with an error or a zero value.
func TestZeroValues(t *testing.T) {
	a, _ := tcpEnds(t)
	for _, ctx := range []*Ctx{nil, {}} {
		_, err := Server(a, ctx)
		wantArgumentError(t, err, "Ctx")
		wantArgumentError(t, ctx.SetCipherList("DEFAULT"), "Ctx")
		wantArgumentError(t, ctx.SetSessionId([]byte("x")), "Ctx")
		ctx.SetVerify(VerifyPeer, nil)
		ctx.SetTicketStore(nil)
		ctx.SetTLSExtServernameCallback(nil)
		ctx.SetClientCAList(nil)
		if ctx.GetOptions() != 0 || ctx.GetCertificateStore() != nil || ctx.SetTimeout(1) != 0 || ctx.SetMinProtoVersion(0) || ctx.VerifyMode() != 0 {
			t.Error("a Ctx that is none has settings")
		}
	}
	for _, c := range []*Conn{nil, {}} {
		_, err := c.Read(make([]byte, 1))
		wantArgumentError(t, err, "Conn")
		_, err = c.Write([]byte("x"))
		wantArgumentError(t, err, "Conn")
		wantArgumentError(t, c.Handshake(), "Conn")
		wantArgumentError(t, c.Close(), "Conn")
		wantArgumentError(t, c.SetTlsExtHostName("x"), "Conn")
		_, err = c.GetSession()
		wantArgumentError(t, err, "Conn")
		if c.VerifyResult() != Ok || c.SessionReused() || c.Root() != nil || c.End() != (root.End{}) {
			t.Error("a Conn that is none has a state")
		}
		if _, err := c.PeerCertificate(); err == nil {
			t.Error("a Conn that is none has a peer")
		}
	}
	for _, s := range []*SSL{nil, {}} {
		s.SetVerify(VerifyPeer, nil)
		s.SetSSLCtx(nil)
		if s.GetOptions() != 0 || s.GetServername() != "" || s.VerifyMode() != 0 || s.GetVersion() != "" {
			t.Error("an SSL that is none has settings")
		}
	}
	var store *CertificateStoreCtx
	if store.Err() != nil || store.Depth() != 0 || store.GetCurrentCert() != nil {
		t.Error("a store that is none has a certificate")
	}
}

// TestHostnames compares with what the certificate names.
func TestHostnames(t *testing.T) {
	cert := must(LoadCertificateFromPEM(SplitPEM(testcert.Root().Server(testcert.Options{
		Names: []string{"www.example", "*.wild.example", "192.0.2.7", "2001:db8::7"}}).ChainPEM)[0]))
	for host, want := range map[string]error{
		"www.example": nil, "WWW.EXAMPLE": nil, "a.wild.example": nil, "192.0.2.7": nil, "2001:db8::7": nil, "[2001:db8::7]": nil,
		"example": ValidationError, "a.b.wild.example": ValidationError, "192.0.2.8": ValidationError, "wild.example": ValidationError,
	} {
		if err := cert.VerifyHostname(host); err != want {
			t.Errorf("%s: %v; want %v", host, err, want)
		}
	}
	if err := cert.CheckHost("a.wild.example", NoWildcards); err != ValidationError {
		t.Errorf("without wildcards: %v", err)
	}
	if err := cert.CheckIP(net.ParseIP("192.0.2.7").To16(), 0); err != nil {
		t.Errorf("an IPv4 address of 16 bytes: %v", err)
	}
	if err := cert.CheckEmail("someone@www.example", 0); err != ValidationError {
		t.Errorf("an email address: %v", err)
	}
	if err := cert.CheckHost("www.example\x00.evil", 0); err == nil || err == ValidationError {
		t.Errorf("a name with a zero byte: %v", err)
	}
	wantArgumentError(t, cert.CheckIP(net.IP{1, 2, 3}, 0), "4 or 16")
	wantArgumentError(t, cert.CheckHost("", 0), "nothing")
	wantArgumentError(t, (&Certificate{}).CheckEmail("x@y", 0), "certificate")
}
