// Package destination writes the outputs that fluentd and Fluent Bit both have, each under keys of its own.
package destination

import (
	"github.com/seed-afc6a195/aggregator/internal/convert/flow"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
)

// Unknown makes an output of a type that there is not one to files, so that none of its events is lost meanwhile.
func Unknown(o *flow.Output, notes *settings.Notes) {
	notes.Lose(o.At, o.Title, "there is no output of this type",
		"until you write another in its place, its events are kept in files, by the output "+o.Name)
	o.Type = "file"
	o.Settings = flow.Map{{Key: "path", Value: "data/not-converted/" + o.Name + "/%Y-%m-%d.ndjson"}}
	o.Notes = []string{"Not converted: " + o.Title + ". Its events are kept here."}
}
