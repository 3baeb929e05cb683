package outputs

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Refusal is a line of a destination's table of refusals: the answers that it is about, and what follows from them. The
// first line that an answer fits decides.
type Refusal struct {
	// What has happened, in a few words, by which the line is known in tests.
	What string
	// Status is the answer's: one of these; below 10: a hundred, such as 4 for 4xx; none: any.
	Status []int
	// Kinds are types of error in the destination's terms; none: any.
	Kinds []string
	// Words is what the reason begins with. An event's values may stand behind that, so no line looks further; … stands
	// for any text without square brackets. "": any reason.
	Words  string
	Reason Reason
	// Partial and Unlisted are as in Failure.
	Partial  bool
	Unlisted bool
	// Suspect is as in SendError, in a table of answers to whole requests.
	Suspect bool
	Remedy  string
}

// Refusals is a destination's table. Its last line fits all answers.
type Refusals []Refusal

// Find returns the line for an answer, nil where none fits.
func (t Refusals) Find(status int, kind, words string) *Refusal {
	for i := range t {
		if t[i].fits(status, kind, words) {
			return &t[i]
		}
	}
	return nil
}

func (r *Refusal) fits(status int, kind, words string) bool {
	if len(r.Status) > 0 && !slices.Contains(r.Status, status) && !slices.Contains(r.Status, status/100) {
		return false
	}
	return (len(r.Kinds) == 0 || slices.Contains(r.Kinds, kind)) && begins(words, r.Words)
}

// anyText stands in Refusal.Words for any text without brackets.
const anyText = "…"

// begins reports whether text begins as pattern says.
func begins(text, pattern string) bool {
	head, rest, more := strings.Cut(pattern, anyText)
	text, ok := strings.CutPrefix(text, head)
	for ok && more {
		head, rest, more = strings.Cut(rest, anyText)
		at := strings.Index(text, head)
		if at < 0 || strings.ContainsAny(text[:at], "[]") {
			return false
		}
		text = text[at+len(head):]
	}
	return ok
}

// Fill sets what the line says of a failure, but for its detail.
func (r *Refusal) Fill(f *Failure) {
	f.Reason, f.Partial, f.Unlisted, f.Remedy = r.Reason, r.Partial, r.Unlisted, r.Remedy
}

// Table returns the lines as rows of a table in Markdown, with its head.
func (t Refusals) Table() string {
	var b strings.Builder
	b.WriteString(
		"| what | status | type | reason | is about | what happens | what to do |\n|---|---|---|---|---|---|---|\n",
	)
	for i := range t {
		r := &t[i]
		about, follows := r.follows()
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s |\n", r.What, r.statuses(), quoted(r.Kinds...),
			quoted(r.Words), about, follows, r.Remedy)
	}
	return b.String()
}

// statuses returns the line's statuses as text.
func (r *Refusal) statuses() string {
	texts := make([]string, len(r.Status))
	for i, s := range r.Status {
		if texts[i] = strconv.Itoa(s); s < 10 {
			texts[i] += "xx"
		}
	}
	return strings.Join(texts, ", ")
}

func quoted(texts ...string) string {
	var all []string
	for _, text := range texts {
		if text != "" {
			all = append(all, "`"+text+"`")
		}
	}
	return strings.Join(all, ", ")
}

// follows says what a refusal is about and what becomes of the events.
func (r *Refusal) follows() (about, follows string) {
	switch r.Reason {
	case ReasonRejected:
		about, follows = "content", "a dead letter"
		if r.Unlisted {
			follows += "; where all of at least 50 different events over 5 minutes are refused alike, it is the " +
				"target's state"
		}
	case ReasonTooLarge:
		about, follows = "content", "sent again in halves; what is too large alone is a dead letter"
	case ReasonTarget:
		about, follows = "state of the target", "its events wait aside, and are tried again by themselves"
		if r.Partial {
			follows = "such events wait aside, and are tried again by themselves; the target's others go on"
		}
	case ReasonThrottled:
		about, follows = "throttled", "sent again, slower"
	case ReasonAuth:
		about, follows = "auth", "held, sent again slowly, and shown"
	default:
		about, follows = "state of the whole", "held, and sent again"
	}
	if r.Suspect {
		follows += "; while the host takes other requests, this one is halved to find the event that it refuses"
	}
	return about, follows
}
