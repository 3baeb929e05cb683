package forward

import (
	"context"
	"sync"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

const (
	// patience is how long a Send waits for a message to be acknowledged while another server could have others.
	patience = time.Second
	// askEvery is how soon the loop asks again what became of a message that it does not wait for.
	askEvery = 250 * time.Millisecond
	// maxLanded bounds how many results are kept that nobody has asked for yet.
	maxLanded = 1000
)

// flights is the messages that no Send waits for: their server is slow, or hangs, and others go on meanwhile. Each is
// told of when its events are sent again, which make the same message. Safe for concurrent use.
type flights struct {
	// most is how many there may be at once.
	most int
	// alive ends with the output.
	alive context.Context
	end   context.CancelFunc
	// wait waits for flights.
	wait sync.WaitGroup

	mu    sync.Mutex
	byKey map[string]*flight
}

func newFlights(most int) *flights {
	f := &flights{most: most, byKey: map[string]*flight{}}
	f.alive, f.end = context.WithCancel(context.Background())
	return f
}

// flight is a message on its way.
type flight struct {
	landed chan struct{}
	// fault is why it was not delivered; to be read once landed is closed.
	fault *fault

	// What follows is guarded by servers.mu.
	to *server
	// handed says that no Send waits for it any more.
	handed bool
}

// find returns the message of that key that is in flight, or whose result nobody knows; nil: none.
func (f *flights) find(key string) *flight {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.byKey[key]
}

// forget ends what find returns.
func (f *flights) forget(key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.byKey, key)
}

// keep has find return the message. It returns false where there are too many.
func (f *flights) keep(key string, one *flight) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	count := 0
	for key, other := range f.byKey {
		select {
		case <-other.landed:
			if len(f.byKey) > maxLanded {
				delete(f.byKey, key)
			}
		default:
			count++
		}
	}
	if count >= f.most {
		return false
	}
	f.byKey[key] = one
	return true
}

// close ends all flights.
func (f *flights) close() {
	f.end()
	f.wait.Wait()
}

// inFlight is what is said of events whose message is on its way.
func inFlight(to string) *fault {
	return &fault{reason: outputs.ReasonPaced, err: &flyingError{to}}
}

type flyingError struct{ server string }

func (e *flyingError) Error() string {
	return "sent to " + e.server + ", which has not acknowledged it yet"
}

// send is deliver for a Send that does not wait longer than patience while another server is fit. It takes m's frame
// over where it returns before the message has landed.
func (o *Output) send(ctx context.Context, m *message, key, chunk string) *fault {
	if one := o.flights.find(key); one != nil {
		select {
		case <-one.landed:
			o.flights.forget(key)
			return one.fault
		default:
			return inFlight(o.servers.addressOf(one))
		}
	}
	one := &flight{landed: make(chan struct{})}
	if len(o.servers.all) == 1 {
		return o.deliver(ctx, one, m.frame, chunk)
	}
	life, cancel := context.WithTimeout(o.flights.alive, o.timeout)
	detach := context.AfterFunc(ctx, cancel)
	frame := m.frame
	o.flights.wait.Go(func() {
		defer cancel()
		one.fault = o.deliver(life, one, frame, chunk)
		o.servers.lands(one)
		close(one.landed)
	})
	tick := time.NewTicker(patience)
	defer tick.Stop()
	for {
		select {
		case <-one.landed:
			detach()
			return one.fault
		case <-tick.C:
		}
		if o.servers.overtake(one) {
			if !o.flights.keep(key, one) {
				o.servers.lands(one)
				continue
			}
			if !detach() {
				// Ctx has ended, and so does the flight.
				o.flights.forget(key)
				<-one.landed
				return one.fault
			}
			m.frame = nil
			return inFlight(o.servers.addressOf(one))
		}
	}
}
