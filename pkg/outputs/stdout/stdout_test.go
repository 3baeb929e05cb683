package stdout_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/stdout"
)

// pipe fails after room bytes; below 0 it never does.
type pipe struct {
	bytes.Buffer
	room   int
	writes int
}

func (p *pipe) Write(b []byte) (int, error) {
	p.writes++
	if p.room < 0 || len(b) <= p.room {
		return p.Buffer.Write(b)
	}
	n, _ := p.Buffer.Write(b[:p.room])
	p.room = 0
	return n, errors.New("broken pipe")
}

func config() stdout.Config {
	return stdout.Config{
		Common: outputs.Common{Fields: event.Fields{Time: "@timestamp", Tag: "tag", Cluster: "cluster"}},
	}
}

func TestContract(t *testing.T) {
	outputtest.Contract(t, func(*testing.T) *outputtest.Destination {
		p := &pipe{room: -1}
		return &outputtest.Destination{
			Output: stdout.New(config(), p),
			Numbers: func(*testing.T) (got []int) {
				for line := range bytes.Lines(p.Bytes()) {
					var record struct{ N *int }
					if json.Unmarshal(line, &record) == nil && record.N != nil { // half lines are no events
						got = append(got, *record.N)
					}
				}
				return got
			},
			Break:  func(after int) { p.room = after },
			Repair: func() { p.room = -1 },
		}
	})
}

func TestOneWritePerBatch(t *testing.T) {
	p := &pipe{room: -1}
	o := stdout.New(config(), p)
	c := outputtest.Chunk(1, "seoul", "app", 2, 0, 3)
	b := outputtest.Batch(c)
	b.Events = append(b.Events[:1:1], outputtest.Broken(c), b.Events[1])
	err := o.Send(t.Context(), b)
	var se *outputs.SendError
	if !errors.As(err, &se) || len(se.Failed) != 1 || se.Failed[0].Index != 1 ||
		se.Failed[0].Reason != outputs.ReasonRejected {
		t.Errorf("a broken event: %v", err)
	}
	const want = `{"n":0,"log":"xxx","@timestamp":"2025-11-21T10:15:00Z","tag":"app","cluster":"seoul"}
{"n":1,"log":"xxx","@timestamp":"2025-11-21T10:15:01Z","tag":"app","cluster":"seoul"}
`
	if got := p.String(); got != want {
		t.Errorf("wrote %s", got)
	}
	if p.writes != 1 {
		t.Errorf("%d writes for one batch", p.writes)
	}
}
