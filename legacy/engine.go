//go:build cgo

package openssl

import (
	"runtime"
	"strings"
)

// maxInt is C's INT_MAX, which counts most of libcrypto's lengths.
const maxInt = 1<<31 - 1

// Engine is an implementation of algorithms outside of libcrypto, loaded by name. OpenSSL 3.0 deprecated engines in
// favour of providers, and 4.0 removed them: everything here then answers with an *UnsupportedError.
type Engine struct {
	e enginePtr
}

func (e *Engine) ptr() enginePtr {
	if e == nil {
		return nil
	}
	p := e.e
	stress()
	return p
}

// check refuses an Engine that EngineById did not make; nil stands for no engine.
func (e *Engine) check(op string) error {
	if e != nil && e.e == nil {
		return badArgument(op, "the Engine was not made by EngineById")
	}
	return nil
}

// hasZero reports whether C would see only the beginning of s.
func hasZero(s string) bool { return strings.IndexByte(s, 0) >= 0 }

func noEngines() error {
	return &UnsupportedError{What: "ENGINE", Since: "4.0", Why: "engines were removed; providers took their place"}
}

// EngineById loads and initialises the engine with this name. It is freed when nothing uses it any more.
//
// OpenSSL: ENGINE_by_id(3), ENGINE_init(3).
func EngineById(name string) (*Engine, error) {
	if !haveEngines() {
		return nil, noEngines()
	}
	if hasZero(name) {
		return nil, badArgument("engine missing", "the name has a zero byte")
	}
	p, found, q := engineNew(name)
	switch {
	case !found:
		return nil, failed("engine "+name+" missing", q)
	case q != nil:
		return nil, failed("engine "+name+" not initialized", q)
	}
	e := &Engine{e: p}
	runtime.AddCleanup(e, engineFree, p)
	return e, nil
}

// EngineLoadPrivateKey loads the private key that the engine knows under id, such as a PKCS#11 URI. The PIN must be
// part of the id or of the engine's configuration: nobody is asked on the terminal.
//
// OpenSSL: ENGINE_load_private_key(3).
func EngineLoadPrivateKey(e *Engine, id string) (PrivateKey, error) {
	const op = "failed loading private key from engine"
	if !haveEngines() {
		return nil, noEngines()
	}
	if e == nil {
		return nil, badArgument(op, "the engine is nil")
	}
	if err := e.check(op); err != nil {
		return nil, err
	}
	if hasZero(id) {
		return nil, badArgument(op, "the id has a zero byte")
	}
	p, q := engineKey(e, id)
	if q != nil {
		return nil, failed(op, q)
	}
	return newKey(p, true), nil
}
