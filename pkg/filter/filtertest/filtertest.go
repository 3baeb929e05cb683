// Package filtertest makes events for the tests of steps and rules, and shows what became of them.
package filtertest

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/jsontext"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
)

// Pack returns the msgpack of JSON, with the members of objects in their order.
func Pack(tb testing.TB, text string) []byte {
	tb.Helper()
	var r jsontext.Reader
	r.Reset([]byte(text), 1000)
	value, err := r.AppendValue(nil)
	if err != nil {
		tb.Fatalf("%s: %v", text, err)
	}
	return value
}

// JSON returns the JSON of msgpack; of equal keys it has one.
func JSON(tb testing.TB, value []byte) string {
	tb.Helper()
	var e event.Encoder
	text, err := e.AppendValue(nil, value)
	if err != nil {
		tb.Fatalf("%x: %v", value, err)
	}
	return string(text)
}

// NewEvent returns an event of the cluster seoul and the tag kube.web, whose record is JSON. Its origin is "origin".
func NewEvent(tb testing.TB, record string) *filter.Event {
	tb.Helper()
	e := &filter.Event{}
	e.Reset(&event.Event{
		Chunk: &event.Chunk{Cluster: "seoul", Tag: "kube.web"}, Time: event.Time{Sec: 1700000000, Nsec: 5},
		Record: Pack(tb, record), Metadata: Pack(tb, `{"stream":"a"}`),
	}, "origin")
	return e
}
