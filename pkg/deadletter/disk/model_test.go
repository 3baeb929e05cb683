package disk

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/internal/boltfile/boltfiletest"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter/memory"
)

// model is a store on disk beside one in memory, to which the same is done. Their numbers differ: letters are told
// apart by their Detail, of which there is a new one for each that is added.
type model struct {
	t     *testing.T
	r     *rand.Rand
	dir   string
	clock *fakeClock
	disk  *Store
	plain *memory.Store
	added int
}

func (m *model) open() {
	m.t.Helper()
	// Many small files, and no limit that is reached.
	d, err := Open(m.dir, deadletter.Config{}, zerolog.Nop(), m.clock.now)
	if err != nil {
		m.t.Fatal(err)
	}
	d.fileSize = 64 << 10
	d.Recall()
	m.disk = d
}

// filter returns a filter of any kind but by number.
func (m *model) filter() (f deadletter.Filter) {
	if m.r.IntN(2) == 0 {
		f.Output = fmt.Sprint("o", m.r.IntN(3))
	}
	if m.r.IntN(3) == 0 {
		f.Cluster = fmt.Sprint("c", m.r.IntN(2))
	}
	f.NoOutput = m.r.IntN(5) == 0
	if m.r.IntN(4) == 0 {
		f.Tag = func(tag string) bool { return tag == "t0" }
	}
	at := m.clock.now().Add(-time.Duration(m.r.IntN(60)) * time.Minute)
	switch m.r.IntN(4) {
	case 0:
		f.Since = at
	case 1:
		f.Until = at
	}
	return f
}

// all lists what fits of both, page by page, and holds one against the other.
func (m *model) all(what string, f deadletter.Filter, p deadletter.Page) (onDisk, inMemory []uint64) {
	m.t.Helper()
	read := func(s deadletter.Store) (ids []uint64, details []string) {
		p := p
		for more := true; more; {
			var letters []deadletter.Letter
			var err error
			if letters, more, err = s.Page(context.Background(), f, p); err != nil {
				m.t.Fatal(err)
			}
			for _, l := range letters {
				ids = append(ids, l.ID)
				details = append(details, fmt.Sprint(l.Detail, l.Time.UnixNano(), l.Events, len(l.Entry)))
				p.After = l.ID
			}
			more = more && len(letters) > 0
		}
		return ids, details
	}
	var got, want []string
	onDisk, got = read(m.disk)
	inMemory, want = read(m.plain)
	if !slices.Equal(got, want) {
		m.t.Fatalf("%s: got %v, want %v", what, got, want)
	}
	return onDisk, inMemory
}

func (m *model) add() {
	var letters []deadletter.Letter
	for range 1 + m.r.IntN(3) {
		n := m.r.IntN(40)
		m.added++
		l := deadletter.Letter{
			Time: m.clock.now(), Output: []string{"", "o0", "o1", "o2"}[n%4], Cluster: fmt.Sprint("c", n%2),
			Tag: fmt.Sprint("t", n%3), Reason: "rejected", Detail: fmt.Sprint("d", m.added), Events: n % 5,
			Entry: []byte(noise(1+n*500, byte(n))),
		}
		if n%3 > 0 {
			// What comes again under its id is the letter that it is.
			l.EventID = fmt.Sprint("e", n)
		}
		letters = append(letters, l)
	}
	for _, s := range []deadletter.Store{m.disk, m.plain} {
		if err := s.Add(context.Background(), letters); err != nil {
			m.t.Fatal(err)
		}
	}
}

// some returns some of the letters that are there, by the numbers that each store gave them.
func (m *model) some() (onDisk, inMemory []uint64) {
	a, b := m.all("some", deadletter.Filter{}, deadletter.Page{Limit: 100, Bare: true})
	for i := range a {
		if m.r.IntN(4) == 0 {
			onDisk, inMemory = append(onDisk, a[i]), append(inMemory, b[i])
		}
	}
	return append(onDisk, 1), append(inMemory, 1)
}

// step does one thing to both, and holds the answers against each other.
func (m *model) step() {
	ctx := context.Background()
	what, got, want := "", "", ""
	say := func(n any, err error) string { return fmt.Sprintf("%+v %v", n, err) }
	switch m.r.IntN(8) {
	case 0:
		a, b := m.some()
		what, got, want = "delete", say(m.disk.Delete(ctx, a...)), say(m.plain.Delete(ctx, b...))
	case 1:
		f := m.filter()
		none := func(deadletter.Count) {}
		what, got, want = "purge", say(m.disk.Purge(ctx, f, none)), say(m.plain.Purge(ctx, f, none))
	case 2:
		a, b := m.some()
		put := func() error { return nil }
		what, got, want = "requeue", say(m.disk.Requeue(ctx, a, put)), say(m.plain.Requeue(ctx, b, put))
	case 3:
		if err := m.disk.Close(); err != nil {
			m.t.Fatal(err)
		}
		m.open()
	case 4:
		f := m.filter()
		a, aerr := m.disk.Count(ctx, f)
		b, berr := m.plain.Count(ctx, f)
		if err := errors.Join(aerr, berr); err != nil {
			m.t.Fatal(err)
		}
		what, got, want = "count", say(a.By, nil), say(b.By, nil)
		if !a.Oldest.Equal(b.Oldest) || !a.Newest.Equal(b.Newest) {
			m.t.Errorf("from %v to %v, want %v to %v", a.Oldest, a.Newest, b.Oldest, b.Newest)
		}
	default:
		m.add()
	}
	if got != want {
		m.t.Fatalf("%s: got %s, want %s", what, got, want)
	}
	f := m.filter()
	p := deadletter.Page{Newest: m.r.IntN(2) == 0, Limit: 1 + m.r.IntN(5), Bytes: m.r.IntN(2) * 12_000}
	m.all(fmt.Sprintf("%+v", p), f, p)
}

// Whatever is done to a store on disk, also over restarts, it has what one in memory has.
func TestModel(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			m := &model{
				t: t, r: rand.New(rand.NewPCG(seed, 1)), dir: boltfiletest.MemoryDir(t), clock: newFakeClock(),
				plain: &memory.Store{},
			}
			m.open()
			for range 40 {
				m.step()
				m.clock.move(time.Minute)
			}
			a, b := m.disk.Stats(), m.plain.Stats()
			if a.Letters != b.Letters || fmt.Sprint(nonZero(a.Events)) != fmt.Sprint(nonZero(b.Events)) {
				t.Errorf("got %+v, want %+v", a, b)
			}
			if err := m.disk.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// nonZero leaves out the keys of letters without events, which a store may count or not.
func nonZero(events map[deadletter.Key]int64) map[deadletter.Key]int64 {
	left := map[deadletter.Key]int64{}
	for k, n := range events {
		if n != 0 {
			left[k] = n
		}
	}
	return left
}
