package status

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/safetext"
	"github.com/seed-afc6a195/aggregator/pkg/status/client"
)

// traceTime is how long an event is looked for, well within replyTimeout.
const traceTime = 20 * time.Second

// trace says where an event is. One is looked for at a time, since that reads all that is pending.
func (s *Server) trace(w http.ResponseWriter, r *http.Request) {
	if !s.tracing.TryLock() {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "another event is being looked for: try again", http.StatusTooManyRequests)
		return
	}
	defer s.tracing.Unlock()
	ctx, cancel := context.WithTimeout(r.Context(), traceTime)
	defer cancel()
	found, err := s.options.Trace(ctx, r.URL.Query().Get("id"))
	if errors.Is(err, client.ErrTraceRequest) {
		http.Error(w, string(safetext.Escaped([]byte(err.Error()))), http.StatusBadRequest)
		return
	}
	notNil(&found.Places)
	reply(w, found, err)
}
