package s3

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/awsclient/awstest"
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
	for i, other := range []func(*event.Chunk){
		func(c *event.Chunk) { c.Seq++ },
		func(c *event.Chunk) { c.Cluster = "A" },
		func(c *event.Chunk) { c.Tag = "u" },
		func(c *event.Chunk) { c.Received = c.Received.Add(1) },
		func(c *event.Chunk) { c.Parts = []event.Part{{Key: [16]byte{9}, Events: 50}} },
		func(c *event.Chunk) { c.Parts = []event.Part{{Key: c.Parts[0].Key, First: 1, Events: 50}} },
	} {
		changed := *b
		other(&changed)
		if (chunkKeys{}).of(b) == (chunkKeys{}).of(&changed) {
			t.Errorf("change %d is not in the key", i)
		}
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
		state := filepath.Join(t.TempDir(), "s3.log")
		// Events of an hour and the next, so that a batch has several objects.
		var chunks []*event.Chunk
		for i := range 6 {
			chunks = append(chunks, outputtest.Chunk(uint64(i), string(rune('a'+i%2)), "t", 3000, 3000*i, 10))
		}
		b := outputtest.Batch(chunks...)
		for range 1 + rnd.IntN(3) { // crashes
			o := newOutput(t, s.config(), state)
			s.SetFault(func(target string) awstest.Fault {
				return awstest.Fault{Cut: target == "PutObject" && rnd.IntN(3) == 0, Stored: rnd.IntN(2) == 0}
			})
			sizes := []int{1 + rnd.IntN(5000), 1 + rnd.IntN(5000)}
			for _, part := range cut(b, sizes...)[:1+rnd.IntN(3)] {
				_ = o.Send(t.Context(), part) // what it returns is lost in the crash
			}
		}
		s.SetFault(nil)
		o := newOutput(t, s.config(), state)
		for _, part := range cut(b, 1+rnd.IntN(9000), rnd.IntN(9000)) {
			if err := o.Send(t.Context(), part); err != nil {
				t.Fatal(err)
			}
		}
		s.wantOnce(t, 18_000)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
		if len(o.doubts.all) > 0 && o.doubts.all[0].left == 0 {
			t.Error("a settled object is still in doubt")
		}
	}
}

// A bucket that does not let its objects be seen gets the events again, and the operator is told.
func TestCrashHidden(t *testing.T) {
	s := newStore(t)
	state := filepath.Join(t.TempDir(), "s3.log")
	b := outputtest.Batch(outputtest.Chunk(1, "a", "t", 100, 0, 10))
	if err := newOutput(t, s.config(), state).Send(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	s.Deny("HeadObject", true)
	s.Deny("GetObject", true)
	o := newOutput(t, s.config(), state)
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

func someObjects(n int) (objects []object) {
	for i := range n {
		objects = append(objects, object{key: fmt.Sprintf("a/%d", i), events: 5, spans: []span{
			{chunk: chunkKey{byte(i), byte(i >> 8)}, runs: []run{{0, 2}, {7, 1}}}, {chunk: chunkKey{1, byte(i)}, runs: []run{{1 << 20, 2}}},
		}})
	}
	return objects
}

func TestIntents(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "log")
	all := someObjects(5 * maxKeptObjects)
	for n := 0; n < len(all); { // several lives of the program
		l, got, err := openIntents(path)
		if err != nil {
			t.Fatal(err)
		}
		if k := min(n, len(got)); n > 0 && k < min(n, maxKeptObjects) || len(got) > 0 && !reflect.DeepEqual(got, all[n-k:n]) {
			t.Fatalf("%d of %d objects came back", len(got), n)
		}
		for range 9 {
			more := all[n:min(n+300, len(all))]
			for range 2 { // the second time they are there
				if err := l.add(more); err != nil {
					t.Fatal(err)
				}
			}
			n += len(more)
		}
		l.close()
	}
	info, err := os.Stat(path)
	if err != nil || info.Size() > 60*(2*maxKeptObjects+600) {
		t.Errorf("the log has grown to %d bytes, %v", info.Size(), err)
	}
}

func TestIntentsDamaged(t *testing.T) {
	objects := someObjects(3)
	whole := []byte(magic)
	var ends []int
	for i := range objects {
		whole = appendRecord(whole, &objects[i])
		ends = append(ends, len(whole))
	}
	flip := func(at int) []byte {
		b := bytes.Clone(whole)
		b[at] ^= 1
		return b
	}
	for _, tc := range []struct {
		name    string
		data    []byte
		objects int
		damaged bool
	}{
		{"empty", nil, 0, false},
		{"cut in the magic", []byte(magic)[:5], 0, false},
		{"no record", []byte(magic), 0, false},
		{"whole", whole, 3, false},
		{"cut in a length", whole[:ends[1]+3], 2, false},
		{"cut in a payload", whole[:ends[2]-1], 2, false},
		{"another file", []byte("{}"), 0, true},
		{"bit in the magic", flip(3), 0, true},
		{"bit in the second", flip(ends[0] + 12), 1, true},
		{"bit in a checksum", flip(ends[1] + 5), 2, true},
		{"wrong payload", appendRecord(bytes.Clone(whole), &object{key: "x", spans: []span{{runs: []run{{1 << 31, 9}}}}}), 3, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log")
			if err := os.WriteFile(path, tc.data, 0o600); err != nil {
				t.Fatal(err)
			}
			l, got, err := openIntents(path)
			if len(got) != tc.objects || (err != nil) != tc.damaged {
				t.Fatalf("%d objects, %v", len(got), err)
			}
			if _, err := os.Stat(path + ".damaged"); (err == nil) != tc.damaged {
				t.Errorf("set aside: %v", err)
			}
			if err := l.add(someObjects(4)); err != nil {
				t.Fatal(err)
			}
			l.close()
			if l, got, err = openIntents(path); err != nil || len(got) != 4 {
				t.Errorf("then %d objects, %v", len(got), err)
			}
			l.close()
		})
	}
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

func FuzzParseLog(f *testing.F) {
	data := []byte(magic)
	for _, o := range someObjects(3) {
		data = appendRecord(data, &o)
	}
	f.Add(data)
	f.Add(data[:len(data)-3])
	f.Fuzz(func(t *testing.T, data []byte) {
		kept, objects, _ := parseLog(data)
		if !bytes.HasPrefix(data, kept) {
			t.Fatal("what is kept is not what was there")
		}
		again, same, err := parseLog(kept)
		if err != nil || len(again) != len(kept) || !reflect.DeepEqual(objects, same) {
			t.Fatalf("what is kept can't be read: %v", err)
		}
	})
}

func FuzzParseObject(f *testing.F) {
	f.Add(appendRecord(nil, &someObjects(1)[0])[8:])
	f.Fuzz(func(t *testing.T, data []byte) {
		if o, ok := parseObject(data); ok && len(o.key) > len(data) {
			t.Fatal("a key out of nothing")
		}
	})
}
