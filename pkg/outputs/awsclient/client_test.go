package awsclient

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/firehose"
	"github.com/aws/aws-sdk-go-v2/service/firehose/types"
	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/awsclient/awstest"
)

// profile has the SDK read its keys from a file, and returns what writes it.
func profile(t *testing.T, endpoint string) (write func(key, token string)) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "credentials")
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "",
		"AWS_CONFIG_FILE":             "/nonexistent",
		"AWS_SHARED_CREDENTIALS_FILE": file, "AWS_EC2_METADATA_DISABLED": "true", "AWS_ENDPOINT_URL_STS": endpoint,
	} {
		t.Setenv(name, value)
	}
	return func(key, token string) {
		t.Helper()
		text := "[default]\naws_access_key_id = " + key + "\naws_secret_access_key = the-secret\naws_session_token = " +
			token + "\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func service(t *testing.T, cfg Config, o Options) *firehose.Client {
	t.Helper()
	c, err := Load(t.Context(), cfg, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return firehose.NewFromConfig(c.AWS, func(o *firehose.Options) { o.BaseEndpoint = c.Endpoint(o.BaseEndpoint) })
}

func put(ctx context.Context, c *firehose.Client) error {
	_, err := c.PutRecordBatch(ctx, &firehose.PutRecordBatchInput{
		DeliveryStreamName: aws.String("logs"), Records: []types.Record{{Data: []byte("x\n")}},
	})
	return err
}

func TestExpiredKeysHealWithoutARestart(t *testing.T) {
	s := awstest.New(time.Now)
	s.Firehose().Create("logs", awstest.Quota{})
	server := httptest.NewServer(s)
	defer server.Close()
	write := profile(t, server.URL)
	c := service(t, Config{Region: "eu-central-1", Endpoint: server.URL}, Options{Log: zerolog.Nop()})

	err := put(t.Context(), c) // there is no file yet
	if reason, _, unknown, _ := Classify(err); reason != outputs.ReasonAuth || unknown ||
		!strings.Contains(Describe(err), "no credentials") {
		t.Errorf("%v", err)
	}
	write("AKID1", "the-token")
	if err := put(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	s.Expire("AKID1", true)
	err = put(t.Context(), c)
	reason, status, unknown, _ := Classify(err)
	if text := outputs.Whole(Describe(err)); reason != outputs.ReasonAuth || status != 400 || unknown ||
		!strings.HasPrefix(text, "Firehose PutRecordBatch: ExpiredTokenException: ") || strings.Contains(text, "the-") {
		t.Errorf("%s, %d, %v: %s", reason, status, unknown, text)
	}
	write("AKID2", "another")
	if err := put(t.Context(), c); err != nil {
		t.Errorf("the new keys were not read: %v", err)
	}
	if n := s.Requests("Firehose_20150804.PutRecordBatch"); n != 3 {
		t.Errorf("%d requests for three calls with keys: none is repeated here", n)
	}
}

func TestOneCachePerRole(t *testing.T) {
	s := awstest.New(time.Now)
	s.Firehose().Create("logs", awstest.Quota{})
	server := httptest.NewServer(s)
	defer server.Close()
	profile(t, server.URL)("AKID1", "")
	shared := NewCredentials()
	role := func(name, externalID string) Config {
		c := Config{Region: "eu-central-1", Endpoint: server.URL, RoleARN: "arn:aws:iam::123456789012:role/" + name}
		if externalID != "" {
			c.ExternalID = setting.NewSecret(externalID)
		}
		return c
	}
	for _, cfg := range []Config{role("a", "x"), role("a", "x"), role("a", "y"), role("b", ""), role("a", "x")} {
		if err := put(t.Context(), service(t, cfg, Options{Credentials: shared})); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{
		"arn:aws:iam::123456789012:role/a/x", "arn:aws:iam::123456789012:role/a/y", "arn:aws:iam::123456789012:role/b/",
	}
	if got := s.Roles(); !slices.Equal(got, want) {
		t.Errorf("assumed %q", got)
	}
	s.Expire("ASIA0001", true) // the role's keys
	c := service(t, role("a", "x"), Options{Credentials: shared})
	if err := put(t.Context(), c); err == nil {
		t.Error("expired keys were taken")
	}
	if err := put(t.Context(), c); err != nil || len(s.Roles()) != 4 {
		t.Errorf("assumed %q: %v", s.Roles(), err)
	}
	s.Expire("AKID1", true) // those that it is assumed with
	s.Expire("ASIA0004", true)
	_ = put(t.Context(), c)
	err := put(t.Context(), c)
	if reason, _, _, _ := Classify(err); reason != outputs.ReasonAuth ||
		strings.Contains(Describe(err), "the-secret") ||
		!strings.HasPrefix(
			outputs.Whole(Describe(err)), "Firehose PutRecordBatch: no credentials: STS AssumeRole: ExpiredToken: ",
		) {
		t.Errorf("%s: %s", reason, Describe(err))
	}
	s.Expire("AKID1", false)
	if err := put(t.Context(), c); err != nil {
		t.Error(err)
	}
}

func TestCredentialsAreRefreshedEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start, fetched, fail := time.Now(), []time.Duration{}, false
		keys := NewCredentials().get(identity{}, func(context.Context) (aws.Credentials, error) {
			fetched = append(fetched, time.Since(start))
			if fail {
				return aws.Credentials{}, errors.New("the service is down")
			}
			return aws.Credentials{
				AccessKeyID: "a", SecretAccessKey: "b", CanExpire: true, Expires: time.Now().Add(time.Hour),
			}, nil
		})
		for range 7 {
			if _, err := keys.Retrieve(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Minute)
		}
		// 50 minutes is before, 60 after the early time.
		if want := []time.Duration{0, time.Hour}; !slices.Equal(fetched, want) {
			t.Errorf("fetched at %v", fetched)
		}
		fail = true
		time.Sleep(46 * time.Minute) // 56 minutes old
		if _, err := keys.Retrieve(t.Context()); err != nil {
			t.Errorf("keys that are good for 4 minutes more were given up: %v", err)
		}
		time.Sleep(5 * time.Minute)
		if _, err := keys.Retrieve(t.Context()); err == nil {
			t.Error("keys that have expired were taken")
		}
	})
}

func TestAClockThatIsWrong(t *testing.T) {
	for _, wrong := range []time.Duration{-3 * time.Hour, 3 * time.Hour} {
		s := awstest.New(func() time.Time { return time.Now().Add(wrong) })
		s.Firehose().Create("logs", awstest.Quota{})
		server := httptest.NewServer(s)
		profile(t, server.URL)("AKID1", "the-token")
		c := service(t,
			Config{Region: "eu-central-1", Endpoint: server.URL, RoleARN: "arn:aws:iam::123456789012:role/a"},
			Options{})
		refused := 0
		for range 6 {
			if err := put(t.Context(), c); err != nil {
				refused++
				if reason, _, _, _ := Classify(err); reason != outputs.ReasonAuth ||
					strings.Contains(Describe(err), "the-token") || !strings.Contains(Describe(err), "clock") {
					t.Errorf("%s: %s", reason, Describe(err))
				}
			}
		}
		if refused == 0 || refused > 3 {
			t.Errorf("clock wrong by %v: %d of 6 calls were refused", wrong, refused)
		}
		server.Close()
	}
}

func TestClassify(t *testing.T) {
	for _, tc := range []struct {
		name    string
		status  int
		body    string
		header  http.Header
		reason  outputs.Reason
		unknown bool
		retry   time.Duration
	}{
		{"throttled", 400, `{"__type":"ThrottlingException"}`, nil, outputs.ReasonThrottled, false, 0},
		{"429", 429, ``, http.Header{"Retry-After": {"3"}}, outputs.ReasonThrottled, false, 3 * time.Second},
		{
			"ages", 503, `{"__type":"ServiceUnavailableException"}`,
			http.Header{"Retry-After": {"99999999"}},
			outputs.ReasonThrottled, false, 99999999 * time.Second,
		},
		{
			"milliseconds", 503, `{"__type":"ServiceUnavailableException"}`,
			http.Header{"X-Amz-Retry-After": {"1500"}},
			outputs.ReasonThrottled, false, 1500 * time.Millisecond,
		},
		{
			"nonsense", 503, `{"__type":"ServiceUnavailableException"}`,
			http.Header{"Retry-After": {"-1"}},
			outputs.ReasonThrottled, false, 0,
		},
		{"page of a gateway", 502, `<html>`, nil, outputs.ReasonServer, true, 0},
		{"proxy wants a login", 407, `<html>`, nil, outputs.ReasonServer, false, 0},
		{"forbidden page", 403, `<html>`, nil, outputs.ReasonAuth, false, 0},
		{"redirect", 301, ``, http.Header{"Location": {"http://127.0.0.1:1/"}}, outputs.ReasonServer, false, 0},
		{"too large", 413, ``, nil, outputs.ReasonTooLarge, false, 0},
		{
			"signature", 400, `{"__type":"InvalidSignatureException","message":"a\n\nx-amz-security-token:the-token"}`,
			nil, outputs.ReasonAuth, false, 0,
		},
		{"no JSON", 200, `{`, nil, outputs.ReasonNetwork, true, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				for name, value := range tc.header {
					w.Header()[name] = value
				}
				w.WriteHeader(tc.status)
				_, _ = w.Write([]byte(tc.body))
			}))
			defer server.Close()
			profile(t, server.URL)("AKID1", "the-token")
			err := put(t.Context(), service(t, Config{Region: "eu-central-1", Endpoint: server.URL}, Options{}))
			reason, _, unknown, retry := Classify(err)
			text := Describe(err)
			t.Log(text)
			if reason != tc.reason || unknown != tc.unknown || retry != tc.retry || strings.ContainsAny(text, "\n") ||
				strings.Contains(text, "the-") {
				t.Errorf("%s, %v, %v: %s", reason, unknown, retry, text)
			}
		})
	}
	profile(t, "http://127.0.0.1:1")("AKID1", "")
	err := put(t.Context(),
		service(t, Config{Region: "eu-central-1", RoleARN: "arn:aws:iam::123456789012:role/a"}, Options{}))
	if reason, _, _, _ := Classify(err); reason != outputs.ReasonAuth ||
		!strings.Contains(Describe(err), "127.0.0.1:1 was refused: nothing listens there") {
		t.Errorf("%s, with an STS that can't be reached: %s", reason, Describe(err))
	}
	err = put(t.Context(), service(t, Config{Region: "eu-central-1", Endpoint: "http://127.0.0.1:1"}, Options{}))
	if reason, _, unknown, _ := Classify(err); reason != outputs.ReasonNetwork || unknown ||
		!strings.Contains(Describe(err), "refused") {
		t.Errorf("%s, %v: %s", reason, unknown, Describe(err))
	}
}

func TestCheck(t *testing.T) {
	for _, tc := range []struct {
		cfg  Config
		want string // keys
	}{
		{Config{Region: "eu-central-1"}, ""},
		{
			Config{
				Region: "us-gov-west-1", RoleARN: "arn:aws-us-gov:iam::123456789012:role/path/x",
				ExternalID: setting.NewSecret("x"),
			}, "",
		},
		{Config{Region: "eusc-de-east-1", Endpoint: "https://vpce-1.firehose.vpce.amazonaws.com"}, ""},
		{Config{Region: "local", Endpoint: "http://127.0.0.1:5000"}, ""},
		{Config{Region: "eu-central-1a"}, "region"},
		{Config{Region: "Frankfurt"}, "region"},
		{Config{Region: "eu-central-1", Endpoint: "localhost:4566"}, "endpoint"},
		{Config{Region: "eu-central-1", Endpoint: "http://user:pass@host"}, "endpoint"},
		{Config{Region: "eu-central-1", Endpoint: "http://[::1"}, "endpoint"},
		{Config{Region: "eu-central-1", Endpoint: "https://x", UseFIPS: true}, "use_fips"},
		{Config{Region: "eu-central-1", Endpoint: "https://x", UseDualStack: true}, "use_dualstack"},
		{Config{Region: "eu-central-1", ExternalID: setting.NewSecret("x")}, "external_id"},
		{Config{Region: "eu-central-1", RoleARN: "role/x"}, "role_arn"},
		{Config{Region: "eu-central-1", RoleARN: "arn:aws:iam::123456789012:user/x"}, "role_arn"},
	} {
		var r setting.Report
		tc.cfg.Check(&r)
		var keys []string
		for _, p := range r.Problems {
			keys = append(keys, p.Key)
			if strings.Contains(p.Reason, "pass@") {
				t.Errorf("it shows a password: %s", p.Reason)
			}
		}
		if got := strings.Join(keys, " "); got != tc.want {
			t.Errorf("%+v: %q, want %q", tc.cfg, got, tc.want)
		}
	}
}
