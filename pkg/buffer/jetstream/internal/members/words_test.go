package members

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/ledger"
)

// What a process tells of itself is read by processes of other versions: its names and forms stay.
func TestMemoBytes(t *testing.T) {
	b, _ := groups()
	g := New("pod.0", "node-1", time.Unix(1_800_000_000, 0).UTC())
	g.SetBucket(b)
	g.Share([]byte("state"))
	if err := g.Publish(t.Context(), stored(1), true); err != nil {
		t.Fatal(err)
	}
	e := b.entries["process.pod=2E0"]
	if e == nil {
		t.Fatalf("it is not there: %v", slices.Collect(maps.Keys(b.entries)))
	}
	const want = `{"format":1,"oldest":1,"host":"node-1","started":"2027-01-15T08:00:00Z","ended":true,` +
		`"table":"AQECZXMAAWMBAAICAg==","state":"c3RhdGU="}`
	if string(e.value) != want {
		t.Errorf("got  %s\nwant %s", e.value, want)
	}
}

// What was counted by those that are gone is read by processes of other versions too.
func TestBaseBytes(t *testing.T) {
	b, all := groups("a")
	if err := all[0].Adjust(t.Context(), func(tb ledger.Table) { tb.Add(stored(1), 1) }); err != nil {
		t.Fatal(err)
	}
	const want = `{"format":1,"oldest":1,"table":"AQECZXMAAWMBAAICAg==","folded":null}`
	if got := string(b.entries[keyBase].value); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// heardOf has the group hear what a process of the name tells, as it was told at that time.
func heardOf(g *Group, b *bucket, name string, m memo, at time.Time) bool {
	if m.Table == nil {
		m.Table = ledger.Table{}.Append(nil)
	}
	m.Format, m.Oldest = 1, 1
	value, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	b.revision++
	return g.Heard(&entry{
		key: keyProcess + name, value: value, revision: b.revision, created: at, op: jetstream.KeyValuePut,
	})
}

// Who has ended, or was silent for too long, is not alive; what was told when nobody listened counts from then on.
func TestAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _ := groups()
		for name, tc := range map[string]struct {
			ended bool
			ago   time.Duration
			want  bool
		}{
			"now":                       {false, 0, true},
			"a heartbeat ago":           {false, HeartbeatEvery, true},
			"just not too long ago":     {false, silentAfter - 1, true},
			"too long ago":              {false, silentAfter, false},
			"a day ago":                 {false, 24 * time.Hour, false},
			"in the future":             {false, -time.Hour, true},
			"ended now":                 {true, 0, false},
			"ended long ago":            {true, time.Hour, false},
			"ended, by another's clock": {true, -time.Hour, false},
		} {
			g := New("self", "h", time.Now())
			if !heardOf(g, b, "other", memo{Ended: tc.ended, Host: "node"}, time.Now().Add(-tc.ago)) {
				t.Errorf("%s: nothing has changed", name)
			}
			peers := g.Peers()
			if len(peers) != 2 || peers[0].Name != "other" || peers[0].Host != "node" || peers[0].Alive != tc.want {
				t.Errorf("%s: %+v", name, peers)
			}
			// Who tells it within a heartbeat is taken to be there now: clocks differ.
			seen := time.Now()
			if tc.ago > HeartbeatEvery {
				seen = seen.Add(-tc.ago)
			}
			if !peers[0].Seen.Equal(seen) {
				t.Errorf("%s: seen %v, want %v", name, peers[0].Seen, seen)
			}
		}
	})
}

// The first by name of those that are alive leads, whoever is asked.
func TestLeads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tc := range []struct {
			name   string
			others map[string]bool // whether they are alive
			want   bool
		}{
			{"alone", nil, true},
			{"before all", map[string]bool{"n": true, "z": true}, true},
			{"behind one", map[string]bool{"a": true, "z": true}, false},
			{"behind one that has ended", map[string]bool{"a": false, "z": true}, true},
			{"behind one of several", map[string]bool{"a": false, "b": true}, false},
			{"all others have ended", map[string]bool{"a": false, "z": false}, true},
			{"upper case is first", map[string]bool{"Z": true}, false},
		} {
			b, _ := groups()
			g := New("m", "h", time.Now())
			for name, alive := range tc.others {
				heardOf(g, b, name, memo{Ended: !alive}, time.Now())
			}
			if got := g.Leads(); got != tc.want {
				t.Errorf("%s: %v", tc.name, got)
			}
		}
	})
}

// Peers come by name, with what each shares, the process itself among them.
func TestPeers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _ := groups()
		began := time.Now().Add(-time.Hour)
		g := New("m", "here", began)
		g.Share([]byte("mine"))
		for _, name := range []string{"z", "a", "=EC=84=9C"} {
			heardOf(g, b, name, memo{Host: "h-" + name, Started: began.UTC(), State: []byte(name)}, time.Now())
		}
		want := []buffer.Peer{
			{Name: "a", Host: "h-a", State: []byte("a")},
			{Name: "m", Host: "here", State: []byte("mine")},
			{Name: "z", Host: "h-z", State: []byte("z")},
			{Name: "서", Host: "h-=EC=84=9C", State: []byte("=EC=84=9C")},
		}
		got := g.Peers()
		for i := range got {
			if !got[i].Started.Equal(began) || !got[i].Seen.Equal(time.Now()) || !got[i].Alive {
				t.Errorf("%+v", got[i])
			}
			got[i].Started, got[i].Seen, got[i].Alive = time.Time{}, time.Time{}, false
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
}

// What somebody deletes is gone, and only that of others.
func TestHeardGone(t *testing.T) {
	for _, op := range []jetstream.KeyValueOp{jetstream.KeyValueDelete, jetstream.KeyValuePurge} {
		b, all := groups("a", "b")
		publish(t, all[1], 7, false)
		a := all[0]
		hold(t, a, 7)
		for _, tc := range []struct {
			key     string
			changes bool
			left    int64
		}{
			{"process.a", false, 7},
			{"process.x", true, 7},
			{keyBase, false, 7},
			{"process.=Z", false, 7},
			{"lock.dead", false, 7},
			{"process.b", true, 0},
			{"process.b", true, 0},
		} {
			b.revision++
			if got := a.Heard(&entry{key: tc.key, revision: b.revision, op: op}); got != tc.changes {
				t.Errorf("%s is gone (%v): counts have changed: %v", tc.key, op, got)
			}
			hold(t, a, tc.left)
		}
	}
}

// An older word of what was counted never comes in the place of a newer one.
func TestHeardOld(t *testing.T) {
	g := New("a", "h", time.Now())
	base := func(chunks int64, revision uint64) bool {
		value, err := json.Marshal(base{Format: 1, Oldest: 1, Table: stored(chunks).Append(nil)})
		if err != nil {
			t.Fatal(err)
		}
		return g.Heard(&entry{key: keyBase, value: value, revision: revision, op: jetstream.KeyValuePut})
	}
	for _, tc := range []struct {
		chunks   int64
		revision uint64
		taken    bool
		want     int64
		newest   uint64
	}{{5, 4, true, 5, 4}, {6, 3, false, 5, 4}, {6, 4, false, 5, 4}, {7, 9, true, 7, 9}, {8, 0, false, 7, 9}} {
		if got := base(tc.chunks, tc.revision); got != tc.taken {
			t.Errorf("number %d is taken: %v", tc.revision, got)
		}
		hold(t, g, tc.want)
		if revision, found := g.Corrections(); revision != tc.newest || found != 0 {
			t.Errorf("number %d, %d events found", revision, found)
		}
	}
}

// What nobody had counted is told in events, of all places.
func TestCorrections(t *testing.T) {
	_, all := groups("a", "b")
	for i := range int64(3) {
		if err := all[0].Adjust(t.Context(), func(tb ledger.Table) {
			place := es
			place.Cluster = fmt.Sprint("c", i)
			tb.At(place)[ledger.Found] = buffer.Count{Chunks: 1, Events: 10 + i, Bytes: 1}
			tb.At(place)[ledger.Lost] = buffer.Count{Chunks: 1, Events: 99}
		}); err != nil {
			t.Fatal(err)
		}
	}
	for _, g := range all {
		if revision, found := g.Corrections(); revision != 3 || found != 33 {
			t.Errorf("%s: number %d, %d events found", g.Self(), revision, found)
		}
	}
}

// What others have counted is a copy, for whoever asks.
func TestOthersAreACopy(t *testing.T) {
	_, all := groups("a", "b")
	publish(t, all[1], 7, false)
	others := all[0].Others()
	others.Add(stored(100), 1)
	clear(others)
	hold(t, all[0], 7)
}

// Nobody is asked where nobody else is alive.
func TestAskNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _ := groups()
		g := New("a", "h", time.Now())
		heardOf(g, b, "b", memo{Ended: true}, time.Now())
		heardOf(g, b, "c", memo{}, time.Now().Add(-silentAfter))
		if got := g.Ask(t.Context(), []byte("x")); got != nil {
			t.Errorf("%+v have answered", got)
		}
		if g.Take(t.Context(), []byte("x")) {
			t.Error("something was given")
		}
	})
}

// A lock that is one's own is taken again, and one whose holder is unknown is anybody's.
func TestLockAgain(t *testing.T) {
	b, all := groups("a")
	a := all[0]
	for _, holder := range []string{"a", "unknown", ""} {
		b.change("lock.dead", []byte(holder), jetstream.KeyValuePut)
		release, err := a.Lock(t.Context(), "dead")
		if err != nil {
			t.Fatalf("held by %q: %v", holder, err)
		}
		if got := string(b.entries["lock.dead"].value); got != "a" {
			t.Errorf("held by %q after %q", got, holder)
		}
		if release(); b.entries["lock.dead"] != nil {
			t.Errorf("held by %q: it is not given back", holder)
		}
	}
}

// Notes are put and deleted under their own keys.
func TestNotes(t *testing.T) {
	b, all := groups("a")
	if err := all[0].Put(t.Context(), "requeueing.1", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if e := b.entries["requeueing.1"]; e == nil || string(e.value) != "x" {
		t.Errorf("%+v", e)
	}
	if err := all[0].Delete(t.Context(), "requeueing.1"); err != nil || len(b.entries) != 0 {
		t.Errorf("%v: %v", b.entries, err)
	}
}

// deaf is a bucket whose server refuses everything.
type deaf struct{ bucket }

var errDeaf = errors.New("no responders")

func (*deaf) Put(context.Context, string, []byte) (uint64, error) { return 0, errDeaf }

func (*deaf) Create(context.Context, string, []byte, ...jetstream.KVCreateOpt) (uint64, error) {
	return 0, errDeaf
}

func (*deaf) Purge(context.Context, string, ...jetstream.KVDeleteOpt) error { return errDeaf }

// What the servers refuse is told with what it was for.
func TestRefused(t *testing.T) {
	g := New("a", "h", time.Now())
	g.SetBucket(&deaf{})
	g.Share([]byte("x"))
	_, lockErr := g.Lock(t.Context(), "dead")
	for name, tc := range map[string]struct {
		err  error
		want string
	}{
		"publish": {g.Publish(t.Context(), ledger.Table{}, false), "tell the others of this process: no responders"},
		"adjust":  {g.Adjust(t.Context(), func(ledger.Table) {}), "note what was counted: no responders"},
		"lock":    {lockErr, "lock dead for the group: no responders"},
		"put":     {g.Put(t.Context(), "x", nil), "no responders"},
		"delete":  {g.Delete(t.Context(), "x"), "no responders"},
	} {
		if !errors.Is(tc.err, errDeaf) || !strings.HasPrefix(tc.err.Error(), tc.want) {
			t.Errorf("%s: %v, want %s", name, tc.err, tc.want)
		}
	}
	if revision, found := g.Corrections(); revision != 0 || found != 0 || !g.Current() {
		t.Errorf("number %d, %d events found", revision, found)
	}
}
