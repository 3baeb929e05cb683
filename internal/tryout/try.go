package tryout

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/ndjson"
)

// maxLine is the longest line that is read, in bytes.
const maxLine = 16 << 20

// Options say how lines become events, and how to show what becomes of them.
type Options struct {
	Cluster, Tag string // "": an example that the first route takes
	TimeKey      string // the key of JSON lines that holds their time; "" or none there: now
	JSON         bool   // an Outcome a line instead of text
	Color        bool   // with the escapes of a terminal
	Now          func() time.Time
}

// Counts are how many events came to which result.
type Counts struct{ Events, Delivered, Dropped, Dead, Joined int }

// Try reads lines from in, a JSON object or {"log": line} each, and writes to out what becomes of
// them. An event that several routes take is counted once for each.
func (c *Configuration) Try(in io.Reader, out io.Writer, o Options) (n Counts, err error) {
	cluster, tag := c.Example()
	o.Cluster, o.Tag = cmp.Or(o.Cluster, cluster), cmp.Or(o.Tag, tag)
	run, err := c.Start()
	if err != nil {
		return n, err
	}
	defer func() { err = errors.Join(err, run.Close()) }()
	w := bufio.NewWriter(out)
	show := printer{w: w, color: o.Color, patterns: c.patterns()}.text
	if o.JSON {
		encoder := json.NewEncoder(w)
		encoder.SetEscapeHTML(false)
		show = func(o *Outcome) error { return encoder.Encode(o) }
	}
	write := func(all []Outcome) error {
		for i := range all {
			n.count(all[i].Result)
			if err := show(&all[i]); err != nil {
				return err
			}
		}
		return w.Flush()
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	for number := 1; lines.Scan(); number++ {
		line := bytes.TrimSuffix(lines.Bytes(), []byte{'\r'})
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		now := o.Now()
		n.Events++
		record, at := Record(line, o.TimeKey, now)
		err := write(append(run.Flush(now, false),
			run.Give(Event{Cluster: o.Cluster, Tag: o.Tag, Time: at, Record: record}, now)...))
		if err != nil {
			return n, err
		}
	}
	if err := write(run.Flush(o.Now(), true)); err != nil {
		return n, err
	}
	if err := lines.Err(); err != nil {
		if errors.Is(err, bufio.ErrTooLong) {
			err = fmt.Errorf("a line of more than %d bytes", maxLine)
		}
		return n, fmt.Errorf("read events after event %d: %w", n.Events, err)
	}
	return n, nil
}

func (n *Counts) count(result string) {
	switch result {
	case Delivered:
		n.Delivered++
	case Dropped:
		n.Dropped++
	case DeadLetter:
		n.Dead++
	case Joined:
		n.Joined++
	}
}

// String says the counts in words.
func (n Counts) String() string {
	text := fmt.Sprintf("events: %d; delivered: %d, dropped: %d, dead letters: %d", n.Events, n.Delivered, n.Dropped, n.Dead)
	if n.Joined > 0 {
		text += fmt.Sprintf(", joined to others: %d", n.Joined)
	}
	return text
}

// Record returns the record that a line is, and its time: what timeKey holds, or else now.
func Record(line []byte, timeKey string, now time.Time) (record []byte, at time.Time) {
	if ndjson.IsObject(line) {
		if record, at, err := ndjson.AppendObject(nil, line, timeKey); err == nil {
			if at.IsZero() {
				at = now
			}
			return record, at
		}
	}
	return ndjson.AppendText(nil, line), now
}
