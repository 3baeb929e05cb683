package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/test/faultproxy"
)

// testElasticFaults has everything between here and there fail at random.
func testElasticFaults(t *testing.T, es *node) {
	t.Helper()
	total := manyEvents(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	proxy := faultproxy.New(es.URL, seed)
	front := httptest.NewServer(proxy)
	defer front.Close()
	proxy.Set(faultproxy.Faults{Unavailable: 0.10, ItemRefused: 0.05, Reset: 0.03, Latency: 20 * time.Millisecond})
	// Many requests.
	small := strings.Replace(elasticConfig("127.0.0.1:0", front.URL, "faults"), "batch: {",
		"batch: {max_bytes: 256KiB, ", 1)
	s := start(t, t.TempDir(), small)
	sendMade(t, s.Forward, total, "--connections", "4")
	s.drained()
	es.wantOnce("faults", "seq", total)
	if n := s.deadLetters(); n != 0 {
		t.Errorf("%d dead letters", n)
	}
	counts := proxy.Counts()
	t.Logf("%+v", counts)
	if counts.Unavailable == 0 || counts.ItemsRefused == 0 || counts.ResetBefore+counts.ResetAfter == 0 {
		t.Error("not every fault happened")
	}
	s.stop()
}

// testElasticPoison sends 1 % of events that the mapping refuses: the others arrive, these are dead letters, and arrive
// too when they are retried after the write alias has moved on to an index that takes them.
func testElasticPoison(t *testing.T, es *node) {
	t.Helper()
	const total, each = 20_000, 100
	mapped := func(code map[string]any) map[string]any {
		return map[string]any{"properties": map[string]any{"code": code, "n": map[string]any{"type": "long"}}}
	}
	es.must(http.MethodPut, "/poison-000001", map[string]any{
		"aliases":  map[string]any{"poison": map[string]any{"is_write_index": true}},
		"mappings": mapped(map[string]any{"type": "long"}),
	})
	s := start(t, t.TempDir(), elasticConfig("127.0.0.1:0", es.URL, "poison", "template: {manage: false}"))
	var lines bytes.Buffer
	for n := 1; n <= total; n++ {
		code := "200"
		if n%each == 0 {
			code = `{"http":200}`
		}
		fmt.Fprintf(&lines, "{\"n\":%d,\"code\":%s}\n", n, code)
	}
	command(t, &lines, "send", "--address", s.Forward, "--tag", "app")
	s.drained()
	s.eventually("the dead letters", func() bool { return s.deadLetters() == total/each })
	if got := es.count("poison"); got != total-total/each {
		t.Errorf("%d events in the index, want %d", got, total-total/each)
	}
	if list := command(
		t, nil, "dead", "list", "--status", "http://"+s.Status, "--output", "es", "--limit", "1",
	); !strings.Contains(list, "code") {
		t.Errorf("the dead letters don't say which field it is:\n%s", list)
	}
	es.must(http.MethodPost, "/poison/_rollover", map[string]any{
		"mappings": mapped(map[string]any{"type": "object", "enabled": false}),
	})
	command(t, nil, "dead", "retry", "--status", "http://"+s.Status, "--output", "es", "--yes")
	s.drained()
	s.eventually("no dead letters", func() bool { return s.deadLetters() == 0 })
	es.wantOnce("poison", "n", total)
	s.stop()
}

// testElasticOutage kills the aggregator five times under load while Elasticsearch is stopped and started.
func testElasticOutage(t *testing.T, es *node) {
	t.Helper()
	total := manyEvents(t)
	dir, address := t.TempDir(), freeAddress(t)
	config := elasticConfig(address, es.URL, "outage")
	s := start(t, dir, config)
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		sendMade(t, address, total, "--connections", "4", "--rate", strconv.Itoa(total/10), "--retry-timeout", "2m")
	}()
	received := func() string { return fmt.Sprint(at(s.get("/status"), "queue", "appended_events")) }
	for kill := range 5 {
		before := received()
		s.eventually("more events", func() bool {
			select {
			case <-sent:
				return true
			default:
				return received() != before
			}
		})
		switch kill {
		case 1:
			es.stop()
		case 4:
			es.start()
		}
		s.kill()
		s = start(t, dir, config)
	}
	<-sent
	s.drained()
	es.wantOnce("outage", "seq", total)
	if n := s.deadLetters(); n != 0 {
		t.Errorf("%d dead letters", n)
	}
	s.stop()
}

// TestElasticsearchLimits delivers to nodes that take little at once.
func TestElasticsearchLimits(t *testing.T) {
	for _, tc := range []struct {
		name, setting string
		events        int
		most          uint64 // bulk requests
	}{
		{"413 above 1 MiB", "http.max_content_length=1mb", 20_000, 100},
		{"429 above 64 KiB", "indexing_pressure.memory.limit=64kb", 5000, 1000},
	} {
		t.Run(tc.name, func(t *testing.T) {
			es := startNode(t, "elasticsearch", tc.setting)
			proxy := faultproxy.New(es.URL, 0)
			front := httptest.NewServer(proxy)
			defer front.Close()
			s := start(t, t.TempDir(), elasticConfig("127.0.0.1:0", front.URL, "limits"))
			// Requests are as large as they may be where all waits before the first.
			for _, path := range []string{"pause", "resume"} {
				if _, err := s.Request(t.Context(), http.MethodPost, "/outputs/es/"+path); err != nil {
					t.Fatal(err)
				}
				if path == "pause" {
					sendMade(t, s.Forward, tc.events)
				}
			}
			s.drained()
			es.wantOnce("limits", "seq", tc.events)
			counts := proxy.Counts()
			t.Logf("%+v", counts)
			if counts.Refused == 0 || counts.Bulks > tc.most {
				t.Errorf("%d requests of which %d were refused; want some refused, and %d at most", counts.Bulks,
					counts.Refused, tc.most)
			}
			if n := s.deadLetters(); n != 0 {
				t.Errorf("%d dead letters", n)
			}
			s.stop()
		})
	}
}

// testElasticBlock sends to an index that takes no writes, as on a full disk, until the block is lifted.
func testElasticBlock(t *testing.T, es *node) {
	t.Helper()
	const total = 3000
	proxy := faultproxy.New(es.URL, 0)
	front := httptest.NewServer(proxy)
	defer front.Close()
	s := start(t, t.TempDir(), elasticConfig("127.0.0.1:0", front.URL, "blocked"))
	es.must(http.MethodPut, "/blocked", nil)
	block := func(is any) {
		es.must(http.MethodPut, "/blocked/_settings", map[string]any{"index.blocks.read_only_allow_delete": is})
	}
	block(true)
	began := time.Now()
	sendMade(t, s.Forward, total)
	s.eventually("some tries", func() bool { return proxy.Counts().Bulks >= 10 })
	// Each part of the events waits half a second between its tries on the average, and two requests run at once.
	if tries, most := proxy.Counts().Bulks, 50+50*uint64(time.Since(began).Seconds()); tries > most {
		t.Errorf("%d requests in %v", tries, time.Since(began))
	}
	block(nil)
	s.drained()
	es.wantOnce("blocked", "seq", total)
	if n := s.deadLetters(); n != 0 {
		t.Errorf("%d dead letters", n)
	}
	s.stop()
}
