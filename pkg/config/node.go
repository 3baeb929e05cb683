package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Limits of what a file may make of memory, whatever its aliases multiply.
const (
	// maxFile bounds a file, in bytes.
	maxFile = 4 << 20
	// maxNodes bounds values, each counted as often as an alias repeats it.
	maxNodes = 100_000
	maxDepth = 100
)

type kind uint8

const (
	scalar kind = iota + 1
	list
	mapping
)

// node is a YAML value with aliases, merges and interpolations resolved.
type node struct {
	kind kind
	place
	// text is a scalar's, and tag is YAML's short one, "!!int".
	text, tag string
	// refs is where text came from, if an interpolation brought it in.
	refs []string
	// masked is text with those in place of their values.
	masked string
	// standIn says that text was made up, since what it refers to is not there.
	standIn bool
	// items are those of a list.
	items []*node
	// entries are those of a mapping.
	entries []entry
}

// entry is a key of a mapping. Its value is nil if an error was reported for it already.
type entry struct {
	key string
	place
	value *node
}

// textNode returns a string that stands in no file.
func textNode(text string) *node { return &node{kind: scalar, text: text, tag: "!!str"} }

// The look-ups below are for n == nil too, so that they can be chained.

func (n *node) where() place {
	if n == nil {
		return place{}
	}
	return n.place
}

func (n *node) get(key string) *node {
	if n == nil {
		return nil
	}
	for _, e := range n.entries {
		if e.key == key {
			return e.value
		}
	}
	return nil
}

// item returns the i-th value of a list, or the scalar that stands for a list of one.
func (n *node) item(i int) *node {
	switch {
	case n == nil:
		return nil
	case n.kind == scalar && i == 0:
		return n
	case i < len(n.items):
		return n.items[i]
	}
	return nil
}

// find returns the value at a path like "tls.names[1]", or the nearest one around it.
func (n *node) find(path string) *node {
	for path != "" {
		end := strings.IndexAny(path, ".[")
		var next *node
		switch {
		case end == 0 && path[0] == '.':
			path = path[1:]
			continue
		case end == 0:
			digits, rest, _ := strings.Cut(path[1:], "]")
			i, err := strconv.Atoi(digits)
			if err != nil || i < 0 {
				return n
			}
			next, path = n.item(i), rest
		case end < 0:
			next, path = n.get(path), ""
		default:
			next, path = n.get(path[:end]), path[end:]
		}
		if next == nil {
			return n
		}
		n = next
	}
	return n
}

// origins says what interpolations brought in n, or an item of the list n.
func (n *node) origins() []string {
	if n == nil {
		return nil
	}
	refs := n.refs
	for _, item := range n.items {
		refs = append(refs, item.origins()...)
	}
	return refs
}

// within says where n stands, for a mistake that names it as the second place.
func (n *node) within() string {
	if n == nil || n.line == 0 {
		return ""
	}
	return " (" + n.String() + ")"
}

// madeUp reports whether n, or an item of the list n, was made up.
func (n *node) madeUp() bool {
	return n != nil && (n.standIn || slices.ContainsFunc(n.items, (*node).madeUp))
}

// shown is a scalar as an error may show it.
func (n *node) shown() string {
	switch {
	case n == nil:
		return "nothing"
	case n.kind == list:
		return "a list"
	case n.kind == mapping:
		return "a mapping"
	case n.refs != nil:
		return "the value of " + strings.Join(n.refs, " and ")
	case n.tag == "!!null":
		return "nothing"
	case n.tag == "!!str":
		return quote(n.text)
	}
	return strings.Trim(quote(n.text), `"`)
}

// reader turns YAML documents into nodes.
type reader struct {
	*problems
	interpolator
	// file is what is read.
	file    string
	count   int
	stopped bool
	// active is the aliases being followed.
	active map[*yaml.Node]bool
	// imported are the scalars that an interpolation brought in.
	imported []*node
}

// read returns the root of the one document in data, nil where there is none.
func (r *reader) read(file string, data []byte) *node {
	r.file = file
	if len(data) > maxFile {
		r.add(r.at(0, 0), "", "", fmt.Sprintf("the file is larger than %d MiB", maxFile>>20))
		return nil
	}
	if utf16(data) {
		r.add(r.at(0, 0), "", "save it as UTF-8",
			"the file is UTF-16 without a byte order mark, as some Windows programs write it")
		return nil
	}
	if program := otherProgram(data); program != "" {
		r.add(r.at(0, 0), "", convertHint, "this is a configuration of "+program)
		return nil
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var doc, next yaml.Node
	switch err := decoder.Decode(&doc); {
	case errors.Is(err, io.EOF):
		r.nothing()
		return nil
	case err != nil:
		r.syntax(err, data)
		return nil
	}
	switch err := decoder.Decode(&next); {
	case err == nil:
		r.add(r.at(next.Line, next.Column), "", "remove everything from its --- on", "a second YAML document")
	case !errors.Is(err, io.EOF):
		r.syntax(err, data)
	}
	if len(doc.Content) == 0 || doc.Content[0].ShortTag() == "!!null" {
		r.nothing()
		return nil
	}
	root := r.resolve(doc.Content[0], "", 0)
	if r.stopped {
		return nil
	}
	if program, hint := otherSections(root); program != "" {
		r.add(r.at(1, 1), "", hint, "this is "+program)
		return nil
	}
	if root != nil && root.kind == mapping {
		root.line, root.column = 1, 1
	}
	return root
}

// at is a place in the file that is read.
func (r *reader) at(line, column int) place { return place{r.file, line, column} }

// nothing reports a file without settings, which is more likely a lost one than one that means the defaults.
func (r *reader) nothing() {
	if r.file != "" {
		r.add(r.at(0, 0), "", "write {} where the defaults are meant", "the file is empty")
	}
}

// resolve returns n as a node, nil after having reported why not.
func (r *reader) resolve(n *yaml.Node, path string, depth int) *node {
	if r.stopped {
		return nil
	}
	if r.count++; r.count > maxNodes || depth > maxDepth {
		r.stopped = true
		r.add(r.at(n.Line, n.Column), "", "", fmt.Sprintf(
			"the file has more than %d values, counted with what aliases repeat, or nests deeper than %d", maxNodes,
			maxDepth))
		return nil
	}
	out := &node{place: r.at(n.Line, n.Column), tag: n.ShortTag()}
	switch n.Kind {
	case yaml.AliasNode:
		if r.active[n.Alias] {
			r.add(r.at(n.Line, n.Column), path, "", "the alias *"+strings.Trim(quote(n.Value), `"`)+" contains itself")
			return nil
		}
		r.active[n.Alias] = true
		defer delete(r.active, n.Alias)
		return r.resolve(n.Alias, path, depth+1)
	case yaml.SequenceNode:
		out.kind = list
		for i, c := range n.Content {
			out.items = append(out.items, r.resolve(c, index(path, i), depth+1))
		}
	case yaml.MappingNode:
		out.kind = mapping
		r.mapping(out, n, path, depth)
	default:
		out.kind = scalar
		if !r.scalar(out, n, path) {
			return nil
		}
	}
	return out
}

// unknownTag reports a text that begins with !. It may be a part of a secret, and is not shown.
func (r *reader) unknownTag(n *yaml.Node, path string) {
	hint := "remove it, or put a text that begins with ! in quotes"
	switch name := strings.ToLower(strings.TrimLeft(n.Tag, "!")); {
	case strings.HasPrefix(name, "include"):
		hint = "give -c all files, or a directory of them: they are one configuration"
	case name == "env", name == "secret", name == "file", name == "vault":
		hint = "write ${env:NAME} or ${file:/path}"
	}
	r.add(r.at(n.Line, n.Column), path, hint, "the YAML tag here, which begins with !, is not known")
}

func (r *reader) scalar(out *node, n *yaml.Node, path string) bool {
	out.text = n.Value
	switch out.tag {
	case "!!str":
	case "!!int", "!!float", "!!bool", "!!null", "!!timestamp":
		return true
	default:
		r.unknownTag(n, path)
		return false
	}
	if odd := oddCharacter(n.Value); odd != "" && n.Style == 0 {
		r.add(r.at(n.Line, n.Column), path,
			"write a space or quote of the keyboard in place of it; or put the text in quotes",
			"the text begins or ends with "+odd)
		return false
	}
	e, readable := r.expand(n.Value)
	for _, f := range e.wrong {
		r.add(r.at(n.Line, n.Column), path, f.hint, f.reason)
	}
	if !readable {
		return false
	}
	out.text, out.masked, out.refs, out.standIn = e.text, e.masked, e.refs, e.standIn
	if e.refs != nil {
		r.imported = append(r.imported, out)
	}
	return true
}

// mapping fills out with n's keys, then with those of the mappings that n merges (<<), which only
// count where no earlier one has them.
func (r *reader) mapping(out *node, n *yaml.Node, path string, depth int) {
	lines := make(map[string]int, len(n.Content)/2)
	var merges []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.Kind == yaml.AliasNode {
			k = k.Alias
		}
		switch line, twice := lines[k.Value]; {
		case k.Kind != yaml.ScalarNode:
			r.add(r.at(k.Line, k.Column), path, "", "a key must be a word, not a list or a mapping")
			continue
		case k.ShortTag() == "!!merge":
			merges = append(merges, v)
			continue
		case k.Style == 0 && oddCharacter(k.Value) != "":
			r.add(r.at(k.Line, k.Column), path, "write a space, - or : of the keyboard in place of it",
				"the key "+quote(k.Value)+" begins or ends with "+oddCharacter(k.Value))
			continue
		case twice:
			r.add(r.at(k.Line, k.Column), join(path, k.Value), "",
				fmt.Sprintf("the key is given on line %d already", line))
			continue
		}
		lines[k.Value] = k.Line
		out.entries = append(out.entries, entry{
			k.Value, r.at(k.Line, k.Column), r.resolve(v, join(path, k.Value), depth+1),
		})
	}
	for _, m := range merges {
		merged := r.resolve(m, path, depth+1)
		if merged == nil {
			continue
		}
		from := []*node{merged}
		if merged.kind == list {
			from = merged.items
		}
		for _, f := range from {
			if f == nil {
				continue
			}
			if f.kind != mapping {
				r.add(r.at(m.Line, m.Column), path, "", "<< takes a mapping, or a list of mappings, not "+f.shown())
				continue
			}
			for _, e := range f.entries {
				if _, have := lines[e.key]; !have {
					lines[e.key] = e.line
					out.entries = append(out.entries, e)
				}
			}
		}
	}
}
