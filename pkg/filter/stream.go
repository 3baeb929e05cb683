package filter

import (
	"fmt"

	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// StreamKey tells apart the streams whose lines a Joiner puts together. The zero value does so by what
// the events say of where they come from.
type StreamKey struct{ template *event.Template }

// NewStreamKey returns the key whose text a template makes; without one it is the zero value.
func NewStreamKey(template string) (k StreamKey, err error) {
	if template == "" {
		return k, nil
	}
	if k.template, err = event.ParseTemplate(template); err != nil {
		return k, fmt.Errorf("key: %w", err)
	}
	return k, nil
}

// Append appends what all events of e's stream, and no others, have.
func (k StreamKey) Append(dst []byte, e *Event) []byte {
	dst = append(append(dst, e.Chunk.Cluster...), 0)
	dst = append(append(dst, e.Chunk.Tag...), 0)
	if k.template != nil {
		return e.AppendTemplate(dst, k.template)
	}
	dst = e.AppendContainer(dst)
	for _, name := range [...]string{"stream", "source"} {
		if value, ok := e.Get(name); ok {
			text, _, _ := event.ReadBytes(value)
			if s := string(text); s == "stdout" || s == "stderr" {
				dst = append(dst, text...)
			}
		}
	}
	return dst
}

// AppendContainer appends what tells the container that wrote e from others of its tag, as far as e
// says so: what Kubernetes calls it, or its id.
func (e *Event) AppendContainer(dst []byte) []byte {
	if pod, ok := e.Get("kubernetes"); ok {
		for key, value := range Members(pod) {
			switch string(key) {
			case "namespace_name", "pod_name", "container_name", "docker_id", "container_id":
				dst = append(append(dst, key...), value...)
			}
		}
	}
	if id, ok := e.Get("container_id"); ok {
		dst = append(dst, id...)
	}
	return dst
}
