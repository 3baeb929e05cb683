package outputs

import (
	"slices"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/event"
)

func TestCountSent(t *testing.T) {
	b := &Batch{Events: make([]event.Event, 4)}
	for i := range b.Events {
		b.Events[i].Record = make([]byte, 10+i)
	}
	b.Events[3].Metadata = make([]byte, 5)
	for i, target := range []string{"a", "a", "b", "a"} {
		b.CountSent(target, &b.Events[i])
	}
	want := []TargetCount{{"a", 2, 21}, {"b", 1, 12}, {"a", 1, 18}}
	if !slices.Equal(b.Sent, want) {
		t.Errorf("got %v, want %v", b.Sent, want)
	}
	b.Sent = nil
	b.CountAll("all")
	if want := []TargetCount{{"all", 4, 51}}; !slices.Equal(b.Sent, want) {
		t.Errorf("got %v, want %v", b.Sent, want)
	}
	none := &Batch{}
	if none.CountAll("all"); none.Sent != nil {
		t.Errorf("an empty batch goes to %v", none.Sent)
	}
}

func TestKindOf(t *testing.T) {
	for text, want := range map[string]string{
		"index_closed_exception":   "index_closed_exception",
		" AccessDeniedException\n": "AccessDeniedException",
		"a.b-c_1":                  "a.b-c_1",
		"":                         "",
		"a type with words":        "",
		"<script>":                 "",
		"type\u202e":               "",
		"\xff":                     "",
		strings.Repeat("x", 80):    strings.Repeat("x", 80),
		strings.Repeat("x", 81):    "",
	} {
		if got := KindOf(text); got != want {
			t.Errorf("KindOf(%q) = %q, want %q", text, got, want)
		}
	}
}
