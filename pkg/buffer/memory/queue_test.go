package memory

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/buffertest"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

func TestContract(t *testing.T) {
	buffertest.Run(t, func(cfg buffer.Config, o buffer.Options) (buffer.Queue, error) { return Open(cfg, o) })
}

// Who reads a chunk after giving it back finds nothing of it, and the queue still has it where it is to come again.
func TestGivenBackIsDestroyed(t *testing.T) {
	for name, give := range map[string]func(src buffer.Source, c *event.Chunk){
		"done":     func(src buffer.Source, c *event.Chunk) { src.Done(c) },
		"returned": func(src buffer.Source, c *event.Chunk) { src.Return(c) },
		"shed":     func(src buffer.Source, c *event.Chunk) { src.ReleaseEntries(c) },
		"settled in part": func(src buffer.Source, c *event.Chunk) {
			if err := src.SettlePart(t.Context(), c, []buffer.Rest{{Entries: c.Entries, Parts: c.Parts}}); err != nil {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			q, err := Open(buffer.Config{}, buffer.Options{})
			if err != nil {
				t.Fatal(err)
			}
			b := q.NewBatch(1)
			b.Begin(buffer.Message{Cluster: "c", Tag: "t", Outputs: []string{"o"}})
			b.Add([]byte("entry"), 1, false)
			if err := b.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
			src := q.Source("o")
			c, err := src.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			entries, parts := c.Entries, c.Parts
			give(src, c)
			if !bytes.Equal(entries, make([]byte, len("entry"))) || c.Entries != nil {
				t.Errorf("entries %q, and %q in the chunk", entries, c.Entries)
			}
			if name == "shed" { // which leaves all else
				src.Return(c)
			}
			if !reflect.DeepEqual(*c, event.Chunk{}) || parts[0] != (event.Part{}) {
				t.Errorf("chunk %+v, part %+v", c, parts[0])
			}
			if name == "done" {
				return
			}
			if c, err = src.Next(t.Context()); err != nil || string(c.Entries) != "entry" || c.Parts[0].Events != 1 {
				t.Errorf("handed out again is %+v, %v", c, err)
			}
		})
	}
}
