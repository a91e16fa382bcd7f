//go:build cgo

package openssl

import (
	"bytes"
	"context"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"runtime"
	"sync"
	"time"
)

// TicketKey is one key of stateless tickets (RFC 5077, section 4): AES-256-CBC and HMAC-SHA256.
type TicketKey struct {
	Name  [16]byte // in the clear in each ticket; never used again for another key
	AES   [32]byte
	HMAC  [32]byte
	From  time.Time // it encrypts from here to the From of a later key
	Until time.Time // its tickets are accepted to here
}

// TicketKeys are the keys of a server's stateless tickets, which change by a schedule: a new key
// encrypts, the old ones are accepted for a time of grace and their tickets renewed. The keys of the
// future are there before they are needed, so no handshake waits for one. Any number of Ctx and
// goroutines may share one.
//
// A session in a ticket is out of the server's reach: an unclean end does not stop the client from
// resuming it. Servers that must use Config.SessionCache.
//
// OpenSSL: SSL_CTX_set_tlsext_ticket_key_evp_cb(3), SSL_CTX_set_tlsext_ticket_key_cb(3).
type TicketKeys struct{ s *ticketSchedule }

// TicketStats counts what TicketKeys did, in all their Ctx.
type TicketStats struct {
	Issued   uint64
	Accepted uint64 // tickets that came with a name that was known, the old among them
	Old      uint64 // of a key that does not encrypt any more
	Unknown  uint64 // of no key, or after its grace: full handshakes

	Refreshes     uint64 // that changed the keys
	RefreshErrors uint64 // the old keys stayed; the next attempt is a period later
}

const (
	defaultTicketPeriod = 12 * time.Hour
	minTicketPeriod     = time.Second // the schedule counts seconds
	maxTicketKeys       = 256
	providerTimeout     = 30 * time.Second
)

// NewTicketKeys makes random keys that this process alone has: a new one every period, the old ones
// accepted for grace after it, which should be the sessions' life. A period of 0 is 12 hours, a
// grace of 0 is a period. A period that is not whole seconds, or a grace of 253 periods or more, is
// ErrConfig.
func NewTicketKeys(period, grace time.Duration) (*TicketKeys, error) {
	period, grace, err := ticketPeriod(period, grace)
	if err != nil {
		return nil, err
	}
	var keys []TicketKey
	return newTicketKeys(period, func(context.Context) ([]TicketKey, error) {
		keys = nextRandomKeys(keys, time.Now(), period, grace)
		return keys, nil
	})
}

// NewSharedTicketKeys makes keys from a secret and the time, so that servers that have nothing in
// common but the secret (at least 32 random bytes), period, grace and roughly the clock take each
// other's tickets. Each key is HKDF-SHA256 (RFC 5869) of the secret and the number of its period
// since 1970. Period and grace are as for NewTicketKeys; a shorter secret is ErrConfig.
//
// The trade-off: nothing ever passes between the servers, but who learns the secret, at any time,
// can open the tickets of all times, and with them the TLS 1.2 connections that were resumed or
// that gave the ticket out (those of TLS 1.3 have keys of their own too). NewProvidedTicketKeys with
// random keys forgets.
func NewSharedTicketKeys(secret []byte, period, grace time.Duration) (*TicketKeys, error) {
	period, grace, err := ticketPeriod(period, grace)
	if err != nil {
		return nil, err
	}
	if len(secret) < minSealBytes {
		return nil, configError("a shared ticket secret of %d bytes", len(secret))
	}
	secret = bytes.Clone(secret)
	return newTicketKeys(period, func(context.Context) ([]TicketKey, error) {
		return sharedTicketKeys(secret, time.Now(), period, grace)
	})
}

// NewProvidedTicketKeys asks provide for all keys that are or will soon be in use: now, under ctx,
// and in the background every refresh (0: 12 hours; whole seconds), which must come before the From of the
// next key is past, with 30 seconds for each call there. The first time an error, no keys, more than 256, an empty one,
// or a Name that has stood for another key is NewProvidedTicketKeys' error; later the keys stay as they are.
func NewProvidedTicketKeys(ctx context.Context, refresh time.Duration, provide func(context.Context) ([]TicketKey, error)) (*TicketKeys, error) {
	if ctx == nil || provide == nil {
		return nil, callerError("ticket keys", ErrNil)
	}
	refresh, _, err := ticketPeriod(refresh, 0)
	if err != nil {
		return nil, err
	}
	names := make(map[[16]byte][sha256.Size]byte)
	return newTicketKeysFirst(ctx, refresh, func(ctx context.Context) ([]TicketKey, error) {
		var keys []TicketKey
		if err := guard("ticket key provider", func() (err error) { keys, err = provide(ctx); return err }); err != nil {
			return nil, callerError("ticket keys", err)
		}
		return keys, checkTicketKeys(keys, names)
	})
}

func ticketPeriod(period, grace time.Duration) (p, g time.Duration, err error) {
	if period == 0 {
		period = defaultTicketPeriod
	}
	if grace == 0 {
		grace = period
	}
	if period < minTicketPeriod || period%time.Second != 0 || grace < 0 || grace/period > maxTicketKeys-4 {
		return 0, 0, configError("ticket keys every %v, accepted for %v", period, grace)
	}
	return period, grace, nil
}

// checkTicketKeys knows the names of all keys that there ever were.
func checkTicketKeys(keys []TicketKey, names map[[16]byte][sha256.Size]byte) error {
	if len(keys) == 0 || len(keys) > maxTicketKeys {
		return configError("%d ticket keys", len(keys))
	}
	known := make(map[[16]byte][sha256.Size]byte)
	for _, k := range keys {
		sum := sha256.Sum256(append(k.AES[:], k.HMAC[:]...))
		old, was := names[k.Name]
		_, twice := known[k.Name]
		switch {
		case twice || was && old != sum:
			return configError("ticket key name %x stands for two keys", k.Name)
		case k.AES == [32]byte{} || k.HMAC == [32]byte{}:
			return configError("ticket key %x is empty", k.Name)
		case !k.From.Before(k.Until):
			return configError("ticket key %x from %v until %v", k.Name, k.From, k.Until)
		}
		known[k.Name] = sum
	}
	for name, sum := range known {
		names[name] = sum
	}
	return nil
}

// nextRandomKeys drops what nobody may use any more and adds the keys of this period and the next.
func nextRandomKeys(keys []TicketKey, now time.Time, period, grace time.Duration) []TicketKey {
	var out []TicketKey
	for _, k := range keys {
		if now.Before(k.Until) {
			out = append(out, k)
		}
	}
	for len(out) == 0 || !out[len(out)-1].From.After(now) {
		from := now
		if n := len(out); n > 0 && out[n-1].From.Add(period).After(now) {
			from = out[n-1].From.Add(period)
		}
		k := TicketKey{From: from, Until: from.Add(period + grace)}
		rand.Read(k.Name[:])
		rand.Read(k.AES[:])
		rand.Read(k.HMAC[:])
		out = append(out, k)
	}
	return out
}

// sharedTicketKeys has the next period's key too: another server's clock may be there.
func sharedTicketKeys(secret []byte, now time.Time, period, grace time.Duration) ([]TicketKey, error) {
	seconds := int64(period / time.Second)
	current := now.Unix() / seconds
	first := (now.Add(-grace).Unix())/seconds - 1
	var out []TicketKey
	for n := max(0, first); n <= current+1; n++ {
		k := TicketKey{From: time.Unix(n*seconds, 0)}
		k.Until = k.From.Add(period + grace)
		if !now.Before(k.Until) {
			continue
		}
		info := "golibssl ticket key\x00"
		for _, v := range []int64{seconds, n} {
			info += string(binary.BigEndian.AppendUint64(nil, uint64(v)))
		}
		material, err := hkdf.Key(sha256.New, secret, nil, info, len(k.Name)+len(k.AES)+len(k.HMAC))
		if err != nil {
			return nil, callerError("ticket keys", err)
		}
		copy(k.Name[:], material)
		copy(k.AES[:], material[len(k.Name):])
		copy(k.HMAC[:], material[len(k.Name)+len(k.AES):])
		out = append(out, k)
	}
	return out, nil
}

// ticketSchedule keeps the table in C filled. It does not hold the TicketKeys, whose collection ends
// it.
type ticketSchedule struct {
	period time.Duration
	next   func(context.Context) ([]TicketKey, error)

	mu      sync.Mutex // guards everything below
	table   ticketTable
	stopped bool
	timer   *time.Timer
	stats   TicketStats
}

func newTicketKeys(period time.Duration, next func(context.Context) ([]TicketKey, error)) (*TicketKeys, error) {
	return newTicketKeysFirst(context.Background(), period, next)
}

func newTicketKeysFirst(ctx context.Context, period time.Duration, next func(context.Context) ([]TicketKey, error)) (*TicketKeys, error) {
	keys, err := next(ctx)
	if err != nil {
		return nil, err
	}
	table, err := newTicketTable()
	if err != nil {
		return nil, err
	}
	s := &ticketSchedule{period: period, next: next, table: table}
	if err := table.set(keys); err != nil {
		table.free()
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.timer = time.AfterFunc(period, s.refresh)
	k := &TicketKeys{s}
	runtime.AddCleanup(k, func(s *ticketSchedule) { s.stop() }, s)
	return k, nil
}

func (s *ticketSchedule) refresh() {
	ctx, cancel := context.WithTimeout(context.Background(), providerTimeout)
	defer cancel()
	keys, err := s.next(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return
	}
	if err == nil {
		err = s.table.set(keys)
	}
	if err == nil {
		s.stats.Refreshes++
	} else {
		s.stats.RefreshErrors++
	}
	s.timer.Reset(s.period)
}

func (s *ticketSchedule) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopped {
		s.stopped = true
		s.timer.Stop()
		s.table.free()
	}
}

// Stats returns the counters.
func (k *TicketKeys) Stats() TicketStats {
	if k == nil || k.s == nil {
		return TicketStats{}
	}
	defer runtime.KeepAlive(k)
	k.s.mu.Lock()
	defer k.s.mu.Unlock()
	if k.s.stopped {
		return k.s.stats
	}
	stats := k.s.table.stats()
	stats.Refreshes, stats.RefreshErrors = k.s.stats.Refreshes, k.s.stats.RefreshErrors
	return stats
}

// Close ends the schedule; each Ctx goes on with the keys that it has. Without Close it ends when
// neither the caller nor a Ctx holds the TicketKeys.
func (k *TicketKeys) Close() {
	if k != nil && k.s != nil {
		k.s.stop()
		runtime.KeepAlive(k)
	}
}

// use gives the keys to an SSL_CTX, which then holds the table too.
func (k *TicketKeys) use(h *ctxHandle) error {
	if k.s == nil {
		return configError("TicketKeys are made by NewTicketKeys, NewSharedTicketKeys or NewProvidedTicketKeys")
	}
	defer runtime.KeepAlive(k)
	k.s.mu.Lock()
	defer k.s.mu.Unlock()
	if k.s.stopped {
		return configError("TicketKeys were closed")
	}
	return h.setTickets(k.s.table)
}
