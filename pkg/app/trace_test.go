package app

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/status"
	"github.com/seed-afc6a195/aggregator/pkg/status/client"
)

// TestTrace: an event is settled by one output and pending for another, which is away, until it is a dead letter there.
func TestTrace(t *testing.T) {
	p := start(t, t.TempDir(), `
listeners: [{address: "127.0.0.1:0"}]
buffer: {path: "%[1]s/data", min_free_disk: 1MiB}
routes: [{match: "**", outputs: [pods, away]}]
outputs:
  pods: {type: file, path: "%[1]s/pods", batch: {max_wait: 1ms}, fields: {id: id}}
  away: {type: forward, servers: ["127.0.0.1:1"]}
status: {address: "127.0.0.1:0"}
`)
	p.send("kube.a", "chunk", "one", "two")
	p.await("delivery", func(s status.Snapshot) bool { return delivered(s, "pods") == 2 && s.Queue.PendingChunks == 1 })
	chunk := &event.Chunk{
		Events: 2, Parts: []event.Part{{Key: event.PartKeyOfChunk("default", "kube.a", "chunk"), Events: 2}},
	}
	second := event.Event{Chunk: chunk, Pos: 1}
	id := string(second.AppendID(nil))
	found, err := p.trace(t.Context(), id)
	if err != nil || found.Unread != "" || len(found.Places) != 2 {
		t.Fatalf("%+v, %v", found, err)
	}
	pending, settled := found.Places[0], found.Places[1]
	if pending.State != client.TracePending || pending.Output != "away" || pending.Tag != "kube.a" ||
		pending.Time.IsZero() {
		t.Errorf("pending: %+v", pending)
	}
	if settled.State != client.TraceSettled || settled.Output != "pods" || settled.Cluster != "default" ||
		settled.Time.Before(pending.Time) {
		t.Errorf("settled: %+v", settled)
	}
	letter := dead("away", "kube.a", "two")
	letter.EventID = id
	addLetters(t, p.queue, letter)
	if found, err = p.trace(t.Context(), id); err != nil || len(found.Places) != 3 ||
		found.Places[1].State != client.TraceDead || found.Places[1].Letter == 0 {
		t.Errorf("%+v, %v", found, err)
	}
	for text, want := range map[string]int{
		id: http.StatusOK, strings.Repeat("A", 22) + "-1": http.StatusOK, "x": http.StatusBadRequest,
		"": http.StatusBadRequest,
	} {
		res, err := http.Get("http://" + p.StatusAddr().String() + "/trace?id=" + text)
		if err != nil {
			t.Fatal(err)
		}
		var got client.Trace
		if err := json.NewDecoder(res.Body).Decode(&got); res.StatusCode != want ||
			(err == nil) != (want == http.StatusOK) || text != id && len(got.Places) > 0 {
			t.Errorf("%q: %d %+v, %v", text, res.StatusCode, got, err)
		}
		_ = res.Body.Close()
	}
}
