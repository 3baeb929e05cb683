package terminal

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/sender"
)

// Progress is one line on a terminal that is drawn again and again; elsewhere only notices show.
type Progress struct {
	mu    sync.Mutex
	w     io.Writer
	Live  bool
	began time.Time
	// drawn says that the line is on the screen.
	drawn bool
}

// NewProgress returns one to w, of what began then. It draws nothing where w is no terminal.
func NewProgress(w io.Writer, began time.Time) *Progress {
	return &Progress{w: w, Live: IsTerminal(w), began: began}
}

// Start draws what read returns, every interval, until the returned function is called.
func (p *Progress) Start(interval time.Duration, read func() sender.Progress) (stop func()) {
	if !p.Live {
		return func() {}
	}
	done := make(chan struct{})
	var drawing sync.WaitGroup
	drawing.Go(func() {
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			select {
			case now := <-ticker.C:
				p.draw(now, read())
			case <-done:
				return
			}
		}
	})
	return func() {
		close(done)
		drawing.Wait()
		p.clear()
	}
}

func (p *Progress) draw(now time.Time, at sender.Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	elapsed := now.Sub(p.began)
	bar := ""
	if at.Fraction >= 0 {
		const width = 30
		full := int(at.Fraction * width)
		bar = fmt.Sprintf("[%s%s] %3.0f %%  ", strings.Repeat("=", full), strings.Repeat(" ", width-full),
			at.Fraction*100)
	}
	p.drawn = true
	_, _ = fmt.Fprintf(p.w, "\r\x1b[K%s%d events  %.0f/s  %v", bar, at.Done, float64(at.Done)/elapsed.Seconds(),
		elapsed.Round(time.Second))
}

// clear removes the line.
func (p *Progress) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.drawn {
		_, _ = io.WriteString(p.w, "\r\x1b[K")
		p.drawn = false
	}
}

// Notice prints a line above the progress.
func (p *Progress) Notice(format string, args ...any) {
	p.clear()
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = fmt.Fprintf(p.w, format+"\n", args...)
}
