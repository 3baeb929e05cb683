package app

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/status"
	"github.com/seed-afc6a195/aggregator/pkg/status/client"
)

// deadConfig has a route for kube.** only, so that other tags are unrouted.
const deadConfig = `
hostname: test
listeners: [{name: in, address: "127.0.0.1:0"}]
buffer: {path: %[1]s/queue}
clusters:
  - {name: default, sources: [127.0.0.0/8], fields: {region: here}}
  - {name: picky, sources: [10.0.0.0/8], tags: ["kube.**"]}
routes:
  - {match: "kube.**", outputs: [pods]}
outputs:
  pods: {type: file, path: "%[1]s/pods.ndjson", fields: {id: id}}
  other: {type: file, path: "%[1]s/other.ndjson", fields: {time: ts, tag: "", id: id}}
status: {address: "127.0.0.1:0"}
`

func entryOf(text string) []byte {
	record := append([]byte{0x81, 0xa3, 'l', 'o', 'g', 0xa0 | byte(len(text))}, text...)
	return event.AppendEntry(nil, event.AppendTime(nil, event.Time{Sec: 1_700_000_000, Nsec: 5}), nil, record)
}

// dead is a letter of one event.
func dead(output, tag, text string) deadletter.Letter {
	return deadletter.Letter{
		Cluster: "default", Tag: tag, Output: output, Status: 400, Reason: "rejected",
		Detail: "mapper_parsing_exception", Attempts: 1, Events: 1,
		EventID: strings.Repeat("A", 22) + "-" + strconv.Itoa(len(text)), Entry: entryOf(text),
	}
}

func addLetters(t *testing.T, queue buffer.Queue, letters ...deadletter.Letter) {
	t.Helper()
	if err := queue.DeadLetters().Add(t.Context(), letters); err != nil {
		t.Fatal(err)
	}
}

func lines(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return string(text)
}

// TestDeadLettersOverHTTP goes the whole way: from a program's endpoint back into its outputs.
func TestDeadLettersOverHTTP(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir, deadConfig)
	store := client.DeadLetters{Client: &client.Client{Address: "http://" + p.StatusAddr().String()}}
	none := func(client.DeadResult) {}
	p.send("unknown.tag", "1", "lost")
	unreadable := dead("pods", "kube.a", "")
	unreadable.Entry = []byte{0xc1, 1}
	forbidden := dead("", "sys.a", "f")
	forbidden.Cluster, forbidden.Reason = "picky", "tag_not_allowed"
	addLetters(t, p.queue, dead("pods", "kube.a", "one"), dead("other", "kube.b", "two2"), unreadable, forbidden)

	summary, err := store.Summary(t.Context(), client.DeadFilter{Tag: "kube.**"})
	if err != nil || summary.Letters != 3 || len(summary.By) != 2 || summary.By[0].Events+summary.By[1].Events != 3 {
		t.Errorf("%+v: %v", summary, err)
	}
	list, err := store.List(t.Context(), client.DeadFilter{}, client.DeadPage{Limit: 100, Records: true})
	if err != nil || len(list.Letters) != 5 || list.Next != 0 {
		t.Fatalf("%+v: %v", list, err)
	}
	id := strings.Repeat("A", 22)
	for i, want := range []string{
		``,
		`{"log":"one","@timestamp":"2023-11-14T22:13:20.000000005Z","tag":"kube.a","cluster":"default","id":"` + id +
			`-3","region":"here"}`,
		`{"log":"two2","ts":"2023-11-14T22:13:20.000000005Z","cluster":"default","id":"` + id + `-4","region":"here"}`,
	} {
		l := list.Letters[i]
		var came, document bytes.Buffer
		if err := json.Compact(&came, l.Record); err != nil || came.String() != `{"log":"`+[]string{
			"lost", "one", "two2",
		}[i]+`"}` || len(l.EventTimes) != 1 {
			t.Errorf("letter %d came as %s at %v: %v", i, &came, l.EventTimes, err)
		}
		if len(l.WouldOffer) != 1 {
			t.Fatalf("letter %d: %+v", i, l)
		}
		o := l.WouldOffer[0]
		if want == "" {
			if !strings.HasPrefix(o.Reason, "no route wants them") || o.Document != nil {
				t.Errorf("letter %d: %+v", i, o)
			}
			continue
		}
		if err := json.Compact(&document, o.Document); err != nil || document.String() != want ||
			o.Output != l.Output || !strings.HasSuffix(o.Target, o.Output+".ndjson") {
			t.Errorf("letter %d: %v, %s for %s\nwant:\n%s", i, err, &document, o.Target, want)
		}
	}
	if l := list.Letters[3]; string(l.Raw) != "\xc1\x01" || l.Record != nil {
		t.Errorf("unreadable: %+v", l)
	}

	for name, tc := range map[string]struct {
		filter client.DeadFilter
		to     string
		want   string
	}{
		"pattern": {client.DeadFilter{Tag: "{a"}, "", "tag"},
		"to nobody": {
			client.DeadFilter{Output: "pods"}, "nobody", `no output is named "nobody", there are other, pods`,
		},
		"no filter": {client.DeadFilter{}, "", "filter"},
	} {
		if _, err := store.Retry(t.Context(), tc.filter, tc.to, none); !errors.Is(err, client.ErrDeadRequest) ||
			!strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}

	result, err := store.Retry(t.Context(), client.DeadFilter{Output: "pods"}, "", none)
	if err != nil || result.Letters != 1 || result.Events != 1 || len(result.Skipped) != 1 {
		t.Errorf("to the same output: %+v: %v", result, err)
	}
	p.await("the event in the same output", func(s status.Snapshot) bool { return delivered(s, "pods") == 1 })
	if got := lines(t, dir+"/pods.ndjson"); !strings.Contains(got, `"log":"one"`) || !strings.Contains(got, id+"-3") {
		t.Errorf("delivered: %s", got)
	}
	if result, err = store.Retry(t.Context(), client.DeadFilter{Output: "other"}, "pods", none); err != nil ||
		result.Letters != 1 {
		t.Errorf("to another output: %+v: %v", result, err)
	}
	// An event is counted as delivered a moment before it is none that waits.
	s := p.await("the event in the other output", func(s status.Snapshot) bool {
		return delivered(s, "pods") == 2 && s.Queue.PendingEvents == 0
	})
	if got := lines(t, dir+"/other.ndjson"); got != "" {
		t.Errorf("the output that refused it got %s", got)
	}
	for _, o := range s.Outputs {
		for _, c := range o.Clusters {
			if c.Queued+c.Returned+c.Recovered != c.Delivered+c.Dropped.Sum()+c.Purged+c.Dead.Sum()+c.Pending {
				t.Errorf("account of %s: %+v", o.Name, c)
			}
		}
	}

	result, err = store.Retry(t.Context(), client.DeadFilter{Output: client.NoOutput}, "", none)
	want := map[string]int64{
		"no route wants them: give their tag and cluster a route, or choose an output to send them to " +
			"(to=, --to)": 1,
		"their cluster may not send their tag: add it to the cluster's tags, or choose an output to send them to " +
			"(to=, --to)": 1,
	}
	if err != nil || result.Letters != 0 || !maps.Equal(result.Skipped, want) {
		t.Errorf("unrouted: %+v: %v", result, err)
	}
	if result, err = store.Retry(t.Context(), client.DeadFilter{Reason: "slow"}, "", none); err != nil ||
		!strings.HasPrefix(result.Why, "none of the ") {
		t.Errorf("a reason that none has: %+v: %v", result, err)
	}
	for _, wrong := range []client.DeadFilter{{Output: "nope"}, {Cluster: "nope"}} {
		if _, err := store.List(t.Context(), wrong, client.DeadPage{Limit: 10}); !errors.Is(
			err, client.ErrDeadRequest,
		) || !strings.Contains(err.Error(), `named "nope"`) || !strings.Contains(err.Error(), "there are ") {
			t.Errorf("%+v: %v", wrong, err)
		}
	}
	if result, err = store.Retry(t.Context(), client.DeadFilter{Reason: "unrouted"}, "other", none); err != nil ||
		result.Letters != 1 {
		t.Errorf("unrouted to an output: %+v: %v", result, err)
	}
	p.await("the unrouted event", func(s status.Snapshot) bool { return delivered(s, "other") == 1 })
	if result, err = store.Purge(t.Context(), client.DeadFilter{All: true}, none); err != nil || result.Letters != 2 {
		t.Errorf("purged %+v: %v", result, err)
	}
	if d := p.queue.Stats().Dead; d.Letters != 0 || d.Purged != 2 || d.Retried != 3 {
		t.Errorf("left: %+v", d)
	}
}

func parseConfig(t *testing.T, dir, text string) *config.Config {
	t.Helper()
	cfg, err := config.Parse("test.yaml", fmt.Appendf(nil, text, dir), config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// TestDeadLettersOffline retries without a server: the next start delivers.
func TestDeadLettersOffline(t *testing.T) {
	dir := t.TempDir()
	cfg := parseConfig(t, dir, deadConfig)
	if _, err := OpenDeadLetters(t.Context(), cfg, true, zerolog.Nop()); err == nil ||
		!strings.Contains(err.Error(), "no data directory") {
		t.Errorf("nothing there: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "queue")); err == nil {
		t.Error("it made a directory")
	}
	p := start(t, dir, deadConfig)
	old := dead("pods", "kube.a", "old")
	old.Time = time.Now().Add(-48 * time.Hour)
	addLetters(t, p.queue, old, dead("gone", "kube.a", "gone"), dead("", "kube.c", "routed now"))
	if _, err := OpenDeadLetters(t.Context(), cfg, true, zerolog.Nop()); err == nil ||
		!strings.Contains(err.Error(), "leave out --data-dir") {
		t.Errorf("a server runs: %v", err)
	}
	p.end()

	cfg.Buffer.DeadLetters.MaxAge = time.Hour // evicts nothing here
	store, err := OpenDeadLetters(t.Context(), cfg, true, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	none := func(client.DeadResult) {}
	if _, err := store.Retry(t.Context(), client.DeadFilter{All: true}, "", none); !errors.Is(
		err, client.ErrDeadRequest,
	) || !strings.Contains(err.Error(), "output gone") {
		t.Errorf("an output that left: %v", err)
	}
	if list, err := store.List(
		t.Context(), client.DeadFilter{OlderThan: 24 * time.Hour}, client.DeadPage{Limit: 9},
	); err != nil || len(list.Letters) != 1 {
		t.Errorf("%+v: %v", list, err)
	}
	if r, err := store.Retry(
		t.Context(), client.DeadFilter{NewerThan: time.Hour, Output: client.NoOutput}, "", none,
	); err != nil || r.Letters != 1 {
		t.Errorf("%+v: %v", r, err)
	}
	if r, err := store.Retry(t.Context(), client.DeadFilter{Output: "gone"}, "other", none); err != nil ||
		r.Letters != 1 {
		t.Errorf("%+v: %v", r, err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	p = start(t, dir, deadConfig)
	p.await("what was retried", func(
		s status.Snapshot,
	) bool {
		return delivered(s, "pods") == 1 && delivered(s, "other") == 1
	})
}
