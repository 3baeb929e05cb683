package s3

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/awsclient/awstest"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/intent"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

// cut returns the events of b in batches of the given sizes, and of all the rest.
func cut(b *outputs.Batch, sizes ...int) (batches []*outputs.Batch) {
	events := b.Events
	for _, n := range sizes {
		batches = append(batches, &outputs.Batch{Events: events[:n]})
		events = events[n:]
	}
	return append(batches, &outputs.Batch{Events: events})
}

// The same events have the same key, also in another process; others have another.
func TestStableNames(t *testing.T) {
	s := newStore(t)
	a, b := outputtest.Chunk(1, "a", "t", 50, 0, 10), outputtest.Chunk(2, "a", "t", 50, 50, 10)
	for range 3 {
		if err := newOutput(t, s.config(), "").Send(t.Context(), outputtest.Batch(a, b)); err != nil {
			t.Fatal(err)
		}
	}
	objects := s.s3.Objects()
	if len(objects) != 1 || objects[0].Written != 3 {
		t.Fatalf("%d objects", len(objects))
	}
	if err := newOutput(t, s.config(), "").Send(t.Context(), cut(outputtest.Batch(a, b), 99)[0]); err != nil {
		t.Fatal(err)
	}
	if n := len(s.s3.Objects()); n != 2 {
		t.Errorf("%d objects, want one more for other events", n)
	}
}

// After a crash events come again in batches that are cut differently: none is doubled and none left
// out, whichever of the objects was complete.
func TestCrash(t *testing.T) {
	for seed := range uint64(12) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		s := newStore(t)
		cfg := s.config()
		if seed%2 == 1 {
			cfg.Key = "{cluster}/%H_{index}"
		}
		state := filepath.Join(t.TempDir(), "s3.log")
		// Events of an hour and the next, so that a batch has several objects.
		var chunks []*event.Chunk
		for i := range 6 {
			chunks = append(chunks, outputtest.Chunk(uint64(i), string(rune('a'+i%2)), "t", 1000, 1000*i, 10))
		}
		b := outputtest.Batch(chunks...)
		for range 1 + rnd.IntN(3) { // crashes
			o := newOutput(t, cfg, state)
			s.SetFault(func(target string) awstest.Fault {
				return awstest.Fault{Cut: target == "PutObject" && rnd.IntN(3) == 0, Stored: rnd.IntN(2) == 0}
			})
			sizes := []int{1 + rnd.IntN(1700), 1 + rnd.IntN(1700)}
			for _, part := range cut(b, sizes...)[:1+rnd.IntN(3)] {
				_ = o.Send(t.Context(), part) // what it returns is lost in the crash
			}
		}
		s.SetFault(nil)
		o := newOutput(t, cfg, state)
		for _, part := range cut(b, 1+rnd.IntN(3000), rnd.IntN(3000)) {
			if err := o.Send(t.Context(), part); err != nil {
				t.Fatal(err)
			}
		}
		s.wantOnce(t, 6_000)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
		if len(o.doubts.index.All()) > 0 && o.doubts.index.All()[0].left == 0 {
			t.Error("a settled object is still in doubt")
		}
	}
}

// A bucket that does not let its objects be seen gets the events again, and the operator is told.
func TestCrashHidden(t *testing.T) {
	for _, key := range []string{"{cluster}/", "{cluster}/{index}"} {
		t.Run(key, func(t *testing.T) { crashHidden(t, key) })
	}
}

func crashHidden(t *testing.T, key string) {
	t.Helper()
	s := newStore(t)
	cfg := s.config()
	cfg.Key = key
	state := filepath.Join(t.TempDir(), "s3.log")
	b := outputtest.Batch(outputtest.Chunk(1, "a", "t", 100, 0, 10))
	first := newOutput(t, cfg, state)
	other := outputtest.Batch(outputtest.Chunk(2, "a", "t", 1, 0, 10))
	for _, b := range []*outputs.Batch{other, b} {
		if err := first.Send(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	s.Deny("HeadObject", true)
	s.Deny("GetObject", true)
	o := newOutput(t, cfg, state)
	if err := o.Send(t.Context(), b); err != nil { // as it was: replaced
		t.Fatal(err)
	}
	if r := o.Report(); r.PossibleDuplicates != 0 || len(r.Notices) != 1 || r.Notices[0] != noticeHidden {
		t.Errorf("%+v", r)
	}
	for _, part := range cut(b, 50) {
		if err := o.Send(t.Context(), part); err != nil {
			t.Fatal(err)
		}
	}
	if r := o.Report(); r.PossibleDuplicates != 100 {
		t.Errorf("%+v", r)
	}
}

// While the bucket can't be asked, nothing is sent; expired credentials are no missing permission.
func TestCrashThenDown(t *testing.T) {
	s := newStore(t)
	state := filepath.Join(t.TempDir(), "s3.log")
	b := outputtest.Batch(outputtest.Chunk(1, "a", "t", 100, 0, 10))
	if err := newOutput(t, s.config(), state).Send(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	o := newOutput(t, s.config(), state)
	for _, tc := range []struct {
		fault  awstest.Fault
		reason outputs.Reason
	}{
		{awstest.Fault{Status: 503, Code: "SlowDown"}, outputs.ReasonThrottled},
		{awstest.Fault{Status: 403, Code: "ExpiredToken"}, outputs.ReasonAuth},
		{awstest.Fault{Cut: true}, outputs.ReasonNetwork},
	} {
		s.SetFault(func(string) awstest.Fault { return tc.fault })
		var se *outputs.SendError
		if err := o.Send(t.Context(), b); !errors.As(err, &se) || se.Reason != tc.reason || len(se.Failed) != 0 {
			t.Errorf("%s: got %v", tc.reason, err)
		}
	}
	s.SetFault(nil)
	if err := o.Send(t.Context(), cut(b, 30)[1]); err != nil {
		t.Fatal(err)
	}
	s.wantOnce(t, 100)
	if n := s.Requests("PutObject"); n != 1 {
		t.Errorf("%d objects were put", n)
	}
}

// An object that someone else has put below the key does not count.
func TestCrashReplaced(t *testing.T) {
	s := newStore(t)
	state := filepath.Join(t.TempDir(), "s3.log")
	b := outputtest.Batch(outputtest.Chunk(1, "a", "t", 100, 0, 10))
	if err := newOutput(t, s.config(), state).Send(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	s.s3.Objects()[0].Header.Set("X-Amz-Meta-Events", "7")
	if err := newOutput(t, s.config(), state).Send(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	s.wantOnce(t, 100)
}

// Where the log can't be written events are delivered, and the operator is told.
func TestIntentsUnwritable(t *testing.T) {
	s := newStore(t)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	o := newOutput(t, s.config(), filepath.Join(file, "log"))
	if err := o.Send(t.Context(), outputtest.Batch(outputtest.Chunk(1, "a", "t", 10, 0, 10))); err != nil {
		t.Fatal(err)
	}
	s.wantOnce(t, 10)
	if r := o.Report(); !strings.Contains(strings.Join(r.Notices, " "), noticeLog) {
		t.Errorf("notices %q", r.Notices)
	}
}

func FuzzParseObject(f *testing.F) {
	o := object{
		key: "a/1", events: 5,
		spans: []intent.Span{{Chunk: intent.Key{1, 2}, Runs: []intent.Run{{First: 0, Count: 2}, {First: 7, Count: 3}}}},
	}
	f.Add(appendObject(nil, &o))
	f.Fuzz(func(t *testing.T, data []byte) {
		o, ok := parseObject(data)
		if !ok {
			return
		}
		if again, ok := parseObject(appendObject(nil, &o)); !ok || !reflect.DeepEqual(again, o) {
			t.Fatalf("%+v became %+v", o, again)
		}
	})
}
