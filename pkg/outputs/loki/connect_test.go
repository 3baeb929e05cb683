package loki

import (
	"net/http"
	"strings"
	"testing"
)

func TestConnect(t *testing.T) {
	for _, tc := range []struct {
		name  string
		fault func(http.ResponseWriter, *http.Request) bool
		want  string
	}{
		{"right", nil, "takes pushes"},
		{"no tenant", status(401, "no org id"), "set tenant"},
		{"wrong login", status(401, "x"), "check the login"},
		{"no right", status(403, "x"), "the right to write"},
		{"not there", status(404, "x"), "is it Loki's URL?"},
		{"away", status(503, "x"), "503"},
		{"not now", status(429, "x"), "try again later"},
		{"no Loki", status(405, "x"), "is it Loki's URL?"},
		{"a proxy's login", status(407, "x"), "proxy: http://user:password@host"},
		{"TLS there", status(400, "Client sent an HTTP request to an HTTPS server."), "write url with https"},
		// From 3.0 on, Loki says so of a push without lines.
		{"nothing pushed", status(422, "error at least one valid stream is required for ingestion"), "takes pushes"},
		{"nothing understood", status(400, "x"), "answers 400 Bad Request to a push without lines"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := newOutput(t, &made{fault: tc.fault}, nil)
			defer o.Close()
			found, err := o.Connect(t.Context(), []string{"a"})
			if err != nil {
				found = err.Error()
			}
			right := tc.want == "takes pushes" || strings.HasPrefix(tc.want, "answers")
			if (err == nil) != right || !strings.Contains(found, tc.want) || strings.Contains(found, "\n") {
				t.Errorf("%s, want %q", found, tc.want)
			}
		})
	}
}
