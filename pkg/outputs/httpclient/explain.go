package httpclient

import (
	"fmt"
	"net/http"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// Explain is for Connect: of an answer to a request that delivers nothing it returns one line that says why no other
// would be taken either, and what to do. nil: what it means is the destination's to say, as of 2xx and most of 4xx.
// where names the server.
func Explain(where string, a *Answer) error {
	remedy := Refusals().Find(a.Status, "", "").Remedy
	said := ": " + a.Quote()
	switch {
	case a.Page():
		said = " with a page for people"
	case len(a.Body) == 0:
		said = ""
	}
	switch {
	case a.WantsTLS():
		return fmt.Errorf("%s: it speaks TLS: write url with https", where)
	case a.Status == http.StatusProxyAuthRequired:
		return fmt.Errorf("%s: a proxy on the way answered %s: give it its login, as proxy: http://user:password@host",
			where, a.Text())
	case a.Status == http.StatusForbidden:
		return fmt.Errorf("%s: it answered %s%s: %s%w", where, a.Text(), said, remedy, outputs.ErrDenied)
	case a.Status/100 == 3:
		return fmt.Errorf("%s: it answered %s%s: no redirect is followed: write the URL that it leads to", where,
			a.Text(), outputs.Words(leads(a.Location), ""))
	case a.Status == http.StatusTooManyRequests:
		return fmt.Errorf("%s: it answered %s%s: try again later, or get a larger quota there", where, a.Text(), said)
	case a.Status == http.StatusUnauthorized, a.Status >= http.StatusInternalServerError:
		return fmt.Errorf("%s: it answered %s%s: %s", where, a.Text(), said, remedy)
	case a.Page():
		return fmt.Errorf("%s: it answered %s%s: check the URL, and what stands before the server: a proxy's login?",
			where, a.Text(), said)
	}
	return nil
}

func leads(location string) string {
	if location == "" {
		return ""
	}
	return ", which leads to " + location
}
