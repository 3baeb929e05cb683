package segment

import (
	"fmt"
	"strconv"
	"strings"
)

// The name of a segment's file is Prefix, its first sequence number in as many hexadecimal Digits, and ".db".
const (
	Prefix = "seg-"
	Digits = 16
)

// Name returns the file name of the segment that begins with seq.
func Name(seq uint64) string {
	return fmt.Sprintf("%s%0*x.db", Prefix, Digits, seq)
}

// First is the reverse of Name.
func First(name string) (uint64, bool) {
	hex, prefix := strings.CutPrefix(name, Prefix)
	hex, suffix := strings.CutSuffix(hex, ".db")
	if !prefix || !suffix || len(hex) != Digits {
		return 0, false
	}
	seq, err := strconv.ParseUint(hex, 16, 64)
	return seq, err == nil
}
