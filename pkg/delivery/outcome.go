package delivery

// outcome is what became of an event. A chunk is counted by the outcomes of its events, once the last of them has one.
type outcome struct {
	kind   outcomeKind
	reason string // of what was dropped or is dead
}

type outcomeKind int

const (
	kindDelivered outcomeKind = iota
	kindDropped
	kindDead
	kindReturned
	kindAside
)

// reasonJoined counts events that were delivered as a part of another one.
const reasonJoined = "joined"

// delivered: the destination has the event.
func delivered() outcome { return outcome{kind: kindDelivered} }

// dropped: the rules, or on_reject, say that nobody wants it.
func dropped(reason string) outcome { return outcome{kind: kindDropped, reason: reason} }

// dead: it is on disk as a dead letter.
func dead(reason string) outcome { return outcome{kind: kindDead, reason: reason} }

// returned: nothing became of it, and its chunk goes back to the source.
func returned() outcome { return outcome{kind: kindReturned} }

// aside: it is stored again, to wait for its target.
func aside() outcome { return outcome{kind: kindAside} }

// ofJoined returns what becomes of an event that was joined to one of which o became.
func (o outcome) ofJoined() outcome {
	if o.kind == kindDelivered || o.kind == kindAside {
		return dropped(reasonJoined)
	}
	return o
}

// counts counts what became of events.
type counts struct {
	delivered, bytes uint64
	dropped, dead    map[string]uint64
}

// count adds n events of which o became; bytes is their size.
func (c *counts) count(o outcome, n, bytes int) {
	switch o.kind {
	case kindDelivered:
		c.delivered += uint64(n)
		c.bytes += uint64(bytes)
	case kindDropped:
		addTo(&c.dropped, o.reason, uint64(n))
	case kindDead:
		addTo(&c.dead, o.reason, uint64(n))
	case kindReturned, kindAside:
	}
}

// add adds what o counts.
func (c *counts) add(o *counts) {
	c.delivered += o.delivered
	c.bytes += o.bytes
	for r, n := range o.dropped {
		addTo(&c.dropped, r, n)
	}
	for r, n := range o.dead {
		addTo(&c.dead, r, n)
	}
}

func addTo(m *map[string]uint64, key string, n uint64) {
	if *m == nil {
		*m = map[string]uint64{}
	}
	(*m)[key] += n
}
