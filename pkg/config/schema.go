package config

import (
	"encoding/json"
	"reflect"

	"go.yaml.in/yaml/v3"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	filters "github.com/seed-afc6a195/aggregator/pkg/filter/all"
)

// schema is a part of a JSON Schema.
type schema = map[string]any

// Schema returns the configuration's JSON Schema (draft 2020-12), for editors. It has the keys that
// are not supported yet too, and says so; rules between settings are Load's alone.
func Schema() ([]byte, error) {
	root, err := objectSchema(reflect.TypeFor[Config]())
	if err != nil {
		return nil, err
	}
	output, err := outputSchema()
	if err != nil {
		return nil, err
	}
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["$id"] = "https://github.com/seed-afc6a195/aggregator/releases/latest/download/aggregator.schema.json"
	root["title"] = "aggregator"
	root["description"] = "Configuration of the log aggregator. ${env:NAME}, ${env:NAME:-default} and ${file:/path} " +
		"work in every value."
	root["$defs"] = schema{
		"interpolated": schema{"type": "string", "pattern": `\$\{(env|file):`},
		"output":       output,
	}
	return json.MarshalIndent(root, "", "  ")
}

func interpolated() schema { return schema{"$ref": "#/$defs/interpolated"} }

func objectSchema(t reflect.Type) (schema, error) {
	properties, required := schema{}, []string{}
	for _, f := range fieldsOf(t) {
		s, err := typeSchema(f.typ, f)
		if err != nil {
			return nil, err
		}
		if f.help != "" {
			s["description"] = f.help
		}
		if f.preset != "" {
			var preset any
			if err := yaml.Unmarshal([]byte(f.preset), &preset); err != nil {
				return nil, err
			}
			s["default"] = preset
		}
		if f.required {
			required = append(required, f.name)
		}
		properties[f.name] = s
	}
	s := schema{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		s["required"] = required
	}
	return s, nil
}

// choices returns the values that stand for one of the texts: true and false need no quotes.
func choices(enum []string) []any {
	all := make([]any, 0, len(enum))
	for _, text := range enum {
		all = append(all, text)
		if text == "true" || text == "false" {
			all = append(all, text == "true")
		}
	}
	return all
}

func typeSchema(t reflect.Type, f field) (schema, error) {
	switch {
	case t == outputType:
		return schema{"$ref": "#/$defs/output"}, nil
	case t == stepType:
		return stepSchema()
	case t == sizeType:
		return numberSchema(setting.SizePattern, true), nil
	case t == rateType:
		return numberSchema(setting.RatePattern, true), nil
	case t == durationType:
		// Go's syntax; a lone 0 needs no unit.
		return numberSchema(`^\+?(0|([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+$`, false), nil
	case t == secretType || t.Kind() == reflect.String:
		s := schema{"type": "string"}
		if f.enum != nil {
			return schema{"anyOf": []any{schema{"enum": choices(f.enum)}, interpolated()}}, nil
		}
		if f.required {
			s["minLength"] = 1
		}
		if t == secretType {
			// Whoever handles configurations is told that the text is a secret.
			s["writeOnly"] = true
		}
		return s, nil
	case t.Kind() == reflect.Bool:
		return schema{"anyOf": []any{schema{"type": "boolean"}, interpolated()}}, nil
	case t.Kind() == reflect.Int:
		least := 0
		if f.least != "" {
			if err := yaml.Unmarshal([]byte(f.least), &least); err != nil {
				return nil, err
			}
		}
		return schema{"anyOf": []any{schema{"type": "integer", "minimum": least}, interpolated()}}, nil
	case t.Kind() == reflect.Float64:
		return schema{"anyOf": []any{schema{"type": "number", "minimum": 0}, interpolated()}}, nil
	case t.Kind() == reflect.Interface:
		return schema{"type": []string{"string", "number", "boolean"}}, nil
	case t.Kind() == reflect.Pointer:
		return typeSchema(t.Elem(), f)
	case hasShort(t):
		s, err := objectSchema(t)
		return schema{"anyOf": []any{schema{"type": "string", "minLength": 1}, s}}, err
	case t.Kind() == reflect.Struct:
		return objectSchema(t)
	}
	items, err := typeSchema(t.Elem(), field{enum: f.enum})
	if err != nil {
		return nil, err
	}
	if t.Kind() == reflect.Map {
		s := schema{"type": "object", "additionalProperties": items}
		if t.Elem() == outputType || t.Elem().Kind() == reflect.Slice {
			s["propertyNames"] = schema{"pattern": namePattern}
		}
		return s, nil
	}
	s := schema{"type": "array", "items": items}
	single := schema{"type": "string"}
	if t.Elem() == secretType {
		single = items
	}
	if f.required {
		s["minItems"] = 1
	}
	if items["type"] == "string" || hasShort(t.Elem()) {
		return schema{"anyOf": []any{single, s}}, nil
	}
	return s, nil
}

// numberSchema is for numbers with a unit; integers reports whether any number may go without.
func numberSchema(pattern string, integers bool) schema {
	number := schema{"const": 0}
	if integers {
		number = schema{"type": "integer", "minimum": 0}
	}
	return schema{"anyOf": []any{number, schema{"type": "string", "pattern": pattern}, interpolated()}}
}

// outputSchema tells outputs apart by their type.
func outputSchema() (schema, error) {
	var types, cases []any
	for _, k := range outputKinds() {
		s, err := objectSchema(reflect.TypeOf(k.NewConfig()).Elem())
		if err != nil {
			return nil, err
		}
		types = append(types, k.Name)
		cases = append(cases, schema{
			"if":   schema{"properties": schema{"type": schema{"const": k.Name}}, "required": []string{"type"}},
			"then": s,
		})
	}
	return schema{
		"type":       "object",
		"required":   []string{"type"},
		"properties": schema{"type": schema{"anyOf": []any{schema{"enum": types}, interpolated()}}},
		"allOf":      cases,
	}, nil
}

// stepSchema is for a step of a filter, whose settings stand under the name of its kind.
func stepSchema() (schema, error) {
	properties := schema{"when": schema{"type": "string", "description": whenHelp}}
	for _, k := range filters.Kinds() {
		s, err := typeSchema(reflect.TypeOf(k.NewConfig()).Elem(), field{})
		if err != nil {
			return nil, err
		}
		s["description"] = k.Summary
		properties[k.Name] = s
	}
	return schema{"type": "object", "properties": properties, "additionalProperties": false}, nil
}
