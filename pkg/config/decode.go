package config

import (
	"cmp"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// decoder fills settings from nodes by the tags that package setting describes. It goes on after a
// mistake, so that all are reported.
type decoder struct {
	*problems
	warnings *problems
	redact   *strings.Replacer
	// parsed has defaults, by their text.
	parsed map[string]*node
	// meant are keys that the file has under a misspelt name.
	meant map[string]bool
	// secrets are those that interpolations brought in.
	secrets []*node
}

// field is a setting of a struct, those of inlined structs included.
type field struct {
	name                string
	index               []int
	typ                 reflect.Type
	preset, least, help string
	enum                []string
	required            bool
	// holds is target or other, of a text with placeholders.
	holds string
	// short says that a scalar may stand for a mapping of this key alone.
	short bool
}

func fieldsOf(t reflect.Type) []field {
	var fields []field
	var help map[string]string
	if e, ok := reflect.Zero(t).Interface().(setting.Explained); ok {
		help = e.Help()
	}
	var enums map[string][]string
	if e, ok := reflect.Zero(t).Interface().(setting.Enumerated); ok {
		enums = e.Enum()
	}
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if options == "inline" {
			for _, inner := range fieldsOf(f.Type) {
				inner.index = append([]int{i}, inner.index...)
				fields = append(fields, inner)
			}
			continue
		}
		if name == "" || name == "-" {
			continue
		}
		out := field{
			name: name, index: []int{i}, typ: f.Type,
			preset: f.Tag.Get("default"), least: f.Tag.Get("min"), help: cmp.Or(f.Tag.Get("help"), help[name]),
			required: f.Tag.Get("required") == "true",
			short:    f.Tag.Get("short") == "true", holds: f.Tag.Get("placeholders"),
		}
		out.enum = enums[name]
		if enum := f.Tag.Get("enum"); enum != "" {
			out.enum = strings.Split(enum, "|")
		}
		fields = append(fields, out)
	}
	return fields
}

// hasShort reports whether a scalar may stand for a value of type t, a struct.
func hasShort(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && !leaf(t) &&
		slices.ContainsFunc(fieldsOf(t), func(f field) bool { return f.short })
}

func names(fields []field) []string {
	out := make([]string, len(fields))
	for i, f := range fields {
		out[i] = f.name
	}
	return out
}

// presets sets the defaults of the struct v and of the structs in it. A default that does not fit
// its own field is reported like a mistake in the file; a test holds that there is none.
func (d *decoder) presets(v reflect.Value) {
	for _, f := range fieldsOf(v.Type()) {
		switch fv := v.FieldByIndex(f.index); {
		case f.preset != "":
			n, known := d.parsed[f.preset]
			if !known {
				var doc yaml.Node
				if err := yaml.Unmarshal([]byte(f.preset), &doc); err != nil || len(doc.Content) == 0 {
					d.add(place{}, f.name, "", "the default is not valid YAML")
					continue
				}
				n = &node{kind: scalar, text: doc.Content[0].Value, tag: doc.Content[0].ShortTag()}
				d.parsed[f.preset] = n
			}
			d.value(fv, n, f.name, f)
		case f.typ.Kind() == reflect.Struct && !leaf(f.typ):
			d.presets(fv)
		}
	}
}

var (
	secretType   = reflect.TypeFor[setting.Secret]()
	sizeType     = reflect.TypeFor[setting.Size]()
	rateType     = reflect.TypeFor[setting.Rate]()
	durationType = reflect.TypeFor[time.Duration]()
	outputType   = reflect.TypeFor[Output]()
	stepType     = reflect.TypeFor[FilterStep]()
)

// leaf reports whether a struct type is written as something else than a mapping of its fields.
func leaf(t reflect.Type) bool { return t == secretType || t == outputType || t == stepType }

// value decodes n into v.
func (d *decoder) value(v reflect.Value, n *node, path string, f field) {
	t := v.Type()
	if n == nil {
		// Reported already.
		return
	}
	if n.kind == scalar && n.tag == "!!null" {
		d.at(n, path, "give it one, or remove the key", "has no value")
		return
	}
	switch {
	case t == outputType:
		d.output(v.Addr().Interface().(*Output), n, path)
	case t == stepType:
		d.step(v.Addr().Interface().(*FilterStep), n, path)
	case t.Kind() == reflect.Pointer:
		fresh := reflect.New(t.Elem())
		if t.Elem().Kind() == reflect.Struct {
			d.presets(fresh.Elem())
		}
		d.value(fresh.Elem(), n, path, f)
		v.Set(fresh)
	case t.Kind() == reflect.Struct && !leaf(t):
		d.structure(v, n, path)
	case t.Kind() == reflect.Slice:
		d.list(v, n, path, f)
	case t.Kind() == reflect.Map:
		d.mapping(v, n, path)
	default:
		d.scalar(v, n, path, f)
	}
}

func (d *decoder) structure(v reflect.Value, n *node, path string) {
	fields := fieldsOf(v.Type())
	if i := slices.IndexFunc(fields, func(f field) bool { return f.short }); i >= 0 && n.kind == scalar {
		n = &node{kind: mapping, place: n.place, entries: []entry{{fields[i].name, n.place, n}}}
	}
	known := names(fields)
	if n.kind != mapping {
		if name := glued(n.text, known); name != "" && n.refs == nil {
			d.at(n, join(path, name), glueHint(name), noSpace)
			return
		}
		got := n.shown()
		if n.kind == scalar && n.refs == nil && n.tag != "!!null" && holdsSecret(v.Type()) {
			got = "a text or number"
		}
		hint := ""
		if path == "" && n.kind == scalar {
			hint = "write each as key: value, with a space behind the colon"
		}
		d.at(n, path, hint, "expected a mapping with keys like %s, got %s",
			strings.Join(known[:min(3, len(known))], ", "), got)
		return
	}
	for _, e := range n.entries {
		key := join(path, e.key)
		i := slices.IndexFunc(fields, func(f field) bool { return f.name == e.key })
		if i < 0 {
			if name := glued(e.key, known); name != "" {
				d.add(e.place, join(path, name), glueHint(name), noSpace)
				continue
			}
			d.meant[join(path, nearest(e.key, known))] = true
			d.add(e.place, key, hintName(e.key, known), "unknown key")
			continue
		}
		f := fields[i]
		d.value(v.FieldByIndex(f.index), e.value, key, f)
		if f.required && e.value != nil && !d.within(key) && empty(v.FieldByIndex(f.index)) {
			d.at(e.value, key, f.help, "is empty")
		}
	}
	for _, f := range fields {
		if f.required && !d.meant[join(path, f.name)] && !d.within(join(path, f.name)) &&
			!slices.ContainsFunc(n.entries, func(e entry) bool { return e.key == f.name }) {
			d.at(n, join(path, f.name), f.help, "the key is missing")
		}
	}
	d.check(v, n, path)
}

const noSpace = "there is no space behind the colon, so that it is no key"

func glueHint(name string) string { return "write " + name + ": and a space before its value" }

// glued returns the one of names with which a text like token:abc begins, whose colon has no space behind it, "" for
// none. What follows may be a secret.
func glued(text string, names []string) string {
	if name, _, found := strings.Cut(text, ":"); found && slices.Contains(names, strings.TrimSpace(name)) {
		return strings.TrimSpace(name)
	}
	return ""
}

// holdsSecret reports whether a secret is among the fields of a struct of type t, so that what is written in place of
// the struct may be one.
func holdsSecret(t reflect.Type) bool {
	return slices.ContainsFunc(fieldsOf(t), func(f field) bool {
		return f.typ == secretType || f.typ.Kind() == reflect.Slice && f.typ.Elem() == secretType
	})
}

func empty(v reflect.Value) bool {
	if s, ok := v.Interface().(setting.Secret); ok {
		return s.Reveal() == ""
	}
	switch v.Kind() {
	case reflect.String, reflect.Slice, reflect.Map:
		return v.Len() == 0
	default:
		return false
	}
}

// check asks the settings in v, and those that it inlines, for rules of their own. A complaint
// about a key that has a mistake already would only repeat it.
func (d *decoder) check(v reflect.Value, n *node, path string) {
	for i := range v.NumField() {
		if strings.HasSuffix(v.Type().Field(i).Tag.Get("yaml"), ",inline") {
			d.check(v.Field(i), n, path)
		}
	}
	checker, ok := v.Addr().Interface().(setting.Checker)
	if !ok {
		return
	}
	var report setting.Report
	checker.Check(&report)
	for _, p := range report.Problems {
		key := path
		switch {
		case p.Key != "" && path != "":
			key += "." + p.Key
		case p.Key != "":
			key = p.Key
		}
		if d.within(key) || d.meant[key] {
			continue
		}
		// The one value of a list that is written without brackets is told of at the list.
		if list, first := strings.CutSuffix(p.Key, "[0]"); first && n.find(list).kind == scalar &&
			d.within(strings.TrimSuffix(key, "[0]")) {
			continue
		}
		at := n.find(p.Key)
		if refs := at.origins(); refs != nil {
			// The reason may quote a part of the value.
			p.Reason = notAccepted(refs)
		}
		to := d.problems
		if p.Warning {
			to = d.warnings
		}
		to.at(at, key, d.redact.Replace(p.Hint), "%s", d.redact.Replace(p.Reason))
	}
}

// notAccepted says of a value that interpolations brought in that something is wrong with it, and not what.
func notAccepted(refs []string) string {
	return "the value of " + strings.Join(refs, " and ") + " is not accepted"
}

// redactor replaces values that interpolations brought in by where they came from. Texts of fewer
// than four bytes stay: they are ports and counts, not secrets.
func redactor(imported []*node) *strings.Replacer {
	masked := make(map[string]string)
	for _, n := range imported {
		if len(n.text) >= 4 {
			quoted := strconv.Quote(n.text)
			masked[n.text] = n.masked
			masked[quoted[1:len(quoted)-1]] = n.masked
		}
	}
	// The longest first, so that a value which begins another one leaves nothing of it.
	values := slices.SortedFunc(maps.Keys(masked), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b))
	})
	var pairs []string
	for _, value := range values {
		pairs = append(pairs, value, masked[value])
	}
	return strings.NewReplacer(pairs...)
}

// list decodes a list; where its elements are scalars, one alone may stand for a list of one.
func (d *decoder) list(v reflect.Value, n *node, path string, f field) {
	element := v.Type().Elem()
	if n.kind == scalar && (element.Kind() == reflect.String || element == secretType || hasShort(element)) {
		one := reflect.MakeSlice(v.Type(), 1, 1)
		if hasShort(element) {
			d.presets(one.Index(0))
		}
		d.value(one.Index(0), n, path, field{enum: f.enum})
		v.Set(one)
		return
	}
	if n.kind != list {
		hint := "write - before each entry"
		if element.Kind() == reflect.String {
			hint = `put a pattern that begins with { in quotes, as in "{a,b}.**"; or write a list, [a, b]`
		}
		got := n.shown()
		if n.kind == scalar && n.refs == nil && element.Kind() == reflect.Struct && !leaf(element) &&
			holdsSecret(element) {
			got = "a text or number"
		}
		d.at(n, path, hint, "expected a list, got %s", got)
		return
	}
	out := reflect.MakeSlice(v.Type(), len(n.items), len(n.items))
	for i, item := range n.items {
		if element.Kind() == reflect.Struct && !leaf(element) {
			d.presets(out.Index(i))
		}
		d.value(out.Index(i), item, index(path, i), field{enum: f.enum})
		if s, ok := out.Index(i).Interface().(setting.Secret); ok && item != nil && !d.within(index(path, i)) &&
			s.Reveal() == "" {
			d.at(item, index(path, i), "write one, or remove the entry", "the secret is empty")
		}
	}
	v.Set(out)
}

func (d *decoder) mapping(v reflect.Value, n *node, path string) {
	if n.kind != mapping {
		got := n.shown()
		if v.Type().Elem() == secretType && n.kind == scalar && n.refs == nil {
			got = "a text or number"
		}
		d.at(n, path, "write each under its name, as in a: {…}, without -",
			"expected a mapping of names, got %s", got)
		return
	}
	out := reflect.MakeMapWithSize(v.Type(), len(n.entries))
	for _, e := range n.entries {
		value := reflect.New(v.Type().Elem()).Elem()
		if value.Kind() == reflect.Struct && !leaf(value.Type()) {
			d.presets(value)
		}
		d.value(value, e.value, join(path, e.key), field{})
		out.SetMapIndex(reflect.ValueOf(e.key), value)
	}
	v.Set(out)
}

// output decodes an output by its type.
func (d *decoder) output(out *Output, n *node, path string) {
	if n.kind != mapping {
		hint := ""
		if path == "outputs.type" {
			hint = "each output has a name: outputs: {NAME: {type: …}}"
		}
		d.at(n, path, hint, "expected a mapping with the key type, got %s", n.shown())
		return
	}
	kinds := outputKinds()
	known := outputs.Names(kinds)
	t := n.get("type")
	if t == nil {
		d.noType(n, path, known)
		return
	}
	if t.standIn {
		// What the other keys mean depends on it.
		if d.within(join(path, "type")) {
			return
		}
		d.add(t.place, join(path, "type"), "set it", "it is not known without "+strings.Join(t.refs, " and "))
		return
	}
	if k, found := outputs.Find(kinds, t.text); found && t.kind == scalar {
		out.Settings = k.NewConfig()
		out.Common = out.Settings.Base()
		v := reflect.ValueOf(out.Settings).Elem()
		d.presets(v)
		d.structure(v, n, path)
		return
	}
	if meant := outputNamed(kinds, t.text); t.kind == scalar && t.refs == nil && meant != "" {
		d.at(t, join(path, "type"), "write "+meant, "%s is not a valid value", t.shown())
		return
	}
	d.choice(t, join(path, "type"), known)
}

// noType reports an output without a type, as a mistake in the name of the key where it is there by another one.
func (d *decoder) noType(n *node, path string, known []string) {
	key := join(path, "type")
	for _, e := range n.entries {
		switch {
		case d.within(key):
			return
		case glued(e.key, []string{"type"}) != "":
			d.add(e.place, key, glueHint("type"), noSpace)
		case nearest(e.key, []string{"type"}) != "":
			d.add(e.place, join(path, e.key), "did you mean type?", "unknown key")
			return
		}
	}
	if !d.within(key) {
		d.at(n, key, "one of "+listed(known), "the key is missing")
	}
}

// outputNamed returns what to write for a kind of output that goes by another name elsewhere, "" where name is none.
func outputNamed(kinds []outputs.Kind, name string) string {
	for _, k := range kinds {
		if meant := k.Aliases[strings.ToLower(name)]; meant != "" {
			return meant
		}
	}
	return ""
}
