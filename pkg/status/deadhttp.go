package status

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/safetext"
	"github.com/seed-afc6a195/aggregator/pkg/status/client"
)

func (s *Server) deadHandlers(mux *http.ServeMux) {
	mux.HandleFunc("GET /dead-letters", s.deadList)
	mux.HandleFunc("GET /dead-letters/summary", s.deadSummary)
	mux.HandleFunc("GET /dead-letters/export", s.deadExport)
	mux.HandleFunc("GET /dead-letters/{id}", s.deadGet)
	mux.HandleFunc("POST /dead-letters/retry", s.deadRetry)
	mux.HandleFunc("POST /dead-letters/purge", s.deadPurge)
}

// deadCode returns the HTTP status of an error.
func deadCode(err error) int {
	switch {
	case errors.Is(err, client.ErrDeadRequest):
		return http.StatusBadRequest
	case errors.Is(err, client.ErrDeadUnknown):
		return http.StatusNotFound
	case errors.Is(err, client.ErrDeadBusy):
		return http.StatusConflict
	default:
		return http.StatusInternalServerError
	}
}

func deadError(w http.ResponseWriter, err error) {
	http.Error(w, string(safetext.Escaped([]byte(err.Error()))), deadCode(err))
}

// reply writes v as JSON, or the error.
func reply(w http.ResponseWriter, v any, err error) {
	var text []byte
	if err == nil {
		text, err = json.MarshalIndent(v, "", "  ")
	}
	if err != nil {
		deadError(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	// The client is gone; nothing to do.
	_, _ = w.Write(append(safetext.Escaped(text), '\n'))
}

func (s *Server) deadSummary(w http.ResponseWriter, r *http.Request) {
	q := queryReader{values: r.URL.Query()}
	filter := q.filter()
	if err := q.end(); err != nil {
		deadError(w, err)
		return
	}
	summary, err := s.options.DeadLetters.Summary(r.Context(), filter)
	notNil(&summary.By)
	reply(w, summary, err)
}

func (s *Server) deadList(w http.ResponseWriter, r *http.Request) {
	q := queryReader{values: r.URL.Query()}
	filter := q.filter()
	page := client.DeadPage{
		After: q.number("after"), Limit: defaultDeadLimit, Newest: q.flag("newest"), Records: q.flag("records"),
	}
	if limit := q.number("limit"); limit > client.MaxDeadLimit {
		q.fail("limit", strconv.FormatUint(limit, 10), fmt.Sprintf("%d at most", client.MaxDeadLimit))
	} else if limit > 0 {
		page.Limit = int(limit)
	}
	if err := q.end(); err != nil {
		deadError(w, err)
		return
	}
	list, err := s.options.DeadLetters.List(r.Context(), filter, page)
	notNil(&list.Letters)
	reply(w, list, err)
}

func (s *Server) deadGet(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.ParseUint(r.PathValue("id"), 10, 63)
	if err != nil {
		deadError(w, fmt.Errorf("%w: %.100q is no letter's number", client.ErrDeadRequest, r.PathValue("id")))
		return
	}
	letter, err := s.options.DeadLetters.Get(r.Context(), id)
	reply(w, letter, err)
}

// deadExport writes a line of JSON for each letter. Where it fails in the middle, the reply is cut off
// so that nobody takes it for whole.
func (s *Server) deadExport(w http.ResponseWriter, r *http.Request) {
	q := queryReader{values: r.URL.Query()}
	filter := q.filter()
	if err := q.end(); err != nil {
		deadError(w, err)
		return
	}
	out := unhurried(w)
	page := client.DeadPage{Limit: client.MaxDeadLimit, Records: true}
	for first := true; first || page.After != 0; first = false {
		list, err := s.options.DeadLetters.List(r.Context(), filter, page)
		if err != nil && first {
			deadError(w, err)
			return
		}
		if first {
			w.Header().Set("Content-Type", "application/x-ndjson")
		}
		if err == nil {
			// A writer that has none needs none.
			_ = out.SetWriteDeadline(time.Now().Add(replyTimeout))
			for i := range list.Letters {
				if err = writeLine(w, &list.Letters[i]); err != nil {
					break
				}
			}
		}
		if err == nil {
			err = out.Flush()
		}
		if err != nil {
			s.options.Log.Warn().Err(err).Msg("an export of dead letters is cut off")
			panic(http.ErrAbortHandler)
		}
		page.After = list.Next
	}
}

// unhurried returns the controller of a reply that may take long: the time in which the request had to
// be read, which would end its context, is over.
func unhurried(w http.ResponseWriter) *http.ResponseController {
	out := http.NewResponseController(w)
	// A writer that has none needs none.
	_ = out.SetReadDeadline(time.Time{})
	return out
}

// writeLine writes v as a line of JSON.
func writeLine(w http.ResponseWriter, v any) error {
	text, err := json.Marshal(v)
	if err == nil {
		_, err = w.Write(append(safetext.Escaped(text), '\n'))
	}
	return err
}

func (s *Server) deadRetry(w http.ResponseWriter, r *http.Request) {
	q := queryReader{values: r.URL.Query()}
	to := q.text("to")
	s.deadChange(w, &q, func(filter client.DeadFilter, progress func(client.DeadResult)) (client.DeadResult, error) {
		return s.options.DeadLetters.Retry(r.Context(), filter, to, progress)
	})
}

func (s *Server) deadPurge(w http.ResponseWriter, r *http.Request) {
	q := queryReader{values: r.URL.Query()}
	s.deadChange(w, &q, func(filter client.DeadFilter, progress func(client.DeadResult)) (client.DeadResult, error) {
		return s.options.DeadLetters.Purge(r.Context(), filter, progress)
	})
}

// deadChange makes a change and tells its steps while it goes on. It ends, between two portions, when
// the client has gone.
func (s *Server) deadChange(
	w http.ResponseWriter, q *queryReader,
	change func(client.DeadFilter, func(client.DeadResult)) (client.DeadResult, error),
) {
	filter := q.filter()
	err := q.end()
	if err == nil {
		err = filter.CheckChange()
	}
	if err != nil {
		deadError(w, err)
		return
	}
	out := unhurried(w)
	began := false
	tell := func(step client.DeadStep) {
		w.Header().Set("Content-Type", "application/x-ndjson")
		began = true
		// A writer that has none needs none.
		_ = out.SetWriteDeadline(time.Now().Add(replyTimeout))
		if err := writeLine(w, step); err == nil {
			// A client that is gone ends the request's context.
			_ = out.Flush()
		}
	}
	result, err := change(filter, func(r client.DeadResult) { tell(client.DeadStep{DeadResult: r}) })
	switch {
	case err == nil:
		tell(client.DeadStep{DeadResult: result, Done: true})
	case !began:
		deadError(w, err)
	default:
		tell(client.DeadStep{DeadResult: result, Error: err.Error()})
	}
}

// notNil makes JSON show an empty list, not null.
func notNil[T any](list *[]T) {
	if *list == nil {
		*list = []T{}
	}
}
