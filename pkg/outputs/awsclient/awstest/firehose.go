package awstest

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// The documented limits of PutRecordBatch.
const (
	firehoseRecords = 500
	// firehoseRequest is how many bytes of the JSON body: the narrow reading.
	firehoseRequest = 4 << 20
	// firehoseRecord is how many bytes before base64.
	firehoseRecord = 1_024_000
)

// Firehose is Amazon Data Firehose. Its fields are guarded by the server.
type Firehose struct {
	s       *Server
	streams map[string]*deliveryStream
}

type deliveryStream struct {
	status    string
	bucket    *bucket
	refuse    func(data []byte) string
	records   [][]byte
	throttled int
}

// Firehose returns the server's Firehose.
func (s *Server) Firehose() *Firehose { return s.firehose }

func newFirehose(s *Server) *Firehose {
	f := &Firehose{s: s, streams: map[string]*deliveryStream{}}
	s.handle("Firehose_20150804.PutRecordBatch", f.putRecordBatch)
	s.handle("Firehose_20150804.DescribeDeliveryStream", f.describe)
	return f
}

// Create makes a stream, or gives one another quota.
func (f *Firehose) Create(name string, q Quota) {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	if d, ok := f.streams[name]; ok {
		d.bucket = newBucket(q, f.s.now())
		return
	}
	f.streams[name] = &deliveryStream{
		status: "ACTIVE", bucket: newBucket(q, f.s.now()), refuse: func([]byte) string { return "" },
	}
}

// Delete removes the stream.
func (f *Firehose) Delete(name string) {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	delete(f.streams, name)
}

// SetStatus sets what DescribeDeliveryStream says of the stream.
func (f *Firehose) SetStatus(name, status string) {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	f.streams[name].status = status
}

// SetRefuse has f tell the error code with which a record of the stream is refused, "" for none.
func (f *Firehose) SetRefuse(name string, refuse func(data []byte) string) {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	f.streams[name].refuse = refuse
}

// Records returns what the stream has stored, in order.
func (f *Firehose) Records(name string) [][]byte {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	if d, ok := f.streams[name]; ok {
		return slices.Clone(d.records)
	}
	return nil
}

// Throttled returns how many calls to the stream were throttled in whole or in part.
func (f *Firehose) Throttled(name string) int {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	return f.streams[name].throttled
}

type putResult struct {
	RecordID       string `json:"RecordId,omitempty"`
	SequenceNumber string `json:",omitempty"`
	ShardID        string `json:"ShardId,omitempty"`
	ErrorCode      string `json:",omitempty"`
	ErrorMessage   string `json:",omitempty"`
}

func (f *Firehose) putRecordBatch(w http.ResponseWriter, _ *http.Request, body []byte) {
	var in struct {
		DeliveryStreamName string
		Records            []struct{ Data []byte }
	}
	if !decode(w, body, &in) {
		return
	}
	if n := len(in.Records); n == 0 || n > firehoseRecords {
		failJSON(w, http.StatusBadRequest, "ValidationException",
			fmt.Sprintf(
				"1 validation error detected: Value at 'records' failed to satisfy constraint: Member must have "+
					"length between 1 and 500, not %d", n,
			))
		return
	}
	size := 0.0
	for i, record := range in.Records {
		size += float64(len(record.Data))
		if len(record.Data) > firehoseRecord {
			failJSON(w, http.StatusBadRequest, "ValidationException",
				fmt.Sprintf(
					"1 validation error detected: Value at 'records.%d.member.data' failed to satisfy constraint: "+
						"Member must have length less than or equal to 1024000", i+1,
				))
			return
		}
	}
	if len(body) > firehoseRequest {
		failJSON(w, http.StatusBadRequest, "InvalidArgumentException", "Records size exceeds 4 MB limit")
		return
	}
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	d, ok := find(w, f.streams, "Firehose", in.DeliveryStreamName)
	if !ok {
		return
	}
	d.bucket.refill(f.s.now())
	whole := !d.bucket.quota.PerRecord
	if !d.bucket.request() || whole && !d.bucket.take(size, float64(len(in.Records))) {
		d.throttled++
		failJSON(w, http.StatusServiceUnavailable, "ServiceUnavailableException", "Slow down.")
		return
	}
	out := struct {
		FailedPutCount   int
		RequestResponses []putResult
	}{}
	for _, record := range in.Records {
		code := d.refuse(record.Data)
		if code == "" && !whole && !d.bucket.take(float64(len(record.Data)), 1) {
			code = "ServiceUnavailableException"
		}
		if code != "" {
			out.FailedPutCount++
			out.RequestResponses = append(out.RequestResponses, putResult{ErrorCode: code, ErrorMessage: "Slow down."})
			continue
		}
		d.records = append(d.records, record.Data)
		out.RequestResponses = append(out.RequestResponses, putResult{RecordID: strconv.Itoa(len(d.records))})
	}
	if out.FailedPutCount > 0 {
		d.throttled++
	}
	reply(w, http.StatusOK, out)
}

func (f *Firehose) describe(w http.ResponseWriter, _ *http.Request, body []byte) {
	var in struct{ DeliveryStreamName string }
	if !decode(w, body, &in) {
		return
	}
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	d, ok := find(w, f.streams, "Firehose", in.DeliveryStreamName)
	if !ok {
		return
	}
	reply(w, http.StatusOK, map[string]any{"DeliveryStreamDescription": map[string]any{
		"DeliveryStreamName": in.DeliveryStreamName, "DeliveryStreamStatus": d.status,
		"DeliveryStreamType": "DirectPut",
		"DeliveryStreamARN":  "arn:aws:firehose:eu-central-1:123456789012:deliverystream/" + in.DeliveryStreamName,
		"Destinations":       []any{}, "HasMoreDestinations": false, "VersionId": "1",
		"CreateTimestamp": float64(f.s.now().Add(-time.Hour).Unix()),
	}})
}
