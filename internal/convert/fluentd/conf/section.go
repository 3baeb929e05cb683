package conf

import (
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
	"github.com/seed-afc6a195/aggregator/internal/convert/syntax"
)

// Type returns what @type says, "" where it says nothing.
func Type(s *syntax.Section) string {
	if v, ok := s.Get("@type"); ok {
		return v.Shown()
	}
	return s.Text("type")
}

// Title returns a section as people know it: <match kube.**> elasticsearch.
func Title(s *syntax.Section) string {
	name := "<" + s.Name
	if s.Arg != "" {
		name += " " + s.Arg
	}
	return name + "> " + Type(s)
}

// NewReader returns a reader of a plugin's section, of which what all plugins have counts as looked at.
func NewReader(s *syntax.Section, notes *settings.Notes) *settings.Reader {
	r := settings.NewReader(s, notes, Title(s))
	r.Ignore("@type", "type", "@id", "id", "@label", "@log_level", "log_level")
	return r
}
