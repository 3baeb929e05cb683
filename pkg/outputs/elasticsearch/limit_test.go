package elasticsearch

import "testing"

func TestLimit(t *testing.T) {
	// A server that takes up to takes bytes is sent requests as large as the limit allows, size at most.
	learn := func(l *limit, size, takes, requests int) (refused int) {
		for range requests {
			n := min(size, l.get())
			if n > takes {
				l.tooLarge(n)
				refused++
			} else {
				l.accepted(n)
			}
		}
		return refused
	}
	t.Run("comes down at once, and tries more rarely", func(t *testing.T) {
		l := newLimit()
		if refused := learn(l, 6<<20, 1<<20, 1000); refused > 3+1000/growAfter {
			t.Errorf("%d of 1000 requests were refused", refused)
		}
		if n := l.get(); n > 1<<20+1<<17 || n < 1<<19 {
			t.Errorf("a limit of %d bytes was learned where 1 MiB is taken", n)
		}
	})
	t.Run("grows again", func(t *testing.T) {
		l := newLimit()
		learn(l, 6<<20, 1<<20, 10)
		learn(l, 6<<20, 8<<20, 64*40)
		if n := l.get(); n < 6<<20 {
			t.Errorf("the limit is still %d bytes", n)
		}
	})
	t.Run("follows a server that takes less than before", func(t *testing.T) {
		l := newLimit()
		learn(l, 6<<20, 4<<20, 10)
		learn(l, 6<<20, 1<<20, 10)
		if n := l.get(); n > 1<<20 {
			t.Errorf("the limit is still %d bytes", n)
		}
	})
	t.Run("one large event says nothing of others", func(t *testing.T) {
		l := newLimit()
		learn(l, 6<<20, 1<<20, 10)
		before := l.get()
		l.tooLarge(20 << 20)
		if l.get() != before {
			t.Errorf("the limit went from %d to %d bytes", before, l.get())
		}
	})
	t.Run("a busy server", func(t *testing.T) {
		l := newLimit()
		if l.report() != 0 {
			t.Error("a new limit reports one")
		}
		for range 20 {
			l.busy(min(6<<20, l.get()))
		}
		if l.get() != minSoft || l.report() != minSoft {
			t.Errorf("refused again and again, the limit is %d bytes, want %d", l.get(), minSoft)
		}
		l.busy(100)
		if l.get() != minSoft {
			t.Errorf("the limit went down to %d", l.get())
		}
		for range 100 {
			l.accepted(l.get())
		}
		if l.get() != maxRequest || l.report() != 0 {
			t.Errorf("when it isn't busy any more, the limit stays at %d", l.get())
		}
	})
	t.Run("down to nothing", func(t *testing.T) {
		l := newLimit()
		for range 100 {
			l.tooLarge(l.get())
		}
		if l.get() != 1 {
			t.Errorf("the limit is %d", l.get())
		}
	})
}
