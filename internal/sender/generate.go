package sender

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/vmihailenco/msgpack/v5"
	"github.com/vmihailenco/msgpack/v5/msgpcode"

	"github.com/seed-afc6a195/aggregator/internal/rate"
	"github.com/seed-afc6a195/aggregator/pkg/forward/client"
)

// Generator makes events that look like a web server's log lines from Kubernetes. Each has a number
// of its own under "seq", from 1 without a gap, and a few random digits, so that compression finds
// about as much to do as in real logs. It ends after Count events or Duration, whichever comes first.
type Generator struct {
	// Count may be 0: no limit.
	Count uint64
	// Duration may be 0: no limit.
	Duration time.Duration
	// Rate counts events per second over all connections; 0: as fast as they are taken.
	Rate float64
	// Size counts bytes of msgpack an event; see MinSize.
	Size int
	// ChunkEvents is at most so many at once; fewer where Rate would make that wait over 100 ms.
	ChunkEvents int
	// CRI says that the log lines are as container runtimes write them: <time> stdout F <line>.
	CRI bool

	mu    sync.Mutex
	start time.Time
	made  uint64
}

// MinSize is how long a made-up event is at least, in bytes of msgpack: a smaller Generator.Size has no effect.
func MinSize() int { return len(newTemplate(0, 0, false).entry) }

// Fraction implements Source.
func (g *Generator) Fraction() float64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	done := -1.0
	if g.Count > 0 {
		done = float64(g.made) / float64(g.Count)
	}
	if g.Duration > 0 && !g.start.IsZero() {
		done = max(done, min(1, float64(time.Since(g.start))/float64(g.Duration)))
	}
	return done
}

// take reserves n events beginning with number first, to be sent when due has come; n is 0 at the end.
func (g *Generator) take() (first uint64, n int, due time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.start.IsZero() {
		g.start = time.Now()
	}
	n = max(1, g.ChunkEvents)
	due = g.start
	if g.Rate > 0 {
		n = min(n, max(1, int(g.Rate/10)))
		due = g.start.Add(time.Duration(float64(g.made) / g.Rate * float64(time.Second)))
	}
	if g.Count > 0 {
		n = int(min(uint64(n), g.Count-g.made))
	}
	if g.Duration > 0 && max(time.Since(g.start), due.Sub(g.start)) >= g.Duration {
		n = 0
	}
	first = g.made + 1
	g.made += uint64(n)
	return first, n, due
}

// Reader implements Source.
func (g *Generator) Reader() Reader {
	r := &generatorReader{g: g, random: rand.NewPCG(rand.Uint64(), rand.Uint64())}
	for i := range r.templates {
		r.templates[i] = newTemplate(i, g.Size, g.CRI)
	}
	for i := range max(1, g.ChunkEvents) {
		r.entries = append(r.entries, r.templates[i%len(r.templates)].entry...)
	}
	return r
}

// generatorReader holds a chunk of entries whose times, numbers and digits it overwrites for each Next.
type generatorReader struct {
	g         *Generator
	random    *rand.PCG
	templates [8]template
	entries   []byte
}

// Next implements Reader.
func (r *generatorReader) Next(ctx context.Context) (entries []byte, events int, err error) {
	first, n, due := r.g.take()
	if n == 0 {
		return nil, 0, io.EOF
	}
	if err := rate.Wait(ctx, time.Until(due)); err != nil {
		return nil, 0, err
	}
	size := len(r.templates[0].entry)
	entries = r.entries[:n*size]
	now := time.Now()
	sec, nsec := uint32(now.Unix()), uint32(now.Nanosecond())
	written := now.UTC().Format(criTime)
	for i := range n {
		entry, t := entries[i*size:(i+1)*size], &r.templates[i%len(r.templates)]
		binary.BigEndian.PutUint32(entry[t.time:], sec)
		binary.BigEndian.PutUint32(entry[t.time+4:], nsec)
		binary.BigEndian.PutUint64(entry[t.seq:], first+uint64(i))
		if r.g.CRI {
			copy(entry[t.written:], written)
		}
		putHex(entry[t.request:t.request+16], r.random.Uint64())
		putHex(entry[t.order:t.order+8], r.random.Uint64())
		if nsec++; nsec == 1e9 {
			sec, nsec = sec+1, 0
		}
	}
	return entries, n, nil
}

// template is an entry and where in it are what differs between events.
type template struct {
	entry                     []byte
	time, seq, request, order int
	// written is that of a container's line.
	written int
}

// criTime is how container runtimes write times.
const criTime = "2006-01-02T15:04:05.000000000Z"

// newTemplate makes one of several kinds of entry, padded to size bytes where it is shorter.
func newTemplate(kind, size int, cri bool) template {
	const request, order = "@@@@@@@@@@@@@@@@", "########"
	methods, paths := [...]string{"GET ", "POST", "PUT "}, [...]string{"orders", "basket", "search", "images"}
	line := fmt.Sprintf(`10.2.%d.1%d "%s /api/v1/%s?id=%s HTTP/1.1" %d 51%d "https://shop.example/" request=%s`,
		kind%8, kind%8, methods[kind%3], paths[kind%4], order, [...]int{200, 201, 200, 404, 200}[kind%5], kind%8,
		request)
	if cri {
		line = criTime + " stdout F " + line
	}
	pad := ""
	for {
		b, seq := madeUpEntry(line+pad, fmt.Sprintf("web-5d8f7c-x2x%d", kind%8))
		t := template{time: 3, seq: seq}
		if missing := size - len(b); missing > 0 {
			const agent = ` "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 ` +
				`Safari/537.36"`
			pad = string(bytes.Repeat([]byte(agent), missing/len(agent)+1)[:missing])
			continue
		}
		t.entry, t.request, t.order = b, bytes.Index(b, []byte(request)), bytes.Index(b, []byte(order))
		t.written = bytes.Index(b, []byte(criTime))
		return t
	}
}

// madeUpEntry returns an entry with that line and pod, and where the number after its seq's header is.
func madeUpEntry(line, pod string) (entry []byte, seq int) {
	to := bytes.NewBuffer(client.AppendTime([]byte{0x92}, 0, 0))
	e := msgpack.NewEncoder(to)
	err := errors.Join(e.EncodeMapLen(4), e.EncodeString("seq"))
	seq = to.Len() + 1
	err = errors.Join(err, e.EncodeUint64(0), e.EncodeString("stream"), e.EncodeString("stdout"), e.EncodeString("log"))
	// A str32, so that any length costs the same.
	to.Write(binary.BigEndian.AppendUint32([]byte{msgpcode.Str32}, uint32(len(line))))
	to.WriteString(line)
	err = errors.Join(err, e.EncodeString("kubernetes"), e.EncodeMapLen(4))
	for _, s := range [...]string{
		"pod_name", pod, "namespace_name", "shop", "container_name", "nginx", "host", "ip-10-0-1-12",
	} {
		err = errors.Join(err, e.EncodeString(s))
	}
	if err != nil {
		panic("writing msgpack to memory, which takes everything: " + err.Error())
	}
	return to.Bytes(), seq
}

// putHex fills b, of up to 16 bytes, with x's lowest hexadecimal digits.
func putHex(b []byte, x uint64) {
	for i := range b {
		b[i] = "0123456789abcdef"[x&15]
		x >>= 4
	}
}
