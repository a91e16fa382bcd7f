//go:build cgo

package openssl

import (
	"runtime"
	"slices"
	"unicode/utf8"
)

// Name is an X.500 distinguished name: one of its own, or the subject or the issuer of a Certificate, which it keeps in
// memory. What is added to the latter is added to the certificate. Name's methods must not run at the same
// time as those that change it or its certificate.
type Name struct {
	own    namePtr
	cert   *Certificate
	issuer bool
}

func (n *Name) check(op string) error {
	if n == nil || (n.own == nil && n.cert == nil) {
		return badArgument(op, "the name is nil or was not made by NewName")
	}
	return nil
}

// NewName returns an empty name.
//
// OpenSSL: X509_NAME_new(3).
func NewName() (*Name, error) {
	p, q := nameNew()
	if q != nil {
		return nil, failed("could not create x509 name", q)
	}
	n := &Name{own: p}
	runtime.AddCleanup(n, nameFree, p)
	return n, nil
}

// AddTextEntry appends an entry. The field is one of OpenSSL's names, such as CN, O, organizationName or 2.5.4.3. The value is
// UTF-8, or Latin-1 where it is not valid UTF-8.
//
// OpenSSL: X509_NAME_add_entry_by_txt(3).
func (n *Name) AddTextEntry(field, value string) error {
	const op = "failed to add x509 name text entry"
	if err := n.check(op); err != nil {
		return err
	}
	if hasZero(field) || hasZero(value) {
		return badArgument(op, "%q=%q has a zero byte", field, value)
	}
	if len(value) > maxInt {
		return badArgument(op, "the value has %d bytes; OpenSSL takes %d", len(value), maxInt)
	}
	return failed(op, nameAdd(n, field, value, utf8.ValidString(value)))
}

// AddTextEntries appends the entries, in the order of their fields' names. It stops at the first error.
func (n *Name) AddTextEntries(entries map[string]string) error {
	fields := make([]string, 0, len(entries))
	for field := range entries {
		fields = append(fields, field)
	}
	slices.Sort(fields)
	for _, field := range fields {
		if err := n.AddTextEntry(field, entries[field]); err != nil {
			return err
		}
	}
	return nil
}

// GetEntry returns the bytes of the first entry with this NID, in the encoding they have in the name; ok is false where
// there is none.
//
// OpenSSL: X509_NAME_get_index_by_NID(3), X509_NAME_get_entry(3).
func (n *Name) GetEntry(nid NID) (entry string, ok bool) {
	if n.check("") != nil {
		return "", false
	}
	value, found, q := nameGet(n, nid)
	if failed("", q) != nil {
		return "", false
	}
	return string(value), found
}
