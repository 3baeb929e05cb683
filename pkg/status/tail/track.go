package tail

import (
	"bytes"
	"encoding/json"
	"slices"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/msgview"
	"github.com/seed-afc6a195/aggregator/internal/stepdiff"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

const (
	// maxTracks is how many events that a view follows at once, between the first step and the destination's answer.
	maxTracks = 256
	// maxCopies is how many bytes that are kept of one of them.
	maxCopies = 32 << 10
	// maxChunks is how many chunks that a view remembers to have looked at.
	maxChunks = 8192
)

// Key tells an event on its way to an output from all others.
type Key struct {
	chunk chunkKey
	pos   int
}

// chunkKey tells chunks apart. It does not hold their memory.
type chunkKey struct {
	output, cluster string
	seq             uint64
	part            [16]byte
	filtered        bool
}

// KeyOf returns the key of ev on its way to the output.
func KeyOf(output string, ev *event.Event) Key { return Key{chunkKeyOf(output, ev.Chunk), ev.Pos} }

func chunkKeyOf(output string, c *event.Chunk) chunkKey {
	key := chunkKey{output: output, cluster: c.Cluster, seq: c.Seq, filtered: c.Filtered}
	if len(c.Parts) > 0 {
		key.part = c.Parts[0].Key
	}
	return key
}

// Track is what steps have done with an event. It keeps copies, and compares them only once it is shown, where nobody
// waits. One goroutine adds to it, before it is shown.
type Track struct {
	Route string
	// Joined is how many events it stands for, where it is more than one.
	Joined int

	first state
	steps []step
	// size is that of the copies.
	size int
}

// state is an event between two steps.
type state struct {
	record []byte
	// large says that it was too large to be kept.
	large bool
	time  event.Time
	tag   string
}

type step struct {
	// did is without its changes.
	did   stepdiff.Step
	after state
}

// NewTrack returns a track of an event that the route took, and that no step has changed.
func NewTrack(route string, ev *event.Event) *Track {
	t := &Track{Route: route}
	t.first = t.stateOf(ev, ev.Record, state{})
	return t
}

// stateOf returns how ev is now; last is how it was before.
func (t *Track) stateOf(ev *event.Event, record []byte, last state) state {
	now := state{time: ev.Time, tag: ev.DeliveredTag()}
	switch {
	case last.record != nil && bytes.Equal(record, last.record):
		now.record = last.record
	case t.size+len(record) > maxCopies:
		now.large = true
	default:
		now.record = bytes.Clone(record)
		t.size += len(record)
	}
	return now
}

// Step notes what a step did, without its changes, and how the event is after it, with that record. What comes out of a
// step that has held it back takes the place of that.
func (t *Track) Step(did stepdiff.Step, ev *event.Event, record []byte) {
	last := t.first
	if n := len(t.steps); n > 0 {
		before := &t.steps[n-1]
		last = before.after
		same := before.did.Filter == did.Filter && before.did.Index == did.Index
		if same && before.did.Effect == stepdiff.Held {
			t.steps = t.steps[:n-1]
		} else if same && did.Effect == stepdiff.Kept {
			// A step's second half.
			before.after = t.stateOf(ev, record, last)
			return
		}
	}
	t.steps = append(t.steps, step{did, t.stateOf(ev, record, last)})
}

// Last returns the name of the last step, "" where there was none.
func (t *Track) Last() string {
	if len(t.steps) == 0 {
		return ""
	}
	return t.steps[len(t.steps)-1].did.String()
}

// told returns the steps with what they changed, as far as values may be told.
func (t *Track) told(values bool) []stepdiff.Step {
	all := make([]stepdiff.Step, 0, len(t.steps))
	last := t.first
	for i := range t.steps {
		did, after := t.steps[i].did, t.steps[i].after
		if did.Effect == stepdiff.Kept {
			did.Changes = stepdiff.Moved(timeOf(last.time), timeOf(after.time), last.tag, after.tag)
			did.Unseen = last.large || after.large
			if !did.Unseen && !bytes.Equal(last.record, after.record) {
				did.Changes = append(did.Changes, stepdiff.Objects(jsonOf(last.record), jsonOf(after.record))...)
			}
			if len(did.Changes) > 0 || did.Unseen {
				did.Effect = stepdiff.Changed
			}
			if !values {
				did.Changes = stepdiff.Names(did.Changes)
			}
		}
		all, last = append(all, did), after
	}
	return all
}

func timeOf(t event.Time) time.Time { return time.Unix(t.Sec, int64(t.Nsec)).UTC() }

// jsonOf returns a record as JSON: where that can't say it, what it is like as a text.
func jsonOf(record []byte) json.RawMessage {
	if text, err := new(event.Encoder).AppendValue(nil, record); err == nil {
		return text
	}
	text, err := json.Marshal(msgview.Text(record, maxRecord))
	if err != nil {
		// Never: a string always becomes JSON.
		return json.RawMessage("null")
	}
	return text
}

// followed is an event that a view follows.
type followed struct {
	track *Track
	// shown says that it was, or is not among those of a sample.
	shown bool
	// left says that it is not among those of a sample.
	left bool
}

// follows is what a view follows, the oldest first. Its methods are called with View.mu held.
type follows struct {
	tracks map[Key]*followed
	// keys are those of tracks, and of others that are there no more.
	keys   []Key
	chunks map[chunkKey]bool
	known  []chunkKey
}

// put follows t. It returns false where another is followed no more for it.
func (f *follows) put(key Key, t *Track) (alone bool) {
	if f.tracks == nil {
		f.tracks = map[Key]*followed{}
	}
	alone = true
	for len(f.tracks) >= maxTracks && len(f.keys) > 0 {
		if f.tracks[f.keys[0]] != nil {
			delete(f.tracks, f.keys[0])
			alone = false
		}
		f.keys = f.keys[1:]
	}
	if len(f.keys) >= 2*maxTracks {
		f.keys = slices.DeleteFunc(f.keys, func(k Key) bool { return f.tracks[k] == nil })
	}
	f.tracks[key] = &followed{track: t}
	f.keys = append(f.keys, key)
	return alone
}

// looked remembers the chunk.
func (f *follows) looked(key chunkKey) {
	if f.chunks == nil {
		f.chunks = map[chunkKey]bool{}
	}
	if f.chunks[key] {
		return
	}
	if len(f.known) >= maxChunks {
		delete(f.chunks, f.known[0])
		f.known = f.known[1:]
	}
	f.chunks[key] = true
	f.known = append(f.known, key)
}
