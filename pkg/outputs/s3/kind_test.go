package s3

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/intent"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

func TestCheckWords(t *testing.T) {
	const (
		ways  = "(write a bucket's name, or the ARN of an access point)"
		plain = "(write the bucket's name without s3:// and path; what follows goes into key)"
	)
	for _, tc := range []struct {
		name   string
		change func(c *Config)
		want   string
	}{
		{"the shortest bucket", func(c *Config) { c.Bucket = "abc" }, ""},
		{"the longest", func(c *Config) { c.Bucket = strings.Repeat("a", 63) }, ""},
		{"an old one", func(c *Config) { c.Bucket = "My_Bucket.1" }, ""},
		{
			"a letter more", func(c *Config) { c.Bucket = strings.Repeat("a", 64) },
			`bucket: "` + strings.Repeat("a", 64) + `" is no name of a bucket ` + plain,
		},
		{
			"a bucket's ARN", func(c *Config) { c.Bucket = "arn:aws:s3:::lake/logs" },
			`bucket: "arn:aws:s3:::lake/logs" is the ARN of a bucket, and S3 takes only those of access points ` +
				`(write lake)`,
		},
		{
			"an ARN of no bucket", func(c *Config) { c.Bucket = "arn:aws-cn:s3:::" },
			`bucket: "arn:aws-cn:s3:::" is the ARN of a bucket, and S3 takes only those of access points (write the ` +
				`bucket's name)`,
		},
		{
			"another service's", func(c *Config) { c.Bucket = "arn:aws:sqs:eu-central-1:1:q" },
			`bucket: "arn:aws:sqs:eu-central-1:1:q" is neither ` + ways,
		},
		{"on an outpost", func(c *Config) {
			c.Bucket = "arn:aws:s3-outposts:us-west-2:123456789012:outpost/op-1/accesspoint/a"
		}, ""},
		{
			"a key without a template", func(c *Config) { c.Key = "/a/" },
			`key: "/a/" has a leading or doubled slash, a directory . or .., or control characters (write it like ` +
				`{cluster}/%Y/%m/%d/%H/)`,
		},
		{"half of what a key may have", func(c *Config) { c.Key = strings.Repeat("a", 470) + "/" }, ""},
		{
			"a byte more of it", func(c *Config) { c.Key = strings.Repeat("a", 471) },
			"key: a prefix of 471 bytes leaves no room for what fills it in (write 470 bytes or less)",
		},
		{"the largest object", func(c *Config) { c.Rotate.MaxSize = 256 << 20 }, ""},
		{
			"a larger one", func(c *Config) { c.Rotate.MaxSize = 512 << 20 },
			"rotate.max_size: a batch of 512MiB would be held in memory (write 256MiB or less)",
		},
		{"the smallest part", func(c *Config) { c.PartSize = 5 << 20 }, ""},
		{"the largest part", func(c *Config) { c.PartSize = 256 << 20 }, ""},
		{
			"a smaller part", func(c *Config) { c.PartSize = 4 << 20 },
			"part_size: 4MiB is not what S3 takes, or too much to hold in memory (write 5MiB to 256MiB)",
		},
		{"a key for it", func(c *Config) { c.Encryption, c.KMSKeyID = "aws:kms:dsse", "k" }, ""},
		{
			"a key for nothing", func(c *Config) { c.Encryption, c.KMSKeyID = "AES256", "k" },
			"kms_key_id: it is not used by server_side_encryption AES256 (set server_side_encryption to aws:kms, " +
				"or remove " +
				"the key)",
		},
	} {
		c := (&store{}).config()
		tc.change(&c)
		var r setting.Report
		c.Check(&r)
		var all []string
		for _, p := range r.Problems {
			all = append(all, fmt.Sprintf("%s: %s (%s)", p.Key, p.Reason, p.Hint))
		}
		if got := strings.Join(all, "\n"); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

// What is listed as a class or an ACL has no doubles, and the defaults are among them.
func TestClasses(t *testing.T) {
	classes := Config{}.Enum()["storage_class"]
	if !slices.Contains(classes, "STANDARD") ||
		len(slices.Compact(slices.Sorted(slices.Values(classes)))) != len(classes) {
		t.Errorf("storage classes %q", classes)
	}
	for _, tc := range []struct {
		compression string
		raw         bool
		ext, mime   string
	}{
		{"none", false, "", "application/x-ndjson"},
		{"none", true, "", "text/plain; charset=utf-8"},
		{"gzip", false, ".gz", "application/gzip"},
		{"gzip", true, ".gz", "application/gzip"},
		{"zstd", true, ".zst", "application/zstd"},
	} {
		if ext, mime := ext(tc.compression, tc.raw); ext != tc.ext || mime != tc.mime {
			t.Errorf("%s, raw %t: %q, %s", tc.compression, tc.raw, ext, mime)
		}
	}
}

// refusedBy returns the SDK's error of a request to S3 that was answered so.
func refusedBy(status int, code, region string) error {
	header := http.Header{}
	if region != "" {
		header.Set("X-Amz-Bucket-Region", region)
	}
	return &smithy.OperationError{ServiceID: "S3", OperationName: "PutObject", Err: &smithyhttp.ResponseError{
		Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status, Header: header}},
		Err:      &smithy.GenericAPIError{Code: code, Message: "its words"},
	}}
}

// Nothing that S3 refuses is an event's fault: all is sent again, and the error names the bucket and what to do.
func TestFailure(t *testing.T) {
	cfg := (&store{}).config()
	o := &Output{cfg: cfg}
	const call = "bucket lake: S3 PutObject: "
	for _, tc := range []struct {
		err    error
		reason outputs.Reason
		want   string
	}{
		{
			refusedBy(404, "NoSuchBucket", ""), outputs.ReasonServer,
			call + "NoSuchBucket (HTTP status 404); make the bucket, or correct its name; the events are kept " +
				"and sent then",
		},
		{
			refusedBy(301, "PermanentRedirect", "eu-north-1"), outputs.ReasonServer,
			call + "PermanentRedirect (HTTP status 301); the bucket is in eu-north-1: set region to that",
		},
		{
			refusedBy(400, "InvalidStorageClass", "eu-central-1"), outputs.ReasonServer,
			call + "InvalidStorageClass (HTTP status 400); correct storage_class",
		},
		{
			refusedBy(400, "AccessControlListNotSupported", ""), outputs.ReasonServer,
			call + "AccessControlListNotSupported (HTTP status 400); the bucket takes no ACLs: remove acl",
		},
		{
			refusedBy(403, "AccessDenied", ""), outputs.ReasonAuth,
			call + "AccessDenied (HTTP status 403); allow the action in the role's policy",
		},
		{refusedBy(413, "EntityTooLarge", ""), outputs.ReasonServer, call + "EntityTooLarge (HTTP status 413)"},
		{refusedBy(503, "SlowDown", ""), outputs.ReasonThrottled, call + "SlowDown (HTTP status 503)"},
		{refusedBy(500, "InternalError", ""), outputs.ReasonServer, call + "InternalError (HTTP status 500)"},
	} {
		se := o.failure(tc.err)
		if se.Reason != tc.reason || se.Reason.Final() || outputs.Public(se.Err.Error()) != tc.want ||
			se.Remedy == "" || !errors.Is(se, tc.err) || len(se.Failed) != 0 {
			t.Errorf("%s: %q, %q, remedy %q", se.Reason, outputs.Public(se.Err.Error()), tc.want, se.Remedy)
		}
	}
	for status, done := range map[int]bool{400: false, 403: false, 500: true, 503: true} {
		if got := mayBeDone(refusedBy(status, "X", "")); got != done {
			t.Errorf("a call that was answered with %d may have taken effect: %t", status, got)
		}
	}
	if mayBeDone(nil) || !mayBeDone(io.ErrUnexpectedEOF) {
		t.Error("what may have taken effect is not told apart")
	}
}

// Of the objects that an event may be in, the one counts of which most is known; what all came again of is forgotten.
func TestDoubtStates(t *testing.T) {
	events := outputtest.Batch(outputtest.Chunk(1, "a", "t", 4, 0, 1)).Events
	spans := func(from, to int) []intent.Span {
		var b intent.Builder
		for i := from; i < to; i++ {
			b.Add(&events[i], intent.Keys{})
		}
		return b.Spans
	}
	var d doubts
	if about := d.about(events, intent.Keys{}); about != nil {
		t.Errorf("in doubt at first: %v", about)
	}
	d.add(object{key: "x", events: 3, spans: spans(0, 3)}, object{key: "y", events: 2, spans: spans(1, 3)})
	keys := func(about []*doubt) string {
		all := make([]byte, len(about))
		for i, one := range about {
			if all[i] = '-'; one != nil {
				all[i] = one.key[0]
			}
		}
		return string(all)
	}
	about := d.about(events, intent.Keys{})
	ask := d.unresolvedOf(about)
	if len(ask) == 0 || ask[0].key != "x" || keys(about)[3] != '-' {
		t.Fatalf("about %s, to be asked for %d", keys(about), len(ask))
	}
	for _, one := range d.index.All() {
		d.resolve(one, map[string]presence{"x": notTold, "y": isThere}[one.key])
	}
	about = d.about(events, intent.Keys{})
	if keys(about) != "xyy-" || len(d.unresolvedOf(about)) != 0 {
		t.Errorf("about %s, where y is there and x not told", keys(about))
	}
	if skip := d.settle(about); !reflect.DeepEqual(skip, []bool{false, true, true, false}) {
		t.Errorf("settled: %v", skip)
	}
	if about = d.about(events, intent.Keys{}); keys(about) != "xxx-" {
		t.Errorf("once all of y came again: %s", keys(about))
	}
	d.resolve(about[0], isMissing)
	if about = d.about(events, intent.Keys{}); about != nil {
		t.Errorf("once x is missing: %s", keys(about))
	}
}

// What check, size, try and the documentation tell of outputs to S3.
func TestKind(t *testing.T) {
	kind := Kind(nil)
	if kind.Name != "s3" || kind.Summary != "objects in Amazon S3 and in stores like it" || kind.Files != 0 ||
		kind.Example != "region: eu-central-1, bucket: logs, key: logs/" || kind.CPUMicros < 2.5 ||
		kind.CPUMicros > 2.6 ||
		!reflect.DeepEqual(kind.Aliases, map[string]string{"aws_s3": "s3", "amazon_s3": "s3", "bucket": "s3"}) {
		t.Errorf("%+v", kind)
	}
	c := (&store{}).config()
	c.Key, c.Fields = "{cluster}/{index}-{tag}/%Y/", event.Fields{Cluster: "k"}
	if got := c.Destination(); got != "lake, {cluster}/{index}-{tag}/%Y/ in eu-central-1" {
		t.Errorf("the destination is %q", got)
	}
	offer, err := c.Offers(map[string]map[string]string{"a": {"env": "prod"}})
	if err != nil {
		t.Fatal(err)
	}
	b := outputtest.Batch(outputtest.Chunk(1, "a", "x/y", 1, 3, 1))
	if got, err := offer(&b.Events[0]); err != nil || got.Target != "s3://lake/a/0-x_y/2025/…" ||
		string(got.Document) != `{"n":3,"log":"x","k":"a","env":"prod"}` {
		t.Errorf("offered %s to %s, %v", got.Document, got.Target, err)
	}
	for key, c := range map[string]Config{
		"key": {Key: "{"}, "message": {MessageConfig: outputs.MessageConfig{Message: "{"}},
	} {
		if _, err := c.Offers(nil); err == nil || !strings.HasPrefix(err.Error(), key+": ") {
			t.Errorf("%s is offered: %v", key, err)
		}
		if _, err := New(c, Options{Name: "x"}); err == nil ||
			!strings.HasPrefix(err.Error(), "output x: "+key+": ") {
			t.Errorf("%s is made: %v", key, err)
		}
	}
}
