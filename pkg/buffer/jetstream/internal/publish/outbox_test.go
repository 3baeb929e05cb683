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
				o.post(&Message{token: 1})
				<-o.kicked
				if got, _ := o.due(nil); !slices.Equal(got, []uint64{1}) {
					t.Fatalf("who is alone is not sent at once: %v", got)
				}
				o.post(&Message{token: 2, Data: make([]byte, tc.size)})
				o.post(&Message{token: 3, Data: make([]byte, tc.size)})
				<-o.kicked
				if tc.answered {
					// That of a message before the last says nothing.
					o.answered(0)
					o.answered(1)
					<-o.kicked
				}
				time.Sleep(tc.wait)
				if got, after := o.due(nil); !slices.Equal(got, tc.want) || after != tc.after {
					t.Errorf("%v is sent, want %v, and it is looked at again after %v, want %v", got, tc.want, after, tc.after)
				}
			})
		})
	}
}
