package elasticsearch

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/delivery"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/elasticsearch/elastictest"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

func TestContract(t *testing.T) {
	for _, compression := range []string{"none", compressionGzip} {
		t.Run(compression, func(t *testing.T) {
			outputtest.Contract(t, func(t *testing.T) *outputtest.Destination {
				t.Helper()
				s := elastictest.New(elastictest.Options{})
				return &outputtest.Destination{
					Output:  newOutput(t, s.Handler(), func(c *Config) { c.Compression = compression }),
					Numbers: func(t *testing.T) []int { t.Helper(); return numbers(t, s) },
					Break: func(after int) {
						s.SetFaults(map[int]elastictest.Faults{
							0: {Unavailable: 1}, 1: {ResetBefore: 1}, 500: {ResetAfter: 1}, 300_000: {Truncated: 1},
							1_000_000: {Page: 1},
						}[after])
					},
					Repair: func() { s.SetFaults(elastictest.Faults{}) },
					Trouble: func(on bool) {
						s.SetFaults(map[bool]elastictest.Faults{true: {Blocked: "logs-b"}}[on])
					},
					Secret: secret,
				}
			})
		})
	}
}

// Every fault at once: each event arrives once, the poison becomes dead letters.
func TestFaultMix(t *testing.T) {
	const chunks, perChunk = 100, 200
	s := elastictest.New(elastictest.Options{Seed: 7})
	s.SetFaults(elastictest.Faults{
		Unavailable: 0.1, TooMany: 0.05, ItemTooMany: 0.05, ResetBefore: 0.03, ResetAfter: 0.03, Page: 0.02,
		Truncated: 0.02,
		MaxBody:   64 << 10, Poison: `"n":77`, // 77, 770 to 779, 7700 to 7799
	})
	o := newOutput(t, s.Handler(), func(c *Config) { c.Compression = compressionGzip })
	source := &countdown{Backlog: outputtest.NewBacklog(), left: chunks, empty: make(chan struct{})}
	for i := range chunks {
		source.Put(outputtest.Chunk(uint64(i+1), fmt.Sprintf("c%d", i%3), "t", perChunk, i*perChunk, 100))
	}
	dead := &letterStore{}
	common := outputs.Common{
		Workers: 4, Batch: outputs.BatchConfig{MaxBytes: 300_000, MaxEvents: 10_000, MaxWait: time.Millisecond},
		Retry: outputs.RetryConfig{Initial: time.Millisecond, Max: 5 * time.Millisecond},
	}
	loop := delivery.New(delivery.Options{
		Name: "es", Source: source, Output: o, DeadLetters: dead, Common: common, Log: zerolog.Nop(),
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- loop.Run(ctx) }()
	<-source.empty
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	var want, poison []int
	for n := range chunks * perChunk {
		if strings.HasPrefix(strconv.Itoa(n), "77") {
			poison = append(poison, n)
		} else {
			want = append(want, n)
		}
	}
	if got := numbers(t, s); !slices.Equal(got, want) {
		t.Errorf("%d documents, want %d", len(got), len(want))
	}
	slices.Sort(dead.numbers)
	if !slices.Equal(dead.numbers, poison) {
		t.Errorf("%d dead letters, want %d", len(dead.numbers), len(poison))
	}
	if _, words, _ := strings.Cut(
		dead.detail, "] ",
	); words != "document_parsing_exception: [1:10] failed to parse field [code] of type [long] in document with id "+
		"'ID' (caused by illegal_argument_exception: For input string: \"\"n\":77\")" {
		t.Errorf("a dead letter says %q", dead.detail)
	}
	c := s.Counters()
	if c.Conflicts == 0 || c.Created != uint64(len(want)) {
		t.Errorf("the faults did not happen, or too often: %+v", c)
	}
	if r := o.Report(); r.RequestLimit == 0 || r.RequestLimit > 80<<10 || r.PossibleDuplicates != 0 {
		t.Errorf("the report is %+v", r)
	}
}

// countdown is a source that says when left chunks are done.
type countdown struct {
	*outputtest.Backlog
	mu    sync.Mutex
	left  int
	empty chan struct{}
}

func (c *countdown) Done(chunk *event.Chunk) {
	c.Backlog.Done(chunk)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left--; c.left == 0 {
		close(c.empty)
	}
}

// letterStore keeps the numbers of events that are dead letters.
type letterStore struct {
	mu      sync.Mutex
	numbers []int
	detail  string
}

func (c *letterStore) Add(_ context.Context, letters []delivery.DeadLetter) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range letters {
		c.numbers = append(c.numbers, outputtest.Number(l.Event))
		c.detail = strings.Replace(l.Detail, string(l.Event.AppendID(nil)), "ID", 1)
	}
	return nil
}
