package s3

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/awsclient"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/awsclient/awstest"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

const (
	secret = "wJalrXUtnFEMI-not-to-be-shown"
	bucket = "lake"
)

// store is a made-up S3 and how to reach it.
type store struct {
	*awstest.Server
	s3  *awstest.S3
	url string
}

func newStore(t *testing.T) *store {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
	t.Setenv("AWS_SECRET_ACCESS_KEY", secret)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_CONFIG_FILE", "none")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "none")
	s := &store{Server: awstest.New(time.Now)}
	s.s3 = s.S3("eu-central-1", bucket)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *store) config() Config {
	return Config{
		Common: outputs.Common{Timeout: time.Minute},
		Config: awsclient.Config{Region: "eu-central-1", Endpoint: s.url},
		Bucket: bucket, Key: "{cluster}/%Y/%m/%d/%H/", Compression: "none", PathStyle: true, PartSize: minPart,
		StorageClass: "STANDARD", Encryption: unset, ACL: unset,
	}
}

func newOutput(t *testing.T, cfg Config, state string) *Output {
	t.Helper()
	o, err := New(cfg, Options{Name: "lake", Log: zerolog.New(zerolog.NewTestWriter(t)), StateFile: state})
	if err != nil {
		t.Fatal(err)
	}
	o.abortTimeout = time.Minute
	t.Cleanup(func() {
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	})
	return o
}

// lines returns the lines of an object.
func lines(t *testing.T, o *awstest.Object) [][]byte {
	t.Helper()
	var r io.Reader = bytes.NewReader(o.Body)
	var err error
	switch filepath.Ext(o.Key) {
	case ".gz":
		r, err = gzip.NewReader(r)
	case ".zst":
		r, err = zstd.NewReader(r)
	}
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("%s: %v", o.Key, err)
	}
	if len(b) == 0 || b[len(b)-1] != '\n' {
		t.Fatalf("%s does not end with a line", o.Key)
	}
	return bytes.Split(b[:len(b)-1], []byte("\n"))
}

// numbers returns the n of all events in the bucket, object by object.
func (s *store) numbers(t *testing.T) (all []int) {
	t.Helper()
	for _, object := range s.s3.Objects() {
		ls := lines(t, &object)
		if want := object.Header.Get("X-Amz-Meta-Events"); want != strconv.Itoa(len(ls)) {
			t.Errorf("%s has %d lines and says %s", object.Key, len(ls), want)
		}
		for _, line := range ls {
			var e struct{ N int }
			if err := json.Unmarshal(line, &e); err != nil {
				t.Fatalf("%s: %v", object.Key, err)
			}
			all = append(all, e.N)
		}
	}
	return all
}

// wantOnce checks that the bucket has the events 0 to n-1, each once, in any order.
func (s *store) wantOnce(t *testing.T, n int) {
	t.Helper()
	got := s.numbers(t)
	slices.Sort(got)
	if len(got) != n || n > 0 && (got[0] != 0 || got[n-1] != n-1 || len(slices.Compact(got)) != n) {
		t.Errorf("the bucket has %d events, %d different ones, want 0 to %d once each", len(got),
			len(slices.Compact(got)), n-1)
	}
}

func TestContract(t *testing.T) {
	for _, compression := range []string{"none", "gzip", "zstd"} {
		t.Run(compression, func(t *testing.T) {
			outputtest.Contract(t, func(t *testing.T) *outputtest.Destination {
				t.Helper()
				s := newStore(t)
				cfg := s.config()
				cfg.Compression = compression
				o, err := New(cfg, Options{
					Name: "lake", Log: zerolog.New(zerolog.NewTestWriter(t)),
					StateFile: filepath.Join(t.TempDir(), "s3"),
				})
				if err != nil {
					t.Fatal(err)
				}
				shrink := 1
				if compression != "none" {
					shrink = 1000
				}
				return &outputtest.Destination{
					Output: o, Numbers: s.numbers, Secret: secret,
					Break:  func(after int) { s.s3.Break(after / shrink) },
					Repair: func() { s.s3.Break(-1) },
				}
			})
		})
	}
}

// Events that can't be rendered are refused; the others of their object are delivered, also where the
// object is found only later.
func TestUnrenderable(t *testing.T) {
	for _, lost := range []bool{false, true} {
		s := newStore(t)
		o := newOutput(t, s.config(), "")
		s.SetFault(func(target string) awstest.Fault {
			return awstest.Fault{Cut: lost && target == "PutObject", Stored: true}
		})
		c, alone := outputtest.Chunk(1, "a", "t", 3, 0, 10), outputtest.Chunk(2, "b", "t", 1, 9, 10)
		b := outputtest.Batch(c, alone)
		broken := outputtest.Broken(c)
		broken.Pos = 1
		b.Events[1], b.Events[3] = broken, outputtest.Broken(alone)
		var se *outputs.SendError
		err := o.Send(t.Context(), b)
		if lost {
			err = o.Send(t.Context(), b)
		}
		if !errors.As(err, &se) || se.Reason != outputs.ReasonRejected || len(se.Failed) != 2 ||
			se.Failed[0].Index != 1 || se.Failed[1].Index != 3 {
			t.Fatalf("lost answer %v: got %v", lost, err)
		}
		objects := s.s3.Objects()
		if len(objects) != 1 || len(lines(t, &objects[0])) != 2 || objects[0].Written != 1 {
			t.Errorf("lost answer %v: %d objects", lost, len(objects))
		}
	}
}

func TestObject(t *testing.T) {
	s := newStore(t)
	cfg := s.config()
	cfg.Compression, cfg.StorageClass, cfg.Encryption, cfg.KMSKeyID, cfg.ACL = "zstd", "GLACIER_IR", "aws:kms",
		"alias/logs", "bucket-owner-full-control"
	cfg.Fields.Cluster = "k"
	o := newOutput(t, cfg, "")
	o.SetClusterFields(map[string]map[string]string{"a": {"region": "x"}})
	if err := o.Send(t.Context(), outputtest.Batch(outputtest.Chunk(7, "a", "t", 2, 0, 1))); err != nil {
		t.Fatal(err)
	}
	object := s.s3.Objects()[0]
	if !strings.HasPrefix(object.Key, "a/2025/11/21/10/20251121T101500Z-") ||
		!strings.HasSuffix(object.Key, ".ndjson.zst") {
		t.Errorf("key %s", object.Key)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/zstd", "Content-Encoding": "", "X-Amz-Storage-Class": "GLACIER_IR",
		"X-Amz-Server-Side-Encryption":                "aws:kms",
		"X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id": "alias/logs", "X-Amz-Acl": "bucket-owner-full-control",
		"X-Amz-Meta-Events": "2",
	} {
		if got := object.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	want := `{"n":0,"log":"x","k":"a","region":"x"}` + "\n" + `{"n":1,"log":"x","k":"a","region":"x"}`
	if got := string(bytes.Join(lines(t, &object), []byte("\n"))); got != want {
		t.Errorf("got %s", got)
	}
}

func TestConnect(t *testing.T) {
	for _, tc := range []struct {
		name, bucket, region, key string
		denied                    bool
		found, err                string
	}{
		{
			"fine", bucket, "eu-central-1", "AKIATEST", false,
			"bucket lake in eu-central-1 answers; objects go below seoul/", "",
		},
		{
			"no bucket", "other", "eu-central-1", "AKIATEST", false, "",
			"NoSuchBucket: The specified bucket does not exist",
		},
		{
			"wrong region", bucket, "us-east-1", "AKIATEST", false, "",
			"the bucket is in eu-central-1: set region to that",
		},
		{"not allowed to look", bucket, "eu-central-1", "AKIATEST", true, "s3:ListBucket is not allowed", ""},
		{"expired", bucket, "eu-central-1", "AKIAOLD", false, "", "ExpiredToken"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newStore(t)
			t.Setenv("AWS_ACCESS_KEY_ID", tc.key)
			s.Expire("AKIAOLD", true)
			s.Deny("ListObjectsV2", tc.denied)
			cfg := s.config()
			cfg.Bucket, cfg.Region = tc.bucket, tc.region
			found, err := newOutput(t, cfg, "").Connect(t.Context(), []string{"seoul"})
			if (err == nil) != (tc.err == "") || err != nil && !strings.Contains(outputs.Whole(err.Error()), tc.err) ||
				!strings.Contains(found, tc.found) {
				t.Errorf("found %q, %v", found, err)
			}
		})
	}
}

// What is no S3 is told from it, and one whose certificate is not trusted by what these outputs have to trust it.
func TestConnect_Else(t *testing.T) {
	newStore(t)
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>log in</html>") })
	portal, private := httptest.NewServer(page), httptest.NewTLSServer(page)
	defer portal.Close()
	defer private.Close()
	for url, want := range map[string]string{
		portal.URL:  "what answers a list of objects is not S3: check endpoint",
		private.URL: "set AWS_CA_BUNDLE in the environment",
	} {
		_, err := newOutput(t, (&store{url: url}).config(), "").Connect(t.Context(), nil)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "tls.ca_file") {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// What is in memory follows the size of a part, not that of an object.
func TestMemory(t *testing.T) {
	newStore(t)
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	b := outputtest.Batch(outputtest.Chunk(1, "a", "t", 1200, 0, 60_000))
	before, most, parts := heap(), uint64(0), 0
	var mu sync.Mutex // no other part ends while it is measured, or what is left of it counts, too
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		switch query := r.URL.Query(); {
		case query.Has("uploads"):
			fmt.Fprint(w, `<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>`)
		case query.Has("partNumber"):
			mu.Lock()
			parts, most = parts+1, max(most, heap())
			mu.Unlock()
			w.Header().Set("ETag", `"x"`)
		default:
			fmt.Fprint(w, `<CompleteMultipartUploadResult><ETag>"x"</ETag></CompleteMultipartUploadResult>`)
		}
	}))
	defer server.Close()
	cfg := (&store{url: server.URL}).config()
	if err := newOutput(t, cfg, "").Send(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if parts < 10 {
		t.Errorf("only %d parts", parts)
	}
	t.Logf("%d MiB for an object of %d MiB", (most-before)>>20, b.Bytes>>20)
	if most > before+8*minPart {
		t.Errorf("%d MiB in memory for parts of %d MiB", (most-before)>>20, minPart>>20)
	}
	runtime.KeepAlive(b)
}

// TestRawLines: each event is one line of its field's text, whatever is in it.
func TestRawLines(t *testing.T) {
	s := newStore(t)
	cfg := s.config()
	cfg.Message = "log"
	o := newOutput(t, cfg, "")
	if err := o.Send(t.Context(), outputtest.RawBatch()); err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, text := range outputtest.RawTexts() {
		want = append(want, text.Line)
	}
	objects := s.s3.Objects()
	if len(objects) != 1 {
		t.Fatalf("%d objects", len(objects))
	}
	if got := string(bytes.Join(lines(t, &objects[0]), []byte("\n"))); got != strings.Join(want, "\n") {
		t.Errorf("the object has\n%q; want\n%q", got, want)
	}
	if kind := objects[0].Header.Get("Content-Type"); kind != "text/plain; charset=utf-8" {
		t.Errorf("the object says it is %s", kind)
	}
}

// TestIndex: objects of a prefix are numbered; a repeated upload has the number and name that it had, and a new run
// begins anew without replacing what is there.
func TestIndex(t *testing.T) {
	s := newStore(t)
	cfg := s.config()
	cfg.Key = "{cluster}/%Y%m%d_{index}"
	names := func() (all []string) {
		for _, o := range s.s3.Objects() {
			name, _, _ := strings.Cut(o.Key, "-")
			all = append(all, name)
		}
		slices.Sort(all)
		return all
	}
	o := newOutput(t, cfg, "")
	var batches []*outputs.Batch
	for i := range 4 {
		batches = append(batches, outputtest.Batch(outputtest.Chunk(uint64(i), "a", "t", 2, 2*i, 1)))
	}
	if err := o.Send(t.Context(), batches[0]); err != nil {
		t.Fatal(err)
	}
	s.SetFault(func(string) awstest.Fault { return awstest.Fault{Status: 500, Code: "InternalError"} })
	if err := o.Send(t.Context(), batches[1]); err == nil {
		t.Fatal("a failed upload counts as delivered")
	}
	s.SetFault(nil)
	for _, seq := range []int{2, 1} {
		if err := o.Send(t.Context(), batches[seq]); err != nil {
			t.Fatal(err)
		}
	}
	if got := names(); !slices.Equal(got, []string{"a/20251121_0", "a/20251121_1", "a/20251121_2"}) {
		t.Errorf("objects %q", got)
	}
	if err := newOutput(t, cfg, "").Send(t.Context(), batches[3]); err != nil {
		t.Fatal(err)
	}
	if got := names(); !slices.Equal(got, []string{"a/20251121_0", "a/20251121_0", "a/20251121_1", "a/20251121_2"}) {
		t.Errorf("objects after a restart %q", got)
	}
	s.wantOnce(t, 8)
}
