package openssl_test

import (
	"crypto/tls"
	"errors"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/testcert"
)

// resident is what the Go heap and the C side hold; the C side counts its pieces, which are few and
// bounded each.
func resident() (heap uint64, pieces int) {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc, openssl.LiveObjects().Allocs
}

// TestKeyUpdateFlood: a hundred thousand KeyUpdates, all asking for one in return, end the connection
// early. The peer does not read the answers.
func TestKeyUpdateFlood(t *testing.T) {
	const flood = 100_000
	c, p := puppetShow(t, tls.VersionTLS13, nil)
	heap, pieces := resident()
	go func() {
		defer p.nc.CloseWrite()
		buf := make([]byte, 64<<10)
		for range flood {
			if p.ssl.KeyUpdate(true) != nil {
				return
			}
			if _, out := p.ssl.Queued(); out < len(buf)-100 {
				continue
			}
			n, _ := p.ssl.Take(buf)
			if _, err := p.nc.Write(buf[:n]); err != nil {
				return // the client has closed
			}
		}
	}()
	for range 3 {
		n, err := c.Read(make([]byte, 1))
		if n != 0 || !errors.Is(err, openssl.ErrTooManyKeyUpdates) || asError(t, err).Origin != openssl.FromPeer {
			t.Fatalf("Read = %d, %v", n, err)
		}
	}
	if _, err := c.Write([]byte("x")); !errors.Is(err, openssl.ErrTooManyKeyUpdates) {
		t.Errorf("Write = %v", err)
	}
	heapNow, piecesNow := resident()
	if heapNow > heap+4<<20 || piecesNow > pieces+64 {
		t.Errorf("the heap went from %d to %d, the C side from %d pieces to %d", heap, heapNow, pieces, piecesNow)
	}
	if end := c.End(); end.Resumable || !errors.Is(end.Err, openssl.ErrTooManyKeyUpdates) {
		t.Errorf("End %v, %v", end, end.Err)
	}
	c.Close()
}

// TestKeyUpdatesBetweenData, any number of them, are fine, and the answers are the peer's to read.
func TestKeyUpdatesBetweenData(t *testing.T) {
	const rounds, each = 200, 32
	c, p := puppetShow(t, tls.VersionTLS13, nil)
	flood := func() error {
		buf := make([]byte, 64<<10)
		for range rounds {
			for range each {
				if err := p.ssl.KeyUpdate(true); err != nil {
					return err
				}
			}
			if _, err := p.ssl.Write([]byte("x")); err != nil {
				return err
			}
			n, err := p.ssl.Take(buf)
			if err != nil {
				return err
			}
			if _, err := p.nc.Write(buf[:n]); err != nil {
				return err
			}
		}
		if _, err := p.ssl.Shutdown(); err != nil {
			return err
		}
		n, _ := p.ssl.Take(buf)
		_, err := p.nc.Write(buf[:n])
		return err
	}
	flooded := make(chan error, 1)
	go func() { flooded <- flood() }()
	c.SetDeadline(time.Now().Add(testTime))
	all, err := io.ReadAll(c)
	if len(all) != rounds || err != nil {
		t.Errorf("read %d bytes, %v", len(all), err)
	}
	if err := <-flooded; err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte("under the newest key")); err != nil {
		t.Error(err)
	}
	c.Close()
	got := ""
	buf := make([]byte, 100)
	for {
		n, err := p.ssl.Read(buf)
		got += string(buf[:n])
		if errors.Is(err, io.EOF) {
			break
		}
		if class(err) == "WANT_READ" {
			p.receive()
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if got != "under the newest key" {
		t.Errorf("the peer read %q", got)
	}
}

// TestUnreadRepliesAreBounded: a peer that never reads cannot make its answers pile up. Read stops
// opening records when 64 KiB of them wait, until the deadline, and then goes on.
func TestUnreadRepliesAreBounded(t *testing.T) {
	t.Parallel()
	c, p := puppetShow(t, tls.VersionTLS13, nil)
	// The kernels hold little, so that the answers wait on the client's side.
	tcp := c.NetConn().(interface{ SetWriteBuffer(int) error })
	p.must(tcp.SetWriteBuffer(4 << 10))
	p.must(p.nc.SetReadBuffer(4 << 10))
	stop := make(chan struct{})
	fed := make(chan struct{})
	go func() {
		defer close(fed)
		for {
			select {
			case <-stop:
				return
			default:
			}
			for range 30 {
				p.ssl.KeyUpdate(true)
			}
			p.ssl.Write([]byte("x"))
			buf := make([]byte, 8<<10)
			for {
				n, _ := p.ssl.Take(buf)
				if n == 0 {
					break
				}
				if _, err := p.nc.Write(buf[:n]); err != nil {
					return
				}
			}
		}
	}()
	read := 0
	buf := make([]byte, 100)
	for {
		patience := time.Second
		if read == 0 { // the peer may not have begun
			patience = testTime
		}
		c.SetReadDeadline(time.Now().Add(patience))
		n, err := c.Read(buf)
		read += n
		if err != nil {
			if got := said(err); got != "timeout" {
				t.Fatalf("Read = %v", got)
			}
			break
		}
	}
	// 30 answers of 27 bytes stand behind each byte read.
	if most := (64<<10 + 512<<10) / (30 * 27); read == 0 || read > most {
		t.Errorf("%d bytes were read before it stopped, at most %d can be answered for", read, most)
	}
	// The peer reads: the Read goes on.
	go io.Copy(io.Discard, p.nc)
	c.SetReadDeadline(time.Now().Add(testTime))
	if _, err := c.Read(buf); err != nil {
		t.Errorf("Read when the peer takes its answers = %v", err)
	}
	close(stop)
	c.Close()
	p.nc.Close()
	<-fed
}

// TestFailedKeyLoadHarmsNoRead: what another call leaves in the thread's error queue is nobody's
// error but its own. All calls share one thread.
func TestFailedKeyLoadHarmsNoRead(t *testing.T) {
	for _, proto := range eachVersion {
		t.Run(proto.name, func(t *testing.T) {
			p := newConnPair(t, proto, pairOptions{})
			for _, text := range []string{"one", "two", "three"} {
				if _, err := p.server.Write([]byte(text)); err != nil {
					t.Fatal(err)
				}
			}
			p.server.CloseWrite()
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			id := testcert.Server()
			fail := func() {
				for _, bad := range [][2][]byte{
					{id.ChainPEM, []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")},
					{[]byte("no PEM"), id.KeyPEM},
					{id.ChainPEM, testcert.ServerRSA().KeyPEM},
				} {
					if _, err := openssl.X509KeyPair(bad[0], bad[1]); !errors.Is(err, openssl.ErrBadCertificate) {
						t.Errorf("X509KeyPair = %v", err)
					}
				}
				if _, err := openssl.ParseSession([]byte("no session")); !errors.Is(err, openssl.ErrBadSession) {
					t.Errorf("ParseSession = %v", err)
				}
			}
			var got []byte
			buf := make([]byte, 2)
			for {
				fail()
				n, err := p.client.Read(buf)
				got = append(got, buf[:n]...)
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				fail()
				if _, err := p.client.Write([]byte("x")); err != nil {
					t.Fatal(err)
				}
			}
			fail()
			if err := p.client.CloseWrite(); string(got) != "onetwothree" || err != nil {
				t.Errorf("read %q, CloseWrite = %v", got, err)
			}
		})
	}
}
