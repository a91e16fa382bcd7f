package openssl_test

import (
	"fmt"
	"testing"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/leak"
)

// TestMain fails when a test left a goroutine, an SSL, an SSL_CTX, a session or C memory behind.
func TestMain(m *testing.M) {
	leak.Main(m, func() error {
		if live := openssl.LiveObjects(); live != (openssl.Live{}) {
			return fmt.Errorf("still alive: %+v", live)
		}
		return nil
	})
}
