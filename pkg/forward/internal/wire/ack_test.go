package wire

import (
	"bytes"
	"strings"
	"testing"
)

// An ack is a map of one entry, whose value begins with the shortest head of a str.
func TestAppendAck(t *testing.T) {
	for _, tc := range []struct {
		n    int
		head string
	}{
		{0, "\xa0"},
		{31, "\xbf"},
		{32, "\xd9\x20"},
		{255, "\xd9\xff"},
		{256, "\xda\x01\x00"},
		{1<<16 - 1, "\xda\xff\xff"},
		{1 << 16, "\xdb\x00\x01\x00\x00"},
	} {
		chunk := strings.Repeat("c", tc.n)
		got := AppendAck([]byte("before"), chunk)
		if want := []byte("before\x81\xa3ack" + tc.head + chunk); !bytes.Equal(got, want) {
			t.Errorf("%d bytes: %.40x, want %.40x", tc.n, got, want)
		}
	}
}
