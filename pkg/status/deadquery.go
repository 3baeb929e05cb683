package status

import (
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/status/client"
)

const (
	// defaultDeadLimit is how many letters a part of a listing has where nothing is said.
	defaultDeadLimit = 100
	// maxDeadIDs is how many letters a filter may choose by number.
	maxDeadIDs = 500
)

// queryReader takes a URL's query apart. Errors are the user's; the first counts.
type queryReader struct {
	values url.Values
	err    error
}

func (q *queryReader) fail(key, value, want string) {
	if q.err == nil {
		q.err = fmt.Errorf("%w: %s=%.100q: must be %s", client.ErrDeadRequest, key, value, want)
	}
}

func (q *queryReader) text(key string) string {
	v := q.values.Get(key)
	delete(q.values, key)
	return v
}

func (q *queryReader) number(key string) uint64 {
	v := q.text(key)
	if v == "" {
		return 0
	}
	n, err := strconv.ParseUint(v, 10, 63)
	if err != nil {
		q.fail(key, v, "a number")
	}
	return n
}

func (q *queryReader) flag(key string) bool {
	v := q.text(key)
	if v == "" {
		return false
	}
	is, err := strconv.ParseBool(v)
	if err != nil {
		q.fail(key, v, "true or false")
	}
	return is
}

func (q *queryReader) age(key string) time.Duration {
	v := q.text(key)
	if v == "" {
		return 0
	}
	d, err := time.ParseDuration(v)
	if err != nil || d < 0 {
		q.fail(key, v, "a duration like 90m or 24h")
	}
	return d
}

func (q *queryReader) filter() client.DeadFilter {
	f := client.DeadFilter{
		Output: q.text("output"), Cluster: q.text("cluster"), Reason: q.text("reason"), Tag: q.text("tag"),
		OlderThan: q.age("older_than"), NewerThan: q.age("newer_than"), All: q.flag("all"),
	}
	ids := q.values["id"]
	delete(q.values, "id")
	if len(ids) > maxDeadIDs {
		q.fail("id", strconv.Itoa(len(ids))+" of them", fmt.Sprintf("%d at most", maxDeadIDs))
		return f
	}
	for _, v := range ids {
		id, err := strconv.ParseUint(v, 10, 63)
		if err != nil || id == 0 {
			q.fail("id", v, "a letter's number")
		}
		f.IDs = append(f.IDs, id)
	}
	return f
}

// end returns the first mistake. What nobody asked for is one too: a filter with a slip of the pen
// would choose everything.
func (q *queryReader) end() error {
	for key := range q.values {
		q.fail(key, q.values.Get(key), "left out: it is unknown here")
	}
	return q.err
}
