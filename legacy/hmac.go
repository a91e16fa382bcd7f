//go:build cgo

package openssl

import "runtime"

// HMAC is a running HMAC. Methods of one HMAC must not run at the same time.
type HMAC struct {
	h    *handle
	size int
}

var hmacBlocks = blocks[HMAC]{cleanup: func(handles *[blockSize]handle) {
	for i := range handles {
		handles[i].free(hmacFree)
	}
}}

// NewHMAC returns an HMAC under a copy of key, which may be empty.
//
// OpenSSL: EVP_MAC_init(3), HMAC_Init_ex(3) on 1.1.1.
func NewHMAC(key []byte, digestAlgorithm EVP_MD) (*HMAC, error) {
	return NewHMACWithEngine(key, digestAlgorithm, nil)
}

// NewHMACWithEngine is NewHMAC with the engine's digest. Engines are gone since OpenSSL 4.0.
//
// OpenSSL: EVP_MAC_init(3), HMAC_Init_ex(3) on 1.1.1.
func NewHMACWithEngine(key []byte, digestAlgorithm EVP_MD, e *Engine) (*HMAC, error) {
	const op = "failed to initialize HMAC_CTX"
	if err := e.check(op); err != nil {
		return nil, err
	}
	if digestAlgorithm == EVP_NULL {
		return nil, badArgument(op, "an HMAC needs a digest")
	}
	md, err := digestAlgorithm.find(op)
	if err != nil {
		return nil, err
	}
	if len(key) > maxInt {
		return nil, badArgument(op, "the key has %d bytes; OpenSSL takes %d", len(key), maxInt)
	}
	ctx, q := hmacNew(md, e, key)
	if q != nil {
		return nil, failedWith(digestAlgorithm.name(), op, q)
	}
	m, h := hmacBlocks.next()
	h.store(ctx)
	m.h, m.size = h, mdSize(md)
	return m, nil
}

// Close frees the HMAC; after it only Close may be called again.
//
// OpenSSL: EVP_MAC_CTX_free(3).
func (h *HMAC) Close() { h.h.free(hmacFree) }

// Write adds data; n is len(data) unless there is an error.
//
// OpenSSL: EVP_MAC_update(3).
func (h *HMAC) Write(data []byte) (n int, err error) {
	defer runtime.KeepAlive(h)
	mac := h.h.load()
	if mac == nil {
		return 0, badArgument("failed to update HMAC", closedReason)
	}
	if len(data) == 0 {
		return 0, nil
	}
	if q := hmacWrite(mac, data); q != nil {
		return 0, failed("failed to update HMAC", q)
	}
	return len(data), nil
}

// Reset begins again with the same key.
//
// OpenSSL: EVP_MAC_init(3).
func (h *HMAC) Reset() error {
	defer runtime.KeepAlive(h)
	mac := h.h.load()
	if mac == nil {
		return badArgument("failed to reset HMAC_CTX", closedReason)
	}
	return failed("failed to reset HMAC_CTX", hmacReset(mac))
}

// Final returns the HMAC of what was written and begins again with the same key.
//
// OpenSSL: EVP_MAC_final(3).
func (h *HMAC) Final() (result []byte, err error) {
	defer runtime.KeepAlive(h)
	mac := h.h.load()
	if mac == nil {
		return nil, badArgument("failed to finalize HMAC", closedReason)
	}
	result = make([]byte, h.size)
	if q := hmacSum(mac, result); q != nil {
		return nil, failed("failed to finalize HMAC", q)
	}
	return result, nil
}
