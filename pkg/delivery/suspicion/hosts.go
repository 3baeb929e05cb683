// Package suspicion finds the event for which a request is refused as a whole, and tells it from an event that had bad
// luck.
//
// A gateway, a proxy or a bug of a server may refuse a request for what one event holds, with an answer that says
// nothing of events. A Search halves such a request, in a bounded number of requests, down to events that are refused
// alone. Each of them stands Trial: it is tried again between requests that the same host accepts, Tries times over
// Time at least, before it is given up. Whatever is accepted meanwhile is innocent, and shows that the host refuses at
// random: then more tries are needed, as many as make it next to impossible that an innocent event is refused at all of
// them.
//
// What is known is kept in memory: after a restart a trial begins anew, which makes it longer and never wrong.
package suspicion

import (
	"math"
	"sync"
	"time"
)

const (
	// Tries is how often an event is refused alone at least before it is given up.
	Tries = 5
	// Time is how long it is tried at least.
	Time = 15 * time.Minute
	// interval lies between two tries.
	interval = Time / (Tries - 1)
	// controls is how many requests a host must have accepted before a try, and since, for its refusal to count.
	controls = 3
	// memory is how long it is remembered that a host accepted a request, or refused one at random.
	memory = 15 * time.Minute
	// barrenWait lies between searches at a host that accepts nothing.
	barrenWait = time.Minute
	// mistake is how likely an innocent event may be to be refused at all its tries.
	mistake  = 1e-12
	maxHosts = 64
	// maxFlips is how many are remembered of a host.
	maxFlips = 256
)

// Hosts is what hosts have made of requests. Safe for concurrent use.
type Hosts struct {
	mu  sync.Mutex
	all map[string]*host
}

// host is one of them.
type host struct {
	// accepted counts requests.
	accepted uint64
	// last is when it last accepted one.
	last time.Time
	// barren is when a search last found nothing that it accepts; zero since it accepted something.
	barren time.Time
	// flips are in order of time.
	flips []flip
}

// flip is events that were refused, so many times, and then accepted as they were.
type flip struct {
	at       time.Time
	refusals int
}

// NewHosts returns Hosts that know nothing.
func NewHosts() *Hosts { return &Hosts{all: map[string]*host{}} }

// host returns what is known of name. h.mu is held.
func (h *Hosts) host(name string) *host {
	if known := h.all[name]; known != nil {
		return known
	}
	if len(h.all) >= maxHosts {
		oldest := ""
		for other, known := range h.all {
			if oldest == "" || known.last.Before(h.all[oldest].last) {
				oldest = other
			}
		}
		delete(h.all, oldest)
	}
	h.all[name] = new(host)
	return h.all[name]
}

// Accepted notes that the host has accepted a request, in whole or in part.
func (h *Hosts) Accepted(name string, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	known := h.host(name)
	known.accepted++
	known.last, known.barren = now, time.Time{}
}

// Flipped notes that events were accepted which were refused before, so many times: the refusals were not about them.
func (h *Hosts) Flipped(name string, refusals int, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.host(name).flip(refusals, now)
}

func (k *host) flip(refusals int, now time.Time) {
	if len(k.flips) >= maxFlips {
		k.flips = append(k.flips[:0], k.flips[maxFlips/2:]...)
	}
	k.flips = append(k.flips, flip{now, refusals})
}

// MaySearch reports whether a request that the host has refused is to be halved now: others like it are accepted. Where
// the host has accepted nothing for a while, something small is a better try than all, but one of them in a minute will
// do.
func (h *Hosts) MaySearch(name string, now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	known := h.host(name)
	if known.takes(now) {
		return true
	}
	if !known.barren.IsZero() && now.Sub(known.barren) < barrenWait {
		return false
	}
	known.barren = now
	return true
}

// Takes reports whether the host accepts others, as far as is known.
func (h *Hosts) Takes(name string, now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.host(name).takes(now)
}

func (k *host) takes(now time.Time) bool {
	return k.barren.IsZero() && k.accepted > 0 && now.Sub(k.last) < memory
}

// Barren notes that a search has found nothing that the host accepts: the host refuses all.
func (h *Hosts) Barren(name string, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.host(name).barren = now
}

// Trial is the case of one event that was refused alone. It is for one goroutine at a time.
type Trial struct {
	began time.Time
	// host is the one that refused it last.
	host string
	last time.Time
	// mark is how many requests the host had accepted by then.
	mark uint64
	// before says that it had accepted enough before.
	before   bool
	refusals int
	// counted is how many of these were between accepted controls.
	counted int
	// open says that the last one is not counted yet.
	open bool
}

// Refusals returns how often the event was refused alone.
func (t *Trial) Refusals() int { return t.refusals }

// Host returns who refused the event last.
func (t *Trial) Host() string { return t.host }

// Begin begins the trial of an event that the host has refused alone.
func (h *Hosts) Begin(name string, now time.Time) *Trial {
	t := &Trial{began: now}
	h.Refused(t, name, now)
	return t
}

// Refused notes that the event was tried again, and refused by the host.
func (h *Hosts) Refused(t *Trial, name string, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	known := h.host(name)
	t.before = known.accepted > 0 && now.Sub(known.last) < memory &&
		(t.host != name || known.accepted >= t.mark+controls)
	t.host, t.last, t.mark, t.open = name, now, known.accepted, true
	t.refusals++
}

// Acquitted notes that the event was accepted by the host.
func (h *Hosts) Acquitted(t *Trial, name string, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.host(name).flip(t.refusals, now)
	if t.host != name {
		h.host(t.host).flip(t.refusals, now)
	}
}

// Verdict is what follows for an event that stands trial.
type Verdict int

// The verdicts.
const (
	// Wait is for the time that comes with it; then ask again.
	Wait Verdict = iota
	// Try is to send the event now.
	Try
	// Poison is to give it up.
	Poison
)

// Classify says what follows for the event, and with Wait for how long.
func (h *Hosts) Classify(t *Trial, now time.Time) (Verdict, time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	known := h.host(t.host)
	if t.open && t.before && known.accepted >= t.mark+controls {
		t.open = false
		t.counted++
	}
	if t.counted >= known.need(t.began.Add(-memory)) && now.Sub(t.began) >= Time {
		return Poison, 0
	}
	if wait := t.last.Add(interval).Sub(now); wait > 0 {
		return Wait, wait
	}
	return Try, 0
}

// need returns how many counted refusals an event needs, by what the host has refused at random since then.
func (k *host) need(since time.Time) int {
	flips, refusals := 0, 0
	for _, f := range k.flips {
		if f.at.After(since) {
			flips++
			refusals += f.refusals
		}
	}
	if flips == 0 {
		return Tries
	}
	// This is the chance that an innocent event is refused.
	chance := float64(refusals+1) / float64(refusals+flips+1)
	return max(Tries, int(math.Ceil(math.Log(mistake)/math.Log(chance))))
}
