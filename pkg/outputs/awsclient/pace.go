package awsclient

import (
	"math"
	"sync"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// PaceConfig bounds what is sent to one stream per second.
type PaceConfig struct {
	MaxBytes    setting.Rate `yaml:"max_bytes" default:"0"`
	MaxRecords  int          `yaml:"max_records" default:"0" help:"per second to a stream; 0: learned"`
	MaxRequests int          `yaml:"max_requests" default:"0" help:"per second to a stream; 0: learned"`
}

// Help implements setting.Explained.
func (PaceConfig) Help() map[string]string {
	return map[string]string{
		"max_bytes": "per second to a stream; 0: learned from the service's throttling alone",
	}
}

// Check reports settings that can't work.
func (c *PaceConfig) Check(r *setting.Report) {
	if c.MaxBytes < 0 || c.MaxRecords < 0 || c.MaxRequests < 0 {
		r.Add("pace", "write 0 to have it learned", "a negative value has no meaning")
	}
}

const (
	// leastTurn is how many seconds' worth of the pace a request waits for, mostTurn how many it may hold.
	leastTurn = 0.1
	mostTurn  = 0.5
	// settle is how many seconds after a decrease in which the accepted rate is measured before the next one.
	settle = 1.0
	// window is by how much the rate may grow while it is measured.
	window = 0.3
	// below is that of the measured rate is what follows a throttle.
	below = 0.95
	// growth is that of the measured rate, per second that is sent at full pace.
	growth = 0.01
	// faster is how many seconds without throttling after which the growth doubles.
	faster     = 15.0
	mostGrowth = 0.25
	// much is the part of the best rate below which it is asked whether the rate is what is throttled.
	much = 0.5
	// trial is how many seconds for which a higher rate is tried then.
	trial = 3.0
	// pays is how many times as much is accepted, at least, of a rate that is not what is throttled.
	pays = 1.2
	// more is how many times that rate is tried next.
	more = 2.0
	// deepest is a rate goes down to this part of the one that was last accepted.
	deepest = 16
	// manyCalls is how many requests per second below which no throttle is for their number.
	manyCalls = 20.0
)

// The rates at which the search begins, and those below which it does not go.
const (
	firstBytes   = 100 << 10
	firstRecords = 100.0
	leastBytes   = 1024.0
	leastRecords = 1.0
)

// rates is something per second, or an amount: bytes, records, requests.
type rates [3]float64

// Pace is the rate at which one stream takes records. There is no limit until the service throttles.
// Then the rate is set to just below what the service has accepted since the throttle before that, which
// is what its quota is filled with, and grows slowly from there, and faster the longer nothing is
// throttled. Where a service throttles whatever the rate, lowering it would not end before it is next to
// nothing; so a rate far below the best one is tried against that. Which of bytes and records the quota is about is not
// told, so both are scaled together in the mix that is sent; the number of requests only where there are many.
//
// Time is that of the caller, and must not go back. Safe for concurrent use.
type Pace struct {
	// Zeros in fixed: none.
	fixed rates

	mu sync.Mutex
	// limit is learned; zeros: none.
	limit rates
	// good is what was last measured.
	good rates
	// at is up to when what may be sent has been sent; before now: credit.
	at      time.Time
	lowered time.Time
	// since is that of what follows.
	since    time.Time
	accepted rates
	// before is what was accepted in the second before since, while there is no limit.
	before rates
	// smooth counts seconds sent at full pace since lowered.
	smooth float64
	// out says that nothing was accepted between the last two throttles.
	out bool
	// best counts bytes per second that were accepted once, unless that was found to be too much since.
	best float64
	// tried is the bytes per second that were accepted before, while a higher rate is tried.
	tried     float64
	throttled uint64
	used      time.Time
}

// NewPace returns a pace that knows no limit but those of cfg.
func NewPace(cfg PaceConfig) *Pace {
	return &Pace{fixed: rates{float64(cfg.MaxBytes), float64(cfg.MaxRecords), float64(cfg.MaxRequests)}}
}

// Turn is the right to make one request.
type Turn struct {
	// Bytes and Records are what it may hold, or one record where that is more.
	Bytes, Records int
	booked         float64
	// full says that the pace was used to the full until then.
	full bool
	sent time.Time
}

// Reserve books a request that may be made after wait, which is patience at most. ok false: the
// stream is busy for longer, at least for wait, and nothing is booked. Each booked turn is to be spent,
// and then done.
func (p *Pace) Reserve(now time.Time, patience time.Duration) (t Turn, wait time.Duration, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.used = now
	t = Turn{Bytes: math.MaxInt, Records: math.MaxInt, sent: now}
	eff := p.effective()
	if eff == (rates{}) {
		return t, 0, true
	}
	credit := now.Sub(p.at).Seconds()
	if t.full = credit < mostTurn; !t.full {
		credit = mostTurn
		p.at = now.Add(-seconds(mostTurn))
		// A quota that was not used up can't be measured.
		p.restart(now)
	}
	if credit < leastTurn {
		wait = seconds(leastTurn - credit)
		if wait > patience {
			return t, wait, false
		}
		credit = leastTurn
	}
	p.at = p.at.Add(seconds(credit))
	t.booked, t.sent = credit, now.Add(wait)
	if eff[0] > 0 {
		t.Bytes = max(1, int(eff[0]*credit))
	}
	if eff[1] > 0 {
		t.Records = max(1, int(eff[1]*credit))
	}
	return t, wait, true
}

// Spend tells what the turn's request holds, before it is made; zeros give the turn back.
func (p *Pace) Spend(t Turn, bytes, records int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t.booked > 0 {
		p.at = p.at.Add(seconds(p.time(bytes, records) - t.booked))
	}
}

// time returns how many seconds' worth of the pace a request is.
func (p *Pace) time(bytes, records int) (s float64) {
	if records == 0 {
		return 0
	}
	eff := p.effective()
	for i, amount := range (rates{float64(bytes), float64(records), 1}) {
		if eff[i] > 0 {
			s = max(s, amount/eff[i])
		}
	}
	return s
}

// Done tells what became of the turn's request: so much was accepted, so much throttled. Zeros for
// both: neither, it failed otherwise.
func (p *Pace) Done(now time.Time, t Turn, acceptedBytes, acceptedRecords, throttledBytes, throttledRecords int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if acceptedRecords > 0 {
		if p.out {
			// What was measured was the way into the outage.
			p.out, p.good = false, rates{}
		}
		p.accepted[0] += float64(acceptedBytes)
		p.accepted[1] += float64(acceptedRecords)
		p.accepted[2]++
	}
	switch {
	case throttledRecords > 0:
		p.throttled++
		p.lower(now, t, rates{float64(throttledBytes), float64(throttledRecords), 1})
	case acceptedRecords > 0 && p.limit != (rates{}) && t.full:
		p.raise(p.time(acceptedBytes, acceptedRecords))
	}
	p.age(now)
}

// age has what was measured long ago count less.
func (p *Pace) age(now time.Time) {
	age := now.Sub(p.since).Seconds()
	switch {
	case p.limit == rates{} && age > settle:
		before := p.accepted
		p.restart(now)
		if age < 2*settle {
			p.before = before
		}
	case age > max(settle, window/p.growth()):
		p.since = p.since.Add(seconds(age / 2))
		for i := range p.accepted {
			p.accepted[i] /= 2
		}
	}
}

// lower sets the limit below what was accepted since it was last set. A throttle comes when the quota is
// used up, so between two of them just the quota was accepted. It is a half at most, because the quota is
// not used up while too much is refused at once.
func (p *Pace) lower(now time.Time, t Turn, throttled rates) {
	since := now.Sub(p.since).Seconds()
	switch {
	case p.limit == rates{}:
		// Begin with what was offered in a second.
		for i := range p.limit {
			p.limit[i] = max(p.before[i], p.accepted[i]+throttled[i])
		}
		p.limit[0], p.limit[1] = max(p.limit[0], firstBytes), max(p.limit[1], firstRecords)
	case !t.sent.After(p.lowered) || now.Sub(p.lowered).Seconds() < settle:
		return
	case p.accepted[1] > 0 && p.tried > 0 && since < trial:
		return
	case p.accepted[1] > 0 && since < settle:
		// Too short a time to measure what is accepted.
		for i := range p.limit {
			p.limit[i] *= below
		}
	default:
		since = max(settle, since)
		before := p.limit[0]
		p.out = p.accepted[1] == 0
		for i, l := range p.limit {
			measured := min(l, max(l/2, p.accepted[i]/since))
			if !p.out {
				p.good[i] = measured
			}
			p.limit[i] = max(below*measured, p.good[i]/deepest)
		}
		p.question(before, p.accepted[0]/since)
	}
	p.limit[0], p.limit[1] = max(p.limit[0], leastBytes), max(p.limit[1], leastRecords)
	if p.limit[2] < manyCalls {
		p.limit[2] = 0
	}
	p.lowered, p.smooth = now, 0
	p.restart(now)
	if earliest := now.Add(-seconds(leastTurn)); p.at.Before(earliest) {
		p.at = earliest
	}
}

// question asks whether it is the rate that is throttled, where far less is accepted than once was: then
// no more is accepted at a higher rate. before is the rate at which got was accepted, both in bytes.
func (p *Pace) question(before, got float64) {
	switch {
	case p.out && p.tried > 0:
		// It is, and much too high.
		p.scale(below * p.tried)
		p.tried, p.best, p.out = 0, p.tried, false
	case p.out:
	case p.tried > 0 && got >= pays*p.tried:
		// It is not: try even more.
		p.tried, p.best = got, got
		p.scale(more * before)
	case p.tried > 0:
		p.tried, p.best = 0, got
	case p.limit[0] < much*p.best:
		p.tried = got
		p.scale(p.best)
	default:
		p.best = max(p.best, got)
	}
}

// scale sets the limit to so many bytes, and as many records and requests as go with them.
func (p *Pace) scale(bytes float64) {
	by := bytes / p.limit[0]
	for i := range p.limit {
		p.limit[i] *= by
	}
}

// restart begins a measurement.
func (p *Pace) restart(now time.Time) { p.since, p.before, p.accepted = now, rates{}, rates{} }

// raise lets the limit grow for so many seconds' worth of the pace that were accepted.
func (p *Pace) raise(s float64) {
	p.smooth += s
	g := p.growth()
	for i := range p.limit {
		switch {
		case p.good[i] == 0:
			// Nothing is known yet.
			p.limit[i] *= 1 + s
		case p.limit[i] < below*p.good[i]:
			// It is on the way back to what is known to be accepted.
			p.limit[i] = min(below*p.good[i], p.limit[i]*(1+s))
		default:
			p.limit[i] += max(p.good[i], p.limit[i]/2) * g * s
		}
	}
}

// growth returns by what part of itself the limit grows per second at full pace.
func (p *Pace) growth() float64 {
	return min(mostGrowth, growth*math.Exp2(math.Floor(p.smooth/faster)))
}

// effective returns the rates in force; zeros: none.
func (p *Pace) effective() rates {
	eff := p.limit
	for i, f := range p.fixed {
		if f > 0 && (eff[i] == 0 || f < eff[i]) {
			eff[i] = f
		}
	}
	return eff
}

// report returns the pace as it is shown to users.
func (p *Pace) report(stream string) outputs.Pace {
	p.mu.Lock()
	defer p.mu.Unlock()
	eff := p.effective()
	return outputs.Pace{
		Stream: stream, BytesPerSecond: eff[0], RecordsPerSecond: eff[1], RequestsPerSecond: eff[2],
		Throttled: p.throttled,
	}
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func (p *Pace) lastUsed() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.used
}
