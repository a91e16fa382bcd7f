//go:build cgo

package openssl

import (
	"errors"
	"net"
)

// ValidationError: the certificate is for others.
var ValidationError = errors.New("Host validation error")

func (c *Certificate) names(op string, kind int, what []byte, flags CheckFlags) error {
	if err := c.check(op); err != nil {
		return err
	}
	if len(what) == 0 {
		return badArgument(op, "there is nothing to compare with")
	}
	ok, q := certCheck(c, kind, append(what[:len(what):len(what)], 0), flags)
	if q != nil {
		return failed(op, q)
	}
	if !ok {
		return ValidationError
	}
	return nil
}

// CheckHost returns nil when the certificate is for this host name, ValidationError when it is for others. A name with a dot in front
// means every name below it. Addresses are CheckIP's.
//
// OpenSSL: X509_check_host(3).
func (c *Certificate) CheckHost(host string, flags CheckFlags) error {
	return c.names("hostname validation had an internal failure", checkHost, []byte(host), flags)
}

// CheckEmail returns nil when the certificate is for this email address, ValidationError when it is for others.
//
// OpenSSL: X509_check_email(3).
func (c *Certificate) CheckEmail(email string, flags CheckFlags) error {
	return c.names("email validation had an internal failure", checkEmail, []byte(email), flags)
}

// CheckIP returns nil when the certificate is for this address, of 4 or 16 bytes, ValidationError when it is for others.
//
// OpenSSL: X509_check_ip(3).
func (c *Certificate) CheckIP(ip net.IP, flags CheckFlags) error {
	const op = "ip validation had an internal failure"
	// libcrypto compares bytes: an IPv4 address in its form of 16 bytes is another one.
	if v4 := ip.To4(); v4 != nil {
		ip = v4
	}
	if len(ip) != net.IPv4len && len(ip) != net.IPv6len {
		return badArgument(op, "an address has 4 or 16 bytes, not %d", len(ip))
	}
	return c.names(op, checkIP, ip, flags)
}

// VerifyHostname is CheckIP where host is an address, with or without brackets, and CheckHost where it is not.
func (c *Certificate) VerifyHostname(host string) error {
	bare := host
	if len(host) >= 3 && host[0] == '[' && host[len(host)-1] == ']' {
		bare = host[1 : len(host)-1]
	}
	if ip := net.ParseIP(bare); ip != nil {
		return c.CheckIP(ip, 0)
	}
	return c.CheckHost(host, 0)
}
