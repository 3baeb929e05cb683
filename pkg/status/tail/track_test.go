package tail

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/stepdiff"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/status/client"
)

// text returns the steps of a track as lines.
func text(t *Track, values bool) string {
	var all []string
	steps := t.told(values)
	for i := range steps {
		for _, l := range steps[i].Lines() {
			all = append(all, strings.TrimSpace(l.Text))
		}
	}
	return strings.Join(all, "; ")
}

func kept(i int) stepdiff.Step {
	return stepdiff.Step{Filter: "f", Index: i, Kind: "k", Effect: stepdiff.Kept}
}

func effect(i int, what string) stepdiff.Step {
	s := kept(i)
	s.Effect = what
	return s
}

func TestTrack(t *testing.T) {
	x, y, large := entry("x"), entry("y"), entry(strings.Repeat("z", maxCopies))
	later := *x
	later.Time.Sec++
	for _, tc := range []struct {
		name string
		give func(t *Track)
		want string
		last string
	}{
		{"no step", func(*Track) {}, "", ""},
		{
			"changes, and none", func(t *Track) {
				t.Step(kept(0), x, x.Record)
				t.Step(kept(1), y, y.Record)
				t.Step(effect(2, stepdiff.Skipped), y, y.Record)
				t.Step(kept(3), y, x.Record)
				t.Step(effect(4, stepdiff.Dropped), y, x.Record)
			},
			`f[0] k: unchanged; f[1] k; ~ log: "x" → "y"; f[2] k: skipped: when is false; f[3] k; ~ log: "y" → "x"; ` +
				"f[4] k: dropped",
			"f[4] k",
		},
		{
			"held back, and out again", func(t *Track) {
				t.Step(effect(0, stepdiff.Held), x, x.Record)
				t.Step(kept(0), y, y.Record)
			},
			`f[0] k; ~ log: "x" → "y"`, "f[0] k",
		},
		{
			"a step's second half", func(t *Track) {
				t.Step(kept(0), y, y.Record)
				t.Step(kept(0), y, y.Record)
			},
			`f[0] k; ~ log: "x" → "y"`, "f[0] k",
		},
		{
			"another time", func(t *Track) { t.Step(kept(0), &later, x.Record) },
			`f[0] k; ~ (time): "1970-01-01T00:16:40.000000005Z" → "1970-01-01T00:16:41.000000005Z"`, "f[0] k",
		},
		{
			"too large to be kept", func(t *Track) {
				t.Step(kept(0), large, large.Record)
				t.Step(kept(1), x, x.Record)
			},
			"f[0] k; (too large for its changes to be shown); f[1] k; (too large for its changes to be shown)",
			"f[1] k",
		},
		{
			"no JSON", func(t *Track) { t.Step(kept(0), x, []byte{0x81, 0xa1, 'a', 0xc1}) },
			`f[0] k; - log: "x"`, "f[0] k",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			track := NewTrack("routes[0]", x)
			tc.give(track)
			if got := text(track, true); got != tc.want {
				t.Errorf("told %q, want %q", got, tc.want)
			}
			if got := track.Last(); got != tc.last {
				t.Errorf("the last is %q, want %q", got, tc.last)
			}
			if got := text(track, false); strings.Contains(got, `"`) {
				t.Errorf("values are told to everybody: %q", got)
			}
		})
	}
}

// What is followed is bounded, in events and in chunks: the oldest are followed no more, and counted.
func TestFollowsAreBounded(t *testing.T) {
	v, err := new(Hub).Open(Query{At: "es", Rate: 1000})
	if err != nil {
		t.Fatal(err)
	}
	const more = 10
	keys := make([]Key, maxTracks+more)
	for i := range keys {
		ev := entry("x")
		ev.Pos = i
		keys[i] = KeyOf("es", ev)
		v.Follow(keys[i], NewTrack("routes[0]", ev))
	}
	for _, key := range keys {
		v.Show(key, entry("x"), time.Unix(1, 0), End{Over: true, Fill: nothing})
	}
	if n, missed := len(shown(v)), v.Missed(); n != maxTracks || missed != more {
		t.Errorf("%d shown and %d missed of %d", n, missed, len(keys))
	}
	for range 10 * maxTracks { // such as come to their end at once
		v.Follow(keys[0], NewTrack("routes[0]", entry("x")))
		v.Show(keys[0], entry("x"), time.Unix(1, 0), End{Over: true, Fill: nothing})
	}
	if n := len(v.keys); n > 2*maxTracks {
		t.Errorf("%d keys are remembered", n)
	}
	for i := range maxChunks + more {
		v.Look("es", &event.Chunk{Seq: uint64(i)})
	}
	if len(v.chunks) != maxChunks || v.Looked("es", &event.Chunk{Seq: 0}) ||
		!v.Looked("es", &event.Chunk{Seq: maxChunks}) {
		t.Errorf("%d chunks are remembered", len(v.chunks))
	}
}

// The first showing of a followed event takes the place that it was picked for; sent again, it counts like others.
func TestPlaces(t *testing.T) {
	v, err := new(Hub).Open(Query{At: "es", Rate: 2, Sample: 2})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(5, 0)
	var picked []bool
	for range 6 {
		picked = append(picked, v.Picks("a", now))
	}
	if got := fmt.Sprint(picked); got != "[true false true false false false]" || v.Missed() != 1 {
		t.Errorf("picked %s", got)
	}
	ev := entry("x")
	key := KeyOf("es", ev)
	v.Follow(key, NewTrack("routes[0]", ev))
	again := End{Through: true, Fill: func(t *client.TailEvent) { t.Detail = "words" }}
	for range 3 {
		v.Show(key, ev, now, again)
	}
	if n, missed := len(shown(v)), v.Missed(); n != 1 || missed != 2 {
		t.Errorf("%d shown and %d missed", n, missed)
	}
	v.Show(key, ev, now.Add(time.Second), again)
	select {
	case s := <-v.Events():
		if e := s.Event(); e.Detail != "" || e.Route != "routes[0]" || e.Record != nil {
			t.Errorf("shown %+v", e)
		}
	default:
		t.Error("a second later it is not shown")
	}
}
