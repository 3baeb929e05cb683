package forward

import (
	"context"
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// deadlines remembers the last read deadline, as time since it began.
type deadlines struct {
	began time.Time
	last  time.Duration
}

func (d *deadlines) set(at time.Time) error {
	d.last = at.Sub(d.began)
	return nil
}

// TestDrainStateWait has a connection notice that it shall end: at once while it waits for a message, at the latest a
// second later when there is always one, and never within one.
func TestDrainStateWait(t *testing.T) {
	for _, tc := range []struct {
		name    string
		endAt   time.Duration // 0: never
		asked   time.Duration // when that is said; before the wait if 0
		waitAt  time.Duration
		between bool
		want    time.Duration // the deadline
	}{
		{"nobody wants an end", 0, 0, time.Second, true, 61 * time.Second},
		{"an end later than the deadline", 2 * time.Minute, 0, time.Second, true, 61 * time.Second},
		{"an end before the deadline", 30 * time.Second, 0, time.Second, true, 30 * time.Second},
		{
			"an end that is past: it is seen whether it is quiet", time.Second, 0, 1500 * time.Millisecond, true,
			1520 * time.Millisecond,
		},
		{"an end that is long past", time.Second, 0, 1990 * time.Millisecond, true, 2 * time.Second},
		{"within a message", time.Second, 0, 1500 * time.Millisecond, false, 61500 * time.Millisecond},
		{"asked while it waits", 5 * time.Second, 2 * time.Second, time.Second, true, 5 * time.Second},
		{
			"asked while it waits within a message", 5 * time.Second, 2 * time.Second, time.Second, false,
			61 * time.Second,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				set := &deadlines{began: time.Now()}
				d := drainState{setReadDeadline: set.set}
				if tc.endAt > 0 && tc.asked == 0 {
					d.end(set.began.Add(tc.endAt))
				}
				time.Sleep(tc.waitAt)
				d.wait(time.Now().Add(time.Minute), tc.between)
				if tc.asked > 0 {
					time.Sleep(tc.asked - tc.waitAt)
					d.end(set.began.Add(tc.endAt))
				}
				if set.last != tc.want {
					t.Errorf("the deadline is after %v, want %v", set.last, tc.want)
				}
			})
		})
	}
}

// TestDrainStateDue says when it is time, for connections that are quiet and for those that never are. The earliest end
// that was asked for counts.
func TestDrainStateDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := drainState{setReadDeadline: func(time.Time) error { return nil }}
		if d.due() || d.overdue() {
			t.Error("due though nobody wants an end")
		}
		began := time.Now()
		d.end(began.Add(10 * time.Second))
		d.end(began.Add(20 * time.Second))
		for _, at := range []struct {
			after        time.Duration
			due, overdue bool
		}{{9 * time.Second, false, false}, {10 * time.Second, true, false}, {11 * time.Second, true, true}} {
			time.Sleep(at.after - time.Since(began))
			if d.due() != at.due || d.overdue() != at.overdue {
				t.Errorf("after %v: due %t, overdue %t", at.after, d.due(), d.overdue())
			}
		}
		if d.readsOn() {
			t.Error("it reads on though the client was not told")
		}
		d.telling()
		if !d.told || !d.readsOn() {
			t.Error("it doesn't read on after the client was told")
		}
		time.Sleep(drainFor)
		if d.readsOn() {
			t.Error("it reads on for ever")
		}
	})
}

// TestDrainStateSleep ends a sleep by its time, by an end that is asked for, and by its context.
func TestDrainStateSleep(t *testing.T) {
	cause := errors.New("cut")
	for _, tc := range []struct {
		name string
		wake func(d *drainState, cancel context.CancelCauseFunc)
		want time.Duration
		err  error
	}{
		{"its time", func(*drainState, context.CancelCauseFunc) {}, time.Minute, nil},
		{
			"an end", func(d *drainState, _ context.CancelCauseFunc) { d.end(time.Now().Add(time.Hour)) }, time.Second,
			nil,
		},
		{"its context", func(_ *drainState, cancel context.CancelCauseFunc) { cancel(cause) }, time.Second, cause},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := drainState{setReadDeadline: func(time.Time) error {
					t.Error("a deadline was set, though nothing is read")
					return nil
				}}
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				began := time.Now()
				time.AfterFunc(time.Second, func() { tc.wake(&d, cancel) })
				err := d.sleep(ctx, time.Minute)
				if took := time.Since(began); took != tc.want || !errors.Is(err, tc.err) {
					t.Errorf("it took %v and returned %v, want %v and %v", took, err, tc.want, tc.err)
				}
			})
		})
	}
}

// clockedConn is a connection on which a byte comes each period, and whose deadlines are counted.
type clockedConn struct {
	period   time.Duration
	left     int // bytes that come
	deadline time.Time
	set      int
}

func (c *clockedConn) setReadDeadline(at time.Time) error {
	c.deadline = at
	c.set++
	return nil
}

func (c *clockedConn) Read(p []byte) (int, error) {
	if wait := time.Until(c.deadline); c.left == 0 || wait < c.period {
		time.Sleep(wait)
		return 0, os.ErrDeadlineExceeded
	}
	time.Sleep(c.period)
	c.left--
	return copy(p, "x"), nil
}

// TestDrainStateReadSetsFewDeadlines reads many times, each with a deadline of its own, and has few of them set. The
// last one is kept to the moment.
func TestDrainStateReadSetsFewDeadlines(t *testing.T) {
	for _, tc := range []struct {
		name     string
		deadline time.Duration // after each read began
		set      int           // at most, for 1000 bytes in 10 s
	}{
		{"seconds", 2 * time.Second, 8},
		{"minutes", 10 * time.Minute, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				nc := &clockedConn{period: 10 * time.Millisecond, left: 1000}
				d := drainState{setReadDeadline: nc.setReadDeadline}
				buf := make([]byte, 1)
				for i := range 1000 {
					if n, err := d.read(nc, buf, time.Now().Add(tc.deadline), true); n != 1 || err != nil {
						t.Fatalf("read %d: %d bytes, %v", i, n, err)
					}
				}
				if nc.set > tc.set {
					t.Errorf("%d deadlines were set, at most %d should be", nc.set, tc.set)
				}
				began := time.Now()
				if _, err := d.read(nc, buf, began.Add(tc.deadline), true); !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("got %v", err)
				}
				if took := time.Since(began); took != tc.deadline {
					t.Errorf("the last deadline came after %v, not %v", took, tc.deadline)
				}
				soon := time.Now().Add(time.Second)
				d.end(soon)
				nc.period = time.Hour
				if _, err := d.read(nc, buf, time.Now().Add(tc.deadline), true); !errors.Is(
					err, os.ErrDeadlineExceeded,
				) || time.Now() != soon {
					t.Errorf("it ended at %v, not at %v: %v", time.Now(), soon, err)
				}
			})
		})
	}
}
