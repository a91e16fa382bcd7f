package openssl

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// encrypting is the rule of the C side.
func encrypting(keys []TicketKey, now time.Time) *TicketKey {
	var best *TicketKey
	for i, k := range keys {
		if !k.From.After(now) && (best == nil || k.From.After(best.From)) {
			best = &keys[i]
		}
	}
	return best
}

func accepts(keys []TicketKey, name [16]byte, now time.Time) bool {
	for _, k := range keys {
		if k.Name == name && now.Before(k.Until) {
			return true
		}
	}
	return false
}

// At every moment one key encrypts, and what it encrypts is accepted for the grace at least.
func TestTicketScheduleRandom(t *testing.T) {
	const period, grace = 10 * time.Second, 35 * time.Second
	now := time.Unix(1_800_000_000, 500)
	var keys []TicketKey
	issued := make(map[[16]byte]time.Time) // the last use of a key
	var late time.Duration
	for step := range 2000 {
		if step == 0 || now.After(keys[len(keys)-1].From.Add(late)) {
			keys = nextRandomKeys(keys, now, period, grace)
			late = time.Duration(step%7) * time.Second // the next refresh comes late
		}
		if n := len(keys); n > int((period+grace)/period)+3 {
			t.Fatalf("%d keys", n)
		}
		k := encrypting(keys, now)
		if k == nil {
			t.Fatalf("step %d: no key encrypts", step)
		}
		issued[k.Name] = now
		for name, last := range issued {
			if age := now.Sub(last); age < grace && !accepts(keys, name, now) {
				t.Fatalf("step %d: a ticket of %v ago is refused", step, age)
			}
			if age := now.Sub(last); age > period+grace+10*time.Second && accepts(keys, name, now) {
				t.Fatalf("step %d: a ticket of %v ago is accepted", step, age)
			}
		}
		now = now.Add(time.Second)
	}
	if n := len(issued); n < 150 || n > 201 {
		t.Errorf("%d keys in 2000 seconds, one every 10", n)
	}
	// A machine that slept has one key for now and one for later, and none of the past.
	keys = nextRandomKeys(keys, now.Add(24*time.Hour), period, grace)
	if len(keys) != 2 {
		t.Errorf("%d keys after a day's sleep, want 2", len(keys))
	}
}

// Servers whose clocks differ by less than a period take each other's tickets.
func TestTicketScheduleShared(t *testing.T) {
	const period, grace = time.Minute, 5 * time.Minute
	secret := make([]byte, 32)
	rand.Read(secret)
	at := func(now time.Time) []TicketKey {
		keys, err := sharedTicketKeys(secret, now, period, grace)
		if err != nil {
			t.Fatal(err)
		}
		return keys
	}
	names := make(map[[16]byte]TicketKey)
	now := time.Unix(1_800_000_000, 0)
	for range 300 {
		keys := at(now)
		k := encrypting(keys, now)
		if k == nil || now.Sub(k.From) >= period {
			t.Fatalf("at %v encrypts %+v", now, k)
		}
		for _, skew := range []time.Duration{-50 * time.Second, 0, 50 * time.Second, grace} {
			if !accepts(at(now.Add(skew)), k.Name, now.Add(skew)) {
				t.Fatalf("a clock %v apart refuses the ticket", skew)
			}
		}
		if accepts(at(now.Add(period+grace)), k.Name, now.Add(period+grace)) {
			t.Fatal("accepted after its grace")
		}
		for _, k := range keys {
			if old, was := names[k.Name]; was && (old.AES != k.AES || old.HMAC != k.HMAC || !old.From.Equal(k.From)) {
				t.Fatal("one name for two keys")
			}
			names[k.Name] = k
		}
		now = now.Add(7 * time.Second)
	}
	other, err := sharedTicketKeys(secret, now, 2*period, grace)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range other {
		if _, was := names[k.Name]; was {
			t.Error("another period makes the same keys")
		}
	}
}

func TestTicketKeysProvided(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := func(name, secret byte) TicketKey {
			k := TicketKey{From: time.Now(), Until: time.Now().Add(time.Hour)}
			k.Name[0], k.AES[0], k.HMAC[0] = name, secret, secret
			return k
		}
		var mu sync.Mutex // the timer's goroutine asks
		var keys []TicketKey
		var fails error
		set := func(k []TicketKey, err error) {
			mu.Lock()
			defer mu.Unlock()
			keys, fails = k, err
		}
		provide := func(context.Context) ([]TicketKey, error) {
			mu.Lock()
			defer mu.Unlock()
			if fails == errStoreDown {
				panic("in the provider")
			}
			return keys, fails
		}
		bad := errors.New("no keys today")
		set(nil, bad)
		if _, err := NewProvidedTicketKeys(t.Context(), time.Minute, provide); !errors.Is(err, bad) {
			t.Errorf("a provider that fails at first: %v", err)
		}
		for name, k := range map[string][]TicketKey{
			"none": nil, "too many": make([]TicketKey, maxTicketKeys+1), "empty": {{Name: [16]byte{1}, Until: time.Now()}},
			"over before it begins": {func() TicketKey { k := key(1, 1); k.Until = k.From; return k }()},
			"a name twice":          {key(1, 1), key(1, 2)},
		} {
			set(k, nil)
			if _, err := NewProvidedTicketKeys(t.Context(), time.Minute, provide); !errors.Is(err, ErrConfig) {
				t.Errorf("%s: %v, want ErrConfig", name, err)
			}
		}

		set([]TicketKey{key(1, 1)}, nil)
		k, err := NewProvidedTicketKeys(t.Context(), time.Minute, provide)
		if err != nil {
			t.Fatal(err)
		}
		defer k.Close()
		refreshed := func(ok, failed uint64) {
			t.Helper()
			time.Sleep(time.Minute)
			synctest.Wait()
			if s := k.Stats(); s.Refreshes != ok || s.RefreshErrors != failed {
				t.Errorf("%+v, want %d refreshes and %d errors", s, ok, failed)
			}
		}
		set([]TicketKey{key(1, 1), key(2, 2)}, nil)
		refreshed(1, 0)
		set([]TicketKey{key(1, 3)}, nil)
		refreshed(1, 1) // the name stands for another key
		set([]TicketKey{key(2, 2)}, nil)
		refreshed(2, 1)
		set([]TicketKey{key(1, 1)}, nil) // an old one comes back as it was
		refreshed(3, 1)
		set(nil, bad)
		refreshed(3, 2)
		set(nil, errStoreDown)
		refreshed(3, 3)
		set([]TicketKey{key(2, 2)}, nil)
		refreshed(4, 3)
		k.Close()
		k.Close()
		time.Sleep(time.Hour)
		if s := k.Stats(); s.Refreshes != 4 {
			t.Errorf("after Close: %+v", s)
		}
	})
}

func TestTicketKeysRefuse(t *testing.T) {
	secret := make([]byte, 32)
	for name, f := range map[string]func() (*TicketKeys, error){
		"a short period":    func() (*TicketKeys, error) { return NewTicketKeys(time.Millisecond, 0) },
		"parts of a second": func() (*TicketKeys, error) { return NewTicketKeys(1500*time.Millisecond, 0) },
		"a negative period": func() (*TicketKeys, error) { return NewTicketKeys(-time.Hour, 0) },
		"a negative grace":  func() (*TicketKeys, error) { return NewTicketKeys(time.Hour, -time.Hour) },
		"too long a grace":  func() (*TicketKeys, error) { return NewTicketKeys(time.Second, time.Hour) },
		"a short secret":    func() (*TicketKeys, error) { return NewSharedTicketKeys(secret[:31], 0, 0) },
	} {
		if _, err := f(); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v, want ErrConfig", name, err)
		}
	}
	if _, err := NewProvidedTicketKeys(t.Context(), 0, nil); !errors.Is(err, ErrNil) {
		t.Errorf("no provider: %v, want ErrNil", err)
	}
	closed, err := NewTicketKeys(0, 0)
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	open, err := NewSharedTicketKeys(secret, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	for name, cfg := range map[string]*Config{
		"closed":              {TicketKeys: closed},
		"made by nobody":      {TicketKeys: &TicketKeys{}},
		"with a SessionCache": {TicketKeys: open, SessionCache: NewMemoryCache(0)},
		"with tickets off":    {TicketKeys: open, SessionTicketsDisabled: true},
	} {
		if _, err := NewCtx(cfg); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v, want ErrConfig", name, err)
		}
	}
	var none *TicketKeys
	none.Close()
	if s := none.Stats(); s != (TicketStats{}) {
		t.Errorf("stats of nothing: %+v", s)
	}
}
