package buffer

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
)

// What waits aside has room up to the limit, and past it only for a target that has little of it.
func TestWaitingRefuses(t *testing.T) {
	for _, tc := range []struct {
		name                  string
		limit, total, used, n int64
		targets               int
		refused               bool
	}{
		{"nothing waits", 100, 0, 0, 100, 0, false},
		{"up to the limit", 100, 90, 90, 10, 1, false},
		{"past it, by one that has all", 100, 100, 100, 1, 1, true},
		{"by itself larger than half", 100, 0, 0, 101, 0, true},
		{"up to half an equal share of one", 100, 100, 0, 50, 1, false},
		{"past that", 100, 100, 0, 51, 1, true},
		{"up to half an equal share of four", 80, 80, 5, 5, 4, false},
		{"past that, too", 80, 80, 5, 6, 4, true},
		{"more targets than bytes", 10, 10, 0, 1, 1000, true},
		{"no limit", math.MaxInt64, 1 << 60, 1 << 60, 1 << 30, 3, false},
	} {
		if got := WaitingRefuses(tc.limit, tc.total, tc.used, tc.n, tc.targets); got != tc.refused {
			t.Errorf("%s: refused %v", tc.name, got)
		}
	}
}

// About how many of 1000 equal chunks are new ones, at each share: what is long ago is forgotten by halves.
func TestFreshTurn(t *testing.T) {
	for _, tc := range []struct {
		share float64
		want  int
	}{{0, 0}, {-1, 0}, {0.1, 100}, {0.5, 500}, {0.9, 900}, {1, 1000}, {2, 1000}} {
		turn, fresh := FreshTurn{Share: tc.share}, 0
		for range 1000 {
			next := turn.Fresh()
			if next {
				fresh++
			}
			turn.Took(1<<20, next)
		}
		if fresh < tc.want-10 || fresh > tc.want+10 {
			t.Errorf("share %v: %d of 1000, want %d", tc.share, fresh, tc.want)
		}
		if turn.all > freshMemory || turn.fresh > turn.all {
			t.Errorf("share %v: %v of %v bytes are remembered", tc.share, turn.fresh, turn.all)
		}
	}
}

// The limits of a queue on servers are those of its own section, and of what is set for outputs and clusters.
func TestConfigLimits(t *testing.T) {
	outputs, clusters := map[string]int64{"es": 1}, map[string]int64{"seoul": 2}
	policies := map[string]string{"seoul": "reject"}
	c := Config{
		MaxSize: 10, MinFreeDisk: 11, SegmentSize: 12, WhenFull: "block", Waiting: WaitingConfig{MaxSize: 13},
		Path: "/data",
	}
	for _, want := range []int64{10, 20} {
		l := c.Limits(outputs, clusters, policies)
		if l.MaxSize != want || l.MinFreeDisk != 11 || l.SegmentSize != 12 || l.Waiting != 13 ||
			l.WhenFull != "block" || l.Outputs["es"] != 1 || l.Clusters["seoul"] != 2 ||
			l.ClusterWhenFull["seoul"] != "reject" {
			t.Errorf("max_size %d: %+v", want, l)
		}
		place := "/data"
		if want == 20 {
			place = "stream LOGS at nats://a:4222, nats://b:4222"
		}
		if c.Place() != place || c.OwnDir() != "/data" {
			t.Errorf("it is at %s, with notes at %s; want %s", c.Place(), c.OwnDir(), place)
		}
		c.JetStream = &JetStreamConfig{MaxSize: 20, Stream: "LOGS", URLs: []string{"nats://a:4222", "nats://b:4222"}}
	}
}

// Settings that can't go together, in the words of the report.
func TestConfigCheck(t *testing.T) {
	stream := &JetStreamConfig{}
	for _, tc := range []struct {
		name string
		c    Config
		want string // key and reason; "": nothing is wrong
	}{
		{"on disk", Config{Type: TypeDisk, SegmentSize: 64 << 20}, ""},
		{"the largest segment", Config{Type: TypeDisk, SegmentSize: 4 << 30}, ""},
		{
			"a larger one",
			Config{Type: TypeDisk, SegmentSize: 5 << 30},
			"segment_size: a segment of 5GiB would give its disk back only as a whole",
		},
		{"on servers", Config{Type: TypeJetStream, JetStream: stream}, ""},
		{"on no servers", Config{Type: TypeJetStream}, "jetstream: type jetstream needs it"},
		{"on both", Config{Type: TypeDisk, JetStream: stream}, "jetstream: the type of the queue is bbolt"},
	} {
		var r setting.Report
		tc.c.Check(&r)
		var want []setting.Problem
		if key, reason, wrong := strings.Cut(tc.want, ": "); wrong {
			want = []setting.Problem{{Key: key, Reason: reason}}
		}
		for i := range r.Problems {
			if r.Problems[i].Hint == "" {
				t.Errorf("%s: nothing is said of what to do", tc.name)
			}
			r.Problems[i].Hint = ""
		}
		if !slices.Equal(r.Problems, want) {
			t.Errorf("%s: %+v, want %+v", tc.name, r.Problems, want)
		}
	}
}

// The error names who may have no more, and is the one that callers look for.
func TestWaitingFullError(t *testing.T) {
	var err error = &WaitingFullError{Output: "es", Target: `in"dex`}
	const want = `target "in\"dex" of output es: no more may wait aside: buffer.waiting.max_size is reached`
	if err.Error() != want || !errors.Is(err, ErrWaitingFull) || errors.Is(err, ErrFull) {
		t.Errorf("%v, want %s", err, want)
	}
}
