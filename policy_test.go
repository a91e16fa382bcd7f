package openssl_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/testcert"
)

// outcome is what was negotiated, or the alert.
type outcome struct {
	Version, Suite, Group, Alert string
}

func negotiated(s tls.ConnectionState, err error) outcome {
	if err != nil {
		return outcome{Alert: alertOf(err)}
	}
	return outcome{Version: tls.VersionName(s.Version), Suite: tls.CipherSuiteName(s.CipherSuite), Group: s.CurveID.String()}
}

// against has a client with cfg shake hands with a crypto/tls server.
func against(t *testing.T, cfg openssl.Config, server *tls.Config) outcome {
	t.Helper()
	cfg.RootCAPEM, cfg.ServerName = testcert.Root().PEM, "localhost"
	if len(server.Certificates) == 0 {
		server.Certificates = []tls.Certificate{testcert.Server().TLS, testcert.ServerRSA().TLS}
	}
	a, b := tcpEnds(t)
	c, s := clientOver(t, a, newCtx(t, cfg)), tls.Server(b, server)
	cerr, serr := handshakes(t, c, s)
	if (cerr == nil) != (serr == nil) && cerr == nil {
		t.Errorf("client %v, server %v", cerr, serr)
	}
	if cerr == nil {
		// What the server saw is the proof.
		return negotiated(s.ConnectionState(), nil)
	}
	return negotiated(tls.ConnectionState{}, cerr)
}

func TestVersions(t *testing.T) {
	v10, v11, v12, v13 := uint16(tls.VersionTLS10), uint16(tls.VersionTLS11), uint16(tls.VersionTLS12), uint16(tls.VersionTLS13)
	for _, test := range []struct {
		min, max   uint16 // ours
		smin, smax uint16 // the server's
		want       string // "" is refused
	}{
		{0, 0, v10, v13, "TLS 1.3"},
		{0, 0, v10, v12, "TLS 1.2"},
		{0, 0, v10, v11, ""}, // TLS 1.2 at least, by default
		{v12, v12, v10, v13, "TLS 1.2"},
		{v13, 0, v10, v12, ""},
		{v13, v13, v10, v13, "TLS 1.3"},
		{0, v12, v13, v13, ""},
		{0, v12, v12, v13, "TLS 1.2"},
	} {
		t.Run(fmt.Sprintf("%x-%x/%x-%x", test.min, test.max, test.smin, test.smax), func(t *testing.T) {
			got := against(t, openssl.Config{MinVersion: test.min, MaxVersion: test.max},
				&tls.Config{MinVersion: test.smin, MaxVersion: test.smax})
			if got.Version != test.want {
				t.Errorf("%+v, want %q", got, test.want)
			}
		})
	}
}

// TestServerVersions: a server refuses what its Config does.
func TestServerVersions(t *testing.T) {
	for _, test := range []struct {
		min, max uint16
		client   uint16
		alert    string
	}{
		{0, 0, tls.VersionTLS11, "protocol_version"},
		{tls.VersionTLS13, 0, tls.VersionTLS12, "protocol_version"},
		{0, tls.VersionTLS12, tls.VersionTLS13, "protocol_version"},
		{0, 0, tls.VersionTLS12, ""},
		{0, 0, tls.VersionTLS13, ""},
	} {
		cfg := openssl.Config{Certificates: pairs(t, testcert.Server()), MinVersion: test.min, MaxVersion: test.max}
		a, b := tcpEnds(t)
		s := serverOver(t, b, newCtx(t, cfg))
		c := tls.Client(a, &tls.Config{InsecureSkipVerify: true, MinVersion: test.client, MaxVersion: test.client})
		cerr, serr := handshakes(t, c, s)
		if alertOf(serr) != test.alert || (cerr == nil) != (test.alert == "") {
			t.Errorf("%x to %x with a %s client: client %v, server %v", test.min, test.max, tls.VersionName(test.client), cerr, serr)
		}
	}
}

func TestCiphersAndGroups(t *testing.T) {
	for name, test := range map[string]struct {
		cfg    openssl.Config
		server *tls.Config
		want   outcome
	}{
		"cipher list": {openssl.Config{CipherList: "ECDHE-RSA-AES256-GCM-SHA384", MaxVersion: tls.VersionTLS12}, &tls.Config{},
			outcome{Version: "TLS 1.2", Suite: "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"}},
		"cipher list, none in common": {openssl.Config{CipherList: "ECDHE-RSA-AES256-GCM-SHA384", MaxVersion: tls.VersionTLS12},
			&tls.Config{CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}}, outcome{Alert: "handshake_failure"}},
		"a cipher list is not for TLS 1.3": {openssl.Config{CipherList: "ECDHE-RSA-AES256-GCM-SHA384"}, &tls.Config{},
			outcome{Version: "TLS 1.3"}},
		"ciphersuites": {openssl.Config{Ciphersuites: "TLS_CHACHA20_POLY1305_SHA256"}, &tls.Config{},
			outcome{Version: "TLS 1.3", Suite: "TLS_CHACHA20_POLY1305_SHA256"}},
		"ciphersuites, another": {openssl.Config{Ciphersuites: "TLS_AES_256_GCM_SHA384"}, &tls.Config{},
			outcome{Version: "TLS 1.3", Suite: "TLS_AES_256_GCM_SHA384"}},
		"group":          {openssl.Config{Groups: "P-384"}, &tls.Config{}, outcome{Group: "CurveP384"}},
		"groups":         {openssl.Config{Groups: "P-521:P-256"}, &tls.Config{CurvePreferences: []tls.CurveID{tls.CurveP256}}, outcome{Group: "CurveP256"}},
		"group, TLS 1.2": {openssl.Config{Groups: "X25519", MaxVersion: tls.VersionTLS12}, &tls.Config{}, outcome{Group: "X25519"}},
		"no group in common": {openssl.Config{Groups: "P-384"}, &tls.Config{CurvePreferences: []tls.CurveID{tls.X25519}},
			outcome{Alert: "handshake_failure"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := against(t, test.cfg, test.server)
			// Compare what the case is about.
			if test.want.Version == "" {
				got.Version = ""
			}
			if test.want.Suite == "" {
				got.Suite = ""
			}
			if test.want.Group == "" {
				got.Group = ""
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("negotiated (-want +got):\n%s", diff)
			}
		})
	}
	_, err := openssl.NewCtx(&openssl.Config{CipherList: "nonsense"})
	if e := asError(t, err); len(e.Queue) == 0 || !strings.Contains(e.Error(), "no cipher match") {
		t.Errorf("error %v does not tell what libssl said", e)
	}
}

// cnfCase is one openssl.cnf and what a Config comes to under it.
type cnfCase struct {
	cnf    string
	cfg    openssl.Config
	server *tls.Config
	want   string
}

var cnfCases = map[string]cnfCase{
	"MinProtocol wins": {"MinProtocol = TLSv1.3", openssl.Config{MinVersion: tls.VersionTLS12},
		&tls.Config{MaxVersion: tls.VersionTLS12}, "refused: protocol_version"},
	"MinProtocol wins over the default": {"MinProtocol = TLSv1.3", openssl.Config{},
		&tls.Config{MaxVersion: tls.VersionTLS12}, "refused: protocol_version"},
	"MinProtocol leaves TLS 1.3": {"MinProtocol = TLSv1.3", openssl.Config{MinVersion: tls.VersionTLS12}, &tls.Config{}, "TLS 1.3"},
	"MinProtocol leaves nothing": {"MinProtocol = TLSv1.3", openssl.Config{MaxVersion: tls.VersionTLS12}, &tls.Config{}, "bad configuration"},
	"a weaker MinProtocol does not": {"MinProtocol = TLSv1", openssl.Config{}, &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11},
		"refused: protocol_version"},
	"MaxProtocol wins":           {"MaxProtocol = TLSv1.2", openssl.Config{MaxVersion: tls.VersionTLS13}, &tls.Config{}, "TLS 1.2"},
	"MaxProtocol leaves nothing": {"MaxProtocol = TLSv1.2", openssl.Config{MinVersion: tls.VersionTLS13}, &tls.Config{}, "bad configuration"},
	"CipherString": {"CipherString = ECDHE-RSA-AES256-GCM-SHA384", openssl.Config{MaxVersion: tls.VersionTLS12}, &tls.Config{},
		"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"},
	"CipherString refuses": {"CipherString = ECDHE-RSA-AES256-GCM-SHA384", openssl.Config{MaxVersion: tls.VersionTLS12},
		&tls.Config{CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}}, "refused: handshake_failure"},
	"Ciphersuites": {"Ciphersuites = TLS_CHACHA20_POLY1305_SHA256", openssl.Config{}, &tls.Config{}, "TLS_CHACHA20_POLY1305_SHA256"},
	"Groups":       {"Groups = P-384", openssl.Config{}, &tls.Config{}, "CurveP384"},
	"SignatureAlgorithms": {"SignatureAlgorithms = RSA-PSS+SHA256:RSA+SHA256", openssl.Config{MaxVersion: tls.VersionTLS12}, &tls.Config{},
		"TLS_ECDHE_RSA_WITH_"},
	"all at once": {"MinProtocol = TLSv1.3\nCiphersuites = TLS_AES_128_GCM_SHA256\nGroups = P-521\nSignatureAlgorithms = RSA-PSS+SHA256", openssl.Config{},
		&tls.Config{}, "{TLS 1.3 TLS_AES_128_GCM_SHA256 CurveP521 }"},
	"a Config's groups take their place": {"Groups = P-384", openssl.Config{Groups: "P-521"}, &tls.Config{}, "CurveP521"},
	// RSA-2048 has 112 bits of security; level 3 wants 128.
	"the security level, by default":     {"CipherString = DEFAULT@SECLEVEL=3", openssl.Config{}, &tls.Config{Certificates: []tls.Certificate{testcert.ServerRSA().TLS}}, "refused"},
	"a security level that is no higher": {"CipherString = DEFAULT@SECLEVEL=2", openssl.Config{}, &tls.Config{Certificates: []tls.Certificate{testcert.ServerRSA().TLS}}, "TLS 1.3"},
	"the security level": {"CipherString = DEFAULT@SECLEVEL=3", openssl.Config{CipherList: "DEFAULT", MaxVersion: tls.VersionTLS12},
		&tls.Config{Certificates: []tls.Certificate{testcert.ServerRSA().TLS}}, "refused"},
	"the security level stays under a cipher list": {"CipherString = DEFAULT@SECLEVEL=3",
		openssl.Config{CipherList: "ECDHE-RSA-AES128-GCM-SHA256", MaxVersion: tls.VersionTLS12},
		&tls.Config{Certificates: []tls.Certificate{testcert.ServerRSA().TLS}}, "refused"},
	"a cipher list names another level": {"CipherString = DEFAULT@SECLEVEL=3",
		openssl.Config{CipherList: "ECDHE-RSA-AES128-GCM-SHA256:@SECLEVEL=2", MaxVersion: tls.VersionTLS12},
		&tls.Config{Certificates: []tls.Certificate{testcert.ServerRSA().TLS}}, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"},
	"no policy": {"", openssl.Config{CipherList: "ECDHE-RSA-AES128-GCM-SHA256", MaxVersion: tls.VersionTLS12},
		&tls.Config{Certificates: []tls.Certificate{testcert.ServerRSA().TLS}}, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"},
}

// openssl.cnf stays in force: a Config may ask for more than it does, and must say so to ask for less.
func TestOpenSSLCnf(t *testing.T) {
	const which = "OPENSSL_GO_TEST_CNF"
	if inChild() {
		test := cnfCases[os.Getenv(which)]
		if ctx, err := openssl.NewCtx(&test.cfg); err != nil {
			fmt.Println("outcome:", errors.Is(err, openssl.ErrConfig), err)
		} else if got := against(t, test.cfg, test.server); got.Version == "" {
			fmt.Println("outcome: refused:", got.Alert, ctx != nil)
		} else {
			fmt.Println("outcome:", got)
		}
		return
	}
	dir := t.TempDir()
	for name, test := range cnfCases {
		file := writeFile(t, dir, "openssl.cnf", policyCnf(test.cnf))
		out := child(t, "OPENSSL_CONF="+file, which+"="+name)
		_, line, _ := strings.Cut(out, "outcome:")
		line, _, _ = strings.Cut(line, "\n")
		if !strings.Contains(line, test.want) {
			t.Errorf("%s: %q, want %q in\n%s", name, line, test.want, out)
		}
	}
}

// TestOpenSSLCnfServer: a server is bound as a client is, by its certificates' keys too.
func TestOpenSSLCnfServer(t *testing.T) {
	if !inChild() {
		child(t, "OPENSSL_CONF="+writeFile(t, t.TempDir(), "openssl.cnf", policyCnf("MinProtocol = TLSv1.3\nCipherString = DEFAULT@SECLEVEL=3\n")))
		return
	}
	_, err := openssl.NewCtx(&openssl.Config{Certificates: pairs(t, testcert.ServerRSA())})
	if e := asError(t, err); !errors.Is(err, openssl.ErrBadCertificate) || !strings.Contains(e.Error(), "ee key too small") {
		t.Errorf("RSA-2048 at level 3: %v", err)
	}
	ctx := newCtx(t, openssl.Config{Certificates: pairs(t, testcert.Server()), MinVersion: tls.VersionTLS12})
	if p := ctx.Policy(); p.MinVersion != tls.VersionTLS13 || p.SecurityLevel != 3 {
		t.Errorf("policy %+v", p)
	}
	for version, alert := range map[uint16]string{tls.VersionTLS12: "protocol_version", tls.VersionTLS13: ""} {
		a, b := tcpEnds(t)
		_, err := handshakes(t, tls.Client(a, &tls.Config{InsecureSkipVerify: true, MaxVersion: version}), serverOver(t, b, ctx))
		if alertOf(err) != alert {
			t.Errorf("a client of %s: %v", tls.VersionName(version), err)
		}
	}
}

func policyCnf(lines string) []byte {
	return []byte("openssl_conf = init\n[init]\nssl_conf = ssl\n[ssl]\nsystem_default = policy\n[policy]\n" + lines + "\n")
}

// TestSystemPolicy: what stands in openssl.cnf, and what of it the loaded libssl does not take: libssl says
// nothing of it, and goes on.
func TestSystemPolicy(t *testing.T) {
	type said struct {
		Name, Value string
		Taken       bool
	}
	none := []said{}
	all := openssl.LibraryVersionNumber() >= version3 // 1.1.1 stops at the first that it does not take
	cases := map[string]struct {
		cnf  []byte // nil: no file
		want []said
		err  string
		min  uint16
	}{
		"no file":    {want: none, min: tls.VersionTLS12},
		"empty":      {cnf: []byte{}, want: none, min: tls.VersionTLS12},
		"no policy":  {cnf: []byte("openssl_conf = init\n[init]\noid_section = oids\n[oids]\n"), want: none, min: tls.VersionTLS12},
		"no section": {cnf: []byte("openssl_conf = init\n[init]\nssl_conf = nowhere\n"), want: none, min: tls.VersionTLS12},
		"a policy": {cnf: policyCnf("MinProtocol = TLSv1.3\n2.Groups = P-384"), want: []said{{"MinProtocol", "TLSv1.3", true}, {"Groups", "P-384", true}},
			min: tls.VersionTLS13},
		"bad value": {cnf: policyCnf("MinProtocol = TLSv9"), want: []said{{"MinProtocol", "TLSv9", false}}, min: tls.VersionTLS12},
		"an unknown command": {cnf: policyCnf("Gopher = 1\nMinProtocol = TLSv1.3"), want: []said{{"Gopher", "1", false}, {"MinProtocol", "TLSv1.3", all}},
			min: map[bool]uint16{true: tls.VersionTLS13, false: tls.VersionTLS12}[all]},
		"not a file of that form": {cnf: []byte("openssl_conf = init\n[init\n"), err: "missing close square bracket", min: tls.VersionTLS12},
		"binary":                  {cnf: []byte("\x00\xff[\x01=\n"), want: none, min: tls.VersionTLS12},
	}
	if inChild() {
		test := cases[os.Getenv("OPENSSL_GO_TEST_CNF")]
		file, commands, err := openssl.SystemPolicy()
		if file != os.Getenv("OPENSSL_CONF") {
			t.Errorf("file %q", file)
		}
		if test.err != "" {
			if !errors.Is(err, openssl.ErrConfig) || !strings.Contains(err.Error(), test.err) || commands != nil {
				t.Errorf("%v, %v", commands, err)
			}
		} else {
			got := []said{}
			for _, c := range commands {
				if c.Err != nil && !errors.Is(c.Err, openssl.ErrConfig) {
					t.Errorf("%s: %v", c.Name, c.Err)
				}
				got = append(got, said{c.Name, c.Value, c.Err == nil})
			}
			if diff := cmp.Diff(test.want, got); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		}
		ctx := newCtx(t, openssl.Config{})
		if got := ctx.Policy().MinVersion; got != test.min {
			t.Errorf("a Ctx begins at %s, want %s", tls.VersionName(got), tls.VersionName(test.min))
		}
		return
	}
	dir := t.TempDir()
	for name, test := range cases {
		t.Logf("%s:", name)
		file := writeFile(t, dir, "openssl.cnf", test.cnf)
		if test.cnf == nil {
			file += ".none"
		}
		child(t, "OPENSSL_CONF="+file, "OPENSSL_GO_TEST_CNF="+name)
	}
}

// TestCipherSuites: those that are asked for, in their order, by TLS's names.
func TestCipherSuites(t *testing.T) {
	ctx := newCtx(t, openssl.Config{Ciphersuites: "TLS_CHACHA20_POLY1305_SHA256", CipherList: "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384"})
	want := []openssl.CipherSuite{{ID: tls.TLS_CHACHA20_POLY1305_SHA256, Name: "TLS_CHACHA20_POLY1305_SHA256"},
		{ID: tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, Name: "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"},
		{ID: tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, Name: "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"}}
	if diff := cmp.Diff(want, ctx.CipherSuites()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := new(openssl.Ctx).CipherSuites(); got != nil {
		t.Errorf("of a Ctx that NewCtx did not make: %v", got)
	}
}

// The lines open the traffic: crypto/tls writes the same ones at the other end.
func TestKeyLogWriter(t *testing.T) {
	labels := map[uint16][]string{
		tls.VersionTLS12: {"CLIENT_RANDOM"},
		tls.VersionTLS13: {"CLIENT_HANDSHAKE_TRAFFIC_SECRET", "CLIENT_TRAFFIC_SECRET_0",
			"SERVER_HANDSHAKE_TRAFFIC_SECRET", "SERVER_TRAFFIC_SECRET_0"},
	}
	for _, version := range bothVersions {
		for _, side := range []string{"client", "server"} {
			t.Run(tls.VersionName(version)+"/"+side, func(t *testing.T) {
				var ours, theirs bytes.Buffer
				a, b := tcpEnds(t)
				std := &tls.Config{Certificates: []tls.Certificate{testcert.Server().TLS}, InsecureSkipVerify: true,
					MinVersion: version, MaxVersion: version, KeyLogWriter: &theirs}
				if side == "client" {
					cfg := clientConfig(version)
					cfg.KeyLogWriter = &ours
					mustShake(t, clientOver(t, a, newCtx(t, cfg)), tls.Server(b, std))
				} else {
					cfg := serverConfig(t, version)
					cfg.KeyLogWriter = &ours
					mustShake(t, tls.Client(a, std), serverOver(t, b, newCtx(t, cfg)))
				}
				if !bytes.HasSuffix(ours.Bytes(), []byte("\n")) {
					t.Errorf("no newline at the end of %q", ours.String())
				}
				want, got := keyLogLines(theirs.String(), labels[version]), keyLogLines(ours.String(), labels[version])
				if len(want) != len(labels[version]) {
					t.Fatalf("crypto/tls wrote %q", theirs.String())
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("lines (-crypto/tls +ours):\n%s", diff)
				}
			})
		}
	}
}

// keyLogLines are the lines with one of the labels, sorted.
func keyLogLines(text string, labels []string) (out []string) {
	for line := range strings.Lines(text) {
		label, _, _ := strings.Cut(line, " ")
		if slices.Contains(labels, label) {
			out = append(out, strings.ToLower(line))
		}
	}
	slices.Sort(out)
	return out
}
