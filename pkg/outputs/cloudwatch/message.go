package cloudwatch

import (
	"fmt"
	"math"
	"strconv"

	"github.com/seed-afc6a195/aggregator/internal/safetext"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// What PutLogEvents takes.
const (
	// eventOverhead is how many bytes an event counts beside its message.
	eventOverhead = 26
	// maxRequestBytes bounds the messages and their overhead.
	maxRequestBytes = 1_048_576
	// maxMessage is an event is 1 MiB at most, overhead included.
	maxMessage = maxRequestBytes - eventOverhead
	// maxRequest bounds the events of a request.
	maxRequest = 10_000
	// maxSpan is the milliseconds from the first event to the last; not reached, to be safe.
	maxSpan = 24 * 60 * 60 * 1000
	// maxAge is in milliseconds; the service decides, by its own clock.
	maxAge = 14 * 24 * 60 * 60 * 1000
	// maxAhead is in milliseconds, likewise.
	maxAhead = 2 * 60 * 60 * 1000
)

// line is one event as it is sent.
type line struct {
	// from and to are its message, in work.text.
	from, to int
	// ms is milliseconds since 1970, never negative: the service takes no such number.
	ms int64
	// cut says that it was truncated.
	cut bool
}

func (l *line) size() int { return l.to - l.from + eventOverhead }

// work is the memory of one Send, used again by others.
type work struct {
	message *outputs.Text
	buf     []byte
	// text is buf, whole.
	text string
	// lines is one for each event of the batch; those of refused ones are not meant to be read.
	lines []line
}

// maxKept is how much memory of a work is worth keeping.
const maxKept = 16 << 20

// render fills w with the messages of events. It returns those of them that can't be sent, ascending.
func (o *Output) render(w *work, events []event.Event) (refused []outputs.Failure) {
	w.buf, w.lines = w.buf[:0], w.lines[:0]
	for i := range events {
		from := len(w.buf)
		l := line{from: from, ms: millis(events[i].Time)}
		var err error
		if w.buf, err = w.message.Append(w.buf, &events[i]); err != nil {
			refused = append(refused, outputs.Failure{Index: i, Reason: outputs.ReasonRejected, Detail: err.Error()})
		} else if n := len(w.buf) - from; n > maxMessage {
			if o.truncate {
				w.buf = append(w.buf[:from], truncated(w.buf[from:])...)
				l.cut = true
			} else {
				refused = append(refused, outputs.Failure{
					Index: i, Reason: outputs.ReasonTooLarge,
					Detail: fmt.Sprintf(
						"the message has %d bytes, CloudWatch Logs takes %d (oversize: truncate cuts the end off)", n,
						maxMessage,
					),
				})
				w.buf = w.buf[:from]
			}
		}
		l.to = len(w.buf)
		w.lines = append(w.lines, l)
	}
	w.text = string(w.buf)
	return refused
}

// truncated returns the beginning of message with a mark that says how many bytes are missing: as
// much as CloudWatch Logs takes.
func truncated(message []byte) []byte {
	const before, after = "…[truncated ", " bytes]"
	kept := safetext.Cut(message, maxMessage-len(before)-len(after)-len(strconv.Itoa(len(message))))
	return fmt.Appendf(kept[:len(kept):len(kept)], "%s%d%s", before, len(message)-len(kept), after)
}

// millis returns t in milliseconds, or the nearest time that CloudWatch Logs can be told.
func millis(t event.Time) int64 {
	switch {
	case t.Sec < 0:
		return 0
	case t.Sec >= math.MaxInt64/1000:
		return math.MaxInt64
	}
	return t.Sec*1000 + int64(t.Nsec/1e6)
}
