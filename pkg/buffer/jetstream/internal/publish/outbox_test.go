package publish

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// Who is alone is sent at once; what comes while an answer is outstanding goes together: when that has come, after a
// while, or once it is much.
func TestOutbox(t *testing.T) {
	for name, tc := range map[string]struct {
		answered bool
		wait     time.Duration
		size     int
		want     []uint64
		after    time.Duration
	}{
		"outstanding":       {after: groupFor},
		"outstanding, late": {wait: groupFor - time.Millisecond, after: time.Millisecond},
		"too late":          {wait: groupFor, want: []uint64{2, 3}},
		"answered":          {answered: true, want: []uint64{2, 3}},
		"much":              {size: groupBytes / 2, want: []uint64{2, 3}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newOutbox()
				if got, after := o.due(nil); got != nil || after != 0 {
					t.Fatalf("%v, again after %v, where there is nothing", got, after)
				}
				o.post(&Message{token: 1}, time.Now())
				<-o.kicked
				if got, _ := o.due(nil); !slices.Equal(got, []uint64{1}) {
					t.Fatalf("who is alone is not sent at once: %v", got)
				}
				o.post(&Message{token: 2, Data: make([]byte, tc.size)}, time.Now())
				o.post(&Message{token: 3, Data: make([]byte, tc.size)}, time.Now())
				<-o.kicked
				if tc.answered {
					// That of a message before the last says nothing.
					o.answered(0)
					o.answered(1)
					<-o.kicked
				}
				time.Sleep(tc.wait)
				if got, after := o.due(nil); !slices.Equal(got, tc.want) || after != tc.after {
					t.Errorf("%v is sent, want %v, again after %v, want %v", got, tc.want, after, tc.after)
				}
			})
		})
	}
}

// Patient messages wait for others where many come, and for no impatient one. A message that comes alone goes at once.
func TestPatience(t *testing.T) {
	for name, tc := range map[string]struct {
		gap       time.Duration
		impatient bool
		sent      bool
	}{
		"many come":                  {gap: groupFor / groupWorth / 2},
		"many come, one is in haste": {gap: groupFor / groupWorth / 2, impatient: true, sent: true},
		"few come":                   {gap: 2 * groupFor / groupWorth, sent: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newOutbox()
				for token := uint64(1); token <= 8*gapOf; token++ {
					time.Sleep(tc.gap)
					o.post(&Message{token: token, Patient: true}, time.Now())
					if got, _ := o.due(nil); len(got) > 0 {
						o.answered(got[len(got)-1])
					}
				}
				// All that waits is sent, and answered.
				time.Sleep(groupFor)
				if got, _ := o.due(nil); len(got) > 0 {
					o.answered(got[len(got)-1])
				}
				o.post(&Message{token: 1000, Patient: true}, time.Now())
				if tc.impatient {
					o.post(&Message{token: 1001}, time.Now())
				}
				got, after := o.due(nil)
				if sent := len(got) > 0; sent != tc.sent || !sent && after != groupFor {
					t.Errorf("sent: %v, again after %v", got, after)
				}
				if time.Sleep(after); tc.sent {
					return
				}
				if got, _ := o.due(nil); !slices.Equal(got, []uint64{1000}) {
					t.Errorf("%v is sent after %v", got, after)
				}
			})
		})
	}
}
