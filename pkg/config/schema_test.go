package config

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/seed-afc6a195/aggregator/pkg/outputs/splunkhec"
)

func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("aggregator.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("aggregator.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// asJSON is what an editor hands to the schema for a YAML text.
func asJSON(t *testing.T, text []byte) any {
	t.Helper()
	var v any
	if err := yaml.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	j, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(j)))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestSchemaAgreesWithParse(t *testing.T) {
	s := compileSchema(t)
	for _, tc := range []struct {
		text string
		ok   bool
	}{
		{"{}", true},
		{"hostname: a", true},
		{"hostname: 7", false},
		{"hostnam: a", false},
		{
			"listeners: [{address: '127.0.0.1:1', max_connections: 5, idle_timeout: 1h30m, max_message_size: 1MiB}]",
			true,
		},
		{"listeners: [{address: '127.0.0.1:1', max_connections: '5'}]", false},
		{"listeners: [{address: '127.0.0.1:1', max_connections: '${env:N}', udp_heartbeat: '${env:ON}'}]", true},
		{"listeners: [{address: '127.0.0.1:1', max_connections: 0}]", false},
		{"listeners: [{address: '127.0.0.1:1', idle_timeout: 10}]", false},
		{"listeners: [{address: '127.0.0.1:1', idle_timeout: '10'}]", false},
		{"listeners: [{address: '127.0.0.1:1', max_message_size: 10mb}]", false},
		{"listeners: [{address: ''}]", false},
		{"listeners: [{name: x}]", false},
		{"buffer: {dedupe_window: 0, max_size: 1000000, when_full: reject}", true},
		{"buffer: {max_size: -1}", false},
		{"buffer: {when_full: blok}", false},
		{"buffer: {sync: 'true'}", false},
		{"buffer:", false},
		{"outputs: {a: {type: stdout, format: json, workers: 3, rate_limit: 5MiB/s}}", true},
		{"outputs: {a: {type: stdout, rate_limit: 5MiB}}", false},
		{"outputs: {a: {type: forward, servers: logs}}", true},
		{"outputs: {a: {type: forward, servers: [logs, {address: more, weight: 2}]}}", true},
		{"outputs: {a: {type: forward, servers: [{weight: 2}]}}", false},
		{"outputs: {a: {type: forward, servers: []}}", false},
		{"outputs: {a: {type: stdout, workers: -1}}", false},
		{"filters: {f: [{sample: {rate: 0.5}}]}", true},
		{"filters: {f: [{sample: {rate: -0.5}}]}", false},
		{"filters: {f: [{sample: {rate: half}}]}", false},
		{"outputs: {a: {type: stdout, path: x}}", false},
		{"outputs: {a: {type: file}}", false},
		{"outputs: {a: {type: file, path: 'x/{cluster}'}}", true},
		{"outputs: {a: {type: files, path: x}}", false},
		{"outputs: {a: {}}", false},
		{"outputs: {'a b': {type: stdout}}", false},
		{"routes: [{match: '**', outputs: archive}]", true},
		{"routes: [{match: ['**'], outputs: [archive], continue: true}]", true},
		{"routes: [{match: [], outputs: [archive]}]", false},
		{"routes: [{outputs: [archive]}]", false},
		{"routes: {match: '**', outputs: archive}", false},
		{"log: {level: debug}", true},
		{"log: {level: [debug]}", false},
	} {
		_, parseErr := Parse("", []byte(tc.text), world())
		schemaErr := s.Validate(asJSON(t, []byte(tc.text)))
		if (parseErr == nil) != tc.ok || (schemaErr == nil) != tc.ok {
			t.Errorf("%s: want accepted %v; Parse says %v, the schema %v", tc.text, tc.ok, parseErr, schemaErr)
		}
	}
}

// TestSchemaKnowsTheContract holds that an editor helps with keys that are still to come.
func TestSchemaKnowsTheContract(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "contract.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := compileSchema(t).Validate(asJSON(t, text)); err != nil {
		t.Error(err)
	}
}

// TestChoiceOfTrueAndFalse: a setting that is true, false or a word needs no quotes, here and in the schema.
func TestChoiceOfTrueAndFalse(t *testing.T) {
	for value, want := range map[string]string{
		"true": "true", "false": "false", "auto": "auto", `"true"`: "true", "yes": "", "1": "", "null": "",
	} {
		text := "outputs: {s: {type: splunk_hec, url: 'https://a', token: t, ack: " + value + "}}\n" +
			"routes: [{match: '**', outputs: [s]}]\n"
		c, err := Parse("a.yaml", []byte(text), world())
		if (err == nil) != (want != "") {
			t.Errorf("ack: %s: %v", value, err)
			continue
		}
		if want == "" {
			continue
		}
		set, ok := c.Outputs["s"].Settings.(*splunkhec.Config)
		if !ok || set.Ack != want {
			t.Errorf("ack: %s is %+v", value, c.Outputs["s"].Settings)
		}
	}
}
