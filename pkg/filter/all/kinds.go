// Package all lists the kinds of steps that filters have. It is the one place that knows them all.
package all

import (
	"github.com/seed-afc6a195/aggregator/pkg/filter"
	"github.com/seed-afc6a195/aggregator/pkg/filter/expression"
	"github.com/seed-afc6a195/aggregator/pkg/filter/grep"
	"github.com/seed-afc6a195/aggregator/pkg/filter/join"
	"github.com/seed-afc6a195/aggregator/pkg/filter/lookup"
	"github.com/seed-afc6a195/aggregator/pkg/filter/modify"
	"github.com/seed-afc6a195/aggregator/pkg/filter/multiline"
	"github.com/seed-afc6a195/aggregator/pkg/filter/parse"
	"github.com/seed-afc6a195/aggregator/pkg/filter/redact"
	"github.com/seed-afc6a195/aggregator/pkg/filter/sample"
)

// Kinds returns the kinds of steps, in the order in which documentation has them.
func Kinds() []filter.Kind {
	return []filter.Kind{
		parse.Kind(),
		grep.Kind(),
		modify.Kind(),
		modify.DedotKind(),
		redact.Kind(),
		sample.Kind(),
		sample.ThrottleKind(),
		join.Kind(),
		multiline.Kind(),
		lookup.Kind(),
		expression.Kind(),
	}
}
