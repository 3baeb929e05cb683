package converttest

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/internal/tryout"
	"github.com/seed-afc6a195/aggregator/pkg/app/routing"
	"github.com/seed-afc6a195/aggregator/pkg/config"
)

// Events says what a configuration makes of events of a tag, JSON or texts, all at the beginning of 2026: a line for
// each output, with where in it and the document, and one for each that is dropped or joined, or where a step failed.
// The tag and the cluster are left out of documents where they are the event's own.
func Events(t *testing.T, cfg *config.Config, tag string, events ...string) string {
	t.Helper()
	c, err := tryout.New(cfg, func(cfg *config.Config, output string) (tryout.Rules, error) {
		return routing.NewRules(cfg, output, zerolog.Nop())
	}, "")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	_, err = c.Try(t.Context(), strings.NewReader(strings.Join(events, "\n")), &out, tryout.Options{
		Tag: tag, JSON: true, Now: func() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) },
	})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for line := range strings.Lines(out.String()) {
		var o tryout.Outcome
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatal(err)
		}
		for _, s := range o.Steps {
			if s.Error != "" {
				b.WriteString("failed: " + s.Kind + ": " + s.Error + "\n")
			}
		}
		if o.Result != tryout.Delivered {
			b.WriteString(strings.TrimSpace(o.Result+" "+o.Reason) + "\n")
		}
		for _, d := range o.Documents {
			where := strings.Join(d.Outputs, ", ") + " (" + strings.Join(d.Targets, ", ") + "): "
			if d.Text != "" {
				b.WriteString(where + d.Text + "\n")
				continue
			}
			own := `,"tag":"` + tag + `","cluster":"` + o.Cluster + `"}`
			b.WriteString(where + strings.Replace(string(d.Document), own, "}", 1) + "\n")
		}
	}
	return b.String()
}
