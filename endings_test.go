package openssl_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/sessiontest"
)

// sharedMap stands for a store outside of the process: the Ctx does not know it.
type sharedMap struct {
	mu     sync.Mutex
	values map[string][]byte
}

func newSharedMap() *sharedMap { return &sharedMap{values: make(map[string][]byte)} }

func (m *sharedMap) Get(_ context.Context, id []byte) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.values[string(id)], nil
}

func (m *sharedMap) Take(_ context.Context, id []byte) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	defer delete(m.values, string(id))
	return m.values[string(id)], nil
}

func (m *sharedMap) Put(_ context.Context, id, session []byte, _ time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.values[string(id)] = append([]byte(nil), session...)
	return nil
}

func (m *sharedMap) Remove(_ context.Context, id []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.values, string(id))
	return nil
}

func TestEndingsEmbedded(t *testing.T) {
	sessiontest.TestEndings(t, sessiontest.Caches{
		Server: func(*testing.T) openssl.SessionCache { return openssl.NewMemoryCache(0) },
		Client: func(*testing.T) openssl.ClientSessionCache { return openssl.NewLRUClientSessionCache(0) },
	})
}

func TestEndingsShared(t *testing.T) {
	sealer := newSealer(t, sealKey("key", 1))
	sessiontest.TestEndings(t, sessiontest.Caches{
		Server: func(*testing.T) openssl.SessionCache { return newSharedMap() },
		Client: func(t *testing.T) openssl.ClientSessionCache {
			c, err := openssl.OpenDiskSessionCache(t.TempDir(), sealer)
			if err != nil {
				t.Fatal(err)
			}
			return c
		},
	})
}

func TestContractMemory(t *testing.T) {
	sessiontest.TestContract(t, func(*testing.T) openssl.SessionCache { return openssl.NewMemoryCache(0) })
}
