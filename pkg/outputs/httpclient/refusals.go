package httpclient

import (
	"fmt"
	"net/http"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// Refusals is what statuses of answers mean that prove no delivery, where the server's own documentation says nothing
// else.
func Refusals() outputs.Refusals {
	return outputs.Refusals{
		{
			What: "a redirect", Status: []int{3}, Reason: outputs.ReasonServer,
			Remedy: "write the URL that it leads to: no redirect is followed",
		},
		{
			What: "no valid login", Status: []int{http.StatusUnauthorized, http.StatusProxyAuthRequired},
			Reason: outputs.ReasonAuth,
			Remedy: "check the login, or token, and that it has not expired",
		},
		{
			What: "no right", Status: []int{http.StatusForbidden}, Reason: outputs.ReasonAuth, Suspect: true,
			Remedy: "give the login the right to write there",
		},
		{
			What:   "nothing at that URL",
			Status: []int{http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone},
			Reason: outputs.ReasonTarget, Remedy: "check the URL's path and the method",
		},
		{
			What: "too large", Status: []int{http.StatusRequestEntityTooLarge}, Reason: outputs.ReasonTooLarge,
			Remedy: "raise the server's limit, or a proxy's, or lower batch.max_bytes",
		},
		{
			What: "too many requests", Status: []int{http.StatusTooManyRequests}, Reason: outputs.ReasonThrottled,
			Remedy: "nothing, or a larger quota there",
		},
		{
			What: "too slow, or away", Reason: outputs.ReasonServer,
			Status: []int{
				http.StatusRequestTimeout,
				http.StatusTooEarly,
				http.StatusServiceUnavailable,
				http.StatusGatewayTimeout,
			},
			Remedy: "look at the server and at proxies on the way",
		},
		{
			What: "an error there", Status: []int{5}, Reason: outputs.ReasonServer, Suspect: true,
			Remedy: "look at the server and at proxies on the way",
		},
		{
			What: "not understood", Status: []int{4}, Reason: outputs.ReasonServer, Suspect: true,
			Remedy: "see the reason: a setting, or an event that the server does not take",
		},
		{What: "anything else", Reason: outputs.ReasonServer, Remedy: "check that the URL is the server's"},
	}
}

// Refused returns what follows from an answer that proves no delivery, by the table. what says what was asked for.
func Refused(table outputs.Refusals, what, host string, a *Answer) *outputs.SendError {
	line := table.Find(a.Status, "", "")
	se := &outputs.SendError{
		Reason: line.Reason, Status: a.Status, RetryAfter: a.RetryAfter, Suspect: a.Suspect(line),
		Remedy: line.Remedy, Host: host,
		Err: fmt.Errorf("%s: it answered %s: %s", what, a.Text(), a.Quote()),
	}
	if a.WantsTLS() {
		// It is about no event.
		se.Reason, se.Suspect = outputs.ReasonServer, false
		se.Remedy = "write the URL with https: the server speaks TLS"
	}
	return se
}

// Suspect reports whether an answer, of which a table says line, may be about one event of the request. A 403 is about
// the login, unless it comes with a page, as of a firewall on the way that refuses what one event holds.
func (a *Answer) Suspect(line *outputs.Refusal) bool {
	return line.Suspect && a.RetryAfter == 0 && (a.Status != http.StatusForbidden || a.Page())
}

// Page reports whether an answer is a page for people, as of a proxy's login: it proves nothing, whatever its status.
func (a *Answer) Page() bool { return a.Kind == "text/html" }

// WantsTLS reports whether an answer is that of a server with TLS to a request without.
func (a *Answer) WantsTLS() bool { return outputs.WantsTLS(a.Status, a.Body) }
