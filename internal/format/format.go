// Package format numbers what the program writes to disk, so that a program that finds a file of another version knows
// whether it may read it, and never takes it for damage.
//
// A file, or each entry of one, carries two numbers: that of the format that it was written in, and that of the oldest
// program that may read it. A program's number is that of the format that it writes. The second number is that of the
// contents: who adds a kind of entry that an older program must not overlook raises the format's number by one, and has
// the entries of that kind, and the file that holds some, name the new number as the oldest. A file without any stays
// readable for the program before, so that going back is possible as long as the new kind is not in use. Entries that
// an older program may overlook, and drop when it writes the file anew, need no new number.
//
// Formats that were written before there were two numbers have one: the oldest program that may read them is that of
// the same number.
package format

import (
	"errors"
	"fmt"
)

// ErrUnknown is returned for a file of a format that the program does not know.
var ErrUnknown = errors.New("unknown format")

// Format is what the program knows of a kind of file, or of entries of one.
type Format struct {
	// Name is what errors call it, such as "state.db".
	Name string
	// Number is the number of what it writes.
	Number int
	// Since is the number of the oldest format that it reads.
	Since int
	// Alone is the last number that was written without that of the oldest program, where Append and Cut are used.
	Alone int
}

// Append appends the numbers of what is written now, a byte each; every program of its format may read it, and no older
// one.
func (f Format) Append(b []byte) []byte { return f.AppendOldest(b, f.Number) }

// AppendOldest is Append for what programs of the format oldest and later may read.
func (f Format) AppendOldest(b []byte, oldest int) []byte {
	if f.Number <= f.Alone {
		return append(b, byte(f.Number))
	}
	return append(b, byte(f.Number), byte(oldest))
}

// Cut cuts off what Append wrote, and returns the number. The error is Check's; no number at all is number 0.
func (f Format) Cut(b []byte) (number int, rest []byte, err error) {
	oldest := 0
	if len(b) > 0 {
		number, b = int(b[0]), b[1:]
	}
	if number > f.Alone && len(b) > 0 {
		oldest, b = int(b[0]), b[1:]
	}
	return number, b, f.Check(number, oldest)
}

// Check returns nil where the program may read what is written in the format of that number, by the oldest program that
// may, and else an ErrUnknown that says what to do; where that is, the caller adds. oldest 0: number.
func (f Format) Check(number, oldest int) error {
	if oldest == 0 {
		oldest = number
	}
	switch {
	case number < f.Since:
		return fmt.Errorf("%s of format %d, this program reads formats %d to %d; start a program in between first, "+
			"which writes it anew, or use the program that wrote it, or an empty directory: %w",
			f.Name, number, f.Since, f.Number, ErrUnknown)
	case number > f.Number && oldest > f.Number:
		return fmt.Errorf("%s of format %d, which programs of format %d and later read, this program has format %d; "+
			"use the program that wrote it, or an empty directory: %w",
			f.Name, number, oldest, f.Number, ErrUnknown)
	}
	return nil
}
