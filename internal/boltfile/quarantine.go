package boltfile

import (
	"errors"
	"fmt"
	"os"
)

// Quarantine gives the file at path a second name that says that it is damaged, and returns it.
func Quarantine(path string) (string, error) {
	name := path + ".corrupt"
	for i := 1; ; i++ {
		err := os.Link(path, name)
		if err == nil {
			return name, nil
		}
		if !errors.Is(err, os.ErrExist) {
			return "", fmt.Errorf("set aside: %w", err)
		}
		name = fmt.Sprintf("%s.corrupt.%d", path, i)
	}
}

// Unquarantine undoes setAside where the same file is still in its place.
func Unquarantine(name, path string) {
	aside, err := os.Stat(name)
	inPlace, perr := os.Stat(path)
	if err == nil && perr == nil && os.SameFile(aside, inPlace) {
		// One name more does no harm.
		_ = os.Remove(name)
	}
}

// ReadAround fills b with what f has from off on. What the disk refuses to read becomes zeros.
func ReadAround(f *os.File, b []byte, off int64) error {
	if _, err := f.ReadAt(b, off); err == nil || len(b) == 0 {
		return nil
	}
	read, last := 0, error(nil)
	for at := 0; at < len(b); at += PageSize {
		if _, err := f.ReadAt(b[at:min(at+PageSize, len(b))], off+int64(at)); err != nil {
			last = err
			continue
		}
		read++
	}
	if read == 0 {
		return last
	}
	return nil
}
