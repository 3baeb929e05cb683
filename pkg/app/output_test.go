package app

import (
	"reflect"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/memory"
	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// told is an output that reports what it is.
type told struct {
	outputs.Output
	report outputs.Report
}

func (t told) Report() outputs.Report { return t.report }

func TestCountersGoOnAfterAReload(t *testing.T) {
	now := outputs.Report{
		Server: "new", PossibleDuplicates: 1, FailureStore: 2, Redirected: 3, Truncated: 4,
		Paces: []outputs.Pace{{Stream: "b", Throttled: 5}, {Stream: "c", Throttled: 6}},
	}
	before := outputs.Report{
		Server: "old", PossibleDuplicates: 10, FailureStore: 20, Redirected: 30, Truncated: 40,
		Paces: []outputs.Pace{{Stream: "a", Throttled: 1}, {Stream: "b", Throttled: 50}},
	}
	want := outputs.Report{
		Server: "new", PossibleDuplicates: 11, FailureStore: 22, Redirected: 33, Truncated: 44,
		Paces: []outputs.Pace{{Stream: "b", Throttled: 55}, {Stream: "c", Throttled: 6}},
	}
	out := &output{sender: &sender{Output: told{report: now}}, before: before}
	if got := out.report(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := (&output{sender: &sender{Output: nil}}).report(); !reflect.DeepEqual(got, outputs.Report{}) {
		t.Errorf("an output that reports nothing: %+v", got)
	}
}

func (told) Close() error { return nil }

// What an output has counted is handed on to the next one of its name.
func TestRelaunch(t *testing.T) {
	queue, err := memory.Open(
		buffer.Config{Path: t.TempDir(), SegmentSize: 1 << 20, MaxSize: 1 << 30, WhenFull: "block", Compression: "s2"},
		buffer.Options{},
	)
	if err != nil {
		t.Fatal(err)
	}
	outs := &outputSet{
		queue: queue, force: t.Context(), abandon: t.Context(), current: map[string]*output{},
		retired: map[string]retiredOutput{},
	}
	for want := range uint64(3) {
		out := &output{
			name: "es", cfg: &config.Config{}, sender: &sender{Output: told{report: outputs.Report{Truncated: 1}}},
		}
		outs.launch(out)
		if got := out.report().Truncated; got != want+1 {
			t.Errorf("output %d has counted %d", want, got)
		}
		if err := outs.retire(out); err != nil {
			t.Fatal(err)
		}
	}
	if err := queue.Close(); err != nil {
		t.Fatal(err)
	}
}
