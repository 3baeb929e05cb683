package file

import (
	"hash/fnv"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/seed-afc6a195/aggregator/internal/safetext"
)

const (
	// maxValue is how many bytes of a placeholder's value in a path.
	maxValue = 200
	// maxComponent is how many bytes of a name, as most file systems have it.
	maxComponent = 255
	finishedLen  = len(".20061121T101500Z-0001")
)

// appendClean appends value as it may stand in a path: it can't begin or end a directory, is no "."
// or "..", does not hide the file, and has nothing that a terminal or a shell takes for more than a
// letter. A longer value than maxValue is cut, with a checksum in place of the rest.
func appendClean(dst, value []byte) []byte {
	if len(value) == 0 {
		return append(dst, '_')
	}
	from := len(dst)
	// Dots at the start.
	leading := true
	for i := 0; i < len(value); {
		r, n := utf8.DecodeRune(value[i:])
		dots := r == '.' && (leading || i+1 < len(value) && value[i+1] == '.' || i > 0 && value[i-1] == '.')
		switch {
		case dots, r == '/', r == '\\', r == utf8.RuneError && n == 1, !unicode.IsPrint(r):
			dst = append(dst, '_')
		default:
			dst = append(dst, value[i:i+n]...)
		}
		leading = leading && r == '.'
		i += n
	}
	return append(dst[:from], shorten(dst[from:], maxValue)...)
}

// shorten returns name, or where it has more than limit bytes, its beginning and a checksum.
func shorten(name []byte, limit int) []byte { return safetext.Shorten(name, limit, '~', fnv.New32a()) }

// finalPath returns the path of the file from the filled-in template: its components are short
// enough, even with what a finished file's name has more, and it does not look like a finished file,
// so that no tag can have a file removed by rotate.keep. ext is ".gz", ".zst" or "", and added where
// missing.
func finalPath(filled, ext string) string {
	parts := strings.Split(filepath.ToSlash(filled), "/")
	last := len(parts) - 1
	for i := range last {
		parts[i] = string(shorten([]byte(parts[i]), maxComponent))
	}
	name := parts[last]
	if !strings.HasSuffix(name, ext) {
		name += ext
	}
	stem, exts := splitName(name, ext)
	exts = string(shorten([]byte(exts), maxComponent/4))
	stem = string(shorten([]byte(stem), maxComponent-finishedLen-1-len(exts)))
	if i := len(stem) - finishedLen; i > 0 && isFinished(stem[i:]) {
		stem += "_"
	}
	parts[last] = stem + exts
	return filepath.Clean(filepath.FromSlash(strings.Join(parts, "/")))
}

// splitName splits a file's name before its extensions: "a.b.ndjson.gz" with ext ".gz" into "a.b"
// and ".ndjson.gz".
func splitName(name, ext string) (stem, exts string) {
	base := strings.TrimSuffix(name, ext)
	if e := filepath.Ext(base); len(e) < len(base) && !isFinished(e) {
		ext = e + ext
	}
	stem = strings.TrimSuffix(name, ext)
	if stem == "" {
		return name, ""
	}
	return stem, ext
}

// finishedFormat is how finished files are told apart: the time, then a number.
const finishedFormat = ".20060102T150405Z"

// isFinished reports whether s is what finishing puts into a name, ".20261121T101500Z-0001".
func isFinished(s string) bool {
	if len(s) != finishedLen {
		return false
	}
	for i, c := range []byte(".00000000T000000Z-0000") {
		if c == '0' && (s[i] < '0' || s[i] > '9') || c != '0' && s[i] != c {
			return false
		}
	}
	return true
}
