package awsclient

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// quota is a service's token bucket that holds a second's worth.
type quota struct {
	rate, left rates
	at         time.Time
	perRecord  bool
	whim       float64 // the part of requests, or of records, that is refused whatever the rate
	rand       *rand.Rand
}

func (q *quota) offer(now time.Time, bytes, records, each int) (accepted int) {
	passed := now.Sub(q.at).Seconds()
	q.at = now
	for i := range q.left {
		q.left[i] = min(q.rate[i], q.left[i]+passed*q.rate[i])
	}
	if q.perRecord {
		for range records {
			if q.whim > 0 && q.rand.Float64() < q.whim {
				continue
			}
			if q.left[0] < float64(each) || q.left[1] < 1 {
				break
			}
			q.left[0] -= float64(each)
			q.left[1]--
			accepted++
		}
		return accepted
	}
	if q.whim > 0 && q.rand.Float64() < q.whim || q.left[0] < float64(bytes) || q.left[1] < float64(records) {
		return 0
	}
	q.left[0] -= float64(bytes)
	q.left[1] -= float64(records)
	return records
}

// pause is between two simulations with the same Pace.
const pause = 5 * time.Second

// simulate offers records of each bytes without end, one request after the other, and returns for each
// second how many records were accepted, and the share of the requests that was throttled.
func simulate(
	p *Pace, q *quota, each, most int, rtt time.Duration, secs int, change func(second int),
) (perSecond []int, throttled float64) {
	start := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	if !p.used.IsZero() {
		start = p.used.Add(pause)
	}
	now := start
	q.at, q.left = now, q.rate
	perSecond = make([]int, secs)
	calls, refused, last := 0, 0, -1
	for {
		second := int(now.Sub(start) / time.Second)
		if second >= secs {
			return perSecond, float64(refused) / float64(calls)
		}
		if second != last && change != nil {
			change(second)
		}
		last = second
		t, wait, ok := p.Reserve(now, time.Second)
		if !ok {
			now = now.Add(wait)
			continue
		}
		n := max(1, min(most, t.Records, t.Bytes/each))
		p.Spend(t, n*each, n)
		now = now.Add(wait)
		accepted := q.offer(now, n*each, n, each)
		now = now.Add(rtt)
		calls++
		if accepted < n {
			refused++
			now = now.Add(100 * time.Millisecond) // the loop's backoff
		}
		if second = int(now.Sub(start) / time.Second); second < secs {
			perSecond[second] += accepted
		}
		p.Done(now, t, accepted*each, accepted, (n-accepted)*each, n-accepted)
	}
}

func mean(n []int) float64 {
	sum := 0
	for _, v := range n {
		sum += v
	}
	return float64(sum) / float64(len(n))
}

func TestPaceSettlesAtTheQuota(t *testing.T) {
	for _, tc := range []struct {
		name           string
		bytes, records float64
		each           int
	}{
		{"records bind", 1 << 20, 1000, 300},
		{"bytes bind", 1 << 20, 1000, 4000},
		{"aggregated", 1 << 20, 1000, 100_000},
		{"100 KiB/s", 100 << 10, 1000, 300},
		{"100 MiB/s", 100 << 20, 500_000, 300},
		{"100 MiB/s aggregated", 100 << 20, 100_000, 1_000_000},
	} {
		for _, perRecord := range []bool{false, true} {
			for _, rtt := range []time.Duration{time.Millisecond, 30 * time.Millisecond, 200 * time.Millisecond} {
				most := min(10_000, max(1, 3<<20/tc.each)*8)
				want := min(tc.records, tc.bytes/float64(tc.each))
				if float64(most)/rtt.Seconds() < 2*want {
					continue // one request at a time can't reach the quota
				}
				t.Run(fmt.Sprint(tc.name, " per record ", perRecord, " ", rtt), func(t *testing.T) {
					q := &quota{rate: rates{tc.bytes, tc.records}, perRecord: perRecord}
					got, throttled := simulate(NewPace(PaceConfig{}), q, tc.each, most, rtt, 180, nil)
					t.Logf("quota %.0f/s, accepted %.3f of it, first 10 s %.2f, throttled %.1f %% of requests", want,
						mean(got[20:])/want, mean(got[:10])/want, 100*throttled)
					if m := mean(got[20:]) / want; m < 0.9 || m > 1.02 {
						t.Errorf("accepted %.3f of the quota", m)
					}
					for i := 20; i+5 <= len(got); i += 5 {
						if m := mean(got[i:i+5]) / want; m < 0.85 || m > 1.15 {
							t.Errorf("seconds %d to %d: %.3f of the quota", i, i+5, m)
						}
					}
					if throttled > 0.1 {
						t.Errorf("%.0f %% of the requests were throttled", 100*throttled)
					}
				})
			}
		}
	}
}

func TestPaceFollowsTheQuota(t *testing.T) {
	for _, tc := range []struct {
		name   string
		factor float64
		within int // seconds
	}{
		{"rises", 3, 60}, {"rises a lot", 20, 80}, {"falls", 1.0 / 3, 15}, {"falls a lot", 0.05, 20},
	} {
		for _, perRecord := range []bool{false, true} {
			t.Run(fmt.Sprint(tc.name, " per record ", perRecord), func(t *testing.T) {
				q := &quota{rate: rates{1 << 20, 1000}, perRecord: perRecord}
				const at = 60
				got, _ := simulate(NewPace(PaceConfig{}), q, 300, 8000, 20*time.Millisecond, at+tc.within+60, func(
					second int,
				) {
					if second == at {
						q.rate = rates{tc.factor * (1 << 20), tc.factor * 1000}
					}
				})
				want := tc.factor * 1000
				if m := mean(got[at+tc.within:]) / want; m < 0.9 || m > 1.05 {
					t.Errorf("accepted %.3f of the new quota: %v", m, got[at:])
				}
			})
		}
	}
}

func TestPaceComesBackAfterAnOutage(t *testing.T) {
	q := &quota{rate: rates{1 << 20, 1000}}
	got, _ := simulate(NewPace(PaceConfig{}), q, 300, 8000, 20*time.Millisecond, 240, func(second int) {
		switch second {
		case 60:
			q.rate, q.left = rates{}, rates{}
		case 180:
			q.rate = rates{1 << 20, 1000}
		}
	})
	if m := mean(got[200:]) / 1000; m < 0.9 || m > 1.05 {
		t.Errorf("accepted %.3f of the quota: %v", m, got[180:])
	}
}

// What is throttled whatever the rate does not slow the stream down to nothing, with pauses in which nothing could
// be sent or without.
func TestPaceOfThrottlesThatTheRateDoesNotCause(t *testing.T) {
	for _, perRecord := range []bool{false, true} {
		for _, whim := range []float64{0.02, 0.1, 0.3} {
			for _, runs := range []int{1, 60} {
				t.Run(fmt.Sprint("per record ", perRecord, " ", whim, " runs ", runs), func(t *testing.T) {
					q := &quota{
						rate: rates{1 << 20, 1000}, perRecord: perRecord, whim: whim, rand: rand.New(rand.NewPCG(1, 2)),
					}
					p := NewPace(PaceConfig{})
					var got []int
					for range runs {
						part, _ := simulate(p, q, 300, 500, 20*time.Millisecond, 600/runs, nil)
						got = append(got, part...)
					}
					m := mean(got[60:]) / 1000
					t.Logf("%.2f of the quota", m)
					if m < 0.6*(1-whim) {
						t.Errorf("%.3f of the quota is accepted: %v", m, got[60:])
					}
				})
			}
		}
	}
}

func TestPaceOfTheConfiguration(t *testing.T) {
	for _, tc := range []struct {
		name string
		cfg  PaceConfig
		want float64 // records per second
	}{
		{"bytes", PaceConfig{MaxBytes: 30_000}, 100},
		{"records", PaceConfig{MaxRecords: 200}, 200},
		{"requests", PaceConfig{MaxRequests: 2}, 2 * 500},
		{"bytes below records", PaceConfig{MaxBytes: 3_000_000, MaxRecords: 200}, 200},
	} {
		t.Run(tc.name, func(t *testing.T) {
			q := &quota{rate: rates{1e9, 1e9}}
			got, throttled := simulate(NewPace(tc.cfg), q, 300, 500, time.Millisecond, 30, nil)
			if m := mean(got[5:]) / tc.want; m < 0.97 || m > 1.03 || throttled > 0 {
				t.Errorf("%.3f of the pace, %.2f throttled", m, throttled)
			}
		})
	}
}

func TestPaceOfAQuietStreamIsKept(t *testing.T) {
	p := NewPace(PaceConfig{})
	q := &quota{rate: rates{1 << 20, 1000}}
	simulate(p, q, 300, 8000, time.Millisecond, 60, nil)
	before := p.report("s").RecordsPerSecond
	now := p.used
	for range 1000 { // a request of ten records a second
		now = now.Add(time.Second)
		turn, wait, ok := p.Reserve(now, time.Second)
		if wait != 0 || !ok {
			t.Fatalf("a quiet stream waits for %v", wait)
		}
		p.Spend(turn, 3000, 10)
		p.Done(now, turn, 3000, 10, 0, 0)
	}
	if after := p.report("s").RecordsPerSecond; after != before {
		t.Errorf("the pace went from %.0f to %.0f records/s", before, after)
	}
}

// A record that is larger than what may be sent in a second makes those behind it wait as long as it takes.
func TestPaceOfALargeRecord(t *testing.T) {
	p := NewPace(PaceConfig{MaxBytes: 100_000})
	now := time.Now()
	turn, wait, ok := p.Reserve(now, time.Second)
	if wait != 0 || !ok || turn.Bytes < 1 {
		t.Fatal(turn, wait, ok)
	}
	p.Spend(turn, 1_000_000, 1)
	p.Done(now, turn, 1_000_000, 1, 0, 0)
	if _, wait, ok = p.Reserve(now, time.Second); ok || wait < 9*time.Second || wait > 10*time.Second {
		t.Errorf("the next turn is after %v", wait)
	}
}
