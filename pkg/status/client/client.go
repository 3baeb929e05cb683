// Package client asks a running server through its status endpoint, and holds what both sides say.
package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
)

// Client asks one server.
type Client struct {
	// Address is the URL of the status endpoint, with user and password where it has such.
	Address string
	Token   setting.Secret // bearer token; not set: none
	// HTTP may be nil: http.DefaultClient.
	HTTP *http.Client
}

const (
	// maxReply is how many bytes of a reply that is read whole.
	maxReply = 64 << 20
	// maxRefusal is how many bytes of a refusal.
	maxRefusal = 64 << 10
)

// RefusedError is a reply that is a refusal.
type RefusedError struct {
	// Address is that of the status endpoint, without password.
	Address string
	Code    int // HTTP's
	// Words is the server's.
	Words string
}

func (e *RefusedError) Error() string {
	code := fmt.Sprintf("%d %s", e.Code, http.StatusText(e.Code))
	return strings.TrimSuffix(fmt.Sprintf("the status endpoint %s refused: %s: %s", e.Address, code, e.Words), ": ")
}

// Do sends a request and returns the body of a reply that is no refusal, which the caller closes. A refusal is a
// *RefusedError. No error shows a password.
func (c *Client) Do(ctx context.Context, method, path string, query url.Values) (io.ReadCloser, error) {
	u, err := url.Parse(c.Address)
	if err != nil {
		return nil, fmt.Errorf("address of the status endpoint: %w", withoutURL(err))
	}
	user := u.User
	u.User = nil
	shown := u.String()
	u = u.JoinPath(path)
	u.RawQuery = query.Encode()
	r, err := http.NewRequestWithContext(ctx, method, u.String(), http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("ask the status endpoint %s: %w", shown, withoutURL(err))
	}
	if password, ok := user.Password(); ok {
		r.SetBasicAuth(user.Username(), password)
	}
	if c.Token.Reveal() != "" {
		r.Header.Set("Authorization", "Bearer "+c.Token.Reveal())
	}
	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	reply, err := client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("ask the status endpoint %s: %w", shown, withoutURL(err))
	}
	if reply.StatusCode == http.StatusOK {
		return reply.Body, nil
	}
	// Only read from.
	defer func() { _ = reply.Body.Close() }()
	// What can be read of it will do.
	text, _ := io.ReadAll(io.LimitReader(reply.Body, maxRefusal))
	return nil, &RefusedError{Address: shown, Code: reply.StatusCode, Words: strings.TrimSpace(string(text))}
}

// Get reads the JSON at path into v.
func (c *Client) Get(ctx context.Context, path string, query url.Values, v any) error {
	body, err := c.Do(ctx, http.MethodGet, path, query)
	if err != nil {
		return err
	}
	return decode(body, maxReply, v)
}

// decode reads the JSON of body, of which at most limit bytes, into v, and closes body.
func decode(body io.ReadCloser, limit int64, v any) error {
	// Only read from.
	defer func() { _ = body.Close() }()
	if err := json.NewDecoder(io.LimitReader(body, limit)).Decode(v); err != nil {
		return fmt.Errorf("read the status endpoint's reply: %w", err)
	}
	return nil
}

// Post asks for a change and returns what the server says of it.
func (c *Client) Post(ctx context.Context, path string, query url.Values) (said string, err error) {
	body, err := c.Do(ctx, http.MethodPost, path, query)
	if err != nil {
		return "", err
	}
	// Only read from.
	defer func() { _ = body.Close() }()
	text, err := io.ReadAll(io.LimitReader(body, maxReply))
	if err != nil {
		return "", fmt.Errorf("read the status endpoint's reply: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// withoutURL takes the URL, which may hold a password, off an error.
func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}
