package forward

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestDeparture has a client be looked after while a commit takes long, and only then.
func TestDeparture(t *testing.T) {
	for _, tc := range []struct {
		name    string
		commits []time.Duration // one after the other, without a pause
		goneAt  time.Duration   // 0: never
		looks   int
		leftAt  time.Duration // 0: never
	}{
		{"one that is quick", []time.Duration{time.Second}, 0, 0, 0},
		{"one that takes long", []time.Duration{17 * time.Second}, 0, 3, 0},
		{"many that are quick", make([]time.Duration, 1000), 0, 0, 0},
		{"a client that was gone before", []time.Duration{time.Minute}, time.Nanosecond, 1, 5 * time.Second},
		{"a client that goes meanwhile", []time.Duration{time.Minute}, 7 * time.Second, 2, 10 * time.Second},
		{
			"a slow one after a quick one",
			[]time.Duration{3 * time.Second, 6 * time.Second},
			4 * time.Second, 1,
			8 * time.Second,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began, looks, leftAt := time.Now(), 0, time.Duration(0)
				left := make(chan struct{})
				d := departure{
					gone: func() bool {
						looks++
						return tc.goneAt > 0 && time.Since(began) >= tc.goneAt
					},
					leave: func() {
						leftAt = time.Since(began)
						close(left)
					},
				}
				for _, takes := range tc.commits {
					if takes == 0 {
						takes = 10 * time.Millisecond
					}
					d.begin(time.Now())
					select {
					case <-time.After(takes):
					case <-left:
					}
					d.done()
				}
				d.end()
				time.Sleep(time.Hour)
				d.begin(time.Now()) // nothing is looked after once it has ended
				time.Sleep(time.Hour)
				synctest.Wait()
				if looks != tc.looks || leftAt != tc.leftAt {
					t.Errorf("%d looks, left after %v; want %d and %v", looks, leftAt, tc.looks, tc.leftAt)
				}
			})
		})
	}
}

// TestDepartureArmsSeldom holds that commits one after the other share a timer.
func TestDepartureArmsSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := departure{gone: func() bool { return false }, leave: func() {}}
		defer d.end()
		armed := 0
		for range 1000 {
			was := d.armed
			d.begin(time.Now())
			if !was {
				armed++
			}
			time.Sleep(10 * time.Millisecond)
			d.done()
			synctest.Wait()
		}
		if armed > 3 {
			t.Errorf("%d timers were armed in 10 s", armed)
		}
	})
}
