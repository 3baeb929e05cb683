// Package redact hides what must not leave: card numbers, addresses, tokens and keys, and what
// regular expressions find, in the texts of a record.
package redact

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
)

// Config is the settings of a redact step.
type Config struct {
	Fields   []string       `yaml:"fields"`
	Patterns []Pattern      `yaml:"patterns" help:"regular expressions; of one with groups only these are hidden"`
	Builtin  []string       `yaml:"builtin" enum:"credit_card|email|ipv4|ipv6|bearer|aws_key|jwt"`
	With     string         `yaml:"with" default:"mask" enum:"mask|hash"`
	Key      setting.Secret `yaml:"key" help:"of the hash (HMAC-SHA-256): who does not have it can't try texts"`
	Mask     string         `yaml:"mask" default:"\"***\"" help:"the text that stands in its place"`
}

// Help implements setting.Explained.
func (Config) Help() map[string]string {
	return map[string]string{
		"fields":  "where to search, with all that is below: message, user.*, **.email; none: every text of the record",
		"builtin": "what is known without an expression",
		"with":    "what stands in its place; equal texts have equal hashes",
	}
}

// Pattern is one regular expression.
type Pattern struct {
	Regex string `yaml:"regex" required:"true" short:"true" help:"in Go's syntax, e.g. password=(\\S+)"`
}

// The ways to hide.
const withHash = "hash"

// maxMask is how many bytes a mask may have, so that a text of many hits does not grow much.
const maxMask = 64

// Check reports settings that can't work.
func (c *Config) Check(r *setting.Report) {
	if len(c.Patterns) == 0 && len(c.Builtin) == 0 {
		r.Add("", "give patterns, or builtin such as [email, credit_card]", "nothing to search for")
	}
	for i, p := range c.Patterns {
		key := fmt.Sprintf("patterns[%d].regex", i)
		filter.CheckPattern(r, key, p.Regex)
		if re, err := regexp.Compile(p.Regex); err == nil && re.MatchString("") {
			r.Add(key, "", "%q finds what is empty too", p.Regex)
		}
	}
	for i, name := range c.Builtin {
		if builtin(name).find == nil {
			r.Add(fmt.Sprintf("builtin[%d]", i), "one of credit_card, email, ipv4, ipv6, bearer, aws_key, jwt",
				"%q is not known", name)
		}
	}
	for i, text := range c.Fields {
		if _, err := parseField(text); err != nil {
			r.Add(fmt.Sprintf("fields[%d]", i), "write message, user.*, **.email", "%v", err)
		}
	}
	if c.With == withHash && c.Key.Reveal() == "" {
		r.Add("key", "write key: ${file:/run/secrets/redact}, the same on every replica",
			"a hash without a key can be reversed by trying texts")
	}
	if len(c.Mask) > maxMask {
		r.Add("mask", "", "longer than %d bytes", maxMask)
	}
}

// parseField reads a path whose names may have stars; ** stands for any number of names.
func parseField(text string) ([]string, error) {
	path, err := filter.ParsePath(text)
	if err != nil {
		return nil, err
	}
	for i, name := range path {
		if strings.Contains(name, "**") && name != anyNames {
			return nil, fmt.Errorf("field %q: ** stands alone between dots", text)
		}
		if i > 0 && name == anyNames && path[i-1] == anyNames {
			return nil, fmt.Errorf("field %q: one ** is enough", text)
		}
	}
	return path, nil
}

func compile(text string) (*regexp.Regexp, error) {
	re, err := filter.CompilePattern(text)
	if err == nil && re.MatchString("") {
		return nil, fmt.Errorf("%q finds what is empty too", text)
	}
	return re, err
}
