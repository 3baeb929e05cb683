package page

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/safetext"
	"github.com/seed-afc6a195/aggregator/pkg/status/history"
	"github.com/seed-afc6a195/aggregator/pkg/status/snapshot"
)

const (
	// tick is how often the page is told what has changed, where that is little.
	tick = 2 * time.Second
	// beat is how long it is told nothing, at most.
	beat = 6 * time.Second
	// bytesPerSecond bounds what a page is sent once it has everything: a longer message makes the next one wait.
	bytesPerSecond = 3600
	// maxPages bounds how many pages are live at a time.
	maxPages = 100
	// behind is how many messages a page may be behind before it has to begin anew.
	behind = 8
	// patience is how long a page may take to be sent one.
	patience = 20 * time.Second
)

// You is what a page may do and show, by who looks at it.
type You struct {
	// Control: it may change things, and see records.
	Control bool `json:"control"`
	// Words: it may see destinations' own words.
	Words bool `json:"words"`
	// CanSign: it may show credentials, since there are some.
	CanSign bool `json:"sign_in"`
}

// Live keeps pages up to date. Set Series before it is used. Safe for concurrent use.
type Live struct {
	// Series are the lines that the page draws.
	Series *history.Series

	mu sync.Mutex
	// last is the newest.
	last *snapshot.Snapshot
	// next is when pages are told next.
	next time.Time
	// paid is from when on they may be sent more, by bytesPerSecond.
	paid time.Time
	// told is when they were told last, by shown.
	told  [2]time.Time
	pages map[*stream]bool
	// shown is what the pages have: without destinations' words, and with.
	shown   [2]any
	closing bool
}

// stream is one page that looks.
type stream struct {
	words bool
	// messages is closed when the page has to begin anew, or the server stops.
	messages chan []byte
}

func variant(words bool) int {
	if words {
		return 1
	}
	return 0
}

// message is an event as server-sent events have it: its name, and JSON on one line, with nothing hidden in it.
func message(event string, v any) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("write the page's event %s: %w", event, err)
	}
	return fmt.Appendf(nil, "event: %s\ndata: %s\n\n", event, safetext.Escaped(text)), nil
}

// Update takes a snapshot, which must not change any more, and tells pages what has changed when it is time to. point:
// the series have a new point. It costs nothing while nobody looks.
func (l *Live) Update(s *snapshot.Snapshot, now time.Time, point bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = s
	if len(l.pages) == 0 {
		l.shown = [2]any{}
		return nil
	}
	due := !now.Before(l.next) && !now.Before(l.paid)
	if point {
		if err := l.point(now); err != nil {
			return err
		}
	}
	if !due {
		return nil
	}
	l.next = now.Add(tick)
	for _, words := range []bool{false, true} {
		if err := l.change(s, now, words); err != nil {
			return err
		}
	}
	return nil
}

// change tells the pages that show words, or not, what has changed. mu is held.
func (l *Live) change(s *snapshot.Snapshot, now time.Time, words bool) error {
	was := l.shown[variant(words)]
	if was == nil {
		// Nobody looks.
		return nil
	}
	then, err := tree(viewOf(s, words))
	if err != nil {
		return err
	}
	patch, changed := diff(was, then)
	if !changed && now.Sub(l.told[variant(words)]) < beat {
		return nil
	}
	l.shown[variant(words)] = then
	text, err := message("patch", map[string]any{"time": now.UnixMilli(), "patch": patch})
	if err != nil {
		return err
	}
	l.told[variant(words)] = now
	l.pace(now, len(text))
	l.send(text, func(p *stream) bool { return p.words == words })
	return nil
}

// pace makes the next message wait for as long as this one's bytes may take. mu is held.
func (l *Live) pace(now time.Time, bytes int) {
	if l.paid.Before(now) {
		l.paid = now
	}
	l.paid = l.paid.Add(time.Duration(float64(bytes) / bytesPerSecond * float64(time.Second)))
}

// point tells all pages the newest point of each line. mu is held.
func (l *Live) point(now time.Time) error {
	lines := l.Series.Last(1)
	values := map[string]float64{}
	for name, points := range lines.Points {
		if len(points) == 1 {
			values[name] = read(points[0])
		}
	}
	text, err := message("point", map[string]any{"time": lines.Time.UnixMilli(), "points": values})
	if err != nil {
		return err
	}
	l.pace(now, len(text))
	l.send(text, func(*stream) bool { return true })
	return nil
}

// send gives a message to pages. One that does not keep up begins anew. mu is held.
func (l *Live) send(text []byte, to func(*stream) bool) {
	for p := range l.pages {
		if !to(p) {
			continue
		}
		select {
		case p.messages <- text:
		default:
			l.drop(p)
		}
	}
}

// drop ends a page's stream. mu is held.
func (l *Live) drop(p *stream) {
	if l.pages[p] {
		delete(l.pages, p)
		close(p.messages)
	}
}

// join adds a page, whose first message has everything; nil: there are too many, or the server stops.
func (l *Live) join(words bool, now *snapshot.Snapshot) (*stream, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closing || len(l.pages) >= maxPages {
		return nil, nil //nolint:nilnil // it is no error, and there is no stream
	}
	if l.last == nil {
		l.last = now
	}
	if l.shown[variant(words)] == nil {
		all, err := tree(viewOf(l.last, words))
		if err != nil {
			return nil, err
		}
		l.shown[variant(words)] = all
	}
	lines := l.Series.Last(history.Points)
	for _, points := range lines.Points {
		for i := range points {
			points[i] = read(points[i])
		}
	}
	text, err := message("all", map[string]any{
		"time": l.last.Time.UnixMilli(), "all": l.shown[variant(words)], "every": lines.Every, "lines": lines.Points,
		"lines_time": lines.Time.UnixMilli(),
	})
	if err != nil {
		return nil, err
	}
	p := &stream{words: words, messages: make(chan []byte, behind)}
	p.messages <- text
	if l.pages == nil {
		l.pages = map[*stream]bool{}
	}
	l.pages[p] = true
	return p, nil
}

func (l *Live) leave(p *stream) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drop(p)
}

// Close ends all pages' streams, and has none begin.
func (l *Live) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closing = true
	for p := range l.pages {
		l.drop(p)
	}
}

// Serve tells a page everything, and then what changes, until it leaves or Close is called. now is the program's state,
// for where no Update was yet. hash tells the page whether it is of this version.
func (l *Live) Serve(w http.ResponseWriter, r *http.Request, you You, hash string, now *snapshot.Snapshot) error {
	p, err := l.join(you.Words, now)
	if err != nil {
		http.Error(w, "the page's state can't be written, see the log", http.StatusInternalServerError)
		return err
	}
	if p == nil {
		w.Header().Set("Retry-After", "10")
		http.Error(w, fmt.Sprintf("the server stops, or %d pages are open already: close some", maxPages),
			http.StatusServiceUnavailable)
		return nil
	}
	defer l.leave(p)
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	// A proxy must not hold events back.
	h.Set("X-Accel-Buffering", "no")
	hello, err := message("hello", map[string]any{"you": you, "page": hash})
	if err != nil {
		return err
	}
	out := http.NewResponseController(w)
	// The request was read; a writer that has no deadlines needs none.
	_ = out.SetReadDeadline(time.Time{})
	write := func(text []byte) bool {
		// As above.
		_ = out.SetWriteDeadline(time.Now().Add(patience))
		_, err := w.Write(text)
		// Otherwise the page has left.
		return err == nil && out.Flush() == nil
	}
	// The first is there already.
	for text := append(hello, <-p.messages...); write(text); {
		var ok bool
		select {
		case text, ok = <-p.messages:
			if !ok {
				return nil
			}
		case <-r.Context().Done():
			return nil
		}
	}
	return nil
}
