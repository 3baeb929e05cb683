package config

import (
	"strings"
	"testing"
)

// said returns all that is said of a file: its mistakes, one a line, or, where it has none, what it is warned of.
func said(text string) string {
	c, err := Parse("a.yaml", []byte(text), world())
	if err != nil {
		return err.Error()
	}
	var lines []string
	for _, w := range c.Warnings {
		lines = append(lines, "warning: "+w)
	}
	return strings.Join(lines, "\n")
}

// What is said often, in the words that it is said in.
const (
	badName = "not a valid name (up to 63 of the letters a-z and A-Z, digits, _, - and ., the first no - or .)"
	noWayIn = "no agent can come in: nothing tells which ones are its (give it a shared_key, users, sources, " +
		"tls_names and a listener with client_ca_file, or a listener of its own)"
	nothingToProve = "have to prove nothing (set allow_anonymous: true to accept everyone, or give the cluster a " +
		"shared_key, users, tls_names or sources)"
	openToAll = "can be reached from elsewhere, and nobody has to authenticate (set allow_anonymous: true to accept " +
		"everyone, or listen on 127.0.0.1)"
	ofKeys     = "a key decides which cluster an agent belongs to: give each its own, or users of its own beside it"
	ofPatterns = `patterns are made of *, **, {a,b} and \ before a character that stands for itself`
	// onlyUnused is all that is said of a filter that is right and stands alone.
	onlyUnused     = "warning: a.yaml:1:14: filters.f: no route uses this filter (name it in a route)"
	ofPlaceholders = `known are {cluster}, {tag}, {tag[1]}, {record.field}, {record["dotted.field"]}, each with ` +
		"|default, and {{ }} for braces"
	ofSyntax = "the syntax is https://golang.org/s/re2syntax, differences to Ruby's are in docs/filters.md"
)

// says checks all that is said of files, word by word: nothing but what is wanted.
func says(t *testing.T, table []mistake) {
	t.Helper()
	for _, tc := range table {
		if got := said(tc.text); got != tc.want {
			t.Errorf("%s: got:\n%s\nwant:\n%s", tc.name, got, tc.want)
		}
		if strings.Contains(tc.want, "hunter2") {
			t.Errorf("%s: a secret shows: %s", tc.name, tc.want)
		}
	}
}
