package splunkhec

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/httpclient"
)

// requestOf returns a request of those texts, whose events are numbered from 10 on.
func requestOf(texts ...string) *request {
	r := &request{target: "index a", query: "&index=a"}
	for i, text := range texts {
		r.starts, r.events = append(r.starts, len(r.body)), append(r.events, 10+i)
		r.body = append(r.body, text...)
	}
	return r
}

// shown is a request in short.
func shown(r *request) string { return fmt.Sprint(string(r.body), r.starts, r.events) }

// A piece of a request has its events alone, and says as the whole does where they go.
func TestPiece(t *testing.T) {
	whole := requestOf("aa", "b", "cccc", "d")
	for _, tc := range []struct {
		from, to int
		want     string
	}{
		{0, 4, "aabccccd[0 2 3 7] [10 11 12 13]"},
		{0, 1, "aa[0] [10]"},
		{1, 3, "bcccc[0 1] [11 12]"},
		{3, 4, "d[0] [13]"},
		{2, 4, "ccccd[0 4] [12 13]"},
		{0, 0, "[] []"},
		{4, 4, "[] []"},
	} {
		got := whole.piece(tc.from, tc.to)
		if shown(got) != tc.want || got.target != "index a" || got.query != "&index=a" {
			t.Errorf("%d to %d: %s, want %s", tc.from, tc.to, shown(got), tc.want)
		}
	}
	for n, want := range []string{
		"bccccd[0 1 5] [11 12 13]", "aaccccd[0 2 6] [10 12 13]", "aabd[0 2 3] [10 11 13]", "aabcccc[0 2 3] [10 11 12]",
	} {
		got := whole.without(n)
		if shown(got) != want || got.target != "index a" || got.query != "&index=a" {
			t.Errorf("without %d: %s, want %s", n, shown(got), want)
		}
	}
	if got := shown(requestOf("a").without(0)); got != "[] []" {
		t.Errorf("without its only event: %s", got)
	}
	if got := shown(whole); got != "aabccccd[0 2 3 7] [10 11 12 13]" {
		t.Errorf("the whole has changed: %s", got)
	}
	// A piece of a piece has its places counted anew.
	if got := shown(whole.piece(1, 4).piece(1, 3).without(0)); got != "d[0] [13]" {
		t.Errorf("a piece of a piece: %s", got)
	}
}

// newSilent returns an output to a collector that nobody asks.
func newSilent(t *testing.T, change func(*Config)) *Output {
	t.Helper()
	cfg := Config{URL: "https://splunk:8088", Token: setting.NewSecret(secret), Ack: ackAuto, Endpoint: "event"}
	if change != nil {
		change(&cfg)
	}
	o, err := New(cfg, Options{Log: zerolog.Nop(), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// replyOf returns the reply that an answer in JSON is.
func replyOf(status int, body string) reply {
	return readReply(&httpclient.Answer{Status: status, Kind: "application/json", Body: []byte(body)})
}

// What a reply says is read whole, whatever stands beside it; what is none has no code.
func TestReadReply(t *testing.T) {
	const js, success = "application/json", `{"text":"Success","code":0}`
	quoted := func(text string) string { return "`" + text + "`" }
	for _, tc := range []struct {
		name, kind, body string
		status           int
		coded, taken     bool
		said             string
	}{
		{"taken", js, success, 200, true, true, "Success (code 0)"},
		{"taken, queues nearly full", js, `{"code":24,"text":"x"}`, 200, true, true, "x (code 24)"},
		{"taken, acks nearly full", js, `{"code":25,"text":"x"}`, 201, true, true, "x (code 25)"},
		{"healthy is not taken", js, `{"text":"well","code":17}`, 200, true, false, "well (code 17)"},
		{"success of another status", js, success, 400, true, false, "Success (code 0)"},
		{"without a code", js, `{"text":"a"}`, 200, false, false, quoted(`{"text":"a"}`)},
		{"a code as text", js, `{"code":"0"}`, 200, false, false, quoted(`{"code":"0"}`)},
		{"null", js, `{"code":null}`, 200, false, false, quoted(`{"code":null}`)},
		{"no JSON", js, `ok`, 200, false, false, `"ok"`},
		{"nothing", "", "", 200, false, false, "(an empty answer)"},
		{"a page", "text/html", success, 200, false, false, quoted(success)},
		{"of no type", "", success, 200, true, true, "Success (code 0)"},
		{"a code without words", js, `{"code":6}`, 400, true, false, quoted(`{"code":6}`)},
	} {
		r := readReply(&httpclient.Answer{Status: tc.status, Kind: tc.kind, Body: []byte(tc.body)})
		if r.coded != tc.coded || r.taken() != tc.taken || (r.kind() == "") == tc.coded {
			t.Errorf("%s: coded %t, taken %t, kind %q", tc.name, r.coded, r.taken(), r.kind())
		}
		if got := outputs.Whole(r.said()); got != tc.said {
			t.Errorf("%s: it says %s, want %s", tc.name, got, tc.said)
		}
	}
	r := replyOf(400, `{"code":6,"ackId":3,"invalid-event-number":2,"acks":{"3":true,"4":false}}`)
	if r.ack == nil || *r.ack != 3 || r.bad == nil || *r.bad != 2 || !r.acks["3"] || r.acks["4"] ||
		r.kind() != "code_6" {
		t.Errorf("%+v", r)
	}
}

// Whether Splunk stopped at an event, and at which, is believed where it can be.
func TestStoppedAt(t *testing.T) {
	d := &delivery{o: newSilent(t, nil)}
	three := requestOf("a", "b", "c")
	for _, tc := range []struct {
		name    string
		reply   reply
		request *request
		n       int
		stopped bool
	}{
		{"at the first", replyOf(400, `{"code":6,"invalid-event-number":0}`), three, 0, true},
		{"at the last", replyOf(400, `{"code":12,"invalid-event-number":2}`), three, 2, true},
		{"counted from 1", replyOf(400, `{"code":13,"invalid-event-number":3}`), three, 3, true},
		{"behind the end", replyOf(400, `{"code":6,"invalid-event-number":4}`), three, 4, false},
		{"before the beginning", replyOf(400, `{"code":6,"invalid-event-number":-1}`), three, -1, false},
		{"at none", replyOf(400, `{"code":6}`), three, 0, false},
		{"full queues", replyOf(503, `{"code":9,"invalid-event-number":1}`), three, 1, true},
		{"a wrong index", replyOf(400, `{"code":7,"invalid-event-number":1}`), three, 0, false},
		{"a wrong token", replyOf(403, `{"code":4,"invalid-event-number":1}`), three, 0, false},
		{"one event", replyOf(400, `{"code":6,"invalid-event-number":0}`), requestOf("a"), 0, false},
		{"no answer", reply{}, three, 0, false},
		{"no code", replyOf(400, `{"invalid-event-number":1}`), three, 0, false},
	} {
		n, stopped := d.stoppedAt(&tc.reply, tc.request)
		if stopped != tc.stopped || stopped && n != tc.n {
			t.Errorf("%s: at %d, stopped %t, want %d, %t", tc.name, n, stopped, tc.n, tc.stopped)
		}
	}
}

// What is sent again of a request behind an event that is refused: what Splunk took stays, unless it has to be
// acknowledged.
func TestLeftAndFrom(t *testing.T) {
	for _, tc := range []struct {
		name       string
		acks       bool
		n, culprit int
		left, from string
		doubt      uint64 // of left and from
	}{
		{"the event itself", false, 1, 1, "cd[0 1] [12 13]", "abcd[0 1 2 3] [10 11 12 13]", 0},
		{"the one before", false, 2, 1, "d[0] [13]", "bcd[0 1 2] [11 12 13]", 0},
		{"neither", false, 1, -1, "cd[0 1] [12 13]", "abcd[0 1 2 3] [10 11 12 13]", 0},
		{"the last", false, 3, 3, "[] []", "cd[0 1] [12 13]", 0},
		{"behind the last", false, 4, 3, "[] []", "d[0] [13]", 0},
		{"to be acknowledged", true, 2, 2, "abd[0 1 2] [10 11 13]", "abcd[0 1 2 3] [10 11 12 13]", 4},
		{"to be acknowledged, and neither", true, 2, -1, "d[0] [13]", "abcd[0 1 2 3] [10 11 12 13]", 2},
	} {
		o := newSilent(t, nil)
		o.acks.set(tc.acks)
		d := &delivery{o: o}
		r := requestOf("a", "b", "c", "d")
		if got := shown(d.left(r, tc.n, tc.culprit)); got != tc.left {
			t.Errorf("%s: %s is left, want %s", tc.name, got, tc.left)
		}
		if got := shown(d.from(r, tc.n)); got != tc.from {
			t.Errorf("%s: from there on %s, want %s", tc.name, got, tc.from)
		}
		if got := o.duplicates.Load(); got != tc.doubt {
			t.Errorf("%s: %d possible duplicates, want %d", tc.name, got, tc.doubt)
		}
	}
}

// The error of a request names each of its events once: those that failed before as they did, the rest for the new
// reason.
func TestWithRest(t *testing.T) {
	before := []outputs.Failure{{Index: 11, Reason: outputs.ReasonRejected, Detail: "bad"}}
	err := errors.New("no")
	for _, tc := range []struct {
		name   string
		se     outputs.SendError
		failed []outputs.Failure
		want   string
	}{
		{
			"alone",
			outputs.SendError{Reason: outputs.ReasonNetwork, Err: err},
			nil,
			"10 network, 11 network, 12 network",
		},
		{
			"beside one",
			outputs.SendError{Reason: outputs.ReasonThrottled, Err: err},
			slices.Clone(before),
			"10 throttled, 11 rejected, 12 throttled",
		},
		{
			"too large is found apart",
			outputs.SendError{Reason: outputs.ReasonTooLarge, Err: err},
			nil,
			"10 server, 11 server, 12 server",
		},
		{
			"with names of its own", outputs.SendError{
				Reason: outputs.ReasonTarget, Err: err,
				Failed: []outputs.Failure{{Index: 12, Reason: outputs.ReasonTarget}},
			}, slices.Clone(before), "11 rejected, 12 target",
		},
	} {
		se := withRest(&tc.se, tc.failed, requestOf("a", "b", "c"))
		var got []string
		for _, f := range se.Failed {
			got = append(got, fmt.Sprint(f.Index, " ", f.Reason))
		}
		if text := strings.Join(got, ", "); text != tc.want || se.Reason != tc.se.Reason {
			t.Errorf("%s: %s: %s, want %s", tc.name, se.Reason, text, tc.want)
		}
	}
	waits := notYet(slices.Clone(before), requestOf("a", "b", "c"))
	for _, f := range waits.Failed {
		if f.Untried == (f.Index == 11) {
			t.Errorf("%+v", f)
		}
	}
}

// What is acknowledged is forgotten, what is given up may be there twice, and each wait counts for its own request.
func TestWaits(t *testing.T) {
	o := newSilent(t, nil)
	bad := []outputs.Failure{{Index: 10, Reason: outputs.ReasonRejected}}
	d := &delivery{
		o: o, requests: []*request{requestOf("a", "b"), requestOf("c", "d", "e"), requestOf("f")},
		results: []*outputs.SendError{nil, {Reason: outputs.ReasonRejected, Failed: bad}, nil},
		waits:   []wait{{0, 4, []int{10, 11}}, {1, 5, []int{11}}, {1, 6, []int{12}}, {2, 7, []int{10}}},
	}
	d.acknowledged(map[string]bool{"5": true, "7": true, "4": false, "9": true})
	if got := d.ids(); !slices.Equal(got, []int64{4, 6}) {
		t.Fatalf("waits for %v", got)
	}
	d.giveUp(&outputs.SendError{Reason: outputs.ReasonServer, Err: errors.New("no")})
	if se := d.results[0]; se == nil || se.Reason != outputs.ReasonServer || len(se.Failed) != 0 {
		t.Errorf("all of a request: %+v", se)
	}
	if se := d.results[1]; len(se.Failed) != 2 || se.Failed[0].Reason != outputs.ReasonRejected ||
		se.Failed[1].Index != 12 || se.Failed[1].Reason != outputs.ReasonServer {
		t.Errorf("some of a request: %+v", se)
	}
	if d.results[2] != nil || len(d.waits) != 0 || o.duplicates.Load() != 3 {
		t.Errorf("%v, %d waits, %d possible duplicates", d.results[2], len(d.waits), o.duplicates.Load())
	}
}

// A channel is named by a random GUID of version 4, in its header, and has another name after each doubt.
func TestChannel(t *testing.T) {
	seen := map[string]bool{}
	c := newChannel()
	for range 100 {
		parts := strings.Split(c.id, "-")
		if len(parts) != 5 || len(c.id) != 36 || parts[2][0] != '4' ||
			!strings.ContainsRune("89ab", rune(parts[3][0])) || strings.Trim(c.id, "0123456789abcdef-") != "" {
			t.Fatalf("%q is no GUID", c.id)
		}
		if got := c.header(); len(got) != 1 || got.Get("X-Splunk-Request-Channel") != c.id {
			t.Errorf("%v", got)
		}
		seen[c.id] = true
		c.renew()
	}
	if len(seen) != 100 {
		t.Errorf("%d names of 100", len(seen))
	}
}

// What is known of acknowledgements is told to the operator where it was left open, and there are none.
func TestAcknowledging(t *testing.T) {
	for _, tc := range []struct {
		known, on bool
		setting   string
		notice    bool
	}{
		{false, false, ackAuto, false},
		{true, false, ackAuto, true},
		{true, true, ackAuto, false},
		{true, false, ackAlways, false},
		{true, false, ackNever, false},
	} {
		var a acknowledging
		a.doubted.Store(true)
		if tc.known {
			a.set(tc.on)
		}
		if a.on() != (tc.known && tc.on) || a.doubted.Load() == (tc.known && tc.on) ||
			(a.notice(tc.setting) != "") != tc.notice {
			t.Errorf("%+v: on %t, doubted %t, %q", tc, a.on(), a.doubted.Load(), a.notice(tc.setting))
		}
	}
}

// Whether acknowledgements are gone is the collector's to say, or a server's that knows no such path.
func TestGone(t *testing.T) {
	d := &delivery{}
	for _, tc := range []struct {
		status int
		body   string
		want   bool
	}{
		{400, `{"code":14}`, true},
		{http.StatusNotFound, `nothing`, true},
		{http.StatusNotFound, `{"code":6}`, false},
		{200, `{"acks":{"0":false}}`, false},
		{http.StatusNotFound, `{"acks":{}}`, false},
		{503, `{"code":9}`, false},
		{500, ``, false},
	} {
		if r := replyOf(tc.status, tc.body); d.gone(&r) != tc.want {
			t.Errorf("%d %s: %t", tc.status, tc.body, !tc.want)
		}
	}
}
