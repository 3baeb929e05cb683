// Package resend works out which messages an agent sends again because it may have missed an ack, and which only look
// like that.
//
// An agent that did not get an ack sends the message again, on another connection; it must be acked then, and not
// stored a second time. Its chunk id alone proves nothing: Fluent Bit's is a hash of the content, so two chunks may
// share one. The rule: a message with the cluster, tag, id and number of events of an earlier one ([Key]) is the same
// message only while nobody knows that the agent has the earlier one's ack.
//
// # Who tells what
//
// The listener has a [Tracker] for each connection and feeds it with what it sees there: a message was read, acks were
// written, the next message began, the connection ended. The tracker says which commits' acks have arrived. The queue
// has one [Window], which remembers the messages whose acks are in doubt, and hears of these from all trackers. Nobody
// asks the other way: where the window can't tell a resend from a new chunk without knowing whether a client is still
// there, it names the connection ([Window.Doubts]), the listener looks, and tells ([Window.Gone]) before it commits.
//
// # What becomes of a message
//
// It depends on what is remembered under its key from another connection, and on whether its own client is still there:
//
//	remembered    its client   verdict     since
//	nothing       any  store       it is new
//	queued        any  wait        no ack can have been sent yet: the client of the first has given up
//	acked there        store       the first one's client is there too and may have its ack: another chunk
//	acked gone         duplicate   it was read late: its client gave up, and has sent it again
//	unconfirmed   any  duplicate   the first one's client may have missed its ack
//	confirmed     there        store       the first one's client has its ack: another chunk
//	confirmed     gone duplicate   as above
//
// What is remembered is what was when the listener was asked for doubts: a message whose ack is written between that
// and its entry counts as unconfirmed, as the client of the one that comes in could not know of it.
//
// The same connection never repeats a message: what it sends under a key of its own is another chunk. Unconfirmed and
// confirmed messages are forgotten after the window's length, and the oldest of too many before.
//
// A message that waits becomes a duplicate once the one before it is stored. If that is withdrawn, because its client
// has gone or the queue refused it, the next in line takes its place. So however often a message comes while nothing
// can be stored, one of them is stored, and the others are duplicates of it.
//
// A duplicate is acked when its turn comes, and from then on its own ack is the one that counts: not that of what was
// entered before it, nor its own where its client was gone when it came. What the agent sent after that may have
// overtaken it.
//
// # What becomes of a remembered message
//
//	event                                                 state after
//	it was entered into the queue                         queued
//	its commit is on disk, so its ack is written          acked
//	its batch failed after it was on disk                 unconfirmed
//	its client began the next message after the ack       confirmed
//	the connection ended, see [End]                       confirmed or unconfirmed
//	its client is gone, and nobody has read the end yet   unconfirmed
//	the program was started anew                          unconfirmed, unless the connection's later messages say else
//
// # Where several processes share a queue
//
// Each has a window of its own. Where the queue says that it has a message's id from another process, the others are
// asked ([Window.Take]): one that has it unconfirmed gives it away, and it is a duplicate here, whose own ack counts
// from then on. Where nobody has it, since its process was killed or its client may be there yet, it is another chunk.
//
// # After a crash
//
// Each chunk on disk says which messages, of which connection's which commit, it is made of. An agent that waits for
// each ack has all but the last one of its connection; of one that sends ahead, what it sent ahead is unconfirmed too.
// [Tails] gathers that from the chunks. What the chunks don't say any more, because they were delivered and removed, is
// saved apart ([Window.Unconfirmed]).
package resend
