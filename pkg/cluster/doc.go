// Package cluster says who a connection is and what its cluster may do.
//
// A connection's cluster follows from what it proves, never from what it sends later. The first of these that fits
// decides:
//
//  1. the name in its client certificate, where a cluster has it among its tls_names;
//  2. the most specific network among all sources, if it belongs to a cluster without key, users and tls_names;
//  3. HELO, PING and PONG, if any cluster that may come in at the listener has a key or users;
//  4. the only cluster that may come in at the listener, if it has no key, users or tls_names;
//  5. "default", where no clusters are configured.
//
// A cluster named by 1 that has a key or users wants these too. Sources are wanted in any case, of those that log in
// after their digests were compared. Who logs in with the key of one cluster and the certificate of another is refused.
package cluster
