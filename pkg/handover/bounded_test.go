package handover

import (
	"runtime"
	"strings"
	"testing"

	"github.com/vmihailenco/msgpack/v5"
)

// TestDeclaredLengths holds that lengths which a message declares take no memory for what is not there.
func TestDeclaredLengths(t *testing.T) {
	const most = "\x7f\xff\xff\xff"
	chunk := func(field string) string {
		return "\x93\xb3aggregator.handover\xc4\x00\x81\xa8handover\x82\xa4kind\xa5chunk\xa5chunk\x81" + field
	}
	for name, sent := range map[string]string{
		"the message":         "\xdd" + most,
		"the tag":             "\x93\xdb" + most,
		"the entries":         "\x93\xb3aggregator.handover\xc6" + most,
		"the queue's number":  strings.TrimSuffix(chunk("\xa5"), "chunk\x81\xa5") + "queue\xc6" + most,
		"a cluster":           chunk("\xa7cluster\xdb" + most),
		"the chunk's parts":   chunk("\xa5parts\xdd" + most),
		"a part's key":        chunk("\xa5parts\x91\x95\xc6" + most),
		"a part's chunk":      chunk("\xa5parts\x91\x95\xc4\x00\xc6" + most),
		"the chunk's outputs": chunk("\xa4owes\xdd" + most),
		"unknown fields":      chunk("\xa3new\xc6" + most),
		"an unknown map":      chunk("\xa3new\xdf" + most),
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			begun := begin(t)
			runtime.ReadMemStats(&before)
			_, err := exchange(t, &shelf{}, frames(t, begun, []byte(sent)))
			runtime.ReadMemStats(&after)
			if taken := after.TotalAlloc - before.TotalAlloc; taken > 64<<20 {
				t.Errorf("%d bytes had it take %d MiB", len(sent), taken>>20)
			}
			if err == nil {
				t.Error("taken for a message")
			}
		})
	}
}

// TestBlob reads bins of several steps, and what stands for none.
func TestBlob(t *testing.T) {
	for _, n := range []int{0, 1, blobStep - 1, blobStep, 3*blobStep + 5} {
		want := blob(strings.Repeat("x", n))
		b, err := msgpack.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got blob
		if err := msgpack.Unmarshal(b, &got); err != nil || string(got) != string(want) {
			t.Errorf("%d bytes became %d, %v", n, len(got), err)
		}
	}
	got := blob("before")
	if err := msgpack.Unmarshal([]byte("\xc0"), &got); err != nil || got != nil {
		t.Errorf("nil became %q, %v", got, err)
	}
}
