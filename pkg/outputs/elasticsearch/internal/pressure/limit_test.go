package pressure

import "testing"

func TestLimit(t *testing.T) {
	// A server that takes up to takes bytes is sent requests as large as the limit allows, size at most.
	learn := func(l *Limit, size, takes, requests int) (refused int) {
		for range requests {
			n := min(size, l.Get())
			if n > takes {
				l.TooLarge(n)
				refused++
			} else {
				l.Accepted(n)
			}
		}
		return refused
	}
	t.Run("comes down at once, and tries more rarely", func(t *testing.T) {
		l := NewLimit()
		if refused := learn(l, 6<<20, 1<<20, 1000); refused > 3+1000/growAfter {
			t.Errorf("%d of 1000 requests were refused", refused)
		}
		if n := l.Get(); n > 1<<20+1<<17 || n < 1<<19 {
			t.Errorf("a limit of %d bytes was learned where 1 MiB is taken", n)
		}
	})
	t.Run("grows again", func(t *testing.T) {
		l := NewLimit()
		learn(l, 6<<20, 1<<20, 10)
		learn(l, 6<<20, 8<<20, 64*40)
		if n := l.Get(); n < 6<<20 {
			t.Errorf("the limit is still %d bytes", n)
		}
	})
	t.Run("follows a server that takes less than before", func(t *testing.T) {
		l := NewLimit()
		learn(l, 6<<20, 4<<20, 10)
		learn(l, 6<<20, 1<<20, 10)
		if n := l.Get(); n > 1<<20 {
			t.Errorf("the limit is still %d bytes", n)
		}
	})
	t.Run("one large event says nothing of others", func(t *testing.T) {
		l := NewLimit()
		learn(l, 6<<20, 1<<20, 10)
		before := l.Get()
		l.TooLarge(20 << 20)
		if l.Get() != before {
			t.Errorf("the limit went from %d to %d bytes", before, l.Get())
		}
	})
	t.Run("a busy server", func(t *testing.T) {
		l := NewLimit()
		if l.Report() != 0 {
			t.Error("a new limit reports one")
		}
		for range 20 {
			l.Busy(min(6<<20, l.Get()))
		}
		if l.Get() != minSoft || l.Report() != minSoft {
			t.Errorf("refused again and again, the limit is %d bytes, want %d", l.Get(), minSoft)
		}
		l.Busy(100)
		if l.Get() != minSoft {
			t.Errorf("the limit went down to %d", l.Get())
		}
		for range 100 {
			l.Accepted(l.Get())
		}
		if l.Get() != MaxRequest || l.Report() != 0 {
			t.Errorf("when it isn't busy any more, the limit stays at %d", l.Get())
		}
	})
	t.Run("down to nothing", func(t *testing.T) {
		l := NewLimit()
		for range 100 {
			l.TooLarge(l.Get())
		}
		if l.Get() != 1 {
			t.Errorf("the limit is %d", l.Get())
		}
	})
}
