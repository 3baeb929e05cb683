package fair

import (
	"strings"
	"testing"
)

// Each takes pieces of one size; the letters say in which order.
func TestRing(t *testing.T) {
	for _, tc := range []struct {
		name   string
		pieces map[string]int64 // bytes of each one's pieces
		want   string
	}{
		{"nobody", nil, ""},
		{"alone", map[string]int64{"a": 300}, "aaaaaaaaaaaa"},
		{"alike", map[string]int64{"a": 100, "b": 100}, "abababababab"},
		{"small pieces go several to a turn", map[string]int64{"a": 25, "b": 100}, "aaaabaaaabaa"},
		{"a large piece is paid for by the next turns", map[string]int64{"a": 300, "b": 100}, "abbbabbbabbb"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := NewRing[string](100)
			for _, name := range []string{"a", "b"} {
				if tc.pieces[name] > 0 {
					r.Add(&Turn[string]{Value: name})
				}
			}
			var got strings.Builder
			for turn := r.Current(); turn != nil && got.Len() < 12; turn = r.Current() {
				got.WriteString(turn.Value)
				r.Take(turn, tc.pieces[turn.Value])
			}
			if got.String() != tc.want {
				t.Errorf("got %s, want %s", got.String(), tc.want)
			}
		})
	}
}

// Who leaves and comes back keeps nobody from their turn.
func TestRemove(t *testing.T) {
	r := NewRing[string](1)
	var all []*Turn[string]
	for _, name := range []string{"a", "b", "c"} {
		all = append(all, &Turn[string]{Value: name})
		r.Add(all[len(all)-1])
	}
	next := func(want string) {
		t.Helper()
		turn := r.Current()
		if turn == nil || turn.Value != want {
			t.Fatalf("it is the turn of %v, want %s", turn, want)
		}
		r.Take(turn, 1)
	}
	next("a")
	next("b")
	r.Remove(all[0])
	r.Remove(all[0])
	next("c")
	next("b")
	r.Add(all[0])
	r.Add(all[0])
	next("c")
	next("a")
	next("b")
}
