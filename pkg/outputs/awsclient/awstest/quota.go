package awstest

import "time"

// Quota is what a stream or shard takes per second, with as much again at once; zeros: no limit.
type Quota struct {
	Bytes, Records, Requests float64
	// PerRecord says that a call beyond the quota has some of its records refused, not all of it.
	PerRecord bool
}

// bucket holds what is left of a Quota.
type bucket struct {
	quota                    Quota
	bytes, records, requests float64
	at                       time.Time
}

func newBucket(q Quota, now time.Time) *bucket {
	return &bucket{quota: q, bytes: q.Bytes, records: q.Records, requests: q.Requests, at: now}
}

func (b *bucket) refill(now time.Time) {
	passed := max(0, now.Sub(b.at).Seconds())
	b.at = now
	b.bytes = min(b.quota.Bytes, b.bytes+passed*b.quota.Bytes)
	b.records = min(b.quota.Records, b.records+passed*b.quota.Records)
	b.requests = min(b.quota.Requests, b.requests+passed*b.quota.Requests)
}

// request reports whether one more request is within the quota, and takes it.
func (b *bucket) request() bool {
	if b.quota.Requests > 0 && b.requests < 1 {
		return false
	}
	b.requests--
	return true
}

// take reports whether so much is within the quota, and takes it.
func (b *bucket) take(bytes, records float64) bool {
	if b.quota.Bytes > 0 && b.bytes < bytes || b.quota.Records > 0 && b.records < records {
		return false
	}
	b.bytes -= bytes
	b.records -= records
	return true
}
