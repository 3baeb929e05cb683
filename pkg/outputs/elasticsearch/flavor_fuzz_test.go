package elasticsearch

import (
	"net/http"
	"strings"
	"testing"
)

// FuzzAnswer reads any reply to a small request: what is said of it is one short line, and a version that nobody has
// makes no other server of it.
func FuzzAnswer(f *testing.F) {
	for _, body := range []string{
		`{"version":{"number":"8.14.3"}}`, `{"version":{"number":"6.1.0"}}`,
		`{"version":{"number":"2.11.0","distribution":"opensearch"}}`,
		`{"version":{"number":"-9223372036854775808.1"}}`, `{"error":{"type":"x","reason":"a\u001b[2J\nb"}}`,
		`{"error":"\ud800"}`, "<html>", "",
	} {
		f.Add([]byte(body), "text/html; charset=utf-8", "Wed, 21 Oct 2015 07:28:00 GMT", 503, true)
	}
	f.Fuzz(func(t *testing.T, body []byte, mediaType, retryAfter string, code int, proved bool) {
		said := []string{
			refusal("look", answer{code, http.Header{"Retry-After": {retryAfter}}}, body).Error(), kind(mediaType),
		}
		for _, want := range []flavor{"", auto, elasticsearch, opensearch, legacy} {
			s, notice, strange, err := decide(want, proved, mediaType, body)
			said = append(said, s.name(), notice, strange)
			if err != nil {
				said = append(said, err.Error())
			}
			if want != "" && want != auto && s.flavor != want && s.version != "" {
				t.Errorf("%s became %s", want, s.flavor)
			}
		}
		for _, text := range said {
			if len(text) > 2000 || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
				t.Errorf("%d bytes: %q", len(text), text)
			}
		}
	})
}
