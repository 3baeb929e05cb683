package disk

import (
	"cmp"
	"context"
	"slices"
	"sort"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/heartbeat"
	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/admission"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/segment"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/fair"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// turnBytes is what a cluster may take of an output before the next one's turn.
const turnBytes = 1 << 20

// source is what waits for one output, whether or not anybody asks for it. Guarded by Queue.mu.
type source struct {
	s    *Queue
	name string
	// configured says that Source was called: the output is configured.
	configured bool
	pending    counts
	quota      admission.Quota
	// partitions are by cluster.
	partitions map[string]*partition
	// ring is those with something to hand out.
	ring fair.Ring[*partition]
	// wake is closed when there is something new; nil: nobody waits.
	wake chan struct{}
	turn buffer.FreshTurn
	// reading names a read for beat.
	reading string
	// beat is that of whom Next reads for.
	beat heartbeat.Loop
}

// partition is what waits for one output from one cluster: a queue in order of sequence.
type partition struct {
	src     *source
	cluster string
	// number is that of the cluster.
	number uint32
	// pending is with what is handed out.
	pending  counts
	inFlight map[uint64]*lease
	// returned is given back, ascending; without their memory.
	returned []*lease
	// next is that of the chunks before it only inFlight and returned ones are left.
	next uint64
	// passed is when the chunk before next was stored.
	passed int64
	// fresh is the sequence number before which chunks that are new were handed out; from is where that began.
	fresh, from uint64
	turn        fair.Turn[*partition]
	// held is by Hold: it is not in the ring.
	held bool
	// again says that what first has returned last was given back before.
	again bool
	fates
}

// fates is what became of the chunks of a partition, since the start.
type fates struct {
	appended counts
	done     counts
	// dropped is by drop_oldest.
	dropped counts
	purged  counts
	// lost was damaged on disk.
	lost counts
	// found was pending at the start.
	found counts
	// requeued is what of appended are dead letters that are sent again.
	requeued counts
	// moved is what of done was sent to another output.
	moved counts
	// rest is what of appended was left of chunks that were settled in part.
	rest counts
	// adopted is what of appended another queue has handed over.
	adopted counts
	// given was handed over to another queue.
	given counts
}

// lease is a chunk that was handed out.
type lease struct {
	// chunk is its address is what the output holds.
	chunk    event.Chunk
	seg      *segmentState
	seq      uint64
	size     uint32
	events   uint32
	set      uint32
	received int64
	memory   []byte
}

// Source implements Queue.
func (s *Queue) Source(output string) buffer.Source {
	s.mu.Lock()
	defer s.mu.Unlock()
	src := s.source(output)
	src.configured = true
	return src
}

// source returns the output's source. s.mu is held.
func (s *Queue) source(output string) *source {
	src := s.sources[output]
	if src == nil {
		src = &source{
			s: s, name: output, partitions: map[string]*partition{}, ring: fair.NewRing[*partition](turnBytes),
			reading: "a read for output " + output + " from " + s.dir,
		}
		src.quota = admission.Quota{
			What: "output " + output, Limit: s.limitsOf.Outputs[output], Used: &src.pending.Bytes,
		}
		src.quota.Drop = func() bool { return s.dropChunk(src) }
		s.sources[output] = src
	}
	return src
}

func (src *source) partition(cluster uint32) *partition {
	name := src.s.clusters[cluster].name
	l := src.partitions[name]
	if l == nil {
		l = &partition{src: src, cluster: name, number: cluster, inFlight: map[uint64]*lease{}}
		l.turn.Value = l
		src.partitions[name] = l
	}
	return l
}

// list puts l, unless it is held, among those that take turns and wakes who waits for a chunk.
func (l *partition) list() {
	if l.held {
		return
	}
	l.src.ring.Add(&l.turn)
	if l.src.wake != nil {
		close(l.src.wake)
		l.src.wake = nil
	}
}

// Next implements Source.
func (src *source) Next(ctx context.Context) (*event.Chunk, error) {
	s := src.s
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			return nil, buffer.ErrClosed
		}
		l, seg, i := src.pick()
		switch {
		case seg == nil:
			if src.wake == nil {
				src.wake = make(chan struct{})
			}
			wake := src.wake
			s.mu.Unlock()
			select {
			case <-wake:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
			continue
		case l == nil:
			s.mu.Unlock()
			src.beat.Disk(src.reading)
			s.load(seg)
			src.beat.Rest()
			continue
		}
		e := seg.entries[i]
		o := newLease(seg, &e)
		l.inFlight[o.seq] = o
		again := l.again || o.seq < s.began
		h, fresh := seg.file, s.freshOf(seg, &e)
		h.Hold()
		s.mu.Unlock()

		if fresh == nil {
			src.beat.Disk(src.reading)
		}
		err := s.fill(o, h, &e, fresh)
		if fresh == nil {
			src.beat.Rest()
		}
		if err != nil {
			s.unreadable(l, o, &e, h.File, err)
		}
		s.mu.Lock()
		h.Release()
		s.mu.Unlock()
		if err == nil {
			o.chunk.Again = again
			return &o.chunk, nil
		}
	}
}

// pick chooses the next chunk by deficit round robin: entry i of the segment, for partition l. l is nil
// where the segment's index must be loaded first; seg is nil where nothing is to be handed out.
func (src *source) pick() (l *partition, seg *segmentState, i int) {
	for turn := src.ring.Current(); turn != nil; turn = src.ring.Current() {
		l := turn.Value
		seg, i := l.pickChunk()
		if seg == nil {
			// Nothing left.
			src.ring.Remove(turn)
			continue
		}
		if !seg.loaded {
			return nil, seg, 0
		}
		src.ring.Take(turn, int64(seg.entries[i].Raw))
		src.s.clock++
		seg.used = src.s.clock
		return l, seg, i
	}
	return nil, nil, 0
}

// pickChunk returns where the partition's next chunk to hand out lies, and takes it off: the oldest, or where older
// ones wait and it is their turn, one of those that are new.
func (l *partition) pickChunk() (*segmentState, int) {
	turn, now := &l.src.turn, l.src.s.now()
	if turn.Share <= 0 || l.passed == 0 || len(l.returned) > 0 || now.Sub(time.Unix(0, l.passed)) < buffer.FreshAge {
		return l.first()
	}
	if turn.Fresh() {
		if seg, i := l.newest(now.Add(-buffer.FreshAge).UnixNano()); seg != nil {
			if seg.loaded {
				turn.Took(int64(seg.entries[i].Raw), true)
			}
			return seg, i
		}
	}
	seg, i := l.first()
	if seg != nil && seg.loaded {
		turn.Took(int64(seg.entries[i].Raw), false)
	}
	return seg, i
}

// newest returns where the partition's first chunk lies that was stored since the time and is not handed out, and takes
// it off.
func (l *partition) newest(since int64) (*segmentState, int) {
	s := l.src.s
	at := sort.Search(len(s.segs), func(i int) bool { return s.segs[i].newest >= since && s.segs[i].end() > l.fresh })
	for ; at < len(s.segs); at++ {
		seg := s.segs[at]
		if t := seg.sum[l]; t == nil || seg.broken || seg.newest < since || seg.end() <= l.fresh {
			continue
		}
		if !seg.loaded {
			return seg, 0
		}
		for i := range seg.entries {
			e := &seg.entries[i]
			seq := seg.first + uint64(e.Seq)
			if seq < max(l.fresh, l.next) || e.Received < since || !l.wants(seg, e) || l.handed(seq) {
				continue
			}
			if l.from == 0 {
				l.from = seq
			}
			l.fresh = seq + 1
			return seg, i
		}
	}
	return nil, 0
}

// wants reports whether the partition is not done with the chunk.
func (l *partition) wants(seg *segmentState, e *segment.Entry) bool {
	return e.Cluster == l.number && !seg.done[l.src].Has(e.Seq) && l.src.s.sets[e.Set].has(l.src)
}

// handed reports whether the chunk was handed out before its turn, and is not finished.
func (l *partition) handed(seq uint64) bool {
	if l.from == 0 || seq < l.from {
		return false
	}
	_, back := slices.BinarySearchFunc(l.returned, seq, func(
		b *lease, seq uint64,
	) int {
		return cmp.Compare(b.seq, seq)
	})
	return back || l.inFlight[seq] != nil
}

// first returns where the partition's first chunk to hand out lies, and takes it off.
func (l *partition) first() (*segmentState, int) {
	s := l.src.s
	for len(l.returned) > 0 {
		seg := l.returned[0].seg
		if !seg.loaded && !seg.broken && !seg.gone {
			return seg, 0
		}
		seq := l.returned[0].seq
		l.returned[0] = nil
		l.returned = l.returned[1:]
		if i, ok := seg.find(seq); ok {
			l.again = true
			return seg, i
		}
	}
	l.again = false
	at := sort.Search(len(s.segs), func(i int) bool { return s.segs[i].end() > l.next })
	for ; at < len(s.segs); at++ {
		seg := s.segs[at]
		if t := seg.sum[l]; t == nil || seg.broken {
			continue
		}
		if !seg.loaded {
			return seg, 0
		}
		if i, ok := l.peek(seg); ok {
			l.next = seg.first + uint64(seg.entries[i].Seq) + 1
			l.passed = seg.entries[i].Received
			return seg, i
		}
		l.next = seg.end()
	}
	return nil, 0
}

// peek returns the first entry of the loaded segment that the partition has not come to.
func (l *partition) peek(seg *segmentState) (int, bool) {
	from := uint64(0)
	if l.next > seg.first {
		from = l.next - seg.first
	}
	done := seg.done[l.src]
	i := sort.Search(len(seg.entries), func(i int) bool { return uint64(seg.entries[i].Seq) >= from })
	for ; i < len(seg.entries); i++ {
		e := &seg.entries[i]
		if e.Cluster == l.number && !done.Has(e.Seq) && l.src.s.sets[e.Set].has(l.src) &&
			!l.handed(seg.first+uint64(e.Seq)) {
			return i, true
		}
	}
	return 0, false
}

// freshOf returns a copy of the chunk where it is in memory, else nil. s.mu is held.
func (s *Queue) freshOf(seg *segmentState, e *segment.Entry) []byte {
	value := seg.fresh[e.Seq]
	if value == nil {
		return nil
	}
	return append(s.memory.Values.Get(), value...)
}

// fill reads the chunk of e into o. value is what freshOf has returned.
func (s *Queue) fill(o *lease, h *segment.Handle, e *segment.Entry, value []byte) error {
	var err error
	if value == nil {
		value, err = segment.ReadChunk(h.File, e, s.memory.Values.Get())
	}
	defer func() { s.memory.Values.Put(value) }()
	if err != nil {
		return err
	}
	err = s.memory.Decode(value, s.queueID, &o.chunk)
	o.memory = o.chunk.Entries
	return err
}

// SetFreshShare implements Source.
func (src *source) SetFreshShare(share float64) {
	src.s.mu.Lock()
	defer src.s.mu.Unlock()
	src.turn.Share = share
}

// finish notes that l is done with a chunk. s.mu is held.
func (s *Queue) finish(l *partition, o *lease) {
	seg := o.seg
	l.pending.sub(o.events, o.size)
	l.src.pending.sub(o.events, o.size)
	s.pending--
	if !seg.gone {
		t := seg.sum[l]
		if t.sub(o.events, o.size); t.Chunks == 0 {
			delete(seg.sum, l)
		}
		seg.bits(l.src).Set(uint32(o.seq - seg.first))
		if !s.wanted(seg, o.seq, o.set) {
			s.addLive(seg, l.number, -int64(o.size))
		}
		seg.touched = s.now()
		s.clean.kick()
	}
	if l.src.quota.Limit > 0 {
		s.commit.kick()
	}
}

// oldest returns when the partition's oldest chunk was stored, 0 where it has none. Where the index that
// tells is not loaded, it is a time not later than that.
func (l *partition) oldest() int64 {
	var t int64
	see := func(received int64) {
		if received != 0 && (t == 0 || received < t) {
			t = received
		}
	}
	for _, o := range l.inFlight {
		see(o.received)
	}
	if len(l.returned) > 0 {
		see(l.returned[0].received)
	}
	if l.pending.Chunks > int64(len(l.inFlight)+len(l.returned)) {
		for _, seg := range l.src.s.segs {
			p := seg.sum[l]
			if p == nil || seg.end() <= l.next {
				continue
			}
			if !seg.loaded {
				see(max(p.oldest, l.passed))
				break
			}
			if i, ok := l.peek(seg); ok {
				see(seg.entries[i].Received)
				break
			}
		}
	}
	return t
}
