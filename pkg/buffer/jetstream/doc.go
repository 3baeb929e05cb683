// Package jetstream is the queue on NATS JetStream: servers that replicate it hold it, and any number of processes
// share it.
package jetstream
