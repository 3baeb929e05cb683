package awstest

import (
	"bytes"
	"crypto/md5" //nolint:gosec // S3's ETag
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// S3 is the object store: PutObject, HeadObject, GetObject, ListObjectsV2 and uploads in parts, for
// buckets named in the path. Targets of faults and of Deny are the operations' names.
type S3 struct {
	server *Server

	// What follows is guarded by the server's mutex.
	buckets map[string]bool
	region  string
	// objects are in the order in which they were made first.
	objects []*Object
	uploads map[string]*parts
	// made counts uploads so far.
	made int
	// room counts bytes of bodies that are still taken; negative: no limit.
	room int
}

// Object is what the store holds below a key.
type Object struct {
	Bucket, Key string
	Body        []byte
	// Header is that of the call that began it.
	Header http.Header
	// Written is how often.
	Written int
	// Parts may be 0: made by PutObject.
	Parts int
}

type parts struct {
	object Object
	byNum  map[int][]byte
}

// The limits of S3 that are kept, in bytes.
const (
	maxKey      = 1024
	minPartSize = 5 << 20
)

// S3 returns the object store with the buckets given, which are in region. Call it once, before the
// server is used.
func (s *Server) S3(region string, buckets ...string) *S3 {
	o := &S3{server: s, buckets: map[string]bool{}, region: region, uploads: map[string]*parts{}, room: -1}
	for _, b := range buckets {
		o.buckets[b] = true
	}
	s.rest = o
	return o
}

// Objects returns the objects in the order in which they were made first.
func (o *S3) Objects() []Object {
	o.server.mu.Lock()
	defer o.server.mu.Unlock()
	all := make([]Object, len(o.objects))
	for i, object := range o.objects {
		all[i] = *object
	}
	return all
}

// Open returns how many uploads in parts were neither completed nor aborted.
func (o *S3) Open() int {
	o.server.mu.Lock()
	defer o.server.mu.Unlock()
	return len(o.uploads)
}

// Break has the store cut connections once it has taken so many bytes of bodies more; negative: never.
func (o *S3) Break(after int) {
	o.server.mu.Lock()
	defer o.server.mu.Unlock()
	o.room = after
}

// MakeBucket adds a bucket.
func (o *S3) MakeBucket(name string) {
	o.server.mu.Lock()
	defer o.server.mu.Unlock()
	o.buckets[name] = true
}

// call is a request to the store.
type call struct {
	*http.Request
	bucket, key string
	query       url.Values
	body        []byte
}

// operation returns the name by which S3's documentation knows the call.
func (c *call) operation() string {
	switch {
	case c.Method == http.MethodHead:
		return "HeadObject"
	case c.Method == http.MethodGet && c.key == "":
		return "ListObjectsV2"
	case c.Method == http.MethodGet:
		return "GetObject"
	case c.Method == http.MethodDelete && c.query.Has("uploadId"):
		return "AbortMultipartUpload"
	case c.Method == http.MethodPost && c.query.Has("uploads"):
		return "CreateMultipartUpload"
	case c.Method == http.MethodPost && c.query.Has("uploadId"):
		return "CompleteMultipartUpload"
	case c.Method == http.MethodPut && c.query.Has("uploadId"):
		return "UploadPart"
	case c.Method == http.MethodPut:
		return "PutObject"
	}
	return c.Method
}

// ServeHTTP answers one call.
func (o *S3) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{Request: r, query: r.URL.Query()}
	c.bucket, c.key, _ = strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	operation := c.operation()
	o.server.mu.Lock()
	o.server.requests[operation]++
	f := o.server.fault(operation)
	o.server.mu.Unlock()
	if f.Cut && !f.Stored {
		panic(http.ErrAbortHandler)
	}
	c.body = o.read(r)
	if f.Status == 0 && !f.Cut && !f.Hang {
		o.answer(w, c, operation)
		return
	}
	if f.Stored {
		o.answer(nowhere{http.Header{}}, c, operation)
	}
	if f.Hang {
		<-r.Context().Done()
	}
	if f.Hang || f.Cut {
		panic(http.ErrAbortHandler)
	}
	if f.RetryAfter != "" {
		w.Header().Set("Retry-After", f.RetryAfter)
	}
	o.fail(w, c, f.Status, f.Code, f.Message)
}

// read returns the body of r. It panics with http.ErrAbortHandler to cut the connection.
func (o *S3) read(r *http.Request) []byte {
	var body bytes.Buffer
	buf := make([]byte, 32<<10)
	for {
		n, err := r.Body.Read(buf)
		o.server.mu.Lock()
		full := o.room >= 0 && n > o.room
		if o.room >= 0 {
			o.room = max(o.room-n, 0)
		}
		o.server.mu.Unlock()
		if full || body.Len() > maxBody {
			panic(http.ErrAbortHandler)
		}
		body.Write(buf[:n])
		if err == io.EOF {
			return body.Bytes()
		}
		if err != nil {
			// The client has gone.
			panic(http.ErrAbortHandler)
		}
	}
}

func (o *S3) answer(w http.ResponseWriter, c *call, operation string) {
	if code, message := o.server.refusal(c.Request, operation); code != "" {
		code, status := strings.TrimSuffix(code, "Exception"), http.StatusForbidden
		switch code {
		case "ExpiredToken":
			status = http.StatusBadRequest
		case "InvalidSignature":
			code = "RequestTimeTooSkewed"
		}
		o.fail(w, c, status, code, message)
		return
	}
	if !strings.Contains(c.Header.Get("Authorization"), "/"+o.region+"/s3/") {
		w.Header().Set("X-Amz-Bucket-Region", o.region)
		o.fail(w, c, http.StatusMovedPermanently, "PermanentRedirect",
			"The bucket you are attempting to access must be addressed using the specified endpoint.")
		return
	}
	if wrong := wrongBody(c); wrong != "" {
		o.fail(w, c, http.StatusBadRequest, wrong, "The digest you specified did not match the calculated checksum.")
		return
	}
	o.server.mu.Lock()
	defer o.server.mu.Unlock()
	switch {
	case !o.buckets[c.bucket]:
		o.fail(w, c, http.StatusNotFound, "NoSuchBucket", "The specified bucket does not exist")
	case len(c.key) > maxKey:
		o.fail(w, c, http.StatusBadRequest, "KeyTooLongError", "Your key is too long")
	case operation == "ListObjectsV2":
		o.list(w, c)
	case operation == "HeadObject", operation == "GetObject":
		o.get(w, c)
	case operation == "PutObject":
		o.put(w, Object{Bucket: c.bucket, Key: c.key, Header: c.Header, Body: c.body})
	case operation == "CreateMultipartUpload":
		o.made++
		id := fmt.Sprintf("upload-%d", o.made)
		o.uploads[id] = &parts{object: Object{Bucket: c.bucket, Key: c.key, Header: c.Header}, byNum: map[int][]byte{}}
		o.write(w, `<InitiateMultipartUploadResult><UploadId>%s</UploadId></InitiateMultipartUploadResult>`, id)
	case c.query.Has("uploadId"):
		o.upload(w, c, operation)
	default:
		o.fail(w, c, http.StatusNotImplemented, "NotImplemented", "")
	}
}

// wrongBody checks the body against the digests that came with it.
func wrongBody(c *call) (code string) {
	if strings.Contains(c.Header.Get("Content-Encoding"), "aws-chunked") {
		return "NotImplemented"
	}
	sha := sha256.Sum256(c.body)
	if want := c.Header.Get("X-Amz-Content-Sha256"); want != hex.EncodeToString(sha[:]) &&
		!strings.HasPrefix(want, "UNSIGNED-") {
		return "XAmzContentSHA256Mismatch"
	}
	if want := c.Header.Get("X-Amz-Checksum-Crc32"); want != "" && want != crc(c.body) {
		return "BadDigest"
	}
	return ""
}

func crc(b []byte) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(b)))
}

func (o *S3) find(bucket, key string) *Object {
	for _, object := range o.objects {
		if object.Bucket == bucket && object.Key == key {
			return object
		}
	}
	return nil
}

func (o *S3) put(w http.ResponseWriter, object Object) {
	w.Header().Set("ETag", etag(object.Body))
	if old := o.find(object.Bucket, object.Key); old != nil {
		object.Written = old.Written + 1
		*old = object
		return
	}
	object.Written = 1
	o.objects = append(o.objects, &object)
}

func etag(b []byte) string { return fmt.Sprintf("%q", fmt.Sprintf("%x", md5.Sum(b))) } //nolint:gosec // S3's ETag

func (o *S3) get(w http.ResponseWriter, c *call) {
	object := o.find(c.bucket, c.key)
	if object == nil {
		o.fail(w, c, http.StatusNotFound, "NoSuchKey", "The specified key does not exist.")
		return
	}
	for name, values := range object.Header {
		if strings.HasPrefix(name, "X-Amz-Meta-") || name == "Content-Type" {
			w.Header()[name] = values
		}
	}
	w.Header().Set("ETag", etag(object.Body))
	w.Header().Set("Content-Length", strconv.Itoa(len(object.Body)))
	if c.Method == http.MethodGet {
		// An error: the client has gone.
		_, _ = w.Write(object.Body)
	}
}

func (o *S3) list(w http.ResponseWriter, c *call) {
	type content struct {
		Key  string
		Size int
	}
	var result struct {
		XMLName  xml.Name `xml:"ListBucketResult"`
		KeyCount int
		Contents []content
	}
	for _, object := range o.objects {
		if object.Bucket == c.bucket && strings.HasPrefix(object.Key, c.query.Get("prefix")) {
			result.Contents = append(result.Contents, content{object.Key, len(object.Body)})
		}
	}
	result.KeyCount = len(result.Contents)
	// An error: the client has gone.
	_ = xml.NewEncoder(w).Encode(result)
}

// upload answers the calls for an upload in parts.
func (o *S3) upload(w http.ResponseWriter, c *call, operation string) {
	id := c.query.Get("uploadId")
	u := o.uploads[id]
	if u == nil {
		o.fail(w, c, http.StatusNotFound, "NoSuchUpload", "The specified upload does not exist.")
		return
	}
	switch operation {
	case "AbortMultipartUpload":
		delete(o.uploads, id)
		w.WriteHeader(http.StatusNoContent)
	case "UploadPart":
		n, err := strconv.Atoi(c.query.Get("partNumber"))
		if err != nil || n < 1 || n > 10_000 {
			o.fail(w, c, http.StatusBadRequest, "InvalidArgument",
				"Part number must be an integer between 1 and 10000, inclusive")
			return
		}
		u.byNum[n] = c.body
		w.Header().Set("ETag", etag(c.body))
		w.Header().Set("X-Amz-Checksum-Crc32", crc(c.body))
	case "CompleteMultipartUpload":
		o.complete(w, c, u, id)
	}
}

func (o *S3) complete(w http.ResponseWriter, c *call, u *parts, id string) {
	var want struct {
		Part []struct {
			PartNumber          int
			ETag, ChecksumCRC32 string
		}
	}
	if err := xml.Unmarshal(c.body, &want); err != nil || len(want.Part) == 0 {
		o.fail(w, c, http.StatusBadRequest, "MalformedXML", "")
		return
	}
	numbers := slices.Sorted(maps.Keys(u.byNum))
	object := u.object
	for i, p := range want.Part {
		part, ok := u.byNum[p.PartNumber]
		switch {
		case !ok || p.ETag != etag(part) || p.ChecksumCRC32 != "" && p.ChecksumCRC32 != crc(part):
			o.fail(w, c, http.StatusBadRequest, "InvalidPart", "One or more of the specified parts could not be found.")
			return
		case i >= len(numbers) || numbers[i] != p.PartNumber:
			o.fail(w, c, http.StatusBadRequest, "InvalidPartOrder", "The list of parts was not in ascending order.")
			return
		case i < len(want.Part)-1 && len(part) < minPartSize:
			o.fail(w, c, http.StatusBadRequest, "EntityTooSmall",
				"Your proposed upload is smaller than the minimum allowed size")
			return
		}
		object.Body = append(object.Body, part...)
		object.Parts++
	}
	delete(o.uploads, id)
	o.put(w, object)
	o.write(w, `<CompleteMultipartUploadResult><Bucket>%s</Bucket><ETag>"x"</ETag></CompleteMultipartUploadResult>`,
		c.bucket)
}

// fail answers with an error as S3 has it: without a body to HEAD.
func (o *S3) fail(w http.ResponseWriter, c *call, status int, code, message string) {
	w.Header().Set("Content-Type", "application/xml")
	w.Header().Set("X-Amz-Request-Id", "0123456789ABCDEF")
	w.WriteHeader(status)
	if c.Method != http.MethodHead {
		o.write(w, `<Error><Code>%s</Code><Message>%s</Message></Error>`, code, message)
	}
}

func (o *S3) write(w io.Writer, format string, args ...any) {
	// An error: the client has gone.
	_, _ = fmt.Fprintf(w, format, args...)
}
