// Package buffer is the contract of the queue between the agents' acks and the outputs. Engines are packages below;
// buffertest is the suite that each of them passes. This is what they promise.
//
// # What survives
//
// Batch.Commit returns nil only once all of the batch is stored. With a durable engine that survives SIGKILL at any
// moment, and the loss of power where the engine syncs (buffer.sync of the one on disk; the servers' settings of a
// replicated one). After a crash each stored chunk is handed out whole or, where what a source has finished was not
// saved yet, once more. Nothing is handed out that was not stored. What can't be read any more is set aside, counted
// and told, and stops nothing else.
//
// A chunk is forgotten when every output that wanted it has called Done, when it was purged or dropped (drop_oldest),
// or found damaged: each is counted, and Found + Appended = Done + Dropped + Purged + Lost + Given + Pending holds
// for each output and cluster; Given is what was handed over to another queue (Giver).
//
// # Who owns which bytes
//
// What is passed to a Batch is copied, but for Message.Outputs. A chunk from Next belongs to its caller, with its
// Entries, until Done, Return, SettlePart or ReleaseEntries; the engine uses that memory again afterwards.
//
// # What order is promised
//
// One connection's chunks of a cluster and tag come in the order in which it committed them. Small messages of the same
// cluster, tag and outputs may come as one chunk; Parts tells which were put together. Clusters take turns by bytes,
// both on their way in and out. Returned chunks come before later ones only where Capabilities.ReturnsInOrder says so;
// rests come after what waits already.
//
// # Resends
//
// A message that is sent again because its ack got lost is acked and not stored, as far as that can be told: see
// Settle. Where it can't be told, doubling comes before losing.
//
// # Room
//
// Limits bound the whole queue, clusters and outputs. At a limit a batch waits, is rejected, or room is made by
// dropping the oldest of whom the limit is about, as Limits.WhenFull and ClusterWhenFull say. What waits because of one
// cluster's or output's limit stops no other.
package buffer
