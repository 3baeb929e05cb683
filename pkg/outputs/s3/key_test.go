package s3

import (
	"path"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/awsclient"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

func TestAppendClean(t *testing.T) {
	for _, tc := range []struct{ value, want string }{
		{"", "_"},
		{"kube.var.log", "kube.var.log"},
		{"a/b", "a_b"},
		{"/etc", "_etc"},
		{"..", "__"},
		{"../../x", "___.__x"},
		{".hidden", "_hidden"},
		{"a..b", "a._b"},
		{`a\b`, "a_b"},
		{"a\x00\n\x1b[31mb", "a___[31mb"},
		{"이름", "이름"},
		{"\xff\xfe", "__"},
		{strings.Repeat("é", 150), "cut"},
	} {
		got := string(appendClean([]byte("x"), []byte(tc.value)))
		if tc.want == "cut" && strings.HasPrefix(got, "xéééé") && len(got) <= maxValue+1 && utf8.ValidString(got) {
			continue
		}
		if got != "x"+tc.want {
			t.Errorf("%q: %q, want %q", tc.value, got, tc.want)
		}
	}
}

// Whatever values an event has, its key is one that S3 takes and has the levels of the template.
func FuzzKey(f *testing.F) {
	f.Add("a", "b.c", "x")
	f.Add("../..", "/", strings.Repeat("ü", 600))
	f.Add("..", "a\\..\\b", "\x00\x1b[2J\u202e%2e%2e%2f")
	f.Fuzz(func(t *testing.T, cluster, tag, field string) {
		record := append([]byte{0x81, 0xa1, 'f', 0xdb, 0, 0, byte(len(field) >> 8), byte(len(field))}, field...)
		if len(field) > 0xffff {
			return
		}
		ev := event.Event{Chunk: &event.Chunk{Cluster: cluster, Tag: tag}, Record: record}
		for levels, text := range map[int]string{
			4: "{cluster}/{tag}/{record.f}{record.f}{record.f}{record.f}{record.f}/%Y/",
			5: "lake/{cluster}/{tag}/{record.f}/%Y/",
		} {
			template, err := event.ParseTemplate(text)
			if err != nil {
				t.Fatal(err)
			}
			prefix := finalPrefix(template.Append(nil, &ev, appendClean))
			key := objectKey(prefix, event.Time{Sec: 1 << 40}, 0, objectHash(nil), ".zst")
			if len(key) > 1024 || !utf8.ValidString(key) || path.Clean(key) != key || strings.HasPrefix(key, "/") ||
				strings.HasPrefix(key, ".") {
				t.Errorf("key %q of %d bytes", key, len(key))
			}
			if len(prefix) <= maxPrefix-20 && strings.Count(prefix, "/") != levels {
				t.Errorf("prefix %q", prefix)
			}
			if levels == 5 && !strings.HasPrefix(key, "lake/") {
				t.Errorf("key %q", key)
			}
		}
	})
}

func TestCheck(t *testing.T) {
	sound := func() *Config {
		return &Config{
			Common: outputs.Common{Type: "s3"}, Config: awsclient.Config{Region: "eu-central-1"}, Bucket: "lake",
			Key:    "{cluster}/%Y/",
			Rotate: Rotate{MaxSize: 64 << 20, MaxAge: 300e9}, PartSize: 8 << 20, Encryption: unset,
		}
	}
	for _, tc := range []struct {
		name   string
		change func(c *Config)
		key    string
	}{
		{"sound", func(*Config) {}, ""},
		{"access point", func(c *Config) { c.Bucket = "arn:aws:s3:eu-central-1:123456789012:accesspoint/a" }, ""},
		{"key encrypted", func(c *Config) { c.Encryption, c.KMSKeyID = "aws:kms", "alias/x" }, ""},
		{"bucket with scheme", func(c *Config) { c.Bucket = "s3://lake" }, "bucket"},
		{"bucket with path", func(c *Config) { c.Bucket = "lake/a" }, "bucket"},
		{"short bucket", func(c *Config) { c.Bucket = "la" }, "bucket"},
		{"leading slash", func(c *Config) { c.Key = "/a/" }, "key"},
		{"doubled slash", func(c *Config) { c.Key = "a//b" }, "key"},
		{"doubled at the end", func(c *Config) { c.Key = "a//" }, "key"},
		{"up", func(c *Config) { c.Key = "a/../b" }, "key"},
		{"unknown placeholder", func(c *Config) { c.Key = "{nope}/" }, "key"},
		{"long", func(c *Config) { c.Key = strings.Repeat("a", 600) }, "key"},
		{"too large to hold", func(c *Config) { c.Rotate.MaxSize = 512 << 20 }, "rotate.max_size"},
		{"small parts", func(c *Config) { c.PartSize = 1 << 20 }, "part_size"},
		{"key without encryption", func(c *Config) { c.KMSKeyID = "alias/x" }, "kms_key_id"},
		{"common", func(c *Config) { c.Workers = -1 }, "workers"},
		{"aws", func(c *Config) { c.Region = "Europe" }, "region"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := sound()
			tc.change(c)
			var r setting.Report
			c.Check(&r)
			switch {
			case tc.key == "" && len(r.Problems) > 0:
				t.Errorf("%+v", r.Problems)
			case tc.key != "" && (len(r.Problems) != 1 || r.Problems[0].Key != tc.key || r.Problems[0].Hint == ""):
				t.Errorf("%+v, want %s", r.Problems, tc.key)
			}
		})
	}
}

// rotate bounds a batch; batch may bound it more.
func TestSettings(t *testing.T) {
	c := Config{Rotate: Rotate{MaxSize: 64 << 20, MaxAge: 300e9}}
	if s := c.Settings(); s.Workers != 1 || s.Batch.MaxBytes != 64<<20 || s.Batch.MaxWait != 300e9 ||
		s.Batch.MaxEvents != maxEvents {
		t.Errorf("%+v", s)
	}
	c.Batch = outputs.BatchConfig{MaxBytes: 1 << 20, MaxEvents: 10, MaxWait: 1e9}
	if s := c.Settings(); s.Batch != c.Batch {
		t.Errorf("%+v", s)
	}
	c.Batch = outputs.BatchConfig{MaxBytes: 1 << 30, MaxWait: 3600e9}
	if s := c.Settings(); s.Batch.MaxBytes != 64<<20 || s.Batch.MaxWait != 300e9 {
		t.Errorf("%+v", s)
	}
}

func TestIndexedKeys(t *testing.T) {
	ev := event.Event{
		Chunk: &event.Chunk{Cluster: "a", Tag: "t"}, Time: event.Time{Sec: outputtest.Start}, Record: []byte{0x80},
	}
	hash := objectHash(nil)
	for _, tc := range []struct{ key, want string }{
		{"{cluster}/%Y%m%d%H_{index}", "a/2025112110_7-" + hash + ".ndjson.gz"},
		{"{index}", "7-" + hash + ".ndjson.gz"},
		{"{cluster}/{index}/%Y/", "a/7/2025/20251121T101500Z-" + hash + ".ndjson.gz"},
		{"{index}-{index}", "7-7-" + hash + ".ndjson.gz"},
		{"{{index}}/", "{index}/20251121T101500Z-" + hash + ".ndjson.gz"},
		{"{{{index}}}x", "{7}x-" + hash + ".ndjson.gz"},
		{"%Y/", "2025/20251121T101500Z-" + hash + ".ndjson.gz"},
	} {
		template, err := parseKey(tc.key)
		if err != nil {
			t.Errorf("%s: %v", tc.key, err)
			continue
		}
		prefix := finalPrefix(template.Append(nil, &ev, appendClean))
		if got := objectKey(prefix, ev.Time, 7, hash, ".gz"); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.key, got, tc.want)
		}
	}
	for _, key := range []string{"{index", "{index|x}", "a\x00b", "{indexes}"} {
		if _, err := parseKey(key); err == nil {
			t.Errorf("%q is taken", key)
		}
	}
}

func TestNumbers(t *testing.T) {
	var n numbers
	n.remember([]object{{key: "logged", spans: nil}})
	for i, tc := range []struct{ prefix, hash, want string }{
		{"a" + indexMark, "1", "a0-1.ndjson"},
		{"a" + indexMark, "2", "a1-2.ndjson"},
		{"b" + indexMark, "3", "b0-3.ndjson"},
		{"a" + indexMark, "1", "a0-1.ndjson"}, // again
		{"a" + indexMark, "4", "a2-4.ndjson"},
		{"c/", "5", "c/19700101T000000Z-5.ndjson"},
		{"a" + indexMark, objectHash(nil), "logged"}, // by an earlier run
		{"c/", objectHash(nil), "c/19700101T000000Z-" + objectHash(nil) + ".ndjson"},
	} {
		if got := n.key(tc.prefix, event.Time{}, tc.hash, ""); got != tc.want {
			t.Errorf("%d: %s, want %s", i, got, tc.want)
		}
	}
	n.complete("a"+indexMark, "1")
	if got := n.key("a"+indexMark, event.Time{}, "1", ""); got != "a3-1.ndjson" {
		t.Errorf("after it was complete: %s", got)
	}
	for i := range 3 * maxNumbered {
		n.key(strconv.Itoa(i)+indexMark, event.Time{}, "x", "")
	}
	if len(n.next) > maxNumbered || len(n.given) > maxNumbered {
		t.Errorf("%d prefixes and %d objects are remembered", len(n.next), len(n.given))
	}
}
