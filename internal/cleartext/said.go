package cleartext

import (
	"fmt"
	"strings"

	"github.com/golibssl/openssl/internal/record"
)

var messages = map[byte]string{0: "hello_request", 1: "client_hello", 4: "ticket", 13: "certificate_request", keyUpdate: "key_update"}

// Said names the records of an end, a word each: data (adjacent ones merge),
// close_notify, warning:NAME and alert:NAME with OpenSSL's long names, the
// handshake messages ticket, key_update, hello_request and the like, and at last
// half for the beginning of a record. The tickets that come before anything
// else belong to the handshake and are left out.
func (c *Conversation) Said(side Side) string {
	var words []string
	for _, r := range c.Records[side] {
		for _, word := range r.words() {
			switch {
			case word == "ticket" && len(words) == 0:
			case word == "data" && len(words) > 0 && words[len(words)-1] == "data":
			default:
				words = append(words, word)
			}
		}
	}
	if len(c.Tail[side]) > 0 {
		words = append(words, "half")
	}
	return strings.Join(words, " ")
}

func (r Record) words() []string {
	switch r.Type {
	case record.ApplicationData:
		return []string{"data"}
	case record.Alert:
		if len(r.Body) != 2 {
			return []string{fmt.Sprintf("alert:%d_bytes", len(r.Body))}
		}
		name := record.AlertName(r.Body[1])
		switch {
		case r.Body[1] == 0:
			return []string{name}
		case r.Body[0] == record.Warning:
			return []string{"warning:" + name}
		}
		return []string{"alert:" + name}
	case record.Handshake:
		var words []string
		for b := r.Body; len(b) >= 4; {
			name, ok := messages[b[0]]
			if !ok {
				name = fmt.Sprintf("handshake(%d)", b[0])
			}
			words = append(words, name)
			n := 4 + int(b[1])<<16 + int(b[2])<<8 + int(b[3])
			b = b[min(n, len(b)):]
		}
		return words
	}
	return []string{r.Type.String()}
}
