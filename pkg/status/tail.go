package status

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/safetext"
	"github.com/seed-afc6a195/aggregator/pkg/status/client"
	"github.com/seed-afc6a195/aggregator/pkg/status/tail"
)

const (
	// tailWrite is how long one message may take to be written.
	tailWrite = 10 * time.Second
	// tailBeat is between two looks at what was missed.
	tailBeat = time.Second
	// tailIdle is how many beats without a message there are before one is sent that says nothing.
	tailIdle = 15
)

// Tail opens live views. Errors are as those of tail.Local.
type Tail interface {
	Open(r tail.Request) (tail.Stream, error)
}

// endless returns next for requests that want what it sends without end. Who asks only for the header gets that.
func endless(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			w.Header().Set("Content-Type", "text/event-stream")
			return
		}
		next(w, r)
	}
}

// tail shows events live, as server-sent events, until the client leaves or the server stops.
func (s *Server) tail(w http.ResponseWriter, r *http.Request) {
	request, err := s.tailRequest(r)
	if err != nil {
		http.Error(w, string(safetext.Escaped([]byte(err.Error()))), http.StatusBadRequest)
		return
	}
	view, err := s.options.Tail.Open(request)
	if err != nil {
		code := http.StatusBadRequest
		switch {
		case errors.Is(err, tail.ErrBusy):
			w.Header().Set("Retry-After", "10")
			code = http.StatusServiceUnavailable
		case errors.Is(err, tail.ErrNowhere):
			code = http.StatusNotFound
		case errors.Is(err, tail.ErrNotAllowed):
			code = http.StatusForbidden
		}
		http.Error(w, string(safetext.Escaped([]byte(err.Error()))), code)
		return
	}
	defer view.Close()
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	// A proxy must not hold events back.
	h.Set("X-Accel-Buffering", "no")
	out := http.NewResponseController(w)
	// The request was read; a writer that has no deadlines needs none.
	_ = out.SetReadDeadline(time.Time{})
	write := func(format string, args ...any) bool {
		// As above.
		_ = out.SetWriteDeadline(time.Now().Add(tailWrite))
		_, err := fmt.Fprintf(w, format, args...)
		// Otherwise the client has left.
		return err == nil && out.Flush() == nil
	}
	beat := time.NewTicker(tailBeat)
	defer beat.Stop()
	idle, ok := 0, write(": live\n\n")
	for ok {
		select {
		case <-r.Context().Done():
			return
		case <-s.ending:
			return
		case t := <-view.Events():
			idle, ok = 0, write("event: event\ndata: %s\n\n", line(t.Event()))
		case pods := <-view.Pods():
			idle, ok = 0, write("event: pods\ndata: %s\n\n", line(pods))
		case <-beat.C:
			if n := view.Missed(); n > 0 {
				idle, ok = 0, write("event: missed\ndata: %s\n\n", line(client.TailMissed{Events: n}))
			} else if idle++; idle >= tailIdle {
				idle, ok = 0, write(": nothing yet\n\n")
			}
		}
	}
}

// line returns v as JSON in one line, in which nothing can steer a terminal.
func line(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		// Its parts are texts and numbers, and a record that is JSON.
		return []byte("{}")
	}
	return safetext.Escaped(text)
}

// tailRequest reads what a live view is to show, and of that what who asks may see.
func (s *Server) tailRequest(r *http.Request) (t tail.Request, err error) {
	values := queryReader{values: r.URL.Query()}
	t = tail.Request{
		At: values.text("at"), Cluster: values.text("cluster"), Sample: int(values.number("sample")),
		Rate: int(values.number("rate")), Tag: values.text("tag"), Grep: values.text("grep"),
	}
	// What arrives is as it was sent, with nothing taken out: that takes credentials, on loopback too, and so does what
	// steps change in it.
	t.Values = s.options.Config.authorized(r)
	t.Records = t.At != "" && t.At != client.TailArrival
	return t, values.end()
}
