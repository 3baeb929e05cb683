//go:build !linux

package journal

import "os"

// syncData makes what was written to f durable.
func syncData(f *os.File) error { return f.Sync() }

// forgetCached is for systems that keep pages in large pieces.
func forgetCached(*os.File) {}
