//go:build !failpoints

// Package failpoint has the program end or fail at named points, for tests of what a crash leaves behind.
//
// Only a binary built with -tags failpoints has them: there, the environment variable AGG_FAILPOINT arms points. It
// holds settings name=action@n, separated by commas: kill ends the process with SIGKILL at the n-th pass of the point,
// fail has that pass return an error, and fail@n+ that pass and all later ones. Without @n it is the first pass. A kill
// is told on stderr before. Without the tag, a call is an empty function, of which nothing is left in the binary.
//
// A name says what has just happened, or with "before", what comes next: "state.renamed", "file.sync.before".
package failpoint

// Pass is where the process may be killed.
func Pass(string) {}

// Error is Pass where an error can be returned too. The name is the operation that then has failed.
func Error(string) error { return nil }
