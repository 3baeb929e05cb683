// Package disk is the queue in bbolt files of bounded size, segments, on a disk of its own.
//
// # Goroutines
//
// The committer takes what all connections have ready (commit.go, package admission) and stores it, one transaction or
// record of the journal after the other (group.go, journaled.go), at a pace that spares commits (package pace). The
// sealer ends the segment before the one that is written (rotate.go). The cleaner saves what outputs have finished,
// removes segments and makes them small (cleaner.go). Connections compress their batches, and outputs read their
// chunks, in goroutines of their own. Each says what it is at: see Queue.Beats.
//
// # Locks
//
// In this list A → B means that B may be locked while A is held, and never the other way round.
//
//	those of packages requeue and adoption → committer.mu → Queue.mu
//	              committer.mu → limits.Limits's
//	              committer.mu → resend.Window's
//	cleaner.mu  → Queue.mu
//	Store.mu of the dead letters → nothing of the queue
//
// Queue.mu and that of limits.Limits are never held together, nor is one of them held by who calls another package.
//
// No disk is touched while committer.mu, Queue.mu or the limits' is held: connections, outputs and the status endpoint
// wait for these. So what is stored next is decided from memory (admission.Pending.Decide), and what that needs of the
// disk (a segment ended or dropped, an index loaded, the free space) is done between two decisions (committer.execute).
// Those of requeue and adoption, cleaner.mu and the dead letters' are held over disk calls; for them wait other
// requeues and adoptions, other saves and who adds or reads dead letters.
//
// A segment whose index is loaded or rewritten is kept by exclusively, which no lock is held with.
package disk
