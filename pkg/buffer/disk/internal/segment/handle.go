package segment

import "os"

// Handle is a file that is open for reading, and closed when the last who reads it has done so. Whoever owns it guards
// it, but for reads of File.
type Handle struct {
	File *os.File

	refs int
	// closed says that it closes as soon as refs is 0.
	closed bool
}

// NewHandle returns a Handle of the file, which may be nil and is the Handle's from then on.
func NewHandle(f *os.File) *Handle { return &Handle{File: f} }

// Hold keeps the file open until Release.
func (h *Handle) Hold() { h.refs++ }

// Release ends a Hold.
func (h *Handle) Release() {
	if h.refs--; h.refs == 0 && h.closed {
		// Only read from.
		_ = h.File.Close()
	}
}

// Close closes the file once nobody holds it.
func (h *Handle) Close() {
	h.closed = true
	h.Hold()
	h.Release()
}
