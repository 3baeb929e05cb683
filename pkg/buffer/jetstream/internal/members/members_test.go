package members

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/ledger"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/subject"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
)

// bucket is a key-value bucket in memory, which tells those who watch of what changes. What it does not implement is
// not called.
type bucket struct {
	jetstream.KeyValue
	revision uint64
	entries  map[string]*entry
	groups   []*Group
}

// entry implements jetstream.KeyValueEntry.
type entry struct {
	jetstream.KeyValueEntry
	key      string
	value    []byte
	revision uint64
	created  time.Time
	op       jetstream.KeyValueOp
}

func (e *entry) Key() string                     { return e.key }
func (e *entry) Value() []byte                   { return e.value }
func (e *entry) Revision() uint64                { return e.revision }
func (e *entry) Created() time.Time              { return e.created }
func (e *entry) Operation() jetstream.KeyValueOp { return e.op }

func (b *bucket) change(key string, value []byte, op jetstream.KeyValueOp) uint64 {
	b.revision++
	e := &entry{key: key, value: value, revision: b.revision, created: time.Now(), op: op}
	if b.entries[key] = e; op != jetstream.KeyValuePut {
		delete(b.entries, key)
	}
	for _, g := range b.groups {
		g.Heard(e)
	}
	return b.revision
}

func (b *bucket) Put(_ context.Context, key string, value []byte) (uint64, error) {
	return b.change(key, value, jetstream.KeyValuePut), nil
}

func (b *bucket) Create(_ context.Context, key string, value []byte, _ ...jetstream.KVCreateOpt) (uint64, error) {
	if b.entries[key] != nil {
		return 0, jetstream.ErrKeyExists
	}
	return b.change(key, value, jetstream.KeyValuePut), nil
}

func (b *bucket) Update(_ context.Context, key string, value []byte, last uint64) (uint64, error) {
	if e := b.entries[key]; e == nil || e.revision != last {
		return 0, errors.New("wrong last sequence")
	}
	return b.change(key, value, jetstream.KeyValuePut), nil
}

func (b *bucket) Get(_ context.Context, key string) (jetstream.KeyValueEntry, error) {
	if e := b.entries[key]; e != nil {
		return e, nil
	}
	return nil, jetstream.ErrKeyNotFound
}

func (b *bucket) Delete(_ context.Context, key string, _ ...jetstream.KVDeleteOpt) error {
	b.change(key, nil, jetstream.KeyValueDelete)
	return nil
}

func (b *bucket) Purge(_ context.Context, key string, _ ...jetstream.KVDeleteOpt) error {
	b.change(key, nil, jetstream.KeyValuePurge)
	return nil
}

// groups returns a bucket and the processes of the names that share it.
func groups(names ...string) (*bucket, []*Group) {
	b := &bucket{entries: map[string]*entry{}}
	for _, name := range names {
		g := New(name, "host of "+name, time.Now())
		g.SetBucket(b)
		b.groups = append(b.groups, g)
	}
	return b, b.groups
}

var es = subject.Place{Output: "es", Cluster: "c"}

func stored(n int64) ledger.Table {
	return ledger.Table{es: {ledger.Appended: buffer.Count{Chunks: n, Events: n, Bytes: n}}}
}

func publish(t *testing.T, g *Group, chunks int64, ended bool) {
	t.Helper()
	if err := g.Publish(t.Context(), stored(chunks), ended); err != nil {
		t.Fatal(err)
	}
}

// hold holds that a process knows of so many chunks that others have stored.
func hold(t *testing.T, g *Group, chunks int64) {
	t.Helper()
	others := g.Others()
	if got := others.At(es).Pending().Chunks; got != chunks {
		t.Errorf("%s knows of %d chunks of others, want %d", g.Self(), got, chunks)
	}
}

func TestPublish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, all := groups("a", "b", "c")
		a, b, c := all[0], all[1], all[2]
		a.Share([]byte("state"))
		if !a.Untold() {
			t.Error("what was not told is told")
		}
		publish(t, a, 1, false)
		publish(t, b, 10, false)
		publish(t, c, 100, false)
		if a.Untold() {
			t.Error("what was told is untold")
		}
		hold(t, a, 110)
		hold(t, b, 101)
		peers := b.Peers()
		if len(peers) != 3 || peers[0].Name != "a" || peers[0].Host != "host of a" ||
			string(peers[0].State) != "state" {
			t.Errorf("%+v", peers)
		}
		if !a.Leads() || b.Leads() {
			t.Error("the first of those that are alive leads, and no other")
		}
		publish(t, a, 1, true)
		if !b.Leads() {
			t.Error("nobody leads after the first has ended")
		}
		hold(t, b, 101)
		// b and c are silent: each takes itself alone for alive.
		time.Sleep(silentAfter)
		if !b.Leads() || !c.Leads() {
			t.Error("who is silent leads")
		}
		publish(t, b, 10, false)
		if c.Leads() {
			t.Error("who is heard again does not lead")
		}
	})
}

// A process knows whether it has heard what the others told before its own last word.
func TestCurrent(t *testing.T) {
	b, all := groups("a", "b")
	a := all[0]
	if !a.Current() {
		t.Error("it has missed something before anything was told")
	}
	b.groups = all[1:]
	publish(t, a, 1, false)
	if a.Current() {
		t.Error("it has missed nothing though it did not hear itself")
	}
	b.groups = all
	publish(t, a, 2, false)
	if !a.Current() {
		t.Error("it has missed something though it heard itself")
	}
}

// Nothing is taken in that can't be read, and nothing that a newer program has told in a format of its own.
func TestHeard(t *testing.T) {
	b, all := groups("a")
	a := all[0]
	table := stored(5).Append(nil)
	newer := memoFormat().Number + 1
	for name, tc := range map[string]struct {
		key   string
		value any
		want  int64
	}{
		"a process":          {"process.b", memo{Format: 1, Oldest: 1, Table: table}, 5},
		"itself":             {"process.a", memo{Format: 1, Oldest: 1, Table: table}, 0},
		"a newer format":     {"process.b", memo{Format: newer, Oldest: newer, Table: table}, 0},
		"newer, and alike":   {"process.b", memo{Format: newer, Oldest: 1, Table: table}, 5},
		"no table":           {"process.b", memo{Format: 1, Oldest: 1, Table: []byte("x")}, 0},
		"no note":            {"process.b", "x", 0},
		"no name":            {"process.=", memo{Format: 1, Oldest: 1, Table: table}, 5}, // the empty one
		"a broken name":      {"process.=Z", memo{Format: 1, Oldest: 1, Table: table}, 0},
		"the base":           {keyBase, base{Format: 1, Oldest: 1, Table: table}, 5},
		"a newer base":       {keyBase, base{Format: newer, Oldest: newer, Table: table}, 0},
		"a base of no table": {keyBase, base{Format: 1, Oldest: 1, Table: []byte("x")}, 0},
		"no base":            {keyBase, "x", 0},
		"another key":        {"requeued.x", base{Format: 1, Oldest: 1, Table: table}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			g := New(a.Self(), "h", time.Now())
			value, err := json.Marshal(tc.value)
			if err != nil {
				t.Fatal(err)
			}
			b.revision++
			e := &entry{key: tc.key, value: value, revision: b.revision, created: time.Now(), op: jetstream.KeyValuePut}
			if got := g.Heard(e); got != (tc.want > 0) {
				t.Errorf("counts have changed: %v", got)
			}
			hold(t, g, tc.want)
		})
	}
}

// What one notes of the group's counts stands only where nobody else has noted something meanwhile.
func TestAdjust(t *testing.T) {
	b, all := groups("a", "b")
	found := func(tb ledger.Table) { tb.At(es)[ledger.Found] = buffer.Count{Chunks: 7, Events: 7, Bytes: 7} }
	for range 2 {
		if err := all[0].Adjust(t.Context(), found); err != nil {
			t.Fatal(err)
		}
	}
	hold(t, all[0], 7)
	hold(t, all[1], 7)
	// b has not heard of the next one.
	b.groups = all[:1]
	if err := all[0].Adjust(t.Context(), found); err != nil {
		t.Fatal(err)
	}
	if err := all[1].Adjust(t.Context(), found); err == nil {
		t.Error("what another one has noted is overwritten")
	}
}

// Those that ended long ago are forgotten, and what they have counted isn't, also where the one that does it dies
// between.
func TestForget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, all := groups("a", "b", "c")
		a := all[0]
		publish(t, all[1], 10, true)
		time.Sleep(rememberFor / 2)
		publish(t, all[2], 100, true)
		if err := a.Forget(t.Context()); err != nil || len(a.Peers()) != 3 {
			t.Fatalf("who ended half a day ago is forgotten: %v", err)
		}
		time.Sleep(rememberFor/2 + time.Minute)
		told := b.entries["process.b"]
		if err := a.Forget(t.Context()); err != nil || len(a.Peers()) != 2 || b.entries["process.b"] != nil {
			t.Fatalf("%+v: %v", a.Peers(), err)
		}
		hold(t, a, 110)
		// It was not deleted: nothing counts twice, and it is deleted the next time.
		b.change(told.key, told.value, jetstream.KeyValuePut)
		hold(t, a, 110)
		time.Sleep(rememberFor + time.Minute)
		if err := a.Forget(t.Context()); err != nil || len(a.Peers()) != 1 {
			t.Fatalf("%+v: %v", a.Peers(), err)
		}
		hold(t, a, 110)
	})
}

// However often processes start and end, few of them are remembered.
func TestForgetMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, all := groups("a")
		for i := range maxRemembered + 3 {
			g := New(fmt.Sprint("p", i), "h", time.Now())
			g.SetBucket(b)
			publish(t, g, 1, true)
			time.Sleep(time.Second)
		}
		if err := all[0].Forget(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := len(all[0].Peers()); n != 1+maxRemembered {
			t.Errorf("%d processes are known", n)
		}
		hold(t, all[0], maxRemembered+3)
	})
}

// One process at a time holds a lock, and that of one that has died is another one's.
func TestLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, all := groups("a", "b")
		a, b := all[0], all[1]
		publish(t, a, 0, false)
		publish(t, b, 0, false)
		release, err := a.Lock(t.Context(), "letters")
		if err != nil {
			t.Fatal(err)
		}
		_, err = b.Lock(t.Context(), "letters")
		if !errors.Is(err, deadletter.ErrBusy) || !strings.Contains(err.Error(), "by a") {
			t.Errorf("a lock is held twice: %v", err)
		}
		if _, err := b.Lock(t.Context(), "other"); err != nil {
			t.Errorf("another lock: %v", err)
		}
		release()
		if release, err = b.Lock(t.Context(), "letters"); err != nil {
			t.Fatalf("a lock that was given back: %v", err)
		}
		defer release()
		time.Sleep(silentAfter)
		if _, err := a.Lock(t.Context(), "letters"); err != nil {
			t.Errorf("the lock of one that has died: %v", err)
		}
	})
}

// Before the servers were reached, each thing says so.
func TestNotReady(t *testing.T) {
	g := New("a", "h", time.Now())
	ctx := t.Context()
	_, lockErr := g.Lock(ctx, "x")
	_, listErr := g.List(ctx, "x")
	for name, err := range map[string]error{
		"publish": g.Publish(ctx, ledger.Table{}, false), "adjust": g.Adjust(ctx, func(ledger.Table) {}),
		"lock": lockErr, "list": listErr, "put": g.Put(ctx, "x", nil), "delete": g.Delete(ctx, "x"),
	} {
		if !errors.Is(err, ErrNotReady) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
