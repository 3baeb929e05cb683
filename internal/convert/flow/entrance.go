package flow

import "github.com/seed-afc6a195/aggregator/internal/convert/syntax"

// Entrance is what gives events another tag before all else, as inputs may.
type Entrance struct {
	At    syntax.Place
	Title string
	rule  Rule
	text  string
}

// Prefix says that what comes in at a place gets tags with text in front.
func (f *Flow) Prefix(at syntax.Place, title, text string) {
	f.enter(at, title, LiteralTemplate(text)+"{tag}", text+"**")
}

// Tagged says that what comes in at a place gets that tag.
func (f *Flow) Tagged(at syntax.Place, title, tag string) {
	f.enter(at, title, LiteralTemplate(tag), tag)
}

func (f *Flow) enter(at syntax.Place, title, template, like string) {
	f.entrances = append(f.entrances, Entrance{
		At: at, Title: title, text: template,
		rule: Rule{
			At: at, Tags: Tags{Patterns: []string{like}},
			Set: []Step{{Kind: "modify", Body: Map{{Key: "tag", Value: template}}}},
		},
	})
}

// entered returns the way of events that come in under new tags, where all ways in, of which there are so many, agree.
// Else the first entrance that differs is wrong.
func (f *Flow) entered(ways int, w way) (way, *syntax.Error) {
	if len(f.entrances) == 0 {
		return w, nil
	}
	first := f.entrances[0]
	for _, e := range f.entrances[1:] {
		if e.text != first.text {
			return w, differing(e)
		}
	}
	if ways > len(f.entrances) {
		return w, differing(first)
	}
	taken, _, _ := w.byRule(&Match{At: first.At, Title: first.Title}, first.rule)
	return taken, nil
}

func differing(e Entrance) *syntax.Error {
	return &syntax.Error{
		At: e.At, Reason: e.Title + ": its events get other tags than those of other inputs, and routes don't know " +
			"inputs",
		Hint: "let the agents send those tags, or give them a cluster of their own and name it in routes",
	}
}
