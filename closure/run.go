package closure

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/golibssl/openssl"
)

const (
	handshakeRounds = 20
	recordSize      = 16384
)

// proto is one of the four protocols.
type proto struct {
	name     string
	version  uint16
	noTicket [2]bool // SSL_OP_NO_TICKET on that end
}

var protos = []proto{
	{"tls12-id", tls.VersionTLS12, [2]bool{client: true, server: true}},
	{"tls12-ticket", tls.VersionTLS12, [2]bool{}},
	{"tls13-stateful", tls.VersionTLS13, [2]bool{server: true}},
	{"tls13-stateless", tls.VersionTLS13, [2]bool{}},
}

// run is the state of one script.
type run struct {
	steps  int
	ctx    [2]*openssl.RawCtx
	pair   *pair            // nil until the first step that is neither proto nor option
	newest *openssl.Session // that the client was given, in whichever pair
}

func (r *run) free() {
	if r.pair != nil {
		r.pair.free(client)
		r.pair.free(server)
	}
	for _, c := range r.ctx {
		if c != nil {
			c.Free()
		}
	}
}

// outOfPlace is why a step that can be read cannot stand here, "" when it can.
func (r *run) outOfPlace(s step) string {
	switch {
	case r.steps == 0 && s.verb != verbProto:
		return "the first step is not proto"
	case r.steps > 0 && s.verb == verbProto:
		return "proto stands twice"
	case s.verb == verbOption && r.pair != nil:
		return "option stands after another kind of step"
	}
	return ""
}

// step runs one step and returns its result. The error is not the script's: the library could not
// make what every script needs.
func (r *run) step(s step) (string, error) {
	r.steps++
	switch s.verb {
	case verbProto:
		return "ok", r.makeContexts(s.proto)
	case verbOption:
		r.ctx[s.who].SetOptions(openssl.OpIgnoreUnexpectedEOF)
		return "ok", nil
	}
	if r.pair == nil {
		p, err := r.newPair()
		if err != nil {
			return "", err
		}
		r.pair = p
	}
	switch s.verb {
	case verbHandshake:
		return r.handshake()
	case verbResumable:
		switch {
		case r.newest == nil:
			return "resumable=-", nil
		case r.newest.Resumable():
			return "resumable=1", nil
		}
		return "resumable=0", nil
	case verbCache:
		return fmt.Sprintf("sessions=%d", r.ctx[server].Counter(openssl.CounterNumber)), nil
	case verbResume:
		return r.resume()
	}
	if r.pair.gone[s.who] {
		return "gone", nil
	}
	return r.call(s)
}

// makeContexts makes the contexts of both ends.
func (r *run) makeContexts(p proto) error {
	cert, err := newCertificate()
	if err != nil {
		return err
	}
	for _, who := range []end{client, server} {
		c, err := openssl.NewRawCtx()
		if err != nil {
			return err
		}
		r.ctx[who] = c
		if err := c.SetVersions(p.version, p.version); err != nil {
			return err
		}
		if p.version == tls.VersionTLS12 {
			if err := c.SetCiphers("ECDHE-ECDSA-AES128-GCM-SHA256", "", ""); err != nil {
				return err
			}
		}
		if p.noTicket[who] {
			c.SetOptions(openssl.OpNoTicket)
		}
	}
	r.ctx[client].SetCacheMode(openssl.CacheClient | openssl.CacheNoInternalStore)
	r.ctx[server].SetCacheMode(openssl.CacheServer)
	// The new-session callback is the client's alone: a callback on the server would change what it caches.
	return errors.Join(
		r.ctx[client].EnableEvents(true, false, false),
		r.ctx[server].SetSessionIDContext([]byte("closure")),
		r.ctx[server].UseCertificate(cert),
	)
}

// newCertificate makes a self-signed certificate; the client does not verify it.
func newCertificate() (*openssl.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "closure"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return openssl.X509KeyPairDER([][]byte{cert}, keyDER)
}

func (r *run) handshake() (string, error) {
	p := r.pair
	if p.gone[client] || p.gone[server] {
		return "gone", nil
	}
	done, err := p.handshake()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("ret=%d client=%d server=%d", btoi(done), p.mask(client), p.mask(server)), nil
}

// call makes one call on one end.
func (r *run) call(s step) (string, error) {
	p, ssl := r.pair, r.pair.ssl[s.who]
	result := func(ret int, class string) string {
		return fmt.Sprintf("ret=%d err=%s mask=%d", ret, class, p.mask(s.who))
	}
	switch s.verb {
	case verbShutdown:
		how, err := ssl.Shutdown()
		a, err := p.after(s.who, int(how), err)
		return result(a.ret, a.class), err
	case verbSet:
		err := ssl.SetShutdown(openssl.ShutdownState(s.n))
		return fmt.Sprintf("mask=%d", p.mask(s.who)), err
	case verbGet:
		return fmt.Sprintf("mask=%d", p.mask(s.who)), nil
	case verbRead:
		buf := make([]byte, recordSize)
		n, err := ssl.Read(buf)
		a, err := p.after(s.who, 1, err)
		if a.ret == 1 {
			return fmt.Sprintf("ret=1 data=%s mask=%d", buf[:n], p.mask(s.who)), err
		}
		return result(a.ret, a.class), err
	case verbWrite:
		_, err := ssl.Write([]byte(s.text))
		a, err := p.after(s.who, 1, err)
		return result(a.ret, a.class), err
	case verbQuiet:
		return "ok", ssl.SetQuietShutdown(s.n == 1)
	case verbEOF:
		return "ok", ssl.FeedEOF()
	case verbClear:
		// SSL_clear leaves the BIOs alone.
		a, err := p.after(s.who, 1, ssl.RawClear())
		return fmt.Sprintf("ret=%d mask=%d", a.ret, p.mask(s.who)), err
	case verbFree:
		p.free(s.who)
		return "ok", nil
	}
	return "", fmt.Errorf("verb %d is no call on one end", s.verb)
}

// resume is client resume: a second pair on the same contexts.
func (r *run) resume() (string, error) {
	p, err := r.newPair()
	if err != nil {
		return "", err
	}
	defer p.free(server)
	defer p.free(client)
	if r.newest != nil {
		if err := p.ssl[client].SetSession(r.newest); err != nil {
			return "", err
		}
	}
	done, err := p.handshake()
	if err != nil {
		return "", err
	}
	if !done {
		return "failed", nil
	}
	reused := p.ssl[client].SessionReused()
	_, err = p.ssl[server].Write([]byte("x"))
	if _, err := p.after(server, 1, err); err != nil {
		return "", err
	}
	_, err = p.ssl[client].Read(make([]byte, 1))
	if _, err := p.after(client, 1, err); err != nil {
		return "", err
	}
	for _, who := range []end{client, server} {
		how, err := p.ssl[who].Shutdown()
		if _, err := p.after(who, int(how), err); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("reused=%d", btoi(reused)), nil
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
