// Package pace decides how long a commit waits for company. A commit of three small chunks costs about what one of
// three hundred does, so that under many small chunks it pays to wait for more of them, as long as it takes for commits
// to stay a small share of the time. It never pays where nobody else can come: clients that wait for their ack before
// they send again would only be slowed down.
//
// It knows neither files nor goroutines, and no clock but the times that it is given.
package pace

import (
	"iter"
	"time"
)

const (
	// maxWait bounds how long a batch waits for others, so that no ack takes 10 ms longer for it: what a timer and a
	// processor are late comes on top.
	maxWait = 7 * time.Millisecond
	// restFactor is how many times as long as a commit takes there is none after it, under load: commits are a
	// twentieth of the time.
	restFactor = 19
	// returning is how soon after its ack a connection comes again that is told to wait for nothing but its acks. When
	// it comes can be foretold.
	returning = 3 * time.Millisecond
	// recent is how long after its ack a connection counts as one that may come again.
	recent = 100 * time.Millisecond
	// leastCompany is how many batches must be about to come for it to pay to wait for those that nobody can foretell.
	leastCompany = 4
	// heldFor is how many of these each returning connection in the group is worth: it would be held up for them.
	heldFor = 4
	// lull is after how many times the mean time between two arrivals, and half the time of a commit at least, nobody
	// is expected any more.
	lull = 8
)

// Cause is why a commit went when it did.
type Cause int

// The causes.
const (
	// Idle says that commits are a small share of the time even so.
	Idle Cause = iota
	// Complete says that nobody else was about to come.
	Complete
	// Full says that its bytes are enough.
	Full
	// Limit says that its first batch had waited as long as one may.
	Limit
	// Share says that it had rested long enough after the one before.
	Share
	// Closing says that the queue closes.
	Closing
	// Causes is how many there are.
	Causes
)

// String returns the cause as metrics name it.
func (c Cause) String() string {
	return [...]string{"idle", "complete", "full", "limit", "share", "closing"}[c]
}

// Member is what is remembered of a connection. The zero value is that of one that was never seen.
type Member struct {
	answered time.Time
	// think is the mean time from its ack to its next batch; 0: it is not known.
	think time.Duration
	// cohort is the one that it was answered with, if it has not come again since.
	cohort *cohort
}

// returns reports whether the connection comes again right after its acks.
func (m *Member) returns() bool { return m.think > 0 && m.think <= returning }

// cohort is the connections that were answered with one commit.
type cohort struct {
	at time.Time
	// away counts those that have not come again.
	away int
	// returning counts those of these that are about to.
	returning int
	// think is the longest of those that return.
	think time.Duration
	// old says that nobody counts on them any more.
	old bool
}

// Pacer decides about one queue's commits. Not safe for concurrent use.
type Pacer struct {
	// FullBytes is the size from which on no commit waits for more.
	FullBytes int64

	// What has come since the last commit took what there was:
	came      int
	returning int
	bytes     int64
	since     time.Time
	// cut says that the commit had to leave something.
	cut bool

	// cohorts are ascending by time.
	cohorts []*cohort
	// away is in all of them.
	away int
	gap  time.Duration
	// lastOpen is when somebody came whom nobody could foretell; gap is the mean time between two of them.
	lastOpen time.Time
	took     time.Duration
	// ended is that of the last commit.
	ended time.Time
	// waited says that the commit that is decided about has waited.
	waited bool
}

// Enter notes that a batch of m with so many bytes waits.
func (p *Pacer) Enter(m *Member, bytes int64, now time.Time) {
	if p.came == 0 {
		p.since = now
	}
	p.came++
	p.bytes += bytes
	if !m.answered.IsZero() {
		// One pause is soon forgotten.
		think := max(1, min(now.Sub(m.answered), 4*returning))
		if m.think == 0 {
			m.think = think
		}
		foretold := m.returns()
		m.think += (think - m.think) / 4
		m.answered = time.Time{}
		if c := m.cohort; c != nil && !c.old {
			c.away--
			p.away--
			if foretold {
				c.returning--
			}
		}
	}
	m.cohort = nil
	if m.returns() {
		p.returning++
		return
	}
	// A fleet that wakes up is soon known.
	between := min(now.Sub(p.lastOpen), 4*maxWait)
	if p.gap == 0 {
		p.gap = between
	}
	p.gap += (between - p.gap) / 8
	p.lastOpen = now
}

// Waiting reports whether something has come since the last commit took what there was.
func (p *Pacer) Waiting() bool { return p.came > 0 }

// Taken notes that a commit has taken what waits, and returns how long it had waited for company. cut: it had no room
// for all of it.
func (p *Pacer) Taken(now time.Time, cut bool) (waited time.Duration) {
	if p.waited {
		waited = min(now.Sub(p.since), now.Sub(p.ended))
	}
	p.came, p.returning, p.bytes, p.cut, p.waited = 0, 0, 0, cut, false
	return waited
}

// Committed notes that a commit has ended, and which connections are answered now. cut: it had no room for all of a
// batch.
func (p *Pacer) Committed(start, end time.Time, cut bool, answered iter.Seq[*Member]) {
	p.cut = p.cut || cut
	took := max(1, end.Sub(start))
	if p.took == 0 {
		p.took = took
	}
	p.took += (took - p.took) / 8
	p.ended = end
	c := &cohort{at: end}
	for m := range answered {
		m.answered, m.cohort = end, c
		c.away++
		if m.returns() {
			c.returning++
			c.think = max(c.think, m.think)
		}
	}
	p.away += c.away
	p.cohorts = append(p.cohorts, c)
	p.forget(end)
}

// forget lets go of connections that were answered long ago.
func (p *Pacer) forget(now time.Time) {
	n := 0
	for n < len(p.cohorts) && (p.cohorts[n].away == 0 || now.Sub(p.cohorts[n].at) > recent) {
		p.away -= p.cohorts[n].away
		p.cohorts[n].old = true
		n++
	}
	clear(p.cohorts[:n])
	p.cohorts = p.cohorts[n:]
}

// Wait returns how long the next commit waits at most before it is asked again; 0: it goes, for that cause.
func (p *Pacer) Wait(now time.Time) (time.Duration, Cause) {
	rest := restFactor * p.took
	byShare, byLimit := rest-now.Sub(p.ended), maxWait-now.Sub(p.since)
	switch {
	case p.cut || p.bytes >= p.FullBytes:
		return 0, Full
	case byShare <= 0 && p.waited:
		return 0, Share
	case byShare <= 0:
		return 0, Idle
	case byLimit <= 0:
		return 0, Limit
	}
	p.forget(now)
	sinceReady := now.Sub(p.since)
	if p.since.Before(p.ended) {
		sinceReady = now.Sub(p.ended)
	}
	// One that is late is not waited for longer than it would have to sit out the commit.
	patience := min(p.took, returning) - sinceReady
	wait := max(min(p.foretold(now), patience), p.unforeseen(now, min(rest, maxWait)))
	if wait <= 0 {
		return 0, Complete
	}
	p.waited = true
	return min(wait, byShare, byLimit), 0
}

// foretold returns how long it may take until a connection is here that is about to come: one that does within the time
// of a commit, which it would have to sit out otherwise.
func (p *Pacer) foretold(now time.Time) (wait time.Duration) {
	for i := len(p.cohorts) - 1; i >= 0; i-- {
		c := p.cohorts[i]
		age := now.Sub(c.at)
		if age > 2*returning {
			break
		}
		slack := c.think/2 + returning/10
		if c.returning > 0 && c.think-age <= p.took && age < c.think+slack {
			wait = max(wait, c.think+slack-age)
		}
	}
	return wait
}

// unforeseen returns how long to wait for others: not at all where too few come within the window, or too few of those
// who were about lately are not here yet.
func (p *Pacer) unforeseen(now time.Time, window time.Duration) time.Duration {
	company := max(leastCompany, heldFor*p.returning)
	if p.away < company || p.gap <= 0 || int(window/p.gap) < company {
		return 0
	}
	return max(lull*p.gap, p.took/2) - now.Sub(p.lastOpen)
}
