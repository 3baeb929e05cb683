package disk

import (
	"context"
	"fmt"
	"strings"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/chunk"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/pack"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// targetMark stands between an output and a target in the name of what waits aside. No output has it in its name.
const targetMark = "\x1f"

func waitingName(output, target string) string {
	if target == "" {
		return output
	}
	return output + targetMark + target
}

// names returns the output and the target that the source is of.
func (src *source) names() (output, target string) {
	output, target, _ = strings.Cut(src.name, targetMark)
	return output, target
}

// Waiting implements buffer.Queue.
func (s *Queue) Waiting(output, target string) buffer.Source {
	return s.Source(waitingName(output, target))
}

// PurgeWaiting implements buffer.Queue.
func (s *Queue) PurgeWaiting(output, target string) buffer.Count {
	return s.Purge(waitingName(output, target))
}

// KeepAlive implements buffer.Source. What is handed out is this process's until Close.
func (*source) KeepAlive(*event.Chunk) {}

// SettlePart implements buffer.Source.
func (src *source) SettlePart(ctx context.Context, c *event.Chunk, rests []buffer.Rest) error {
	s := src.s
	if !src.holds(c) {
		return nil
	}
	output, _ := src.names()
	b := s.newBatch(0)
	b.NonBlocking = true
	for i := range rests {
		r := &rests[i]
		flags := byte(chunk.PartKeyed | chunk.PartNanos)
		if c.Returned {
			flags |= chunk.PartUnrouted
		}
		if r.Filtered {
			flags |= chunk.PartFiltered
		}
		m := buffer.Message{Cluster: c.Cluster, Tag: c.Tag, Source: c.Source, Outputs: []string{waitingName(output, r.Target)}}
		b.AddKept(m, r.Entries, keptParts(r.Parts, flags), pack.Kept{Received: c.Received, NewTag: r.NewTag})
	}
	if len(rests) > 0 {
		if err := b.Commit(ctx); err != nil {
			return fmt.Errorf("store what is left of chunk %d: %w", c.Seq, err)
		}
	}
	src.Done(c)
	return nil
}

// keptParts returns how parts lie on disk whose events keep the ids that they have.
func keptParts(parts []event.Part, flags byte) []chunk.Part {
	kept := make([]chunk.Part, len(parts))
	for i, p := range parts {
		kept[i] = chunk.Part{Flags: flags, Key: p.Key, First: p.First, Events: p.Events, Joined: p.Joined}
		if p.Chunk != p.Key {
			kept[i].Chunk = p.Chunk
		}
	}
	return kept
}

// holds reports whether c is handed out.
func (src *source) holds(c *event.Chunk) bool {
	src.s.mu.Lock()
	defer src.s.mu.Unlock()
	l := src.partitions[c.Cluster]
	return l != nil && l.inFlight[c.Seq] != nil && &l.inFlight[c.Seq].chunk == c
}
