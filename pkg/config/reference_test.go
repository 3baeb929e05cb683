package config

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	filters "github.com/seed-afc6a195/aggregator/pkg/filter/all"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

const (
	referenceFile  = "../../docs/configuration.md"
	referenceBegin = "<!-- begin keys -->\n"
	referenceEnd   = "<!-- end keys -->\n"
)

// TestReference keeps the keys in docs/configuration.md true; -update writes them.
func TestReference(t *testing.T) {
	var b strings.Builder
	describe(&b, reflect.TypeFor[Config]())
	fmt.Fprint(&b, "\n### Every output\n\n| key | default | meaning |\n|---|---|---|\n")
	rows(&b, reflect.TypeFor[outputs.Common](), "")
	for _, kind := range outputKinds() {
		fmt.Fprintf(&b, "\n### Outputs of type %s\n\nTo %s.\n\n| key | default | meaning |\n|---|---|---|\n", kind.Name,
			kind.Summary)
		rows(&b, reflect.TypeOf(kind.NewConfig()).Elem(), "", reflect.TypeFor[outputs.Common]())
	}
	for _, kind := range filters.Kinds() {
		fmt.Fprintf(&b, "\n### Step %s of a filter\n\n| key | default | meaning |\n|---|---|---|\n", kind.Name)
		rows(&b, reflect.TypeOf(kind.NewConfig()).Elem(), "")
	}
	file, err := os.ReadFile(referenceFile)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, begins := strings.Cut(string(file), referenceBegin)
	old, tail, ends := strings.Cut(rest, referenceEnd)
	if !begins || !ends {
		t.Fatalf("%s has no %q and %q", referenceFile, referenceBegin, referenceEnd)
	}
	if old == b.String() {
		return
	}
	if !*update {
		t.Fatalf("%s is not what the settings say: go test ./pkg/config -run Reference -update", referenceFile)
	}
	if err := os.WriteFile(referenceFile, []byte(head+referenceBegin+b.String()+referenceEnd+tail), 0o644); err != nil {
		t.Fatal(err)
	}
}

// describe writes a section for each part of the root.
func describe(b *strings.Builder, root reflect.Type) {
	fmt.Fprint(b, "### At the top\n\n| key | default | meaning |\n|---|---|---|\n")
	var parts []reflect.StructField
	for i := range root.NumField() {
		f := root.Field(i)
		if f.Tag.Get("yaml") == "-" || !f.IsExported() {
			continue
		}
		if f.Name != "Outputs" && structOf(f.Type) != nil {
			parts = append(parts, f)
		}
		row(b, root, f, "")
	}
	for _, f := range parts {
		name := f.Tag.Get("yaml")
		if f.Type.Kind() == reflect.Slice {
			name += "[]"
		}
		fmt.Fprintf(b, "\n### %s\n\n| key | default | meaning |\n|---|---|---|\n", name)
		rows(b, structOf(f.Type), "")
	}
}

// structOf returns the settings that a value of type t holds, nil for a plain value.
func structOf(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t == reflect.TypeFor[setting.Secret]() || t == reflect.TypeFor[time.Time]() {
		return nil
	}
	return t
}

// rows writes the settings of t, without those that it has from the types in but.
func rows(b *strings.Builder, t reflect.Type, path string, but ...reflect.Type) {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			if !slices.Contains(but, f.Type) {
				rows(b, f.Type, path)
			}
			continue
		}
		if inner := structOf(f.Type); inner != nil {
			name := f.Tag.Get("yaml")
			if f.Type.Kind() == reflect.Slice {
				name += "[]"
			}
			rows(b, inner, path+name+".")
			continue
		}
		row(b, t, f, path)
	}
}

func row(b *strings.Builder, of reflect.Type, f reflect.StructField, path string) {
	value, meaning := f.Tag.Get("default"), cmp.Or(f.Tag.Get("help"), helpOf(of)[f.Tag.Get("yaml")])
	if f.Tag.Get("required") != "" {
		value = "required"
	} else if value != "" {
		value = "`" + value + "`"
	}
	choices := f.Tag.Get("enum")
	if e, ok := reflect.Zero(of).Interface().(setting.Enumerated); ok {
		choices = cmp.Or(choices, strings.Join(e.Enum()[f.Tag.Get("yaml")], "|"))
	}
	if choices != "" {
		meaning = "`" + strings.ReplaceAll(choices, "|", "`, `") + "`: " + meaning
	}
	fmt.Fprintf(b, "| `%s%s` | %s | %s |\n", path, f.Tag.Get("yaml"), value, strings.ReplaceAll(meaning, "|", "\\|"))
}

func helpOf(t reflect.Type) map[string]string {
	if e, ok := reflect.Zero(t).Interface().(setting.Explained); ok {
		return e.Help()
	}
	return nil
}

// TestHelp holds that what a method Help explains are keys of its settings, which have no other help.
func TestHelp(t *testing.T) {
	all := []reflect.Type{reflect.TypeFor[Config](), reflect.TypeFor[outputs.Common]()}
	for _, kind := range outputKinds() {
		all = append(all, reflect.TypeOf(kind.NewConfig()).Elem())
	}
	for _, kind := range filters.Kinds() {
		all = append(all, reflect.TypeOf(kind.NewConfig()).Elem())
	}
	explained := 0
	for len(all) > 0 {
		of := all[0]
		all = all[1:]
		help := maps.Clone(helpOf(of))
		for i := range of.NumField() {
			f := of.Field(i)
			if inner := structOf(f.Type); inner != nil && f.IsExported() {
				all = append(all, inner)
			}
			if f.Anonymous {
				maps.DeleteFunc(help, func(key, text string) bool { return helpOf(f.Type)[key] == text })
			}
			name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
			if help[name] != "" && f.Tag.Get("help") == "" {
				explained++
				delete(help, name)
			}
		}
		for key := range help {
			t.Errorf("%v: Help explains %s, which is no key or has a help tag", of, key)
		}
	}
	if explained == 0 {
		t.Error("nothing is explained by a method Help")
	}
}
