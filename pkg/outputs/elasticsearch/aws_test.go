package elasticsearch

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/awsclient/awstest"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/elasticsearch/elastictest"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

// domain is a made-up OpenSearch of Amazon's: it takes what is signed as it says, and then answers as OpenSearch does.
type domain struct {
	*elastictest.Server
	signature atomic.Pointer[awstest.Signature]
	ahead     time.Duration // its clock
	only      bool          // a collection: no GET /
	refuse    string        // 403 with this text, after the signature
}

func newDomain(service string) *domain {
	d := &domain{Server: elastictest.New(elastictest.Options{Product: elastictest.OpenSearch})}
	d.signature.Store(&awstest.Signature{
		Region: "eu-central-1", Service: service, AccessKey: "AKID1", SecretKey: "the-secret", Token: "token-1",
		Unsized: service == serverless,
	})
	d.only = service == serverless
	return d
}

func (d *domain) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	now := time.Now().Add(d.ahead)
	w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // who asked has gone
	}
	if err = d.signature.Load().Verify(r, body, now); err != nil {
		respond(w, http.StatusForbidden, `{"message":`+quoted(err.Error())+`}`)
		return
	}
	if d.refuse != "" {
		respond(w, http.StatusForbidden, d.refuse)
		return
	}
	if d.only && !strings.HasSuffix(r.URL.Path, "/_bulk") {
		respond(w, http.StatusNotFound, "")
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	d.Handler().ServeHTTP(w, r)
}

func respond(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text) // who asked has gone
}

func quoted(text string) string { return string(appendString(nil, []byte(text))) }

// keys has the SDK read its keys from a file, which the function that it returns writes.
func keys(t *testing.T) func(token string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "credentials")
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "",
		"AWS_CONFIG_FILE":             "/nonexistent",
		"AWS_SHARED_CREDENTIALS_FILE": file, "AWS_EC2_METADATA_DISABLED": "true",
	} {
		t.Setenv(name, value)
	}
	return func(token string) {
		t.Helper()
		text := "[default]\naws_access_key_id = AKID1\naws_secret_access_key = the-secret\naws_session_token = " +
			token + "\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func newSigned(t *testing.T, d *domain, change func(*Config)) *Output {
	t.Helper()
	server := httptest.NewServer(d)
	t.Cleanup(server.Close)
	cfg := Config{
		Hosts: []string{
			server.URL,
		}, Index: "logs-{cluster}", OpType: "create", ID: idAuto, Compression: compressionGzip,
		AWS: &AWS{
			Region:  "eu-central-1",
			Service: d.signature.Load().Service,
		}, Way: Way{Headers: map[string]setting.Secret{"X-Tenant": setting.NewSecret("a  b")}},
	}
	if change != nil {
		change(&cfg)
	}
	o, err := New(cfg, Options{Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	o.client.longestProbe = calm
	t.Cleanup(func() { _ = o.Close() })
	return o
}

func TestSignedRequests(t *testing.T) {
	for _, service := range []string{"es", serverless} {
		for _, compression := range []string{"none", compressionGzip} {
			t.Run(service+" "+compression, func(t *testing.T) {
				keys(t)("token-1")
				d := newDomain(service)
				outputtest.Contract(t, func(t *testing.T) *outputtest.Destination {
					t.Helper()
					d.Server = elastictest.New(elastictest.Options{Product: elastictest.OpenSearch})
					o := newSigned(t, d, func(c *Config) { c.Compression, c.Index = compression, `logs-{cluster}` })
					if err := o.Prepare(t.Context()); err != nil {
						t.Fatal(err)
					}
					return &outputtest.Destination{
						Output:  o,
						Numbers: func(t *testing.T) []int { t.Helper(); return numbers(t, d.Server) },
						Break:   func(int) { d.SetFaults(elastictest.Faults{Unavailable: 1}) },
						Repair:  func() { d.SetFaults(elastictest.Faults{}) },
						Trouble: func(
							on bool,
						) {
							d.SetFaults(map[bool]elastictest.Faults{true: {Blocked: "logs-b"}}[on])
						},
						Secret: "the-secret",
					}
				})
				if service == serverless && d.Template("/_index_template/aggregator-logs") != nil {
					t.Error("a template was made")
				}
			})
		}
	}
}

// TestKeysThatExpire: a session token that is refused is fetched anew, and no host rests because of it.
func TestKeysThatExpire(t *testing.T) {
	write := keys(t)
	d := newDomain("es")
	o := newSigned(t, d, nil)
	send := func(n int) error {
		return o.Send(t.Context(), outputtest.Batch(outputtest.Chunk(uint64(n+1), "a", "t", 1, n, 10)))
	}
	if se := outputs.AsSendError(send(0)); se.Reason != outputs.ReasonAuth {
		t.Errorf("without keys: %v", se)
	}
	write("token-1")
	if err := send(0); err != nil {
		t.Fatal(err)
	}
	changed := *d.signature.Load()
	changed.Token = "token-2"
	d.signature.Store(&changed)
	write("token-2")
	if se := outputs.AsSendError(send(1)); se.Reason != outputs.ReasonAuth || strings.Contains(se.Error(), "token-1") {
		t.Errorf("with an expired token: %v", se)
	}
	if err := send(1); err != nil {
		t.Errorf("with the new one: %v", err)
	}
	for _, h := range o.Report().Hosts {
		if h.Down {
			t.Errorf("%+v", h)
		}
	}
}

// TestClockThatIsWrong: one request is refused, and the next is signed for the service's own time.
func TestClockThatIsWrong(t *testing.T) {
	keys(t)("token-1")
	d := newDomain("es")
	d.ahead = 2 * time.Hour
	o := newSigned(t, d, nil)
	if _, err := o.Connect(t.Context(), nil); err != nil && !strings.Contains(err.Error(), "expired") {
		t.Errorf("the first: %v", err)
	}
	if err := o.Send(t.Context(), outputtest.Batch(outputtest.Chunk(1, "a", "t", 1, 0, 10))); err != nil {
		t.Errorf("the next: %v", err)
	}
}

func TestWhatAmazonRefuses(t *testing.T) {
	for _, tc := range []struct {
		name, service string
		change        func(*Config)
		refuse        string
		noKeys        bool
		want          string
	}{
		{
			name: "another region", service: "es", change: func(c *Config) { c.AWS.Region = "us-east-1" },
			want: "check aws.region and aws.service",
		},
		{
			name: "another service", service: serverless, change: func(c *Config) { c.AWS.Service = "es" },
			want: "check aws.region and aws.service",
		},
		{name: "no keys", service: "es", noKeys: true, want: "check the environment, the profile or the role"},
		{
			name: "the domain's policy", service: "es",
			refuse: `{"Message":"User: arn:aws:iam::123456789012:user/x is not authorized to perform: es:ESHttpGet ` +
				`because no resource-based policy allows the es:ESHttpGet action"}`,
			want: "domain's access policy have to allow es:ESHttpGet",
		},
		{
			name: "fine-grained access control", service: "es",
			refuse: `{"error":{"type":"security_exception","reason":"no permissions for [cluster:monitor/main] and ` +
				`User [name=arn:aws:iam::123456789012:role/x, backend_roles=[]]"},"status":403}`,
			want: "map the role that signs",
		},
		{
			name: "a collection's policy", service: serverless,
			refuse: `{"status":403,"error":{"reason":"403 Forbidden","type":"Forbidden"}}`, want: "data access policy",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			write := keys(t)
			if !tc.noKeys {
				write("token-1")
			}
			d := newDomain(tc.service)
			d.refuse = tc.refuse
			found, err := newSigned(t, d, tc.change).Connect(t.Context(), []string{"a"})
			if err != nil {
				found = err.Error()
			}
			if !strings.Contains(found, tc.want) || strings.Contains(found, "the-secret") {
				t.Errorf("%s, want %q", found, tc.want)
			}
		})
	}
}

// TestIDsThatACollectionRefuses: what a setting is wrong for is no dead letter.
func TestIDsThatACollectionRefuses(t *testing.T) {
	keys(t)("token-1")
	d := newDomain(serverless)
	d.SetFaults(elastictest.Faults{NoIDs: true})
	batch := outputtest.Batch(outputtest.Chunk(1, "a", "t", 2, 0, 10))
	se := outputs.AsSendError(newSigned(t, d, nil).Send(t.Context(), batch))
	if len(se.Failed) != 2 || se.Failed[0].Reason != outputs.ReasonTarget ||
		!strings.Contains(se.Failed[0].Remedy, "`id: none`") {
		t.Errorf("%+v", se)
	}
	if err := newSigned(t, d, func(c *Config) { c.ID = idNone }).Send(t.Context(), batch); err != nil {
		t.Error(err)
	}
}

func TestCloudID(t *testing.T) {
	for id, want := range map[string]string{
		// eu-west-1.aws.found.io$abc$def.
		"name:ZXUtd2VzdC0xLmF3cy5mb3VuZC5pbyRhYmMkZGVm": "https://abc.eu-west-1.aws.found.io:443",
		"ZXUtd2VzdC0xLmF3cy5mb3VuZC5pbyRhYmMkZGVm":      "https://abc.eu-west-1.aws.found.io:443",
		// …:9243$abc$def.
		"name:ZXUtd2VzdC0xLmF3cy5mb3VuZC5pbzo5MjQzJGFiYyRkZWY=": "https://abc.eu-west-1.aws.found.io:9243",
		// host$abc:9200$.
		"name:aG9zdCRhYmM6OTIwMCQ=": "https://abc.host:9200",
		"name:aG9zdA==":             "", // host
		"name:aG9zdCQkZGVm":         "", // host$$def
		// host/p$abc$.
		"name:aG9zdC9wJGFiYyQ=": "",
		"name:not base64":       "",
		"":                      "",
	} {
		got, err := parseCloudID(id)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%q: %q, %v; want %q", id, got, err, want)
		}
	}
}

func FuzzCloudID(f *testing.F) {
	f.Add("name:ZXUtd2VzdC0xLmF3cy5mb3VuZC5pbyRhYmMkZGVm")
	f.Add("name:aG9zdCRhYmM6OTIwMCQ=")
	f.Fuzz(func(t *testing.T, id string) {
		text, err := parseCloudID(id)
		if err != nil {
			return
		}
		if u, err := parseHost(text); err != nil || u.Scheme != "https" || u.Port() == "" || u.Path != "" {
			t.Errorf("%q became %q: %v", id, text, err)
		}
	})
}

func TestHeaders(t *testing.T) {
	var got atomic.Pointer[http.Header]
	s := elastictest.New(elastictest.Options{})
	o := newOutput(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got.Store(&r.Header)
		s.Handler().ServeHTTP(w, r)
	}), func(c *Config) { c.Headers = map[string]setting.Secret{"x-tenant": setting.NewSecret("blue")} })
	defer o.Close()
	if err := o.Send(t.Context(), outputtest.Batch(outputtest.Chunk(1, "a", "t", 1, 0, 10))); err != nil {
		t.Fatal(err)
	}
	if (*got.Load()).Get("X-Tenant") != "blue" {
		t.Errorf("sent %v", *got.Load())
	}
	for name, wrong := range map[string]bool{
		"X-Tenant": false, "content-type": true, "authorization": true, "a b": true, "X-Amz-Date": true,
	} {
		c := Config{
			Hosts: []string{"https://a"},
			Index: "x",
			Login: Login{Username: "u", Password: setting.NewSecret("p")},
			Way:   Way{Headers: map[string]setting.Secret{name: setting.NewSecret("v")}},
		}
		var r setting.Report
		c.Check(&r)
		found := false
		for _, p := range r.Problems {
			found = found || p.Key == "headers."+name
		}
		if found != wrong {
			t.Errorf("%s: %+v", name, r.Problems)
		}
	}
}
