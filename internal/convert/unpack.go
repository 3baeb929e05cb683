package convert

import (
	"path/filepath"

	"github.com/seed-afc6a195/aggregator/internal/convert/syntax"
)

// unpack returns the paths of the configurations that are in files.
func unpack(_ *syntax.Files, paths []string) []string {
	clean := make([]string, len(paths))
	for i, p := range paths {
		clean[i] = filepath.Clean(p)
	}
	return clean
}
