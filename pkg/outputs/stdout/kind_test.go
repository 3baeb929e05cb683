package stdout_test

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/stdout"
)

// What check, size, try and the documentation tell of outputs to the standard output.
func TestKind(t *testing.T) {
	kind := stdout.Kind()
	if kind.Name != "stdout" || kind.Summary != "the standard output, for trying things out" || kind.Files != 0 ||
		kind.Example != "format: json" || kind.CPUMicros < 1.5 || kind.CPUMicros > 1.6 || kind.Needs != nil ||
		!reflect.DeepEqual(kind.Aliases, map[string]string{"console": "stdout", "print": "stdout"}) {
		t.Errorf("%+v", kind)
	}
	c := kind.NewConfig()
	if c.Destination() != "" {
		t.Errorf("the destination is %q, where the type says it all", c.Destination())
	}
	got := c.Settings()
	want := outputs.Defaults()
	if want.Workers, want.Batch.MaxBytes = 1, 1<<20; !reflect.DeepEqual(got, want) {
		t.Errorf("settings %+v, want %+v", got, want)
	}
	out, err := kind.New(c, outputs.Deps{Name: "x"})
	if err != nil {
		t.Fatal(err)
	}
	if target := string(out.(outputs.Targeter).AppendTarget([]byte("to "), nil)); target != "to standard output" {
		t.Errorf("the target is %q", target)
	}
	if err := out.Close(); err != nil {
		t.Error(err)
	}
}

// try shows the line that is written, with what is added to the events of the cluster.
func TestOffersWhatIsWritten(t *testing.T) {
	added := map[string]map[string]string{"seoul": {"env": "prod"}}
	c := config()
	offer, err := c.Offers(added)
	if err != nil {
		t.Fatal(err)
	}
	var p pipe
	p.room = -1
	o := stdout.New(c, &p)
	o.SetClusterFields(added)
	b := outputtest.Batch(outputtest.Chunk(1, "seoul", "app", 1, 0, 3), outputtest.Chunk(2, "oslo", "app", 1, 1, 0))
	if err := o.Send(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	for i := range b.Events {
		got, err := offer(&b.Events[i])
		if err != nil || got.Target != "standard output" {
			t.Errorf("offered to %q, %v", got.Target, err)
		}
		want.Write(append(got.Document, '\n'))
	}
	if p.String() != want.String() || strings.Count(p.String(), `"env":"prod"`) != 1 {
		t.Errorf("wrote\n%s, offered\n%s", p.String(), want.String())
	}
	if len(b.Sent) != 1 || b.Sent[0].Target != "standard output" || b.Sent[0].Events != 2 {
		t.Errorf("it counts %+v", b.Sent)
	}
}

// Where a part of a batch is written, the lines that are whole count, and half a line is ended before the next batch.
func TestHalfALine(t *testing.T) {
	const line = len(`{"n":0,"log":"x"}` + "\n")
	for _, tc := range []struct {
		name   string
		room   int
		failed []int
		after  string // what is written before the lines of the second batch
	}{
		{"nothing", 0, []int{0, 1, 2}, ""},
		{"a byte", 1, []int{0, 1, 2}, "\n"},
		{"all of a line but its end", line - 1, []int{0, 1, 2}, "\n"},
		{"a line", line, []int{1, 2}, ""},
		{"two and a half", 2*line + 5, []int{2}, "\n"},
		{"all but one byte", 3*line - 1, []int{2}, "\n"},
	} {
		p := &pipe{room: tc.room}
		o := stdout.New(stdout.Config{}, p)
		b := outputtest.Batch(outputtest.Chunk(1, "a", "t", 3, 0, 1))
		var se *outputs.SendError
		if err := o.Send(t.Context(), b); !errors.As(err, &se) || se.Reason != outputs.ReasonServer ||
			se.Err.Error() != "write to the standard output: broken pipe" || len(se.Failed) != len(tc.failed) {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		for i, f := range se.Failed {
			want := outputs.Failure{
				Index: tc.failed[i], Reason: outputs.ReasonServer, Detail: se.Err.Error(), Target: "standard output",
			}
			if !reflect.DeepEqual(f, want) {
				t.Errorf("%s: %+v, want %+v", tc.name, f, want)
			}
		}
		before := p.Len()
		p.room = -1
		if err := o.Send(t.Context(), outputtest.Batch(outputtest.Chunk(2, "a", "t", 1, 3, 1))); err != nil {
			t.Fatal(err)
		}
		if got := p.String()[before:]; got != tc.after+`{"n":3,"log":"x"}`+"\n" {
			t.Errorf("%s: then it writes %q", tc.name, got)
		}
	}
}

// An event that is broken is refused beside those that could not be written, and the writer's trouble is what is told.
func TestBrokenAndUnwritten(t *testing.T) {
	c := outputtest.Chunk(1, "a", "t", 1, 0, 1)
	b := outputtest.Batch(c)
	b.Events = append([]event.Event{outputtest.Broken(c)}, b.Events...)
	var se *outputs.SendError
	err := stdout.New(stdout.Config{}, &pipe{}).Send(t.Context(), b)
	if !errors.As(err, &se) || len(se.Failed) != 2 || se.Failed[0].Reason != outputs.ReasonRejected ||
		se.Failed[1].Reason != outputs.ReasonServer || !strings.Contains(err.Error(), "broken pipe") {
		t.Errorf("%v: %+v", err, se)
	}
	if err := stdout.New(stdout.Config{}, io.Discard).Send(t.Context(), &outputs.Batch{}); err != nil {
		t.Errorf("an empty batch: %v", err)
	}
}
