package members

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
)

// Lock implements letters.Notes.
func (g *Group) Lock(ctx context.Context, name string) (release func(), err error) {
	g.memberMu.Lock()
	kv := g.kv
	g.memberMu.Unlock()
	if kv == nil {
		return nil, ErrNotReady
	}
	key := keyLock + name
	revision, err := kv.Create(ctx, key, []byte(g.self))
	if errors.Is(err, jetstream.ErrKeyExists) {
		var e jetstream.KeyValueEntry
		if e, err = kv.Get(ctx, key); err == nil {
			holder := string(e.Value())
			for _, p := range g.Peers() {
				if p.Name == holder && p.Alive && holder != g.self {
					return nil, fmt.Errorf("%w, by %s", deadletter.ErrBusy, holder)
				}
			}
			revision, err = kv.Update(ctx, key, []byte(g.self), e.Revision())
		}
	}
	if err != nil {
		return nil, fmt.Errorf("lock %s for the group: %w", name, err)
	}
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), answerWithin)
		defer cancel()
		// If it stays, the others find it without a holder once this process is gone.
		_ = kv.Delete(ctx, key, jetstream.LastRevision(revision))
	}, nil
}

// Put implements letters.Notes.
func (g *Group) Put(ctx context.Context, key string, value []byte) error {
	g.memberMu.Lock()
	kv := g.kv
	g.memberMu.Unlock()
	if kv == nil {
		return ErrNotReady
	}
	_, err := kv.Put(ctx, key, value)
	return err
}

// Delete implements letters.Notes.
func (g *Group) Delete(ctx context.Context, key string) error {
	g.memberMu.Lock()
	kv := g.kv
	g.memberMu.Unlock()
	if kv == nil {
		return ErrNotReady
	}
	return kv.Purge(ctx, key)
}

// List implements letters.Notes.
func (g *Group) List(ctx context.Context, prefix string) (map[string][]byte, error) {
	g.memberMu.Lock()
	kv := g.kv
	g.memberMu.Unlock()
	if kv == nil {
		return nil, ErrNotReady
	}
	w, err := kv.Watch(ctx, prefix+">", jetstream.IgnoreDeletes())
	if err != nil {
		return nil, err
	}
	// What it held is gone with it.
	defer func() { _ = w.Stop() }()
	all := map[string][]byte{}
	for {
		select {
		case e := <-w.Updates():
			if e == nil {
				return all, nil
			}
			all[e.Key()] = e.Value()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
