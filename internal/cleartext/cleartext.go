// Package cleartext opens the records of a connection whose key log is known,
// and seals further ones in an end's name. It serves tests that must say what
// really stood on the wire, or that need a peer that no library plays. It knows
// AES-128-GCM with SHA-256 alone, in TLS 1.2 and TLS 1.3.
package cleartext

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/golibssl/openssl/internal/record"
)

// Side is an end of the connection.
type Side int

const (
	Client Side = iota
	Server
)

func (s Side) String() string { return [...]string{"client", "server"}[s] }

// Record is an opened one.
type Record struct {
	Type record.Type // the inner one in TLS 1.3
	Body []byte
}

// Conversation is what both ends have sent behind their Finished messages.
type Conversation struct {
	Records [2][]Record
	Tail    [2][]byte // what follows the last complete record

	keys [2]*keys
}

// Open opens what both ends have sent, each from its first byte. The key log
// has the format of SSLKEYLOGFILE and may speak of other connections too.
func Open(keyLog string, client, server []byte) (*Conversation, error) {
	b, err := begin(keyLog, client, server)
	if err != nil {
		return nil, err
	}
	c := &Conversation{Tail: b.tail}
	for _, side := range []Side{Client, Server} {
		if b.suite == aes128GCM12 {
			if c.keys[side], err = b.keys12(side); err == nil {
				err = c.open12(side, b.records[side])
			}
		} else {
			var handshake *keys
			handshake, err = b.keys13(side, "HANDSHAKE_TRAFFIC_SECRET")
			if err == nil {
				c.keys[side], err = b.keys13(side, "TRAFFIC_SECRET_0")
			}
			if err == nil {
				err = c.open13(side, b.records[side], handshake)
			}
		}
		if err != nil {
			return nil, err
		}
	}
	return c, nil
}

// beginning is what the hellos and the key log tell of a connection.
type beginning struct {
	records [2][]record.Record
	tail    [2][]byte
	random  [2][]byte
	suite   int
	secrets map[string][]byte
}

func begin(keyLog string, client, server []byte) (*beginning, error) {
	b := &beginning{}
	for side, stream := range [][]byte{client, server} {
		var err error
		if b.records[side], b.tail[side], err = record.Split(stream); err != nil {
			return nil, fmt.Errorf("cleartext: the %v: %w", Side(side), err)
		}
	}
	var ok bool
	if b.random[Client], _, ok = hello(b.records[Client], 1); !ok {
		return nil, errors.New("cleartext: the client's stream begins with no ClientHello")
	}
	if b.random[Server], b.suite, ok = hello(b.records[Server], 2); !ok {
		return nil, errors.New("cleartext: the server's stream begins with no ServerHello")
	}
	if b.suite != aes128GCM12 && b.suite != aes128GCM13 {
		return nil, fmt.Errorf("cleartext: cipher suite %#04x", b.suite)
	}
	b.secrets = parseLog(keyLog, b.random[Client])
	return b, nil
}

func (b *beginning) secret(label string) ([]byte, error) {
	if secret := b.secrets[label]; secret != nil {
		return secret, nil
	}
	return nil, errors.New("cleartext: the key log lacks the connection")
}

func (b *beginning) keys12(side Side) (*keys, error) {
	master, err := b.secret("CLIENT_RANDOM")
	if err != nil {
		return nil, err
	}
	return keys12(master, b.random[Client], b.random[Server], side), nil
}

func (b *beginning) keys13(side Side, label string) (*keys, error) {
	secret, err := b.secret([...]string{"CLIENT_", "SERVER_"}[side] + label)
	if err != nil {
		return nil, err
	}
	return trafficKeys(secret), nil
}

const (
	aes128GCM12 = 0xc02b // TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
	aes128GCM13 = 0x1301 // TLS_AES_128_GCM_SHA256
)

// hello returns the random of the last hello of the given message type that
// stands before anything is encrypted, and the suite of a ServerHello.
func hello(records []record.Record, message byte) (random []byte, suite int, ok bool) {
	for _, r := range records {
		if r.Type != record.Handshake || len(r.Body) < 39 || r.Body[0] != message {
			break
		}
		random = r.Body[6:38]
		if id := 39 + int(r.Body[38]); len(r.Body) >= id+2 {
			suite = int(binary.BigEndian.Uint16(r.Body[id:]))
		}
	}
	return random, suite, random != nil
}

func parseLog(text string, clientRandom []byte) map[string][]byte {
	secrets := make(map[string][]byte)
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) != 3 || !strings.EqualFold(f[1], hex.EncodeToString(clientRandom)) {
			continue
		}
		if secret, err := hex.DecodeString(f[2]); err == nil {
			secrets[f[0]] = secret
		}
	}
	return secrets
}

func (c *Conversation) open12(side Side, records []record.Record) error {
	encrypted := false
	for _, r := range records {
		if !encrypted {
			encrypted = r.Type == record.ChangeCipherSpec
			continue
		}
		opened, err := c.keys[side].open(r)
		if err != nil {
			return fmt.Errorf("cleartext: the %v, byte %d: %w", side, r.Offset, err)
		}
		c.Records[side] = append(c.Records[side], opened)
	}
	// The first is the Finished message.
	c.Records[side] = c.Records[side][min(1, len(c.Records[side])):]
	return nil
}

func (c *Conversation) open13(side Side, records []record.Record, handshake *keys) error {
	for _, r := range records {
		if r.Type != record.ApplicationData {
			continue // a hello, or a change_cipher_spec for middleboxes
		}
		if handshake != nil {
			if _, err := handshake.open(r); err == nil {
				continue
			}
			handshake = nil
		}
		opened, err := c.keys[side].open(r)
		if err != nil {
			return fmt.Errorf("cleartext: the %v, byte %d: %w", side, r.Offset, err)
		}
		c.Records[side] = append(c.Records[side], opened)
		c.keys[side].seen(opened)
	}
	return nil
}

// Seal makes the record that the end would send next. The end itself, when it
// goes on, uses the same sequence number again.
func (c *Conversation) Seal(side Side, typ record.Type, body []byte) []byte {
	k := c.keys[side]
	sealed := k.seal(typ, body)
	k.seen(Record{typ, body})
	return sealed
}

// SealHandshake makes a record under the keys that protect the side's own handshake messages, as the one
// with index n under them. Both ends' hellos must have come; in TLS 1.2 the key log, too, must know the
// connection by then.
func SealHandshake(keyLog string, client, server []byte, side Side, n uint64, typ record.Type, body []byte) ([]byte, error) {
	b, err := begin(keyLog, client, server)
	if err != nil {
		return nil, err
	}
	var k *keys
	if b.suite == aes128GCM12 {
		k, err = b.keys12(side)
	} else {
		k, err = b.keys13(side, "HANDSHAKE_TRAFFIC_SECRET")
	}
	if err != nil {
		return nil, err
	}
	k.seq = n
	return k.seal(typ, body), nil
}

// keys protect one direction. secret is TLS 1.3's.
type keys struct {
	aead   cipher.AEAD
	iv     []byte
	seq    uint64
	secret []byte
}

func newKeys(key, iv, secret []byte) *keys {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic("cleartext: " + err.Error())
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic("cleartext: " + err.Error())
	}
	return &keys{aead: aead, iv: iv, secret: secret}
}

func trafficKeys(secret []byte) *keys {
	return newKeys(expandLabel(secret, "key", 16), expandLabel(secret, "iv", 12), secret)
}

func keys12(master, clientRandom, serverRandom []byte, side Side) *keys {
	block := prf(master, "key expansion", append(append([]byte(nil), serverRandom...), clientRandom...), 2*16+2*4)
	return newKeys(block[16*side:16*side+16], block[32+4*side:36+4*side], nil)
}

const keyUpdate = 24

// seen changes the keys behind a whole KeyUpdate (RFC 8446, section 7.2).
func (k *keys) seen(r Record) {
	if k.secret != nil && r.Type == record.Handshake && len(r.Body) == 5 && r.Body[0] == keyUpdate {
		*k = *trafficKeys(expandLabel(k.secret, "traffic upd", len(k.secret)))
	}
}

func (k *keys) nonce13() []byte {
	nonce := append([]byte(nil), k.iv...)
	binary.BigEndian.PutUint64(nonce[4:], binary.BigEndian.Uint64(nonce[4:])^k.seq)
	return nonce
}

// data12 is the additional data of TLS 1.2 (RFC 5246, section 6.2.3.3).
func (k *keys) data12(typ record.Type, n int) []byte {
	data := binary.BigEndian.AppendUint64(nil, k.seq)
	return binary.BigEndian.AppendUint16(append(data, byte(typ), 3, 3), uint16(n))
}

func header(typ record.Type, n int) []byte {
	return binary.BigEndian.AppendUint16([]byte{byte(typ), 3, 3}, uint16(n))
}

func (k *keys) open(r record.Record) (Record, error) {
	if k.secret == nil {
		const explicit = 8
		n := len(r.Body) - explicit - k.aead.Overhead()
		if n < 0 {
			return Record{}, errors.New("the record is too short")
		}
		nonce := append(append([]byte(nil), k.iv...), r.Body[:explicit]...)
		plain, err := k.aead.Open(nil, nonce, r.Body[explicit:], k.data12(r.Type, n))
		if err != nil {
			return Record{}, err
		}
		k.seq++
		return Record{r.Type, plain}, nil
	}
	plain, err := k.aead.Open(nil, k.nonce13(), r.Body, header(r.Type, len(r.Body)))
	if err != nil {
		return Record{}, err
	}
	k.seq++
	plain = []byte(strings.TrimRight(string(plain), "\x00"))
	if len(plain) == 0 {
		return Record{}, errors.New("the record has no content type")
	}
	return Record{record.Type(plain[len(plain)-1]), plain[:len(plain)-1]}, nil
}

func (k *keys) seal(typ record.Type, body []byte) []byte {
	if k.secret == nil {
		explicit := binary.BigEndian.AppendUint64(nil, k.seq)
		nonce := append(append([]byte(nil), k.iv...), explicit...)
		sealed := append(header(typ, len(explicit)+len(body)+k.aead.Overhead()), explicit...)
		sealed = k.aead.Seal(sealed, nonce, body, k.data12(typ, len(body)))
		k.seq++
		return sealed
	}
	inner := append(append([]byte(nil), body...), byte(typ))
	head := header(record.ApplicationData, len(inner)+k.aead.Overhead())
	sealed := k.aead.Seal(append([]byte(nil), head...), k.nonce13(), inner, head)
	k.seq++
	return sealed
}

// expandLabel is HKDF-Expand-Label without a context (RFC 8446, section 7.1).
func expandLabel(secret []byte, label string, n int) []byte {
	label = "tls13 " + label
	info := append([]byte{byte(n >> 8), byte(n), byte(len(label))}, label...)
	out, err := hkdf.Expand(sha256.New, secret, string(append(info, 0)), n)
	if err != nil {
		panic("cleartext: " + err.Error())
	}
	return out
}

// prf is TLS 1.2's with SHA-256 (RFC 5246, section 5).
func prf(secret []byte, label string, seed []byte, n int) []byte {
	seed = append([]byte(label), seed...)
	sum := func(parts ...[]byte) []byte {
		h := hmac.New(sha256.New, secret)
		for _, p := range parts {
			h.Write(p)
		}
		return h.Sum(nil)
	}
	var out []byte
	for a := sum(seed); len(out) < n; a = sum(a) {
		out = append(out, sum(a, seed)...)
	}
	return out[:n]
}
