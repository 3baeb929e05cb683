package outputs

import (
	"strings"
	"testing"
)

func TestRefusalsFind(t *testing.T) {
	table := Refusals{
		{What: "one type", Status: []int{400}, Kinds: []string{"a", "b"}, Reason: ReasonTarget},
		{What: "words", Status: []int{400, 5}, Words: "index […] blocked by: [", Reason: ReasonTarget},
		{What: "a hundred", Status: []int{4}, Reason: ReasonRejected},
		{What: "rest", Reason: ReasonServer},
	}
	for _, tc := range []struct {
		status      int
		kind, words string
		want        string
	}{
		{400, "a", "", "one type"},
		{400, "b", "x", "one type"},
		{401, "a", "", "a hundred"},
		{400, "c", "index [x] blocked by: [y]", "words"},
		{503, "", "index [x] blocked by: [y]", "words"},
		{503, "", "index x blocked by: [y]", "rest"},
		{499, "", "", "a hundred"},
		{0, "", "", "rest"},
	} {
		if got := table.Find(tc.status, tc.kind, tc.words); got.What != tc.want {
			t.Errorf("%d %s %q: line %q, want %q", tc.status, tc.kind, tc.words, got.What, tc.want)
		}
	}
	if got := table[:3].Find(503, "", ""); got != nil {
		t.Errorf("no line fits, but %q was found", got.What)
	}
}

// An event's value can't be taken for the words of a state: it never stands where a reason begins, nor in place of a
// name.
func TestRefusalWordsAreNoValues(t *testing.T) {
	const pattern = "[…] failed to parse: Limit of total fields […] exceeded"
	for text, want := range map[string]bool{
		"[1:31] failed to parse: Limit of total fields " +
			"[3] exceeded": true,
		"[1:31] failed to parse: Limit of total fields [3] " +
			"exceeded by far": true,
		"[1:31] failed to parse field [a]. Preview of field's value: '] failed to parse: Limit of total fields " +
			"[3] exceeded'": false,
		"[[1] failed to parse: Limit of total fields [3] exceeded":     false,
		"[1:31] failed to parse: Limit of total fields [3":             false,
		"x [1:31] failed to parse: Limit of total fields [3] exceeded": false,
		"": false,
	} {
		if got := begins(text, pattern); got != want {
			t.Errorf("%q begins as the pattern says: %t, want %t", text, got, want)
		}
	}
}

func TestRefusalsTable(t *testing.T) {
	table := Refusals{
		{
			What: "closed", Status: []int{400, 5}, Kinds: []string{"a", "b"}, Words: "no [", Reason: ReasonTarget,
			Remedy: "open it",
		},
		{What: "full", Reason: ReasonTarget, Partial: true, Remedy: "r"},
		{What: "other", Reason: ReasonRejected, Unlisted: true, Remedy: "r"},
		{What: "page", Reason: ReasonServer, Suspect: true, Remedy: "r"},
		{What: "large", Reason: ReasonTooLarge, Remedy: "r"},
		{What: "slow", Reason: ReasonThrottled, Remedy: "r"},
		{What: "login", Reason: ReasonAuth, Remedy: "r"},
	}
	got := table.Table()
	for _, want := range []string{
		"| closed | 400, 5xx | `a`, `b` | `no [` | state of the target | its events wait aside, and are tried again " +
			"by themselves | open it |\n",
		"| full |  |  |  | state of the target | such events wait aside, and are tried again by themselves; the " +
			"target's others go on | r |\n",
		"| content | a dead letter; where all of at least 50 ",
		"| state of the whole | held, and sent again; while the host takes other requests, ",
		"| content | sent again in halves;", "| throttled |", "| auth |",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the table lacks %q:\n%s", want, got)
		}
	}
}
