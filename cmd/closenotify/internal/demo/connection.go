package demo

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/cmd/closenotify/internal/sequence"
)

type proto struct {
	name                           string
	version                        uint16
	clientNoTicket, serverNoTicket bool
}

var protos = []proto{
	{"tls12-id", tls.VersionTLS12, true, true},
	{"tls12-ticket", tls.VersionTLS12, false, false},
	{"tls13-stateful", tls.VersionTLS13, false, true},
	{"tls13-stateless", tls.VersionTLS13, false, false},
}

// SessionIDContext is what the server's sessions are bound to.
const SessionIDContext = "demo"

// contexts are the client's and the server's; the server keeps its sessions in the store, or in
// libssl's own cache without one.
type contexts struct {
	proto          proto
	client, server *openssl.RawCtx
	store          openssl.SessionCache
}

func newContexts(p proto, store openssl.SessionCache) (*contexts, error) {
	client, err := openssl.NewRawCtx()
	if err != nil {
		return nil, err
	}
	server, err := openssl.NewRawCtx()
	if err != nil {
		client.Free()
		return nil, err
	}
	c := &contexts{p, client, server, nil}
	if p.serverNoTicket {
		c.store = store // stateless tickets are in nobody's cache
	}
	if err := c.setUp(); err != nil {
		c.free()
		return nil, err
	}
	return c, nil
}

func (c *contexts) setUp() error {
	cert, err := newCertificate()
	if err != nil {
		return err
	}
	if c.proto.clientNoTicket {
		c.client.SetOptions(openssl.OpNoTicket)
	}
	if c.proto.serverNoTicket {
		c.server.SetOptions(openssl.OpNoTicket)
	}
	c.client.SetCacheMode(openssl.CacheClient | openssl.CacheNoInternalStore)
	c.server.SetCacheMode(openssl.CacheServer)
	if c.store != nil {
		c.server.SetCacheMode(openssl.CacheServer | openssl.CacheNoInternal)
		if err := errors.Join(c.server.EnableEvents(true, true, false), c.server.EnableLookup(), c.server.EnableHello()); err != nil {
			return err
		}
	}
	return errors.Join(
		c.client.SetVersions(c.proto.version, c.proto.version),
		c.server.SetVersions(c.proto.version, c.proto.version),
		c.client.EnableEvents(true, false, false),
		c.server.SetSessionIDContext([]byte(SessionIDContext)),
		c.server.UseCertificate(cert),
	)
}

func (c *contexts) free() {
	c.client.Free()
	c.server.Free()
}

// newCertificate makes a self-signed certificate; the client does not verify it.
func newCertificate() (*openssl.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "demo"},
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

// run makes a connection, ends it, and comes back with its session.
func (c *contexts) run(e ending) (Row, error) {
	row := Row{Proto: c.proto.name, Ending: e.name}
	drawn := sequence.NewRecorder()
	began := drawn.Now()
	conn, err := c.connect(nil)
	if err != nil {
		return row, err
	}
	if err := conn.draw(drawn, began); err != nil {
		conn.free()
		return row, err
	}
	e.run(conn)
	row.Drawn = drawn.Diagram()
	conn.drawn = nil
	conn.free()
	row.Steps, row.Reader = conn.steps, strings.Join(conn.reader.got, ", ")
	if conn.err != nil {
		return row, conn.err
	}

	session := conn.client.session
	if session == nil {
		row.Session = "none"
		return row, nil
	}
	again, err := c.connect(session)
	if err != nil {
		return row, err
	}
	defer again.free()
	row.Session = "full"
	if again.client.ssl.SessionReused() {
		row.Session = "resumed"
	}
	again.client.shutdown()
	again.server.shutdown()
	return row, again.err
}

// connection is two ends joined by memory.
type connection struct {
	client, server *end
	reader         *end
	store          openssl.SessionCache
	steps          []Step
	err            error // the first that no ending explains
	drawn          *sequence.Recorder
}

// draw draws the connection from here on, and what was before in one row.
func (c *connection) draw(drawn *sequence.Recorder, began time.Duration) error {
	if err := errors.Join(c.client.ssl.SetTrace(true), c.server.ssl.SetTrace(true)); err != nil {
		return err
	}
	c.drawn = drawn
	c.drawMasks()
	drawn.AddSince(began, sequence.Event{Kind: sequence.Handshake, What: "handshake, and the server's first data"})
	return nil
}

func (c *connection) drawMasks() {
	c.drawn.SetMask(sequence.Client, sequence.KnownMask(c.client.ssl.GetShutdown()))
	c.drawn.SetMask(sequence.Server, sequence.KnownMask(c.server.ssl.GetShutdown()))
}

// connect makes a connection on which the client has read something.
func (c *contexts) connect(session *openssl.Session) (*connection, error) {
	conn := &connection{store: c.store}
	conn.client, conn.server = &end{conn: conn}, &end{conn: conn}
	conn.client.peer, conn.server.peer = conn.server, conn.client
	conn.reader = conn.server
	var err error
	if conn.client.ssl, err = c.client.NewSSL(); err != nil {
		return nil, err
	}
	if conn.server.ssl, err = c.server.NewSSL(); err != nil {
		conn.client.ssl.Free()
		return nil, err
	}
	err = errors.Join(conn.client.ssl.SetConnectState(), conn.server.ssl.SetAcceptState())
	if err == nil && session != nil {
		err = conn.client.ssl.SetSession(session)
	}
	if err == nil {
		err = conn.handshake()
	}
	if err == nil {
		conn.server.write()
		conn.client.read()
		conn.client.got = nil
		err = conn.err
	}
	if err != nil {
		conn.free()
		return nil, err
	}
	return conn, nil
}

const handshakeRounds = 20

func (c *connection) handshake() error {
	var clientErr, serverErr error
	for range handshakeRounds {
		clientErr = c.client.ssl.Handshake()
		c.client.after()
		serverErr = c.server.ssl.Handshake()
		if c.store != nil && c.findSession() {
			serverErr = c.server.ssl.Handshake()
		}
		c.server.after()
		if clientErr == nil && serverErr == nil {
			return c.err
		}
	}
	return errors.Join(clientErr, serverErr)
}

func (c *connection) do(step string, f func()) {
	who, verb, _ := strings.Cut(step, " ")
	call := sequence.Event{Kind: sequence.Call, What: calls[verb]}
	actor := c.client
	if who == "server" {
		call.From, actor = sequence.Server, c.server
	}
	c.drawn.Step(call, func(call *sequence.Event) {
		f()
		switch verb {
		case "read":
			call.Detail = actor.got[len(actor.got)-1]
		case "shutdown", "quiet shutdown":
			call.Detail = strconv.Itoa(actor.ssl.Last().Ret)
		}
	}, c.drawMasks)
	c.steps = append(c.steps, Step{step, c.client.ssl.GetShutdown(), c.server.ssl.GetShutdown()})
}

// calls are the calls of libssl behind the steps; the others are TCP's.
var calls = map[string]string{
	"shutdown":       "SSL_shutdown",
	"quiet shutdown": "SSL_set_quiet_shutdown, SSL_shutdown",
	"set 1":          "SSL_set_shutdown(SSL_SENT_SHUTDOWN)",
	"write":          "SSL_write",
	"write, cut":     "SSL_write",
	"alert":          "SSL_read: a record that nobody sealed",
	"read":           "SSL_read",
}

// fail keeps the first error that is not part of an ending.
func (c *connection) fail(err error) {
	if c.err == nil {
		c.err = err
	}
}

func (c *connection) free() {
	for _, e := range []*end{c.client, c.server} {
		e.ssl.Free()
		e.takeSessions()
	}
}
