package otlp

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// Fields of OpenTelemetry's messages (logs.proto, resource.proto): ExportLogsServiceRequest, ResourceLogs, ScopeLogs
// and Resource.
const (
	requestResources   = 1
	logsResource       = 1
	logsScopes         = 2
	scopeRecords       = 2
	resourceAttributes = 1
)

// Names of attributes of resources, as OpenTelemetry's semantic conventions have them.
const (
	clusterName = "k8s.cluster.name"
	serviceName = "service.name"
)

// conventional returns what OpenTelemetry calls a member of what Fluent Bit and fluentd know of a pod, "" for one that
// it has no name for; within says that it is a map of which each member is an attribute with that before its name.
func conventional(key string) (name string, within bool) {
	switch key {
	case "namespace_name":
		return "k8s.namespace.name", false
	case "pod_name":
		return "k8s.pod.name", false
	case "pod_id":
		return "k8s.pod.uid", false
	case "pod_ip":
		return "k8s.pod.ip", false
	case "host":
		return "k8s.node.name", false
	case "container_name":
		return "k8s.container.name", false
	case "container_image":
		return "container.image.name", false
	case "docker_id", "container_id":
		return "container.id", false
	case "labels":
		return "k8s.pod.label.", true
	case "annotations":
		return "k8s.pod.annotation.", true
	case "namespace_labels":
		return "k8s.namespace.label.", true
	case "namespace_annotations":
		return "k8s.namespace.annotation.", true
	}
	return "", false
}

// pair is a name and a template of its value.
type pair struct {
	name  string
	value *event.Template
}

// pairs reads names and templates, ascending by name.
func pairs(key string, from map[string]string) (all []pair, err error) {
	for _, name := range slices.Sorted(maps.Keys(from)) {
		p := pair{name: name}
		if p.value, err = event.ParseTemplate(from[name]); err != nil {
			return nil, fmt.Errorf("%s.%s: %w", key, name, err)
		}
		all = append(all, p)
	}
	return all, nil
}

// resource is the log records of one resource in a request.
type resource struct {
	// attributes are the fields of a Resource.
	attributes []byte
	// records are the fields of a ScopeLogs.
	records []byte
}

// grouper finds the resource of an event. It is for one goroutine, and for the resources of one request.
type grouper struct {
	recorder
	settings []pair
	// steady says that settings depend on no more than cluster and tag.
	steady bool
	known  map[string]*resource
	all    []*resource
	key    []byte
	// The last event, with what it has of a pod, and its resource.
	last     *event.Event
	lastKube []byte
	lastOf   *resource
}

// reset forgets all resources.
func (g *grouper) reset() {
	g.known, g.all, g.last, g.lastOf = map[string]*resource{}, nil, nil, nil
}

// of returns the resource of ev, of which kube is what is known of its pod: a map, or nil.
func (g *grouper) of(ev *event.Event, kube []byte) (*resource, error) {
	if g.lastOf != nil && g.steady && g.last.SameOrigin(ev) && bytes.Equal(kube, g.lastKube) {
		return g.lastOf, nil
	}
	g.key = appendKey(g.key[:0], []byte(ev.Chunk.Cluster))
	for _, p := range g.settings {
		g.text = p.value.Append(g.text[:0], ev, nil)
		g.key = appendKey(g.key, g.text)
	}
	g.key = append(g.key, kube...)
	r := g.known[string(g.key)]
	if r == nil {
		r = new(resource)
		var err error
		if r.attributes, err = g.attributes(ev, kube); err != nil {
			return nil, err
		}
		g.known[string(g.key)] = r
		g.all = append(g.all, r)
	}
	g.last, g.lastKube, g.lastOf = ev, kube, r
	return r, nil
}

// attribute is one of a resource: a text, or a msgpack value.
type attribute struct {
	name string
	text []byte
	// value may be nil: text.
	value []byte
}

// attributes returns the fields of ev's Resource. What the settings say wins over what is added to the cluster's
// events, and that over what is known of the pod.
func (g *grouper) attributes(ev *event.Event, kube []byte) (dst []byte, err error) {
	list, err := g.ofPod(kube)
	if err != nil {
		return nil, err
	}
	set := func(name string, text []byte) {
		if len(text) > 0 {
			list = slices.DeleteFunc(list, func(a attribute) bool { return a.name == name })
			list = append(list, attribute{name: name, text: text})
		}
	}
	added := g.added[ev.Chunk.Cluster]
	for _, name := range slices.Sorted(maps.Keys(added)) {
		set(name, []byte(added[name]))
	}
	if g.fields.Cluster != "" {
		set(clusterName, []byte(ev.Chunk.Cluster))
	}
	for _, p := range g.settings {
		set(p.name, p.value.Append(nil, ev, nil))
	}
	for _, a := range list {
		if a.value == nil {
			dst = g.appendPair(dst, resourceAttributes, a.name, a.text)
			continue
		}
		if dst, err = g.appendMember(dst, resourceAttributes, []byte(a.name), a.value, 0); err != nil {
			return nil, err
		}
	}
	return dst, nil
}

// ofPod returns the attributes that what is known of a pod becomes.
func (g *grouper) ofPod(kube []byte) (list []attribute, err error) {
	if kube == nil {
		return nil, nil
	}
	from := len(g.members)
	defer func() { g.members = g.members[:from] }()
	if err := g.values.read(kube, from); err != nil {
		return nil, err
	}
	for _, m := range slices.Clone(g.members[from:]) {
		name, within := conventional(string(m.key))
		if !within || event.TypeOf(m.value[0]) != event.TypeMap {
			if name == "" || within {
				name = g.kube + "." + string(m.key)
			}
			list = append(list, attribute{name: name, value: m.value})
			continue
		}
		inner := len(g.members)
		if err := g.values.read(m.value, inner); err != nil {
			return nil, err
		}
		for _, one := range g.members[inner:] {
			list = append(list, attribute{name: name + string(one.key), value: one.value})
		}
		g.members = g.members[:inner]
	}
	for _, name := range []string{"k8s.pod.label.app.kubernetes.io/name", "k8s.pod.label.app", "k8s.container.name"} {
		if i := slices.IndexFunc(list, func(a attribute) bool { return a.name == name }); i >= 0 &&
			hasText(list[i].value) {
			return append(list, attribute{name: serviceName, value: list[i].value}), nil
		}
	}
	return list, nil
}

// appendRequest appends a request of the resources.
func appendRequest(dst []byte, all []*resource) []byte {
	for _, r := range all {
		if len(r.records) == 0 {
			continue
		}
		size := protowire.SizeTag(logsResource) + protowire.SizeBytes(len(r.attributes)) +
			protowire.SizeTag(logsScopes) + protowire.SizeBytes(len(r.records))
		dst = protowire.AppendVarint(protowire.AppendTag(dst, requestResources, protowire.BytesType), uint64(size))
		dst = protowire.AppendBytes(protowire.AppendTag(dst, logsResource, protowire.BytesType), r.attributes)
		dst = protowire.AppendBytes(protowire.AppendTag(dst, logsScopes, protowire.BytesType), r.records)
	}
	return dst
}
