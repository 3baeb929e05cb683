package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Connect reports whether files can be made below the part of the path that is the same for all events, by making one
// and removing it; see outputs.Connector. A directory that is missing is made with the first event.
func (o *Output) Connect(context.Context, []string) (found string, err error) {
	path := o.files.cfg.Path
	if i := strings.IndexAny(path, "{%"); i >= 0 {
		// A directory ends with its separator only.
		path = path[:i] + "x"
	}
	dir := filepath.Dir(path)
	missing := ""
	for at := dir; ; at = filepath.Dir(at) {
		f, err := os.CreateTemp(at, ".aggregator-check-*")
		if errors.Is(err, fs.ErrNotExist) && at != filepath.Dir(at) {
			missing = ", which the first event makes"
			continue
		}
		if err == nil {
			err = errors.Join(f.Close(), os.Remove(f.Name()))
		}
		if err != nil {
			return "", explain("make a file in", at, err)
		}
		return fmt.Sprintf("may write to %s%s", dir, missing), nil
	}
}
