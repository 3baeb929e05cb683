package splunktest

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// read returns a request's body, unpacked, or the status that refuses it.
func (s *Server) read(r *http.Request) (body []byte, status int) {
	var from io.Reader = r.Body
	switch r.Header.Get("Content-Encoding") {
	case "":
	case "gzip":
		unpack, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, http.StatusBadRequest
		}
		from = unpack
	default:
		return nil, http.StatusUnsupportedMediaType
	}
	body, err := io.ReadAll(io.LimitReader(from, int64(s.o.MaxContent)+1))
	switch {
	case err != nil:
		return nil, http.StatusBadRequest
	case len(body) > s.o.MaxContent:
		return nil, http.StatusRequestEntityTooLarge
	}
	return body, 0
}

// take takes the events of a request. s.mu is held.
func (s *Server) take(w http.ResponseWriter, r *http.Request, body []byte, raw bool) {
	id, code := s.channel(r)
	switch {
	case code != 0 && (s.ack || raw):
		Answer(w, http.StatusBadRequest, code, nil)
		return
	case s.busy:
		Answer(w, http.StatusServiceUnavailable, 9, nil)
		return
	case len(bytes.TrimSpace(body)) == 0:
		Answer(w, http.StatusBadRequest, 5, nil)
		return
	}
	var events []Event
	if raw {
		events, code = s.lines(r, body)
	} else {
		events, code = s.objects(body)
	}
	s.count += len(events)
	if !s.o.CountOnly {
		s.queued = append(s.queued, events...)
	}
	if code != 0 {
		number := len(events)
		if s.o.FromOne {
			number++
		}
		if !s.stalled {
			s.flush()
		}
		Answer(w, http.StatusBadRequest, code, map[string]any{"invalid-event-number": number})
		return
	}
	more := map[string]any{}
	if s.ack {
		c := s.channels[id]
		if c == nil {
			c = &channel{done: map[int64]bool{}}
			s.channels[id] = c
		}
		c.done[c.next] = false
		more["ackId"] = c.next
		c.next++
	}
	if !s.stalled {
		s.flush()
	}
	Answer(w, http.StatusOK, 0, more)
}

func (s *Server) allows(index string) bool {
	return index == "" || s.indexes == nil || slices.Contains(s.indexes, index)
}

// lines returns raw lines.
func (s *Server) lines(r *http.Request, body []byte) (events []Event, code int) {
	q := r.URL.Query()
	if !s.allows(q.Get("index")) {
		return nil, 7
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(string(body), "\n"), "\n") {
		events = append(events, Event{
			Index: q.Get("index"), Host: q.Get("host"), Source: q.Get("source"), SourceType: q.Get("sourcetype"),
			Event: line, Raw: true,
		})
	}
	return events, 0
}

// object is an event as it is sent.
type object struct {
	Index      string                     `json:"index"`
	Host       string                     `json:"host"`
	Source     string                     `json:"source"`
	SourceType string                     `json:"sourcetype"`
	Time       json.RawMessage            `json:"time"`
	Event      json.RawMessage            `json:"event"`
	Fields     map[string]json.RawMessage `json:"fields"`
}

// objects returns the events before the first that is refused, and the code of that refusal.
func (s *Server) objects(body []byte) (events []Event, code int) {
	for d := json.NewDecoder(bytes.NewReader(body)); ; {
		d.DisallowUnknownFields()
		var o object
		if err := d.Decode(&o); errors.Is(err, io.EOF) {
			return events, 0
		} else if err != nil {
			return events, 6
		}
		blank := func() int {
			switch strings.TrimSpace(string(o.Event)) {
			case "":
				return 12
			case `""`, "null":
				return 13
			}
			return 0
		}
		wrong := func() int {
			if !s.allows(o.Index) {
				return 7
			}
			return 0
		}
		checks := []func() int{blank, wrong}
		if s.o.CheckEarly {
			slices.Reverse(checks)
		}
		for _, check := range checks {
			if code := check(); code != 0 {
				return events, code
			}
		}
		when := strings.Trim(string(o.Time), `"`)
		if _, err := strconv.ParseFloat(when, 64); when != "" && err != nil ||
			s.poison != "" && strings.Contains(string(o.Event), s.poison) {
			return events, 6
		}
		fields := map[string]string{}
		for name, value := range o.Fields {
			var text string
			if json.Unmarshal(value, &text) != nil {
				return events, 15
			}
			fields[name] = text
		}
		events = append(events, Event{
			Index: o.Index, Host: o.Host, Source: o.Source, SourceType: o.SourceType, Time: when,
			Event: string(o.Event), Fields: fields,
		})
	}
}
