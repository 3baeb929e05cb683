// Package broadcast wakes all who wait for something, and costs nothing where nobody does.
package broadcast

// Signal is what is waited for. The zero value is ready. Not safe for concurrent use: who has it guards it.
type Signal struct{ next chan struct{} }

// Next returns a channel that the next Wake closes.
func (s *Signal) Next() <-chan struct{} {
	if s.next == nil {
		s.next = make(chan struct{})
	}
	return s.next
}

// Wake wakes all who wait.
func (s *Signal) Wake() {
	if s.next != nil {
		close(s.next)
		s.next = nil
	}
}
