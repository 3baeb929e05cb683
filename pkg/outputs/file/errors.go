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
		// The path is named once.
		err = pathErr.Err
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

// Errors by the names that the table of refusals has.
func errnoOf(err error) string {
	for _, e := range []struct {
		name string
		is   []error
	}{
		{"ENOSPC", []error{syscall.ENOSPC}},
		{"EDQUOT", []error{syscall.EDQUOT}},
		{"EROFS", []error{syscall.EROFS}},
		{"EACCES", []error{fs.ErrPermission}},
		{"EMFILE", []error{syscall.EMFILE, syscall.ENFILE}},
		{"ENAMETOOLONG", []error{syscall.ENAMETOOLONG}},
		{"ENOTDIR", []error{syscall.ENOTDIR, syscall.EISDIR, syscall.ELOOP, errNotRegular}},
		{"ENOENT", []error{fs.ErrNotExist}},
		{"EIO", []error{syscall.EIO}},
	} {
		if slices.ContainsFunc(e.is, func(is error) bool { return errors.Is(err, is) }) {
			return e.name
		}
	}
	return ""
}

// refusals returns what follows from an error of the system. docs/configuration.md shows it.
func refusals() outputs.Refusals {
	return outputs.Refusals{
		{
			What: "disk or quota full", Kinds: []string{"ENOSPC", "EDQUOT"}, Reason: outputs.ReasonTarget,
			Remedy: "free space there; what waits is written then",
		},
		{
			What: "not allowed", Kinds: []string{"EACCES", "EROFS"}, Reason: outputs.ReasonTarget,
			Remedy: "let the user that the program runs as write there",
		},
		{
			What: "no such name", Kinds: []string{"ENAMETOOLONG", "ENOTDIR", "ENOENT"}, Reason: outputs.ReasonTarget,
			Remedy: "look at what stands in the way there, or change `path`",
		},
		{What: "disk fails", Kinds: []string{"EIO"}, Reason: outputs.ReasonTarget, Remedy: "look at the disk"},
		{
			What: "open files", Kinds: []string{"EMFILE"}, Reason: outputs.ReasonServer,
			Remedy: "raise the limit of open files",
		},
		{What: "any other error", Reason: outputs.ReasonServer, Remedy: "look at the disk"},
	}
}

// sendError returns what became of a batch; first is the error of the first file that failed.
func sendError(failed []outputs.Failure, first error) error {
	slices.SortFunc(failed, func(a, b outputs.Failure) int { return a.Index - b.Index })
	se := &outputs.SendError{Reason: outputs.ReasonRejected, Failed: failed, Err: first}
	if first == nil {
		se.Err = errors.New(failed[0].Detail)
		return se
	}
	dominant := slices.IndexFunc(failed, func(f outputs.Failure) bool { return !f.Reason.Final() })
	se.Reason, se.Remedy = failed[dominant].Reason, failed[dominant].Remedy
	return se
}
