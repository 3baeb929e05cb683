package forward

import (
	"testing"
	"time"
)

func TestLogLimit(t *testing.T) {
	l := logLimit{seen: map[[2]string]*logged{}}
	now := time.Unix(0, 0)
	for i, want := range []bool{true, false, false} {
		if ok, _ := l.allow("r", "h", now.Add(time.Duration(i)*time.Second)); ok != want {
			t.Errorf("line %d: %v", i, ok)
		}
	}
	if ok, leftOut := l.allow("r", "h", now.Add(logEvery)); !ok || leftOut != 2 {
		t.Errorf("after a while: %v, %d left out", ok, leftOut)
	}
	if ok, _ := l.allow("r2", "h", now); !ok {
		t.Error("another reason was left out")
	}
	for i := range 3 * maxLogged {
		l.allow("r", time.Duration(i).String(), now.Add(logEvery))
	}
	if n := len(l.seen); n > maxLogged+1 {
		t.Errorf("it remembers %d", n)
	}
}
