package all_test

import (
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
	"github.com/seed-afc6a195/aggregator/pkg/filter/all"
)

// TestKinds: each kind is whole, and the configuration makes a step of it.
func TestKinds(t *testing.T) {
	settings := map[string]string{
		"parse": "{field: log, format: json}", "grep": "{exclude: {path: x}}", "modify": "{set: {a: b}}", "dedot": "{}",
		"redact": "{builtin: [email]}",
		"sample": "{rate: 0.5}", "throttle": "{rate: 5}", "join": "{}", "multiline": `{format: java, key: "{tag}"}`,
		"lookup": "{field: a, file: none.csv}",
		"expr":   "{drop: record.a == 1}",
	}
	seen := map[string]bool{}
	for _, k := range all.Kinds() {
		t.Run(k.Name, func(t *testing.T) {
			if seen[k.Name] || k.Summary == "" || strings.HasSuffix(k.Summary, ".") {
				t.Errorf("not whole, or there already: %+v", k)
			}
			seen[k.Name] = true
			cfg, err := config.Parse("",
				[]byte(
					"filters: {f: [{"+k.Name+": "+settings[k.Name]+
						"}]}\nroutes: [{match: '**', filters: [f], outputs: [archive]}]",
				),
				config.Options{Hostname: func() (string, error) { return "h", nil }})
			if err != nil {
				t.Fatal(err)
			}
			step := cfg.Filters["f"][0]
			if step.Kind != k.Name {
				t.Errorf("became %q", step.Kind)
			}
			made, err := step.Settings.New(filter.Deps{Log: zerolog.Nop(), Now: time.Now})
			if k.Name == "lookup" { // its file is not there
				if err == nil {
					t.Error("a table is made of no file")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if made.Step == nil && made.Joiner == nil {
				t.Error("nothing was made")
			}
			if (made.Then != nil) != (k.Name == "throttle") {
				t.Errorf("what follows it: %+v", made.Then)
			}
		})
	}
}
