package all_test

import (
	"crypto/tls"
	"encoding/json"
	"os"
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

// withSetting returns the kinds whose settings have the field.
func withSetting(field string) (names []string) {
	for _, k := range all.Kinds(nil) {
		if _, ok := reflect.TypeOf(k.NewConfig()).Elem().FieldByName(field); ok {
			names = append(names, k.Name)
		}
	}
	return names
}

// splunkEvent returns the event in an object for Splunk: the text that was sent alone, or its own object.
func splunkEvent(t *testing.T, document []byte) string {
	t.Helper()
	var object struct{ Event json.RawMessage }
	if err := json.Unmarshal(document, &object); err != nil {
		t.Fatalf("%s: %v", document, err)
	}
	var text string
	if err := json.Unmarshal(object.Event, &text); err != nil {
		return string(object.Event)
	}
	return text
}

// TestDocs: where the documentation lists the outputs that have something, it lists all of them.
func TestDocs(t *testing.T) {
	for _, tc := range []struct {
		file, from, to string
		kinds          []string
	}{
		{"tls.md", "## Through a proxy", "\n\nFor AWS", outputs.Names(all.Kinds(nil))},
		{"configuration.md", "Outputs that take lines or texts (", ")", withSetting("Message")},
	} {
		text, err := os.ReadFile("../../../docs/" + tc.file)
		if err != nil {
			t.Fatal(err)
		}
		_, rest, begins := strings.Cut(string(text), tc.from)
		list, _, ends := strings.Cut(rest, tc.to)
		if !begins || !ends {
			t.Fatalf("docs/%s has no %q and %q", tc.file, tc.from, tc.to)
		}
		for _, name := range tc.kinds {
			if !strings.Contains(list, "`"+name+"`") {
				t.Errorf("docs/%s, %s: add %s, as `%s`", tc.file, tc.from, name, name)
			}
		}
	}
}

// TestRawTexts: message means the same for every output that has it, in what `try` shows as in what is sent.
func TestRawTexts(t *testing.T) {
	// These send each event as a message of its own.
	messages := []string{"cloudwatch_logs", "kafka", "loki", "splunk_hec"}
	for _, name := range withSetting("Message") {
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
				offer, err := offers(&batch.Events[i])
				if err != nil {
					t.Fatal(err)
				}
				got := string(offer.Document)
				if name == "splunk_hec" {
					got = splunkEvent(t, offer.Document)
				}
				if got != text {
					t.Errorf("%s: %q, want %q", want.Name, got, text)
				}
			}
		})
	}
}
