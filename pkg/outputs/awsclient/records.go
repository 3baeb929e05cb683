package awsclient

import (
	"fmt"
	"math/rand/v2"
	"strconv"

	"github.com/klauspost/compress/gzip"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// Limits is what a service takes.
type Limits struct {
	// Name counts characters of a stream's name.
	Name int
	// Records is in a request.
	Records int
	// Record counts bytes of a record: its data, before base64, and its key.
	Record int
	// Request counts bytes of a request: of all records, or of the JSON with them where Base64 is set.
	Request int
	// Base64 says that what counts is the request as it is sent.
	Base64 bool
}

const (
	// aroundRequest is how many bytes of JSON around the records, with the stream's name.
	aroundRequest = 256
	// aroundRecord is for {"Data":""},.
	aroundRecord = 16
)

// cost returns what a record's data and key count against Limits.Request.
func (l *Limits) cost(data, key int) int {
	if l.Base64 {
		return (data+2)/3*4 + key + aroundRecord
	}
	return data + key
}

// Record is what a stream takes: the line of one event, or of many. Its Data is reused when Put returns.
type Record struct {
	Data []byte
	// Key is the partition key, where the service has them.
	Key string
	// first is that of its events, in the stream's order.
	first int
	n     int
}

// compressed is how much smaller than its lines a gzipped record is taken to be before it is known.
const compressed = 4

// splitter makes records of events, request by request. Its memory is reused.
type splitter struct {
	limits    Limits
	aggregate bool
	// key may be nil: none.
	key *event.Template
	// random says that keys are.
	random bool
	text   *outputs.Text
	// zip may be nil: none.
	zip  *gzip.Writer
	plan plan

	// lines are those of all records, or where they are compressed of the open one.
	lines   []byte
	zipped  memory
	scratch []byte
	records []Record
	// ends are those of the records' data.
	ends    []int
	refused []outputs.Failure

	// The record that is open; none where its n is 0.
	open Record
	// begin is a position in lines.
	begin int
	group int32
	// cost is that of the closed records.
	cost int
	// bytes is that of the closed records' data.
	bytes int
}

// memory is what gzip writes into.
type memory []byte

func (m *memory) Write(b []byte) (int, error) { *m = append(*m, b...); return len(b), nil }

// cut makes the records of one request of the events that order begins with: as many as limits and turn
// allow, at least one record, and of most events. It returns how many events it has looked at; those that can
// never be sent are in refused.
func (c *splitter) cut(events []event.Event, order []int32, turn Turn, most int) (taken int) {
	c.lines, c.zipped, c.refused = c.lines[:0], c.zipped[:0], c.refused[:0]
	clear(c.records)
	c.records, c.ends = c.records[:0], c.ends[:0]
	c.open, c.cost, c.bytes, c.begin = Record{}, aroundRequest, 0, 0
	for taken < min(len(order), most) {
		index := order[taken]
		if !c.add(&events[index], int(index), taken, turn) {
			break
		}
		taken++
	}
	c.close(len(c.lines))
	data := c.lines
	if c.zip != nil {
		data = c.zipped
	}
	from := 0
	// Only now do the buffers stay where they are.
	for i, to := range c.ends {
		c.records[i].Data = data[from:to:to]
		from = to
	}
	return taken
}

// add adds the event, or returns false where the request is full.
func (c *splitter) add(ev *event.Event, index, at int, turn Turn) bool {
	mark := len(c.lines)
	lines, err := c.text.Append(c.lines, ev)
	if err != nil {
		c.refused = append(c.refused, outputs.Failure{
			Index: index, Reason: outputs.ReasonRejected, Detail: err.Error(),
		})
		return true
	}
	c.lines = append(lines, '\n')
	size := len(c.lines) - mark
	if c.fits(index, turn) {
		c.open.n++
		return true
	}
	c.close(mark)
	if len(c.records) > 0 && !c.another(size, turn) {
		c.lines = c.lines[:len(c.lines)-size]
		return false
	}
	c.open, c.begin, c.group = Record{Key: c.keyOf(ev), first: at, n: 1}, len(c.lines)-size, c.plan.groupOf[index]
	if c.bound(size)+len(c.open.Key) > c.limits.Record {
		c.large(index, size)
	}
	return true
}

// fits reports whether the last line may join the open record.
func (c *splitter) fits(index int, turn Turn) bool {
	if c.open.n == 0 || !c.aggregate || c.plan.groupOf[index] != c.group {
		return false
	}
	lines := len(c.lines) - c.begin
	bound := c.bound(lines)
	return bound+len(c.open.Key) <= c.limits.Record &&
		c.cost+c.limits.cost(bound, len(c.open.Key)) <= c.limits.Request &&
		c.bytes+c.guess(lines) <= turn.Bytes
}

// another reports whether one more record may follow the closed ones, with a line of size bytes.
func (c *splitter) another(size int, turn Turn) bool {
	return len(c.records) < min(c.limits.Records, turn.Records) &&
		c.cost+c.limits.cost(min(c.bound(size), c.limits.Record), maxKey) <= c.limits.Request &&
		c.bytes+c.guess(size) <= turn.Bytes
}

// large ends the record that is open with one line that may be too long for it.
func (c *splitter) large(index, size int) {
	limit := c.limits.Record - len(c.open.Key)
	if c.zip != nil {
		before := len(c.zipped)
		c.close(len(c.lines))
		if n := len(c.zipped) - before; n > limit {
			c.undo(before)
			c.tooLarge(index, fmt.Sprintf("a line of %d bytes, %d compressed: a record holds %d", size, n, limit))
		}
		return
	}
	c.lines = c.lines[:c.begin]
	c.open = Record{}
	c.tooLarge(index, fmt.Sprintf("a line of %d bytes: a record holds %d", size, limit))
}

func (c *splitter) tooLarge(index int, detail string) {
	c.refused = append(c.refused, outputs.Failure{Index: index, Reason: outputs.ReasonTooLarge, Detail: detail})
}

// undo takes back the last record, whose data begins at before.
func (c *splitter) undo(before int) {
	last := len(c.records) - 1
	n := len(c.zipped) - before
	c.cost -= c.limits.cost(n, len(c.records[last].Key))
	c.bytes -= n
	c.zipped, c.records, c.ends = c.zipped[:before], c.records[:last], c.ends[:last]
}

// close ends the open record, if there is one, before c.lines[end], which stays for the next.
func (c *splitter) close(end int) {
	if c.open.n == 0 {
		return
	}
	n := end - c.begin
	if c.zip != nil {
		before := len(c.zipped)
		c.zip.Reset(&c.zipped)
		// Memory takes everything.
		_, _ = c.zip.Write(c.lines[c.begin:end])
		_ = c.zip.Close()
		c.lines = append(c.lines[:c.begin], c.lines[end:]...)
		n, end = len(c.zipped)-before, len(c.zipped)
	}
	c.cost += c.limits.cost(n, len(c.open.Key))
	c.bytes += n
	c.records, c.ends = append(c.records, c.open), append(c.ends, end)
	c.open = Record{}
}

// bound returns how large the data of so many bytes of lines can be: gzip has what it can't compress stored.
func (c *splitter) bound(lines int) int {
	if c.zip != nil {
		return lines + lines>>10 + 64
	}
	return lines
}

// guess returns how large the data of so many bytes of lines probably is.
func (c *splitter) guess(lines int) int {
	if c.zip != nil {
		return lines / compressed
	}
	return lines
}

// maxKey is how many characters of a partition key, which are ASCII: see appendKey.
const maxKey = 256

// keyOf returns the partition key of a record whose first event is ev.
func (c *splitter) keyOf(ev *event.Event) string {
	if c.key != nil && !c.random {
		c.scratch = c.key.Append(c.scratch[:0], ev, appendKey)
		if n := len(c.scratch); n > 0 {
			return string(c.scratch[:min(n, maxKey)])
		}
	}
	if c.key == nil && !c.random {
		return ""
	}
	return strconv.FormatUint(rand.Uint64(), 36)
}

// appendKey appends what of a value may stand in a partition key. What is not printable ASCII becomes
// "_": the key only chooses a shard, and its length counts against the limits.
func appendKey(dst, value []byte) []byte {
	for _, b := range value {
		if b <= ' ' || b >= 0x7f || b == '"' || b == '\\' || b == '<' || b == '>' || b == '&' {
			b = '_'
		}
		dst = append(dst, b)
	}
	return dst
}
