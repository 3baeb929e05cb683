package s3

import (
	"encoding/binary"

	"github.com/seed-afc6a195/aggregator/internal/failpoint"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/intent"
)

// intents is the log of objects: one record for each, written and fsynced before it is uploaded, with its key and which
// events it is to hold. What it is for: see Output. Not for concurrent use.
type intents struct {
	log *intent.Log[object]
	// records are keys that are in the log.
	records map[string]bool
}

func format() intent.Format[object] {
	return intent.Format[object]{
		What: "S3 objects", Name: "aggregator s3 objects", Append: appendObject, Parse: parseObject,
	}
}

// openIntents reads the log at path, where there is one, and returns its objects, oldest first. An error is no reason
// not to use the log; see intent.Open.
func openIntents(path string) (l *intents, objects []object, err error) {
	l = &intents{}
	f := format()
	f.Fold = l.know
	l.log, objects, err = intent.Open(path, f)
	l.know(objects)
	return l, objects, err
}

// know notes which objects the log has.
func (l *intents) know(objects []object) []object {
	l.records = make(map[string]bool, len(objects))
	for i := range objects {
		l.records[objects[i].key] = true
	}
	return objects
}

// add makes sure that the objects are in the file before it returns nil. After an error they may not
// be, and the file is begun anew by the next add.
func (l *intents) add(objects []object) error {
	var more []object
	for i := range objects {
		if !l.records[objects[i].key] {
			more = append(more, objects[i])
		}
	}
	err := l.log.Add(true, more...)
	failpoint.Pass("s3.intents.written")
	if err != nil {
		return err
	}
	for i := range more {
		l.records[more[i].key] = true
	}
	return nil
}

func appendObject(b []byte, o *object) []byte {
	b = intent.AppendText(b, o.key)
	b = binary.AppendUvarint(b, uint64(o.events))
	return intent.AppendSpans(b, o.spans)
}

func parseObject(b []byte) (o object, ok bool) {
	r := intent.NewReader(b)
	o = object{key: r.Text(), events: int(r.Number()), spans: r.Spans()}
	return o, r.Done()
}
