package status

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/safetext"
	"github.com/seed-afc6a195/aggregator/pkg/status/client"
	"github.com/seed-afc6a195/aggregator/pkg/status/tail"
)

const (
	tailWrite = 10 * time.Second // that one message may take to be written
	tailBeat  = time.Second      // between two looks at what was missed
	tailIdle  = 15               // beats without a message after which one is sent that says nothing
	// maxGrep is how many bytes of a pattern.
	maxGrep = 1 << 10
)

// tail shows events live, as server-sent events, until the client leaves or the server stops.
func (s *Server) tail(w http.ResponseWriter, r *http.Request) {
	q, code, why := s.tailQuery(r)
	if why != "" {
		http.Error(w, string(safetext.Escaped([]byte(why))), code)
		return
	}
	view, err := s.options.Tail.Open(q)
	if err != nil {
		w.Header().Set("Retry-After", "10")
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
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
		_ = out.SetWriteDeadline(time.Now().Add(tailWrite)) // as above
		_, err := fmt.Fprintf(w, format, args...)
		return err == nil && out.Flush() == nil // else the client has left
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

// tailQuery reads what a live view is to show, or says why it may not, with the HTTP status.
func (s *Server) tailQuery(r *http.Request) (q tail.Query, code int, why string) {
	values := queryReader{values: r.URL.Query()}
	q = tail.Query{
		At: values.text("at"), Cluster: values.text("cluster"), Sample: int(values.number("sample")),
		Rate: int(values.number("rate")),
	}
	tag, grep := values.text("tag"), values.text("grep")
	if err := values.end(); err != nil {
		return q, http.StatusBadRequest, err.Error()
	}
	if q.At == "" {
		q.At = client.TailArrival
	}
	// What arrives is as it was sent, with nothing taken out: that takes credentials, on loopback too, and so does what
	// steps change in it.
	q.Values = s.options.Config.authorized(r)
	q.Records = q.Values || q.At != client.TailArrival
	if q.At != client.TailArrival && !s.hasOutput(q.At) {
		name, err := s.options.Route(q.At)
		if err != nil {
			return q, http.StatusNotFound, fmt.Sprintf("at is %q, the name of an output, or a route, and not %q: %v",
				client.TailArrival, q.At, err)
		}
		q.At, q.Route = name, name
	}
	if tag != "" {
		var err error
		if q.Tag, err = s.options.Tags(tag); err != nil {
			return q, http.StatusBadRequest, fmt.Sprintf("tag: %v", err)
		}
	}
	if grep == "" {
		return q, 0, ""
	}
	if !q.Records {
		return q, http.StatusForbidden, "grep looks at records as they arrive: that takes the token of status.token " +
			"or a user of status.users, on loopback too; at a route or an output it does not"
	}
	re, err := regexp.Compile(grep)
	if err != nil || len(grep) > maxGrep {
		return q, http.StatusBadRequest, fmt.Sprintf("grep: no regular expression of %d bytes at most: %v", maxGrep,
			err)
	}
	q.Grep = re
	return q, 0, ""
}

func (s *Server) hasOutput(name string) bool {
	now := s.snapshot()
	return slices.ContainsFunc(now.Outputs, func(o Output) bool { return o.Name == name })
}
