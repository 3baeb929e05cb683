package file

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/failpoint"
)

// finish gives file its final name, which sorts by time and is nobody's yet, and removes the oldest
// finished files of the same path above rotate.keep.
func (f *files) finish(file *openFile) error {
	if err := f.drop(file); err != nil {
		f.log.Warn().Err(explain("close", file.path, err)).Msg("a file did not close well; all of it is on disk")
	}
	dir, name := filepath.Split(file.path)
	stem, exts := splitName(name, f.ext)
	stamp := f.now().UTC().Format(finishedFormat)
	for n := 1; ; n++ {
		to := fmt.Sprintf("%s%s%s-%04d%s", dir, stem, stamp, n, exts)
		if _, err := os.Lstat(to); err == nil {
			continue
		} else if !errors.Is(err, fs.ErrNotExist) {
			return explain("look at", to, err)
		}
		if err := f.rename(file.path, to); err != nil {
			return explain("finish", file.path, err)
		}
		break
	}
	failpoint.Pass("file.finished")
	if err := syncDir(filepath.Dir(file.path)); err != nil {
		return explain("sync the directory of", file.path, err)
	}
	f.prune(filepath.Dir(file.path), stem, exts)
	return nil
}

// rename renames a file, and has the journal know.
func (f *files) rename(from, to string) error {
	if err := f.journal.rename(from, to); err != nil {
		return err
	}
	if err := f.move(from, to); err != nil {
		return errors.Join(err, f.journal.rename(to, from))
	}
	f.journal.renamed(from, to)
	return nil
}

// prune removes the oldest finished files of stem and exts in dir above rotate.keep. What can't be
// removed is logged and tried again when the next file is finished.
func (f *files) prune(dir, stem, exts string) {
	if f.cfg.Rotate.Keep == 0 {
		return
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		f.log.Warn().Err(explain("list", dir, err)).Msg("old files could not be removed")
		return
	}
	var finished []string
	for _, e := range entries {
		middle, ok := strings.CutPrefix(e.Name(), stem)
		if !ok || !e.Type().IsRegular() {
			continue
		}
		if middle, ok = strings.CutSuffix(middle, exts); ok && isFinished(middle) {
			finished = append(finished, e.Name())
		}
	}
	slices.Sort(finished)
	for len(finished) > f.cfg.Rotate.Keep {
		path := filepath.Join(dir, finished[0])
		if err := os.Remove(path); err != nil {
			f.log.Warn().Err(explain("remove", path, err)).Msg("an old file could not be removed")
		}
		finished = finished[1:]
	}
}
