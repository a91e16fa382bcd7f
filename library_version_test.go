package openssl_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/golibssl/openssl"
)

// scripts/matrix reads the attribute: the library that the tests of a row really ran on.
func TestLibraryVersion(t *testing.T) {
	text, number := openssl.LibraryVersion(), openssl.LibraryVersionNumber()
	t.Attr("library", text)

	want := fmt.Sprintf("OpenSSL %d.%d.%d", number>>28, number>>20&0xff, number>>4&0xff)
	if number < 0x30000000 {
		// OpenSSL_version_num(3): up to 1.1.1 the last byte but one is the patch letter.
		want = fmt.Sprintf("OpenSSL %d.%d.%d%c", number>>28, number>>20&0xff, number>>12&0xff, 'a'-1+rune(number>>4&0xff))
	}
	if !strings.HasPrefix(text, want+" ") {
		t.Errorf("LibraryVersion() = %q, LibraryVersionNumber() = %#x: want a text that starts with %q", text, number, want)
	}

	// The soname binds what is loaded to the headers: 3.0's may meet any 3.x, 1.1.1's and 4.0's their own.
	built := openssl.HeaderVersion()
	if major, _, _ := strings.Cut(built, "."); !strings.HasPrefix(text, "OpenSSL "+major+".") || number < 0x30000000 && !strings.HasPrefix(built, "1.1.1") {
		t.Errorf("compiled with %q, loaded is %q", built, text)
	}
}
