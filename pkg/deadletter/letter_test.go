package deadletter

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/event"
)

func TestLetterPart(t *testing.T) {
	key := event.PartKeyOfChunk("c", "t", "h")
	ev := event.Event{Chunk: &event.Chunk{Parts: []event.Part{{Key: key, First: 7, Events: 1}}}}
	l := Letter{EventID: string(ev.AppendID(nil)), Events: 1}
	if p, ok := l.Part(); !ok || p.Key != key || p.First != 7 || p.Events != 1 {
		t.Errorf("%+v %v", p, ok)
	}
	for _, id := range []string{
		"", "-", "x-1", l.EventID + "x", l.EventID[:22], l.EventID[:22] + "-", l.EventID[:21] + "-7",
		l.EventID[:22] + "--7",
	} {
		if p, ok := (&Letter{EventID: id}).Part(); ok {
			t.Errorf("%q is %+v", id, p)
		}
	}
}
