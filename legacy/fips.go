//go:build cgo

package openssl

// FIPSModeSet turns the use of validated cryptography on or off for the whole process.
//
// From OpenSSL 3.0 on it loads the provider "fips", checks that it works, and makes "fips=yes" a default property of
// every algorithm that is fetched from then on; objects that exist keep what they have. The provider must be installed
// and configured (fips_module(7)); where it is not, the error is OpenSSL's and nothing has changed. On 1.1.1 only builds with the
// FIPS module can turn it on.
//
// OpenSSL: EVP_default_properties_enable_fips(3), FIPS_mode_set(3) on 1.1.1.
func FIPSModeSet(mode bool) error { return failed("cannot set FIPS mode", fipsSet(mode)) }

// FIPSMode reports whether FIPS mode is on.
//
// OpenSSL: EVP_default_properties_is_fips_enabled(3), FIPS_mode(3) on 1.1.1.
func FIPSMode() bool { return fipsGet() }

// FIPSModeDefined reports whether FIPSModeSet may be able to turn it on: always from OpenSSL 3.0 on, on 1.1.1 where the
// headers belong to a build with the FIPS module.
func FIPSModeDefined() bool { return fipsDefined() }

// HasECDH reports whether elliptic curves were compiled in. They always are.
func HasECDH() bool { return true }
