package multiline

import (
	"math/bits"
	"testing"
)

// The sets of words and states have 64 places.
func TestRoomForAllFormats(t *testing.T) {
	m, err := formatMachine("all")
	if err != nil {
		t.Fatal(err)
	}
	var all states
	for _, kind := range m.kinds {
		all |= kind
	}
	count := 0
	for _, kind := range m.kinds {
		count += bits.OnesCount64(uint64(kind))
	}
	if n := bits.OnesCount64(uint64(all)); n != count || len(m.words.list) > 64 {
		t.Errorf("%d of %d states have a place, and there are %d words", n, count, len(m.words.list))
	}
	for i := range m.start {
		if m.start[i].words == 0 {
			t.Errorf("a rule for first lines asks for no word: %v", m.start[i].re)
		}
	}
}
