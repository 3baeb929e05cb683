package all_test

import (
	"crypto/tls"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/all"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

// TestKinds: what each kind tells of itself is whole, and its example becomes an output.
func TestKinds(t *testing.T) {
	kinds := all.Kinds(nil)
	names, aliases := map[string]bool{}, map[string]bool{}
	for _, k := range kinds {
		t.Run(k.Name, func(t *testing.T) {
			if names[k.Name] || k.Name == "" || k.Summary == "" || strings.HasSuffix(k.Summary, ".") ||
				k.CPUMicros <= 0 {
				t.Errorf("not whole, or there already: %+v", k)
			}
			names[k.Name] = true
			for alias, meant := range k.Aliases {
				if aliases[alias] || alias != strings.ToLower(alias) || slices.Contains(outputs.Names(kinds), alias) ||
					!strings.HasPrefix(meant, k.Name) {
					t.Errorf("alias %q is taken, or does not lead here", alias)
				}
				aliases[alias] = true
			}
			cfg, err := config.Example(k.Name)
			if err != nil {
				t.Fatal(err)
			}
			settings := cfg.Outputs["o0"].Settings
			if settings.Base() != cfg.Outputs["o0"].Common || settings.Base().Type != k.Name {
				t.Errorf("the common settings are not the settings' own: %+v", settings.Base())
			}
			offers, err := settings.Offers(nil)
			if err != nil {
				t.Fatal(err)
			}
			it := outputtest.Chunk(1, "a", "t", 1, 0, 10).Iterator()
			var ev event.Event
			if !it.Next(&ev) {
				t.Fatal(it.Err())
			}
			if offer, err := offers(&ev); err != nil || offer.Target == "" || len(offer.Document) == 0 {
				t.Errorf("offers %+v: %v", offer, err)
			}
			made, err := k.New(settings, outputs.Deps{
				Name: "o0", Log: zerolog.Nop(), Now: time.Now, Hostname: "h", StateDir: t.TempDir(),
				//nolint:nilnil // no TLS
				TLS: func(*setting.ClientTLS) (func(string) *tls.Config, error) { return nil, nil },
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := made.Close(); err != nil {
				t.Error(err)
			}
			if k.Needs != nil {
				for _, need := range k.Needs(outputs.Load{
					EventsPerSecond: 1000, BytesPerSecond: 450_000, Clusters: 2, Outage: time.Hour,
				}) {
					if !strings.HasSuffix(need, ".") {
						t.Errorf("no sentence: %s", need)
					}
				}
			}
		})
	}
}

// Settings of another type are refused, and not taken for the kind's own.
func TestForeignSettings(t *testing.T) {
	kinds := all.Kinds(nil)
	for i, k := range kinds {
		other := kinds[(i+1)%len(kinds)].NewConfig()
		if _, err := k.New(other, outputs.Deps{Name: "x"}); err == nil ||
			!strings.Contains(err.Error(), "make output x") {
			t.Errorf("%s makes an output of %T: %v", k.Name, other, err)
		}
	}
}

// TestRawTexts: message means the same for every output that has it, in what `try` shows as in what is sent.
func TestRawTexts(t *testing.T) {
	// These send each event as a message of its own.
	messages := []string{"cloudwatch_logs", "kafka", "loki"}
	for _, name := range []string{"file", "s3", "firehose", "kinesis", "kafka", "http", "loki", "cloudwatch_logs"} {
		t.Run(name, func(t *testing.T) {
			cfg, err := config.Example(name)
			if err != nil {
				t.Fatal(err)
			}
			settings := cfg.Outputs["o0"].Settings
			settings.Base().Fields = event.Fields{}
			fields := reflect.ValueOf(settings).Elem()
			fields.FieldByName("Message").SetString("log")
			offers, err := settings.Offers(nil)
			if err != nil {
				t.Fatal(err)
			}
			batch := outputtest.RawBatch()
			for i, want := range outputtest.RawTexts() {
				text := want.Line
				if slices.Contains(messages, name) {
					text = want.Text
				}
				if got, err := offers(&batch.Events[i]); err != nil || string(got.Document) != text {
					t.Errorf("%s: %q, %v; want %q", want.Name, got.Document, err, text)
				}
			}
		})
	}
}
