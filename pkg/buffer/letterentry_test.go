package buffer

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/event"
)

func TestLetterPart(t *testing.T) {
	l := letterOf(7)
	if p, ok := l.Part(); !ok || p.Key != event.PartKeyOfChunk("c", "t", "h") || p.First != 7 || p.Events != 1 {
		t.Errorf("%+v %v", p, ok)
	}
	for _, id := range []string{"", "-", "x-1", l.EventID + "x", l.EventID[:22], l.EventID[:22] + "-", l.EventID[:21] + "-7", l.EventID[:22] + "--7"} {
		if p, ok := (&Letter{EventID: id}).Part(); ok {
			t.Errorf("%q is %+v", id, p)
		}
	}
}
