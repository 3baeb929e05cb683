package httpclient

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

func oauth(to string) Config {
	return Config{OAuth2: &OAuth2{
		TokenURL: to, ClientID: "agg", ClientSecret: setting.NewSecret("s3cr3t-client"), Scopes: []string{"a", "b"},
		Parameters: map[string]string{"audience": "logs"},
	}}
}

// issue answers a request for a token.
func issue(w http.ResponseWriter, token string) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"access_token": token, "token_type": "Bearer", "expires_in": 3600})
}

// A token is fetched once, with all that the settings say, and sent with each request until the server does not take
// it any more.
func TestOAuth_Token(t *testing.T) {
	issued := 0
	tokens, asked := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
		issued++
		issue(w, fmt.Sprintf("t0ken-%d", issued))
	})
	to, requests := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "Bearer t0ken-1" && r.URL.Path == "/late" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	c := newClient(t, oauth(tokens), time.Minute)
	for _, step := range []struct{ path, token string }{
		{"/", "t0ken-1"}, {"/", "t0ken-1"}, {"/late", "t0ken-1"}, {"/late", "t0ken-2"}, {"/", "t0ken-2"},
	} {
		if _, _, err := c.Do(t.Context(), Request{Method: http.MethodPost, URL: to + step.path}); err != nil {
			t.Fatal(err)
		}
		if got := <-requests; got.header.Get("Authorization") != "Bearer "+step.token {
			t.Errorf("%s: %q, want %s", step.path, got.header.Get("Authorization"), step.token)
		}
	}
	if issued != 2 {
		t.Errorf("%d tokens were fetched", issued)
	}
	form, err := url.ParseQuery(string((<-asked).body))
	if err != nil || form.Get("grant_type") != "client_credentials" || form.Get("scope") != "a b" ||
		form.Get("audience") != "logs" {
		t.Errorf("the token was asked for with %v, %v", form, err)
	}
}

// What keeps a token from being had is said without the client's secret; no request is made.
func TestOAuth_Failure(t *testing.T) {
	for _, tc := range []struct {
		name   string
		answer func(w http.ResponseWriter)
		status int
		want   string
	}{
		{
			"refused", func(w http.ResponseWriter) {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(http.StatusUnauthorized)
				_, _ = io.WriteString(w, `{"error":"invalid_client","error_description":"s3cr3t-client is wrong"}`)
			},
			401, "401 Unauthorized: invalid_client",
		},
		{
			"an error there", func(w http.ResponseWriter) { w.WriteHeader(http.StatusBadGateway) }, 502,
			"502 Bad Gateway",
		},
		{"no token in it", func(w http.ResponseWriter) { _, _ = io.WriteString(w, `{}`) }, 0, "access_token"},
		{
			"a page for people", func(w http.ResponseWriter) { _, _ = io.WriteString(w, "<html>s3cr3t-client</html>") },
			0, "get a token",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tokens, _ := newServer(t, func(w http.ResponseWriter, _ *http.Request) { tc.answer(w) })
			to, requests := newServer(t, noContent)
			c := newClient(t, oauth(tokens), time.Minute)
			_, sent, err := c.Do(t.Context(), Request{Method: http.MethodPost, URL: to, Body: []byte("x")})
			se := failed(t, err)
			if sent || se.Reason != outputs.ReasonAuth || se.Status != tc.status || se.Remedy == "" ||
				!strings.Contains(se.Error(), tc.want) {
				t.Errorf("sent %v, %s %d: %v (%s)", sent, se.Reason, se.Status, se, se.Remedy)
			}
			if text := outputs.Public(se.Error()); strings.Contains(text, "s3cr3t") {
				t.Errorf("the secret shows: %s", text)
			}
			if len(requests) > 0 {
				t.Error("a request was made without a token")
			}
		})
	}
}

// Nobody answers for tokens: the error is about the login.
func TestOAuth_Unreachable(t *testing.T) {
	to, _ := newServer(t, noContent)
	_, _, err := newClient(t, oauth("http://127.0.0.1:1/token"), time.Minute).
		Do(t.Context(), Request{Method: http.MethodPost, URL: to})
	if se := failed(t, err); se.Reason != outputs.ReasonAuth || se.Remedy != "check oauth2.token_url" ||
		!strings.Contains(se.Error(), "nothing listens there") {
		t.Errorf("%s: %v (%s)", se.Reason, se, se.Remedy)
	}
}

// A redirect would take the client's secret to a host that it was not meant for.
func TestOAuth_Redirects(t *testing.T) {
	other, strayed := newServer(t, func(w http.ResponseWriter, _ *http.Request) { issue(w, "t0ken") })
	for _, status := range []int{301, 302, 303, 307, 308} {
		tokens, _ := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", other)
			w.WriteHeader(status)
		})
		to, _ := newServer(t, noContent)
		_, _, err := newClient(t, oauth(tokens), time.Minute).
			Do(t.Context(), Request{Method: http.MethodPost, URL: to})
		if err == nil {
			t.Errorf("%d was followed", status)
		} else if se := failed(t, err); se.Reason != outputs.ReasonAuth || se.Status != status {
			t.Errorf("%d: %v", status, se)
		}
	}
	if len(strayed) > 0 {
		t.Errorf("%d requests for tokens went to where a redirect leads", len(strayed))
	}
}

// A server that quotes the token shows no more of it than of any other secret.
func TestOAuth_Concealed(t *testing.T) {
	tokens, _ := newServer(t, func(w http.ResponseWriter, _ *http.Request) { issue(w, "t0ken-of-an-hour") })
	to, _ := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, r.Header.Get("Authorization")+" has no right")
	})
	answer, _, err := newClient(t, oauth(tokens), time.Minute).
		Do(t.Context(), Request{Method: http.MethodPost, URL: to})
	if err != nil || string(answer.Body) != "Bearer **************** has no right" {
		t.Errorf("%q, %v", answer.Body, err)
	}
}
