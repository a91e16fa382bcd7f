//go:build cgo

package openssl

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// DiskSessionCache is a ClientSessionCache in a folder, for commands that live for one connection. A
// session is a file of its own, readable by its owner alone (0600), sealed for its key and its name,
// put in place whole and unlinked by the one process that uses it: any number of processes may
// share the folder, with the same keys. An error of the disk is a miss, and counted.
type DiskSessionCache struct {
	dir    string
	sealer *Sealer

	mu    sync.Mutex
	stats ClientCacheStats
}

const (
	diskSuffix   = ".session"
	maxDiskFiles = maxTickets * 256
	maxDiskBytes = 64 << 10 // of one session; a client's holds the server's certificate
	tempSuffix   = ".tmp"
	tempLife     = time.Hour // what a killed process has left goes after it
)

// OpenDiskSessionCache makes a cache of a folder, which it creates (0700) when it is not there. The
// Sealer's keys are the caller's to keep: who has key and folder has the sessions.
func OpenDiskSessionCache(dir string, sealer *Sealer) (*DiskSessionCache, error) {
	if len(sealer.keys()) == 0 {
		return nil, configError("a Sealer is made by NewSealer")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, callerError("session cache", err)
	}
	return &DiskSessionCache{dir: dir, sealer: sealer}, nil
}

// Stats returns the counters.
func (c *DiskSessionCache) Stats() ClientCacheStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stats
}

func (c *DiskSessionCache) count(n *uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	*n++
}

// diskFile is what a file's name says: KEY-CREATED-EXPIRES-ID. All of it is sealed with the content.
type diskFile struct {
	name             string
	key, id          string
	created, expires int64 // nanoseconds, seconds
}

func shortHash(p []byte) string {
	sum := sha256.Sum256(p)
	return hex.EncodeToString(sum[:16])
}

func parseDiskName(name string) (diskFile, bool) {
	f := diskFile{name: name}
	base, ok := strings.CutSuffix(name, diskSuffix)
	parts := strings.Split(base, "-")
	if !ok || len(parts) != 4 {
		return f, false
	}
	f.key, f.id = parts[0], parts[3]
	var errA, errB error
	f.created, errA = strconv.ParseInt(parts[1], 16, 64)
	f.expires, errB = strconv.ParseInt(parts[2], 16, 64)
	return f, errA == nil && errB == nil
}

// files lists the sessions of a key, or all for "", newest first.
func (c *DiskSessionCache) files(key string) []diskFile {
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		c.count(&c.stats.Errors)
		return nil
	}
	var out []diskFile
	for _, e := range entries {
		if f, ok := parseDiskName(e.Name()); ok && (key == "" || f.key == key) && e.Type().IsRegular() {
			out = append(out, f)
		}
	}
	slices.SortFunc(out, func(a, b diskFile) int { return cmp.Compare(b.created, a.created) })
	return out
}

// unlink reports whether it was this caller that took the file away.
func (c *DiskSessionCache) unlink(f diskFile) bool {
	err := os.Remove(filepath.Join(c.dir, f.name))
	if err != nil && !os.IsNotExist(err) {
		c.count(&c.stats.Errors)
	}
	return err == nil
}

// Get returns the newest usable session of key.
func (c *DiskSessionCache) Get(key string) (*Session, bool) {
	for _, f := range c.files(shortHash([]byte(key))) {
		if f.expires <= time.Now().Unix() {
			if c.unlink(f) {
				c.count(&c.stats.Expired)
			}
			continue
		}
		s, err := c.read(key, f)
		if err != nil {
			if !os.IsNotExist(err) {
				c.count(&c.stats.Errors)
				c.unlink(f)
			}
			continue
		}
		if singleUse(s) && !c.unlink(f) {
			continue // another process has it
		}
		c.count(&c.stats.Hits)
		return s, true
	}
	c.count(&c.stats.Misses)
	return nil, false
}

func (c *DiskSessionCache) read(key string, f diskFile) (*Session, error) {
	file, err := os.Open(filepath.Join(c.dir, f.name))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	sealed, err := io.ReadAll(io.LimitReader(file, maxDiskBytes+1))
	if err != nil {
		return nil, err
	}
	der, err := c.sealer.Open(sealed, []byte(key), []byte(f.name))
	if err != nil {
		return nil, err
	}
	return ParseSession(der)
}

// Put writes a session and drops what is too old or too much.
func (c *DiskSessionCache) Put(key string, s *Session) {
	if !s.Resumable() {
		return
	}
	c.count(&c.stats.Puts)
	hash := shortHash([]byte(key))
	name := fmt.Sprintf("%s-%016x-%x-%s%s", hash, time.Now().UnixNano(), s.Expires().Unix(), shortHash(s.ID()), diskSuffix)
	sealed := c.sealer.Seal(s.DER(), []byte(key), []byte(name))
	if len(sealed) == 0 { // no OpenDiskSessionCache
		c.count(&c.stats.Errors)
		return
	}
	if len(sealed) > maxDiskBytes {
		c.count(&c.stats.Evicted)
		return
	}
	if err := replaceFile(filepath.Join(c.dir, name), sealed); err != nil {
		c.count(&c.stats.Errors)
		return
	}
	c.trim(hash)
}

// replaceFile writes a file that others see whole or not at all.
func replaceFile(path string, data []byte) error {
	temp := path + "." + rand.Text() + tempSuffix
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		os.Remove(temp)
	}
	return err
}

// trim keeps the bounds, of one server and of all.
func (c *DiskSessionCache) trim(key string) {
	now := time.Now()
	mine := 0
	for i, f := range c.files("") {
		if f.key == key {
			mine++
		}
		switch {
		case f.expires <= now.Unix():
			if c.unlink(f) {
				c.count(&c.stats.Expired)
			}
		case f.key == key && mine > maxTickets, i >= maxDiskFiles:
			if c.unlink(f) {
				c.count(&c.stats.Evicted)
			}
		}
	}
	entries, _ := os.ReadDir(c.dir)
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), tempSuffix) {
			continue
		}
		if info, err := e.Info(); err == nil && now.Sub(info.ModTime()) > tempLife {
			os.Remove(filepath.Join(c.dir, e.Name()))
		}
	}
}

// Remove forgets a session.
func (c *DiskSessionCache) Remove(key string, s *Session) {
	id := shortHash(s.ID())
	for _, f := range c.files(shortHash([]byte(key))) {
		if f.id == id && c.unlink(f) {
			c.count(&c.stats.Removed)
		}
	}
}

var _, _ ClientSessionCache = (*LRUClientSessionCache)(nil), (*DiskSessionCache)(nil)
