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
		{"no right", status(403, "x"), "may not push"},
		{"not there", status(404, "x"), "is it Loki's URL?"},
		{"away", status(503, "x"), "503"},
		{"TLS there", status(400, "Client sent an HTTP request to an HTTPS server."), "write url with https"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := newOutput(t, &made{fault: tc.fault}, nil)
			defer o.Close()
			found, err := o.Connect(t.Context(), []string{"a"})
			if err != nil {
				found = err.Error()
			}
			if (err != nil) != (tc.fault != nil) || !strings.Contains(found, tc.want) || strings.Contains(found, "\n") {
				t.Errorf("%s, want %q", found, tc.want)
			}
		})
	}
}
