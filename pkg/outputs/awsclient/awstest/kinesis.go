package awstest

import (
	"crypto/md5" //nolint:gosec // as Kinesis has it
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// The documented limits of PutRecords, as they were before they were raised in 2025.
const (
	kinesisRecords = 500
	// kinesisRequest is how many bytes of data and partition keys.
	kinesisRequest = 5 << 20
	// kinesisKey is how many characters.
	kinesisKey = 256
)

// Kinesis is Amazon Kinesis Data Streams. Its fields are guarded by the server.
type Kinesis struct {
	s       *Server
	streams map[string]*dataStream
}

type dataStream struct {
	maxRecord int
	shards    []*bucket
	records   []KinesisRecord
	throttled int
}

// KinesisRecord is a stored record.
type KinesisRecord struct {
	Key   string
	Shard int
	Data  []byte
}

// Kinesis returns the server's Kinesis Data Streams.
func (s *Server) Kinesis() *Kinesis { return s.kinesis }

func newKinesis(s *Server) *Kinesis {
	k := &Kinesis{s: s, streams: map[string]*dataStream{}}
	s.handle("Kinesis_20131202.PutRecords", k.putRecords)
	s.handle("Kinesis_20131202.DescribeStreamSummary", k.describe)
	return k
}

// Create makes a stream of shards with the quota each, and records of maxRecord bytes at most with
// their keys.
func (k *Kinesis) Create(name string, shards, maxRecord int, q Quota) {
	k.s.mu.Lock()
	defer k.s.mu.Unlock()
	d := &dataStream{maxRecord: maxRecord}
	for range shards {
		d.shards = append(d.shards, newBucket(q, k.s.now()))
	}
	k.streams[name] = d
}

// Delete removes the stream.
func (k *Kinesis) Delete(name string) {
	k.s.mu.Lock()
	defer k.s.mu.Unlock()
	delete(k.streams, name)
}

// Records returns what the stream has stored, in order.
func (k *Kinesis) Records(name string) []KinesisRecord {
	k.s.mu.Lock()
	defer k.s.mu.Unlock()
	if d, ok := k.streams[name]; ok {
		return slices.Clone(d.records)
	}
	return nil
}

// Throttled returns how many records were throttled.
func (k *Kinesis) Throttled(name string) int {
	k.s.mu.Lock()
	defer k.s.mu.Unlock()
	return k.streams[name].throttled
}

func (k *Kinesis) putRecords(w http.ResponseWriter, _ *http.Request, body []byte) {
	var in struct {
		StreamName string
		Records    []struct {
			Data         []byte
			PartitionKey string
		}
	}
	if !decode(w, body, &in) {
		return
	}
	k.s.mu.Lock()
	defer k.s.mu.Unlock()
	d, ok := find(w, k.streams, "Stream", in.StreamName)
	if !ok {
		return
	}
	if n := len(in.Records); n == 0 || n > kinesisRecords {
		failJSON(w, http.StatusBadRequest, "ValidationException",
			fmt.Sprintf(
				"1 validation error detected: Value at 'records' failed to satisfy constraint: Member must have "+
					"length between 1 and 500, not %d", n,
			))
		return
	}
	size := 0
	for i, record := range in.Records {
		size += len(record.Data) + len(record.PartitionKey)
		if n := len([]rune(record.PartitionKey)); n == 0 || n > kinesisKey ||
			len(record.Data)+len(record.PartitionKey) > d.maxRecord {
			failJSON(w, http.StatusBadRequest, "ValidationException",
				fmt.Sprintf(
					"1 validation error detected: Value at 'records.%d.member' failed to satisfy constraint: key of "+
						"%d characters, data of %d bytes", i+1, n, len(record.Data),
				))
			return
		}
	}
	if size > kinesisRequest {
		failJSON(w, http.StatusBadRequest, "InvalidArgumentException", "Records size exceeds 5 MB limit")
		return
	}
	out := struct {
		FailedRecordCount int
		Records           []putResult
	}{}
	for _, record := range in.Records {
		sum := md5.Sum([]byte(record.PartitionKey)) //nolint:gosec // no secret
		shard := (int(sum[0])<<8 | int(sum[1])) * len(d.shards) >> 16
		b := d.shards[shard]
		b.refill(k.s.now())
		if !b.take(float64(len(record.Data)), 1) {
			d.throttled++
			out.FailedRecordCount++
			out.Records = append(out.Records, putResult{
				ErrorCode: "ProvisionedThroughputExceededException", ErrorMessage: "Rate exceeded for shard",
			})
			continue
		}
		d.records = append(d.records, KinesisRecord{record.PartitionKey, shard, record.Data})
		out.Records = append(out.Records, putResult{
			SequenceNumber: strconv.Itoa(len(d.records)), ShardID: fmt.Sprintf("shardId-%012d", shard),
		})
	}
	reply(w, http.StatusOK, out)
}

func (k *Kinesis) describe(w http.ResponseWriter, _ *http.Request, body []byte) {
	var in struct{ StreamName string }
	if !decode(w, body, &in) {
		return
	}
	k.s.mu.Lock()
	defer k.s.mu.Unlock()
	d, ok := find(w, k.streams, "Stream", in.StreamName)
	if !ok {
		return
	}
	reply(w, http.StatusOK, map[string]any{"StreamDescriptionSummary": map[string]any{
		"StreamName": in.StreamName, "StreamStatus": "ACTIVE", "OpenShardCount": len(d.shards),
		"RetentionPeriodHours":    24,
		"StreamARN":               "arn:aws:kinesis:eu-central-1:123456789012:stream/" + in.StreamName,
		"StreamCreationTimestamp": float64(k.s.now().Add(-time.Hour).Unix()),
		"EnhancedMonitoring":      []any{},
	}})
}
