package status

import (
	"cmp"
	"net/http"

	"github.com/seed-afc6a195/aggregator/internal/safetext"
)

// codeWriter remembers the code of a reply.
type codeWriter struct {
	http.ResponseWriter
	code int
}

// WriteHeader satisfies http.ResponseWriter.
func (w *codeWriter) WriteHeader(code int) {
	w.code = code
	w.ResponseWriter.WriteHeader(code)
}

// Unwrap is for http.ResponseController.
func (w *codeWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// maxAudit bounds what of a request stands in the log, in bytes.
const maxAudit = 300

// audit logs who asked for a change, from where, and whether it was done.
func (s *Server) audit(r *http.Request, reply *codeWriter) {
	what := safetext.Clip(r.URL.RequestURI(), maxAudit)
	text := "a change was asked for at the status endpoint"
	if reply.code >= http.StatusBadRequest {
		text += ", and refused"
	}
	s.options.Log.Info().Str("who", s.who(r)).Str("from", r.RemoteAddr).Str("what", r.Method+" "+what).
		Int("code", cmp.Or(reply.code, http.StatusOK)).Msg(text)
}
