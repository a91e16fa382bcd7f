//go:build cgo

package openssl

import (
	"fmt"
	"strings"
)

// Policy is what openssl.cnf, the system's policy and a Config came to together.
type Policy struct {
	MinVersion, MaxVersion uint16 // MaxVersion 0: the library's highest
	SecurityLevel          int
	Options                Options // those that this package sets among them
	Properties             string
}

// Policy tells what a Ctx enforces; zero for one that NewCtx did not make.
//
// OpenSSL: SSL_CTX_get_min_proto_version(3), SSL_CTX_get_security_level(3), SSL_CTX_get_options(3).
func (c *Ctx) Policy() Policy {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.h == nil {
		return Policy{}
	}
	return Policy{uint16(c.h.minVersion()), uint16(c.h.maxVersion()), c.h.securityLevel(), c.h.options(), c.cfg.Properties}
}

// CipherSuite is a cipher suite with its number in TLS and its name there, such as TLS_AES_128_GCM_SHA256.
type CipherSuite struct {
	ID   uint16
	Name string
}

// CipherSuites are those that a Ctx has, the preferred first, before its versions and its security level
// leave some of them out; none for a Ctx that NewCtx did not make.
//
// OpenSSL: SSL_CTX_get_ciphers(3).
func (c *Ctx) CipherSuites() []CipherSuite {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.h == nil {
		return nil
	}
	return c.h.cipherSuites()
}

// PolicyCommand is a line of what openssl.cnf asks of every Ctx, such as MinProtocol. Err is nil when the
// loaded libssl takes it, and an ErrConfig when it does not: libssl then leaves the line out and says nothing.
type PolicyCommand struct {
	Name, Value string
	Err         error
}

// SystemPolicy reads the openssl.cnf that libcrypto loads by default, now, and returns its name and the
// commands of its system_default section. Both are what stands there: libcrypto reads the file once a
// process. A file that is not there has no commands. One that does not parse is an ErrConfig: libcrypto
// leaves the whole of it out and says nothing.
//
// OpenSSL: CONF_get1_default_config_file(3), SSL_CONF_cmd(3).
func SystemPolicy() (file string, commands []PolicyCommand, err error) {
	file, lines, err := confCommands()
	if err != nil {
		return file, nil, err
	}
	failed := false
	for _, l := range lines {
		// What stands before the first dot only tells lines of the same name apart (config(5)).
		if _, after, ok := strings.Cut(l.name, "."); ok {
			l.name = after
		}
		c := PolicyCommand{Name: l.name, Value: l.value}
		switch {
		case failed && LibraryVersionNumber() < 0x30000000:
			c.Err = configError("%s = %s: OpenSSL 1.1.1 stops at the line before that it does not take", l.name, l.value)
		case l.ret == -2:
			c.Err = configError("%s: no command of %s", l.name, LibraryVersion())
		case l.ret <= 0:
			c.Err = configError("%s = %s: not a value for %s", l.name, l.value, LibraryVersion())
		}
		failed = failed || c.Err != nil
		commands = append(commands, c)
	}
	return file, commands, nil
}

type confLine struct {
	name, value string
	ret         int // SSL_CONF_cmd's
}

// ModulesDir is where libcrypto looks for providers, "" on OpenSSL 1.1.1. The environment's OPENSSL_MODULES
// goes before it.
//
// OpenSSL: OPENSSL_info(3).
func ModulesDir() string { return modulesDir() }

// HeaderVersion is the OpenSSL that the program was compiled with, such as "3.0.19", which may be older than
// the one that is loaded.
//
// OpenSSL: OPENSSL_VERSION_NUMBER(3).
func HeaderVersion() string {
	n := uint64(headerVersionNum)
	if n < 0x30000000 {
		// One nibble, two bytes: major, minor, fix, and the patch as a letter, 0 for none.
		return strings.TrimRight(fmt.Sprintf("%d.%d.%d%c", n>>28, n>>20&0xff, n>>12&0xff, rune('a'-1+n>>4&0xff)), "`")
	}
	return fmt.Sprintf("%d.%d.%d", n>>28, n>>20&0xff, n>>4&0xff)
}
