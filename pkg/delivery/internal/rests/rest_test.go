package rests

import (
	"slices"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// What is stored of a chunk's events is those events, in order, with their groups, ids, tags and times.
func TestRests(t *testing.T) {
	c := &event.Chunk{
		Tag: "app", Cluster: "a", Events: 6, Parts: []event.Part{{Key: [16]byte{1}, First: 10, Events: 6}},
	}
	var events []event.Event
	for i := range 6 {
		ev := event.Event{Chunk: c, Pos: i, Time: event.Time{Sec: int64(i)}, Record: []byte{0x81, 0xa1, 'n', byte(i)}}
		if i == 5 {
			ev.Tag = "web"
		}
		events = append(events, ev)
	}
	events[3].Joined = 7
	group := []byte("\x92\x92\xd7\x00\xff\xff\xff\xff\x00\x00\x00\x00\x81\xa1g\x01\x80")
	events[1].Group, events[2].Group, events[3].Group = group, group, slices.Clone(group)
	var r Rests
	for _, i := range []int{0, 1, 2, 3, 4, 5} {
		part, ok := events[i].Part()
		if !ok {
			t.Fatal("an event without a part")
		}
		target := "x"
		if i == 1 {
			target = "y"
		}
		r.Add(target, &events[i], part)
	}
	want := map[string]struct {
		numbers []byte
		parts   []event.Part
	}{
		"x": {[]byte{0, 2, 3, 4}, []event.Part{
			{Key: [16]byte{1}, First: 10, Events: 1},
			{Key: [16]byte{1}, First: 12, Events: 1},
			{Key: [16]byte{1}, First: 13, Events: 1, Joined: 7},
			{Key: [16]byte{1}, First: 14, Events: 1},
		}},
		"y":    {[]byte{1}, []event.Part{{Key: [16]byte{1}, First: 11, Events: 1}}},
		"xweb": {[]byte{5}, []event.Part{{Key: [16]byte{1}, First: 15, Events: 1}}},
	}
	for _, one := range r.All {
		got := one.Chunk(c)
		w := want[one.Target+one.NewTag]
		var numbers []byte
		it, ev := got.Iterator(), event.Event{}
		for it.Next(&ev) {
			numbers = append(numbers, ev.Record[3])
			from := &events[ev.Record[3]]
			if string(ev.AppendID(nil)) != string(from.AppendID(nil)) || ev.DeliveredTag() != from.DeliveredTag() ||
				ev.Time != from.Time ||
				string(ev.Group) != string(from.Group) {
				t.Errorf("event %d has id %s, was %s", ev.Record[3], ev.AppendID(nil), from.AppendID(nil))
			}
		}
		if it.Err() != nil || !slices.Equal(numbers, w.numbers) || !slices.Equal(one.Parts, w.parts) {
			t.Errorf("%s: events %v of parts %+v, %v", one.Target, numbers, one.Parts, it.Err())
		}
	}
	if cut := r.Cut("x"); len(cut) != 2 || len(r.All) != 1 || len(r.List()) != 1 {
		t.Errorf("cut %d, left %d", len(cut), len(r.All))
	}
}
