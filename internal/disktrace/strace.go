package disktrace

import (
	"errors"
	"strconv"
	"strings"
)

// Args are the arguments of strace, before the command, for a trace that Parse reads: into the file
// log. Failing calls are injected with more of strace's arguments behind them.
func Args(log string) []string {
	return []string{
		"-f", "-qq", "-xx", "-s", strconv.Itoa(maxString), "-o", log, "-e", "signal=none",
		"-e",
		"trace=openat,close,write,pwrite64,fsync,fdatasync,ftruncate,rename,renameat,renameat2,unlink,unlinkat,rmdir," +
			"link,linkat,mkdir,mkdirat",
	}
}

// maxString bounds the bytes of one write.
const maxString = 16 << 20

// fewest returns how many arguments a call has at least, of those that are looked at.
func fewest(name string) int {
	switch name {
	case "openat":
		return 3
	case "write", "ftruncate":
		return 2
	case "pwrite64":
		return 4
	}
	return 1
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// split returns the arguments: strings are in hexadecimal, so that no comma is in them.
func split(args string) []string {
	s := strings.Split(args, ",")
	for i := range s {
		s[i] = strings.TrimSpace(s[i])
	}
	return s
}

// unquote reads a string of strace -xx.
func unquote(s string) ([]byte, error) {
	hex, ok := strings.CutPrefix(s, `"`)
	if !ok {
		return nil, errors.New("no string")
	}
	if hex, ok = strings.CutSuffix(strings.TrimSuffix(hex, ")"), `"`); !ok {
		return nil, errors.New("the string is cut")
	}
	b := make([]byte, len(hex)/4)
	for i := range b {
		h := hex[4*i : 4*i+4]
		v, err := strconv.ParseUint(strings.TrimPrefix(h, `\x`), 16, 8)
		if err != nil {
			return nil, err
		}
		b[i] = byte(v)
	}
	return b, nil
}
