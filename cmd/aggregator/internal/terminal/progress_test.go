package terminal

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/sender"
)

func TestProgressOnATerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := NewProgress(&out, time.Now())
		p.Live = true
		done := uint64(0)
		stop := p.Start(time.Second, func() sender.Progress {
			done += 500
			return sender.Progress{Done: done, Fraction: float64(done) / 2000}
		})
		time.Sleep(time.Second)
		synctest.Wait()
		p.Notice("lost %s", "it")
		time.Sleep(time.Second)
		synctest.Wait()
		stop()
		const line = "\r\x1b[K"
		want := line + "[=======" + strings.Repeat(" ", 23) + "]  25 %  500 events  500/s  1s" + line + "lost it\n" +
			line + "[===============" + strings.Repeat(" ", 15) + "]  50 %  1000 events  500/s  2s" + line
		if out.String() != want {
			t.Errorf("%q, want\n%q", &out, want)
		}
	})
}

func TestProgressInAPipe(t *testing.T) {
	var out bytes.Buffer
	p := NewProgress(&out, time.Now())
	stop := p.Start(time.Nanosecond, func() sender.Progress { panic("nobody looks") })
	p.Notice("lost %s", "it")
	stop()
	if out.String() != "lost it\n" {
		t.Errorf("%q", &out)
	}
}
