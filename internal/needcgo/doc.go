// Package needcgo does not compile without cgo. A package that imports it where
// cgo is off fails with its one sentence, before the compiler looks for all that
// is missing.
package needcgo
