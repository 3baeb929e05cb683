package s3

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

// Only an answer with an ETag or a checksum proves that an object is stored: docs/aws.md has the table.
func TestProof(t *testing.T) {
	const page = "<!DOCTYPE html><html><title>Sign in</title></html>"
	type answer struct {
		header map[string]string
		body   string
	}
	ok := map[string]answer{
		"PutObject":  {header: map[string]string{"ETag": `"abc"`}},
		"UploadPart": {header: map[string]string{"ETag": `"abc"`}},
		"Create":     {body: `<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>`},
		"Complete":   {body: `<CompleteMultipartUploadResult><ETag>"x"</ETag></CompleteMultipartUploadResult>`},
		"Head":       {header: map[string]string{"ETag": `"abc"`, "X-Amz-Meta-Events": "0"}},
	}
	html := map[string]string{"Content-Type": "text/html", "ETag": `"5e8c"`}
	for _, tc := range []struct {
		name, operation string
		answer          answer
		proved          bool
	}{
		{"an ETag", "PutObject", ok["PutObject"], true},
		{
			"a checksum", "PutObject",
			answer{header: map[string]string{"X-Amz-Checksum-Crc64nvme": "AAAAAAAAAAA="}},
			true,
		},
		{"neither", "PutObject", answer{}, false},
		{"a page", "PutObject", answer{body: page}, false},
		{"an ETag, and nothing that is said to be a page", "PutObject", answer{html, ""}, true},
		{"a page with an ETag of its own", "PutObject", answer{html, page}, false},
		{"a text with an ETag of its own", "PutObject", answer{map[string]string{"ETag": `"5e8c"`}, "OK"}, false},
		{"parts with ETags", "Complete", ok["Complete"], true},
		{
			"an upload without an id", "Create",
			answer{body: "<InitiateMultipartUploadResult></InitiateMultipartUploadResult>"},
			false,
		},
		{"a page for an upload", "Create", answer{body: page}, false},
		{"a part without an ETag", "UploadPart", answer{}, false},
		{"a page for a part", "UploadPart", answer{html, page}, false},
		{
			"parts put together without an ETag", "Complete",
			answer{body: "<CompleteMultipartUploadResult></CompleteMultipartUploadResult>"},
			false,
		},
		{"a page for parts put together", "Complete", answer{html, page}, false},
		{"nothing for parts put together", "Complete", answer{}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			newStore(t) // for its environment
			var faulty atomic.Bool
			faulty.Store(true)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				operation := "PutObject"
				switch query := r.URL.Query(); {
				case r.Method == http.MethodDelete:
					w.WriteHeader(http.StatusNoContent)
					return
				case r.Method == http.MethodHead:
					operation = "Head"
				case query.Has("uploads"):
					operation = "Create"
				case query.Has("partNumber"):
					operation = "UploadPart"
				case query.Has("uploadId"):
					operation = "Complete"
				}
				a := ok[operation]
				if operation == tc.operation && faulty.Load() {
					a = tc.answer
				}
				for name, value := range a.header {
					w.Header().Set(name, value)
				}
				fmt.Fprint(w, a.body)
			}))
			defer server.Close()
			events := 3
			if tc.operation != "PutObject" {
				events = 120 // of 60 kB: more than a part
			}
			o := newOutput(t, (&store{url: server.URL}).config(), "")
			err := o.Send(t.Context(), outputtest.Batch(outputtest.Chunk(1, "a", "t", events, 0, 60_000)))
			if (err == nil) != tc.proved {
				t.Fatalf("Send: %v, want it proved: %t", err, tc.proved)
			}
			if se := outputs.AsSendError(err); err != nil &&
				(se.Reason.Final() || se.Reason == outputs.ReasonAuth ||
					!strings.Contains(se.Error(), "bucket lake: ")) {
				t.Errorf("the error is %v", se)
			}
			faulty.Store(false)
			if err := o.Send(
				t.Context(), outputtest.Batch(outputtest.Chunk(2, "a", "t", events, 0, 60_000)),
			); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

// A page that answers the question for an object proves neither that it is there nor that it is not.
func TestPageInPlaceOfAnObject(t *testing.T) {
	newStore(t)
	var put atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/html")
		if r.Method == http.MethodPut {
			put.Add(1)
		}
	}))
	defer server.Close()
	o := newOutput(t, (&store{url: server.URL}).config(), "")
	b := outputtest.Batch(outputtest.Chunk(1, "a", "t", 3, 0, 10))
	for range 3 {
		if err := o.Send(t.Context(), b); err == nil {
			t.Fatal("delivered to a page")
		}
	}
	if n := put.Load(); n != 1 {
		t.Errorf("%d uploads, want one: then the bucket is asked, and does not tell", n)
	}
}
