// Package setup is what the queue needs on the servers: their version, the stream of chunks and the key-value bucket of
// the group. It makes what is missing, holds what is there against the configuration, and reports on both.
package setup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
)

const (
	// oldestServer is the first version that has all that the queue uses.
	oldestServer = "2.10.0"
	// defaultMaxSize is what may wait where nobody says.
	defaultMaxSize = 16 << 30
	// MinWindow is the least that ids are remembered for, since the queue's own attempts go under them too.
	MinWindow = 2 * time.Minute
)

// ErrTooOld is wrapped by what Version and Check say of a server that lacks something.
var ErrTooOld = errors.New("its version is too old: " + oldestServer + " is the first that will do")

// Version returns an error that wraps ErrTooOld where the server that is connected is too old.
func Version(nc *nats.Conn) error {
	if v := nc.ConnectedServerVersion(); !atLeast(v, oldestServer) {
		return fmt.Errorf("server %s has version %s: %w", nc.ConnectedUrlRedacted(), v, ErrTooOld)
	}
	return nil
}

// atLeast reports whether a version, such as "2.15.3", is not before another one.
func atLeast(version, least string) bool {
	got, want := numbers(version), numbers(least)
	for i := range want {
		if got[i] != want[i] {
			return got[i] > want[i]
		}
	}
	return true
}

func numbers(version string) (n [3]int) {
	version, _, _ = strings.Cut(version, "-")
	for i, text := range strings.SplitN(version, ".", len(n)) {
		// What is no number counts as 0.
		n[i], _ = strconv.Atoi(text)
	}
	return n
}

// Setup is the queue's place on the servers, as Config names it.
type Setup struct {
	JS     jetstream.JetStream
	Config buffer.Config
}

// Bucket returns the name of the group's key-value bucket.
func (s *Setup) Bucket() string { return s.chunks() + "_GROUP" }

func (s *Setup) chunks() string { return s.Config.JetStream.Stream }

// MaxSize returns how many bytes may wait as configured.
func MaxSize(cfg *buffer.Config) int64 {
	return cmp.Or(int64(cfg.JetStream.MaxSize), int64(cfg.MaxSize), defaultMaxSize)
}

// streamConfig is the settings of the stream of chunks.
func (s *Setup) streamConfig() jetstream.StreamConfig {
	size := MaxSize(&s.Config)
	return jetstream.StreamConfig{
		Name: s.chunks(), Description: "what aggregator has acknowledged and not delivered",
		Subjects: []string{s.chunks() + ".q.>"}, Retention: jetstream.WorkQueuePolicy, Discard: jetstream.DiscardNew,
		// The queue's own limit comes first. What is stored again by it, such as rests, must find room beyond.
		MaxBytes: size + size/8 + 64<<20,
		MaxMsgs:  -1, MaxConsumers: -1, MaxMsgsPerSubject: -1, Storage: jetstream.FileStorage,
		Replicas: s.Config.JetStream.Replicas, Duplicates: max(s.Config.DedupeWindow, MinWindow), AllowDirect: true,
	}
}

// differences returns what of a stream makes it useless for the queue, in words.
func differences(got, want *jetstream.StreamConfig) (all []string) {
	say := func(what string, got, want any) {
		all = append(all, fmt.Sprintf("%s is %v, must be %v", what, got, want))
	}
	if got.Retention != want.Retention {
		say("retention", got.Retention, want.Retention)
	}
	if got.Discard != want.Discard {
		say("discard", got.Discard, want.Discard)
	}
	if got.Storage != want.Storage {
		say("storage", got.Storage, want.Storage)
	}
	if len(got.Subjects) != 1 || got.Subjects[0] != want.Subjects[0] {
		say("subjects", got.Subjects, want.Subjects)
	}
	if got.MaxAge != 0 {
		say("max_age", got.MaxAge, "0: what is old would be dropped")
	}
	if got.MaxMsgs > 0 || got.MaxMsgsPerSubject > 0 {
		say("max_msgs", max(got.MaxMsgs, got.MaxMsgsPerSubject), -1)
	}
	if got.NoAck {
		say("no_ack", true, false)
	}
	if got.Sealed {
		say("sealed", true, false)
	}
	if got.Mirror != nil || len(got.Sources) > 0 {
		say("mirror or sources", "set", "none")
	}
	if got.SubjectTransform != nil || got.RePublish != nil {
		say("subject_transform or republish", "set", "none")
	}
	return all
}

// DifferentError says that a stream with the queue's name has settings that the queue can't live with.
type DifferentError struct {
	Stream      string
	Differences []string
}

func (e *DifferentError) Error() string {
	return fmt.Sprintf("stream %s was made with other settings: %s. Name another one in buffer.jetstream.stream, or "+
		"delete that one if nobody needs it", e.Stream, strings.Join(e.Differences, "; "))
}

// raise returns the settings that a stream has, with those of want that are higher, and whether there are any: what is
// lower stays, since a process with older settings may start at any time.
func raise(got jetstream.StreamConfig, want *jetstream.StreamConfig) (to jetstream.StreamConfig, more bool) {
	to = got
	if got.MaxBytes > 0 && got.MaxBytes < want.MaxBytes {
		to.MaxBytes, more = want.MaxBytes, true
	}
	if got.Duplicates < want.Duplicates {
		to.Duplicates, more = want.Duplicates, true
	}
	if got.Replicas < want.Replicas {
		to.Replicas, more = want.Replicas, true
	}
	return to, more
}

// Stream makes the stream of chunks where it is missing. It returns a *DifferentError where one of that name can't be
// used as it is; any other error may go by itself.
func (s *Setup) Stream(ctx context.Context) error {
	want := s.streamConfig()
	found, err := s.JS.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		_, err = s.JS.CreateStream(ctx, want)
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			found, err = s.JS.Stream(ctx, want.Name)
		}
	}
	if err != nil {
		return fmt.Errorf("make stream %s with %d replicas: %w", want.Name, want.Replicas, err)
	}
	if found == nil {
		return nil
	}
	got := found.CachedInfo().Config
	if all := differences(&got, &want); len(all) > 0 {
		return &DifferentError{Stream: want.Name, Differences: all}
	}
	if to, more := raise(got, &want); more {
		if _, err := s.JS.UpdateStream(ctx, to); err != nil {
			return fmt.Errorf("raise the limits of stream %s: %w", want.Name, err)
		}
	}
	return nil
}

// Members returns the key-value bucket in which the processes tell each other of themselves.
func (s *Setup) Members(ctx context.Context) (jetstream.KeyValue, error) {
	kv, err := s.JS.KeyValue(ctx, s.Bucket())
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		kv, err = s.JS.CreateKeyValue(ctx, jetstream.KeyValueConfig{
			Bucket: s.Bucket(), Description: "the processes of aggregator that share stream " + s.chunks(), History: 1,
			Storage: jetstream.FileStorage, Replicas: s.Config.JetStream.Replicas,
		})
		if errors.Is(err, jetstream.ErrBucketExists) {
			kv, err = s.JS.KeyValue(ctx, s.Bucket())
		}
	}
	if err != nil {
		return nil, fmt.Errorf("make key-value bucket %s: %w", s.Bucket(), err)
	}
	return kv, nil
}
