package openssl

import (
	"fmt"
	"testing"

	root "github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/leak"
)

// TestMain fails when a test left a goroutine, an SSL, an SSL_CTX or C memory of the connections behind.
func TestMain(m *testing.M) {
	leak.Main(m, func() error {
		if live := root.LiveObjects(); live != (root.Live{}) {
			return fmt.Errorf("still alive: %+v", live)
		}
		return nil
	})
}
