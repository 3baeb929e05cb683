// Package members is the processes that share a queue: what each tells of itself in a key-value bucket, what they have
// counted together, and how they talk.
package members

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/seed-afc6a195/aggregator/internal/format"
	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/ledger"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/subject"
)

// ErrNotReady is what can't be done before the servers were reached for the first time.
var ErrNotReady = errors.New("the queue's servers were not reached yet")

// answerWithin is how long a server may take to answer.
const answerWithin = 5 * time.Second

const (
	// HeartbeatEvery is how often a process tells of itself where nothing has changed.
	HeartbeatEvery = 2 * time.Second
	// silentAfter is how long one may be silent before it counts as ended.
	silentAfter = 8 * time.Second
	// rememberFor is how long one is remembered after its end, and maxRemembered how many are.
	rememberFor   = 24 * time.Hour
	maxRemembered = 200
	// maxFolded bounds how many names of forgotten ones are kept.
	maxFolded = 1000
)

// Keys of the bucket.
const (
	keyProcess = "process." // and its name
	keyBase    = "base"
	keyLock    = "lock."
)

// memoFormat is that of what processes tell of themselves.
func memoFormat() format.Format {
	return format.Format{Name: "note of the group of processes", Number: 1, Since: 1}
}

// memo is what a process tells of itself.
type memo struct {
	Format int `json:"format"`
	// Oldest is the number of the oldest format whose programs may read it.
	Oldest  int       `json:"oldest"`
	Host    string    `json:"host"`
	Started time.Time `json:"started"`
	Ended   bool      `json:"ended"`
	// Table is a ledger.Table as it is sent.
	Table []byte `json:"table"`
	// State is that of a buffer.Peer.
	State []byte `json:"state"`
}

// base is what was counted by those that are forgotten, and what nobody had counted.
type base struct {
	Format int    `json:"format"`
	Oldest int    `json:"oldest"`
	Table  []byte `json:"table"`
	// Folded names those that Table has.
	Folded []string `json:"folded"`
}

// member is a process of the group.
type member struct {
	memo
	table ledger.Table
	seen  time.Time
}

// Group is what this process knows of all, and implements buffer.Group but for Audit. Safe for concurrent use.
type Group struct {
	self string
	nats *nats.Conn
	// root is the first tokens of the subjects by which members talk.
	root string

	memberMu sync.Mutex
	// kv may be nil: not there yet.
	kv   jetstream.KeyValue
	mine memo
	// members are the others.
	members  map[string]*member
	base     base
	baseOf   ledger.Table
	revision uint64
	answerer func([]byte) []byte
	giver    func([]byte) bool
	// unshared says that mine.State was not told yet.
	unshared bool
	// told is the number in the bucket of what this process has told last, and echoed that of what has come back.
	told, echoed uint64
}

// New returns the group as this process knows it before anything was read. It can talk once Connect was called, and
// what needs the bucket can be done once SetBucket was.
func New(name, host string, began time.Time) *Group {
	return &Group{
		self: name, members: map[string]*member{}, baseOf: ledger.Table{},
		mine: memo{Format: memoFormat().Number, Oldest: memoFormat().Since, Host: host, Started: began},
	}
}

// SetBucket names the bucket, once all that it has was given to Heard.
func (g *Group) SetBucket(kv jetstream.KeyValue) {
	g.memberMu.Lock()
	defer g.memberMu.Unlock()
	g.kv = kv
}

// Self implements buffer.Group.
func (g *Group) Self() string { return g.self }

// Share implements buffer.Group.
func (g *Group) Share(state []byte) {
	g.memberMu.Lock()
	defer g.memberMu.Unlock()
	g.mine.State, g.unshared = state, true
}

// Untold reports whether what is to be shared was not told yet.
func (g *Group) Untold() bool {
	g.memberMu.Lock()
	defer g.memberMu.Unlock()
	return g.unshared
}

// Peers implements buffer.Group.
func (g *Group) Peers() []buffer.Peer {
	g.memberMu.Lock()
	defer g.memberMu.Unlock()
	now := time.Now()
	all := []buffer.Peer{{
		Name: g.self, Host: g.mine.Host, Started: g.mine.Started, Seen: now, Alive: true, State: g.mine.State,
	}}
	for name, m := range g.members {
		all = append(all, buffer.Peer{
			Name: name, Host: m.Host, Started: m.Started, Seen: m.seen, Alive: m.alive(now), State: m.State,
		})
	}
	slices.SortFunc(all, func(a, b buffer.Peer) int { return strings.Compare(a.Name, b.Name) })
	return all
}

func (m *member) alive(now time.Time) bool { return !m.Ended && now.Sub(m.seen) < silentAfter }

// Heard takes in an entry of the bucket, and reports whether what was counted has changed.
func (g *Group) Heard(e jetstream.KeyValueEntry) bool {
	g.memberMu.Lock()
	defer g.memberMu.Unlock()
	name, isProcess := strings.CutPrefix(e.Key(), keyProcess)
	switch gone := e.Operation() != jetstream.KeyValuePut; {
	case isProcess:
		name, ok := subject.Name(name)
		if ok && name == g.self {
			g.echoed = max(g.echoed, e.Revision())
		}
		if !ok || name == g.self {
			return false
		}
		if gone {
			delete(g.members, name)
			return true
		}
		m := &member{seen: time.Now()}
		if made := e.Created(); made.Before(m.seen.Add(-HeartbeatEvery)) {
			// Of when nobody listened.
			m.seen = made
		}
		if json.Unmarshal(e.Value(), &m.memo) != nil || memoFormat().Check(m.Format, m.Oldest) != nil {
			return false
		}
		var err error
		if m.table, err = ledger.Read(m.Table); err != nil {
			return false
		}
		m.Table = nil
		g.members[name] = m
		return true
	case e.Key() == keyBase && !gone && e.Revision() > g.revision:
		var b base
		if json.Unmarshal(e.Value(), &b) != nil || memoFormat().Check(b.Format, b.Oldest) != nil {
			return false
		}
		table, err := ledger.Read(b.Table)
		if err != nil {
			return false
		}
		g.base, g.baseOf, g.revision = b, table, e.Revision()
		return true
	}
	return false
}

// Others returns what all others have counted, and those that are forgotten.
func (g *Group) Others() ledger.Table {
	g.memberMu.Lock()
	defer g.memberMu.Unlock()
	sum := g.baseOf.Clone()
	for name, m := range g.members {
		if !slices.Contains(g.base.Folded, name) {
			sum.Add(m.table, 1)
		}
	}
	return sum
}

// Corrections returns a number that grows with each change of what the group has counted beside its members, and how
// many events were found so that no member had counted.
func (g *Group) Corrections() (revision uint64, found int64) {
	g.memberMu.Lock()
	defer g.memberMu.Unlock()
	for _, counts := range g.baseOf {
		found += counts[ledger.Found].Events
	}
	return g.revision, found
}

// Leads reports whether this process is the one that looks after what concerns all.
func (g *Group) Leads() bool {
	for _, p := range g.Peers() {
		if p.Alive {
			return p.Name == g.self
		}
	}
	return true
}

// Publish puts what this process tells of itself into the bucket.
func (g *Group) Publish(ctx context.Context, table ledger.Table, ended bool) error {
	g.memberMu.Lock()
	m, kv := g.mine, g.kv
	g.unshared = false
	g.memberMu.Unlock()
	if kv == nil {
		return ErrNotReady
	}
	m.Table, m.Ended = table.Append(nil), ended
	b, err := json.Marshal(&m)
	revision := uint64(0)
	if err == nil {
		revision, err = kv.Put(ctx, keyProcess+subject.Token(g.self), b)
	}
	if err != nil {
		return fmt.Errorf("tell the others of this process: %w", err)
	}
	g.memberMu.Lock()
	defer g.memberMu.Unlock()
	g.told = max(g.told, revision)
	return nil
}

// Current reports whether what this process has told last has come back by Heard, and so whatever the others have told
// before.
func (g *Group) Current() bool {
	g.memberMu.Lock()
	defer g.memberMu.Unlock()
	return g.echoed >= g.told
}

// Adjust changes what the group has counted beside its members, where nobody else has meanwhile. change gets a copy.
func (g *Group) Adjust(ctx context.Context, change func(ledger.Table)) error {
	return g.adjust(ctx, func(t ledger.Table, _ *base) { change(t) })
}

func (g *Group) adjust(ctx context.Context, change func(ledger.Table, *base)) error {
	g.memberMu.Lock()
	b, table, kv, revision := g.base, g.baseOf.Clone(), g.kv, g.revision
	g.memberMu.Unlock()
	if kv == nil {
		return ErrNotReady
	}
	b.Folded = slices.Clone(b.Folded)
	change(table, &b)
	b.Format, b.Oldest, b.Table = memoFormat().Number, memoFormat().Since, table.Append(nil)
	data, err := json.Marshal(&b)
	if err != nil {
		return fmt.Errorf("note what was counted: %w", err)
	}
	if revision == 0 {
		revision, err = kv.Create(ctx, keyBase, data)
	} else {
		revision, err = kv.Update(ctx, keyBase, data, revision)
	}
	if err != nil {
		return fmt.Errorf("note what was counted: %w", err)
	}
	g.memberMu.Lock()
	defer g.memberMu.Unlock()
	if revision > g.revision {
		g.base, g.baseOf, g.revision = b, table, revision
	}
	return nil
}

// Forget adds what those had counted that ended long ago to the base, and then deletes what they told.
func (g *Group) Forget(ctx context.Context) error {
	g.memberMu.Lock()
	now, kv := time.Now(), g.kv
	var ended []string
	for name, m := range g.members {
		if !m.alive(now) {
			ended = append(ended, name)
		}
	}
	slices.SortFunc(ended, func(a, b string) int { return g.members[a].seen.Compare(g.members[b].seen) })
	var old []string
	gone := map[string]ledger.Table{}
	for i, name := range ended {
		if now.Sub(g.members[name].seen) > rememberFor || len(ended)-i > maxRemembered {
			if old = append(old, name); !slices.Contains(g.base.Folded, name) {
				gone[name] = g.members[name].table.Clone()
			}
		}
	}
	g.memberMu.Unlock()
	if len(gone) > 0 {
		err := g.adjust(ctx, func(t ledger.Table, b *base) {
			for _, name := range slices.Sorted(maps.Keys(gone)) {
				t.Add(gone[name], 1)
				b.Folded = append(b.Folded, name)
			}
			b.Folded = b.Folded[max(0, len(b.Folded)-maxFolded):]
		})
		if err != nil {
			return err
		}
	}
	for _, name := range old {
		if err := kv.Purge(ctx, keyProcess+subject.Token(name)); err != nil {
			return fmt.Errorf("forget process %s: %w", name, err)
		}
	}
	return nil
}
