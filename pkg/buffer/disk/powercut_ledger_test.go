package disk

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
)

// ledger is what the queue has to have, and may have.
type ledger struct {
	messages  map[string][]string // begun: their events
	acked     map[string]bool
	delivered map[[2]string]bool // output, event
	letters   map[string]bool    // begun to be stored; true: stored
	tries     map[string]int     // to store a message or a letter: each may have done so
	retried   map[string]bool
	gone      map[string]bool // letters that may be missing
	over      bool            // all that waits has been delivered
}

func ledgerOf(marks []mark) *ledger {
	l := &ledger{
		messages: map[string][]string{}, acked: map[string]bool{}, delivered: map[[2]string]bool{},
		letters: map[string]bool{}, tries: map[string]int{}, retried: map[string]bool{}, gone: map[string]bool{},
	}
	for _, m := range marks {
		switch m.Kind {
		case markBegun:
			l.messages[m.ID] = m.Names
			l.tries[m.ID]++
			for _, n := range m.Names {
				if n[0] == 'x' {
					l.letters[n] = false
				}
			}
		case markAcked:
			l.ack(m.ID)
		case markDelivered:
			for _, n := range m.Names {
				l.delivered[[2]string{m.Output, n}] = true
			}
		case markBury, markBuried:
			for _, n := range m.Names {
				if l.letters[n] = m.Kind == markBuried; !l.letters[n] {
					l.tries[n]++
				}
			}
		case markRetry, markGone:
			for _, n := range m.Names {
				if m.Kind == markRetry {
					l.retried[n] = true
				} else {
					l.gone[n] = true
				}
			}
		}
	}
	return l
}

func (l *ledger) ack(id string) {
	l.acked[id] = true
	for _, n := range l.messages[id] {
		if n[0] == 'x' {
			l.letters[n] = true
		}
	}
}

// resend sends what was not acknowledged again, as the agents do.
func (l *ledger) resend(s *Queue) error {
	for id, names := range l.messages {
		if l.acked[id] {
			continue
		}
		b, err := beginNamed(s, names, 100)
		if err == nil {
			err = b.Commit(context.Background())
		}
		if err != nil {
			return fmt.Errorf("send %s again: %w", id, err)
		}
		l.ack(id)
	}
	return nil
}

// settle notes that all that waited is delivered.
func (l *ledger) settle() { l.over = true }

// check delivers all that waits and compares.
func (l *ledger) check(s *Queue) error {
	var wrong []error
	found := map[[2]string]int{}
	for _, output := range bothOutputs {
		for {
			c, err := next(s, output)
			if err != nil {
				return err
			}
			if c == nil {
				break
			}
			names, err := eventNames(c.Entries)
			if err != nil {
				wrong = append(wrong, fmt.Errorf("chunk %d for output %s: %w", c.Seq, output, err))
			}
			for _, name := range names {
				n, _ := parseEventName(name) // it was parsed before
				_, begun := l.messages[n.message()]
				begun = begun && n.kind == "e" && slices.Contains(outputsOf(n.msg), output) ||
					l.retried[name] && output == "o"
				if !begun || n.cluster() != c.Cluster || n.tag() != c.Tag {
					wrong = append(wrong,
						fmt.Errorf("event %s was made up: output %s, cluster %s, tag %s", name, output, c.Cluster,
							c.Tag))
				}
				found[[2]string{output, name}]++
			}
			s.Source(output).Done(c)
		}
	}
	for id := range l.acked {
		for _, name := range l.messages[id] {
			n, err := parseEventName(name)
			if err != nil {
				return err
			}
			for _, output := range outputsOf(n.msg) {
				key := [2]string{output, name}
				switch {
				case n.kind == "x":
				case l.over && found[key] > 0:
					wrong = append(wrong,
						fmt.Errorf("event %s comes again for output %s after it was delivered", name, output))
				case !l.over && found[key] == 0 && !l.delivered[key]:
					wrong = append(wrong,
						fmt.Errorf("event %s, which was acknowledged, is missing for output %s", name, output))
				case found[key] > l.tries[id] && !l.large(id):
					wrong = append(wrong,
						fmt.Errorf("event %s is there %d times for output %s", name, found[key], output))
				}
			}
		}
	}
	return errors.Join(append(wrong, l.checkLetters(s, found)...)...)
}

// large reports whether a message takes several transactions, so that a resend may double a part of it.
func (l *ledger) large(id string) bool { return len(l.messages[id]) >= 7 }

func (l *ledger) checkLetters(s *Queue, found map[[2]string]int) (wrong []error) {
	letters, err := s.dead.List(context.Background(), deadletter.Filter{}, 0, 10_000)
	if err != nil {
		return []error{err}
	}
	dead := map[string]int{}
	for i := range letters {
		letter := &letters[i]
		names, err := eventNames(letter.Entry)
		if err != nil || len(names) != 1 {
			wrong = append(wrong,
				fmt.Errorf("dead letter %d: %w", letter.ID, errors.Join(err, fmt.Errorf("%d events", len(names)))))
			continue
		}
		n, _ := parseEventName(names[0]) // it was parsed before
		if _, begun := l.letters[names[0]]; !begun || letter.Cluster != n.cluster() || letter.Tag != n.tag() ||
			letter.Events != 1 {
			wrong = append(wrong, fmt.Errorf("dead letter %s was made up: %+v", names[0], letter))
		}
		dead[names[0]]++
	}
	for name, stored := range l.letters {
		key := [2]string{"o", name}
		waits := found[key] > 0 || l.over
		switch back := l.retried[name]; {
		case stored && dead[name] == 0 && !l.gone[name] && (!back || !waits && !l.delivered[key]):
			wrong = append(wrong, fmt.Errorf("dead letter %s is missing", name))
		case name[0] == 'l' && dead[name] > l.tries[name]:
			wrong = append(wrong, fmt.Errorf("dead letter %s is there %d times", name, dead[name]))
		case dead[name] > 0 && found[key] > 0 && !l.delivered[key] && l.tries[name] < 2:
			wrong = append(wrong, fmt.Errorf("event %s is a dead letter and waits for its output", name))
		}
	}
	return wrong
}
