package tail

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/status/client"
)

// entry returns an event with the record {"log": text}.
func entry(text string) *event.Event {
	record := append([]byte{0x81, 0xa3, 'l', 'o', 'g', 0xda, byte(len(text) >> 8), byte(len(text))}, text...)
	return &event.Event{
		Chunk: &event.Chunk{Cluster: "a", Tag: "t"}, Time: event.Time{Sec: 1000, Nsec: 5}, Record: record,
	}
}

func nothing(*client.TailEvent) {}

// shown returns what a view has been given so far.
func shown(v *View) (logs []string) {
	for {
		select {
		case t := <-v.Events():
			logs = append(logs, string(t.Event().Record))
		default:
			return logs
		}
	}
}

func TestView(t *testing.T) {
	now := time.Unix(50, 0)
	for _, tc := range []struct {
		name   string
		query  Query
		events []string
		want   []string
		missed uint64
	}{
		{"all", Query{Records: true}, []string{"x", "y"}, []string{`{"log":"x"}`, `{"log":"y"}`}, 0},
		{"no records", Query{}, []string{"x"}, []string{""}, 0},
		{
			"a pattern",
			Query{Records: true, Grep: regexp.MustCompile("^.{8}y")},
			[]string{"x", "y", "z"},
			[]string{`{"log":"y"}`},
			0,
		},
		{
			"a bound",
			Query{Records: true, Rate: 2},
			[]string{"a", "b", "c", "d"},
			[]string{`{"log":"a"}`, `{"log":"b"}`},
			2,
		},
		{
			"a sample",
			Query{Records: true, Sample: 2},
			[]string{"a", "b", "c", "d", "e"},
			[]string{`{"log":"a"}`, `{"log":"c"}`, `{"log":"e"}`},
			0,
		},
		{
			"a sample of what fits a pattern",
			Query{Records: true, Sample: 2, Grep: regexp.MustCompile("[xy]")},
			[]string{"x", "z", "y", "x"},
			[]string{`{"log":"x"}`, `{"log":"x"}`},
			0,
		},
		{"a large record", Query{Records: true}, []string{strings.Repeat("x", maxRecord)}, []string{""}, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := new(Hub)
			v, err := h.Open(tc.query)
			if err != nil {
				t.Fatal(err)
			}
			for _, text := range tc.events {
				v.Offer(entry(text), now, nothing)
			}
			if got := shown(v); fmt.Sprint(got) != fmt.Sprint(tc.want) || len(got) != len(tc.want) {
				t.Errorf("shown %q, want %q", got, tc.want)
			}
			if got := v.Missed(); got != tc.missed || v.Missed() != 0 {
				t.Errorf("%d missed, want %d", got, tc.missed)
			}
		})
	}
}

// A second later a view is given as many again. What it does not read is missed, and nobody waits for it.
func TestViewIsBehind(t *testing.T) {
	h := new(Hub)
	v, err := h.Open(Query{Rate: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	for second := range 3 {
		for range client.TailMaxRate + 5 {
			v.Offer(entry("x"), time.Unix(int64(second), 0), nothing)
		}
	}
	if got := len(shown(v)); got != buffered {
		t.Errorf("%d are shown", got)
	}
	if got, want := v.Missed(), uint64(3*(client.TailMaxRate+5)-buffered); got != want {
		t.Errorf("%d missed, want %d", got, want)
	}
}

// With a pattern, so many are looked at in a second.
func TestLooksAreBounded(t *testing.T) {
	v, err := new(Hub).Open(Query{Records: true, Grep: regexp.MustCompile("never")})
	if err != nil {
		t.Fatal(err)
	}
	for range maxLooks {
		if !v.Offer(entry("x"), time.Unix(1, 0), nothing) {
			t.Fatal("no more are looked at")
		}
	}
	if v.Offer(entry("never"), time.Unix(1, 0), nothing) || v.Missed() != 1 {
		t.Error("too many are looked at")
	}
	if !v.Offer(entry("never"), time.Unix(2, 0), nothing) || len(shown(v)) != 1 {
		t.Error("a second later none is looked at")
	}
}

func TestHub(t *testing.T) {
	h := new(Hub)
	var views []*View
	for range maxViews {
		v, err := h.Open(Query{At: "es", Cluster: "a", Tag: func(tag string) bool { return tag == "t" }})
		if err != nil {
			t.Fatal(err)
		}
		views = append(views, v)
	}
	if _, err := h.Open(Query{}); !errors.Is(err, ErrBusy) {
		t.Errorf("one more: %v", err)
	}
	if len(h.At("es")) != maxViews || len(h.At(client.TailArrival)) != 0 || !h.Watching() {
		t.Errorf("%d look at es", len(h.At("es")))
	}
	for pair, want := range map[[2]string]bool{{"a", "t"}: true, {"b", "t"}: false, {"a", "u"}: false} {
		if got := views[0].Wants(pair[0], pair[1]); got != want {
			t.Errorf("wants %v: %t", pair, got)
		}
	}
	for _, v := range views {
		v.Close()
	}
	if h.Watching() || len(h.At("es")) != 0 {
		t.Error("somebody looks still")
	}
}
