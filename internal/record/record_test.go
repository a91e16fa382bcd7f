package record_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/golibssl/openssl/internal/record"
)

func rec(t record.Type, body string) []byte {
	return append([]byte{byte(t), 3, 3, byte(len(body) >> 8), byte(len(body))}, body...)
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func TestSplit(t *testing.T) {
	hello := rec(record.Handshake, "hello")
	data := rec(record.ApplicationData, "data")
	empty := rec(record.ApplicationData, "")
	longest := rec(record.ApplicationData, string(make([]byte, record.MaxBody)))

	type short struct {
		Type    record.Type
		Version uint16
		Offset  int
		Body    string
	}
	for _, test := range []struct {
		name   string
		stream []byte
		want   []short
		tail   []byte
		reason string
	}{
		{name: "empty"},
		{name: "one", stream: hello, want: []short{{record.Handshake, 0x303, 0, "hello"}}},
		{name: "two and a body cut short", stream: join(hello, data, hello[:9]),
			want: []short{{record.Handshake, 0x303, 0, "hello"}, {record.ApplicationData, 0x303, 10, "data"}}, tail: hello[:9]},
		{name: "a header cut short", stream: join(data, hello[:4]),
			want: []short{{record.ApplicationData, 0x303, 0, "data"}}, tail: hello[:4]},
		{name: "a header without its body", stream: hello[:5], tail: hello[:5]},
		{name: "no body", stream: join(empty, data),
			want: []short{{record.ApplicationData, 0x303, 0, ""}, {record.ApplicationData, 0x303, 5, "data"}}},
		{name: "version of the first ClientHello", stream: []byte{22, 3, 1, 0, 1, 9},
			want: []short{{record.Handshake, 0x301, 0, "\x09"}}},
		{name: "longest", stream: longest,
			want: []short{{record.ApplicationData, 0x303, 0, string(longest[5:])}}},
		{name: "one byte too long", stream: join(data, []byte{23, 3, 3, 0x48, 0x01}),
			want: []short{{record.ApplicationData, 0x303, 0, "data"}}, tail: []byte{23, 3, 3, 0x48, 0x01}, reason: "the record is too long"},
		{name: "HTTP", stream: []byte("GET / HTTP/1.1\r\n"), tail: []byte("GET / HTTP/1.1\r\n"), reason: "the content type is unknown"},
		{name: "type 24", stream: []byte{24, 3, 3, 0, 0}, tail: []byte{24, 3, 3, 0, 0}, reason: "the content type is unknown"},
		{name: "SSL 2", stream: []byte{22, 2, 0, 0, 0}, tail: []byte{22, 2, 0, 0, 0}, reason: "the version's first byte is not 3"},
	} {
		t.Run(test.name, func(t *testing.T) {
			records, tail, err := record.Split(test.stream)
			var got []short
			for _, r := range records {
				got = append(got, short{r.Type, r.Version, r.Offset, string(r.Body)})
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("records (-want +got):\n%s", diff)
			}
			if !bytes.Equal(tail, test.tail) {
				t.Errorf("tail % x, want % x", tail, test.tail)
			}
			if test.reason == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var bad *record.Error
			if !errors.As(err, &bad) {
				t.Fatalf("error %v, want a *record.Error", err)
			}
			want := &record.Error{Offset: len(test.stream) - len(test.tail), Header: [5]byte(test.tail), Reason: test.reason}
			if diff := cmp.Diff(want, bad); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSplitBodyCannotGrowIntoTheStream(t *testing.T) {
	stream := join(rec(record.Alert, "ab"), rec(record.Alert, "cd"))
	records, _, err := record.Split(stream)
	if err != nil {
		t.Fatal(err)
	}
	_ = append(records[0].Body, "overwritten"...)
	if want := join(rec(record.Alert, "ab"), rec(record.Alert, "cd")); !bytes.Equal(stream, want) {
		t.Errorf("the stream became % x", stream)
	}
}

// TestCounterAgreesWithSplit feeds streams in pieces of random sizes.
func TestCounterAgreesWithSplit(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		var stream []byte
		for range rng.IntN(6) {
			body := make([]byte, rng.IntN(40))
			stream = append(stream, rec(record.Type(20+rng.IntN(4)), string(body))...)
		}
		whole := len(stream)
		if rng.IntN(2) == 0 {
			stream = append(stream, rec(record.Handshake, "partial")[:rng.IntN(12)]...)
		}
		records, tail, err := record.Split(stream)
		if err != nil {
			t.Fatal(err)
		}

		var c record.Counter
		var ends []int
		off := 0
		for off < len(stream) {
			n, complete := c.Advance(stream[off : off+1+rng.IntN(len(stream)-off)])
			off += n
			if complete {
				ends = append(ends, off)
			}
		}
		var want []int
		byType := map[record.Type]int{}
		for _, r := range records {
			want = append(want, r.Offset+record.HeaderLen+len(r.Body))
			byType[r.Type]++
		}
		if diff := cmp.Diff(want, ends); diff != "" {
			t.Fatalf("boundaries of % x (-split +counter):\n%s", stream, diff)
		}
		if c.Records() != len(records) || c.Partial() != len(tail) || c.Err() != nil {
			t.Fatalf("% x: %d records, %d partial, %v; want %d and %d", stream, c.Records(), c.Partial(), c.Err(), len(records), len(tail))
		}
		for typ := record.ChangeCipherSpec; typ <= record.ApplicationData; typ++ {
			if c.OfType(typ) != byType[typ] {
				t.Fatalf("%v: %d, want %d", typ, c.OfType(typ), byType[typ])
			}
		}
		missing := 0
		switch partial := len(stream) - whole; {
		case partial >= record.HeaderLen:
			missing = 12 - partial
		case partial > 0:
			missing = record.HeaderLen - partial
		}
		if c.Missing() != missing {
			t.Fatalf("% x: %d bytes missing, want %d", stream, c.Missing(), missing)
		}
	}
}

func TestCounterOfABrokenStream(t *testing.T) {
	var c record.Counter
	n, err := c.Write(join(rec(record.Handshake, "x"), []byte("GET / HTTP/1.1")))
	var bad *record.Error
	if n != 20 || !errors.As(err, &bad) || bad.Offset != 6 {
		t.Fatalf("Write: %d, %v; want 20 and an error at byte 6", n, err)
	}
	n, err = c.Write(rec(record.Handshake, "x"))
	if n != 6 || !errors.As(err, &bad) || bad.Offset != 6 {
		t.Fatalf("second Write: %d, %v; want 6 and the same error", n, err)
	}
	if c.Records() != 1 {
		t.Errorf("%d records, want 1", c.Records())
	}
	if got, want := bad.Error(), "no TLS record at byte 6 (47 45 54 20 2f): the content type is unknown"; got != want {
		t.Errorf("error %q, want %q", got, want)
	}
}

func TestPlainAlert(t *testing.T) {
	for _, test := range []struct {
		name string
		rec  record.Record
		want [2]uint8
		ok   bool
	}{
		{"fatal", record.Record{Type: record.Alert, Body: []byte{record.Fatal, 50}}, [2]uint8{2, 50}, true},
		{"encrypted", record.Record{Type: record.Alert, Body: make([]byte, 26)}, [2]uint8{}, false},
		{"data", record.Record{Type: record.ApplicationData, Body: []byte{1, 0}}, [2]uint8{}, false},
	} {
		level, description, ok := test.rec.PlainAlert()
		if [2]uint8{level, description} != test.want || ok != test.ok {
			t.Errorf("%s: %d %d %v", test.name, level, description, ok)
		}
	}
}

func TestTypeString(t *testing.T) {
	for typ, want := range map[record.Type]string{
		20: "change_cipher_spec", 21: "alert", 22: "handshake", 23: "application_data", 24: "type(24)",
	} {
		if got := typ.String(); got != want {
			t.Errorf("%d: %q, want %q", uint8(typ), got, want)
		}
	}
}

func FuzzSplit(f *testing.F) {
	f.Add(join(rec(record.Handshake, "hello"), rec(record.Alert, "ab"), []byte{23, 3}), uint8(3))
	f.Add([]byte("GET / HTTP/1.1\r\n"), uint8(1))
	f.Fuzz(func(t *testing.T, stream []byte, step uint8) {
		records, tail, err := record.Split(stream)
		sum := 0
		for _, r := range records {
			if r.Offset != sum {
				t.Fatalf("record at %d, want %d", r.Offset, sum)
			}
			sum += record.HeaderLen + len(r.Body)
		}
		if sum+len(tail) != len(stream) {
			t.Fatalf("%d bytes of records and %d of tail make %d", sum, len(tail), len(stream))
		}
		var c record.Counter
		var counterErr error
		for rest := stream; len(rest) > 0; {
			n := min(len(rest), int(step)+1)
			_, counterErr = c.Write(rest[:n])
			rest = rest[n:]
		}
		if c.Records() != len(records) || (counterErr != nil) != (err != nil) {
			t.Fatalf("the counter says %d records and %v, Split %d and %v", c.Records(), counterErr, len(records), err)
		}
	})
}
