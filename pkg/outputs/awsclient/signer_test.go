package awsclient

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// signingAt is the tests' clock.
func signingAt() time.Time { return time.Date(2026, 11, 21, 10, 15, 0, 0, time.UTC) }

// signerWith returns a signer whose credentials are what fetch returns.
func signerWith(fetch func() (aws.Credentials, error)) *Signer {
	s := NewSigner(Config{Region: "eu-central-1"}, "es", Options{}, signingAt)
	s.keys = NewCredentials().get(identity{}, func(context.Context) (aws.Credentials, error) { return fetch() })
	return s
}

// wire answers requests.
type wire func(r *http.Request) (*http.Response, error)

func (w wire) RoundTrip(r *http.Request) (*http.Response, error) { return w(r) }

func reply(status int, header http.Header, body io.Reader) *http.Response {
	if header == nil {
		header = http.Header{}
	}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(body)}
}

func request(t *testing.T, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://es.example/_bulk?a=b", body)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A signature is by the clock, region, service and body; the length is no part of it, and the body stays whole.
func TestSigned(t *testing.T) {
	s := signerWith(func() (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "the-secret", SessionToken: "the-token"}, nil
	})
	empty, hashed := sha256.Sum256(nil), sha256.Sum256([]byte("{}\n"))
	for _, tc := range []struct {
		name string
		body io.Reader
		hash [32]byte
	}{
		{"no body", nil, empty},
		{"none at all", http.NoBody, empty},
		{"a body", strings.NewReader("{}\n"), hashed},
		{"hashed before", io.MultiReader(strings.NewReader("{}\n")), hashed},
	} {
		r := request(t, tc.body)
		if r.GetBody == nil && tc.name == "hashed before" {
			s.Hash(r, []byte("{}\n"))
		}
		res, err := s.Transport(wire(func(r *http.Request) (*http.Response, error) {
			auth := r.Header.Get("Authorization")
			for _, part := range []string{"AWS4-HMAC-SHA256 " +
				"Credential=AKID/20261121/eu-central-1/es/aws4_request", "Signature="} {
				if !strings.Contains(auth, part) {
					t.Errorf("%s: %q lacks %q", tc.name, auth, part)
				}
			}
			if strings.Contains(auth, "content-length") || strings.Contains(fmt.Sprint(r.Header), "the-secret") {
				t.Errorf("%s: signed %v", tc.name, r.Header)
			}
			if r.Header.Get("X-Amz-Date") != "20261121T101500Z" ||
				r.Header.Get("X-Amz-Security-Token") != "the-token" ||
				r.Header.Get(hashHeader) != hex.EncodeToString(tc.hash[:]) {
				t.Errorf("%s: header %v", tc.name, r.Header)
			}
			if tc.hash == hashed {
				if got, err := io.ReadAll(r.Body); err != nil || string(got) != "{}\n" {
					t.Errorf("%s: the body is %q, %v", tc.name, got, err)
				}
			}
			return reply(http.StatusOK, nil, strings.NewReader("ok")), nil
		})).RoundTrip(r)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

// What can't be signed is not sent.
func TestNotSigned(t *testing.T) {
	missing, broken := errors.New("no keys"), errors.New("disk")
	good := func() (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "s"}, nil
	}
	bad := func() (aws.Credentials, error) { return aws.Credentials{}, missing }
	again := func(body io.Reader, err error) func(r *http.Request) {
		return func(r *http.Request) {
			r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(body), err }
		}
	}
	for _, tc := range []struct {
		name     string
		fetch    func() (aws.Credentials, error)
		change   func(r *http.Request)
		want     string
		unsigned bool
	}{
		{"no credentials", bad, nil, "no keys", true},
		{
			"a body that is there once", good, func(r *http.Request) { r.GetBody = nil },
			"sign the request: its body can't be read twice", false,
		},
		{"a body that is gone", good, again(strings.NewReader(""), broken), "sign the request: disk", false},
		{"a body that breaks off", good, again(iotest.ErrReader(broken), nil), "sign the request: disk", false},
	} {
		r := request(t, strings.NewReader("{}"))
		if tc.change != nil {
			tc.change(r)
		}
		_, err := signerWith(tc.fetch).Transport(wire(func(*http.Request) (*http.Response, error) {
			t.Errorf("%s: it is sent", tc.name)
			return nil, io.EOF
		})).RoundTrip(r)
		if err == nil || !strings.Contains(err.Error(), tc.want) || Unsigned(err) != tc.unsigned {
			t.Errorf("%s: %v, unsigned %t", tc.name, err, Unsigned(err))
		}
	}
	if Unsigned(nil) || Unsigned(broken) || !Unsigned(fmt.Errorf("send: %w", &credentialsError{broken})) {
		t.Error("what is unsigned is not told apart")
	}
}

// A refusal tells the service's clock, and whether the credentials are what is refused; a success and other refusals
// teach nothing.
func TestRefusedSignature(t *testing.T) {
	const expired = `{"message":"The security token included in the request is expired"}`
	clock := func(by time.Duration) http.Header {
		return http.Header{"Date": {signingAt().Add(by).Format(http.TimeFormat)}}
	}
	for _, tc := range []struct {
		name    string
		res     *http.Response
		signed  string // the time of the next request
		fetched int
	}{
		{"success", reply(200, clock(time.Hour), strings.NewReader(expired)), "20261121T101500Z", 1},
		{"another error", reply(500, clock(time.Hour), strings.NewReader(expired)), "20261121T101500Z", 1},
		{"a clock ahead", reply(403, clock(time.Hour), strings.NewReader("no")), "20261121T111500Z", 1},
		{"a clock behind", reply(401, clock(-time.Hour), strings.NewReader("no")), "20261121T091500Z", 1},
		{"nearly right", reply(403, clock(59*time.Second), strings.NewReader("no")), "20261121T101500Z", 1},
		{"a minute is too much", reply(403, clock(time.Minute), strings.NewReader("no")), "20261121T101600Z", 1},
		{"no time", reply(403, http.Header{"Date": {"soon"}}, strings.NewReader("no")), "20261121T101500Z", 1},
		{"expired", reply(403, nil, strings.NewReader(expired)), "20261121T101500Z", 2},
		{"not allowed", reply(403, nil, strings.NewReader(`{"message":"not authorized"}`)), "20261121T101500Z", 1},
		{
			"said too late", reply(403, nil, strings.NewReader(strings.Repeat(" ", refusalHead)+expired)),
			"20261121T101500Z", 1,
		},
	} {
		fetched := 0
		s := signerWith(func() (aws.Credentials, error) {
			fetched++
			return aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "s"}, nil
		})
		var want bytes.Buffer
		body, err := io.ReadAll(tc.res.Body)
		if err != nil {
			t.Fatal(err)
		}
		want.Write(body)
		tc.res.Body = io.NopCloser(bytes.NewReader(body))
		signed := ""
		transport := s.Transport(wire(func(r *http.Request) (*http.Response, error) {
			signed = r.Header.Get("X-Amz-Date")
			return tc.res, nil
		}))
		res, err := transport.RoundTrip(request(t, nil))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(res.Body); err != nil || string(got) != want.String() {
			t.Errorf("%s: the answer is %q, %v", tc.name, got, err)
		}
		tc.res = reply(http.StatusOK, nil, strings.NewReader(""))
		if _, err := transport.RoundTrip(request(t, nil)); err != nil || signed != tc.signed || fetched != tc.fetched {
			t.Errorf("%s: the next one is signed at %s, fetched %d times; %v", tc.name, signed, fetched, err)
		}
	}
}

// A refusal that repeats what it was sent shows stars in its place, in its header and in its body, and one that breaks
// off says so after what came.
func TestRefusalsConceal(t *testing.T) {
	s := signerWith(func() (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "s", SessionToken: "the-token"}, nil
	})
	for status, shown := range map[int]bool{200: true, 299: true, 300: false, 403: false, 500: false} {
		res, err := s.Transport(wire(func(r *http.Request) (*http.Response, error) {
			sent := "a the-token, " + r.Header.Get("Authorization") + " z"
			body := io.MultiReader(strings.NewReader(sent), iotest.ErrReader(io.ErrUnexpectedEOF))
			return reply(status, http.Header{"X-Seen": {sent}}, body), nil
		})).RoundTrip(request(t, nil))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%d: the end of the body is %v", status, err)
		}
		for _, text := range []string{res.Header.Get("X-Seen"), string(body)} {
			if strings.Contains(text, "the-token") != shown || strings.Contains(text, "AWS4-HMAC-SHA256") != shown ||
				!strings.HasPrefix(text, "a ") || !strings.HasSuffix(text, " z") {
				t.Errorf("%d: %q", status, text)
			}
		}
	}
	lost := errors.New("reset")
	if _, err := s.Transport(wire(func(*http.Request) (*http.Response, error) { return nil, lost })).RoundTrip(
		request(t, nil),
	); !errors.Is(err, lost) {
		t.Errorf("no answer: %v", err)
	}
}

func TestRefusesKeys(t *testing.T) {
	for text, want := range map[string]bool{
		"The security token included in the request is invalid.": true,
		"Credential should be scoped to a valid region.":         true,
		"The request signature we calculated does not match":     true,
		"Invalid ACCESS KEY":                                                        true,
		`{"__type":"ExpiredTokenException"}`:                                        true,
		`{"__type":"InvalidClientTokenId"}`:                                         true,
		`{"__type":"UnrecognizedClientException"}`:                                  true,
		"User: arn:aws:iam::1:user/x is not authorized to perform: es:ESHttpPost":   false,
		`{"error":{"type":"security_exception","reason":"no permissions for [x]"}}`: false,
		"": false,
	} {
		if got := RefusesKeys(text); got != want {
			t.Errorf("%q is about the keys: %t", text, got)
		}
	}
}

// Keys for what signs by itself come from the same cache; without any, the error is one of a request not signed.
func TestKeysForOthers(t *testing.T) {
	shared := NewCredentials()
	cfg := Config{Region: "eu-central-1"}
	calls := 0
	shared.get(identity{}, func(context.Context) (aws.Credentials, error) {
		if calls++; calls > 1 {
			return aws.Credentials{}, errors.New("gone")
		}
		return aws.Credentials{AccessKeyID: "a", SecretAccessKey: "b", SessionToken: "c"}, nil
	})
	keys := NewKeys(cfg, Options{Credentials: shared})
	for range 2 {
		access, secret, session, err := keys.Retrieve(t.Context())
		if err != nil || access+secret+session != "abc" || calls != 1 {
			t.Errorf("%s, %s, %s, %v after %d fetches", access, secret, session, err, calls)
		}
	}
	keys.cache.Invalidate()
	if _, _, _, err := keys.Retrieve(t.Context()); !Unsigned(err) ||
		!strings.HasSuffix(err.Error(), "get credentials: gone") {
		t.Errorf("without any: %v", err)
	}
	// Who asks another STS, or by another way, does not share.
	for name, cfg := range map[string]Config{
		"FIPS": {UseFIPS: true}, "dual stack": {UseDualStack: true}, "a proxy": {Proxy: "none"},
	} {
		if NewKeys(cfg, Options{Credentials: shared}).cache == keys.cache {
			t.Errorf("%s: the same credentials", name)
		}
	}
}
