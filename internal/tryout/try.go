package tryout

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
	"unicode"

	"github.com/seed-afc6a195/aggregator/internal/ndjson"
	"github.com/seed-afc6a195/aggregator/internal/safetext"
)

// maxLine is the longest line that is read, in bytes.
const maxLine = 16 << 20

// Options say how lines become events, and how to show what becomes of them.
type Options struct {
	// Cluster and Tag are "" for an example that the first route takes.
	Cluster, Tag string
	// TimeKey is the key of JSON lines that holds their time; "" or none there: now.
	TimeKey string
	// JSON asks for an Outcome a line, with one Write each, instead of text.
	JSON bool
	// Color asks for the escapes of a terminal.
	Color bool
	Now   func() time.Time
}

// Counts are how many events came to which result. Made ones, by steps, are among none of the others.
type Counts struct {
	Events, Delivered, Dropped, Dead, Joined, Made int
	// Broken is how many lines begin as a JSON object does and are none, and so were taken as text. First is the number
	// of the first of these events, and Why is what is wrong with it.
	Broken, First int
	Why           string
}

// Try reads lines from in, a JSON object or {"log": line} each, and writes to out what becomes of
// them, until in ends or ctx. An event that several routes take is counted once for each.
func (c *Configuration) Try(ctx context.Context, in io.Reader, out io.Writer, o Options) (n Counts, err error) {
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
		encoder := json.NewEncoder(out)
		encoder.SetEscapeHTML(false)
		show = func(o *Outcome) error { return encoder.Encode(o) }
	}
	write := func(all []Outcome) error {
		for i := range all {
			n.count(&all[i])
			if err := show(&all[i]); err != nil {
				return err
			}
		}
		return w.Flush()
	}
	for lines := readLines(ctx, in); ; {
		var due <-chan time.Time
		if at := run.Due(); !at.IsZero() {
			due = time.After(at.Sub(o.Now()))
		}
		var line []byte
		select {
		case <-ctx.Done():
		case <-due:
			if err := write(run.Flush(o.Now(), false)); err != nil {
				return n, err
			}
			continue
		case l := <-lines:
			if l.err != nil {
				return n, errors.Join(fmt.Errorf("read events after event %d: %w", n.Events, l.err),
					write(run.Flush(o.Now(), true)))
			}
			line = l.text
		}
		if line == nil {
			return n, write(run.Flush(o.Now(), true))
		}
		now := o.Now()
		n.Events++
		record, at, broken := readRecord(line, o.TimeKey, now)
		if broken != nil {
			if n.Broken++; n.Broken == 1 {
				n.First, n.Why = n.Events, broken.Error()
			}
		}
		err := write(append(run.Flush(now, false),
			run.Give(Event{Cluster: o.Cluster, Tag: o.Tag, Time: at, Record: record}, now)...))
		if err != nil {
			return n, err
		}
	}
}

type line struct {
	text []byte
	err  error
}

// readLines returns the lines of in that are not empty, and at last an error where there is one. What reads
// them ends when in does, or ctx.
func readLines(ctx context.Context, in io.Reader) <-chan line {
	lines := make(chan line)
	go func() {
		defer close(lines)
		send := func(l line) bool {
			select {
			case lines <- l:
				return true
			case <-ctx.Done():
				return false
			}
		}
		s := bufio.NewScanner(in)
		s.Buffer(nil, maxLine)
		for s.Scan() {
			text := bytes.TrimSuffix(s.Bytes(), []byte{'\r'})
			if len(bytes.TrimSpace(text)) > 0 && !send(line{text: bytes.Clone(text)}) {
				return
			}
		}
		if err := s.Err(); errors.Is(err, bufio.ErrTooLong) {
			send(line{err: fmt.Errorf("a line of more than %d bytes", maxLine)})
		} else if err != nil {
			send(line{err: err})
		}
	}()
	return lines
}

func (n *Counts) count(o *Outcome) {
	switch {
	case o.Event == 0:
		n.Made++
	case o.Result == Delivered:
		n.Delivered++
	case o.Result == Dropped:
		n.Dropped++
	case o.Result == DeadLetter:
		n.Dead++
	case o.Result == Joined:
		n.Joined++
	}
}

// String says the counts in words.
func (n Counts) String() string {
	text := fmt.Sprintf("events: %d; delivered: %d, dropped: %d, dead letters: %d", n.Events, n.Delivered, n.Dropped,
		n.Dead)
	if n.Joined > 0 {
		text += fmt.Sprintf(", joined to others: %d", n.Joined)
	}
	if n.Made > 0 {
		text += fmt.Sprintf(", made by steps: %d", n.Made)
	}
	if n.Broken > 0 {
		text += fmt.Sprintf("\nbegin with { and are no JSON object, so they were taken as text: %d; "+
			"the first is event %d: %s",
			n.Broken, n.First, safetext.Line(n.Why, unicode.ReplacementChar))
	}
	return text
}

// Record returns the record that a line is, and its time: what timeKey holds, or else now.
func Record(line []byte, timeKey string, now time.Time) (record []byte, at time.Time) {
	record, at, _ = readRecord(line, timeKey, now)
	return record, at
}

// readRecord is Record; broken is what is wrong with a line that looks like an object, and was taken as text.
func readRecord(line []byte, timeKey string, now time.Time) (record []byte, at time.Time, broken error) {
	if ndjson.IsObject(line) {
		record, at, err := ndjson.AppendObject(nil, line, timeKey)
		if err == nil {
			if at.IsZero() {
				at = now
			}
			return record, at, nil
		}
		broken = err
	}
	return ndjson.AppendText(nil, line), now, broken
}
