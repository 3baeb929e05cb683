package config

import (
	"errors"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"go.yaml.in/yaml/v3"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
)

// choice reports a value that is none of the allowed ones.
func (d *decoder) choice(n *node, path string, allowed []string) {
	hint := "one of " + listed(allowed)
	if n.kind == scalar && n.refs == nil {
		hint = hintName(n.text, allowed)
	}
	d.at(n, path, hint, "%s is not a valid value", n.shown())
}

// scalar decodes single values: text, true or false, numbers, sizes, rates, durations, secrets.
func (d *decoder) scalar(v reflect.Value, n *node, path string, f field) {
	t := v.Type()
	fail := func(expected, hint string) {
		got := n.shown()
		if t == secretType && n.kind == scalar {
			got = "a value of another type"
		}
		d.at(n, path, hint, "expected %s, got %s", expected, got)
	}
	isText := n.kind == scalar && (n.tag == "!!str" || n.refs != nil)
	switch {
	case t == secretType || t.Kind() == reflect.String:
		switch {
		case n.kind != scalar:
			fail("a text", "")
		case !isText && (n.tag != "!!bool" || !slices.Contains(f.enum, n.text)):
			// A choice between words and true or false is not written in quotes, and no other word becomes one by them.
			hint := "put it in quotes"
			if f.enum != nil && !slices.Contains(f.enum, n.text) {
				hint = "one of " + listed(f.enum)
			}
			fail("a text", hint)
		case t == secretType:
			d.secret(n, path)
			v.Set(reflect.ValueOf(setting.NewSecret(n.text)))
		case f.enum != nil && !slices.Contains(f.enum, n.text):
			d.choice(n, path, f.enum)
		default:
			v.SetString(n.text)
		}
	case n.kind != scalar:
		fail(typeName(t), "")
	case t.Kind() == reflect.Bool:
		if (n.tag != "!!bool" && n.refs == nil) || (n.text != "true" && n.text != "false") {
			fail("true or false", truth(n))
			return
		}
		v.SetBool(n.text == "true")
	case t == sizeType, t == rateType, t == durationType, t.Kind() == reflect.Int:
		number, err := parseNumber(t, n)
		if err != nil {
			d.at(n, path, err.Hint, "%s %s", n.shown(), err.Reason)
			return
		}
		least, text := int64(0), "0"
		if f.least != "" {
			parsed, err := parseNumber(t, &node{kind: scalar, text: f.least, tag: "!!str", refs: []string{f.name}})
			if err != nil {
				d.at(n, path, "", "the least value %s %s", f.least, err.Reason)
			}
			least, text = parsed, f.least
		}
		if number < least {
			d.at(n, path, "", "%s is less than %s", n.shown(), text)
			return
		}
		v.SetInt(number)
	case t.Kind() == reflect.Float64:
		number, err := strconv.ParseFloat(n.text, 64)
		if err != nil || n.tag == "!!str" && n.refs == nil || math.IsNaN(number) || math.IsInf(number, 0) {
			fail(typeName(t), "")
			return
		}
		if number < 0 {
			d.at(n, path, "", "%s is less than 0", n.shown())
			return
		}
		v.SetFloat(number)
	case t.Kind() == reflect.Interface:
		var x any = n.text
		if n.refs == nil {
			if err := yaml.Unmarshal([]byte(n.text), &x); n.tag == "!!str" || err != nil {
				x = n.text
			}
		}
		v.Set(reflect.ValueOf(x))
	default:
		d.at(n, path, "", "settings of type %s can't be decoded", t)
	}
}

// secret holds that a secret which comes from elsewhere arrived as it is meant: a file that is empty, or one with a
// line too many, would be a key that nobody has or that everybody guesses.
func (d *decoder) secret(n *node, path string) {
	if n.refs == nil {
		return
	}
	d.secrets = append(d.secrets, n)
	from := strings.Join(n.refs, " and ")
	unseen := func(r rune) bool { return unicode.IsSpace(r) || r == 0 || r == '\ufeff' }
	switch {
	case n.text == "":
		d.at(n, path, "put the secret there, or leave the key out", "the secret is empty: %s holds nothing", from)
	case strings.TrimFunc(n.text, unseen) != n.text:
		d.at(n, path, "write it without; one line end behind it is cut",
			"the secret of %s begins or ends with white space", from)
	}
}

func typeName(t reflect.Type) string {
	switch {
	case t == sizeType:
		return "a size like 512KiB"
	case t == rateType:
		return "a rate like 50MiB/s"
	case t == durationType:
		return "a duration like 10s"
	case t.Kind() == reflect.Int64, t.Kind() == reflect.Int:
		return "a whole number"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.Float64:
		return "a number such as 0.5"
	}
	return "a single value"
}

// parseNumber reads a size, rate, duration or whole number.
func parseNumber(t reflect.Type, n *node) (int64, *setting.SyntaxError) {
	text := n.text
	isNumber := n.tag == "!!int" || n.tag == "!!float"
	if !isNumber && n.tag != "!!str" {
		return 0, &setting.SyntaxError{Reason: "is not " + typeName(t)}
	}
	var number int64
	var err error
	switch t {
	case sizeType:
		var s setting.Size
		s, err = setting.ParseSize(text)
		number = int64(s)
	case rateType:
		var r setting.Rate
		r, err = setting.ParseRate(text)
		number = int64(r)
	case durationType:
		var d time.Duration
		d, err = time.ParseDuration(text)
		if err != nil {
			err = durationError(text)
		}
		number = int64(d)
	default:
		i, wrong := strconv.Atoi(text)
		switch plain := setting.Ungrouped(text); {
		case wrong != nil && plain != "" && n.refs == nil:
			return 0, &setting.SyntaxError{Reason: "is not a whole number", Hint: "write " + plain}
		case errors.Is(wrong, strconv.ErrRange):
			return 0, &setting.SyntaxError{Reason: "is not a whole number of 64 bits"}
		case wrong != nil:
			return 0, &setting.SyntaxError{Reason: "is not a whole number"}
		case !isNumber && n.refs == nil:
			return 0, &setting.SyntaxError{Reason: "is not a whole number", Hint: "write it without quotes"}
		}
		number = int64(i)
	}
	var syntax *setting.SyntaxError
	if errors.As(err, &syntax) {
		if n.refs != nil {
			// It may repeat the value.
			syntax.Hint = ""
		}
		return 0, syntax
	}
	return number, nil
}

// truth guesses what a text that is neither true nor false was to be.
func truth(n *node) string {
	if n.kind != scalar || n.refs != nil {
		return ""
	}
	switch strings.ToLower(n.text) {
	case "true", "yes", "y", "on", "1", "enabled":
		return "write true, without quotes"
	case "false", "no", "n", "off", "0", "disabled":
		return "write false, without quotes"
	}
	return ""
}

// durationError says why a text is no duration. Hints only repeat short numbers.
func durationError(text string) *setting.SyntaxError {
	if regexp.MustCompile(`^[-+]?([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h))+$`).MatchString(text) {
		return &setting.SyntaxError{Reason: "is too long for a duration", Hint: "the most is 2562047h, 292 years"}
	}
	const most = 20
	if _, err := strconv.ParseFloat(text, 64); err == nil && len(text) < most {
		return &setting.SyntaxError{Reason: "has no unit", Hint: "write " + text + "s"}
	}
	reason, hint := "is not a duration", "write a duration like 500ms, 10s, 5m or 24h"
	if meant, days := durationMeant(text); meant != "" && len(text) < most {
		hint = "write " + meant
		if days {
			reason = "has a unit that durations lack"
		}
	}
	return &setting.SyntaxError{Reason: reason, Hint: hint}
}

// durationMeant guesses what "1m 30s", "2min", "1d12h" or "2 weeks" was to be, "" where it can't, and whether there are
// days or weeks in it.
func durationMeant(text string) (meant string, days bool) {
	var parts []string
	rest := strings.ToLower(text)
	part := regexp.MustCompile(`^\s*([0-9]+)\s*([a-z]+)`)
	for rest != "" {
		m := part.FindStringSubmatch(rest)
		if m == nil {
			return "", false
		}
		number, err := strconv.ParseUint(m[1], 10, 16)
		if err != nil {
			return "", false
		}
		unit := m[2]
		switch unit {
		case "ns", "us", "ms", "s", "m", "h":
		case "sec", "secs", "second", "seconds":
			unit = "s"
		case "min", "mins", "minute", "minutes":
			unit = "m"
		case "hr", "hrs", "hour", "hours":
			unit = "h"
		case "d", "day", "days":
			unit, number, days = "h", number*24, true
		case "w", "week", "weeks":
			unit, number, days = "h", number*7*24, true
		default:
			return "", false
		}
		parts = append(parts, strconv.FormatUint(number, 10)+unit)
		rest = rest[len(m[0]):]
	}
	return strings.Join(parts, ""), days
}
