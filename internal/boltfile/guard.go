package boltfile

import (
	"fmt"
	"runtime/debug"
)

// RecoverPanics runs f, which uses bbolt, and returns its panics as errors: bbolt panics on pages that make
// no sense, and memory that maps a damaged or cut file faults. What it can't return, such as an endless
// recursion on a page that is its own ancestor, is looked for before: see File.
func RecoverPanics(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("bbolt: %v: %w", p, ErrDamaged)
		}
	}()
	return f()
}
