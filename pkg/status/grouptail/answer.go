package grouptail

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/status/tail"
)

// shown is a view that another aggregator asks for.
type shown struct {
	asked time.Time
	// view is nil where it can't be shown, and why says why.
	view *tail.View
	why  string
	end  func()
}

// Serve shows to other aggregators what they ask for, until ctx ends.
func (g *Group) Serve(ctx context.Context) error {
	asks := make(chan ask, maxAsked)
	stop, err := g.Wire.Listen(topicAsk, func(data []byte) {
		var a ask
		if json.Unmarshal(data, &a) != nil || a.By == g.Wire.Self() {
			return
		}
		select {
		case asks <- a:
		default:
			// It is asked for once more.
		}
	})
	if err != nil {
		return err
	}
	defer stop()
	var telling sync.WaitGroup
	defer telling.Wait()
	all := map[string]*shown{}
	end := func(id string) {
		if s := all[id]; s != nil {
			s.end()
			delete(all, id)
		}
	}
	defer func() {
		for id := range all {
			end(id)
		}
	}()
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for {
		select {
		case a := <-asks:
			if s := all[a.ID]; a.Ended || s == nil && len(all) >= maxAsked {
				end(a.ID)
			} else if s == nil || s.view == nil {
				all[a.ID] = g.show(ctx, a, &telling)
			} else {
				s.asked = time.Now()
				s.view.SetRate(a.Request.Rate)
			}
		case <-tick.C:
			for id, s := range all {
				if time.Since(s.asked) > lease {
					end(id)
				}
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// show opens a view that is asked for, and tells what it shows until it is ended.
func (g *Group) show(ctx context.Context, a ask, telling *sync.WaitGroup) *shown {
	s := &shown{asked: time.Now(), end: func() {}}
	q, err := g.Local.Query(a.Request)
	if err == nil {
		q.Pod = g.Host
		s.view, err = g.Local.Hub.Open(q)
	}
	if err != nil {
		s.why = err.Error()
		g.tell(topicOf(a.ID), answer{By: g.Wire.Self(), Why: s.why})
		return s
	}
	ctx, s.end = context.WithCancel(ctx)
	t := teller{group: g, topic: topicOf(a.ID), view: s.view, next: answer{By: g.Wire.Self()}}
	telling.Go(func() {
		defer s.view.Close()
		t.run(ctx)
	})
	return s
}

// teller tells what a view shows.
type teller struct {
	group *Group
	topic string
	view  *tail.View
	// next is what is told next, of so many bytes.
	next  answer
	bytes int
}

// run tells what there is as soon as it is there, and that nothing is, until ctx ends.
func (t *teller) run(ctx context.Context) {
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for {
		t.tell()
		select {
		case e := <-t.view.Events():
			t.add(e)
			for more := true; more; {
				select {
				case e := <-t.view.Events():
					t.add(e)
				default:
					more = false
				}
			}
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// add adds an event to what is told next, and tells that first where it would be too much.
func (t *teller) add(e tail.Shown) {
	text, err := json.Marshal(e.Event())
	if err != nil || len(text) > maxEvent || !t.group.budget.take(len(text)) {
		t.next.Missed++
		return
	}
	if len(t.next.Events) >= maxEvents || t.bytes+len(text) > maxBytes && t.bytes > 0 {
		t.tell()
	}
	t.next.Events = append(t.next.Events, text)
	t.bytes += len(text)
}

// tell tells what there is to tell.
func (t *teller) tell() {
	t.next.Missed += t.view.Missed()
	t.group.tell(t.topic, t.next)
	t.next.Before += uint64(len(t.next.Events)) + t.next.Missed
	t.next.Events, t.next.Missed, t.bytes = nil, 0, 0
}

// budget bounds the bytes of a second.
type budget struct {
	mu     sync.Mutex
	second int64
	used   int
}

// take reports whether there are n left, and takes them.
func (b *budget) take(n int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now := time.Now().Unix(); now != b.second {
		b.second, b.used = now, 0
	}
	if b.used+n > maxSecond {
		return false
	}
	b.used += n
	return true
}
