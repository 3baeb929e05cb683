package filter

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/expr-lang/expr/ast"

	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// Functions that expr has not. What they compile is written in quotes, so that check finds what is wrong with it, and
// so that it is compiled once.
const (
	funcReplacePattern = "replacePattern"
	funcStrftime       = "strftime"
)

// patternReplacer is the function replacePattern(text, pattern, with): each match of the regular expression becomes
// with, in which $1 and ${name} stand for groups.
func patternReplacer() func(...any) (any, error) {
	// known has *regexp.Regexp by pattern: as many as an expression has.
	var known sync.Map
	return func(params ...any) (any, error) {
		text, pattern, with := params[0].(string), params[1].(string), params[2].(string)
		compiled, ok := known.Load(pattern)
		if !ok {
			re, err := CompilePattern(pattern)
			if err != nil {
				return nil, err
			}
			compiled, _ = known.LoadOrStore(pattern, re)
		}
		re := compiled.(*regexp.Regexp) //nolint:forcetypeassert // nothing else is stored
		body := TrimLineEnd(text)
		var out strings.Builder
		at := 0
		for _, match := range re.FindAllStringSubmatchIndex(body, -1) {
			out.WriteString(body[at:match[0]])
			out.Write(re.ExpandString(nil, with, body, match))
			if at = match[1]; out.Len() > max(maxJoin, len(text)) {
				return nil, errJoin
			}
		}
		out.WriteString(text[at:])
		return out.String(), nil
	}
}

// timeFormatter is the function strftime(time, format) or strftime(time, format, zone): a time as text, with the
// conversions that index names have, in UTC or in a zone such as Asia/Seoul.
func timeFormatter() func(...any) (any, error) {
	// formats has *event.Template and zones has *time.Location, by what is written.
	var formats, zones sync.Map
	return func(params ...any) (any, error) {
		at, text, name := params[0].(time.Time), params[1].(string), "UTC"
		if len(params) > 2 {
			name = params[2].(string)
		}
		zone, ok := zones.Load(name)
		if !ok {
			loaded, err := time.LoadLocation(name)
			if err != nil {
				return nil, err
			}
			zone, _ = zones.LoadOrStore(name, loaded)
		}
		there := at.In(zone.(*time.Location)) //nolint:forcetypeassert // nothing else is stored
		_, offset := there.Zone()
		if offset != 0 {
			text = strings.NewReplacer("%%", "%%", "%z", there.Format("-0700"), "%Z", there.Format("MST"),
				"%s", strconv.FormatInt(at.Unix(), 10)).Replace(text)
		}
		format, ok := formats.Load(text)
		if !ok {
			parsed, err := timeFormat(text)
			if err != nil {
				return nil, err
			}
			// What says its second itself is another format each time.
			if format = parsed; offset == 0 || !strings.Contains(params[1].(string), "%s") {
				format, _ = formats.LoadOrStore(text, parsed)
			}
		}
		shifted := event.Time{Sec: at.Unix() + int64(offset), Nsec: uint32(at.Nanosecond())}
		ev := event.Event{Time: shifted}
		return string(format.(*event.Template).Append(nil, &ev, nil)), nil //nolint:forcetypeassert // likewise
	}
}

// timeFormat reads the format of strftime.
func timeFormat(text string) (*event.Template, error) {
	t, err := event.ParseTemplate(text)
	if err == nil && strings.Contains(text, "{") {
		err = errors.New(
			"the format of a time has no placeholders: add texts up, as in strftime(time, \"%Y\") + record.x",
		)
	}
	return t, err
}

// compiled finds what is wrong with the arguments that a function compiles.
func (c *checker) compiled(name string, arguments []ast.Node) {
	quoted := func(i int, what string, wrong func(text string) error) {
		if i >= len(arguments) {
			return
		}
		text, ok := arguments[i].(*ast.StringNode)
		if !ok {
			c.fail(arguments[i], fmt.Sprintf("%s of %s is written in quotes", what, name))
			return
		}
		if err := wrong(text.Value); err != nil {
			c.fail(text, err.Error())
		}
	}
	switch name {
	case funcReplacePattern:
		quoted(1, "the pattern", func(text string) error {
			_, err := CompilePattern(text)
			c.doubts = append(c.doubts, doubts(text)...)
			return err
		})
	case funcStrftime:
		quoted(1, "the format", func(text string) error { _, err := timeFormat(text); return err })
		quoted(2, "the zone", func(text string) error { _, err := time.LoadLocation(text); return err })
	}
}
