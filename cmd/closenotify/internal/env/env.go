// Package env tells what the loaded OpenSSL is, what the system's policy made of it, and what a default
// client therefore offers.
package env

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/golibssl/openssl"
)

// Report is what there is.
type Report struct {
	OpenSSL      string   `json:"openssl"`       // loaded
	CompiledWith string   `json:"compiled_with"` // the headers' version
	Files        []string `json:"files"`         // libssl and libcrypto; none where the system does not tell, or linked statically

	Providers          []string `json:"providers"`           // active
	ProvidersInstalled []string `json:"providers_installed"` // files in ModulesDir, their names without .so
	ModulesDir         string   `json:"modules_dir"`
	FIPS               bool     `json:"fips"`

	Conf Conf `json:"openssl_cnf"`
	// What a context made by default came to: Refused, or Policy and Offer.
	Refused string  `json:"refused,omitempty"`
	Policy  *Policy `json:"policy,omitempty"`
	Offer   *Offer  `json:"default_client,omitempty"`
}

// Conf is openssl.cnf.
type Conf struct {
	File     string    `json:"file"`
	Found    bool      `json:"found"`
	Error    string    `json:"error,omitempty"` // it does not parse, so all of it is ignored
	Commands []Command `json:"commands"`        // of system_default
}

// Command is a line of the system's policy.
type Command struct {
	Name    string `json:"name"`
	Value   string `json:"value"`
	Ignored string `json:"ignored,omitempty"` // why libssl leaves it out
}

// Policy is what a Ctx of NewCtx's defaults enforces.
type Policy struct {
	MinVersion    string `json:"min_version"`
	MaxVersion    string `json:"max_version"`
	SecurityLevel int    `json:"security_level"`
	Options       string `json:"options"` // SSL_OP_ bits, hex
}

// Take looks. Nothing is sent anywhere: the ClientHello that it reads stays in memory.
func Take() (*Report, error) {
	r := &Report{OpenSSL: openssl.LibraryVersion(), CompiledWith: openssl.HeaderVersion(), Files: loadedFiles("/proc/self/maps"),
		Providers: append([]string{}, openssl.Providers()...), FIPS: openssl.FIPSEnabled()}
	r.ModulesDir = openssl.ModulesDir()
	if dir := os.Getenv("OPENSSL_MODULES"); dir != "" && r.ModulesDir != "" {
		r.ModulesDir = dir
	}
	r.ProvidersInstalled = installed(r.ModulesDir)
	r.Conf = conf()
	// Without verification: no roots have to be installed, and the ClientHello is the same.
	ctx, err := openssl.NewCtx(&openssl.Config{InsecureSkipVerify: true})
	if err != nil {
		r.Refused = err.Error()
		return r, nil
	}
	p := ctx.Policy()
	r.Policy = &Policy{versionName(p.MinVersion), versionName(p.MaxVersion), p.SecurityLevel, fmt.Sprintf("%#x", uint64(p.Options))}
	if r.Offer, err = offer(ctx); err != nil {
		return nil, fmt.Errorf("a default client's ClientHello: %w", err)
	}
	return r, nil
}

func versionName(v uint16) string {
	if v == 0 {
		return "the library's highest"
	}
	return tls.VersionName(v)
}

func conf() (c Conf) {
	file, commands, err := openssl.SystemPolicy()
	c = Conf{File: file, Commands: []Command{}}
	if _, statErr := os.Stat(file); statErr == nil {
		c.Found = true
	}
	if err != nil {
		c.Error = err.Error()
	}
	for _, l := range commands {
		line := Command{Name: l.Name, Value: l.Value}
		if l.Err != nil {
			line.Ignored = l.Err.Error()
		}
		c.Commands = append(c.Commands, line)
	}
	return c
}

// offer has a client begin a handshake and reads what it wants to send.
func offer(ctx *openssl.Ctx) (*Offer, error) {
	ssl, err := ctx.NewClientSSL("localhost")
	if err != nil {
		return nil, err
	}
	defer ssl.Free()
	var e *openssl.Error
	if err := ssl.Handshake(); !errors.As(err, &e) || e.Class != openssl.ClassWantRead {
		return nil, fmt.Errorf("the handshake does not wait for a server: %w", err)
	}
	_, n := ssl.Queued()
	records := make([]byte, n)
	if n, err = ssl.Take(records); err != nil {
		return nil, err
	}
	return readOffer(records[:n], ctx.CipherSuites())
}

// loadedFiles are the libssl and libcrypto that maps, in the form of Linux's /proc/self/maps, names.
func loadedFiles(maps string) []string {
	files := []string{}
	f, err := os.Open(maps)
	if err != nil {
		return files
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		_, file, ok := strings.Cut(lines.Text(), "/")
		base := filepath.Base(file)
		if ok && (strings.HasPrefix(base, "libssl.so") || strings.HasPrefix(base, "libcrypto.so")) && !slices.Contains(files, "/"+file) {
			files = append(files, "/"+file)
		}
	}
	slices.SortFunc(files, func(a, b string) int { return -strings.Compare(filepath.Base(a), filepath.Base(b)) })
	return files
}

func installed(dir string) []string {
	out := []string{}
	if dir == "" {
		return out
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*.so"))
	for _, f := range files {
		out = append(out, strings.TrimSuffix(filepath.Base(f), ".so"))
	}
	return out
}

// WriteText writes the report for a reader.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	row := func(name string, values ...string) {
		if len(values) == 0 {
			values = []string{"none"}
		}
		fmt.Fprintf(&b, "%-22s %s\n", name, values[0])
		for _, v := range values[1:] {
			fmt.Fprintf(&b, "%-22s %s\n", "", v)
		}
	}
	// list breaks a long list into lines.
	list := func(name string, words []string) {
		var lines []string
		for _, word := range words {
			if n := len(lines); n > 0 && len(lines[n-1])+len(word) < 96 {
				lines[n-1] += " " + word
				continue
			}
			lines = append(lines, word)
		}
		row(name, lines...)
	}
	row("OpenSSL", fmt.Sprintf("%s, compiled with %s", r.OpenSSL, r.CompiledWith))
	if len(r.Files) > 0 {
		row("files", r.Files...)
	} else {
		row("files", "not told: linked statically, or the system does not say")
	}
	if r.ModulesDir == "" {
		row("providers", "OpenSSL 1.1.1 has none")
	} else {
		list("providers", r.Providers)
		list("  installed", append(slices.Clone(r.ProvidersInstalled), "(in "+r.ModulesDir+")"))
	}
	row("FIPS", map[bool]string{false: "not the default", true: "the default"}[r.FIPS])
	b.WriteString("\n")
	switch c := r.Conf; {
	case c.Error != "":
		row("openssl.cnf", c.File+", IGNORED: "+c.Error)
	case !c.Found:
		row("openssl.cnf", c.File+", not there")
	case len(c.Commands) == 0:
		row("openssl.cnf", c.File+", nothing about TLS")
	default:
		row("openssl.cnf", c.File)
	}
	for _, c := range r.Conf.Commands {
		if c.Ignored != "" {
			row("  "+c.Name, c.Value, "IGNORED: "+c.Ignored)
			continue
		}
		row("  "+c.Name, c.Value)
	}
	if r.Refused != "" {
		row("context", "REFUSED: "+r.Refused)
		_, err := io.WriteString(w, b.String())
		return err
	}
	row("versions", r.Policy.MinVersion+" to "+r.Policy.MaxVersion)
	row("security level", fmt.Sprint(r.Policy.SecurityLevel))
	row("options", r.Policy.Options)
	b.WriteString("\na default client offers\n")
	list("  versions", r.Offer.Versions)
	list("  cipher suites", r.Offer.Suites)
	list("  groups", r.Offer.Groups)
	list("  key shares", r.Offer.KeyShares)
	list("  signature algorithms", r.Offer.Signatures)
	_, err := io.WriteString(w, b.String())
	return err
}
