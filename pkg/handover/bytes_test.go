package handover

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// Messages are read by aggregators of other versions: names, order and forms stay.
func TestFrameBytes(t *testing.T) {
	const head = "\x93\xb3aggregator.handover"
	h := buffer.Handed{
		Chunk: event.Chunk{
			Seq: 7, Cluster: "c", Tag: "t", Received: time.Unix(0, 5), Events: 2,
			Parts: []event.Part{{Key: [16]byte{1}, First: 3, Events: 2}},
		},
		Owes: []buffer.Owing{{Output: "es", Target: "i"}},
	}
	key := "\x01" + strings.Repeat("\x00", 15)
	for _, tc := range []struct {
		name    string
		m       message
		entries []byte
		want    string
	}{
		{
			"begin",
			message{Kind: kindBegin, Queue: blob(key), Clusters: []string{"c"}, Outputs: []string{"es", "s3"}},
			nil,
			head + "\xc4\x00\x82\xa5chunk\xa2id\xa8handover\x84\xa4kind\xa5begin\xa5queue\xc4\x10" + key +
				"\xa8clusters\x91\xa1c\xa7outputs\x92\xa2es\xa2s3",
		},
		{
			"chunk",
			message{Kind: kindChunk, Chunk: headerOf(&h)},
			[]byte("xy"),
			head + "\xc4\x02xy\x82\xa5chunk\xa2id\xa8handover\x82\xa4kind\xa5chunk\xa5chunk\x87" +
				"\xa3seq\xcf\x00\x00\x00\x00\x00\x00\x00\x07\xa7cluster\xa1c\xa3tag\xa1t" +
				"\xa8received\xd3\x00\x00\x00\x00\x00\x00\x00\x05\xa6events\x02" +
				"\xa5parts\x91\x95\xc4\x10" + key + "\xc0\x03\x02\xcf\x00\x00\x00\x00\x00\x00\x00\x00" +
				"\xa4owes\x91\x92\xa2es\xa1i",
		},
		{
			"letter",
			message{Kind: kindLetter, Letter: letterOf(&deadletter.Letter{
				ID: 1, Time: time.Unix(0, 2), Cluster: "c", Tag: "t", Output: "o", EventID: "e", Status: 400,
				Reason: "r", Detail: "d", Attempts: 3, Events: 4,
			})},
			[]byte{0xc0},
			head + "\xc4\x01\xc0\x82\xa5chunk\xa2id\xa8handover\x82\xa4kind\xa6letter\xa6letter\x8b" +
				"\xa2id\xcf\x00\x00\x00\x00\x00\x00\x00\x01\xa4time\xd3\x00\x00\x00\x00\x00\x00\x00\x02" +
				"\xa7cluster\xa1c\xa3tag\xa1t\xa6output\xa1o\xa8event_id\xa1e\xa6status\xcd\x01\x90\xa6reason\xa1r" +
				"\xa6detail\xa1d\xa8attempts\x03\xa6events\x04",
		},
		{
			"end",
			message{Kind: kindEnd, Queue: blob(key)},
			[]byte{},
			head + "\xc4\x00\x82\xa5chunk\xa2id\xa8handover\x82\xa4kind\xa3end\xa5queue\xc4\x10" + key,
		},
	} {
		got, err := appendFrame([]byte("before"), "id", &tc.m, tc.entries)
		if err != nil || string(got) != "before"+tc.want {
			t.Errorf("%s: %v\ngot  %q\nwant %q", tc.name, err, got, "before"+tc.want)
		}
		var back frame
		if err := msgpack.Unmarshal([]byte(tc.want), &back); err != nil || back.Option.Handover.Kind != tc.m.Kind {
			t.Errorf("%s: read as %q, %v", tc.name, back.Option.Handover.Kind, err)
		}
	}
}

// Answers are read by aggregators of other versions too, and say nothing that is not so.
func TestReplyBytes(t *testing.T) {
	for _, tc := range []struct {
		name string
		r    reply
		want string
	}{
		{"an ack", reply{Ack: "7"}, "\x81\xa3ack\xa17"},
		{"an error", reply{Error: "no"}, "\x81\xa5error\xa2no"},
		{"an error that may pass", reply{Error: "full", Later: true}, "\x82\xa5error\xa4full\xa5later\xc3"},
		{
			"what is taken",
			reply{Ack: "1", Clusters: []string{"a", "b"}, Unknown: []string{"s3"}},
			"\x83\xa3ack\xa11\xa8clusters\x92\xa1a\xa1b\xa7unknown\x91\xa2s3",
		},
		{"nothing", reply{}, "\x80"},
	} {
		got, err := msgpack.Marshal(&tc.r)
		if err != nil || string(got) != tc.want {
			t.Errorf("%s: %q, %v, want %q", tc.name, got, err, tc.want)
		}
	}
	// What a later version says besides is passed over.
	var r reply
	if err := msgpack.Unmarshal([]byte("\x82\xa3new\x91\x01\xa3ack\xa17"), &r); err != nil || r.Ack != "7" {
		t.Errorf("%+v, %v", r, err)
	}
}

// Bins and arrays are read as far as they are there, and what is none of them is refused.
func TestBoundedRefuses(t *testing.T) {
	for _, tc := range []struct{ name, sent string }{
		{"a bin that is cut", "\xc4\x05abc"},
		{"a bin of which nothing is there", "\xc6\x7f\xff\xff\xff"},
		{"a bin cut within the second step", "\xc6\x00\x20\x00\x00" + strings.Repeat("x", blobStep+1)},
		{"a number for a bin", "\x01"},
		{"a map for a bin", "\x80"},
		{"nothing", ""},
	} {
		var b blob
		if err := msgpack.Unmarshal([]byte(tc.sent), &b); err == nil {
			t.Errorf("%s: %d bytes", tc.name, len(b))
		}
	}
	for _, tc := range []struct {
		name, sent string
		want       []int
		fails      bool
	}{
		{"nil", "\xc0", nil, false},
		{"empty", "\x90", nil, false},
		{"three", "\x93\x01\x02\x03", []int{1, 2, 3}, false},
		{"cut", "\x93\x01\x02", []int{1, 2}, true},
		{"of another kind", "\x92\x01\xa1x", []int{1}, true},
		{"no array", "\x01", nil, true},
		{"2³¹-1 elements", "\xdd\x7f\xff\xff\xff\x05", []int{5}, true},
	} {
		l := list[int]{9}
		err := msgpack.Unmarshal([]byte(tc.sent), &l)
		if (err != nil) != tc.fails || !slices.Equal(l, tc.want) {
			t.Errorf("%s: %v, %v, want %v", tc.name, l, err, tc.want)
		}
	}
}

// Events are counted without the marks of groups, up to what is none.
func TestCountEvents(t *testing.T) {
	one := string(entriesOf(1))
	start := "\x92\x92\xd7\x00\xff\xff\xff\xff\x00\x00\x00\x00\x80\x80"
	for _, tc := range []struct {
		name, entries string
		want          int
		err           string
	}{
		{"nothing", "", 0, ""},
		{"three", one + one + one, 3, ""},
		{"a group", start + one + one + event.GroupEnd, 2, ""},
		{"marks alone", start + event.GroupEnd, 0, ""},
		{"what is no event", one + "\x01" + one, 1, "an entry is no event: "},
		{"what is cut", one + one[:5], 1, "msgpack: "},
	} {
		got, err := countEvents([]byte(tc.entries))
		if got != tc.want || (err == nil) != (tc.err == "") || err != nil && !strings.HasPrefix(err.Error(), tc.err) {
			t.Errorf("%s: %d, %v, want %d, %q", tc.name, got, err, tc.want, tc.err)
		}
	}
}
