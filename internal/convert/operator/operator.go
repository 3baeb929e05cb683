// Package operator reads the custom resources of Kubernetes operators that run fluentd and Fluent Bit, as the sections
// of the files that these operators write of them.
package operator

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/seed-afc6a195/aggregator/internal/convert/fluentbit"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
	"github.com/seed-afc6a195/aggregator/internal/convert/syntax"
)

// Files is what the resources of some files say, as the operators have it written.
type Files struct {
	// Bit is nil where nothing is Fluent Bit's.
	Bit *fluentbit.File
	// Fluentd is nil where nothing is fluentd's.
	Fluentd *syntax.Section
}

// maxResources bounds how many resources are read.
const maxResources = 1000

// resource is one of them.
type resource struct {
	group, kind, name, namespace string
	spec                         *yaml.Node
	file                         string
	ordinal                      int
}

func (r *resource) at(n *yaml.Node) syntax.Place {
	return syntax.Place{File: r.file, Line: n.Line, Column: n.Column}
}

// Reader gathers resources. The zero value is ready.
type Reader struct {
	all []*resource
}

// Add reads the resources in a file, of which there may be several, and reports whether there are any.
func (r *Reader) Add(path string, data []byte) bool {
	some := false
	d := yaml.NewDecoder(strings.NewReader(string(data)))
	for len(r.all) < maxResources {
		var doc yaml.Node
		if d.Decode(&doc) != nil {
			// The end, or no YAML, which is said where it is read as a configuration.
			return some
		}
		if len(doc.Content) > 0 && r.add(path, doc.Content[0], 0) {
			some = true
		}
	}
	return some
}

func (r *Reader) add(path string, n *yaml.Node, depth int) (some bool) {
	if items := member(n, "items"); items != nil && text(member(n, "kind")) == "List" && depth == 0 {
		for _, item := range items.Content {
			some = r.add(path, item, depth+1) || some
		}
		return some
	}
	group, _, found := strings.Cut(text(member(n, "apiVersion")), "/")
	if !found {
		return false
	}
	switch group {
	case "fluentbit.fluent.io", "fluentd.fluent.io", "logging.banzaicloud.io":
	default:
		return false
	}
	meta := member(n, "metadata")
	one := &resource{
		group: group, kind: text(member(n, "kind")), name: text(member(meta, "name")),
		namespace: text(member(meta, "namespace")), spec: member(n, "spec"), file: path,
	}
	if one.spec == nil {
		one.spec = &yaml.Node{Kind: yaml.MappingNode, Line: n.Line}
	}
	// It is a number, or 0.
	one.ordinal, _ = strconv.Atoi(text(member(one.spec, "ordinal")))
	r.all = append(r.all, one)
	return true
}

// Files returns what the resources say. What is no setting of a plugin goes to notes.
func (r *Reader) Files(notes *settings.Notes) Files {
	slices.SortStableFunc(r.all, func(a, b *resource) int {
		return cmp.Or(cmp.Compare(a.ordinal, b.ordinal), cmp.Compare(a.name, b.name))
	})
	var f Files
	bit := &bitWriter{notes: notes}
	daemon := &fluentdWriter{notes: notes}
	flows := &flowWriter{notes: notes, outputs: map[string]*resource{}}
	for _, one := range r.all {
		switch one.group {
		case "fluentbit.fluent.io":
			bit.add(one)
		case "fluentd.fluent.io":
			daemon.add(one)
		case "logging.banzaicloud.io":
			flows.add(one)
		}
	}
	if bit.some {
		f.Bit = bit.file()
	}
	switch {
	case daemon.some:
		f.Fluentd = daemon.root()
	case flows.some:
		f.Fluentd = flows.root()
	}
	return f
}

// member returns the value of a mapping's key, nil where there is none.
func member(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

func text(n *yaml.Node) string {
	if n == nil || n.Kind != yaml.ScalarNode {
		return ""
	}
	return n.Value
}

// members calls each for the members of a mapping.
func members(n *yaml.Node, each func(key string, value *yaml.Node)) {
	if n == nil || n.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		each(n.Content[i].Value, n.Content[i+1])
	}
}

// snake writes httpUser as http_user, kubeCAFile as kube_ca_file and S3KeyFormat as s3_key_format.
func snake(name string) string {
	var b strings.Builder
	upper := func(i int) bool { return i >= 0 && i < len(name) && name[i] >= 'A' && name[i] <= 'Z' }
	lower := func(i int) bool { return i >= 0 && i < len(name) && name[i] >= 'a' && name[i] <= 'z' }
	for i := range len(name) {
		c := name[i]
		if upper(i) {
			if i > 0 && name[i-1] != '_' && name[i-1] != '.' && (!upper(i-1) || lower(i+1)) {
				b.WriteByte('_')
			}
			c += 'a' - 'A'
		}
		b.WriteByte(c)
	}
	return b.String()
}

// secret returns the value of {valueFrom: {secretKeyRef: {name, key}}} and {mountFrom: …}, which is a variable, and
// {value: …}; ok is false for another mapping.
func secret(r *resource, n *yaml.Node, notes *settings.Notes) (v syntax.Value, ok bool) {
	at := r.at(n)
	if plain := member(n, "value"); plain != nil && len(n.Content) == 2 {
		return syntax.Literal(plain.Value, at), true
	}
	for _, from := range [...]string{"valueFrom", "mountFrom"} {
		ref := member(member(n, from), "secretKeyRef")
		if ref == nil {
			continue
		}
		name, key := text(member(ref, "name")), text(member(ref, "key"))
		variable := strings.ToUpper(strings.Map(func(c rune) rune {
			if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' {
				return c
			}
			return '_'
		}, name+"_"+key))
		if notes.Origins == nil {
			notes.Origins = map[string]string{}
		}
		notes.Origins[variable] = "the key " + key + " of the Secret " + name + "; " + at.String()
		return syntax.Value{Parts: []syntax.Part{{Env: variable}}, At: at}, true
	}
	return syntax.Value{}, false
}
