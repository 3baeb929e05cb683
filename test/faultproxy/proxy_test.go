package faultproxy

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/outputs/elasticsearch/elastictest"
)

// TestFaults sends each document until it is stored, and expects that every kind of fault happened, that a reply says
// of each event what became of it, and that in the end each document is there once.
func TestFaults(t *testing.T) {
	behind := elastictest.New(elastictest.Options{})
	target := httptest.NewServer(behind.Handler())
	defer target.Close()
	p := New(target.URL, 1)
	front := httptest.NewServer(p)
	defer front.Close()
	p.Set(Faults{Unavailable: 0.1, ItemRefused: 0.1, Reset: 0.2})
	const perRequest = 20
	for i := range 100 {
		wait := map[int]bool{}
		for n := range perRequest {
			wait[i*perRequest+n] = true
		}
		for len(wait) > 0 {
			var body strings.Builder
			var sent []int
			for n := range wait {
				sent = append(sent, n)
				fmt.Fprintf(&body, "{\"create\":{\"_index\":\"a\",\"_id\":\"%d\"}}\n{\"n\":%d}\n", n, n)
			}
			for i, status := range send(t, front.URL, body.String()) {
				switch status {
				case http.StatusCreated, http.StatusConflict:
					delete(wait, sent[i])
				case http.StatusTooManyRequests:
				default:
					t.Fatalf("status %d of event %d", status, sent[i])
				}
			}
		}
	}
	docs := behind.Documents()
	if len(docs) != 100*perRequest {
		t.Errorf("%d documents, want %d", len(docs), 100*perRequest)
	}
	for _, d := range docs {
		if d.Writes != 1 {
			t.Fatalf("document %s was written %d times", d.ID, d.Writes)
		}
	}
	if c := p.Counts(); c.Unavailable == 0 || c.ItemsRefused == 0 || c.ResetBefore == 0 || c.ResetAfter == 0 ||
		c.Bulks != c.Requests {
		t.Errorf("not every fault happened: %+v", c)
	}
}

// send returns the items' statuses, nil for a request that failed.
func send(t *testing.T, url, body string) (statuses []int) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/_bulk", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-ndjson")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode == http.StatusServiceUnavailable {
		return nil
	}
	var reply struct {
		Items []map[string]struct{ Status int }
	}
	if err := json.Unmarshal(text, &reply); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", resp.Status, text)
	}
	for _, item := range reply.Items {
		statuses = append(statuses, item["create"].Status)
	}
	return statuses
}
