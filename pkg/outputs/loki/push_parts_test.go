package loki

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/httpclient"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

// A request is the message of Loki's push API, byte by byte.
func TestAppendRequest_Golden(t *testing.T) {
	at := int64(1_000_000_005)
	for _, tc := range []struct {
		name    string
		streams []*stream
		want    string
	}{
		{"nothing", nil, ""},
		{
			"a stream without lines",
			[]*stream{{labels: `{a="b"}`}},
			"0a09" + "0a07" + hex.EncodeToString([]byte(`{a="b"}`)),
		},
		{
			"a line",
			[]*stream{{labels: "{}", entries: []entry{{ns: at, line: []byte("hi")}}}},
			"0a10" + "0a027b7d" + "120a" + "0a0408011005" + "12026869",
		},
		{
			"whole seconds",
			[]*stream{{labels: "{}", entries: []entry{{ns: 3e9, line: []byte("x")}}}},
			"0a0f" + "0a027b7d" + "1209" + "0a0408031000" + "120178",
		},
		{
			"two streams",
			[]*stream{
				{labels: "{}", entries: []entry{{ns: at, line: []byte("a")}, {ns: at + 1, line: []byte("b")}}},
				{labels: "{x}", entries: []entry{{ns: at, line: []byte("c")}}},
			},
			"0a1a" + "0a027b7d" + "12090a0408011005120161" + "12090a0408011006120162" +
				"0a10" + "0a037b787d" + "12090a0408011005120163",
		},
	} {
		if got := hex.EncodeToString(appendRequest(nil, tc.streams)); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
}

// Requests of any size are read again as they were written, metadata with them.
func TestAppendRequest_RoundTrip(t *testing.T) {
	rnd := rand.New(rand.NewPCG(2, 9))
	metadata, err := pairs("structured_metadata", map[string]string{
		"tag": "{tag}", "none": "{record.none}", "odd": "a\xffb",
	})
	if err != nil {
		t.Fatal(err)
	}
	ev := &event.Event{Chunk: &event.Chunk{Tag: "kube.x"}, Record: []byte{0x80}}
	for range 50 {
		var streams []*stream
		var want []line
		for i := range rnd.IntN(4) {
			s := &stream{labels: fmt.Sprintf(`{n="%d"}`, i)}
			for range rnd.IntN(5) {
				e := entry{ns: rnd.Int64N(1 << 60), line: []byte(strings.Repeat("é", rnd.IntN(300)))}
				l := line{labels: s.labels, text: string(e.line), ns: e.ns}
				if rnd.IntN(2) == 0 {
					e.metadata = appendMetadata(nil, metadata, ev)
					l.metadata = map[string]string{"tag": "kube.x", "odd": "a\ufffdb"}
				}
				s.entries, want = append(s.entries, e), append(want, l)
			}
			streams = append(streams, s)
		}
		got, err := parse(appendRequest(nil, streams))
		if err != nil || len(got) != len(want) {
			t.Fatalf("%d lines of %d, %v", len(got), len(want), err)
		}
		for i := range got {
			if got[i].ns != want[i].ns || got[i].text != want[i].text || got[i].labels != want[i].labels ||
				fmt.Sprint(got[i].metadata) != fmt.Sprint(want[i].metadata) {
				t.Fatalf("line %d: %+v, want %+v", i, got[i], want[i])
			}
		}
	}
}

// requestOf returns a request of streams with those events each.
func requestOf(streams ...[]int) *request {
	r := &request{tenant: "t"}
	for i, events := range streams {
		s := &stream{labels: strconv.Itoa(i)}
		for _, n := range events {
			s.entries = append(s.entries, entry{event: n})
			r.events = append(r.events, n)
		}
		r.streams = append(r.streams, s)
	}
	slices.Sort(r.events)
	return r
}

// shown is a request in short: the events of each of its streams.
func shown(r *request) string {
	var all []string
	for _, s := range r.streams {
		var events []string
		for _, e := range s.entries {
			events = append(events, strconv.Itoa(e.event))
		}
		all = append(all, s.labels+":"+strings.Join(events, ","))
	}
	return strings.Join(all, " ")
}

// Halves hold each event of the request once, and its streams in their order; one alone has none.
func TestRequestHalves(t *testing.T) {
	for _, tc := range []struct {
		name      string
		request   *request
		ofStreams bool
		want      []string
	}{
		{"one line", requestOf([]int{4}), false, nil},
		{"two lines", requestOf([]int{4, 6}), false, []string{"0:4", "0:6"}},
		{"three lines", requestOf([]int{4, 6, 9}), false, []string{"0:4", "0:6,9"}},
		{"of two streams", requestOf([]int{0, 2, 4}, []int{1, 3}), false, []string{"0:0 1:1", "0:2,4 1:3"}},
		{"streams behind each other", requestOf([]int{0, 1}, []int{2, 3}), false, []string{"0:0,1", "1:2,3"}},
		{"one line among others", requestOf([]int{5}, []int{0, 1, 2}), false, []string{"1:0,1", "0:5 1:2"}},
		{"one stream", requestOf([]int{0, 1, 2}), true, nil},
		{"two streams", requestOf([]int{0, 2}, []int{1}), true, []string{"0:0,2", "1:1"}},
		{"three streams", requestOf([]int{0}, []int{2}, []int{1}), true, []string{"0:0", "1:2 2:1"}},
	} {
		var got []string
		var events []int
		for _, half := range tc.request.halves(tc.ofStreams) {
			got = append(got, shown(half))
			events = append(events, half.events...)
			if half.tenant != "t" || !slices.IsSorted(half.events) {
				t.Errorf("%s: tenant %q, events %v", tc.name, half.tenant, half.events)
			}
		}
		if slices.Sort(events); !slices.Equal(got, tc.want) || got != nil && !slices.Equal(events, tc.request.events) {
			t.Errorf("%s: %q with the events %v, want %q", tc.name, got, events, tc.want)
		}
	}
}

// newSilent returns an output to a server that nobody asks.
func newSilent(t *testing.T, change func(*Config)) *Output {
	t.Helper()
	cfg := Config{URL: "http://loki:3100", MaxLineSize: 256 << 10}
	if change != nil {
		change(&cfg)
	}
	o, err := New(cfg, Options{Log: zerolog.Nop(), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// What each answer means for a push, as what Loki calls it and with what to do; 5xx may have taken lines.
func TestJudge(t *testing.T) {
	const words = "entry with timestamp 2026-01-01 00:00:00 +0000 UTC ignored, reason: 'entry out of order',"
	for _, tc := range []struct {
		name    string
		answer  httpclient.Answer
		reason  outputs.Reason // "": the lines are there
		kind    string
		suspect bool
		remedy  string
	}{
		{"taken", httpclient.Answer{Status: 204}, "", "", false, ""},
		{"by others", httpclient.Answer{Status: 200, Kind: "application/json", Body: []byte("{}")}, "", "", false, ""},
		{"for later", httpclient.Answer{Status: 202}, "", "", false, ""},
		{"a page", httpclient.Answer{Status: 200, Kind: "text/html"}, outputs.ReasonServer, "", false, "the URL is"},
		{"another success", httpclient.Answer{Status: 201}, outputs.ReasonServer, "", false, "the URL is"},
		{
			"blocked",
			httpclient.Answer{Status: 260, Body: []byte("ingestion blocked for user a until x")},
			outputs.ReasonTarget, blocked, false, "block_ingestion_until",
		},
		{
			"out of order",
			httpclient.Answer{Status: 400, Body: []byte(words)},
			outputs.ReasonRejected, outOfOrder, false,
			"reject_old_samples_max_age",
		},
		{
			"several",
			httpclient.Answer{Status: 400, Body: []byte(" 12 errors like: " + words + "\n")},
			outputs.ReasonRejected, outOfOrder, false, "reject_old_samples_max_age",
		},
		{
			"words behind others",
			httpclient.Answer{Status: 400, Body: []byte("x " + words)},
			outputs.ReasonServer, "",
			true, "see the reason",
		},
		{
			"no metadata", httpclient.Answer{
				Status: 400,
				Body:   []byte("stream '{a=\"b\"}' includes structured metadata, but this feature is disallowed."),
			}, outputs.ReasonTarget, metadataOff, false, "allow_structured_metadata",
		},
		{
			"too large inside", httpclient.Answer{
				Status: 400, Body: []byte("rpc error: code = ResourceExhausted desc = grpc"),
			}, outputs.ReasonTooLarge, "", false, "grpc_server_max_recv_msg_size",
		},
		{
			"the same words with another status", httpclient.Answer{
				Status: 422, Body: []byte("rpc error: code = ResourceExhausted desc = grpc"),
			}, outputs.ReasonServer, "", true, "see the reason",
		},
		{"too large", httpclient.Answer{Status: 413}, outputs.ReasonTooLarge, "", false, "batch.max_bytes"},
		{"its own limit", httpclient.Answer{Status: 429}, outputs.ReasonThrottled, "", false, "quota"},
		{"an error", httpclient.Answer{Status: 500, Body: []byte("boom")}, outputs.ReasonServer, "", true, "look at"},
		{
			"an error, and to wait",
			httpclient.Answer{Status: 500, RetryAfter: time.Second},
			outputs.ReasonServer, "",
			false, "look at",
		},
	} {
		o := newSilent(t, nil)
		se, kind := o.judge(requestOf([]int{0, 1}, []int{2}), &tc.answer)
		if se == nil {
			if tc.reason != "" || kind != "" {
				t.Errorf("%s: it is taken, kind %q", tc.name, kind)
			}
			continue
		}
		if se.Reason != tc.reason || kind != tc.kind || se.Suspect != tc.suspect || se.Status != tc.answer.Status ||
			!strings.Contains(se.Remedy, tc.remedy) || se.RetryAfter != tc.answer.RetryAfter {
			t.Errorf("%s: kind %q, %+v", tc.name, kind, se)
		}
		if !strings.HasPrefix(se.Err.Error(), "push of 3 lines in 2 streams: it answered ") {
			t.Errorf("%s: %v", tc.name, se.Err)
		}
		want := uint64(0)
		if tc.answer.Status >= 500 {
			want = 3
		}
		if got := o.Report().PossibleDuplicates; got != want {
			t.Errorf("%s: %d possible duplicates, want %d", tc.name, got, want)
		}
	}
}

// A line may be as long as max_line_size to the byte; lines of several tenants are in requests of their own.
func TestRender_Limits(t *testing.T) {
	o := newSilent(t, func(c *Config) {
		c.Tenant, c.Message, c.MaxLineSize = "{cluster}", "log", 1024
		c.Labels = map[string]string{"tag": "{tag}"}
	})
	chunks := []*event.Chunk{
		outputtest.Chunk(1, "a", "t", 2, 0, 1024), outputtest.Chunk(2, "b", "t", 1, 2, 1025),
		outputtest.Chunk(3, "a b", "t", 1, 3, 10), outputtest.Chunk(4, "a", "u", 1, 4, 10),
	}
	b := outputtest.Batch(chunks...)
	b.Events = append(b.Events, event.Event{Chunk: chunks[0], Record: []byte{0x81, 0xa1}})
	requests, refused := o.render(b)
	var got []string
	for _, r := range requests {
		got = append(got, fmt.Sprint(r.tenant, r.events, shown(r)))
	}
	if want := []string{
		`a[0 1 4]{tag="t"}:0,1 {tag="u"}:4`, `a_b[3]{tag="t"}:3`,
	}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if len(refused) != 2 || refused[0].Index != 2 || refused[0].Reason != outputs.ReasonTooLarge ||
		refused[0].Target != "tenant b" || refused[0].Kind != lineTooLong ||
		refused[0].Detail != "the line has 1025 bytes, and max_line_size is 1KiB" {
		t.Fatalf("%+v", refused)
	}
	if f := refused[1]; f.Index != 5 || f.Reason != outputs.ReasonRejected || f.Target != "tenant a" || f.Detail == "" {
		t.Errorf("%+v", f)
	}
	if len(b.Sent) == 0 || string(o.AppendTarget([]byte("x"), &b.Events[3])) != "xtenant a_b" {
		t.Errorf("counted %+v", b.Sent)
	}
}
