package status

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/status/client"
)

func TestDeadClient(t *testing.T) {
	store := &letters{n: 5}
	_, address := deadServer(t, store, Config{})
	c := client.DeadLetters{Client: &client.Client{Address: address + "/"}}
	filter := client.DeadFilter{
		Output: "es", Cluster: "c 1", Reason: "r&d", Tag: "kube.**", OlderThan: time.Minute, NewerThan: time.Hour,
		IDs: []uint64{7, 1 << 60},
	}
	summary, err := c.Summary(t.Context(), filter)
	if err != nil || summary.Letters != 5 || summary.Events != 10 || !summary.Oldest.Equal(time.Unix(1, 0)) {
		t.Errorf("%+v: %v", summary, err)
	}
	list, err := c.List(t.Context(), filter, client.DeadPage{After: 1, Limit: 2, Newest: true, Records: true})
	if want := []client.DeadLetter{letter(2, true), letter(3, true)}; err != nil || list.Next != 3 ||
		len(list.Letters) != 2 || list.Letters[1].Detail != want[1].Detail {
		t.Errorf("%+v: %v", list, err)
	}
	if l, err := c.Get(t.Context(), 4); err != nil || l.ID != 4 || len(l.Record) == 0 {
		t.Errorf("%+v: %v", l, err)
	}
	if _, err := c.Get(t.Context(), 6); !errors.Is(err, client.ErrDeadUnknown) ||
		strings.Count(err.Error(), "no such") != 1 {
		t.Errorf("unknown: %v", err)
	}
	var steps []client.DeadResult
	step := func(r client.DeadResult) { steps = append(steps, r) }
	result, err := c.Retry(t.Context(), filter, "es2", step)
	if err != nil || result.Letters != 3 || result.Skipped["no route wants them"] != 1 ||
		!reflect.DeepEqual(steps, []client.DeadResult{{Letters: 1, Events: 2}}) {
		t.Errorf("%+v after %+v: %v", result, steps, err)
	}
	if result, err = c.Purge(t.Context(), client.DeadFilter{All: true}, step); err != nil || result.Events != 6 {
		t.Errorf("%+v: %v", result, err)
	}
	if _, err := c.Purge(t.Context(), client.DeadFilter{}, step); !errors.Is(err, client.ErrDeadRequest) {
		t.Errorf("without a filter: %v", err)
	}
	want := []string{
		fmt.Sprintf("summary %+v []", filter),
		fmt.Sprintf("list %+v [%v]", filter, client.DeadPage{After: 1, Limit: 2, Newest: true, Records: true}),
		fmt.Sprintf("retry %+v [es2]", filter),
		fmt.Sprintf("purge %+v []", client.DeadFilter{All: true}),
	}
	if !slices.Equal(store.asked, want) {
		t.Errorf("asked:\n%s\nwant:\n%s", strings.Join(store.asked, "\n"), strings.Join(want, "\n"))
	}

	store.err = errors.New("the disk is broken")
	if _, err := c.List(t.Context(), filter, client.DeadPage{Limit: 1}); err == nil ||
		!strings.Contains(err.Error(), "the disk is broken") {
		t.Errorf("list: %v", err)
	}
	if result, err := c.Retry(t.Context(), filter, "", step); err == nil || err.Error() != "the disk is broken" ||
		result.Letters != 3 {
		t.Errorf("retry: %+v %v", result, err)
	}
	store.err = client.ErrDeadBusy
	if _, err := c.Retry(t.Context(), filter, "", step); !errors.Is(err, client.ErrDeadBusy) {
		t.Errorf("busy: %v", err)
	}
}

func TestDeadClientFailures(t *testing.T) {
	for name, tc := range map[string]struct {
		reply func(w http.ResponseWriter)
		want  string
	}{
		"a proxy's page": {func(w http.ResponseWriter) { fmt.Fprint(w, "<html>") }, "read the status endpoint's reply"},
		"refused": {
			func(w http.ResponseWriter) { http.Error(w, "token, please", http.StatusUnauthorized) },
			"401 Unauthorized: token, please",
		},
		"no endpoint": {func(w http.ResponseWriter) { w.WriteHeader(http.StatusNotFound) }, "404"},
		"cut":         {func(w http.ResponseWriter) { fmt.Fprintln(w, `{"letters":1}`) }, "ended early"},
		"cut hard": {func(w http.ResponseWriter) {
			fmt.Fprintln(w, `{"letters":1}`)
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, "ended early"},
	} {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { tc.reply(w) }))
			defer srv.Close()
			c := client.DeadLetters{Client: &client.Client{
				Address: strings.Replace(srv.URL, "//", "//user:s3cr3t@", 1), Token: setting.NewSecret("s3cr3t"),
			}}
			_, err := c.Purge(t.Context(), client.DeadFilter{All: true}, func(client.DeadResult) {})
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "s3cr3t") {
				t.Errorf("%v, want %s", err, tc.want)
			}
		})
	}
	for _, address := range []string{
		"http://user:s3cr3t@127.0.0.1:1", "http://user:s3cr3t@[::", "http://user:s3cr3t@a b",
	} {
		if _, err := (client.DeadLetters{Client: &client.Client{Address: address}}).Get(t.Context(), 1); err == nil ||
			strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: %v", address, err)
		}
	}
}
