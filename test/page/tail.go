package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/safetext"
	"github.com/seed-afc6a195/aggregator/internal/stepdiff"
	"github.com/seed-afc6a195/aggregator/pkg/status/client"
)

// tailed is a live view of made-up events, with all that may become of one, and what strangers may write.
func tailed(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("tag") == "[" {
		http.Error(w, "tag: a [ is not closed", http.StatusBadRequest)
		return
	}
	at := r.URL.Query().Get("at")
	w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	send := func(kind string, v any) error {
		text, err := json.Marshal(v)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "event: %s\ndata: %s\n\n", kind, safetext.Escaped(text)); err != nil {
			return err
		}
		return out.Flush()
	}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	all := tailEvents(at)
	if send("pods", client.TailPods{Pods: []client.TailPod{
		{Name: "a", Host: "aggregator-7d9f-2xkqp", State: client.TailLive},
		{Name: "b", Host: "aggregator-7d9f-c4w8m", State: client.TailLive},
		{Name: "c", Host: "<b>aggregator</b>", State: client.TailSilent},
		{Name: "d", Host: "aggregator-55c-old", State: client.TailRefused, Why: "no output is named es"},
	}}) != nil {
		return
	}
	for n := 0; ; n++ {
		e := all[n%len(all)]
		e.Time = time.Now().UTC()
		if send("event", e) != nil || n%7 == 6 && send("missed", client.TailMissed{Events: 12400}) != nil {
			return // who looked is gone
		}
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		}
	}
}

// tailEvents returns an event of every kind at that place.
func tailEvents(at string) (all []client.TailEvent) {
	const evil = "<script>document.title='owned'</script><img src=x onerror=alert(1)>\u202E\u0007\u200b"
	record := json.RawMessage(`{"log":"GET /cart 200","status":"ok","service":"web"}`)
	hostile, err := json.Marshal(map[string]string{evil: strings.Repeat(evil, 200)})
	if err != nil {
		panic(err) // a map of texts is always JSON
	}
	base := client.TailEvent{
		At: at, Pod: "aggregator-7d9f-2xkqp", Cluster: "seoul-prod",
		Tag: "kube.var.log.containers.web-6f_prod_web.log", Bytes: 312,
		ID: "0a1b2c3d4e5f60718293a4b5c6d7e8f9-4", Record: record,
	}
	if at == client.TailArrival {
		all = append(all, base, base)
		all[1].Record, all[1].Tag, all[1].Cluster = hostile, evil, evil
		return all
	}
	base.Output, base.Route, base.Target = "es", "routes[0]", "logs-seoul-prod-2026.11.30"
	base.Steps = []stepdiff.Step{
		{Filter: "nginx", Index: 0, Kind: "parse", Effect: stepdiff.Changed, Changes: []stepdiff.Change{
			{Field: "message", From: json.RawMessage(`"{\"status\":\"ok\"}"`)},
			{Field: "status", To: json.RawMessage(`"ok"`)},
			{Field: "level", From: json.RawMessage(`"I"`), To: json.RawMessage(`"info"`)},
		}},
		{Filter: "nginx", Index: 1, Kind: "grep", Effect: stepdiff.Kept},
	}
	for _, result := range []client.TailEvent{
		{Result: client.TailDelivered, Answer: "delivered"},
		{Result: client.TailRetry, Answer: "throttled", Status: 429, Kind: "es_rejected_execution_exception"},
		{
			Result: client.TailWaits, Answer: "target", Status: 403, Kind: "index_closed_exception",
			Remedy: "open the index",
		},
		{Result: client.TailDropped, Answer: "filter", Step: "nginx[1] grep"},
		{
			Result: client.TailDeadLetter, Answer: "rejected", Status: 400, Kind: "mapper_parsing_exception",
			Detail: evil,
		},
		{Result: client.TailJoined},
	} {
		e := base
		e.Result, e.Answer, e.Status, e.Kind = result.Result, result.Answer, result.Status, result.Kind
		e.Step, e.Remedy, e.Detail = result.Step, result.Remedy, result.Detail
		all = append(all, e)
	}
	last := base
	last.Record, last.Tag, last.Cluster, last.Target, last.Answer, last.Result = hostile, evil, evil, evil, evil, evil
	last.Steps = []stepdiff.Step{{Filter: evil, Kind: evil, Effect: evil, Error: evil, Changes: []stepdiff.Change{
		{Field: evil, To: hostile},
	}}}
	return append(all, last)
}
