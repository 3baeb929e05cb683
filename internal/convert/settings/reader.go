package settings

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/convert/flow"
	"github.com/seed-afc6a195/aggregator/internal/convert/syntax"
)

// Reader reads one section and remembers which keys were looked at.
type Reader struct {
	*syntax.Section

	Notes *Notes
	// Title is what notes call the section.
	Title string
	used  map[string]bool
	// varied is variables whose defaults were taken since their values would have to be written otherwise.
	varied []string
}

// NewReader returns a reader of s.
func NewReader(s *syntax.Section, n *Notes, title string) *Reader {
	return &Reader{Section: s, Notes: n, Title: title, used: map[string]bool{}}
}

// Has reports whether a key is set, and marks it as looked at.
func (r *Reader) Has(key string) bool {
	r.used[key] = true
	v, ok := r.Get(key)
	return ok && v.Shown() != ""
}

// value returns a key's value, marked as looked at.
func (r *Reader) value(key string) (syntax.Value, bool) {
	r.used[key] = true
	v, ok := r.Get(key)
	return v, ok && v.Shown() != ""
}

// Value returns a key's value as it is read, marked as looked at.
func (r *Reader) Value(key string) (syntax.Value, bool) { return r.value(key) }

// All returns all values of a key that may come several times, marked as looked at.
func (r *Reader) All(key string) (all []syntax.Value) {
	r.used[key] = true
	for _, e := range r.Entries {
		if e.Key == key {
			all = append(all, e.Value)
		}
	}
	return all
}

// Text returns a value as the new configuration has it, with variables as ${env:…}. set is false where there is none.
func (r *Reader) Text(key string) (text string, set bool) {
	return r.Mapped(key, func(s string) string { return flow.Literal(s) })
}

// Mapped is Text whose literal parts are written by write.
func (r *Reader) Mapped(key string, write func(string) string) (text string, set bool) {
	v, ok := r.value(key)
	if !ok {
		return "", false
	}
	var b strings.Builder
	for _, p := range v.Parts {
		switch {
		case p.Code != "":
			r.Notes.Lose(v.At, r.Title+" "+key, "the Ruby #{"+p.Code+"} is not known here", "write the value by hand")
			return "", false
		case p.File != "":
			r.Notes.NeedFile(p.File, "the file that the old program read")
			b.WriteString("${file:" + p.File + "}")
		case p.Env != "" && p.Default != nil && *p.Default == UseDefault:
			if len(v.Parts) == 1 {
				r.Notes.Say(v.At, r.Title+" "+key, "left out, as where the variable "+p.Env+" is not set",
					"write it by hand where it is: ${env:"+p.Env+"}")
				return "", false
			}
			b.WriteString("${env:" + p.Env + ":-}")
		case p.Env != "":
			b.WriteString(r.variable(p, v))
		default:
			b.WriteString(write(r.withoutStandIns(key, v, p.Text)))
		}
	}
	return b.String(), true
}

// withoutStandIns takes the brackets off what stands for a value in articles, <your-bucket>, and says that it does.
func (r *Reader) withoutStandIns(key string, v syntax.Value, text string) string {
	standIn := regexp.MustCompile(`<([A-Za-z][A-Za-z0-9_.-]*)>`)
	if found := standIn.FindString(text); found != "" {
		r.Notes.Lose(v.At, r.Title+" "+key, found+" stands for a value of yours", "write it")
	}
	return standIn.ReplaceAllString(text, "$1")
}

// variable writes ${env:NAME:-default}.
func (r *Reader) variable(p syntax.Part, v syntax.Value) string {
	if p.Default == nil {
		r.Notes.NeedEnv(p.Env, "as for the old program; "+v.At.String())
		return "${env:" + p.Env + "}"
	}
	def := *p.Default
	if def == "${env:HOSTNAME}" {
		r.Notes.NeedEnv(p.Env, "as for the old program; "+v.At.String())
		return "${env:" + p.Env + "}"
	}
	return "${env:" + p.Env + ":-" + def + "}"
}

// Plain returns a value without variables: defaults stand for these, as their values may be written otherwise here.
func (r *Reader) Plain(key string) (text string, set bool) {
	v, ok := r.value(key)
	if !ok {
		return "", false
	}
	var b strings.Builder
	for _, p := range v.Parts {
		switch {
		case p.Code != "" || p.File != "" || p.Env != "" && p.Default == nil:
			what := "${" + p.Env + "}"
			if p.Env == "" {
				what = syntax.Value{Parts: []syntax.Part{p}}.Shown()
			}
			r.Notes.Lose(v.At, r.Title+" "+key, "what "+what+" is can't be told here", "write the value by hand")
			return "", false
		case p.Env != "" && *p.Default == UseDefault:
			r.varied = append(r.varied, p.Env)
			return "", false
		case p.Env != "":
			r.varied = append(r.varied, p.Env)
			b.WriteString(*p.Default)
		default:
			b.WriteString(p.Text)
		}
	}
	return strings.TrimSpace(b.String()), true
}

// Text0 returns a value as plain text, "" where it has none, without a word about it.
func (r *Reader) Text0(key string) string {
	r.used[key] = true
	return r.Section.Text(key)
}

// Bool returns a truth value.
func (r *Reader) Bool(key string, def bool) bool {
	text, ok := r.Plain(key)
	if !ok {
		if v, there := r.Get(key); there && v.Shown() == "" && len(r.Entries) > 0 {
			// Fluentd's key without a value.
			return true
		}
		return def
	}
	switch strings.ToLower(text) {
	case "true", "yes", "on", "1":
		return true
	case "false", "no", "off", "0":
		return false
	}
	r.lose(key, fmt.Sprintf("%.40q is no truth value", text), "write true or false")
	return def
}

func (r *Reader) lose(key, why, do string) {
	v, _ := r.Get(key)
	r.Notes.Lose(v.At, r.Title+" "+key, why, do)
}

// Lose says of a key that it can't be said.
func (r *Reader) Lose(key, why, do string) {
	r.used[key] = true
	r.lose(key, why, do)
}

// Say says of a key what became of it.
func (r *Reader) Say(key, why, do string) {
	r.used[key] = true
	v, _ := r.Get(key)
	r.Notes.Say(v.At, r.Title+" "+key, why, do)
}

// Int returns a whole number.
func (r *Reader) Int(key string) (int, bool) {
	text, ok := r.Plain(key)
	if !ok {
		return 0, false
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		r.lose(key, fmt.Sprintf("%.40q is no number", text), "write the value by hand")
		return 0, false
	}
	return n, true
}

// Duration returns a time such as 5s, 10m, 1d or a number of seconds as the new configuration has it.
func (r *Reader) Duration(key string) (string, bool) {
	text, ok := r.Plain(key)
	if !ok {
		return "", false
	}
	d, err := ParseDuration(text)
	if err != nil {
		r.lose(key, fmt.Sprintf("%.40q is no time", text), "write the value by hand")
		return "", false
	}
	return d, true
}

// ParseDuration reads fluentd's and Fluent Bit's times and writes them as Go has them.
func ParseDuration(text string) (string, error) {
	text = strings.ToLower(strings.TrimSpace(text))
	unit := time.Second
	number := text
	for suffix, u := range map[string]time.Duration{
		"s": time.Second, "m": time.Minute, "h": time.Hour,
		"d": 24 * time.Hour,
	} {
		if rest, found := strings.CutSuffix(text, suffix); found {
			number, unit = rest, u
		}
	}
	if rest, found := strings.CutSuffix(text, "ms"); found {
		number, unit = rest, time.Millisecond
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil || !(n >= 0 && n*float64(unit) <= math.MaxInt64/2) {
		return "", fmt.Errorf("%q is no time", text)
	}
	return Short(time.Duration(n * float64(unit))), nil
}

// Short writes a duration without units of nothing.
func Short(d time.Duration) string {
	text := d.String()
	if rest, found := strings.CutSuffix(text, "m0s"); found {
		text = rest + "m"
	}
	if rest, found := strings.CutSuffix(text, "h0m"); found {
		text = rest + "h"
	}
	return text
}

// Size returns a size of fluentd's, such as 8m, 512k, 8MB or a number of bytes, as the new configuration has it.
func (r *Reader) Size(key string) (string, bool) { return r.size(key, 1024) }

// ThousandSize is Size for Fluent Bit's, whose K, M and G are powers of 1,000.
func (r *Reader) ThousandSize(key string) (string, bool) { return r.size(key, 1000) }

func (r *Reader) size(key string, kilo int64) (string, bool) {
	text, ok := r.Plain(key)
	if !ok {
		return "", false
	}
	n, err := ParseSize(text, kilo)
	if err != nil {
		r.lose(key, fmt.Sprintf("%.40q is no size", text), "write the value by hand")
		return "", false
	}
	return WriteSize(n), true
}

// ParseSize reads fluentd's and Fluent Bit's sizes. A K is kilo bytes: 1000 or 1024. Where it is written Ki, it is 1024
// in any case.
func ParseSize(text string, kilo int64) (int64, error) {
	text = strings.ToLower(strings.TrimSpace(text))
	number, binary := strings.CutSuffix(strings.TrimSuffix(text, "b"), "i")
	if binary {
		kilo = 1024
	}
	unit := int64(1)
	if last := len(number) - 1; last > 0 {
		power := max(0, strings.IndexByte("bkmgt", number[last]))
		for range power {
			unit *= kilo
		}
		number = number[:len(number)-min(power, 1)]
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil || !(n >= 0 && n*float64(unit) <= math.MaxInt64/2) {
		return 0, fmt.Errorf("%q is no size", text)
	}
	return int64(n * float64(unit)), nil
}

// WriteSize writes bytes in the largest unit that fits.
func WriteSize(n int64) string {
	for _, u := range [...]struct {
		name  string
		bytes int64
	}{
		{"TiB", 1 << 40}, {"TB", 1e12}, {"GiB", 1 << 30}, {"GB", 1e9}, {"MiB", 1 << 20}, {"MB", 1e6}, {"KiB", 1 << 10},
	} {
		if n >= u.bytes && n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}

// Secret returns a secret as ${env:…} or ${file:…}; what stands in the old file itself goes into a file of that name.
func (r *Reader) Secret(key, file string) (string, bool) {
	v, ok := r.value(key)
	if !ok {
		return "", false
	}
	if len(v.Parts) == 1 && v.Parts[0].File != "" {
		return r.Mapped(key, flow.Literal)
	}
	if len(v.Parts) == 1 && v.Parts[0].Env != "" {
		p := v.Parts[0]
		if p.Default != nil && (*p.Default == UseDefault || *p.Default == "") {
			r.Notes.Say(v.At, r.Title+" "+key, "left out, as where the variable "+p.Env+" is not set",
				"write it by hand where it is: ${env:"+p.Env+"}")
			return "", false
		}
		if p.Default == nil {
			r.Notes.NeedEnv(p.Env, "as for the old program; "+v.At.String())
			return "${env:" + p.Env + "}", true
		}
	}
	return r.Notes.SecretFile(file, v, "the value of "+key+" at "+v.At.String()), true
}

// Ignore marks keys as looked at whose effect the new program has by itself, or that have none on events.
func (r *Reader) Ignore(keys ...string) {
	for _, k := range keys {
		r.used[k] = true
	}
}

// IgnoreSections marks sections inside as looked at.
func (r *Reader) IgnoreSections(names ...string) {
	for _, n := range names {
		r.used["<"+n+">"] = true
	}
}

// Child returns the section inside of a name, nil where there is none.
func (r *Reader) Child(name string) *syntax.Section {
	r.used["<"+name+">"] = true
	all := r.Children(name)
	if len(all) == 0 {
		return nil
	}
	return all[len(all)-1]
}

// Done says of all that was not looked at that it can't be said.
func (r *Reader) Done() {
	for _, e := range r.Entries {
		if !r.used[e.Key] && !strings.HasPrefix(e.Key, "@") && e.Key != "name" && e.Key != "alias" {
			r.Notes.Lose(e.At, r.Title+" "+e.Key, "the setting has no like that is known here",
				"leave it out if it does not matter, or look for it in docs/configuration.md")
			r.used[e.Key] = true
		}
	}
	for _, s := range r.Sections {
		if !r.used["<"+s.Name+">"] {
			r.Notes.Lose(s.At, r.Title+" <"+s.Name+">", "the section has no like that is known here",
				"look for what it does in docs/configuration.md")
			r.used["<"+s.Name+">"] = true
		}
	}
	if len(r.varied) > 0 {
		slices.Sort(r.varied)
		r.Notes.Say(r.At, r.Title, "the defaults of "+strings.Join(slices.Compact(r.varied), ", ")+" are taken",
			"write other values by hand where the variables had some")
	}
}

// Differ reports whether two values of the new configuration are written otherwise.
func Differ(a, b any) bool { return fmt.Sprint(a) != fmt.Sprint(b) }
