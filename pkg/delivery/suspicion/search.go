package suspicion

import "math/bits"

const (
	// maxRequests bounds a search: what is left then is searched another time.
	maxRequests = 128
	// maxInARow is how many refusals may follow one after another, beyond those that lead down to a single event: then
	// it may not be the events that are refused.
	maxInARow = 3
)

// Search halves the events of a request that was refused as a whole, to find those for which it was. It is for one
// goroutine.
type Search struct {
	// open is what is to be sent, the first one last: halves of refused ones.
	open []Span
	// now is what Next has returned.
	now Span
	// left counts requests.
	left int
	// row counts refusals one after another.
	row int
	// most is how many row may be.
	most int
	// accepted counts requests.
	accepted int
	poison   []int
	// flipped counts refused spans of which all was accepted afterwards.
	flipped int
	// stopped says that the host refuses all, or fails otherwise.
	stopped bool
	parents []parent
}

// Span is the events from From to To-1.
type Span struct{ From, To int }

// parent is a refused span of which parts are not sent yet.
type parent struct {
	span Span
	// poison is how many were found before it.
	poison int
}

// NewSearch returns the search among n events, that were refused together.
func NewSearch(n int) *Search {
	s := &Search{left: maxRequests, most: bits.Len(uint(n)) + maxInARow}
	s.halve(Span{0, n})
	return s
}

// halve has the halves of a refused span sent, or a single event is called poison.
func (s *Search) halve(span Span) {
	if span.To-span.From == 1 {
		s.poison = append(s.poison, span.From)
		return
	}
	half := span.From + (span.To-span.From)/2
	s.parents = append(s.parents, parent{span, len(s.poison)})
	s.open = append(s.open, Span{half, span.To}, Span{span.From, half})
}

// Next returns the events that are to be sent next, in one request. ok is false when the search is over.
func (s *Search) Next() (span Span, ok bool) {
	if len(s.open) == 0 || s.stopped || s.left == 0 {
		return Span{}, false
	}
	s.left--
	s.now = s.open[len(s.open)-1]
	s.open = s.open[:len(s.open)-1]
	return s.now, true
}

// Accepted notes that the request with the span that Next returned was accepted.
func (s *Search) Accepted() {
	s.accepted++
	s.row = 0
	s.finish(s.now.To)
}

// Refused notes that it was refused as the first one was.
func (s *Search) Refused() {
	single := s.now.To-s.now.From == 1
	s.halve(s.now)
	if s.row++; s.row > s.most {
		s.stopped = true
	}
	if single {
		s.finish(s.now.To)
	}
}

// finish looks at the refused spans that end there: one in which no event was found to be poison was refused at random.
func (s *Search) finish(end int) {
	for n := len(s.parents); n > 0 && s.parents[n-1].span.To == end; n-- {
		if p := s.parents[n-1]; p.poison == len(s.poison) {
			s.flipped++
		}
		s.parents = s.parents[:n-1]
	}
}

// Stop ends the search: the request with the span that Next returned failed in another way, and is to be sent again.
func (s *Search) Stop() {
	s.stopped = true
	s.open = append(s.open, s.now)
}

// Barren reports whether nothing at all was accepted: then nobody is poison.
func (s *Search) Barren() bool { return s.accepted == 0 }

// Poison returns the events that were refused alone, in the order in which they were found, none of a barren search.
func (s *Search) Poison() []int {
	if s.Barren() {
		return nil
	}
	return s.poison
}

// Flipped returns how many refused requests held nothing but events that were accepted afterwards.
func (s *Search) Flipped() int { return s.flipped }

// Left returns the spans of events of which nothing is known, in order.
func (s *Search) Left() (left []Span) {
	if s.Barren() {
		for _, i := range s.poison {
			left = append(left, Span{i, i + 1})
		}
	}
	for i := len(s.open) - 1; i >= 0; i-- {
		left = append(left, s.open[i])
	}
	return left
}
