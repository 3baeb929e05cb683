// Package grouptail shows live what happens at all aggregators of a group to who asks one of them.
//
// The one that is asked tells the others once a second what is to be shown; each of them opens a view of its own, and
// tells what that shows. A view that nobody has asked for lately ends: whoever asked may have been killed. Nothing of
// this is stored. What is told is bounded, by the rate, which the aggregators share out, and in bytes; what is lost on
// the way is counted, as each message says how many events came before it.
package grouptail

import (
	"crypto/rand"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/status/client"
	"github.com/seed-afc6a195/aggregator/pkg/status/tail"
)

const (
	// askEvery is how often others are told what is to be shown, and tell that they still do.
	askEvery = time.Second
	// lease is after how long a view ends that nobody asks for any more.
	lease = 5 * askEvery
	// silentAfter is how long one may say nothing before it counts as not answering.
	silentAfter = 3 * askEvery

	// maxEvents and maxBytes are how much is told at once, and maxEvent is what one event may take of it. All are far
	// below what NATS takes in a message.
	maxEvents = 64
	maxBytes  = 128 << 10
	maxEvent  = 256 << 10
	// maxSecond is how many bytes of events that one aggregator tells in a second, to all that ask together.
	maxSecond = 1 << 20
	// maxAsked is how many views are remembered that others ask for, those among them that can't be shown.
	maxAsked = 64
)

// topicAsk is where all are told what is to be shown. What is shown is told about a topic for each view.
const topicAsk = "tail"

func topicOf(id string) string { return topicAsk + "." + id }

// Wire is how the aggregators of a group talk, as buffer.Group does.
type Wire interface {
	Self() string
	Tell(topic string, data []byte)
	Listen(topic string, f func(data []byte)) (stop func(), err error)
}

// Member is an aggregator that runs.
type Member struct {
	// Name is one that no other has or had.
	Name string
	Host string
}

// Group is this aggregator's part in a group. Safe for concurrent use.
type Group struct {
	Wire  Wire
	Local *tail.Local
	// Host is where this aggregator runs.
	Host string
	// Members returns those that run, this one among them.
	Members func() []Member

	// budget is what is left of maxSecond.
	budget budget
}

// ask is what one aggregator tells the others of a view.
type ask struct {
	// ID is the view's.
	ID string `json:"id"`
	// By is the name of who asks.
	By string `json:"by"`
	// Ended says that it is not asked for any more.
	Ended   bool         `json:"ended,omitempty"`
	Request tail.Request `json:"request,omitzero"`
}

// answer is what another one tells of what it shows.
type answer struct {
	// By is the name of who tells this.
	By string `json:"by"`
	// Before counts events that were told before, those that were missed among them.
	Before uint64            `json:"before,omitempty"`
	Events []json.RawMessage `json:"events,omitempty"`
	Missed uint64            `json:"missed,omitempty"`
	// Why is why it can't be shown; "": it is.
	Why string `json:"why,omitempty"`
}

// view is that of the whole group: this aggregator's own, into which the others' events go.
type view struct {
	*tail.View

	group   *Group
	request tail.Request
	id      string
	pods    chan client.TailPods
	stop    func()
	ended   chan struct{}
	asking  sync.WaitGroup

	mu     sync.Mutex
	others map[string]*other
}

// other is an aggregator that is asked.
type other struct {
	asked, heard time.Time
	told         uint64
	why          string
}

// Open shows what is asked for, of all aggregators that run.
func (g *Group) Open(r tail.Request) (tail.Stream, error) {
	q, err := g.Local.Query(r)
	if err != nil {
		return nil, err
	}
	q.Pod = g.Host
	local, err := g.Local.Hub.Open(q)
	if err != nil {
		return nil, err
	}
	v := &view{
		View: local, group: g, request: r, id: rand.Text(), pods: make(chan client.TailPods, 1),
		ended: make(chan struct{}), others: map[string]*other{},
	}
	if v.stop, err = g.Wire.Listen(topicOf(v.id), v.hear); err != nil {
		local.Close()
		return nil, err
	}
	v.asking.Go(v.ask)
	return v, nil
}

// Pods implements tail.Stream.
func (v *view) Pods() <-chan client.TailPods { return v.pods }

// Close implements tail.Stream.
func (v *view) Close() {
	close(v.ended)
	v.asking.Wait()
	v.stop()
	v.View.Close()
}

// ask tells the others what is to be shown until the view is closed, and who shows it.
func (v *view) ask() {
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	var last []client.TailPod
	for {
		members := v.group.Members()
		share := v.request
		share.Rate = tail.Share(v.request.Rate, len(members))
		v.SetRate(share.Rate)
		v.group.tell(topicAsk, ask{ID: v.id, By: v.group.Wire.Self(), Request: share})
		if pods, complete := v.shown(members); !slices.Equal(pods, last) && (complete || last != nil) {
			last = pods
			v.news(client.TailPods{Pods: pods})
		}
		select {
		case <-tick.C:
		case <-v.ended:
			v.group.tell(topicAsk, ask{ID: v.id, By: v.group.Wire.Self(), Ended: true})
			return
		}
	}
}

// news tells who shows it. Who does not read that fast is told the newest.
func (v *view) news(pods client.TailPods) {
	select {
	case <-v.pods:
	default:
	}
	v.pods <- pods
}

// shown returns what the members do. complete: each of them has answered, or had time enough.
func (v *view) shown(members []Member) (pods []client.TailPod, complete bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := time.Now()
	complete = true
	alive := map[string]bool{}
	for _, m := range members {
		alive[m.Name] = true
		pod := client.TailPod{Name: m.Name, Host: m.Host, State: client.TailLive}
		if m.Name != v.group.Wire.Self() {
			o := v.other(m.Name)
			switch {
			case o.heard.IsZero() && now.Sub(o.asked) < silentAfter:
				complete = false
				continue
			case now.Sub(o.heard) >= silentAfter:
				pod.State = client.TailSilent
			case o.why != "":
				pod.State, pod.Why = client.TailRefused, o.why
			}
		}
		pods = append(pods, pod)
	}
	for name := range v.others {
		if !alive[name] {
			delete(v.others, name)
		}
	}
	slices.SortFunc(pods, func(a, b client.TailPod) int {
		return slices.Compare([]string{a.Host, a.Name}, []string{b.Host, b.Name})
	})
	return pods, complete
}

// other returns what is known of another aggregator. v.mu is held.
func (v *view) other(name string) *other {
	o := v.others[name]
	if o == nil {
		o = &other{asked: time.Now()}
		v.others[name] = o
	}
	return o
}

// hear takes in what another aggregator shows.
func (v *view) hear(data []byte) {
	var a answer
	if json.Unmarshal(data, &a) != nil {
		return
	}
	v.mu.Lock()
	o := v.other(a.By)
	if a.Before > o.told {
		v.Miss(a.Before - o.told)
	}
	o.heard, o.why = time.Now(), a.Why
	o.told = a.Before + uint64(len(a.Events)) + a.Missed
	v.mu.Unlock()
	v.Miss(a.Missed)
	for _, text := range a.Events {
		var e client.TailEvent
		if json.Unmarshal(text, &e) != nil {
			v.Miss(1)
			continue
		}
		v.Pass(e)
	}
}

// tell tells the group about a topic.
func (g *Group) tell(topic string, what any) {
	text, err := json.Marshal(what)
	if err != nil {
		// Nothing in it can't be JSON.
		return
	}
	g.Wire.Tell(topic, text)
}
