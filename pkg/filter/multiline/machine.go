package multiline

import (
	"bytes"
	"fmt"
	"math/bits"
	"regexp"
	"slices"
	"strings"

	"github.com/seed-afc6a195/aggregator/pkg/filter"
)

// states is a set of places in a trace, one bit each: a line may be the next one in several ways.
type states uint64

// machine says which lines make up an event. It is immutable.
type machine struct {
	// start is tried on any line.
	start []edge
	next  []edge
	// soft is those where the lines since the last other state belong to the event only if more follow.
	soft states
	// text is the part of soft that is for any lines.
	text states
	// kinds are those of one language each.
	kinds []states
	// words are those of start.
	words words
	// end matches the last line of an event; where it is nil the line after it says that it was the last.
	end *regexp.Regexp
}

// edge leads from states to one for the lines that it matches.
type edge struct {
	from, to states
	// has is one of these is in each such line; none: no matter. It is cheaper than re.
	has []word
	// words are the same, by machine.words.
	words uint64
	re    *regexp.Regexp
	// not may be nil: then it does not matter.
	not *regexp.Regexp
	// fresh says that the edge is not for the first line once more.
	fresh bool
}

// word is a text that a line has: at its beginning, at its end, or anywhere.
type word struct {
	text []byte
	// place is '^', '$' or 0.
	place byte
}

func newWord(text string) word {
	if rest, ok := strings.CutPrefix(text, "^"); ok {
		return word{[]byte(rest), '^'}
	}
	if rest, ok := strings.CutSuffix(text, "$"); ok {
		return word{[]byte(rest), '$'}
	}
	return word{[]byte(text), 0}
}

func (w *word) in(line []byte) bool {
	switch w.place {
	case '^':
		return bytes.HasPrefix(line, w.text)
	case '$':
		return bytes.HasSuffix(line, w.text)
	}
	return bytes.Contains(line, w.text)
}

func (e *edge) fits(line []byte) bool {
	return (e.re == nil || e.re.Match(line)) && (e.not == nil || !e.not.Match(line))
}

func (e *edge) matches(line []byte) bool {
	found := len(e.has) == 0
	for i := 0; i < len(e.has) && !found; i++ {
		found = e.has[i].in(line)
	}
	return found && e.fits(line)
}

// words are those that edges ask for, one bit each: none is looked for twice.
type words struct {
	// list is at most 64.
	list []word
	// anywhere is that of those that may be.
	anywhere uint64
	// first and last are those that begin or end with a byte, and begin or end the line.
	first, last [256]uint64
}

// bit returns the bit of w, which it adds.
func (ws *words) bit(w word) uint64 {
	at := slices.IndexFunc(ws.list, func(known word) bool {
		return known.place == w.place && bytes.Equal(known.text, w.text)
	})
	if at >= 0 {
		return 1 << at
	}
	bit := uint64(1) << len(ws.list)
	ws.list = append(ws.list, w)
	switch w.place {
	case '^':
		ws.first[w.text[0]] |= bit
	case '$':
		ws.last[w.text[len(w.text)-1]] |= bit
	default:
		ws.anywhere |= bit
	}
	return bit
}

// in returns which of the words line has.
func (ws *words) in(line []byte) (found uint64) {
	if len(line) == 0 {
		return 0
	}
	for left := ws.anywhere | ws.first[line[0]] | ws.last[line[len(line)-1]]; left != 0; left &= left - 1 {
		if at := bits.TrailingZeros64(left); ws.list[at].in(line) {
			found |= 1 << at
		}
	}
	return found
}

// begin returns where an event that begins with line is; 0: none does.
func (m *machine) begin(line []byte) (s states) {
	found := m.words.in(line)
	for i := range m.start {
		if e := &m.start[i]; (e.words == 0 || e.words&found != 0) && e.fits(line) {
			s |= e.to
		}
	}
	return s
}

// step returns where an event in the states s, which began with first, is after line; 0: line is no
// part of it. A line that belongs to the event decides what the lines before it are, so no soft states
// are left.
func (m *machine) step(s states, first, line []byte) (after states) {
	for i := range m.next {
		e := &m.next[i]
		if e.from&s != 0 && after&e.to == 0 && e.matches(line) && (!e.fresh || !bytes.Equal(line, first)) {
			after |= e.to
		}
	}
	if hard := after &^ m.soft; hard != 0 {
		return hard
	}
	return after
}

// isSoft reports whether no state of s is one where the event may end.
func (m *machine) isSoft(s states) bool { return s&^m.soft == 0 }

// cuts reports whether line begins another event, where it is some text in the one that is at s.
func (m *machine) cuts(s states, line []byte) bool {
	if s&^m.text != 0 {
		return false
	}
	begun := m.begin(line)
	return slices.ContainsFunc(m.kinds, func(kind states) bool { return s&kind != 0 && begun&kind != 0 })
}

// patternMachine returns the machine for regular expressions, of which some may be "".
func patternMachine(first, further, last string) (*machine, error) {
	var wrong error
	compile := func(name, text string) *regexp.Regexp {
		if text == "" {
			return nil
		}
		re, err := filter.CompilePattern(text)
		if err != nil && wrong == nil {
			wrong = fmt.Errorf("%s: %w", name, err)
		}
		return re
	}
	begin := edge{to: 1, re: compile("start", first)}
	inner := edge{from: 1, to: 1, re: compile("continue", further), not: begin.re}
	return &machine{start: []edge{begin}, next: []edge{inner}, end: compile("end", last)}, wrong
}

// rule is an edge as it is written down.
type rule struct {
	// from is states, or "" for none: the line may be a first one.
	from string
	// to is a state, see above; "!" behind it: not if the line is the first one once more.
	to string
	// Words of which one is in the line, separated by "|": with ^ in front at its beginning, with $ at its end.
	has string
	// re may be "": then it is any line.
	re string
}

// The ends of states' names: of those where the event does not end, and among these of those that any
// line leads to which does not look like the beginning of another entry or event.
const (
	softState = "?"
	textState = "text?"
)

// formatMachine returns the machine for one format, or for all together.
func formatMachine(format string) (*machine, error) {
	m, known := &machine{}, false
	places := map[string]states{}
	entry := regexp.MustCompile(entryBegins)
	for name, rules := range formats() {
		if name != format && (format != "all" || name == "js") {
			// Java has the rules of js.
			continue
		}
		known = true
		var all states
		bit := func(state string) states {
			key := name + " " + state
			if places[key] == 0 {
				places[key] = 1 << len(places)
				if strings.HasSuffix(state, softState) {
					m.soft |= places[key]
				}
				if strings.HasSuffix(state, textState) {
					m.text |= places[key]
				}
			}
			all |= places[key]
			return places[key]
		}
		for _, r := range rules {
			e := newEdge(&r, bit, entry)
			if r.from != "" {
				m.next = append(m.next, e)
				continue
			}
			for _, w := range e.has {
				e.words |= m.words.bit(w)
			}
			m.start = append(m.start, e)
		}
		m.kinds = append(m.kinds, all)
	}
	if !known {
		const formats = "java, js, python, go, ruby, dotnet, php, dart, rust or all"
		return nil, fmt.Errorf("format %q is not known (write %s)", format, formats)
	}
	return m, nil
}

func newEdge(r *rule, bit func(state string) states, entry *regexp.Regexp) edge {
	to, fresh := strings.CutSuffix(r.to, "!")
	e := edge{to: bit(to), fresh: fresh}
	for from := range strings.FieldsSeq(r.from) {
		e.from |= bit(from)
	}
	if r.has != "" {
		for text := range strings.SplitSeq(r.has, "|") {
			e.has = append(e.has, newWord(text))
		}
	}
	if r.re != "" {
		e.re = regexp.MustCompile(r.re)
	}
	if strings.HasSuffix(r.to, textState) {
		e.not = entry
	}
	return e
}
