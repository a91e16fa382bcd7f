package rawpeer_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/golibssl/openssl/internal/leak"
	"github.com/golibssl/openssl/internal/rawpeer"
	"github.com/golibssl/openssl/internal/record"
)

func TestMain(m *testing.M) { leak.Main(m) }

func withTimeout(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// rec is an application_data record with the given body.
func rec(body string) string {
	return string([]byte{23, 3, 3, 0, byte(len(body))}) + body
}

func write(t *testing.T, c net.Conn, s string) {
	t.Helper()
	c.SetWriteDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(c, s); err != nil {
		t.Fatalf("write: %v", err)
	}
}

// read expects exactly s, and nothing about what follows.
func read(t *testing.T, c net.Conn, s string) {
	t.Helper()
	buf := make([]byte, len(s))
	c.SetReadDeadline(time.Now().Add(time.Minute))
	n, err := io.ReadFull(c, buf)
	if string(buf[:n]) != s {
		t.Fatalf("read %q, %v; want %q", buf[:n], err, s)
	}
}

// readToEnd expects s and then io.EOF.
func readToEnd(t *testing.T, c net.Conn, s string) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(time.Minute))
	got, err := io.ReadAll(c)
	if string(got) != s || err != nil {
		t.Fatalf("read %q, %v; want %q and io.EOF", got, err, s)
	}
}

func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// transports runs a test over TCP and over net.Pipe.
func transports(t *testing.T, f func(t *testing.T, client, server net.Conn, r *rawpeer.Relay)) {
	t.Run("TCP", func(t *testing.T) {
		client, server, r := rawpeer.TCP(t)
		f(t, client, server, r)
	})
	t.Run("Pipe", func(t *testing.T) {
		client, server, r := rawpeer.Pipe(t)
		f(t, client, server, r)
	})
}

func TestForwardsAndRecords(t *testing.T) {
	transports(t, func(t *testing.T, client, server net.Conn, r *rawpeer.Relay) {
		write(t, client, "ping")
		read(t, server, "ping")
		write(t, server, "pong!")
		read(t, client, "pong!")
		client.Close()
		readToEnd(t, server, "")
		if err := r.WaitEnd(withTimeout(t), rawpeer.ToServer); err != io.EOF {
			t.Errorf("the client ended with %v, want io.EOF", err)
		}
		if got := string(r.Seen(rawpeer.ToServer)); got != "ping" {
			t.Errorf("seen from the client %q", got)
		}
		if got := string(r.Sent(rawpeer.ToClient)); got != "pong!" {
			t.Errorf("sent to the client %q", got)
		}
	})
}

func TestHalfCloseIsForwarded(t *testing.T) {
	client, server, _ := rawpeer.TCP(t)
	write(t, client, "request")
	client.CloseWrite()
	readToEnd(t, server, "request")
	write(t, server, "response")
	server.CloseWrite()
	readToEnd(t, client, "response")
}

func TestHoldAndRelease(t *testing.T) {
	transports(t, func(t *testing.T, client, server net.Conn, r *rawpeer.Relay) {
		ctx := withTimeout(t)
		r.Hold(rawpeer.ToServer)
		write(t, client, "one ")
		write(t, client, "two")
		client.Close()
		if err := r.WaitEnd(ctx, rawpeer.ToServer); err != io.EOF {
			t.Fatal(err)
		}
		if got := r.Sent(rawpeer.ToServer); len(got) != 0 {
			t.Fatalf("%q went through", got)
		}
		r.Release(rawpeer.ToServer)
		readToEnd(t, server, "one two")
	})
}

func TestHoldReadsWithoutLimit(t *testing.T) {
	client, server, r := rawpeer.TCP(t)
	r.Hold(rawpeer.ToServer)
	want := string(bytes.Repeat([]byte("0123456789abcdef"), 1<<18)) // 4 MiB
	write(t, client, want)
	client.CloseWrite()
	if err := r.WaitEnd(withTimeout(t), rawpeer.ToServer); err != io.EOF {
		t.Fatal(err)
	}
	r.Release(rawpeer.ToServer)
	server.SetReadDeadline(time.Now().Add(time.Minute))
	got, err := io.ReadAll(server)
	if err != nil || string(got) != want {
		t.Errorf("%d bytes, %v; want %d equal ones", len(got), err, len(want))
	}
}

// TestBackPressure checks that a receiver that reads nothing stops the sender.
func TestBackPressure(t *testing.T) {
	client, server, _ := rawpeer.Pipe(t)
	client.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
	n, err := client.Write(make([]byte, 10<<20))
	if err == nil {
		t.Fatal("10 MiB went into the relay")
	}
	server.SetReadDeadline(time.Now().Add(time.Minute))
	if _, err := io.CopyN(io.Discard, server, int64(n)); err != nil {
		t.Errorf("of %d bytes: %v", n, err)
	}
}

func TestMergeWritesOnce(t *testing.T) {
	client, server, r := rawpeer.Pipe(t)
	r.Merge(rawpeer.ToServer, 2)
	first, second := rec("first"), rec("second")
	write(t, client, first)
	write(t, client, second[:3])
	if got := r.Sent(rawpeer.ToServer); len(got) != 0 {
		t.Fatalf("%q went through", got)
	}
	write(t, client, second[3:])
	buf := make([]byte, 100)
	server.SetReadDeadline(time.Now().Add(time.Minute))
	n, err := server.Read(buf) // net.Pipe: a read sees one write
	if string(buf[:n]) != first+second {
		t.Errorf("one read: %q, %v; want both records", buf[:n], err)
	}
	write(t, client, "after")
	read(t, server, "after")
}

func TestMergeEndsWithTheSender(t *testing.T) {
	transports(t, func(t *testing.T, client, server net.Conn, r *rawpeer.Relay) {
		r.Merge(rawpeer.ToServer, 2)
		write(t, client, rec("alone"))
		client.Close()
		readToEnd(t, server, rec("alone"))
	})
}

func TestChunk(t *testing.T) {
	client, server, r := rawpeer.Pipe(t)
	r.Chunk(rawpeer.ToServer, 1)
	write(t, client, "abc")
	buf := make([]byte, 10)
	for _, want := range []string{"a", "b", "c"} {
		server.SetReadDeadline(time.Now().Add(time.Minute))
		if n, err := server.Read(buf); string(buf[:n]) != want || err != nil {
			t.Fatalf("read %q, %v; want %q", buf[:n], err, want)
		}
	}
	r.Chunk(rawpeer.ToServer, 0)
	write(t, client, "def")
	if n, err := server.Read(buf); string(buf[:n]) != "def" || err != nil {
		t.Fatalf("read %q, %v; want it whole", buf[:n], err)
	}
}

func TestCuts(t *testing.T) {
	one, two := rec("one"), rec("twotwo")
	for _, test := range []struct {
		name   string
		before string // forwarded before the cut is asked for
		cut    func(r *rawpeer.Relay)
		chunk  int
		after  string
		want   string // of after
	}{
		{name: "at once", cut: func(r *rawpeer.Relay) { r.CutAfter(rawpeer.ToServer, 0) }},
		{name: "at once, negative", cut: func(r *rawpeer.Relay) { r.CutAfter(rawpeer.ToServer, -5) }},
		{name: "after bytes", before: one, after: two + one, want: two[:7],
			cut: func(r *rawpeer.Relay) { r.CutAfter(rawpeer.ToServer, 7) }},
		{name: "after bytes, one a write", before: one, after: two + one, want: two[:7], chunk: 1,
			cut: func(r *rawpeer.Relay) { r.CutAfter(rawpeer.ToServer, 7) }},
		{name: "at a boundary that is now", before: one,
			cut: func(r *rawpeer.Relay) { r.CutAtRecord(rawpeer.ToServer) }},
		{name: "at the next boundary", before: one + two[:3], after: two[3:] + one, want: two[3:],
			cut: func(r *rawpeer.Relay) { r.CutAtRecord(rawpeer.ToServer) }},
		{name: "at the next boundary, one a write", before: one + two[:6], after: two[6:] + one, want: two[6:], chunk: 1,
			cut: func(r *rawpeer.Relay) { r.CutAtRecord(rawpeer.ToServer) }},
		{name: "in the next record", before: one, after: two + one, want: two[:6],
			cut: func(r *rawpeer.Relay) { r.CutInRecord(rawpeer.ToServer, 6) }},
		{name: "in the header", before: one, after: two + one, want: two[:2],
			cut: func(r *rawpeer.Relay) { r.CutInRecord(rawpeer.ToServer, 2) }},
		{name: "in the record behind the one under way", before: two[:3], after: two[3:] + one, want: two[3:] + one[:7],
			cut: func(r *rawpeer.Relay) { r.CutInRecord(rawpeer.ToServer, 7) }},
		{name: "in the record, one a write", before: two[:3], after: two[3:] + one, want: two[3:] + one[:7], chunk: 1,
			cut: func(r *rawpeer.Relay) { r.CutInRecord(rawpeer.ToServer, 7) }},
		{name: "inside though the record is short", before: one, after: two + one, want: two[:len(two)-1],
			cut: func(r *rawpeer.Relay) { r.CutInRecord(rawpeer.ToServer, 1000) }},
		{name: "inside though nothing was asked", before: one, after: two, want: two[:1],
			cut: func(r *rawpeer.Relay) { r.CutInRecord(rawpeer.ToServer, 0) }},
		{name: "in an empty record", before: one, after: rec("") + one, want: rec("")[:4],
			cut: func(r *rawpeer.Relay) { r.CutInRecord(rawpeer.ToServer, 9) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			transports(t, func(t *testing.T, client, server net.Conn, r *rawpeer.Relay) {
				ctx := withTimeout(t)
				r.Chunk(rawpeer.ToServer, test.chunk)
				write(t, client, test.before)
				read(t, server, test.before)
				if err := r.WaitSent(ctx, rawpeer.ToServer, len(test.before)); err != nil {
					t.Fatal(err)
				}
				test.cut(r)
				write(t, client, test.after)
				readToEnd(t, server, test.want)
				want := test.before + test.after
				err := r.Wait(ctx, rawpeer.ToServer, func(seen []byte) bool { return string(seen) == want })
				if err != nil {
					t.Errorf("the relay saw %q, %v; want %q", r.Seen(rawpeer.ToServer), err, want)
				}
			})
		})
	}
}

func TestCutLeavesTheOtherDirection(t *testing.T) {
	client, server, r := rawpeer.TCP(t)
	r.CutAfter(rawpeer.ToServer, 1)
	write(t, client, "xy")
	readToEnd(t, server, "x")
	write(t, server, "still here")
	read(t, client, "still here")
	write(t, client, "dropped")
	server.Close()
	readToEnd(t, client, "")
}

// TestCutsOfAnotherProtocol asks for record boundaries where there are none.
func TestCutsOfAnotherProtocol(t *testing.T) {
	for name, cut := range map[string]func(*rawpeer.Relay){
		"at record": func(r *rawpeer.Relay) { r.CutAtRecord(rawpeer.ToServer) },
		"in record": func(r *rawpeer.Relay) { r.CutInRecord(rawpeer.ToServer, 3) },
	} {
		t.Run(name, func(t *testing.T) {
			client, server, r := rawpeer.TCP(t)
			write(t, client, "GET / HTTP/1.1\r\n")
			read(t, server, "GET / HTTP/1.1\r\n")
			if err := r.WaitSent(withTimeout(t), rawpeer.ToServer, 16); err != nil {
				t.Fatal(err)
			}
			cut(r)
			write(t, client, "Host: x\r\n\r\n")
			client.CloseWrite()
			readToEnd(t, server, "Host: x\r\n\r\n")
		})
	}
}

func TestSenderEndsInTheHeaderOfTheRecordToCut(t *testing.T) {
	client, server, r := rawpeer.TCP(t)
	r.CutInRecord(rawpeer.ToServer, 100)
	write(t, client, rec("x")[:3])
	client.CloseWrite()
	readToEnd(t, server, rec("x")[:3])
}

func TestInject(t *testing.T) {
	transports(t, func(t *testing.T, client, server net.Conn, r *rawpeer.Relay) {
		ctx := withTimeout(t)
		r.Hold(rawpeer.ToServer)
		write(t, client, "real ")
		if err := r.Wait(ctx, rawpeer.ToServer, func(seen []byte) bool { return len(seen) == 5 }); err != nil {
			t.Fatal(err)
		}
		if err := r.Inject(rawpeer.ToServer, []byte("forged")); err != nil {
			t.Fatal(err)
		}
		r.Release(rawpeer.ToServer)
		read(t, server, "real forged")
		if got := string(r.Seen(rawpeer.ToServer)); got != "real " {
			t.Errorf("the client is said to have sent %q", got)
		}
		if err := r.WaitSent(ctx, rawpeer.ToServer, 11); err != nil {
			t.Fatal(err)
		}
		if got := string(r.Sent(rawpeer.ToServer)); got != "real forged" {
			t.Errorf("the server is said to have got %q", got)
		}
		r.CutAfter(rawpeer.ToServer, 0)
		readToEnd(t, server, "")
		if err := r.Inject(rawpeer.ToServer, []byte("x")); err == nil {
			t.Error("an ended direction takes bytes")
		}
	})
}

func TestReset(t *testing.T) {
	client, server, r := rawpeer.TCP(t)
	if err := r.Reset(rawpeer.ToServer); err != nil {
		t.Fatal(err)
	}
	server.SetReadDeadline(time.Now().Add(time.Minute))
	if _, err := server.Read(make([]byte, 1)); !isReset(err) {
		t.Errorf("the server reads %v, want a reset", err)
	}
	if err := r.WaitEnd(withTimeout(t), rawpeer.ToClient); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the server's direction ended with %v, want net.ErrClosed", err)
	}
	if err := r.Inject(rawpeer.ToClient, []byte("calm")); err != nil {
		t.Fatal(err)
	}
	read(t, client, "calm")
	write(t, client, "dropped")
}

func TestResetNeedsTCP(t *testing.T) {
	_, _, r := rawpeer.Pipe(t)
	if err := r.Reset(rawpeer.ToServer); err == nil {
		t.Error("a net.Pipe was reset")
	}
}

func TestSendersResetIsForwarded(t *testing.T) {
	for _, test := range []struct {
		name string
		end  func(c *net.TCPConn)
	}{
		{"linger zero", func(c *net.TCPConn) { c.SetLinger(0); c.Close() }},
		{"closed with bytes unread", func(c *net.TCPConn) { c.Close() }},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx := withTimeout(t)
			client, server, r := rawpeer.TCP(t)
			write(t, server, "unread")
			if err := r.WaitSent(ctx, rawpeer.ToClient, 6); err != nil {
				t.Fatal(err)
			}
			peek(t, client)
			write(t, client, "last words")
			read(t, server, "last words")
			test.end(client)
			server.SetReadDeadline(time.Now().Add(time.Minute))
			if n, err := server.Read(make([]byte, 1)); n != 0 || !isReset(err) {
				t.Errorf("the server reads %d bytes, %v; want a reset", n, err)
			}
			if err := r.WaitEnd(ctx, rawpeer.ToServer); !isReset(err) {
				t.Errorf("the client ended with %v, want a reset", err)
			}
		})
	}
}

// peek waits until bytes can be read and leaves them unread.
func peek(t *testing.T, c *net.TCPConn) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	c.SetReadDeadline(time.Now().Add(time.Minute))
	var n int
	var peekErr error
	err = raw.Read(func(fd uintptr) bool {
		n, _, peekErr = syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK)
		return peekErr != syscall.EAGAIN
	})
	if err != nil || peekErr != nil || n != 1 {
		t.Fatalf("peek: %d bytes, %v, %v", n, err, peekErr)
	}
}

// TestResetUnderWrites resets one end while the other writes all the time, so
// that the relay learns of the reset now by a read, now by a write.
func TestResetUnderWrites(t *testing.T) {
	for range 50 {
		ctx := withTimeout(t)
		client, server, r := rawpeer.TCP(t)
		written := make(chan error, 1)
		go func() {
			server.SetWriteDeadline(time.Now().Add(time.Minute))
			buf := make([]byte, 1000)
			for {
				if _, err := server.Write(buf); err != nil {
					written <- err
					return
				}
			}
		}()
		read(t, client, string(make([]byte, 100_000)))
		client.SetLinger(0)
		client.Close()
		if err := r.WaitEnd(ctx, rawpeer.ToServer); !isReset(err) {
			t.Fatalf("the client ended with %v, want a reset", err)
		}
		if err := <-written; !isReset(err) {
			t.Fatalf("the server's write ended with %v, want a reset", err)
		}
	}
}

// TestClosedClientResetsTheServer is what TCP does without a relay: writing to
// an end that was closed first succeeds and is then answered by a reset.
func TestClosedClientResetsTheServer(t *testing.T) {
	client, server, _ := rawpeer.TCP(t)
	client.Close()
	readToEnd(t, server, "")
	server.SetWriteDeadline(time.Now().Add(time.Minute))
	for {
		if _, err := server.Write([]byte("x")); err != nil {
			if !isReset(err) {
				t.Errorf("write: %v, want a reset", err)
			}
			return
		}
		time.Sleep(time.Millisecond)
	}
}

func TestWaitHonoursTheContext(t *testing.T) {
	_, _, r := rawpeer.Pipe(t)
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(20*time.Millisecond, cancel)
	for name, err := range map[string]error{
		"WaitEnd":     r.WaitEnd(ctx, rawpeer.ToServer),
		"WaitRecords": r.WaitRecords(ctx, rawpeer.ToServer, 1),
		"WaitSent":    r.WaitSent(ctx, rawpeer.ToServer, 1),
	} {
		if err != context.Canceled {
			t.Errorf("%s: %v, want context.Canceled", name, err)
		}
	}
}

func TestWaitEndsWithTheSender(t *testing.T) {
	client, _, r := rawpeer.TCP(t)
	write(t, client, rec("one"))
	client.Close()
	if err := r.WaitRecords(withTimeout(t), rawpeer.ToServer, 2); err != io.EOF {
		t.Errorf("%v, want io.EOF", err)
	}
	records, tail, err := r.Records(rawpeer.ToServer)
	if len(records) != 1 || records[0].Type != record.ApplicationData || len(tail) != 0 || err != nil {
		t.Errorf("records %v, tail %q, %v; want one record", records, tail, err)
	}
}

func TestCloseUnblocks(t *testing.T) {
	for _, name := range []string{"TCP", "Pipe"} {
		t.Run(name, func(t *testing.T) {
			var client, server net.Conn
			var r *rawpeer.Relay
			if name == "TCP" {
				client, server, r = rawpeer.TCP(t)
			} else {
				client, server, r = rawpeer.Pipe(t)
			}
			done := make(chan struct{})
			go func() { // fills the relay, whose writes nobody reads
				defer close(done)
				client.Write(make([]byte, 32<<20))
			}()
			if err := r.Wait(withTimeout(t), rawpeer.ToServer, func(seen []byte) bool { return len(seen) >= 64<<10 }); err != nil {
				t.Fatal(err)
			}
			if err := r.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
			<-done
			if err := r.Close(); err != nil {
				t.Errorf("second Close: %v", err)
			}
			server.Close()
		})
	}
}
