package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// errUnimplemented: a flag, or a value of one, that no setting of a Ctx or Conn stands for.
var errUnimplemented = errors.New("not implemented")

// settings are the flags that a Ctx is made from.
type settings struct {
	server            bool
	keyFile, certFile string
	minVersion        int
	maxVersion        int
	noVersion         map[string]bool // by the names of openssl.cnf
	curves            []int
	signingPrefs      []int
	verifyPrefs       []int
	cipher            string
	serverPreference  bool
	verifyPeer        bool
	requireClientCert bool
	verifyFail        bool
	reverify          bool
	advertiseALPN     string
	selectALPN        string
	declineALPN       bool
	rejectALPN        bool
	expectAdvertised  string
	expectServerName  string
	failEarly         bool
	failDDoS          bool
	customVerify      bool
	failCert          bool
	noTicket          bool
	async             bool
}

// config is one connection's flags.
type config struct {
	settings

	isHandshakerSupported bool
	port                  int
	ipv6                  bool
	hasShimID             bool
	shimID                uint64
	resumeCount           int
	hostName              string

	implicitHandshake  bool
	handshakeTwice     bool
	handshakeNeverDone bool
	shimWritesFirst    bool
	unfinishedWrite    bool
	shimShutsDown      bool
	checkCloseNotify   bool
	recordSizes        bool
	readSize           int
	exportLength       int
	exportLabel        string
	exportContext      string
	useExportContext   bool
	exportBetweenReads bool
	exportSecrets      bool

	expectVersion      int
	expectCipher       int
	expectCurve        int
	expectALPN         string
	expectPeerCert     string
	expectSessionMiss  bool
	expectNoSession    bool
	expectRenewal      bool
	expectSessionID    bool
	expectNoSessionID  bool
	expectHRR          bool
	expectNoHRR        bool
	expectVerifyResult bool
}

// flagSpec sets one field; has says whether a value follows the flag.
type flagSpec struct {
	has bool
	set func(c *config, value string) error
}

func boolFlag(p func(*config) *bool) flagSpec {
	return flagSpec{set: func(c *config, _ string) error { *p(c) = true; return nil }}
}

func stringFlag(p func(*config) *string) flagSpec {
	return flagSpec{true, func(c *config, v string) error { *p(c) = v; return nil }}
}

func intFlag(p func(*config) *int) flagSpec {
	return flagSpec{true, func(c *config, v string) (err error) { *p(c), err = strconv.Atoi(v); return err }}
}

func intsFlag(p func(*config) *[]int) flagSpec {
	return flagSpec{true, func(c *config, v string) error {
		n, err := strconv.Atoi(v)
		*p(c) = append(slices.Clip(*p(c)), n)
		return err
	}}
}

func noVersion(name string) flagSpec {
	return flagSpec{set: func(c *config, _ string) error {
		versions := map[string]bool{name: true}
		for v := range c.noVersion {
			versions[v] = true
		}
		c.noVersion = versions
		return nil
	}}
}

// taken is a flag that asks for what is so anyway, or for how something is done where there is one
// way here.
func taken(has bool) flagSpec {
	return flagSpec{has, func(*config, string) error { return nil }}
}

var flags = map[string]flagSpec{
	"-is-handshaker-supported": boolFlag(func(c *config) *bool { return &c.isHandshakerSupported }),
	"-port":                    intFlag(func(c *config) *int { return &c.port }),
	"-ipv6":                    boolFlag(func(c *config) *bool { return &c.ipv6 }),
	"-shim-id": {true, func(c *config, v string) (err error) {
		c.hasShimID = true
		c.shimID, err = strconv.ParseUint(v, 10, 64)
		return err
	}},
	"-server":       boolFlag(func(c *config) *bool { return &c.server }),
	"-key-file":     stringFlag(func(c *config) *string { return &c.keyFile }),
	"-cert-file":    stringFlag(func(c *config) *string { return &c.certFile }),
	"-resume-count": intFlag(func(c *config) *int { return &c.resumeCount }),

	"-min-version":       intFlag(func(c *config) *int { return &c.minVersion }),
	"-max-version":       intFlag(func(c *config) *int { return &c.maxVersion }),
	"-no-tls1":           noVersion("TLSv1"),
	"-no-tls11":          noVersion("TLSv1.1"),
	"-no-tls12":          noVersion("TLSv1.2"),
	"-no-tls13":          noVersion("TLSv1.3"),
	"-curves":            intsFlag(func(c *config) *[]int { return &c.curves }),
	"-signing-prefs":     intsFlag(func(c *config) *[]int { return &c.signingPrefs }),
	"-verify-prefs":      intsFlag(func(c *config) *[]int { return &c.verifyPrefs }),
	"-cipher":            stringFlag(func(c *config) *string { return &c.cipher }),
	"-server-preference": boolFlag(func(c *config) *bool { return &c.serverPreference }),

	"-verify-peer":                    boolFlag(func(c *config) *bool { return &c.verifyPeer }),
	"-require-any-client-certificate": boolFlag(func(c *config) *bool { return &c.requireClientCert }),
	"-verify-fail":                    boolFlag(func(c *config) *bool { return &c.verifyFail }),
	"-use-custom-verify-callback":     boolFlag(func(c *config) *bool { return &c.customVerify }),
	"-reverify-on-resume":             boolFlag(func(c *config) *bool { return &c.reverify }),
	"-expect-verify-result":           boolFlag(func(c *config) *bool { return &c.expectVerifyResult }),
	"-expect-peer-cert-file":          stringFlag(func(c *config) *string { return &c.expectPeerCert }),

	"-host-name":              stringFlag(func(c *config) *string { return &c.hostName }),
	"-expect-server-name":     stringFlag(func(c *config) *string { return &c.expectServerName }),
	"-advertise-alpn":         stringFlag(func(c *config) *string { return &c.advertiseALPN }),
	"-select-alpn":            stringFlag(func(c *config) *string { return &c.selectALPN }),
	"-decline-alpn":           boolFlag(func(c *config) *bool { return &c.declineALPN }),
	"-reject-alpn":            boolFlag(func(c *config) *bool { return &c.rejectALPN }),
	"-expect-alpn":            stringFlag(func(c *config) *string { return &c.expectALPN }),
	"-expect-advertised-alpn": stringFlag(func(c *config) *string { return &c.expectAdvertised }),
	"-fail-early-callback":    boolFlag(func(c *config) *bool { return &c.failEarly }),
	"-fail-ddos-callback":     boolFlag(func(c *config) *bool { return &c.failDDoS }),
	"-fail-cert-callback":     boolFlag(func(c *config) *bool { return &c.failCert }),
	"-no-ticket":              boolFlag(func(c *config) *bool { return &c.noTicket }),

	"-async":                        boolFlag(func(c *config) *bool { return &c.async }),
	"-implicit-handshake":           boolFlag(func(c *config) *bool { return &c.implicitHandshake }),
	"-handshake-twice":              boolFlag(func(c *config) *bool { return &c.handshakeTwice }),
	"-no-op-extra-handshake":        boolFlag(func(c *config) *bool { return &c.handshakeTwice }),
	"-handshake-never-done":         boolFlag(func(c *config) *bool { return &c.handshakeNeverDone }),
	"-shim-writes-first":            boolFlag(func(c *config) *bool { return &c.shimWritesFirst }),
	"-read-with-unfinished-write":   boolFlag(func(c *config) *bool { return &c.unfinishedWrite }),
	"-shim-shuts-down":              boolFlag(func(c *config) *bool { return &c.shimShutsDown }),
	"-check-close-notify":           boolFlag(func(c *config) *bool { return &c.checkCloseNotify }),
	"-write-different-record-sizes": boolFlag(func(c *config) *bool { return &c.recordSizes }),
	"-read-size":                    intFlag(func(c *config) *int { return &c.readSize }),
	"-export-keying-material":       intFlag(func(c *config) *int { return &c.exportLength }),
	"-export-label":                 stringFlag(func(c *config) *string { return &c.exportLabel }),
	"-export-context":               stringFlag(func(c *config) *string { return &c.exportContext }),
	"-use-export-context":           boolFlag(func(c *config) *bool { return &c.useExportContext }),
	"-use-exporter-between-reads":   boolFlag(func(c *config) *bool { return &c.exportBetweenReads }),
	"-export-traffic-secrets":       boolFlag(func(c *config) *bool { return &c.exportSecrets }),

	"-expect-version":        intFlag(func(c *config) *int { return &c.expectVersion }),
	"-expect-cipher":         intFlag(func(c *config) *int { return &c.expectCipher }),
	"-expect-curve-id":       intFlag(func(c *config) *int { return &c.expectCurve }),
	"-expect-session-miss":   boolFlag(func(c *config) *bool { return &c.expectSessionMiss }),
	"-expect-no-session":     boolFlag(func(c *config) *bool { return &c.expectNoSession }),
	"-expect-ticket-renewal": boolFlag(func(c *config) *bool { return &c.expectRenewal }),
	"-expect-session-id":     boolFlag(func(c *config) *bool { return &c.expectSessionID }),
	"-expect-no-session-id":  boolFlag(func(c *config) *bool { return &c.expectNoSessionID }),
	"-expect-hrr":            boolFlag(func(c *config) *bool { return &c.expectHRR }),
	"-expect-no-hrr":         boolFlag(func(c *config) *bool { return &c.expectNoHRR }),

	// Callbacks of BoringSSL's that say the same in another way, or at another time.
	"-use-old-client-cert-callback": taken(false),
	"-use-early-callback":           taken(false),
	"-install-ddos-callback":        taken(false),
	// Conn writes whole, and answers with what was written.
	"-partial-write": taken(false),
	// Conn never renegotiates, and leaves it to libssl what to say to that.
	"-renegotiate-ignore":                   taken(false),
	"-renegotiate-freely":                   taken(false),
	"-forbid-renegotiation-after-handshake": taken(false),
	// Conn does not tell these; the runner holds its own end to them.
	"-expect-peer-signature-algorithm": taken(true),
	"-expect-extended-master-secret":   taken(false),
}

// parse reads the flags of the first connection and of the later ones.
func parse(args []string) (first, later *config, err error) {
	first, later = &config{}, &config{}
	for len(args) > 0 {
		name := args[0]
		args = args[1:]
		ignored := strings.HasPrefix(name, "-on-handshaker-")
		name = strip(strip(name, "-on-handshaker"), "-on-shim")
		targets := []*config{first, later}
		switch {
		case strings.HasPrefix(name, "-on-initial-"):
			name, targets = strip(name, "-on-initial"), targets[:1]
		case strings.HasPrefix(name, "-on-resume-"):
			name, targets = strip(name, "-on-resume"), targets[1:]
		}
		spec, ok := flags[name]
		if !ok {
			return nil, nil, fmt.Errorf("%s: %w", name, errUnimplemented)
		}
		value := ""
		if spec.has {
			if len(args) == 0 {
				return nil, nil, fmt.Errorf("%s without its value", name)
			}
			value, args = args[0], args[1:]
		}
		if ignored {
			continue
		}
		for _, c := range targets {
			if err := spec.set(c, value); err != nil {
				return nil, nil, fmt.Errorf("%s %s: %w", name, value, err)
			}
		}
	}
	return first, later, nil
}

// strip takes a prefix off, but not the dash behind it.
func strip(name, prefix string) string {
	if strings.HasPrefix(name, prefix+"-") {
		return name[len(prefix):]
	}
	return name
}
