package starttls

import (
	"errors"
	"io"
	"strings"
	"testing"
)

// script is a server whose answers do not depend on what it is asked.
type script struct {
	io.Reader
	asked strings.Builder
}

func (s *script) Write(p []byte) (int, error) { return s.asked.Write(p) }

const (
	ldapYes  = "\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00"
	ldapNo   = "\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x34\x04\x00\x04\x00"
	ldapLong = "\x30\x84\x00\x00\x00\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00" // a length as Active Directory writes it
)

func TestBegin(t *testing.T) {
	for _, test := range []struct {
		name, protocol, answers string
		asked                   string
		err                     error // nil: the server agrees
		tells                   string
	}{
		{"smtp", "smtp", "220-one\r\n220 two\r\n250-a\r\n250-STARTTLS\r\n250 b\r\n220 go\r\n", "EHLO closenotify\r\nSTARTTLS\r\n", nil, ""},
		{"smtp, bare code", "smtp", "220\n250\n220\n", "EHLO closenotify\r\nSTARTTLS\r\n", nil, ""},
		{"smtp, busy", "smtp", "421 busy\r\n", "", ErrRefused, "421 busy"},
		{"smtp without it", "smtp", "220 x\r\n250 x\r\n502 what\r\n", "EHLO closenotify\r\nSTARTTLS\r\n", ErrRefused, "502 what"},
		{"smtp, injected", "smtp", "220 x\r\n250 x\r\n220 go\r\n250 evil\r\n", "EHLO closenotify\r\nSTARTTLS\r\n", ErrInjected, ""},
		{"smtp, cut", "smtp", "220 x\r\n250-x\r\n", "EHLO closenotify\r\n", io.ErrUnexpectedEOF, ""},
		{"smtp, endless", "smtp", strings.Repeat("220-x\r\n", 1000), "", nil, "more than 100 lines"},
		{"smtp, a long line", "smtp", strings.Repeat("x", 10000), "", nil, "buffer full"},
		{"imap", "imap", "* OK hello\r\n* CAPABILITY x\r\na OK go\r\n", "a STARTTLS\r\n", nil, ""},
		{"imap, bye", "imap", "* BYE\r\n", "", ErrRefused, "BYE"},
		{"imap without it", "imap", "* OK\r\na BAD what\r\n", "a STARTTLS\r\n", ErrRefused, "a BAD what"},
		{"pop3", "pop3", "+OK\r\n+OK go\r\n", "STLS\r\n", nil, ""},
		{"pop3 without it", "pop3", "+OK\r\n-ERR what\r\n", "STLS\r\n", ErrRefused, "-ERR what"},
		{"postgres", "postgres", "S", "\x00\x00\x00\x08\x04\xd2\x16\x2f", nil, ""},
		{"postgres without it", "postgres", "N", "\x00\x00\x00\x08\x04\xd2\x16\x2f", ErrRefused, "'N'"},
		{"postgres, injected", "postgres", "SR", "\x00\x00\x00\x08\x04\xd2\x16\x2f", ErrInjected, ""},
		{"postgres, gone", "postgres", "", "\x00\x00\x00\x08\x04\xd2\x16\x2f", io.ErrUnexpectedEOF, ""},
		{"ldap", "ldap", ldapYes, ldapStartTLS, nil, ""},
		{"ldap, long length", "ldap", ldapLong, ldapStartTLS, nil, ""},
		{"ldap without it", "ldap", ldapNo, ldapStartTLS, ErrRefused, "result code 0x34"},
		{"ldap, cut", "ldap", ldapYes[:5], ldapStartTLS, io.ErrUnexpectedEOF, ""},
		{"ldap, another message", "ldap", strings.Replace(ldapYes, "\x78", "\x61", 1), ldapStartTLS, nil, "no answer to StartTLS"},
		{"ldap, a huge length", "ldap", "\x30\x84\xff\xff\xff\xff", ldapStartTLS, nil, "bytes"},
		{"ldap, no length", "ldap", "\x30\x80", ldapStartTLS, nil, "length of 0 bytes"},
		{"ldap, not BER", "ldap", "\x30\x02\x02\x05", ldapStartTLS, nil, "not an LDAP message"},
		{"ldap, an empty answer", "ldap", "\x30\x05\x02\x01\x01\x78\x00", ldapStartTLS, nil, "not an LDAP message"},
		{"unknown", "gopher", "", "", nil, `unknown protocol "gopher"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := &script{Reader: strings.NewReader(test.answers)}
			err := Begin(s, test.protocol)
			if (err == nil) != (test.err == nil && test.tells == "") || test.err != nil && !errors.Is(err, test.err) {
				t.Errorf("error %v, want %v", err, test.err)
			}
			if err != nil && !strings.Contains(err.Error(), test.tells) {
				t.Errorf("error %v does not tell %q", err, test.tells)
			}
			if s.asked.String() != test.asked {
				t.Errorf("asked %q, want %q", s.asked.String(), test.asked)
			}
		})
	}
}

func TestNames(t *testing.T) {
	if got := strings.Join(Names(), " "); got != "imap ldap pop3 postgres smtp" {
		t.Errorf("names %q", got)
	}
	for _, name := range Names() {
		if !Known(name) || Goodbye(name) == "" {
			t.Errorf("%s: known %v, goodbye %q", name, Known(name), Goodbye(name))
		}
	}
	if Known("gopher") || Goodbye("gopher") != "" {
		t.Error("gopher is known")
	}
}

// FuzzBegin: whatever a server says, Begin ends, asks for no more than its protocol has, and takes no
// byte behind the consent for TLS.
func FuzzBegin(f *testing.F) {
	for _, answers := range []string{"220-one\r\n220 two\r\n250-a\r\n250 b\r\n220 go\r\n", "* OK\r\na OK go\r\n", "+OK\r\n+OK\r\n", "S", "N", ldapYes, ldapNo, ldapLong} {
		for i := range Names() {
			f.Add(uint8(i), []byte(answers))
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, answers []byte) {
		name := Names()[int(which)%len(Names())]
		s := &script{Reader: strings.NewReader(string(answers))}
		err := Begin(s, name)
		if s.asked.Len() > 100 {
			t.Errorf("%s asked %q", name, s.asked.String())
		}
		if err == nil && s.Reader.(*strings.Reader).Len() > 0 {
			t.Errorf("%s: clear text behind the consent", name)
		}
		if err != nil && len(err.Error()) > 2000 {
			t.Errorf("an error of %d bytes", len(err.Error()))
		}
	})
}
