package file

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"syscall"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// explain says what was tried on path and what to do about err.
func explain(verb, path string, err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		err = pathErr.Err // the path is named once
	}
	hint := ""
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		hint = " (free space there; delivery goes on by itself)"
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		hint = " (let the user that the aggregator runs as write there)"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		hint = " (raise the limit of open files)"
	case errors.Is(err, syscall.ENAMETOOLONG):
		hint = " (shorten the path setting)"
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.EISDIR):
		hint = " (a file stands where a directory should be, or the reverse: change the path setting)"
	}
	return fmt.Errorf("%s %s: %w%s", verb, path, err, hint)
}

// sendError returns what became of a batch; first is the error of the first file that failed.
func sendError(failed []outputs.Failure, first error) error {
	slices.SortFunc(failed, func(a, b outputs.Failure) int { return a.Index - b.Index })
	se := &outputs.SendError{Reason: outputs.ReasonServer, Failed: failed, Err: first}
	if first == nil {
		se.Reason, se.Err = outputs.ReasonRejected, errors.New(failed[0].Detail)
	}
	return se
}
