package resend

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// Each case is what a server sees of a connection, in order, and what is told of its acks: "+2" that those of the two
// earliest commits were received, "-1" that those of one were not.
//
//	m     a message that wants an ack comes, whole, alone in its read
//	[ ]   a message comes in two reads
//	M     a message comes behind the last one, in the same read
//	(     a message begins behind the last one, in the same read; it ends with "]"
//	s     what came is stored
//	a     its acks are written; A: while the next message waits unread
//	l     from here on the client is seen to have left acks unread
//	c i x b  the end: closed with all arrived, idle, closed without, broken
func TestTracker(t *testing.T) {
	for _, tc := range []struct{ name, facts, want string }{
		{"one after the other", "msa msa msa b", "+1 +1 -1"},
		{"closed well", "msa c", "+1"},
		{"closed with the ack unread", "msa x", "-1"},
		{"idle", "msa i", "+1"},
		{"broken before the ack", "ms b", "-1"},
		{"broken between", "msa ms b", "+1 -1"},
		{"nothing asked", "c", ""},
		{"the next began before the ack", "m(sa ]sa b", "-2"},
		{"the next was there unread", "msA msa b", "-2"},
		{"three at once, then one", "mMMsa msa b", "-2"},
		{"three at once, then six", "mMMsa msa msa msa msa msa msa b", "+1 -6"},
		{"three at once, then six, and it has left", "mMMsa msa msa msa msa msa lmsa b", "-7"},
		{"it waits, and has left", "msa lmsa b", "+1 -1"},
		{"half a message after the ack", "msa [ b", "+1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := track(tc.facts); got != tc.want {
				t.Errorf("told %q, want %q", got, tc.want)
			}
		})
	}
}

// track tells a Tracker the facts and returns what it told.
func track(facts string) string {
	const size = 10 // bytes of a message
	var told []string
	tr := NewTracker(func(commits int, received bool) {
		told = append(told, fmt.Sprintf("%+d", map[bool]int{true: commits, false: -commits}[received]))
	})
	wanted, left := 0, false
	leftUnread := func() bool { return left }
	asked := func() {
		wanted++
		tr.Asked(size)
	}
	end := func(e End) {
		tr.Confirm(leftUnread)
		tr.End(e)
	}
	for _, fact := range facts {
		switch fact {
		case 'm':
			tr.Came(size, true)
			asked()
		case 'M':
			tr.Came(size, false)
			tr.Begun(size)
			asked()
		case '[':
			tr.Came(size/2, true)
		case '(':
			tr.Came(size/2, false)
			tr.Begun(size / 2)
		case ']':
			tr.Came(size-size/2, false)
			asked()
		case 's':
			tr.Confirm(leftUnread)
			tr.Storing(wanted)
			wanted = 0
		case 'a':
			tr.Writing(0)
		case 'A':
			tr.Writing(size)
		case 'l':
			left = true
		case ' ':
		default:
			end(map[rune]End{'c': Closed, 'i': Idle, 'x': Left, 'b': Broken}[fact])
		}
	}
	return strings.Join(told, " ")
}

// What others see of the acks follows their way.
func TestWritten(t *testing.T) {
	tr := NewTracker(func(int, bool) {})
	got := []Written{tr.Written()}
	for _, fact := range []func(){
		func() { tr.Storing(1) }, func() { tr.Writing(0) }, func() { tr.Storing(1) }, tr.Parting,
	} {
		fact()
		got = append(got, tr.Written())
	}
	if want := []Written{Nothing, Pending, Some, Pending, Nothing}; !slices.Equal(got, want) {
		t.Errorf("written %v, want %v", got, want)
	}
}

// A client that sends ahead without end, as none does that waits for acks some time, is followed within bounds.
func TestTrackerBounded(t *testing.T) {
	settled := 0
	tr := NewTracker(func(commits int, received bool) {
		if !received {
			t.Fatal("lost")
		}
		settled += commits
	})
	const commits = 10 * maxUnsettled
	for range commits {
		tr.Came(1, true)
		tr.Asked(1)
		tr.Storing(1)
		tr.Writing(1 << 20)
	}
	if left := commits - settled; left != maxUnsettled+1 || len(tr.commits) != left {
		t.Errorf("%d commits are in doubt", left)
	}
}

// Every end says of acks what its comment does.
func TestEnds(t *testing.T) {
	for end, want := range map[End]bool{Broken: false, Left: false, Closed: true, Idle: true} {
		if end.Received() != want {
			t.Errorf("end %d: received %t", end, end.Received())
		}
	}
}
