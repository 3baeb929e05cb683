package outputs

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// A target is where an event of an output goes: an index or data stream, a stream, a log group and stream, a bucket, a
// topic, a server, a path. Targets fail and recover one by one.

// Targeter is an Output that can say where an event goes before it is sent.
type Targeter interface {
	// AppendTarget appends the name of ev's target, as Failure.Target and Batch.Sent have it, to dst. Safe for
	// concurrent use; it reaches for nothing.
	AppendTarget(dst []byte, ev *event.Event) []byte
}

// TargetCount is how much of a batch goes to a target.
type TargetCount struct {
	Target string
	Events int
	// Bytes is that of records and metadata as msgpack, without what stands around them.
	Bytes int
}

// CountSent notes that ev goes to the target. An event behind others for the same target costs nothing but the
// comparison.
func (b *Batch) CountSent(target string, ev *event.Event) {
	n := len(b.Sent)
	if n == 0 || b.Sent[n-1].Target != target {
		b.Sent = append(b.Sent, TargetCount{Target: target})
		n++
	}
	b.Sent[n-1].Events++
	b.Sent[n-1].Bytes += sizeOf(ev)
}

// CountAll notes that all events of the batch go to the one target.
func (b *Batch) CountAll(target string) {
	if len(b.Events) > 0 {
		all := TargetCount{Target: target, Events: len(b.Events)}
		for i := range b.Events {
			all.Bytes += sizeOf(&b.Events[i])
		}
		b.Sent = append(b.Sent, all)
	}
}

func sizeOf(ev *event.Event) int { return len(ev.Record) + len(ev.Metadata) }

// maxKind bounds a Failure's Kind.
const maxKind = 80

// KindOf returns text as a Failure's Kind where it may be a type's name, made of letters, digits, dots, dashes and
// underscores, else "". A destination, or a proxy before it, may put anything in the place of a type.
func KindOf(text string) string {
	text = strings.TrimSpace(text)
	if len(text) > maxKind || !utf8.ValidString(text) {
		return ""
	}
	for _, r := range text {
		if r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("._-", r) {
			return ""
		}
	}
	return text
}
