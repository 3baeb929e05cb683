// Package jetstream is the queue on NATS JetStream: servers that replicate it hold it, and any number of processes
// share it, each of which can store, deliver, show and steer all of it. docs/decisions/0015-jetstream.md says why it
// is built like this.
//
// # What is on the servers
//
// With the stream S of the configuration: the stream S, a work queue whose subjects S.q.OUTPUT.TARGET.CLUSTER hold the
// chunks that wait for an output, or aside for one of its targets ("=" where there is none; names are escaped); the
// stream S_DEAD, S.dead.>, with the dead letters; the key-value bucket S_GROUP, in which processes tell of themselves.
// By S.group.> they talk, and nothing of that is kept. docs/scaling.md has the permissions that this needs.
//
// # What an ack means
//
// Commit returns nil once the stream has acknowledged each message of the batch: a majority of the replicas has it. A
// chunk is a sealed message (package chunk) for each output that wants it, or several where it is larger than
// max_payload. A work queue keeps a message until a consumer has said that it is finished, whether or not there is a
// consumer at the moment: nothing is lost with one, so nobody has to know which there are. The stream discards what is
// new when it is full, never what is old.
//
// # What is sent again
//
// To the same process: package resend tells. To another one: a message's id is made of cluster, tag, the agent's chunk
// id, the number of events and which of them the piece has, and the stream remembers ids for its window. That holds
// only where entries' times have nanoseconds, or the id's form tells that it is no hash of the content, as fluentd's
// does; of others, whose id the stream has, the group is asked: where a process has it unconfirmed, see package resend,
// it is the same, else it is stored again. The same goes where this process knows that the id is another message's.
//
// # What is handed out
//
// Each place has a consumer, from which every process that asks for its chunks fetches a little ahead. What is fetched
// is leased: for ackWait, renewed while somebody here works on it, given back at once by Close, and where nobody asks
// for it any more. That something is finished is said until the servers confirm it. Order holds within a chunk, and of
// a place while one process fetches from it. New chunks can't be had before old ones: NoFreshShare.
//
// # What is counted
//
// Each process tells the others each second what it has counted; Stats adds that up. Limits hold for the sum, so that
// processes together may pass one by what they store in a second or two. Where a process dies before it has told, the
// servers' own count is believed, once nothing has moved for a while: see package account.
package jetstream
