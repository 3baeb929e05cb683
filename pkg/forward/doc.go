// Package forward speaks the Forward protocol of Fluentd and Fluent Bit, as a server and as a client.
//
// # What the server promises
//
// An ack leaves only after [Batch.Commit] has returned nil for its message: the one place is conn.store. What can't be
// stored is not acked and its connection is closed, because a client that waits for an ack on an open connection
// waits for ever. Nothing of a message is stored before all of it has come.
//
// # What it accepts
//
//   - Messages in the modes Message, Forward, PackedForward (as str or bin) and CompressedPackedForward (gzip of any
//     number of members, zstd of any number of frames), with every legal msgpack header, in pieces of any size, and
//     any number of them behind one another.
//   - Entries as package event reads them, Fluent Bit's [[time, metadata], record] and its marks of groups among
//     them. An entry that is no event becomes a dead letter; the others of its message are kept.
//   - The options chunk, compressed, fluent_signal and metadata; all others are passed over. What is no logs
//     (fluent_signal other than 0) is acked, counted and dropped.
//   - nil between messages, UDP heartbeats, and connections that close without a byte: neither is logged.
//
// # How a connection runs
//
// Each has one goroutine, which reads, parses, stores and acks in turn (conn.serve). A message's bytes are looked at
// where they lie in the receive buffer: wire.Frame finds where messages end, without looking at a byte twice however
// they are cut; assembler hands runs of good entries to the batch as they are. All whole messages of a read are stored
// with one commit.
//
// # Who comes
//
// Before the first message, conn.open finds out where a client comes from (a PROXY header of a trusted proxy), does
// TLS, and asks [Clusters] whose it is. Clients that close before their first message are probes, whatever they did
// until then: counted, not logged.
//
// # How a connection ends
//
// By the client, for a fault, for idleness, or because the server wants it to (drain.go): between two messages, best
// when nothing is on its way, and so that what was written before the client saw the end is still stored.
//
// # Limits
//
//   - max_message_size and max_decompressed_size, the latter counted while inflating.
//   - 1000 levels of nesting, 64 KiB of tag, 64 KiB of chunk.
//   - idle_timeout between messages, 30 s without a byte within one, 10 to 20 s for a client to take its acks.
//   - handshake_timeout for PROXY header, TLS and login together (conn.open): nothing is taken of a client before.
//   - max_connections, of all, of a source (max_connections_per_source), and of a cluster ([Clusters]).
//   - A cluster's rate: what was stored is charged to it, and the connection is not read until it is paid (conn.pay).
//   - A [Budget] for all that is between the sockets and the queue. It is charged with what came, never with
//     what a header claims.
package forward
