package multiline

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
)

// states is a set of places in a trace, one bit each: a line may be the next one in several ways.
type states uint64

// machine says which lines make up an event. It is immutable.
type machine struct {
	start []edge // to be tried on any line
	next  []edge
	soft  states // those where the lines since the last other state belong to the event only if more follow
}

// edge leads from states to one for the lines that it matches.
type edge struct {
	from, to states
	has      [][]byte // one of them is in each such line; none: no matter. It is cheaper than re
	re       *regexp.Regexp
	not      *regexp.Regexp // nil: no matter
}

func (e *edge) matches(line []byte) bool {
	found := len(e.has) == 0
	for i := 0; i < len(e.has) && !found; i++ {
		found = bytes.Contains(line, e.has[i])
	}
	return found && (e.re == nil || e.re.Match(line)) && (e.not == nil || !e.not.Match(line))
}

// begin returns where an event that begins with line is; 0: none does.
func (m *machine) begin(line []byte) (s states) {
	for i := range m.start {
		if e := &m.start[i]; e.matches(line) {
			s |= e.to
		}
	}
	return s
}

// step returns where an event in the states s is after line; 0: line is no part of it.
func (m *machine) step(s states, line []byte) (after states) {
	for i := range m.next {
		if e := &m.next[i]; e.from&s != 0 && after&e.to == 0 && e.matches(line) {
			after |= e.to
		}
	}
	return after
}

// isSoft says whether no state of s is one where the event may end.
func (m *machine) isSoft(s states) bool { return s&^m.soft == 0 }

// patternMachine returns the machine for a pair of regular expressions, of which one may be "".
func patternMachine(first, further string) (*machine, error) {
	begin, inner := edge{to: 1}, edge{from: 1, to: 1}
	var err error
	if first != "" {
		if begin.re, err = regexp.Compile(first); err != nil {
			return nil, fmt.Errorf("start: %w", err)
		}
		inner.not = begin.re
	}
	if further != "" {
		if inner.re, err = regexp.Compile(further); err != nil {
			return nil, fmt.Errorf("continue: %w", err)
		}
	}
	return &machine{start: []edge{begin}, next: []edge{inner}}, nil
}

// rule is an edge as it is written down.
type rule struct {
	from string // states, "" for none: the line may be a first one
	to   string // a state; it is soft if it ends in "?"
	has  string // texts of which one is in the line, separated by "|"
	re   string
}

// formatMachine returns the machine for one format, or for all together.
func formatMachine(format string) (*machine, error) {
	m, known := &machine{}, false
	bits := map[string]states{}
	bit := func(name string) states {
		if bits[name] == 0 {
			bits[name] = 1 << len(bits)
			if strings.HasSuffix(name, "?") {
				m.soft |= bits[name]
			}
		}
		return bits[name]
	}
	for name, rules := range formats() {
		if name != format && format != "all" {
			continue
		}
		known = true
		for _, r := range rules {
			e := edge{to: bit(name + " " + r.to), re: regexp.MustCompile(r.re)}
			if r.has != "" {
				e.has = bytes.Split([]byte(r.has), []byte("|"))
			}
			if r.from == "" {
				m.start = append(m.start, e)
				continue
			}
			for from := range strings.FieldsSeq(r.from) {
				e.from |= bit(name + " " + from)
			}
			m.next = append(m.next, e)
		}
	}
	if !known {
		return nil, fmt.Errorf("format %q is not known (write java, python, go, dotnet, ruby or all)", format)
	}
	return m, nil
}
