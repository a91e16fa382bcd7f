package utils

import "errors"

// ErrorGroup collects errors. It is not safe for concurrent use.
type ErrorGroup struct {
	Errors []error
}

// Add adds err unless it is nil.
func (e *ErrorGroup) Add(err error) {
	if err != nil {
		e.Errors = append(e.Errors, err)
	}
}

// Finalize returns nil where nothing was added, the error where there is one, and else one whose text is all of them, a line
// each, and which errors.Is and errors.As look into.
func (e *ErrorGroup) Finalize() error {
	if len(e.Errors) == 1 {
		return e.Errors[0]
	}
	return errors.Join(e.Errors...)
}
