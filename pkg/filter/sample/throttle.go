package sample

import (
	"container/list"
	"crypto/rand"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
)

// maxKey is how many bytes of a key are remembered; the rest of a longer one is told apart by its hash.
const maxKey = 256

// Throttle lets so many events of a key through. It is a filter.Step, of which what Summaries returns
// must be the next stage, without a condition: it passes everything on and adds the summaries. Two
// stages, because a Step drops at once, while what a Joiner has taken stays in the queue.
//
// It counts by the events' own times, in intervals from 1970 on: of the events of a cluster and key
// whose times lie in one second ThrottleConfig.Burst go on, and of those in one interval Rate for
// each of its seconds. So events that waited for a destination, come late or in another order are
// not dropped for that. An event with a time of 1970 or before counts when it was received.
//
// The first event dropped of an interval starts the wait, on the clock, for the summary of all that
// are dropped until then; what is dropped later comes with another one. A summary has the cluster
// and tag of the first of them, the time of the last and no origins, and is lost with the process.
type Throttle struct {
	key       *event.Template
	interval  time.Duration
	rate      float64
	perSecond uint32
	// limit is that of an interval.
	limit   uint64
	maxKeys int
	now     func() time.Time

	known map[id]*list.Element
	// recent has *window, those seen last in front.
	recent *list.List
	// waiting has *window, those of known with something to tell, in the order of due.
	waiting *list.List
	// ready has those with something to tell at once, as they are forgotten.
	ready []*window
	text  []byte

	// seed is that of the summaries' ids.
	seed   [16]byte
	serial uint64
}

type id struct {
	cluster, key string
	// start is in intervals since 1970.
	start int64
}

// window counts one key's events of one interval.
type window struct {
	id
	// seconds are those that went on.
	seconds []uint32
	// dropped counts those since the last summary.
	passed, dropped uint64
	// newTag is what a step before has set.
	tag, newTag string
	// first and last are of those dropped since the last summary.
	first, last event.Time
	due         time.Time
	// place is in waiting, while dropped is not 0.
	place *list.Element
}

// NewThrottle returns the throttle that cfg describes. now is the clock.
func NewThrottle(cfg ThrottleConfig, now func() time.Time) (*Throttle, error) {
	key, err := event.ParseTemplate(cfg.Key)
	if err != nil {
		return nil, fmt.Errorf("throttle: key: %w", err)
	}
	limit := perInterval(cfg)
	if !(limit >= 1 && limit <= math.MaxInt64) || cfg.Interval < time.Second || cfg.Interval > maxInterval {
		return nil, fmt.Errorf("throttle: a rate of %v with an interval of %v can't be counted", cfg.Rate, cfg.Interval)
	}
	t := &Throttle{
		key: key, interval: cfg.Interval, rate: cfg.Rate, limit: uint64(limit), maxKeys: max(1, cfg.MaxKeys), now: now,
		perSecond: uint32(max(1, min(math.Ceil(cfg.Rate), math.MaxInt32))),
		known:     map[id]*list.Element{}, recent: list.New(), waiting: list.New(),
	}
	if cfg.Burst > 0 {
		t.perSecond = uint32(min(cfg.Burst, math.MaxInt32))
	}
	if _, err := rand.Read(t.seed[:]); err != nil {
		return nil, fmt.Errorf("throttle: make ids: %w", err)
	}
	return t, nil
}

// perInterval returns how many events of an interval go on: 0.29 a second are 29 of 100 seconds,
// although their product is a little less.
func perInterval(cfg ThrottleConfig) float64 {
	return math.Floor(cfg.Rate*cfg.Interval.Seconds() + 1e-6)
}

// Apply drops ev if its key has had its share.
func (t *Throttle) Apply(ev *filter.Event) (filter.Verdict, error) {
	sec := ev.Time.Sec
	if sec <= 0 {
		sec = max(0, ev.Chunk.Received.Unix())
	}
	seconds := int64(t.interval / time.Second)
	w := t.window(ev, sec/seconds)
	if n := &w.seconds[sec%seconds]; *n < t.perSecond && w.passed < t.limit {
		*n++
		w.passed++
		return filter.Keep, nil
	}
	if w.dropped == 0 {
		w.first, w.tag, w.newTag, w.due = ev.Time, ev.Chunk.Tag, ev.Tag, t.now().Add(t.interval)
		w.place = t.waiting.PushBack(w)
	}
	w.dropped++
	w.last = ev.Time
	return filter.Drop, nil
}

// window returns the counters for ev.
func (t *Throttle) window(ev *filter.Event, start int64) *window {
	t.text = ev.AppendTemplate(t.text[:0], t.key)
	if len(t.text) > maxKey {
		h := hash(t.text)
		t.text = strconv.AppendUint(append(t.text[:maxKey-20], "…"...), h, 16)
	}
	if cap(t.text) > keepMemory {
		t.text = append([]byte(nil), t.text...)
	}
	if e := t.known[id{ev.Chunk.Cluster, string(t.text), start}]; e != nil {
		t.recent.MoveToFront(e)
		return e.Value.(*window)
	}
	if len(t.known) >= t.maxKeys {
		oldest := t.recent.Back()
		w := t.recent.Remove(oldest).(*window)
		delete(t.known, w.id)
		if w.dropped > 0 {
			t.waiting.Remove(w.place)
			w.due = t.now()
			t.ready = append(t.ready, w)
		}
	}
	w := &window{id: id{ev.Chunk.Cluster, string(t.text), start}, seconds: make([]uint32, t.interval/time.Second)}
	t.known[w.id] = t.recent.PushFront(w)
	return w
}

// Summaries returns the stage right behind t. One goroutine uses both.
func (t *Throttle) Summaries() filter.Joiner { return summaries{t} }

type summaries struct{ *Throttle }

// Join passes ev on.
func (t summaries) Join(ev *filter.Event, _ time.Time, emit func(*filter.Event)) error {
	t.forgotten(emit)
	emit(ev)
	return nil
}

// Due returns when the next summary is due.
func (t summaries) Due() time.Time {
	if len(t.ready) > 0 {
		return t.ready[0].due
	}
	if first := t.waiting.Front(); first != nil {
		return first.Value.(*window).due
	}
	return time.Time{}
}

// Flush emits the summaries that are due, or all.
func (t summaries) Flush(now time.Time, everything bool, emit func(*filter.Event)) {
	t.forgotten(emit)
	for first := t.waiting.Front(); first != nil; first = t.waiting.Front() {
		w := first.Value.(*window)
		if !everything && w.due.After(now) {
			return
		}
		t.waiting.Remove(first)
		e := t.summary(w)
		w.dropped = 0
		emit(e)
	}
}

// forgotten emits the summaries of what is not remembered any more.
func (t summaries) forgotten(emit func(*filter.Event)) {
	for _, w := range t.ready {
		emit(t.summary(w))
	}
	t.ready = nil
}

// summary returns the event that stands for the dropped ones of w.
func (t *Throttle) summary(w *window) *filter.Event {
	t.serial++
	at := func(when event.Time) string {
		return time.Unix(when.Sec, int64(when.Nsec)).UTC().Format(time.RFC3339Nano)
	}
	from := at(event.Time{Sec: w.start * int64(t.interval/time.Second)})
	text := fmt.Sprintf("throttled: %d events dropped, of the %v from %s on", w.dropped, t.interval, from)
	if w.key != "" {
		text += fmt.Sprintf(", key %q", w.key)
	}
	record, err := filter.AppendValue(nil, map[string]any{
		"message": text,
		"throttle": map[string]any{
			"key": w.key, "dropped": w.dropped, "passed": w.passed, "rate": t.rate,
			"interval": t.interval, "from": from, "first": at(w.first), "last": at(w.last),
		},
	})
	if err != nil {
		// Its types are all known.
		panic(fmt.Sprintf("throttle: a summary %v", err))
	}
	return &filter.Event{Event: event.Event{
		Chunk: &event.Chunk{
			Cluster: w.cluster, Tag: w.tag, Received: t.now(), Events: 1,
			Parts: []event.Part{{Key: event.PartKeyOfSeq(t.seed, t.serial, 0), Events: 1}},
		},
		Tag: w.newTag, Time: w.last, Record: record,
	}}
}
