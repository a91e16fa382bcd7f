// Package starttls asks a server in clear text to begin TLS.
package starttls

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// protocol is how one protocol asks, and a request that ends its connection.
type protocol struct {
	ask     func(*dialog) error
	goodbye string
}

var protocols = map[string]protocol{
	"smtp":     {askSMTP, "QUIT\r\n"},
	"imap":     {askIMAP, "b LOGOUT\r\n"},
	"pop3":     {askPOP3, "QUIT\r\n"},
	"postgres": {askPostgres, "X\x00\x00\x00\x04"},
	"ldap":     {askLDAP, "\x30\x05\x02\x01\x02\x42\x00"},
}

// Names are the protocols that Begin knows.
func Names() []string { return slices.Sorted(maps.Keys(protocols)) }

// Known reports whether Begin knows a protocol.
func Known(name string) bool { _, ok := protocols[name]; return ok }

// Goodbye is a request that makes a server of the protocol end the connection, "" where Begin does not
// know it.
func Goodbye(name string) string { return protocols[name].goodbye }

// ErrRefused: the server does not begin TLS.
var ErrRefused = errors.New("the server refuses to begin TLS")

// ErrInjected: bytes came in clear text behind the server's consent; TLS must not take them for its own.
var ErrInjected = errors.New("the server sent clear text behind its consent to TLS")

// Begin speaks clear text until the server agrees: the next bytes both ways are TLS. The caller bounds
// it by a deadline of the connection.
func Begin(conn io.ReadWriter, name string) error {
	p, ok := protocols[name]
	if !ok {
		return fmt.Errorf("starttls: unknown protocol %q", name)
	}
	d := &dialog{w: conn, r: bufio.NewReaderSize(conn, maxLine)}
	err := p.ask(d)
	switch {
	case errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF
	case err == nil && d.r.Buffered() > 0:
		err = ErrInjected
	}
	if err != nil {
		return fmt.Errorf("starttls %s: %w", name, err)
	}
	return nil
}

const (
	maxLine  = 4096
	maxLines = 100
)

type dialog struct {
	w io.Writer
	r *bufio.Reader
}

func (d *dialog) send(s string) error {
	_, err := io.WriteString(d.w, s)
	return err
}

func (d *dialog) line() (string, error) {
	line, err := d.r.ReadSlice('\n')
	if err != nil {
		return "", err
	}
	return strings.TrimRight(string(line), "\r\n"), nil
}

// until reads lines up to the last of an answer, which last tells, and refuses one that ok does not
// like.
func (d *dialog) until(last, ok func(line string) bool) error {
	for range maxLines {
		line, err := d.line()
		if err != nil {
			return err
		}
		if last(line) {
			if !ok(line) {
				return fmt.Errorf("%w: %.200q", ErrRefused, line)
			}
			return nil
		}
	}
	return fmt.Errorf("the answer has more than %d lines", maxLines)
}

func always(string) bool { return true }

func begins(prefix string) func(string) bool {
	return func(line string) bool { return strings.HasPrefix(line, prefix) }
}

// askSMTP: RFC 3207. All lines of an answer but the last have a hyphen behind the code (RFC 5321,
// section 4.2.1).
func askSMTP(d *dialog) error {
	last := func(line string) bool { return len(line) < 4 || line[3] != '-' }
	if err := d.until(last, begins("220")); err != nil {
		return err
	}
	for _, step := range []struct{ say, want string }{{"EHLO closenotify\r\n", "250"}, {"STARTTLS\r\n", "220"}} {
		if err := d.send(step.say); err != nil {
			return err
		}
		if err := d.until(last, begins(step.want)); err != nil {
			return err
		}
	}
	return nil
}

// askIMAP: RFC 9051, section 6.2.1.
func askIMAP(d *dialog) error {
	if err := d.until(always, begins("* OK")); err != nil {
		return err
	}
	if err := d.send("a STARTTLS\r\n"); err != nil {
		return err
	}
	return d.until(begins("a "), begins("a OK"))
}

// askPOP3: RFC 2595, section 4.
func askPOP3(d *dialog) error {
	if err := d.until(always, begins("+OK")); err != nil {
		return err
	}
	if err := d.send("STLS\r\n"); err != nil {
		return err
	}
	return d.until(always, begins("+OK"))
}

// askPostgres: SSLRequest, a length and the code 80877103; the answer is one byte, S or N (PostgreSQL,
// "Message Flow", "SSL Session Encryption").
func askPostgres(d *dialog) error {
	if err := d.send("\x00\x00\x00\x08\x04\xd2\x16\x2f"); err != nil {
		return err
	}
	b, err := d.r.ReadByte()
	if err != nil {
		return err
	}
	if b != 'S' {
		return fmt.Errorf("%w: %q", ErrRefused, b)
	}
	return nil
}

// ldapStartTLS is the extended request 1.3.6.1.4.1.1466.20037 with message ID 1 (RFC 4511, section
// 4.14.1).
const ldapStartTLS = "\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037"

// Tags of the answer (RFC 4511, section 4.2; BER).
const (
	tagInteger          = 0x02
	tagEnumerated       = 0x0a
	tagSequence         = 0x30
	tagExtendedResponse = 0x78
)

func askLDAP(d *dialog) error {
	if err := d.send(ldapStartTLS); err != nil {
		return err
	}
	tag, message, err := readBER(d.r)
	if err != nil {
		return err
	}
	r := bytes.NewReader(message)
	idTag, id, err1 := readBER(r)
	answerTag, answer, err2 := readBER(r)
	codeTag, code, err3 := readBER(bytes.NewReader(answer))
	switch err := errors.Join(err1, err2, err3); {
	case tag != tagSequence || err != nil || idTag != tagInteger:
		return errors.New("not an LDAP message")
	case answerTag != tagExtendedResponse || codeTag != tagEnumerated || !bytes.Equal(id, []byte{1}):
		return fmt.Errorf("message %x of tag %#02x is no answer to StartTLS", id, answerTag)
	case !bytes.Equal(code, []byte{0}):
		return fmt.Errorf("%w: result code %#x", ErrRefused, code)
	}
	return nil
}

// readBER reads one value of a definite length and a tag of one byte, and no byte more. Active Directory
// writes lengths in more bytes than DER allows.
func readBER(r io.Reader) (tag byte, content []byte, err error) {
	head := make([]byte, 2)
	if _, err := io.ReadFull(r, head); err != nil {
		return 0, nil, err
	}
	n := int(head[1])
	if n >= 0x80 {
		more := make([]byte, n-0x80)
		if len(more) == 0 || len(more) > 4 {
			return 0, nil, fmt.Errorf("a length of %d bytes", len(more))
		}
		if _, err := io.ReadFull(r, more); err != nil {
			return 0, nil, err
		}
		n = 0
		for _, b := range more {
			n = n<<8 | int(b)
		}
	}
	if n < 0 || n > maxAnswer {
		return 0, nil, fmt.Errorf("an answer of %d bytes", n)
	}
	content = make([]byte, n)
	_, err = io.ReadFull(r, content)
	return head[0], content, err
}

const maxAnswer = 1 << 16
