package elasticsearch

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/elasticsearch/internal/pressure"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

// made returns a body of lines of those lengths, for the targets of those numbers.
func made(lengths []int, targets ...int) *bulk {
	b := &bulk{targets: []string{"a", "b", "c", "d", "e"}}
	for i, n := range lengths {
		b.text = append(b.text, strings.Repeat(string(rune('0'+i)), n)...)
		at := 0
		if i < len(targets) {
			at = targets[i]
		}
		b.lines = append(b.lines, line{event: i, end: len(b.text), target: at})
	}
	return b
}

// A body is cut where as many events as may be are within the bytes, one at least.
func TestCutOfBody(t *testing.T) {
	b := made([]int{3, 3, 4, 10, 1})
	for _, tc := range []struct{ from, to, bytes, end int }{
		{0, 5, 100, 5},
		{0, 5, 21, 5},
		{0, 5, 20, 4},
		{0, 5, 10, 3},
		{0, 5, 9, 2},
		{0, 5, 6, 2},
		{0, 5, 5, 1},
		{0, 5, 0, 1},
		{0, 2, 100, 2},
		{1, 5, 7, 3},
		{3, 5, 1, 4},
		{3, 5, 11, 5},
		{4, 5, 1, 5},
		{4, 5, 0, 5},
	} {
		if got := b.cut(tc.from, tc.to, tc.bytes); got != tc.end {
			t.Errorf("%d to %d within %d bytes: %d, want %d", tc.from, tc.to, tc.bytes, got, tc.end)
		}
	}
	for _, tc := range []struct {
		from, to int
		want     string
	}{{0, 1, "000"}, {0, 2, "000111"}, {2, 3, "2222"}, {4, 5, "4"}, {1, 1, ""}, {0, 5, string(b.text)}} {
		if got := string(b.slice(tc.from, tc.to)); got != tc.want {
			t.Errorf("%d to %d: %q, want %q", tc.from, tc.to, got, tc.want)
		}
	}
}

// An error names where a request goes: each target once, and no more than a few.
func TestDescribe(t *testing.T) {
	for _, tc := range []struct {
		targets  []int
		from, to int
		want     string
	}{
		{[]int{0}, 0, 1, "bulk request of 1 events, 2 bytes, to [a]"},
		{[]int{0, 0, 1}, 0, 3, "bulk request of 3 events, 6 bytes, to [a, b]"},
		{[]int{1, 0, 1}, 0, 3, "bulk request of 3 events, 6 bytes, to [b, a]"},
		{[]int{1, 0, 2}, 1, 2, "bulk request of 1 events, 2 bytes, to [a]"},
		{[]int{0, 1, 2}, 0, 3, "bulk request of 3 events, 6 bytes, to [a, b, c]"},
		{[]int{0, 1, 2, 3, 4}, 0, 5, "bulk request of 5 events, 10 bytes, to [a, b, c] and 2 more"},
		{[]int{0, 1, 2, 3, 0}, 1, 5, "bulk request of 4 events, 8 bytes, to [b, c, d] and 1 more"},
	} {
		b := made(slices.Repeat([]int{2}, len(tc.targets)), tc.targets...)
		if got := b.describe(tc.from, tc.to); got != tc.want {
			t.Errorf("%v: %q, want %q", tc.targets, got, tc.want)
		}
	}
}

// The setting id is a word, or a template that may have {chunk} once.
func TestParseID(t *testing.T) {
	for _, tc := range []struct {
		text       string
		head, tail bool
		err        string
	}{
		{"", false, false, ""},
		{idAuto, false, false, ""},
		{idNone, false, false, ""},
		{idChunk, false, false, ""},
		{"{record.uuid}", true, false, ""},
		{"fixed", true, false, ""},
		{"{chunk}", true, true, ""},
		{"{cluster}-{chunk}-{tag}", true, true, ""},
		{"{nope}", true, false, `unknown placeholder "nope"`},
		{"{nope}{chunk}", true, false, `unknown placeholder "nope"`},
		{"{chunk}{nope}", true, true, `unknown placeholder "nope"`},
		{"{chunk}{chunk}", true, true, `unknown placeholder "chunk"`},
		{"%", false, false, "unknown conversion"},
	} {
		head, tail, err := parseID(tc.text)
		if tc.err != "" {
			if err == nil || !strings.Contains(err.Error(), tc.err) {
				t.Errorf("%q: %v, want %q", tc.text, err, tc.err)
			}
			continue
		}
		if err != nil || (head != nil) != tc.head || (tail != nil) != tc.tail {
			t.Errorf("%q: %v, %v, %v", tc.text, head, tail, err)
		}
	}
}

// An event without parts has no id of its own: its document has the template's, or none.
func TestIDsWithoutParts(t *testing.T) {
	for id, want := range map[string]string{
		idAuto: `{"create":{"_index":"logs-a"}}`, idChunk: `{"create":{"_index":"logs-a"}}`,
		idNone: `{"create":{"_index":"logs-a"}}`, "{chunk}-x": `{"create":{"_index":"logs-a"}}`,
		"{tag}": `{"create":{"_index":"logs-a","_id":"t"}}`, "{record.none}": `{"create":{"_index":"logs-a"}}`,
		"{record.none|d}": `{"create":{"_index":"logs-a","_id":"d"}}`,
	} {
		b := newBulk(t, func(c *Config) { c.ID, c.Index = id, "logs-{cluster}" })
		b.reset(1, 100, false)
		ev := event.Event{Chunk: &event.Chunk{Cluster: "a", Tag: "t"}, Record: []byte{0x80}}
		hasID, err := b.action(&ev)
		if got := strings.TrimSuffix(string(b.text), "\n"); err != nil || got != want ||
			hasID != strings.Contains(want, "_id") {
			t.Errorf("%s: %s, id %t, %v, want %s", id, got, hasID, err, want)
		}
	}
}

// The words of an id that is too long show its beginning, cut at a whole character.
func TestLongID_Words(t *testing.T) {
	b := newBulk(t, func(c *Config) { c.ID, c.Index = "{tag}", "logs" })
	b.reset(1, 100, false)
	ev := event.Event{Chunk: &event.Chunk{Tag: strings.Repeat("서", 200)}, Record: []byte{0x80}}
	_, err := b.action(&ev)
	want := fmt.Sprintf("its id %q… has 600 bytes, and 512 are the most that a document's may have",
		strings.Repeat("서", 21))
	if err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// Events for a target that is slow are held back and counted where they go, in their order; then they are rendered
// alone, without being counted again.
func TestFill_HoldsBack(t *testing.T) {
	b := newBulk(t, func(c *Config) { c.Index = "{cluster}" })
	b.slow = pressure.NewSlowTargets(time.Minute, time.Now)
	b.slow.Suspect([]string{"slow"}, outputs.Failure{})
	batch := outputtest.Batch(
		outputtest.Chunk(1, "quick", "t", 2, 0, 10), outputtest.Chunk(2, "slow", "t", 2, 2, 10),
		outputtest.Chunk(3, "quick", "t", 1, 4, 10),
	)
	b.reset(len(batch.Events), batch.Bytes, false)
	next, refused := b.fill(batch, 0, pressure.MaxRequest, nil)
	if next != 5 || len(refused) != 0 || len(b.lines) != 3 {
		t.Fatalf("%d events of %d, refused %v", len(b.lines), next, refused)
	}
	if want := []heldEvent{{2, 1}, {3, 1}}; !slices.Equal(b.held, want) {
		t.Errorf("held %v, want %v", b.held, want)
	}
	if strings.Contains(string(b.text), `"slow"`) {
		t.Errorf("the body has an event that is held back: %s", b.text)
	}
	counted := map[string]int{}
	for _, c := range batch.Sent {
		counted[c.Target] += c.Events
	}
	if counted["quick"] != 3 || counted["slow"] != 2 {
		t.Errorf("counted %v", counted)
	}
	b.only = 1
	before := len(batch.Sent)
	if _, refused = b.fill(batch, 2, pressure.MaxRequest, nil); len(refused) != 0 || len(b.lines) != 2 ||
		b.lines[0].event != 2 || b.lines[1].event != 3 || len(batch.Sent) != before {
		t.Errorf("alone: %+v, refused %v, counted %v", b.lines, refused, batch.Sent)
	}
}

// A body's readers each begin at its beginning; it is read whole once one of them has come to the end.
func TestPayload(t *testing.T) {
	p := &payload{text: []byte("abcdef")}
	if p.read() || p.whole() {
		t.Error("it is read before anybody reads")
	}
	first, second := &payloadReader{payload: p}, &payloadReader{payload: p}
	buf := make([]byte, 4)
	for i, want := range []string{"abcd", "ef"} {
		n, err := first.Read(buf)
		if string(buf[:n]) != want || err != nil || !p.read() || p.whole() != (i == 1) {
			t.Errorf("read %q, %v; whole %t", buf[:n], err, p.whole())
		}
	}
	if n, err := first.Read(buf); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("behind the end: %d, %v", n, err)
	}
	if all, err := io.ReadAll(second); string(all) != "abcdef" || err != nil {
		t.Errorf("the second: %q, %v", all, err)
	}
	if err := second.Close(); err != nil {
		t.Error(err)
	}
	p.end()
	if _, err := (&payloadReader{payload: p}).Read(buf); !errors.Is(err, errEnded) || !p.whole() {
		t.Errorf("after the end: %v", err)
	}
	empty := &payload{text: []byte{}}
	if _, err := (&payloadReader{payload: empty}).Read(buf); !errors.Is(err, io.EOF) || empty.read() {
		t.Errorf("an empty one: %v, read %t", err, empty.read())
	}
}

// What settings and mappings indices get, by what the server is and has.
func TestTemplate_Inner(t *testing.T) {
	const keyword = `"tag":{"ignore_above":1024,"type":"keyword"}`
	for _, tc := range []struct {
		name   string
		cfg    Template
		fields event.Fields
		server server
		policy string
		rolls  string
		want   string
	}{
		{
			"nothing",
			Template{},
			event.Fields{},
			server{flavor: elasticsearch},
			"", "",
			`{"mappings":{"properties":{}},"settings":{"index":{}}}`,
		},
		{
			"fields",
			Template{TimeType: "date_nanos"},
			event.Fields{Time: "time", Tag: "tag"},
			server{flavor: elasticsearch},
			"", "",
			`{"mappings":{"properties":{` + keyword + `,"time":{"type":"date_nanos"}}},"settings":{"index":{}}}`,
		},
		{
			"a time of old servers",
			Template{TimeType: "date_nanos"},
			event.Fields{Time: "time"},
			server{flavor: legacy, version: "6.8.23", major: 6, minor: 8},
			"", "",
			`{"mappings":{"properties":{"time":{"type":"date"}}},"settings":{"index":{}}}`,
		},
		{
			"a policy",
			Template{},
			event.Fields{},
			server{flavor: elasticsearch},
			"hot", "",
			`{"mappings":{"properties":{}},"settings":{"index":{"lifecycle":{"name":"hot"}}}}`,
		},
		{
			"a policy and an alias",
			Template{},
			event.Fields{},
			server{flavor: elasticsearch},
			"hot", "logs",
			`{"mappings":{"properties":{}},"settings":{"index":{"lifecycle":{"name":"hot","rollover_alias":"logs"}}}}`,
		},
		{
			"an alias without a policy",
			Template{},
			event.Fields{},
			server{flavor: elasticsearch},
			"", "logs",
			`{"mappings":{"properties":{}},"settings":{"index":{}}}`,
		},
		{
			"an alias of OpenSearch",
			Template{},
			event.Fields{},
			server{flavor: opensearch},
			"", "logs",
			`{"mappings":{"properties":{}},"settings":{"index":{"plugins":{"index_state_management":` +
				`{"rollover_alias":"logs"}}}}}`,
		},
	} {
		cfg := Config{Template: tc.cfg}
		cfg.Fields = tc.fields
		tpl := &template{client: &client{cfg: cfg}, rolls: tc.rolls}
		if got := marshalled(t, tpl.inner(tc.server, tc.policy)); got != tc.want {
			t.Errorf("%s:\n%s\nwant\n%s", tc.name, got, tc.want)
		}
	}
}

func marshalled(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Under which API a template is made, and who may make it, by the server's age and who made the one before.
func TestTemplate_Which(t *testing.T) {
	for _, tc := range []struct {
		server     server
		composable bool
	}{
		{server{flavor: elasticsearch}, true},
		{server{flavor: opensearch}, true},
		{server{flavor: legacy, major: 7, minor: 8}, true},
		{server{flavor: legacy, major: 7, minor: 7}, false},
		{server{flavor: legacy, major: 6, minor: 8, typed: true}, false},
		{server{flavor: legacy}, false},
	} {
		tpl := (&client{}).newTemplate("aggregator-logs", tc.server)
		api := map[bool]string{true: "/_index_template/", false: "/_template/"}[tc.composable]
		if tpl.composable != tc.composable || tpl.api != api {
			t.Errorf("%+v: %s, composable %t", tc.server, tpl.api, tpl.composable)
		}
	}
	theirs, ours := &existing{}, &existing{mark: marked{ManagedBy: managedBy}}
	for _, tc := range []struct {
		name             string
		old              *existing
		given, overwrite bool
		want             bool
		notices          int
	}{
		{"none", nil, false, false, true, 0},
		{"ours", ours, false, false, true, 0},
		{"somebody else's", theirs, false, false, false, 1},
		{"somebody else's, to be replaced", theirs, false, true, true, 0},
		{"given up", nil, true, true, false, 0},
	} {
		tpl := &template{client: &client{cfg: Config{Template: Template{Overwrite: tc.overwrite}}}, given: tc.given}
		if got := tpl.may(tc.old); got != tc.want || len(tpl.notices) != tc.notices {
			t.Errorf("%s: %t, notices %q", tc.name, got, tpl.notices)
		}
	}
}
