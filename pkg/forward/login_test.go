package forward

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/iotest"

	"github.com/seed-afc6a195/aggregator/pkg/forward/internal/handshake"
	"github.com/seed-afc6a195/aggregator/pkg/forward/internal/refusal"
)

// FuzzPing reads PINGs whole and byte by byte: both must say the same, and only what is well-formed may pass.
func FuzzPing(f *testing.F) {
	f.Add([]byte("\x96\xa4PING\xa1h\xa6salt\x00\xff\xa6digest\xa1u\xa0"))
	f.Add([]byte("\xdc\x00\x06\xa4PING\xc4\x01a\xd9\x00\xda\x00\x00\xdb\x00\x00\x00\x00\xa0"))
	f.Add([]byte("\xdd\xff\xff\xff\xff"))
	f.Add([]byte("\x96\xa4PING\xdb\xff\xff\xff\xff"))
	f.Add([]byte("\x93\xa1t\x91\x92\x01\x80\x80"))
	f.Add([]byte{0xc1})
	f.Fuzz(func(t *testing.T, in []byte) {
		var whole, bytewise Login
		err := readPing(bytes.NewReader(in), &whole)
		errBytewise := readPing(iotest.OneByteReader(bytes.NewReader(in)), &bytewise)
		if err == nil {
			if errBytewise != nil || fmt.Sprint(whole) != fmt.Sprint(bytewise) {
				t.Errorf("whole: %+v, byte by byte: %+v, %v", whole, bytewise, errBytewise)
			}
			if _, _, err := handshake.ParsePing(in[:len(in)-1]); !errors.Is(err, handshake.ErrShort) {
				t.Errorf("it is complete before its end: %v", err)
			}
		}
		if errors.Is(err, handshake.ErrPing) && !bytes.Contains(in, []byte("PING")) {
			t.Errorf("% x is no PING at all", in)
		}
		if err == nil || refusal.Is(err) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return
		}
		t.Errorf("got %v", err)
	})
}
