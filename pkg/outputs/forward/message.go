package forward

import (
	"crypto/sha256"
	"encoding/base64"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/forward/client"
)

// message is the memory in which messages are made, one after the other.
type message struct {
	encoder client.Encoder
	tag     []byte
	entries []byte
	ids     []byte
	time    []byte
	frame   []byte
}

// fill makes entries of as many of events, which are of one chunk, as fit in limit bytes, at least
// of one, and returns how many. Records go in as they are. keep: with metadata and groups.
func (m *message) fill(events []event.Event, limit int, keep bool) int {
	m.entries, m.ids = m.entries[:0], m.ids[:0]
	var group []byte
	n := 0
	for ; n < len(events); n++ {
		ev := &events[n]
		before, outer := len(m.entries), group
		var metadata []byte
		if keep {
			m.regroup(group, ev.Group)
			group = ev.Group
			// An empty map says nothing, and not all can read it.
			if size, _, err := event.ReadMapHeader(ev.Metadata); err == nil && size > 0 {
				metadata = ev.Metadata
			}
		}
		m.time = event.AppendTime(m.time[:0], ev.Time)
		m.entries = event.AppendEntry(m.entries, m.time, metadata, ev.Record)
		if n > 0 && len(m.entries) > limit {
			m.entries, group = m.entries[:before], outer
			break
		}
		m.ids = append(ev.AppendID(m.ids), '\n')
	}
	m.regroup(group, nil)
	return n
}

// regroup ends the group from and begins the group to, where they are not the same.
func (m *message) regroup(from, to []byte) {
	if len(from) == len(to) && (len(from) == 0 || &from[0] == &to[0]) {
		return
	}
	if len(from) > 0 {
		m.entries = append(m.entries, event.GroupEnd...)
	}
	m.entries = append(m.entries, to...)
}

// chunkID names the n events that fill took by nothing but their own ids, so that they are the same
// chunk whenever and to whichever server they are sent together. Events without ids are named by
// what they hold. It has the form of Fluent Bit's ids: 16 bytes in base64.
func (m *message) chunkID(n int) string {
	named := m.ids
	if len(named) == n {
		// Line ends only.
		named = m.entries
	}
	sum := sha256.Sum256(named)
	return base64.StdEncoding.EncodeToString(sum[:16])
}
