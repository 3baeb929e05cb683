package main

import (
	"maps"
	"strings"
	"testing"
)

func TestStageTimes(t *testing.T) {
	const traces = `File: aggregator
Type: cpu
-----------+-------------------------------------------------------
     10000us   runtime.memmove
             github.com/seed-afc6a195/aggregator/pkg/event.(*Encoder).AppendEvent
             github.com/seed-afc6a195/aggregator/pkg/delivery.(*Loop).send
-----------+-------------------------------------------------------
     20000us   github.com/klauspost/compress/flate.(*fastEncL1).Encode
             github.com/seed-afc6a195/aggregator/pkg/outputs/elasticsearch.(*Output).Send
-----------+-------------------------------------------------------
     5000us   runtime.futex
             runtime.schedule
-----------+-------------------------------------------------------
`
	got, err := stageTimes(strings.NewReader(traces))
	if err != nil {
		t.Fatal(err)
	}
	if want := map[string]float64{
		"rendering events": 10000, "compressing requests": 20000, runtimeStage: 5000,
	}; !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if _, err := stageTimes(strings.NewReader("-----\n x y\n")); err == nil {
		t.Error("a trace without a time is taken")
	}
}
