//go:build cgo

package openssl

// KeyNameSize is the length of a TicketName.
const KeyNameSize = 16

// TicketCipherCtx is the cipher of tickets. A nil Engine is none.
type TicketCipherCtx struct {
	Cipher *Cipher
	Engine *Engine
}

// TicketDigestCtx is the digest whose HMAC authenticates tickets. A nil Engine is none.
type TicketDigestCtx struct {
	Digest *Digest
	Engine *Engine
}

// TicketName says in the clear which key a ticket was made with.
type TicketName [KeyNameSize]byte

// TicketKey is a key of tickets. Who has it can open every connection whose ticket was made with it, up to TLS 1.2.
//
// IV is not used: each ticket has a random one of its own. HMACKey has 1 to 256 bytes, CipherKey what the cipher wants; a key that
// cannot be used makes no tickets and opens none.
type TicketKey struct {
	Name      TicketName
	CipherKey []byte
	HMACKey   []byte
	IV        []byte
}

// TicketKeyManager has the keys of tickets. Its methods are called during handshakes, one at a time for a Ctx, without any lock of
// the connection's. A panic in them ends the handshake and is raised, as a *CallbackPanic, where that was called.
type TicketKeyManager interface {
	// New makes a key with a new name, or nil for no ticket.
	New() *TicketKey

	// Current returns the key for new tickets, or nil to have New asked.
	Current() *TicketKey

	// Lookup returns the key with this name, or nil where there is none: a full handshake follows.
	Lookup(name TicketName) *TicketKey

	// Expired reports whether the tickets of this key are no longer accepted.
	Expired(name TicketName) bool

	// ShouldRenew reports whether the client, whose ticket is accepted, is to get a new one. In TLS 1.3 it always does.
	ShouldRenew(name TicketName) bool
}

// TicketStore is how a server makes and opens session tickets (RFC 5077).
type TicketStore struct {
	CipherCtx TicketCipherCtx
	DigestCtx TicketDigestCtx
	Keys      TicketKeyManager
}

// SetTicketStore sets how a server makes and opens session tickets; with nil libssl does it with a key of its own.
//
// OpenSSL: SSL_CTX_set_tlsext_ticket_key_evp_cb(3), SSL_CTX_set_tlsext_ticket_key_cb(3).
func (c *Ctx) SetTicketStore(store *TicketStore) {
	c.change("failed to set the ticket store", func() queuePtr {
		c.tickets = nil
		if store != nil {
			kept := *store
			c.tickets = &kept
		}
		return ctxTickets(c, store != nil)
	})
}

// What libssl wants to hear of a ticket.
const (
	ticketError = -1
	ticketNone  = 0
	ticketOK    = 1
	ticketRenew = 2
)

// usable reports whether key can do what it must.
func (t *TicketStore) usable(key *TicketKey) bool {
	c := t.CipherCtx.Cipher
	return key != nil && c != nil && c.c != nil && t.DigestCtx.Digest.ptr() != nil &&
		c.KeySize() <= maxTicketKey && len(key.CipherKey) == c.KeySize() &&
		len(key.HMACKey) > 0 && len(key.HMACKey) <= maxTicketMAC &&
		t.CipherCtx.Engine.check("") == nil && t.DigestCtx.Engine.check("") == nil
}

// ticket finds the key for a new ticket, or the one with this name.
func (c *call) ticket(name TicketName, enc bool) (key *TicketKey, answer int) {
	c.store = c.ctx.tickets
	if c.store == nil || c.store.Keys == nil {
		return nil, ticketNone
	}
	keys := c.store.Keys
	returned := c.outside("TicketKeyManager", func() {
		c.ctx.ticketMu.Lock()
		defer c.ctx.ticketMu.Unlock()
		if enc {
			if key = keys.Current(); key == nil {
				key = keys.New()
			}
			answer = ticketOK
			return
		}
		key = keys.Lookup(name)
		if key == nil || keys.Expired(name) {
			key = nil
			return
		}
		answer = ticketOK
		if keys.ShouldRenew(name) {
			answer = ticketRenew
		}
	})
	switch {
	case !returned:
		return nil, ticketError
	case !c.store.usable(key):
		return nil, ticketNone
	}
	return key, answer
}
