package forward

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/forward/internal/handshake"
	"github.com/seed-afc6a195/aggregator/pkg/forward/internal/refusal"

	"github.com/seed-afc6a195/aggregator/internal/safetext"
)

const (
	// refusalDelay is how long the answer to a wrong login takes, so that guessing is slow.
	refusalDelay = time.Second
	// maxSlow is how many answers may be delayed at once. Those beyond it are given at once: a flood of wrong logins
	// must not hold memory.
	maxSlow = 256
	// maxHostname is how much of the server's hostname a PONG says, in bytes: clients read 511 of all of it at most.
	maxHostname = 200
)

// What a PONG gives as reasons. A wrong key, user, network and certificate have the same one, so that nobody learns
// which part was right; the log says it. Fluent Bit shows its first 31 bytes.
const (
	pongBadPing  = "invalid ping message"
	pongBadLogin = "shared_key or user mismatch"
)

// login says whose connection nc is, and what hostname its client claims, also where it is refused: by what is known of
// p where that is enough, else by HELO, PING and PONG. The caller has set nc's deadline, which is ctx's too, and has to
// close nc at once on an error: clients take a connection that stays open for a good one. What follows a refused PING
// is never looked at.
func (s *Server) login(ctx context.Context, nc net.Conn, p Peer) (cluster, hostname string, err error) {
	if s.opts.Clusters == nil {
		return "default", "", nil
	}
	p.Clusters = s.limits().Clusters
	set := s.handover()
	cluster, needed, unknown := s.opts.Clusters.Identify(p)
	switch {
	// Its key decides who it is.
	case set != nil:
	case unknown != nil:
		return "", "", loginRefused(unknown)
	case !needed:
		return cluster, "", nil
	}
	l := Login{Nonce: make([]byte, 16), Auth: make([]byte, 16)}
	// Never fails.
	_, _ = rand.Read(l.Nonce)
	_, _ = rand.Read(l.Auth)
	helo := handshake.Helo{Nonce: string(l.Nonce), Auth: string(l.Auth)}
	if set != nil {
		helo.Handover = HandoverVersion
	}
	if _, err = nc.Write(helo.Append(nil)); err != nil {
		return "", "", err
	}
	if err = readPing(nc, &l); err != nil {
		if errors.Is(err, handshake.ErrPing) {
			refusePing(nc, pongBadPing)
		}
		return "", "", err
	}
	l.ServerHostname = s.hostnameFor(l.Hostname, p)
	var proof string
	switch {
	case set != nil && l.madeWith(set.SharedKey.Reveal()):
		cluster, proof, err = "", l.proof(set.SharedKey.Reveal()), nil
	case unknown != nil:
		err = unknown
	case !needed:
		err = fmt.Errorf(
			"cluster %s needs no login, but this listener asks everybody for one, as it has handover: let its agents "+
				"come in at another listener", cluster,
		)
	default:
		set = nil
		cluster, proof, err = s.opts.Clusters.Login(p, l)
	}
	if err != nil {
		s.delay(ctx)
		refusePing(nc, pongBadLogin)
		r := loginRefused(err)
		r.Err = fmt.Errorf(`%w (it says it is "%s")`, r.Err, sanitize(l.Hostname))
		return "", l.Hostname, r
	}
	pong := handshake.Pong{OK: true, Hostname: l.ServerHostname, Digest: proof}
	if _, err = nc.Write(pong.Append(nil)); err == nil && set != nil {
		err = errHandover
	}
	return cluster, l.Hostname, err
}

// refusePing says no. Whether the client gets to read it does not matter.
func refusePing(nc net.Conn, reason string) {
	pong := handshake.Pong{Reason: reason}
	_, _ = nc.Write(pong.Append(nil))
}

// delay makes the answer to a wrong login wait, this one's alone, and never beyond half of the time that is left.
func (s *Server) delay(ctx context.Context) {
	defer s.slow.Add(-1)
	if s.slow.Add(1) > maxSlow {
		return
	}
	wait := refusalDelay
	if deadline, ok := ctx.Deadline(); ok {
		wait = min(wait, time.Until(deadline)/2)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// hostnameFor returns what this server is called towards a client of that hostname: fluentd and Node's clients refuse a
// server that has their own.
func (s *Server) hostnameFor(client string, p Peer) string {
	name := cmp.Or(s.opts.Hostname, "aggregator")
	name = name[:min(len(name), maxHostname)]
	if name != client {
		return name
	}
	host := p.Addr.Addr().String()
	if ok, leftOut := s.logs.Allow("hostname", host, time.Now()); ok {
		s.opts.Log.Info().Str("listener", s.opts.Name).Str("peer", host).Str("hostname", sanitize(client)).
			Uint64("left_out", leftOut).
			Msg(
				"a client has this server's hostname, which clients refuse, so it is told another one: set hostname " +
					"here, or self_hostname there",
			)
	}
	return name + "-aggregator"
}

// loginRefused gives err its label.
func loginRefused(err error) *refusal.Error {
	var labeled interface{ Reason() string }
	if errors.As(err, &labeled) {
		return &refusal.Error{Reason: labeled.Reason(), Err: err}
	}
	return &refusal.Error{Reason: refusal.Login, Err: err}
}

// sanitize makes a stranger's text fit for a log line.
func sanitize(text string) string {
	text = safetext.Line(strings.ToValidUTF8(safetext.Cut(text, 64), "?"), '?')
	return strings.NewReplacer(`"`, "?", `\`, "?").Replace(text)
}
