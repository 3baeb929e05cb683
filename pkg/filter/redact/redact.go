package redact

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"slices"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
)

// span is a part of a text that is to be hidden.
type span struct{ from, to int }

// finder appends the parts of text that are to be hidden, in any order; they may overlap. It takes
// time in proportion to the text, and allocates nothing where it finds nothing.
type finder func(text []byte, spans []span) []span

// search is a finder and the least number of bytes that a text with something to find has.
type search struct {
	find  finder
	least int
}

// hashBytes is how many bytes of a hash are shown, as hex: of a billion texts no two are likely to
// have the same.
const hashBytes = 12

// anyNames is the name in a field's path that stands for any number of names.
const anyNames = "**"

// keepMemory is how many bytes of scratch memory are kept from one event to the next.
const keepMemory = 1 << 20

// Step hides parts of texts. It is a filter.Step.
//
// Searched are the texts (str and bin) of the record at any depth, also within arrays, never the
// names of fields; with Config.Fields only those, and there integers too, which become texts if
// something is found. All fields of one name are searched, whichever of them counts.
type Step struct {
	searches []search
	fields   [][]string
	mask     string
	// mac may be nil: mask.
	mac hash.Hash

	// record is what is searched.
	record []byte
	// out is the new record, up to copied.
	out []byte
	// copied is that of record; 0: nothing was found.
	copied int
	active [][]string
	spans  []span
	text   []byte
	digits [20]byte
	sum    [sha256.Size]byte
}

// New returns the step that cfg describes.
func New(cfg Config) (*Step, error) {
	s := &Step{mask: cfg.Mask}
	for _, name := range cfg.Builtin {
		b := builtin(name)
		if b.find == nil {
			return nil, fmt.Errorf("redact: builtin %q is not known", name)
		}
		s.searches = append(s.searches, b)
	}
	for _, p := range cfg.Patterns {
		re, err := compile(p.Regex)
		if err != nil {
			return nil, fmt.Errorf("redact: regex: %w", err)
		}
		p := newPattern(re)
		s.searches = append(s.searches, search{p.find, len(p.literal)})
	}
	for _, text := range cfg.Fields {
		path, err := parseField(text)
		if err != nil {
			return nil, fmt.Errorf("redact: %w", err)
		}
		s.fields = append(s.fields, path)
	}
	if cfg.With == withHash {
		if cfg.Key.Reveal() == "" {
			return nil, fmt.Errorf("redact: with: %s needs a key", withHash)
		}
		s.mac = hmac.New(sha256.New, []byte(cfg.Key.Reveal()))
	}
	return s, nil
}

// Apply hides what is found in ev. It never drops one.
func (s *Step) Apply(ev *filter.Event) (filter.Verdict, error) {
	s.record, s.out, s.copied = ev.Rendered(), s.out[:0], 0
	s.active = append(s.active[:0], s.fields...)
	end, err := s.value(0, s.active, len(s.fields) == 0, 0)
	if err == nil && s.copied > 0 {
		s.out = append(s.out, s.record[s.copied:end]...)
		ev.Replace(s.out)
	}
	s.record = nil
	if cap(s.out)+cap(s.text)+16*cap(s.spans) > keepMemory {
		s.out, s.text, s.spans = nil, nil, nil
	}
	if err != nil {
		return filter.Keep, fmt.Errorf("redact: search the record: %w", err)
	}
	return filter.Keep, nil
}

// value searches the value at record[i], whole or for fields, which are paths from there, and
// returns where it ends.
func (s *Step) value(i int, fields [][]string, whole bool, depth int) (end int, err error) {
	b := s.record[i:]
	if len(b) == 0 {
		return 0, event.ErrTruncated
	}
	t := event.TypeOf(b[0])
	switch {
	case t == event.TypeMap || t == event.TypeArray:
		if depth > 2*event.MaxDepth {
			// Records come with MaxDepth, and steps may move fields down.
			return 0, event.ErrDepth
		}
		if t == event.TypeMap {
			return s.members(i, fields, whole, depth)
		}
		n, rest, err := event.ReadArrayHeader(b)
		for i = len(s.record) - len(rest); err == nil && n > 0; n-- {
			i, err = s.value(i, fields, whole, depth+1)
		}
		return i, err
	case !whole:
	case t == event.TypeStr || t == event.TypeBin:
		text, rest, err := event.ReadBytes(b)
		if err != nil {
			return 0, err
		}
		end = len(s.record) - len(rest)
		s.hide(text, i, end)
		return end, nil
	case t == event.TypeInt && len(s.fields) > 0:
		if rest, err := event.Skip(b); err == nil {
			end = len(s.record) - len(rest)
			// Also of those that are over 63 bits.
			s.hide(event.AppendText(s.digits[:0], b[:end-i]), i, end)
			return end, nil
		}
	}
	rest, err := event.Skip(b)
	return len(s.record) - len(rest), err
}

// members searches the map at record[i].
func (s *Step) members(i int, fields [][]string, whole bool, depth int) (end int, err error) {
	n, rest, err := event.ReadMapHeader(s.record[i:])
	for ; err == nil && n > 0; n-- {
		name, after, notText := event.ReadBytes(rest)
		if notText != nil {
			name = nil
			if after, err = event.Skip(rest); err != nil {
				break
			}
		}
		all, base := whole, len(s.active)
		for _, path := range fields {
			all = s.descend(path, name, base) || all
		}
		if within := s.active[base:]; all || len(within) > 0 {
			i, err = s.value(len(s.record)-len(after), within, all, depth+1)
			rest = s.record[i:]
		} else {
			rest, err = event.Skip(after)
		}
		s.active = s.active[:base]
	}
	return len(s.record) - len(rest), err
}

// descend adds to active, from base on, what is left of path after name; whole says that nothing is left.
func (s *Step) descend(path []string, name []byte, base int) (whole bool) {
	if path[0] == anyNames {
		if len(path) == 1 {
			return true
		}
		// Each rest of a path once, or several stars would multiply with each level.
		if !slices.ContainsFunc(s.active[base:], func(p []string) bool { return &p[0] == &path[0] }) {
			s.active = append(s.active, path)
		}
		return s.descend(path[1:], name, base)
	}
	if !glob(path[0], name) {
		return false
	}
	if len(path) > 1 {
		s.active = append(s.active, path[1:])
	}
	return len(path) == 1
}

// glob reports whether name is pattern, in which a star stands for any bytes.
func glob[T string | []byte](pattern string, name T) bool {
	star, retry := -1, 0
	p, n := 0, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, retry = p, n
			p++
		case p < len(pattern) && pattern[p] == name[n]:
			p++
			n++
		case star >= 0:
			retry++
			p, n = star+1, retry
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// hide writes the text, which is record[from:to], anew if something is found in it. Its line end is no
// part of what is searched, and stays.
func (s *Step) hide(text []byte, from, to int) {
	s.spans = s.spans[:0]
	line := filter.TrimLineEnd(text)
	for _, search := range s.searches {
		if len(line) >= search.least {
			s.spans = search.find(line, s.spans)
		}
	}
	if len(s.spans) == 0 {
		return
	}
	slices.SortFunc(s.spans, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	s.text = s.text[:0]
	at := 0
	for i := 0; i < len(s.spans); {
		hidden := s.spans[i]
		for i++; i < len(s.spans) && s.spans[i].from < hidden.to; i++ {
			hidden.to = max(hidden.to, s.spans[i].to)
		}
		s.text = append(s.text, text[at:hidden.from]...)
		s.text = s.appendStandIn(s.text, text[hidden.from:hidden.to])
		at = hidden.to
	}
	s.text = append(s.text, text[at:]...)
	s.out = append(s.out, s.record[s.copied:from]...)
	s.out = filter.AppendString(s.out, s.text)
	s.copied = to
}

// appendStandIn appends what stands in the place of text.
func (s *Step) appendStandIn(dst, text []byte) []byte {
	if s.mac == nil {
		return append(dst, s.mask...)
	}
	s.mac.Reset()
	// A hash takes everything.
	_, _ = s.mac.Write(text)
	return hex.AppendEncode(dst, s.mac.Sum(s.sum[:0])[:hashBytes])
}
