package convert

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/seed-afc6a195/aggregator/internal/convert/flow"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
)

// document writes the new configuration.
func (b *builder) document() ([]byte, error) {
	var doc flow.Map
	if len(b.listeners) > 0 {
		doc = append(doc, flow.Pair{Key: "listeners", Value: b.listeners})
	}
	if len(b.clusters) > 0 {
		clusters := make([]any, len(b.clusters))
		for i, c := range b.clusters {
			clusters[i] = c
		}
		doc = append(doc, flow.Pair{Key: "clusters", Value: clusters})
	}
	doc = append(doc, flow.Pair{
		Key: "buffer", Value: b.buffer(),
		Comment: "The queue on disk of all outputs, in place of their buffers.",
	})
	b.discard()
	if len(b.filters) > 0 {
		doc = append(doc, flow.Pair{Key: "filters", Value: b.filters})
	}
	if len(b.routes) > 0 {
		doc = append(doc, flow.Pair{Key: "routes", Value: b.routes})
	}
	if b.unrouted {
		doc = append(doc, flow.Pair{
			Key: "unrouted", Value: "drop",
			Comment: "The old file dropped what nothing else took.",
		})
	}
	if len(b.outputs) > 0 {
		doc = append(doc, flow.Pair{Key: "outputs", Value: b.outputs})
	}
	if slices.ContainsFunc(b.olds, func(o *flow.Old) bool { return o.Status }) {
		doc = append(doc, flow.Pair{
			Key: "status", Value: flow.Map{{Key: "address", Value: ":9880"}},
			Comment: "/metrics, /status, /healthz, /readyz",
		})
	}
	body, err := write(doc, "")
	if err != nil {
		return nil, err
	}
	// What was read for an output may not be what it is written with.
	b.notes.Files = slices.DeleteFunc(b.notes.Files, func(f settings.Needed) bool {
		return !bytes.Contains(body, []byte(f.Name)) && !slices.ContainsFunc(b.agents, func(a File) bool {
			return bytes.Contains(a.Data, []byte(f.Name))
		})
	})
	return write(doc, b.head())
}

// buffer is the settings of the queue.
func (b *builder) buffer() flow.Map {
	m := flow.Map{{Key: "path", Value: "data"}}
	if len(b.whenFull) > 0 && !slices.Contains(b.whenFull, "block") {
		m = m.With("when_full", "drop_oldest")
	} else if slices.Contains(b.whenFull, "drop_oldest") {
		b.notes.Say(b.place(), "overflow_action drop_oldest_chunk",
			"what happens when the queue is full is the same for all outputs: agents wait", "buffer: "+
				"{when_full: drop_oldest}, if you would rather lose the oldest")
	}
	return m
}

// discard makes the filter that drops all, and gives routes without an output one, which gets nothing.
func (b *builder) discard() {
	if len(b.outputs) == 0 && len(b.routes) > 0 {
		b.outputs = append(b.outputs, flow.Pair{Key: "console", Value: flow.Map{{Key: "type", Value: "stdout"}}})
	}
	if !b.drop {
		return
	}
	b.filters = append(b.filters, flow.Pair{Key: "discard", Value: []any{flow.Map{{
		Key:   "expr",
		Value: flow.Map{{Key: "drop", Value: "true"}}, Comment: "What routes to nowhere: dropped, and counted.",
	}}}})
	for _, r := range b.routes {
		m, _ := r.(flow.Map)
		if names, _ := m.Get("outputs").([]any); len(names) == 1 && names[0] == "" {
			names[0] = b.outputs[0].Key
		}
	}
}

// head is the comment at the top.
func (b *builder) head() string {
	var names []string
	for _, o := range b.olds {
		names = append(names, filepath.Base(o.File))
	}
	var t strings.Builder
	fmt.Fprintf(&t, "Made of %s by aggregator convert. Comments name the old files' lines.\n", strings.Join(names,
		", "))
	t.WriteString("Next: make what is listed below, aggregator check, aggregator try.")
	if n := len(b.notes.Files) + len(b.notes.Env); n > 0 {
		t.WriteString("\n\nNeeded:")
		for _, f := range b.notes.Files {
			fmt.Fprintf(&t, "\n  file %s: %s", f.Name, f.From)
		}
		for _, e := range b.notes.Env {
			fmt.Fprintf(&t, "\n  variable %s: %s", e.Name, e.From)
		}
	}
	if len(b.notes.Lost) > 0 {
		t.WriteString("\n\nNot converted:")
		for _, n := range b.notes.Lost {
			fmt.Fprintf(&t, "\n  %s", n)
		}
	}
	return t.String()
}

// write writes a document as YAML with its comments.
func write(doc flow.Map, head string) ([]byte, error) {
	root := node(doc, 0)
	for i := 0; i < len(root.Content); i += 2 {
		root.Content[i].HeadComment = strings.TrimLeft(root.Content[i].HeadComment, "\n")
	}
	var out bytes.Buffer
	for line := range strings.SplitSeq(head, "\n") {
		out.WriteString(strings.TrimRight("# "+line, " ") + "\n")
	}
	for i := 0; i < len(root.Content); i += 2 {
		out.WriteByte('\n')
		e := yaml.NewEncoder(&out)
		e.SetIndent(2)
		if err := e.Encode(&yaml.Node{Kind: yaml.MappingNode, Content: root.Content[i : i+2]}); err != nil {
			return nil, fmt.Errorf("write the configuration: %w", err)
		}
		if err := e.Close(); err != nil {
			return nil, fmt.Errorf("write the configuration: %w", err)
		}
	}
	return out.Bytes(), nil
}

// widest is how long a mapping may be that stands on one line.
const widest = 100

// node makes a node of a value. Small mappings and lists that lie deep enough stand on one line.
func node(v any, depth int) *yaml.Node {
	switch v := v.(type) {
	case flow.Map:
		n := &yaml.Node{Kind: yaml.MappingNode}
		for _, p := range v {
			key := scalar(p.Key)
			key.HeadComment = p.Comment
			n.Content = append(n.Content, key, node(p.Value, depth+1))
		}
		if depth > 1 && plainMap(v) && length(v) <= widest-4*depth {
			n.Style = yaml.FlowStyle
		}
		return n
	case []any:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		plain := true
		for _, item := range v {
			child := node(item, depth+1)
			if m, isMap := item.(flow.Map); isMap {
				plain = false
				child.Style = 0
				if len(m) > 0 && len(child.Content) > 0 {
					// The comment stands above the item.
					child.HeadComment, child.Content[0].HeadComment = child.Content[0].HeadComment, ""
				}
			}
			n.Content = append(n.Content, child)
		}
		if plain && length(v) <= widest {
			n.Style = yaml.FlowStyle
		}
		return n
	}
	return scalar(v)
}

// scalar is a text, a number or a truth value.
func scalar(v any) *yaml.Node {
	n := &yaml.Node{}
	if err := n.Encode(v); err != nil {
		// Only texts, numbers, truth values and nil come here.
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}
	}
	if text, isText := v.(string); isText && strings.ContainsAny(text, `\"`) && !strings.ContainsAny(text, "\n\t'") {
		n.Style = yaml.SingleQuotedStyle
	}
	return n
}

// plainMap reports whether a map has no comments, and lists only of what is plain.
func plainMap(m flow.Map) bool {
	for _, p := range m {
		if p.Comment != "" {
			return false
		}
		switch v := p.Value.(type) {
		case flow.Map:
			if !plainMap(v) {
				return false
			}
		case []any:
			if slices.ContainsFunc(v, func(x any) bool { _, isMap := x.(flow.Map); return isMap }) {
				return false
			}
		}
	}
	return true
}

// length is about how long a value is when it is written on one line.
func length(v any) int {
	switch v := v.(type) {
	case flow.Map:
		n := 2
		for _, p := range v {
			n += len(p.Key) + 2 + length(p.Value) + 2
		}
		return n
	case []any:
		n := 2
		for _, x := range v {
			n += length(x) + 2
		}
		return n
	case string:
		return len(v) + 2
	}
	return 5
}
