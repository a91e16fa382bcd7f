package openssl_test

import (
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

// featureRows reads the table of docs/features.md: its columns, and the cells of each feature.
func featureRows(t *testing.T) (columns []string, rows map[string][]string) {
	t.Helper()
	text, err := os.ReadFile("docs/features.md")
	if err != nil {
		t.Fatal(err)
	}
	rows = map[string][]string{}
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "| ") {
			if columns != nil {
				break
			}
			continue
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		switch {
		case columns == nil:
			columns = cells[2:]
		case !strings.HasPrefix(cells[0], "---"):
			rows[cells[0]] = cells[2:]
		}
	}
	return columns, rows
}

// column is the running library's among the table's, -1 where the table does not know it.
func column(columns []string) int {
	n := openssl.LibraryVersionNumber()
	version := fmt.Sprintf("%d.%d", n>>28, n>>20&0xff)
	if n < version3 {
		version += fmt.Sprintf(".%d", n>>12&0xff)
	}
	return slices.Index(columns, version)
}

// TestFeatureTable holds the table in the docs to what the loaded library says.
func TestFeatureTable(t *testing.T) {
	columns, rows := featureRows(t)
	i := column(columns)
	if len(rows) == 0 || len(columns) < 5 {
		t.Fatalf("the table has %d rows and the columns %q", len(rows), columns)
	}
	if i < 0 {
		t.Skipf("the table has no column for %s", openssl.LibraryVersion())
	}
	got, want := map[string]string{}, map[string]string{}
	for _, f := range openssl.Features() {
		got[f.Name] = f.String()
	}
	for name, cells := range rows {
		if want[name] = cells[i]; cells[i] == "not wrapped" {
			delete(want, name)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-docs/features.md +library):\n%s", openssl.LibraryVersion(), diff)
	}
}

// works reports what the table of docs/features.md says of the running library, where it knows it, else
// what the library says of itself. The tests of the features hold each cell to what really happens.
func works(t *testing.T, feature string) bool {
	t.Helper()
	columns, rows := featureRows(t)
	if rows[feature] == nil {
		t.Fatalf("docs/features.md has no row %q", feature)
	}
	if i := column(columns); i >= 0 {
		return rows[feature][i] != "no"
	}
	return which(t, feature).Works
}

// which is the library's own word on a feature.
func which(t *testing.T, feature string) openssl.Feature {
	t.Helper()
	i := slices.IndexFunc(openssl.Features(), func(f openssl.Feature) bool { return f.Name == feature })
	if i < 0 {
		t.Fatalf("no feature %q", feature)
	}
	return openssl.Features()[i]
}

// mustLack fails unless err says what the loaded library lacks.
func mustLack(t *testing.T, err error, what string) {
	t.Helper()
	var u *openssl.UnsupportedError
	if !errors.Is(err, errors.ErrUnsupported) || !errors.As(err, &u) || !strings.Contains(u.Feature, what) {
		t.Errorf("on %s: %v, want an UnsupportedError that names %s", openssl.LibraryVersion(), err, what)
	}
}

// TestPostQuantum: the hybrid groups that crypto/tls knows, with it at the other end, in both roles, and a
// client's default offer.
func TestPostQuantum(t *testing.T) {
	ids := map[string]tls.CurveID{"X25519MLKEM768": tls.X25519MLKEM768, "SecP256r1MLKEM768": tls.SecP256r1MLKEM768,
		"SecP384r1MLKEM1024": tls.SecP384r1MLKEM1024}
	if !works(t, "post-quantum key exchange") {
		for name := range ids {
			for _, list := range []string{name, "X25519:" + strings.ToLower(name)} {
				c, err := openssl.NewCtx(&openssl.Config{Groups: list})
				if mustLack(t, err, name); c != nil {
					t.Errorf("%s: a Ctx", list)
				}
			}
		}
		return
	}
	for name, id := range ids {
		for _, weAre := range []string{"client", "server"} {
			t.Run(name+"/we are the "+weAre, func(t *testing.T) {
				state := goHandshake(t, weAre, name, id)
				if state.CurveID != id || state.HelloRetryRequest {
					t.Errorf("group %v, HelloRetryRequest %v", state.CurveID, state.HelloRetryRequest)
				}
			})
		}
	}
	// A client whose share is of another group is asked again; both ends tell.
	t.Run("HelloRetryRequest", func(t *testing.T) {
		state := goHandshake(t, "client", "X25519:X25519MLKEM768", tls.X25519MLKEM768)
		if state.CurveID != tls.X25519MLKEM768 || !state.HelloRetryRequest {
			t.Errorf("group %v, HelloRetryRequest %v", state.CurveID, state.HelloRetryRequest)
		}
	})
	t.Run("default", func(t *testing.T) {
		if state := goHandshake(t, "client", "", 0); state.CurveID != tls.X25519MLKEM768 {
			t.Errorf("crypto/tls and a default client agree on %v", state.CurveID)
		}
	})
}

// goHandshake makes one handshake with crypto/tls at the other end and returns what our end says; both
// must name one group.
func goHandshake(t *testing.T, weAre, groups string, theirs tls.CurveID) tls.ConnectionState {
	t.Helper()
	std := &tls.Config{RootCAs: testcert.Root().Pool(), ServerName: "localhost", MinVersion: tls.VersionTLS13,
		Certificates: []tls.Certificate{testcert.Server().TLS}}
	if theirs != 0 {
		std.CurvePreferences = []tls.CurveID{theirs}
	}
	a, b := tcpEnds(t)
	var ours *openssl.Conn
	var peer *tls.Conn
	if weAre == "client" {
		cfg := clientConfig(tls.VersionTLS13)
		cfg.Groups = groups
		ours, peer = clientOver(t, a, newCtx(t, cfg)), tls.Server(b, std)
		mustShake(t, ours, peer)
	} else {
		cfg := serverConfig(t, tls.VersionTLS13)
		cfg.Groups = groups
		ours, peer = serverOver(t, b, newCtx(t, cfg)), tls.Client(a, std)
		mustShake(t, peer, ours)
	}
	says(t, ours, peer, "hello")
	says(t, peer, ours, "hello")
	state := ours.ConnectionState()
	if other := peer.ConnectionState(); other.CurveID != state.CurveID || other.HelloRetryRequest != state.HelloRetryRequest {
		t.Errorf("we say %v, HelloRetryRequest %v; crypto/tls %v, %v", state.CurveID, state.HelloRetryRequest, other.CurveID, other.HelloRetryRequest)
	}
	return state
}
