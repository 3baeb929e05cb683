package sender

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// FuzzInput reads any bytes as lines: each that is not blank becomes one whole event, however the bytes come in, and
// where only JSON is taken, or an error says which line is none.
func FuzzInput(f *testing.F) {
	f.Add([]byte("one\r\n\n{\"time\":1.5,\"a\":[1,{}]}\n{\"a\":1}x\n\xff"), "", "time", 2)
	f.Add([]byte("{}\n{\"time\":\"2026-11-28T00:00:00Z\"}\nno"), string(FormatJSON), "time", 1)
	f.Add([]byte("{}\n \r\n\r\r\n"), string(FormatText), "", 0)
	f.Fuzz(func(t *testing.T, data []byte, format, timeKey string, chunk int) {
		cfg := InputConfig{Format: Format(format), TimeKey: timeKey, ChunkEvents: chunk}
		want := 0
		for line := range bytes.Lines(data) {
			if len(bytes.TrimSpace(line)) > 0 {
				want++
			}
		}
		var first []byte
		for _, wrap := range []func(io.Reader) io.Reader{iotest.DataErrReader, iotest.OneByteReader} {
			in, err := OpenInput(cfg, nil, wrap(bytes.NewReader(data)))
			if err != nil {
				t.Fatal(err)
			}
			entries, chunks, err := readAll(t.Context(), in.Reader())
			in.Close()
			said := 0
			for _, n := range chunks {
				said += n
			}
			got := 0
			var e event.Entry
			for rest := entries; len(rest) > 0; got++ {
				var err error
				if rest, err = event.ReadEntry(rest, &e); err != nil || e.Kind != event.KindEvent {
					t.Fatalf("entry %d is %v, %s, %v", got, e.Kind, e.Reason, err)
				}
			}
			if got != said || err == nil && got != want || errors.Is(err, io.EOF) ||
				err != nil && (cfg.Format != FormatJSON || got >= want) {
				t.Fatalf("%d events, it says %d, want %d: %v", got, said, want, err)
			}
			if first == nil {
				first = entries
			} else if len(entries) != len(first) { // times differ where they are those of reading
				t.Fatalf("%x byte by byte, %x at once", entries, first)
			}
		}
	})
}
