package delivery_test

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
	"github.com/seed-afc6a195/aggregator/pkg/filter/join"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// fragment returns a chunk of one fragment of a line of three, as Docker's driver sends it.
func fragment(t *testing.T, seq uint64, ordinal int) *event.Chunk {
	t.Helper()
	record, err := filter.AppendValue(nil, map[string]any{
		"log": strconv.Itoa(ordinal), "partial_message": "true", "partial_id": "x",
		"partial_ordinal": strconv.Itoa(ordinal), "partial_last": strconv.FormatBool(ordinal == 3),
	})
	if err != nil {
		t.Fatal(err)
	}
	c := lines(seq, "t", "")
	c.Entries = event.AppendEntry(nil, event.AppendTime(nil, event.Time{Sec: 1}), nil, record)
	return c
}

// Fragments of a line come in three chunks, in whatever order: they make the same event, and all chunks
// are done when it is delivered, none before.
func TestFragmentsOverChunks(t *testing.T) {
	ids := map[string]bool{}
	for _, order := range [][]uint64{{1, 2, 3}, {3, 2, 1}, {2, 3, 1}, {1, 3, 2}} {
		synctest.Test(t, func(t *testing.T) {
			j, err := join.New(join.Config{MaxBytes: 1 << 20, MaxWait: 5 * time.Second})
			if err != nil {
				t.Fatal(err)
			}
			s := filtered(t, rulesOf(j), outputs.Common{Workers: 1})
			for i, seq := range order {
				equal(t, "chunks done", len(s.source.Finished()), 0)
				s.source.Put(fragment(t, seq, int(seq)))
				time.Sleep(time.Duration(i+1) * time.Second)
			}
			equal(t, "delivered", s.taken(), []string{"123"})
			equal(t, "chunks done", len(s.source.Finished()), 3)
			equal(t, "counts", s.fate(), map[string]int{"delivered": 1, "dropped: joined": 2})
			ids[s.ids[0]] = true

			s.source.Put(fragment(t, 4, 1))
			time.Sleep(time.Second)
			s.stop()
			equal(t, "delivered at the end, as far as it is there", s.taken(), []string{"1"})
			equal(t, "chunks pending", s.source.Events(), 0)
		})
	}
	equal(t, "different events", len(ids), 1)
}
