//go:build cgo

package openssl

import "testing"

// A close_notify that was taken back with what a broken transport did not take has nothing behind it: the
// queue must not get longer.
func TestDropOutBehindWhatIsGone(t *testing.T) {
	ctx, err := newCtxHandle()
	if err != nil {
		t.Fatal(err)
	}
	defer ctx.free()
	h, err := newSSLHandle(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer h.free()
	h.dropOutBehind(100)
	if h.outLen() != 0 || h.outTotal() != 0 {
		t.Errorf("%d bytes in the queue, %d counted", h.outLen(), h.outTotal())
	}
}
