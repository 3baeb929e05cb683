package delivery

import (
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/delivery/internal/outcome"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// sourceLog is a source that notes what it is told of chunks, and the counter of those that are done.
type sourceLog struct {
	said   []string
	counts outcome.Counts
}

func (s *sourceLog) say(what string, c *event.Chunk) { s.said = append(s.said, what+" "+c.Cluster) }

func (s *sourceLog) Next(ctx context.Context) (*event.Chunk, error) { return nil, ctx.Err() }
func (s *sourceLog) Done(c *event.Chunk)                            { s.say("done", c) }
func (s *sourceLog) Return(c *event.Chunk)                          { s.say("returned", c) }
func (s *sourceLog) ReleaseEntries(c *event.Chunk)                  { s.say("shed", c) }
func (s *sourceLog) Hold(cluster string)                            { s.said = append(s.said, "hold "+cluster) }

func (s *sourceLog) Release(cluster string) { s.said = append(s.said, "release "+cluster) }

func (s *sourceLog) Pending() buffer.Count { return buffer.Count{} }
func (s *sourceLog) SetFreshShare(float64) {}
func (s *sourceLog) SettleParts(_ context.Context, list []buffer.Settlement) error {
	for _, one := range list {
		s.say("settled in part", one.Chunk)
	}
	return nil
}

func (s *sourceLog) Settled(cluster string, c *outcome.Counts) {
	s.said = append(s.said, "counted "+cluster)
	s.counts.Add(c)
}

// ref returns a reference to a chunk of the cluster, with the feeder's own.
func (s *sourceLog) ref(cluster string, events int) *chunkRef {
	return &chunkRef{source: s, counter: s, chunk: &event.Chunk{Cluster: cluster, Events: events}, refs: 1}
}

func TestChunkRef(t *testing.T) {
	for _, tc := range []struct {
		name string
		do   func(r *chunkRef)
		want []string
		sum  outcome.Counts
	}{
		{"all delivered", func(r *chunkRef) {
			r.settle(outcome.Delivered(), 3, 0, 30)
		}, []string{"counted a", "done a"}, outcome.Counts{Delivered: 3, Bytes: 30}},
		{"each in its way", func(r *chunkRef) {
			r.settle(outcome.Dropped("grep"), 1, 0, 10)
			r.settle(outcome.Dead("rejected"), 1, 0, 10)
			r.settle(outcome.Delivered(), 1, 0, 10)
		}, []string{"counted a", "done a"}, outcome.Counts{
			Delivered: 1, Bytes: 10, Dropped: map[string]uint64{"grep": 1}, Dead: map[string]uint64{"rejected": 1},
		}},
		{"one returned", func(r *chunkRef) {
			r.settle(outcome.Delivered(), 2, 0, 20)
			r.settle(outcome.Returned(), 1, 0, 10)
		}, []string{"returned a"}, outcome.Counts{}},
		{"a branch", func(r *chunkRef) {
			b := r.branch(2, 0, func() { r.source.Hold("freed") })
			r.settle(outcome.Delivered(), 1, 0, 10)
			b.settle(outcome.Delivered(), 1, 0, 10)
			b.settle(outcome.Dead("max_age"), 1, 0, 10)
		}, []string{"shed a", "hold freed", "counted a", "done a"}, outcome.Counts{
			Delivered: 2, Bytes: 20, Dead: map[string]uint64{"max_age": 1},
		}},
		{"a branch of which one is returned", func(r *chunkRef) {
			b := r.branch(3, 0, func() {})
			b.settle(outcome.Delivered(), 2, 0, 20)
			b.settle(outcome.Returned(), 1, 0, 10)
		}, []string{"shed a", "returned a"}, outcome.Counts{}},
		{"one that the rules keep", func(r *chunkRef) {
			r.acquire(1, 1)
			r.settle(outcome.Delivered(), 3, 0, 30)
			r.settle(outcome.Dropped("joined"), 1, 1, 0)
		}, []string{"shed a", "counted a", "done a"}, outcome.Counts{
			Delivered: 3, Bytes: 30, Dropped: map[string]uint64{"joined": 1},
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := &sourceLog{}
			r := s.ref("a", 3)
			r.acquire(3, 0)
			r.walked(outcome.Delivered(), 0)
			if len(s.said) > 0 {
				t.Fatalf("before its events are settled: %v", s.said)
			}
			tc.do(r)
			if !reflect.DeepEqual(s.said, tc.want) || !reflect.DeepEqual(s.counts, tc.sum) {
				t.Errorf("%v, %+v, want %v, %+v", s.said, s.counts, tc.want, tc.sum)
			}
		})
	}
}

func TestChunkRefOfDamagedChunk(t *testing.T) {
	s := &sourceLog{}
	r := s.ref("a", 5)
	r.walked(outcome.Dead(ReasonDamaged), 5)
	want := outcome.Counts{Dead: map[string]uint64{ReasonDamaged: 5}}
	if !reflect.DeepEqual(s.counts, want) || len(s.said) != 2 {
		t.Errorf("%v, %+v", s.said, s.counts)
	}
}

func TestUntouchedAndBegun(t *testing.T) {
	s := &sourceLog{}
	r := s.ref("a", 3)
	r.acquire(2, 0)
	var c outcome.Counts
	c.Count(outcome.Dropped("grep"), 1, 0)
	r.passed(&c, 1)
	r.walked(outcome.Delivered(), 0)
	if !r.untouched(2) || r.untouched(1) || r.begun() {
		t.Error("two of three events, one of which was dropped, are all that there is")
	}
	r.settle(outcome.Delivered(), 1, 0, 1)
	if r.untouched(1) || !r.begun() || !r.branch(1, 0, func() {}).begun() {
		t.Error("one was delivered")
	}
}

// Whatever the order in which references come and go, the chunk ends once, with all that became of its events.
func TestChunkRefAtRandom(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 1))
		s := &sourceLog{}
		const events = 20
		r := s.ref("a", events)
		r.acquire(events, 0)
		var hands []*chunkRef
		for left := events; left > 0; {
			n := 1 + random.IntN(left)
			left -= n
			if ref := r; random.IntN(2) == 0 {
				b := ref.branch(n, 0, func() {})
				for range n {
					hands = append(hands, b)
				}
			} else {
				for range n {
					hands = append(hands, ref)
				}
			}
		}
		random.Shuffle(len(hands), func(i, j int) { hands[i], hands[j] = hands[j], hands[i] })
		feeder, again := random.IntN(events+1), random.IntN(3) == 0
		for i, h := range hands {
			if i == feeder {
				r.walked(outcome.Delivered(), 0)
			}
			out := []outcome.Outcome{outcome.Delivered(), outcome.Dropped("x"), outcome.Dead("y")}[random.IntN(3)]
			if again && i == events/2 {
				out = outcome.Returned()
			}
			h.settle(out, 1, 0, 1)
		}
		if feeder == events {
			r.walked(outcome.Delivered(), 0)
		}
		last := s.said[len(s.said)-1]
		sum := s.counts.Delivered + s.counts.Dropped["x"] + s.counts.Dead["y"]
		if again && (last != "returned a" || sum != 0) || !again && (last != "done a" || sum != events) {
			t.Fatalf("seed %d: %v, %s", seed, s.said, fmt.Sprint(s.counts))
		}
	}
}
