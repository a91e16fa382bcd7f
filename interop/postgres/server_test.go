package postgres

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/golibssl/openssl/internal/testcert"
)

// installed finds PostgreSQL's newest programs in the path or where Debian has them.
func installed(t *testing.T) (bin string) {
	t.Helper()
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path)
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		t.Skip("PostgreSQL is not installed (Debian's package postgresql): the server is too large for every run; TestSecure speaks with a small one")
	}
	slices.Sort(found)
	return filepath.Dir(found[len(found)-1])
}

// startPostgres runs a server that takes TLS alone, and returns its address.
func startPostgres(t *testing.T) (addr string) {
	t.Helper()
	bin := installed(t)
	// The server refuses to run as root, and its user must be able to enter the folder.
	folder, err := os.MkdirTemp("", "postgres")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	as := &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT}
	own := func(string) {}
	if os.Getuid() == 0 {
		nobody, err := user.Lookup("nobody")
		if err != nil {
			t.Skipf("PostgreSQL does not run as root, and there is no user nobody: %v", err)
		}
		uid, _ := strconv.Atoi(nobody.Uid)
		gid, _ := strconv.Atoi(nobody.Gid)
		as.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid), NoSetGroups: true}
		own = func(name string) {
			if err := os.Chown(name, uid, gid); err != nil {
				t.Fatal(err)
			}
		}
	}
	own(folder)
	file := func(name string, content []byte) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		own(path)
		return path
	}
	id := testcert.Server()
	cert, key, password := file("cert.pem", id.ChainPEM), file("key.pem", id.KeyPEM), file("password", []byte("secret"))
	hba := file("hba", []byte("hostssl all all 127.0.0.1/32 scram-sha-256\n"))
	command := func(name string, args ...string) *exec.Cmd {
		cmd := exec.Command(filepath.Join(bin, name), args...)
		cmd.Dir, cmd.SysProcAttr = folder, as
		cmd.Env = append(os.Environ(), "LC_ALL=C")
		return cmd
	}
	data := filepath.Join(folder, "data")
	if out, err := command("initdb", "-D", data, "-U", "test", "--pwfile", password, "-A", "scram-sha-256", "-N").CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	// It cannot be told to take a free port: one that is free now may be taken when it listens.
	for range 5 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr := l.Addr().String()
		l.Close()
		_, port, _ := net.SplitHostPort(addr)
		server := command("postgres", "-D", data, "-h", "127.0.0.1", "-p", port, "-F", "-c", "unix_socket_directories=", "-c", "hba_file="+hba,
			"-c", "ssl=on", "-c", "ssl_cert_file="+cert, "-c", "ssl_key_file="+key)
		var said bytes.Buffer
		server.Stderr = &said
		if err := server.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() { server.Wait(); close(ended) }()
		stop := func() {
			server.Process.Signal(syscall.SIGQUIT)
			select {
			case <-ended:
			case <-time.After(long):
				server.Process.Kill()
				<-ended
			}
		}
		for until := time.Now().Add(long); time.Now().Before(until); time.Sleep(50 * time.Millisecond) {
			select {
			case <-ended:
				t.Logf("postgres ended:\n%s", said.String())
				until = time.Time{}
				continue
			default:
			}
			if nc, err := net.Dial("tcp", addr); err == nil {
				nc.Close()
				t.Cleanup(stop)
				return addr
			}
		}
		stop()
	}
	t.Fatal("postgres does not listen")
	return ""
}

// connect asks again while the server is starting up.
func connect(t *testing.T, config *pgx.ConnConfig) (*pgx.Conn, error) {
	t.Helper()
	for ctx := within(t); ; time.Sleep(50 * time.Millisecond) {
		conn, err := pgx.ConnectConfig(ctx, config)
		var refused *pgconn.PgError
		if errors.As(err, &refused) && refused.Code == "57P03" && ctx.Err() == nil {
			continue
		}
		return conn, err
	}
}

// TestPostgreSQL talks with a real server.
func TestPostgreSQL(t *testing.T) {
	addr := startPostgres(t)
	c := newClient(t, testcert.Root().PEM)
	conn, err := connect(t, c.config("localhost", addr))
	if err != nil {
		t.Fatal(err)
	}
	type tls struct {
		SSL     bool
		Version string
	}
	var seen tls
	if err := conn.QueryRow(within(t), "select ssl, version from pg_stat_ssl where pid = pg_backend_pid()").Scan(&seen.SSL, &seen.Version); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(tls{true, "TLSv1.3"}, seen); diff != "" {
		t.Errorf("what the server says of the connection (-want +got):\n%s", diff)
	}

	text := strings.Repeat("0123456789", 1<<20)
	var back, sum string
	if err := conn.QueryRow(within(t), "select $1::text, encode(sha256($1::text::bytea), 'hex')", text).Scan(&back, &sum); err != nil {
		t.Fatal(err)
	}
	if back != text || sum != fmt.Sprintf("%x", sha256.Sum256([]byte(text))) {
		t.Errorf("%d bytes of %d came back, with sum %s", len(back), len(text), sum)
	}

	slept := make(chan error, 1)
	go func() { _, err := conn.Exec(within(t), "select pg_sleep(600)"); slept <- err }()
	var cancelled *pgconn.PgError
	requests := 0
	for err = error(nil); err == nil; requests++ {
		// A request that comes before the query is lost.
		if err := conn.PgConn().CancelRequest(within(t)); err != nil {
			t.Error(err)
		}
		select {
		case err = <-slept:
		case <-time.After(100 * time.Millisecond):
		}
	}
	if !errors.As(err, &cancelled) || cancelled.Code != "57014" {
		t.Errorf("the query that was cancelled: %v", err)
	}
	if err := conn.Close(within(t)); err != nil {
		t.Error(err)
	}
	for range 1 + requests {
		if end := c.end(); !end.Sent || end.Truncated {
			t.Errorf("End %v", end)
		}
	}

	if _, err := connect(t, newClient(t, testcert.OtherCA().PEM).config("localhost", addr)); err == nil || !strings.Contains(err.Error(), "certificate verify failed") {
		t.Errorf("an authority that nobody knows: %v", err)
	}
	clear, err := pgx.ParseConfig("postgres://test:secret@" + addr + "/postgres?sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := connect(t, clear); err == nil || !strings.Contains(err.Error(), "no encryption") {
		t.Errorf("without TLS: %v", err)
	}
}
