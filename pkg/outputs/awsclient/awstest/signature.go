package awstest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Signature is what a request to a service of AWS has to be signed by, as Signature Version 4 is documented.
type Signature struct {
	Region, Service string
	// Token is "" where there is no session.
	AccessKey, SecretKey, Token string
	// Unsized refuses a signature over the length of the body, as OpenSearch Serverless does.
	Unsized bool
}

// refusal is an error in AWS's words.
type refusal string

func (r refusal) Error() string { return string(r) }

// signedFor is how far a signature's time may be from the service's clock.
const signedFor = 5 * time.Minute

// Verify returns why a service refuses r, in AWS's words. body is all of r's.
func (s *Signature) Verify(r *http.Request, body []byte, now time.Time) error {
	scheme, rest, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if scheme != "AWS4-HMAC-SHA256" {
		return refusal("Missing Authentication Token")
	}
	given := map[string]string{}
	for _, part := range strings.Split(rest, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		given[key] = value
	}
	date := r.Header.Get("X-Amz-Date")
	at, err := time.Parse("20060102T150405Z", date)
	switch {
	case err != nil:
		return refusal("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header")
	case now.Sub(at).Abs() > signedFor:
		return refusal(
			fmt.Sprintf("Signature expired: %s is now earlier than %s", date, now.Format("20060102T150405Z")),
		)
	}
	scope := strings.Join([]string{date[:8], s.Region, s.Service, "aws4_request"}, "/")
	if given["Credential"] != s.AccessKey+"/"+scope {
		return refusal(fmt.Sprintf(
			"Credential should be scoped to a valid region and service: '%s'",
			scope,
		))
	}
	if r.Header.Get("X-Amz-Security-Token") != s.Token {
		return refusal("The security token included in the request is expired")
	}
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	if r.Header.Get("X-Amz-Content-Sha256") != hash {
		return refusal("The provided 'x-amz-content-sha256' header does not match what was computed")
	}
	names := strings.Split(given["SignedHeaders"], ";")
	if s.Unsized && slices.Contains(names, "content-length") || !slices.Contains(names, "host") ||
		!slices.Contains(names, "x-amz-content-sha256") {
		return refusal("The request signature we calculated does not match the signature you provided")
	}
	if want := s.sign(canonical(r, names, hash), date, scope); !hmac.Equal([]byte(want), []byte(given["Signature"])) {
		return refusal(fmt.Sprintf(
			"The request signature we calculated does not match the signature you provided. The Canonical String for "+
				"this request should have been '%s'",
			canonical(r, names, hash),
		))
	}
	return nil
}

// canonical returns the canonical request of r.
func canonical(r *http.Request, names []string, hash string) string {
	var headers strings.Builder
	for _, name := range names {
		value := strings.Join(r.Header.Values(name), ",")
		switch name {
		case "host":
			value = r.Host
		case "content-length":
			value = strconv.FormatInt(r.ContentLength, 10)
		}
		fmt.Fprintf(&headers, "%s:%s\n", name, strings.Join(strings.Fields(value), " "))
	}
	var query []string
	for key, values := range r.URL.Query() {
		for _, v := range values {
			query = append(query, escape(key)+"="+escape(v))
		}
	}
	slices.Sort(query)
	var path []string
	for _, part := range strings.Split(r.URL.EscapedPath(), "/") {
		// Escaped twice, as all services but S3 want it.
		path = append(path, escape(part))
	}
	return strings.Join(
		[]string{
			r.Method,
			strings.Join(path, "/"),
			strings.Join(query, "&"),
			headers.String(),
			strings.Join(names, ";"),
			hash,
		},
		"\n",
	)
}

func escape(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }

func (s *Signature) sign(request, date, scope string) string {
	sum := sha256.Sum256([]byte(request))
	key := []byte("AWS4" + s.SecretKey)
	for _, part := range strings.Split(scope, "/") {
		key = mac(key, part)
	}
	return hex.EncodeToString(
		mac(key, strings.Join([]string{"AWS4-HMAC-SHA256", date, scope, hex.EncodeToString(sum[:])}, "\n")),
	)
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	// Never fails.
	_, _ = h.Write([]byte(text))
	return h.Sum(nil)
}
