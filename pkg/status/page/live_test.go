package page

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/seed-afc6a195/aggregator/pkg/status/history"
	"github.com/seed-afc6a195/aggregator/pkg/status/snapshot"
	"github.com/seed-afc6a195/aggregator/pkg/status/snapshot/snapshottest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// event is one that a page got.
type event struct {
	name string
	data map[string]any
}

// look opens a page, and returns its events as they come; the channel is closed when the stream ends.
func look(t *testing.T, l *Live, you You, now *snapshot.Snapshot) (events <-chan event, leave func()) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := l.Serve(w, r, you, "hash", now); err != nil {
			t.Error(err)
		}
	}))
	ctx, cancel := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	reply, err := server.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	out := make(chan event, 100)
	go func() {
		defer close(out)
		defer reply.Body.Close()
		lines := bufio.NewScanner(reply.Body)
		lines.Buffer(nil, 16<<20)
		e := event{}
		for lines.Scan() {
			if name, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
				e = event{name: name}
			}
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				if err := json.Unmarshal([]byte(data), &e.data); err != nil {
					t.Error(err)
				}
				out <- e
			}
		}
	}()
	return out, func() {
		cancel()
		server.Close()
		for range out { // until it is closed
		}
	}
}

// next returns the next event, which must have that name.
func next(t *testing.T, events <-chan event, name string) map[string]any {
	t.Helper()
	e, ok := <-events
	if !ok || e.name != name {
		t.Fatalf("%q came (%v), want %q", e.name, ok, name)
	}
	return e.data
}

func TestLive(t *testing.T) {
	l := &Live{Series: &history.Series{}}
	first := day(snapshottest.Bad, 600)
	l.Series.Keep(first)
	events, leave := look(t, l, You{Words: true, Control: true}, first)
	strange, goAway := look(t, l, You{}, first)
	defer goAway()
	hello := next(t, events, "hello")
	if hello["page"] != "hash" ||
		!reflect.DeepEqual(hello["you"], map[string]any{"control": true, "words": true, "sign_in": false}) {
		t.Errorf("%v", hello)
	}
	all := next(t, events, "all")
	state := all["all"]
	if want, _ := tree(viewOf(first, true)); !reflect.DeepEqual(state, want) {
		t.Error("the first state is not the state")
	}
	if lines := all["lines"].(map[string]any); len(lines["queue.bytes"].([]any)) != 1 {
		t.Errorf("lines: %v", lines)
	}
	next(t, strange, "hello")
	if text, _ := json.Marshal(next(t, strange, "all")); strings.Contains(string(text), "unable to authenticate") {
		t.Error("a stranger sees a destination's words")
	}
	now := first.At
	for i := 1; i <= 3; i++ {
		s := day(snapshottest.Bad, 600+20*i)
		now = s.At
		if err := l.Update(s, now, l.Series.Keep(s)); err != nil {
			t.Fatal(err)
		}
		if point := next(t, events, "point"); len(point["points"].(map[string]any)) == 0 {
			t.Errorf("a point has no figures: %v", point)
		}
		state = apply(state, next(t, events, "patch")["patch"])
		if want, _ := tree(viewOf(s, true)); !reflect.DeepEqual(state, want) {
			t.Errorf("after %d patches the page's state is not the server's", i)
		}
	}
	soon := day(snapshottest.Bad, 661)
	if err := l.Update(soon, now.Add(time.Second), false); err != nil {
		t.Fatal(err)
	}
	rest := day(snapshottest.Bad, 680)
	if err := l.Update(rest, rest.At, false); err != nil {
		t.Fatal(err)
	}
	if state = apply(state, next(t, events, "patch")["patch"]); state.(map[string]any)["verdict"] == nil {
		t.Error("the verdict is gone")
	}
	if want, _ := tree(viewOf(rest, true)); !reflect.DeepEqual(state, want) {
		t.Error("a second after a patch there was another, or the next one lacks something")
	}
	leave()
	if err := l.Update(day(snapshottest.Bad, 700), rest.At.Add(time.Minute), false); err != nil {
		t.Fatal(err)
	}
	l.Close()
	for range strange { // until its stream ends, which it must
	}
	if p, err := l.join(false, first); p != nil || err != nil {
		t.Errorf("a page joined a server that stops: %v %v", p, err)
	}
}

// TestBeat has nothing change: the page is told now and then all the same, so that it knows that the server is there.
func TestBeat(t *testing.T) {
	l := &Live{Series: &history.Series{}}
	s := day(snapshottest.Normal, 600)
	events, leave := look(t, l, You{}, s)
	defer leave()
	next(t, events, "hello")
	next(t, events, "all")
	for i := range 11 {
		if err := l.Update(s, s.At.Add(time.Duration(i)*time.Second), false); err != nil {
			t.Fatal(err)
		}
	}
	first, second := next(t, events, "patch"), next(t, events, "patch")
	if apart := second["time"].(float64) - first["time"].(float64); len(first["patch"].(map[string]any)) != 0 ||
		apart != 6000 {
		t.Errorf("told %v and %v", first, second)
	}
}

// TestSlowPage does not read: others are not held up, and its stream ends so that it begins anew.
func TestSlowPage(t *testing.T) {
	l := &Live{Series: &history.Series{}}
	s := day(snapshottest.Bad, 600)
	slow, err := l.join(false, s)
	if err != nil {
		t.Fatal(err)
	}
	for i := range behind + 2 {
		s := day(snapshottest.Bad, 610+10*i)
		if err := l.Update(s, s.At, false); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	for range slow.messages {
		n++
	}
	if n != behind || len(l.pages) != 0 {
		t.Errorf("it was sent %d messages, and %d pages are left", n, len(l.pages))
	}
	l.leave(slow) // which has no effect twice
}

// TestPace holds that what is sent a second is bounded, whatever there is to tell.
func TestPace(t *testing.T) {
	l := &Live{Series: &history.Series{}}
	s := day(snapshottest.Hostile, 600)
	page, err := l.join(true, s)
	if err != nil {
		t.Fatal(err)
	}
	<-page.messages
	bytes, seconds := 0, 120
	for i := range seconds {
		s := day(snapshottest.Hostile, 600+i)
		for j := range s.Outputs { // all of it is new each time
			s.Outputs[j].LastError.Detail = strings.Repeat(string(rune('a'+i%26)), 5000)
		}
		if err := l.Update(s, s.At, false); err != nil {
			t.Fatal(err)
		}
		select {
		case text := <-page.messages:
			bytes += len(text)
		default:
		}
	}
	if longest := 40 << 10; bytes == 0 || bytes > seconds*(4<<10)+longest {
		t.Errorf("%d bytes in %d s", bytes, seconds)
	}
}

func TestPagesAreBounded(t *testing.T) {
	l := &Live{Series: &history.Series{}}
	s := day(snapshottest.Normal, 600)
	for range maxPages {
		if p, err := l.join(false, s); p == nil || err != nil {
			t.Fatal(err)
		}
	}
	w := httptest.NewRecorder()
	if err := l.Serve(w, httptest.NewRequest(http.MethodGet, "/live", http.NoBody), You{}, "", s); err != nil ||
		w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("one more page: %d %v", w.Code, err)
	}
	l.Close()
}
