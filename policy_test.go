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
	// RSA-2048 has 112 bits of security; level 3 wants 128.
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
		file := writeFile(t, dir, "openssl.cnf", []byte("openssl_conf = init\n[init]\nssl_conf = ssl\n[ssl]\nsystem_default = policy\n[policy]\n"+test.cnf+"\n"))
		out := child(t, "OPENSSL_CONF="+file, which+"="+name)
		_, line, _ := strings.Cut(out, "outcome:")
		line, _, _ = strings.Cut(line, "\n")
		if !strings.Contains(line, test.want) {
			t.Errorf("%s: %q, want %q in\n%s", name, line, test.want, out)
		}
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
