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
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

const (
	// hashHeader says what the body of a signed request is. A caller that has hashed it already sets it.
	hashHeader = "X-Amz-Content-Sha256"
	// refusalHead is how much of a refusal is looked at, in bytes.
	refusalHead = 4 << 10
	// leastSkew is the difference of clocks from which on signatures are corrected by it: services take five minutes.
	leastSkew = time.Minute
)

// Signer signs the requests to a service of AWS that is spoken to without the SDK's client of it (Signature Version 4).
// It corrects signatures by the difference between the local clock and the service's, and has credentials that are
// refused fetched anew. Safe for concurrent use.
type Signer struct {
	service, region string
	keys            *aws.CredentialsCache
	v4              *v4.Signer
	now             func() time.Time
	// skew is the nanoseconds that the service's clock is ahead.
	skew atomic.Int64
}

// NewSigner returns one for a service's signing name, such as es. It makes no request. now is the local clock.
func NewSigner(cfg Config, service string, o Options, now func() time.Time) *Signer {
	if o.Credentials == nil {
		o.Credentials = NewCredentials()
	}
	return &Signer{
		service: service,
		region:  cfg.Region,
		keys:    o.Credentials.cache(cfg, o.Log),
		v4:      v4.NewSigner(),
		now:     now,
	}
}

// Hash sets on req what its body, which is all of it, is signed by. Without it the body is read once more for that.
func (s *Signer) Hash(req *http.Request, body []byte) {
	sum := sha256.Sum256(body)
	req.Header.Set(hashHeader, hex.EncodeToString(sum[:]))
}

// Transport returns what signs requests and sends them by next. It changes them. Errors for lack of credentials are
// Unsigned. What a request was signed with is not in the answers to it.
func (s *Signer) Transport(next http.RoundTripper) http.RoundTripper {
	return &signedTransport{s, next}
}

// Unsigned reports whether err is that there were no credentials to sign a request with. Nothing was sent then.
func Unsigned(err error) bool {
	var keys *credentialsError
	return errors.As(err, &keys)
}

type signedTransport struct {
	*Signer
	next http.RoundTripper
}

// RoundTrip satisfies http.RoundTripper.
func (t *signedTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := t.sign(req); err != nil {
		return nil, err
	}
	res, err := t.next.RoundTrip(req)
	if err != nil || res.StatusCode < http.StatusMultipleChoices {
		return res, err
	}
	if res.StatusCode == http.StatusForbidden || res.StatusCode == http.StatusUnauthorized {
		t.refused(res)
	}
	concealReply(res, req.Header)
	return res, nil
}

func (t *signedTransport) sign(req *http.Request) error {
	if req.Header.Get(hashHeader) == "" {
		body, err := bodyOf(req)
		if err != nil {
			return err
		}
		t.Hash(req, body)
	}
	keys, err := t.keys.Retrieve(req.Context())
	if err != nil {
		return err
	}
	// OpenSearch Serverless takes no signature over the length.
	unsized := req.WithContext(req.Context())
	unsized.ContentLength = 0
	at := t.now().Add(time.Duration(t.skew.Load())).UTC()
	if err := t.v4.SignHTTP(
		req.Context(), keys, unsized, req.Header.Get(hashHeader), t.service, t.region, at,
	); err != nil {
		return fmt.Errorf("sign the request: %w", err)
	}
	return nil
}

// bodyOf returns all of a request's body and leaves it unread.
func bodyOf(req *http.Request) ([]byte, error) {
	if req.Body == nil || req.Body == http.NoBody {
		return nil, nil
	}
	if req.GetBody == nil {
		return nil, errors.New("sign the request: its body can't be read twice")
	}
	again, err := req.GetBody()
	if err != nil {
		return nil, fmt.Errorf("sign the request: %w", err)
	}
	body, err := io.ReadAll(again)
	if err = errors.Join(err, again.Close()); err != nil {
		return nil, fmt.Errorf("sign the request: %w", err)
	}
	return body, nil
}

// refused learns from an answer that refuses a signature.
func (t *signedTransport) refused(res *http.Response) {
	if at, err := http.ParseTime(res.Header.Get("Date")); err == nil {
		if skew := at.Sub(t.now()); skew.Abs() >= leastSkew {
			t.skew.Store(int64(skew))
		}
	}
	head, err := io.ReadAll(io.LimitReader(res.Body, refusalHead))
	rest := io.Reader(res.Body)
	if err != nil {
		rest = failing{err}
	}
	res.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(head), rest), res.Body}
	if RefusesKeys(string(head)) {
		t.keys.Invalidate()
	}
}

// failing is what can't be read any further.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// RefusesKeys reports whether the text of a refusal is about credentials or a signature, and not about what they may
// do.
func RefusesKeys(text string) bool {
	text = strings.ToLower(text)
	for _, words := range []string{
		"security token", "credential should be scoped", "signature", "access key", "expiredtoken",
		"invalidclienttokenid", "unrecognizedclient",
	} {
		if strings.Contains(text, words) {
			return true
		}
	}
	return false
}

// Keys are credentials for what signs by itself. Safe for concurrent use.
type Keys struct{ cache *aws.CredentialsCache }

// NewKeys returns those of cfg. It makes no request.
func NewKeys(cfg Config, o Options) *Keys {
	if o.Credentials == nil {
		o.Credentials = NewCredentials()
	}
	return &Keys{o.Credentials.cache(cfg, o.Log)}
}

// Retrieve returns them as they are at the moment; session is "" for those of no session. An error is Unsigned.
func (k *Keys) Retrieve(ctx context.Context) (access, secret, session string, err error) {
	keys, err := k.cache.Retrieve(ctx)
	return keys.AccessKeyID, keys.SecretAccessKey, keys.SessionToken, err
}
