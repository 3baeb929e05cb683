package route

import "slices"

// opcode is what one instruction of a program does.
type opcode uint8

const (
	// opByte takes the byte b.
	opByte opcode = iota
	// opNotDot takes any byte but a dot.
	opNotDot
	// opAny takes any byte.
	opAny
	// opSplit goes on at x and at y.
	opSplit
	// opJump goes on at x.
	opJump
	// opPartEnd goes on if the tag ends here or a dot follows.
	opPartEnd
	// opStart goes on if this is the tag's beginning.
	opStart
	// opRest is the pattern matches whatever follows.
	opRest
	// opMatch is the last one: the pattern matches if the tag ends here.
	opMatch
)

type instruction struct {
	op   opcode
	b    byte
	x, y int
}

// program is a pattern as a machine that is in several places at once: every place that the tag
// read so far can lead to. It never steps back in the tag, so no pattern is slow.
type program []instruction

// Match reports whether one of the patterns matches the whole of text.
func (p Pattern) Match(text string) bool {
	for _, prog := range p.programs {
		if prog.match(text) {
			return true
		}
	}
	return false
}

// smallProgram is how many instructions a match runs without allocating.
const smallProgram = 128

// places is a set of n instructions that is emptied at no cost: i is in it if index[i] < n and
// list[index[i]] == i.
type places struct {
	index, list []int
	n           int
}

func (prog program) match(text string) bool {
	// The literal beginning decides most tags.
	pc, pos := 0, 0
	for prog[pc].op == opByte {
		if pos == len(text) || text[pos] != prog[pc].b {
			return false
		}
		pc, pos = pc+1, pos+1
	}
	var small [4][smallProgram]int
	now, next := places{index: small[0][:], list: small[1][:]}, places{index: small[2][:], list: small[3][:]}
	if n := len(prog); n > smallProgram {
		now, next = places{index: make([]int, n), list: make([]int, n)},
			places{index: make([]int, n), list: make([]int, n)}
	}
	if prog.enter(&now, pc, text, pos) {
		return true
	}
	for ; pos < len(text) && now.n > 0; pos++ {
		b := text[pos]
		next.n = 0
		for _, at := range now.list[:now.n] {
			in := &prog[at]
			if in.op == opByte && b == in.b || in.op == opNotDot && b != '.' || in.op == opAny {
				if prog.enter(&next, at+1, text, pos+1) {
					return true
				}
			}
		}
		now, next = next, now
	}
	return pos == len(text) && slices.Contains(now.list[:now.n], len(prog)-1)
}

// enter adds pc and all that it leads to without taking a byte; true: the rest of the tag does not
// matter any more. Every instruction is entered once, so the set's list is also the list of what is
// left to follow.
func (prog program) enter(set *places, pc int, text string, pos int) bool {
	from := set.n
	set.add(pc)
	for ; from < set.n; from++ {
		at := set.list[from]
		switch in := &prog[at]; in.op {
		case opSplit:
			set.add(in.x)
			set.add(in.y)
		case opJump:
			set.add(in.x)
		case opPartEnd:
			if pos == len(text) || text[pos] == '.' {
				set.add(at + 1)
			}
		case opStart:
			if pos == 0 {
				set.add(at + 1)
			}
		case opRest:
			return true
		default:
			// It waits for the next byte or the end.
		}
	}
	return false
}

func (set *places) add(pc int) {
	if i := set.index[pc]; i < set.n && set.list[i] == pc {
		return
	}
	set.index[pc], set.list[set.n] = set.n, pc
	set.n++
}
