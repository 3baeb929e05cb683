package file

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

func TestRefusals(t *testing.T) {
	outputtest.HoldRefusals(t, refusals(), []outputtest.Answer{
		{What: "disk or quota full", Kind: "ENOSPC"},
		{What: "disk or quota full", Kind: "EDQUOT"},
		{What: "not allowed", Kind: "EACCES"},
		{What: "not allowed", Kind: "EROFS"},
		{What: "no such name", Kind: "ENOTDIR"},
		{What: "no such name", Kind: "ENAMETOOLONG"},
		{What: "no such name", Kind: "ENOENT"},
		{What: "disk fails", Kind: "EIO"},
		{What: "open files", Kind: "EMFILE"},
		{What: "any other error"},
	}, "../../../docs/configuration.md")
}

func TestErrnoOf(t *testing.T) {
	for want, err := range map[string]error{
		"ENOSPC":       &fs.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC},
		"EDQUOT":       fmt.Errorf("write: %w", syscall.EDQUOT),
		"EROFS":        syscall.EROFS,
		"EACCES":       os.ErrPermission,
		"EMFILE":       syscall.ENFILE,
		"ENAMETOOLONG": syscall.ENAMETOOLONG,
		"ENOTDIR":      explain("open", "x", errNotRegular),
		"ENOENT":       fs.ErrNotExist,
		"EIO":          errors.Join(errors.New("sync"), syscall.EIO),
		"":             errors.New("something"),
	} {
		if got := errnoOf(err); got != want {
			t.Errorf("%v is %q, want %q", err, got, want)
		}
	}
}
