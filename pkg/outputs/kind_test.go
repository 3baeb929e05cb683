package outputs_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

// madeUp and other are settings of two destinations.
type (
	madeUp struct {
		outputs.Common
		Place string
	}
	other struct{ outputs.Common }
)

func (c *madeUp) Settings() outputs.Common { return c.Or(outputs.Defaults()) }
func (c *madeUp) Destination() string      { return c.Place }
func (c *madeUp) Offers(map[string]map[string]string) (func(ev *event.Event) (outputs.Offer, error), error) {
	return nil, errors.New("nothing is offered")
}

func (c *other) Settings() outputs.Common { return c.Common }
func (c *other) Destination() string      { return "" }
func (c *other) Offers(map[string]map[string]string) (func(ev *event.Event) (outputs.Offer, error), error) {
	return nil, errors.New("nothing is offered")
}

// An output is made of the settings of its own type alone; those of another are refused in words.
func TestMake(t *testing.T) {
	var got *madeUp
	var with outputs.Deps
	broken := errors.New("no such place")
	build := outputs.Make(func(c *madeUp, d outputs.Deps) (outputs.Output, error) {
		got, with = c, d
		if c.Place == "" {
			return nil, broken
		}
		return &outputtest.Output{}, nil
	})
	own := &madeUp{Place: "there"}
	if out, err := build(own, outputs.Deps{Name: "x", Hostname: "h"}); err != nil || out == nil || got != own ||
		with.Name != "x" || with.Hostname != "h" {
		t.Errorf("%v, %v of %+v with %+v", out, err, got, with)
	}
	if _, err := build(&madeUp{}, outputs.Deps{}); !errors.Is(err, broken) {
		t.Errorf("what is wrong when it is made gets lost: %v", err)
	}
	got = nil
	_, err := build(&other{}, outputs.Deps{Name: "lake"})
	const want = "make output lake: its settings are of type *outputs_test.other, not of *outputs_test.madeUp"
	if err == nil || err.Error() != want || got != nil {
		t.Errorf("settings of another: %v, want %s", err, want)
	}
}

// The settings that all outputs have are the ones within a destination's, not a copy.
func TestBase(t *testing.T) {
	c := &madeUp{}
	c.Base().Workers = 5
	if c.Workers != 5 || c.Settings().Workers != 5 || outputs.Config(c).Base() != &c.Common {
		t.Errorf("%+v", c)
	}
}

func TestFind(t *testing.T) {
	kinds := []outputs.Kind{{Name: "b", Summary: "first"}, {Name: "a"}, {Name: "b", Summary: "second"}}
	for _, tc := range []struct {
		name, summary string
		ok            bool
	}{
		{"b", "first", true}, {"a", "", true}, {"c", "", false}, {"", "", false}, {"B", "", false},
	} {
		if got, ok := outputs.Find(kinds, tc.name); ok != tc.ok || got.Summary != tc.summary ||
			ok && got.Name != tc.name || !ok && got.Name != "" {
			t.Errorf("%q: %+v, %t", tc.name, got, ok)
		}
	}
	if got := outputs.Names(kinds); !slices.Equal(got, []string{"b", "a", "b"}) {
		t.Errorf("names %q, want them in the order of the kinds", got)
	}
	if got := outputs.Names(nil); len(got) != 0 {
		t.Errorf("names of none: %q", got)
	}
}

// An event that an earlier life of the program, an earlier try or a dead letter has sent is not sent for the first
// time.
func TestFirst(t *testing.T) {
	for _, tc := range []struct {
		name                       string
		again, chunkAgain, brought bool
		want                       bool
	}{
		{"new", false, false, false, true},
		{"the batch was tried", true, false, false, false},
		{"the chunk was out before", false, true, false, false},
		{"the chunk was returned", false, false, true, false},
		{"all at once", true, true, true, false},
	} {
		b := &outputs.Batch{Again: tc.again, Events: []event.Event{
			{Chunk: &event.Chunk{}}, {Chunk: &event.Chunk{Again: tc.chunkAgain, Returned: tc.brought}},
		}}
		if b.First(1) != tc.want || b.First(0) != !tc.again {
			t.Errorf("%s: %t, and beside it %t", tc.name, b.First(1), b.First(0))
		}
	}
}

// Offers show what would be sent, with what is added to the events of the cluster, and the target also where the
// event can't be rendered.
func TestOffers(t *testing.T) {
	added := map[string]map[string]string{"c": {"env": "prod"}, "d": {"env": "test"}}
	target := func(ev *event.Event) string { return "to " + ev.Chunk.Tag }
	var field outputs.MessageConfig
	field.Message = "log"
	lines, err := field.Text(event.Fields{}, added, true)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name  string
		offer func(ev *event.Event) (outputs.Offer, error)
		want  string
	}{
		{
			"whole events", outputs.OffersJSON(event.Fields{Cluster: "k"}, added, target),
			`{"log":"a\nb","k":"c","env":"prod"}`,
		},
		{"a field alone", outputs.OffersText(lines, target), `a\nb`},
	} {
		for range 2 {
			got, err := tc.offer(record(t, "log", "a\nb"))
			if err != nil || got.Target != "to t" || string(got.Document) != tc.want {
				t.Errorf("%s: %s %s, %v", tc.name, got.Target, got.Document, err)
			}
		}
	}
	broken := outputtest.Broken(&event.Chunk{Cluster: "c", Tag: "t"})
	for name, offer := range map[string]func(ev *event.Event) (outputs.Offer, error){
		"JSON": outputs.OffersJSON(event.Fields{}, nil, target), "text": outputs.OffersText(lines, target),
	} {
		if got, err := offer(&broken); err == nil || got.Target != "to t" {
			t.Errorf("%s of an event that is broken: %+v, %v", name, got, err)
		}
	}
}

// Settings of the field that is sent alone: what is refused, and in which words.
func TestMessageSetting(t *testing.T) {
	for _, tc := range []struct{ path, wrong string }{
		{"", ""},
		{"log", ""},
		{"kubernetes.pod_name", ""},
		{`["app.kubernetes.io/name"]`, ""},
		{"{tag}", `"{tag}" has '{', which can't be in it`},
		{"log|x", `"log|x" has '|', which can't be in it`},
		{"a}", `"a}" has '}', which can't be in it`},
	} {
		c := outputs.MessageConfig{Message: tc.path}
		want := ""
		if tc.wrong != "" {
			want = "message: " + tc.wrong +
				` (write a field's path, such as log, kubernetes.pod_name or ["dotted.field"])`
		}
		if got := strings.Join(complaints(&c), "\n"); got != want {
			t.Errorf("%q: %q, want %q", tc.path, got, want)
		}
		field, err := c.Field()
		if (err != nil) != (tc.wrong != "") || (field != nil) != (tc.path != "" && tc.wrong == "") {
			t.Errorf("%q: field %v, %v", tc.path, field, err)
		}
		text, made := c.Text(event.Fields{}, nil, true)
		if (made != nil) != (tc.wrong != "") || (text == nil) != (made != nil) ||
			made != nil && made.Error() != "message: "+tc.wrong {
			t.Errorf("%q: what makes texts: %v", tc.path, made)
		}
	}
}
