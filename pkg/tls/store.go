package tls

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/internal/logevery"
)

const (
	// warnBefore is how long before a certificate expires that is logged, each warnEvery.
	warnBefore = 14 * day
	warnEvery  = day
	day        = 24 * time.Hour
)

// State is what is in force, and whether the files as they are now can be used.
type State struct {
	CertFile, KeyFile string // "" where there is no certificate; then all up to DaysLeft are zero
	// CAFile is "" where none is configured.
	CAFile      string
	Subject     string
	Serial      string // hexadecimal
	Fingerprint string // SHA-256 of the certificate, hexadecimal
	Names       []string
	NotAfter    time.Time
	DaysLeft    float64 // to NotAfter; below 0 once it has passed
	LoadedAt    time.Time
	// Reloads is how often changed files came into force, after the first load.
	Reloads uint64
	// Failing is why the files as they are now are not in force; "" when they are.
	Failing string
	// FailingSince is when Failing, in this wording, was first found.
	FailingSince time.Time
}

// store keeps what a set of files holds.
type store struct {
	files   files
	log     zerolog.Logger
	now     func() time.Time
	current atomic.Pointer[material]

	// reloading is one Reload at a time; held while files are read.
	reloading sync.Mutex
	// expiry is that of warnings about each certificate that was loaded.
	expiry logevery.Limit

	// mu is never held while files are read: a hanging volume must not hang the status.
	mu    sync.Mutex
	state State
}

// newStore loads f for the first time.
func newStore(f files, o Options) (*store, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &store{
		files: f, log: o.Log, now: o.Now, expiry: logevery.Limit{Every: warnEvery},
		state: State{CertFile: f.cert, KeyFile: f.key, CAFile: f.authorities},
	}
	now := s.now()
	if _, err := s.take(now); err != nil {
		return nil, err
	}
	if f != (files{}) {
		s.log.Info().EmbedObject(s.State()).Msg("TLS files loaded")
	}
	s.warn(now)
	return s, nil
}

// Reload reads the files and takes them into force where their content has changed and can be used;
// new handshakes use it from then on. A certificate that is expired or not valid yet doesn't
// replace one that is valid. On an error, which is also kept in State, what was in force stays; the
// next Reload tries again.
func (s *store) Reload() (changed bool, err error) {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	now := s.now()
	changed, err = s.take(now)
	failed := s.record(err, now)
	switch {
	case err != nil && failed != err.Error():
		s.log.Error().Err(err).Msg("TLS files can't be used; those loaded before stay in force")
	case changed:
		s.log.Info().EmbedObject(s.State()).Msg("changed TLS files loaded")
	case err == nil && failed != "":
		s.log.Info().Msg("TLS files are again those in force")
	}
	s.warn(now)
	return changed, err
}

// take puts what the files hold in force, if it is new and can be used.
func (s *store) take(now time.Time) (changed bool, err error) {
	c, err := s.files.read()
	if err != nil {
		return false, err
	}
	old := s.current.Load()
	if old != nil && old.sum == c.sum() {
		return false, nil
	}
	fresh, err := s.files.parse(c)
	if err != nil {
		return false, err
	}
	if why := fresh.invalid(now); old != nil && why != "" && old.invalid(now) == "" {
		return false,
			fmt.Errorf("%s: %s, and the one in force is valid; put a valid one there, or correct this host's clock",
				s.files.whatPair(), why)
	}
	s.current.Store(fresh)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.LoadedAt = now
	if old != nil {
		s.state.Reloads++
	}
	if fresh.certificate != nil {
		leaf := fresh.certificate.Leaf
		sum := sha256.Sum256(leaf.Raw)
		s.state.Subject, s.state.Serial, s.state.Fingerprint = leaf.Subject.String(), leaf.SerialNumber.Text(16),
			hex.EncodeToString(sum[:])
		s.state.Names, s.state.NotAfter = addressed(leaf), leaf.NotAfter
	}
	return true, nil
}

// record keeps err, nil for none, and returns the text of the one before.
func (s *store) record(err error, now time.Time) (before string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before = s.state.Failing
	switch {
	case err == nil:
		s.state.Failing, s.state.FailingSince = "", time.Time{}
	case before != err.Error():
		s.state.Failing, s.state.FailingSince = err.Error(), now
	}
	return before
}

// warn logs that the certificate expires soon or has expired.
func (s *store) warn(now time.Time) {
	st := s.State()
	if st.NotAfter.IsZero() || st.NotAfter.Sub(now) >= warnBefore {
		return
	}
	if ok, _ := s.expiry.Allow("expiry", st.LoadedAt.String(), 1, now); !ok {
		return
	}
	if now.After(st.NotAfter) {
		s.log.Error().EmbedObject(st).
			Msg("the certificate has expired: peers that verify it turn it down; put a new one in its place")
		return
	}
	s.log.Warn().EmbedObject(st).Msg("the certificate expires soon: put a new one in its place")
}

// State returns a snapshot. It never waits for a file.
func (s *store) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.state
	st.Names = slices.Clone(st.Names)
	if !st.NotAfter.IsZero() {
		st.DaysLeft = st.NotAfter.Sub(s.now()).Hours() / 24
	}
	return st
}

// MarshalZerologObject adds what tells one load from another to a log line.
func (st State) MarshalZerologObject(e *zerolog.Event) {
	if st.CertFile != "" {
		e.Str("cert_file", st.CertFile).Str("subject", st.Subject).Strs("names", st.Names).
			Str("serial", st.Serial).Str("sha256", st.Fingerprint).
			Time("not_after", st.NotAfter).Int("days_left", int(st.DaysLeft))
	}
	if st.CAFile != "" {
		e.Str("ca_file", st.CAFile)
	}
}
