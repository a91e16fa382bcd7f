//go:build cgo

package openssl

import (
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sync"
)

// verifyMode is libssl's SSL_VERIFY_ bits and one of ours.
type verifyMode int

// judges reports whether a certificate that does not verify is refused.
func (m verifyMode) judges() bool { return m&verifyPeer != 0 && m&verifyAcceptAny == 0 }

const (
	verifyNone      verifyMode = 0
	verifyPeer      verifyMode = 1
	verifyRequire   verifyMode = 2
	verifyLater     verifyMode = 8      // SSL_VERIFY_POST_HANDSHAKE: TLS 1.3 does not ask in the handshake
	verifyAcceptAny verifyMode = 1 << 8 // a certificate is asked for and not judged
)

func clientAuthMode(t tls.ClientAuthType) (verifyMode, error) {
	switch t {
	case tls.NoClientCert:
		return verifyNone, nil
	case tls.RequestClientCert:
		return verifyPeer | verifyAcceptAny, nil
	case tls.RequireAnyClientCert:
		return verifyPeer | verifyRequire | verifyAcceptAny, nil
	case tls.VerifyClientCertIfGiven:
		return verifyPeer, nil
	case tls.RequireAndVerifyClientCert:
		return verifyPeer | verifyRequire, nil
	}
	return 0, configError("ClientAuth %d", t)
}

// loadRoots makes a store of a file, a folder and PEM bytes. Everything is read now: certificates
// that libcrypto loads later, by hash, would have their extensions cached by two threads at once.
func loadRoots(file, dir string, pem []byte) (*store, error) {
	st, err := newStore()
	if err != nil {
		return nil, err
	}
	total := 0
	add := func(from string, pem []byte) error {
		n, err := st.addPEM(pem)
		total += n
		if e := (*Error)(nil); errors.As(err, &e) {
			e.Err = fmt.Errorf("%s: %w", from, e.Err)
		}
		if err == nil && n == 0 {
			return configError("no certificate among the roots of %s", from)
		}
		return err
	}
	if len(pem) > 0 {
		if err := add("the PEM given", pem); err != nil {
			return nil, err
		}
	}
	if file != "" {
		pem, err := os.ReadFile(file)
		if err != nil {
			return nil, callerError("roots", err)
		}
		if err := add(file, pem); err != nil {
			return nil, err
		}
	}
	if dir != "" {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, callerError("roots", err)
		}
		for _, e := range entries {
			name := filepath.Join(dir, e.Name())
			if pem, err := os.ReadFile(name); err == nil {
				add(name, pem) // a folder of roots may hold other files too
			}
		}
	}
	if total == 0 {
		return nil, configError("no certificate among the roots of %s", dir)
	}
	return st, nil
}

// hashName is what c_rehash calls a certificate.
var hashName = regexp.MustCompile(`^[0-9a-f]{8}\.[0-9]+$`)

// systemRoots are the roots that OpenSSL itself would use, read once a process.
var systemRoots = sync.OnceValues(func() (*store, error) {
	fileEnv, file, dirEnv, dir := defaultCertPaths()
	if s := os.Getenv(fileEnv); s != "" {
		file = s
	}
	if s := os.Getenv(dirEnv); s != "" {
		dir = s
	}
	st, err := newStore()
	if err != nil {
		return nil, err
	}
	if pem, err := os.ReadFile(file); err == nil {
		if n, err := st.addPEM(pem); err == nil && n > 0 && os.Getenv(dirEnv) == "" {
			return st, nil
		}
	}
	for _, d := range filepath.SplitList(dir) {
		entries, _ := os.ReadDir(d)
		for _, e := range entries {
			if !hashName.MatchString(e.Name()) {
				continue
			}
			if pem, err := os.ReadFile(filepath.Join(d, e.Name())); err == nil {
				st.addPEM(pem)
			}
		}
	}
	return st, nil
})
