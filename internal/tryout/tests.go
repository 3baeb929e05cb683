package tryout

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/seed-afc6a195/aggregator/internal/ndjson"
	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/route"
)

// Test says what a configuration should make of some events.
type Test struct {
	Name   string
	File   string
	Line   int
	Events []Event
	// At is the clock of the steps.
	At     time.Time
	Expect []Expectation
}

// Expectation is one event that comes out, or that does not. Fields that are not set are not
// compared.
type Expectation struct {
	Line   int
	Result string
	// Reason is a part of the reason.
	Reason  string
	Route   string
	Outputs []string
	Time    time.Time
	// Record is the whole record.
	Record json.RawMessage
	// Contains is fields that the record has, among others.
	Contains json.RawMessage
	// Document is fields that the delivered document has, among others.
	Document json.RawMessage
	// Targets is where in its outputs it goes: "index logs-seoul-2026.11.30".
	Targets []string
}

// TestsFile returns the name of the tests of a configuration file: x.tests.yaml for x.yaml.
func TestsFile(config string) string {
	ext := filepath.Ext(config)
	if ext == "" {
		ext = ".yaml"
	}
	return strings.TrimSuffix(config, filepath.Ext(config)) + ".tests" + ext
}

// testTime is the time of a test's events unless it says another.
const testTime = "2026-01-01T00:00:00Z"

// ReadTests reads a file of tests. Its error names all mistakes, each with its line. Events without
// a cluster or a tag get those of c.Example.
func (c *Configuration) ReadTests(file string, data []byte) ([]Test, error) {
	r := &testReader{c: c, file: file, merging: map[*yaml.Node]bool{}}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	if err := decoder.Decode(&doc); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: not valid YAML: %s", file, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	var next yaml.Node
	if err := decoder.Decode(&next); err == nil {
		return nil, fmt.Errorf("%s:%d: a second YAML document: write all tests into one list, and remove the ---", file,
			next.Line)
	} else if !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: not valid YAML: %s", file, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if len(doc.Content) == 0 || doc.Content[0].Kind != yaml.SequenceNode || len(doc.Content[0].Content) == 0 {
		return nil, fmt.Errorf("%s: should be a list of tests, each with name, input and expect", file)
	}
	var tests []Test
	for _, n := range doc.Content[0].Content {
		tests = append(tests, r.test(n))
	}
	return tests, errors.Join(r.errs...)
}

type testReader struct {
	c     *Configuration
	file  string
	errs  []error
	nodes int
	// merging are mappings whose members are being taken over into others.
	merging map[*yaml.Node]bool
}

func (r *testReader) wrong(n *yaml.Node, format string, args ...any) {
	if len(r.errs) < 100 {
		r.errs = append(r.errs, fmt.Errorf("%s:%d: %s", r.file, n.Line, fmt.Sprintf(format, args...)))
	}
}

// fields calls what is in known for the keys of the mapping n.
func (r *testReader) fields(n *yaml.Node, what string, known map[string]func(*yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		r.wrong(n, "%s should be a mapping", what)
		return
	}
	seen := map[string]bool{}
	for _, p := range r.pairs(n) {
		key, value := p.key, p.value
		read := known[key.Value]
		switch {
		case read == nil:
			hint := "write one of " + strings.Join(slices.Sorted(maps.Keys(known)), ", ")
			if near := config.Nearest(key.Value, slices.Sorted(maps.Keys(known))); near != "" {
				hint = "did you mean " + near + "?"
			}
			r.wrong(key, "%s has no key %q: %s", what, key.Value, hint)
		case seen[key.Value]:
			r.wrong(key, "the key %s is given twice", key.Value)
		default:
			seen[key.Value] = true
			read(value)
		}
	}
}

// pair is a key of a mapping, and its value without aliases.
type pair struct{ key, value *yaml.Node }

// pairs returns the members of the mapping n, then those of the mappings that it merges (<<) which no earlier one has.
func (r *testReader) pairs(n *yaml.Node) (all []pair) {
	own := map[string]bool{}
	var merged []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], resolved(n.Content[i+1])
		if key.ShortTag() != "!!merge" {
			all, own[key.Value] = append(all, pair{key, value}), true
			continue
		}
		for _, m := range items(value) {
			if r.nodes++; m.Kind != yaml.MappingNode || r.merging[m] || r.nodes > maxNodes {
				r.wrong(m, "<< takes a mapping that is not within itself, or a list of them")
				continue
			}
			merged = append(merged, m)
		}
	}
	for _, m := range merged {
		r.merging[m] = true
		for _, p := range r.pairs(m) {
			if !own[p.key.Value] {
				all, own[p.key.Value] = append(all, p), true
			}
		}
		delete(r.merging, m)
	}
	return all
}

func resolved(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

func (r *testReader) text(into *string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if n.Kind != yaml.ScalarNode {
			r.wrong(n, "should be a text")
			return
		}
		*into = n.Value
	}
}

// texts reads a list of texts, or one.
func (r *testReader) texts(into *[]string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		for _, n := range items(n) {
			var text string
			r.text(&text)(n)
			*into = append(*into, text)
		}
	}
}

func (r *testReader) cluster(into *string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		r.text(into)(n)
		if names := r.c.Clusters(); !slices.Contains(names, *into) {
			r.wrong(n, "there is no cluster %q: the configuration has %s", n.Value, strings.Join(names, ", "))
		}
	}
}

func (r *testReader) time(into *time.Time) func(*yaml.Node) {
	return func(n *yaml.Node) {
		t, err := time.Parse(time.RFC3339Nano, n.Value)
		if err != nil {
			r.wrong(n, "time %q: write it as %s", n.Value, testTime)
		}
		*into = t
	}
}

func (r *testReader) test(n *yaml.Node) Test {
	n = resolved(n)
	t := Test{File: r.file, Line: n.Line}
	t.At, _ = time.Parse(time.RFC3339, testTime)
	var e Event
	var input, expect *yaml.Node
	e.Cluster, e.Tag = r.c.Example()
	r.fields(n, "a test", map[string]func(*yaml.Node){
		"name": r.text(&t.Name), "cluster": r.cluster(&e.Cluster), "tag": r.text(&e.Tag), "time": r.time(&t.At),
		"metadata": func(n *yaml.Node) { e.Metadata = r.record(n) },
		"input":    func(n *yaml.Node) { input = n },
		"expect":   func(n *yaml.Node) { expect = n },
	})
	e.Time = t.At
	if t.Name == "" {
		r.wrong(n, "a test needs a name")
	}
	if n.Kind == yaml.MappingNode && input == nil {
		r.wrong(n, "a test needs input: a record, a text or a list of them")
	}
	if n.Kind == yaml.MappingNode && expect == nil {
		r.wrong(n, "a test needs expect: a list of what comes out")
	}
	for _, n := range items(input) {
		switch n = resolved(n); n.Kind {
		case yaml.MappingNode:
			e.Record = r.record(n)
			t.Events = append(t.Events, e)
		case yaml.ScalarNode:
			for line := range strings.Lines(r.scalar(n)) {
				e.Record, _ = Record([]byte(strings.TrimRight(line, "\r\n")), "", e.Time)
				t.Events = append(t.Events, e)
			}
		default:
			r.wrong(n, "input should be a record, a text, or a list of them")
		}
	}
	if len(t.Events) == 0 && input != nil && input.Kind == yaml.ScalarNode {
		r.wrong(input, "input is empty: write a record, a text or a list of them, [] for none")
	}
	for _, n := range items(expect) {
		t.Expect = append(t.Expect, r.expectation(resolved(n)))
	}
	return t
}

// items returns the list n, or n as a list of one.
func items(n *yaml.Node) []*yaml.Node {
	switch {
	case n == nil:
		return nil
	case n.Kind == yaml.SequenceNode:
		var all []*yaml.Node
		for _, item := range n.Content {
			all = append(all, resolved(item))
		}
		return all
	default:
		return []*yaml.Node{n}
	}
}

func (r *testReader) expectation(n *yaml.Node) Expectation {
	x := Expectation{Line: n.Line, Result: Delivered}
	refusal := func(result string) func(*yaml.Node) {
		return func(n *yaml.Node) {
			if r.text(&x.Reason)(n); n.ShortTag() == "!!null" || n.ShortTag() == "!!bool" && n.Value == "true" {
				// Whatever the reason.
				x.Reason = ""
			}
			if x.Result != Delivered {
				r.wrong(n, "an event is %s or %s, not both", Dropped, DeadLetter)
			}
			x.Result = result
		}
	}
	value := func(into *json.RawMessage) func(*yaml.Node) {
		return func(n *yaml.Node) {
			// run is what it renders, outcomes are rendered by too.
			var run Run
			*into = run.json(r.record(n))
		}
	}
	if n.Kind == yaml.ScalarNode {
		if x.Result = n.Value; x.Result != Dropped && x.Result != DeadLetter && x.Result != Delivered {
			r.wrong(n, "expect %q: write %s, %s, %s or a mapping with record or contains", n.Value, Delivered, Dropped,
				DeadLetter)
		}
		return x
	}
	r.fields(n, "an expectation", map[string]func(*yaml.Node){
		"route": r.text(&x.Route), "time": r.time(&x.Time),
		"outputs": r.texts(&x.Outputs), "targets": r.texts(&x.Targets),
		"record": value(&x.Record), "contains": value(&x.Contains), "document": value(&x.Document),
		Dropped: refusal(Dropped), DeadLetter: refusal(DeadLetter),
	})
	if x.Result != Delivered && (x.Record != nil || x.Contains != nil || x.Document != nil || x.Targets != nil) {
		r.wrong(n, "an event that is %s has no record, contains, document or targets: leave them out", x.Result)
	}
	for _, name := range x.Outputs {
		if known := r.c.cfg.OutputNames(); !slices.Contains(known, name) {
			r.wrong(n, "there is no output %q: the configuration has %s", name, strings.Join(known, ", "))
		}
	}
	if x.Route != "" {
		if i, err := route.Find(r.c.routes, x.Route); err != nil {
			r.wrong(n, "%v", err)
		} else {
			x.Route = fmt.Sprintf("routes[%d]", i)
		}
	}
	return x
}

// record returns a mapping as msgpack.
func (r *testReader) record(n *yaml.Node) []byte {
	if n.Kind != yaml.MappingNode {
		r.wrong(n, "a record should be a mapping")
		return []byte{0x80}
	}
	record, _, err := ndjson.AppendObject(nil, r.json(nil, n), "")
	if err != nil {
		r.wrong(n, "a record that can't be sent: %v", err)
	}
	return record
}

// maxNodes bounds what aliases multiply.
const maxNodes = 100_000

// json appends a YAML value as JSON, in its order.
func (r *testReader) json(dst []byte, n *yaml.Node) []byte {
	if r.nodes++; r.nodes > maxNodes {
		if r.nodes == maxNodes+1 {
			r.wrong(n, "more than %d values in one file", maxNodes)
		}
		return append(dst, "null"...)
	}
	switch n = resolved(n); n.Kind {
	case yaml.MappingNode:
		dst = append(dst, '{')
		for i, p := range r.pairs(n) {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(appendJSON(dst, p.key.Value), ':')
			dst = r.json(dst, p.value)
		}
		return append(dst, '}')
	case yaml.SequenceNode:
		dst = append(dst, '[')
		for i, item := range n.Content {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = r.json(dst, item)
		}
		return append(dst, ']')
	default:
		return r.scalarJSON(dst, n)
	}
}

// scalarJSON appends a text, number, truth value or null.
func (r *testReader) scalarJSON(dst []byte, n *yaml.Node) []byte {
	switch tag := n.ShortTag(); {
	case tag == "!!null":
		return append(dst, "null"...)
	case (tag == "!!int" || tag == "!!float") && json.Valid([]byte(n.Value)):
		// Its digits as they are.
		return append(dst, n.Value...)
	case tag == "!!bool" || tag == "!!int" || tag == "!!float":
		var v any
		if err := n.Decode(&v); err != nil {
			r.wrong(n, "%v", err)
		}
		return appendJSON(dst, v)
	}
	return appendBytes(dst, r.scalar(n))
}

// scalar returns a text; YAML's !!binary is for bytes that are not UTF-8.
func (r *testReader) scalar(n *yaml.Node) string {
	if n.ShortTag() != "!!binary" {
		return n.Value
	}
	text, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(n.Value), ""))
	if err != nil {
		r.wrong(n, "!!binary should be base64: %v", err)
	}
	return string(text)
}

// appendBytes appends a text as JSON whose bytes stay what they are.
func appendBytes(dst []byte, text string) []byte {
	dst = append(dst, '"')
	for _, c := range []byte(text) {
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < ' ':
			dst = fmt.Appendf(dst, "\\u%04x", c)
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}

// appendJSON appends a scalar; what JSON has no word for, such as infinity, is null.
func appendJSON(dst []byte, v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		text = []byte("null")
	}
	return append(dst, text...)
}
