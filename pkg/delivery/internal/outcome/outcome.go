// Package outcome is what may become of an event, and counts of that.
package outcome

// Outcome is what became of an event. A chunk is counted by the outcomes of its events, once the last of them has one.
type Outcome struct {
	kind kind
	// reason is why the event was dropped, or is dead.
	reason string
}

type kind int

const (
	kindDelivered kind = iota
	kindDropped
	kindDead
	kindReturned
	kindAside
)

// reasonJoined counts events that were delivered as a part of another one.
const reasonJoined = "joined"

// Delivered is that the destination has the event.
func Delivered() Outcome { return Outcome{kind: kindDelivered} }

// Dropped is that nobody wants it: the rules say so, or on_reject.
func Dropped(reason string) Outcome { return Outcome{kind: kindDropped, reason: reason} }

// Dead is that it is on disk as a dead letter.
func Dead(reason string) Outcome { return Outcome{kind: kindDead, reason: reason} }

// Returned is that nothing became of it, and its chunk goes back to the source.
func Returned() Outcome { return Outcome{kind: kindReturned} }

// Aside is that it is stored again, to wait for its target.
func Aside() Outcome { return Outcome{kind: kindAside} }

// IsReturned reports whether the event's chunk goes back.
func (o Outcome) IsReturned() bool { return o.kind == kindReturned }

// OfJoined returns what becomes of an event that was joined to one of which o became.
func (o Outcome) OfJoined() Outcome {
	if o.kind == kindDelivered || o.kind == kindAside {
		return Dropped(reasonJoined)
	}
	return o
}

// Counts counts what became of events.
type Counts struct {
	Delivered, Bytes uint64
	Dropped, Dead    map[string]uint64
}

// Count adds n events of which o became; bytes is their size.
func (c *Counts) Count(o Outcome, n, bytes int) {
	switch o.kind {
	case kindDelivered:
		c.Delivered += uint64(n)
		c.Bytes += uint64(bytes)
	case kindDropped:
		AddTo(&c.Dropped, o.reason, uint64(n))
	case kindDead:
		AddTo(&c.Dead, o.reason, uint64(n))
	case kindReturned, kindAside:
	}
}

// Add adds what o counts.
func (c *Counts) Add(o *Counts) {
	c.Delivered += o.Delivered
	c.Bytes += o.Bytes
	for r, n := range o.Dropped {
		AddTo(&c.Dropped, r, n)
	}
	for r, n := range o.Dead {
		AddTo(&c.Dead, r, n)
	}
}

// AddTo adds n to what m counts for the key, and makes m where there is none.
func AddTo(m *map[string]uint64, key string, n uint64) {
	if *m == nil {
		*m = map[string]uint64{}
	}
	(*m)[key] += n
}
