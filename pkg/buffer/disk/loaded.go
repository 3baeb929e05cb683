package disk

import (
	"errors"
	"os"
	"slices"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/segment"
	"github.com/seed-afc6a195/aggregator/pkg/resend"
)

// Indexes of segments stay in memory for as many chunks and as many files as this, the one that is
// written not counted; past it those used longest ago go.
const (
	maxLoadedChunks   = 1 << 16
	maxLoadedSegments = 16
)

// segmentState is one file of chunks, as the queue remembers it. Guarded by Queue.mu, but for what never
// changes and w, which is the committer's. What stays in memory of a segment that nobody reads is
// sum and done: some hundred bytes.
type segmentState struct {
	first uint64
	path  string
	// n counts the sequence numbers from first on that it covers.
	n uint32
	// sealed says that nothing will be added.
	sealed bool
	// gone says that its file is removed.
	gone bool
	// broken says that its index can't be read: what it holds waits for the next start.
	broken bool
	// lost is chunks that were found damaged, by sequence number; nil: none.
	lost map[uint64]bool
	// unread says that the disk refused to read some of it: its file stays for the next start.
	unread bool
	disk   int64
	// bytes is that of its chunks.
	bytes int64
	// sum is what is wanted of it.
	sum map[*partition]*demand
	// liveBytes are bytes of it that are wanted, by cluster; see tenant.
	liveBytes map[uint32]int64
	done      map[*source]segment.Bits
	// dirty says that done is not in state.db yet.
	dirty map[*source]bool
	// newest is when its last chunk was stored.
	newest int64
	// touched is when an output last finished something of it.
	touched time.Time

	writing
	loadedIndex
}

// writing is what is known of a segment while it is written.
type writing struct {
	// w may be nil: sealed, or not written to any more.
	w *segment.Writer
	// fresh is the last chunks, by sequence number less first, that are in the journal and not in the file.
	fresh map[uint32][]byte
	tails resend.Tails
	// oldest is that of segment.Contents.
	oldest int
}

// loadedIndex is what is in memory of a segment while it is written or read.
type loadedIndex struct {
	loaded bool
	// loading is closed when somebody's load or rewrite ends; nil: nobody's.
	loading chan struct{}
	entries []segment.Entry
	file    *segment.Handle
	// used is Queue.clock when it was last read.
	used uint64
}

// demand is what one output wants of one cluster's chunks in a segment.
type demand struct {
	counts
	// oldest is when the first was stored.
	oldest int64
}

// end returns the sequence number after the segment's last.
func (seg *segmentState) end() uint64 { return seg.first + uint64(seg.n) }

func (seg *segmentState) find(seq uint64) (int, bool) {
	return segment.Find(seg.entries, seg.first, seq)
}

// bits returns what the output has finished, to be changed: it is noted as not saved.
func (seg *segmentState) bits(src *source) segment.Bits {
	b := seg.done[src].Grown(seg.n)
	if len(b) > 0 {
		seg.done[src] = b
	}
	seg.dirty[src] = true
	return b
}

// unload lets go of the segment's index and file.
func (seg *segmentState) unload(s *Queue) {
	if !seg.loaded {
		return
	}
	seg.loaded = false
	s.loadedN -= len(seg.entries)
	seg.entries = nil
	seg.file.Close()
	seg.file = nil
}

// install gives the segment its index and makes room among the others. s.mu is held.
func (s *Queue) install(seg *segmentState, entries []segment.Entry, f *os.File) {
	seg.unload(s)
	s.clock++
	seg.entries, seg.file, seg.loaded, seg.used = entries, segment.NewHandle(f), true, s.clock
	s.loadedN += len(entries)
	s.recount(seg)
	for {
		var oldest *segmentState
		n := 0
		for _, o := range s.segs {
			if o.loaded && o.sealed && o != seg {
				if n++; oldest == nil || o.used < oldest.used {
					oldest = o
				}
			}
		}
		if oldest == nil || n < maxLoadedSegments && s.loadedN <= maxLoadedChunks {
			return
		}
		oldest.unload(s)
	}
}

// exclusively waits until nobody loads or rewrites the segment, and keeps others from it until the
// function that it returns is called. s.mu is held by neither.
func (s *Queue) exclusively(seg *segmentState) func() {
	for {
		s.mu.Lock()
		busy := seg.loading
		if busy == nil {
			mine := make(chan struct{})
			seg.loading = mine
			s.mu.Unlock()
			return func() {
				s.mu.Lock()
				seg.loading = nil
				s.mu.Unlock()
				close(mine)
			}
		}
		s.mu.Unlock()
		<-busy
	}
}

// load reads the segment's index.
func (s *Queue) load(seg *segmentState) {
	defer s.exclusively(seg)()
	s.mu.Lock()
	skip := seg.loaded || seg.gone || seg.broken || s.closed
	s.mu.Unlock()
	if skip {
		return
	}
	c, damage, err := segment.Read(seg.path, seg.first)
	var f *os.File
	if err == nil {
		f, err = os.Open(seg.path)
	}
	if damage != nil {
		s.log.Error().Str("segment", seg.path).Fields(damage.Fields()).
			Msg("segment is damaged: going on with the chunks that can be read")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err != nil && seg.gone:
	case err != nil:
		seg.broken = true
		s.stats.setAside++
		s.log.Error().Err(err).Str("segment", seg.path).
			Msg("can't read a segment: what it holds waits for the next start")
	case seg.gone || s.closed:
		// Only read from.
		_ = f.Close()
	default:
		// What a commit has left whose last sync failed was stored again, under other numbers.
		c.Entries = slices.DeleteFunc(c.Entries, func(e segment.Entry) bool { return e.Seq >= seg.n })
		s.remapIn(c)
		if damage != nil {
			s.stats.setAside++
			s.stats.lostEvents += damage.LostEvents()
			seg.unread = seg.unread || !errors.Is(damage.Cause, boltfile.ErrDamaged)
			s.untrackMissing(seg, c.Entries)
		}
		s.install(seg, c.Entries, f)
	}
}

// remapIn changes the numbers of names in c's entries from c's to the store's. s.mu is held.
func (s *Queue) remapIn(c *segment.Contents) { c.Renumber(s.clusterNumber, s.setNumber) }

func (s *Queue) clusterNumber(name string) uint32 {
	n, ok := s.numbers[name]
	if !ok {
		n = uint32(len(s.clusters))
		s.clusters, s.numbers[name] = append(s.clusters, s.newTenant(name, n)), n
	}
	return n
}

func (s *Queue) setNumber(names []string) uint32 {
	k := segment.SetKey(names)
	n, ok := s.setOf[k]
	if !ok {
		set := &outputSet{names: slices.Clone(names)}
		for _, name := range names {
			set.sources = append(set.sources, s.source(name))
		}
		n = uint32(len(s.sets))
		s.sets, s.setOf[k] = append(s.sets, set), n
	}
	return n
}

// remapOut returns contents for the index of the segment: entries with names of their own. s.mu is held.
func (s *Queue) remapOut(seg *segmentState) *segment.Contents {
	c := &segment.Contents{First: seg.first, Tails: seg.tails, Oldest: seg.oldest}
	c.AddNamed(seg.entries, func(n uint32) string { return s.clusters[n].name },
		func(n uint32) []string { return s.sets[n].names })
	return c
}

// track counts the entries, which nothing of the segment is counted of yet, for everyone who wants
// them. s.mu is held.
func (s *Queue) track(seg *segmentState, entries []segment.Entry, appended bool) {
	for i := range entries {
		e := &entries[i]
		seg.bytes += int64(e.Size)
		seg.n = max(seg.n, e.Seq+1)
		seg.newest = max(seg.newest, e.Received)
		for _, src := range s.sets[e.Set].sources {
			if seg.done[src].Has(e.Seq) {
				continue
			}
			l := src.partition(e.Cluster)
			t := seg.sum[l]
			if t == nil {
				t = &demand{oldest: e.Received}
				seg.sum[l] = t
			}
			t.add(e.Events, e.Size)
			l.pending.add(e.Events, e.Size)
			src.pending.add(e.Events, e.Size)
			s.pending++
			if appended {
				l.appended.add(e.Events, e.Size)
			} else {
				l.found.add(e.Events, e.Size)
			}
			l.list()
		}
		if s.wanted(seg, seg.first+uint64(e.Seq), e.Set) {
			s.addLive(seg, e.Cluster, int64(e.Size))
		}
	}
}

// untrackMissing takes chunks out of the sums that were counted at the start and are not among entries, all
// that can be read of the segment now. s.mu is held.
func (s *Queue) untrackMissing(seg *segmentState, entries []segment.Entry) {
	have, seqs := map[*partition]counts{}, map[uint64]bool{}
	for i := range entries {
		e := &entries[i]
		seqs[seg.first+uint64(e.Seq)] = true
		for _, src := range s.sets[e.Set].sources {
			if !seg.done[src].Has(e.Seq) {
				l := src.partition(e.Cluster)
				t := have[l]
				t.add(e.Events, e.Size)
				have[l] = t
			}
		}
	}
	for l, t := range seg.sum {
		lost := t.counts
		lost.minus(have[l])
		for seq, o := range l.inFlight {
			if o.seg == seg && !seqs[seq] {
				lost.sub(o.events, o.size)
			}
		}
		t.minus(lost)
		l.pending.minus(lost)
		l.src.pending.minus(lost)
		l.lost.plus(lost)
		s.pending -= lost.Chunks
		if t.Chunks == 0 {
			delete(seg.sum, l)
		}
	}
	s.clean.kick()
}

// newSegment returns a segment that holds nothing yet.
func newSegment(dirPath string, first uint64) *segmentState {
	return &segmentState{
		first: first, path: dirPath, sum: map[*partition]*demand{}, liveBytes: map[uint32]int64{},
		done: map[*source]segment.Bits{}, dirty: map[*source]bool{},
	}
}
