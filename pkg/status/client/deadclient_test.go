package client

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"
)

// What is asked for becomes a path and a query, and what is empty is left out.
func TestDeadQueries(t *testing.T) {
	full := DeadFilter{
		Output: NoOutput, Cluster: "seoul", Reason: "rejected", Tag: "kube.**", OlderThan: time.Hour,
		NewerThan: 90 * time.Second, IDs: []uint64{1, 1 << 60}, All: true,
	}
	const fullQuery = "all=true&cluster=seoul&id=1&id=1152921504606846976&newer_than=1m30s&older_than=1h0m0s&" +
		"output=-&reason=rejected&tag=kube.%2A%2A"
	done := `{"letters":3,"done":true}` + "\n"
	for _, tc := range []struct {
		name, reply, method, path, query string
		do                               func(c DeadLetters) error
	}{
		{"summary of all", "{}", "GET", "/dead-letters/summary", "", func(c DeadLetters) error {
			_, err := c.Summary(t.Context(), DeadFilter{})
			return err
		}},
		{"summary", "{}", "GET", "/dead-letters/summary", fullQuery, func(c DeadLetters) error {
			_, err := c.Summary(t.Context(), full)
			return err
		}},
		{
			"list", "{}", "GET", "/dead-letters", "after=7&cluster=a&limit=50&newest=true&records=false",
			func(c DeadLetters) error {
				_, err := c.List(t.Context(), DeadFilter{Cluster: "a"}, DeadPage{After: 7, Limit: 50, Newest: true})
				return err
			},
		},
		{"get", "{}", "GET", "/dead-letters/1152921504606846976", "", func(c DeadLetters) error {
			_, err := c.Get(t.Context(), 1<<60)
			return err
		}},
		{"retry", done, "POST", "/dead-letters/retry", "all=true", func(c DeadLetters) error {
			_, err := c.Retry(t.Context(), DeadFilter{All: true}, "", nil)
			return err
		}},
		{"retry to another", done, "POST", "/dead-letters/retry", "output=es&to=es2", func(c DeadLetters) error {
			_, err := c.Retry(t.Context(), DeadFilter{Output: "es"}, "es2", nil)
			return err
		}},
		{"purge", done, "POST", "/dead-letters/purge", "id=5", func(c DeadLetters) error {
			_, err := c.Purge(t.Context(), DeadFilter{IDs: []uint64{5}}, nil)
			return err
		}},
	} {
		address, asked := serve(t, http.StatusOK, tc.reply)
		if err := tc.do(DeadLetters{&Client{Address: address}}); err != nil {
			t.Errorf("%s: %v", tc.name, err)
		}
		if asked.Method != tc.method || asked.URL.Path != tc.path || asked.URL.RawQuery != tc.query {
			t.Errorf("%s asks for %s %s, want %s %s?%s", tc.name, asked.Method, asked.URL, tc.method, tc.path, tc.query)
		}
	}
}

// Refusals are of the kinds that callers decide on, in the server's words and once.
func TestDeadRefusals(t *testing.T) {
	for _, tc := range []struct {
		code     int
		words    string
		get      error
		list     error
		wantText string
	}{
		{400, "can't do that with dead letters: tag: [", ErrDeadRequest, ErrDeadRequest, "with dead letters: tag: ["},
		{400, "", ErrDeadRequest, ErrDeadRequest, "can't do that with dead letters"},
		{404, "no such dead letter: 7", ErrDeadUnknown, nil, "no such dead letter: 7"},
		{409, "by aggregator-1", ErrDeadBusy, ErrDeadBusy, "under way: by aggregator-1"},
		{401, "this needs the token", nil, nil, "401 Unauthorized: this needs the token"},
		{500, "disk", nil, nil, "500 Internal Server Error: disk"},
	} {
		address, _ := serve(t, tc.code, tc.words)
		c := DeadLetters{&Client{Address: address}}
		_, get := c.Get(t.Context(), 7)
		_, list := c.List(t.Context(), DeadFilter{}, DeadPage{})
		for name, pair := range map[string][2]error{"get": {get, tc.get}, "list": {list, tc.list}} {
			got, want := pair[0], pair[1]
			for _, kind := range []error{ErrDeadRequest, ErrDeadUnknown, ErrDeadBusy} {
				if errors.Is(got, kind) != errors.Is(want, kind) {
					t.Errorf("%d, %s: %v, want %v", tc.code, name, got, want)
				}
			}
			if got == nil || strings.Count(got.Error(), "no such") > 1 {
				t.Errorf("%d, %s: %v", tc.code, name, got)
			}
		}
		if !strings.Contains(get.Error(), tc.wantText) {
			t.Errorf("%d: %v, want %s", tc.code, get, tc.wantText)
		}
	}
}

// A change is followed step by step; however it ends, what was done so far is told.
func TestDeadSteps(t *testing.T) {
	step := `{"letters":1,"events":2}` + "\n"
	for _, tc := range []struct {
		name, reply string
		letters     int64
		steps       int
		want        string
	}{
		{"to the end", step + step + `{"letters":3,"events":6,"done":true}` + "\n", 3, 2, ""},
		{"nothing to do", `{"why":"they are gone","done":true}`, 0, 0, ""},
		{"a failure", step + `{"letters":2,"error":"queue is full"}` + "\n", 2, 1, "queue is full"},
		{"it breaks off", step, 1, 1, "ended early, what was done so far stays done"},
		{"no reply", "", 0, 0, "ended early"},
		{"no JSON", step + "<html>\n", 1, 1, "read the status endpoint's reply"},
		{"a line without end", step + strings.Repeat("x", maxDeadStep+10), 1, 1, "token too long"},
	} {
		address, _ := serve(t, http.StatusOK, tc.reply)
		steps := 0
		result, err := DeadLetters{&Client{Address: address}}.
			Retry(t.Context(), DeadFilter{All: true}, "", func(DeadResult) { steps++ })
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
		if result.Letters != tc.letters || steps != tc.steps {
			t.Errorf("%s: %+v after %d steps", tc.name, result, steps)
		}
		if tc.reply == step && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

// A change of everything has to be meant, and one of some of them names which.
func TestDeadChangesAreMeant(t *testing.T) {
	for _, tc := range []struct {
		filter DeadFilter
		ok     bool
	}{
		{DeadFilter{}, false},
		{DeadFilter{All: true}, true},
		{DeadFilter{Output: "es"}, true},
		{DeadFilter{Cluster: "a"}, true},
		{DeadFilter{Reason: "rejected"}, true},
		{DeadFilter{Tag: "kube.**"}, true},
		{DeadFilter{OlderThan: time.Hour}, true},
		{DeadFilter{NewerThan: time.Hour}, true},
		{DeadFilter{IDs: []uint64{1}}, true},
		{DeadFilter{IDs: []uint64{1}, All: true}, false},
		{DeadFilter{Output: "es", All: true}, false},
	} {
		if err := tc.filter.CheckChange(); (err == nil) != tc.ok || err != nil && !errors.Is(err, ErrDeadRequest) {
			t.Errorf("%+v: %v", tc.filter, err)
		}
	}
	if q := (&DeadFilter{}).Query(); !reflect.DeepEqual(q, url.Values{}) {
		t.Errorf("nothing is asked for as %v", q)
	}
}
