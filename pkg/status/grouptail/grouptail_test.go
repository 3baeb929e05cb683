package grouptail

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/status/client"
	"github.com/seed-afc6a195/aggregator/pkg/status/tail"
)

// bus carries what aggregators tell, in order, and to each listener by a goroutine of its own, as NATS does.
type bus struct {
	mu        sync.Mutex
	listeners []*listener
	// lose reports whether what is told about a topic is lost; nil: nothing is.
	lose func(topic string, data []byte) bool
	// told counts bytes that were told about topics but topicAsk.
	told int
}

type listener struct {
	topic string
	heard chan []byte
}

// pod is an aggregator on a bus.
type pod struct {
	*Group

	bus  *bus
	name string
	stop func()
}

func (p *pod) Self() string { return p.name }

func (p *pod) Tell(topic string, data []byte) {
	p.bus.mu.Lock()
	defer p.bus.mu.Unlock()
	if topic != topicAsk {
		p.bus.told += len(data)
	}
	if p.bus.lose != nil && p.bus.lose(topic, data) {
		return
	}
	for _, l := range p.bus.listeners {
		if l.topic == topic {
			l.heard <- bytes.Clone(data)
		}
	}
}

func (p *pod) Listen(topic string, f func([]byte)) (stop func(), err error) {
	l := &listener{topic, make(chan []byte, 10_000)}
	p.bus.mu.Lock()
	defer p.bus.mu.Unlock()
	p.bus.listeners = append(p.bus.listeners, l)
	var running sync.WaitGroup
	running.Go(func() {
		for data := range l.heard {
			f(data)
		}
	})
	return func() {
		p.bus.mu.Lock()
		p.bus.listeners = slices.DeleteFunc(p.bus.listeners, func(other *listener) bool { return other == l })
		close(l.heard)
		p.bus.mu.Unlock()
		running.Wait()
	}, nil
}

// world is a group of aggregators.
type world struct {
	t    *testing.T
	bus  bus
	mu   sync.Mutex
	pods []*pod
}

// add starts an aggregator that has the outputs. Without answers it is one that does not know how to show anything.
func (w *world) add(name string, answers bool, outputs ...string) *pod {
	w.t.Helper()
	p := &pod{bus: &w.bus, name: name}
	p.Group = &Group{Wire: p, Host: "host-" + name, Members: w.members, Local: &tail.Local{
		Hub: new(tail.Hub), Output: func(name string) bool { return slices.Contains(outputs, name) },
		Tags: func(pattern string) (func(string) bool, error) {
			return func(tag string) bool { return strings.HasPrefix(tag, pattern) }, nil
		},
		Route: func(string) (string, error) { return "", errors.New("there is no route") },
	}}
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if answers {
			if err := p.Serve(ctx); err != nil {
				w.t.Error(err)
			}
		}
	}()
	p.stop = func() { cancel(); <-done }
	// It listens from here on.
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pods = append(w.pods, p)
	return p
}

// kill has an aggregator fall silent, and be taken for gone.
func (w *world) kill(p *pod) {
	p.stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pods = slices.DeleteFunc(w.pods, func(other *pod) bool { return other == p })
}

func (w *world) members() (all []Member) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.pods {
		all = append(all, Member{p.name, p.Host})
	}
	return all
}

// arrive has events arrive at p, of the cluster "c", with the numbers from from on.
func arrive(p *pod, tag string, from, n int) {
	for i := range n {
		ev := &event.Event{Chunk: &event.Chunk{Cluster: "c", Tag: tag}, Record: []byte{0x81, 0xa1, 'n', byte(from + i)}}
		for _, v := range p.Local.Hub.At(client.TailArrival) {
			if v.Wants("c", tag) {
				v.Offer(ev, time.Now(), func(*client.TailEvent) {})
			}
		}
	}
}

// seen is what a stream has shown.
type seen struct {
	// events are "host:record".
	events []string
	missed uint64
	pods   []string
}

// look returns what s shows within d.
func look(s tail.Stream, d time.Duration) (all seen) {
	end := time.After(d)
	for {
		select {
		case e := <-s.Events():
			t := e.Event()
			all.events = append(all.events, strings.TrimSpace(t.Pod+" "+string(t.Record)))
		case news := <-s.Pods():
			all.pods = nil
			for _, p := range news.Pods {
				all.pods = append(all.pods, strings.TrimSpace(p.Host+" "+p.State+" "+p.Why))
			}
		case <-end:
			all.missed = s.Missed()
			slices.Sort(all.events)
			return all
		}
	}
}

// bubble runs a test with made-up time.
func bubble(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t}
		defer func() {
			for _, p := range w.pods {
				p.stop()
			}
		}()
		test(t, w)
	})
}

func open(t *testing.T, p *pod, r tail.Request) tail.Stream {
	t.Helper()
	s, err := p.Open(r)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// Whichever is asked shows the events of all, each once, with what may be seen of it.
func TestEventsOfAll(t *testing.T) {
	for _, tc := range []struct {
		name    string
		request tail.Request
		want    []string
	}{
		{
			"records",
			tail.Request{Values: true},
			[]string{`host-a {"n":1}`, `host-b {"n":2}`, `host-b {"n":3}`, `host-c {"n":4}`},
		},
		{"no records", tail.Request{}, []string{"host-a", "host-b", "host-b", "host-c"}},
		{"a pattern", tail.Request{Values: true, Grep: "3|4"}, []string{`host-b {"n":3}`, `host-c {"n":4}`}},
		{"a tag", tail.Request{Tag: "kube.", Values: true}, []string{`host-c {"n":4}`}},
		{"a cluster", tail.Request{Cluster: "other"}, nil},
		{
			"a sample",
			tail.Request{Values: true, Sample: 2},
			[]string{`host-a {"n":1}`, `host-b {"n":2}`, `host-c {"n":4}`},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) { //nolint:thelper // the test itself
				a, b, c := w.add("a", true), w.add("b", true), w.add("c", true)
				for _, p := range []*pod{a, b, c} {
					s := open(t, p, tc.request)
					pods := look(s, 2*time.Second).pods
					same(t, "the pods", pods, []string{"host-a live", "host-b live", "host-c live"})
					arrive(a, "t", 1, 1)
					arrive(b, "t", 2, 2)
					arrive(c, "kube.t", 4, 1)
					got := look(s, 2*time.Second)
					same(t, "shown at "+p.name, got.events, tc.want)
					if got.missed != 0 {
						t.Errorf("%d are missed", got.missed)
					}
					s.Close()
				}
			})
		})
	}
}

// The bound is one of the group, and what is more is counted, wherever it was.
func TestBoundOfAll(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) { //nolint:thelper // the test itself
		a, b := w.add("a", true), w.add("b", true)
		s := open(t, a, tail.Request{Rate: 10})
		defer s.Close()
		look(s, 2*time.Second)
		arrive(a, "t", 0, 30)
		arrive(b, "t", 0, 30)
		if got := look(s, 1500*time.Millisecond); len(got.events) != 10 || got.missed != 50 {
			t.Errorf("%d are shown and %d missed", len(got.events), got.missed)
		}
		w.kill(b)
		look(s, 2*time.Second)
		arrive(a, "t", 0, 30)
		if got := look(s, 1500*time.Millisecond); len(got.events) != 10 || got.missed != 20 {
			t.Errorf("alone: %d are shown and %d missed", len(got.events), got.missed)
		}
	})
}

// Who comes in the middle is asked too; who goes, does not answer or can't show what is asked for is told.
func TestPodsComeAndGo(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) { //nolint:thelper // the test itself
		a, b := w.add("a", true, "es"), w.add("b", true, "es")
		s := open(t, a, tail.Request{At: "es"})
		defer s.Close()
		same(t, "at first", look(s, 2*time.Second).pods, []string{"host-a live", "host-b live"})
		c := w.add("c", true, "es")
		same(t, "one more", look(s, 3*time.Second).pods, []string{"host-a live", "host-b live", "host-c live"})
		old, other := w.add("old", false), w.add("other", true, "kafka")
		const no = `host-other refused at is "arrival", the name of an output, or a route, and not "es": ` +
			`there is nothing of that name: there is no route`
		same(t, "two that can't", look(s, 6*time.Second).pods,
			[]string{"host-a live", "host-b live", "host-c live", "host-old silent", no})
		w.kill(c)
		w.kill(old)
		w.kill(other)
		same(t, "they are gone", look(s, 2*time.Second).pods, []string{"host-a live", "host-b live"})
		b.stop()
		same(t, "one falls silent", look(s, 5*time.Second).pods, []string{"host-a live", "host-b silent"})
	})
}

// A view at another aggregator ends when it is not asked for any more, whether that is said or not.
func TestViewsEnd(t *testing.T) {
	for name, killed := range map[string]bool{"closed": false, "killed": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) { //nolint:thelper // the test itself
				a, b := w.add("a", true), w.add("b", true)
				s := open(t, a, tail.Request{})
				time.Sleep(time.Minute)
				if !b.Local.Hub.Watching() {
					t.Fatal("nobody looks at b")
				}
				if killed {
					w.bus.mu.Lock()
					w.bus.lose = func(string, []byte) bool { return true }
					w.bus.mu.Unlock()
					time.Sleep(lease + 2*askEvery)
				}
				s.Close()
				synctest.Wait()
				if b.Local.Hub.Watching() || a.Local.Hub.Watching() {
					t.Error("somebody looks still")
				}
			})
		})
	}
}

// What is lost between aggregators is counted, once it is known.
func TestLostOnTheWay(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) { //nolint:thelper // the test itself
		a, b := w.add("a", true), w.add("b", true)
		s := open(t, a, tail.Request{})
		defer s.Close()
		look(s, 2*time.Second)
		w.bus.mu.Lock()
		w.bus.lose = func(topic string, data []byte) bool {
			return topic != topicAsk && strings.Contains(string(data), `"events"`)
		}
		w.bus.mu.Unlock()
		arrive(b, "t", 0, 5)
		synctest.Wait()
		w.bus.mu.Lock()
		w.bus.lose = nil
		w.bus.mu.Unlock()
		arrive(b, "t", 5, 1)
		if got := look(s, 3*time.Second); len(got.events) != 1 || got.missed != 5 {
			t.Errorf("%q are shown, and %d are missed", got.events, got.missed)
		}
	})
}

// Nobody has to read, and what goes between aggregators is bounded: the rest is counted.
func TestBoundedBytes(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) { //nolint:thelper // the test itself
		a, b := w.add("a", true), w.add("b", true)
		s := open(t, a, tail.Request{Values: true, Rate: client.TailMaxRate})
		defer s.Close()
		look(s, 2*time.Second)
		w.bus.mu.Lock()
		w.bus.told = 0
		w.bus.mu.Unlock()
		const n = 400
		large := append([]byte{0x81, 0xa1, 'n', 0xda, 0x20, 0}, bytes.Repeat([]byte{'x'}, 0x2000)...)
		for range n {
			ev := &event.Event{Chunk: &event.Chunk{Cluster: "c", Tag: "t"}, Record: large}
			for _, v := range b.Local.Hub.At(client.TailArrival) {
				v.Offer(ev, time.Now(), func(*client.TailEvent) {})
			}
			synctest.Wait()
		}
		time.Sleep(time.Second)
		got := look(s, time.Second)
		w.bus.mu.Lock()
		defer w.bus.mu.Unlock()
		if w.bus.told > maxSecond+maxSecond/5 || len(got.events) < 100 || uint64(len(got.events))+got.missed != n {
			t.Errorf("%d bytes were told, %d are shown, %d missed", w.bus.told, len(got.events), got.missed)
		}
	})
}

// What can't be shown here is refused, and asks nobody.
func TestRefused(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) { //nolint:thelper // the test itself
		a, b := w.add("a", true), w.add("b", true)
		for _, tc := range []struct {
			request tail.Request
			want    error
		}{
			{tail.Request{At: "nothing"}, tail.ErrNowhere}, {tail.Request{Grep: "x"}, tail.ErrNotAllowed},
		} {
			if s, err := a.Open(tc.request); s != nil || !errors.Is(err, tc.want) {
				t.Errorf("%+v: %v", tc.request, err)
			}
		}
		var all []tail.Stream
		for {
			s, err := a.Open(tail.Request{})
			if err != nil {
				if !errors.Is(err, tail.ErrBusy) {
					t.Error(err)
				}
				break
			}
			all = append(all, s)
		}
		// b has no room for one of its own, and for no other's.
		synctest.Wait()
		c := w.add("c", true)
		s := open(t, c, tail.Request{})
		got := look(s, 3*time.Second).pods
		want := "refused " + tail.ErrBusy.Error()
		same(t, "where as many look as may", got, []string{"host-a " + want, "host-b " + want, "host-c live"})
		for _, s := range append(all, s) {
			s.Close()
		}
		synctest.Wait()
		if b.Local.Hub.Watching() {
			t.Error("somebody looks still")
		}
	})
}

// Whatever is told, nothing breaks, and nothing is remembered without bound.
func FuzzTold(f *testing.F) {
	f.Add([]byte(`{"id":"x","by":"b","request":{"at":"arrival"}}`))
	f.Add([]byte(`{"by":"b","before":7,"events":[{"at":1},{}],"missed":3,"why":"no"}`))
	f.Add([]byte(`{"by":"b","before":18446744073709551615,"missed":18446744073709551615}`))
	f.Add([]byte(`[`))
	f.Fuzz(func(t *testing.T, data []byte) {
		bubble(t, func(t *testing.T, w *world) { //nolint:thelper // the test itself
			a := w.add("a", true)
			s := open(t, a, tail.Request{})
			v, ok := s.(*view)
			if !ok {
				t.Fatal("no view of the group")
			}
			other := &pod{bus: &w.bus, name: "b"}
			for i := range 2 * maxAsked {
				other.Tell(topicAsk, data)
				other.Tell(topicOf(v.id), data)
				text, err := json.Marshal(ask{ID: strconv.Itoa(i), By: "b"})
				if err != nil {
					t.Fatal(err)
				}
				other.Tell(topicAsk, text)
			}
			look(s, 2*lease)
			s.Close()
			synctest.Wait()
			if a.Local.Hub.Watching() {
				t.Error("somebody looks still")
			}
		})
	})
}
