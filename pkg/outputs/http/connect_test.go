package http

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/httpclient"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

// TestOAuth2: a token is fetched once, again when it is refused, and a refusal to give one is the login's.
func TestOAuth2(t *testing.T) {
	var mu sync.Mutex
	given, valid, refuse := 0, "token-1", false
	tokens := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		user, password, _ := r.BasicAuth()
		if refuse || user != "id" || password != secret || r.FormValue("grant_type") != "client_credentials" ||
			r.FormValue("audience") != "logs" {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(
				w,
				`{"error":"invalid_client","error_description":"`+secret+`"}`,
			) // who asked has gone
			return
		}
		given++
		_, _ = fmt.Fprintf(
			w,
			`{"access_token":"token-%d","token_type":"Bearer","expires_in":3600}`,
			given,
		) // who asked has gone
	}))
	defer tokens.Close()
	s := &sink{fault: func(w http.ResponseWriter, r *http.Request, _ []byte) bool {
		mu.Lock()
		defer mu.Unlock()
		if r.Header.Get("Authorization") != "Bearer "+valid {
			w.WriteHeader(http.StatusUnauthorized)
			return true
		}
		return false
	}}
	server := httptest.NewServer(s)
	defer server.Close()
	o := newOutput(t, server.URL, func(c *Config) {
		c.Username, c.Password = "", setting.Secret{}
		c.OAuth2 = &httpclient.OAuth2{
			TokenURL:     tokens.URL,
			ClientID:     "id",
			ClientSecret: setting.NewSecret(secret),
			Parameters:   map[string]string{"audience": "logs"},
		}
	})
	defer o.Close()
	send := func(n int) error {
		return o.Send(t.Context(), outputtest.Batch(outputtest.Chunk(uint64(n+1), "a", "t", 1, n, 10)))
	}
	for n := range 2 {
		if err := send(n); err != nil {
			t.Fatal(err)
		}
	}
	mu.Lock()
	if given != 1 {
		t.Errorf("%d tokens for two requests", given)
	}
	valid = "token-2"
	mu.Unlock()
	if se := outputs.AsSendError(send(2)); se.Reason != outputs.ReasonAuth {
		t.Errorf("%v", se)
	}
	if err := send(2); err != nil {
		t.Errorf("with a new token: %v", err)
	}
	mu.Lock()
	valid, refuse = "token-3", true
	mu.Unlock()
	_ = send(3) // has the token refused
	se := outputs.AsSendError(send(3))
	if se.Reason != outputs.ReasonAuth || !strings.Contains(se.Error(), "invalid_client") ||
		strings.Contains(se.Error(), secret) {
		t.Errorf("%v", se)
	}
}

func TestConnect(t *testing.T) {
	s := &sink{}
	server := httptest.NewServer(s)
	o := newOutput(t, server.URL, nil)
	defer o.Close()
	if found, err := o.Connect(t.Context(), []string{"a"}); err != nil ||
		!strings.Contains(found, "/in/a answers HEAD with 405") {
		t.Errorf("%s, %v", found, err)
	}
	server.Close()
	o = newOutput(t, "http://127.0.0.1:1", nil) // the server's port may be another's by now
	defer o.Close()
	if _, err := o.Connect(t.Context(), nil); err == nil || strings.ContainsAny(err.Error(), "\n") ||
		!strings.Contains(err.Error(), "refused") {
		t.Errorf("%v", err)
	}
	if se := outputs.AsSendError(
		o.Send(t.Context(), outputtest.Batch(outputtest.Chunk(1, "a", "t", 1, 0, 10))),
	); se.Reason != outputs.ReasonNetwork {
		t.Errorf("%v", se)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := o.Send(ctx, outputtest.Batch(outputtest.Chunk(1, "a", "t", 1, 0, 10))); err == nil {
		t.Error("an ended context delivers")
	}
}

// TestProxy: requests go by the proxy that is set.
func TestProxy(t *testing.T) {
	var asked []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.String())
		w.WriteHeader(http.StatusOK)
	}))
	defer proxy.Close()
	o := newOutput(t, "http://logs.invalid", func(c *Config) { c.Proxy = proxy.URL })
	defer o.Close()
	if err := o.Send(t.Context(), outputtest.Batch(outputtest.Chunk(1, "a", "t", 1, 0, 10))); err != nil ||
		!slices.Equal(asked, []string{"http://logs.invalid/in/a"}) {
		t.Errorf("%v, %v", asked, err)
	}
}

// TestConnectNoTLS: a URL without TLS where the server has it is named in one line, and events held without a look for
// one that is to blame.
func TestConnectNoTLS(t *testing.T) {
	secure := httptest.NewTLSServer(&sink{})
	defer secure.Close()
	o := newOutput(t, "http"+strings.TrimPrefix(secure.URL, "https"), nil)
	defer o.Close()
	if _, err := o.Connect(t.Context(), []string{"a"}); err == nil || strings.Contains(err.Error(), "\n") ||
		!strings.Contains(err.Error(), "https") { // it may reset the connection before its answer was read
		t.Errorf("%v", err)
	}
	se := outputs.AsSendError(o.Send(t.Context(), outputtest.Batch(outputtest.Chunk(1, "a", "t", 2, 0, 10))))
	switch {
	case se.Reason == outputs.ReasonNetwork:
		// It has reset the connection.
	case se.Suspect || se.Reason != outputs.ReasonServer || !strings.Contains(se.Remedy, "https"):
		t.Errorf("%+v", se)
	}
}
