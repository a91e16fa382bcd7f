// Package migration tests the one line that moves a program to the drop-ins, as its users type it, and programs of other people with
// the drop-ins in the place of what they were written for.
package migration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golibssl/openssl/internal/leak"
	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

func TestMain(m *testing.M) { leak.Main(m, func() error { return os.RemoveAll(scratch) }) }

// scratch is where all users' module proxy and module cache are, once there is a user.
var scratch string

// testVersion is what the checkout is published as to the tests' module proxy.
const testVersion = "v0.99.0"

// published are the modules that users of the drop-ins get, by their folders.
var published = map[string]string{
	".":           "github.com/golibssl/openssl",
	"legacy":      "github.com/golibssl/openssl/legacy",
	"spacemonkey": "github.com/golibssl/openssl/spacemonkey",
	"libp2p":      "github.com/golibssl/openssl/libp2p",
}

// file is one of a module's files, with text in place of what it has on the disk.
type file struct {
	path, disk string
	text       []byte
}

func (f file) Path() string                { return f.path }
func (f file) Lstat() (fs.FileInfo, error) { return os.Lstat(f.disk) }

func (f file) Open() (io.ReadCloser, error) {
	if f.text != nil {
		return io.NopCloser(bytes.NewReader(f.text)), nil
	}
	return os.Open(f.disk)
}

// release is a go.mod as a release has it: without the replacements by the checkout, its own modules at the test version.
func release(text []byte) ([]byte, error) {
	mod, err := modfile.Parse("go.mod", text, nil)
	if err != nil {
		return nil, err
	}
	for _, r := range mod.Replace {
		if err := mod.DropReplace(r.Old.Path, r.Old.Version); err != nil {
			return nil, err
		}
	}
	for _, r := range mod.Require {
		for _, own := range published {
			if r.Mod.Path == own {
				if err := mod.AddRequire(own, testVersion); err != nil {
					return nil, err
				}
			}
		}
	}
	mod.Cleanup()
	return mod.Format()
}

// publish puts the checkout's modules into a folder that serves as a module proxy.
func publish(checkout, proxy string) error {
	for folder, name := range published {
		source := filepath.Join(checkout, folder)
		text, err := os.ReadFile(filepath.Join(source, "go.mod"))
		if err != nil {
			return err
		}
		mod, err := release(text)
		if err != nil {
			return err
		}
		files := []zip.File{}
		err = filepath.WalkDir(source, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || path == source {
				return err
			}
			if strings.HasPrefix(entry.Name(), ".") {
				if entry.IsDir() {
					return fs.SkipDir
				}
				return nil
			}
			if entry.IsDir() {
				if _, err := os.Stat(filepath.Join(path, "go.mod")); err == nil {
					return fs.SkipDir
				}
				return nil
			}
			rel, err := filepath.Rel(source, path)
			f := file{path: filepath.ToSlash(rel), disk: path}
			if rel == "go.mod" {
				f.text = mod
			}
			files = append(files, f)
			return err
		})
		if err != nil {
			return err
		}
		var zipped bytes.Buffer
		if err := zip.Create(&zipped, module.Version{Path: name, Version: testVersion}, files); err != nil {
			return err
		}
		at := filepath.Join(proxy, filepath.FromSlash(name), "@v")
		if err := os.MkdirAll(at, 0o755); err != nil {
			return err
		}
		info, err := json.Marshal(map[string]any{"Version": testVersion, "Time": time.Now().UTC()})
		if err != nil {
			return err
		}
		for name, text := range map[string][]byte{"list": []byte(testVersion + "\n"), testVersion + ".info": info,
			testVersion + ".mod": mod, testVersion + ".zip": zipped.Bytes()} {
			if err := os.WriteFile(filepath.Join(at, name), text, 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

// user is someone with a module in a folder, and a module proxy that has the drop-ins.
type user struct {
	t      *testing.T
	folder string
	env    []string
}

// environment is that of all users. Third parties' modules come from this machine's module cache, then from its own proxy. What is
// downloaded goes to a cache of the tests': another checkout has other text under the same version.
var environment = sync.OnceValues(func() ([]string, error) {
	out, err := exec.Command("go", "env", "-json", "GOPROXY", "GOMODCACHE", "GONOSUMDB").Output()
	if err != nil {
		return nil, err
	}
	var env struct{ GOPROXY, GOMODCACHE, GONOSUMDB string }
	if err := json.Unmarshal(out, &env); err != nil {
		return nil, err
	}
	if scratch, err = os.MkdirTemp("", "migration"); err != nil {
		return nil, err
	}
	proxy := filepath.Join(scratch, "proxy")
	if err := publish(filepath.Join("..", ".."), proxy); err != nil {
		return nil, err
	}
	return append(os.Environ(), "GOWORK=off", "GOFLAGS=-modcacherw", "GOPRIVATE=", "GONOPROXY=", "GOMODCACHE="+filepath.Join(scratch, "cache"),
		"GONOSUMDB="+strings.Trim(env.GONOSUMDB+",github.com/golibssl/*", ","),
		fmt.Sprintf("GOPROXY=file://%s,file://%s,%s", proxy, filepath.Join(env.GOMODCACHE, "cache", "download"), env.GOPROXY)), nil
})

// newUser is a user whose module has files.
func newUser(t *testing.T, files map[string]string) *user {
	t.Helper()
	env, err := environment()
	if err != nil {
		t.Fatal(err)
	}
	u := &user{t: t, folder: t.TempDir(), env: env}
	for name, text := range files {
		u.write(name, text)
	}
	return u
}

func (u *user) write(name, text string) {
	u.t.Helper()
	path := filepath.Join(u.folder, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		u.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		u.t.Fatal(err)
	}
}

// types runs lines as they are typed, and returns what the last one prints.
func (u *user) types(lines ...string) string {
	u.t.Helper()
	var last string
	for _, line := range lines {
		out, err := u.run(line)
		if err != nil {
			u.t.Fatalf("$ %s\n%s\n%v", line, out, err)
		}
		last = out
	}
	return last
}

func (u *user) run(line string) (string, error) {
	cmd := exec.CommandContext(u.t.Context(), "sh", "-c", line)
	cmd.Dir, cmd.Env, cmd.WaitDelay = u.folder, u.env, time.Minute
	out, err := cmd.CombinedOutput()
	return string(out), err
}
