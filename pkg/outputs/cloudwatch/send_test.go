package cloudwatch

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/awsclient/awstest"
)

// TestLimits has what just fits one request, and what just does not.
func TestLimits(t *testing.T) {
	type piece struct {
		n, size int
		step    time.Duration
	}
	for _, tc := range []struct {
		name   string
		events []piece
		want   []int // events of each request
	}{
		{"one event", []piece{{1, 1, 0}}, []int{1}},
		{"10,000 events", []piece{{10_000, 1, 0}}, []int{10_000}},
		{"10,001 events", []piece{{10_001, 1, 0}}, []int{10_000, 1}},
		{"1 MiB", []piece{{8, 131_072 - 26, 0}}, []int{8}},
		{"1 MiB and a byte", []piece{{7, 131_072 - 26, 0}, {1, 131_072 - 25, 0}}, []int{7, 1}},
		{"1 MiB, and another of nearly nothing", []piece{{8, 131_072 - 26, 0}, {1, 1, 0}}, []int{8, 1}},
		{"each alone", []piece{{3, maxMessage, 0}}, []int{1, 1, 1}},
		{"short of a day", []piece{{2, 1, 24*time.Hour - time.Millisecond}}, []int{2}},
		{"a day", []piece{{2, 1, 24 * time.Hour}}, []int{1, 1}},
		{"hours of days", []piece{{72, 1, time.Hour}}, []int{24, 24, 24}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := basic()
			cfg.Message = "log"
			r := newRig(t, cfg)
			r.cw.Add("/k8s/a", "web")
			when := now().Add(-13 * 24 * time.Hour)
			b := batch()
			for _, p := range tc.events {
				for range p.n {
					b.Events = append(b.Events, at("web", when, strings.Repeat("x", p.size)))
					when = when.Add(p.step)
				}
			}
			if err := r.out.Send(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			var got []int
			for _, p := range r.cw.Puts() {
				got = append(got, p.Events)
			}
			if fmt.Sprint(got) != fmt.Sprint(tc.want) {
				t.Errorf("requests of %v events, want %v", got, tc.want)
			}
		})
	}
}

func TestOrderIsStable(t *testing.T) {
	cfg := basic()
	cfg.Message = "log"
	r := newRig(t, cfg)
	later := now().Add(time.Second)
	b := batch(at("web", later, "c"), at("web", now(), "a"), at("web", later, "d"), at("web", now(), "b"),
		at("web", later, "e"))
	if err := r.out.Send(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(r.messages("/k8s/a", "web"), ""); got != "abcde" {
		t.Errorf("stored in the order %s", got)
	}
}

// TestWrongEvent has the service refuse requests that hold a certain event, for a reason of its own.
func TestWrongEvent(t *testing.T) {
	cfg := basic()
	cfg.Message = "log"
	r := newRig(t, cfg)
	r.cw.SetRefuse(func(e awstest.LogEvent) string {
		if strings.Contains(e.Message, "wrong") {
			return "something is wrong with it"
		}
		return ""
	})
	b := batch()
	for i := range 1000 {
		text := fmt.Sprint("event ", i)
		if i == 0 || i == 700 {
			text = "wrong"
		}
		b.Events = append(b.Events, at("web", now(), text))
	}
	failed := r.failures(t, b)
	// The first event is tried before any other was accepted, so it may be the stream that is wrong.
	if len(failed) != 2 || failed[0].Reason != outputs.ReasonServer || failed[700].Reason != outputs.ReasonRejected ||
		!contains(failed[700].Detail, "something is wrong") {
		t.Errorf("failed %+v", failed)
	}
	if got := r.messages("/k8s/a", "web"); len(got) != 998 {
		t.Errorf("stored %d events", len(got))
	}
	if failed = r.failures(t, batch(b.Events[0])); failed[0].Reason != outputs.ReasonRejected {
		t.Errorf("again: %+v", failed)
	}
}

// TestWrongEventsWhileThrottled has events refused that stand before all others, by an account that leaves four
// requests to each Send: all others are stored, and the search ends.
func TestWrongEventsWhileThrottled(t *testing.T) {
	const wrong, all = 5, 3000
	cfg := basic()
	cfg.Message = "log"
	r := newRig(t, cfg)
	r.cw.Add("/k8s/a", "web")
	r.cw.SetRefuse(func(e awstest.LogEvent) string {
		if strings.Contains(e.Message, "wrong") {
			return "something is wrong with it"
		}
		return ""
	})
	left := 0
	r.aws.SetFault(func(string) awstest.Fault {
		if left--; left < 0 {
			return awstest.Fault{Status: 400, Code: "ThrottlingException"}
		}
		return awstest.Fault{}
	})
	b := batch()
	for i := range all {
		text := fmt.Sprint("event ", i)
		if i < wrong {
			text = "wrong"
		}
		b.Events = append(b.Events, at("web", now(), text))
	}
	for sends := 0; len(r.messages("/k8s/a", "web")) < all-wrong; sends++ {
		if sends > 100 {
			t.Fatalf("%d events are left", len(b.Events))
		}
		left = 4
		failed, rest := r.failures(t, b), batch()
		for i := range b.Events {
			if f, ok := failed[i]; ok && !f.Reason.Final() {
				rest.Events = append(rest.Events, b.Events[i])
			} else if ok != strings.Contains(string(b.Events[i].Record), "wrong") {
				t.Fatalf("event %d: %+v", i, f)
			}
		}
		b = rest
	}
}

// TestWrongStream has everything refused: nothing is given up, and the search for an event ends.
func TestWrongStream(t *testing.T) {
	r := newRig(t, basic())
	r.cw.Add("/k8s/a", "web")
	r.cw.SetRefuse(func(awstest.LogEvent) string { return "the group is wrong" })
	b := batch()
	for range 3000 {
		b.Events = append(b.Events, at("web", now(), "x"))
	}
	failed := r.failures(t, b)
	if len(failed) != 3000 || r.aws.Requests(put) > 20 {
		t.Errorf("%d failed after %d requests", len(failed), r.aws.Requests(put))
	}
	for i, f := range failed {
		if f.Reason.Final() {
			t.Fatalf("event %d was given up: %+v", i, f)
		}
	}
}

// TestRandom sends random events under random faults until none is left: all requests keep the limits,
// or the made-up service would refuse them, and each event is stored or given up once.
func TestRandom(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Log("seed", seed)
	random(t, rand.New(rand.NewPCG(seed, 0)), 600)
	random(t, rand.New(rand.NewPCG(seed, 1)), 100)
}

// FuzzFits cuts messages of random sizes and times.
func FuzzFits(f *testing.F) {
	f.Add(uint64(1), uint32(100), int64(time.Hour))
	f.Add(uint64(2), uint32(maxMessage), int64(1))
	f.Add(uint64(3), uint32(1), int64(1))
	f.Fuzz(func(t *testing.T, seed uint64, size uint32, step int64) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		s := &sending{w: &work{}}
		var events []int32
		for i, ms := range make([]int64, 11_000) {
			if n := len(s.w.lines); n > 0 {
				ms = s.w.lines[n-1].ms + rnd.Int64N(min(max(step/1e6, 1), 1<<40))
			}
			s.w.lines = append(s.w.lines, line{to: 1 + rnd.IntN(int(min(max(size, 1), maxMessage))), ms: ms})
			events = append(events, int32(i))
		}
		for len(events) > 0 {
			n, bytes := s.fits(events), 0
			if n < 1 || n > maxRequest || n > len(events) {
				t.Fatalf("a request of %d events", n)
			}
			for _, i := range events[:n] {
				bytes += s.w.lines[i].size()
			}
			first, last := s.w.lines[events[0]].ms, s.w.lines[events[n-1]].ms
			if bytes > maxRequestBytes || last-first >= maxSpan {
				t.Fatalf("a request of %d bytes and %d ms", bytes, last-first)
			}
			if n < len(events) {
				next := s.w.lines[events[n]]
				if n < maxRequest && bytes+next.size() <= maxRequestBytes && next.ms-first < maxSpan {
					t.Fatalf("a request of %d events has room for another", n)
				}
			}
			events = events[n:]
		}
	})
}

func random(t *testing.T, rnd *rand.Rand, n int) {
	t.Helper()
	cfg := basic()
	cfg.Message, cfg.LogStream, cfg.MaxStreamsPerHour = "log", "{tag}", rnd.IntN(20)
	if rnd.IntN(2) == 0 {
		cfg.LogGroup, cfg.RetentionDays = "{tag[0]}", 7
	}
	r := newRig(t, cfg)
	b := batch()
	for i := range n {
		text := binary.BigEndian.AppendUint32(nil, uint32(i)) // may be no UTF-8
		text = fmt.Appendf(nil, "%d %x ", i, text)
		switch rnd.IntN(300) {
		case 0:
			text = append(text, strings.Repeat("日", rnd.IntN(400_000))...)
		case 1:
			text = append(text, strings.Repeat("\xff", rnd.IntN(400_000))...)
		default:
			text = append(text, strings.Repeat("x", rnd.IntN(3000))...)
		}
		age := time.Duration(rnd.Int64N(int64(48 * time.Hour)))
		if rnd.IntN(20) == 0 {
			age = time.Duration(rnd.Int64N(int64(20*24*time.Hour))) - 100*time.Hour
		}
		tag := fmt.Sprintf("t%d.%c*:", rnd.IntN(30), rune(rnd.IntN(0x3000)))
		b.Events = append(b.Events, at(tag, now().Add(-age), string(text)))
	}
	var calls atomic.Int32
	faults := rand.New(rand.NewPCG(rnd.Uint64(), 0)) // guarded by the server
	r.aws.SetFault(func(string) awstest.Fault {
		if calls.Add(1) > 400 {
			return awstest.Fault{}
		}
		switch faults.IntN(20) {
		case 0:
			return awstest.Fault{Status: 400, Code: "ThrottlingException"}
		case 1:
			return awstest.Fault{Status: 500, Code: "InternalFailure"}
		case 2:
			return awstest.Fault{Cut: true}
		case 3:
			return awstest.Fault{Status: 400, Code: "OperationAbortedException"}
		}
		return awstest.Fault{}
	})
	given, index := map[string]int{}, func(text string) string { s, _, _ := strings.Cut(text, " "); return s }
	left := b
	for tries := 0; len(left.Events) > 0; tries++ {
		if tries > 1000 {
			t.Fatalf("%d events are left", len(left.Events))
		}
		next := batch()
		failed := r.failures(t, left)
		for i := range left.Events {
			f, ok := failed[i]
			switch {
			case !ok:
			case f.Reason.Final():
				if contains(f.Detail, "InvalidParameter") {
					t.Fatalf("a request broke a limit: %s", f.Detail)
				}
				given[index(string(left.Events[i].Record[10:]))]++
			default:
				if contains(f.Detail, "InvalidParameter") {
					t.Fatalf("a request broke a limit: %s", f.Detail)
				}
				next.Events = append(next.Events, left.Events[i])
			}
		}
		left = next
	}
	if bad := r.cw.Invalid(); bad != "" {
		t.Errorf("a request broke a limit: %s", bad)
	}
	streams := 0
	for _, g := range r.cw.Groups() {
		for _, events := range g.Streams {
			streams++
			for _, e := range events {
				given[index(e.Message)]++
			}
		}
	}
	for i := range n {
		if times := given[strconv.Itoa(i)]; times != 1 {
			t.Errorf("event %d is %d times somewhere", i, times)
		}
	}
	if most := cfg.MaxStreamsPerHour + 31; cfg.MaxStreamsPerHour > 0 && streams > most {
		t.Errorf("%d streams were made, want %d at most", streams, most)
	}
}
