package delivery

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/delivery/internal/outcome"
	"github.com/seed-afc6a195/aggregator/pkg/delivery/internal/pacing"
	"github.com/seed-afc6a195/aggregator/pkg/delivery/stats"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// letterBox keeps letters after so many failures.
type letterBox struct {
	fails   int
	letters []DeadLetter
}

func (b *letterBox) Add(_ context.Context, letters []DeadLetter) error {
	if b.fails--; b.fails >= 0 {
		return errors.New("no space left on device")
	}
	b.letters = append(b.letters, letters...)
	return nil
}

func TestDeadLetterSink(t *testing.T) {
	for _, tc := range []struct {
		name     string
		onReject string
		reasons  []string
		fails    int
		end      bool
		kept     int
		want     outcome.Counts
		said     string
	}{
		{"kept", "", []string{"rejected", ReasonMaxAge}, 0, false, 2, outcome.Counts{
			Dead: map[string]uint64{"rejected": 1, ReasonMaxAge: 1},
		}, "done a"},
		{"kept once the disk works", "", []string{"rejected", "rejected"}, 3, false, 2, outcome.Counts{
			Dead: map[string]uint64{"rejected": 2},
		}, "done a"},
		{
			"on_reject drops only what was refused", "drop",
			[]string{"rejected", ReasonMaxAge},
			0, false, 1,
			outcome.Counts{
				Dropped: map[string]uint64{"rejected": 1}, Dead: map[string]uint64{ReasonMaxAge: 1},
			},
			"done a",
		},
		{"given back at the end", "", []string{"rejected", "rejected"}, 1000, true, 0, outcome.Counts{}, "returned a"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				source, box := &sourceLog{}, &letterBox{fails: tc.fails}
				ref := source.ref("a", 2)
				ref.acquire(2, 0)
				ref.walked(outcome.Delivered(), 0)
				set := outputs.Common{OnReject: tc.onReject}.Or(outputs.Defaults())
				c := pacing.NewControl(time.Hour)
				force, cancel := context.WithCancel(t.Context())
				defer cancel()
				c.Force = force
				if tc.end {
					time.AfterFunc(time.Minute, cancel)
				}
				d := &deadLetterSink{letters: box, set: &set, control: c, rec: stats.NewRecorder("es", zerolog.Nop())}
				var letters []DeadLetter
				for i, reason := range tc.reasons {
					ev := &event.Event{Chunk: ref.chunk, Pos: i}
					letters = append(letters, DeadLetter{Event: ev, Chunk: ref.chunk, Events: 1, Reason: reason})
				}
				if ok := d.refuse(letters, []*chunkRef{ref}); ok == tc.end {
					t.Errorf("refuse: %v", ok)
				}
				last := source.said[len(source.said)-1]
				if len(box.letters) != tc.kept || !reflect.DeepEqual(source.counts, tc.want) || last != tc.said {
					t.Errorf("%d letters, %+v, %s", len(box.letters), source.counts, last)
				}
			})
		})
	}
}

// TestUnnamedLetters: events of which nobody knows whether they were refused are counted, and make one letter that
// holds none of them; another request has a letter of its own.
func TestUnnamedLetters(t *testing.T) {
	source, box := &sourceLog{}, &letterBox{}
	ref := source.ref("a", 6)
	ref.acquire(6, 0)
	ref.walked(outcome.Delivered(), 0)
	set := outputs.Defaults()
	d := &deadLetterSink{
		letters: box, set: &set, control: pacing.NewControl(time.Hour), rec: stats.NewRecorder("es", zerolog.Nop()),
	}
	var letters []DeadLetter
	for i, detail := range []string{"2 of 5", "2 of 5", "3 of 9", "3 of 9", "3 of 9", "named"} {
		letters = append(letters, DeadLetter{
			Event: &event.Event{Chunk: ref.chunk, Pos: i}, Chunk: ref.chunk, Events: 1, Reason: "rejected",
			Detail: detail, Unnamed: detail != "named",
		})
	}
	if !d.refuse(letters, []*chunkRef{ref}) {
		t.Fatal("not kept")
	}
	if want := (outcome.Counts{Dead: map[string]uint64{"rejected": 6}}); !reflect.DeepEqual(source.counts, want) {
		t.Errorf("%+v, want %+v", source.counts, want)
	}
	for i, want := range []struct {
		events int
		named  bool
	}{{2, false}, {3, false}, {1, true}} {
		if l := box.letters[i]; len(box.letters) != 3 || l.Events != want.events || (l.Event != nil) != want.named {
			t.Errorf("letter %d of %d: %+v", i, len(box.letters), l)
		}
	}
}
