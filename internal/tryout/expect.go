package tryout

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/seed-afc6a195/aggregator/internal/ndjson"
	"github.com/seed-afc6a195/aggregator/pkg/config"
)

// Sample is events of a tag, as an agent would send them, of which tests are to be made.
type Sample struct {
	// Name is where they come from, for the tests' names.
	Name string
	// Tag may be "": an example that the first route takes.
	Tag string
	// Lines is JSON objects, or texts.
	Lines [][]byte
}

// WriteTests returns a file of tests that says what the configuration makes of samples now, and that it passes. An
// event is a test of its own, but where several become one: then all events of the sample are one test. What depends on
// the clock is left out; again, which may be nil, lets it go on between two looks.
func (c *Configuration) WriteTests(samples []Sample, again func()) ([]byte, error) {
	var all []written
	for _, s := range samples {
		tests, err := c.written(s)
		if err != nil {
			return nil, fmt.Errorf("events of %s: %w", s.Name, err)
		}
		all = append(all, tests...)
	}
	if again != nil {
		again()
	}
	var doc yaml.Node
	doc.Kind = yaml.SequenceNode
	for i := range all {
		second, err := c.outcomes(all[i].events)
		if err != nil {
			return nil, fmt.Errorf("events of %s: %w", all[i].name, err)
		}
		doc.Content = append(doc.Content, all[i].node(second))
	}
	var out bytes.Buffer
	out.WriteString("# What aggregator.yaml makes of sample events, for aggregator test. Look whether it is what " +
		"you want: it is what is.\n")
	e := yaml.NewEncoder(&out)
	e.SetIndent(2)
	if err := errors.Join(e.Encode(&doc), e.Close()); err != nil {
		return nil, fmt.Errorf("write the tests: %w", err)
	}
	return out.Bytes(), nil
}

// written is a test to be.
type written struct {
	name, cluster, tag string
	inputs             []json.RawMessage
	events             []Event
	all                []Outcome
}

// written makes the tests of a sample.
func (c *Configuration) written(s Sample) ([]written, error) {
	at, err := time.Parse(time.RFC3339, testTime)
	if err != nil {
		return nil, err
	}
	cluster, tag := c.Example()
	if s.Tag != "" {
		tag = s.Tag
	}
	whole := written{name: fmt.Sprintf("%s: %s", tag, s.Name), cluster: cluster, tag: tag}
	var run Run
	for i, line := range s.Lines {
		record, _ := Record(line, "", at)
		// What is read back of the test is what counts.
		input := run.json(record)
		if record, _, err = ndjson.AppendObject(nil, input, ""); err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		whole.inputs = append(whole.inputs, input)
		whole.events = append(whole.events, Event{Cluster: cluster, Tag: tag, Time: at, Record: record})
	}
	if whole.all, err = c.outcomes(whole.events); err != nil {
		return nil, err
	}
	joined := slices.ContainsFunc(whole.all, func(o Outcome) bool { return len(o.Parts) > 1 || o.Event == 0 })
	if joined || len(whole.events) == 1 {
		return []written{whole}, nil
	}
	var each []written
	for i := range whole.events {
		one := written{
			name: fmt.Sprintf("%s, event %d", whole.name, i+1), cluster: cluster, tag: tag,
			inputs: whole.inputs[i : i+1], events: whole.events[i : i+1],
		}
		if one.all, err = c.outcomes(one.events); err != nil {
			return nil, err
		}
		each = append(each, one)
	}
	return each, nil
}

// outcomes returns what becomes of events, in the order in which Check compares it.
func (c *Configuration) outcomes(events []Event) (all []Outcome, err error) {
	run, err := c.Start()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, run.Close()) }()
	for _, ev := range events {
		all = append(all, run.Give(ev, ev.Time)...)
	}
	if len(events) > 0 {
		all = append(all, run.Flush(events[0].Time, true)...)
	}
	all = slices.DeleteFunc(all, func(o Outcome) bool { return o.Result == Joined })
	slices.SortStableFunc(all, func(a, b Outcome) int { return order(a) - order(b) })
	return all, nil
}

// node writes a test; what differs in a second look is not expected.
func (w *written) node(second []Outcome) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode}
	input := jsonNode(w.inputs[0])
	if len(w.inputs) > 1 {
		input = &yaml.Node{Kind: yaml.SequenceNode}
		for _, text := range w.inputs {
			input.Content = append(input.Content, jsonNode(text))
		}
	}
	expect := &yaml.Node{Kind: yaml.SequenceNode}
	for i := range w.all {
		other := &w.all[i]
		if i < len(second) {
			other = &second[i]
		}
		expect.Content = append(expect.Content, w.expectation(&w.all[i], other))
	}
	add(n, "name", textNode(w.name))
	add(n, "cluster", textNode(w.cluster))
	add(n, "tag", textNode(w.tag))
	add(n, "input", input)
	add(n, "expect", expect)
	return n
}

func (w *written) expectation(o, second *Outcome) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode}
	if o.Result != Delivered {
		add(n, o.Result, textNode(o.Reason))
		return n
	}
	outputs := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	for _, name := range o.Outputs {
		outputs.Content = append(outputs.Content, textNode(name))
	}
	add(n, "outputs", outputs)
	if o.Time != testTime && o.Time == second.Time {
		add(n, "time", textNode(o.Time))
	}
	same := steady(o.Record, second.Record)
	if bytes.Equal(same, o.Record) {
		add(n, "record", jsonNode(o.Record))
	} else {
		add(n, "contains", jsonNode(same))
	}
	targets := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	for _, d := range o.Documents {
		for _, text := range d.Targets {
			targets.Content = append(targets.Content, textNode(text))
		}
	}
	some := slices.ContainsFunc(targets.Content, func(t *yaml.Node) bool { return t.Value != "" })
	if some && reflect.DeepEqual(targetsOf(o), targetsOf(second)) {
		add(n, "targets", targets)
	}
	return n
}

func targetsOf(o *Outcome) (all []string) {
	for _, d := range o.Documents {
		all = append(all, d.Targets...)
	}
	return all
}

// steady returns a record without the fields that another one has otherwise, and without those with a value that stands
// in for what is not here: both are others elsewhere.
func steady(record, second json.RawMessage) json.RawMessage {
	var fields, other map[string]json.RawMessage
	if json.Unmarshal(record, &fields) != nil || json.Unmarshal(second, &other) != nil {
		return record
	}
	before := len(fields)
	for name, value := range fields {
		var text string
		if !bytes.Equal(value, other[name]) || json.Unmarshal(value, &text) == nil && config.MadeUp(text) {
			delete(fields, name)
		}
	}
	if len(fields) == before {
		// In its own order.
		return record
	}
	text, err := json.Marshal(fields)
	if err != nil {
		// It was JSON a moment ago.
		return record
	}
	return text
}

func add(n *yaml.Node, key string, value *yaml.Node) {
	n.Content = append(n.Content, textNode(key), value)
}

func textNode(text string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(text)
	return n
}

// jsonNode writes JSON as it is, on one line: YAML reads it.
func jsonNode(text json.RawMessage) *yaml.Node {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	n, err := readNode(d)
	if err != nil {
		// It was rendered by the program itself.
		return textNode(string(text))
	}
	return n
}

func readNode(d *json.Decoder) (*yaml.Node, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := token.(type) {
	case json.Delim:
		n := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
		if t == '{' {
			n.Kind = yaml.MappingNode
		}
		for d.More() {
			child, err := readNode(d)
			if err != nil {
				return nil, err
			}
			n.Content = append(n.Content, child)
		}
		_, err := d.Token()
		return n, err
	case string:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Style: yaml.DoubleQuotedStyle, Value: t}, nil
	case json.Number:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: t.String()}, nil
	case bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: strconv.FormatBool(t)}, nil
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}, nil
}
