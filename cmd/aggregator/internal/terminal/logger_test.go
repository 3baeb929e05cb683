package terminal

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/seed-afc6a195/aggregator/pkg/config"
)

// TestLoggerForPeopleAndMachines writes JSON to what is no terminal unless told otherwise, from the level on.
func TestLoggerForPeopleAndMachines(t *testing.T) {
	for _, tc := range []struct {
		cfg     config.Log
		json    bool
		info    bool // lines of the level info are there
		comment string
	}{
		{config.Log{Level: "info", Format: "auto"}, true, true, "no terminal"},
		{config.Log{Level: "info", Format: "json"}, true, true, "asked for"},
		{config.Log{Level: "warn", Format: "console"}, false, false, "asked for, and less of it"},
		{config.Log{Level: "nonsense", Format: "json"}, true, true, "a level that is none"},
	} {
		var out bytes.Buffer
		log, terminal := NewLogger(tc.cfg, &out)
		log.Info().Msg("info")
		log.Warn().Str("who", "\u202e").Msg("warn")
		if terminal || strings.Contains(out.String(), "info\n") != (tc.info && !tc.json) && !tc.json ||
			strings.Contains(out.String(), "\u202e") {
			t.Errorf("%s: %q", tc.comment, &out)
		}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if want := map[bool]int{true: 2, false: 1}[tc.info]; len(lines) != want {
			t.Errorf("%s: %d lines: %q", tc.comment, len(lines), &out)
		}
		for _, line := range lines {
			if json.Valid([]byte(line)) != tc.json {
				t.Errorf("%s: %s", tc.comment, line)
			}
		}
	}
}

// What is hostile in any place of a line is written as one line without anything that a terminal obeys, and JSON still
// says what it was.
func TestLogsArePrintable(t *testing.T) {
	for _, format := range []string{"json", "console"} {
		for _, text := range hostile() {
			var out bytes.Buffer
			log, _ := NewLogger(config.Log{Level: "info", Format: format}, &out)
			log.Warn().Str("tag", text).Strs("names", []string{text}).Err(errors.New(text)).
				Interface("map", map[string]string{text: text}).Msg(text)
			line, rest, _ := strings.Cut(out.String(), "\n")
			if rest != "" || !utf8.ValidString(line) ||
				strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("%s %q: %q", format, text, out.String())
			}
			if format != "json" {
				continue
			}
			var got struct {
				Tag, Message, Error string
				Names               []string
			}
			if err := json.Unmarshal([]byte(line), &got); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			if utf8.ValidString(text) &&
				(got.Tag != text || got.Message != text || got.Error != text ||
					!reflect.DeepEqual(got.Names, []string{text})) {
				t.Errorf("%q became %+v", text, got)
			}
		}
	}
}

// Lines of the log have their time to the millisecond.
func TestLogTimes(t *testing.T) {
	for format, want := range map[string]string{
		"json":    `"time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(Z|[+-]\d\d:\d\d)"`,
		"console": `^\d\d:\d\d:\d\d\.\d{3} WRN `,
	} {
		var out bytes.Buffer
		log, _ := NewLogger(config.Log{Level: "info", Format: format}, &out)
		log.Warn().Msg("hello")
		if !regexp.MustCompile(want).MatchString(out.String()) {
			t.Errorf("%s: %s", format, out.String())
		}
	}
}

// FuzzPrintableJSON holds that a line of the log says the same to who reads it as JSON, on one line of letters.
func FuzzPrintableJSON(f *testing.F) {
	for _, text := range hostile() {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var line, out bytes.Buffer
		if err := json.NewEncoder(&line).Encode(text); err != nil {
			t.Fatal(err)
		}
		if n, err := (jsonWriter{&out}).Write(line.Bytes()); err != nil || n != line.Len() {
			t.Fatalf("%d of %d: %v", n, line.Len(), err)
		}
		var want, got string
		if err := errors.Join(json.Unmarshal(line.Bytes(), &want), json.Unmarshal(out.Bytes(), &got)); err != nil ||
			got != want {
			t.Fatalf("%q became %q: %v", want, got, err)
		}
		if shown := strings.TrimSuffix(out.String(), "\n"); strings.ContainsFunc(shown, func(
			r rune,
		) bool {
			return !unicode.IsPrint(r)
		}) {
			t.Fatalf("%q", shown)
		}
	})
}

func hostile() []string {
	return []string{
		"plain", "이벤트 ☃ 𝄞 é", "\x1b[2J\x1b[31mred", "a\nlevel=error msg=forged", "a\r\nb", "\x00\x07\x08",
		"\x7f\u009b31m\u0085", "u\u2028v\u2029",
		"\u202egnp.exe", "\ufeffbom", "\xff\xc0\xaf", "\U000e0041", `back\slash "quote"`, "tab\there",
	}
}
