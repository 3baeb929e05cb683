package jetstream

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
)

// ErrFull is returned where the stream takes no more letters.
var ErrFull = errors.New("the stream of dead letters takes no more")

// Add implements deadletter.Store. It waits for the servers as long as ctx lets it.
func (s *Store) Add(ctx context.Context, letters []deadletter.Letter) error {
	if err := s.open(); err != nil {
		return err
	}
	if len(letters) == 0 {
		return nil
	}
	over := int(s.o.Conn.MaxPayload()) / 4
	for i := range letters {
		l := letters[i]
		if l.Time.IsZero() {
			l.Time = s.o.Now()
		}
		for _, part := range s.split(&l) {
			if err := s.add(ctx, &part, over); err != nil {
				return fmt.Errorf("keep a dead letter: %w", err)
			}
		}
	}
	if err := s.refresh(ctx); err != nil {
		// They are stored. The keeper counts them later.
		return nil //nolint:nilerr // as the comment says
	}
	// What is over the limits goes later, where that does not work now.
	_ = s.evict(ctx)
	return nil
}

// split cuts a letter whose bytes are no events, and more than a message takes, into several.
func (s *Store) split(l *deadletter.Letter) []deadletter.Letter {
	most := int(s.o.Conn.MaxPayload()) - 64<<10
	if most < 1<<10 || len(l.Entry) <= most || len(encode(l, 0)) <= most {
		return []deadletter.Letter{*l}
	}
	var all []deadletter.Letter
	for n, rest := 1, l.Entry; len(rest) > 0; n++ {
		part := *l
		part.Entry = rest[:min(most, len(rest))]
		rest = rest[len(part.Entry):]
		if n > 1 {
			part.Events = 0
		}
		part.Detail = "piece " + strconv.Itoa(n) + " of what was too large for one dead letter. " + l.Detail
		part.EventID = ""
		all = append(all, part)
	}
	return all
}

// add stores one letter, unless its event is one already.
func (s *Store) add(ctx context.Context, l *deadletter.Letter, packOver int) error {
	m := &nats.Msg{Subject: s.subjectOf(l), Data: encode(l, packOver)}
	var id string
	if l.EventID != "" {
		h := sha256.New()
		for _, part := range []string{l.Output, l.EventID} {
			// A hash never fails.
			_, _ = h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(part))))
			_, _ = h.Write([]byte(part))
		}
		// As above.
		_, _ = h.Write(l.Entry)
		id = "l-" + base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:18])
	} else {
		id = s.freshID()
	}
	for {
		known, err := s.publish(ctx, m, id)
		if err != nil {
			return err
		}
		if known == 0 {
			return nil
		}
		there, err := s.keeps(ctx, known)
		if err != nil {
			return err
		}
		if there {
			return nil
		}
		// It was deleted since, or is being sent again: this is another one.
		id = s.freshID()
	}
}

// freshID returns an id that nothing else has.
func (s *Store) freshID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tried++
	return "l-" + s.o.Conn.NewInbox() + strconv.FormatUint(s.tried, 36)
}

// publish stores a message, and returns the number of the one that had its id before; 0: none had.
func (s *Store) publish(ctx context.Context, m *nats.Msg, id string) (known uint64, err error) {
	for try := 0; ; try++ {
		attempt, cancel := context.WithTimeout(ctx, requestWithin)
		ack, err := s.o.JetStream.PublishMsg(attempt, m, jetstream.WithMsgID(id),
			jetstream.WithExpectStream(s.o.Stream))
		cancel()
		var api *jetstream.APIError
		switch {
		case err == nil && ack.Duplicate && try == 0:
			return ack.Sequence, nil
		case err == nil:
			return 0, nil
		case ctx.Err() != nil:
			return 0, ctx.Err()
		case s.open() != nil:
			return 0, deadletter.ErrClosed
		case errors.Is(err, nats.ErrMaxPayload):
			return 0, fmt.Errorf("%d bytes are more than the servers' max_payload: %w", len(m.Data), err)
		case errors.As(err, &api) && api.Code == 503:
			return 0, fmt.Errorf("%w: %w", ErrFull, err)
		}
		t := time.NewTimer(time.Second)
		select {
		case <-t.C:
		case <-ctx.Done():
		}
		t.Stop()
	}
}

// keeps reports whether the letter of that number is there and stays.
func (s *Store) keeps(ctx context.Context, id uint64) (bool, error) {
	s.mu.Lock()
	busy := s.requeueing[id]
	s.mu.Unlock()
	if busy {
		return false, nil
	}
	stream, err := s.o.JetStream.Stream(ctx, s.o.Stream)
	if err == nil {
		_, err = stream.GetMsg(ctx, id)
	}
	if isGone(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for dead letter %d: %w", id, err)
	}
	notes, err := s.o.Notes.List(ctx, notePrefix)
	if err != nil {
		return false, fmt.Errorf("look whether dead letter %d is being sent again: %w", id, err)
	}
	for _, note := range notes {
		if slices.Contains(idsOf(note), id) {
			return false, nil
		}
	}
	return true, nil
}
