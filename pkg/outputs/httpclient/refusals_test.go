package httpclient_test

import (
	"net/http"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/httpclient"
)

// TestForbidden: a 403 is about the login, which every event has. One with a page is a firewall's on the way, which may
// refuse the request for one event.
func TestForbidden(t *testing.T) {
	for kind, suspect := range map[string]bool{"text/html": true, "application/json": false, "": false} {
		answer := httpclient.Answer{Status: http.StatusForbidden, Kind: kind}
		se := httpclient.Refused(httpclient.Refusals(), "POST", "http://there", &answer)
		if se.Suspect != suspect || se.Reason != outputs.ReasonAuth {
			t.Errorf("with %q: %+v", kind, se)
		}
		if answer.RetryAfter = 1; httpclient.Refused(httpclient.Refusals(), "POST", "", &answer).Suspect {
			t.Errorf("with %q and a wish to wait, it is searched for an event", kind)
		}
	}
}
