package outputtest

import (
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// RawText is an event and what is sent of it with the setting message: log.
type RawText struct {
	Name string
	// Record is msgpack.
	Record string
	// Text is where each event is a message of its own.
	Text string
	// Line is where lines are told apart.
	Line string
}

// RawTexts returns what a field may hold, and what becomes of that at every output. Nothing is added to events.
func RawTexts() []RawText {
	same := func(name, record, text string) RawText { return RawText{name, record, text, text} }
	return []RawText{
		same("a text", "\x81\xa3log\xa5GET /", "GET /"),
		same("bytes", "\x81\xa3log\xc4\x05GET /", "GET /"),
		same("its line end", "\x81\xa3log\xa7GET /\r\n", "GET /"),
		{"a line feed inside", "\x81\xa3log\xa6a\nb\r\nc", "a\nb\r\nc", `a\nb\r\nc`},
		{"an empty line at the end", "\x81\xa3log\xa3a\n\n", "a\n", `a\n`},
		same("no UTF-8", "\x81\xa3log\xc4\x03a\xff\xfe", "a\ufffd\ufffd"),
		same("a byte of zero", "\x81\xa3log\xa3a\x00b", "a\x00b"),
		same("a map", "\x81\xa3log\x81\xa1a\x01", `{"a":1}`),
		same("a list", "\x81\xa3log\x92\x01\xa1b", `[1,"b"]`),
		same("a number", "\x81\xa3log\x07", "7"),
		same("a truth value", "\x81\xa3log\xc3", "true"),
		same("nil", "\x81\xa3log\xc0", `{"log":null}`),
		same("empty", "\x81\xa3log\xa0", `{"log":""}`),
		same("a line end alone", "\x81\xa3log\xa1\n", `{"log":"\n"}`),
		same("missing", "\x81\xa3msg\xa1x", `{"msg":"x"}`),
		same("nothing at all", "\x80", `{}`),
	}
}

// RawBatch returns the events of RawTexts as a batch of the cluster "a" and the tag "t", one second apart from Start
// on.
func RawBatch() *outputs.Batch {
	texts := RawTexts()
	c := &event.Chunk{Seq: 1, Cluster: "a", Tag: "t", Received: time.Unix(Start, 0), Events: len(texts)}
	for i := range texts {
		at := event.AppendTime(nil, event.Time{Sec: Start + int64(i)})
		c.Entries = event.AppendEntry(c.Entries, at, nil, []byte(texts[i].Record))
	}
	c.Parts = []event.Part{{Events: c.Events}}
	return Batch(c)
}
