package status

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// targets shows what waits aside for the targets of an output.
func (s *Server) targets(w http.ResponseWriter, r *http.Request) {
	now, name := s.snapshot(), r.PathValue("name")
	for i := range now.Outputs {
		if now.Outputs[i].Name == name {
			reply(w, now.Outputs[i].WaitingTargets, nil)
			return
		}
	}
	http.Error(w, fmt.Sprintf("there is no output %q", name), http.StatusNotFound)
}

// controlTarget does what was asked with what waits aside for a target. A purge loses events, so it wants all=true.
func (s *Server) controlTarget(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	query, what := r.URL.Query(), r.PathValue("what")
	if sure, _ := strconv.ParseBool(query.Get("all")); what == "purge" && !sure {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, "a purge deletes all that waits for the target, and nobody gets it back: "+
			"say that it is meant, with all=true\n")
		return
	}
	text, err := s.options.ControlTarget(r.Context(), r.PathValue("name"), what, query.Get("target"), query.Get("to"))
	if err != nil {
		w.WriteHeader(http.StatusUnprocessableEntity)
		text = strings.Join(reasons(err), "\n")
	}
	// The client is gone; nothing to do.
	_, _ = io.WriteString(w, text+"\n")
}
