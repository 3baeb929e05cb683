package destination

import (
	"regexp"
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/convert/flow"
	"github.com/seed-afc6a195/aggregator/internal/convert/ruby"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
)

// Remove takes the fields that a key names out of events, but for those that names and labels of the output are made
// of: they would be gone before these are.
func Remove(r *settings.Reader, o *flow.Output, key string, paths []string) {
	var gone []any
	for _, path := range paths {
		if needs(o.Settings, strings.TrimSuffix(ruby.PlaceholderOf(path), "}")) {
			r.Say(key, "the field "+path+" stays in the event: a name, an id or a label of the output needs it", "")
			continue
		}
		gone = append(gone, flow.Literal(path))
	}
	if gone != nil {
		o.Steps = append(o.Steps, flow.Step{Kind: "modify", Body: flow.Map{{Key: "remove", Value: gone}}})
	}
}

// needs reports whether a placeholder that begins so is among the texts of a setting.
func needs(v any, beginning string) bool {
	switch v := v.(type) {
	case flow.Map:
		for _, p := range v {
			if needs(p.Value, beginning) {
				return true
			}
		}
	case []any:
		for _, item := range v {
			if needs(item, beginning) {
				return true
			}
		}
	case string:
		for _, behind := range strings.Split(v, beginning)[1:] {
			if strings.ContainsAny(behind[:min(1, len(behind))], "}|.[") {
				return true
			}
		}
	}
	return false
}

// Labels leaves out labels of fields that are missing, as old programs do, but for one where there is no other: a
// stream has to have some.
func Labels(labels flow.Map) flow.Map {
	for _, l := range labels {
		if text, _ := l.Value.(string); !strings.HasSuffix(text, "|}") {
			return labels
		}
	}
	if len(labels) > 0 {
		text, _ := labels[0].Value.(string)
		labels[0].Value = strings.TrimSuffix(text, "}") + "none}"
	}
	return labels
}

// Conversions leaves out the %… of a name that the program does not know; %{…} is one of the plugin for S3.
func Conversions(r *settings.Reader, key, name string) string {
	return regexp.MustCompile(`%(?:%|.?)`).ReplaceAllStringFunc(name, func(c string) string {
		if len(c) == 2 && strings.Contains("%{YmdHMSjyGVUbBaAeIpsLNzZFT", c[1:]) {
			return c
		}
		r.Lose(key, c+" is no part of a time here", "write the name by hand (docs/configuration.md#placeholders)")
		return ""
	})
}
