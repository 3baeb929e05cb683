package broadcast

import "testing"

func TestSignal(t *testing.T) {
	var s Signal
	// Nobody waits.
	s.Wake()
	first, second := s.Next(), s.Next()
	select {
	case <-first:
		t.Fatal("what was before counts")
	default:
	}
	s.Wake()
	<-first
	<-second
	select {
	case <-s.Next():
		t.Fatal("a wake counts twice")
	default:
	}
}
