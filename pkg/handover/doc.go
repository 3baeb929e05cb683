// Package handover carries what one aggregator's queue holds to another aggregator: chunks with all that they owe,
// events that wait aside for a target, dead letters.
//
// It speaks the Forward protocol, and an extension of it. After HELO, PING and PONG with the shared key that the
// receiving listener has for this alone, each message has the form of PackedForward: a tag, which is Tag, entries, and
// an option map with the chunk id to acknowledge and, under "handover", what else belongs to it. HELO says "handover"
// with the extension's version; a sender ends at any server that doesn't, before it has sent anything. Messages:
//
//	begin   which queue it is, and of which clusters and outputs it has something; the answer says which of
//	        these are taken
//	chunk   a chunk; its entries are the message's
//	letter  a dead letter; its entry is the message's
//	end     the queue has nothing left: the receiver forgets what it knew of it
//
// Each is answered {"ack": id} once it is stored, or {"error": text} once, after which the connection ends. Chunks
// ascend by their numbers in the sender's queue, and letters by theirs. So the receiver knows what it has by the
// highest one, for as long as a handover lasts, and the sender may begin again anywhere after a crash of either side:
// see buffer.Taker.
package handover
