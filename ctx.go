//go:build cgo

package openssl

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// SessionPolicy is what an end without our close_notify does to the connection's sessions.
type SessionPolicy int

const (
	// SessionsStrict makes them not resumable and removes them from the cache, as libssl does (RFC
	// 2246, section 7.2.1). A fatal alert does so even after our close_notify.
	SessionsStrict SessionPolicy = iota
	// SessionsKeep keeps them (RFC 5246, section 7.2.1) unless a fatal alert was sent or received.
	SessionsKeep
)

// DefaultLinger bounds how long Close keeps a TCP connection for data still under way.
const DefaultLinger = 2 * time.Second

// Config makes a Ctx. Its fields mean what those of the same name in crypto/tls mean. The zero
// Config is a client's: TLS 1.2 at least, the server verified against the system's roots.
// openssl.cnf and the system's crypto policy stay in force: their versions bound a Config's, and
// their security level stays unless CipherList names another by @SECLEVEL.
type Config struct {
	// Certificates are what this end shows; libssl picks by key type.
	Certificates []*Certificate

	// CertificateURI and KeyURI name what Certificates would hold, by OSSL_STORE URI: see LoadCertificateURI.
	CertificateURI, KeyURI string

	// Properties choose among the implementations of the providers that are loaded, such as "fips=yes", in
	// addition to what openssl.cnf asks. None that serves is an ErrConfig; OpenSSL 1.1.1 is
	// errors.ErrUnsupported.
	Properties string

	// The roots that a client trusts; all three empty: the system's. A folder is read whole, and may hold
	// other files too; a file or PEM without a certificate is ErrConfig.
	RootCAFile string
	RootCADir  string
	RootCAPEM  []byte

	// ServerName is what a client sends and verifies; Dial takes the address's host by default.
	ServerName         string
	InsecureSkipVerify bool

	// ClientAuth is what a server asks of clients; the verifying kinds need roots of their own. Those
	// resume no session when the time of the client's certificate is over.
	ClientAuth   tls.ClientAuthType
	ClientCAFile string
	ClientCADir  string
	ClientCAPEM  []byte

	// PostHandshakeAuth lets a TLS 1.3 server ask for the client's certificate after the handshake (RFC
	// 8446, section 4.6.2): a client offers it; a server asks by Conn.RequestClientCert for what ClientAuth
	// says, and not in the handshake. TLS 1.2 asks in the handshake, as ever.
	PostHandshakeAuth bool

	// NextProtos are offered, and by a server chosen from, the first in its own order (ALPN, RFC 7301). Without
	// one in common the server refuses with no_application_protocol; but one that names h2 lets a client in that
	// names http/1.1 alone, as crypto/tls does. Where either end names none, NegotiatedProtocol is empty.
	NextProtos []string

	// MinVersion is tls.VersionTLS12 by default. An openssl.cnf that is stricter wins.
	MinVersion, MaxVersion uint16

	// OpenSSL's names; empty is what openssl.cnf says, or the library's default.
	CipherList   string // up to TLS 1.2
	Ciphersuites string // TLS 1.3
	// Groups are those of the key exchange, such as "X25519MLKEM768:X25519", post-quantum from OpenSSL 3.5
	// on: one that the loaded library lacks is errors.ErrUnsupported.
	Groups string

	// KeyLogWriter receives lines that decrypt the traffic; for debugging only.
	KeyLogWriter io.Writer

	// VerifyPeerCertificate and VerifyConnection run when libssl has verified the peer and before
	// anything more is sent or any data is released, on resumptions too (then without chains). An
	// error ends the connection and its session. VerifyConnection always runs. The peer gets a fatal
	// bad_certificate, or the alert that the error names by an AlertError; a server of TLS 1.3 sends none.
	// Both run again for what a client answers to RequestClientCert, before its later data is released.
	VerifyPeerCertificate func(rawCerts [][]byte, verifiedChains [][]*x509.Certificate) error
	VerifyConnection      func(tls.ConnectionState) error

	// RawPublicKey shows the public key of Certificates without its certificate to a peer that takes that
	// (RFC 7250). PeerPublicKeys are the keys, as SubjectPublicKeyInfo in DER, one of which the peer must
	// have: it must show it so, and no certificate, name or root counts; a server asks clients for it by
	// ClientAuth. Sessions are not offered beside PeerPublicKeys. From OpenSSL 3.2 on; errors.ErrUnsupported
	// before.
	RawPublicKey   bool
	PeerPublicKeys [][]byte

	// CertCompression are the algorithms, best first, by which the peer may compress its certificates, and
	// by which ours are compressed for a peer that takes that: zlib, brotli, zstd (RFC 8879). A server's that has
	// an OCSP staple goes as it is to a client who asks for staples. What GetCertificate answers is compressed
	// when first asked for, and kept for the Ctx that asked last: the same Certificate should be answered again.
	// nil leaves it to the library. One that it lacks, and all before OpenSSL 3.2, is errors.ErrUnsupported.
	CertCompression []string

	// PSK is what a client shares with the server, in place of certificates, in TLS 1.3. Sessions are not
	// offered beside it. A server that does not take it is verified by its certificate.
	PSK *PSK
	// GetPSK answers the key that a server shares with the client who calls itself by identity; nil knows
	// none, and the handshake goes on with certificates. It runs while the handshake is suspended, for each
	// of the first four identities until one is known; tickets are identities too. An error ends the
	// handshake. The answer's Identity is not looked at. A server without Certificates serves PSKs alone.
	GetPSK func(hello *ClientHelloInfo, identity []byte) (*PSK, error)

	// EncryptedClientHelloConfigList is an ECHConfigList (RFC 9849, section 4), such as DNS has for
	// ServerName: a client of TLS 1.3 encrypts its ClientHello by the first config that libssl can use. The
	// handshake is complete only where the server accepts. One that rejects has to prove the config's public
	// name, by the roots and with InsecureSkipVerify too, and no hook is asked; the error then is crypto/tls's
	// ECHRejectionError. Sessions are not offered. OpenSSL 4.0 on; errors.ErrUnsupported before.
	//
	// OpenSSL: SSL_set1_echstore(3).
	EncryptedClientHelloConfigList []byte
	// EncryptedClientHelloKeys are by what a server decrypts ClientHellos; hooks see what was encrypted. The
	// keys of this Ctx count where GetCtxForClient chooses another. A client that is rejected asks for the
	// public name and needs its certificate. OpenSSL 4.0 on; errors.ErrUnsupported before.
	//
	// OpenSSL: OSSL_ECHSTORE_read_pem(3).
	EncryptedClientHelloKeys []tls.EncryptedClientHelloKey

	// GetCtxForClient may choose another Ctx by what the ClientHello says; nil keeps this one.
	// Everything then belongs to the chosen Ctx: versions, ClientAuth, sessions, hooks. An error refuses the
	// client with internal_error, or the alert that it names by an AlertError; GetCertificate's too.
	GetCtxForClient func(*ClientHelloInfo) (*Ctx, error)
	// GetCertificate may choose the certificate; nil keeps Certificates.
	GetCertificate func(*ClientHelloInfo) (*Certificate, error)

	// IgnoreUnexpectedEOF makes an end of the transport without close_notify read as io.EOF. An
	// attacker can then cut a stream unseen. End tells either way.
	IgnoreUnexpectedEOF bool

	// UncleanSessions is what an unclean end does to the sessions.
	UncleanSessions SessionPolicy
	// KeepAbandonedSessions spares the sessions of a Conn that was dropped without Close.
	KeepAbandonedSessions bool

	// Linger bounds Close's wait, in the background, for data under way; 0 is DefaultLinger, less
	// than 0 is none.
	Linger time.Duration
	// ShutdownDiscard is how many bytes of the peer's data Shutdown may throw away; 0: none, it
	// answers with an UnreadDataError.
	ShutdownDiscard int

	// Session is what a client offers.
	Session *Session
	// ClientSessionCache keeps a client's sessions for its later connections, when Session is nil.
	ClientSessionCache ClientSessionCache
	// OnSession gets each session that a client can resume, TLS 1.3 tickets among them, during the call
	// that read it: Handshake, Read or Shutdown. Of one call it gets the last 16.
	OnSession func(*Conn, *Session)

	// SessionCache keeps a server's sessions: TLS 1.2 session ids and stateful TLS 1.3 tickets, in
	// place of stateless tickets.
	SessionCache SessionCache
	// SessionStoreTimeout bounds a handshake's wait for SessionCache; 0 is one second.
	SessionStoreTimeout time.Duration
	// TicketKeys encrypt a server's stateless tickets; nil: keys that libssl makes once for the Ctx.
	TicketKeys *TicketKeys
	// SessionTicketsDisabled leaves a server without SessionCache no resumption at all.
	SessionTicketsDisabled bool
	// SessionTimeout is how long sessions live, to the second, at most seven days; 0 is the library's
	// default.
	SessionTimeout time.Duration
	// SessionIDContext binds a server's sessions, at most 32 bytes; random by default. Servers that
	// share a SessionCache share it.
	SessionIDContext []byte

	// OnEnd is told how each connection ended, in a goroutine of its own.
	OnEnd func(End)
}

// ClientHelloInfo is what a client's first message says.
type ClientHelloInfo struct {
	ServerName      string // not verified: any client can send any name
	SupportedProtos []string
	Conn            net.Conn // the transport; not to be read or written
	ctx             context.Context
}

// Context ends with the handshake or the Conn.
func (h *ClientHelloInfo) Context() context.Context { return h.ctx }

// Ctx is an SSL_CTX made from a Config. It is frozen by its first connection. Any number of
// goroutines may use it. Its memory is freed when it and all its connections are gone.
//
// OpenSSL: SSL_CTX_new(3).
type Ctx struct {
	mu     sync.Mutex
	frozen bool
	cfg    Config
	h      *ctxHandle
	roots  *store // of clients; nil: the system's
	cas    *store // of servers
	names  *caNames
	auth   verifyMode
	signs  bool // a certificate's key is a crypto.Signer

	echList, echKeys *echStore // what clients offer, what servers have

	settings func() string // what else than the name a client's sessions depend on

	keyLog  sync.Mutex
	stores  storeQueue
	lingers gauge
}

// NewCtx makes a Ctx; what cfg points to must not be changed afterwards. nil is a zero Config.
//
// OpenSSL: SSL_CTX_new(3).
func NewCtx(cfg *Config) (*Ctx, error) {
	c := &Ctx{}
	if err := c.SetConfig(cfg); err != nil {
		return nil, err
	}
	return c, nil
}

// SetConfig configures the Ctx anew. After its first connection it answers ErrFrozen: libssl does
// not guard an SSL_CTX against its connections (openssl-threads(7)).
func (c *Ctx) SetConfig(cfg *Config) error {
	if cfg == nil {
		cfg = &Config{}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.frozen {
		return callerError("config", ErrFrozen)
	}
	next := &Ctx{cfg: *cfg}
	if err := next.loadURIs(); err != nil {
		return err
	}
	h, err := newCtxHandleWith(cfg.Properties)
	if err != nil {
		return err
	}
	if err := next.configure(h); err != nil {
		h.free()
		return err
	}
	next.h = h
	c.settings = sync.OnceValue(next.fingerprint)
	c.cfg, c.h, c.roots, c.cas, c.names, c.auth = next.cfg, h, next.roots, next.cas, next.names, next.auth
	c.signs, c.echList, c.echKeys = next.signs, next.echList, next.echKeys
	c.stores.init(c.cfg.SessionCache, c.cfg.SessionStoreTimeout, time.Duration(h.timeout())*time.Second)
	runtime.AddCleanup(h, func(p ctxHandle) { p.free() }, *h)
	return nil
}

func (c *Ctx) configure(h *ctxHandle) error {
	cfg := &c.cfg
	var err error
	if c.auth, err = clientAuthMode(cfg.ClientAuth); err != nil {
		return err
	}
	if cfg.PSK != nil {
		if err := cfg.PSK.check(true); err != nil {
			return configError("PSK: %v", err)
		}
	}
	if cfg.PostHandshakeAuth && c.auth&verifyPeer != 0 {
		c.auth |= verifyLater
	}
	h.setMode(ModeReleaseBuffers | ModeNoAutoChain)
	h.clearMode(ModeAutoRetry)
	h.setOptions(OpNoRenegotiation)
	if err := c.setVersions(h); err != nil {
		return err
	}
	if err := h.setStrings(cfg.CipherList, cfg.Ciphersuites, cfg.Groups); err != nil {
		if missing := missingGroup(cfg.Groups); missing != nil {
			return missing
		}
		return err
	}
	if len(cfg.NextProtos) > 0 {
		wire, err := alpnWire(cfg.NextProtos)
		if err != nil {
			return err
		}
		if err := h.setALPN(wire); err != nil {
			return err
		}
	}
	for _, k := range cfg.Certificates {
		if k == nil {
			return configError("Certificates holds a nil")
		}
		if err := h.useCertificate(k); err != nil {
			return err
		}
		if err := c.checkSigner(k); err != nil {
			return err
		}
		c.signs = c.signs || k.signer != nil
	}
	if err := c.loadTrust(); err != nil {
		return err
	}
	if err := c.setCertForms(h); err != nil {
		return err
	}
	if err := c.setECH(h); err != nil {
		return err
	}
	return c.setSessions(h)
}

func (c *Ctx) setVersions(h *ctxHandle) error {
	valid := func(v uint16) bool { return v == 0 || v >= tls.VersionTLS10 && v <= tls.VersionTLS13 }
	if !valid(c.cfg.MinVersion) || !valid(c.cfg.MaxVersion) {
		return configError("versions %#x to %#x", c.cfg.MinVersion, c.cfg.MaxVersion)
	}
	low, high := int(c.cfg.MinVersion), int(c.cfg.MaxVersion)
	if low == 0 {
		low = tls.VersionTLS12
	}
	// What openssl.cnf has set is a bound for us.
	low = max(low, h.minVersion())
	if m := h.maxVersion(); m != 0 && (high == 0 || m < high) {
		high = m
	}
	if high != 0 && low > high {
		return configError("no version from %#x to %#x", low, high)
	}
	return h.setVersions(low, high)
}

// maxALPN is what fits into the extension behind the list's length (RFC 7301, section 3.1).
const maxALPN = 1<<16 - 1 - 2

func alpnWire(protos []string) ([]byte, error) {
	var wire []byte
	for _, p := range protos {
		if len(p) == 0 || len(p) > 255 {
			return nil, configError("NextProtos: %q", p)
		}
		wire = append(append(wire, byte(len(p))), p...)
	}
	if len(wire) > maxALPN {
		return nil, configError("NextProtos: %d bytes", len(wire))
	}
	return wire, nil
}

func (c *Ctx) loadTrust() (err error) {
	cfg := &c.cfg
	if cfg.RootCAFile != "" || cfg.RootCADir != "" || len(cfg.RootCAPEM) > 0 {
		if c.roots, err = loadRoots(cfg.RootCAFile, cfg.RootCADir, cfg.RootCAPEM); err != nil {
			return err
		}
	}
	given := len(cfg.PeerPublicKeys) > 0 || cfg.ClientCAFile != "" || cfg.ClientCADir != "" || len(cfg.ClientCAPEM) > 0
	if given && len(cfg.PeerPublicKeys) == 0 {
		if c.cas, err = loadRoots(cfg.ClientCAFile, cfg.ClientCADir, cfg.ClientCAPEM); err != nil {
			return err
		}
		pem := cfg.ClientCAPEM
		if cfg.ClientCAFile != "" {
			file, err := os.ReadFile(cfg.ClientCAFile)
			if err != nil {
				return callerError("config", err)
			}
			pem = slices.Concat(pem, []byte("\n"), file)
		}
		if len(pem) > 0 {
			c.names = newCANames(pem)
		}
	}
	if c.auth.judges() && !given {
		return configError("ClientAuth verifies, and no ClientCA is given")
	}
	return nil
}

// maxSessionTimeout is the longest life of a ticket (RFC 8446, section 4.6.1).
const maxSessionTimeout = 7 * 24 * time.Hour

func (c *Ctx) setSessions(h *ctxHandle) error {
	cfg := &c.cfg
	id := cfg.SessionIDContext
	if len(id) == 0 {
		// Sessions of another Ctx, which may verify less, are strangers. Without any context a ticket
		// is fatal where client certificates are asked for.
		id = make([]byte, 32)
		rand.Read(id)
	}
	if len(id) > 32 {
		return configError("SessionIDContext of %d bytes", len(id))
	}
	if err := h.setSessionIDContext(id); err != nil {
		return err
	}
	cfg.SessionIDContext = id
	// libssl neither keeps early data once nor refuses it a second time without its own cache.
	h.setMaxEarlyData(0)
	if cfg.SessionTimeout < 0 || cfg.SessionTimeout > maxSessionTimeout {
		return configError("SessionTimeout %v", cfg.SessionTimeout)
	}
	switch {
	case cfg.UncleanSessions != SessionsStrict && cfg.UncleanSessions != SessionsKeep:
		return configError("UncleanSessions %d", cfg.UncleanSessions)
	case cfg.SessionStoreTimeout < 0:
		return configError("SessionStoreTimeout %v", cfg.SessionStoreTimeout)
	case cfg.ShutdownDiscard < 0:
		return configError("ShutdownDiscard of %d bytes", cfg.ShutdownDiscard)
	}
	if cfg.SessionTimeout > 0 {
		h.setTimeout(int(max(1, cfg.SessionTimeout/time.Second)))
	}
	flags, mode := ctxHello|ctxNewSession|ctxStaple, CacheClient|CacheNoInternal
	switch {
	case cfg.TicketKeys != nil && (cfg.SessionCache != nil || cfg.SessionTicketsDisabled):
		return configError("TicketKeys, and no stateless tickets")
	case cfg.TicketKeys != nil:
		if err := cfg.TicketKeys.use(h); err != nil {
			return err
		}
	case cfg.SessionCache != nil:
		mode |= CacheServer
		flags |= ctxLookup
		h.setOptions(OpNoTicket)
	case cfg.SessionTicketsDisabled:
		h.setOptions(OpNoTicket)
		h.setNumTickets(0)
	}
	if cfg.KeyLogWriter != nil {
		flags |= ctxKeyLog
	}
	if c.auth.judges() {
		flags |= ctxClientCerts
	}
	h.setCacheMode(mode)
	h.setup(flags)
	return nil
}

// made answers why a Ctx cannot serve.
func (c *Ctx) made(op string) error {
	_, err := c.handle(op, false)
	return err
}

// freeze returns the SSL_CTX for a connection.
func (c *Ctx) freeze() (*ctxHandle, error) { return c.handle("connection", true) }

func (c *Ctx) handle(op string, freeze bool) (*ctxHandle, error) {
	if c == nil {
		return nil, callerError(op, ErrNil)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.h == nil {
		return nil, configError("a Ctx is made by NewCtx")
	}
	c.frozen = c.frozen || freeze
	return c.h, nil
}

// serverName may be asked of a Ctx that is not frozen.
func (c *Ctx) serverName() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cfg.ServerName
}

// clientHandle makes the SSL of a client that verifies name.
func (c *Ctx) clientHandle(name string) (sslHandle, error) {
	ch, err := c.freeze()
	if err != nil {
		return sslHandle{}, err
	}
	host, isIP := sniName(name)
	switch {
	case host == "" && !c.cfg.InsecureSkipVerify:
		return sslHandle{}, callerError("connection", ErrNoServerName)
	case len(host) > 255 || strings.HasPrefix(host, ".") || strings.Contains(host, "\x00"):
		// To libcrypto a dot in front means every subdomain, and a NUL is the end.
		return sslHandle{}, configError("server name %q", host)
	}
	mode, roots := verifyPeer, c.roots
	switch {
	case c.cfg.InsecureSkipVerify && c.echList == nil:
		roots = nil
	case len(c.cfg.PeerPublicKeys) > 0:
		mode, roots = verifyPeer|verifyAcceptAny, nil // Go compares the key
	case roots == nil:
		if roots, err = systemRoots(); err != nil {
			return sslHandle{}, err
		}
	}
	if c.cfg.InsecureSkipVerify {
		mode = verifyNone // but an ECH that is rejected, by the name of the ECHConfig
	}
	h, err := newClientHandle(ch, host, isIP, mode, roots)
	return c.setUp(h, err, false, c.echList)
}

func (c *Ctx) serverHandle() (sslHandle, error) {
	if _, err := c.freeze(); err != nil {
		return sslHandle{}, err
	}
	return c.serverHandleWith(c.echKeys)
}

// serverHandleWith takes the keys of Encrypted ClientHello from another Ctx.
func (c *Ctx) serverHandleWith(keys *echStore) (sslHandle, error) {
	ch, err := c.freeze()
	if err != nil {
		return sslHandle{}, err
	}
	mode := c.auth
	if len(c.cfg.PeerPublicKeys) > 0 {
		mode |= verifyAcceptAny // Go compares the key
	}
	h, err := newServerHandle(ch, mode, c.cas, c.names)
	return c.setUp(h, err, true, keys)
}

// setUp gives a connection what only some Configs ask for. It takes h over.
func (c *Ctx) setUp(h sslHandle, err error, server bool, ech *echStore) (sslHandle, error) {
	if err != nil {
		return h, err
	}
	if c.signs {
		err = h.enableSigning()
	}
	if err == nil {
		err = c.useCertForms(h)
	}
	if err == nil && ech != nil && !h.useECH(ech) {
		err = &Error{Op: "SSL_set1_echstore", Origin: FromLibrary, Err: errNoMemory}
	}
	switch cfg := &c.cfg; {
	case err != nil:
	case server && cfg.GetPSK != nil:
		h.askPSK()
	case !server && cfg.PSK != nil && !h.setPSK(cfg.PSK.Identity, cfg.PSK.Key, cfg.PSK.Hash == crypto.SHA384):
		err = &Error{Op: "PSK", Origin: FromLibrary, Err: errNoMemory}
	}
	if err != nil {
		h.free()
		return sslHandle{}, err
	}
	if !server && c.cfg.PostHandshakeAuth {
		h.offerLaterAuth()
	}
	return h, nil
}

// NewClientSSL makes a raw SSL with this Ctx's settings that verifies name, which may be empty with
// InsecureSkipVerify. The hooks of Config do not run, and sessions come as events.
//
// OpenSSL: SSL_new(3).
func (c *Ctx) NewClientSSL(name string) (*SSL, error) {
	h, err := c.clientHandle(name)
	return c.rawSSL(h, err)
}

// NewServerSSL makes a raw server SSL with this Ctx's settings. The hooks of Config do not run and
// SessionCache is not asked.
//
// OpenSSL: SSL_new(3).
func (c *Ctx) NewServerSSL() (*SSL, error) {
	h, err := c.serverHandle()
	return c.rawSSL(h, err)
}

func (c *Ctx) rawSSL(h sslHandle, err error) (*SSL, error) {
	if err == nil && c.signs {
		h.free()
		err = configError("the raw layer cannot sign by a crypto.Signer")
	}
	if err != nil {
		return nil, err
	}
	h.setMode(ModeAutoRetry)
	return adoptSSL(c.h, h), nil
}

// Drain waits until the connections that Close left lingering are closed and what waits for
// SessionCache is written, or ctx ends. Call it at the end of main.
func (c *Ctx) Drain(ctx context.Context) error {
	if ctx == nil {
		return callerError("drain", ErrNil)
	}
	for _, g := range []*gauge{&c.lingers, &c.stores.busy} {
		if err := g.wait(ctx); err != nil {
			return callerError("drain", err)
		}
	}
	return nil
}

func (c *Ctx) linger() time.Duration {
	if c.cfg.Linger == 0 {
		return DefaultLinger
	}
	return max(0, c.cfg.Linger)
}

func (c *Ctx) writeKeyLog(line []byte) {
	c.keyLog.Lock()
	defer c.keyLog.Unlock()
	guard("KeyLogWriter", func() error {
		_, err := c.cfg.KeyLogWriter.Write(append(line, '\n'))
		return err
	})
}

// gauge counts what goes on in the background.
type gauge struct {
	mu   sync.Mutex
	n    int
	zero chan struct{}
}

func (g *gauge) add(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.n += n; g.n == 0 && g.zero != nil {
		close(g.zero)
		g.zero = nil
	}
}

func (g *gauge) wait(ctx context.Context) error {
	g.mu.Lock()
	if g.n == 0 {
		g.mu.Unlock()
		return nil
	}
	if g.zero == nil {
		g.zero = make(chan struct{})
	}
	zero := g.zero
	g.mu.Unlock()
	select {
	case <-zero:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
